//! What a clock change does to fixed and to starred jobs, place by place.

use chrono::{DateTime, Utc};
use chrono_tz::{
    Africa::Cairo,
    America::{New_York, Sao_Paulo},
    Australia::Lord_Howe,
    Pacific::Apia,
    UTC,
};

use super::{expression, local, utc};

#[test]
fn new_york_a_fixed_time_in_the_gap_runs_right_after_it() {
    assert_eq!(
        local("30 2 * * *", New_York, "2026-03-07T12:00:00Z", 48),
        ["08 03:00-04:00 02:30 GapMoved", "09 02:30-04:00"]
    );
}

#[test]
fn new_york_several_fixed_times_in_the_gap_are_one_run() {
    assert_eq!(
        local("0,30 2,3 * * *", New_York, "2026-03-08T05:00:00Z", 12),
        ["08 03:00-04:00 03:00 GapMerged { slots: 3 }", "08 03:30-04:00"]
    );
}

#[test]
fn new_york_a_starred_job_has_no_minutes_in_the_gap() {
    assert_eq!(
        local("*/30 * * * *", New_York, "2026-03-08T06:00:00Z", 2),
        ["08 01:30-05:00", "08 03:00-04:00", "08 03:30-04:00", "08 04:00-04:00"]
    );
    assert_eq!(local("*/30 2 * * *", New_York, "2026-03-08T05:00:00Z", 20), Vec::<String>::new());
}

#[test]
fn new_york_a_fixed_time_in_the_fold_runs_in_the_first_pass_only() {
    assert_eq!(local("30 1 * * *", New_York, "2026-11-01T04:00:00Z", 12), ["01 01:30-04:00 01:30 FoldOnce"]);
    assert_eq!(
        local("0,30 1,2 * * *", New_York, "2026-11-01T04:00:00Z", 12),
        [
            "01 01:00-04:00 01:00 FoldOnce",
            "01 01:30-04:00 01:30 FoldOnce",
            "01 02:00-05:00",
            "01 02:30-05:00"
        ]
    );
}

#[test]
fn new_york_a_starred_job_runs_in_both_passes_in_order() {
    let both = [
        "01 01:00-04:00 01:00 FoldFirstPass",
        "01 01:30-04:00 01:30 FoldFirstPass",
        "01 01:00-05:00 01:00 FoldSecondPass",
        "01 01:30-05:00 01:30 FoldSecondPass",
    ];
    assert_eq!(local("*/30 1 * * *", New_York, "2026-11-01T04:00:00Z", 12), both);
    assert_eq!(local("*/30 * * * *", New_York, "2026-11-01T04:45:00Z", 2)[..], both);
    // Asked from within: the second pass of a time that the first has already been through is not lost.
    assert_eq!(local("*/30 1 * * *", New_York, "2026-11-01T05:40:00Z", 12), both[2..]);
    assert_eq!(local("*/30 1 * * *", New_York, "2026-11-01T06:10:00Z", 12), both[3..]);
}

#[test]
fn lord_howe_moves_its_clock_by_half_an_hour() {
    assert_eq!(local("15 2 * * *", Lord_Howe, "2026-10-03T12:00:00Z", 12), ["04 02:30+11:00 02:15 GapMoved"]);
    assert_eq!(local("45 1 * * *", Lord_Howe, "2026-04-04T12:00:00Z", 12), ["05 01:45+11:00 01:45 FoldOnce"]);
    assert_eq!(
        local("*/15 1 * * *", Lord_Howe, "2026-04-04T12:00:00Z", 12),
        [
            "05 01:00+11:00",
            "05 01:15+11:00",
            "05 01:30+11:00 01:30 FoldFirstPass",
            "05 01:45+11:00 01:45 FoldFirstPass",
            "05 01:30+10:30 01:30 FoldSecondPass",
            "05 01:45+10:30 01:45 FoldSecondPass"
        ]
    );
}

