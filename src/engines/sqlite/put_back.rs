//! Putting back what a swap set aside: also what is no database, or comes with a log of its own.

use super::{
    super::{EngineError, Swapped, named, place},
    Sqlite,
    files::{is_there, refuse_left_overs, rename_new, resolved, sync, sync_folder_of},
    holders::holders,
    open::{self, Database, Header, SIDE_FILES, beside},
    swap::{self, Locked},
};
use crate::watch::Watch;
use std::path::Path;

/// Puts back; see [`super::Engine::put_back`].
pub(super) fn put_back(
    engine: &Sqlite,
    old: &Path,
    live: &Path,
    aside: &Path,
    watch: &Watch<'_>,
) -> Result<Swapped, EngineError> {
    match Header::read(old) {
        // One file, and a database by its header: the ordinary way, into one that others have open too.
        Ok(_) if refuse_left_overs(old).is_ok() => swap::swap(engine, old, live, aside, watch),
        Ok(_) | Err(EngineError::Foreign { .. } | EngineError::Empty { .. }) => {
            as_bytes(engine, old, live, aside, watch)
        }
        Err(error) => Err(error),
    }
}

/// The file and its side files by rename alone, which needs the place without anybody in it.
fn as_bytes(
    engine: &Sqlite,
    old: &Path,
    live: &Path,
    aside: &Path,
    watch: &Watch<'_>,
) -> Result<Swapped, EngineError> {
    swap::must_be_free(aside)?;
    place::check(live, place::Shape::File)?;
    sync(old)?;
    let swapped = if is_there(live)? {
        let live = resolved(live)?;
        let in_use = || {
            EngineError::Refused(format!(
                "{} is open in {}, and what was set aside can only be put back as files: stop it and undo again",
                live.display(),
                named(&holders(&live))
            ))
        };
        if !holders(&live).is_empty() {
            return Err(in_use());
        }
        match swap::lock(&live, watch)? {
            Locked::Ours(database) => swap::replace(engine, old, &live, aside, database, watch)?,
            Locked::Held => return Err(in_use()),
            Locked::Unopenable => swap::replace_unopenable(old, &live, aside)?,
        }
    } else {
        swap::place_where_nothing_is(old, live, aside)?
    };
    // Only now its side files: beside what was there before, its log would have been replayed into that. A kill in
    // between leaves them under the copy's name; all bytes are there.
    let real = resolved(live)?;
    for suffix in SIDE_FILES {
        let (from, to) = (beside(old, suffix), beside(&real, suffix));
        if is_there(&from)? {
            rename_new(&from, &to).map_err(|error| {
                EngineError::Refused(format!(
                    "{} is back at its place, but {} is not: {error}",
                    real.display(),
                    from.display()
                ))
            })?;
        }
    }
    sync_folder_of(&real)?;
    Ok(swapped)
}

/// What is wrong with a copy that was set aside; see [`super::Engine::flaw`].
pub(super) fn flaw(old: &Path, watch: &Watch<'_>) -> Result<Option<String>, EngineError> {
    let unsound = |why: &str| Ok(Some(format!("is no sound database: {why}")));
    match Header::read(old) {
        Ok(_) => {}
        Err(EngineError::Empty { .. }) => return unsound("it is empty"),
        Err(EngineError::Foreign { found, .. }) => return unsound(&format!("it is {found}")),
        Err(error) => return Ok(Some(format!("cannot be judged: {error}"))),
    }
    if refuse_left_overs(old).is_err() {
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
