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
    super::{
        EngineError, Holds, Spare, Swapped,
        files::{beside, is_there, keep_owner, link_or_copy, rename_new, resolved, sync, sync_folder_of},
        place,
    },
    Sqlite,
    alone::{Locked, back_to_log, leave_log, lock, remove_inert_side_files, take_up_log},
    files::{Temporary, left_overs, refuse_left_overs},
    holders,
    open::{Database, Header, SIDE_FILES},
    pages,
    write_over::write_over,
};
use crate::{fault::OnPath, watch::Watch};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where a swap works.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    /// What is put in the place: in a restore a copy of the backup, in an undo what may be the only copy there is.
    pub(super) candidate: &'a Path,
    /// The place.
    pub(super) live: &'a Path,
    /// Where what is there is kept.
    pub(super) aside: &'a Path,
    /// Makes a folder for copies on their way.
    pub(super) spare: &'a Spare<'a>,
}

impl Places<'_> {
    /// The end of a swap that set the old content aside.
    pub(super) fn done(&self, method: &'static str) -> Swapped {
        Swapped::new(Some(self.aside.to_owned()), method)
    }

    /// The error of a swap that failed after `live` was written, with the old content at `aside`.
    pub(super) fn unsettled(&self, holds: Holds, source: impl Into<EngineError>) -> EngineError {
        let (place, aside) = (self.live.to_owned(), Some(self.aside.to_owned()));
        EngineError::Unsettled { place, holds, aside, source: Box::new(source.into()) }
    }
}

