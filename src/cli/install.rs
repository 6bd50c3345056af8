//! `install` and `uninstall`: entries of the host's scheduler, planned, validated as a whole, applied, read back.
#![expect(clippy::disallowed_methods, reason = "makes the folders in which entries write")]

mod emit;
mod places;
mod show;
mod wanted;
mod works;

use places::remember;
pub(super) use places::{Place, Places, chosen};
pub(super) use wanted::{Meant, Wanted, here, wanted};
use works::{Work, all_works, works};

use super::{
    args::{Install, Scheduler, Uninstall},
    error::CliError,
    kept, output,
    session::Session,
    signals,
};
use crate::{
    fault::OnPath as _,
    install::{self, Action, InstallError, Seen},
    observe::site::{Purpose, state_of_the_host},
    platform,
    policy::Policy,
    schedule::{
        entry::{Backend, EntryName, Scope},
        render::Rendered,
    },
    watch::{Cancel, Watch},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

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

/// Keeps the text of each policy where its entries look for the last valid one: an error of typing may come before the first
/// of them has run.
fn keep_texts(session: &Session, policies: &[Policy], wanted: &[Wanted]) -> Result<(), CliError> {
    for policy in policies {
        let Some(one) = wanted.iter().find(|one| one.meant.name == policy.name().as_str()) else { continue };
        if one.backend == Backend::Kubernetes {
            continue;
        }
        let state = match one.scope {
            Scope::User => session.host.state.clone(),
            Scope::System => PathBuf::from(state_of_the_host(one.user.as_deref())),
        };
        kept::keep(&state, &one.meant.file, &policy.source().text)?;
        if let (Scope::System, Some(user)) = (one.scope, &one.user) {
            platform::rights::give_to(&state, user).on("give to the user of the entries", &state)?;
        }
    }
    Ok(())
}

fn tell_rival((name, file): &(EntryName, PathBuf)) {
    output::warn(&format!("{name} stays: it runs `{}`, another policy of that name", file.display()));
}

fn named(args: &Install) -> Option<Backend> {
    args.backend.and_then(Scheduler::backend)
}

pub(super) fn install(session: &Session, args: &Install) -> Result<u8, CliError> {
    let policies = session.policies()?;
    let cancel = signals::watch()?;
    if let Some(folder) = &args.emit {
        return emit::emit(session, args, &policies, folder);
    }
    let wanted = wanted(session, &policies, &here(named(args)), Purpose::Install)?;
    let meant: Vec<Meant> = policies.iter().map(|policy| Meant::of(session, policy)).collect();
    let (mut works, unread) = works(session, &wanted, &meant, &cancel)?;
    let rivals = |is_wanted| {
        works.iter().filter(move |work| work.is_wanted == is_wanted).flat_map(|work| &work.rivals)
    };
    // In another place, as that of the host beside a user's, nothing of theirs is in the way.
    rivals(false).for_each(tell_rival);
    if let Some((name, file)) = rivals(true).next() {
        // The one that is installed would silently stop.
        let file = file.display();
        let refused = CliError::refused(format!("{name} runs `{file}`: two policies cannot have one name"));
        return Err(refused.help(format!(
            "give one of them another `name`; or take the other one's entries away first: `policy --policy {file} uninstall`"
        )));
    }
    // Where nothing is wanted a scheduler that cannot be read stands in nobody's way.
    for error in unread.iter().filter(|error| error.is_refusal()) {
        output::warn(&format!("{error}: what is left there of these policies was not looked for"));
    }
    for (name, how) in works.iter().flat_map(Work::altered) {
        output::warn(&format!("{name}: {how}; that goes, as it is written anew"));
    }
    let elements: Vec<InstallElement> = works.iter().flat_map(Work::elements).collect();
    if args.dry_run {
        for work in &works {
            match install::ready(&*work.scheduler, &work.changes, &Watch::new(&cancel, None, &|_| ())) {
                Ok(()) => {}
                Err(error) if error.is_refusal() || error.is_stop() => return Err(told(&error)),
                // A host on which a change is reviewed need not be the one that it is for.
                Err(error) => output::warn(&format!("this would fail here: {error}; {}", error.help())),
            }
        }
        return show::changes(session, &elements, true);
    }
    for user in wanted.iter().filter_map(|one| one.user.as_deref()) {
        // cron skips a whole file for one whom the host does not have.
        platform::rights::has_user(user).on("look for the user of the entries in", "/etc/passwd")?;
    }
    if wanted.iter().any(|one| one.scope == Scope::User) {
        // Before a folder below it is made, which would make it as folders usually are.
        crate::scratch::create_private_folder(&session.host.state)?;
    }
    // Also where nothing is changed: an entry whose log has no folder could not be started.
    for (folder, user) in works.iter().flat_map(|work| &work.folders) {
        make_for(Path::new(folder), user.as_deref())?;
    }
    remember(session, &policies, &wanted)?;
    keep_texts(session, &policies, &wanted)?;
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
    for work in works.iter() {
        let watch = Watch::new(cancel, None, &|_| ());
        install::ready(&*work.scheduler, &work.changes, &watch).map_err(|error| told(&error))?;
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

/// Makes a folder in which entries write, readable by their user alone. One that is there stays as it is.
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

pub(super) fn uninstall(session: &Session, args: &Uninstall) -> Result<u8, CliError> {
    let cancel = signals::watch()?;
    // Everything that bears our mark goes, or that of the policies named: their text need not be readable for that.
    let meant = if session.global.policy.is_empty() {
        Vec::new()
    } else {
        // Of a policy that is gone or invalid the text says which it is that was valid last.
        kept::load(session, false)?.policies.iter().map(|policy| Meant::of(session, policy)).collect()
    };
    let (mut works, unread) =
        if meant.is_empty() { all_works(session, &cancel) } else { works(session, &[], &meant, &cancel)? };
    works.iter().flat_map(|work| &work.rivals).for_each(tell_rival);
    for (name, how) in works.iter().flat_map(Work::altered) {
        output::warn(&format!("{name}: {how}; that goes with it"));
    }
    let elements: Vec<InstallElement> = works.iter().flat_map(Work::elements).collect();
    if args.dry_run {
        return show::changes(session, &elements, true);
    }
    let failed = change(&mut works, &cancel)?;
    if unread.is_empty() || !elements.is_empty() {
        show::changes(session, &elements, false)?;
    }
    ended(&failed)?;
    // What could not be looked at may hold entries, and they would go on firing.
    unread.first().map_or(Ok(0), |error| Err(told(error)))
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
