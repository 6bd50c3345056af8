//! `run --due`: whatever fires, a slot runs once.

#![cfg(unix)]

use crate::support::{
    Running, Sandbox,
    simple::{SERIES, policy},
    until,
};
use std::{collections::BTreeSet, fs};

const SLOT: &str = "2026-01-05T07:00:00Z";
const NIGHTLY: &str = ", schedule: \"0 7 * * *\"";

fn sandbox(job: &str) -> Sandbox {
    let sandbox = Sandbox::with_policy(&policy("", &format!("{NIGHTLY}{job}")).replace("last: 3", "last: 9"));
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)");
    sandbox
}

/// Calls `run --due` at a time of the calendar.
fn due(sandbox: &Sandbox, now: &str) -> crate::support::Answer {
    sandbox.run(&["run", "--due", "--now", now])
}

fn backups(sandbox: &Sandbox) -> usize {
    sandbox.backups(SERIES).len()
}

#[test]
fn a_slot_runs_once_and_its_backup_says_for_which_it_is() {
    let sandbox = sandbox("");
    due(&sandbox, SLOT).exits(0).says("proven");
    due(&sandbox, SLOT).exits(0).says("nothing is due").says("next 2026-01-06T07:00:00Z").hides("proven");
    let answer =
        sandbox.run(&["run", "nightly", "--due", "--json", "--now", "2026-01-05T23:00:00Z"]).exits(0);
    assert_eq!(answer.json(), serde_json::json!([]));
    assert_eq!(backups(&sandbox), 1);
    let stamp = sandbox.backups(SERIES)[0].clone();
    assert_eq!(sandbox.manifest(&format!("{SERIES}/{stamp}"))["slot"], SLOT);
    // Three nights missed are one run.
    due(&sandbox, "2026-01-08T20:00:00Z").exits(0).says("proven");
    due(&sandbox, "2026-01-08T21:00:00Z").exits(0).says("nothing is due");
    assert_eq!(backups(&sandbox), 2);
    // By hand a run is for no slot, and takes none.
    sandbox.run(&["run", "--now", "2026-01-09T06:59:00Z"]).exits(0);
    due(&sandbox, "2026-01-09T07:00:00Z").exits(0).says("proven");
}

#[test]
fn of_fifty_at_once_exactly_one_runs() {
    let sandbox = sandbox("");
    let start = |_| sandbox.start(&["run", "nightly", "--due", "--now", SLOT]);
    let running: Vec<Running> = (0..50).map(start).collect();
    let answers: Vec<_> = running.into_iter().map(Running::wait).collect();
    let ran = answers.iter().filter(|answer| answer.stdout.contains("proven")).count();
    assert!(answers.iter().all(|answer| answer.exit == 0), "{answers:?}");
    assert_eq!((ran, backups(&sandbox)), (1, 1));
    assert!(
        answers
            .iter()
            .all(|answer| answer.stdout.contains("proven") || answer.stderr.contains("nothing is due"))
    );
}

#[test]
fn a_killed_run_is_due_once_more_and_an_interrupted_one_too() {
    let sandbox = sandbox(", before: [[end-it]]");
    sandbox.program("end-it", "kill -9 $PPID; sleep 1");
    due(&sandbox, SLOT).exits(128 + 9);
    due(&sandbox, "2026-01-05T08:00:00Z").exits(128 + 9);
    due(&sandbox, "2026-01-05T09:00:00Z").exits(0).says("was begun twice and did not end");
    assert_eq!(backups(&sandbox), 0);
    sandbox.program("end-it", "kill -TERM $PPID; sleep 5");
    due(&sandbox, "2026-01-06T07:00:00Z").exits(130);
    sandbox.program("end-it", "true");
    due(&sandbox, "2026-01-06T08:00:00Z").exits(0).says("proven");
    due(&sandbox, "2026-01-06T09:00:00Z").exits(0).says("nothing is due");
}

