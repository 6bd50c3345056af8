//! Many calls of the program at once, of one host and of two: each backup is whole, and nobody takes another's.

use crate::support::{Answer, Sandbox, simple::SERIES, until};
use std::{collections::BTreeMap, process::Command, thread};

const POLICY: &str = "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets: {app: {sqlite: app.db, checks: [{rows: t, expect: same_as_source}]}}
jobs: {nightly: {retention: {last: 2}}}
";

fn scene(last: u32) -> Sandbox {
    let sandbox = Sandbox::with_policy(&POLICY.replace("last: 2", &format!("last: {last}")));
    sandbox.sql("app.db", "PRAGMA journal_mode = wal; CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)");
    sandbox
}

/// Makes each of the calls so many times, all of them beside the others, and has every answer looked at.
fn at_once(sandbox: &Sandbox, calls: &[&[&str]], times: usize, look: impl Fn(&[&str], &Answer) + Sync) {
    thread::scope(|scope| {
        for words in calls {
            scope.spawn(|| (0..times).for_each(|_| look(words, &sandbox.run(words))));
        }
    });
}

#[test]
fn of_fifty_runs_at_once_each_either_backs_up_or_names_who_does() {
    let sandbox = scene(100);
    let running: Vec<_> = (0..50).map(|_| sandbox.start(&["run", "-q"])).collect();
    let answers: Vec<_> = running.into_iter().map(crate::support::Running::wait).collect();
    let mut exits = BTreeMap::new();
    for answer in &answers {
        assert!(
            answer.exit == 0 || answer.exit == 11 && answer.stderr.contains("holds the lock"),
            "{answer}"
        );
        *exits.entry(answer.exit).or_insert(0_usize) += 1;
    }
    let done = exits.get(&0).copied().unwrap_or_default();
    assert!(done >= 1, "{exits:?}");
    assert_eq!(sandbox.backups(SERIES).len(), done, "{exits:?}");
    sandbox.run(&["verify"]).exits(0);
    let left: Vec<_> = sandbox.tree("store").into_iter().filter(|name| name.contains(".staging")).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn runs_prunes_verifications_and_lists_at_once_leave_what_retention_says() {
    let sandbox = scene(2);
    for _ in 0..2 {
        sandbox.run(&["run", "-q"]).exits(0);
    }
    let calls =
        [&["run", "-q"][..], &["run", "-q"], &["prune", "-q"], &["verify", "-q"], &["list", "--json"]];
    at_once(&sandbox, &calls, 12, |words, answer| {
        // Of one that a lock was in the way of, some may be done: 3.
        let fair = [0, 3, 11].contains(&answer.exit) && !answer.stderr.contains("panicked");
        assert!(fair, "{words:?}\n{answer}");
        assert!(sandbox.backups(SERIES).len() >= 2, "{words:?}: fewer than retention keeps\n{answer}");
    });
    sandbox.run(&["run", "-q"]).exits(0);
    assert_eq!(sandbox.backups(SERIES).len(), 2);
    sandbox.run(&["verify"]).exits(0);
}

/// A call of one of two hosts that share the store, each with an id and a state of its own.
fn on_host(sandbox: &Sandbox, host: &str, words: &[&str]) -> Command {
    let mut command = sandbox.command(words);
    command.env("POLICY_MACHINE_ID", host).env("POLICY_STATE_DIR", sandbox.root().join(host));
    command
}

#[test]
fn two_hosts_that_share_a_store_neither_prune_nor_sweep_each_others_backups() {
    let sandbox = scene(2);
    thread::scope(|scope| {
        for host in ["one", "two"] {
            let sandbox = &sandbox;
            scope.spawn(move || {
                let mut done = 0;
                until("six turns of each host", || {
                    let answer = sandbox.finish(on_host(sandbox, host, &["run", "-q"]));
                    // Stamps are of seconds: that the other host took this one is told, and costs this run alone.
                    let is_taken = answer.stderr.contains("made in the same second elsewhere");
                    assert!([0, 11].contains(&answer.exit) || is_taken, "{host}\n{answer}");
                    done += usize::from(answer.exit == 0);
                    done == 6
                });
            });
        }
    });
    let mut origins = BTreeMap::new();
    for stamp in sandbox.backups(SERIES) {
        let manifest = sandbox.manifest(&format!("{SERIES}/{stamp}"));
        *origins.entry(manifest["origin"].as_str().unwrap().to_owned()).or_insert(0_usize) += 1;
    }
    assert_eq!(origins.values().copied().collect::<Vec<_>>(), [2, 2], "{origins:?}");
    for host in ["one", "two"] {
        sandbox.finish(on_host(&sandbox, host, &["verify", "-q"])).exits(0);
    }
}

#[test]
fn a_restore_takes_what_this_host_made_and_says_where_it_takes_anothers() {
    let sandbox = scene(5);
    let made = |host: &str| {
        sandbox.finish(on_host(&sandbox, host, &["run", "-q"])).exits(0);
        sandbox.backups(SERIES).last().unwrap().clone()
    };
    let [own, theirs] = [made("one"), made("two")];
    let restored = |host: &str, words: &[&str]| {
        let all = [&["restore", "--to"], words].concat();
        sandbox.finish(on_host(&sandbox, host, &all)).exits(0)
    };
    restored("one", &["one.db", "app"]).says(&own).hides("another host");
    let id = format!("app/nightly/app/{theirs}");
    restored("one", &["two.db", &id]).says("another host");
    // A new machine has nothing of its own.
    restored("three", &["three.db", "app"]).says(&theirs).says("another host");
}

#[test]
fn restores_beside_runs_and_prunes_bring_back_a_whole_state() {
    let sandbox = scene(2);
    for _ in 0..3 {
        sandbox.run(&["run", "-q"]).exits(0);
    }
    let calls = [&["run", "-q"][..], &["prune", "-q"], &["restore", "app", "--yes", "-q"]];
    at_once(&sandbox, &calls, 10, |words, answer| {
        // A lock or an open database may be in the way, and each says so.
        let fair = [0, 1, 3, 5, 11].contains(&answer.exit) && !answer.stderr.contains("panicked");
        assert!(fair, "{words:?}\n{answer}");
        assert!(answer.exit == 0 || !answer.stderr.trim().is_empty(), "{words:?}\n{answer}");
    });
    assert_eq!(
        sandbox.ask("app.db", "SELECT count(*) || (SELECT * FROM pragma_integrity_check) FROM t"),
        "2ok"
    );
    sandbox.run(&["restore", "app", "--yes", "-q"]).exits(0);
    sandbox.run(&["run", "-q"]).exits(0);
    assert_eq!(sandbox.backups(SERIES).len(), 2);
    sandbox.run(&["verify"]).exits(0);
}
