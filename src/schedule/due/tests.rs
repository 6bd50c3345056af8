//! Slots, claims and clocks.

use super::*;
use crate::{policy::values::Duration, schedule::calendar::Expression};

fn schedule(cron: &str, catch_up: CatchUp) -> Schedule {
    Schedule { cron: Expression::parse(cron).unwrap(), jitter: Duration::from_secs(0), catch_up }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn claim(slot: &str, state: ClaimState, tries: u32) -> Claim {
    Claim { slot: at(slot), at: at(slot), tries, state, voided: None }
}

fn now(slot: &str, tries: u32) -> Due {
    Due::Now { slot: at(slot), tries }
}

const ZONE: Tz = chrono_tz::America::New_York;

#[test]
fn the_newest_slot_is_due_until_it_is_claimed() {
    let nightly = schedule("0 2 * * *", CatchUp::UntilNext);
    let due = |time, claims: &[Claim]| due(&nightly, ZONE, at(time), claims);
    assert_eq!(due("2026-01-05T07:00:00Z", &[]), now("2026-01-05T07:00:00Z", 1));
    assert_eq!(due("2026-01-06T06:59:59Z", &[]), now("2026-01-05T07:00:00Z", 1), "a night late");
    let ended = claim("2026-01-05T07:00:00Z", ClaimState::Ended, 1);
    assert_eq!(due("2026-01-05T07:00:30Z", std::slice::from_ref(&ended)), Due::Taken(ended.clone()));
    assert_eq!(due("2026-01-09T12:00:00Z", &[ended]), now("2026-01-09T07:00:00Z", 1), "of four one");
}

#[test]
fn a_killed_run_is_due_once_more_and_no_oftener() {
    let nightly = schedule("0 2 * * *", CatchUp::UntilNext);
    let slot = "2026-01-05T07:00:00Z";
    let due =
        |tries| due(&nightly, ZONE, at("2026-01-05T09:00:00Z"), &[claim(slot, ClaimState::Open, tries)]);
    assert_eq!(due(1), now(slot, 2));
    assert!(matches!(due(2), Due::Taken(_)));
}

#[test]
fn without_catch_up_a_slot_is_lost_after_jitter_and_five_minutes() {
    let mut nightly = schedule("0 2 * * *", CatchUp::Never);
    nightly.jitter = Duration::from_secs(600);
    let due = |time| due(&nightly, ZONE, at(time), &[]);
    assert_eq!(due("2026-01-05T07:15:00Z"), now("2026-01-05T07:00:00Z", 1));
    let late = Due::TooLate { slot: at("2026-01-05T07:00:00Z"), until: at("2026-01-05T07:15:00Z") };
    assert_eq!(due("2026-01-05T07:15:01Z"), late);
}

#[test]
fn a_window_is_long_enough_for_a_scheduler_that_is_late() {
    let every = schedule("* * * * *", CatchUp::Within(Duration::from_secs(0)));
    assert_eq!(due(&every, ZONE, at("2026-01-05T13:00:02Z"), &[]), now("2026-01-05T13:00:00Z", 1));
    let nightly = schedule("0 2 * * *", CatchUp::Within(Duration::from_secs(1)));
    assert_eq!(due(&nightly, ZONE, at("2026-01-05T07:05:00Z"), &[]), now("2026-01-05T07:00:00Z", 1));
    assert!(matches!(due(&nightly, ZONE, at("2026-01-05T07:05:01Z"), &[]), Due::TooLate { .. }));
}

#[test]
fn a_window_ends_and_never_before_the_jitter() {
    let within = |hours: u64| CatchUp::Within(Duration::from_secs(hours * 3600));
    let nightly = schedule("0 2 * * *", within(6));
    assert_eq!(due(&nightly, ZONE, at("2026-01-05T13:00:00Z"), &[]), now("2026-01-05T07:00:00Z", 1));
    assert!(matches!(due(&nightly, ZONE, at("2026-01-05T13:00:01Z"), &[]), Due::TooLate { .. }));
    let mut short = schedule("0 2 * * *", within(0));
    short.jitter = Duration::from_secs(600);
    assert_eq!(due(&short, ZONE, at("2026-01-05T07:10:00Z"), &[]), now("2026-01-05T07:00:00Z", 1));
}

#[test]
fn claims_later_than_now_and_void_ones_do_not_count() {
    let nightly = schedule("0 2 * * *", CatchUp::UntilNext);
    let late = claim("2026-01-08T07:00:00Z", ClaimState::Ended, 1);
    assert_eq!(due(&nightly, ZONE, at("2026-01-06T08:00:00Z"), &[late]), now("2026-01-06T07:00:00Z", 1));
    let void = claim("2026-01-08T07:00:00Z", ClaimState::Void, 1);
    assert_eq!(due(&nightly, ZONE, at("2026-01-08T08:00:00Z"), &[void]), now("2026-01-08T07:00:00Z", 1));
}

#[test]
fn a_claim_of_a_former_schedule_that_is_newer_than_the_slot_takes_it() {
    let nightly = schedule("0 2 * * *", CatchUp::UntilNext);
    let of_another = claim("2026-01-05T08:30:00Z", ClaimState::Open, 1);
    assert_eq!(
        due(&nightly, ZONE, at("2026-01-05T09:00:00Z"), std::slice::from_ref(&of_another)),
        Due::Taken(of_another.clone())
    );
}

fn moment(time: &str, boot: Option<&str>, up_secs: i64) -> Moment {
    Moment { at: at(time), boot: boot.map(str::to_owned), up_secs }
}

#[test]
fn a_claim_made_ahead_of_the_clock_is_void() {
    let ended = claim("2026-01-05T07:00:00Z", ClaimState::Ended, 1);
    let settled = |time| {
        let mut claims = [ended.clone()];
        let now = moment(time, Some("a"), 90);
        let (voided, is_changed) = settle(&mut claims, &now);
        assert_eq!(voided.len(), usize::from(is_changed));
        assert!(!settle(&mut claims, &now).1, "once is enough");
        claims[0].state
    };
    assert_eq!(settled("2026-01-05T06:58:00Z"), ClaimState::Void);
    assert_eq!(settled("2026-01-05T06:59:30Z"), ClaimState::Ended);
    assert_eq!(settled("2026-01-05T07:30:00Z"), ClaimState::Ended);
}

#[test]
fn a_claim_that_was_voided_by_a_clock_behind_counts_again_when_the_clock_is_set() {
    let voided = |boot| {
        let mut claims = [claim("2026-01-05T07:00:00Z", ClaimState::Open, 1)];
        settle(&mut claims, &moment("2020-01-01T00:00:00Z", boot, 30));
        assert_eq!(claims[0].state, ClaimState::Void);
        claims
    };
    let after = |mut claims: [Claim; 1], now: Moment| {
        settle(&mut claims, &now);
        claims[0].state
    };
    let set = moment("2026-01-05T08:00:00Z", Some("a"), 90);
    assert_eq!(after(voided(Some("a")), set.clone()), ClaimState::Open, "as it was");
    assert_eq!(after(voided(Some("b")), set.clone()), ClaimState::Void, "of another start nobody knows");
    assert_eq!(after(voided(None), moment("2026-01-05T08:00:00Z", None, 90)), ClaimState::Void);
    let to_come = moment("2026-01-05T06:00:00Z", Some("a"), 90);
    assert_eq!(after(voided(Some("a")), to_come), ClaimState::Void);
    // The time has passed: it was the other clock that was ahead.
    let passed = (at("2026-01-05T08:00:00Z") - at("2020-01-01T00:00:00Z")).num_seconds() + 30;
    let later = moment("2026-01-05T08:00:00Z", Some("a"), passed);
    assert_eq!(after(voided(Some("a")), later), ClaimState::Void);
    // Behind again after the next start, and set again: the start that counts is the last one.
    let mut again = voided(Some("b"));
    assert!(settle(&mut again, &moment("2020-01-01T00:00:00Z", Some("a"), 20)).1);
    assert_eq!(after(again, set), ClaimState::Open);
}

/// A year of minutes, with triggers in every one of them, in both clock changes: each slot runs once.
#[test]
fn whatever_fires_each_slot_of_a_year_runs_once() {
    for (text, zone) in [
        ("30 2 * * *", ZONE),
        ("30 1 * * *", ZONE),
        ("0,30 2 * * *", chrono_tz::Europe::Berlin),
        ("15 */6 * * *", chrono_tz::Australia::Lord_Howe),
        ("0 3 13 * 5", chrono_tz::Europe::Berlin),
    ] {
        let schedule = schedule(text, CatchUp::UntilNext);
        let (mut time, end) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
        let first = schedule.cron.last_at_or_before(time, zone).unwrap().utc;
        let mut claims: Vec<Claim> =
            vec![Claim { slot: first, at: first, tries: 1, state: ClaimState::Ended, voided: None }];
        let mut ran = Vec::new();
        let mut step = 7;
        while time < end {
            if let Due::Now { slot, tries } = due(&schedule, zone, time, &claims) {
                ran.push(slot);
                claims = vec![Claim { slot, at: time, tries, state: ClaimState::Ended, voided: None }];
            }
            step = (step * 31 + 11) % 29 + 1;
            time += TimeDelta::minutes(step);
        }
        let expected: Vec<_> =
            schedule.cron.fires_after(first, zone).map(|fire| fire.utc).take_while(|at| *at < end).collect();
        // The last may still be to come.
        assert!(expected.starts_with(&ran) && expected.len() - ran.len() <= 1, "{text}");
    }
}

#[test]
fn a_delay_is_the_same_for_each_trigger_of_a_slot_and_below_the_longest() {
    let longest = TimeDelta::minutes(10);
    let delay = |host, slot| jitter(longest, host, "prod/nightly", at(slot));
    let one = delay("a", "2026-01-05T07:00:00Z");
    assert_eq!(one, delay("a", "2026-01-05T07:00:00Z"));
    assert_ne!(one, delay("b", "2026-01-05T07:00:00Z"));
    let hosts: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let all: Vec<_> = hosts.iter().map(|host| delay(host, "2026-01-05T07:00:00Z")).collect();
    assert!(all.iter().all(|delay| *delay >= TimeDelta::zero() && *delay < longest));
    assert!(
        all.iter().any(|delay| *delay > TimeDelta::minutes(8))
            && all.iter().any(|delay| *delay < TimeDelta::minutes(2))
    );
    assert_eq!(jitter(TimeDelta::zero(), "a", "j", at("2026-01-05T07:00:00Z")), TimeDelta::zero());
}