#[test]
fn a_run_that_fails_has_used_its_slot() {
    let sandbox = sandbox("");
    fs::remove_file(sandbox.path("app.db")).unwrap();
    due(&sandbox, SLOT).exits(1);
    due(&sandbox, "2026-01-05T08:00:00Z").exits(0).says("nothing is due");
}

#[test]
fn lost_claims_cost_nothing_where_a_store_holds_the_backup_and_else_one_run() {
    let sandbox = sandbox("");
    due(&sandbox, SLOT).exits(0).says("proven");
    fs::remove_dir_all(sandbox.state()).unwrap();
    due(&sandbox, "2026-01-05T08:00:00Z").exits(0).says("a store holds the backup of 2026-01-05T07:00:00Z");
    due(&sandbox, "2026-01-05T09:00:00Z").exits(0).says("was run");
    // Another machine's backups are not this one's.
    let other = sandbox.variable("POLICY_MACHINE_ID", "other");
    fs::remove_dir_all(other.state()).unwrap();
    due(&other, "2026-01-05T10:00:00Z").exits(0).says("proven");
    // Claims that cannot be read are lost ones.
    let claims = other.state().join("claims/app.nightly.json");
    fs::write(&claims, "[{\"slot\": \"2026").unwrap();
    due(&other, "2026-01-05T11:00:00Z").exits(0).says("is damaged").says("a store holds the backup");
}

