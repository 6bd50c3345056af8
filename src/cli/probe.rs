//! `install --probe`: a harmless entry that tells what it finds where the scheduler starts it, beside what this terminal finds.
//!
//! What fails at two in the night is seldom the backup: it is a PATH, a permission, a variable that only a shell had. So one
//! more entry is installed, in the same way and for the next minute, whose program looks and writes down what it sees, and
//! is removed again.
#![expect(clippy::disallowed_methods, reason = "waits for the report of an entry")]

mod report;

use super::{
    error::CliError,
    install::{Places, Wanted, make_for, told},
    output,
    session::Session,
};
use crate::{
    fault::OnPath,
    install::{self, Action, Change, Scheduler},
    observe::site::{Purpose, site, state_of_the_host},
    plan::entries::{Site, probe_entry},
    platform::{
        self,
        whole::{self, Readers},
    },
    policy::Policy,
    schedule::{
        entry::{Backend, Scope},
        render::Rendered,
    },
    watch::{Cancel, Watch},
};
use report::Report;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long a report is waited for: schedulers start what is due at the next minute, and are late.
const PATIENCE: Duration = Duration::from_secs(150);

/// Probes the schedulers in which policies have their entries.
///
/// # Errors
/// Exit 4 where an entry finds something else than this terminal, in a way that matters, or does not run at all.
pub(super) fn probe(
    session: &Session,
    policies: &[Policy],
    wanted: &[Wanted],
    cancel: &Cancel,
) -> Result<u8, CliError> {
    let mut failed = Vec::new();
    for one in wanted {
        let Some(policy) = policies.iter().find(|policy| policy.name() == one.meant.name.as_str()) else {
            continue;
        };
        if one.backend == Backend::Kubernetes {
            output::warn(&format!("{}: a pod is not this host: nothing was probed there", one.meant.name));
            continue;
        }
        let found = site(&session.host, policy, one.backend, Purpose::Install).map_err(|problems| {
            session.tell_problems(&problems, Some(policy.source()));
            CliError::told(2, "the policy cannot be run here")
        })?;
        let there = in_scheduler(session, policy, one, &found.site, cancel)?;
        let here = Report::of(session, policy);
        match there {
            None => failed.push(format!(
                "{}: {} did not start the probe within {} s",
                one.meant.name,
                one.backend,
                PATIENCE.as_secs()
            )),
            Some(there) => {
                for line in there.beside(&here) {
                    output::print(&format!("{}: {line}\n", one.meant.name))?;
                }
                failed.extend(there.failures().map(|what| format!("{}: {what}", one.meant.name)));
            }
        }
    }
    match failed.first() {
        None => Ok(0),
        Some(first) => {
            for what in &failed {
                output::warn(what);
            }
            Err(CliError::told(4, format!("in the scheduled context {first}")))
        }
    }
}

/// Installs the probe, waits for its report, and removes it whatever came.
fn in_scheduler(
    session: &Session,
    policy: &Policy,
    wanted: &Wanted,
    site: &Site,
    cancel: &Cancel,
) -> Result<Option<Report>, CliError> {
    let folder = match wanted.scope {
        Scope::User => session.host.state_folder("probes")?,
        // The entry's user must be able to write there.
        Scope::System => Path::new(&state_of_the_host(wanted.user.as_deref())).join("probes"),
    };
    make_for(&folder, wanted.user.as_deref())?;
    let file =
        tempfile::Builder::new().suffix(".json").tempfile_in(&folder).on("create a file in", &folder)?;
    if let Some(user) = &wanted.user {
        platform::rights::give_to(file.path(), user).on("give to the user of the entries", file.path())?;
    }
    let path = file.path().to_path_buf();
    let (name, rendered) = probe_entry(policy, wanted.backend, site, &path)
        .map_err(|refusal| CliError::invalid(refusal.to_string()).help(refusal.help))?;
    let places = Places::of(session, std::slice::from_ref(wanted));
    let Some((_, mut scheduler)) = places.all().find(|(place, _)| place.is_of(wanted)) else {
        return Ok(None);
    };
    let entries = BTreeMap::from([(name.clone(), rendered)]);
    let change = |action| [Change { name: name.clone(), action }];
    let made = change_in(&mut *scheduler, &change(Action::Create), &entries, cancel);
    let report = made.and_then(|()| {
        if !session.global.quiet {
            output::tell(&format!(
                "{}: waiting for {} to start the probe",
                wanted.meant.name, wanted.backend
            ));
        }
        wait_for(&path, cancel)
    });
    // Removed whatever came, also when it is to stop: it would look around every minute.
    let removed = change_in(&mut *scheduler, &change(Action::Remove), &entries, &Cancel::default());
    report.and_then(|report| removed.map(|()| report))
}

fn change_in(
    scheduler: &mut dyn Scheduler,
    changes: &[Change],
    entries: &BTreeMap<crate::schedule::entry::EntryName, Rendered>,
    cancel: &Cancel,
) -> Result<(), CliError> {
    let watch = Watch::new(cancel, None, &|_| ());
    let applied = install::apply(scheduler, changes, entries, &watch).map_err(|error| told(&error))?;
    match applied.failed.into_iter().next() {
        Some((_, error)) => Err(told(&error)),
        None => Ok(()),
    }
}

fn wait_for(path: &Path, cancel: &Cancel) -> Result<Option<Report>, CliError> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let text = fs::read_to_string(path).on("read", path)?;
        if let Ok(report) = serde_json::from_str(&text) {
            return Ok(Some(report));
        }
        Watch::new(cancel, None, &|_| ())
            .pause(Duration::from_millis(250))
            .map_err(|_| CliError::interrupted())?;
    }
    Ok(None)
}

/// Writes what this process finds to a file that is there: what the entry of a probe runs.
pub(super) fn write_report(session: &Session, path: &PathBuf) -> Result<u8, CliError> {
    let policies = session.policies()?;
    let policy = policies.first().ok_or_else(|| CliError::invalid("there is no policy"))?;
    let text = serde_json::to_string(&Report::of(session, policy))
        .map_err(|error| CliError::failed(error.to_string()))?;
    // Whole or not at all: who waits reads it as soon as it is there. No new file is made: who asked has made it.
    fs::metadata(path).on("look at", path)?;
    whole::replace(path, text.as_bytes(), Readers::Owner)?;
    Ok(0)
}
