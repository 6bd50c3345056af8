//! The policy as meant: every name resolved, every default applied, every rule of the language held.
//!
//! Only `lower` makes a [`Policy`], and a `Policy` only ever lends its parts; holding one is the proof
//! that the text was checked.

mod check;
mod engine;
mod install;

pub use check::{Check, Expectation, OnFail, Query, Scalar, TableClass, Tables, with_schema};
pub use engine::{
    CommandSpec, DuckdbFormat, DuckdbOptions, EngineSpec, Layers, PostgresFormat, PostgresOptions,
    PostgresSpec, SecretSource, WhenLocked,
};
pub use install::{BackendChoice, Dispatcher, Install, Kubernetes, Mount, ScopeOf};

use super::{
    Code, Source, Span, Spanned, digest,
    values::{Compression, Duration, Level, Name, Percent, Size, Template},
};
use crate::schedule::Schedule;
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet};

/// One checked policy. Its serialized form is what its digest is taken of.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Policy {
    #[serde(skip)]
    pub(super) source: Source,
    #[serde(skip)]
    pub(super) digest: String,
    pub(super) name: Spanned<Name>,
    #[serde(serialize_with = "zone")]
    pub(super) timezone: Tz,
    pub(super) env_files: Vec<Spanned<PathTemplate>>,
    pub(super) stores: BTreeMap<Name, Store>,
    pub(super) targets: BTreeMap<Name, Target>,
    pub(super) jobs: BTreeMap<Name, Job>,
    #[serde(skip_serializing_if = "Install::is_default")]
    pub(super) install: Install,
    #[serde(skip)]
    pub(super) allow: BTreeSet<Code>,
}

impl Policy {
    /// The finished policy: its digest taken.
    pub(super) fn with_digest(self) -> Self {
        Self { digest: digest::digest(&self), ..self }
    }

    /// The text it was read from, for drawing errors at their place.
    pub fn source(&self) -> &Source {
        &self.source
    }
    /// SHA-256, in hex, of the policy as meant: comments, key order and line ends do not matter, variables stay as
    /// written.
    pub fn digest(&self) -> &str {
        &self.digest
    }
    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }
    /// The zone of its calendar.
    pub fn timezone(&self) -> Tz {
        self.timezone
    }
    /// Its dotenv files, in order.
    pub fn env_files(&self) -> &[Spanned<PathTemplate>] {
        &self.env_files
    }
    /// Its stores by name.
    pub fn stores(&self) -> &BTreeMap<Name, Store> {
        &self.stores
    }
    /// Its targets by name.
    pub fn targets(&self) -> &BTreeMap<Name, Target> {
        &self.targets
    }
    /// Its jobs by name.
    pub fn jobs(&self) -> &BTreeMap<Name, Job> {
        &self.jobs
    }
    /// How its schedules reach a host.
    pub fn install(&self) -> &Install {
        &self.install
    }
    /// Every path in it that belongs to a host.
    pub fn paths(&self) -> impl Iterator<Item = &Spanned<PathTemplate>> {
        let stores = self.stores.values().map(|store| &store.path);
        let targets = self.targets.values();
        let targets = targets.flat_map(|target| target.engine.paths().chain(&target.scratch));
        self.env_files.iter().chain(stores).chain(targets).chain(self.install.paths())
    }
    /// Every command that it can call.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        let targets = self.targets.values();
        let targets = targets
            .flat_map(|target| target.before.iter().chain(&target.after).chain(target.engine.commands()));
        let jobs = self.jobs.values();
        targets.chain(jobs.flat_map(|job| job.before.iter().chain(&job.after).chain(job.duckdb.commands())))
    }
    /// Whether warnings of a code are accepted.
    pub fn allows(&self, code: Code) -> bool {
        self.allow.contains(&code)
    }
}

/// A zone by its name.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn zone<S: serde::Serializer>(zone: &Tz, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(zone.name())
}

/// A path as written; relative ones belong to the policy file's folder, `~` to the home folder.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct PathTemplate(pub Template);

/// A folder that keeps backups.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Store {
    /// Its name, and where that stands.
    pub name: Spanned<Name>,
    /// The folder.
    pub path: Spanned<PathTemplate>,
    /// Room that must be free before a capture; `None`: 1.2 times the last backup, before the first the source's size.
    pub min_free: Option<Size>,
    /// Whether the folder must be a mount point.
    pub require_mount: bool,
}

/// Something to protect.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Target {
    /// Its name, and where that stands.
    pub name: Spanned<Name>,
    /// What kind of source it is and where it lies.
    pub engine: EngineSpec,
    /// What the source must look like before a capture counts.
    pub expect: Expect,
    /// The data classes of its tables; `None` when not declared.
    pub tables: Option<Tables>,
    /// Verification queries, in the order written.
    pub checks: Vec<Check>,
    /// Commands before its capture.
    pub before: Vec<Command>,
    /// Commands after its capture.
    pub after: Vec<Command>,
    /// Where restores are tried; `None`: a folder of the state directory.
    pub scratch: Option<Spanned<PathTemplate>>,
    /// A restore is to take no longer.
    pub rto: Option<Duration>,
}

