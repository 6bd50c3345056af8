//! Entries that are files: written whole or not at all, and only over what is ours.
#![expect(clippy::disallowed_methods, reason = "writes the files of entries")]

use super::{InstallError, marker};
use crate::{
    fault::{Fault, OnPath},
    platform::whole::{self, Readers},
    schedule::{entry::Backend, render::File},
};
use std::{fs, io, path::Path};

/// Fails where something is at a path that is not ours. Nothing there is fine, and so is a file with our mark.
pub(super) fn refuse_foreign(backend: Backend, path: &Path) -> Result<(), InstallError> {
    let foreign = || InstallError::Foreign { place: path.display().to_string() };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).on("look at", path).map_err(Into::into),
        // A link may lead to what somebody else keeps: it is followed neither to write nor to remove.
        Ok(seen) if !seen.is_file() => Err(foreign()),
        Ok(_) => match marker::stated(backend, &fs::read(path).on("read", path)?) {
            Some(_) => Ok(()),
            None => Err(foreign()),
        },
    }
}

/// Writes a file that everybody may read and its owner alone may write, and the folder where it is missing.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).on("create the folder", folder)?;
    // A kill leaves what was there or what is new: never a part, which a scheduler would read.
    whole::replace(path, bytes, Readers::Everybody)
}

/// Reads a file; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => bytes.on("read", path).map(Some),
    }
}

/// Removes a file, or a link, if it is there; whether it was.
pub(super) fn remove(path: &Path) -> Result<bool, Fault> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).on("remove", path),
    }
}

/// The names in a folder, in order; none where there is no folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, Fault> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.on("list", folder)?,
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>();
    // A name that is no UTF-8 is nothing of ours.
    let mut names: Vec<String> =
        names.on("list", folder)?.into_iter().filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Fails where files do not read as they were written.
pub(super) fn read_back(folder: &Path, written: &[File]) -> Result<(), InstallError> {
    for file in written {
        let path = folder.join(&file.name);
        if read(&path)?.as_ref() != Some(&file.bytes) {
            return Err(InstallError::Unlike { place: path.display().to_string(), kept: None });
        }
    }
    Ok(())
}
