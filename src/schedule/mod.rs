//! When a job runs: the five-field grammar, its calendar, and what a host must be told.

pub mod calendar;
pub mod due;
pub mod entry;
pub mod render;

use crate::policy::values::Duration;

/// A job's schedule.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The crontab(5) expression.
    pub cron: calendar::Expression,
    /// Longest random delay before a fire; zero when not written.
    pub jitter: Duration,
    /// What happens to a slot that was missed.
    pub catch_up: CatchUp,
}

/// What happens to a missed slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatchUp {
    /// It runs late, until the next slot.
    UntilNext,
    /// It is lost once jitter and five minutes have passed.
    Never,
    /// It runs late within this window.
    Within(Duration),
}
