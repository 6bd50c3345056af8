//! What was found when a backup was captured and verified: the values that manifests, records, reports and JSON all carry.

use crate::policy::{
    model::{OnFail, TableClass},
    values::Level,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// On what the content was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckedOn {
    /// In the read transaction that produced the stored bytes, or in one of the same moment; the stored file, read back,
    /// has their plain digest.
    Snapshot,
    /// On a copy made of the stored or captured bytes.
    Copy,
}

/// A process that has a file open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its program's name.
    pub name: String,
}

/// A way to capture that was tried and did not serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rung {
    /// The method.
    pub method: String,
    /// Why it did not serve.
    pub failed: String,
    /// The processes that held the source, as far as the host told; empty where no holder was the reason.
    pub holders: Vec<Holder>,
}

/// The result of one declared check, or of one that every level implies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// The check's name.
    pub name: String,
    /// Whether it holds.
    pub passed: bool,
    /// What the answer must be, as the policy says it.
    pub expected: String,
    /// The answer: one scalar of at most 200 characters; `null` when there was none.
    pub actual: Option<String>,
    /// What failing means.
    pub on_fail: OnFail,
}

/// What is recorded of a classed table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableFact {
    /// Its class.
    pub class: TableClass,
    /// Its rows at the moment of capture.
    pub rows: u64,
}

/// How the engine's own test of soundness ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "outcome", content = "findings")]
pub enum Integrity {
    /// It was not asked for.
    Skipped,
    /// It found nothing wrong.
    Sound,
    /// It found the content damaged: what it said, at most 20 lines.
    Damaged(Vec<String>),
    /// It could not judge, as with a missing collation: why. Never called damaged.
    Unverifiable(Vec<String>),
}

/// Everything an engine can show about one captured content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The engine's own test.
    pub integrity: Integrity,
    /// The checks, in the policy's order; empty when they were not asked for.
    pub checks: Vec<CheckResult>,
    /// The classed tables and their rows, on exactly the captured content.
    pub tables: BTreeMap<String, TableFact>,
    /// What lowers nothing but must be told.
    pub warnings: Vec<String>,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            integrity: Integrity::Skipped,
            checks: Vec::new(),
            tables: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }
}

impl Evidence {
    /// The highest level that this evidence shows, given that the stored bytes passed `checksum`.
    ///
    /// `checks` is shown by checks that hold; the row counts of irreplaceable tables are checks of their own, named
    /// `rows of TABLE`.
    pub fn level(&self) -> Level {
        if self.integrity != Integrity::Sound {
            return Level::Checksum;
        }
        let asked = !self.checks.is_empty();
        let held = self.checks.iter().all(|check| check.passed || check.on_fail == OnFail::Warn);
        if asked && held { Level::Checks } else { Level::Integrity }
    }

    /// Whether it shows the level asked, and nothing failed beside it: a guard of `expect` or a table that vanished makes
    /// a backup unproven at every level. For `restore` this is what the restored content must show.
    pub fn proves(&self, asked: Level) -> bool {
        let needed = if asked == Level::Restore { Level::Integrity } else { asked };
        self.level() >= needed && self.failures().is_empty()
    }

    /// Joins what the capture showed with what the stored content showed. Nothing that failed once is forgotten.
    #[must_use]
    pub fn joined(mut self, second: Self) -> Self {
        if matches!(self.integrity, Integrity::Skipped | Integrity::Sound)
            && second.integrity != Integrity::Skipped
        {
            self.integrity = second.integrity;
        }
        for check in second.checks {
            match self.checks.iter_mut().find(|known| known.name == check.name) {
                Some(known) if known.passed => *known = check,
                Some(_) => {}
                None => self.checks.push(check),
            }
        }
        self.tables.extend(second.tables);
        for warning in second.warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        self
    }

    /// Why a level above `checksum` was not reached, one sentence each; checks that only warn are not among them.
    pub fn failures(&self) -> Vec<String> {
        let integrity = match &self.integrity {
            Integrity::Damaged(lines) => lines.iter().map(|line| format!("integrity: {line}")).collect(),
            Integrity::Unverifiable(lines) => {
                lines.iter().map(|line| format!("integrity could not be checked: {line}")).collect()
            }
            Integrity::Skipped | Integrity::Sound => Vec::new(),
        };
        integrity.into_iter().chain(self.failing(OnFail::Fail)).collect()
    }

    /// The checks that failed and only warn, one sentence each.
    pub fn warned(&self) -> Vec<String> {
        self.failing(OnFail::Warn).collect()
    }

    fn failing(&self, on_fail: OnFail) -> impl Iterator<Item = String> {
        self.checks.iter().filter(move |check| !check.passed && check.on_fail == on_fail).map(|check| {
            let actual = check.actual.as_deref().unwrap_or("no answer");
            format!("check `{}`: expected {}, got {actual}", check.name, check.expected)
        })
    }
}
