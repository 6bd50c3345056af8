//! Finds backups in stores: those of the policies, or those of a place that stands in for a policy.

use super::{error::CliError, output, session::Session};
use crate::{
    catalog::Catalog,
    engines::{Engine, EngineError},
    listing::Element,
    observe,
    policy::{self, Policy, model::Target},
    run,
    selector::{Known, NotOne, Selector},
    store::{BackupId, Series, Store as _, StoreError, Stored, local::LocalStore},
};
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Everything that was found, and where.
pub(crate) struct Shelf<'a> {
    /// The stores looked at, in order.
    pub(crate) stores: Vec<Rack<'a>>,
    /// Every copy, newest first; copies of one backup beside each other.
    pub(crate) copies: Vec<Copy>,
    /// Backups whose manifests cannot be relied on.
    pub(crate) damaged: Vec<Damaged>,
    /// Stores that could not be looked into, by name, with why.
    pub(crate) unreached: Vec<Unreached>,
    /// The calendar's time.
    now: DateTime<Utc>,
}

/// A store that was looked at.
pub(crate) struct Rack<'a> {
    /// Its name, or its place when no policy names it.
    pub(crate) name: String,
    /// The store.
    pub(crate) store: LocalStore,
    /// The policy that names it, and the world it was seen in.
    pub(crate) policy: Option<&'a Policy>,
    /// Origins by target, as this host makes them.
    pub(crate) origins: BTreeMap<String, String>,
    /// Where the restores of targets are tried, where the policy says.
    pub(crate) scratch: BTreeMap<String, PathBuf>,
}

/// A store that could not be looked into.
pub(crate) struct Unreached {
    /// Its index, when its place is known.
    pub(crate) rack: Option<usize>,
    /// Its name.
    pub(crate) name: String,
    /// Why.
    pub(crate) why: String,
    /// Whether nothing of it is remembered either and its folder is not there, as before its first run.
    pub(crate) may_be_new: bool,
}

/// A copy of a backup whose manifest is there and cannot be relied on.
pub(crate) struct Damaged {
    /// The index of its store.
    pub(crate) rack: usize,
    /// Its id, by its place.
    pub(crate) id: BackupId,
    /// What is wrong.
    pub(crate) why: String,
}

/// One copy of a backup.
pub(crate) struct Copy {
    /// The index of its store.
    pub(crate) rack: usize,
    /// The backup.
    pub(crate) stored: Stored,
    /// Why retention keeps it.
    pub(crate) kept_by: Vec<String>,
    /// Whether the store could not be reached and the catalog remembers it.
    pub(crate) remembered: bool,
}

/// Whether `--store` names a place rather than a store of a policy.
pub(crate) fn is_place(store: &str) -> bool {
    store.contains('/') || store.contains('\\') || store == "." || store.starts_with('~')
}

/// Looks into every store that is meant. Takes no lock and writes nothing.
pub(crate) fn collect<'a>(
    session: &Session,
    policies: &'a [Policy],
    store: Option<&str>,
) -> Result<Shelf<'a>, CliError> {
    let now = session.host.now();
    let (stores, copies, damaged, unreached) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut shelf = Shelf { stores, copies, damaged, unreached, now };
    match store {
        Some(place) if is_place(place) => collect_place(session, place, &mut shelf)?,
        name => collect_policies(session, policies, name, &mut shelf)?,
    }
    shelf.copies.sort_by(|a, b| {
        let time = |copy: &Copy| copy.stored.id.stamp;
        time(b).cmp(&time(a)).then_with(|| a.stored.id.cmp(&b.stored.id)).then(a.rack.cmp(&b.rack))
    });
    Ok(shelf)
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
        _ => policy::paths::normalized(&session.host.working_folder.join(bare)),
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
    let (origins, scratch) = (BTreeMap::new(), BTreeMap::new());
    let rack = Rack { name: place.to_owned(), store, policy: None, origins, scratch };
    shelf.stores.push(rack);
    for series in shelf.stores[0].store.series()? {
        add_series(shelf, 0, &series)?;
    }
    Ok(())
}

