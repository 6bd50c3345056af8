//! The times as the controller reads them (robfig/cron v3).

use super::super::super::{CatchUp, calendar::Set, entry::Entry};

/// Below 10 seconds a `CronJob` may never be scheduled (kubernetes.io/docs/concepts/workloads/controllers/cron-jobs).
const DEADLINE_MIN: u64 = 10;

/// How late a Job may start without a catch-up: the controller looks every 10 seconds, and pods have to be placed.
const DEADLINE_PLAIN: u64 = 120;

/// Above 100 missed slots the controller starts none; a window of so many shortest gaps holds at most 99.
const GAPS: u64 = 98;

/// When a `CronJob` starts Jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Times {
    /// Five fields of numbers.
    pub(super) schedule: String,
    /// How late it may start one, in seconds.
    pub(super) deadline: u64,
}

impl Times {
    /// The times of an entry.
    pub(super) fn of(entry: &Entry) -> Self {
        let shortest = u64::try_from(entry.schedule.cron.rhythm().shortest.num_seconds()).unwrap_or(60);
        let window = match entry.schedule.catch_up {
            CatchUp::Never => DEADLINE_PLAIN + entry.schedule.jitter.as_secs(),
            CatchUp::UntilNext => shortest,
            CatchUp::Within(window) => window.as_secs(),
        };
        let deadline = window.min(shortest.saturating_mul(GAPS)).max(DEADLINE_MIN);
        Self { schedule: schedule(entry), deadline }
    }
}

/// The fields as lists of numbers, and `*` for one that names all: the controller knows no 7 as Sunday, and reads a step in a day
/// field otherwise than crontab(5).
fn schedule(entry: &Entry) -> String {
    let sets = entry.schedule.cron.sets();
    let field = |set: &Set| if set.is_full() { "*".to_owned() } else { set.list() };
    let [minute, hour, day, month, weekday] = sets.all().map(field);
    // Where either day field is enough and one names every day, a `*` in it alone would make the other decide.
    let every = sets.either_day() && (sets.day.is_full() || sets.weekday.is_full());
    let (day, weekday) = if every { ("*".to_owned(), "*".to_owned()) } else { (day, weekday) };
    format!("{minute} {hour} {day} {month} {weekday}")
}
