//! Writing a restored database into one that others have open: by SQLite itself, as one commit.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{EngineError, Holder, Swapped, named},
    Sqlite,
    files::{create_private, keep_owner, rename_new, sync, sync_folder_of},
    open::{self, Database, patiently},
    pages,
    swap::{WAIT_TO_LOCK, part_of, safety_copy},
};
use crate::{
    fault::OnPath,
    watch::{Cancel, Watch},
};
use std::{fs, io, path::Path, time::Duration};

/// How long a live database is waited for: readers and writers of a busy service come and go.
const WAIT_TO_WRITE: Duration = Duration::from_secs(30);

/// Writes into a database that others have open.
///
/// Their readers keep what they see until they ask again, their writers wait, and all of them go on with the new
/// content: it arrives as one commit. Killed before that commit, the next one to open rolls it back.
pub(super) fn write_over(
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
            copy_beside_log(engine, candidate, live, aside, watch)?;
        } else {
            copy_bytes(candidate, live, aside)?;
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
fn copy_beside_log(
    engine: &Sqlite,
    candidate: &Path,
    live: &Path,
    aside: &Path,
    watch: &Watch<'_>,
) -> Result<(), EngineError> {
    let opened = Database::live(live).and_then(|old| old.begin().map(|()| old));
    let mut old = opened.map_err(|error| open::library("open", live, &error))?;
    safety_copy(engine, &mut old, candidate, live, aside, watch)?;
    old.end()
}

/// The safety copy of a database in rollback-journal mode, whose write lock keeps readers out too: its file, which is its
/// committed content while nothing was written under that lock.
fn copy_bytes(candidate: &Path, live: &Path, aside: &Path) -> Result<(), EngineError> {
    let part = part_of(candidate, aside);
    // Closing any handle on the file would drop the very lock that is held (see the lock trap in `open`): this one is
    // kept to the end of the process, once for each database that is restored while in use.
    let file = std::mem::ManuallyDrop::new(fs::File::open(live).on("open", live)?);
    let mut copy = create_private(part.path())?;
    io::copy(&mut &*file, &mut copy).on("copy to", part.path())?;
    drop(copy);
    keep_owner(live, part.path())?;
    sync(part.path())?;
    rename_new(part.path(), aside)?;
    Ok(sync_folder_of(aside)?)
}
