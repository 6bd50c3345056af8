//! `run`: executes plans, or with `--dry-run` shows them against what this host holds now.

use super::{
    args::Run,
    error::CliError,
    output,
    progress::Teller,
    session::{Session, select},
    signals,
};
use crate::{
    listing::Element,
    observe::World,
    plan::{self, Action, Plan, Platform, Selection, Step, render},
    policy::{Policy, Severity, values::Size},
    retention,
    run::{self, Order, Report},
    store::{Series, Store as _, layout::free_stamp},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::{collections::BTreeSet, fmt::Write as _};

pub(crate) fn run(session: &Session, args: &Run) -> Result<u8, CliError> {
    let policies = session.policies()?;
    let mut selected = select(&policies, &args.jobs)?;
    narrow(&policies, &mut selected, args)?;
    if args.dry_run { dry_run(session, &selected) } else { execute(session, args, &selected) }
}

/// Applies `--target` and `--store`; a name that no selected policy has is an error.
fn narrow(policies: &[Policy], selected: &mut Vec<(&Policy, Selection)>, args: &Run) -> Result<(), CliError> {
    for target in &args.targets {
        if !selected.iter().any(|(policy, _)| policy.targets().contains_key(target.as_str())) {
            let known: Vec<_> =
                policies.iter().flat_map(|policy| policy.targets().keys()).map(ToString::to_string).collect();
            return Err(CliError::unknown(format!("there is no target `{target}`"))
                .help(format!("the targets are {}", known.join(", "))));
        }
    }
    for store in args.stores.iter().chain(&args.new_stores) {
        if !selected.iter().any(|(policy, _)| policy.stores().contains_key(store.as_str())) {
            let known: Vec<_> =
                policies.iter().flat_map(|policy| policy.stores().keys()).map(ToString::to_string).collect();
            return Err(CliError::unknown(format!("there is no store `{store}`"))
                .help(format!("the stores are {}", known.join(", "))));
        }
    }
    for (_, selection) in selected.iter_mut() {
        selection.targets.clone_from(&args.targets);
        selection.stores.clone_from(&args.stores);
    }
    Ok(())
}

fn plan_now(session: &Session, policy: &Policy, selection: &Selection) -> Plan {
    plan::build(policy, selection, Platform::current(), Some(session.host.now()))
}

/// One policy's run, as `run --json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunElement {
    /// The run's id.
    run: String,
    /// The policy's name.
    policy: String,
    /// How it ended.
    outcome: run::Outcome,
    /// The backups it published.
    backups: Vec<Element>,
    /// What failed.
    failures: Vec<run::Failure>,
}

fn execute(session: &Session, args: &Run, selected: &[(&Policy, Selection)]) -> Result<u8, CliError> {
    let cancel = signals::watch()?;
    let mut prepared = Vec::new();
    // Every problem of every policy before anything is done for any.
    let mut invalid = false;
    for (policy, selection) in selected {
        let plan = plan_now(session, policy, selection);
        match World::observe(&session.host, policy) {
            Ok(world) => {
                let problems = world.problems(&plan);
                session.tell_problems(&problems, Some(policy.source()));
                invalid |= problems.iter().any(|problem| problem.severity == Severity::Error);
                prepared.push((world, plan));
            }
            Err(problems) => {
                session.tell_problems(&problems, Some(policy.source()));
                invalid = true;
            }
        }
    }
    if invalid {
        return Err(CliError::told(2, "the policy cannot be run here"));
    }
    if prepared.iter().all(|(_, plan)| plan.steps.is_empty()) {
        return Err(CliError::unknown("the selection leaves nothing to run"));
    }
    let new_stores: BTreeSet<String> = args.new_stores.iter().cloned().collect();
    let teller = Teller::new(&session.host, session.global.quiet, session.global.verbose);
    let listener = |event: &run::Event<'_>| teller.tell(event);
    let mut reports = Vec::new();
    for (world, plan) in prepared.iter().filter(|(_, plan)| !plan.steps.is_empty()) {
        for name in world.variables.overridden() {
            listener(&run::Event::Warning(format!(
                "`{name}` of an env file wins over the environment's other value"
            )));
        }
        let order = Order { world, plan, new_stores: &new_stores, cancel: &cancel, listener: &listener };
        reports.push(run::run(&order));
        if cancel.is_cancelled() {
            break;
        }
    }
    finish(session, reports)
}

