//! Having a database for oneself: its lock, and the way out of write-ahead mode and back.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{
        EngineError,
        files::{beside, length},
    },
    holders,
    open::{self, Database, SIDE_FILES, patiently},
};
use crate::{
    fault::OnPath,
    watch::{Cancel, Watch},
};
use std::{fs, path::Path, time::Duration};

/// How long the lock is waited for before others are taken to stay.
pub(super) const WAIT_TO_LOCK: Duration = Duration::from_secs(2);

/// What came of asking for the database alone.
pub(super) enum Locked {
    /// It is ours: one file without a log, and nobody else can read or write it while this lives.
    Ours(Database),
    /// Others have it open.
    Held,
    /// SQLite cannot open it.
    Unopenable,
}

/// Takes the database for this process alone, and folds its log into it.
pub(super) fn lock(live: &Path, watch: &Watch<'_>) -> Result<Locked, EngineError> {
    // SQLite deletes the log of an empty file without a look at it: an emptied database is one it cannot open.
    if length(live)? == Some(0) {
        return Ok(Locked::Unopenable);
    }
    // First in the ordinary way, so that a hot journal is rolled back and deleted as its format asks for.
    let recovered = patiently(WAIT_TO_LOCK, watch, || {
        let database = Database::writing(live)?;
        database.begin()?;
        database.connection.execute_batch("ROLLBACK")
    })?;
    let taken = match recovered {
        Err(error) => Err(error),
        // In write-ahead mode, locking exclusively before the first read takes the one lock that every connection
        // shares, and needs no `-shm` (sqlite.org/wal.html, "use of WAL without shared memory").
        Ok(()) => patiently(WAIT_TO_LOCK, watch, || {
            let database = Database::writing(live)?;
            database.connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")?;
            let busy: i64 =
                database.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            Ok((database, busy == 0))
        })?,
    };
    let database = match taken {
        Ok((database, true)) => database,
        Ok((_, false)) => return Ok(Locked::Held),
        Err(error) if open::is_busy(&error) => return Ok(Locked::Held),
        Err(error) if open::is_damage(&error) => return Ok(Locked::Unopenable),
        Err(error) => return Err(open::library("lock", live, &error)),
    };
    // In rollback-journal mode an idle connection holds no lock; one may have come since the first look.
    let alone = holders(live).is_empty() && length(&beside(live, "-wal"))?.unwrap_or(0) == 0;
    Ok(if alone { Locked::Ours(database) } else { Locked::Held })
}

fn journal_mode(database: &Database, mode: &str) -> rusqlite::Result<String> {
    database.connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |row| row.get(0))
}

/// Takes a database that is ours alone out of write-ahead mode. Returns whether it was in it.
pub(super) fn leave_log(database: &Database) -> Result<bool, EngineError> {
    let failed = |error: rusqlite::Error| database.library("take out of write-ahead mode", &error);
    let mode: String =
        database.connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        return Ok(false);
    }
    // With its journal in memory: a file of that name would be deleted by this connection when it ends, and by then it
    // may be the journal of somebody who writes to the new database. What changes in place are bytes of the header, all
    // in the first sector: a kill leaves one mode or the other.
    if journal_mode(database, "MEMORY").map_err(failed)? != "memory" {
        return Err(super::busy(&database.path));
    }
    // The lock is another one in this mode. Whoever was quicker committed to the file that is about to be set aside.
    if let Err(error) = database.connection.execute_batch("BEGIN EXCLUSIVE; COMMIT") {
        drop(journal_mode(database, "WAL"));
        return Err(failed(error));
    }
    Ok(true)
}

/// Puts the database that was set aside into write-ahead mode again, once those who opened it at its old place are gone:
/// they go or fail within moments.
pub(super) fn take_up_log(aside: &Path) -> Result<(), EngineError> {
    let cancel = Cancel::default();
    let unhurried = Watch::new(&cancel, None, &|_| ());
    if !cfg!(target_os = "linux") {
        // Nobody can tell who they are; SQLite itself waits a tenth of a second at most between two tries.
        unhurried.pause(Duration::from_millis(250))?;
    }
    for _ in 0..100 {
        if holders(aside).is_empty() {
            let database = Database::writing(aside).map_err(|error| open::library("open", aside, &error))?;
            let taken = database.connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE");
            taken
                .and_then(|()| journal_mode(&database, "WAL"))
                .map_err(|error| database.library("put into write-ahead mode", &error))?;
            return remove_inert_side_files(aside);
        }
        unhurried.pause(Duration::from_millis(20))?;
    }
    Ok(())
}

/// Takes a database back into write-ahead mode that [`leave_log`] took out of it, and that was not replaced.
pub(super) fn back_to_log(database: Option<Database>, live: &Path) {
    // Where neither serves the database is whole all the same, in rollback-journal mode.
    let is_back = database.as_ref().is_some_and(|database| {
        journal_mode(database, "WAL").is_ok_and(|mode| mode == "wal") && remove_inert_side_files(live).is_ok()
    });
    drop(database);
    if !is_back {
        drop(take_up_log(live));
    }
}

/// Removes side files that hold nothing; while the database is locked, nobody can be using them.
pub(super) fn remove_inert_side_files(live: &Path) -> Result<(), EngineError> {
    for suffix in SIDE_FILES {
        let side = beside(live, suffix);
        let Some(length) = length(&side)? else { continue };
        let inert = match suffix {
            // Shared memory is an index of the log, rebuilt from it.
            "-shm" => true,
            // A persistent journal is ended by zeros over its header (sqlite.org/fileformat.html, 3).
            "-journal" => {
                length == 0 || fs::read(&side).on("read", &side)?.iter().take(8).all(|byte| *byte == 0)
            }
            _ => length == 0,
        };
        if !inert {
            return Err(EngineError::Refused(format!(
                "{} appeared while {} was locked: another program uses it",
                side.display(),
                live.display()
            )));
        }
        fs::remove_file(&side).on("remove", &side)?;
    }
    Ok(())
}
