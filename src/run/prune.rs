//! Pruning within a run: after this run's backup is proven, and never without it standing.

use super::{
    Event, FailureCode,
    capture::store_error,
    job::{JobRun, State, StepError, StepResult},
};
use crate::{
    plan::Step,
    policy::model::Retention,
    removal::{Removal, RemovalError},
    retention::{self, Candidate},
    store::{BackupId, RecordKind, Store as _, StoreError, Stored},
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

/// What retention says about the backups of one series, from one origin's point of view.
pub(crate) fn verdicts(
    backups: &[Stored],
    rule: Option<Retention>,
    zone: Tz,
    now: DateTime<Utc>,
    origin: &str,
) -> Vec<retention::Verdict> {
    let candidate = |stored: &Stored| Candidate::of(stored, stored.manifest.origin == origin);
    let candidates: Vec<_> = backups.iter().map(candidate).collect();
    retention::decide(&candidates, rule.as_ref(), zone, now)
}

/// The backups that retention no longer keeps.
fn now_prunable(
    backups: &[Stored],
    rule: Retention,
    zone: Tz,
    now: DateTime<Utc>,
    origin: &str,
) -> Vec<BackupId> {
    let verdicts = verdicts(backups, Some(rule), zone, now, origin);
    let gone =
        |stored: &&Stored| verdicts.iter().any(|verdict| !verdict.keep && verdict.stamp == stored.id.stamp);
    backups.iter().filter(gone).map(|stored| stored.id.clone()).collect()
}

impl JobRun<'_> {
    /// Removes what retention no longer keeps, now that this run's backup is proven in this store.
    pub(super) fn prune(&mut self, step: &Step, rule: Retention) -> StepResult {
        let index = self.pair(step)?;
        if self.order.world.host.is_ahead() {
            return Ok("nothing: `--now` lies later than the clock".to_owned());
        }
        let view = self.store(step)?;
        let origin = self.source(step)?.origin.clone();
        let State::Published(new, _) = &self.pairs[index].state else {
            return Err(StepError::new(FailureCode::Prune, "there is no new backup"));
        };
        let relied_on = new.id.clone();
        // From the store as it is now, not from what was listed before the capture.
        let prune_error = |error: &StoreError| StepError::new(FailureCode::Prune, error.to_string());
        let listing = view.store.list(&self.pairs[index].series).map_err(|error| prune_error(&error))?;
        let zone = self.order.world.policy.timezone();
        let prunable = now_prunable(&listing.backups, rule, zone, self.tag.now, &origin);
        let kept = listing.backups.len() - prunable.len();
        let removed = self.remove_all(step, index, &prunable, &relied_on, |run, id| {
            run.tell(&Event::Pruned { step, id, store: &run.pairs[index].store });
        })?;
        Ok(format!("{removed} pruned, {kept} kept"))
    }

    /// Removes backups one by one, oldest first, so that whatever stops it leaves the newer ones; `told` is called of each
    /// that is gone.
    pub(super) fn remove_all(
        &mut self,
        step: &Step,
        index: usize,
        ids: &[BackupId],
        relied_on: &BackupId,
        told: impl Fn(&Self, &BackupId),
    ) -> Result<usize, StepError> {
        let view = self.store(step)?;
        let mut ids = ids.to_vec();
        ids.sort();
        let message = format!("retention of run {}", self.tag.id);
        let removal = Removal {
            store: &view.store,
            name: &self.pairs[index].store,
            catalog: self.catalog,
            kind: RecordKind::Prune,
            message: &message,
            at: self.order.world.host.real_now(),
            relied_on: Some(relied_on),
        };
        let mut warnings = Vec::new();
        for id in &ids {
            if self.order.cancel.is_cancelled() {
                return Err(StepError::stopped(crate::watch::Stopped::Cancelled));
            }
            warnings.extend(removal.remove(id).map_err(|error| removal_error(&error))?);
            told(self, id);
        }
        for warning in warnings {
            self.tell(&Event::Warning(warning));
        }
        Ok(ids.len())
    }
}

pub(super) fn removal_error(error: &RemovalError) -> StepError {
    match error {
        RemovalError::Unfounded { .. } => StepError::new(FailureCode::Prune, error.to_string()),
        RemovalError::Store(error) => store_error(error),
        RemovalError::Stopped(stopped) => StepError::stopped(*stopped),
    }
}