#[test]
fn a_gap_at_midnight_keeps_the_daily_run() {
    assert_eq!(
        local("@daily", Cairo, "2026-04-23T12:00:00Z", 40),
        ["24 01:00+03:00 00:00 GapMoved", "25 00:00+03:00"]
    );
    assert_eq!(local("@daily", Sao_Paulo, "2018-11-03T12:00:00Z", 24), ["04 01:00-02:00 00:00 GapMoved"]);
}

#[test]
fn a_fold_at_midnight_keeps_one_daily_run() {
    assert_eq!(local("30 23 * * *", Cairo, "2026-10-29T12:00:00Z", 24), ["29 23:30+03:00 23:30 FoldOnce"]);
    assert_eq!(local("0 0 * * *", Cairo, "2026-10-29T12:00:00Z", 24), ["30 00:00+02:00"]);
}

#[test]
fn a_day_that_a_zone_left_out_is_one_run_when_it_is_over() {
    assert_eq!(local("0 */6 30 * *", Apia, "2011-12-28T00:00:00Z", 72), Vec::<String>::new());
    assert_eq!(
        local("0 6,18 * * *", Apia, "2011-12-29T20:00:00Z", 36),
        ["29 18:00-10:00", "31 00:00+14:00 18:00 GapMerged { slots: 2 }", "31 06:00+14:00", "31 18:00+14:00"]
    );
}

#[test]
fn the_newest_fire_is_found_from_either_pass() {
    let last =
        |text: &str, now: &str| expression(text).last_at_or_before(utc(now), New_York).map(|fire| fire.utc);
    assert_eq!(last("*/30 1 * * *", "2026-11-01T06:10:00Z"), Some(utc("2026-11-01T06:00:00Z")));
    assert_eq!(last("45 1 * * *", "2026-11-01T06:10:00Z"), Some(utc("2026-11-01T05:45:00Z")));
    assert_eq!(last("30 2 * * *", "2026-03-08T07:00:00Z"), Some(utc("2026-03-08T07:00:00Z")));
    assert_eq!(last("30 2 * * *", "2026-03-08T06:59:59Z"), Some(utc("2026-03-07T07:30:00Z")));
    assert_eq!(last("0 2 29 2 *", "2026-03-08T07:00:00Z"), Some(utc("2024-02-29T07:00:00Z")));
}

#[test]
fn a_fire_is_later_than_the_instant_asked_for_even_by_a_fraction_of_a_second() {
    let next = |after: &str| expression("0 2 * * *").fires_after(utc(after), UTC).next().unwrap().utc;
    assert_eq!(next("2026-01-01T01:59:59.999Z"), utc("2026-01-01T02:00:00Z"));
    assert_eq!(next("2026-01-01T02:00:00Z"), utc("2026-01-02T02:00:00Z"));
    assert_eq!(next("2026-01-01T02:00:00.5Z"), utc("2026-01-02T02:00:00Z"));
}

#[test]
fn the_calendar_ends_with_the_year_2100_and_never_overflows() {
    let every = expression("* * * * *");
    let after = |at| every.fires_after(at, New_York).next().map(|fire| fire.utc);
    assert_eq!(after(DateTime::<Utc>::MAX_UTC), None);
    assert_eq!(after(utc("2101-01-02T00:00:00Z")), None);
    assert_eq!(after(DateTime::<Utc>::MIN_UTC), Some(utc("1970-01-01T05:00:00Z")));
    assert_eq!(every.last_at_or_before(DateTime::<Utc>::MIN_UTC, New_York), None);
    let last = every.last_at_or_before(DateTime::<Utc>::MAX_UTC, New_York).map(|fire| fire.utc);
    assert_eq!(last, Some(utc("2101-01-01T04:59:00Z")));
    assert_eq!(expression("0 0 29 2 *").fires_after(utc("2097-01-01T00:00:00Z"), UTC).next(), None);
}
