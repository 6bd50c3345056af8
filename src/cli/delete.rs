//! `delete`: removes named backups, but never the newest proven one.

use super::{
    args::Delete,
    backups::{self, Copy, NotRead, Rack, Shelf},
    error::CliError,
    journal::noted,
    list, output,
    session::Session,
};
use crate::{
    catalog::Catalog,
    removal::{Removal, stands_whole},
    run::joint_exit,
    store::{BackupId, RecordKind, Store as _, Stored, lock::Mode},
    watch::{Cancel, Watch},
};
use std::collections::BTreeSet;

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
    // All are judged before the first goes, and each once more when its lock is held.
    for copy in &doomed {
        let rack = &shelf.stores[copy.rack];
        refuse_other(rack, &copy.stored.id)?;
        let others = shelf.copies.iter().filter(|other| other.rack == copy.rack);
        judge(session, &copy.stored.id, &rack.name, others.map(|other| &other.stored))?;
    }
    if session.host.is_ahead() {
        return Err(CliError::refused("`--now` lies later than the clock: nothing is deleted"));
    }
    let stay = stay(&shelf, &ids);
    let remove = || remove(session, args, &shelf, &doomed, &stay);
    if args.dry_run {
        return remove();
    }
    noted(session, "delete", &policies, doomed.iter().map(|copy| &copy.stored.id), remove)
}

/// The copies that stay, each with why: those out of reach, and those that no longer say what they are.
fn stay(shelf: &Shelf<'_>, ids: &[BackupId]) -> Vec<String> {
    let name = |rack: usize| &shelf.stores[rack].name;
    let remembered = shelf.copies.iter().filter(|copy| copy.remembered && ids.contains(&copy.stored.id));
    let remembered = remembered.map(|copy| {
        let (id, store) = (&copy.stored.id, name(copy.rack));
        format!("the copy of `{id}` in {store} stays: the store cannot be reached")
    });
    let damaged = shelf.damaged.iter().filter(|damaged| ids.contains(&damaged.id)).map(|damaged| {
        let NotRead { rack, id, why } = damaged;
        format!(
            "the copy of `{id}` in {} stays: it is damaged ({why}); its folder can be removed by hand",
            name(*rack)
        )
    });
    remembered.chain(damaged).collect()
}

/// Removes copies one by one, tells which, and what stays. One that cannot be removed keeps no other, and is no reason to
/// say nothing of those that went.
fn remove(
    session: &Session,
    args: &Delete,
    shelf: &Shelf<'_>,
    doomed: &[&Copy],
    stay: &[String],
) -> Result<u8, CliError> {
    let catalog = if args.dry_run { None } else { session.catalog() };
    let mut gone = Vec::new();
    let mut failures: Vec<CliError> = Vec::new();
    for reason in stay {
        output::warn(&output::printable(reason));
        failures.push(CliError::failed(reason.clone()));
    }
    let mut read = BTreeSet::new();
    for copy in doomed {
        let (rack, id) = (&shelf.stores[copy.rack], &copy.stored.id);
        let removed = if args.dry_run {
            Ok(())
        } else {
            remove_copy(session, args, rack, id, catalog.as_ref(), &mut read)
        };
        match removed {
            Ok(()) => {
                let what = if args.dry_run { "would delete" } else { "deleted" };
                output::tell(&format!("{what} {id} from {}", rack.name));
                gone.push(serde_json::json!({ "id": id.to_string(), "store": rack.name }));
            }
            Err(error) => {
                output::print_error(&error, false);
                failures.push(error);
            }
        }
    }
    if args.dry_run {
        output::tell("nothing was changed");
    }
    if session.global.json {
        output::print_json(&gone)?;
    }
    match failures.first() {
        None => Ok(0),
        Some(first) => {
            let exit = joint_exit(gone.len(), failures.iter().map(|error| error.exit));
            let (stay, all) = (failures.len(), failures.len() + gone.len());
            Err(CliError::told(exit, format!("{stay} of {all} copies stay: {}", first.message)))
        }
    }
}

/// Removes one copy, judged once more under its lock; `read` are the backups that were read whole by this call, with their
/// stores.
fn remove_copy(
    session: &Session,
    args: &Delete,
    rack: &Rack<'_>,
    id: &BackupId,
    catalog: Option<&Catalog>,
    read: &mut BTreeSet<(String, BackupId)>,
) -> Result<(), CliError> {
    let _lock = rack.store.lock(&id.series, Mode::Exclusive)?;
    let listing = rack.store.list(&id.series)?;
    let newest = judge(session, id, &rack.name, listing.backups.iter())?;
    let removal = Removal {
        store: &rack.store,
        name: &rack.name,
        catalog,
        kind: RecordKind::Delete,
        message: &args.reason,
        at: session.host.real_now(),
        relied_on: newest.as_ref(),
    };
    if let Some(newest) = &newest
        && !read.contains(&(rack.name.clone(), newest.clone()))
    {
        // Nothing is begun yet that a signal could not end at once.
        stands_whole(&rack.store, newest, &Watch::new(&Cancel::default(), None, &|_| ()))?;
        read.insert((rack.name.clone(), newest.clone()));
    }
    for warning in removal.remove(id)? {
        output::warn(&warning);
    }
    Ok(())
}

/// Refuses to take anything out of a store that is not the one last used under its name.
fn refuse_other(rack: &Rack<'_>, id: &BackupId) -> Result<(), CliError> {
    if rack.is_last {
        return Ok(());
    }
    let name = &rack.name;
    Err(CliError::refused(format!(
        "`{id}`: the store `{name}` at {} is not the one last used",
        rack.store.place()
    ))
    .help(format!("{}; `--store` names the store to delete from", backups::mend(name))))
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
