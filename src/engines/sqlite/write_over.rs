//! Writing a restored database into one that others have open: by SQLite itself, as one commit.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{EngineError, Holder, Holds, Swapped, files::create_private, named},
    Sqlite,
    alone::WAIT_TO_LOCK,
    holders,
    open::{self, Database, patiently},
    pages,
    swap::{Places, part_of, publish, safety_copy},
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
    places: Places<'_>,
    users: &[Holder],
    watch: &Watch<'_>,
) -> Result<Swapped, EngineError> {
    let Places { candidate, live, aside, .. } = places;
    let refused = |why| Err(EngineError::InUse { path: live.to_owned(), holders: users.to_owned(), why });
    let restored = Database::still(candidate).map_err(|error| open::library("open", candidate, &error))?;
    // It cannot be renamed into place, and writing damage into a database in use cannot be what was meant.
    if !restored.is_structurally_sound(watch)? {
        return refused("what is to be put there is damaged");
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
        return refused("what is to be put there has another page size");
    }
    let mode = old.connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
    let has_log = mode.map_err(|error| old.library("read", &error))? == "wal";
    old.end()?;
    drop(old);
    // The safety copy is made while the write lock is held that the restored content is then written under: whatever
    // others committed is in the copy, and nobody commits between the two.
    let mut is_copied = false;
    let written = write(&restored, live, watch, &mut || {
        if has_log {
            copy_beside_log(engine, places, watch)?;
        } else {
            copy_bytes(places)?;
        }
        is_copied = true;
        Ok(())
    });
    match written {
        Ok(()) => {}
        // Nothing of it was written, or it was rolled back: the backup API's transaction ends with its last page.
        Err(error) if !is_copied || matches!(error, EngineError::Stopped(_) | EngineError::Busy { .. }) => {
            if is_copied {
                drop(fs::remove_file(aside));
            }
            return Err(error);
        }
        // In write-ahead mode the commit may stand in the log though its sync failed, and whoever opens the database
        // after a crash finds it there (sqlite.org/fileformat.html, 4.3): the old content may be left in the copy alone.
        Err(error) => return Err(places.unsettled(Holds::Either, error)),
    }
    // What is written is not left half-checked by a request to stop.
    let cancel = Cancel::default();
    let unhurried = Watch::new(&cancel, None, &|_| ());
    let looked = patiently(WAIT_TO_WRITE, &unhurried, || {
        Database::live(live).and_then(|now| now.begin().map(|()| now))
    })?;
    let looked = looked.map(|now| now.is_structurally_sound(&unhurried));
    conclude(places, looked, || take_back(places, &unhurried))
}

/// What a look at the written database means. It was sound before it was written, and was written whole: it is taken back
/// only where it is known not to be sound, for others may have written to it since.
pub(super) fn conclude(
    places: Places<'_>,
    looked: rusqlite::Result<Result<bool, EngineError>>,
    take_back: impl FnOnce() -> EngineError,
) -> Result<Swapped, EngineError> {
    match looked {
        Ok(Ok(true)) => Ok(places.done(METHOD)),
        Ok(Ok(false)) => Err(take_back()),
        Ok(Err(error)) => Err(places.unsettled(Holds::New, error)),
        Err(error) if open::is_busy(&error) => Ok(not_looked_at(places)),
        Err(error) if open::is_damage(&error) => Err(take_back()),
        Err(error) => Err(places.unsettled(Holds::New, open::library("open", places.live, &error))),
    }
}

/// How [`write_over`] calls what it does.
const METHOD: &str = "backup-api";

/// The end of a swap whose outcome others kept from being looked at.
fn not_looked_at(places: Places<'_>) -> Swapped {
    let (live, users) = (places.live, holders(places.live));
    let waited = WAIT_TO_WRITE.as_secs();
    let told = format!(
        "{} was written whole, and could not be looked at again: {} kept it locked for {waited} s",
        live.display(),
        named(&users)
    );
    Swapped { warnings: vec![told], ..places.done(METHOD) }
}

/// Writes the safety copy back over what came out unsound.
fn take_back(places: Places<'_>, watch: &Watch<'_>) -> EngineError {
    let Places { live, aside, .. } = places;
    let unsound = |end: String| {
        EngineError::Refused(format!("{} was not sound after it was written, and {end}", live.display()))
    };
    let written = Database::still(aside)
        .map_err(|error| open::library("open", aside, &error))
        .and_then(|safe| write(&safe, live, watch, &mut || Ok(())));
    match written {
        Ok(()) => unsound(format!("was put back; the safety copy is {}", aside.display())),
        Err(error) => places.unsettled(Holds::New, unsound(format!("could not be put back: {error}"))),
    }
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
fn copy_beside_log(engine: &Sqlite, places: Places<'_>, watch: &Watch<'_>) -> Result<(), EngineError> {
    let live = places.live;
    let opened = Database::live(live).and_then(|old| old.begin().map(|()| old));
    let mut old = opened.map_err(|error| open::library("open", live, &error))?;
    safety_copy(engine, &mut old, places, watch)?;
    old.end()
}

/// The safety copy of a database in rollback-journal mode, whose write lock keeps readers out too: its file, which is its
/// committed content while nothing was written under that lock.
fn copy_bytes(places: Places<'_>) -> Result<(), EngineError> {
    let (live, part) = (places.live, part_of(places)?);
    // Closing any handle on the file would drop the very lock that is held (see the lock trap in `open`): this one is
    // kept to the end of the process, once for each database that is restored while in use.
    let file = std::mem::ManuallyDrop::new(fs::File::open(live).on("open", live)?);
    let mut copy = create_private(part.path())?;
    io::copy(&mut &*file, &mut copy).on("copy to", part.path())?;
    drop(copy);
    publish(&part, places)
}
