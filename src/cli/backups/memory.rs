//! What the catalog knows of stores. It is only an index: one that cannot be read keeps nobody from the stores, and is
//! told once.

use super::super::{output, session::Session};
use crate::{
    catalog::{Catalog, CatalogError},
    policy::values::Level,
    store::{BackupId, Stored},
};
use std::cell::Cell;

/// What is remembered on this host.
#[derive(Default)]
pub(super) struct Memory {
    catalog: Option<Catalog>,
    is_lost: Cell<bool>,
}

impl Memory {
    pub(super) fn open(session: &Session) -> Self {
        let memory = Self::default();
        let catalog = memory.tried(Catalog::open_existing(&session.host.state));
        Self { catalog, ..memory }
    }

    /// Whether something of it could not be read.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.get()
    }

    fn tried<T: Default>(&self, answer: Result<T, CatalogError>) -> T {
        answer.unwrap_or_else(|error| {
            if !self.is_lost.replace(true) {
                output::warn(&error.to_string());
            }
            T::default()
        })
    }

    /// The id of the store last used under a name.
    pub(super) fn last_store(&self, policy: &str, store: &str) -> Option<String> {
        self.catalog.as_ref().and_then(|catalog| self.tried(catalog.last_store(policy, store)))
    }

    /// The ids of what a store held when it was last seen.
    pub(super) fn backup_ids(&self, policy: &str, store: &str) -> Vec<BackupId> {
        let known = self.catalog.as_ref().map(|catalog| self.tried(catalog.backup_ids(policy, store)));
        known.unwrap_or_default().iter().filter_map(|id| BackupId::parse(id)).collect()
    }

    /// What a store held when it was last seen.
    pub(super) fn backups(&self, policy: &str, store: &str) -> Vec<Stored> {
        let known = self.catalog.as_ref().map(|catalog| self.tried(catalog.backups(policy, store)));
        let stored = known.unwrap_or_default().into_iter().filter_map(|(manifest, proven)| {
            let id = BackupId::parse(&manifest.id)?;
            let mut stored = Stored { id, manifest: Box::new(manifest), records: Vec::new(), damage: None };
            // Why lies in the store, lost data or a verification: the catalog only kept that it was so.
            if !proven && stored.proven() {
                stored.manifest.level = Level::None;
                stored.manifest.failures.push("it was not proven when it was last seen".to_owned());
            }
            Some(stored)
        });
        stored.collect()
    }
}
