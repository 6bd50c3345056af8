//! Backups under load: two writers move money between two tables of one database without a pause, and in every one of
//! 200 backups the total is to the cent what it was at the start.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up is a failed test")]
#![allow(clippy::print_stdout, reason = "tells what was measured")]

use crate::support::{Sandbox, content, until};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

const BACKUPS: usize = 200;
const ACCOUNTS: i64 = 1_000;
const EACH: i64 = 1_000_000;

const POLICY: &str = r#"
version: 1
name: bank
timezone: UTC
stores: {local: ../store}
targets:
  ledger:
    sqlite: ledger.db
    tables: {irreplaceable: [givers, takers]}
    checks:
      - name: nothing is lost between two accounts
        sql: SELECT (SELECT sum(cents) FROM givers) + (SELECT sum(cents) FROM takers)
        expect: "= 2000000000"
      - name: the moment
        sql: SELECT sum(cents) FROM givers
        expect: same_as_source
jobs:
  busy: {retention: {last: 1000}}
"#;

/// Moves money from givers to takers, always in this direction, so that the givers' sum tells one moment from another.
/// Returns the longest time that one transfer took.
fn transfer(database: &Path, salt: i64, stop: &AtomicBool, transfers: &AtomicU64) -> Duration {
    let mut connection = Connection::open(database).unwrap();
    connection.busy_timeout(Duration::from_mins(2)).unwrap();
    // Nobody pulls the plug here, and a disk that is waited for would keep the writers from writing much.
    connection.pragma_update(None, "synchronous", "off").unwrap();
    let (mut longest, mut n) = (Duration::ZERO, salt);
    while !stop.load(Ordering::Relaxed) {
        n += 7_919;
        let begun = Instant::now();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        transaction
            .execute("UPDATE givers SET cents = cents - ?2 WHERE id = ?1", [n % ACCOUNTS, 1 + n % 90])
            .unwrap();
        transaction
            .execute("UPDATE takers SET cents = cents + ?2 WHERE id = ?1", [n * 31 % ACCOUNTS, 1 + n % 90])
            .unwrap();
        transaction.commit().unwrap();
        longest = longest.max(begun.elapsed());
        transfers.fetch_add(1, Ordering::Relaxed);
        // A writer that never pauses keeps the other one out, as SQLite's lock knows no queue.
        thread::sleep(Duration::from_micros(500));
    }
    longest
}

/// Both sums of a stored copy.
fn sums(copy: &Path) -> (i64, i64) {
    let uri = format!("file:{}?immutable=1", copy.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri, flags).unwrap();
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let sum = |table| {
        let (count, sum): (i64, i64) = connection
            .query_row(&format!("SELECT count(*), sum(cents) FROM {table}"), [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(count, ACCOUNTS);
        sum
    };
    (sum("givers"), sum("takers"))
}

fn under_load(mode: &str) {
    let sandbox = Sandbox::new();
    sandbox.write("policy.yaml", POLICY);
    // Rows of some width: the ledger is over a hundred pages long, so that a torn copy would be torn.
    let database = sandbox.sql(
        "ledger.db",
        &format!(
            "PRAGMA journal_mode = {mode};
             CREATE TABLE givers (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL, note TEXT);
             CREATE TABLE takers (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL, note TEXT);
             WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < {ACCOUNTS} - 1)
             INSERT INTO givers SELECT i, {EACH}, printf('%.*c', 200, 'g') FROM n;
             INSERT INTO takers SELECT id, cents, note FROM givers;"
        ),
    );
    let (stop, transfers) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let longest = thread::scope(|scope| {
        let writers = [1, 2].map(|salt| {
            scope.spawn({
                let (database, stop, transfers) = (&database, &stop, &transfers);
                move || transfer(database, salt, stop, transfers)
            })
        });
        // A test that fails stops its writers, or it would wait for them for ever.
        let _stopper = OnDrop(|| stop.store(true, Ordering::Relaxed));
        for n in 0..BACKUPS {
            let before = transfers.load(Ordering::Relaxed);
            until("a transfer", || transfers.load(Ordering::Relaxed) > before);
            let answer = sandbox.run(&["run", "--quiet"]);
            assert!(answer.exit == 0, "backup {n}: {answer}");
        }
        stop.store(true, Ordering::Relaxed);
        writers.map(|writer| writer.join().unwrap()).into_iter().max().unwrap()
    });
    println!(
        "{mode}: {BACKUPS} backups in {:.1} s beside {} transfers, the longest of which took {} ms",
        begun.elapsed().as_secs_f64(),
        transfers.load(Ordering::Relaxed),
        longest.as_millis(),
    );

    let backups = sandbox.backups("../store/bank/busy/ledger");
    assert_eq!(backups.len(), BACKUPS);
    let copy = sandbox.path("copy.db");
    let mut givers: Vec<i64> = Vec::new();
    for stamp in backups {
        let folder = format!("../store/bank/busy/ledger/{stamp}");
        content::decode(&sandbox.path(&format!("{folder}/ledger.db.zst")), &copy);
        let (given, taken) = sums(&copy);
        assert_eq!(given + taken, 2 * ACCOUNTS * EACH, "{stamp}: money was made or lost");
        // What was asked of the source was asked at the very moment that the copy shows.
        let manifest = sandbox.manifest(&folder);
        let moment =
            manifest["checks"].as_array().unwrap().iter().find(|check| check["name"] == "the moment");
        assert_eq!(moment.unwrap()["actual"], given.to_string(), "{stamp}");
        givers.push(given);
    }
    // Every backup is of another moment.
    givers.sort_unstable();
    givers.dedup();
    assert_eq!(givers.len(), BACKUPS);
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn in_200_backups_beside_two_writers_in_write_ahead_mode_the_sum_holds() {
    under_load("wal");
}

#[test]
fn in_200_backups_beside_two_writers_in_rollback_journal_mode_the_sum_holds() {
    under_load("delete");
}
