//! `run`, `prune`, `delete`, `restore` and `catalog rebuild`, killed or refused at any system call that touches the disk: one
//! checker says what must hold afterwards, whatever was done where.
//!
//! Four calls of each kind are tried here, `POLICY_TEST_BIG=1 cargo nextest run --no-capture meddling` tries forty of them,
//! spread over the whole, and another number that many; every one of them takes more than a day.
//!
//! Safety rules that were broken on purpose, and what saw it:
//!
//! | broken | seen by |
//! |---|---|
//! | retention keeps the newest proven backup | `retention::tests`, `locks`, this file (15 tests) |
//! | another origin's backups stay | `retention::tests`, `crowd`, `prune::another_hosts_backups_…` |
//! | what is relied on is read again before each removal | `store::local::tests::removing::nothing_goes_once_…` |
//! | the same, every byte of it, before a prune by hand, for room, or a deletion | `losses::nothing_goes_for_a_newer_…` |
//! | a store that is not the one last used is refused | `store_id::a_store_that_lost_its_id_…` |
//! | digests are compared | `pipe`, `damage` (3 tests) |
//! | what a living run stages is not swept | `store::local::tests` (`runs_at_once_…`, `the_remains_of_dead_runs_…`) |
//! | an unproven run prunes nothing | `unproven::what_retention_no_longer_keeps_…` |
//! | what is read back beside the capture counts | `read_back::a_byte_that_reads_back_wrong_…` |
//! | examiners that opened another file are not believed | `examiner::another_database_under_the_name_…` |
//! | a restore is refused below the level it was proven to | `restore::what_no_longer_passes_its_checks_…` |
//! | data is durable before the name, and a removal's name gone before its data | `order` |
//! | locks exclude | `locks` (they wait for ever without) |
//! | content is examined in the very moment that is streamed | `load::in_200_backups_…_in_write_ahead_mode_…` |

#![allow(clippy::print_stdout, reason = "tells how many cases there were")]

use crate::support::{
    Answer, Sandbox,
    faults::{Fate, NAMES, SYNCS},
};
use std::{collections::BTreeMap, fs};

const POLICY: &str = "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets:
  app: {sqlite: app.db, tables: {irreplaceable: [t]}, checks: [{rows: t, expect: same_as_source}]}
  files: {directory: files}
jobs: {n: {retention: {last: 2}}}
";
const TARGETS: [&str; 2] = ["app", "files"];

/// So many proven backups of each target there are before anything happens, and never fewer.
const KEPT: usize = 2;

/// What is meddled with, and how.
const FATES: [(&str, Fate); 11] = [
    ("write,pwrite64", Fate::Kills),
    ("write,pwrite64", Fate::Full),
    ("write,pwrite64", Fate::Fails),
    ("read,pread64", Fate::Fails),
    ("openat", Fate::Kills),
    ("openat", Fate::Refused),
    (SYNCS, Fate::Kills),
    (SYNCS, Fate::Fails),
    (NAMES, Fate::Kills),
    (NAMES, Fate::Fails),
    ("mkdir,rmdir", Fate::Fails),
];

fn scene() -> Sandbox {
    let sandbox = Sandbox::with_policy(POLICY);
    sandbox.sql("app.db", "PRAGMA journal_mode = wal; CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)");
    sandbox.write("files/a", "hello");
    for _ in 0..KEPT {
        sandbox.run(&["run", "-q"]).exits(0);
    }
    sandbox
}

fn series(target: &str) -> String {
    format!("store/app/n/{target}")
}

