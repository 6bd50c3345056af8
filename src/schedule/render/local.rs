//! A schedule by the host's clock, as launchd and the Task Scheduler say it: times of the day, and alternatives of dates.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use super::{
    super::{
        calendar::{ClockChangeKind, Expression, Unit, clock_changes},
        entry::Entry,
    },
    widen::{Walls, is_full, same_clock, widen},
};

/// Wall times of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Local {
    /// Minutes of the day, 0 to 1439.
    pub(super) times: BTreeSet<u32>,
    /// The dates; one that is in any of them counts.
    pub(super) dates: Vec<Dates>,
    /// Whether there is none among them at which the schedule does not fire.
    pub(super) is_exact: bool,
}

/// The dates that are in each of these sets; a set that is `None` has all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Dates {
    /// Days of the month, 1 to 31.
    pub(super) days: Option<BTreeSet<u32>>,
    /// Months, 1 to 12.
    pub(super) months: Option<BTreeSet<u32>>,
    /// Weekdays, 0 to 6 from Sunday.
    pub(super) weekdays: Option<BTreeSet<u32>>,
}

impl Local {
    /// The times of a schedule of one zone by the clock of a host in another, or in the same.
    pub(super) fn of(schedule: &Expression, zone: Tz, host: Tz) -> Self {
        let walls =
            if same_clock(zone, host) { Walls::unmoved(schedule) } else { widen(schedule, zone, host) };
        let restricted = |set: &BTreeSet<u32>, unit| (!is_full(set, unit)).then(|| set.clone());
        let months = restricted(&walls.months, Unit::Month);
        let days = restricted(&walls.days, Unit::Day);
        let weekdays = restricted(&walls.weekdays, Unit::Weekday);
        let dates = match (days, weekdays) {
            (Some(days), Some(weekdays)) if walls.either_day => vec![
                Dates { days: Some(days), months: months.clone(), weekdays: None },
                Dates { days: None, months, weekdays: Some(weekdays) },
            ],
            // One of the two fields names every day, and either is enough.
            _ if walls.either_day => vec![Dates { months, ..Dates::default() }],
            (days, weekdays) => vec![Dates { days, months, weekdays }],
        };
        Self { times: walls.times, dates, is_exact: walls.is_exact }
    }

    /// The hours of the times.
    pub(super) fn hours(&self) -> BTreeSet<u32> {
        self.times.iter().map(|time| time / 60).collect()
    }

    /// The minutes of the times.
    pub(super) fn minutes(&self) -> BTreeSet<u32> {
        self.times.iter().map(|time| time % 60).collect()
    }

    /// Whether the dates are all there are.
    pub(super) fn is_every_day(&self) -> bool {
        self.dates.iter().any(|dates| *dates == Dates::default())
    }
}

/// On how many of 2,604 dates these fall, were days, weekdays and months independent: a measure to compare by.
pub(super) fn weight(dates: &[Dates]) -> u32 {
    const DAYS: u32 = 31 * 7;
    let count = |set: &Option<BTreeSet<u32>>, all: u32| {
        set.as_ref().map_or(all, |set| u32::try_from(set.len()).unwrap_or(all))
    };
    let others = dates
        .iter()
        .fold(DAYS, |others, one| others * (DAYS - count(&one.days, 31) * count(&one.weekdays, 7)) / DAYS);
    (DAYS - others) * dates.first().map_or(0, |dates| count(&dates.months, 12))
}

/// Whether a schedule names every minute there is.
pub(super) fn is_every_minute(schedule: &Expression) -> bool {
    let sets = schedule.sets();
    sets.minute.is_full() && sets.hour.is_full() && sets.is_every_day()
}

/// The first fixed time of a job that the clock skips in the ten years from 2026 on, for a scheduler that counts by the job's own
/// clock. By another clock the first instant after is among the times.
pub(super) fn skipped(entry: &Entry, host: Tz) -> Option<NaiveDateTime> {
    let cron = &entry.schedule.cron;
    if !cron.is_fixed() || !same_clock(entry.zone, host) {
        return None;
    }
    let changes = clock_changes(entry.zone);
    changes.iter().filter(|change| change.kind == ClockChangeKind::Gap).find_map(|gap| cron.caught_by(gap))
}
