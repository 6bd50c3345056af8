//! The processes that examine a database: what becomes of a run when they end, and of them when the run does.

#![cfg(target_os = "linux")]

use crate::support::{Answer, Sandbox, until};
use std::{fs, process::Command};

const SERIES: &str = "store/app/night/data";
const POLICY: &str = "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets: {data: {sqlite: data.db}}
jobs: {night: {retention: {last: 9}, before: [[note, begins]]}}
";

/// A sandbox with one backup of a database that takes a while to examine.
fn large() -> Sandbox {
    let sandbox = Sandbox::with_policy(POLICY);
    sandbox.program("note", "true");
    sandbox.sql(
        "data.db",
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
         CREATE TABLE entries (id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, note TEXT);
         WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 500000)
         INSERT INTO entries SELECT i, hex(randomblob(12)), printf('%064d', i * i) FROM n;
         PRAGMA wal_checkpoint(TRUNCATE);",
    );
    sandbox.run(&["run"]).exits(0);
    sandbox
}

/// The examiners that a process has started, by their ids.
fn examiners_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
        read("cmdline").contains("--examine-sqlite") && read("status").contains(&format!("PPid:\t{parent}\n"))
    })
    .collect()
}

fn signal(name: &str, id: u32) {
    Command::new("kill").args([format!("-{name}"), id.to_string()]).status().unwrap();
}

/// The two examiners of a run, once they are at work: one of them for 30 ms of the processor's time.
fn at_work(run: u32) -> Vec<u32> {
    let mut found = Vec::new();
    until("the examiners", || {
        found = examiners_of(run);
        found.len() == 2 && found.iter().any(|id| ticks(*id) >= 3)
    });
    found
}

/// Hundredths of a second that a process has computed (`proc_pid_stat(5)`, fields 14 and 15).
fn ticks(id: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Runs, does something once both examiners are at work, and waits for the end.
fn disturbed(sandbox: &Sandbox, act: impl FnOnce(Vec<u32>)) -> Answer {
    let running = sandbox.start(&["run", "--json"]);
    act(at_work(running.id()));
    running.wait()
}

#[test]
fn an_examiner_that_is_killed_is_told_and_its_work_done_without_it() {
    let sandbox = large();
    let answer = disturbed(&sandbox, |examiners| {
        for id in examiners {
            // Its path is no argument, which every user of the host may read.
            let words = fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap();
            assert!(!words.contains("data.db"), "{words}");
            signal("KILL", id);
        }
    });
    let answer = answer.exits(0).says("the process that examined it ended with signal: 9");
    assert_eq!(answer.json()[0]["backups"][0]["proven"], true, "{answer}");
    assert_eq!(answer.json()[0]["backups"][0]["level"], "integrity", "{answer}");
    sandbox.run(&["verify"]).exits(0);
}

#[test]
fn a_request_to_stop_ends_a_run_whose_examiners_are_at_work() {
    let sandbox = large();
    let before = sandbox.backups(SERIES);
    let running = sandbox.start(&["run", "--json"]);
    let found = at_work(running.id());
    running.signal("TERM");
    for id in found {
        signal("TERM", id);
    }
    let answer = running.wait().exits(130);
    assert_eq!(answer.json()[0]["failures"][0]["code"], "interrupted", "{answer}");
    assert_eq!(sandbox.backups(SERIES), before);
}

#[test]
fn a_database_that_is_cut_short_while_it_is_read_is_told_and_proves_nothing() {
    let sandbox = large();
    let before = sandbox.backups(SERIES);
    let whole = fs::read(sandbox.path("data.db")).unwrap();
    let answer = disturbed(&sandbox, |_| {
        let file = fs::OpenOptions::new().write(true).open(sandbox.path("data.db")).unwrap();
        file.set_len(whole.len() as u64 / 64).unwrap();
    });
    // What is left of it may be all there is: where it could be read at all, it is kept, and never called proven.
    let failure = &answer.json()[0]["failures"][0];
    match failure["code"].as_str() {
        Some("capture") => assert_eq!(sandbox.backups(SERIES), before, "{answer}"),
        Some("unproven") => assert_eq!(sandbox.backups(SERIES).len(), before.len() + 1, "{answer}"),
        _ => panic!("{answer}"),
    }
    let proven = sandbox.run(&["list", "--json"]).exits(0).json();
    let proven = proven.as_array().unwrap().iter().filter(|backup| backup["proven"] == true);
    assert_eq!(proven.count(), before.len());
    for side in ["data.db-wal", "data.db-shm"] {
        drop(fs::remove_file(sandbox.path(side)));
    }
    sandbox.write("data.db", whole);
    sandbox.run(&["run"]).exits(0);
    sandbox.run(&["verify"]).exits(0);
}

#[test]
fn examiners_end_with_the_run_that_started_them() {
    let sandbox = large();
    let running = sandbox.start(&["run"]);
    let found = at_work(running.id());
    running.kill();
    until("the end of the examiners", || {
        found.iter().all(|id| {
            let cmdline = fs::read_to_string(format!("/proc/{id}/cmdline"));
            !cmdline.is_ok_and(|cmdline| cmdline.contains("--examine-sqlite"))
        })
    });
}

#[test]
fn a_program_that_was_replaced_meanwhile_examines_by_itself() {
    let sandbox = large();
    let own = sandbox.path("own/policy");
    fs::create_dir(own.parent().unwrap()).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_policy"), &own).unwrap();
    // An upgrade in the middle of a run: its file is gone before the capture begins.
    sandbox.program("note", &format!("rm -f {}", own.display()));
    let answer = sandbox.finish(sandbox.prepare(&own, &["run", "--json"])).exits(0);
    assert!(!own.exists());
    assert_eq!(answer.json()[0]["backups"][0]["level"], "integrity", "{answer}");
    assert_eq!(sandbox.backups(SERIES).len(), 2);
}

#[test]
fn another_database_under_the_name_is_never_taken_for_the_one_that_is_streamed() {
    let sandbox = large();
    fs::copy(sandbox.path("data.db"), sandbox.path("other.db")).unwrap();
    // As alike as two databases can be, but for one row.
    sandbox.sql("other.db", "DELETE FROM entries WHERE id = 7; PRAGMA wal_checkpoint(TRUNCATE)");
    for side in ["other.db-wal", "other.db-shm"] {
        drop(fs::remove_file(sandbox.path(side)));
    }
    let Some(sandbox) = sandbox.preload("swap.c") else { return };
    let [from, to] = ["other.db", "data.db"].map(|name| sandbox.path(name).display().to_string());
    let sandbox = sandbox.variable("SWAP_FROM", &from).variable("SWAP_TO", &to);
    let answer = sandbox.run(&["run", "--json"]).exits(0);
    assert!(!sandbox.path("other.db").exists(), "no examiner was started\n{answer}");
    let backup = answer.json()[0]["backups"][0]["id"].as_str().unwrap().to_owned();
    let manifest = sandbox.manifest(&format!("store/{backup}"));
    assert_eq!(manifest["tables"]["entries"]["rows"], 500_000, "{answer}");
    let sandbox = sandbox.variable("SWAP_FROM", "");
    sandbox.run(&["restore", "data", "--to", sandbox.path("back.db").to_str().unwrap()]).exits(0);
    assert_eq!(sandbox.ask("back.db", "SELECT count(*) FROM entries"), "500000");
    assert_eq!(sandbox.ask("data.db", "SELECT count(*) FROM entries"), "499999");
}
