//! Stored content becomes a database again: below a scratch folder to be examined, or at a place to be used.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{
        EngineError, ExamineRequest, StoredContent,
        examination::Examination,
        files::{create_private, stream, sync_folder_of},
    },
    capture::examine_file,
    files::{Temporary, refuse_left_overs},
    open::MAGIC,
};
use crate::{evidence::Evidence, fault::OnPath, watch::Watch};
use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

/// Examines stored content on a file made of it, which is a restore in all but its place.
pub(super) fn examine(
    stored: &mut StoredContent<'_>,
    request: &ExamineRequest<'_>,
    watch: &Watch<'_>,
) -> Result<Evidence, EngineError> {
    let copy = Temporary::new(request.scratch, "examine.db");
    let file = create_private(copy.path())?;
    fill(&file, copy.path(), stored, watch)?;
    drop(file);
    inspect(copy.path(), request, watch)
}

/// Examines a file made of stored content, which nobody else has open.
pub(super) fn inspect(
    place: &Path,
    request: &ExamineRequest<'_>,
    watch: &Watch<'_>,
) -> Result<Evidence, EngineError> {
    examine_file(place, &Examination::of_stored(request), watch)
}

/// Writes stored content to a new file and makes it durable. Whatever fails, nothing is left at the place.
pub(super) fn materialize(
    stored: &mut StoredContent<'_>,
    place: &Path,
    watch: &Watch<'_>,
) -> Result<(), EngineError> {
    refuse_left_overs(place)?;
    let file = create_private(place)?;
    let written = fill(&file, place, stored, watch)
        // A sync that failed is final: what it could not write may be gone from memory too.
        .and_then(|()| Ok(file.sync_all().on("sync", place)?))
        .and_then(|()| Ok(sync_folder_of(place)?));
    drop(file);
    if written.is_err() {
        drop(fs::remove_file(place));
    }
    written
}

fn fill(
    mut file: &File,
    path: &Path,
    stored: &mut StoredContent<'_>,
    watch: &Watch<'_>,
) -> Result<(), EngineError> {
    let mut head: Vec<u8> = Vec::with_capacity(MAGIC.len());
    let write = |bytes: &[u8]| {
        head.extend(bytes.iter().take(MAGIC.len() - head.len()));
        Ok(file.write_all(bytes).on("write", path)?)
    };
    stream(stored.main, write, None, watch)?;
    if head == MAGIC { Ok(()) } else { Err(EngineError::Damaged("it is no SQLite database".to_owned())) }
}