/// The proven backups of each target, as `list` shows them.
fn proven(sandbox: &Sandbox, context: &str) -> BTreeMap<String, usize> {
    let listed = sandbox.run(&["list", "--json"]);
    assert!(listed.exit == 0, "{context}: what is there cannot be listed\n{listed}");
    let mut proven = BTreeMap::new();
    for backup in listed.json().as_array().unwrap() {
        assert_eq!(backup["partial"], false, "{context}: {backup}");
        if backup["proven"] == true {
            *proven.entry(backup["target"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    proven
}

/// Folders that only a call under way may have.
fn leavings(sandbox: &Sandbox) -> Vec<String> {
    let all = sandbox.tree("store").into_iter().chain(sandbox.tree(sandbox.state().to_str().unwrap()));
    let is_left =
        |name: &String| [".staging", ".pruning", "policy-scratch-"].iter().any(|part| name.contains(part));
    all.filter(is_left).collect()
}

/// What holds afterwards: the end was told; every earlier proven backup that retention did not replace still stands, and
/// so does whatever else is listed; the source is as it was, or as a restore was to make it; and a plain next run goes
/// well and clears up.
fn holds(sandbox: &Sandbox, answer: &Answer, rows: &[u32], context: &str) {
    assert!(!answer.stderr.contains("panicked") && answer.exit != 101, "{context}: a panic\n{answer}");
    let known = [0, 1, 2, 3, 4, 5, 10, 130, 137];
    assert!(known.contains(&answer.exit), "{context}: exit {} is none of ours\n{answer}", answer.exit);
    let silent = answer.exit != 0 && answer.exit != 137 && answer.stderr.trim().is_empty();
    assert!(!silent, "{context}: a failure without a word\n{answer}");
    for (target, count) in proven(sandbox, context) {
        assert!(count >= KEPT, "{context}: only {count} proven backups of {target} are left\n{answer}");
    }
    let verified = sandbox.run(&["verify", "-q"]);
    assert!(verified.exit == 0, "{context}: not all that is there stands\n{verified}\n{answer}");
    let live = sandbox
        .ask("app.db", "SELECT count(*) || (SELECT integrity_check FROM pragma_integrity_check) FROM t");
    // What a call that went well leaves stands last.
    let left = if answer.exit == 0 { &rows[rows.len() - 1..] } else { rows };
    assert!(left.iter().any(|rows| live == format!("{rows}ok")), "{context}: the source is {live}\n{answer}");
    let next = sandbox.run(&["run", "-q"]);
    assert!(next.exit == 0, "{context}: the next run fails\n{next}\n{answer}");
    assert_eq!(leavings(sandbox), Vec::<String>::new(), "{context}: the next run did not clear up");
    for target in TARGETS {
        assert_eq!(sandbox.backups(&series(target)).len(), KEPT, "{context}: {target}");
    }
}

/// Tries a call of the program with every fate; `prepare` makes the scene for each case and gives the arguments, `rows`
/// are those that the source may have afterwards.
fn everywhere(rows: &[u32], prepare: &dyn Fn(&Sandbox) -> Vec<String>) {
    let sandbox = scene();
    if !sandbox.can_meddle() {
        return;
    }
    let wanted = match std::env::var("POLICY_TEST_BIG").ok().and_then(|big| big.parse().ok()) {
        None => 4,
        Some(1) => 40,
        Some(number) => usize::max(number, 1),
    };
    let (mut cases, mut missed) = (0, 0);
    for (calls, fate) in FATES {
        let total = called(&prepare(&sandbox), |arguments| sandbox.calls(calls, arguments));
        let stride = total.div_ceil(wanted).max(1);
        // The first calls of the loader and of the start are all alike; a prime offset varies what the strides meet.
        for n in (1..=total).skip(stride / 2).step_by(stride) {
            let arguments = prepare(&sandbox);
            let answer = called(&arguments, |arguments| sandbox.meddled(calls, fate, n, arguments));
            let Some(answer) = answer else {
                println!("missed {calls} {n} of {total} {fate:?}");
                missed += 1;
                continue;
            };
            // The system's loader itself failed: the program did not begin.
            if answer.exit == 127 {
                continue;
            }
            holds(&sandbox, &answer, rows, &format!("{arguments:?}, {calls} {n} of {total} {fate:?}"));
            cases += 1;
        }
    }
    println!("{:?}: {cases} cases, and {missed} that did not come to the call", prepare(&sandbox));
    assert!(cases >= 15 && missed * 5 <= cases, "only {cases} cases, {missed} missed");
}

fn called<T>(arguments: &[String], call: impl FnOnce(&[&str]) -> T) -> T {
    call(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Makes more backups than retention keeps.
fn overdue(sandbox: &Sandbox, runs: usize) {
    sandbox.write("policy.yaml", POLICY.replace("last: 2", "last: 9"));
    for _ in 0..runs {
        sandbox.run(&["run", "-q"]).exits(0);
    }
    sandbox.write("policy.yaml", POLICY);
}

#[test]
fn a_run_that_is_meddled_with_anywhere_costs_no_backup() {
    everywhere(&[2], &|_| words("run"));
}

#[test]
fn a_prune_that_is_meddled_with_anywhere_takes_only_what_it_may() {
    everywhere(&[2], &|sandbox| {
        overdue(sandbox, 2);
        words("prune")
    });
}

#[test]
fn a_deletion_that_is_meddled_with_anywhere_takes_only_what_was_named() {
    everywhere(&[2], &|sandbox| {
        overdue(sandbox, 1);
        words(&format!("delete --reason test app/n/app/{}", sandbox.backups(&series("app"))[0]))
    });
}

#[test]
fn a_restore_that_is_meddled_with_anywhere_leaves_the_old_content_or_the_new() {
    everywhere(&[3, 2], &|sandbox| {
        for name in fs::read_dir(sandbox.root().join("work")).unwrap().map(|entry| entry.unwrap().file_name())
        {
            let name = name.to_string_lossy();
            if name.starts_with("app.db.") {
                fs::remove_file(sandbox.path(&name)).unwrap();
            }
        }
        sandbox.sql("app.db", "DELETE FROM t WHERE x = 3");
        sandbox.run(&["run", "-q"]).exits(0);
        sandbox.sql("app.db", "INSERT INTO t VALUES (3)");
        words("restore app --yes")
    });
}

#[test]
fn a_catalog_that_is_meddled_with_while_it_is_made_anew_loses_nothing() {
    everywhere(&[2], &|sandbox| {
        let _ = fs::remove_file(sandbox.state().join("catalog.db"));
        words("catalog rebuild")
    });
}
