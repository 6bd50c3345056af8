//! `delete`: removes named backups, but never the newest proven one.

use super::{
    args::Delete,
    backups::{self, Copy, Shelf},
    error::CliError,
    journal::noted,
    list, output,
    session::Session,
};
use crate::{
    removal::Removal,
    store::{BackupId, RecordKind, Store as _, Stored, lock::Mode},
};

pub(crate) fn delete(session: &Session, args: &Delete) -> Result<u8, CliError> {
    if args.reason.trim().is_empty() {
        return Err(CliError::invalid("`--reason` is empty").help("say why: it is recorded in the store"));
    }
    let store = args.store.as_deref();
    let policies = list::policies_for(session, store)?;
    let shelf = backups::collect(session, &policies, store)?;
    let mut ids = Vec::new();
    for text in &args.backups {
        ids.push(shelf.one(text)?);
    }
    ids.sort();
    ids.dedup();
    let doomed: Vec<_> =
        shelf.copies.iter().filter(|copy| ids.contains(&copy.stored.id) && !copy.remembered).collect();
    if let Some(id) = ids.iter().find(|id| doomed.iter().all(|copy| copy.stored.id != **id)) {
        return Err(shelf.nothing_of(id));
    }
    let out_of_reach: Vec<_> =
        shelf.copies.iter().filter(|copy| ids.contains(&copy.stored.id) && copy.remembered).collect();
    for copy in &out_of_reach {
        let name = &shelf.stores[copy.rack].name;
        output::warn(&format!(
            "the copy of `{}` in {name} stays: the store cannot be reached",
            copy.stored.id
        ));
    }
    // All are judged before the first goes, and each once more when its lock is held.
    for copy in &doomed {
        let others = shelf.copies.iter().filter(|other| other.rack == copy.rack);
        judge(session, &copy.stored.id, &shelf.stores[copy.rack].name, others.map(|other| &other.stored))?;
    }
    if session.host.is_ahead() {
        return Err(CliError::refused("`--now` lies later than the clock: nothing is deleted"));
    }
    let remove = || remove(session, args, &shelf, &doomed);
    let named = doomed.iter().map(|copy| &copy.stored.id);
    let gone = if args.dry_run { remove()? } else { noted(session, "delete", &policies, named, remove)? };
    if args.dry_run {
        output::tell("nothing was changed");
    }
    if session.global.json {
        output::print_json(&gone)?;
    }
    if !args.dry_run && !out_of_reach.is_empty() {
        let (stay, all) = (out_of_reach.len(), out_of_reach.len() + doomed.len());
        return Err(CliError::told(
            3,
            format!("{stay} of {all} copies stay: their stores cannot be reached"),
        ));
    }
    Ok(0)
}

/// Removes copies one by one, each judged once more under its lock; tells which.
fn remove(
    session: &Session,
    args: &Delete,
    shelf: &Shelf<'_>,
    doomed: &[&Copy],
) -> Result<Vec<serde_json::Value>, CliError> {
    let catalog = if args.dry_run { None } else { session.catalog() };
    let mut gone = Vec::new();
    for copy in doomed {
        let rack = &shelf.stores[copy.rack];
        let id = &copy.stored.id;
        gone.push(serde_json::json!({ "id": id.to_string(), "store": rack.name }));
        if args.dry_run {
            output::tell(&format!("would delete {id} from {}", rack.name));
            continue;
        }
        let _lock = rack.store.lock(&id.series, Mode::Exclusive)?;
        let listing = rack.store.list(&id.series)?;
        let newest = judge(session, id, &rack.name, listing.backups.iter())?;
        let removal = Removal {
            store: &rack.store,
            name: &rack.name,
            // The index is of the store last used.
            catalog: catalog.as_ref().filter(|_| rack.is_last),
            kind: RecordKind::Delete,
            message: &args.reason,
            at: session.host.real_now(),
            relied_on: newest.as_ref(),
        };
        for warning in removal.remove(id)? {
            output::warn(&warning);
        }
        output::tell(&format!("deleted {id} from {}", rack.name));
    }
    Ok(gone)
}

/// Refuses the newest proven backup of a series; returns it when it is another.
fn judge<'a>(
    session: &Session,
    id: &BackupId,
    store: &str,
    backups: impl Iterator<Item = &'a Stored>,
) -> Result<Option<BackupId>, CliError> {
    let series: Vec<&Stored> = backups.filter(|stored| stored.id.series == id.series).collect();
    // Each origin by itself, as retention does: another host's newest proven backup is the last that it has.
    let origin = series.iter().find(|stored| stored.id == *id).map(|stored| &stored.manifest.origin);
    let proven: Vec<&BackupId> = series
        .iter()
        .filter(|stored| Some(&stored.manifest.origin) == origin && stored.proven())
        .map(|stored| &stored.id)
        .collect();
    // By the real clock: one that a wrong clock dated in the future is not what the next restore takes, and `--now` must
    // not talk anybody out of the newest. Where all are of the future the clock is what is wrong.
    let now = session.host.real_now();
    let newest = proven.iter().filter(|id| id.stamp.time() <= now).max().or(proven.iter().max()).copied();
    if newest == Some(id) {
        return Err(CliError::refused(format!(
            "`{id}` is the newest proven backup of {} in {store}",
            id.series
        ))
        .help("make a newer one first: `policy run`"));
    }
    Ok(newest.cloned())
}
