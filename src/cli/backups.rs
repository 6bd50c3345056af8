//! Finds backups in stores: those of the policies, or those of a place that stands in for a policy.

pub(crate) mod bound;
mod collect;
mod memory;

pub(crate) use collect::{collect, collect_where, mend};

use super::{error::CliError, output};
use crate::policy::model::EngineSpec;
use crate::{
    listing::Element,
    policy::{self, Policy, model::Target},
    run,
    selector::{Known, NotOne, Selector},
    store::{BackupId, Series, Store as _, Stored, local::LocalStore},
};
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// Everything that was found, and where.
pub(crate) struct Shelf<'a> {
    /// The stores looked at, in order.
    pub(crate) stores: Vec<Rack<'a>>,
    /// Every copy, newest first; copies of one backup beside each other.
    pub(crate) copies: Vec<Copy>,
    /// Backups whose manifests cannot be relied on.
    pub(crate) damaged: Vec<NotRead>,
    /// Dated folders that are no backups, for they have no manifest.
    no_backups: Vec<NotRead>,
    /// Backups that are gone without a record of their removal.
    pub(crate) missing: Vec<NotRead>,
    /// Stores, or series in them, that could not be looked into.
    pub(crate) unreached: Vec<Unreached<'a>>,
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
    /// Whether it is the store last used under its name, or none was: another one is read, and left as it is.
    pub(crate) is_last: bool,
    /// Origins by target, as this host makes them.
    pub(crate) origins: BTreeMap<String, String>,
    /// Where the restores of targets are tried, where the policy says.
    pub(crate) scratch: BTreeMap<String, PathBuf>,
}

/// A store, or a series in one, that could not be looked into.
pub(crate) struct Unreached<'a> {
    /// Its index, when its place is known.
    pub(crate) rack: Option<usize>,
    /// Its name.
    pub(crate) name: String,
    /// The policy that names it.
    policy: Option<&'a Policy>,
    /// The series, when the others of the store could be read.
    pub(crate) series: Option<Series>,
    /// Why.
    pub(crate) why: String,
    /// Whether other series were read all the same, or another store in its place.
    is_read: bool,
    /// Whether nothing of it is remembered either and its folder is not there, as before its first run.
    may_be_new: bool,
}

/// What lies where a backup could and was not read as one.
pub(crate) struct NotRead {
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

impl<'a> Unreached<'a> {
    fn of(store: &Rack<'a>, rack: usize, series: Option<&Series>, why: String) -> Self {
        let (name, policy, series) = (store.name.clone(), store.policy, series.cloned());
        let (is_read, may_be_new) = (series.is_some(), false);
        Self { rack: Some(rack), name, policy, series, why, is_read, may_be_new }
    }
}

/// Whether a policy puts backups of such a series into a store.
fn may_hold(policy: &Policy, store: &str, takes: impl Fn(&Series) -> bool) -> bool {
    policy.jobs().values().filter(|job| job.stores.iter().any(|used| used.store == *store)).any(|job| {
        let series = |target: &policy::values::Name| Series {
            policy: policy.name().to_string(),
            job: job.name.to_string(),
            target: target.to_string(),
        };
        job.targets.iter().any(|target| takes(&series(target)))
    })
}

/// The retention that a policy sets for a series in a store.
pub(crate) fn retention_of(rack: &Rack<'_>, series: &Series) -> Option<policy::model::Retention> {
    let job = rack.policy?.jobs().get(series.job.as_str())?;
    job.stores.iter().find(|store| store.store == *rack.name.as_str())?.retention
}

impl Shelf<'_> {
    /// A copy as every command shows it.
    pub(crate) fn element(&self, copy: &Copy) -> Element {
        let element = Element::new(&self.stores[copy.rack].name, &copy.stored, copy.kept_by.clone());
        Element { remembered: copy.remembered, ..element }
    }

