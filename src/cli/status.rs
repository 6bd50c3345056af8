//! `status`: what protects what right now, per job, target and store; the entries; the room.

mod entries;
mod objective;

pub(super) use entries::EntryRow;

use super::{
    args::{Scheduler, Status},
    error::CliError,
    output,
    session::Session,
    signals,
};
use crate::{
    catalog::Catalog,
    observe::{
        World,
        site::{state_of_the_host, user_of},
    },
    plan::{Plan, Platform, Selection, build, rfc3339},
    policy::{
        Policy,
        model::Job,
        values::{Level, Size},
    },
    run::claims::Place,
    schedule::{
        Schedule,
        due::{self, ClaimState},
        entry::Scope,
    },
    store::{Listing, Series, Store as _, Stored},
};
use chrono::{DateTime, Utc};
use objective::Objective;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// What `status --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StatusDocument {
    /// Each target of each job in each of its stores.
    jobs: Vec<JobRow>,
    /// The entries of this host's schedulers.
    entries: Vec<EntryRow>,
    /// The stores.
    stores: Vec<StoreRow>,
}

/// A target of a job in one of its stores.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct JobRow {
    /// The policy's name.
    policy: String,
    /// The job's name.
    job: String,
    /// The target's name.
    target: String,
    /// The store's name.
    store: String,
    /// When the newest proven backup was made; `null`: there is none, or the store cannot be read.
    last_backup: Option<DateTime<Utc>>,
    /// When it was proven last.
    last_verified: Option<DateTime<Utc>>,
    /// To what level; `null` where there is none.
    level: Option<Level>,
    /// When a restore was rehearsed last; `null`: never.
    last_drill: Option<DateTime<Utc>>,
    /// The next slot of the schedule; `null`: by hand.
    next: Option<DateTime<Utc>>,
    /// The first slot that should have been run since the last that was, and was not; `null`: none.
    overdue: Option<DateTime<Utc>>,
    /// The age that the newest proven backup may reach; `null`: nothing is promised.
    rpo_seconds: Option<u64>,
    /// Whether that holds.
    objective: Objective,
    /// Backups that are not proven, newer than the newest proven one.
    unproven: usize,
    /// What lies where a backup would, and is none that can be relied on.
    unclaimed: usize,
}

/// A store.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StoreRow {
    /// The policy's name.
    policy: String,
    /// The store's name.
    store: String,
    /// Room for this user, in bytes; `null`: unknown.
    free_bytes: Option<u64>,
    /// What the policy's backups take there.
    used_bytes: u64,
    /// For how many more rounds of backups of all targets, as large as the last, there is room; `null`: unknown.
    room_for: Option<u64>,
}

pub(super) fn status(session: &Session, args: &Status) -> Result<u8, CliError> {
    let policies = match session.policies() {
        Err(error) if args.nagios => {
            output::print(&format!("POLICY UNKNOWN - {}\n", error.message))?;
            return Ok(3);
        }
        policies => policies?,
    };
    let cancel = signals::watch()?;
    let catalog = Catalog::open_existing(&session.host.state).ok().flatten();
    let mut document = StatusDocument { jobs: Vec::new(), entries: Vec::new(), stores: Vec::new() };
    for policy in &policies {
        let world = session.world(policy)?;
        let mut last_round: BTreeMap<&str, u64> = BTreeMap::new();
        let mut used: BTreeMap<&str, u64> = BTreeMap::new();
        let plan = build(policy, &Selection::default(), Platform::current(), None);
        for job in policy.jobs().values() {
            let facts = JobFacts::of(session, policy, job, &plan);
            for target in &job.targets {
                for store in job.stores.iter().map(|store| store.store.as_str()) {
                    let listing = listing(&world, catalog.as_ref(), job, (target.as_str(), store));
                    if let Some(listing) = &listing {
                        let bytes = listing.backups.iter().map(|stored| stored.manifest.bytes);
                        *used.entry(store).or_default() += bytes.sum::<u64>();
                        let newest = listing.backups.first().map_or(0, |stored| stored.manifest.bytes);
                        *last_round.entry(store).or_default() += newest;
                    }
                    document.jobs.push(job_row(
                        session,
                        (policy, job, &facts),
                        (target.as_str(), store),
                        listing.as_ref(),
                    ));
                }
            }
        }
        for name in policy.stores().keys() {
            let view = world.stores.get(name).and_then(|view| view.as_ref().ok());
            let free_bytes = view.and_then(|view| view.store.free_bytes().ok());
            let round = last_round.get(name.as_str()).copied().filter(|round| *round > 0);
            document.stores.push(StoreRow {
                policy: policy.name().to_string(),
                store: name.to_string(),
                free_bytes,
                used_bytes: used.get(name.as_str()).copied().unwrap_or_default(),
                room_for: free_bytes.zip(round).map(|(free, round)| free / round),
            });
        }
    }
    document.entries = entries::rows(session, &policies, args.backend.and_then(Scheduler::backend), &cancel)?;
    // All targets and stores of a job share its slots.
    let overdue = document.jobs.iter().filter_map(|row| Some(((&*row.policy, &*row.job), row.overdue?)));
    for ((policy, job), slot) in overdue.collect::<BTreeMap<_, _>>() {
        document.entries.iter_mut().for_each(|entry| entry.note_overdue(policy, job, slot));
    }
    tell(session, args, &document)
}

