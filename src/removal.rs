//! Removing a backup: what a run, `prune` and `delete` have in common.
//!
//! Each removal that is owed to retention relies on a newer proven backup. Every byte of it is read again before the first
//! one goes, unless this very run wrote and read it, and its manifest and sizes before each: should it not stand, nothing is
//! removed.

use crate::{
    catalog::Catalog,
    pipe::{Decoder, Mismatch},
    policy::values::Level,
    store::{BackupId, Listing, Record, RecordKind, Store, StoreError, Stored, UnclaimedKind},
    watch::{Stopped, Watch},
};
use chrono::{DateTime, Utc};

/// How backups of one series are removed from one store, whose lock is held exclusively.
pub(crate) struct Removal<'a> {
    /// The store.
    pub(crate) store: &'a dyn Store,
    /// Its name, as the catalog knows it.
    pub(crate) name: &'a str,
    /// The index to keep up, where there is one.
    pub(crate) catalog: Option<&'a Catalog>,
    /// [`RecordKind::Prune`] or [`RecordKind::Delete`].
    pub(crate) kind: RecordKind,
    /// Why, for the record.
    pub(crate) message: &'a str,
    /// The real time.
    pub(crate) at: DateTime<Utc>,
    /// The proven backup that makes those removed needless.
    pub(crate) relied_on: Option<&'a BackupId>,
}

/// Why a backup was not removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemovalError {
    /// The backup that makes it needless does not stand.
    #[error("`{relied_on}`, which makes others needless, does not stand: {why}; nothing more is removed")]
    Unfounded {
        /// The backup relied on.
        relied_on: BackupId,
        /// What is wrong with it.
        why: Box<StoreError>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Removal<'_> {
    /// Removes one backup and records it; returns what could not be noted about it.
    ///
    /// A deletion's reason stands in the store before the backup goes. Retention's record comes after: on a full disk a
    /// record that cannot be written must not keep a prune from making room.
    pub(crate) fn remove(&self, id: &BackupId) -> Result<Vec<String>, RemovalError> {
        if let Some(relied_on) = self.relied_on {
            still_stands(self.store, relied_on).map_err(|why| RemovalError::Unfounded {
                relied_on: relied_on.clone(),
                why: Box::new(why),
            })?;
        }
        let record = Record {
            kind: self.kind,
            id: id.to_string(),
            at: self.at,
            passed: true,
            asked: Level::None,
            level: Level::None,
            checks: Vec::new(),
            message: self.message.to_owned(),
        };
        let is_by_hand = self.kind == RecordKind::Delete;
        if is_by_hand {
            self.store.record(&id.series, &record)?;
        }
        let mut warnings = Vec::new();
        // The index forgets it before it goes: after a kill from here on it is missed by nobody. Should it stay, the next
        // verification or `catalog rebuild` enters it again.
        if let Some(catalog) = self.catalog {
            let forgotten = catalog.remove_backup(&id.series.policy, self.name, &id.to_string());
            warnings.extend(forgotten.err().map(|error| error.to_string()));
        }
        self.store.remove(id)?;
        if !is_by_hand {
            warnings.extend(self.store.record(&id.series, &record).err().map(|error| error.to_string()));
        }
        Ok(warnings)
    }
}

/// Reads every stored byte of the backup that is to make others needless: that it was proven once says nothing about what
/// the disk has made of it since.
pub(crate) fn stands_whole(store: &dyn Store, id: &BackupId, watch: &Watch<'_>) -> Result<(), RemovalError> {
    let unfounded = |why| RemovalError::Unfounded { relied_on: id.clone(), why: Box::new(why) };
    let manifest = store.manifest(id).map_err(unfounded)?;
    for file in &manifest.files {
        let stored = store.open(id, &file.name).map_err(unfounded)?;
        let read = Decoder::new(&file.name, stored, Some(file.plain_bytes), watch)
            .map_err(|source| Mismatch::Unreadable { name: file.name.clone(), source })
            .and_then(|decoder| decoder.finish(file));
        read.map_err(|mismatch| match mismatch {
            Mismatch::Stopped(stopped) => stopped.into(),
            other => unfounded(StoreError::Damaged { id: id.to_string(), why: other.to_string() }),
        })?;
    }
    Ok(())
}

/// Refuses to prune a series whose newest backup, once proven, was seen to have lost data, or in which a newer one can no
/// longer be read: what took that may be taking more, and the ones before it may soon be all there is. A verification that
/// finds a loss out settles it, and so does a newer backup that is proven.
///
/// Only the caller's own backups up to `now` count. Whose one is that cannot be read is not known: it counts.
pub(crate) fn refuse_losses(
    listing: &Listing,
    now: DateTime<Utc>,
    is_own: impl Fn(&Stored) -> bool,
) -> Result<(), RemovalError> {
    let counts = |stored: &&Stored| is_own(stored) && stored.was_proven() && stored.id.stamp.time() <= now;
    let newest = listing.backups.iter().filter(counts).max_by_key(|stored| stored.id.stamp);
    let unreadable = listing.unclaimed.iter().filter_map(|unclaimed| match &unclaimed.kind {
        UnclaimedKind::Unreadable(id) if id.stamp.time() <= now => Some((id, unclaimed.why.clone())),
        _ => None,
    });
    let is_newer = |(id, _): &(&BackupId, String)| newest.is_none_or(|newest| newest.id.stamp < id.stamp);
    let lost = newest.and_then(|stored| Some((&stored.id, stored.damage.clone()?)));
    match unreadable.filter(is_newer).max_by_key(|(id, _)| id.stamp).or(lost) {
        None => Ok(()),
        Some((id, why)) => Err(RemovalError::Unfounded {
            relied_on: id.clone(),
            why: Box::new(StoreError::Damaged { id: id.to_string(), why }),
        }),
    }
}

/// Reads again the manifest of a backup, and the presence and sizes of its files.
fn still_stands(store: &dyn Store, id: &BackupId) -> Result<(), StoreError> {
    match store.damage(id, &store.manifest(id)?)? {
        Some(why) => Err(StoreError::Damaged { id: id.to_string(), why }),
        None => Ok(()),
    }
}
