//! Locks, the store that must be the one last used, and the room that it must have.

#![cfg(unix)]

use crate::support::{
    Running, Sandbox,
    simple::{SERIES, SIMPLE, policy, simple},
    until,
};
use std::fs;

/// A run that waits in a hook, its locks in hand, until `go` is there.
fn waiting_run(sandbox: &Sandbox) -> Running {
    sandbox.write("policy.yaml", policy(", before: [[wait-for-go]]", ""));
    sandbox.program("wait-for-go", "echo begun > begun; while [ ! -e go ]; do sleep 0.05; done");
    let running = sandbox.start(&["run"]);
    until("the hook", || sandbox.path("begun").exists());
    running
}

#[test]
fn of_two_runs_at_once_the_second_exits_11_and_names_the_first() {
    let sandbox = simple();
    sandbox.run(&["run"]).exits(0);
    let running = waiting_run(&sandbox);
    let answer = sandbox.run(&["run", "--json"]).exits(11);
    let error = answer.error();
    assert_eq!((&error["code"], &error["exit"]), (&"locked".into(), &11.into()));
    let host = fs::read_to_string("/etc/hostname").unwrap_or_default();
    for part in [format!("process {}", running.id()), "since 20".to_owned(), format!("on {}", host.trim())] {
        assert!(error["message"].as_str().unwrap().contains(&part), "{part}: {error}");
    }
    assert_eq!(answer.json()[0]["failures"][0]["code"], "locked");
    // A dry run and reading commands take no lock.
    sandbox.run(&["run", "--dry-run"]).exits(0);
    sandbox.run(&["list"]).exits(0);
    sandbox.run(&["prune", "--dry-run"]).exits(0);
    sandbox.run(&["prune"]).exits(11);
    sandbox.write("go", "");
    running.wait().exits(0);
    sandbox.run(&["run"]).exits(0);
}

#[test]
fn verifying_what_is_there_waits_for_no_run_and_says_who_runs() {
    let sandbox = simple();
    sandbox.run(&["run"]).exits(0);
    let running = waiting_run(&sandbox);
    sandbox.run(&["verify"]).exits(11).says(&format!("process {}", running.id()));
    sandbox.write("go", "");
    running.wait().exits(0);
    sandbox.run(&["verify"]).exits(0);
}

#[test]
fn a_lock_ends_with_its_process() {
    let sandbox = simple();
    let running = waiting_run(&sandbox);
    sandbox.run(&["run"]).exits(11);
    running.kill();
    sandbox.write("go", "");
    sandbox.run(&["run"]).exits(0);
    assert_eq!(sandbox.backups(SERIES).len(), 1);
}