#[test]
fn what_another_run_locks_is_waited_for_and_the_slot_is_run_then() {
    let sandbox = sandbox(", before: [[wait-for-go]]");
    sandbox.program("wait-for-go", "echo begun > begun; while [ ! -e go ]; do sleep 0.05; done");
    let by_hand = sandbox.start(&["run"]);
    until("the hook", || sandbox.path("begun").exists());
    let guarded = sandbox.start(&["run", "--due", "--now", SLOT]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    sandbox.write("go", "");
    by_hand.wait().exits(0);
    guarded.wait().exits(0).says("is locked: waiting").says("proven");
    assert_eq!(backups(&sandbox), 2);
}

#[test]
fn the_last_valid_text_runs_when_the_policy_is_invalid_or_gone() {
    let sandbox = sandbox("");
    due(&sandbox, SLOT).exits(0);
    let good = sandbox.read("policy.yaml");
    sandbox.write("policy.yaml", good.replace("jobs:", "jbos:"));
    let answer = due(&sandbox, "2026-01-06T07:00:00Z").exits(2);
    answer.says("did you mean `jobs`").says("its last valid text runs").says("proven");
    fs::remove_file(sandbox.path("policy.yaml")).unwrap();
    let gone =
        sandbox.run(&["--policy", "policy.yaml", "run", "nightly", "--due", "--now", "2026-01-07T07:00:00Z"]);
    gone.exits(2).says("cannot read this file").says("proven");
    assert_eq!(backups(&sandbox), 3);
    // By hand nothing but what stands there counts, and of what was never valid there is no text.
    sandbox.run(&["--policy", "policy.yaml", "run"]).exits(2).hides("proven");
    sandbox.run(&["--policy", "other.yaml", "run", "--due"]).exits(2).says("no valid text of it was kept");
}

#[test]
fn a_claim_of_a_clock_that_was_ahead_is_told_and_does_not_count() {
    let sandbox = sandbox("").variable("POLICY_STATE_DIR", "state");
    let always = sandbox.read("policy.yaml").replace("0 7 * * *", "* * * * *");
    sandbox.write("policy.yaml", always);
    sandbox.run(&["run", "--due"]).exits(0).says("proven");
    let claims = sandbox.read("state/claims/app.nightly.json");
    let mut ahead: serde_json::Value = serde_json::from_str(&claims).unwrap();
    ahead[0]["slot"] = "2099-01-01T00:00:00Z".into();
    ahead[0]["at"] = "2099-01-01T00:00:00Z".into();
    sandbox.write("state/claims/app.nightly.json", ahead.to_string());
    fs::remove_dir_all(sandbox.path("store")).unwrap();
    sandbox
        .run(&["run", "--due", "--new-store", "local"])
        .exits(0)
        .says("claimed by a clock that was ahead")
        .says("proven");
    // Also where the slot at hand is not what the clock had claimed: an hour that is to come.
    let mut ahead: serde_json::Value =
        serde_json::from_str(&sandbox.read("state/claims/app.nightly.json")).unwrap();
    let mut to_come = ahead.as_array().unwrap().last().unwrap().clone();
    to_come["slot"] = "2098-06-01T00:00:00Z".into();
    to_come["at"] = "2098-06-01T00:00:00Z".into();
    to_come["state"] = "ended".into();
    ahead.as_array_mut().unwrap().push(to_come);
    sandbox.write("state/claims/app.nightly.json", ahead.to_string());
    sandbox
        .run(&["run", "--due"])
        .exits(0)
        .says("the slot of 2098-06-01T00:00:00Z was claimed by a clock that was ahead");
    let dry = sandbox.run(&["run", "--due", "-n", "--now", "2098-06-01T00:00:30Z"]).exits(0);
    dry.says("capture");
    // Ahead of the clock nothing is claimed.
    let before = sandbox.read("state/claims/app.nightly.json");
    sandbox.run(&["run", "--due", "--now", "2098-01-01T00:00:00Z"]).exits(0).says("proven");
    assert_eq!(sandbox.read("state/claims/app.nightly.json"), before);
}

#[test]
fn a_dry_run_shows_what_is_due_and_changes_nothing() {
    let sandbox = sandbox("");
    sandbox.run(&["run", "-n", "--due", "--now", SLOT]).exits(0).says("capture").says("nothing was changed");
    assert_eq!(sandbox.tree("."), ["app.db", "policy.yaml"]);
    assert!(!sandbox.state().exists());
    due(&sandbox, SLOT).exits(0);
    sandbox.run(&["run", "-n", "--due", "--now", SLOT]).exits(0).says("nothing is due").hides("capture");
}

#[test]
fn a_delay_is_waited_for_once_something_is_due_and_not_when_it_is_over() {
    let sandbox = sandbox("");
    let due = |now: &str| sandbox.run(&["run", "--due", "--jitter", "2s", "--now", now]).exits(0);
    due(SLOT).says("waiting until 2026-01-05T07:00:0").says("proven");
    due("2026-01-06T07:01:00Z").hides("waiting").says("proven");
    due("2026-01-06T07:02:00Z").hides("waiting").says("nothing is due");
    sandbox.run(&["run", "--jitter", "2s"]).exits(2);
    sandbox.run(&["run", "--due", "--jitter", "soon"]).exits(2).says("such as 90s");
}

#[test]
fn a_job_without_a_schedule_is_never_due_and_one_that_cannot_run_hinders_no_other() {
    let text = "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets: {app: {sqlite: app.db}, other: {sqlite: \"${UNSET}/x.db\"}}
jobs:
  a-other: {targets: [other], schedule: \"0 7 * * *\", retention: {last: 3}}
  by-hand: {targets: [app], retention: {last: 3}}
  nightly: {targets: [app], schedule: \"0 7 * * *\", retention: {last: 3}}
";
    let sandbox = Sandbox::with_policy(text);
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    sandbox
        .run(&["run", "by-hand", "--due"])
        .exits(0)
        .says("app/by-hand: nothing is due: it has no schedule");
    due(&sandbox, SLOT).exits(2).says("UNSET").says("app/nightly/app/2026-01-05T070000Z");
    let claimed: BTreeSet<_> = fs::read_dir(sandbox.state().join("claims"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with("json"))
        .collect();
    assert_eq!(
        claimed,
        BTreeSet::from(["app.nightly.json".to_owned()]),
        "what could not be run is due again"
    );
}
