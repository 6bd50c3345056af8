//! The files of entries, written for somebody else to install.

use super::{InstallError, files};
use crate::schedule::{
    entry::{Backend, EntryName},
    render::Rendered,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Writes the files of entries into a folder, on any system, and arms nothing; where they are.
///
/// # Errors
/// When a file is there that bears no mark of ours, and then nothing was written; or when one cannot be written.
pub fn emit(
    backend: Backend,
    folder: &Path,
    entries: &BTreeMap<EntryName, Rendered>,
) -> Result<Vec<PathBuf>, InstallError> {
    let all = || entries.values().flat_map(|rendered| &rendered.files);
    for file in all() {
        files::refuse_foreign(backend, &folder.join(&file.name))?;
    }
    let mut written = Vec::new();
    for file in all() {
        let path = folder.join(&file.name);
        files::write(&path, &file.bytes)?;
        written.push(path);
    }
    Ok(written)
}
