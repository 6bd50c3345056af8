//! Memory stays flat: what a run, a verification and a restore hold does not grow with the database.
//!
//! `POLICY_TEST_BIG=1` takes two gigabytes instead: `POLICY_TEST_BIG=1 cargo nextest run --no-capture memory`.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up is a failed test")]
#![allow(clippy::print_stdout, reason = "tells what was measured")]

use crate::support::Sandbox;
use rusqlite::{Connection, params};
use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

const MIB: u64 = 1024 * 1024;
const MOST: u64 = 100 * MIB;
/// What it may hold beside the programs of others that it starts.
const MOST_OWN: u64 = 128 * MIB;

const POLICY: &str = r#"
version: 1
name: big
timezone: UTC
stores: {local: ../store}
targets:
  big:
    sqlite: big.db
    tables: {irreplaceable: ["*"]}
    checks:
      - {rows: pieces, expect: ">= 1"}
jobs:
  nightly: {retention: {last: 3}}
"#;

/// A database of real pages: rows with overflow, an index in another order, a foreign key.
fn grow(path: &Path, mode: &str, bytes: u64) {
    let mut connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA synchronous = off; PRAGMA journal_mode = off;
             CREATE TABLE boxes (id INTEGER PRIMARY KEY, label TEXT);
             CREATE TABLE pieces (
                 id INTEGER PRIMARY KEY, box INTEGER REFERENCES boxes (id), code INTEGER, content BLOB);
             CREATE INDEX pieces_by_code ON pieces (code);
             INSERT INTO boxes VALUES (0, 'a'), (1, 'b'), (2, 'c');",
        )
        .unwrap();
    let transaction = connection.transaction().unwrap();
    let mut insert = transaction.prepare("INSERT INTO pieces VALUES (?1, ?2, ?3, ?4)").unwrap();
    // Half noise, half zeros: neither free to compress nor hopeless.
    let mut state: u64 = 1;
    let mut content = vec![0; 16 * 1024];
    let rows = bytes / (content.len() as u64 + 90);
    for id in 0..rows {
        for word in content[..8 * 1024].chunks_exact_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            word.copy_from_slice(&(state ^ (state >> 29)).to_le_bytes());
        }
        let id = i64::try_from(id).unwrap();
        insert.execute(params![id, id % 3, (state >> 3).cast_signed(), content]).unwrap();
    }
    drop(insert);
    transaction.commit().unwrap();
    connection.pragma_update(None, "journal_mode", mode).unwrap();
    drop(connection);
    let size = fs::metadata(path).unwrap().len();
    assert!(size > bytes * 9 / 10 && size < bytes * 11 / 10, "{size} bytes instead of {bytes}");
}

/// Runs the program, and fails the test when its own memory ever is over the limit. Pages of files that are mapped do not
/// count: they are the system's cache.
#[track_caller]
fn flat(sandbox: &Sandbox, what: &str, arguments: &[&str]) {
    watched(sandbox, what, arguments, (true, MOST));
}

/// The same of this process alone, or with those that it starts, for a limit of its own.
#[track_caller]
fn watched(sandbox: &Sandbox, what: &str, arguments: &[&str], (with_children, most): (bool, u64)) {
    let begun = Instant::now();
    let mut running = sandbox.start(arguments);
    let of = |id: &str| -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024)
    };
    let id = running.id().to_string();
    let (mut peak, mut samples) = (0, 0);
    while running.is_running() {
        if let Some(own) = of(&id) {
            // With the processes that it has started.
            let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
            let children =
                threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
            let started: u64 = children.map(|ids| ids.split_whitespace().filter_map(of).sum::<u64>()).sum();
            peak = peak.max(own + if with_children { started } else { 0 });
            samples += 1;
        }
        thread::sleep(Duration::from_millis(1));
    }
    running.wait().exits(0);
    println!(
        "{what}: at most {} MiB in {samples} samples, {:.1} s",
        peak.div_ceil(MIB),
        begun.elapsed().as_secs_f64()
    );
    assert!(samples > 10, "it was not watched");
    assert!(peak < most, "{what} held {peak} bytes");
}

