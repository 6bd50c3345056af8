//! Private folders for temporary copies, which disappear with the run, or with the next one after a kill.
#![expect(clippy::disallowed_methods, reason = "scratch folders are files of this host")]

use crate::{
    fault::{Fault, OnPath},
    platform::files,
};
use std::{
    fs::{self, File},
    path::Path,
};

const PREFIX: &str = "policy-scratch-";
const OWNER: &str = ".owner";

/// A private folder; dropping it removes it.
#[derive(Debug)]
pub struct Scratch {
    folder: tempfile::TempDir,
    // Held by the kernel while this process lives: tells a sweep that the folder is in use.
    _owner: File,
}

impl Scratch {
    /// Makes one below `base`.
    pub fn new(base: &Path) -> Result<Self, Fault> {
        const TRIES: usize = 5;
        create_private_folder(base)?;
        sweep(base);
        // The sweep of another run may take the folder between two of the steps that make it: then it is made again.
        let mut made = Self::make(base);
        for _ in 1..TRIES {
            if made.is_ok() {
                break;
            }
            made = Self::make(base);
        }
        made
    }

    fn make(base: &Path) -> Result<Self, Fault> {
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(base)
            .on("create a scratch folder in", base)?;
        let path = folder.path().join(OWNER);
        // It is locked before it has its name, so that no sweep takes it for a dead run's.
        let made = tempfile::NamedTempFile::new_in(folder.path()).on("create", &path)?;
        made.as_file().try_lock().map_err(std::io::Error::from).on("lock", &path)?;
        let owner = made.persist_noclobber(&path).map_err(|error| error.error).on("create", &path)?;
        Ok(Self { folder, _owner: owner })
    }

    /// Its place.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Makes a folder and its parents, the last one readable by its owner alone. One that is there stays as it is: it may be
/// everybody's, as a `scratch` in `/var/tmp`.
pub fn create_private_folder(folder: &Path) -> Result<(), Fault> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).on("create the folder", parent)?;
    }
    match files::make_private_folder(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.on("create the folder", folder),
    }
}

/// Removes the scratch folders of dead runs below `base`: those of our naming whose owner's lock is free.
///
/// One that was killed while it was being made has no owner's file yet: nothing in it is locked then either.
pub fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) && is_abandoned(&entry.path()) {
            // What cannot be removed now is found again by the next sweep.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_abandoned(folder: &Path) -> bool {
    let is_free = |path: &Path| File::open(path).is_ok_and(|file| file.try_lock().is_ok());
    let owner = folder.join(OWNER);
    if fs::symlink_metadata(&owner).is_ok() {
        return is_free(&owner);
    }
    fs::read_dir(folder).is_ok_and(|entries| entries.flatten().all(|entry| is_free(&entry.path())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_takes_what_dead_runs_left_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let alive = Scratch::new(base.path()).unwrap();
        let dead = base.path().join(format!("{PREFIX}dead"));
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(OWNER), "").unwrap();
        let unborn = base.path().join(format!("{PREFIX}unborn"));
        fs::create_dir(&unborn).unwrap();
        let foreign = base.path().join("somebody-elses");
        fs::create_dir(&foreign).unwrap();
        sweep(base.path());
        assert!(alive.path().exists() && foreign.exists());
        assert!(!dead.exists() && !unborn.exists());
        let path = alive.path().to_owned();
        drop(alive);
        assert!(!path.exists());
    }
}
