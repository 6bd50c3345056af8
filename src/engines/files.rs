//! Files of our own, whatever the engine: created new and private, copied, made durable.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::EngineError;
use crate::{
    fault::{Fault, OnPath},
    platform::files,
    watch::Watch,
};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The name of a file beside `path`, by its suffix.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// The length of a file; `None` when it does not exist.
pub(super) fn length(path: &Path) -> Result<Option<u64>, Fault> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).on("look at", path),
    }
}

/// Creates a file that did not exist, readable by its owner alone.
pub(super) fn create_private(path: &Path) -> Result<File, Fault> {
    files::new_private_file().open(path).on("create", path)
}

/// Makes the entries of the folder that `path` lies in durable.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), Fault> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    files::sync_folder(folder).on("sync the folder", folder)
}

/// Makes a file durable. The caller has no connection to it (see the lock trap in `sqlite::open`).
pub(super) fn sync(path: &Path) -> Result<(), Fault> {
    OpenOptions::new().read(true).write(true).open(path).and_then(|file| file.sync_all()).on("sync", path)
}

/// Hands everything from `input` on in pieces of at most 1 MiB, and returns its length.
pub(super) fn stream(
    input: &mut dyn Read,
    mut hand_on: impl FnMut(&[u8]) -> Result<(), EngineError>,
    total: Option<u64>,
    watch: &Watch<'_>,
) -> Result<u64, EngineError> {
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0_u64;
    loop {
        watch.check()?;
        let read = match input.read(&mut buffer) {
            Ok(0) => return Ok(done),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(EngineError::In(error)),
        };
        hand_on(buffer.get(..read).unwrap_or_default())?;
        done += read as u64;
        watch.tell(done, total);
    }
}

/// The file itself behind links: databases keep their side files beside that one.
pub(super) fn resolved(path: &Path) -> Result<PathBuf, Fault> {
    fs::canonicalize(path).on("resolve", path)
}

/// Whether something is there, a dangling link included.
pub(super) fn is_there(path: &Path) -> Result<bool, Fault> {
    Ok(length(path)?.is_some())
}

/// Gives a file the mode of another, and its owner where this user may: a service must be able to open what replaces
/// its database.
pub(super) fn keep_owner(of: &Path, to: &Path) -> Result<(), EngineError> {
    let metadata = fs::metadata(of).on("look at", of)?;
    fs::set_permissions(to, metadata.permissions()).on("set the mode of", to)?;
    Ok(files::give_owner(&metadata, to).on("set the owner of", to)?)
}

/// Gives a file a second name, or where that is impossible a durable copy.
pub(super) fn link_or_copy(from: &Path, to: &Path) -> Result<(), EngineError> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error).on("link to", to)?,
        Err(_) => {
            fs::copy(from, to).on("copy to", to)?;
            Ok(sync(to)?)
        }
    }
}

/// Renames to a name that must be free.
pub(super) fn rename_new(from: &Path, to: &Path) -> Result<(), EngineError> {
    Ok(files::rename_new(from, to).on("rename to", to)?)
}
