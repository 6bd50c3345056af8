//! What happens during a run, as values: human text, progress bars, the run's log and the history fold the same events.

use crate::{evidence::Rung, plan::Step, store::BackupId};
use std::collections::BTreeSet;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// A run began.
    RunBegan {
        /// The run's id.
        run: &'a str,
    },
    /// A job of the run began.
    JobBegan {
        /// The job's name.
        job: &'a str,
    },
    /// A step began.
    Began(&'a Step),
    /// A step is under way.
    Progress {
        /// The step.
        step: &'a Step,
        /// Bytes done.
        done_bytes: u64,
        /// Bytes in all, where known.
        total_bytes: Option<u64>,
    },
    /// A step ended well.
    Done {
        /// The step.
        step: &'a Step,
        /// What is worth saying about it.
        note: String,
    },
    /// A step was not done, because what it needs failed before.
    Skipped {
        /// The step.
        step: &'a Step,
        /// Why.
        why: String,
    },
    /// A step failed.
    Failed(&'a Failure),
    /// Something that fails nothing but must be told.
    Warning(String),
    /// A line that a command of the policy printed.
    Output {
        /// The step.
        step: &'a Step,
        /// The line, without its end, control characters removed.
        line: String,
    },
    /// A backup was removed, because retention no longer keeps it.
    Pruned {
        /// The step.
        step: &'a Step,
        /// The backup.
        id: &'a BackupId,
        /// The store it lay in.
        store: &'a str,
    },
    /// What failed is tried again.
    Retry {
        /// Which try begins.
        attempt: u32,
        /// How many there are.
        attempts: u32,
        /// How long it waits first, in seconds.
        delay_secs: u64,
    },
    /// A run ended.
    RunEnded {
        /// The run's id.
        run: &'a str,
        /// How.
        outcome: Outcome,
    },
}

/// Told of every event, in order.
pub type Listener<'a> = dyn Fn(&Event<'_>) + Sync + 'a;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every target-and-store pair is good.
    Done,
    /// Some are, some are not.
    Incomplete,
    /// None is.
    Failed,
}

impl Outcome {
    /// Its word in JSON and history.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
        }
    }
}

/// A step that failed, with where and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Failure {
    /// The job.
    pub job: String,
    /// The target; `null` when the whole job is concerned.
    pub target: Option<String>,
    /// The store; `null` when all stores are concerned.
    pub store: Option<String>,
    /// The step's kind.
    pub step: String,
    /// A stable code.
    pub code: FailureCode,
    /// What, where, why, and what to do.
    pub message: String,
    /// The ways to capture that were tried, each with why it did not serve; absent where that is not what failed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rungs: Vec<Rung>,
}

/// The codes of failures: stable, and mapped to exit codes in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// Another run holds the lock.
    Locked,
    /// The store is not the one last used, not mounted, or foreign.
    Store,
    /// There is not room enough.
    NoRoom,
    /// The source is missing, empty, unreadable, foreign, or not as `expect` says.
    Source,
    /// The capture failed.
    Capture,
    /// Bytes could not be written or read back, or are not those that were written.
    Storage,
    /// Verification failed: the backup is there and unproven.
    Unproven,
    /// A hook failed.
    Hook,
    /// Old backups could not be pruned; the new one is good.
    Prune,
    /// The timeout ran out.
    Timeout,
    /// A signal ended it.
    Interrupted,
}

/// The exit code of several pairs (cli.md, "Exit codes"): 0 when all are good, 3 when some are, otherwise the code they
/// share, else 1.
pub fn joint_exit(good: usize, bad: impl IntoIterator<Item = u8>) -> u8 {
    let codes: BTreeSet<u8> = bad.into_iter().collect();
    match (good, codes.len(), codes.first()) {
        (_, 0, _) => 0,
        (0, 1, Some(shared)) => *shared,
        (0, ..) => 1,
        _ => 3,
    }
}

impl FailureCode {
    /// The exit code that a run ends with when all its pairs share this failure.
    pub const fn exit(self) -> u8 {
        match self {
            Self::Locked => 11,
            Self::Unproven => 4,
            Self::Interrupted => 130,
            Self::Store
            | Self::NoRoom
            | Self::Source
            | Self::Capture
            | Self::Storage
            | Self::Hook
            | Self::Prune
            | Self::Timeout => 1,
        }
    }
}
