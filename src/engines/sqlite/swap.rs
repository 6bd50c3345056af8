//! Putting a restored database in the place of the live one.
//!
//! Three ways ruin it, each without an error or with `integrity_check` saying `ok`:
//! 1. a new file beside an **old log**: SQLite replays it, and the restored database shows the old data;
//! 2. a rename while another process has the database open with its log: the next one to open finds it malformed;
//! 3. a rename after removing the log, others still connected: their later commits go to an unlinked file and vanish.
//!
//! So a database that nobody holds is locked, folded into one file, and replaced by a rename with the lock still held;
//! one that others hold is written by SQLite's backup API, as one transaction that they see as any other commit; and
//! one that SQLite cannot open is set aside with all its side files first. In each case the safety copy at `aside` is
//! durable before anything of `live` changes.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{EngineError, Holder, Swapped, named},
    Sqlite,
    files::{
        is_there, keep_owner, link_or_copy, refuse_left_overs, rename_new, resolved, sync, sync_folder_of,
    },
    holders::holders,
    open::{self, Database, Header, SIDE_FILES, beside, length, patiently},
    pages,
};
use crate::{
    fault::OnPath,
    watch::{Cancel, Watch},
};
use std::{fs, io, path::Path, time::Duration};

/// How long a live database is waited for: readers and writers of a busy service come and go.
const WAIT_TO_WRITE: Duration = Duration::from_secs(30);
/// How long the lock is waited for before others are taken to stay.
const WAIT_TO_LOCK: Duration = Duration::from_secs(2);

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
    for place in
        std::iter::once(aside.to_owned()).chain(SIDE_FILES.iter().map(|suffix| beside(aside, suffix)))
    {
        if is_there(&place)? {
            return Err(EngineError::Refused(format!(
                "{} is in the way of the safety copy",
                place.display()
            )));
        }
    }
    if !is_there(live)? {
        return place_where_nothing_is(candidate, live, aside);
    }
    // Through links, as SQLite goes: its side files lie beside the file itself.
    let live = &resolved(live)?;
    let metadata = fs::metadata(live).on("look at", live)?;
    if !metadata.is_file() {
        return Err(open::foreign(live, "no regular file"));
    }
    let users = holders(live);
    if !users.is_empty() {
        return write_over(engine, candidate, live, aside, &users, watch);
    }
    // SQLite deletes the log of an empty file without a look at it: an emptied database is one it cannot open.
    let locked = if metadata.len() == 0 { Locked::Unopenable } else { lock(live, watch)? };
    match locked {
        Locked::Ours(database) => replace(engine, candidate, live, aside, database, watch),
        Locked::Held => write_over(engine, candidate, live, aside, &holders(live), watch),
        Locked::Unopenable => replace_unopenable(candidate, live, aside),
    }
}

