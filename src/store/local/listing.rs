//! What a series holds, read from its manifests and records alone.
//!
//! Nothing here is fatal but a folder that cannot be listed: a damaged manifest or record must not hide the others.
//! That the data is there in its size is looked at, one call a file; its content is left to a verification.
#![expect(clippy::disallowed_methods, reason = "the store reads its folder")]

use super::{durable, staging::invalid};
use crate::{
    fault::{Fault, OnPath},
    store::{
        BackupId, Listing, Manifest, Record, Series, Stamp, StoreError, Stored, Unclaimed, UnclaimedKind,
        layout::{MANIFEST_FILE, Passing, RECORDS_FOLDER, is_data_name},
        manifest::Unreliable,
        record::RecordKind,
    },
};
use sha2::Digest;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// More than any manifest or record has, in bytes: what is longer is none, and is not read into memory.
const OWN_FILE_MAX: u64 = 64 << 20;

/// Lists a series, newest first.
pub(super) fn list(folder: &Path, series: &Series) -> Result<Listing, StoreError> {
    let mut listing = Listing::default();
    // The names first: a removal writes its record last, so that what is neither seen nor leaving has its record by now.
    let names = durable::names(folder)?;
    let mut records = read_records(folder, series, &mut listing.unclaimed)?;
    let leaving = names.iter().filter_map(|name| match Passing::parse(name)? {
        (Passing::Pruning, stamp) => Some(series.backup(stamp)),
        (Passing::Staging, _) => None,
    });
    listing.leaving = leaving.collect();
    for name in names.into_iter().rev().filter(|name| !name.starts_with('.')) {
        let Some(stamp) = Stamp::parse(&name) else {
            let why = "it is not named as a backup is".to_owned();
            let place = format!("{series}/{name}");
            listing.unclaimed.push(Unclaimed { place, kind: UnclaimedKind::Stray, why });
            continue;
        };
        let id = series.backup(stamp);
        let read = read_manifest(folder, &id).and_then(|manifest| {
            let dated = folder.join(&name);
            let damage = damage(&dated, &manifest)?;
            let is_gone = damage.is_some() && fs::symlink_metadata(dated).is_err();
            if is_gone { Err(NoManifest::NoFolder) } else { Ok((manifest, damage)) }
        });
        match read {
            Ok((manifest, damage)) => {
                let records = records.remove(&id).unwrap_or_default();
                listing.backups.push(Stored { id, manifest: Box::new(manifest), records, damage });
            }
            // Pruned since the folder was listed: readers take no lock.
            Err(NoManifest::NoFolder) => listing.leaving.push(id),
            Err(why) => {
                let place = id.to_string();
                let kind = match why {
                    NoManifest::Unreliable(_) | NoManifest::Fault(_) => UnclaimedKind::Unreadable(id),
                    _ => UnclaimedKind::NoManifest(id),
                };
                listing.unclaimed.push(Unclaimed { place, kind, why: why.to_string() });
            }
        }
    }
    // Names of one second sort differently as text (`Z-10` before `Z-2`).
    listing.backups.sort_by(|a, b| b.id.cmp(&a.id));
    listing.gone = records.into_values().flatten().collect();
    sort_records(&mut listing.gone);
    Ok(listing)
}

/// What of a backup's data is not there, or not in the size that its manifest says.
pub(super) fn damage(dated: &Path, manifest: &Manifest) -> Result<Option<String>, Fault> {
    for file in &manifest.files {
        let path = dated.join(&file.name);
        let why = match fs::metadata(&path) {
            _ if !is_data_name(&file.name) => "has a name that no data has",
            Ok(seen) if !seen.is_file() => "is not a file",
            Ok(seen) if seen.len() != file.bytes => {
                let (has, says) = (seen.len(), file.bytes);
                return Ok(Some(format!("`{}` has {has} bytes, its manifest says {says}", file.name)));
            }
            Ok(_) => continue,
            Err(e) if e.kind() == io::ErrorKind::NotFound => "is missing",
            // Not to be seen is not gone: whoever counts on that it is would prune by it.
            Err(e) => return Err(e).on("look at", &path),
        };
        return Ok(Some(format!("`{}` {why}", file.name)));
    }
    Ok(None)
}

