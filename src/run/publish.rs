//! Publishing: the commit point of a backup, and the run's line in the history.

use super::{
    Event, FailureCode,
    capture::store_error,
    job::{JobRun, State, StepError, StepResult},
};
use crate::{
    evidence::{CheckResult, CheckedOn, TableFact},
    plan::Step,
    policy::values::Level,
    store::{Manifest, Store as _, Stored, manifest::FORMAT},
};
use std::{collections::BTreeMap, time::Duration};

/// What verification showed about a staged backup.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    /// Whether it shows the level asked; then `level` is that level and `failures` is empty.
    pub(super) proves: bool,
    pub(super) level: Level,
    pub(super) failures: Vec<String>,
    /// Checks that failed and only warn.
    pub(super) warned: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) checks: Vec<CheckResult>,
    pub(super) tables: BTreeMap<String, TableFact>,
    pub(super) checked_on: Option<CheckedOn>,
}

impl JobRun<'_> {
    /// Publishes a staged backup. The policy's text goes first, so that no backup lacks the text it was made by; the
    /// rename inside [`Staging::publish`](crate::store::Staging::publish) is what makes it exist.
    pub(super) fn publish(&mut self, step: &Step) -> StepResult {
        let index = self.pair(step)?;
        let manifest = self.manifest(step, index)?;
        let view = self.store(step)?;
        let policy = self.order.world.policy;
        view.store
            .keep_policy(policy.name().as_str(), policy.digest(), &policy.source().text)
            .map_err(|error| store_error(&error))?;
        let staged = self.pairs[index].staged.take();
        let staged = staged.ok_or_else(|| StepError::new(FailureCode::Storage, "nothing was staged"))?;
        let id = staged.staging.id().clone();
        let manifest = staged.staging.publish(manifest).map_err(|error| store_error(&error))?;
        let stored = Stored { id, manifest: Box::new(manifest), records: Vec::new(), damage: None };
        let proven = stored.proven();
        if let Some(catalog) = self.catalog {
            let store = step.store.as_deref().unwrap_or_default();
            if let Err(error) = catalog.add_backup(policy.name().as_str(), store, &stored.manifest, proven) {
                self.tell(&Event::Warning(error.to_string()));
            }
        }
        let note = format!("{}{}", stored.id, if proven { "" } else { ", unproven" });
        if stored.manifest.partial {
            let n = stored.manifest.unreadable.len();
            let first = stored.manifest.unreadable.first().map(String::as_str).unwrap_or_default();
            let message = format!("partial: {n} could not be read, the first is {first}; it is not proven");
            self.note_failure(step, step.store.clone(), StepError::new(FailureCode::Unproven, message));
        }
        let code = (!proven).then_some(FailureCode::Unproven);
        self.pairs[index].state = State::Published(Box::new(stored), code);
        Ok(note)
    }

    fn manifest(&self, step: &Step, index: usize) -> Result<Manifest, StepError> {
        let nothing = || StepError::new(FailureCode::Storage, "nothing was verified");
        let pair = &self.pairs[index];
        let captured = self.captured.get(&pair.target).ok_or_else(nothing)?;
        let staged = pair.staged.as_ref().ok_or_else(nothing)?;
        let proof = staged.proof.clone().ok_or_else(nothing)?;
        let source = self.source(step)?;
        let target = self.target(step)?;
        let job = self.job()?;
        let capture = &captured.capture;
        let ms = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        Ok(Manifest {
            format: FORMAT,
            id: staged.staging.id().to_string(),
            run: self.tag.id.clone(),
            policy: self.order.plan.policy.clone(),
            job: step.job.clone(),
            target: pair.target.clone(),
            time: self.tag.now,
            slot: self.order.slot,
            captured_at: captured.at,
            finished_at: self.order.world.host.real_now(),
            origin: source.origin.clone(),
            policy_digest: self.order.plan.digest.clone(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            engine: target.engine.keyword().to_owned(),
            method: capture.method.to_owned(),
            rungs: capture.rungs.clone(),
            kept_out_ms: capture.kept_out.map(ms),
            source: target.engine.source(),
            asked: job.asked(target),
            level: proof.level,
            checked_on: proof.checked_on,
            partial: !capture.unreadable.is_empty(),
            unreadable: capture.unreadable.clone(),
            checks: proof.checks,
            tables: proof.tables,
            failures: proof.failures,
            warnings: proof.warnings,
            compression: job.compress.to_string(),
            original_bytes: staged.files.iter().map(|file| file.plain_bytes).sum(),
            bytes: staged.files.iter().map(|file| file.bytes).sum(),
            duration_ms: ms(captured.begun.elapsed()),
            files: staged.files.clone(),
            facts: capture.facts.clone(),
            digest: String::new(),
        })
    }

    /// Counts what is to stand in the history; the line itself is written when all jobs of the run have ended.
    pub(super) fn record(&self) -> String {
        let published = self.pairs.iter().filter(|pair| matches!(pair.state, State::Published(..))).count();
        format!("{published} of {} published", self.pairs.len())
    }
}
