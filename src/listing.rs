//! Backups as every command shows them: one shape for list, show, run and restore.

use crate::{evidence::Rung, policy::values::Level, store::Stored};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

/// One copy of a backup, as `list --json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Element {
    /// The backup's id; its copies in several stores share it.
    pub id: String,
    /// The policy's name.
    pub policy: String,
    /// The job's name.
    pub job: String,
    /// The target's name.
    pub target: String,
    /// The store this copy lies in.
    pub store: String,
    /// The engine's key.
    pub engine: String,
    /// How it was captured.
    pub method: String,
    /// The ways that were tried before, each with why it did not serve; absent where the first one served.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rungs: Vec<Rung>,
    /// Milliseconds for which the capture kept the owner out; `null` where it kept out nobody.
    pub kept_out_ms: Option<u64>,
    /// The run's start.
    pub time: DateTime<Utc>,
    /// Stored size in bytes.
    pub bytes: u64,
    /// Plain size in bytes.
    pub original_bytes: u64,
    /// The level its latest verification reached.
    pub level: Level,
    /// The level asked of it.
    pub asked: Level,
    /// Whether it is complete and passed what was asked.
    pub proven: bool,
    /// Whether members could not be read.
    pub partial: bool,
    /// What of its data was seen not to be there; `null` when all is. Only a verification reads what is there.
    pub damage: Option<String>,
    /// Whether its store could not be read, and this is what the catalog remembers.
    pub remembered: bool,
    /// Why retention keeps it; empty when it does not, or when no policy says.
    pub kept_by: Vec<String>,
}

impl Element {
    /// Shows one copy.
    pub fn new(store: &str, stored: &Stored, kept_by: Vec<String>) -> Self {
        let manifest = &stored.manifest;
        Self {
            id: stored.id.to_string(),
            policy: manifest.policy.clone(),
            job: manifest.job.clone(),
            target: manifest.target.clone(),
            store: store.to_owned(),
            engine: manifest.engine.clone(),
            method: manifest.method.clone(),
            rungs: manifest.rungs.clone(),
            kept_out_ms: manifest.kept_out_ms,
            time: manifest.time,
            bytes: manifest.bytes,
            original_bytes: manifest.original_bytes,
            level: stored.level(),
            asked: manifest.asked,
            proven: stored.proven(),
            partial: manifest.partial,
            damage: stored.damage.clone(),
            remembered: false,
            kept_by,
        }
    }
}
