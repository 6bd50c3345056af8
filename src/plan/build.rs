//! Policy in, plan out: pure, and the only place that decides the order of a run.

use super::{
    Plan, PlannedJob, Platform, entries, rfc3339,
    step::{Action, Moment, Step},
};
use crate::{
    policy::{
        Policy,
        model::{Command, DuckdbFormat, EngineSpec, Job, PostgresFormat, Target},
        values::{Compression, Duration, Level, Name},
    },
    schedule::{CatchUp, Schedule, calendar::ZoneDays},
};
use chrono::{DateTime, Utc};

/// Which part of a policy is planned; empty lists select everything.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Jobs by name.
    pub jobs: Vec<String>,
    /// Targets by name.
    pub targets: Vec<String>,
    /// Stores by name.
    pub stores: Vec<String>,
}

impl Selection {
    fn takes(names: &[String], name: &Name) -> bool {
        names.is_empty() || names.iter().any(|selected| selected == name.as_str())
    }

    /// Whether it takes this job.
    pub fn takes_job(&self, name: &Name) -> bool {
        Self::takes(&self.jobs, name)
    }

    /// Whether it takes this target.
    pub fn takes_target(&self, name: &Name) -> bool {
        Self::takes(&self.targets, name)
    }

    /// Whether it takes this store.
    pub fn takes_store(&self, name: &Name) -> bool {
        Self::takes(&self.stores, name)
    }
}

/// The extension of an engine's plain content, as it stands in the store.
pub fn extension(engine: &EngineSpec) -> &str {
    match engine {
        EngineSpec::Sqlite { .. } => "db",
        EngineSpec::Duckdb { options, .. } => match options.format {
            Some(DuckdbFormat::Export) => "tar",
            Some(DuckdbFormat::File) | None => "duckdb",
        },
        EngineSpec::Postgres(spec) => match spec.options.format.unwrap_or_default() {
            PostgresFormat::Plain => "sql",
            PostgresFormat::Custom => "dump",
            PostgresFormat::Directory => "tar",
        },
        EngineSpec::Command(spec) => &spec.extension,
        EngineSpec::Directory { .. } => "tar",
    }
}

/// The extension of the file beside it that holds the server's roles and tablespaces, where they are dumped too.
pub fn globals(engine: &EngineSpec) -> Option<&'static str> {
    match engine {
        EngineSpec::Postgres(spec) if spec.options.globals == Some(true) => Some("globals.sql"),
        _ => None,
    }
}

/// Plans the selected jobs of a policy.
pub fn build(policy: &Policy, selection: &Selection, platform: Platform, at: Option<DateTime<Utc>>) -> Plan {
    let mut jobs = Vec::new();
    let mut steps = Steps::default();
    let days = ZoneDays::new(policy.timezone(), DateTime::from_timestamp(GAPS_FROM, 0).unwrap_or_default());
    for job in policy.jobs().values().filter(|job| selection.takes_job(&job.name)) {
        jobs.push(plan_settings(policy, job, &days));
        plan_job(policy, job, selection, &mut steps);
    }
    let names: Vec<String> = jobs.iter().map(|job| job.job.clone()).collect();
    Plan {
        policy: policy.name().to_string(),
        digest: policy.digest().to_owned(),
        at: at.map(rfc3339),
        platform,
        jobs,
        entries: entries::planned(policy, &names, platform),
        steps: steps.list,
    }
}

/// Where the longest gap of a schedule is looked for, in seconds since 1970: the start of 2026, fixed so that a plan does
/// not depend on the day it is made.
const GAPS_FROM: i64 = 1_767_225_600;

fn plan_settings(policy: &Policy, job: &Job, days: &ZoneDays) -> PlannedJob {
    let schedule = job.schedule.as_ref();
    let gap = |schedule: &Schedule| {
        let gap = schedule.cron.longest_gap(days).num_seconds();
        u64::try_from(gap).unwrap_or(0) + job.timeout.map_or(0, Duration::as_secs)
    };
    PlannedJob {
        job: job.name.to_string(),
        schedule: schedule.map(|schedule| schedule.cron.as_written().to_owned()),
        timezone: policy.timezone().name().to_owned(),
        jitter_secs: schedule.map_or(0, |schedule| schedule.jitter.as_secs()),
        catch_up: schedule.map(|schedule| match schedule.catch_up {
            CatchUp::UntilNext => "until next".to_owned(),
            CatchUp::Never => "never".to_owned(),
            CatchUp::Within(window) => window.to_string(),
        }),
        rpo_secs: job.rpo.map(Duration::as_secs).or_else(|| schedule.map(|schedule| gap(schedule))),
        timeout_secs: job.timeout.map(Duration::as_secs),
        attempts: job.retry.attempts,
        delay_secs: job.retry.delay.as_secs(),
    }
}

