//! Putting back what a swap set aside: also what is no database, or comes with a log of its own.
//!
//! The copy keeps its name, with all its side files, until its content is durable at the place: a kill at any moment leaves
//! it whole, and a database is never parted from its log.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{
        EngineError, Holds, Swapped,
        files::{beside, is_there, keep_owner, length, link_or_copy, resolved, sync, sync_folder_of},
        place,
    },
    Sqlite,
    alone::{self, Locked, remove_inert_side_files},
    files::left_overs,
    holders,
    open::{self, Database, Header, SIDE_FILES},
    swap::{self, Places},
};
use crate::{fault::OnPath, watch::Watch};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Puts back; see [`super::AtPath::put_back`].
pub(super) fn put_back(
    engine: &Sqlite,
    places: Places<'_>,
    watch: &Watch<'_>,
) -> Result<Swapped, EngineError> {
    let old = places.candidate;
    let is_database = match Header::read(old) {
        Ok(_) => true,
        Err(EngineError::Foreign { .. } | EngineError::Empty { .. }) => false,
        Err(error) => return Err(error),
    };
    let has_log = !left_overs(old)?.is_empty();
    if has_log {
        let holders = holders(old);
        if !holders.is_empty() {
            let why = "it has a log of its own, which is still written";
            return Err(EngineError::InUse { path: old.to_owned(), holders, why });
        }
    }
    // One file that is a database by its header goes the ordinary way, into one that others have open too.
    let swapped = match (is_database, has_log) {
        (true, false) => swap::swap(engine, places, watch)?,
        (true, true) => match folded(places)? {
            Some(folded) => swap::swap(engine, Places { candidate: &folded, ..places }, watch)?,
            None => as_bytes(engine, places, watch)?,
        },
        (false, _) => as_bytes(engine, places, watch)?,
    };
    Ok(forget(old, swapped))
}

/// Makes one file of a copy and its log, as the first to open it would; `None` when SQLite cannot.
fn folded(places: Places<'_>) -> Result<Option<PathBuf>, EngineError> {
    let copy = duplicate(places, &["", "-wal", "-journal"])?;
    let folded = Database::writing(&copy).and_then(|database| {
        database.connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")?;
        database.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
    });
    match folded {
        Ok(()) => {}
        Err(error) if open::is_damage(&error) => return Ok(None),
        Err(error) => return Err(open::library("recover", &copy, &error)),
    }
    remove_inert_side_files(&copy)?;
    Ok(Some(copy))
}

/// Copies what was set aside to the spare folder, with these of its files.
fn duplicate(places: Places<'_>, suffixes: &[&str]) -> Result<PathBuf, EngineError> {
    let old = places.candidate;
    let copy = (places.spare)()?.join(old.file_name().unwrap_or_default());
    // The log is replayed into what bears its name: one of an earlier try must not be.
    for suffix in SIDE_FILES {
        let stale = beside(&copy, suffix);
        if is_there(&stale)? {
            fs::remove_file(&stale).on("remove", &stale)?;
        }
    }
    for (from, to) in suffixes.iter().map(|suffix| (beside(old, suffix), beside(&copy, suffix))) {
        if is_there(&from)? {
            fs::copy(&from, &to).on("copy to", &to)?;
        }
    }
    keep_owner(old, &copy)?;
    Ok(copy)
}

/// The file and its side files by rename alone, which needs the place without anybody in it.
fn as_bytes(engine: &Sqlite, places: Places<'_>, watch: &Watch<'_>) -> Result<Swapped, EngineError> {
    let Places { candidate: old, live, aside, .. } = places;
    swap::must_be_free(aside)?;
    place::check(live, place::Shape::File)?;
    let sides: Vec<_> = SIDE_FILES
        .iter()
        .map(|suffix| is_there(&beside(old, suffix)).map(|there| there.then_some(*suffix)))
        .filter_map(Result::transpose)
        .collect::<Result<_, _>>()?;
    // With side files it goes as a copy, so that they are parted at no moment.
    let copy = if sides.is_empty() { None } else { Some(duplicate(places, &[""])?) };
    let candidate = copy.as_deref().unwrap_or(old);
    sync(candidate)?;
    let places = Places { candidate, ..places };
    let swapped = if is_there(live)? {
        let live = &resolved(live)?;
        let places = Places { live, ..places };
        let in_use = || {
            let why = "what was set aside can only be put back as files";
            Err(EngineError::InUse { path: live.clone(), holders: holders(live), why })
        };
        if !holders(live).is_empty() {
            return in_use();
        }
        match alone::lock(live, watch)? {
            Locked::Ours(database) => swap::replace(engine, places, database, watch)?,
            Locked::Held => return in_use(),
            Locked::Unopenable => swap::replace_unopenable(places)?,
        }
    } else {
        swap::place_where_nothing_is(places)?
    };
    // Only now its side files: beside what was there before, its log would have been replayed into that.
    let real = resolved(live)?;
    let followed = sides
        .iter()
        .try_for_each(|suffix| link_or_copy(&beside(old, suffix), &beside(&real, suffix)))
        .and_then(|()| Ok(sync_folder_of(&real)?));
    match followed {
        Ok(()) => Ok(swapped),
        Err(error) => Err(EngineError::Unsettled {
            place: real,
            holds: Holds::New,
            aside: swapped.aside,
            source: Box::new(EngineError::Refused(format!("{error}; {} keeps its log", old.display()))),
        }),
    }
}

/// Takes away the name of a copy whose content is at its place now: it was moved, not copied.
fn forget(old: &Path, swapped: Swapped) -> Swapped {
    // One that was not looked at again at its place is kept.
    let is_proven = swapped.method == "rename" || swapped.warnings.is_empty();
    let names: Vec<_> = ["", "-wal", "-journal", "-shm"].iter().map(|suffix| beside(old, suffix)).collect();
    let mut warnings = swapped.warnings;
    // The main file first: without its log it would look like a copy, and hold something else.
    for name in names.iter().filter(|name| is_proven && length(name).is_ok_and(|length| length.is_some())) {
        if let Err(error) = fs::remove_file(name) {
            warnings.push(format!("{} was put back, and is still there: {error}", name.display()));
            break;
        }
    }
    Swapped { warnings, ..swapped }
}

/// What is wrong with a copy that was set aside; see [`super::AtPath::flaw`].
pub(super) fn flaw(old: &Path, watch: &Watch<'_>) -> Result<Option<String>, EngineError> {
    let unsound = |why: &str| Ok(Some(format!("is no sound database: {why}")));
    match Header::read(old) {
        Ok(_) => {}
        Err(EngineError::Empty { .. }) => return unsound("it is empty"),
        Err(EngineError::Foreign { found, .. }) => return unsound(&format!("it is {found}")),
        Err(error) => return Ok(Some(format!("cannot be judged: {error}"))),
    }
    if !left_overs(old)?.is_empty() {
        // Reading the log would change files beside the copy.
        return Ok(Some("has a log of its own, which goes back with it; it was not examined".to_owned()));
    }
    match Database::still(old).map(|copy| copy.is_structurally_sound(watch)) {
        Ok(Ok(true)) => Ok(None),
        Ok(Ok(false)) => unsound("quick_check finds damage"),
        Ok(Err(error @ EngineError::Stopped(_))) => Err(error),
        Ok(Err(error)) => Ok(Some(format!("cannot be judged: {error}"))),
        Err(error) if open::is_damage(&error) => unsound(&error.to_string()),
        Err(error) => Ok(Some(format!("cannot be judged: {error}"))),
    }
}