/// What a store holds of a series; `None` where that cannot be told.
fn listing(
    world: &World<'_>,
    catalog: Option<&Catalog>,
    job: &Job,
    (target, store): (&str, &str),
) -> Option<Listing> {
    let policy = world.policy.name().as_str();
    let view = world.stores.get(store)?.as_ref().ok()?;
    let series = Series { policy: policy.to_owned(), job: job.name.to_string(), target: target.to_owned() };
    // A place that is not there says nothing about what is promised, unless no store was ever there.
    match view.store.id() {
        Ok(Some(_)) => view.store.list(&series).ok(),
        Ok(None) => {
            let known = catalog.and_then(|catalog| catalog.last_store(policy, store).ok()).flatten();
            known.is_none().then(Listing::default)
        }
        _ => None,
    }
}

/// Seconds that a run may take before a promise that nobody has written counts as broken.
const GRACE: u64 = 1_800;

fn jitter_of(job: &Job) -> u64 {
    job.schedule.as_ref().map_or(0, |schedule| schedule.value.jitter.as_secs())
}

/// What holds for every target and store of a job.
struct JobFacts {
    /// The age in seconds that a newest proven backup may reach.
    rpo: Option<u64>,
    /// The next slot.
    next: Option<DateTime<Utc>>,
    /// The first slot that was not run in time.
    overdue: Option<DateTime<Utc>>,
}

impl JobFacts {
    fn of(session: &Session, policy: &Policy, job: &Job, plan: &Plan) -> Self {
        let fires = |schedule: &Schedule| {
            schedule.cron.fires_after(session.host.now(), policy.timezone()).next().map(|fire| fire.utc)
        };
        Self {
            rpo: plan
                .jobs
                .iter()
                .find(|planned| planned.job == job.name.value.as_str())
                .and_then(|of| of.rpo_secs),
            next: job.schedule.as_ref().and_then(|schedule| fires(&schedule.value)),
            overdue: overdue(session, policy, job),
        }
    }
}

fn job_row(
    session: &Session,
    (policy, job, facts): (&Policy, &Job, &JobFacts),
    (target, store): (&str, &str),
    listing: Option<&Listing>,
) -> JobRow {
    let now = session.host.now();
    let proven = listing.and_then(|listing| {
        listing.backups.iter().find(|stored| stored.proven() && stored.manifest.time <= now)
    });
    let newer = |listing: &Listing| {
        let since = proven.map(|stored| stored.manifest.time);
        listing.backups.iter().filter(|stored| !stored.proven() && Some(stored.manifest.time) > since).count()
    };
    // Where nobody has promised anything the pause between two slots is it, and a run takes its time.
    let grace = if job.rpo.is_some() { 0 } else { GRACE + jitter_of(job) };
    let last_backup = proven.map(|stored| stored.manifest.time);
    JobRow {
        policy: policy.name().to_string(),
        job: job.name.to_string(),
        target: target.to_owned(),
        store: store.to_owned(),
        last_backup,
        last_verified: proven.map(Stored::verified_at),
        level: proven.map(Stored::level),
        last_drill: None,
        next: facts.next,
        overdue: facts.overdue,
        rpo_seconds: facts.rpo,
        objective: objective::judge(facts.rpo.map(|rpo| rpo + grace), listing.is_some(), last_backup, now),
        unproven: listing.map_or(0, newer),
        unclaimed: listing.map_or(0, |listing| listing.unclaimed.len()),
    }
}

/// The first slot after the newest that was taken, when its time is long over: what fires, if anything does, comes to nothing.
fn overdue(session: &Session, policy: &Policy, job: &Job) -> Option<DateTime<Utc>> {
    /// Schedulers are late, and runs wait for each other.
    const PATIENCE: chrono::TimeDelta = chrono::TimeDelta::minutes(90);
    let schedule = &job.schedule.as_ref()?.value;
    // Where the entries claim.
    let state = match policy.install().scope() {
        Scope::User => session.host.state.clone(),
        Scope::System => state_of_the_host(user_of(policy)).into(),
    };
    let place = Place::of(&state, policy.name().as_str(), job.name.value.as_str());
    let mut claims = place.read().ok()?.list;
    if session.host.given_now().is_none() {
        due::settle(&mut claims, &session.host.moment());
    }
    // A host that never ran it has nothing to be late with but an installation.
    let now = session.host.now();
    let newest = claims.iter().filter(|claim| claim.state != ClaimState::Void && claim.slot <= now);
    let newest = newest.map(|claim| claim.slot).max()?;
    let next = schedule.cron.fires_after(newest, policy.timezone()).next()?.utc;
    (now - next > PATIENCE + schedule.jitter.as_delta()).then_some(next)
}

