//! Files and folders that are either wholly there after a crash or not at all.
#![expect(clippy::disallowed_methods, reason = "the store writes to its folder")]

use super::super::layout;
use crate::fault::{Fault, OnPath};
use crate::platform::files;
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// A number nobody can guess or meet by chance.
pub(super) fn random() -> io::Result<u64> {
    getrandom::u64().map_err(io::Error::from)
}

/// Makes a folder and those above it up to an existing one, each durable in its parent.
pub(super) fn make_folders(path: &Path) -> Result<(), Fault> {
    match files::make_private_folder(path) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let Some(parent) = path.parent() else { return Err(e).on("create the folder", path) };
            make_folders(parent)?;
            // Another process may have made it meanwhile: as good.
            match files::make_private_folder(path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                result => result.on("create the folder", path)?,
            }
        }
        Err(e)
            if e.kind() == io::ErrorKind::AlreadyExists && fs::metadata(path).is_ok_and(|m| m.is_dir()) =>
        {
            return Ok(());
        }
        Err(e) => return Err(e).on("create the folder", path),
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    files::sync_folder(parent).on("make durable", parent)
}

/// Makes a new private file and locks it, which tells sweepers that its maker lives.
///
/// A sweeper that came between making and locking has removed it: then this returns `None`, and nothing was lost.
pub(super) fn claim(path: &Path) -> io::Result<Option<File>> {
    let file = files::new_private_file().open(path)?;
    if file.try_lock().is_err() {
        return Ok(None); // a sweeper has it, who will remove it
    }
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes a whole new file: under a temporary name, durable, then renamed to its own, durable in its folder.
///
/// # Errors
/// A fault of kind `AlreadyExists` when the name is taken; what is there stays as it is. After any error the new file
/// is not there, or (when only the folder could not be made durable) whole.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // The usual case for what is kept once; the rename below decides where two come at once.
    if fs::symlink_metadata(path).is_ok() {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists)).on("create", path);
    }
    loop {
        let name = layout::temporary_name(std::process::id(), random().on("name a file in", folder)?);
        let temporary = folder.join(name);
        let Some(mut file) = claim(&temporary).on("create", &temporary)? else { continue };
        let written = file.write_all(bytes).and_then(|()| file.sync_all()).on("write", &temporary);
        // The lock is held past the rename, so that no sweeper takes the file for a dead one's. Windows renames no open
        // file; should a sweeper come between there, the rename fails and says so.
        let _alive = if cfg!(windows) {
            drop(file);
            None
        } else {
            Some(file)
        };
        let named = written.and_then(|()| files::rename_new(&temporary, path).on("create", path));
        if named.is_err() {
            // Only a temporary file is left, which a sweep finds; the error to tell is the first one.
            let _ = fs::remove_file(&temporary);
        }
        named?;
        return files::sync_folder(folder).on("make durable", folder);
    }
}

/// Removes temporary files that dead processes left in a folder. Returns their names.
pub(super) fn sweep_temporaries(folder: &Path) -> Result<Vec<String>, Fault> {
    let mut removed = Vec::new();
    for name in names(folder)?.into_iter().filter(|name| layout::is_temporary(name)) {
        let path = folder.join(&name);
        // Held until it is removed: its maker, if it only just made it, then sees that it lost it.
        let Owner::Dead(_held) = take_over(&path)? else { continue };
        if remove_if_there(&path, fs::remove_file(&path))? {
            removed.push(name);
        }
    }
    Ok(removed)
}

/// What became of the maker of a locked file.
pub(super) enum Owner {
    /// It lives, or the file is none of ours.
    Alive,
    /// It is dead; the lock is now held by us.
    Dead(File),
    /// There is no such file.
    Gone,
}

/// Takes the lock of a file whose maker is dead.
pub(super) fn take_over(path: &Path) -> Result<Owner, Fault> {
    match fs::symlink_metadata(path) {
        Ok(seen) if seen.is_file() => {}
        Ok(_) => return Ok(Owner::Alive),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Owner::Gone),
        Err(e) => return Err(e).on("look at", path),
    }
    match File::options().read(true).write(true).open(path) {
        Ok(file) => Ok(if file.try_lock().is_ok() { Owner::Dead(file) } else { Owner::Alive }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Owner::Gone),
        Err(e) => Err(e).on("open", path),
    }
}

/// Passes a removal's result on, `false` when somebody else was first.
pub(super) fn remove_if_there(path: &Path, removed: io::Result<()>) -> Result<bool, Fault> {
    match removed {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e).on("remove", path),
    }
}

/// The names in a folder in order; none when it does not exist. Names that are no UTF-8 are nothing of ours.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, Fault> {
    Ok(all_names(folder)?.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

/// All names in a folder in order; none when it does not exist.
pub(super) fn all_names(folder: &Path) -> Result<Vec<OsString>, Fault> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.on("list", folder)?,
    };
    // An entry that cannot be read could be a backup: half a list would be taken for the whole.
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<Vec<_>, _>>()
        .on("list", folder)?;
    names.sort();
    Ok(names)
}
