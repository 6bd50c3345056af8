//! The entries of this host's schedulers, and how each stands.

use crate::{
    cli::{
        error::CliError,
        install::{Places, Wanted, seen, told, wanted},
        output,
        session::Session,
    },
    install::{EntryState, standings},
    observe::site::Purpose,
    plan::entries::jobs_by_entry,
    policy::Policy,
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
    /// How it stands.
    state: EntryState,
    /// What was found, in sentences.
    facts: Vec<String>,
    /// When it fires next, where the scheduler tells.
    next: Option<DateTime<Utc>>,
}

impl EntryRow {
    pub(super) fn is_drift(&self) -> bool {
        self.state != EntryState::Installed
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
    let wanted = wanted(session, policies, backend, Purpose::Compare)?;
    let mut rows = Vec::new();
    let places = Places::of(session, &wanted);
    for (place, scheduler) in places.all() {
        let mine: Vec<&Wanted> = wanted.iter().filter(|one| place.is_of(one)).collect();
        let entries: BTreeMap<EntryName, Rendered> =
            mine.iter().flat_map(|one| one.entries.clone()).collect();
        let seen = match seen(&*scheduler, cancel) {
            Ok(seen) => seen,
            Err(_) if mine.is_empty() => continue,
            Err(error) if error.is_stop() => return Err(told(&error)),
            // What is promised is told all the same.
            Err(error) => {
                let unseen = entries.keys().map(|name| {
                    let (policy, job) = names.get(name).cloned().unzip();
                    EntryRow {
                        backend: scheduler.backend(),
                        name: name.to_string(),
                        policy: policy.unwrap_or_default(),
                        job,
                        state: EntryState::Missing,
                        facts: vec![format!("it cannot be looked at: {error}; {}", error.help())],
                        next: None,
                    }
                });
                rows.extend(unseen);
                continue;
            }
        };
        let is_ours = |one: &crate::install::Seen| {
            policies.iter().any(|policy| one.installed.is_of(policy.name().as_str()))
        };
        let seen: Vec<_> = seen.into_iter().filter(is_ours).collect();
        for standing in standings(&entries, &seen) {
            let (policy, job) = names.get(&standing.name).cloned().unzip();
            let of = || {
                let found = seen.iter().find(|one| one.installed.name == standing.name)?;
                policies
                    .iter()
                    .map(|policy| policy.name().to_string())
                    .find(|name| found.installed.is_of(name))
            };
            rows.push(EntryRow {
                backend: scheduler.backend(),
                name: standing.name.to_string(),
                policy: policy.or_else(of).unwrap_or_default(),
                job,
                state: standing.state.state,
                facts: standing.state.facts,
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
        let next = row.next.map_or_else(String::new, crate::plan::rfc3339);
        table.push(vec![row.name.clone(), row.backend.to_string(), row.state().to_owned(), next]);
    }
    output::print("\n")?;
    output::print(&output::table(&table))?;
    for (row, fact) in rows.iter().flat_map(|row| row.facts.iter().map(move |fact| (row, fact))) {
        output::print(&format!("{}: {fact}\n", row.name))?;
    }
    Ok(0)
}