#[derive(Default)]
struct Steps {
    list: Vec<Step>,
}

impl Steps {
    fn add(&mut self, job: &Job, target: Option<&Target>, store: Option<&Name>, action: Action) {
        self.list.push(Step {
            n: self.list.len() + 1,
            job: job.name.to_string(),
            target: target.map(|target| target.name.to_string()),
            store: store.map(ToString::to_string),
            action,
        });
    }

    fn hooks(&mut self, job: &Job, target: Option<&Target>, moment: Moment, commands: &[Command]) {
        for command in commands {
            self.add(job, target, None, Action::Hook { moment, command: command.clone() });
        }
    }
}

/// Lock, the job's `before`, captures each within its target's `before` and `after`, then per target and store verify,
/// publish, prune; the job's `after`; record; unlock. The order is the contract's (language.md, jobs).
fn plan_job(policy: &Policy, job: &Job, selection: &Selection, steps: &mut Steps) {
    let targets: Vec<&Target> = job
        .targets
        .iter()
        .filter(|name| selection.takes_target(name))
        .filter_map(|name| policy.targets().get(name))
        .collect();
    let stores: Vec<_> = job.stores.iter().filter(|store| selection.takes_store(&store.store)).collect();
    if targets.is_empty() || stores.is_empty() {
        return;
    }
    for target in &targets {
        for store in &stores {
            steps.add(job, Some(target), Some(&store.store), Action::Lock);
        }
    }
    steps.hooks(job, None, Moment::JobBefore, &job.before);
    for target in &targets {
        for store in &stores {
            let place = policy.stores().get(&store.store).map(|s| s.path.0.as_written().to_owned());
            let action =
                Action::ObserveStore { place: place.unwrap_or_default(), retention: store.retention };
            steps.add(job, Some(target), Some(&store.store), action);
        }
        plan_capture(job, target, &stores.iter().map(|s| s.store.to_string()).collect::<Vec<_>>(), steps);
    }
    for target in &targets {
        for store in &stores {
            let at = Some(&store.store);
            steps.add(job, Some(target), at, Action::Verify { level: job.asked(target) });
            steps.add(job, Some(target), at, Action::Publish);
            if let Some(retention) = store.retention {
                steps.add(job, Some(target), at, Action::Prune { retention });
            }
        }
    }
    steps.hooks(job, None, Moment::JobAfter, &job.after);
    steps.add(job, None, None, Action::Record);
    steps.add(job, None, None, Action::Unlock);
}

fn plan_capture(job: &Job, target: &Target, stores: &[String], steps: &mut Steps) {
    let engine = target.engine.keyword();
    let source = target.engine.source();
    steps.hooks(job, Some(target), Moment::TargetBefore, &target.before);
    steps.add(job, Some(target), None, Action::ObserveSource { engine, source });
    let level = job.asked(target);
    let asked = if level >= Level::Checks { target.checks.as_slice() } else { &[] };
    let checks = asked.iter().map(|check| check.name.clone()).collect();
    steps.add(job, Some(target), None, Action::Capture { engine, level, checks });
    let engine = job.engine(target);
    let codec = if engine.compresses_itself() { Compression::None } else { job.compress };
    let name_of =
        |extension: &str, codec: Compression| format!("{}.{extension}{}", target.name.value, codec.suffix());
    let beside = globals(&engine).map(|extension| name_of(extension, job.compress));
    let files = std::iter::once(name_of(extension(&engine), codec)).chain(beside).collect();
    let stores = stores.to_vec();
    steps.add(job, Some(target), None, Action::Compress { codec, files, stores });
    steps.hooks(job, Some(target), Moment::TargetAfter, &target.after);
}
