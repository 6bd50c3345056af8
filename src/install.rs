//! Entries on a host: what is there is compared with what a policy wants, changed, and read back.
//!
//! A [`Scheduler`] is a place where entries live: a folder of systemd units, a user's crontab, the tasks of Windows. What is
//! there is told by marks in the entries themselves, never by a policy, which may be gone. What bears no mark of ours is
//! neither overwritten nor removed.
//!
//! [`survey`] looks, [`decide()`] compares (pure), [`apply`] changes and reads back. Nothing that was put is in force, and
//! nothing that was removed is out of it for good, before [`Scheduler::settle`], which [`apply`] calls once.

pub mod cron_folder;
pub mod crontab;
mod decide;
mod emit;
mod error;
mod files;
pub mod kubernetes;
pub mod launchd;
mod marker;
pub mod systemd;
pub mod task_scheduler;
#[cfg(test)]
mod tests;
mod tools;

pub use decide::{Action, Change, Standing, decide, standings};
pub use emit::emit;
pub use error::InstallError;
pub use tools::Tools;

use crate::{
    schedule::{
        entry::{Backend, EntryName},
        render::{File, Rendered},
    },
    watch::Watch,
};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// An entry that is there and bears our mark, whether or not a policy stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its name.
    pub name: EntryName,
    /// Its files as they were read, in the order in which a renderer writes them.
    pub files: Vec<File>,
    /// The hash that it states of itself.
    pub stated: String,
    /// Why its bytes have another hash than it states; `None`: they have that one.
    pub altered: Option<String>,
}

/// How an entry stands on its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// It is there as the policy wants it, and armed.
    Installed,
    /// A policy wants it, and it is not there.
    Missing,
    /// It, or what the scheduler has loaded of it, is not what was installed, or not what the policy wants now.
    Altered,
    /// It is there, and no policy wants it.
    Orphaned,
    /// It is there, and the scheduler does not act on it.
    Disabled,
    /// The scheduler acts on it, or tries to, and it comes to nothing.
    NeverFires,
}

impl EntryState {
    /// Its name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Missing => "missing",
            Self::Altered => "altered",
            Self::Orphaned => "orphaned",
            Self::Disabled => "disabled",
            Self::NeverFires => "never_fires",
        }
    }
}

/// What a scheduler tells of one of its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// In one word: the worst of what was found.
    pub state: EntryState,
    /// In sentences: what was found.
    pub facts: Vec<String>,
    /// When it fires next, where the scheduler tells.
    pub next: Option<DateTime<Utc>>,
    /// Whether installing it again would mend it.
    pub mendable: bool,
}

impl State {
    /// Of an entry in which nothing was found yet but what its bytes say.
    fn of(installed: &Installed) -> Self {
        let mut state = Self { state: EntryState::Installed, facts: Vec::new(), next: None, mendable: false };
        if let Some(why) = &installed.altered {
            state.find(EntryState::Altered, true, why);
        }
        state
    }

    /// Adds what was found. The first of several names the state, for what comes later follows from it.
    fn find(&mut self, state: EntryState, mendable: bool, fact: impl Into<String>) {
        if self.state == EntryState::Installed {
            self.state = state;
        }
        self.mendable |= mendable;
        self.facts.push(fact.into());
    }

    /// Adds what is worth knowing and no defect.
    fn note(&mut self, fact: impl Into<String>) {
        self.facts.push(fact.into());
    }
}

/// An entry and what its scheduler tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The entry.
    pub installed: Installed,
    /// What is told of it.
    pub state: State,
}

/// What came of settling.
#[derive(Debug, Default)]
pub struct Settled {
    /// What did not come into force, and why.
    pub failed: Vec<(EntryName, InstallError)>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// A place where entries live.
pub trait Scheduler {
    /// Which scheduler it is.
    fn backend(&self) -> Backend;

