//! The stores: where backups lie, and the only ways to add, read and remove one.
//!
//! A backup exists when its `manifest.json` stands in its folder; the folder is renamed into place with the manifest
//! in it, after everything in it was proven and is on disk. No store can delete everything: removal is one backup at a
//! time, manifest first.

pub mod layout;
pub mod local;
pub mod lock;
pub mod manifest;
pub mod record;

pub use layout::{BackupId, Series, Stamp};
pub use manifest::Manifest;
pub use record::{Record, RecordKind};

use crate::{
    fault::{Fault, OnPath},
    platform::files,
    policy::values::Level,
};
use chrono::{DateTime, Utc};
use std::io::{Read, Write};

/// A place that keeps backups.
pub trait Store {
    /// The store's id, as its id file says; `None` when there is no store at the place yet.
    fn id(&self) -> Result<Option<String>, StoreError>;

    /// Makes the store: folder (mode 0700), id file, README.txt. Nothing happens when it is there.
    fn create(&self) -> Result<String, StoreError>;

    /// As [`Store::create`], and gives a new id to a place that holds backups and has lost its id file: only where
    /// somebody said that this place is meant.
    ///
    /// # Errors
    /// A place with other content and no backup is refused, and so is a store of a newer format.
    fn create_anew(&self) -> Result<String, StoreError>;

    /// Every series (policy, job, target) that the store holds, in order.
    fn series(&self) -> Result<Vec<Series>, StoreError>;

    /// Everything of one series, newest first.
    fn list(&self, series: &Series) -> Result<Listing, StoreError>;

    /// Begins a backup: a temporary folder of this run's own, which disappears unless it is published.
    fn stage(&self, series: &Series, stamp: Stamp) -> Result<Box<dyn Staging>, StoreError>;

    /// Opens a stored file of a published backup.
    fn open(&self, id: &BackupId, file: &str) -> Result<Box<dyn Read + Send>, StoreError>;

    /// What of a published backup's data is not there, or not in the size that its manifest says; `None` when all is.
    /// Reads no content: only a verification tells whether the bytes are still those written.
    fn damage(&self, id: &BackupId, manifest: &Manifest) -> Result<Option<String>, StoreError>;

    /// Whether `SHA256SUMS` of a published backup is what its manifest says: who has nothing but stock tools relies on it.
    fn has_sums(&self, id: &BackupId, manifest: &Manifest) -> Result<bool, StoreError>;

    /// Reads the manifest of one backup again.
    fn manifest(&self, id: &BackupId) -> Result<Manifest, StoreError>;

    /// Removes one backup: it stops being one before any of its data goes. The series' lock must be held exclusively.
    ///
    /// # Errors
    /// A folder without a manifest that can be relied on is never removed.
    fn remove(&self, id: &BackupId) -> Result<(), StoreError>;

    /// Adds a record to a series.
    fn record(&self, series: &Series, record: &Record) -> Result<(), StoreError>;

    /// Keeps the text a backup was made by, once for each digest.
    fn keep_policy(&self, policy: &str, digest: &str, text: &str) -> Result<(), StoreError>;

    /// Reads a kept policy text; `None` when the store has none of that digest.
    fn policy_text(&self, policy: &str, digest: &str) -> Result<Option<String>, StoreError>;

    /// Removes what dead runs left behind in a series: only unlocked temporary folders of this program's own naming.
    /// Returns the names removed.
    fn sweep(&self, series: &Series) -> Result<Vec<String>, StoreError>;

    /// Room left, in bytes, for this user.
    fn free_bytes(&self) -> Result<u64, StoreError>;

    /// Takes the lock of a series; it ends with the process or when dropped.
    fn lock(&self, series: &Series, mode: lock::Mode) -> Result<lock::Lock, StoreError>;

    /// The place, for messages.
    fn place(&self) -> String;
}

/// Room left for this user, in bytes, on the filesystem of an existing path.
pub fn free_bytes(path: &std::path::Path) -> Result<u64, Fault> {
    files::free_bytes(path).on("ask for the room on", path)
}

/// Whether the place of a store holds another one than was last used under its name, with why. An error of looking there
/// says nothing about it, unless it is that something else lies there.
pub fn is_other(last: Option<&str>, found: &Result<Option<String>, StoreError>) -> Option<String> {
    last?;
    match found {
        Ok(found) => (found.as_deref() != last).then(String::new),
        Err(StoreError::Foreign { why, .. }) => Some(format!(" ({why})")),
        Err(_) => None,
    }
}

/// A backup being made.
pub trait Staging {
    /// The id it will bear.
    fn id(&self) -> &BackupId;

    /// Makes a file; it is durable once `sync` has returned.
    fn create(&mut self, name: &str) -> Result<Box<dyn Write + Send>, StoreError>;

    /// Makes a file durable and drops it from the page cache, so that reading it back reads the disk.
    fn sync(&mut self, name: &str) -> Result<(), StoreError>;

    /// Makes what was written of a file so far durable and drops it from the page cache, as often as it is called and on
    /// whatever thread. Where it fails the backup can no longer be published.
    fn syncer(&self, name: &str) -> Result<Syncer, StoreError>;

