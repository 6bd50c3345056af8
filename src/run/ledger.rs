//! What a run owes: which `before`s have begun and whose `after` has not ended, on disk while that is so.
#![expect(clippy::disallowed_methods, reason = "the ledger is a file of the state folder")]

use crate::{
    fault::{Fault, OnPath},
    platform::files::sync_folder,
    scratch::create_private_folder,
};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

/// The ledger of one job of one run: a file of its own, locked while its run lives, to which lines are only ever added,
/// so that a kill at any moment leaves what was written before. A ledger whose lock is free is a killed run's.
pub(super) struct Ledger {
    folder: PathBuf,
    prefix: String,
    /// Target names; the empty name stands for the job itself.
    begun: BTreeSet<String>,
    file: Option<(PathBuf, File)>,
}

impl Ledger {
    pub(super) fn new(state: &Path, policy: &str, job: &str) -> Self {
        Self { folder: folder(state), prefix: prefix(policy, job), begun: BTreeSet::new(), file: None }
    }

    /// Whether a `before` has begun, or what an `after` alone follows, and its `after` has not ended.
    pub(super) fn began(&self, target: Option<&str>) -> bool {
        self.begun.contains(target.unwrap_or_default())
    }

    /// Enters a name, on disk before its `before` starts: a kill in between costs one needless `after`, never a missing
    /// one. The name stands for this run even when that fails.
    pub(super) fn begin(&mut self, target: Option<&str>) -> Result<(), Fault> {
        let name = target.unwrap_or_default();
        if self.begun.insert(name.to_owned()) { self.add('+', name) } else { Ok(()) }
    }

    /// Strikes a name out, when its last `after` has ended.
    pub(super) fn end(&mut self, target: Option<&str>) -> Result<(), Fault> {
        let name = target.unwrap_or_default();
        if !self.begun.remove(name) || self.file.is_none() {
            return Ok(());
        }
        if self.begun.is_empty() {
            return self.file.take().map_or(Ok(()), |(path, _)| fs::remove_file(&path).on("remove", &path));
        }
        self.add('-', name)
    }

    fn add(&mut self, sign: char, name: &str) -> Result<(), Fault> {
        let (path, mut file) = match self.file.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let written = file.write_all(format!("{sign}{name}\n").as_bytes()).and_then(|()| file.sync_all());
        let result = written.on("write", &path);
        self.file = Some((path, file));
        result
    }

    /// Makes the file: it is locked before it has its name, so that nobody takes it for a dead run's.
    fn open(&self) -> Result<(PathBuf, File), Fault> {
        create_private_folder(&self.folder)?;
        let made = tempfile::NamedTempFile::new_in(&self.folder).on("create a file in", &self.folder)?;
        made.as_file().try_lock().map_err(std::io::Error::from).on("lock", made.path())?;
        let random = made.path().file_name().unwrap_or_default().to_string_lossy().replace('.', "");
        let path = self.folder.join(format!("{}{random}", self.prefix));
        let file = made.persist_noclobber(&path).map_err(|error| error.error).on("create", &path)?;
        // The name is durable before anything relies on it.
        sync_folder(&self.folder).on("make durable", &self.folder)?;
        Ok((path, file))
    }

    /// The ledgers of this job's killed runs.
    pub(super) fn left_behind(state: &Path, policy: &str, job: &str) -> Vec<Debts> {
        let prefix = prefix(policy, job);
        let mut found: Vec<PathBuf> = fs::read_dir(folder(state))
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
            .map(|entry| entry.path())
            .collect();
        found.sort();
        found.into_iter().filter_map(Debts::open).collect()
    }
}

/// What a killed run owes. It is locked, so that it is paid once.
pub(super) struct Debts {
    path: PathBuf,
    // The lock that keeps others from paying at the same time.
    _file: File,
    names: BTreeSet<String>,
}

impl Debts {
    fn open(path: PathBuf) -> Option<Self> {
        let mut file = File::options().read(true).write(true).open(&path).ok()?;
        file.try_lock().ok()?;
        // Somebody may have paid between the opening and the lock: names are never used again.
        if !path.exists() {
            return None;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        let mut names = BTreeSet::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('+') {
                names.insert(name.to_owned());
            } else if let Some(name) = line.strip_prefix('-') {
                names.remove(name);
            }
        }
        Some(Self { path, _file: file, names })
    }

    /// Whose `after` did not end: targets, then the job itself, whose name is empty.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.iter().rev().cloned().collect()
    }

    /// Forgets them, when they are paid.
    pub(super) fn settle(self) -> Result<(), Fault> {
        fs::remove_file(&self.path).on("remove", &self.path)
    }
}

fn folder(state: &Path) -> PathBuf {
    state.join("hooks")
}

/// Names hold no dots.
fn prefix(policy: &str, job: &str) -> String {
    format!("{policy}.{job}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_run_began_and_did_not_end_is_owed() {
        let state = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::new(state.path(), "app", "nightly");
        ledger.begin(None).unwrap();
        ledger.begin(Some("a")).unwrap();
        ledger.begin(Some("b")).unwrap();
        ledger.end(Some("a")).unwrap();
        assert!(Ledger::left_behind(state.path(), "app", "nightly").is_empty(), "its run lives");
        drop(ledger);
        assert!(Ledger::left_behind(state.path(), "app", "other").is_empty());
        let debts = Ledger::left_behind(state.path(), "app", "nightly").pop().unwrap();
        assert_eq!(debts.names(), ["b", ""]);
        assert!(Ledger::left_behind(state.path(), "app", "nightly").is_empty(), "it is being paid");
        debts.settle().unwrap();
        assert!(Ledger::left_behind(state.path(), "app", "nightly").is_empty());
    }

    #[test]
    fn a_ledger_without_entries_leaves_no_file() {
        let state = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::new(state.path(), "app", "nightly");
        ledger.begin(Some("a")).unwrap();
        ledger.end(Some("a")).unwrap();
        assert!(!ledger.began(Some("a")));
        assert_eq!(fs::read_dir(folder(state.path())).unwrap().count(), 0);
        ledger.begin(Some("a")).unwrap();
        drop(ledger);
        assert_eq!(Ledger::left_behind(state.path(), "app", "nightly").len(), 1);
    }
}
