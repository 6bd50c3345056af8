//! Removing one backup, and what dead runs left. There is no way to remove more than one at a time.
#![expect(clippy::disallowed_methods, reason = "the store writes to its folder")]

use super::{durable, listing, staging};
use crate::{
    fault::{Fault, OnPath},
    platform::files,
    store::{
        BackupId, StoreError,
        layout::{OWNER_FILE, POLICIES_FOLDER, Passing, RECORDS_FOLDER, Series},
    },
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Removes one backup whose manifest can be relied on.
pub(super) fn remove(root: &Path, series_folder: &Path, id: &BackupId) -> Result<(), StoreError> {
    refuse_links(root, &id.series)?;
    // A folder without a manifest, or with one that says something else, may be all that is left of something.
    listing::read_manifest(series_folder, id).map_err(|why| why.of(id))?;
    let dated = series_folder.join(id.stamp.to_string());
    let random = durable::random().on("name a folder in", series_folder)?;
    let pruning = series_folder.join(Passing::Pruning.name(id.stamp, std::process::id(), random));
    // 1. In one step it stops being a backup, whole as it is: a kill before this leaves the backup, one after it leaves
    //    a folder that the next sweep removes. No reader ever sees a backup with half of its files.
    files::rename_new(&dated, &pruning).on("remove", &dated)?;
    // 2. That is durable before anything is taken out of it: after a crash the old name must not come back in front of
    //    a folder that has lost files.
    files::sync_folder(series_folder).on("make durable", series_folder)?;
    // 3. The manifest first, then the data.
    staging::remove_passing(&pruning)?;
    Ok(files::sync_folder(series_folder).on("make durable", series_folder)?)
}

/// Removes what dead runs left in a series. Returns the names removed.
pub(super) fn sweep(root: &Path, series_folder: &Path, series: &Series) -> Result<Vec<String>, StoreError> {
    refuse_links(root, series)?;
    let mut removed = Vec::new();
    for name in durable::names(series_folder)? {
        // Only exactly our own names; no dated folder parses as one.
        let Some((kind, _)) = Passing::parse(&name) else { continue };
        let path = series_folder.join(&name);
        match fs::symlink_metadata(&path) {
            Ok(seen) if seen.is_dir() => {}
            Ok(_) => continue,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e).on("look at", &path)?,
        }
        let was_removed = match kind {
            // It was condemned by a run that held the lock; whoever finishes the work does what that run wanted.
            Passing::Pruning => staging::remove_passing(&path).map(|()| true)?,
            Passing::Staging => sweep_staging(&path)?,
        };
        if was_removed {
            removed.push(name);
        }
    }
    let policies = root.join(&series.policy).join(POLICIES_FOLDER);
    for folder in [&series_folder.join(RECORDS_FOLDER), &policies, root] {
        removed.extend(durable::sweep_temporaries(folder)?);
    }
    Ok(removed)
}

/// Removes a temporary folder if its maker is dead.
fn sweep_staging(path: &Path) -> Result<bool, Fault> {
    match durable::take_over(&path.join(OWNER_FILE))? {
        durable::Owner::Alive => Ok(false),
        // Held while removing. Should its maker have published it since the look, there is nothing of this name.
        durable::Owner::Dead(_held) => staging::remove_passing(path).map(|()| true),
        // The locked file is the first to come and the last to go: without it the folder is empty. If it is not, it has
        // come this moment, and its maker lives.
        durable::Owner::Gone => match fs::remove_dir(path) {
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
            result => durable::remove_if_there(path, result),
        },
    }
}

/// Refuses to remove anything through a link: what lies behind it may be no part of the store.
fn refuse_links(root: &Path, series: &Series) -> Result<(), Fault> {
    let mut path: PathBuf = root.to_owned();
    for name in [&series.policy, &series.job, &series.target] {
        path.push(name);
        match fs::symlink_metadata(&path) {
            Ok(seen) if seen.is_dir() => {}
            Ok(_) => return staging::invalid("remove anything in", &path, "it is a link, not a folder"),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e).on("look at", &path),
        }
    }
    Ok(())
}
