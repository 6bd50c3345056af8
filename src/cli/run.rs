//! `run`: executes plans; what `--dry-run` does lies beside it.

use super::{
    args::Run,
    dry_run::dry_run,
    due::due,
    error::{CliError, LOCK_ENDS},
    output,
    progress::Teller,
    session::{Session, select},
    signals,
};
use crate::{
    listing::Element,
    observe::World,
    plan::{self, Plan, Platform, Selection},
    policy::{Policy, Severity, values::Size},
    run::{self, Order, Report},
    watch::Cancel,
};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::{collections::BTreeSet, time::Duration};

pub(crate) fn run(session: &Session, args: &Run) -> Result<u8, CliError> {
    if args.due {
        return due(session, args);
    }
    let policies = session.policies()?;
    let selected = narrowed(&policies, args)?;
    if args.dry_run { dry_run(session, args, &selected) } else { execute(session, args, &selected) }
}

/// The jobs, targets and stores meant; a name that no selected policy has is an error.
pub(super) fn narrowed<'p>(
    policies: &'p [Policy],
    args: &Run,
) -> Result<Vec<(&'p Policy, Selection)>, CliError> {
    let mut selected = select(policies, &args.jobs)?;
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
    for (_, selection) in &mut selected {
        selection.targets.clone_from(&args.targets);
        selection.stores.clone_from(&args.stores);
    }
    Ok(selected)
}

pub(crate) fn plan_now(session: &Session, policy: &Policy, selection: &Selection) -> Plan {
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
    // Every problem of every policy before anything is done for any.
    let prepared: Vec<_> =
        selected.iter().map(|(policy, selection)| prepare(session, policy, selection)).collect();
    let prepared = prepared.into_iter().collect::<Result<Vec<_>, _>>()?;
    if prepared.iter().all(|(_, plan)| plan.steps.is_empty()) {
        return Err(CliError::unknown("the selection leaves nothing to run"));
    }
    let mut reports = Vec::new();
    for (world, plan) in prepared.iter().filter(|(_, plan)| !plan.steps.is_empty()) {
        reports.push(carry_out(session, args, (world, plan), &Call::by_hand(), &cancel)?);
        if cancel.is_cancelled() {
            break;
        }
    }
    finish(session, reports)
}

/// What a policy needs on this host, and the plan; what is wrong is told.
pub(super) fn prepare<'a>(
    session: &'a Session,
    policy: &'a Policy,
    selection: &Selection,
) -> Result<(World<'a>, Plan), CliError> {
    let plan = plan_now(session, policy, selection);
    let invalid = || CliError::told(2, "the policy cannot be run here");
    let world = World::observe(&session.host, policy).map_err(|problems| {
        session.tell_problems(&problems, Some(policy.source()));
        invalid()
    })?;
    let problems = world.problems(&plan);
    session.tell_problems(&problems, Some(policy.source()));
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(invalid());
    }
    Ok((world, plan))
}

/// For whom a plan is carried out.
pub(super) struct Call {
    pub(super) slot: Option<DateTime<Utc>>,
    pub(super) patience: Duration,
}

impl Call {
    /// For who waits and can call again.
    const fn by_hand() -> Self {
        Self { slot: None, patience: Duration::ZERO }
    }
}

/// Carries a plan out, telling what happens.
pub(super) fn carry_out(
    session: &Session,
    args: &Run,
    (world, plan): (&World<'_>, &Plan),
    call: &Call,
    cancel: &Cancel,
) -> Result<Report, CliError> {
    session.host.keep_machine_id()?;
    let new_stores: BTreeSet<String> = args.new_stores.iter().cloned().collect();
    let teller = Teller::new(&session.host, session.global.quiet, session.global.verbose);
    let listener = |event: &run::Event<'_>| teller.tell(event);
    for name in world.variables.overridden() {
        let what = format!("`{name}` of an env file wins over the environment's other value");
        listener(&run::Event::Warning(what));
    }
    let (slot, patience) = (call.slot, call.patience);
    Ok(run::run(&Order { world, plan, new_stores: &new_stores, slot, patience, cancel, listener: &listener }))
}

/// Prints what runs came to.
pub(super) fn finish(session: &Session, reports: Vec<Report>) -> Result<u8, CliError> {
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
    if exit == 0 {
        return Ok(0);
    }
    let ended = CliError::told(exit, summary(&elements));
    let mut failures = elements.iter().flat_map(|element| &element.failures);
    let is_locked = failures.any(|failure| failure.code == run::FailureCode::Locked);
    Err(if is_locked { ended.help(LOCK_ENDS) } else { ended })
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
