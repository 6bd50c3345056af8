//! Records: what happened to a backup after it was published, one small file each.

use crate::{evidence::CheckResult, policy::values::Level};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that was done with a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// What was done.
    pub kind: RecordKind,
    /// The backup's id.
    pub id: String,
    /// When, by the real clock.
    pub at: DateTime<Utc>,
    /// Whether it succeeded; a later failed verification makes a proven backup unproven.
    pub passed: bool,
    /// The level asked of a verification or restore.
    pub asked: Level,
    /// The level it reached.
    pub level: Level,
    /// The checks it ran.
    pub checks: Vec<CheckResult>,
    /// Why it failed, or why the backup was deleted.
    pub message: String,
}

/// The kinds of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// It was verified again.
    Verify,
    /// It was restored.
    Restore,
    /// It was pruned by retention.
    Prune,
    /// It was deleted by hand.
    Delete,
}
