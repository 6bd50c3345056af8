//! The fires of a schedule where the clock repeats an hour, asked for at the very instant of one.

use chrono::{DateTime, Utc};
use policy::schedule::calendar::Expression;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn a_fire_is_never_its_own_successor_in_either_pass_of_a_repeated_hour() {
    let next = |cron: &str, after: &str| {
        let cron = Expression::parse(cron).unwrap();
        cron.fires_after(at(after), chrono_tz::America::New_York).next().unwrap().utc
    };
    // 01:30 comes at 05:30 and at 06:30.
    assert_eq!(next("30 1 * * *", "2026-11-01T05:29:59Z"), at("2026-11-01T05:30:00Z"));
    assert_eq!(next("30 1 * * *", "2026-11-01T05:30:00Z"), at("2026-11-02T06:30:00Z"));
    assert_eq!(next("30 1 * * *", "2026-11-01T06:30:00Z"), at("2026-11-02T06:30:00Z"));
    assert_eq!(next("*/30 1 * * *", "2026-11-01T05:00:00Z"), at("2026-11-01T05:30:00Z"));
    assert_eq!(next("*/30 1 * * *", "2026-11-01T05:30:00Z"), at("2026-11-01T06:00:00Z"));
    assert_eq!(next("*/30 1 * * *", "2026-11-01T06:30:00Z"), at("2026-11-02T06:00:00Z"));
}