/// Why a dated folder yields no manifest.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoManifest {
    #[error("it does not exist")]
    NoFolder,
    #[error("it is not a folder")]
    NotAFolder,
    #[error("it has no manifest: a backup that was never finished, or one taken apart")]
    Absent,
    #[error(transparent)]
    Unreliable(#[from] Unreliable),
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl NoManifest {
    /// The same, as the error of an operation on one backup.
    pub(super) fn of(self, id: &BackupId) -> StoreError {
        match self {
            Self::Unreliable(why) => StoreError::Unreliable { id: id.to_string(), why },
            Self::Fault(fault) => fault.into(),
            Self::NoFolder | Self::NotAFolder | Self::Absent => StoreError::NoBackup(id.to_string()),
        }
    }
}

/// Reads the manifest of one backup, and checks that it is whole, unchanged, and the one of this place.
pub(super) fn read_manifest(series_folder: &Path, id: &BackupId) -> Result<Manifest, NoManifest> {
    let folder = series_folder.join(id.stamp.to_string());
    match fs::symlink_metadata(&folder) {
        Ok(seen) if seen.is_dir() => {}
        Ok(_) => return Err(NoManifest::NotAFolder),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(NoManifest::NoFolder),
        Err(e) => return Err(e).on("look at", &folder)?,
    }
    let path = folder.join(MANIFEST_FILE);
    let bytes = match read_own(&path) {
        Err(fault) if fault.source.kind() == io::ErrorKind::NotFound => {
            // Without its folder too it was pruned this very moment.
            let there = fs::symlink_metadata(&folder).is_ok();
            return Err(if there { NoManifest::Absent } else { NoManifest::NoFolder });
        }
        result => result?,
    };
    let manifest = Manifest::read(&bytes)?;
    if manifest.id == id.to_string() { Ok(manifest) } else { Err(Unreliable::Misplaced(manifest.id).into()) }
}

/// Reads a file that the store itself wrote; a pipe or a device of its name is not opened.
pub(super) fn read_own(path: &Path) -> Result<Vec<u8>, Fault> {
    let seen = fs::symlink_metadata(path).on("read", path)?;
    if !seen.is_file() {
        return invalid("read", path, "it is not a file");
    }
    if seen.len() > OWN_FILE_MAX {
        return invalid("read", path, "it is far too large");
    }
    let mut bytes = Vec::with_capacity(usize::try_from(seen.len()).unwrap_or_default() + 1);
    File::open(path).and_then(|file| file.take(OWN_FILE_MAX).read_to_end(&mut bytes)).on("read", path)?;
    Ok(bytes)
}

/// The name of a record's file: `<time>-<kind>-<stamp>-<digest>.json`. The first 16 hex digits of the SHA-256 of its
/// bytes make the name its own, and tell when the bytes were changed.
fn record_name(record: &Record, stamp: Stamp, bytes: &[u8]) -> String {
    let kind = match record.kind {
        RecordKind::Verify => "verify",
        RecordKind::Restore => "restore",
        RecordKind::Prune => "prune",
        RecordKind::Delete => "delete",
    };
    format!("{}-{kind}-{stamp}-{}.json", Stamp::first(record.at), short_digest(bytes))
}

fn short_digest(bytes: &[u8]) -> String {
    hex::encode(sha2::Sha256::digest(bytes).get(..8).unwrap_or_default())
}

/// Adds a record. The same record twice is one.
pub(super) fn add_record(folder: &Path, series: &Series, record: &Record) -> Result<(), StoreError> {
    let records = folder.join(RECORDS_FOLDER);
    let Some(id) = BackupId::parse(&record.id).filter(|id| id.series == *series) else {
        return invalid(
            "write a record in",
            &records,
            &format!("`{}` is no backup of `{series}`", record.id),
        )?;
    };
    let mut text = match serde_json::to_string_pretty(record) {
        Ok(text) => text,
        Err(e) => return invalid("write a record in", &records, &e.to_string())?,
    };
    text.push('\n');
    durable::make_folders(&records)?;
    match durable::write_new(&records.join(record_name(record, id.stamp, text.as_bytes())), text.as_bytes()) {
        Err(fault) if fault.source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => Ok(result?),
    }
}

/// Reads the records of a series by backup, each list oldest first. One that cannot be relied on counts for nothing and
/// is reported.
fn read_records(
    folder: &Path,
    series: &Series,
    unclaimed: &mut Vec<Unclaimed>,
) -> Result<BTreeMap<BackupId, Vec<Record>>, StoreError> {
    let folder = folder.join(RECORDS_FOLDER);
    let mut records: BTreeMap<BackupId, Vec<Record>> = BTreeMap::new();
    for name in durable::names(&folder)?.into_iter().filter(|name| !name.starts_with('.')) {
        match read_record(&folder, &name, series) {
            Ok((id, record)) => records.entry(id).or_default().push(record),
            Err(why) => {
                let place = format!("{series}/{RECORDS_FOLDER}/{name}");
                unclaimed.push(Unclaimed { place, kind: UnclaimedKind::Stray, why });
            }
        }
    }
    for of_one in records.values_mut() {
        sort_records(of_one);
    }
    Ok(records)
}

fn sort_records(records: &mut [Record]) {
    // Stable: within one instant the order of names holds.
    records.sort_by_key(|record| record.at);
}

fn read_record(folder: &Path, name: &str, series: &Series) -> Result<(BackupId, Record), String> {
    let bytes = read_own(&folder.join(name)).map_err(|fault| fault.to_string())?;
    let record: Record =
        serde_json::from_slice(&bytes).map_err(|e| format!("the record cannot be read: {e}"))?;
    let id = BackupId::parse(&record.id)
        .filter(|id| id.series == *series)
        .ok_or_else(|| format!("the record is of `{}`", record.id))?;
    if name == record_name(&record, id.stamp, &bytes) {
        Ok((id, record))
    } else {
        Err("the record was changed after it was written".to_owned())
    }
}
