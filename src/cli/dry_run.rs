//! `run --dry-run`: plans against what this host holds now. Reads, and changes nothing.

use super::{args::Run, error::CliError, output, run::plan_now, session::Session};
use crate::{
    catalog::Catalog,
    observe::{StoreView, World},
    plan::{self, Action, Platform, Selection, Step, render},
    policy::{Policy, model::Retention, problem::Code, values::Size},
    retention::{self, Candidate},
    run::room::{self, Room},
    store::{self, Listing, Series, Stamp, Store as _, StoreError, Stored, layout::free_stamp},
    watch::{Cancel, Watch},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt::Write as _;

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
    /// What retention would say, were this run's backup proven; of a store that is short of room, what goes first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    verdicts: Vec<Verdict>,
}

/// A verdict of retention.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Verdict {
    /// The backup.
    id: String,
    /// Whether it is the one this run would make.
    this_run: bool,
    /// Whether it stays.
    keep: bool,
    /// Why.
    reasons: Vec<String>,
}

/// What a dry run looks at.
struct Sight<'a> {
    world: World<'a>,
    /// Knows the stores last used; none on a host where nothing ran.
    catalog: Option<&'a Catalog>,
    new_stores: &'a [String],
}

/// Shows the plans against the world; changes nothing.
pub(crate) fn dry_run(
    session: &Session,
    args: &Run,
    selected: &[(&Policy, Selection)],
) -> Result<u8, CliError> {
    let catalog = Catalog::open_existing(&session.host.state).unwrap_or_else(|error| {
        output::warn(&error.to_string());
        None
    });
    let mut plans = Vec::new();
    for (policy, selection) in selected {
        let plan = plan_now(session, policy, selection);
        let observed: Vec<Observation> = match World::observe(&session.host, policy) {
            Ok(world) => {
                let sight = Sight { world, catalog: catalog.as_ref(), new_stores: &args.new_stores };
                plan.steps.iter().filter_map(|step| sight.observe(step)).collect()
            }
            // Where an env file lies is told by a variable of another host.
            Err(problems) if problems.iter().all(|problem| problem.code == Code::VariableUnset) => {
                let why: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
                let looks = |step: &&Step| {
                    matches!(
                        step.action,
                        Action::ObserveSource { .. } | Action::ObserveStore { .. } | Action::Prune { .. }
                    )
                };
                let why = why.join("; ");
                plan.steps.iter().filter(looks).map(|step| unknown(step, &why)).collect()
            }
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
        text.push_str(&render::text_with(plan, |step| {
            observed.iter().find(|seen| seen.n == step.n).map(Observation::lines).unwrap_or_default()
        }));
    }
    text.push_str("nothing was changed\n");
    output::print(&text)
}

impl Observation {
    /// It as lines below its step.
    fn lines(&self) -> String {
        let mut text = format!("                {}\n", self.note);
        for verdict in &self.verdicts {
            let word = if verdict.keep { "keep " } else { "prune" };
            let this_run = if verdict.this_run { " (this run's)" } else { "" };
            let reasons = verdict.reasons.join(", ");
            let _ = writeln!(text, "                {word} {}{this_run}: {reasons}", verdict.id);
        }
        text
    }
}

impl Verdict {
    /// Shows a verdict; this run's backup would bear the stamp given.
    fn of(series: &Series, verdict: &retention::Verdict, new: Option<Stamp>) -> Self {
        Self {
            id: series.backup(verdict.stamp).to_string(),
            this_run: Some(verdict.stamp) == new,
            keep: verdict.keep,
            reasons: verdict.reasons.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The series that a step is about.
fn series_of(world: &World<'_>, step: &Step) -> Option<Series> {
    let (policy, job) = (world.policy.name().to_string(), step.job.clone());
    Some(Series { policy, job, target: step.target.clone()? })
}

/// What a series holds; before its first run nothing.
fn listed(view: &StoreView, series: &Series) -> Result<Listing, StoreError> {
    match view.store.list(series) {
        Err(StoreError::Absent(_)) => Ok(Listing::default()),
        listed => listed,
    }
}

fn seen(step: &Step, note: String) -> Observation {
    Observation { n: step.n, note, verdicts: Vec::new() }
}

fn unknown(step: &Step, why: &dyn std::fmt::Display) -> Observation {
    seen(step, format!("unknown here: {why}"))
}

impl Sight<'_> {
    /// Looks at what a step needs; reads only, and takes no lock.
    fn observe(&self, step: &Step) -> Option<Observation> {
        let world = &self.world;
        // Signals end the program at once, as nothing was begun.
        let (never, nobody) = (Cancel::default(), |_| ());
        let watch = Watch::new(&never, None, &nobody);
        let unknown = |why: &dyn std::fmt::Display| unknown(step, why);
        Some(match &step.action {
            Action::ObserveSource { .. } => match world.sources.get(step.target.as_deref()?)? {
                Err(why) => unknown(why),
                Ok(source) => match source.engine.observe(&watch) {
                    Ok(facts) => seen(step, format!("{}, {}", Size::from_bytes(facts.bytes), source.shown)),
                    Err(error) => unknown(&error),
                },
            },
            Action::ObserveStore { retention, .. } => match world.stores.get(step.store.as_deref()?)? {
                Err(why) => unknown(why),
                Ok(view) => self.observe_store(step, view, *retention),
            },
            Action::Prune { retention } => self.observe_prune(step, *retention)?,
            Action::Hook { command, .. } => {
                let unset: Vec<_> = command
                    .argv
                    .iter()
                    .filter_map(|word| word.expand(&world.variables).err())
                    .flatten()
                    .map(|unset| unset.name)
                    .collect();
                if unset.is_empty() {
                    return None;
                }
                unknown(&format!("{} is not set", unset.join(", ")))
            }
            Action::Lock
            | Action::Capture { .. }
            | Action::Compress { .. }
            | Action::Verify { .. }
            | Action::Publish
            | Action::Record
            | Action::Unlock => return None,
        })
    }

    fn observe_store(&self, step: &Step, view: &StoreView, retention: Option<Retention>) -> Observation {
        let name = step.store.as_deref().unwrap_or_default();
        let policy = self.world.policy.name().as_str();
        let is_accepted = self.new_stores.iter().any(|accepted| accepted == name);
        let last = self.catalog.map(|catalog| catalog.last_store(policy, name)).transpose();
        let last = match last {
            Ok(last) => last.flatten().filter(|_| !is_accepted),
            Err(error) => return unknown(step, &error),
        };
        let found = view.store.id();
        if let Some(why) = store::is_other(last.as_deref(), &found) {
            let what = format!("not the store last used{why}, at {}", view.shown);
            return seen(step, format!("{what}: not mounted? The run would not use it"));
        }
        match found {
            Ok(Some(_)) => match view.store.free_bytes() {
                Ok(free) => self.observe_room(step, view, retention, free),
                Err(error) => unknown(step, &error),
            },
            Ok(None) => seen(step, format!("not there yet: the first run makes it at {}", view.shown)),
            Err(StoreError::Foreign { .. }) if is_accepted && view.store.holds_backups().unwrap_or(false) => {
                seen(step, format!("it lost its id: the run gives it a new id, at {}", view.shown))
            }
            Err(error) => unknown(step, &error),
        }
    }

    /// What is free, and what would go first where that is too little: the same question that the run asks itself.
    fn observe_room(
        &self,
        step: &Step,
        view: &StoreView,
        retention: Option<Retention>,
        free: u64,
    ) -> Observation {
        let world = &self.world;
        let mut seen = seen(step, format!("{} free at {}", Size::from_bytes(free), view.shown));
        let source = step.target.as_deref().and_then(|target| world.sources.get(target));
        let (Some(Ok(source)), Some(series)) = (source, series_of(world, step)) else { return seen };
        let listing = match listed(view, &series) {
            Ok(listing) => listing,
            Err(error) => return unknown(step, &error),
        };
        let name = step.store.as_deref().unwrap_or_default();
        let declared = world.policy.stores().get(name).and_then(|store| store.min_free);
        let last = room::last_bytes(&listing, &source.origin);
        let (never, nobody) = (Cancel::default(), |_| ());
        let watch = Watch::new(&never, None, &nobody);
        let room = Room::of(declared, last, || source.engine.observe(&watch).map_or(0, |facts| facts.bytes));
        if !room.is_short(free) {
            return seen;
        }
        let (zone, now) = (world.policy.timezone(), world.host.now());
        let needless = match retention.filter(|_| !world.host.is_ahead()) {
            Some(rule) => room::needless(&listing, &series, rule, zone, now, &source.origin),
            None => Ok(None),
        };
        match needless {
            Ok(Some(needless)) => {
                let count = needless.verdicts.len();
                let _ = write!(seen.note, ": room is short, and {count} would be pruned first to make room");
                let verdicts = needless.verdicts.iter();
                seen.verdicts = verdicts.map(|verdict| Verdict::of(&series, verdict, None)).collect();
                return seen;
            }
            Ok(None) => seen.note.push_str(": room is short, and retention gives none up"),
            Err(error) => {
                let _ = write!(seen.note, ": room is short, and no room can be made: {error}");
            }
        }
        if free < room.needed {
            let _ = write!(seen.note, "; {} are needed: the run would fail", Size::from_bytes(room.needed));
        }
        seen
    }

    fn observe_prune(&self, step: &Step, rule: Retention) -> Option<Observation> {
        let world = &self.world;
        let source = match world.sources.get(step.target.as_deref()?)? {
            Ok(source) => source,
            Err(why) => return Some(unknown(step, why)),
        };
        let view = match world.stores.get(step.store.as_deref()?)? {
            Ok(view) => view,
            Err(why) => return Some(unknown(step, why)),
        };
        let series = series_of(world, step)?;
        let listing = match listed(view, &series) {
            Ok(listing) => listing,
            Err(error) => return Some(unknown(step, &error)),
        };
        let now = world.host.now();
        let candidate = |stored: &Stored| Candidate::of(stored, stored.manifest.origin == source.origin);
        let mut candidates: Vec<_> = listing.backups.iter().map(candidate).collect();
        let stamp = free_stamp(now, listing.backups.iter().map(|stored| stored.id.stamp));
        candidates.push(Candidate { stamp, proven: true, partial: false, own: true });
        let verdicts = retention::decide(&candidates, Some(&rule), world.policy.timezone(), now);
        let verdicts: Vec<Verdict> =
            verdicts.into_iter().map(|verdict| Verdict::of(&series, &verdict, Some(stamp))).collect();
        let pruned = verdicts.iter().filter(|verdict| !verdict.keep).count();
        let note =
            format!("if this run's backup is proven: {} kept, {pruned} pruned", verdicts.len() - pruned);
        Some(Observation { n: step.n, note, verdicts })
    }
}
