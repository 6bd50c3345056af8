//! Restoring under a program that goes on writing: every row whose commit was acknowledged is in the database afterwards,
//! or in a copy that was set aside.

#![allow(clippy::print_stdout, reason = "tells what was measured")]

use crate::support::{Sandbox, until};
use rusqlite::{Connection, OpenFlags};
use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

const POLICY: &str = "\
version: 1
name: shop
timezone: UTC
stores: {local: ./store}
targets: {app: {sqlite: app/app.db}}
jobs: {nightly: {retention: {last: 3}}}
";
const RESTORES: usize = 12;

/// How a program uses its database.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Habit {
    /// One connection for all.
    Stays,
    /// A connection for each row, as scripts and request handlers do.
    ComesAndGoes,
}

/// Connects to what is there, and never makes a new one.
fn connect(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "synchronous", "off")?;
    Ok(connection)
}

/// Writes rows until told to stop. Returns those whose commit was acknowledged.
fn write(
    database: &Path,
    habit: Habit,
    first: i64,
    stop: &AtomicBool,
    acknowledged: &AtomicU64,
) -> BTreeSet<i64> {
    let mut rows = BTreeSet::new();
    let mut kept = (habit == Habit::Stays).then(|| connect(database).unwrap());
    let mut n = first;
    while !stop.load(Ordering::Relaxed) {
        n += 2;
        let written = match &mut kept {
            Some(connection) => connection.execute("INSERT INTO rows VALUES (?1)", [n]),
            None => connect(database)
                .and_then(|connection| connection.execute("INSERT INTO rows VALUES (?1)", [n])),
        };
        // An error is an answer too: whoever gets it knows that the row is not there.
        if written.is_ok() {
            rows.insert(n);
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    rows
}

fn rows_of(copy: &Path) -> BTreeSet<i64> {
    let connection = Connection::open(copy).unwrap();
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok", "{}", copy.display());
    let mut statement = connection.prepare("SELECT n FROM rows").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn nothing_is_lost(mode: &str, habit: Habit) {
    let sandbox = Sandbox::with_policy(POLICY);
    sandbox.sql(
        "app/app.db",
        &format!("PRAGMA journal_mode = {mode}; CREATE TABLE rows(n INTEGER PRIMARY KEY)"),
    );
    sandbox.run(&["run", "-q"]).exits(0);
    let database = sandbox.path("app/app.db");
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut refused = 0;
    let written: BTreeSet<i64> = std::thread::scope(|scope| {
        let writers = [0, 1].map(|first| {
            let (database, stop, acknowledged) = (&database, &stop, &acknowledged);
            scope.spawn(move || write(database, habit, first, stop, acknowledged))
        });
        let _stopper = OnDrop(|| stop.store(true, Ordering::Relaxed));
        for _ in 0..RESTORES {
            let before = acknowledged.load(Ordering::Relaxed);
            until("rows", || acknowledged.load(Ordering::Relaxed) > before + 20);
            let answer = sandbox.run(&["restore", "app", "--yes", "-q"]);
            // Refused is an answer as well: then nothing was touched.
            assert!([0, 5].contains(&answer.exit), "{answer}");
            refused += usize::from(answer.exit == 5);
        }
        let before = acknowledged.load(Ordering::Relaxed);
        until("rows after the last restore", || acknowledged.load(Ordering::Relaxed) > before + 20);
        stop.store(true, Ordering::Relaxed);
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let mut found = rows_of(&database);
    let asides: Vec<_> = sandbox
        .tree("app")
        .into_iter()
        .filter(|name| name.contains(".aside-") && name.ends_with(|c: char| c == 'Z' || c.is_ascii_digit()))
        .collect();
    for name in &asides {
        found.extend(rows_of(&sandbox.path("app").join(name)));
    }
    let lost: Vec<_> = written.difference(&found).collect();
    println!(
        "{mode}, {habit:?}: {} rows, {} copies set aside, {refused} restores refused",
        written.len(),
        asides.len()
    );
    assert!(lost.is_empty(), "{} of {} acknowledged rows are nowhere: {lost:?}", lost.len(), written.len());
    assert!(refused < RESTORES, "no restore was done");
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn no_row_of_a_connected_writer_is_lost_in_write_ahead_mode() {
    nothing_is_lost("wal", Habit::Stays);
}

#[test]
fn no_row_of_a_connected_writer_is_lost_in_rollback_journal_mode() {
    nothing_is_lost("delete", Habit::Stays);
}

#[test]
fn no_row_of_writers_that_come_and_go_is_lost_in_write_ahead_mode() {
    nothing_is_lost("wal", Habit::ComesAndGoes);
}

#[test]
fn no_row_of_writers_that_come_and_go_is_lost_in_rollback_journal_mode() {
    nothing_is_lost("delete", Habit::ComesAndGoes);
}
