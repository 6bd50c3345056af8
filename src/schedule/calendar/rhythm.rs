//! How close together and how far apart the times of a schedule lie, by the wall clock.

use chrono::{NaiveDate, TimeDelta};

use super::Expression;

/// The shortest and the longest time between two neighbouring times of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// The shortest.
    pub shortest: TimeDelta,
    /// The longest.
    pub longest: TimeDelta,
}

/// Five years hold every pattern of days but that of 29 February, of which nine hold two.
const DAYS: usize = 5 * 366;
const DAYS_AT_MOST: u16 = 9 * 366;

impl Expression {
    /// The schedule's rhythm by the wall clock, without clock changes: what a judgement of a policy's text needs, in
    /// time that does not grow with the number of fires.
    ///
    /// For the true longest gap in a zone see [`Expression::longest_gap`].
    pub fn rhythm(&self) -> Rhythm {
        let minutes = |hour: u32| self.sets().minute.numbers().map(move |minute| hour * 60 + minute);
        let times: Vec<u32> = self.sets().hour.numbers().flat_map(minutes).collect();
        let (first, last) = (times.first().copied().unwrap_or(0), times.last().copied().unwrap_or(0));
        let within = || times.windows(2).map(|pair| pair[1] - pair[0]);
        let overnight = TimeDelta::minutes(i64::from(first) - i64::from(last));
        let span = |minutes: u32| TimeDelta::minutes(i64::from(minutes));
        let (mut shortest, mut longest) = (within().min().map(span), within().max().map(span));
        let start = NaiveDate::from_yo_opt(2026, 1).unwrap_or_default();
        let mut previous = None;
        let days = if self.sets().is_every_day() { 2 } else { usize::from(DAYS_AT_MOST) };
        for (n, date) in start.iter_days().enumerate().take(days) {
            if n > DAYS && longest.is_some() {
                break;
            }
            if !self.sets().has_date(date) {
                continue;
            }
            if let Some(previous) = previous.replace(date) {
                let gap = (date - previous) + overnight;
                shortest = Some(shortest.map_or(gap, |shortest| shortest.min(gap)));
                longest = Some(longest.map_or(gap, |longest| longest.max(gap)));
            }
        }
        let never = TimeDelta::days(i64::from(DAYS_AT_MOST));
        Rhythm { shortest: shortest.unwrap_or(never), longest: longest.unwrap_or(never) }
    }

    /// Whether two schedules have a time of day in common, whatever the days.
    pub fn shares_a_minute(&self, other: &Self) -> bool {
        let (one, two) = (self.sets(), other.sets());
        one.hour.bits() & two.hour.bits() != 0 && one.minute.bits() & two.minute.bits() != 0
    }

    /// Whether two schedules of one zone fire in the same minute at some time.
    pub fn meets(&self, other: &Self) -> bool {
        let has = |date| self.sets().has_date(date) && other.sets().has_date(date);
        let start = NaiveDate::from_yo_opt(2026, 1).unwrap_or_default();
        self.shares_a_minute(other) && start.iter_days().take(usize::from(DAYS_AT_MOST)).any(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rhythm_is_the_shortest_and_the_longest_way_to_the_next_time() {
        for (text, shortest, longest) in [
            ("0 2 * * *", 24 * 60, 24 * 60),
            ("0 2 * * 1-5", 24 * 60, 72 * 60),
            ("*/15 * * * *", 15, 15),
            ("15 6-22 * * *", 60, 8 * 60),
            ("0 3 * * 0", 7 * 24 * 60, 7 * 24 * 60),
            ("0 0 1 * *", 28 * 24 * 60, 31 * 24 * 60),
            ("0 0 29 2 *", 1461 * 24 * 60, 1461 * 24 * 60),
        ] {
            let rhythm = Expression::parse(text).unwrap().rhythm();
            let minutes = (rhythm.shortest.num_minutes(), rhythm.longest.num_minutes());
            assert_eq!(minutes, (shortest, longest), "{text}");
        }
    }

    #[test]
    fn schedules_meet_where_a_minute_of_one_day_is_in_both() {
        let meet = |one, two| Expression::parse(one).unwrap().meets(&Expression::parse(two).unwrap());
        assert!(meet("0 2 * * *", "0 2 * * 0"));
        assert!(meet("*/15 * * * *", "30 3 1 * *"));
        assert!(!meet("0 2 * * *", "30 2 * * *"));
        assert!(!meet("0 2 * * 1", "0 2 * * 2"));
        assert!(!meet("0 2 * 1 *", "0 2 * 2 *"));
    }
}
