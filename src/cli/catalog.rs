//! `catalog rebuild`: the index and the history from what the stores hold.

use super::{args::Catalog as Args, backups, error::CliError, output, session::Session};
use crate::{
    catalog::{Catalog, HistoryEntry},
    store::{Manifest, Stamp, Store as _},
};
use std::collections::BTreeMap;

pub(crate) fn catalog(session: &Session, args: &Args) -> Result<u8, CliError> {
    let Args::Rebuild { dry_run, place } = args;
    let store = place.store.as_deref();
    let policies = super::list::policies_for(session, store)?;
    let shelf = backups::collect(session, &policies, store)?;
    let mut runs: BTreeMap<String, HistoryEntry> = BTreeMap::new();
    let mut index: BTreeMap<(String, usize), Vec<(Manifest, bool)>> = BTreeMap::new();
    // A store that can be read and holds nothing any more is entered as that; of one that cannot be read whole, or is
    // another one than before, the index keeps what it knows.
    let is_read = |n: usize| shelf.unreached.iter().all(|store| store.rack != Some(n));
    for (n, rack) in shelf.stores.iter().enumerate() {
        if let Some(policy) = rack.policy.filter(|_| is_read(n)) {
            index.insert((policy.name().to_string(), n), Vec::new());
        }
    }
    for copy in shelf.copies.iter().filter(|copy| is_read(copy.rack)) {
        let manifest = &copy.stored.manifest;
        index
            .entry((manifest.policy.clone(), copy.rack))
            .or_default()
            .push((Manifest::clone(manifest), copy.stored.proven()));
        let entry = runs.entry(manifest.run.clone()).or_insert_with(|| HistoryEntry {
            run: manifest.run.clone(),
            policy: manifest.policy.clone(),
            digest: manifest.policy_digest.clone(),
            kind: "run".to_owned(),
            started: manifest.time,
            finished: Some(manifest.finished_at),
            outcome: "recovered".to_owned(),
            details: serde_json::json!({ "jobs": [manifest.job], "recovered": true }),
        });
        entry.finished = entry.finished.max(Some(manifest.finished_at));
    }
    let backups: usize = index.values().map(Vec::len).sum();
    if *dry_run {
        output::tell(&format!("would index {backups} copies of {} runs; nothing was changed", runs.len()));
        return shelf.end(None);
    }
    let stamp = Stamp::first(session.host.real_now()).to_string();
    let (mut catalog, damaged) = Catalog::renew(&session.host.state, &stamp)?;
    if let Some(path) = damaged {
        output::warn(&format!("the catalog was damaged; it was moved to {}", path.display()));
    }
    for ((policy, rack), backups) in &index {
        let rack = &shelf.stores[*rack];
        catalog.replace_backups(policy, &rack.name, backups)?;
        // A place given by hand is no store of a policy: nothing is remembered as last used under its name.
        if rack.policy.is_some()
            && catalog.last_store(policy, &rack.name)?.is_none()
            && let Some(id) = rack.store.id()?
        {
            catalog.remember_store(policy, &rack.name, &id, session.host.real_now())?;
        }
    }
    for entry in runs.values() {
        catalog.enter(entry)?;
    }
    if session.global.json {
        output::print_json(&serde_json::json!({ "copies": backups, "runs": runs.len() }))?;
    } else {
        output::tell(&format!("indexed {backups} copies of {} runs", runs.len()));
    }
    shelf.end(None)
}