fn tell(session: &Session, args: &Status, document: &StatusDocument) -> Result<u8, CliError> {
    let objectives: Vec<&JobRow> = document.jobs.iter().filter(|row| row.is_trouble()).collect();
    let drift: Vec<&EntryRow> = document.entries.iter().filter(|row| row.is_drift()).collect();
    if args.nagios {
        return nagios(document, &objectives, &drift);
    }
    if session.global.json {
        output::print_json(document)?;
    } else {
        print(document, session.host.now())?;
    }
    if let Some(row) = objectives.first() {
        let help = "see `policy history` and `policy log JOB`";
        return Err(CliError::objective(format!("{}: {}", row.name(), row.trouble())).help(help));
    }
    if let Some(row) = drift.first() {
        return Err(CliError::drift(format!("{} of {} is {}", row.name(), row.backend(), row.state()))
            .help(row.mend()));
    }
    Ok(0)
}

impl JobRow {
    fn name(&self) -> String {
        format!("{}/{}/{} in {}", self.policy, self.job, self.target, self.store)
    }

    fn is_trouble(&self) -> bool {
        self.objective != Objective::Met || self.overdue.is_some()
    }

    fn trouble(&self) -> String {
        let rpo = self.rpo_seconds.map(crate::policy::values::Duration::from_secs);
        let promised = rpo.map_or_else(String::new, |rpo| format!(", {rpo} are promised"));
        match (self.objective, self.last_backup, self.overdue) {
            (Objective::Unknown, ..) => "it cannot be told how old the newest proven backup is".to_owned(),
            (Objective::Breached, Some(at), _) => {
                format!("the newest proven backup is of {}{promised}", rfc3339(at))
            }
            (Objective::Breached, None, _) => format!("there is no proven backup{promised}"),
            (Objective::Met, _, Some(slot)) => format!("the slot of {} was not run", rfc3339(slot)),
            (Objective::Met, _, None) => "all is well".to_owned(),
        }
    }
}

fn print(document: &StatusDocument, now: DateTime<Utc>) -> Result<u8, CliError> {
    let age =
        |at: Option<DateTime<Utc>>| at.map_or_else(|| "never".to_owned(), |at| super::list::age(now, at));
    let heads = ["TARGET", "STORE", "BACKUP", "PROVEN", "LEVEL", "DRILL", "NEXT", "RPO", "OBJECTIVE"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for row in &document.jobs {
        let rpo = row.rpo_seconds.map(crate::policy::values::Duration::from_secs);
        rows.push(vec![
            format!("{}/{}/{}", row.policy, row.job, row.target),
            row.store.clone(),
            age(row.last_backup),
            age(row.last_verified),
            row.level.map_or_else(|| "-".to_owned(), |level| level.to_string()),
            age(row.last_drill),
            row.next.map_or_else(|| "by hand".to_owned(), rfc3339),
            rpo.map_or_else(|| "-".to_owned(), |rpo| rpo.to_string()),
            row.objective.as_str().to_owned(),
        ]);
    }
    output::print(&output::table(&rows))?;
    for row in document.jobs.iter().filter(|row| row.is_trouble()) {
        output::print(&format!("{}: {}\n", row.name(), row.trouble()))?;
    }
    for row in &document.jobs {
        if row.unproven > 0 {
            output::print(&format!("{}: {} newer backups are not proven\n", row.name(), row.unproven))?;
        }
        if row.unclaimed > 0 {
            output::print(&format!(
                "{}: {} things lie there that are no backups\n",
                row.name(),
                row.unclaimed
            ))?;
        }
    }
    entries::print(&document.entries)?;
    let mut rows = vec![["STORE", "USED", "FREE", "ROOM FOR"].map(str::to_owned).to_vec()];
    for row in &document.stores {
        rows.push(vec![
            format!("{} of {}", row.store, row.policy),
            Size::from_bytes(row.used_bytes).to_string(),
            row.free_bytes.map_or_else(|| "unknown".to_owned(), |free| Size::from_bytes(free).to_string()),
            row.room_for.map_or_else(|| "unknown".to_owned(), |rounds| format!("{rounds} rounds")),
        ]);
    }
    output::print("\n")?;
    output::print(&output::table(&rows))
}

/// One line, and an exit code as plugins of Nagios have them: 0 well, 1 a warning, 2 critical, 3 unknown.
fn nagios(document: &StatusDocument, objectives: &[&JobRow], drift: &[&EntryRow]) -> Result<u8, CliError> {
    let is = |objective| objectives.iter().find(|row| row.objective == objective);
    let (exit, word, text) = if let Some(row) = is(Objective::Breached) {
        (2, "CRITICAL", format!("{}: {}", row.name(), row.trouble()))
    } else if let Some(row) = is(Objective::Unknown) {
        (3, "UNKNOWN", format!("{}: {}", row.name(), row.trouble()))
    } else if let Some(row) = objectives.first() {
        (1, "WARNING", format!("{}: {}", row.name(), row.trouble()))
    } else if let Some(row) = drift.first() {
        (1, "WARNING", format!("{} of {} is {}", row.name(), row.backend(), row.state()))
    } else {
        (0, "OK", format!("{} series as promised", document.jobs.len()))
    };
    output::print(&format!("POLICY {word} - {text}\n"))?;
    Ok(exit)
}