    /// The ids that a selector takes: every match.
    pub(crate) fn every(&self, selector: Option<&str>) -> Result<BTreeSet<BackupId>, CliError> {
        let Some(text) = selector else {
            return Ok(self.known().into_iter().map(|known| known.id).collect());
        };
        let selector = parse(text)?;
        let found = selector.all(&self.known());
        if found.is_empty() {
            // There may be some that are not proven.
            let none = NotOne::None { selector: text.to_owned() };
            let why = selector.one(&self.known()).err().unwrap_or(none);
            Err(self.unresolved(&selector, &why))
        } else {
            Ok(found.into_iter().collect())
        }
    }

    /// The one id that a selector means.
    pub(crate) fn one(&self, text: &str) -> Result<BackupId, CliError> {
        let selector = parse(text)?;
        selector.one(&self.known()).map_err(|why| self.unresolved(&selector, &why))
    }

    /// The one id that a selector means to restore from: what only the catalog remembers proves nothing, and what this
    /// host made of this source comes before what others put into the same store.
    pub(crate) fn one_at_hand(&self, text: &str) -> Result<BackupId, CliError> {
        let selector = parse(text)?;
        let own = self.known_by(|copy| !copy.remembered && self.is_own(copy), &[]);
        let found = match selector.one(&own) {
            Err(NotOne::NoneProven { .. }) => selector.one(&self.at_hand()),
            found => found,
        };
        found.map_err(|why| match &why {
            NotOne::NoneProven { newest, .. }
                if self.copies_of(newest).iter().all(|copy| copy.remembered) =>
            {
                self.nothing_of(newest)
            }
            _ => self.unresolved(&selector, &why),
        })
    }

    /// Whether a copy is of the source and the host that its target means here; so is one of which nobody knows.
    pub(crate) fn is_own(&self, copy: &Copy) -> bool {
        let own = self.stores[copy.rack].origins.get(&copy.stored.id.series.target);
        own.is_none_or(|own| *own == copy.stored.manifest.origin)
    }

    /// The error of a backup that has no copy at hand: damaged, out of reach, or none.
    pub(crate) fn nothing_of(&self, id: &BackupId) -> CliError {
        if let Some(missing) = self.missing.iter().find(|missing| missing.id == *id) {
            let store = &self.stores[missing.rack].name;
            return CliError::unknown(format!("`{id}` {}, in store `{store}`", missing.why))
                .help("`policy list` shows what there is");
        }
        match self.damaged.iter().find(|damaged| damaged.id == *id) {
            Some(damaged) => CliError::unproven(format!("`{id}` is damaged: {}", damaged.why)).help(
                "its data may be whole: README.txt in the store tells how to look at it with stock tools",
            ),
            None => CliError::unknown(format!("`{id}` lies in no store that can be reached")),
        }
    }

    /// The error of a selector that does not name one backup: what lies there instead, or could lie elsewhere.
    fn unresolved(&self, selector: &Selector, why: &NotOne) -> CliError {
        if let NotOne::Ambiguous { .. } = why {
            return CliError::ambiguous(why.to_string());
        }
        let known = |place: &NotRead| Known { id: place.id.clone(), proven: false, future: false };
        if let (NotOne::None { .. }, Some(place)) =
            (why, self.no_backups.iter().find(|place| !selector.all(&[known(place)]).is_empty()))
        {
            let (id, store) = (&place.id, &self.stores[place.rack].name);
            return CliError::unknown(format!("`{id}` in {store} is no backup: {}", place.why))
                .help("what lies in the folder may be looked at with stock tools; nothing removes it");
        }
        CliError::unknown(why.to_string()).help(match self.lacking(Some(selector)).first() {
            Some(store) => {
                format!("store `{}` could not be read, and may hold it: {}", store.name, store.why)
            }
            None => "`policy list` shows what there is".to_owned(),
        })
    }