fn collect_policies<'a>(
    session: &Session,
    policies: &'a [Policy],
    name: Option<&str>,
    shelf: &mut Shelf<'a>,
) -> Result<(), CliError> {
    let mut is_known = name.is_none();
    for policy in policies {
        let world = session.world(policy)?;
        let origins: BTreeMap<String, String> = world
            .sources
            .iter()
            .filter_map(|(name, view)| Some((name.to_string(), view.as_ref().ok()?.origin.clone())))
            .collect();
        let scratch: BTreeMap<String, PathBuf> = world
            .sources
            .iter()
            .filter_map(|(name, view)| Some((name.to_string(), view.as_ref().ok()?.scratch.clone()?)))
            .collect();
        for (store_name, view) in world.stores {
            if name.is_some_and(|wanted| wanted != store_name.as_str()) {
                continue;
            }
            is_known = true;
            let view = match view {
                Ok(view) => view,
                Err(why) => {
                    output::tell(&format!("store `{store_name}` is unknown here: {why}"));
                    let (name, why) = (store_name.to_string(), why.to_string());
                    shelf.unreached.push(Unreached { rack: None, name, why, may_be_new: false });
                    continue;
                }
            };
            let rack = shelf.stores.len();
            shelf.stores.push(Rack {
                name: store_name.to_string(),
                store: view.store,
                policy: Some(policy),
                origins: origins.clone(),
                scratch: scratch.clone(),
            });
            let store = &shelf.stores[rack].store;
            let series = store.series().and_then(|series| match store.id() {
                // A mount point with nothing mounted on it is an empty folder.
                Ok(None) if series.is_empty() => Err(StoreError::Absent(store.place())),
                _ => Ok(series),
            });
            match series {
                Ok(series) => {
                    for series in series.iter().filter(|series| policy.name() == series.policy.as_str()) {
                        add_series(shelf, rack, series)?;
                    }
                }
                Err(error) => remember(session, policy, store_name.as_str(), rack, &error, shelf),
            }
        }
    }
    if is_known {
        return Ok(());
    }
    let wanted = name.unwrap_or_default();
    let known: BTreeSet<_> =
        policies.iter().flat_map(|policy| policy.stores().keys()).map(ToString::to_string).collect();
    let known: Vec<_> = known.into_iter().collect();
    Err(CliError::unknown(format!("there is no store `{wanted}`"))
        .help(format!("the stores are {}; a folder needs a `/` in its name", known.join(", "))))
}

/// A store that cannot be reached is spoken of as the catalog last saw it, and that is said.
fn remember(
    session: &Session,
    policy: &Policy,
    store: &str,
    rack: usize,
    error: &StoreError,
    shelf: &mut Shelf<'_>,
) {
    // The catalog is only an index: one that cannot be read must not keep anybody from the other stores.
    let recall = || match Catalog::open_existing(&session.host.state)? {
        Some(catalog) => catalog.backups(policy.name().as_str(), store),
        None => Ok(Vec::new()),
    };
    let known = recall().unwrap_or_else(|error| {
        output::warn(&error.to_string());
        Vec::new()
    });
    let may_be_new = known.is_empty() && matches!(error, StoreError::Absent(_));
    let (name, why) = (store.to_owned(), error.to_string());
    shelf.unreached.push(Unreached { rack: Some(rack), name, why, may_be_new });
    if may_be_new {
        output::tell(&format!("store `{store}`: {error}; it is made by the first run, or it is not mounted"));
        return;
    }
    output::tell(&format!(
        "store `{store}` cannot be reached ({error}): what follows of it is what the catalog remembers"
    ));
    for (manifest, proven) in known {
        let Some(id) = BackupId::parse(&manifest.id) else { continue };
        let mut stored = Stored { id, manifest, records: Vec::new() };
        // What later verifications found lies in the store: the catalog only kept whether it was proven.
        if !proven && stored.proven() {
            stored.manifest.failures.push("a later verification failed".to_owned());
        }
        shelf.copies.push(Copy { rack, stored, kept_by: Vec::new(), remembered: true });
    }
}

