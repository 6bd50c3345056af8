//! What is to change in each scheduler of this host, and the changes themselves.

use super::{
    EntryElement, InstallElement, Places, seen, told,
    wanted::{Meant, Wanted},
};
use crate::{
    cli::{error::CliError, output, session::Session},
    install::{self, Action, Change, InstallError, Seen},
    observe::site::state_of_the_host,
    schedule::{
        entry::{EntryName, Scope},
        render::Rendered,
    },
    watch::{Cancel, Watch},
};
use std::{collections::BTreeMap, path::PathBuf};

/// One scheduler, and what is to change in it.
pub(super) struct Work {
    pub(super) scheduler: Box<dyn install::Scheduler>,
    seen: Vec<Seen>,
    wanted: BTreeMap<EntryName, Rendered>,
    pub(super) changes: Vec<Change>,
    /// The policy of each entry.
    policies: BTreeMap<EntryName, String>,
    pub(super) folders: Vec<(String, Option<String>)>,
    /// Entries of other policies that bear the name of one of these, and their files.
    pub(super) rivals: Vec<(EntryName, PathBuf)>,
    /// Whether any of these policies wants its entries here.
    pub(super) is_wanted: bool,
}

impl Work {
    /// Makes those changes that write, or those that remove.
    pub(super) fn apply(
        &mut self,
        which: impl Fn(Action) -> bool,
        cancel: &Cancel,
    ) -> Result<Vec<(EntryName, InstallError)>, CliError> {
        let changes: Vec<Change> =
            self.changes.iter().filter(|change| which(change.action)).cloned().collect();
        let watch = Watch::new(cancel, None, &|_| ());
        let applied = install::apply(&mut *self.scheduler, &changes, &self.wanted, &watch);
        let applied = applied.map_err(|error| told(&error))?;
        for warning in &applied.warnings {
            output::warn(warning);
        }
        Ok(applied.failed)
    }

    pub(super) fn elements(&self) -> Vec<InstallElement> {
        let mut by_policy: BTreeMap<&str, Vec<EntryElement>> = BTreeMap::new();
        for Change { name, action } in &self.changes {
            let policy = self.policies.get(name).map_or("", String::as_str);
            let element = match self.wanted.get(name) {
                Some(rendered) => EntryElement::of(name, rendered, *action),
                None => self.removed(name),
            };
            by_policy.entry(policy).or_default().push(element);
        }
        let backend = self.scheduler.backend();
        let element =
            |(policy, entries): (&str, _)| InstallElement { policy: policy.to_owned(), backend, entries };
        by_policy.into_iter().map(element).collect()
    }

    fn removed(&self, name: &EntryName) -> EntryElement {
        let seen = self.seen.iter().find(|seen| seen.installed.name == *name);
        let file = seen.and_then(|seen| seen.installed.files.first()).map(|file| file.name.clone());
        EntryElement {
            name: name.to_string(),
            file: file.unwrap_or_default(),
            tier: None,
            action: Action::Remove,
            argv: Vec::new(),
        }
    }
}

/// What is to change in every scheduler of this host for these policies. Entries of theirs in schedulers that they do not
/// want any more go: a job in two of them would be two jobs.
pub(super) fn works(
    session: &Session,
    wanted: &[Wanted],
    meant: &[Meant],
    cancel: &Cancel,
) -> Result<(Vec<Work>, Vec<InstallError>), CliError> {
    let (mut works, mut unread) = (Vec::new(), Vec::new());
    let places = Places::of(session, wanted);
    for (place, scheduler) in places.all() {
        let mine: Vec<&Wanted> = wanted.iter().filter(|one| place.is_of(one)).collect();
        let seen = match seen(&*scheduler, cancel) {
            Ok(seen) => seen,
            Err(error) if mine.is_empty() => {
                unread.push(error);
                continue;
            }
            Err(error) => return Err(told(&error)),
        };
        works.push(Work::new(scheduler, seen, &mine, meant));
    }
    works.retain(|work| !work.is_idle());
    Ok((works, unread))
}

/// The removal of everything here that bears our mark, and what could not be read.
pub(super) fn all_works(session: &Session, cancel: &Cancel) -> (Vec<Work>, Vec<InstallError>) {
    let (mut works, mut unread) = (Vec::new(), Vec::new());
    for (_, scheduler) in Places::of(session, &[]).all() {
        match seen(&*scheduler, cancel) {
            Ok(seen) => works.push(Work::removal(scheduler, seen)),
            Err(error) => unread.push(error),
        }
    }
    works.retain(|work| !work.changes.is_empty());
    (works, unread)
}

impl Work {
    /// Of these policies.
    fn new(
        scheduler: Box<dyn install::Scheduler>,
        seen: Vec<Seen>,
        mine: &[&Wanted],
        meant: &[Meant],
    ) -> Self {
        let (mut ours, mut rivals) = (Vec::new(), Vec::new());
        for one in seen {
            let backend = scheduler.backend();
            match meant.iter().find(|policy| policy.has(backend, &one.installed)) {
                None => {}
                Some(policy) => match policy.rival(backend, &one.installed) {
                    Some(file) => rivals.push((one.installed.name, file)),
                    None => ours.push((one, policy.name.clone())),
                },
            }
        }
        let of_seen = ours.iter().map(|(one, policy)| (one.installed.name.clone(), policy.clone()));
        let of_wanted =
            mine.iter().flat_map(|one| one.entries.keys().map(|name| (name.clone(), one.meant.name.clone())));
        let policies = of_wanted.chain(of_seen).collect();
        let seen = ours.into_iter().map(|(one, _)| one).collect();
        Self { policies, rivals, ..Self::of(scheduler, seen, mine) }
    }

    /// Of everything that is there.
    fn removal(scheduler: Box<dyn install::Scheduler>, seen: Vec<Seen>) -> Self {
        Self::of(scheduler, seen, &[])
    }

    /// The entries that are written anew or removed though somebody has changed them, and how that is known.
    pub(super) fn altered(&self) -> impl Iterator<Item = (&EntryName, &str)> {
        let changes = self.changes.iter().filter(|change| change.action != Action::Unchanged);
        changes.filter_map(|change| {
            let seen = self.seen.iter().find(|seen| seen.installed.name == change.name)?;
            Some((&change.name, seen.installed.altered.as_deref()?))
        })
    }

    fn is_idle(&self) -> bool {
        self.changes.is_empty() && self.folders.is_empty() && self.rivals.is_empty()
    }

    fn of(scheduler: Box<dyn install::Scheduler>, seen: Vec<Seen>, mine: &[&Wanted]) -> Self {
        let wanted: BTreeMap<EntryName, Rendered> = mine.iter().flat_map(|one| one.entries.clone()).collect();
        let changes = install::decide(&wanted, &seen);
        let folders = mine.iter().flat_map(|one| {
            let of_host = (one.scope == Scope::System).then(|| state_of_the_host(one.user.as_deref()));
            one.log_folder.clone().into_iter().chain(of_host).map(|folder| (folder, one.user.clone()))
        });
        let folders = if cfg!(unix) { folders.collect() } else { Vec::new() };
        let (policies, rivals) = (BTreeMap::new(), Vec::new());
        let is_wanted = !mine.is_empty();
        Self { scheduler, seen, wanted, changes, policies, folders, rivals, is_wanted }
    }
}
