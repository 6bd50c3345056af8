//! From the clock of a schedule to that of a host, for schedulers that cannot be told a zone.
//!
//! A fire is an instant, and every instant has a wall time on the host. [`widen`] names a set of wall times among which are
//! those of all fires, whatever clock changes of the two zones lie between. What fires at every instant whose wall time is in
//! the set, both passes of a repeated hour included, therefore misses no fire; what it has too much the guard refuses.

use std::collections::BTreeSet;

use chrono::{
    DateTime, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, TimeZone as _, Timelike as _,
};
use chrono_tz::Tz;

use super::super::calendar::{ClockChange, ClockChangeKind, Expression, Set, Unit, clock_changes};

/// Minutes of a day.
const DAY: i64 = 24 * 60;

/// Wall times of a host among which are those of all fires of a schedule in the ten years from 2026 on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Walls {
    /// Minutes of the day, 0 to 1439.
    pub(super) times: BTreeSet<u32>,
    /// Days of the month, 1 to 31.
    pub(super) days: BTreeSet<u32>,
    /// Months, 1 to 12.
    pub(super) months: BTreeSet<u32>,
    /// Weekdays, 0 to 6 from Sunday.
    pub(super) weekdays: BTreeSet<u32>,
    /// Whether a date needs to match only one of the two sets of days.
    pub(super) either_day: bool,
    /// Whether there is no wall time among them at which the schedule does not fire.
    pub(super) is_exact: bool,
}

impl Walls {
    /// The wall times of a schedule in its own zone.
    pub(super) fn unmoved(schedule: &Expression) -> Self {
        let sets = schedule.sets();
        let times =
            sets.hour.numbers().flat_map(|hour| sets.minute.numbers().map(move |minute| hour * 60 + minute));
        Self {
            times: times.collect(),
            days: sets.day.numbers().collect(),
            months: sets.month.numbers().collect(),
            weekdays: sets.weekday.numbers().collect(),
            either_day: sets.either_day(),
            is_exact: true,
        }
    }

    /// The hours of the times.
    pub(super) fn hours(&self) -> BTreeSet<u32> {
        self.times.iter().map(|time| time / 60).collect()
    }

    /// The minutes of the times. Together with the hours they name more times where these are no product of the two.
    pub(super) fn minutes(&self) -> BTreeSet<u32> {
        self.times.iter().map(|time| time % 60).collect()
    }
}

/// Whether a set has all numbers of a unit.
pub(super) fn is_full(set: &BTreeSet<u32>, unit: Unit) -> bool {
    (unit.min()..=unit.max()).all(|number| set.contains(&number))
}

/// Whether two zones show the same time at every instant of the ten years.
pub(super) fn same_clock(one: Tz, other: Tz) -> bool {
    one == other
        || offset(one, start()) == offset(other, start()) && clock_changes(one) == clock_changes(other)
}

/// Whether a zone is ahead of UTC, or behind, by whole hours throughout the ten years.
pub(super) fn whole_hours(zone: Tz) -> bool {
    differences(zone, Tz::UTC).iter().all(|minutes| minutes % 60 == 0)
}

/// Widens a schedule of one zone to the clock of a host in another, or in the same.
pub(super) fn widen(schedule: &Expression, zone: Tz, host: Tz) -> Walls {
    let sets = schedule.sets();
    let changes = clock_changes(zone);
    let ahead = differences(zone, host);
    let mut times = BTreeSet::new();
    // How many dates the host's is ahead of the schedule's.
    let mut dates = BTreeSet::new();
    for hour in sets.hour.numbers() {
        for minute in sets.minute.numbers() {
            for ahead in &ahead {
                let time = i64::from(hour * 60 + minute) + ahead;
                times.extend(u32::try_from(time.rem_euclid(DAY)));
                dates.insert(time.div_euclid(DAY));
            }
        }
    }
    // Fixed times that the clock skips fire at the first instant after, a wall time that they do not name.
    for change in changes.iter().filter(|change| schedule.is_fixed() && change.kind == ClockChangeKind::Gap) {
        let Some(at) = instant(change, zone) else { continue };
        let wall = at.with_timezone(&host).naive_local();
        for skipped in skipped(schedule, change) {
            times.insert(wall.hour() * 60 + wall.minute());
            dates.insert((wall.date() - skipped.date()).num_days());
        }
    }
    let steady = changes.is_empty() && clock_changes(host).is_empty();
    let same_days = dates.iter().all(|ahead| *ahead == 0) || sets.is_every_day();
    Walls {
        times,
        days: moved(&sets.day, &dates, next_days),
        months: moved(&sets.month, &dates, next_months),
        weekdays: moved(&sets.weekday, &dates, |day, forward| vec![(day + if forward { 1 } else { 6 }) % 7]),
        either_day: sets.either_day(),
        is_exact: steady && same_days,
    }
}

/// The times of the schedule that a gap skips.
pub(super) fn skipped(schedule: &Expression, gap: &ClockChange) -> Vec<NaiveDateTime> {
    let sets = schedule.sets();
    let has = |at: &NaiveDateTime| {
        sets.hour.contains(at.hour()) && sets.minute.contains(at.minute()) && sets.has_date(at.date())
    };
    let minutes = (0..(gap.to - gap.from).num_minutes()).map(|n| gap.from + TimeDelta::minutes(n));
    minutes.filter(has).collect()
}

/// By how many minutes the host's clock is ahead of the schedule's, over the ten years.
fn differences(zone: Tz, host: Tz) -> BTreeSet<i64> {
    let of = |zone: Tz| clock_changes(zone).into_iter().filter_map(move |change| instant(&change, zone));
    let instants = std::iter::once(start()).chain(of(zone)).chain(of(host));
    instants.map(|at| (offset(host, at) - offset(zone, at)).div_euclid(60)).collect()
}

/// The instant of a clock change: the first one by the new clock.
fn instant(change: &ClockChange, zone: Tz) -> Option<DateTime<Tz>> {
    let wall = match change.kind {
        ClockChangeKind::Gap => change.to,
        ClockChangeKind::Repeat => change.from,
    };
    zone.from_local_datetime(&wall).latest()
}

/// A zone's seconds ahead of UTC.
fn offset(zone: Tz, at: DateTime<Tz>) -> i64 {
    i64::from(at.with_timezone(&zone).offset().fix().local_minus_utc())
}

/// Where the ten years of [`clock_changes`] begin.
fn start() -> DateTime<Tz> {
    let date = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default();
    date.and_time(NaiveTime::MIN).and_utc().with_timezone(&Tz::UTC)
}

/// The numbers of a set on the dates that are so many ahead.
fn moved(set: &Set, dates: &BTreeSet<i64>, step: impl Fn(u32, bool) -> Vec<u32>) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    for ahead in dates {
        let mut numbers: BTreeSet<u32> = set.numbers().collect();
        for _ in 0..ahead.unsigned_abs() {
            numbers = numbers.into_iter().flat_map(|number| step(number, *ahead > 0)).collect();
        }
        all.extend(numbers);
    }
    all
}

/// What day of the month the next date may be, or the one before.
fn next_days(day: u32, forward: bool) -> Vec<u32> {
    match (day, forward) {
        (31, true) => vec![1],
        (28.., true) => vec![day + 1, 1],
        (_, true) => vec![day + 1],
        (1, false) => (28..=31).collect(),
        (_, false) => vec![day - 1],
    }
}

/// What month the next date may be in, or the one before.
fn next_months(month: u32, forward: bool) -> Vec<u32> {
    vec![month, (month + if forward { 12 } else { 10 }) % 12 + 1]
}

#[cfg(test)]
mod tests;
