//! `install` and `uninstall`: entries of the host's scheduler, planned, validated as a whole, applied, read back.
#![expect(clippy::disallowed_methods, reason = "makes the folders in which entries write")]

mod places;
mod show;

use places::remember;
pub(super) use places::{Places, chosen};

use super::{
    args::{Install, Scheduler, Uninstall},
    error::CliError,
    kept, output,
    session::Session,
    signals,
};
use crate::{
    fault::OnPath as _,
    install::{self, Action, Change, InstallError, Seen},
    observe::site::{Found, Purpose, SYSTEM_STATE, site},
    plan::entries::{backend as backend_of, entries},
    platform,
    policy::Policy,
    schedule::{
        entry::{Backend, EntryName, Scope},
        render::{Refusal, Rendered},
    },
    watch::{Cancel, Watch},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write as _, path::Path};

/// What happens to the entries of a policy, as `install --json` and `uninstall --json` print it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InstallElement {
    /// The policy's name; empty where nobody knows any more.
    policy: String,
    /// The scheduler.
    backend: Backend,
    /// The entries, by name.
    entries: Vec<EntryElement>,
}

/// What happens to an entry.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EntryElement {
    /// Its name.
    name: String,
    /// Its first file; of a user's crontab, the name of its block.
    file: String,
    /// How exactly the scheduler says the schedule; `null` for what is removed.
    tier: Option<crate::schedule::entry::Tier>,
    /// What happens to it.
    action: Action,
    /// What is run.
    argv: Vec<Vec<String>>,
}

/// What a policy wants of one scheduler.
pub(super) struct Wanted {
    pub(super) policy: String,
    pub(super) backend: Backend,
    pub(super) scope: Scope,
    pub(super) namespace: Option<String>,
    pub(super) log_folder: Option<String>,
    pub(super) user: Option<String>,
    pub(super) entries: BTreeMap<EntryName, Rendered>,
}

/// What every policy wants here; everything that is in the way is told, and then nothing is.
pub(super) fn wanted(
    session: &Session,
    policies: &[Policy],
    choice: Option<Backend>,
    purpose: Purpose,
) -> Result<Vec<Wanted>, CliError> {
    let mut all = Vec::new();
    let mut is_refused = false;
    for policy in policies {
        let backend = match choice {
            Some(backend) => Some(backend),
            None if purpose != Purpose::Emit => chosen(policy),
            None => backend_of(policy.install().backend, crate::plan::Platform::current()),
        };
        let Some(backend) = backend else {
            if !session.global.quiet && purpose != Purpose::Compare {
                output::tell(&format!("{}: nothing is installed: `policy daemon` runs it", policy.name()));
            }
            continue;
        };
        let Found { site, warnings } = match site(&session.host, policy, backend, purpose) {
            Ok(found) => found,
            Err(problems) => {
                session.tell_problems(&problems, Some(policy.source()));
                is_refused = true;
                continue;
            }
        };
        let is_told = purpose != Purpose::Compare;
        for warning in warnings.iter().filter(|_| is_told) {
            output::warn(&format!("{}: {warning}", policy.name()));
        }
        let mut rendered = BTreeMap::new();
        for (name, entry) in entries(policy, backend, &site) {
            match entry {
                Ok(entry) => {
                    let shown = crate::plan::entries::jobs_by_entry(policy).remove(&name).unwrap_or_default();
                    for warning in entry.warnings.iter().filter(|_| is_told) {
                        output::warn(&format!("{}/{shown}: {warning}", policy.name()));
                    }
                    rendered.insert(name, entry);
                }
                Err(refusal) => {
                    is_refused = true;
                    tell_refusal(&refusal);
                }
            }
        }
        let kubernetes = policy.install().kubernetes.as_ref();
        all.push(Wanted {
            policy: policy.name().to_string(),
            backend,
            scope: site.context.scope,
            namespace: kubernetes.and_then(|of| of.namespace.as_ref()).map(|name| name.value.clone()),
            log_folder: site.context.log_folder.clone(),
            user: site.context.user.clone(),
            entries: rendered,
        });
    }
    if is_refused {
        let what = match purpose {
            Purpose::Compare => "not every entry that the policy wants can be told",
            Purpose::Install | Purpose::Emit => "nothing was installed: not every entry can be",
        };
        return Err(CliError::told(2, what));
    }
    Ok(all)
}

fn tell_refusal(refusal: &Refusal) {
    output::print_error(&CliError::invalid(refusal.to_string()).help(refusal.help.clone()), false);
}

fn named(args: &Install) -> Option<Backend> {
    args.backend.and_then(Scheduler::backend)
}

