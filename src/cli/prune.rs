//! `prune`: applies retention by hand, or shows what it says.

use super::{
    args::Prune,
    backups::{self, Copy, Rack, Shelf, Unreached},
    error::CliError,
    journal::noted,
    output::{self, DIM, WARNING, paint},
    session::{Session, select},
    signals,
};
use crate::{
    plan::Selection,
    policy::{Policy, model::Job},
    removal::{Removal, refuse_losses, stands_whole},
    retention,
    run::joint_exit,
    store::{BackupId, RecordKind, Series, Store as _, Stored, lock::Mode},
    watch::{Cancel, Watch},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

/// A verdict, as `prune --json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Verdict {
    /// The backup's id.
    id: String,
    /// The store of the copy.
    store: String,
    /// Whether it stays.
    keep: bool,
    /// Why.
    reasons: Vec<String>,
}

/// What is done about what is needless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// It goes.
    Removes,
    /// It is shown, as a dry run does.
    Shows,
    /// It is what will be needless at a time to come, and stays.
    Ahead,
}

/// One series in one store, decided by itself.
struct Line {
    rack: usize,
    series: Series,
}

pub(crate) fn prune(session: &Session, args: &Prune) -> Result<u8, CliError> {
    let policies = session.policies()?;
    let selected = select(&policies, &args.jobs)?;
    for store in &args.stores {
        if !policies.iter().any(|policy| policy.stores().contains_key(store.as_str())) {
            return Err(CliError::unknown(format!("there is no store `{store}`")));
        }
    }
    let shelf = backups::collect_where(session, &policies, |policy, store| {
        let selection = selected.iter().find(|(selected, _)| selected.name() == policy.name());
        let uses = |job: &Job| job.stores.iter().any(|used| used.store == *store);
        selection.is_some_and(|(_, selection)| {
            // Without jobs named, stores that no job uses any more are told of too: nothing in them goes.
            args.jobs.is_empty()
                || policy.jobs().values().any(|job| selection.takes_job(&job.name) && uses(job))
        }) && (args.stores.is_empty() || args.stores.iter().any(|wanted| wanted == store))
    })?;
    let is_selected = |series: &Series| {
        let takes = |(policy, selection): &(&Policy, Selection)| {
            policy.name() == series.policy.as_str()
                && policy.jobs().get(series.job.as_str()).is_some_and(|job| selection.takes_job(&job.name))
        };
        selected.iter().any(takes)
    };
    // Only what lies in the store last used is pruned.
    let is_prunable = |copy: &&Copy| !copy.remembered && shelf.stores[copy.rack].is_last;
    let lines: BTreeSet<(usize, &Series)> = shelf
        .copies
        .iter()
        .filter(is_prunable)
        .map(|copy| (copy.rack, &copy.stored.id.series))
        .filter(|(_, series)| is_selected(series))
        .collect();
    let lines: Vec<Line> =
        lines.into_iter().map(|(rack, series)| Line { rack, series: series.clone() }).collect();
    let lacking = shelf.lacking(None);
    let lacking: Vec<&Unreached<'_>> =
        lacking.into_iter().filter(|store| store.series.as_ref().is_none_or(is_selected)).collect();
    let cancel = signals::watch()?;
    // Asked once, as the clock goes on.
    let how = match (session.host.is_ahead(), args.dry_run) {
        (true, _) => How::Ahead,
        (false, true) => How::Shows,
        (false, false) => How::Removes,
    };
    if how == How::Ahead {
        output::warn("`--now` lies later than the clock: nothing is deleted");
    }
    let work = || prune_lines(session, (args, how), &shelf, &lines, &lacking, &cancel);
    if args.dry_run {
        return work();
    }
    let is_taken = |id: &BackupId| lines.iter().any(|line| line.series == id.series);
    let series = shelf.copies.iter().map(|copy| &copy.stored.id).filter(|id| is_taken(id));
    noted(session, "prune", &policies, series, work)
}

