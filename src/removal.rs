//! Removing a backup: what a run, `prune` and `delete` have in common.
//!
//! Each removal that is owed to retention relies on a newer proven backup, which is read again just before: should that
//! one be gone, nothing is removed.

use crate::{
    catalog::Catalog,
    policy::values::Level,
    store::{BackupId, Record, RecordKind, Store, StoreError, Stored},
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
        let mut warnings = Vec::new();
        if self.kind == RecordKind::Delete {
            self.store.record(&id.series, &record)?;
            self.store.remove(id)?;
        } else {
            self.store.remove(id)?;
            warnings.extend(self.store.record(&id.series, &record).err().map(|error| error.to_string()));
        }
        if let Some(catalog) = self.catalog {
            let forgotten = catalog.remove_backup(&id.series.policy, self.name, &id.to_string());
            warnings.extend(forgotten.err().map(|error| error.to_string()));
        }
        Ok(warnings)
    }
}

/// Refuses to prune a series whose newest backup, once proven, was seen to have lost data: what took that may be taking
/// more, and the ones before it may soon be all there is. A verification that finds it out settles it.
pub(crate) fn refuse_losses<'a>(own: impl Iterator<Item = &'a Stored>) -> Result<(), RemovalError> {
    let newest = own.filter(|stored| stored.was_proven()).max_by_key(|stored| stored.id.stamp);
    match newest.and_then(|stored| Some((&stored.id, stored.damage.clone()?))) {
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
