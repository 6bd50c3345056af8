//! A store in a folder of this host or of a mounted one.
//!
//! Reading needs the folder alone, so that a store whose id file was lost still gives its backups back; writing and
//! removing need the id file.
#![expect(clippy::disallowed_methods, reason = "the store is a folder")]

mod durable;
mod listing;
mod removal;
mod staging;
#[cfg(test)]
mod tests;

use super::{
    BackupId, Listing, Manifest, Record, Series, Staging, Stamp, Store, StoreError,
    layout::{self, LOCK_FILE, POLICIES_FOLDER, README_FILE, STORE_FILE},
    lock::{self, HolderNote, LockError},
};
use crate::fault::{Fault, OnPath};
use crate::platform::files;
use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};
use staging::{LocalStaging, invalid};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The format of a store that this program writes, and the newest it reads.
const FORMAT: u32 = 1;

const README: &str = include_str!("local/README.txt");

/// What systems put into a fresh filesystem by themselves: a folder with nothing else in it is empty.
const NOBODYS: [&str; 8] = [
    "lost+found",
    ".DS_Store",
    ".Spotlight-V100",
    ".Trashes",
    ".fseventsd",
    "System Volume Information",
    "$RECYCLE.BIN",
    "desktop.ini",
];

/// A folder that keeps backups.
#[derive(Debug, Clone)]
pub struct LocalStore {
    name: String,
    root: PathBuf,
    require_mount: bool,
}

/// What stands in `policy-store.json`.
#[derive(Debug, Serialize, Deserialize)]
struct StoreFile {
    format: u32,
    id: String,
    created: DateTime<Utc>,
}

/// What a folder's id file says.
enum Identity {
    /// There is no store yet: no folder, or one with nothing in it.
    None,
    /// The id of the store.
    Known(String),
    /// There is something in the folder and no id that can be read: a store that lost its id file, or no store; with why.
    Lost(String),
}

impl LocalStore {
    /// Means a folder, without looking at it. With `require_mount` nothing is done unless it is a mount point.
    pub fn new(name: &str, root: PathBuf, require_mount: bool) -> Self {
        Self { name: name.to_owned(), root, require_mount }
    }

    /// The store's name in its policy.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the folder is there; fails when it is not what it should be.
    fn is_there(&self) -> Result<bool, StoreError> {
        match fs::metadata(&self.root) {
            Ok(seen) if seen.is_dir() => {
                let mounted =
                    !self.require_mount || files::is_mount_point(&self.root).on("look at", &self.root)?;
                if mounted { Ok(true) } else { Err(StoreError::NotMounted(self.place())) }
            }
            Ok(_) => Err(self.foreign("it is not a folder")),
            Err(e) if e.kind() == io::ErrorKind::NotFound && self.require_mount => {
                Err(StoreError::NotMounted(self.place()))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e).on("look at", &self.root)?,
        }
    }

    fn foreign(&self, why: &str) -> StoreError {
        StoreError::Foreign { place: self.place(), why: why.to_owned() }
    }

    fn absent(&self) -> StoreError {
        StoreError::Absent(self.place())
    }

    /// The folder of a series, for reading.
    fn folder(&self, series: &Series) -> Result<PathBuf, StoreError> {
        if !self.is_there()? {
            return Err(self.absent());
        }
        let path = self.root.join(&series.policy).join(&series.job).join(&series.target);
        if series.is_valid() {
            Ok(path)
        } else {
            invalid("use", &self.root, &format!("`{series}` is no series"))?
        }
    }

    /// The folder of a series, for writing: only in a store, never in a folder that merely exists.
    fn own_folder(&self, series: &Series) -> Result<PathBuf, StoreError> {
        self.id()?.ok_or_else(|| self.absent())?;
        self.folder(series)
    }

    /// The path of a data file of a published backup.
    fn file(&self, id: &BackupId, file: &str) -> Result<PathBuf, StoreError> {
        let path = self.folder(&id.series)?.join(id.stamp.to_string()).join(file);
        if layout::is_data_name(file) {
            Ok(path)
        } else {
            invalid("use the name", &path, "no name of a data file")?
        }
    }