pub(super) fn install(session: &Session, args: &Install) -> Result<u8, CliError> {
    let policies = session.policies()?;
    let cancel = signals::watch()?;
    if let Some(folder) = &args.emit {
        return emit(session, args, &policies, folder);
    }
    let wanted = wanted(session, &policies, named(args), Purpose::Install)?;
    let names: Vec<&str> = policies.iter().map(|policy| policy.name().as_str()).collect();
    let (mut works, unread) = works(session, &wanted, &names, &cancel)?;
    // Where nothing is wanted a scheduler that cannot be read stands in nobody's way.
    for error in unread.iter().filter(|error| error.is_refusal()) {
        output::warn(&format!("{error}: what is left there of these policies was not looked for"));
    }
    let elements: Vec<InstallElement> = works.iter().flat_map(Work::elements).collect();
    if args.dry_run {
        return show::changes(session, &elements, true);
    }
    // Also where nothing is changed: an entry whose log has no folder could not be started.
    for (folder, user) in works.iter().flat_map(|work| &work.folders) {
        make_for(Path::new(folder), user.as_deref())?;
    }
    remember(session, &wanted)?;
    let failed = change(&mut works, &cancel)?;
    show::changes(session, &elements, false)?;
    ended(&failed)?;
    if args.probe {
        return super::probe::probe(session, &policies, &wanted, &cancel);
    }
    Ok(0)
}

/// Changes every scheduler: each must be ready before the first is touched, and nothing is removed before what is new is
/// armed everywhere. A kill in between leaves an entry too many, of which the guard lets one run; the other way round a job
/// that moves from one scheduler to another would be in none. For the same reason nothing is removed where something failed.
fn change(works: &mut [Work], cancel: &Cancel) -> Result<Vec<(EntryName, InstallError)>, CliError> {
    for work in works.iter().filter(|work| work.changes.iter().any(|change| change.action.writes())) {
        work.scheduler.ready(&Watch::new(cancel, None, &|_| ())).map_err(|error| told(&error))?;
    }
    let mut failed = Vec::new();
    for work in works.iter_mut() {
        failed.extend(work.apply(Action::writes, cancel)?);
    }
    let is_removal = |action| action == Action::Remove;
    if failed.is_empty() {
        for work in works.iter_mut() {
            failed.extend(work.apply(is_removal, cancel)?);
        }
    } else if works.iter().any(|work| work.changes.iter().any(|change| is_removal(change.action))) {
        output::warn(
            "what is no longer wanted was left where it is, as something that is wanted could not be made",
        );
    }
    Ok(failed)
}

/// Makes a folder in which entries write, readable by their user alone.
pub(super) fn make_for(folder: &Path, user: Option<&str>) -> Result<(), CliError> {
    let is_new = !folder.exists();
    crate::scratch::create_private_folder(folder)?;
    if let Some(user) = user.filter(|_| is_new) {
        platform::rights::give_to(folder, user).on("give to the user of the entries", folder)?;
    }
    Ok(())
}

fn ended(failed: &[(EntryName, InstallError)]) -> Result<u8, CliError> {
    for (name, error) in failed {
        output::print_error(&CliError::failed(format!("{name}: {error}")).help(error.help()), false);
    }
    match failed.first() {
        None => Ok(0),
        Some((_, error)) if failed.iter().all(|(_, error)| error.is_refusal()) => {
            Err(CliError::told(5, error.to_string()))
        }
        Some(_) => Err(CliError::told(1, "not every entry is as it should be")),
    }
}

/// Writes the files of entries and arms nothing.
fn emit(session: &Session, args: &Install, policies: &[Policy], folder: &Path) -> Result<u8, CliError> {
    let wanted = wanted(session, policies, named(args), Purpose::Emit)?;
    let folder = session.host.working_folder.join(folder);
    let mut elements = Vec::new();
    for one in &wanted {
        let entries =
            one.entries.iter().map(|(name, rendered)| EntryElement::of(name, rendered, Action::Create));
        elements.push(InstallElement {
            policy: one.policy.clone(),
            backend: one.backend,
            entries: entries.collect(),
        });
    }
    if !args.dry_run {
        crate::scratch::create_private_folder(&folder)?;
        for one in &wanted {
            install::emit(one.backend, &folder, &one.entries).map_err(|error| told(&error))?;
        }
    }
    show::changes(session, &elements, args.dry_run)
}

