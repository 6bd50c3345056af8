//! Claims of slots: one file for each job in the state folder, replaced as a whole, and a lock beside it that whoever runs a
//! slot holds until its outcome is recorded. A claim that is open while nobody holds the lock is a killed run's.
//!
//! Losing the file costs at most one run too many, and never one too few.
#![expect(clippy::disallowed_methods, reason = "claims are files of the state folder")]

use crate::{
    fault::{Fault, OnPath},
    host::Host,
    platform::{
        process,
        whole::{self, Readers},
    },
    schedule::due::{self, Claim, ClaimState, Moment},
    scratch::create_private_folder,
    store::lock::{self, HolderNote, Lock, LockError, Mode},
};
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// Claims that are kept for each job: what a clock that was set back may meet again.
const KEPT: usize = 32;
/// Largest file that is read.
const MAX_BYTES: u64 = 64 << 10;

/// Where the claims of a job lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    folder: PathBuf,
    /// Names hold no dots.
    stem: String,
}

/// The claims of a job, as read.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// The newest last.
    pub(crate) list: Vec<Claim>,
    /// Why the file was not read, if it lies there and is none.
    pub(crate) damage: Option<String>,
}

impl Claims {
    /// Adds those of slots that are not among them.
    pub(crate) fn add(&mut self, claims: Vec<Claim>) {
        for claim in claims {
            if !self.list.iter().any(|known| known.slot == claim.slot) {
                self.list.push(claim);
            }
        }
        self.list.sort_by_key(|claim| claim.slot);
    }
}

/// The claims of a job while its lock is held.
pub(crate) struct Held {
    place: Place,
    pub(crate) claims: Claims,
    /// `None` where this host cannot keep claims: then nothing is written either.
    lock: Option<Lock>,
}

impl Place {
    /// Of a job, below the state folder.
    pub(crate) fn of(state: &Path, policy: &str, job: &str) -> Self {
        Self { folder: state.join("claims"), stem: format!("{policy}.{job}") }
    }

    /// The same in the folder of what lasts until the host is started anew, for when the state folder can keep nothing.
    pub(crate) fn elsewhere(&self, host: &Host) -> Option<Self> {
        let own = host.environment.get("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
        let base = own.map(PathBuf::from).or_else(process::runtime_folder)?;
        // Of several state folders each has its own.
        let digest = hex::encode(Sha256::digest(self.folder.as_os_str().as_encoded_bytes()));
        let folder = base.join("policy").join(&digest[..16]).join("claims");
        Some(Self { folder, stem: self.stem.clone() })
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.stem))
    }

    /// Reads the claims; makes nothing.
    pub(crate) fn read(&self) -> Result<Claims, Fault> {
        let path = self.file();
        let text = match File::open(&path).and_then(|file| {
            let mut text = String::new();
            io::Read::read_to_string(&mut io::Read::take(file, MAX_BYTES), &mut text).map(|_| text)
        }) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Claims::default()),
            // Bytes that are no text are damage like any other.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
            Err(error) => return Err(error).on("read", &path),
        };
        Ok(match serde_json::from_str(&text) {
            Ok(list) => Claims { list, damage: None },
            Err(error) => {
                Claims { list: Vec::new(), damage: Some(format!("`{}` is damaged: {error}", path.display())) }
            }
        })
    }

    /// Takes the lock and reads what is claimed.
    ///
    /// # Errors
    /// [`LockError::Held`] where another process runs or claims.
    pub(crate) fn hold(&self) -> Result<Held, LockError> {
        // Its parents are private too where they are made.
        for folder in self.folder.ancestors().take(3).collect::<Vec<_>>().into_iter().rev() {
            create_private_folder(folder)?;
        }
        let path = self.folder.join(format!("{}.lock", self.stem));
        let lock = lock::lock(&path, Mode::Exclusive, &HolderNote::own())?;
        Ok(Held { claims: self.read()?, place: self.clone(), lock: Some(lock) })
    }

    /// The claims where none can be kept: what is claimed is forgotten with the process.
    pub(crate) fn unkept(&self) -> Held {
        Held { claims: Claims::default(), place: self.clone(), lock: None }
    }
}

impl Held {
    /// Takes a slot; durable when it returns.
    pub(crate) fn claim(&mut self, slot: DateTime<Utc>, tries: u32, at: DateTime<Utc>) -> Result<(), Fault> {
        self.put(Claim { slot, at, tries, state: ClaimState::Open, voided: None })
    }

    /// Records that what was claimed last has ended.
    pub(crate) fn end(&mut self, slot: DateTime<Utc>) -> Result<(), Fault> {
        for claim in self.claims.list.iter_mut().filter(|claim| claim.slot == slot) {
            claim.state = ClaimState::Ended;
        }
        self.write()
    }