    /// Opens a file written before.
    fn open(&self, name: &str) -> Result<Box<dyn Read + Send>, StoreError>;

    /// Writes manifest and SHA256SUMS, makes all durable, and renames the folder into place: the commit point.
    fn publish(self: Box<Self>, manifest: Manifest) -> Result<Manifest, StoreError>;
}

/// See [`Staging::syncer`].
pub type Syncer = Box<dyn FnMut() -> std::io::Result<()> + Send>;

/// What a series holds.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Its backups, newest first.
    pub backups: Vec<Stored>,
    /// What lies there and is no backup or record that can be relied on: reported, never deleted.
    pub unclaimed: Vec<Unclaimed>,
    /// Records of backups that are no longer there, oldest first.
    pub gone: Vec<Record>,
    /// Backups that are being removed, or whose removal was killed: their records are still to come.
    pub leaving: Vec<BackupId>,
}

/// Something in a series that is no backup or record that can be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclaimed {
    /// Its path below the store.
    pub place: String,
    /// What it could have been.
    pub kind: UnclaimedKind,
    /// What is wrong with it.
    pub why: String,
}

/// What lies where a backup could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnclaimedKind {
    /// Something that is not named as a backup is, or a record.
    Stray,
    /// A dated place without a manifest, which is no backup.
    NoManifest(BackupId),
    /// A backup whose manifest or files cannot be read, or not be relied on.
    Unreadable(BackupId),
}

impl std::fmt::Display for Unclaimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.kind {
            UnclaimedKind::Stray => "is no backup",
            UnclaimedKind::NoManifest(_) => "is no backup and is skipped",
            UnclaimedKind::Unreadable(_) => "is damaged",
        };
        write!(f, "`{}` {what}: {}", self.place, self.why)
    }
}

/// A published backup with what later happened to it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its id.
    pub id: BackupId,
    /// Its manifest; boxed, as lists of thousands are sorted.
    pub manifest: Box<Manifest>,
    /// Its records, oldest first.
    pub records: Vec<Record>,
    /// What of its data was seen not to be there when it was listed.
    pub damage: Option<String>,
}

impl Stored {
    /// The level that was shown: by the verification that decides, else when it was made. None where data is lost.
    pub fn level(&self) -> Level {
        if self.damage.is_some() {
            return Level::None;
        }
        self.deciding().map_or(self.manifest.level, |record| record.level)
    }

    /// Whether it is complete and its latest verification passed the level asked of it.
    pub fn proven(&self) -> bool {
        self.damage.is_none() && self.was_proven()
    }

    /// Whether it is proven as far as manifest and records tell, be its data there or not.
    pub fn was_proven(&self) -> bool {
        let at_first = self.manifest.level >= self.manifest.asked && self.manifest.failures.is_empty();
        !self.manifest.partial && self.deciding().map_or(at_first, |record| record.passed)
    }

    /// The verification that decides: the latest that failed, or that passed the level asked of the backup.
    ///
    /// One that passed a lower level says nothing against what was shown before it, nor for what failed before it.
    /// When the verification that decides was made, else when it was made itself; by the real clock.
    pub fn verified_at(&self) -> DateTime<Utc> {
        self.deciding().map_or(self.manifest.finished_at, |record| record.at)
    }

    fn deciding(&self) -> Option<&Record> {
        let decides = |record: &&Record| !record.passed || record.level >= self.manifest.asked;
        self.records.iter().rev().filter(|record| record.kind == RecordKind::Verify).find(decides)
    }
}

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no store at the place.
    #[error("there is no store at {0}")]
    Absent(String),
    /// Another store is at the place than was last used under its name.
    #[error("the store at {0} is not the one last used")]
    NotLast(String),
    /// The place is no store of this program: foreign content, or an id file that cannot be read.
    #[error("{place} is not a store: {why}")]
    Foreign {
        /// The place.
        place: String,
        /// Why.
        why: String,
    },
    /// The store was made by a newer program.
    #[error("{place} is a store of format {format}, this program knows {known}: use a newer `policy`")]
    Newer {
        /// The place.
        place: String,
        /// Its format.
        format: u64,
        /// The newest format known here.
        known: u32,
    },
    /// The place must be a mount point and is not.
    #[error("{0} is not a mount point: not mounted?")]
    NotMounted(String),
    /// No such backup.
    #[error("there is no backup `{0}`")]
    NoBackup(String),
    /// There is a backup of this id already: another run chose the same stamp.
    #[error("there is already a backup `{0}`")]
    Taken(String),
    /// Data of a backup is not there as its manifest says.
    #[error("backup `{id}`: {why}")]
    Damaged {
        /// The backup's id.
        id: String,
        /// What is not there.
        why: String,
    },
    /// The manifest cannot be relied on.
    #[error("backup `{id}`: {why}")]
    Unreliable {
        /// The backup's id.
        id: String,
        /// Why.
        why: manifest::Unreliable,
    },
    /// Another run holds the lock.
    #[error("another run holds the lock of `{series}`: {holder}")]
    Locked {
        /// The series.
        series: String,
        /// Its pid, start and host.
        holder: lock::HolderNote,
    },
    /// An operation on a path failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}