pub(super) fn uninstall(session: &Session, args: &Uninstall) -> Result<u8, CliError> {
    let cancel = signals::watch()?;
    // Everything that bears our mark goes, or that of the policies named: their text need not be readable for that.
    let meant = if session.global.policy.is_empty() {
        Vec::new()
    } else {
        // Of a policy that is gone or invalid the text says which it is that was valid last.
        kept::load(session, false)?.policies.iter().map(|policy| policy.name().to_string()).collect()
    };
    let names: Vec<&str> = meant.iter().map(String::as_str).collect();
    let (mut works, unread) =
        if names.is_empty() { all_works(session, &cancel) } else { works(session, &[], &names, &cancel)? };
    let elements: Vec<InstallElement> = works.iter().flat_map(Work::elements).collect();
    if args.dry_run {
        return show::changes(session, &elements, true);
    }
    let failed = change(&mut works, &cancel)?;
    show::changes(session, &elements, false)?;
    ended(&failed)?;
    // What could not be looked at may hold entries, and they would go on firing.
    unread.first().map_or(Ok(0), |error| Err(told(error)))
}

/// One scheduler, and what is to change in it.
struct Work {
    scheduler: Box<dyn install::Scheduler>,
    seen: Vec<Seen>,
    wanted: BTreeMap<EntryName, Rendered>,
    changes: Vec<Change>,
    /// The policy of each entry.
    policies: BTreeMap<EntryName, String>,
    folders: Vec<(String, Option<String>)>,
}

impl Work {
    /// Makes those changes that write, or those that remove.
    fn apply(
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

    fn elements(&self) -> Vec<InstallElement> {
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

impl EntryElement {
    fn of(name: &EntryName, rendered: &Rendered, action: Action) -> Self {
        Self {
            name: name.to_string(),
            file: rendered.files.first().map(|file| file.name.clone()).unwrap_or_default(),
            tier: Some(rendered.tier),
            action,
            argv: rendered.argv.clone(),
        }
    }
}

/// What is to change in every scheduler of this host for these policies. Entries of theirs in schedulers that they do not
/// want any more go: a job in two of them would be two jobs.
fn works(
    session: &Session,
    wanted: &[Wanted],
    names: &[&str],
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
        let seen: Vec<Seen> =
            seen.into_iter().filter(|seen| names.iter().any(|name| seen.installed.is_of(name))).collect();
        works.push(Work::new(scheduler, seen, &mine, names));
    }
    works.retain(|work| !work.changes.is_empty() || !work.folders.is_empty());
    Ok((works, unread))
}

/// The removal of everything here that bears our mark, and what could not be read.
fn all_works(session: &Session, cancel: &Cancel) -> (Vec<Work>, Vec<InstallError>) {
    let (mut works, mut unread) = (Vec::new(), Vec::new());
    for (_, scheduler) in Places::of(session, &[]).all() {
        match seen(&*scheduler, cancel) {
            Ok(seen) => works.push(Work::new(scheduler, seen, &[], &[])),
            Err(error) => unread.push(error),
        }
    }
    works.retain(|work| !work.changes.is_empty());
    (works, unread)
}

impl Work {
    fn new(
        scheduler: Box<dyn install::Scheduler>,
        seen: Vec<Seen>,
        mine: &[&Wanted],
        names: &[&str],
    ) -> Self {
        let wanted: BTreeMap<EntryName, Rendered> = mine.iter().flat_map(|one| one.entries.clone()).collect();
        let mut policies: BTreeMap<EntryName, String> = mine
            .iter()
            .flat_map(|one| one.entries.keys().map(|name| (name.clone(), one.policy.clone())))
            .collect();
        for one in &seen {
            if let Some(policy) = names.iter().find(|name| one.installed.is_of(name)) {
                policies.insert(one.installed.name.clone(), (*policy).to_owned());
            }
        }
        let changes = install::decide(&wanted, &seen);
        let folders = mine.iter().flat_map(|one| {
            let of_host = (one.scope == Scope::System).then(|| SYSTEM_STATE.to_owned());
            one.log_folder.clone().into_iter().chain(of_host).map(|folder| (folder, one.user.clone()))
        });
        let folders = if cfg!(unix) { folders.collect() } else { Vec::new() };
        Self { scheduler, seen, wanted, changes, policies, folders }
    }
}

pub(super) fn seen(scheduler: &dyn install::Scheduler, cancel: &Cancel) -> Result<Vec<Seen>, InstallError> {
    install::survey(scheduler, &Watch::new(cancel, None, &|_| ()))
}

/// An error of a scheduler, in words and with a code.
pub(super) fn told(error: &InstallError) -> CliError {
    if error.is_stop() {
        return CliError::interrupted();
    }
    let mut text = String::new();
    let _ = write!(text, "{error}"); // a String takes everything
    let made = if error.is_refusal() { CliError::refused(text) } else { CliError::failed(text) };
    made.help(error.help())
}