    /// Gives a slot back of which nothing was done.
    pub(crate) fn give_back(&mut self, slot: DateTime<Utc>) -> Result<(), Fault> {
        for claim in self.claims.list.iter_mut().filter(|claim| claim.slot == slot) {
            claim.tries = claim.tries.saturating_sub(1);
        }
        self.claims.list.retain(|claim| claim.slot != slot || claim.tries > 0);
        self.write()
    }

    /// Notes that a slot was found taken elsewhere.
    pub(crate) fn note_taken(&mut self, slot: DateTime<Utc>, at: DateTime<Utc>) -> Result<(), Fault> {
        self.put(Claim { slot, at, tries: 1, state: ClaimState::Ended, voided: None })
    }

    /// Brings them in accord with the clock, and returns the slots that were voided.
    pub(crate) fn settle(&mut self, now: &Moment) -> Result<Vec<DateTime<Utc>>, Fault> {
        let (voided, is_changed) = due::settle(&mut self.claims.list, now);
        if is_changed {
            self.write()?;
        }
        Ok(voided)
    }

    /// Adds claims that are kept elsewhere and are not known here.
    pub(crate) fn add(&mut self, claims: Vec<Claim>) {
        self.claims.add(claims);
    }

    fn put(&mut self, claim: Claim) -> Result<(), Fault> {
        self.claims.list.retain(|known| known.slot != claim.slot);
        self.claims.list.push(claim);
        let surplus = self.claims.list.len().saturating_sub(KEPT);
        self.claims.list.drain(..surplus);
        self.write()
    }

    /// Durable when it returns, before anything relies on it.
    fn write(&self) -> Result<(), Fault> {
        if self.lock.is_none() {
            return Ok(());
        }
        let path = self.place.file();
        let text = serde_json::to_string(&self.claims.list).map_err(io::Error::other).on("write", &path)?;
        whole::replace(&path, text.as_bytes(), Readers::Owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn at(hour: u32) -> DateTime<Utc> {
        format!("2026-01-05T{hour:02}:00:00Z").parse().unwrap()
    }

    #[test]
    fn a_claim_is_there_for_the_next_one_and_the_lock_keeps_others_out() {
        let state = tempfile::tempdir().unwrap();
        let place = Place::of(state.path(), "prod", "nightly");
        assert!(place.read().unwrap().list.is_empty());
        let mut held = place.hold().unwrap();
        held.claim(at(7), 1, at(7)).unwrap();
        assert!(matches!(place.hold(), Err(LockError::Held(_))));
        assert_eq!(place.read().unwrap().list[0].state, ClaimState::Open, "it can be read meanwhile");
        held.end(at(7)).unwrap();
        drop(held);
        assert_eq!(place.hold().unwrap().claims.list[0].state, ClaimState::Ended);
        Place::of(state.path(), "prod", "other").hold().unwrap();
    }

    #[test]
    fn a_slot_given_back_is_unclaimed_and_one_that_was_killed_before_keeps_its_count() {
        let state = tempfile::tempdir().unwrap();
        let mut held = Place::of(state.path(), "prod", "nightly").hold().unwrap();
        held.claim(at(7), 1, at(7)).unwrap();
        held.give_back(at(7)).unwrap();
        assert!(held.claims.list.is_empty());
        held.claim(at(8), 2, at(8)).unwrap();
        held.give_back(at(8)).unwrap();
        assert_eq!((held.claims.list[0].tries, held.claims.list[0].state), (1, ClaimState::Open));
    }

    #[test]
    fn of_many_claims_the_newest_stay_and_damage_is_told_and_costs_nothing_else() {
        let state = tempfile::tempdir().unwrap();
        let place = Place::of(state.path(), "prod", "nightly");
        let mut held = place.hold().unwrap();
        for n in 0..100 {
            let slot = at(0) + chrono::TimeDelta::hours(n);
            held.claim(slot, 1, slot).unwrap();
        }
        assert_eq!(held.claims.list.len(), KEPT);
        assert_eq!(held.claims.list.last().unwrap().slot, at(0) + chrono::TimeDelta::hours(99));
        for bytes in [&b"[{\"slot\""[..], b"\xff\xfe", b"", b"{}"] {
            fs::write(place.file(), bytes).unwrap();
            let read = place.read().unwrap();
            assert!(read.list.is_empty() && read.damage.is_some());
        }
        drop(held);
        place.hold().unwrap().claim(at(9), 1, at(9)).unwrap();
        assert!(place.read().unwrap().damage.is_none());
    }
}
