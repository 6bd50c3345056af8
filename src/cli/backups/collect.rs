//! Looking into the stores that are meant. What cannot be read is told, with what to do, and hides nothing else.

use super::{
    super::{error::CliError, output, session::Session},
    Copy, NotRead, Rack, Shelf, Unreached, is_place,
    memory::Memory,
    retention_of,
};
use crate::{
    observe::World,
    policy::{self, Policy},
    run,
    store::{
        self, BackupId, Listing, RecordKind, Series, Store as _, StoreError, Stored, UnclaimedKind,
        local::LocalStore,
    },
};
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    thread,
};

/// More readers of one store are of no use.
const MOST_READERS: usize = 8;

/// Looks into every store that is meant: one of the policies by its name, a place, or all. Takes no lock and writes
/// nothing.
pub(crate) fn collect<'a>(
    session: &Session,
    policies: &'a [Policy],
    store: Option<&str>,
) -> Result<Shelf<'a>, CliError> {
    match store {
        Some(place) if is_place(place) => {
            let mut shelf = empty(session);
            collect_place(session, place, &mut shelf)?;
            Ok(sorted(shelf))
        }
        Some(name) => {
            is_declared(policies, name)?;
            collect_where(session, policies, |_, store| store == name)
        }
        None => collect_where(session, policies, |_, _| true),
    }
}

/// Looks into those stores of policies that are wanted.
pub(crate) fn collect_where<'a>(
    session: &Session,
    policies: &'a [Policy],
    is_wanted: impl Fn(&Policy, &str) -> bool,
) -> Result<Shelf<'a>, CliError> {
    let mut shelf = empty(session);
    let memory = Memory::open(session);
    for policy in policies {
        let World { sources, stores, .. } = session.world(policy)?;
        let seen = || sources.iter().filter_map(|(name, view)| Some((name.to_string(), view.as_ref().ok()?)));
        let origins: BTreeMap<_, _> = seen().map(|(name, view)| (name, view.origin.clone())).collect();
        let scratch: BTreeMap<_, PathBuf> =
            seen().filter_map(|(name, view)| Some((name, view.scratch.clone()?))).collect();
        for (name, view) in stores {
            let name = name.to_string();
            match view {
                _ if !is_wanted(policy, &name) => {}
                Ok(view) => {
                    let (origins, scratch) = (origins.clone(), scratch.clone());
                    let (store, policy) = (view.store, Some(policy));
                    shelf.stores.push(Rack { name, store, policy, is_last: true, origins, scratch });
                    look_into(&memory, &mut shelf);
                }
                Err(why) => {
                    output::warn(&format!("store `{name}` is unknown here: {why}"));
                    let (rack, policy, series, why) = (None, Some(policy), None, why.to_string());
                    let (is_read, may_be_new) = (false, false);
                    shelf.unreached.push(Unreached { rack, name, policy, series, why, is_read, may_be_new });
                }
            }
        }
    }
    Ok(sorted(shelf))
}

fn empty<'a>(session: &Session) -> Shelf<'a> {
    let (stores, copies, damaged) = (Vec::new(), Vec::new(), Vec::new());
    let (no_backups, missing, unreached) = (Vec::new(), Vec::new(), Vec::new());
    Shelf { stores, copies, damaged, no_backups, missing, unreached, now: session.host.now() }
}

