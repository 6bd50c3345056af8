//! The entries of this host's schedulers, and how each stands.

use crate::{
    cli::{
        error::CliError,
        install::{Meant, Place, Places, Wanted, chosen, seen, told, wanted},
        output,
        session::Session,
    },
    install::{EntryState, InstallError, Seen, standings},
    observe::site::Purpose,
    plan::{entries::jobs_by_entry, rfc3339},
    policy::{Policy, model::BackendChoice},
    schedule::{
        entry::{Backend, EntryName},
        render::Rendered,
    },
    watch::Cancel,
};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// An entry, as `status --json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EntryRow {
    /// The scheduler.
    backend: Backend,
    /// Its name.
    name: String,
    /// The policy's name.
    policy: String,
    /// The job's name; `null` for a job that is no more.
    job: Option<String>,
    /// Its first file, or the name of its block; `null` where it cannot be looked at.
    file: Option<String>,
    /// The hash that it states of itself, SHA-256 in hex; `null`: it is not there.
    hash: Option<String>,
    /// How it stands.
    state: EntryState,
    /// What was found, in sentences.
    facts: Vec<String>,
    /// When it fires next, where the scheduler tells.
    next: Option<DateTime<Utc>>,
}

impl EntryRow {
    /// Adds that it does not bring its job to run.
    pub(super) fn note_overdue(&mut self, policy: &str, job: &str, slot: DateTime<Utc>) {
        if self.policy == policy && self.job.as_deref() == Some(job) {
            self.facts.push(format!("its slot of {} was not run", rfc3339(slot)));
        }
    }

    pub(super) fn is_drift(&self) -> bool {
        self.state != EntryState::Installed
    }

    /// What to do about it.
    pub(super) fn mend(&self) -> &'static str {
        match self.state {
            EntryState::NeverFires | EntryState::Disabled => "mend what `policy status` says of the entry",
            _ => "`policy install` brings the entries up to date",
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn backend(&self) -> Backend {
        self.backend
    }

    pub(super) fn state(&self) -> &'static str {
        self.state.as_str()
    }
}

fn first_file(seen: &Seen) -> Option<String> {
    seen.installed.files.first().map(|file| file.name.clone())
}

/// What was seen in one place.
type Look = (Place, Backend, Result<Vec<Seen>, InstallError>);

/// Looks at places that were not looked at yet.
fn look(places: &Places<'_>, looks: &mut Vec<Look>, cancel: &Cancel) {
    for (place, scheduler) in places.all() {
        if !looks.iter().any(|(known, ..)| *known == place) {
            looks.push((place, scheduler.backend(), seen(&*scheduler, cancel)));
        }
    }
}

/// The scheduler that a policy's entries are measured by: its own; of one that leaves it to the host, the one in which they
/// are, as `install --backend` may have named another than the host's.
fn measure(policy: &Policy, looks: &[Look]) -> Option<Backend> {
    let name = policy.name().as_str();
    let has = |backend: Backend| {
        let mut there =
            looks.iter().filter(|(_, of, _)| *of == backend).filter_map(|(.., seen)| seen.as_ref().ok());
        there.any(|seen| seen.iter().any(|one| one.installed.is_of(name)))
    };
    measured(policy.install().backend, chosen(policy), has)
}

fn measured(choice: BackendChoice, usual: Option<Backend>, has: impl Fn(Backend) -> bool) -> Option<Backend> {
    if choice != BackendChoice::Auto || usual.is_some_and(&has) {
        return usual;
    }
    Backend::ALL.into_iter().find(|backend| has(*backend)).or(usual)
}

