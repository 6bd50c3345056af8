//! Clocks that are wrong for a while: set back, set forward by years, set right again.

use crate::support::{
    Sandbox,
    simple::{SERIES, SIMPLE},
};

fn run_at(sandbox: &Sandbox, time: &str) {
    sandbox.run(&["run", "-q", "--now", time]).exits(0);
}

fn days(sandbox: &Sandbox) -> Vec<String> {
    sandbox.backups(SERIES).iter().map(|stamp| stamp[..10].to_owned()).collect()
}

fn scene(rule: &str) -> Sandbox {
    let sandbox = Sandbox::with_policy(&SIMPLE.replace("last: 3", rule));
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)");
    sandbox
}

#[test]
fn under_a_clock_set_back_nothing_goes_and_what_seems_of_the_future_counts_for_nothing() {
    let sandbox = scene("last: 3");
    for day in 10..=12 {
        run_at(&sandbox, &format!("2026-01-{day}T02:00:00Z"));
    }
    for day in 5..=8 {
        run_at(&sandbox, &format!("2026-01-0{day}T02:00:00Z"));
    }
    // Three of those that lie before the clock's time, and all that lie after it.
    let all = ["2026-01-06", "2026-01-07", "2026-01-08", "2026-01-10", "2026-01-11", "2026-01-12"];
    assert_eq!(days(&sandbox), all);
    sandbox.run(&["verify"]).exits(0);
    run_at(&sandbox, "2026-01-13T02:00:00Z");
    assert_eq!(days(&sandbox), ["2026-01-11", "2026-01-12", "2026-01-13"]);
}

#[test]
fn a_clock_that_was_years_ahead_for_one_run_leaves_the_others_their_places() {
    let sandbox = scene("daily: 3");
    for day in 1..=4 {
        run_at(&sandbox, &format!("2020-01-0{day}T02:00:00Z"));
    }
    run_at(&sandbox, "2024-06-01T02:00:00Z");
    assert_eq!(days(&sandbox), ["2020-01-03", "2020-01-04", "2024-06-01"]);
    for day in 5..=6 {
        run_at(&sandbox, &format!("2020-01-0{day}T02:00:00Z"));
    }
    assert_eq!(days(&sandbox), ["2020-01-04", "2020-01-05", "2020-01-06", "2024-06-01"]);
    sandbox
        .run(&["restore", "app", "--to", "back.db", "--now", "2020-01-06T03:00:00Z"])
        .exits(0)
        .says("2020-01-06");
    sandbox.run(&["verify"]).exits(0);
}

#[test]
fn runs_of_one_second_keep_their_order_whatever_the_clock_does_between_them() {
    let sandbox = scene("last: 9");
    let times =
        ["2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z"];
    for time in times {
        run_at(&sandbox, time);
    }
    let expected =
        ["2026-03-29T005959Z", "2026-03-29T010000Z", "2026-03-29T010000Z-2", "2026-03-29T010000Z-3"];
    assert_eq!(sandbox.backups(SERIES), expected);
    sandbox.run(&["verify"]).exits(0);
}

#[test]
fn on_the_day_that_has_25_hours_each_day_still_keeps_its_newest() {
    let sandbox = scene("daily: 3");
    sandbox.write(
        "policy.yaml",
        SIMPLE.replace("last: 3", "daily: 3").replace("timezone: UTC", "timezone: Europe/Berlin"),
    );
    // In Berlin: 24 October 23:30, then on the 25th 00:30, twice 02:30, and 23:30; then the 26th 00:30.
    for time in ["24T21:30", "24T22:30", "25T00:30", "25T01:30", "25T22:30", "25T23:30"] {
        run_at(&sandbox, &format!("2026-10-{time}:00Z"));
    }
    let expected = ["2026-10-24T213000Z", "2026-10-25T223000Z", "2026-10-25T233000Z"];
    assert_eq!(sandbox.backups(SERIES), expected);
}
