//! `history` and `log`.
#![expect(clippy::disallowed_methods, reason = "logs are files of the state folder")]

use super::{
    args::{History, Log},
    error::CliError,
    output::{self, BOLD, GOOD, WARNING, paint},
    progress::log_file,
    session::Session,
};
use crate::{
    catalog::{Catalog, HistoryEntry},
    plan::rfc3339,
};
use std::fs;

fn entries(session: &Session, limit: usize) -> Result<Vec<HistoryEntry>, CliError> {
    match Catalog::open_existing(&session.host.state)? {
        Some(catalog) => Ok(catalog.history(limit)?),
        None => Ok(Vec::new()),
    }
}

pub(crate) fn history(session: &Session, args: &History) -> Result<u8, CliError> {
    let entries = entries(session, args.limit)?;
    if session.global.json {
        return output::print_json(&entries);
    }
    if entries.is_empty() {
        output::tell("nothing was done on this host yet");
        return Ok(0);
    }
    let header = ["RUN", "KIND", "STARTED", "TOOK", "OUTCOME", "POLICY", "FIRST FAILURE"];
    let mut rows = vec![header.map(|word| paint(BOLD, word)).to_vec()];
    for entry in &entries {
        let took = entry.finished.map(|end| format!("{} s", (end - entry.started).num_seconds().max(0)));
        let style = if entry.outcome == "done" || entry.outcome == "recovered" { GOOD } else { WARNING };
        rows.push(vec![
            entry.run.clone(),
            entry.kind.clone(),
            rfc3339(entry.started),
            took.unwrap_or_else(|| "no end recorded".to_owned()),
            paint(style, &entry.outcome),
            entry.digest.chars().take(12).collect(),
            output::printable(&first_failure(entry)),
        ]);
    }
    output::print(&output::table(&rows))
}

/// The first thing that went wrong, in a run or in a restore.
fn first_failure(entry: &HistoryEntry) -> String {
    let details = &entry.details;
    let failure = details.pointer("/failures/0/message").or_else(|| details.get("error"));
    failure.and_then(|message| message.as_str()).unwrap_or_default().to_owned()
}

/// Prints the log of a run, or of the newest one of a job. With failures in it, the last one comes first.
pub(crate) fn log(session: &Session, args: &Log) -> Result<u8, CliError> {
    let entries = entries(session, usize::MAX)?;
    let entry = entries.iter().find(|entry| is_meant(entry, args.what.as_deref()));
    let Some(entry) = entry else {
        return Err(CliError::unknown(match &args.what {
            Some(what) => format!("there is no run or job `{what}` in the history"),
            None => "nothing was done on this host yet".to_owned(),
        }));
    };
    let path = log_file(&session.host.state.join("logs"), &entry.run);
    let text = fs::read_to_string(&path)
        .map_err(|error| CliError::unknown(format!("run {} has no log: {error}", entry.run)))?;
    let lines: Vec<&str> = text.lines().collect();
    let last_failure = lines.iter().rev().find(|line| line.contains(" FAILED  "));
    if session.global.json {
        return output::print_json(&serde_json::json!({
            "run": entry.run, "last_failure": last_failure, "lines": lines,
        }));
    }
    let first = last_failure.map(|line| format!("last failure: {line}\n\n")).unwrap_or_default();
    output::print(&format!("{first}{text}"))
}

fn is_meant(entry: &HistoryEntry, what: Option<&str>) -> bool {
    // Restores have no log.
    let Some(what) = what else { return entry.kind == "run" };
    let (policy, job) = what.rsplit_once('/').map_or((None, what), |(policy, job)| (Some(policy), job));
    let has_job = || {
        let jobs = entry.details.get("jobs").and_then(|jobs| jobs.as_array());
        jobs.is_some_and(|jobs| jobs.iter().any(|name| name.as_str() == Some(job)))
    };
    entry.run == what || (policy.is_none_or(|policy| policy == entry.policy) && has_job())
}