    /// Whether entries can be put here; asked before the first one is written.
    ///
    /// # Errors
    /// Why they would not be armed.
    fn ready(&self, watch: &Watch<'_>) -> Result<(), InstallError>;

    /// Everything here that bears our mark, by name. Where the scheduler is not there, nothing is.
    ///
    /// # Errors
    /// When it cannot be read.
    fn installed(&self, watch: &Watch<'_>) -> Result<Vec<Installed>, InstallError>;

    /// What the scheduler tells of an entry.
    ///
    /// # Errors
    /// When it cannot be asked at all.
    fn state(&self, installed: &Installed, watch: &Watch<'_>) -> Result<State, InstallError>;

    /// Whether an entry may be put here under a name; asked of all of them before the first one is written.
    ///
    /// # Errors
    /// When what is there bears no mark of ours.
    fn free(&self, name: &EntryName, watch: &Watch<'_>) -> Result<(), InstallError>;

    /// Makes an entry, or brings it up to date.
    ///
    /// # Errors
    /// When what is there bears no mark of ours, and when it cannot be written.
    fn put(&mut self, name: &EntryName, rendered: &Rendered, watch: &Watch<'_>) -> Result<(), InstallError>;

    /// Removes an entry. One that is not there is removed.
    ///
    /// # Errors
    /// When what is there bears no mark of ours, and when it cannot be removed.
    fn remove(&mut self, name: &EntryName, watch: &Watch<'_>) -> Result<(), InstallError>;

    /// Brings into force what was put and removed since the last time, and reads all of it back.
    ///
    /// # Errors
    /// When nothing of it is in force.
    fn settle(&mut self, watch: &Watch<'_>) -> Result<Settled, InstallError>;
}

/// Everything here that bears our mark, and what the scheduler tells of it.
///
/// # Errors
/// When it cannot be read, or the scheduler cannot be asked.
pub fn survey(scheduler: &dyn Scheduler, watch: &Watch<'_>) -> Result<Vec<Seen>, InstallError> {
    let seen =
        |installed: Installed| scheduler.state(&installed, watch).map(|state| Seen { installed, state });
    scheduler.installed(watch)?.into_iter().map(seen).collect()
}

/// What came of an installation.
#[derive(Debug, Default)]
pub struct Applied {
    /// The entries that are not as they should be, and why. The others are, and were read back.
    pub failed: Vec<(EntryName, InstallError)>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Whether what is to be written can be: asked of every scheduler before the first one is touched.
///
/// # Errors
/// When entries would not be armed here, and when something that is not ours has the name of one.
pub fn ready(scheduler: &dyn Scheduler, changes: &[Change], watch: &Watch<'_>) -> Result<(), InstallError> {
    let mut puts = changes.iter().filter(|change| change.action.writes()).peekable();
    if puts.peek().is_some() {
        scheduler.ready(watch)?;
    }
    puts.try_for_each(|change| scheduler.free(&change.name, watch))
}

/// Makes the changes. One that fails does not keep the others from being made; without a change the scheduler is not called.
///
/// # Errors
/// Those of [`ready`], and then nothing was written; when nothing came into force; and when it was stopped.
pub fn apply(
    scheduler: &mut dyn Scheduler,
    changes: &[Change],
    wanted: &BTreeMap<EntryName, Rendered>,
    watch: &Watch<'_>,
) -> Result<Applied, InstallError> {
    let puts = changes.iter().filter(|change| change.action.writes());
    let removals = changes.iter().filter(|change| change.action == Action::Remove);
    ready(scheduler, changes, watch)?;
    let mut applied = Applied::default();
    let mut any = false;
    let mut take = |name: &EntryName, made: Result<(), InstallError>, applied: &mut Applied| match made {
        Ok(()) => {
            any = true;
            Ok(())
        }
        Err(error) if error.is_stop() => Err(error),
        Err(error) => {
            applied.failed.push((name.clone(), error));
            Ok(())
        }
    };
    // What is new comes first: a job under a new name, killed between the two, fires twice, of which the guard lets one run;
    // the other way round it would not fire at all.
    for Change { name, .. } in puts {
        let Some(rendered) = wanted.get(name) else { continue };
        take(name, scheduler.put(name, rendered, watch), &mut applied)?;
    }
    for Change { name, .. } in removals {
        take(name, scheduler.remove(name, watch), &mut applied)?;
    }
    if any {
        let settled = scheduler.settle(watch)?;
        applied.failed.extend(settled.failed);
        applied.warnings.extend(settled.warnings);
    }
    Ok(applied)
}
