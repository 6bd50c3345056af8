//! What holds of a store in a folder, on real folders.

mod faults;
mod making;
mod publishing;
mod reading;
mod removing;

use super::*;
use crate::{
    policy::values::Level,
    store::{
        Stored, Unclaimed, UnclaimedKind, layout::*, lock::Mode, manifest::StoredFile, record::RecordKind,
    },
};
#[cfg(unix)]
use std::process::Command;
use std::{collections::BTreeSet, io::Write};

const ALL: &[u8] = b"the content of a backup";

/// A store in a folder of its own.
struct Fixture {
    _folder: Option<tempfile::TempDir>,
    store: LocalStore,
    series: Series,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new("local", folder.path().join("a/b/store"), false);
    store.create().unwrap();
    Fixture { _folder: Some(folder), store, series: Series::new("prod", "nightly", "app_db").unwrap() }
}

fn stamp(text: &str) -> Stamp {
    Stamp::parse(text).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha256::digest(bytes))
}

fn manifest(id: &BackupId, files: &[(&str, &[u8])]) -> Manifest {
    let stored = |(name, bytes): &(&str, &[u8])| StoredFile {
        name: (*name).to_owned(),
        bytes: bytes.len() as u64,
        sha256: sha256(bytes),
        plain_bytes: bytes.len() as u64,
        plain_blake3: sha256(bytes),
    };
    let time = id.stamp.time();
    Manifest {
        format: 1,
        id: id.to_string(),
        run: format!("{}/{}", id.series.policy, id.stamp),
        policy: id.series.policy.clone(),
        job: id.series.job.clone(),
        target: id.series.target.clone(),
        time,
        slot: None,
        captured_at: time,
        finished_at: time,
        origin: "o".to_owned(),
        policy_digest: sha256(b"policy"),
        program: "0.1.0".to_owned(),
        engine: "sqlite".to_owned(),
        method: "backup".to_owned(),
        rungs: Vec::new(),
        kept_out_ms: None,
        source: "${DATABASE_PATH}".to_owned(),
        asked: Level::Checks,
        level: Level::Checks,
        checked_on: None,
        partial: false,
        unreadable: Vec::new(),
        checks: Vec::new(),
        tables: std::collections::BTreeMap::new(),
        failures: Vec::new(),
        warnings: Vec::new(),
        compression: "none".to_owned(),
        original_bytes: files.iter().map(|(_, bytes)| bytes.len() as u64).sum(),
        bytes: files.iter().map(|(_, bytes)| bytes.len() as u64).sum(),
        duration_ms: 1,
        files: files.iter().map(stored).collect(),
        facts: std::collections::BTreeMap::new(),
        digest: String::new(),
    }
}

impl Fixture {
    fn stage(&self, at: &str) -> Result<Box<dyn Staging>, StoreError> {
        let mut staging = self.store.stage(&self.series, stamp(at))?;
        staging.create("app_db.db")?.write_all(ALL).unwrap();
        staging.sync("app_db.db")?;
        Ok(staging)
    }

    fn publish(&self, at: &str) -> Result<BackupId, StoreError> {
        let staging = self.stage(at)?;
        let id = staging.id().clone();
        let manifest = manifest(&id, &[("app_db.db", ALL)]);
        staging.publish(manifest)?;
        Ok(id)
    }

    fn listed(&self) -> Vec<String> {
        self.store
            .list(&self.series)
            .unwrap()
            .backups
            .iter()
            .map(|stored| stored.id.stamp.to_string())
            .collect()
    }

    fn folder(&self) -> PathBuf {
        self.store.root().join(self.series.to_string())
    }

    /// Everything in the series' folder but its lock.
    fn names(&self) -> BTreeSet<String> {
        durable::names(&self.folder()).unwrap().into_iter().filter(|name| name != LOCK_FILE).collect()
    }
}

fn record(id: &BackupId, at: &str, passed: bool) -> Record {
    let at = at.parse().unwrap();
    let level = if passed { Level::Checks } else { Level::None };
    let (asked, checks, message) = (Level::Checks, Vec::new(), String::new());
    Record { kind: RecordKind::Verify, id: id.to_string(), at, passed, asked, level, checks, message }
}