/// Newest first; copies of one backup beside each other.
fn sorted(mut shelf: Shelf<'_>) -> Shelf<'_> {
    shelf.copies.sort_by(|a, b| {
        let time = |copy: &Copy| copy.stored.id.stamp;
        time(b).cmp(&time(a)).then_with(|| a.stored.id.cmp(&b.stored.id)).then(a.rack.cmp(&b.rack))
    });
    shelf
}

fn is_declared(policies: &[Policy], name: &str) -> Result<(), CliError> {
    let names = policies.iter().flat_map(|policy| policy.stores().keys());
    let known: BTreeSet<&str> = names.map(policy::values::Name::as_str).collect();
    if known.contains(name) {
        return Ok(());
    }
    let known: Vec<_> = known.into_iter().collect();
    Err(CliError::unknown(format!("there is no store `{name}`"))
        .help(format!("the stores are {}; a folder needs a `/` in its name", known.join(", "))))
}

fn collect_place(session: &Session, place: &str, shelf: &mut Shelf<'_>) -> Result<(), CliError> {
    if place.contains("://") && !place.starts_with("file://") {
        return Err(
            CliError::invalid(format!("`{place}` is no folder")).help("this version reads stores in folders")
        );
    }
    let bare = place.strip_prefix("file://").unwrap_or(place);
    let path = match (bare.strip_prefix("~/"), &session.host.home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => session.host.absolute(bare),
    };
    let store = LocalStore::new(place, path, false);
    match store.id() {
        Ok(Some(_)) => {}
        Ok(None) => return Err(CliError::unknown(format!("there is no store at {place}"))),
        // Reading needs no id: a store that lost its id file still gives its backups back.
        Err(error) => {
            let holds = |series: &Series| store.list(series).is_ok_and(|listing| !listing.backups.is_empty());
            if !store.series().is_ok_and(|series| series.iter().any(holds)) {
                return Err(error.into());
            }
            output::warn(&format!("{error}; it is read all the same"));
        }
    }
    let every = store.series()?;
    let (origins, scratch) = (BTreeMap::new(), BTreeMap::new());
    shelf.stores.push(Rack { name: place.to_owned(), store, policy: None, is_last: true, origins, scratch });
    add_all(shelf, 0, &every, &Memory::default());
    Ok(())
}

/// Looks into the store that was put on the shelf last.
fn look_into(memory: &Memory, shelf: &mut Shelf<'_>) {
    let rack = shelf.stores.len() - 1;
    let Rack { name, store, policy: Some(policy), .. } = &shelf.stores[rack] else { return };
    let (name, place) = (name.clone(), store.place());
    let last = memory.last_store(policy.name().as_str(), &name);
    // Asked before anything is listed: what is published meanwhile is not missed.
    let known = memory.backup_ids(policy.name().as_str(), &name);
    let found = store.id();
    let other = store::is_other(last.as_deref(), &found);
    let own = |series: &Series| policy.name() == series.policy.as_str();
    let read = store.series().map(|every| every.into_iter().filter(own).collect::<Vec<_>>());
    let every = match (read, found) {
        // Reading needs no id.
        (Ok(every), found) if !every.is_empty() || other.is_none() && matches!(found, Ok(Some(_))) => {
            Ok(every)
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
        (_, Ok(Some(_))) => Err(StoreError::NotLast(place.clone())),
        // A mount point with nothing mounted on it is an empty folder.
        (_, Ok(None)) => Err(StoreError::Absent(place.clone())),
    };
    let every = match every {
        Ok(every) => every,
        Err(error) => return remember(shelf, rack, None, &error, memory),
    };
    if let Some(why) = other {
        let why = format!("{}{why}", StoreError::NotLast(place));
        output::warn(&format!("store `{name}`: {why}; it is read as it is: {}", mend(&name)));
        shelf.stores[rack].is_last = false;
        let mut lacking = Unreached::of(&shelf.stores[rack], rack, None, why);
        lacking.is_read = true;
        shelf.unreached.push(lacking);
    }
    let accounted = add_all(shelf, rack, &every, memory);
    if shelf.stores[rack].is_last {
        miss(shelf, rack, known, accounted);
    }
}

/// Tells what a store held when it was last seen and what is not there any more, though nothing tells of its removal: a
/// store that lost its backups looks like one that never had any.
fn miss(shelf: &mut Shelf<'_>, rack: usize, known: Vec<BackupId>, mut accounted: BTreeSet<BackupId>) {
    let name = shelf.stores[rack].name.clone();
    let copies = shelf.copies.iter().filter(|copy| copy.rack == rack).map(|copy| &copy.stored.id);
    let of_it = |place: &&NotRead| place.rack == rack;
    accounted.extend(copies.chain(shelf.damaged.iter().filter(of_it).map(|place| &place.id)).cloned());
    // A folder without a manifest was perhaps never a backup; one that the catalog knows was.
    let bare: BTreeSet<BackupId> =
        shelf.no_backups.iter().filter(of_it).map(|place| place.id.clone()).collect();
    for id in known {
        let is_unread =
            |store: &Unreached<'_>| store.rack == Some(rack) && store.series.as_ref() == Some(&id.series);
        if accounted.contains(&id) || shelf.unreached.iter().any(is_unread) {
            continue;
        }
        let what = if bare.contains(&id) { "has lost its manifest" } else { "is gone" };
        let why =
            format!("{what}: it was there when this host last saw it, and no record tells of its removal");
        output::warn(&format!(
            "in store `{name}` `{id}` {why}; look for what took it, then `policy catalog rebuild` forgets it"
        ));
        shelf.missing.push(NotRead { rack, id, why });
    }
}

/// What to do about a store that is not the one last used.
pub(crate) fn mend(store: &str) -> String {
    format!(
        "mount the right one and make it readable, or accept the place with `policy run --new-store {store}`"
    )
}

/// A store, or a series of it, that cannot be read is spoken of as the catalog last saw it, and that is said.
fn remember(
    shelf: &mut Shelf<'_>,
    rack: usize,
    series: Option<&Series>,
    error: &StoreError,
    memory: &Memory,
) {
    let name = shelf.stores[rack].name.clone();
    let policy = shelf.stores[rack].policy.map(|policy| policy.name().as_str()).unwrap_or_default();
    let mut known = memory.backups(policy, &name);
    known.retain(|stored| series.is_none_or(|series| stored.id.series == *series));
    let was_used = !known.is_empty() || memory.last_store(policy, &name).is_some() || memory.is_lost();
    let may_be_new = !was_used && matches!(error, StoreError::Absent(_));
    let of_it = match series {
        _ if known.is_empty() => "what it holds is not known".to_owned(),
        None => "what is told of it is what the catalog remembers".to_owned(),
        Some(series) => format!("what is told of {series} is what the catalog remembers"),
    };
    output::warn(&if may_be_new {
        format!("store `{name}`: {error}; the first run makes it, or it is not mounted")
    } else if policy.is_empty() {
        format!("store `{name}`: {error}: make it readable")
    } else {
        format!("store `{name}` cannot be reached ({error}): {of_it}; {}", mend(&name))
    });
    let mut lacking = Unreached::of(&shelf.stores[rack], rack, series, error.to_string());
    lacking.may_be_new = may_be_new;
    shelf.unreached.push(lacking);
    let copy = |stored| Copy { rack, stored, kept_by: Vec::new(), remembered: true };
    shelf.copies.extend(known.into_iter().map(copy));
}

/// Adds what the series of a store hold; returns what does not lie there because it was, or is being, removed.
fn add_all(shelf: &mut Shelf<'_>, rack: usize, every: &[Series], memory: &Memory) -> BTreeSet<BackupId> {
    let listings = list_all(&shelf.stores[rack].store, every);
    let add = |(series, listing)| add_series(shelf, rack, series, listing, memory);
    every.iter().zip(listings).flat_map(add).collect()
}

/// Lists series, several at a time: thousands of small files are waited for, on a disk of the network most of all.
fn list_all(store: &LocalStore, every: &[Series]) -> Vec<Result<Listing, StoreError>> {
    let readers = thread::available_parallelism().map_or(1, usize::from).min(MOST_READERS);
    let share = every.len().div_ceil(readers).max(1);
    let mut listings: Vec<_> = every.iter().map(|_| None).collect();
    thread::scope(|scope| {
        for (every, listings) in every.chunks(share).zip(listings.chunks_mut(share)) {
            let read = move || {
                for (series, listing) in every.iter().zip(listings) {
                    *listing = Some(store.list(series));
                }
            };
            // Where no thread can be had, what it would have read is read below.
            let _ = thread::Builder::new().spawn_scoped(scope, read);
        }
    });
    every.iter().zip(listings).map(|(series, read)| read.unwrap_or_else(|| store.list(series))).collect()
}

fn add_series(
    shelf: &mut Shelf<'_>,
    rack: usize,
    series: &Series,
    listing: Result<Listing, StoreError>,
    memory: &Memory,
) -> Vec<BackupId> {
    let listing = match listing {
        Ok(listing) => listing,
        Err(StoreError::Absent(_)) => return Vec::new(),
        Err(error) => {
            remember(shelf, rack, Some(series), &error, memory);
            return Vec::new();
        }
    };
    let mut removed = listing.leaving;
    let is_removal = |kind: RecordKind| matches!(kind, RecordKind::Prune | RecordKind::Delete);
    removed.extend(
        listing
            .gone
            .iter()
            .filter(|record| is_removal(record.kind))
            .filter_map(|record| BackupId::parse(&record.id)),
    );
    let name = shelf.stores[rack].name.clone();
    let warn = |what: &str| output::warn(&format!("in store `{name}` {}", output::printable(what)));
    for unclaimed in listing.unclaimed {
        warn(&unclaimed.to_string());
        let why = unclaimed.why;
        match unclaimed.kind {
            UnclaimedKind::Stray => {}
            UnclaimedKind::NoManifest(id) => shelf.no_backups.push(NotRead { rack, id, why }),
            UnclaimedKind::Unreadable(id) => shelf.damaged.push(NotRead { rack, id, why }),
        }
    }
    let kept_by = kept_by(&shelf.stores[rack], series, &listing.backups, shelf.now);
    for stored in listing.backups {
        if let Some(damage) = &stored.damage {
            warn(&format!("`{}` is damaged: {damage}", stored.id));
        }
        let kept_by = kept_by.get(&stored.id).cloned().unwrap_or_default();
        shelf.copies.push(Copy { rack, stored, kept_by, remembered: false });
    }
    removed
}

fn kept_by(
    rack: &Rack<'_>,
    series: &Series,
    backups: &[Stored],
    now: DateTime<Utc>,
) -> BTreeMap<BackupId, Vec<String>> {
    let (Some(policy), Some(origin)) = (rack.policy, rack.origins.get(&series.target)) else {
        return BTreeMap::new();
    };
    let verdicts = run::verdicts(backups, retention_of(rack, series), policy.timezone(), now, origin);
    verdicts
        .into_iter()
        .filter(|verdict| verdict.keep)
        .map(|verdict| {
            let reasons = verdict.reasons.iter().map(ToString::to_string).collect();
            (series.backup(verdict.stamp), reasons)
        })
        .collect()
}