    /// The stores, or series, that could not be read and may hold more of what is meant.
    pub(crate) fn lacking(&self, selector: Option<&Selector>) -> Vec<&Unreached<'_>> {
        let is_missed = |store: &&Unreached<'_>| {
            let takes = |series: &Series| selector.is_none_or(|selector| selector.takes(series));
            !store.may_be_new
                && match &store.series {
                    Some(series) => takes(series),
                    None => store.policy.is_none_or(|policy| may_hold(policy, &store.name, takes)),
                }
        };
        self.unreached.iter().filter(is_missed).collect()
    }

    /// How a command ends that told everything it could have of what is meant: incomplete where a store could not be
    /// read, failed where none could (cli.md, "Exit codes").
    pub(crate) fn end(&self, selector: Option<&Selector>) -> Result<u8, CliError> {
        let lacking = self.lacking(selector);
        let takes = |series: &Series| selector.is_none_or(|selector| selector.takes(series));
        let is_read = |(n, rack): &(usize, &Rack<'_>)| {
            rack.policy.is_none_or(|policy| may_hold(policy, &rack.name, takes))
                && self.unreached.iter().all(|store| store.rack != Some(*n) || store.is_read)
        };
        let read = self.stores.iter().enumerate().filter(is_read).count();
        let Some(first) = lacking.first() else { return Ok(0) };
        let exit = run::joint_exit(read, lacking.iter().map(|_| 1));
        Err(CliError::told(exit, format!("store `{}` could not be read: {}", first.name, first.why)))
    }

    /// The copies of a backup, in the order of the stores.
    pub(crate) fn copies_of(&self, id: &BackupId) -> Vec<&Copy> {
        self.copies.iter().filter(|copy| copy.stored.id == *id).collect()
    }

    /// The backups, not copies, as selectors see them: proven when any copy is.
    pub(crate) fn known(&self) -> Vec<Known> {
        self.known_by(|_| true, &self.missing)
    }

    /// The same for who needs the data itself: proven when a copy that can be reached is.
    pub(crate) fn at_hand(&self) -> Vec<Known> {
        self.known_by(|copy| !copy.remembered, &[])
    }

    fn known_by(&self, counts: impl Fn(&Copy) -> bool, missing: &[NotRead]) -> Vec<Known> {
        let mut known: BTreeMap<&BackupId, bool> = BTreeMap::new();
        for copy in &self.copies {
            *known.entry(&copy.stored.id).or_default() |= counts(copy) && copy.stored.proven();
        }
        for unread in self.damaged.iter().chain(missing) {
            known.entry(&unread.id).or_default();
        }
        let future = |id: &BackupId| id.stamp.time() > self.now;
        known.into_iter().map(|(id, proven)| Known { id: id.clone(), proven, future: future(id) }).collect()
    }

    /// Says which backups have copies of different contents: a retry captures again, under the same id.
    pub(crate) fn warn_of_differing(&self, ids: &BTreeSet<BackupId>) {
        let mut first: BTreeMap<&BackupId, &Copy> = BTreeMap::new();
        let contents = |copy: &Copy| {
            let files = copy.stored.manifest.files.iter();
            files.map(|file| file.plain_blake3.clone()).collect::<Vec<_>>()
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
    let mut target = then.or_else(|| rack.policy?.targets().get(name).cloned())?;
    with_commands_of(&mut target, rack.policy);
    Some(target)
}

/// Gives a target the commands of the policy at hand, or none: a policy's text in a store is data, and whoever may write to a
/// store must not get programs run by it.
pub(crate) fn with_commands_of(target: &mut Target, policy: Option<&Policy>) {
    let now = policy.and_then(|policy| policy.targets().get(target.name.as_str())).map(|now| &now.engine);
    if let EngineSpec::Command(spec) = &mut target.engine {
        let now = now.and_then(|now| if let EngineSpec::Command(now) = now { Some(now) } else { None });
        spec.verify = now.and_then(|now| now.verify.clone());
        spec.restore = now.and_then(|now| now.restore.clone());
    }
}