fn finish(session: &Session, reports: Vec<Report>) -> Result<u8, CliError> {
    let exit = joint_exit(&reports);
    let elements: Vec<RunElement> = reports
        .into_iter()
        .map(|report| RunElement {
            run: report.run,
            policy: report.policy,
            outcome: report.outcome,
            backups: report
                .backups
                .iter()
                .map(|(store, stored)| Element::new(store, stored, Vec::new()))
                .collect(),
            failures: report.failures,
        })
        .collect();
    if session.global.json {
        output::print_json(&elements)?;
    } else if !session.global.quiet {
        let backups = elements.iter().flat_map(|element| &element.backups);
        let rows: Vec<_> = backups
            .map(|backup| {
                let proof = if backup.proven { "proven" } else { "UNPROVEN" };
                let size = Size::from_bytes(backup.bytes).to_string();
                vec![backup.id.clone(), backup.store.clone(), size, format!("{proof}: {}", backup.level)]
            })
            .collect();
        output::print(&output::table(&rows))?;
    }
    if exit == 0 { Ok(0) } else { Err(CliError::told(exit, summary(&elements))) }
}

fn summary(elements: &[RunElement]) -> String {
    let failures: Vec<&run::Failure> = elements.iter().flat_map(|element| &element.failures).collect();
    match failures.as_slice() {
        [] => "the run did not end well".to_owned(),
        [one] => one.message.clone(),
        [first, ..] => format!("{} failures, the first: {}", failures.len(), first.message),
    }
}

/// One exit code for several policies: 130 first, 0 when all are, 3 when some pairs are good, else the shared code or 1.
fn joint_exit(reports: &[Report]) -> u8 {
    let exits: BTreeSet<u8> = reports.iter().map(|report| report.exit).collect();
    match exits.len() {
        _ if exits.contains(&130) => 130,
        0 | 1 => exits.first().copied().unwrap_or(0),
        _ if exits.contains(&0) || exits.contains(&3) => 3,
        _ => 1,
    }
}

/// A plan against the world, as `run --dry-run --json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DryRunElement<'a> {
    /// The policy's name.
    policy: &'a str,
    /// The digest of the policy as meant.
    digest: &'a str,
    /// The calendar's time.
    at: &'a Option<String>,
    /// The platform.
    platform: Platform,
    /// The jobs.
    jobs: &'a [plan::PlannedJob],
    /// The steps that would run now.
    steps: &'a [Step],
    /// Entries of the host's scheduler.
    entries: &'a [plan::Entry],
    /// What was seen from here, step by step.
    observed: Vec<Observation>,
}

/// What was seen of what a step needs.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Observation {
    /// The step.
    n: usize,
    /// What was seen, or `unknown here: <why>`.
    note: String,
    /// What retention would say, were this run's backup proven.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    verdicts: Vec<Verdict>,
}

/// A verdict of retention.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Verdict {
    /// The backup.
    id: String,
    /// Whether it stays.
    keep: bool,
    /// Why.
    reasons: Vec<String>,
}

fn dry_run(session: &Session, selected: &[(&Policy, Selection)]) -> Result<u8, CliError> {
    let mut plans = Vec::new();
    for (policy, selection) in selected {
        let plan = plan_now(session, policy, selection);
        let observed = match World::observe(&session.host, policy) {
            Ok(world) => plan.steps.iter().filter_map(|step| observe(&world, step)).collect(),
            Err(problems) => {
                session.tell_problems(&problems, Some(policy.source()));
                return Err(CliError::told(2, "the policy cannot be run here"));
            }
        };
        plans.push((plan, observed));
    }
    if session.global.json {
        let elements: Vec<_> = plans
            .iter_mut()
            .map(|(plan, observed)| DryRunElement {
                policy: &plan.policy,
                digest: &plan.digest,
                at: &plan.at,
                platform: plan.platform,
                jobs: &plan.jobs,
                steps: &plan.steps,
                entries: &plan.entries,
                observed: std::mem::take(observed),
            })
            .collect();
        return output::print_json(&elements);
    }
    let mut text = String::new();
    for (plan, observed) in &plans {
        let notes: &Vec<Observation> = observed;
        for line in render::text(plan).lines() {
            text.push_str(line);
            text.push('\n');
            let n = line.split_whitespace().next().and_then(|word| word.parse::<usize>().ok());
            let note = notes.iter().find(|note| Some(note.n) == n && line.starts_with(' '));
            if let Some(note) = note {
                let _ = writeln!(text, "                {}", note.note);
                for verdict in &note.verdicts {
                    let word = if verdict.keep { "keep " } else { "prune" };
                    let reasons = verdict.reasons.join(", ");
                    let _ = writeln!(text, "                {word} {}: {reasons}", verdict.id);
                }
            }
        }
    }
    text.push_str("nothing was changed\n");
    output::print(&text)
}

