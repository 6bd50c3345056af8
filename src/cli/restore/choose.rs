//! Which backups: each selector exactly one, and several targets from one run.

use super::super::{
    args::Restore,
    backups::{self, Shelf},
    error::CliError,
    moment, output,
    session::Session,
};
use crate::{
    plan::rfc3339,
    policy::Policy,
    selector::{Selector, When},
    store::{BackupId, Stamp},
};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// A run: the policy's name and the stamp.
type Run = (String, Stamp);

pub(super) fn choose(
    session: &Session,
    args: &Restore,
    policies: &[Policy],
    shelf: &Shelf<'_>,
) -> Result<Vec<BackupId>, CliError> {
    let at = args.at.map(|at| moment::resolve(at, policies)).transpose()?;
    if let Some(job) = &args.job {
        return whole_run(session, at, policies, shelf, job);
    }
    // Those that say when decide the run; the others come from the same one.
    let mut chosen: Vec<Option<BackupId>> = Vec::new();
    let mut open: Vec<(usize, Selector)> = Vec::new();
    for (n, text) in args.targets.iter().enumerate() {
        let selector = backups::parse(text)?;
        let says_when = !matches!(&selector, Selector::Target { when: None, .. });
        if says_when && args.at.is_some() {
            return Err(said_twice());
        }
        if says_when || (args.targets.len() == 1 && args.at.is_none()) {
            chosen.push(Some(shelf.one_at_hand(text)?));
        } else {
            chosen.push(None);
            open.push((n, selector));
        }
    }
    let named: BTreeSet<Run> = chosen.iter().flatten().map(run_of).collect();
    if named.len() > 1 {
        let ids: Vec<_> = chosen.iter().flatten().map(ToString::to_string).collect();
        return Err(CliError::invalid(format!("{} come from different runs", ids.join(" and ")))
            .help("restore them one by one, or name backups of one run"));
    }
    let candidates: Vec<BTreeMap<Run, BackupId>> =
        open.iter().map(|(_, selector)| proven_by_run(session, at, shelf, selector)).collect();
    if let Some(first) = candidates.first() {
        let mut runs: Vec<&Run> = first
            .keys()
            .filter(|run| candidates.iter().all(|found| found.contains_key(*run)))
            .filter(|run| named.is_empty() || named.contains(*run))
            .collect();
        runs.sort_by_key(|(_, stamp)| *stamp);
        let policies: BTreeSet<&str> = runs.iter().map(|(policy, _)| policy.as_str()).collect();
        if policies.len() > 1 {
            return Err(CliError::ambiguous(format!(
                "{} may be of the policies {}",
                args.targets.join(" and "),
                policies.into_iter().collect::<Vec<_>>().join(", ")
            ))
            .help("write POLICY/JOB/TARGET"));
        }
        let run = runs.last().ok_or_else(|| no_run(args, at, named.first()))?;
        for ((n, _), found) in open.iter().zip(&candidates) {
            chosen[*n] = found.get(*run).cloned();
        }
    }
    let mut ids: Vec<BackupId> = Vec::new();
    for id in chosen.into_iter().flatten() {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn run_of(id: &BackupId) -> Run {
    (id.series.policy.clone(), id.stamp)
}

fn said_twice() -> CliError {
    CliError::invalid("`--at` and `@WHEN` say the same thing twice")
}

/// The latest stamp that is meant. A day that is not over ends later than now, and a backup dated in the future is never
/// what is meant.
fn bound(session: &Session, at: Option<DateTime<Utc>>) -> DateTime<Utc> {
    let now = session.host.now();
    at.map_or(now, |at| at.min(now))
}

/// A selector's proven backups that are not later than asked, by run.
fn proven_by_run(
    session: &Session,
    at: Option<DateTime<Utc>>,
    shelf: &Shelf<'_>,
    selector: &Selector,
) -> BTreeMap<Run, BackupId> {
    let latest = bound(session, at);
    let known = shelf.at_hand();
    let proven: BTreeSet<&BackupId> =
        known.iter().filter(|entry| entry.proven).map(|entry| &entry.id).collect();
    let fitting = |id: &BackupId| proven.contains(id) && id.stamp.time() <= latest;
    selector.all(&known).into_iter().filter(fitting).map(|id| (run_of(&id), id)).collect()
}

fn no_run(args: &Restore, at: Option<DateTime<Utc>>, named: Option<&Run>) -> CliError {
    let targets = args.targets.join(" and ");
    match (named, at) {
        (Some((policy, stamp)), _) => {
            CliError::unknown(format!("the run {policy}/{stamp} holds no proven backups of all of {targets}"))
        }
        (None, Some(at)) => {
            CliError::unknown(format!("{targets}: no proven backup from {} or before", rfc3339(at)))
        }
        (None, None) => CliError::unknown(format!("no run holds proven backups of {targets}"))
            .help("restore them one by one"),
    }
}

/// Every target of one run of a job.
fn whole_run(
    session: &Session,
    at: Option<DateTime<Utc>>,
    policies: &[Policy],
    shelf: &Shelf<'_>,
    text: &str,
) -> Result<Vec<BackupId>, CliError> {
    let (name, when) = text.split_once('@').map_or((text, None), |(name, when)| (name, Some(when)));
    let (policy, job) = name.split_once('/').map_or((None, name), |(policy, job)| (Some(policy), job));
    if when.is_some() && at.is_some() {
        return Err(said_twice());
    }
    let when = match when {
        Some(when) => When::parse(when).ok_or_else(|| {
            CliError::invalid(format!("`{when}` is no WHEN"))
                .help("latest, latest~N, oldest, or the beginning of a UTC stamp such as 2026-01-05T07")
        })?,
        None => When::Latest { back: 0 },
    };
    let latest = bound(session, at);
    let mut runs: BTreeMap<Stamp, Vec<(BackupId, bool)>> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for entry in shelf.at_hand() {
        let series = &entry.id.series;
        if series.job == job && policy.is_none_or(|policy| policy == series.policy) {
            names.insert(series.policy.clone());
            if entry.id.stamp.time() <= latest {
                runs.entry(entry.id.stamp).or_default().push((entry.id, entry.proven));
            }
        }
    }
    if names.len() > 1 {
        let names: Vec<_> = names.into_iter().map(|name| format!("{name}/{job}")).collect();
        return Err(CliError::ambiguous(format!("several policies have a job `{job}`"))
            .help(format!("write {}", names.join(" or "))));
    }
    // What each run lacks, by the policy that it was made by: a job may have had other targets then.
    let lacks: BTreeMap<Stamp, Vec<String>> =
        runs.iter().map(|(stamp, found)| (*stamp, lacking(policies, shelf, job, found))).collect();
    let whole: Vec<&Stamp> = lacks.iter().filter(|(_, lacks)| lacks.is_empty()).map(|(run, _)| run).collect();
    let stamp = match &when {
        When::Latest { back } => whole.iter().rev().nth(*back).copied(),
        When::Oldest => whole.first().copied(),
        When::Prefix(prefix) => {
            let exact = runs.keys().find(|stamp| stamp.to_string() == *prefix);
            let mut bearing = runs.keys().filter(|stamp| stamp.to_string().starts_with(prefix.as_str()));
            let first = bearing.next();
            if exact.is_none() && bearing.next().is_some() {
                return Err(CliError::ambiguous(format!("job `{job}` has several runs `{prefix}…`"))
                    .help("`policy list` shows their stamps"));
            }
            exact.or(first)
        }
    };
    let passed_over = lacks.iter().rev().take_while(|(run, _)| stamp.is_none_or(|stamp| *run > stamp));
    if matches!(when, When::Latest { .. }) {
        for (run, lacks) in passed_over.filter(|(_, lacks)| !lacks.is_empty()) {
            output::warn(&format!("run {run} is passed over: {}", lacks.join(", ")));
        }
    }
    let found = stamp.and_then(|stamp| Some((stamp, runs.get(stamp)?))).ok_or_else(|| {
        CliError::unknown(format!("job `{job}` has no such run with proven backups of all its targets"))
            .help("name the targets one by one: `policy list` shows what there is")
    })?;
    // A run that was named is taken as it is.
    for lack in lacks.get(found.0).into_iter().flatten() {
        output::warn(&format!("run {}: {lack}", found.0));
    }
    Ok(found.1.iter().map(|(id, _)| id.clone()).collect())
}

/// What keeps a run from being whole: targets of the job without a backup in it, and backups that are not proven.
fn lacking(policies: &[Policy], shelf: &Shelf<'_>, job: &str, found: &[(BackupId, bool)]) -> Vec<String> {
    let then = found.iter().flat_map(|(id, _)| shelf.copies_of(id)).filter(|copy| !copy.remembered);
    let then = then.into_iter().find_map(|copy| backups::policy_of(&shelf.stores[copy.rack], &copy.stored));
    let is_of = |policy: &&Policy| found.iter().any(|(id, _)| policy.name() == id.series.policy.as_str());
    let policy = then.as_ref().or_else(|| policies.iter().find(is_of));
    let targets = policy.and_then(|policy| policy.jobs().get(job)).map(|job| job.targets.as_slice());
    let missing = targets
        .unwrap_or_default()
        .iter()
        .filter(|name| !found.iter().any(|(id, _)| name.as_str() == id.series.target))
        .map(|name| format!("it holds no backup of `{name}`"));
    let unproven = found.iter().filter(|(_, proven)| !proven);
    let unproven = unproven.map(|(id, _)| {
        let name = &id.series.target;
        if shelf.copies_of(id).iter().any(|copy| !copy.remembered) {
            format!("its backup of `{name}` is not proven")
        } else {
            format!("the store of its backup of `{name}` cannot be reached")
        }
    });
    missing.chain(unproven).collect()
}
