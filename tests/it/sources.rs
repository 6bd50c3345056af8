//! Databases that a crash, a bad copy or another program left behind: what stands is backed up, and nothing else is
//! called a backup.

use crate::support::{
    Sandbox,
    simple::{SERIES, simple},
};
use rusqlite::Connection;
use std::fs;

/// A database whose last two commits stand in its log alone, and that log cut short by so many bytes.
fn torn(sandbox: &Sandbox, cut: u64) {
    let live = sandbox.path("live.db");
    let connection = Connection::open(&live).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t(x); PRAGMA wal_checkpoint(TRUNCATE);
             INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)",
        )
        .unwrap();
    for suffix in ["", "-wal"] {
        fs::copy(format!("{}{suffix}", live.display()), sandbox.path(&format!("app.db{suffix}"))).unwrap();
    }
    let log = fs::OpenOptions::new().write(true).open(sandbox.path("app.db-wal")).unwrap();
    log.set_len(log.metadata().unwrap().len() - cut).unwrap();
}

#[test]
fn of_a_torn_log_every_whole_commit_is_backed_up() {
    for (cut, rows) in [(0, "2"), (1, "1"), (4_000, "1"), (4_200, "0")] {
        let sandbox = simple();
        fs::remove_file(sandbox.path("app.db")).unwrap();
        torn(&sandbox, cut);
        sandbox.run(&["run"]).exits(0);
        sandbox.run(&["restore", "app", "--to", "back.db"]).exits(0);
        assert_eq!(sandbox.ask("back.db", "SELECT count(*) FROM t"), rows, "cut by {cut}");
    }
}

#[test]
fn what_is_no_database_is_told_as_that_and_never_as_a_damaged_one() {
    // As an encrypted database looks; a text; nothing at all.
    let noise: Vec<u8> = (0..8_192_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for (bytes, said) in
        [(noise, "SQLite database"), (b"a text".repeat(999), "SQLite database"), (Vec::new(), "empty")]
    {
        let sandbox = simple();
        sandbox.run(&["run"]).exits(0);
        sandbox.write("app.db", &bytes);
        sandbox.run(&["run"]).exits(1).says(said).hides("corrupt").hides("damaged");
        assert_eq!(sandbox.backups(SERIES).len(), 1);
        assert_eq!(fs::read(sandbox.path("app.db")).unwrap(), bytes);
    }
}
