//! `daemon`: the schedules in the foreground.

#![cfg(unix)]

use crate::support::{
    Sandbox,
    simple::{SERIES, policy},
    until,
};
use std::{
    fs,
    process::{Child, Command},
    time::Duration,
};

fn sandbox(job: &str) -> Sandbox {
    let text = policy("", &format!(", schedule: \"* * * * *\"{job}")).replace("last: 3", "last: 50");
    let sandbox = Sandbox::with_policy(&text);
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    sandbox
}

/// A daemon that ends with its test, also where that fails.
struct Logged(Child);

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), process.to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn what_was_missed_runs_at_once_and_a_signal_ends_it_cleanly() {
    let sandbox = sandbox("");
    let daemon = sandbox.start(&["daemon"]);
    until("a backup", || !sandbox.backups(SERIES).is_empty());
    let count = sandbox.backups(SERIES).len();
    signal(daemon.id(), "TERM");
    daemon.wait().exits(0).says("app/nightly: next ");
    // Started again in the same minute it runs nothing: the slot is taken.
    let again = sandbox.start(&["daemon"]);
    std::thread::sleep(Duration::from_secs(1));
    signal(again.id(), "INT");
    let answer = again.wait().exits(0);
    let more = sandbox.backups(SERIES).len();
    assert!(more == count && answer.stderr.contains("nothing is due") || more == count + 1, "{answer}");
}

#[test]
fn a_job_under_way_is_waited_for_and_a_second_signal_interrupts_it() {
    let sandbox = sandbox(", before: [[wait-for-go]]");
    sandbox.program("wait-for-go", "echo begun > begun; while [ ! -e go ]; do sleep 0.05; done");
    let daemon = sandbox.start(&["daemon"]);
    until("the hook", || sandbox.path("begun").exists());
    signal(daemon.id(), "TERM");
    std::thread::sleep(Duration::from_millis(500));
    assert!(sandbox.backups(SERIES).is_empty());
    sandbox.write("go", "");
    daemon.wait().exits(0).says("waiting for app/nightly").says("proven");
    assert_eq!(sandbox.backups(SERIES).len(), 1);
    for file in ["begun", "go"] {
        fs::remove_file(sandbox.path(file)).unwrap();
    }
    fs::remove_dir_all(sandbox.state().join("claims")).unwrap();
    fs::remove_dir_all(sandbox.path("store")).unwrap();
    sandbox.sql("../home/.local/state/policy/catalog.db", "DELETE FROM stores");
    let daemon = sandbox.start(&["daemon"]);
    until("the hook", || sandbox.path("begun").exists());
    signal(daemon.id(), "TERM");
    std::thread::sleep(Duration::from_millis(300));
    signal(daemon.id(), "TERM");
    daemon.wait().exits(130).says("interrupted");
    assert!(sandbox.backups(SERIES).is_empty());
}

#[test]
fn a_changed_policy_is_taken_when_it_is_valid_and_the_old_one_stays_when_it_is_not() {
    let sandbox = sandbox("");
    let text = sandbox.read("policy.yaml");
    sandbox.write("policy.yaml", text.replace("* * * * *", "0 0 29 2 *"));
    let log = sandbox.path("log");
    let mut command = sandbox.command(&["daemon"]);
    command.stderr(fs::File::create(&log).unwrap());
    let mut daemon = Logged(command.spawn().unwrap());
    let said = |words: &str| fs::read_to_string(&log).unwrap().contains(words);
    until("the start", || said("next 20"));
    sandbox.write("policy.yaml", text.replace("jobs:", "jbos:"));
    until("the complaint", || said("the policies stay as they were"));
    assert!(said("did you mean `jobs`"));
    assert_eq!(fs::read_to_string(&log).unwrap().matches("stay as they were").count(), 1);
    fs::remove_file(sandbox.path("policy.yaml")).unwrap();
    std::thread::sleep(Duration::from_secs(6));
    sandbox.write("policy.yaml", text.replace("nightly", "often"));
    until("the new policy", || said("app/often: next"));
    until("a backup", || !sandbox.backups("store/app/often/app").is_empty());
    signal(daemon.0.id(), "TERM");
    assert!(daemon.0.wait().unwrap().success());
}

#[test]
fn a_daemon_goes_by_the_clock_and_needs_a_valid_policy() {
    let sandbox = sandbox("");
    sandbox.run(&["daemon", "--now", "2026-01-05T07:00:00Z"]).exits(2).says("goes by the clock");
    sandbox.write("policy.yaml", "version: 1\n");
    sandbox.run(&["daemon"]).exits(2);
}
