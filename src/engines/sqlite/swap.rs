//! Putting a restored database in the place of the live one.
//!
//! Four ways ruin it, each without an error or with `integrity_check` saying `ok`:
//! 1. a new file beside an **old log**: SQLite replays it, and the restored database shows the old data;
//! 2. a rename while another process has the database open with its log: the next one to open finds it malformed;
//! 3. a rename after removing the log, others still connected: their later commits go to an unlinked file and vanish;
//! 4. a rename under the lock while another process, which opened the old file a moment ago, waits for that lock: in
//!    write-ahead mode it then writes its log beside the new file, as in the first way (see [`replace`]).
//!
//! So a database that nobody holds is locked, folded into one file, and replaced by a rename with the lock still held;
//! one that others hold is written by SQLite's backup API, as one transaction that they see as any other commit; and
//! one that SQLite cannot open is set aside with all its side files first. In each case the safety copy at `aside` is
//! durable before anything of `live` changes.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{EngineError, Swapped, place},
    Sqlite,
    files::{
        Temporary, is_there, keep_owner, link_or_copy, refuse_left_overs, rename_new, resolved, sync,
        sync_folder_of,
    },
    holders::holders,
    open::{self, Database, Header, SIDE_FILES, beside, length, patiently},
    pages,
    write_over::write_over,
};
use crate::{
    fault::OnPath,
    watch::{Cancel, Watch},
};
use std::{fs, io, path::Path, time::Duration};

/// How long the lock is waited for before others are taken to stay.
pub(super) const WAIT_TO_LOCK: Duration = Duration::from_secs(2);

/// Swaps; see the module and [`super::Engine::swap`].
pub(super) fn swap(
    engine: &Sqlite,
    candidate: &Path,
    live: &Path,
    aside: &Path,
    watch: &Watch<'_>,
) -> Result<Swapped, EngineError> {
    if Header::read(candidate)?.is_none() {
        return Err(EngineError::Refused(format!("{} is still open in this process", candidate.display())));
    }
    refuse_left_overs(candidate)?;
    sync(candidate)?;
    must_be_free(aside)?;
    place::check(live, place::Shape::File)?;
    if !is_there(live)? {
        return place_where_nothing_is(candidate, live, aside);
    }
    // Through links, as SQLite goes: its side files lie beside the file itself.
    let live = &resolved(live)?;
    let users = holders(live);
    if !users.is_empty() {
        return write_over(engine, candidate, live, aside, &users, watch);
    }
    match lock(live, watch)? {
        Locked::Ours(database) => replace(engine, candidate, live, aside, database, watch),
        Locked::Held => write_over(engine, candidate, live, aside, &holders(live), watch),
        Locked::Unopenable => replace_unopenable(candidate, live, aside),
    }
}

/// Refuses names for the safety copy, and its side files, that are taken.
pub(super) fn must_be_free(aside: &Path) -> Result<(), EngineError> {
    let sides = SIDE_FILES.iter().map(|suffix| beside(aside, suffix));
    for place in std::iter::once(aside.to_owned()).chain(sides) {
        if is_there(&place)? {
            return Err(EngineError::Refused(format!(
                "{} is in the way of the safety copy",
                place.display()
            )));
        }
    }
    Ok(())
}

/// Nothing is at the place: a plain rename that replaces nothing.
pub(super) fn place_where_nothing_is(
    candidate: &Path,
    live: &Path,
    aside: &Path,
) -> Result<Swapped, EngineError> {
    // First what an earlier database left there: a kill in between leaves the place empty as before.
    for suffix in SIDE_FILES {
        let stale = beside(live, suffix);
        if is_there(&stale)? {
            rename_new(&stale, &beside(aside, suffix))?;
        }
    }
    sync_folder_of(live)?;
    rename_new(candidate, live)?;
    sync_folder_of(live)?;
    Ok(Swapped { aside: None, method: "rename" })
}

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

/// Replaces a database that is ours alone.
///
/// The order, and what a kill after each step leaves:
/// 1. log folded (by [`lock`]), lock held: the old database, in one file;
/// 2. taken out of write-ahead mode: the old database, in the other mode;
/// 3. `aside` linked to the old file, durable: the same, under two names;
/// 4. empty log and shared memory removed: the same, for they held nothing;
/// 5. candidate renamed over `live`: the new database, and no log that could be replayed into it;
/// 6. folder synced, lock released, and the old database put into its mode again once nobody waits for it any more.
///
/// Step 2 is for a process that opened the old file after the last look and waits for the lock. In rollback-journal mode
/// SQLite refuses it to write to a file that was moved (`SQLITE_READONLY_DBMOVED`). In write-ahead mode it would not, and
/// would write its log beside the new file, for the next one to replay: the restore undone, `integrity_check` `ok`.
pub(super) fn replace(
    engine: &Sqlite,
    candidate: &Path,
    live: &Path,
    aside: &Path,
    mut database: Database,
    watch: &Watch<'_>,
) -> Result<Swapped, EngineError> {
    keep_owner(live, candidate)?;
    // Windows renames nothing over a file that somebody has open: nobody can be waiting there.
    let had_log = !cfg!(windows) && leave_log(&database)?;
    let set_aside = match fs::hard_link(live, aside) {
        Ok(()) => sync_folder_of(aside).map_err(EngineError::from),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(error).on("link to", aside).map_err(EngineError::from)
        }
        // Another filesystem, or one without links: a copy out of the locked connection itself.
        Err(_) => safety_copy(engine, &mut database, candidate, live, aside, watch),
    };
    if let Err(error) = set_aside {
        if had_log {
            drop(journal_mode(&database, "WAL"));
        }
        return Err(error);
    }
    let released = if cfg!(windows) {
        // Windows renames nothing over an open file; whoever opens it now makes the rename fail, and all is as before.
        drop(database);
        None
    } else {
        Some(database)
    };
    let done = remove_inert_side_files(live)
        .and_then(|()| Ok(fs::rename(candidate, live).on("put the restored database at", live)?));
    if let Err(error) = done {
        // `live` is the old database still, in one file; its second name goes.
        drop(fs::remove_file(aside));
        if let Some(database) = released.filter(|_| had_log) {
            drop(journal_mode(&database, "WAL"));
        }
        return Err(error);
    }
    settle(candidate, live, aside)?;
    drop(released);
    if had_log {
        // Where this fails the copy is whole all the same, in rollback-journal mode.
        drop(take_up_log(aside));
    }
    Ok(Swapped { aside: Some(aside.to_owned()), method: "rename" })
}

