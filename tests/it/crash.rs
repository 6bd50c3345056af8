//! A run that is killed, at whatever moment, costs that run alone.

#![cfg(unix)]

use crate::support::{Sandbox, simple::SERIES, until};
use std::fs;

const SLOW: &str = "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets: {app: {directory: files}}
jobs: {nightly: {compress: gzip:9, retention: {last: 3}, after: [[note, job after]]}}
";

/// Bytes that no codec makes smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(bytes);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend(state.to_le_bytes());
    }
    noise
}

/// A sandbox whose second capture takes long.
fn slow() -> Sandbox {
    let sandbox = Sandbox::with_policy(SLOW);
    sandbox.program("note", "echo \"$@\" >> notes");
    sandbox.write("files/small", "x");
    sandbox.run(&["run"]).exits(0);
    sandbox.write("files/large", noise(96 << 20));
    sandbox
}

/// Folders that only a run under way may have.
fn leavings(sandbox: &Sandbox) -> Vec<String> {
    let in_store = sandbox.tree("store");
    let in_state = sandbox.tree(sandbox.state().to_str().unwrap());
    let is_leaving = |name: &String| {
        let last = name.rsplit('/').next().unwrap_or_default();
        last.starts_with(".staging") || last.starts_with(".pruning") || last.starts_with("policy-scratch-")
    };
    in_store.into_iter().chain(in_state).filter(is_leaving).collect()
}

/// What holds after every kill: whatever is listed is whole, what was there is still there, and the next run goes well
/// and clears up.
#[track_caller]
fn recovers(sandbox: &Sandbox, before: &[String]) {
    for stamp in before {
        assert!(sandbox.backups(SERIES).contains(stamp), "{stamp} is gone");
    }
    let listed = sandbox.run(&["list", "--json"]).exits(0).json();
    for backup in listed.as_array().unwrap() {
        assert_eq!((&backup["proven"], &backup["partial"]), (&true.into(), &false.into()), "{backup}");
    }
    if !before.is_empty() {
        sandbox.run(&["verify"]).exits(0);
    }
    sandbox.run(&["run"]).exits(0);
    assert_eq!(leavings(sandbox), Vec::<String>::new());
    sandbox.run(&["verify"]).exits(0);
}

#[test]
fn a_signal_in_the_middle_of_a_capture_cleans_up_and_exits_130() {
    let sandbox = slow();
    let before = sandbox.backups(SERIES);
    let running = sandbox.start(&["run", "--json"]);
    until("the capture", || leavings(&sandbox).iter().any(|name| name.contains(".staging")));
    running.signal("TERM");
    let answer = running.wait().exits(130);
    assert_eq!(answer.json()[0]["failures"][0]["code"], "interrupted");
    assert_eq!(sandbox.backups(SERIES), before);
    assert_eq!(leavings(&sandbox), Vec::<String>::new());
    assert_eq!(sandbox.read("notes"), "job after\njob after\n");
    fs::remove_file(sandbox.path("files/large")).unwrap();
    recovers(&sandbox, &before);
}

#[test]
fn a_kill_in_the_middle_of_a_capture_costs_that_run_alone() {
    let sandbox = slow();
    let before = sandbox.backups(SERIES);
    let running = sandbox.start(&["run"]);
    until("the capture", || leavings(&sandbox).iter().any(|name| name.contains(".staging")));
    running.kill();
    assert_eq!(sandbox.backups(SERIES), before);
    assert!(!leavings(&sandbox).is_empty(), "the kill came too late to mean anything");
    fs::remove_file(sandbox.path("files/large")).unwrap();
    recovers(&sandbox, &before);
    assert_eq!(sandbox.read("notes"), "job after\njob after\njob after\n", "the killed run's is made up for");
}

#[test]
fn the_timeout_ends_a_capture() {
    let sandbox = slow();
    let before = sandbox.backups(SERIES);
    sandbox.write("policy.yaml", SLOW.replace("compress:", "timeout: 1s, compress:"));
    let answer = sandbox.run(&["run", "--json"]).exits(1);
    assert_eq!(answer.json()[0]["failures"][0]["code"], "timeout", "{answer}");
    assert_eq!(sandbox.backups(SERIES), before);
    assert_eq!(leavings(&sandbox), Vec::<String>::new());
    assert_eq!(sandbox.read("notes"), "job after\njob after\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_kill_at_any_step_that_changes_the_disk_costs_that_run_alone() {
    use crate::support::{
        faults::{Fate, SYNCS},
        simple::simple,
    };
    if !simple().can_meddle() {
        return;
    }
    let mut kills = 0;
    for call in ["mkdir", SYNCS, "rename,renameat,renameat2", "unlink,unlinkat,rmdir"] {
        // One sandbox a kind: what one kill leaves is what the next run meets. Retention prunes in each run.
        let sandbox = simple();
        sandbox.run(&["run"]).exits(0);
        let mut n = 1;
        loop {
            let before = sandbox.backups(SERIES);
            let newest = before.last().unwrap().clone();
            if sandbox.meddled(call, Fate::Kills, n, &["run"]).is_none() {
                break;
            }
            kills += 1;
            // Pruning may have begun; the newest one is never what it takes.
            recovers(&sandbox, &[newest]);
            n += if n < 12 { 1 } else { 5 };
            assert!(n < 400, "{call}: the run never ends");
        }
    }
    assert!(kills >= 30, "only {kills} kills");
}