/// Prunes one line after the other and prints the verdicts. What could not be looked at counts as failed, in a dry run
/// too: a list without its verdicts is no answer to what would go.
fn prune_lines(
    session: &Session,
    (args, how): (&Prune, How),
    shelf: &Shelf<'_>,
    lines: &[Line],
    lacking: &[&Unreached<'_>],
    cancel: &Cancel,
) -> Result<u8, CliError> {
    let mut verdicts = Vec::new();
    let mut failures: Vec<CliError> = Vec::new();
    let mut removed = 0;
    for line in lines {
        // One series that cannot be pruned is no reason to leave the others as they are.
        match prune_line(session, &shelf.stores[line.rack], line, (args, how), cancel) {
            Ok((decided, count)) => {
                verdicts.extend(decided);
                removed += count;
            }
            Err(error) if error.exit == 130 => return Err(error),
            Err(error) => {
                output::print_error(&error, false);
                failures.push(error);
            }
        }
    }
    print(session, how, &verdicts, removed)?;
    // A store in which nothing of what is meant lies is as it should be.
    let is_bare = |n: usize| {
        lines.iter().all(|line| line.rack != n) && shelf.unreached.iter().all(|store| store.rack != Some(n))
    };
    let good = lines.len() - failures.len() + (0..shelf.stores.len()).filter(|n| is_bare(*n)).count();
    failures.extend(
        lacking.iter().map(|store| {
            CliError::failed(format!("store `{}` could not be pruned: {}", store.name, store.why))
        }),
    );
    match failures.first() {
        None => Ok(0),
        Some(first) => {
            let exit = joint_exit(good, failures.iter().map(|error| error.exit));
            Err(CliError::told(exit, first.message.clone()))
        }
    }
}

/// Decides one series in one store and, unless it is a dry run, does it. Returns the verdicts and how many went.
fn prune_line(
    session: &Session,
    rack: &Rack<'_>,
    line: &Line,
    (args, how): (&Prune, How),
    cancel: &Cancel,
) -> Result<(Vec<Verdict>, usize), CliError> {
    // A lock first and then a fresh look: what was decided must still be so when it is done.
    let lock = match how {
        How::Removes => Some(rack.store.lock(&line.series, Mode::Exclusive)?),
        How::Shows | How::Ahead => None,
    };
    let decided = decide(session, rack, &line.series, &args.adopt)?;
    let removed = if lock.is_some() { apply(session, rack, &line.series, &decided, cancel)? } else { 0 };
    let verdicts = decided.into_iter().map(|(id, verdict)| Verdict {
        id: id.to_string(),
        store: rack.name.clone(),
        keep: verdict.keep,
        reasons: verdict.reasons.iter().map(ToString::to_string).collect(),
    });
    Ok((verdicts.collect(), removed))
}

fn decide(
    session: &Session,
    rack: &Rack<'_>,
    series: &Series,
    adopted: &[String],
) -> Result<Vec<(BackupId, retention::Verdict)>, CliError> {
    let listing = rack.store.list(series)?;
    let own = rack.origins.get(&series.target);
    let zone = rack.policy.map(Policy::timezone).unwrap_or_default();
    let is_own = |stored: &Stored| {
        let origin = &stored.manifest.origin;
        own == Some(origin) || adopted.contains(origin)
    };
    let candidate = |stored: &Stored| retention::Candidate::of(stored, is_own(stored));
    let candidates: Vec<_> = listing.backups.iter().map(candidate).collect();
    let rule = backups::retention_of(rack, series);
    let now = session.host.now();
    let verdicts = retention::decide(&candidates, rule.as_ref(), zone, now);
    if verdicts.iter().any(|verdict| !verdict.keep) {
        refuse_losses(&listing, now, is_own)?;
    }
    Ok(verdicts.into_iter().map(|verdict| (series.backup(verdict.stamp), verdict)).collect())
}

/// Removes oldest first; each removal relies on the newest proven backup. Returns how many went.
fn apply(
    session: &Session,
    rack: &Rack<'_>,
    series: &Series,
    decided: &[(BackupId, retention::Verdict)],
    cancel: &Cancel,
) -> Result<usize, CliError> {
    let mut gone: Vec<&BackupId> =
        decided.iter().filter(|(_, verdict)| !verdict.keep).map(|(id, _)| id).collect();
    gone.sort();
    if gone.is_empty() {
        return Ok(0);
    }
    let relied_on = decided
        .iter()
        .filter(|(_, verdict)| verdict.keep && verdict.reasons.contains(&retention::Reason::NewestProven))
        .map(|(id, _)| id)
        .max();
    let Some(relied_on) = relied_on else {
        return Err(CliError::refused(format!(
            "{series} in {}: no proven backup stands behind what would go",
            rack.name
        )));
    };
    let watch = Watch::new(cancel, None, &|_| ());
    stands_whole(&rack.store, relied_on, &watch)?;
    let catalog = session.catalog();
    let removal = Removal {
        store: &rack.store,
        name: &rack.name,
        catalog: catalog.as_ref(),
        kind: RecordKind::Prune,
        message: "retention, by hand",
        at: session.host.real_now(),
        relied_on: Some(relied_on),
    };
    for id in &gone {
        if cancel.is_cancelled() {
            return Err(CliError::interrupted());
        }
        for warning in removal.remove(id)? {
            output::warn(&warning);
        }
    }
    Ok(gone.len())
}

fn print(session: &Session, how: How, verdicts: &[Verdict], removed: usize) -> Result<u8, CliError> {
    if session.global.json {
        return output::print_json(&verdicts);
    }
    let rows: Vec<_> = verdicts
        .iter()
        .map(|verdict| {
            let word = match how {
                _ if verdict.keep => paint(DIM, "keep"),
                How::Ahead => paint(WARNING, "needless then"),
                How::Removes | How::Shows => paint(WARNING, "prune"),
            };
            vec![word, verdict.id.clone(), verdict.store.clone(), verdict.reasons.join("; ")]
        })
        .collect();
    output::print(&output::table(&rows))?;
    let gone = verdicts.iter().filter(|verdict| !verdict.keep).count();
    let kept = verdicts.len() - gone;
    output::tell(&match how {
        How::Ahead => format!("{kept} kept and {gone} needless at that time; nothing was changed"),
        How::Shows => format!("{kept} kept, {gone} would be pruned; nothing was changed"),
        How::Removes => format!("{} kept, {removed} pruned", verdicts.len() - removed),
    });
    Ok(0)
}