fn journal_mode(database: &Database, mode: &str) -> rusqlite::Result<String> {
    database.connection.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |row| row.get(0))
}

/// Takes a database that is ours alone out of write-ahead mode. Returns whether it was in it.
fn leave_log(database: &Database) -> Result<bool, EngineError> {
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
fn take_up_log(aside: &Path) -> Result<(), EngineError> {
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

/// Removes side files that hold nothing; while the database is locked, nobody can be using them.
fn remove_inert_side_files(live: &Path) -> Result<(), EngineError> {
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

/// Replaces what SQLite cannot open, which is why people restore.
///
/// Its log cannot be folded, so main file and side files are all set aside by link first, durable. Then the log must go
/// *before* the new file comes: beside the new file it would be replayed. In between, `live` is the damaged file without
/// its log, which could not be opened before and cannot now; all of it lies at `aside`.
pub(super) fn replace_unopenable(
    candidate: &Path,
    live: &Path,
    aside: &Path,
) -> Result<Swapped, EngineError> {
    keep_owner(live, candidate)?;
    let sides: Vec<_> = SIDE_FILES
        .iter()
        .map(|suffix| (beside(live, suffix), beside(aside, suffix)))
        .filter_map(|(from, to)| is_there(&from).map(|there| there.then_some((from, to))).transpose())
        .collect::<Result<_, _>>()?;
    let set_aside = || -> Result<(), EngineError> {
        link_or_copy(live, aside)?;
        for (from, to) in &sides {
            link_or_copy(from, to)?;
        }
        Ok(sync_folder_of(aside)?)
    };
    let forget = || {
        for path in sides.iter().map(|(_, to)| to.as_path()).chain([aside]) {
            drop(fs::remove_file(path));
        }
    };
    if let Err(error) = set_aside() {
        forget();
        return Err(error);
    }
    let replaced = (|| -> Result<(), EngineError> {
        for (from, _) in &sides {
            fs::remove_file(from).on("remove", from)?;
        }
        sync_folder_of(live)?;
        Ok(fs::rename(candidate, live).on("put the restored database at", live)?)
    })();
    if let Err(error) = replaced {
        // Back as it was: the side files that are gone return from where they were set aside.
        let mut back = true;
        for (from, to) in &sides {
            back &= is_there(from)? || link_or_copy(to, from).is_ok();
        }
        if back {
            forget();
        }
        return Err(error);
    }
    settle(candidate, live, aside)?;
    Ok(Swapped { aside: Some(aside.to_owned()), method: "rename" })
}

/// Makes the rename durable. Where the system cannot promise that, the old database goes back to its place by one more
/// rename, unless someone already uses the new one: its log must not meet the old file.
fn settle(candidate: &Path, live: &Path, aside: &Path) -> Result<(), EngineError> {
    let synced = sync_folder_of(live).and_then(|()| sync_folder_of(candidate));
    if synced.is_err() && refuse_left_overs(live).is_ok() && !is_there(&beside(aside, "-wal"))? {
        fs::rename(aside, live).on("put the old database back at", live)?;
    }
    Ok(synced?)
}

/// Copies what a connection sees to `aside`, durable before it bears that name.
pub(super) fn safety_copy(
    engine: &Sqlite,
    database: &mut Database,
    candidate: &Path,
    live: &Path,
    aside: &Path,
    watch: &Watch<'_>,
) -> Result<(), EngineError> {
    let part = part_of(candidate, aside);
    let pages = engine.pages(database)?;
    pages::copy(database, &pages, part.path(), watch)?;
    keep_owner(live, part.path())?;
    sync(part.path())?;
    rename_new(part.path(), aside)?;
    Ok(sync_folder_of(aside)?)
}

/// A copy on the way to the name of a set-aside one. It lies where the candidate does: in a restore that is a folder which
/// the next one clears, should this one be killed.
pub(super) fn part_of(candidate: &Path, aside: &Path) -> Temporary {
    let name = aside.file_name().unwrap_or_default().to_string_lossy();
    let folder = candidate.parent().unwrap_or_else(|| Path::new("."));
    Temporary::new(folder, &format!(".{name}.{}.part", std::process::id()))
}
