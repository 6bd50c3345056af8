//! The lines that commands other than `run` leave in the history, told before and after. That one cannot be written
//! keeps nobody from his data.

use super::{error::CliError, output, session::Session};
use crate::{
    catalog::HistoryEntry,
    policy::Policy,
    store::{BackupId, Stamp},
};
use std::collections::BTreeMap;

/// One line.
pub(crate) struct Line {
    run: Option<String>,
    details: serde_json::Value,
}

impl Line {
    /// Begins a line.
    pub(crate) fn begin(
        session: &Session,
        kind: &str,
        policy: &str,
        digest: &str,
        details: serde_json::Value,
    ) -> Self {
        let now = session.host.now();
        let run = session.catalog().and_then(|catalog| {
            (1..1_000).find_map(|n| {
                let suffix = if n > 1 { format!("-{n}") } else { String::new() };
                let entry = HistoryEntry {
                    run: format!("{policy}/{kind}/{}{suffix}", Stamp::first(now)),
                    policy: policy.to_owned(),
                    digest: digest.to_owned(),
                    kind: kind.to_owned(),
                    started: session.host.real_now(),
                    finished: None,
                    outcome: "open".to_owned(),
                    details: details.clone(),
                };
                matches!(catalog.enter(&entry), Ok(true)).then_some(entry.run)
            })
        });
        Self { run, details }
    }

    /// Ends it.
    pub(crate) fn end(mut self, session: &Session, failed: Option<&CliError>) {
        let Some(run) = &self.run else { return };
        let outcome = match failed.map(|error| error.exit) {
            None => "done",
            Some(3) => "incomplete",
            Some(130) => "interrupted",
            Some(_) => "failed",
        };
        if let (Some(error), Some(details)) = (failed, self.details.as_object_mut()) {
            details.insert("error".to_owned(), error.message.clone().into());
        }
        let Some(catalog) = session.catalog() else { return };
        if let Err(error) = catalog.finish(run, session.host.real_now(), outcome, &self.details) {
            output::warn(&error.to_string());
        }
    }
}

/// Does something with backups, with a line for each policy that they are of.
pub(crate) fn noted<'a, T>(
    session: &Session,
    kind: &str,
    policies: &[Policy],
    backups: impl Iterator<Item = &'a BackupId>,
    work: impl FnOnce() -> Result<T, CliError>,
) -> Result<T, CliError> {
    let mut by_policy: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for id in backups {
        let named = by_policy.entry(id.series.policy.as_str()).or_default();
        let id = id.to_string();
        if !named.contains(&id) {
            named.push(id);
        }
    }
    let lines: Vec<Line> = by_policy
        .into_iter()
        .map(|(name, ids)| {
            let policy = policies.iter().find(|policy| policy.name() == name);
            let digest = policy.map(Policy::digest).unwrap_or_default();
            Line::begin(session, kind, name, digest, serde_json::json!({ "backups": ids }))
        })
        .collect();
    let outcome = work();
    for line in lines {
        line.end(session, outcome.as_ref().err());
    }
    outcome
}