#[test]
fn runs_of_different_targets_of_one_job_do_not_hinder_each_other() {
    let sandbox = Sandbox::with_policy(
        "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets:
  a: {sqlite: app.db, before: [[wait-for-go]], after: [[\"true\"]]}
  b: {sqlite: app.db}
jobs: {nightly: {}}
",
    );
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    sandbox.program("wait-for-go", "echo begun > begun; while [ ! -e go ]; do sleep 0.05; done");
    let running = sandbox.start(&["run", "--target", "a"]);
    until("the hook", || sandbox.path("begun").exists());
    sandbox.run(&["run", "--target", "b"]).exits(0);
    // Of a run over both, the free one is done.
    sandbox.run(&["run"]).exits(3);
    sandbox.write("go", "");
    running.wait().exits(0);
    assert_eq!(sandbox.backups("store/app/nightly/a").len(), 1);
    assert_eq!(sandbox.backups("store/app/nightly/b").len(), 2);
}

#[test]
fn a_store_that_is_not_the_one_last_used_is_left_alone() {
    let sandbox = simple();
    sandbox.run(&["run"]).exits(0);
    let away = sandbox.path("unmounted");
    let store = sandbox.path("store");
    let refused = || {
        let answer =
            sandbox.run(&["run", "--json"]).exits(1).says("is not the one last used").says("not mounted?");
        assert_eq!(answer.json()[0]["failures"][0]["code"], "store");
    };
    // The folder is empty, as the place of a disk that is not mounted.
    fs::rename(&store, &away).unwrap();
    fs::create_dir(&store).unwrap();
    refused();
    assert!(sandbox.tree("store").is_empty());
    // It is not there at all.
    fs::remove_dir(&store).unwrap();
    refused();
    assert!(!store.exists());
    // Something else lies there.
    sandbox.write("store/holiday.jpg", "x");
    refused();
    assert_eq!(sandbox.tree("store"), ["holiday.jpg"]);
    fs::remove_dir_all(&store).unwrap();
    // Another store lies there.
    sandbox.write(
        "other/policy.yaml",
        SIMPLE.replace("name: app", "name: other").replace("app.db", "../app.db"),
    );
    sandbox.run(&["run", "--policy", "other/policy.yaml"]).exits(0);
    fs::rename(sandbox.path("other/store"), &store).unwrap();
    refused();
    assert!(sandbox.backups(SERIES).is_empty());
    // It is accepted when that is said, and from then on.
    sandbox.run(&["run", "--new-store", "local"]).exits(0);
    sandbox.run(&["run"]).exits(0);
    assert_eq!(sandbox.backups(SERIES).len(), 2);
    // The old one is now the one that is refused.
    fs::remove_dir_all(&store).unwrap();
    fs::rename(&away, &store).unwrap();
    refused();
    sandbox.run(&["run", "--new-store", "local"]).exits(0);
}

#[test]
fn a_new_store_is_not_made_among_other_peoples_files() {
    let sandbox = simple();
    sandbox.write("store/holiday.jpg", "x");
    sandbox.run(&["run"]).exits(1).says("holiday.jpg");
    sandbox.run(&["run", "--new-store", "local"]).exits(1).says("holiday.jpg");
    assert_eq!(sandbox.tree("store"), ["holiday.jpg"]);
}

#[test]
fn one_store_that_is_not_mounted_does_not_keep_the_other_from_its_backup() {
    let sandbox = Sandbox::with_policy(
        &SIMPLE.replace("local: ./store", "local: ./store, disk: {path: ./disk, require_mount: true}"),
    );
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    fs::create_dir(sandbox.path("disk")).unwrap();
    sandbox.run(&["run"]).exits(3).says("is not a mount point: not mounted?");
    assert_eq!(sandbox.backups(SERIES).len(), 1);
    assert!(sandbox.tree("disk").is_empty());
    sandbox.run(&["run", "--store", "disk"]).exits(1);
}

#[test]
fn without_the_room_that_min_free_asks_nothing_is_made_and_other_stores_go_on() {
    let sandbox = Sandbox::with_policy(
        &SIMPLE.replace("local: ./store", "local: ./store, small: {path: ./small, min_free: 900TiB}"),
    );
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    let answer = sandbox.run(&["run", "--json"]).exits(3).says("900 TiB are needed");
    assert_eq!(answer.json()[0]["failures"][0]["code"], "no_room");
    assert_eq!(sandbox.backups(SERIES).len(), 1);
    assert!(sandbox.backups("small/app/nightly/app").is_empty());
    sandbox.run(&["run", "--store", "small"]).exits(1);
}

#[test]
fn when_room_is_short_retention_makes_some_first_but_never_takes_the_newest() {
    let sandbox = simple();
    for day in 1..=3 {
        sandbox.run(&["run", "--now", &format!("2026-01-0{day}T07:00:00Z")]).exits(0);
    }
    let tight = SIMPLE.replace("./store", "{path: ./store, min_free: 900TiB}").replace("last: 3", "last: 2");
    sandbox.write("policy.yaml", &tight);
    sandbox.run(&["run", "--now", "2026-01-04T07:00:00Z"]).exits(1).says("900 TiB are needed");
    assert_eq!(sandbox.backups(SERIES), ["2026-01-02T070000Z", "2026-01-03T070000Z"]);
    sandbox.write("policy.yaml", tight.replace("last: 2", "last: 1"));
    sandbox.run(&["run", "--now", "2026-01-05T07:00:00Z"]).exits(1);
    assert_eq!(sandbox.backups(SERIES), ["2026-01-03T070000Z"]);
    sandbox.run(&["run", "--now", "2026-01-06T07:00:00Z"]).exits(1);
    assert_eq!(sandbox.backups(SERIES), ["2026-01-03T070000Z"]);
    sandbox.run(&["verify"]).exits(0);
}

#[test]
fn no_room_is_made_when_the_backup_that_would_stay_has_lost_its_content() {
    let sandbox = simple();
    for day in 1..=3 {
        sandbox.run(&["run", "--now", &format!("2026-01-0{day}T07:00:00Z")]).exits(0);
    }
    let newest = sandbox.path(SERIES).join("2026-01-03T070000Z");
    for entry in fs::read_dir(&newest).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "zst") {
            fs::remove_file(path).unwrap();
        }
    }
    let tight = SIMPLE.replace("./store", "{path: ./store, min_free: 900TiB}").replace("last: 3", "last: 1");
    sandbox.write("policy.yaml", &tight);
    let answer = sandbox.run(&["run", "--json"]).exits(1).says("does not stand");
    assert_eq!(answer.json()[0]["failures"][0]["code"], "no_room");
    assert_eq!(sandbox.backups(SERIES).len(), 3);
}

#[test]
fn what_could_not_be_locked_is_not_tried_again_without_its_lock() {
    let sandbox = simple();
    for day in 1..=3 {
        sandbox.run(&["run", "--now", &format!("2026-01-0{day}T07:00:00Z")]).exits(0);
    }
    // A folder in the lock's place: no lock can be had, though everything else could be written.
    let lock = sandbox.path(SERIES).join(".lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    sandbox.write(
        "policy.yaml",
        SIMPLE.replace("retention: {last: 3}", "retention: {last: 1}, retry: {attempts: 2, delay: 1s}"),
    );
    sandbox.run(&["run"]).exits(1).says(".lock");
    assert_eq!(sandbox.backups(SERIES).len(), 3, "made or pruned without a lock");
}

/// Waits until a process shares the lock of the series and has said so.
fn until_locked(sandbox: &Sandbox, running: &Running) {
    let prefix = format!(".lock.{}-", running.id());
    until("the reader's lock", || {
        let notes = sandbox.tree(SERIES).into_iter().filter(|name| name.starts_with(&prefix));
        notes.into_iter().any(|note| sandbox.read_or_empty(&format!("{SERIES}/{note}")).ends_with('\n'))
    });
}

#[test]
fn readers_that_hold_a_lock_are_named_until_they_end_or_are_killed() {
    // A check that takes so long that its verification is met in the middle, and is stopped there.
    let slow = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 9000000) SELECT count(*) FROM c";
    let checked = policy(&format!(", checks: [{{sql: \"{slow}\", expect: not_empty}}]"), "");
    let sandbox = Sandbox::with_policy(&checked);
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    sandbox.run(&["run"]).exits(0);
    let readers = [(), ()].map(|()| sandbox.start(&["verify", "--level", "checks"]));
    for reader in &readers {
        until_locked(&sandbox, reader);
        reader.signal("STOP");
    }
    let answer = sandbox.run(&["run", "--json"]).exits(11);
    let message = answer.error()["message"].as_str().unwrap().to_owned();
    for reader in &readers {
        let named = format!("process {}, since 20", reader.id());
        assert!(message.contains(&named), "{message}");
    }
    assert!(message.contains(": policy verify --level checks"), "{message}");
    sandbox.run(&["run"]).exits(11).says("help: locks end with their process");
    let [one, two] = readers;
    let gone = format!("process {},", one.id());
    one.kill();
    sandbox.run(&["run"]).exits(11).hides(&gone).says(&format!("process {},", two.id()));
    two.kill();
    sandbox.write("policy.yaml", SIMPLE);
    sandbox.run(&["run"]).exits(0);
    let left: Vec<_> = sandbox.tree(SERIES).into_iter().filter(|name| name.starts_with(".lock.")).collect();
    assert_eq!(left, [""; 0]);
}
