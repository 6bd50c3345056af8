//! Random schedules of random zones, and places where clocks change oddly.

use chrono::{Datelike as _, Utc};
use chrono_tz::{
    America::New_York,
    Asia::Kathmandu,
    Europe::{Berlin, Istanbul, London},
    Tz::UTC,
};
use proptest::prelude::*;

use super::{
    super::tests::{cases, schedule, zone},
    *,
};

fn has(walls: &Walls, wall: NaiveDateTime) -> bool {
    let day = walls.days.contains(&wall.day());
    let weekday = walls.weekdays.contains(&wall.weekday().num_days_from_sunday());
    walls.times.contains(&(wall.hour() * 60 + wall.minute()))
        && walls.months.contains(&wall.month())
        && if walls.either_day { day || weekday } else { day && weekday }
}

fn widened(text: &str, zone: Tz, host: Tz) -> Walls {
    widen(&Expression::parse(text).unwrap(), zone, host)
}

fn shown(times: &BTreeSet<u32>) -> Vec<String> {
    times.iter().map(|time| format!("{:02}:{:02}", time / 60, time % 60)).collect()
}

#[test]
fn a_time_becomes_those_that_the_host_shows_in_summer_and_in_winter() {
    let walls = widened("30 3 * * *", Berlin, UTC);
    assert_eq!(shown(&walls.times), ["01:30", "02:30"]);
    assert_eq!((walls.hours().len(), walls.minutes().len(), walls.is_exact), (2, 1, false));
    assert_eq!(shown(&widened("0 12 * * *", Berlin, New_York).times), ["06:00", "07:00"]);
    assert_eq!(shown(&widened("0 12 * * *", Berlin, London).times), ["11:00"]);
}

#[test]
fn a_skipped_time_adds_that_of_the_first_instant_after() {
    assert_eq!(shown(&widened("30 2 * * *", Berlin, UTC).times), ["00:30", "01:00", "01:30"]);
    assert_eq!(shown(&widened("30 2 * * 1", Berlin, UTC).times), ["00:30", "01:30"], "never on a Monday");
    assert_eq!(shown(&widened("*/30 2 * * *", Berlin, UTC).times), ["00:00", "00:30", "01:00", "01:30"]);
    // Nuuk skips the last hour of a Saturday; what is after is a Sunday.
    let walls = widened("30 23 * * 6", chrono_tz::America::Nuuk, UTC);
    assert_eq!((shown(&walls.times).join(" "), walls.weekdays), ("00:30 01:00 01:30".into(), [0].into()));
}

#[test]
fn clocks_that_never_change_make_it_exact() {
    let walls = widened("30 2 * * *", Kathmandu, UTC);
    assert_eq!((shown(&walls.times).join(" "), walls.is_exact), ("20:45".into(), true));
    assert!(widened("30 12 1 * 1", Istanbul, UTC).is_exact, "the same date");
    assert!(!widened("30 2 1 * *", Istanbul, UTC).is_exact, "the last of a month may be four days");
    assert!(!widened("30 3 * * *", Berlin, UTC).is_exact);
}

#[test]
fn dates_move_with_the_clock() {
    let walls = widened("30 2 1 3 *", Istanbul, UTC);
    assert_eq!(walls.days, (28..=31).collect());
    assert_eq!(walls.months, [2, 3].into());
    assert_eq!(widened("30 2 * * 0", Istanbul, UTC).weekdays, [6].into());
    assert_eq!(widened("30 23 31 12 *", UTC, Istanbul).days, [1].into());
    assert_eq!(widened("30 23 31 12 *", UTC, Istanbul).months, [1, 12].into());
    assert_eq!(widened("30 23 28 2 6", UTC, Istanbul).days, [1, 29].into());
    assert_eq!(widened("30 23 28 2 6", UTC, Istanbul).weekdays, [0].into());
}

#[test]
fn the_same_zone_moves_nothing() {
    let walls = widened("15 4 13 * 5", Berlin, Berlin);
    assert_eq!((walls.times, walls.days, walls.weekdays), ([255].into(), [13].into(), [5].into()));
    assert!(is_full(&walls.months, Unit::Month) && walls.either_day);
}

#[test]
fn zones_are_the_same_by_what_they_show() {
    assert!(same_clock(UTC, chrono_tz::Etc::UTC) && same_clock(UTC, chrono_tz::Africa::Abidjan));
    assert!(same_clock(Berlin, chrono_tz::Europe::Paris));
    assert!(!same_clock(Berlin, chrono_tz::Africa::Lagos) && !same_clock(London, UTC));
}

fn missed(
    schedule: &Expression,
    zone: Tz,
    host: Tz,
    from: DateTime<Utc>,
    days: i64,
) -> Option<NaiveDateTime> {
    let walls = widen(schedule, zone, host);
    let fires = schedule.fires_after(from, zone).take_while(|fire| fire.utc < from + TimeDelta::days(days));
    fires.map(|fire| fire.utc.with_timezone(&host).naive_local()).find(|wall| !has(&walls, *wall))
}

#[test]
fn no_fire_of_the_ten_years_is_missed() {
    for (text, zone, host) in [
        ("30 2 * * *", "Australia/Lord_Howe", "Pacific/Chatham"),
        ("0,59 0,2,23 * * *", "Africa/Casablanca", "Australia/Lord_Howe"),
        ("30 23 1 * *", "Pacific/Kiritimati", "Pacific/Niue"),
        ("*/20 1-3 * * 0", "Antarctica/Troll", "Asia/Kathmandu"),
    ] {
        let schedule = Expression::parse(text).unwrap();
        let missed = missed(&schedule, zone.parse().unwrap(), host.parse().unwrap(), start().to_utc(), 3652);
        assert_eq!(missed, None, "{text} of {zone} in {host}");
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn no_fire_is_missed_around_any_clock_change(
        schedule in schedule(), zone in zone(), host in zone(),
        some in 0..3_000_i64, picks in prop::collection::vec(any::<prop::sample::Index>(), 4),
    ) {
        let mut windows = vec![(start().to_utc() + TimeDelta::days(some), 30)];
        for changing in [zone, host] {
            let changes = clock_changes(changing);
            let picked = picks.iter().filter(|_| !changes.is_empty()).map(|pick| changes[pick.index(changes.len())]);
            let instants = picked.filter_map(|change| instant(&change, changing));
            windows.extend(instants.map(|at| (at.to_utc() - TimeDelta::days(1), 2)));
        }
        for (from, days) in windows {
            prop_assert_eq!(missed(&schedule, zone, host, from, days), None, "{} of {} in {}", schedule, zone, host);
        }
    }
}