/// Nothing is at the place: a plain rename that replaces nothing.
fn place_where_nothing_is(candidate: &Path, live: &Path, aside: &Path) -> Result<Swapped, EngineError> {
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
enum Locked {
    /// It is ours: one file without a log, and nobody else can read or write it while this lives.
    Ours(Database),
    /// Others have it open.
    Held,
    /// SQLite cannot open it.
    Unopenable,
}

/// Takes the database for this process alone, and folds its log into it.
fn lock(live: &Path, watch: &Watch<'_>) -> Result<Locked, EngineError> {
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
/// 2. `aside` linked to the old file, durable: the old database, under two names;
/// 3. empty log and shared memory removed: the same, for they held nothing;
/// 4. candidate renamed over `live`: the new database, and no log that could be replayed into it;
/// 5. folder synced, lock released. A process that opened the old file in between waited for the lock, and SQLite
///    refuses it writes to a file that was moved (`SQLITE_READONLY_DBMOVED`).
fn replace(
    engine: &Sqlite,
    candidate: &Path,
    live: &Path,
    aside: &Path,
    mut database: Database,
    watch: &Watch<'_>,
) -> Result<Swapped, EngineError> {
    keep_owner(live, candidate)?;
    match fs::hard_link(live, aside) {
        Ok(()) => sync_folder_of(aside)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(error).on("link to", aside)?;
        }
        // Another filesystem, or one without links: a copy out of the locked connection itself.
        Err(_) => safety_copy(engine, &mut database, live, aside, watch)?,
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
        return Err(error);
    }
    settle(candidate, live, aside)?;
    drop(released);
    Ok(Swapped { aside: Some(aside.to_owned()), method: "rename" })
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
fn replace_unopenable(candidate: &Path, live: &Path, aside: &Path) -> Result<Swapped, EngineError> {
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

/// Writes into a database that others have open.
///
/// Their readers keep what they see until they ask again, their writers wait, and all of them go on with the new
/// content: it arrives as one commit. Killed before that commit, the next one to open rolls it back.
fn write_over(
    engine: &Sqlite,
    candidate: &Path,
    live: &Path,
    aside: &Path,
    users: &[Holder],
    watch: &Watch<'_>,
) -> Result<Swapped, EngineError> {
    let refused = |why: &str| {
        let (path, users) = (live.display(), named(users));
        Err(EngineError::Refused(format!("{path} is open in {users}, and {why}: stop it and restore again")))
    };
    let restored = Database::still(candidate).map_err(|error| open::library("open", candidate, &error))?;
    // It cannot be renamed into place, and writing damage into a database in use cannot be what was meant.
    if !restored.is_structurally_sound(watch)? {
        return refused("the restored database is damaged");
    }
    let opened = patiently(WAIT_TO_LOCK, watch, || {
        let database = Database::live(live)?;
        database.begin()?;
        Ok(database)
    })?;
    let old = match opened {
        Ok(old) => old,
        Err(error) if open::is_busy(&error) => return Err(super::busy(live)),
        Err(error) if open::is_damage(&error) => return refused("it is damaged"),
        Err(error) => return Err(open::library("open", live, &error)),
    };
    let page_size = |database: &Database| {
        let size = database.connection.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0));
        size.map_err(|error| database.library("read", &error))
    };
    if page_size(&old)? != page_size(&restored)? {
        return refused("the restored database has another page size");
    }
    let mode = old.connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
    let has_log = mode.map_err(|error| old.library("read", &error))? == "wal";
    old.end()?;
    drop(old);
    // The safety copy is made while the write lock is held that the restored content is then written under: whatever
    // others committed is in the copy, and nobody commits between the two. On a failure the old content stays: the
    // backup API's transaction ends with its last page or not at all.
    let mut is_copied = false;
    let written = write(&restored, live, watch, &mut || {
        if has_log {
            copy_beside_log(engine, live, aside, watch)?;
        } else {
            copy_bytes(live, aside)?;
        }
        is_copied = true;
        Ok(())
    });
    if let Err(error) = written {
        if is_copied {
            drop(fs::remove_file(aside));
        }
        return Err(error);
    }
    // What is written is not left half-checked by a request to stop.
    let cancel = Cancel::default();
    let unhurried = Watch::new(&cancel, None, &|_| ());
    let sound = patiently(WAIT_TO_WRITE, &unhurried, || {
        Database::live(live).and_then(|now| now.begin().map(|()| now))
    })?
    .map_err(|error| open::library("open", live, &error))
    .and_then(|now| now.is_structurally_sound(&unhurried));
    if !matches!(sound, Ok(true)) {
        let safe = Database::still(aside).map_err(|error| open::library("open", aside, &error))?;
        write(&safe, live, &unhurried, &mut || Ok(()))?;
        return Err(EngineError::Refused(format!(
            "{} was not sound after it was written, and was put back; the safety copy is {}",
            live.display(),
            aside.display()
        )));
    }
    Ok(Swapped { aside: Some(aside.to_owned()), method: "backup-api" })
}

fn write(
    from: &Database,
    live: &Path,
    watch: &Watch<'_>,
    once_locked: &mut dyn FnMut() -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let mut database = Database::writing(live).map_err(|error| open::library("open", live, &error))?;
    pages::write_into(from, &mut database, WAIT_TO_WRITE, watch, once_locked)
}

/// The safety copy of a database with a write-ahead log, whose readers go on while its write lock is held.
fn copy_beside_log(engine: &Sqlite, live: &Path, aside: &Path, watch: &Watch<'_>) -> Result<(), EngineError> {
    let opened = Database::live(live).and_then(|old| old.begin().map(|()| old));
    let mut old = opened.map_err(|error| open::library("open", live, &error))?;
    safety_copy(engine, &mut old, live, aside, watch)?;
    old.end()
}

/// The safety copy of a database in rollback-journal mode, whose write lock keeps readers out too: its file, which is its
/// committed content while nothing was written under that lock.
fn copy_bytes(live: &Path, aside: &Path) -> Result<(), EngineError> {
    let part =
        super::files::Temporary::new(aside.parent().unwrap_or_else(|| Path::new(".")), &part_name(aside));
    // Closing any handle on the file would drop the very lock that is held (see the lock trap in `open`): this one is
    // kept to the end of the process, once for each database that is restored while in use.
    let file = std::mem::ManuallyDrop::new(fs::File::open(live).on("open", live)?);
    let mut copy = super::files::create_private(part.path())?;
    io::copy(&mut &*file, &mut copy).on("copy to", part.path())?;
    drop(copy);
    keep_owner(live, part.path())?;
    sync(part.path())?;
    rename_new(part.path(), aside)?;
    Ok(sync_folder_of(aside)?)
}

/// Copies what a connection sees to `aside`, durable before it bears that name.
fn safety_copy(
    engine: &Sqlite,
    database: &mut Database,
    live: &Path,
    aside: &Path,
    watch: &Watch<'_>,
) -> Result<(), EngineError> {
    let part =
        super::files::Temporary::new(aside.parent().unwrap_or_else(|| Path::new(".")), &part_name(aside));
    let pages = engine.pages(database)?;
    pages::copy(database, &pages, part.path(), watch)?;
    keep_owner(live, part.path())?;
    sync(part.path())?;
    rename_new(part.path(), aside)?;
    Ok(sync_folder_of(aside)?)
}

fn part_name(aside: &Path) -> String {
    let name = aside.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.{}.part", std::process::id())
}
