//! The longest time between two fires, from which a job's `rpo` follows.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    Expression,
    zone::{Instants, bounded, wall},
};

/// Five years hold a leap day and every clock change of a zone.
const DAYS: u32 = 5 * 366;
/// Two leap days may lie eight years apart.
const DAYS_AT_MOST: u32 = 17 * 366;

/// The days of a zone from an instant on, looked up once for any number of schedules.
#[derive(Debug)]
pub struct ZoneDays {
    zone: Tz,
    from: DateTime<Utc>,
    start: NaiveDate,
    days: Vec<Day>,
}

impl ZoneDays {
    /// Looks up the midnights of five years.
    pub fn new(zone: Tz, from: DateTime<Utc>) -> Self {
        let from = bounded(from);
        let start = wall(from, zone).date();
        // A rolling pair: each midnight is looked up once.
        let [mut previous, mut begin] =
            [start - Days::new(1), start].map(|date| Instants::of(midnight(date), zone));
        let days = start.iter_days().zip(0..=DAYS).map(|(date, _)| {
            let end = Instants::of(midnight(date + Days::new(1)), zone);
            let day = Day::between(previous, begin, end, date, zone);
            (previous, begin) = (begin, end);
            day
        });
        Self { days: days.collect(), zone, from, start }
    }

    /// The day so many days after the first; beyond the five years it is looked up anew.
    fn day(&self, n: u32, date: NaiveDate) -> Day {
        let known = usize::try_from(n).ok().and_then(|n| self.days.get(n));
        known.copied().unwrap_or_else(|| {
            let [previous, begin, end] = [date - Days::new(1), date, date + Days::new(1)]
                .map(|date| Instants::of(midnight(date), self.zone));
            Day::between(previous, begin, end, date, self.zone)
        })
    }
}

/// The longest time between consecutive fires, as far as seen.
struct Longest {
    last: Option<DateTime<Utc>>,
    gap: Option<TimeDelta>,
}

impl Longest {
    fn see(&mut self, at: DateTime<Utc>) {
        if let Some(last) = self.last {
            self.gap = self.gap.max(Some(at - last));
        }
        self.last = Some(at);
    }
}

impl Expression {
    /// The longest time between two fires in the five years from the first of these days, or between the next two if
    /// they lie farther apart.
    ///
    /// Days without a clock change are alike and are not counted through, so the cost does not grow with the number
    /// of fires.
    pub fn longest_gap(&self, days: &ZoneDays) -> TimeDelta {
        let within_a_day = self.times_of_day();
        let mut longest = Longest { last: None, gap: None };
        let has = |date: NaiveDate| self.sets().has_date(date);
        let first = days.start;
        let [mut before, mut on] = [has(first - Days::new(1)), has(first)];
        for (date, n) in first.iter_days().zip(0..DAYS_AT_MOST) {
            if n > DAYS && longest.gap.is_some() {
                break;
            }
            let after = has(date + Days::new(1));
            let (near, fires) = (before || on || after, on);
            (before, on) = (on, after);
            // A clock change near midnight moves a fire into a neighbouring day.
            if !near {
                continue;
            }
            let day = days.day(n, date);
            if day.begin >= days.from && day.is_plain {
                let Some((first, last, gap)) = within_a_day.filter(|_| fires) else { continue };
                longest.see(day.begin + first);
                longest.gap = longest.gap.max(gap);
                longest.last = Some(day.begin + last);
            } else {
                let fires = self.fires_after(day.begin.max(days.from) - TimeDelta::seconds(1), days.zone);
                fires.take_while(|fire| fire.utc < day.end).for_each(|fire| longest.see(fire.utc));
            }
        }
        longest.gap.unwrap_or(TimeDelta::days(i64::from(DAYS_AT_MOST)))
    }

    /// The first and last time of a day and the longest gap between.
    fn times_of_day(&self) -> Option<(TimeDelta, TimeDelta, Option<TimeDelta>)> {
        let sets = self.sets();
        let times =
            sets.hour.numbers().flat_map(|hour| sets.minute.numbers().map(move |minute| hour * 60 + minute));
        let times: Vec<_> = times.map(|minutes| TimeDelta::minutes(i64::from(minutes))).collect();
        let gap = times.windows(2).map(|pair| pair[1] - pair[0]).max();
        Some((*times.first()?, *times.last()?, gap))
    }
}

const fn midnight(date: NaiveDate) -> NaiveDateTime {
    NaiveDateTime::new(date, NaiveTime::MIN)
}

/// A day between its midnights.
#[derive(Debug, Clone, Copy)]
struct Day {
    begin: DateTime<Utc>,
    end: DateTime<Utc>,
    /// Whether no clock change moves a fire within the day, into it or out of it.
    is_plain: bool,
}

impl Day {
    fn between(previous: Instants, begin: Instants, end: Instants, date: NaiveDate, zone: Tz) -> Self {
        let day = TimeDelta::days(1);
        // A gap that ends at midnight hands its slots to this day.
        let inherits = || {
            begin.first() - previous.first() < day
                && matches!(Instants::of(midnight(date) - TimeDelta::seconds(1), zone), Instants::Never(_))
        };
        let is_plain = match (begin, end) {
            (Instants::Once(begin), Instants::Once(end)) => end - begin == day && !inherits(),
            _ => false,
        };
        Self { begin: begin.first(), end: end.first(), is_plain }
    }
}
