//! What SQLite keeps beside a database.

#![expect(clippy::disallowed_methods, reason = "an engine removes its temporary files")]

use super::{
    super::{
        EngineError,
        files::{beside, length},
    },
    open::SIDE_FILES,
};
use crate::fault::Fault;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A temporary database, removed with its side files when it is dropped.
pub(super) struct Temporary(PathBuf);

impl Temporary {
    /// Names a file below a private folder; it does not create it.
    pub(super) fn new(folder: &Path, name: &str) -> Self {
        Self(folder.join(name))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What stays after an error here lies in the run's private folder, which the run removes.
        for path in SIDE_FILES.iter().map(|suffix| beside(&self.0, suffix)).chain([self.0.clone()]) {
            drop(fs::remove_file(path));
        }
    }
}

/// The logs and journals beside a place that SQLite would replay into what is put there: the restored database would
/// silently show other data, and `integrity_check` would find nothing wrong.
///
/// A left-over index of a log (`-shm`) is none of them: without a log the first to open the database makes it anew.
pub(super) fn left_overs(place: &Path) -> Result<Vec<PathBuf>, Fault> {
    let mut found = Vec::new();
    for suffix in SIDE_FILES.into_iter().filter(|suffix| *suffix != "-shm") {
        let side = beside(place, suffix);
        if length(&side)?.is_some_and(|length| length > 0) {
            found.push(side);
        }
    }
    Ok(found)
}

/// Refuses a place beside which something would be replayed; see [`left_overs`].
pub(super) fn refuse_left_overs(place: &Path) -> Result<(), EngineError> {
    match left_overs(place)?.first() {
        None => Ok(()),
        Some(side) => Err(EngineError::Refused(format!(
            "{} belongs to another database and would be replayed into {}: move it away",
            side.display(),
            place.display()
        ))),
    }
}
