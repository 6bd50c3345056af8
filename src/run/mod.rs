//! Running: interprets a plan's steps against the world, and tells what happens as events.
//!
//! `job` holds the one exhaustive match on [`Action`](crate::plan::Action); the other modules are its hands.

mod admit;
mod capture;
pub(crate) mod claims;
pub mod event;
mod follow;
mod hooks;
mod intake;
mod job;
mod ledger;
mod prune;
mod publish;
pub(crate) mod room;
mod verify;

pub(crate) use capture::previous_of;
pub use event::{Event, Failure, FailureCode, Listener, Outcome, joint_exit};
pub(crate) use prune::verdicts;
pub(crate) use verify::{Opener, VerifyError, open_side, pour, read_back};

use crate::{
    catalog::{Catalog, HistoryEntry},
    observe::World,
    plan::{Plan, PlannedJob},
    scratch,
    store::{Series, Stamp, Store as _, Stored, layout::free_stamp},
    watch::Cancel,
};
use chrono::{DateTime, Utc};
use std::{collections::BTreeSet, time::Duration};

/// What is given to a run beside its plan.
pub struct Order<'a> {
    /// The observed world: every source and store resolved.
    pub world: &'a World<'a>,
    /// The plan, whose steps are done exactly.
    pub plan: &'a Plan,
    /// Stores that may be other ones than those last used.
    pub new_stores: &'a BTreeSet<String>,
    /// The slot of the schedule that it is made for; `None`: by hand.
    pub slot: Option<DateTime<Utc>>,
    /// How long a lock that another holds is waited for.
    pub patience: Duration,
    /// The request to stop.
    pub cancel: &'a Cancel,
    /// Told of everything.
    pub listener: &'a Listener<'a>,
}

/// What became of a run.
#[derive(Debug)]
pub struct Report {
    /// The run's id: `<policy>/<stamp>`.
    pub run: String,
    /// The policy's name.
    pub policy: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The backups it published, with the store each lies in.
    pub backups: Vec<(String, Stored)>,
    /// Everything that failed, of the last try.
    pub failures: Vec<Failure>,
    /// The exit code.
    pub exit: u8,
}

/// The names and times of one run.
#[derive(Debug, Clone)]
struct Tag {
    id: String,
    stamp: Stamp,
    now: DateTime<Utc>,
}

/// Runs a plan to its end.
pub fn run(order: &Order<'_>) -> Report {
    let world = order.world;
    let catalog = match Catalog::open(&world.host.state) {
        Ok(catalog) => Some(catalog),
        Err(error) => {
            // A backup is worth more than its line in the history: the run goes on, and says so.
            (order.listener)(&Event::Warning(format!("{error}: this run will not stand in the history")));
            None
        }
    };
    scratch::sweep(&world.host.state.join("scratch"));
    let tag = tag(order, catalog.as_ref());
    (order.listener)(&Event::RunBegan { run: &tag.id });
    let mut pairs = Vec::new();
    let mut failures = Vec::new();
    let has_steps = |planned: &&PlannedJob| order.plan.steps.iter().any(|step| step.job == planned.job);
    for planned in order.plan.jobs.iter().filter(has_steps) {
        let mut job = job::JobRun::new(order, &tag, catalog.as_ref(), planned);
        // The jobs behind the one that was interrupted are not begun.
        if !order.cancel.is_cancelled() {
            job.interpret_all();
        }
        let (job_pairs, job_failures) = job.finish();
        pairs.extend(job_pairs);
        failures.extend(job_failures);
    }
    let (outcome, exit) = judge(&pairs, &failures, order.cancel.is_cancelled());
    if let Some(catalog) = &catalog {
        let details = details(order.plan, &pairs, &failures);
        if let Err(error) = catalog.finish(&tag.id, world.host.real_now(), outcome.as_str(), &details) {
            (order.listener)(&Event::Warning(error.to_string()));
        }
    }
    (order.listener)(&Event::RunEnded { run: &tag.id, outcome });
    let backups = pairs.into_iter().filter_map(|pair| Some((pair.store, pair.published?))).collect();
    Report { run: tag.id, policy: order.plan.policy.clone(), outcome, backups, failures, exit }
}

