//! Putting a restored folder in the place of the live one.
//!
//! The order, and why no moment of it loses anything:
//! 1. Everything live that the target does not select is given a second name in the new folder (see `carry`). The live
//!    folder is only read.
//! 2. The new folder is made durable.
//! 3. The new folder is renamed to the name under which the old one is to be set aside.
//! 4. Both names change places in one step (`RENAME_EXCHANGE`). Before it `live` is wholly the old content, after it
//!    wholly the new, and in that same instant the old is where it belongs: no name that a clean-up of unfinished restores
//!    might remove ever holds it. A kill between 3 and 4 leaves the new content, a copy of the backup, at the set-aside
//!    place.
//! 5. What appeared in the old folder between 1 and 4 is carried over as well.
//!
//! Where the file system has no such exchange (some network file systems, Windows), the old folder is renamed aside and
//! the new one into its place, and back if the second fails. A kill between the two renames leaves no folder at `live`:
//! the old one stands whole at the set-aside place, the new one beside it; renaming either to `live` recovers.

use super::{
    carry::{Carrying, Conflict},
    extract::parent_and_name,
    fault,
    selection::Selection,
};
use crate::{
    engines::{EngineError, Holds, Swapped, place},
    fault::{Fault, OnPath},
    platform::{
        files::rename_new,
        folder::{Folder, exchange, settle},
    },
    watch::Watch,
};
use std::path::Path;

/// Puts `candidate` in the place of `live` and sets the old folder aside.
pub(super) fn swap(
    selection: &Selection,
    candidate: &Path,
    live: &Path,
    aside: &Path,
    watch: &Watch<'_>,
) -> Result<Swapped, EngineError> {
    watch.check()?;
    let (parent, name) = parent_and_name(live)?;
    let folder = Folder::root(parent).on("open the folder", parent)?;
    let made = Folder::root(candidate).on("open the folder", candidate)?;
    place::check(live, place::Shape::Folder)?;
    let old = match folder.meta_of(name) {
        Ok(meta) => meta,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            rename_new(candidate, live).on("rename the restored folder to", live)?;
            let Err(fault) = folder.sync().on("sync", parent) else {
                return Ok(Swapped::new(None, "rename"));
            };
            // Nothing was there, so nothing is lost on the way back.
            return Err(match rename_new(live, candidate) {
                Ok(()) => fault.into(),
                Err(_) => unsettled(fault, live, None),
            });
        }
        Err(error) => return Err(fault("look at", live, error)),
    };
    let (aside_parent, aside_name) = parent_and_name(aside)?;
    let aside_folder = Folder::root(aside_parent).on("open the folder", aside_parent)?;
    if aside_folder.meta_of(aside_name).is_ok() {
        return Err(EngineError::Refused(format!("{} exists already", aside.display())));
    }
    // Who may use the folder itself was decided for the live one, and what runs on it now depends on that.
    let restored = made.meta().on("look at", candidate)?;
    let kept = crate::platform::folder::Meta { modified: restored.modified, ..old };
    Carrying::run(selection, live, candidate, Conflict::LiveWins, watch)?;
    // A second time: what changed meanwhile comes too, and that nothing is left shows that nothing was missed.
    Carrying::run(selection, live, candidate, Conflict::LiveWins, watch)?;
    made.dress(&kept).on("set the mode and owner of", candidate)?;
    settle(&made).on("sync", candidate)?;
    made.sync().on("sync", candidate)?;
    watch.check()?;

    rename_new(candidate, aside).on("rename the restored folder to", aside)?;
    match exchange(aside, live) {
        Ok(true) => {}
        Ok(false) => {
            rename_new(aside, candidate).on("rename the restored folder back to", candidate)?;
            rename_twice(candidate, live, aside)?;
        }
        Err(error) => {
            // Nothing was exchanged: the candidate goes back to its name, and `live` was never touched.
            let _ = rename_new(aside, candidate);
            return Err(fault("put the restored folder in the place of", live, error));
        }
    }
    let synced = folder.sync().on("sync", parent).and_then(|()| aside_folder.sync().on("sync", aside_parent));
    if let Err(error) = synced {
        // What the disk holds is unknown, but both states of it are whole; an error promises that the old one is live.
        return Err(match exchange(aside, live) {
            Ok(true) => {
                let _ = rename_new(aside, candidate);
                error.into()
            }
            _ => unsettled(error, live, Some(aside)),
        });
    }
    // The swap is done and durable; a latecomer that cannot be carried is still in the folder set aside.
    let _ = Carrying::run(selection, aside, live, Conflict::NewWins, watch);
    Ok(Swapped::new(Some(aside.to_owned()), "rename"))
}

/// The restored folder is in its place, and it is not known to be durable.
fn unsettled(fault: Fault, live: &Path, aside: Option<&Path>) -> EngineError {
    EngineError::Unsettled {
        place: live.to_owned(),
        holds: Holds::New,
        aside: aside.map(Path::to_owned),
        source: Box::new(fault.into()),
    }
}

/// The way without an exchange: `live` is absent between the two renames.
fn rename_twice(candidate: &Path, live: &Path, aside: &Path) -> Result<(), EngineError> {
    rename_new(live, aside).on("set aside", live)?;
    if let Err(error) = rename_new(candidate, live) {
        rename_new(aside, live).on("put back the folder set aside to", live)?;
        return Err(fault("rename the restored folder to", live, error));
    }
    Ok(())
}