impl Target {
    /// The highest level that a job which names none asks of this target.
    pub fn default_level(&self) -> Level {
        let levels = [Level::Checks, Level::Integrity];
        levels.into_iter().find(|level| self.offers(*level)).unwrap_or(Level::Checksum)
    }

    /// Whether a level can be shown for this target: `checks` needs declared checks or irreplaceable tables. What a
    /// command dumped is sound if its own `verify` says so, and is restored nowhere but over what is live.
    pub fn offers(&self, level: Level) -> bool {
        if let EngineSpec::Command(spec) = &self.engine {
            return level <= Level::Checksum || level == Level::Integrity && spec.verify.is_some();
        }
        let has_classes = self.tables.as_ref().is_some_and(|tables| !tables.irreplaceable.is_empty());
        level != Level::Checks || !self.checks.is_empty() || has_classes
    }
}

/// Guards on a source; every bound is inclusive.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Expect {
    /// Least size of the source in bytes.
    pub min_size: Option<Spanned<Size>>,
    /// Least number of tables (databases only).
    pub min_tables: Option<Spanned<u64>>,
    /// Least number of files (folders only; 1 when not written).
    pub min_files: Option<Spanned<u64>>,
    /// How much smaller it may be than the newest proven backup.
    pub max_drop: Option<Spanned<Percent>>,
    /// How much larger it may be than the newest proven backup.
    pub max_growth: Option<Spanned<Percent>>,
}

/// A command: a list of words run without a shell.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Command {
    /// Program and arguments; variables and `{placeholders}` stand in them as written.
    pub argv: Vec<Spanned<Template>>,
    /// Where the list stands.
    #[serde(skip)]
    pub span: Span,
}

/// When, to where, kept how long, proven how.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Job {
    /// Its name, and where that stands.
    pub name: Spanned<Name>,
    /// Its targets, in order.
    pub targets: Vec<Name>,
    /// Its stores, in order, each with the retention that holds there.
    pub stores: Vec<JobStore>,
    /// When it runs; `None`: by hand.
    #[serde(serialize_with = "digest::schedule")]
    pub schedule: Option<Spanned<Schedule>>,
    /// How its backups are compressed.
    pub compress: Compression,
    /// The level asked; `None`: the highest each target offers up to `checks`.
    pub verify: Option<Spanned<Level>>,
    /// Commands before the whole job.
    pub before: Vec<Command>,
    /// Commands after the whole job.
    pub after: Vec<Command>,
    /// Longest time of one attempt, without its `after`; `None`: no limit.
    pub timeout: Option<Duration>,
    /// How often it is tried.
    #[serde(serialize_with = "digest::retry")]
    pub retry: Retry,
    /// The greatest age its newest proven backup may reach.
    pub rpo: Option<Duration>,
    /// How its DuckDB targets are captured.
    #[serde(skip_serializing_if = "Layers::is_default")]
    pub duckdb: Layers<DuckdbOptions>,
    /// How its PostgreSQL targets are dumped.
    #[serde(skip_serializing_if = "Layers::is_default")]
    pub postgres: Layers<PostgresOptions>,
}

impl Job {
    /// A target's engine as this job captures it: what the job says of it comes first, then the target, then `defaults`.
    pub fn engine(&self, target: &Target) -> EngineSpec {
        match &target.engine {
            EngineSpec::Duckdb { path, options } => {
                EngineSpec::Duckdb { path: path.clone(), options: self.duckdb.around(options) }
            }
            EngineSpec::Postgres(spec) => EngineSpec::Postgres(PostgresSpec {
                options: self.postgres.around(&spec.options),
                ..spec.clone()
            }),
            other => other.clone(),
        }
    }

    /// The level asked of a target in this job.
    pub fn asked(&self, target: &Target) -> Level {
        self.verify.as_ref().map_or_else(|| target.default_level(), |level| level.value)
    }
}

/// A store of a job.
#[derive(Debug, Clone, serde::Serialize)]
pub struct JobStore {
    /// The store's name.
    pub store: Name,
    /// How long backups are kept there; `None`: nothing is pruned.
    pub retention: Option<Retention>,
}

/// How long backups are kept: a backup stays while any rule keeps it. At least one rule is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Retention {
    /// The newest N proven backups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u32>,
    /// The newest of each of the last N hours that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hourly: Option<u32>,
    /// The newest of each of the last N days that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<u32>,
    /// The newest of each of the last N ISO weeks that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekly: Option<u32>,
    /// The newest of each of the last N months that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly: Option<u32>,
    /// The newest of each of the last N years that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yearly: Option<u32>,
    /// Everything younger than this, counted back from the newest proven backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
}

/// How often a target-and-store pair is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all, the first included; at least 1.
    pub attempts: u32,
    /// Pause between two tries.
    pub delay: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, delay: Duration::from_secs(0) }
    }
}