fn stays_flat(mode: &str, bytes: u64) {
    let sandbox = Sandbox::with_policy(POLICY);
    let database = sandbox.path("big.db");
    grow(&database, mode, bytes);
    let of = format!("of {} MiB in mode {mode}", bytes / MIB);
    flat(&sandbox, &format!("run {of}"), &["run"]);
    flat(&sandbox, &format!("verify {of}"), &["verify"]);
    flat(&sandbox, &format!("restore {of}"), &["restore", "big", "--yes"]);
    let kept = fs::read_dir(database.parent().unwrap()).unwrap().flatten();
    assert!(kept.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("big.db.aside-")));
}

fn size(usual: u64) -> u64 {
    let is_big = std::env::var_os("POLICY_TEST_BIG").is_some_and(|value| value == "1");
    if is_big { 2048 * MIB } else { usual }
}

#[test]
fn a_database_in_rollback_journal_mode_is_handled_within_100_mib() {
    stays_flat("delete", size(128 * MIB));
}

#[test]
fn a_database_in_write_ahead_mode_twice_as_big_is_handled_within_100_mib() {
    stays_flat("wal", size(256 * MIB));
}

#[test]
#[cfg(target_os = "linux")]
fn a_postgresql_database_is_handled_within_128_mib_with_the_programs_that_dump_and_load_it() {
    use crate::support::{postgres::Cluster, served::Served};
    let Some(cluster) = Cluster::start() else { return };
    let rows = size(300 * MIB) / (8 << 10);
    let made = format!(
        "CREATE TABLE pieces (n int, t text); ALTER TABLE pieces ALTER t SET STORAGE EXTERNAL;
         INSERT INTO pieces SELECT n, repeat(md5(n::text), 256) FROM generate_series(1, {rows}) n"
    );
    let big = Served::new(&cluster, &made, ("", "", ""));
    for format in ["plain", "custom", "directory"] {
        big.becomes((&format!(", format: {format}"), "scratch: of_memory", ", verify: restore"));
        let watched = |what: &str, arguments: &[&str]| {
            watched(&big, &format!("{what} of PostgreSQL, {format}"), arguments, (true, MOST_OWN));
        };
        watched("run", &["run"]);
        watched("verify", &["verify", "--level", "integrity", "app"]);
        watched("restore", &["restore", "app", "--to", "of_memory_back", "--yes"]);
        for name in big.databases().into_iter().filter(|name| name.starts_with("of_memory_back")) {
            cluster.psql("postgres", &format!("DROP DATABASE \"{name}\""));
        }
    }
}

#[test]
#[cfg(unix)]
fn what_a_command_dumps_is_handled_within_128_mib() {
    let bytes = size(300 * MIB);
    let sandbox = Sandbox::with_policy(&format!(
        "version: 1\nname: big\ntimezone: UTC\nstores: {{local: ../store}}\ntargets:\n  big:\n    command:\n      \
         dump: [head, -c, '{bytes}', /dev/zero]\n      verify: [takes]\n      restore: [takes]\n\
         jobs: {{nightly: {{retention: {{last: 3}}, verify: integrity}}}}\n"
    ));
    sandbox.program("takes", "exec cat >/dev/null");
    for arguments in [&["run"][..], &["verify"], &["restore", "big", "--yes"]] {
        watched(&sandbox, &format!("{} of a command", arguments[0]), arguments, (true, MOST_OWN));
    }
}

#[test]
#[cfg(all(unix, feature = "duckdb"))]
fn a_duckdb_database_is_handled_within_128_mib_beside_the_process_that_reads_it() {
    let sandbox = Sandbox::with_policy(&POLICY.replace("sqlite: big.db", "duckdb: big.duckdb"));
    let rows = size(300 * MIB) / 16;
    let made = format!(
        "SET threads = 2; CREATE TABLE pieces AS SELECT hash(range) AS a, hash(range, 1) AS b FROM range({rows})"
    );
    sandbox.duck("big.duckdb", &made);
    assert!(fs::metadata(sandbox.path("big.duckdb")).unwrap().len() > 250 * MIB);
    for arguments in [&["run"][..], &["verify"], &["restore", "big", "--yes"]] {
        watched(&sandbox, &format!("{} of DuckDB", arguments[0]), arguments, (false, MOST_OWN));
    }
}
