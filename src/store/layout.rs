//! The layout of a store: names of folders and files, pure.

use chrono::{DateTime, Utc};
use std::fmt;

/// One line of backups: what retention and locks are decided by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// The policy's name.
    pub policy: String,
    /// The job's name.
    pub job: String,
    /// The target's name.
    pub target: String,
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.policy, self.job, self.target)
    }
}

/// A run's start in UTC, as `2026-01-05T070000Z`, with `-2` for the second run of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    time: DateTime<Utc>,
    nth: u32,
}

/// A backup's id: `<policy>/<job>/<target>/<stamp>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupId {
    /// Its series.
    pub series: Series,
    /// Its stamp.
    pub stamp: Stamp,
}
