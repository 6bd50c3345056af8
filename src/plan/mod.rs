//! The plan: what a run of a policy's jobs does, as a value, decided from the policy's text alone.
//!
//! [`build`](build::build) is pure: the same policy, platform and `at` give the same bytes on every machine. The runner
//! interprets the very [`Step`]s that were shown.

pub mod build;
pub mod entries;
pub mod render;
pub mod snapshot;
pub mod step;

pub use build::{Selection, build, extension};
pub use step::{Action, Moment, Step};

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::Serialize;

/// The plan of one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Plan {
    /// The policy's name.
    pub policy: String,
    /// SHA-256, in hex, of the policy as meant.
    pub digest: String,
    /// The calendar's time it was made for; `null` unless `--now` was given or a run is about to begin.
    pub at: Option<String>,
    /// The platform it is for.
    pub platform: Platform,
    /// The jobs, in order, with what holds for all their steps.
    pub jobs: Vec<PlannedJob>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What the scheduler of the platform is told: the same on every host whose clock goes by the policy's zone.
    pub entries: Vec<Entry>,
}

/// A job's settings that hold for all its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlannedJob {
    /// The job's name.
    pub job: String,
    /// Its schedule as written; `null`: by hand.
    pub schedule: Option<String>,
    /// The zone of its calendar.
    pub timezone: String,
    /// Longest random delay before a fire, in seconds.
    pub jitter_secs: u64,
    /// What becomes of a missed slot: `until next`, `never`, or a window such as `6h`.
    pub catch_up: Option<String>,
    /// The age that its newest proven backup may reach, in seconds: as declared, else the longest gap between two fires
    /// plus the timeout; `null` for a job that runs by hand and declares none.
    pub rpo_secs: Option<u64>,
    /// Longest time of one attempt, in seconds.
    pub timeout_secs: Option<u64>,
    /// Tries in all.
    pub attempts: u32,
    /// Pause between two tries, in seconds.
    pub delay_secs: u64,
}

/// An entry of a host's scheduler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Entry {
    /// The job it runs.
    pub job: String,
    /// The scheduler.
    pub backend: String,
    /// How exactly the scheduler can say the schedule.
    pub tier: String,
    /// The file it lies in.
    pub file: String,
}

/// An operating system that a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Linux.
    Linux,
    /// macOS.
    Macos,
    /// Windows.
    Windows,
}

impl Platform {
    /// All of them, in the order snapshots are written.
    pub const ALL: [Self; 3] = [Self::Linux, Self::Macos, Self::Windows];

    /// The one this program was built for; other Unix systems count as Linux.
    pub const fn current() -> Self {
        if cfg!(target_os = "macos") {
            Self::Macos
        } else if cfg!(windows) {
            Self::Windows
        } else {
            Self::Linux
        }
    }

    /// Its name in files and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Macos => "macos",
            Self::Windows => "windows",
        }
    }
}

/// Writes a time as plans and JSON show it: RFC 3339 in UTC, whole seconds.
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