/// Looks at what a step needs; reads only, and takes no lock.
fn observe(world: &World<'_>, step: &Step) -> Option<Observation> {
    let note = |note: String| Some(Observation { n: step.n, note, verdicts: Vec::new() });
    let unknown = |why: &dyn std::fmt::Display| note(format!("unknown here: {why}"));
    match &step.action {
        Action::ObserveSource { .. } => match world.sources.get(step.target.as_deref()?)? {
            Err(why) => unknown(why),
            Ok(source) => match source.engine.observe() {
                Ok(facts) => note(format!("{}, {}", Size::from_bytes(facts.bytes), source.shown)),
                Err(error) => unknown(&error),
            },
        },
        Action::ObserveStore { .. } => match world.stores.get(step.store.as_deref()?)? {
            Err(why) => unknown(why),
            Ok(view) => match view.store.id() {
                Ok(Some(_)) => match view.store.free_bytes() {
                    Ok(free) => note(format!("{} free at {}", Size::from_bytes(free), view.shown)),
                    Err(error) => unknown(&error),
                },
                Ok(None) => note(format!("not there yet: the first run makes it at {}", view.shown)),
                Err(error) => unknown(&error),
            },
        },
        Action::Prune { retention } => observe_prune(world, step, *retention),
        Action::Hook { command, .. } => {
            let unset: Vec<_> = command
                .argv
                .iter()
                .filter_map(|word| word.expand(&world.variables).err())
                .flatten()
                .map(|unset| unset.name)
                .collect();
            if unset.is_empty() { None } else { unknown(&format!("{} is not set", unset.join(", "))) }
        }
        Action::Lock
        | Action::Capture { .. }
        | Action::Compress { .. }
        | Action::Verify { .. }
        | Action::Publish
        | Action::Record
        | Action::Unlock => None,
    }
}

fn observe_prune(
    world: &World<'_>,
    step: &Step,
    rule: crate::policy::model::Retention,
) -> Option<Observation> {
    let unknown = |why: &dyn std::fmt::Display| {
        Some(Observation { n: step.n, note: format!("unknown here: {why}"), verdicts: Vec::new() })
    };
    let source = match world.sources.get(step.target.as_deref()?)? {
        Ok(source) => source,
        Err(why) => return unknown(why),
    };
    let view = match world.stores.get(step.store.as_deref()?)? {
        Ok(view) => view,
        Err(why) => return unknown(why),
    };
    let series = Series {
        policy: world.policy.name().to_string(),
        job: step.job.clone(),
        target: step.target.clone()?,
    };
    let listing = match view.store.list(&series) {
        Ok(listing) => listing,
        Err(crate::store::StoreError::Absent(_)) => crate::store::Listing::default(),
        Err(error) => return unknown(&error),
    };
    let now = world.host.now();
    let mut candidates: Vec<_> =
        listing.backups.iter().map(|stored| run::candidate(stored, &source.origin)).collect();
    let stamp = free_stamp(now, listing.backups.iter().map(|stored| stored.id.stamp));
    candidates.push(retention::Candidate { stamp, proven: true, partial: false, own: true });
    let verdicts = retention::decide(&candidates, Some(&rule), world.policy.timezone(), now);
    let verdicts: Vec<Verdict> = verdicts
        .into_iter()
        .map(|verdict| Verdict {
            id: series.backup(verdict.stamp).to_string()
                + if verdict.stamp == stamp { " (this run's)" } else { "" },
            keep: verdict.keep,
            reasons: verdict.reasons.iter().map(ToString::to_string).collect(),
        })
        .collect();
    let pruned = verdicts.iter().filter(|verdict| !verdict.keep).count();
    let note = format!("if this run's backup is proven: {} kept, {pruned} pruned", verdicts.len() - pruned);
    Some(Observation { n: step.n, note, verdicts })
}
