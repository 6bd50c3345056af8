//! Putting a restored database in the place of the live one.
//!
//! A database is its main file and its log, and no system renames two files as one. What saves the day is that DuckDB
//! replays a log only into the very file and checkpoint that it was written for (2.0.1, tried): beside another one the log
//! is refused with an error, and beside a file of the same lineage *and* checkpoint it makes the old content of it, whole.
//! So the new main file comes first and the old log goes second: between the two, whoever opens the database sees the old
//! content or an error, and never a mixture.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{
        EngineError, Holds, Spare, Swapped,
        files::{beside, is_there, keep_owner, link_or_copy, rename_new, resolved, sync, sync_folder_of},
        place,
    },
    copy::SIDE_FILES,
};
use crate::{
    fault::OnPath,
    platform::locks::{self, Shared},
};
use std::{fs, path::Path};

/// Swaps; see the module and [`super::AtPath::swap`].
pub(super) fn swap(candidate: &Path, live: &Path, aside: &Path) -> Result<Swapped, EngineError> {
    for taken in names(aside) {
        if is_there(&taken)? {
            return Err(EngineError::Refused(format!(
                "{} is in the way of the safety copy",
                taken.display()
            )));
        }
    }
    for path in names(candidate) {
        if is_there(&path)? {
            sync(&path)?;
        }
    }
    place::check(live, place::Shape::File)?;
    if !is_there(live)? {
        return place_where_nothing_is(candidate, live, aside);
    }
    let live = &resolved(live)?;
    // Held to the end: nobody begins to write the file that goes. Who opened it a moment ago asks for the lock at once,
    // and is refused.
    let lock = alone(live)?;
    keep_owner(live, candidate)?;
    // 1. A second name for all of the old, durable. Killed here, the old database is as it was, and the next restore takes
    //    the second names away.
    if let Err(error) = link_all(live, aside).and_then(|()| Ok(sync_folder_of(aside)?)) {
        forget(aside);
        return Err(error);
    }
    // 2. The new main file. Killed here, the old log beside it is refused, or makes the old content: see the module; the
    //    next restore or undo takes it away, for it is kept as the copy's.
    // Windows renames nothing over an open file; whoever opens it now makes the rename fail, and all is as before.
    let lock = if cfg!(windows) { None } else { Some(lock) };
    if let Err(error) = fs::rename(candidate, live).on("put the restored database at", live) {
        forget(aside);
        return Err(error.into());
    }
    // 3. The old log goes, or the new one takes its name.
    let done = follow(candidate, live).and_then(|()| Ok(sync_folder_of(live)?));
    let settled = match done {
        Ok(()) => Ok(Swapped::new(Some(aside.to_owned()), "rename")),
        Err(source) => match go_back(candidate, live, aside) {
            Ok(()) => Err(source),
            Err(_) => Err(EngineError::Unsettled {
                place: live.clone(),
                holds: Holds::Either,
                aside: Some(aside.to_owned()).filter(|aside| is_there(aside).unwrap_or(true)),
                source: Box::new(source),
            }),
        },
    };
    drop(lock);
    settled
}

/// What keeps a place from being restored to; see [`super::AtPath::hindrance`]. The lock is let go at once.
pub(super) fn hindrance(live: &Path) -> Result<(), EngineError> {
    if is_there(live)? { alone(&resolved(live)?).map(drop) } else { must_be_left(live) }
}

/// Locks a database that nobody has open.
fn alone(live: &Path) -> Result<fs::File, EngineError> {
    let in_use = |holders| {
        let why = "a DuckDB database is replaced only where nobody has it open";
        Err(EngineError::InUse { path: live.to_owned(), holders, why })
    };
    let users = super::holders(live);
    if !users.is_empty() {
        return in_use(users);
    }
    match locks::open_shared(live).on("lock", live)? {
        Shared::Open(file) => Ok(file),
        Shared::Taken(pid) => match super::busy(live, pid) {
            EngineError::Busy { holders, .. } => in_use(holders),
            other => Err(other),
        },
    }
}

/// Refuses a place where nothing is while what was there is open still.
fn must_be_left(live: &Path) -> Result<(), EngineError> {
    let holders = super::holders(live);
    if holders.is_empty() {
        return Ok(());
    }
    let why = "it was deleted there: what they still write would be lost";
    Err(EngineError::InUse { path: live.to_owned(), holders, why })
}