/// Swaps; see the module and [`super::AtPath::swap`].
pub(super) fn swap(engine: &Sqlite, places: Places<'_>, watch: &Watch<'_>) -> Result<Swapped, EngineError> {
    let Places { candidate, live, aside, .. } = places;
    if Header::read(candidate)?.is_none() {
        return Err(EngineError::Refused(format!("{} is still open in this process", candidate.display())));
    }
    refuse_left_overs(candidate)?;
    sync(candidate)?;
    must_be_free(aside)?;
    place::check(live, place::Shape::File)?;
    if !is_there(live)? {
        return place_where_nothing_is(places);
    }
    // Through links, as SQLite goes: its side files lie beside the file itself.
    let live = &resolved(live)?;
    let places = Places { live, ..places };
    let users = holders(live);
    if !users.is_empty() {
        return write_over(engine, places, &users, watch);
    }
    match lock(live, watch)? {
        Locked::Ours(database) => replace(engine, places, database, watch),
        Locked::Held => write_over(engine, places, &holders(live), watch),
        Locked::Unopenable => replace_unopenable(places),
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

/// Refuses a place where nothing is while what was there is open still.
pub(super) fn must_be_left(live: &Path) -> Result<(), EngineError> {
    let holders = holders(live);
    if holders.is_empty() {
        return Ok(());
    }
    let why = "it was deleted there: what they still write would be lost";
    Err(EngineError::InUse { path: live.to_owned(), holders, why })
}

/// Nothing is at the place: a plain rename that replaces nothing, after what an earlier database left there was moved.
pub(super) fn place_where_nothing_is(places: Places<'_>) -> Result<Swapped, EngineError> {
    let Places { candidate, live, aside, .. } = places;
    must_be_left(live)?;
    let told = left_overs(live)?;
    let mut moved: Vec<(PathBuf, PathBuf)> = Vec::new();
    let outcome = (|| -> Result<(), EngineError> {
        // The side files first: a kill in between leaves the place empty as before.
        for suffix in SIDE_FILES {
            let (stale, kept) = (beside(live, suffix), beside(aside, suffix));
            if is_there(&stale)? {
                rename_new(&stale, &kept)?;
                moved.push((stale, kept));
            }
        }
        sync_folder_of(live)?;
        rename_new(candidate, live)?;
        Ok(sync_folder_of(live)?)
    })();
    if let Err(error) = outcome {
        // Nothing was there, so nothing is lost on the way back; unless somebody writes to the new one already.
        let is_placed = is_there(live)? && !is_there(candidate)?;
        if is_placed && (refuse_left_overs(live).is_err() || rename_new(live, candidate).is_err()) {
            let (place, source) = (live.to_owned(), Box::new(error));
            return Err(EngineError::Unsettled { place, holds: Holds::New, aside: None, source });
        }
        for (stale, kept) in &moved {
            drop(rename_new(kept, stale));
        }
        return Err(error);
    }
    let tell = |(stale, kept): &(PathBuf, PathBuf)| {
        format!("{}, left by a database that is gone, is kept as {}", stale.display(), kept.display())
    };
    let warnings = moved.iter().filter(|(stale, _)| told.contains(stale)).map(tell).collect();
    Ok(Swapped { warnings, ..Swapped::new(None, "rename") })
}

/// Replaces a database that is ours alone.
///
/// The order, and what a kill after each step leaves:
/// 1. log folded (by [`lock`]), lock held: the old database, in one file;
/// 2. taken out of write-ahead mode: the old database, in the other mode;
/// 3. `aside` linked to the old file, durable: the same, under two names (the next restore or undo takes the second away);
/// 4. empty log and shared memory removed: the same, for they held nothing;
/// 5. candidate renamed over `live`: the new database, and no log that could be replayed into it;
/// 6. folder synced, lock released, and the old database put into its mode again once nobody waits for it any more.
///
/// Step 2 is for a process that opened the old file after the last look and waits for the lock. In rollback-journal mode
/// SQLite refuses it to write to a file that was moved (`SQLITE_READONLY_DBMOVED`). In write-ahead mode it would not, and
/// would write its log beside the new file, for the next one to replay: the restore undone, `integrity_check` `ok`.
pub(super) fn replace(
    engine: &Sqlite,
    places: Places<'_>,
    mut database: Database,
    watch: &Watch<'_>,
) -> Result<Swapped, EngineError> {
    let Places { candidate, live, aside, .. } = places;
    keep_owner(live, candidate)?;
    // Windows renames nothing over a file that somebody has open: nobody can be waiting there.
    let had_log = !cfg!(windows) && leave_log(&database)?;
    if let Err(error) = set_aside(engine, places, &mut database, watch) {
        if had_log {
            back_to_log(Some(database), live);
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
    let replaced = remove_inert_side_files(live)
        .and_then(|()| Ok(fs::rename(candidate, live).on("put the restored database at", live)?))
        .and_then(|()| settle(places));
    match replaced {
        Ok(()) | Err(EngineError::Unsettled { .. }) => {
            drop(released);
            if had_log {
                // Where this fails the copy is whole all the same, in rollback-journal mode.
                drop(take_up_log(aside));
            }
        }
        Err(_) => {
            // `live` is the old database, in one file; its second name goes.
            drop(fs::remove_file(aside));
            if had_log {
                back_to_log(released, live);
            }
        }
    }
    replaced.map(|()| places.done("rename"))
}

/// Gives the old database its name at `aside`, durable. On an error that name is free again.
fn set_aside(
    engine: &Sqlite,
    places: Places<'_>,
    database: &mut Database,
    watch: &Watch<'_>,
) -> Result<(), EngineError> {
    let Places { live, aside, .. } = places;
    match fs::hard_link(live, aside) {
        Ok(()) => sync_folder_of(aside).map_err(|fault| {
            drop(fs::remove_file(aside));
            fault.into()
        }),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Err(error).on("link to", aside)?),
        // Another filesystem, or one without links: a copy out of the locked connection itself.
        Err(_) => safety_copy(engine, database, places, watch),
    }
}

/// Replaces what SQLite cannot open, which is why people restore.
///
/// Its log cannot be folded, so main file and side files are all set aside by link first, durable. Then the log must go
/// *before* the new file comes: beside the new file it would be replayed. In between, `live` is the damaged file without
/// its log, which could not be opened before and cannot now; all of it lies at `aside`.
pub(super) fn replace_unopenable(places: Places<'_>) -> Result<Swapped, EngineError> {
    let Places { candidate, live, aside, .. } = places;
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
    settle(places)?;
    Ok(places.done("rename"))
}

/// Makes the rename durable. Where the system cannot promise that, the old database goes back to its place, and the
/// candidate to its own, unless that would part a database from its log.
fn settle(places: Places<'_>) -> Result<(), EngineError> {
    let Places { candidate, live, aside, .. } = places;
    let Err(fault) = sync_folder_of(live).and_then(|()| sync_folder_of(candidate)) else { return Ok(()) };
    let is_one_file = |path: &Path| left_overs(path).is_ok_and(|found| found.is_empty());
    if is_one_file(live) && is_one_file(aside) && go_back(places).is_ok() {
        return Err(fault.into());
    }
    Err(places.unsettled(Holds::New, fault))
}

/// Undoes the rename of a swap. The candidate gets its name again before its other one is taken: in an undo it is the
/// only copy of what was set aside. A kill in between leaves it under both.
fn go_back(places: Places<'_>) -> io::Result<()> {
    let Places { candidate, live, aside, .. } = places;
    let is_linked = fs::hard_link(live, candidate).is_ok();
    if !is_linked {
        // Without links the place is empty for a moment.
        fs::rename(live, candidate)?;
    }
    fs::rename(aside, live).inspect_err(|_| {
        drop(if is_linked { fs::remove_file(candidate) } else { fs::rename(candidate, live) });
    })
}

/// Copies what a connection sees to `aside`, durable before it bears that name.
pub(super) fn safety_copy(
    engine: &Sqlite,
    database: &mut Database,
    places: Places<'_>,
    watch: &Watch<'_>,
) -> Result<(), EngineError> {
    let part = part_of(places)?;
    let pages = engine.pages(database)?;
    pages::copy(database, &pages, part.path(), watch)?;
    publish(&part, places)
}

/// Gives a finished safety copy the owner of the live database and its name, durable. On an error that name is free.
pub(super) fn publish(part: &Temporary, places: Places<'_>) -> Result<(), EngineError> {
    keep_owner(places.live, part.path())?;
    sync(part.path())?;
    rename_new(part.path(), places.aside)?;
    sync_folder_of(places.aside).map_err(|fault| {
        drop(fs::remove_file(places.aside));
        fault.into()
    })
}

/// A copy on the way to the name of a set-aside one, in a folder which the next restore clears, should this one be killed.
pub(super) fn part_of(places: Places<'_>) -> Result<Temporary, EngineError> {
    let name = places.aside.file_name().unwrap_or_default().to_string_lossy();
    Ok(Temporary::new(&(places.spare)()?, &format!(".{name}.part")))
}
