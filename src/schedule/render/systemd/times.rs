//! The lines of `OnCalendar=`: systemd.time(7).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{
    DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Timelike as _, Utc,
};
use chrono_tz::Tz;

use super::super::widen::{Walls, is_full, same_clock, skipped, whole_hours, widen};
use crate::schedule::{
    calendar::{ClockChange, ClockChangeKind, Expression, Note, Unit, clock_changes},
    entry::Tier,
};

/// Dated lines that a timer may have; ten years of any zone have fewer.
const DATED: usize = 64;

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// The times of a timer.
#[derive(Debug)]
pub(super) struct Times {
    /// The values of `OnCalendar=`.
    pub(super) lines: Vec<String>,
    /// How exactly they say the schedule.
    pub(super) tier: Tier,
}

/// Words a schedule.
pub(super) fn of(schedule: &Expression, zone: Tz) -> Times {
    let sets = schedule.sets();
    let unmoved = Walls::unmoved(schedule);
    let follows_the_clock = !schedule.is_fixed() && sets.hour.is_full() && sets.is_every_day();
    if follows_the_clock && whole_hours(zone) || same_clock(zone, Tz::UTC) {
        // The same instants, in a zone whose clock never changes. It also works on hosts without a table of zones.
        return Times { lines: repeating(&unmoved, Tz::UTC), tier: Tier::Exact };
    }
    let dated = dated(&lost(schedule, zone));
    if dated.len() > DATED || has_odd_gap(zone) {
        let walls = widen(schedule, zone, Tz::UTC);
        let is_product = walls.hours().len() * walls.minutes().len() == walls.times.len();
        let tier = if walls.is_exact && is_product { Tier::Exact } else { Tier::Superset };
        return Times { lines: repeating(&walls, Tz::UTC), tier };
    }
    let mut lines = repeating(&unmoved, zone);
    lines.extend(dated);
    Times { lines, tier: Tier::Exact }
}

/// Whether the zone's clock ever goes forward from within an hour, as that of Chatham does at 02:45.
///
/// systemd (252) looks for the next time by the full hour, which is then one that does not exist. Around such a change it skips
/// times that do, or finds no next time at all ("Resource deadlock avoided"), and a timer that has none never fires again.
fn has_odd_gap(zone: Tz) -> bool {
    clock_changes(zone).iter().any(|change| change.kind == ClockChangeKind::Gap && change.from.minute() != 0)
}

/// The lines that repeat: two where either day field is enough, for one line asks for both.
fn repeating(walls: &Walls, zone: Tz) -> Vec<String> {
    let Walls { days, months, weekdays, .. } = walls;
    let (hours, minutes) = (walls.hours(), walls.minutes());
    let clock = format!("{}:{}:00 {}", list(&hours, Unit::Hour), list(&minutes, Unit::Minute), zone.name());
    let months = list(months, Unit::Month);
    let by_day = format!("*-{months}-{} {clock}", list(days, Unit::Day));
    let names = weekdays.iter().filter_map(|day| WEEKDAYS.get(usize::try_from(*day).ok()?).copied());
    let names = names.collect::<Vec<_>>().join(",");
    let [all_days, all_weekdays] = [is_full(days, Unit::Day), is_full(weekdays, Unit::Weekday)];
    match (walls.either_day, all_days, all_weekdays) {
        (true, false, false) => vec![by_day, format!("{names} *-{months}-* {clock}")],
        (true, _, _) => vec![format!("*-{months}-* {clock}")],
        (false, _, true) => vec![by_day],
        (false, _, false) => vec![format!("{names} {by_day}")],
    }
}

fn list(set: &BTreeSet<u32>, unit: Unit) -> String {
    if is_full(set, unit) {
        return "*".to_owned();
    }
    set.iter().map(|number| format!("{number:02}")).collect::<Vec<_>>().join(",")
}

/// The fires of the ten years that the repeating lines may miss.
///
/// The second pass of a repeated hour is lost in any case. A time that the clock skips is lost too, and in zones that count
/// summer as their standard time (Dublin, Casablanca) the rest of its date with it: the search comes upon the skipped time, and goes on
/// to the next date. Which zones do so depends on the host's tables, so all have the rest of the date.
fn lost(schedule: &Expression, zone: Tz) -> BTreeSet<DateTime<Utc>> {
    let around = |change: ClockChange| {
        let (begin, end) = match change.kind {
            ClockChangeKind::Repeat => (change.from, change.to),
            ClockChangeKind::Gap => (change.to, midnight_after(change.from)),
        };
        let begin = zone.from_local_datetime(&begin).latest().map(|at| at.to_utc()).unwrap_or_default();
        let end = zone.from_local_datetime(&end).latest().map_or(begin, |at| at.to_utc());
        let is_gap = change.kind == ClockChangeKind::Gap;
        let is_hit = !is_gap || !skipped(schedule, &change).is_empty();
        let fires = schedule.fires_after(begin - TimeDelta::seconds(1), zone).take_while(move |fire| {
            // Of a gap up to midnight the fire is at midnight.
            is_hit && (fire.utc < end || is_gap && fire.utc == begin)
        });
        fires.filter(move |fire| is_gap || fire.note == Some(Note::FoldSecondPass))
    };
    clock_changes(zone).into_iter().flat_map(around).map(|fire| fire.utc).collect()
}

fn midnight_after(wall: NaiveDateTime) -> NaiveDateTime {
    (wall.date() + Days::new(1)).and_time(NaiveTime::MIN)
}

/// Dated lines: one for the hours of a date that have the same minutes.
fn dated(instants: &BTreeSet<DateTime<Utc>>) -> Vec<String> {
    let mut minutes: BTreeMap<(NaiveDate, u32), BTreeSet<u32>> = BTreeMap::new();
    for at in instants {
        minutes.entry((at.date_naive(), at.hour())).or_default().insert(at.minute());
    }
    let mut hours: BTreeMap<(NaiveDate, BTreeSet<u32>), BTreeSet<u32>> = BTreeMap::new();
    for ((date, hour), minutes) in minutes {
        hours.entry((date, minutes)).or_default().insert(hour);
    }
    let line = |((date, minutes), hours)| {
        format!("{date} {}:{}:00 UTC", list(&hours, Unit::Hour), list(&minutes, Unit::Minute))
    };
    hours.into_iter().map(line).collect()
}
