//! The times as the controller reads them (robfig/cron v3).

use std::collections::BTreeSet;

use super::super::{
    super::{
        CatchUp,
        calendar::{Set, Unit},
        entry::{Entry, Tier},
    },
    local::skipped,
    widen::{Walls, is_full, widen},
};

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
    /// How exactly they are those of the schedule.
    pub(super) tier: Tier,
}

impl Times {
    /// The times of an entry.
    pub(super) fn of(entry: &Entry) -> Self {
        let shortest = u64::try_from(entry.schedule.cron.rhythm().shortest.num_seconds()).unwrap_or(60);
        let window = match entry.schedule.catch_up {
            CatchUp::Never => DEADLINE_PLAIN + entry.schedule.jitter.as_secs(),
            CatchUp::UntilNext => shortest,
            CatchUp::Within(window) => window.as_secs().max(DEADLINE_PLAIN + entry.schedule.jitter.as_secs()),
        };
        // The controller skips what a clock change skips. Where that concerns a fixed time, the first instant after is added,
        // and the guard refuses it on all other days.
        let (schedule, most, tier) = if skipped(entry, entry.zone).is_some() {
            let walls = widen(&entry.schedule.cron, entry.zone, entry.zone);
            (widened(&walls), most_within(&walls), Tier::Superset)
        } else {
            (schedule(entry), shortest.saturating_mul(GAPS), Tier::Exact)
        };
        let deadline = window.min(most).max(DEADLINE_MIN);
        Self { schedule, deadline, tier }
    }
}

/// The longest window, in seconds, that holds less than 100 of these times, whatever their days, and though an hour of it
/// comes twice.
fn most_within(walls: &Walls) -> u64 {
    let minutes = walls.minutes().len() as u64;
    let per_day = walls.hours().len() as u64 * minutes;
    let days = GAPS.saturating_sub(minutes) / per_day.max(1);
    if days > 0 { days * 86_400 } else { GAPS * 60 }
}

/// The fields of times that were widened.
fn widened(walls: &Walls) -> String {
    let numbers = |set: &BTreeSet<u32>| set.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let list = |set: &BTreeSet<u32>, unit| if is_full(set, unit) { "*".to_owned() } else { numbers(set) };
    let (day, weekday) = (list(&walls.days, Unit::Day), list(&walls.weekdays, Unit::Weekday));
    let every = walls.either_day && (day == "*" || weekday == "*");
    let (day, weekday) = if every { ("*".to_owned(), "*".to_owned()) } else { (day, weekday) };
    let (minute, hour) = (list(&walls.minutes(), Unit::Minute), list(&walls.hours(), Unit::Hour));
    format!("{minute} {hour} {day} {} {weekday}", list(&walls.months, Unit::Month))
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