/// What became of one target in one store.
#[derive(Debug)]
struct PairEnd {
    job: String,
    target: String,
    store: String,
    published: Option<Stored>,
    good: bool,
    code: Option<FailureCode>,
}

/// The exit code of the contract (cli.md): 130 first; 0 when every pair is good and nothing else failed, 3 when some
/// pairs are good, otherwise the code they share, else 1.
fn judge(pairs: &[PairEnd], failures: &[Failure], interrupted: bool) -> (Outcome, u8) {
    let good = pairs.iter().filter(|pair| pair.good).count();
    let outcome = if good == pairs.len() && failures.is_empty() {
        Outcome::Done
    } else if good > 0 {
        Outcome::Incomplete
    } else {
        Outcome::Failed
    };
    let exit = match outcome {
        _ if interrupted => 130,
        Outcome::Done => 0,
        Outcome::Incomplete => 3,
        // Without a pair that failed it was something around them.
        Outcome::Failed => {
            joint_exit(0, pairs.iter().filter_map(|pair| pair.code).map(FailureCode::exit)).max(1)
        }
    };
    (outcome, exit)
}

/// Chooses the run's stamp: its start, with `-2` and so on behind every run that the stores or the history know.
fn tag(order: &Order<'_>, catalog: Option<&Catalog>) -> Tag {
    let now = order.world.host.now();
    let mut taken: BTreeSet<Stamp> = BTreeSet::new();
    for step in &order.plan.steps {
        let (Some(target), Some(store)) = (&step.target, &step.store) else { continue };
        let series =
            Series { policy: order.plan.policy.clone(), job: step.job.clone(), target: target.clone() };
        if let Some(Ok(view)) = order.world.stores.get(store.as_str())
            && let Ok(listing) = view.store.list(&series)
        {
            taken.extend(listing.backups.iter().map(|stored| stored.id.stamp));
        }
    }
    loop {
        let stamp = free_stamp(now, taken.iter().copied());
        let id = format!("{}/{stamp}", order.plan.policy);
        let entry = HistoryEntry {
            run: id.clone(),
            policy: order.plan.policy.clone(),
            digest: order.plan.digest.clone(),
            kind: "run".to_owned(),
            started: order.world.host.real_now(),
            finished: None,
            outcome: "open".to_owned(),
            details: details(order.plan, &[], &[]),
        };
        // The history's unique key settles it between two runs that start in the same second.
        match catalog.map(|catalog| catalog.enter(&entry)) {
            Some(Ok(false)) => {
                taken.insert(stamp);
            }
            _ => return Tag { id, stamp, now },
        }
    }
}

fn details(plan: &Plan, pairs: &[PairEnd], failures: &[Failure]) -> serde_json::Value {
    let jobs: Vec<&str> = plan.jobs.iter().map(|job| job.job.as_str()).collect();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|pair| {
            serde_json::json!({
                "job": pair.job, "target": pair.target, "store": pair.store, "good": pair.good,
                "backup": pair.published.as_ref().map(|stored| stored.id.to_string()),
            })
        })
        .collect();
    serde_json::json!({ "jobs": jobs, "pairs": pairs, "failures": failures })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(good: bool, code: Option<FailureCode>) -> PairEnd {
        PairEnd { job: "j".into(), target: "t".into(), store: "s".into(), published: None, good, code }
    }

    #[test]
    fn the_exit_code_is_what_all_pairs_share() {
        let good = || pair(true, None);
        let bad = |code| pair(false, Some(code));
        assert_eq!(judge(&[good(), good()], &[], false).1, 0);
        assert_eq!(judge(&[good(), bad(FailureCode::Source)], &[], false).1, 3);
        assert_eq!(judge(&[bad(FailureCode::Unproven), bad(FailureCode::Unproven)], &[], false).1, 4);
        assert_eq!(judge(&[bad(FailureCode::Unproven), bad(FailureCode::Source)], &[], false).1, 1);
        assert_eq!(judge(&[bad(FailureCode::Locked)], &[], false).1, 11);
        assert_eq!(judge(&[good()], &[], true).1, 130);
    }
}