fn add_series(shelf: &mut Shelf<'_>, rack: usize, series: &Series) -> Result<(), CliError> {
    let listing = match shelf.stores[rack].store.list(series) {
        Ok(listing) => listing,
        Err(StoreError::Absent(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let name = &shelf.stores[rack].name;
    for (folder, why) in &listing.unclaimed {
        let id = BackupId::parse(folder);
        let is_damaged = id.as_ref().is_some_and(|id| {
            matches!(shelf.stores[rack].store.manifest(id), Err(StoreError::Unreliable { .. }))
        });
        let what = if is_damaged { "is damaged" } else { "is no backup" };
        output::warn(&format!("{series} in {name}: `{}` {what}: {why}", output::printable(folder)));
        if let Some(id) = id.filter(|_| is_damaged) {
            shelf.damaged.push(Damaged { rack, id, why: why.clone() });
        }
    }
    let kept_by = kept_by(&shelf.stores[rack], series, &listing.backups, shelf.now);
    for stored in listing.backups {
        let kept_by = kept_by.get(&stored.id).cloned().unwrap_or_default();
        shelf.copies.push(Copy { rack, stored, kept_by, remembered: false });
    }
    Ok(())
}

/// The retention that a policy sets for a series in a store.
pub(crate) fn retention_of(rack: &Rack<'_>, series: &Series) -> Option<policy::model::Retention> {
    let job = rack.policy?.jobs().get(series.job.as_str())?;
    job.stores.iter().find(|store| store.store == *rack.name.as_str())?.retention
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

impl Shelf<'_> {
    /// A copy as every command shows it.
    pub(crate) fn element(&self, copy: &Copy) -> Element {
        Element::new(&self.stores[copy.rack].name, &copy.stored, copy.kept_by.clone())
    }

    /// The ids that a selector takes: every match.
    pub(crate) fn every(&self, selector: Option<&str>) -> Result<Vec<BackupId>, CliError> {
        let Some(text) = selector else {
            return Ok(self.known().into_iter().rev().map(|known| known.id).collect());
        };
        let found = parse(text)?.all(&self.known());
        if found.is_empty() {
            Err(unresolved(&NotOne::None { selector: text.to_owned() }))
        } else {
            Ok(found)
        }
    }

    /// The one id that a selector means.
    pub(crate) fn one(&self, text: &str) -> Result<BackupId, CliError> {
        parse(text)?.one(&self.known()).map_err(|why| unresolved(&why))
    }

    /// The one id that a selector means to restore from: what only the catalog remembers proves nothing.
    pub(crate) fn one_at_hand(&self, text: &str) -> Result<BackupId, CliError> {
        parse(text)?.one(&self.at_hand()).map_err(|why| match &why {
            NotOne::NoneProven { newest, .. }
                if self.copies_of(newest).iter().all(|copy| copy.remembered) =>
            {
                self.nothing_of(newest)
            }
            _ => unresolved(&why),
        })
    }

    /// The error of a backup that has no copy at hand: damaged, out of reach, or none.
    pub(crate) fn nothing_of(&self, id: &BackupId) -> CliError {
        match self.damaged.iter().find(|damaged| damaged.id == *id) {
            Some(damaged) => CliError::unproven(format!("`{id}` is damaged: {}", damaged.why)).help(
                "its data may be whole: README.txt in the store tells how to look at it with stock tools",
            ),
            None => CliError::unknown(format!("`{id}` lies in no store that can be reached")),
        }
    }

    /// The copies of a backup, in the order of the stores.
    pub(crate) fn copies_of(&self, id: &BackupId) -> Vec<&Copy> {
        self.copies.iter().filter(|copy| copy.stored.id == *id).collect()
    }

    /// The backups, not copies, as selectors see them: proven when any copy is.
    pub(crate) fn known(&self) -> Vec<Known> {
        self.known_by(|_| true)
    }

    /// The same for who needs the data itself: proven when a copy that can be reached is.
    pub(crate) fn at_hand(&self) -> Vec<Known> {
        self.known_by(|copy| !copy.remembered)
    }

    fn known_by(&self, counts: impl Fn(&Copy) -> bool) -> Vec<Known> {
        let mut known: BTreeMap<&BackupId, bool> = BTreeMap::new();
        for copy in &self.copies {
            *known.entry(&copy.stored.id).or_default() |= counts(copy) && copy.stored.proven();
        }
        for damaged in &self.damaged {
            known.entry(&damaged.id).or_default();
        }
        let future = |id: &BackupId| id.stamp.time() > self.now;
        known.into_iter().map(|(id, proven)| Known { id: id.clone(), proven, future: future(id) }).collect()
    }

    /// Says which backups have copies of different contents: a retry captures again, under the same id.
    pub(crate) fn warn_of_differing(&self, ids: &[BackupId]) {
        let mut first: BTreeMap<&BackupId, &Copy> = BTreeMap::new();
        let contents = |copy: &Copy| {
            let files = copy.stored.manifest.files.iter();
            files.map(|file| file.plain_sha256.clone()).collect::<Vec<_>>()
        };
        for copy in self.copies.iter().filter(|copy| ids.contains(&copy.stored.id)) {
            let known = *first.entry(&copy.stored.id).or_insert(copy);
            if contents(known) != contents(copy) {
                let [one, other] = [known, copy].map(|copy| &self.stores[copy.rack].name);
                output::warn(&format!(
                    "`{}` was captured twice: its copies in {one} and {other} hold different contents",
                    copy.stored.id
                ));
            }
        }
    }
}

pub(crate) fn parse(text: &str) -> Result<Selector, CliError> {
    Selector::parse(text).map_err(|error| {
        CliError::invalid(error.to_string()).help("write `[[POLICY/]JOB/]TARGET[@WHEN]` or a backup's id")
    })
}

fn unresolved(why: &NotOne) -> CliError {
    match why {
        NotOne::None { .. } | NotOne::NoneProven { .. } => {
            CliError::unknown(why.to_string()).help("`policy list` shows what there is")
        }
        NotOne::Ambiguous { .. } => CliError::ambiguous(why.to_string()),
    }
}

/// The policy that a backup was made by: its text lies in the store. `None` where that is lost, changed, or of a
/// language that this program does not read.
pub(crate) fn policy_of(rack: &Rack<'_>, stored: &Stored) -> Option<Policy> {
    let manifest = &stored.manifest;
    rack.store.policy_text(&manifest.policy, &manifest.policy_digest).ok().flatten().and_then(|text| {
        let loaded = policy::load(&manifest.policy_digest, rack.store.root(), text.as_bytes());
        // A text that was changed after it was kept is none.
        loaded.policy.filter(|policy| policy.digest() == manifest.policy_digest)
    })
}

/// The target that a backup was made of, as the policy said it then.
///
/// Falls back on the policy at hand where the store has no text that this program reads.
pub(crate) fn target_of(rack: &Rack<'_>, stored: &Stored) -> Option<Target> {
    let name = stored.manifest.target.as_str();
    let then = policy_of(rack, stored).and_then(|policy| policy.targets().get(name).cloned());
    then.or_else(|| rack.policy?.targets().get(name).cloned())
}

/// An engine for content that has no source here, for examining and restoring it elsewhere.
pub(crate) fn engine_at(target: &Target, place: &Path) -> Result<Box<dyn Engine>, EngineError> {
    observe::engine(&target.engine, PathBuf::from(place))
}
