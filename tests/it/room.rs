//! A store that runs full: what goes first, what is told, and what stands afterwards.

use crate::support::{Sandbox, disk::Mount, simple::SIMPLE};

const SERIES: &str = "disk/store/app/nightly/app";

/// [`SIMPLE`] without compression, into a small disk whose explicit `min_free` asks for nearly nothing.
fn policy(last: u32) -> String {
    SIMPLE
        .replace("local: ./store", "local: {path: ./disk/store, min_free: 1KiB}, other: ./other")
        .replace("nightly: {", "nightly: {compress: none, ")
        .replace("last: 3", &format!("last: {last}"))
}

#[test]
fn on_a_store_that_runs_full_nothing_is_published_and_what_was_there_stands() {
    let sandbox = Sandbox::with_policy(&policy(3));
    let disk = sandbox.path("disk");
    let Some(small) = Mount::small(&disk, "4m") else { return };
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (randomblob(1000000))");
    sandbox.run(&["run"]).exits(0);
    let first = sandbox.backups(SERIES);
    assert_eq!(first.len(), 1);
    sandbox.sql("app.db", "INSERT INTO t VALUES (randomblob(4000000))");
    let answer = sandbox.run(&["run", "--json"]).exits(3);
    let failure = &answer.json()[0]["failures"][0];
    assert_eq!(failure["code"], "no_room", "{answer}");
    // Where, how much, and what to do.
    let message = failure["message"].as_str().unwrap();
    for part in ["store `local` at ./disk/store", "MiB free", "its last backup took 98", "raise `min_free`"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(sandbox.backups(SERIES), first);
    assert_eq!(sandbox.backups("other/app/nightly/app").len(), 2, "the other store went on");
    let left: Vec<_> = sandbox.tree(SERIES).into_iter().filter(|name| name.starts_with(".staging")).collect();
    assert!(left.is_empty(), "{left:?}");
    sandbox.run(&["verify"]).exits(0);
    // Once there is less to store, the next run goes well.
    sandbox.sql("app.db", "DELETE FROM t; INSERT INTO t VALUES (randomblob(900000)); VACUUM");
    sandbox.run(&["run"]).exits(0);
    assert_eq!(sandbox.backups(SERIES).len(), 2);
    // Unmounted, it is not the one last used, and nothing is written below it.
    drop(small);
    sandbox.run(&["run"]).exits(3).says("not mounted?");
    assert!(sandbox.tree("disk").is_empty());
}

#[test]
fn where_the_next_backup_will_not_fit_room_is_made_first_however_little_min_free_asks() {
    let sandbox = Sandbox::with_policy(&policy(2));
    let Some(_small) = Mount::small(&sandbox.path("disk"), "3m") else { return };
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (randomblob(1000000))");
    for day in 1..=2 {
        sandbox.run(&["run", "--now", &format!("2026-01-0{day}T07:00:00Z")]).exits(0);
    }
    sandbox.write("policy.yaml", policy(1));
    let answer = sandbox.run(&["run", "--now", "2026-01-03T07:00:00Z"]).exits(0);
    // One went before, where room was short; elsewhere both went once the new one was proven.
    assert!(answer.stderr.contains("app in local: 1 pruned"), "{answer}");
    assert!(answer.stderr.contains("app in other: 2 pruned"), "{answer}");
    assert_eq!(sandbox.backups(SERIES), ["2026-01-03T070000Z"]);
    // What a declared `min_free` allows is tried, where nothing more may go.
    sandbox.write("policy.yaml", policy(9));
    for day in 4..=5 {
        sandbox.run(&["run", "--now", &format!("2026-01-0{day}T07:00:00Z")]).exits(0);
    }
    sandbox.run(&["run", "--now", "2026-01-06T07:00:00Z"]).exits(3).says("raise `min_free`");
    assert_eq!(sandbox.backups(SERIES).len(), 3);
}

#[test]
fn a_damaged_newest_backup_keeps_no_run_from_making_a_good_one_where_there_is_room() {
    let sandbox = Sandbox::with_policy(&policy(3));
    let Some(_small) = Mount::small(&sandbox.path("disk"), "4m") else { return };
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (randomblob(1000000))");
    for day in 1..=3 {
        sandbox.run(&["run", "--now", &format!("2026-01-0{day}T07:00:00Z")]).exits(0);
    }
    let data = format!("{SERIES}/2026-01-03T070000Z/app.db");
    let mut bytes = std::fs::read(sandbox.path(&data)).unwrap();
    bytes.push(0);
    sandbox.write(&data, bytes);
    // Where what must be free is not, it fails, and says why no room could be made.
    sandbox.write("policy.yaml", policy(1).replace("1KiB", "64MiB"));
    let full = sandbox.run(&["run", "--now", "2026-01-04T07:00:00Z"]).exits(3);
    assert!(full.stderr.contains("`policy verify`") && full.stderr.contains("64 MiB are needed"), "{full}");
    sandbox.write("policy.yaml", policy(1));
    let now = ["--now", "2026-01-05T07:00:00Z"];
    let dry = sandbox.run(&["run", "-n", now[0], now[1]]).exits(0);
    let done = sandbox.run(&["run", now[0], now[1]]).exits(0);
    assert!(dry.stdout.contains("no room can be made: "), "{dry}");
    assert!(done.stderr.contains("warning: no room can be made in store `local`"), "{done}");
    assert!(done.stderr.contains("`policy verify`"), "{done}");
    assert_eq!(sandbox.backups(SERIES).last().unwrap(), "2026-01-05T070000Z");
}

#[test]
fn what_goes_for_room_is_said_by_the_dry_run_and_told_by_the_run() {
    let sandbox = Sandbox::with_policy(&policy(2));
    let Some(_small) = Mount::small(&sandbox.path("disk"), "3m") else { return };
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (randomblob(1000000))");
    for day in 1..=2 {
        sandbox.run(&["run", "--now", &format!("2026-01-0{day}T07:00:00Z")]).exits(0);
    }
    let day_3 = ["--now", "2026-01-03T07:00:00Z"];
    let nothing = sandbox.run(&["run", "-n", day_3[0], day_3[1]]).exits(0);
    assert!(nothing.stdout.contains("room is short, and retention gives none up"), "{nothing}");
    sandbox.write("policy.yaml", policy(1));
    let first = "app/nightly/app/2026-01-01T070000Z";
    let seen = sandbox.run(&["run", "-n", "--json", day_3[0], day_3[1]]).exits(0).json();
    let steps = seen[0]["steps"].as_array().unwrap();
    let is_room = |step: &&serde_json::Value| step["kind"] == "observe" && step["store"] == "local";
    let n = &steps.iter().find(is_room).unwrap()["n"];
    let observed = seen[0]["observed"].as_array().unwrap();
    let room = observed.iter().find(|one| one["n"] == *n).unwrap();
    let going: Vec<_> = room["verdicts"].as_array().unwrap().iter().collect();
    assert_eq!(going.len(), 1, "{room}");
    assert_eq!((&going[0]["id"], &going[0]["keep"]), (&first.into(), &false.into()));
    assert!(room["note"].as_str().unwrap().contains("1 would be pruned first to make room"), "{room}");
    let told = sandbox.run(&["run", day_3[0], day_3[1]]).exits(0);
    let line = format!("warning: `{first}` was pruned from store `local` before the capture, to make room");
    assert!(told.stderr.contains(&line), "{told}");
    assert!(!told.stderr.contains("in store `other` before"), "{told}");
}
