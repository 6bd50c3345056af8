//! The five fields, as written or on the clock of the host.

use std::collections::BTreeSet;

use chrono_tz::Tz;

use super::super::{
    super::{
        calendar::{ClockChangeKind, Unit, clock_changes},
        entry::{Context, Entry, Tier},
    },
    Refusal,
    lines::Refuser,
    widen::{Walls, is_full, same_clock, widen},
};

/// The times of a line.
#[derive(Debug)]
pub(super) struct Fields {
    /// The five fields.
    pub(super) text: String,
    /// How exactly they say the schedule.
    pub(super) tier: Tier,
    /// Whether they fire at least once an hour.
    pub(super) every_hour: bool,
}

/// Words a schedule for the clock of the host.
pub(super) fn of(entry: &Entry, context: &Context, refuser: Refuser<'_>) -> Result<Fields, Refusal> {
    let cron = &entry.schedule.cron;
    // What fires every minute does so on every clock.
    let every_hour = cron.sets().hour.is_full() && cron.sets().is_every_day();
    let sets = cron.sets();
    let every_minute = sets.minute.is_full() && every_hour;
    if every_minute || same_clock(entry.zone, context.host_zone) {
        // As written: which fields begin with `*` decides what cron does at a clock change and which days match.
        return Ok(Fields { text: cron.five_fields(), tier: Tier::Exact, every_hour });
    }
    let walls = widen(cron, entry.zone, context.host_zone);
    let (text, tier) = widened(&walls, context.host_zone);
    let is_tick = is_full(&walls.minutes(), Unit::Minute)
        && is_full(&walls.hours(), Unit::Hour)
        && text == "* * * * *"
        && tier != Tier::Exact;
    if is_tick && !context.may_tick {
        let reason = format!("on the clock of this host ({}) it would fire every minute", context.host_zone);
        let help = "write `dispatcher: minute` to allow it, or a schedule with fewer minutes; or use systemd";
        return Err(refuser.refusal("schedule", reason, help));
    }
    Ok(Fields { text, tier: if is_tick { Tier::Tick } else { tier }, every_hour })
}

fn widened(walls: &Walls, host: Tz) -> (String, Tier) {
    let (mut minutes, mut hours) = (walls.minutes(), walls.hours());
    let mut minute = list(&minutes, Unit::Minute);
    let mut hour = list(&hours, Unit::Hour);
    if !minute.starts_with('*') && !hour.starts_with('*') && in_a_repeated_hour(&minutes, &hours, host) {
        // cron takes fixed times for ones to run in the first pass only, and the fire may be in the second. What begins with
        // `*` it runs in both: `*/60` is minute 0, `*/24` is hour 0, and a list goes on after either.
        if hours.contains(&0) || !minutes.contains(&0) && minutes.len() <= hours.len() {
            hours.insert(0);
            hour = starred(&hours, 24);
        } else {
            minutes.insert(0);
            minute = starred(&minutes, 60);
        }
    }
    let days = list(&walls.days, Unit::Day);
    let weekdays = list(&walls.weekdays, Unit::Weekday);
    let months = list(&walls.months, Unit::Month);
    // Beside a `*` both day fields must match, and either is enough where neither begins with it.
    let (days, weekdays) = match (walls.either_day, days.as_str(), weekdays.as_str()) {
        (true, "*", _) | (true, _, "*") => ("*".to_owned(), "*".to_owned()),
        _ => (days, weekdays),
    };
    let is_product = minutes.len() * hours.len() == walls.times.len();
    let tier = if walls.is_exact && is_product { Tier::Exact } else { Tier::Superset };
    (format!("{minute} {hour} {days} {months} {weekdays}"), tier)
}

/// Whether any of these times comes twice when the host's clock goes back.
fn in_a_repeated_hour(minutes: &BTreeSet<u32>, hours: &BTreeSet<u32>, host: Tz) -> bool {
    use chrono::{TimeDelta, Timelike as _};
    let mut repeats = clock_changes(host).into_iter().filter(|change| change.kind == ClockChangeKind::Repeat);
    repeats.any(|change| {
        let mut walls =
            (0..(change.to - change.from).num_minutes()).map(|n| change.from + TimeDelta::minutes(n));
        walls.any(|wall| minutes.contains(&wall.minute()) && hours.contains(&wall.hour()))
    })
}

/// A list with commas, or `*`.
fn list(set: &BTreeSet<u32>, unit: Unit) -> String {
    if is_full(set, unit) { "*".to_owned() } else { join(set.iter()) }
}

/// A list that holds 0, with `*` before it.
fn starred(set: &BTreeSet<u32>, step: u32) -> String {
    let rest = join(set.iter().filter(|number| **number > 0));
    if rest.is_empty() { format!("*/{step}") } else { format!("*/{step},{rest}") }
}

fn join<'a>(numbers: impl Iterator<Item = &'a u32>) -> String {
    numbers.map(u32::to_string).collect::<Vec<_>>().join(",")
}
