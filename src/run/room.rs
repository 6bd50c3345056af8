//! Room in a store before a backup: how much there must be, and what may go for it. A run and its dry run ask the same.

use super::prune::verdicts;
use crate::{
    policy::{model::Retention, values::Size},
    removal::{RemovalError, refuse_losses},
    retention::{Reason, Verdict},
    store::{BackupId, Listing, Series, Stored},
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// How much room a backup wants.
pub(crate) struct Room {
    /// What must be free, in bytes: `min_free`, else 1.2 times the last backup, before the first the source.
    pub(crate) needed: u64,
    /// 1.2 times the last backup, in bytes.
    ///
    /// A declared `min_free` says what there must be, and not that a backup which is known not to fit is to be tried on a
    /// full disk: what retention no longer keeps goes first all the same.
    estimate: u64,
}

/// What may go to make room.
pub(crate) struct Needless {
    /// The verdicts on what goes, oldest first.
    pub(crate) verdicts: Vec<Verdict>,
    /// The newest proven backup, which makes them needless.
    pub(crate) relied_on: BackupId,
}

impl Room {
    /// The room that the next backup wants; the source is asked for its bytes where nothing else tells.
    pub(crate) fn of(min_free: Option<Size>, last: Option<u64>, source: impl FnOnce() -> u64) -> Self {
        let estimate = last.map(with_a_fifth);
        let needed = min_free.map(Size::bytes).or(estimate).unwrap_or_else(source);
        Self { needed, estimate: estimate.unwrap_or_default() }
    }

    /// Whether so many free bytes are too few to try it before some are made.
    pub(crate) fn is_short(&self, free: u64) -> bool {
        free < self.needed.max(self.estimate)
    }
}

/// What the last backup from an origin takes, in bytes.
pub(crate) fn last_bytes(listing: &Listing, origin: &str) -> Option<u64> {
    let own = |stored: &&Stored| stored.manifest.origin == origin;
    listing.backups.iter().find(own).map(|stored| stored.manifest.bytes)
}

/// What retention, counted without the new backup, no longer keeps: the one case of pruning before there is a new
/// backup. Its own rules still hold: the newest proven one stays. `None` where nothing may go.
///
/// # Errors
/// Where losses were seen nothing may go by rule.
pub(crate) fn needless(
    listing: &Listing,
    series: &Series,
    retention: Retention,
    zone: Tz,
    now: DateTime<Utc>,
    origin: &str,
) -> Result<Option<Needless>, RemovalError> {
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for verdict in verdicts(&listing.backups, Some(retention), zone, now, origin) {
        if verdict.keep { kept.push(verdict) } else { gone.push(verdict) }
    }
    let newest = kept.iter().find(|verdict| verdict.reasons.contains(&Reason::NewestProven));
    let Some(newest) = newest.filter(|_| !gone.is_empty()) else { return Ok(None) };
    refuse_losses(listing, now, |stored| stored.manifest.origin == origin)?;
    gone.sort_by_key(|verdict| verdict.stamp);
    Ok(Some(Needless { verdicts: gone, relied_on: series.backup(newest.stamp) }))
}

/// A backup's size with what the next one may be larger.
const fn with_a_fifth(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 5)
}