/// Puts back what was set aside; see [`super::AtPath::put_back`]. What goes to the place are second names of it: a kill at any
/// moment leaves the copy whole under its own, and a database is never parted from its log.
pub(super) fn put_back(
    old: &Path,
    live: &Path,
    aside: &Path,
    spare: &Spare<'_>,
) -> Result<Swapped, EngineError> {
    let candidate = spare()?.join(old.file_name().unwrap_or_default());
    link_all(old, &candidate)?;
    let mut swapped = swap(&candidate, live, aside)?;
    // The main file first: without its log it would look like a copy, and hold something else.
    for name in names(old).collect::<Vec<_>>().into_iter().rev() {
        if is_there(&name)?
            && let Err(error) = fs::remove_file(&name)
        {
            swapped.warnings.push(format!("{} was put back, and is still there: {error}", name.display()));
            break;
        }
    }
    Ok(swapped)
}

/// A database's files by their names, the main one last.
fn names(main: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    SIDE_FILES
        .iter()
        .map(|suffix| beside(main, suffix))
        .chain([main.to_owned()])
        .collect::<Vec<_>>()
        .into_iter()
}

/// Gives all files of a database that are there second names.
fn link_all(from: &Path, to: &Path) -> Result<(), EngineError> {
    for (from, to) in names(from).zip(names(to)) {
        if is_there(&from)? {
            link_or_copy(&from, &to)?;
        }
    }
    Ok(())
}

/// Takes the second names away again.
fn forget(aside: &Path) {
    for path in names(aside) {
        drop(fs::remove_file(path));
    }
}

/// Gives the place the side files of what is there now, and no others.
fn follow(candidate: &Path, live: &Path) -> Result<(), EngineError> {
    for suffix in SIDE_FILES {
        let (from, to) = (beside(candidate, suffix), beside(live, suffix));
        if is_there(&from)? {
            keep_owner(live, &from)?;
            fs::rename(&from, &to).on("rename to", &to)?;
            if is_there(&from)? {
                // Both were names of one file, which rename(2) leaves as they are.
                fs::remove_file(&from).on("remove", &from)?;
            }
        } else if is_there(&to)? {
            fs::remove_file(&to).on("remove", &to)?;
        }
    }
    Ok(())
}

/// Undoes a swap: everything of the new goes back to the candidate's names, and of the old to its own.
fn go_back(candidate: &Path, live: &Path, aside: &Path) -> Result<(), EngineError> {
    // The new content first gets its names back: in an undo it is the only copy of what was set aside.
    link_or_copy(live, candidate)?;
    for suffix in SIDE_FILES {
        let (now, new, old) = (beside(live, suffix), beside(candidate, suffix), beside(aside, suffix));
        let is_new = is_there(&now)?
            && !(is_there(&old)? && crate::platform::files::is_same_file(&now, &old).is_ok_and(|same| same));
        if is_new && !is_there(&new)? {
            link_or_copy(&now, &new)?;
        }
    }
    fs::rename(aside, live).on("put back", live)?;
    for suffix in SIDE_FILES {
        let (now, old) = (beside(live, suffix), beside(aside, suffix));
        if is_there(&old)? {
            fs::rename(&old, &now).on("put back", &now)?;
        } else if is_there(&now)? {
            fs::remove_file(&now).on("remove", &now)?;
        }
    }
    Ok(sync_folder_of(live)?)
}

/// Nothing is at the place: what an earlier database left there is moved away first, then the new one comes, its side files
/// before it: without a main file they are nothing.
fn place_where_nothing_is(candidate: &Path, live: &Path, aside: &Path) -> Result<Swapped, EngineError> {
    must_be_left(live)?;
    let mut warnings = Vec::new();
    for suffix in SIDE_FILES {
        let (stale, kept) = (beside(live, suffix), beside(aside, suffix));
        if is_there(&stale)? {
            rename_new(&stale, &kept)?;
            warnings.push(format!(
                "{}, left by a database that is gone, is kept as {}",
                stale.display(),
                kept.display()
            ));
        }
    }
    for (from, to) in names(candidate).zip(names(live)) {
        if is_there(&from)? {
            rename_new(&from, &to)?;
        }
    }
    sync_folder_of(live)?;
    Ok(Swapped { warnings, ..Swapped::new(None, "rename") })
}