    /// What the id file says of the folder. An id file of a newer format is an error: its store is not to be touched.
    fn identity(&self) -> Result<Identity, StoreError> {
        if !self.is_there()? {
            return Ok(Identity::None);
        }
        let path = self.root.join(STORE_FILE);
        let bytes = match listing::read_own(&path) {
            Err(fault) if fault.source.kind() == io::ErrorKind::NotFound => {
                let names = durable::names(&self.root)?;
                let ours = |name: &&String| NOBODYS.contains(&name.as_str()) || layout::is_temporary(name);
                match names.iter().find(|name| !ours(name)) {
                    None => return Ok(Identity::None),
                    // Another process made the store since the look at its file.
                    Some(_) if names.iter().any(|name| name == STORE_FILE) => listing::read_own(&path)?,
                    Some(other) => {
                        return Ok(Identity::Lost(format!("it holds `{other}` and no {STORE_FILE}")));
                    }
                }
            }
            result => result?,
        };
        let lost = |why: &str| Ok(Identity::Lost(format!("its {STORE_FILE} cannot be read: {why}")));
        let value: serde_json::Value = match serde_json::from_slice(&bytes) {
            Ok(value) => value,
            Err(error) => return lost(&error.to_string()),
        };
        // Before anything else in it: other formats may have other fields.
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format != u64::from(FORMAT) => {
                return Err(StoreError::Newer { place: self.place(), format, known: FORMAT });
            }
            _ => {}
        }
        match serde_json::from_value::<StoreFile>(value) {
            Err(error) => lost(&error.to_string()),
            Ok(file) if file.id.is_empty() => lost("the id is empty"),
            Ok(file) => Ok(Identity::Known(file.id)),
        }
    }

    /// Whether the folder holds a backup whose manifest can be relied on, of whatever policy.
    ///
    /// # Errors
    /// Fails when a folder cannot be read.
    pub fn holds_backups(&self) -> Result<bool, StoreError> {
        for series in self.series()? {
            if !self.list(&series)?.backups.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes a new id file, and the README beside it.
    fn write_id(&self) -> Result<String, StoreError> {
        durable::make_folders(&self.root)?;
        let path = self.root.join(STORE_FILE);
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(io::Error::from).on("choose an id for", &path)?;
        #[expect(clippy::disallowed_methods, reason = "the real clock: a note for people")]
        let created = Utc::now().trunc_subsecs(0);
        let file = StoreFile { format: FORMAT, id: hex::encode(random), created };
        let mut text = serde_json::to_string_pretty(&file).map_err(io::Error::from).on("write", &path)?;
        text.push('\n');
        // Where two processes make the same store, the first rename decides and both go on with its id.
        match durable::write_new(&path, text.as_bytes()) {
            Err(fault) if fault.source.kind() == io::ErrorKind::AlreadyExists => {}
            result => result?,
        }
        self.write_readme()?;
        self.id()?.ok_or_else(|| self.absent())
    }

    fn write_readme(&self) -> Result<(), Fault> {
        match durable::write_new(&self.root.join(README_FILE), README.as_bytes()) {
            Err(fault) if fault.source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    }
}

impl Store for LocalStore {
    fn id(&self) -> Result<Option<String>, StoreError> {
        match self.identity()? {
            Identity::None => Ok(None),
            Identity::Known(id) => Ok(Some(id)),
            Identity::Lost(why) => Err(self.foreign(&why)),
        }
    }

    fn create(&self) -> Result<String, StoreError> {
        if let Some(id) = self.id()? {
            // A kill may have come between id file and README. On a full or read-only disk that must not stop anybody.
            let _ = self.write_readme();
            return Ok(id);
        }
        self.write_id()
    }

    fn create_anew(&self) -> Result<String, StoreError> {
        let Identity::Lost(why) = self.identity()? else { return self.create() };
        if !self.holds_backups()? {
            return Err(self.foreign(&format!("{why}, and no backup")));
        }
        // What is left of the old id file is none: nobody can have used the store by it. A kill behind this leaves a store
        // without an id file, which is what it was before.
        let path = self.root.join(STORE_FILE);
        durable::remove_if_there(&path, fs::remove_file(&path))?;
        self.write_id()
    }

    fn series(&self) -> Result<Vec<Series>, StoreError> {
        if !self.is_there()? {
            return Err(self.absent());
        }
        let mut series = Vec::new();
        for policy in folders(&self.root)? {
            for job in folders(&self.root.join(&policy))? {
                for target in folders(&self.root.join(&policy).join(&job))? {
                    series.extend(Series::new(&policy, &job, &target));
                }
            }
        }
        series.sort();
        Ok(series)
    }

    fn list(&self, series: &Series) -> Result<Listing, StoreError> {
        listing::list(&self.folder(series)?, series)
    }

    fn stage(&self, series: &Series, stamp: Stamp) -> Result<Box<dyn Staging>, StoreError> {
        let folder = self.own_folder(series)?;
        durable::make_folders(&folder)?;
        // Whoever made these folders may have been killed before their names were durable: a backup published below such
        // a one could vanish with it in a power failure.
        for parent in folder.ancestors().skip(1).take(3) {
            files::sync_folder(parent).on("make durable", parent)?;
        }
        Ok(Box::new(LocalStaging::begin(series.backup(stamp), folder)?))
    }

    fn open(&self, id: &BackupId, file: &str) -> Result<Box<dyn Read + Send>, StoreError> {
        let path = self.file(id, file)?;
        // Opening a pipe would wait for a writer for ever.
        if !fs::metadata(&path).on("open", &path)?.is_file() {
            return invalid("open", &path, "it is not a file")?;
        }
        Ok(Box::new(File::open(&path).on("open", &path)?))
    }

    fn damage(&self, id: &BackupId, manifest: &Manifest) -> Result<Option<String>, StoreError> {
        Ok(listing::damage(&self.folder(&id.series)?.join(id.stamp.to_string()), manifest)?)
    }

    fn has_sums(&self, id: &BackupId, manifest: &Manifest) -> Result<bool, StoreError> {
        let path = self.folder(&id.series)?.join(id.stamp.to_string()).join(layout::SUMS_FILE);
        let expected = manifest.sums();
        let mut found = Vec::new();
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            // No more is read than would already be too much.
            opened => opened
                .on("open", &path)?
                .take(expected.len() as u64 + 1)
                .read_to_end(&mut found)
                .on("read", &path)?,
        };
        Ok(found == expected.as_bytes())
    }

    fn manifest(&self, id: &BackupId) -> Result<Manifest, StoreError> {
        listing::read_manifest(&self.folder(&id.series)?, id).map_err(|why| why.of(id))
    }

    fn remove(&self, id: &BackupId) -> Result<(), StoreError> {
        removal::remove(&self.root, &self.own_folder(&id.series)?, id)
    }

    fn record(&self, series: &Series, record: &Record) -> Result<(), StoreError> {
        listing::add_record(&self.own_folder(series)?, series, record)
    }

    fn keep_policy(&self, policy: &str, digest: &str, text: &str) -> Result<(), StoreError> {
        self.id()?.ok_or_else(|| self.absent())?;
        // A policy's name is read by the same rule as that of a series.
        if Series::new(policy, "j", "t").is_none() || !layout::is_digest(digest) {
            return invalid("keep a policy in", &self.root, &format!("`{policy}` or `{digest}` is no name"))?;
        }
        let folder = self.root.join(policy).join(POLICIES_FOLDER);
        durable::make_folders(&folder)?;
        match durable::write_new(&folder.join(format!("{digest}.yaml")), text.as_bytes()) {
            Err(fault) if fault.source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => Ok(result?),
        }
    }

    fn policy_text(&self, policy: &str, digest: &str) -> Result<Option<String>, StoreError> {
        if Series::new(policy, "j", "t").is_none() || !layout::is_digest(digest) {
            return Ok(None);
        }
        let path = self.root.join(policy).join(POLICIES_FOLDER).join(format!("{digest}.yaml"));
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            result => Ok(Some(result.on("read", &path)?)),
        }
    }

    fn sweep(&self, series: &Series) -> Result<Vec<String>, StoreError> {
        removal::sweep(&self.root, &self.own_folder(series)?, series)
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        self.is_there()?;
        // Before the first run the store is not there: the room is that of the filesystem it will be made on.
        let there = self.root.ancestors().find(|path| path.is_dir()).unwrap_or(&self.root);
        Ok(files::free_bytes(there).on("ask for the room on", there)?)
    }

    fn lock(&self, series: &Series, mode: lock::Mode) -> Result<lock::Lock, StoreError> {
        let folder = match mode {
            lock::Mode::Exclusive => {
                let folder = self.own_folder(series)?;
                durable::make_folders(&folder)?;
                folder
            }
            lock::Mode::Shared => self.folder(series)?,
        };
        lock::lock(&folder.join(LOCK_FILE), mode, &HolderNote::own()).map_err(|e| match e {
            LockError::Held(holder) => StoreError::Locked { series: series.to_string(), holder },
            LockError::Fault(fault) => fault.into(),
        })
    }

    fn place(&self) -> String {
        self.root.display().to_string()
    }
}

/// The names of the folders in a folder, in order; links to folders among them, which may be read.
fn folders(path: &Path) -> Result<Vec<String>, Fault> {
    let mut names = durable::names(path)?;
    names.retain(|name| !name.starts_with('.') && path.join(name).is_dir());
    Ok(names)
}
