//! The longest time between two fires.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::{America::New_York, Pacific::Apia, Tz, UTC};
use proptest::prelude::*;

use super::{super::ZoneDays, expression, utc};

fn gap(text: &str, zone: Tz) -> TimeDelta {
    expression(text).longest_gap(&ZoneDays::new(zone, utc("2026-02-15T12:00:00Z")))
}

/// Fire by fire.
fn counted(text: &str, zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<TimeDelta> {
    let expression = expression(text);
    let fires = expression.fires_after(from - TimeDelta::seconds(1), zone).map(|fire| fire.utc);
    let fires: Vec<_> = fires.take_while(|at| *at < to).collect();
    fires.windows(2).map(|pair| pair[1] - pair[0]).max()
}

#[test]
fn a_day_is_as_long_as_the_clock_makes_it() {
    assert_eq!(gap("0 2 * * *", UTC), TimeDelta::hours(24));
    assert_eq!(gap("0 2 * * *", New_York), TimeDelta::hours(25));
    assert_eq!(gap("0 * * * *", New_York), TimeDelta::hours(1));
    assert_eq!(gap("0 0-23 * * *", New_York), TimeDelta::hours(2));
    assert_eq!(gap("*/5 * * * *", New_York), TimeDelta::minutes(5));
}

#[test]
fn nights_weekends_and_seasons_count() {
    assert_eq!(gap("*/15 9-17 * * 1-5", UTC), TimeDelta::minutes((2 * 24 + 15) * 60 + 15));
    assert_eq!(gap("* * * 1-11 *", UTC), TimeDelta::days(31) + TimeDelta::minutes(1));
    assert_eq!(gap("@monthly", UTC), TimeDelta::days(31));
    assert_eq!(gap("@yearly", UTC), TimeDelta::days(366));
    assert_eq!(gap("0 0 29 2 *", UTC), TimeDelta::days(4 * 365 + 1));
}

#[test]
fn it_holds_at_the_end_of_the_calendar_and_beyond() {
    let daily = expression("0 2 * * *");
    assert_eq!(
        daily.longest_gap(&ZoneDays::new(New_York, utc("2100-12-01T00:00:00Z"))),
        TimeDelta::hours(24)
    );
    assert!(daily.longest_gap(&ZoneDays::new(New_York, DateTime::<Utc>::MAX_UTC)) >= TimeDelta::hours(24));
    assert!(daily.longest_gap(&ZoneDays::new(New_York, DateTime::<Utc>::MIN_UTC)) >= TimeDelta::hours(24));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_what_counting_fire_by_fire_gives(
        minute in prop::sample::select(&["0", "30", "*/30", "15,45", "1-59/20"][..]),
        hour in prop::sample::select(&["0", "1", "2", "23", "*/12", "0-23/8", "1,2,3"][..]),
        days in prop::sample::select(&["* * *", "* * 1-5", "1 * *", "31 * 0", "* 3-10 *", "*/2 * *", "30 12 *"][..]),
        zone in prop::sample::select(&["UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia", "America/Toronto"][..]),
        hours in 0..2_000_i64,
    ) {
        let zone: Tz = zone.parse().unwrap();
        let start = if zone == Apia { "2011-11-01T00:00:00Z" } else { "1985-12-01T00:00:00Z" };
        let from = utc(start) + TimeDelta::hours(hours);
        let text = format!("{minute} {hour} {days}");
        let midnight = (from.with_timezone(&zone).date_naive() + chrono::Days::new(5 * 366 + 1)).and_time(chrono::NaiveTime::MIN);
        let to = midnight.and_local_timezone(zone).earliest().unwrap().to_utc();
        prop_assert_eq!(Some(expression(&text).longest_gap(&ZoneDays::new(zone, from))), counted(&text, zone, from, to), "{} {} {}", text, zone, from);
    }
}