/// The entries that these policies want or have, in every scheduler of this host.
pub(super) fn rows(
    session: &Session,
    policies: &[Policy],
    backend: Option<Backend>,
    cancel: &Cancel,
) -> Result<Vec<EntryRow>, CliError> {
    let names: BTreeMap<EntryName, (String, String)> = policies
        .iter()
        .flat_map(|policy| {
            jobs_by_entry(policy).into_iter().map(|(name, job)| (name, (policy.name().to_string(), job)))
        })
        .collect();
    let meant: Vec<Meant> = policies.iter().map(|policy| Meant::of(session, policy)).collect();
    let mut looks = Vec::new();
    look(&Places::of(session, &[]), &mut looks, cancel);
    let choice = |policy: &Policy| backend.or_else(|| measure(policy, &looks));
    let wanted = wanted(session, policies, &choice, Purpose::Compare)?;
    look(&Places::of(session, &wanted), &mut looks, cancel);
    let mut rows = Vec::new();
    for (place, backend, seen) in looks {
        let mine: Vec<&Wanted> = wanted.iter().filter(|one| place.is_of(one)).collect();
        let entries: BTreeMap<EntryName, Rendered> =
            mine.iter().flat_map(|one| one.entries.clone()).collect();
        let seen = match seen {
            Ok(seen) => seen,
            Err(_) if mine.is_empty() => continue,
            Err(error) if error.is_stop() => return Err(told(&error)),
            // What is promised is told all the same.
            Err(error) => {
                let unseen = entries.keys().map(|name| {
                    let (policy, job) = names.get(name).cloned().unzip();
                    EntryRow {
                        backend,
                        name: name.to_string(),
                        policy: policy.unwrap_or_default(),
                        job,
                        file: None,
                        hash: None,
                        state: EntryState::Missing,
                        facts: vec![format!("it cannot be looked at: {error}; {}", error.help())],
                        next: None,
                    }
                });
                rows.extend(unseen);
                continue;
            }
        };
        let owner = |one: &Seen| meant.iter().find(|policy| policy.has(backend, &one.installed));
        let seen: Vec<Seen> = seen.into_iter().filter(|one| owner(one).is_some()).collect();
        for standing in standings(&entries, &seen) {
            let (policy, job) = names.get(&standing.name).cloned().unzip();
            let found = seen.iter().find(|one| one.installed.name == standing.name);
            let owner = found.and_then(owner);
            let mut facts = standing.state.facts;
            if let (Some(owner), Some(found)) = (owner, found)
                && let Some(file) = owner.rival(backend, &found.installed)
            {
                facts.push(format!("it runs `{}`, another policy of that name", file.display()));
            }
            rows.push(EntryRow {
                backend,
                name: standing.name.to_string(),
                policy: policy.or_else(|| owner.map(|owner| owner.name.clone())).unwrap_or_default(),
                job,
                file: found
                    .and_then(first_file)
                    .or_else(|| entries.get(&standing.name)?.files.first().map(|file| file.name.clone())),
                hash: found.map(|found| found.installed.stated.clone()),
                state: standing.state.state,
                facts,
                next: standing.state.next,
            });
        }
    }
    Ok(rows)
}

/// Prints them.
pub(super) fn print(rows: &[EntryRow]) -> Result<u8, CliError> {
    if rows.is_empty() {
        return Ok(0);
    }
    let mut table = vec![["ENTRY", "SCHEDULER", "STATE", "FIRES NEXT"].map(str::to_owned).to_vec()];
    for row in rows {
        let next = row.next.map_or_else(String::new, rfc3339);
        table.push(vec![row.name.clone(), row.backend.to_string(), row.state().to_owned(), next]);
    }
    output::print("\n")?;
    output::print(&output::table(&table))?;
    for (row, fact) in rows.iter().flat_map(|row| row.facts.iter().map(move |fact| (row, fact))) {
        output::print(&format!("{}: {fact}\n", row.name))?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_names_no_scheduler_is_measured_by_the_one_in_which_it_is() {
        let (cron, systemd) = (Some(Backend::Cron), Some(Backend::Systemd));
        let only = |one: Backend| move |backend| backend == one;
        assert_eq!(measured(BackendChoice::Auto, systemd, only(Backend::Cron)), cron);
        assert_eq!(measured(BackendChoice::Auto, systemd, |_| true), systemd);
        assert_eq!(measured(BackendChoice::Auto, systemd, |_| false), systemd);
        assert_eq!(
            measured(BackendChoice::One(Backend::Systemd), systemd, only(Backend::Cron)),
            systemd,
            "what a policy says is what it wants"
        );
        assert_eq!(measured(BackendChoice::None, None, only(Backend::Cron)), None);
    }
}
