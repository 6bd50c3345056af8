//! One job of a run: the state of its target-and-store pairs, and the one exhaustive match on the steps.

use super::{
    Event, Failure, FailureCode, Order, PairEnd, Tag, capture::Captured, ledger::Ledger, publish::Proof,
    verify::VerifyError,
};
use crate::{
    catalog::Catalog,
    evidence::Rung,
    plan::{Action, Moment, PlannedJob, Step},
    policy::model::{Job, Target},
    store::{Listing, Series, Staging, StoreError, Stored, lock::Lock, manifest::StoredFile},
    watch::{Progress, Stopped, Watch},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// A job under way.
pub(super) struct JobRun<'a> {
    pub(super) order: &'a Order<'a>,
    pub(super) tag: &'a Tag,
    pub(super) catalog: Option<&'a Catalog>,
    pub(super) planned: &'a PlannedJob,
    pub(super) pairs: Vec<Pair>,
    pub(super) captured: BTreeMap<String, Captured>,
    pub(super) failures: Vec<Failure>,
    pub(super) ledger: Ledger,
    /// What failed of the `after` commands that killed runs owed; no try mends it.
    pub(super) debts: Vec<Failure>,
    /// Checks that only warn are told once, not for each store.
    pub(super) warned: BTreeSet<String>,
    /// The job's own `before` failed: it runs once, so there is nothing to try again.
    is_barred: bool,
    deadline: Option<Instant>,
}

/// One target in one store.
pub(super) struct Pair {
    pub(super) target: String,
    pub(super) store: String,
    pub(super) series: Series,
    pub(super) state: State,
    pub(super) lock: Option<Lock>,
    /// What the series held when it was locked.
    pub(super) listing: Listing,
    /// What is being made in this try.
    pub(super) staged: Option<Staged>,
}

/// A backup being made in one store.
pub(super) struct Staged {
    pub(super) staging: Box<dyn Staging>,
    pub(super) files: Vec<StoredFile>,
    /// How reading files of it back ended, where that was done beside the capture.
    pub(super) read: BTreeMap<String, Result<(), VerifyError>>,
    pub(super) proof: Option<Proof>,
}

impl Staged {
    /// Makes a written file durable and notes it for the manifest.
    pub(super) fn settle(&mut self, file: &StoredFile) -> Result<(), StoreError> {
        self.staging.sync(&file.name)?;
        self.files.push(file.clone());
        Ok(())
    }
}

/// How far a pair is.
pub(super) enum State {
    /// Nothing has failed yet, and nothing is published.
    Open,
    /// Something failed.
    Failed(FailureCode),
    /// The backup is published; unproven when a code stands with it.
    Published(Box<Stored>, Option<FailureCode>),
}

/// Why a step failed.
pub(super) struct StepError {
    pub(super) code: FailureCode,
    pub(super) message: String,
    /// The ways to capture that were tried.
    pub(super) rungs: Vec<Rung>,
}

impl StepError {
    pub(super) fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), rungs: Vec::new() }
    }

    pub(super) fn stopped(stopped: Stopped) -> Self {
        let code = match stopped {
            Stopped::Cancelled => FailureCode::Interrupted,
            Stopped::TimedOut => FailureCode::Timeout,
        };
        Self::new(code, stopped.to_string())
    }
}

/// What a step that went well has to say.
pub(super) type StepResult = Result<String, StepError>;

impl<'a> JobRun<'a> {
    pub(super) fn new(
        order: &'a Order<'a>,
        tag: &'a Tag,
        catalog: Option<&'a Catalog>,
        planned: &'a PlannedJob,
    ) -> Self {
        let locks =
            order.plan.steps.iter().filter(|step| step.job == planned.job && step.action == Action::Lock);
        let pair = |step: &Step| {
            let (target, store) = (step.target.clone()?, step.store.clone()?);
            let series =
                Series { policy: order.plan.policy.clone(), job: step.job.clone(), target: target.clone() };
            let (state, lock, listing, staged) = (State::Open, None, Listing::default(), None);
            Some(Pair { target, store, series, state, lock, listing, staged })
        };
        let pairs = locks.filter_map(pair).collect();
        Self {
            order,
            tag,
            catalog,
            planned,
            pairs,
            captured: BTreeMap::new(),
            failures: Vec::new(),
            ledger: Ledger::new(&order.world.host.state, &order.plan.policy, &planned.job),
            debts: Vec::new(),
            warned: BTreeSet::new(),
            is_barred: false,
            deadline: None,
        }
    }

    /// Does the job's steps in the plan's order. The steps between the job's `before` and `after` are done again for
    /// the pairs that failed, as often as `retry` says.
    pub(super) fn interpret_all(&mut self) {
        let plan = self.order.plan;
        self.tell(&Event::JobBegan { job: &self.planned.job });
        self.pay_debts();
        let steps: Vec<&Step> = plan.steps.iter().filter(|step| step.job == self.planned.job).collect();
        let is_opening = |step: &Step| {
            matches!(&step.action, Action::Lock | Action::Hook { moment: Moment::JobBefore, .. })
        };
        let is_closing = |step: &Step| {
            matches!(
                &step.action,
                Action::Hook { moment: Moment::JobAfter, .. } | Action::Record | Action::Unlock
            )
        };
        self.begin_attempt();
        for step in steps.iter().filter(|step| is_opening(step)) {
            self.interpret(step);
        }
        if self.pairs.iter().any(Pair::is_open) {
            self.owe_after(None);
        }
        let body: Vec<&Step> =
            steps.iter().copied().filter(|step| !is_opening(step) && !is_closing(step)).collect();
        for attempt in 1..=self.planned.attempts {
            if attempt > 1 && !self.begin_again(attempt) {
                break;
            }
            for step in &body {
                self.interpret(step);
            }
            // What this try captured and did not publish is gone with it.
            self.captured.clear();
            for pair in &mut self.pairs {
                pair.staged = None;
            }
        }
        // From here on the timeout no longer counts: what was begun must be ended.
        self.deadline = None;
        for step in steps.iter().filter(|step| is_closing(step)) {
            self.interpret(step);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a timeout is measured on the monotonic clock")]
    fn begin_attempt(&mut self) {
        self.deadline = self.planned.timeout_secs.map(|secs| Instant::now() + Duration::from_secs(secs));
    }

    /// Opens the pairs that another try may mend; `false` when there are none or stopping was asked.
    fn begin_again(&mut self, attempt: u32) -> bool {
        let may_mend = |code: FailureCode| match code {
            FailureCode::Source
            | FailureCode::Capture
            | FailureCode::Storage
            | FailureCode::NoRoom
            | FailureCode::Hook
            | FailureCode::Timeout => true,
            FailureCode::Locked
            | FailureCode::Store
            | FailureCode::Unproven
            | FailureCode::Prune
            | FailureCode::Interrupted => false,
        };
        // The lock is not tried again: without it nothing may be written, and nothing is known of what is there.
        let again =
            |pair: &Pair| pair.lock.is_some() && matches!(pair.state, State::Failed(code) if may_mend(code));
        if self.is_barred || self.order.cancel.is_cancelled() || !self.pairs.iter().any(again) {
            return false;
        }
        let delay_secs = self.planned.delay_secs;
        self.tell(&Event::Retry { attempt, attempts: self.planned.attempts, delay_secs });
        self.deadline = None;
        if self.watch(&|_| ()).pause(Duration::from_secs(delay_secs)).is_err() {
            return false;
        }
        let mut reopened = Vec::new();
        for pair in &mut self.pairs {
            if again(pair) {
                pair.state = State::Open;
                reopened.push((pair.target.clone(), pair.store.clone()));
            }
        }
        self.failures.retain(|failure| {
            !reopened.iter().any(|(target, store)| {
                failure.target.as_deref() == Some(target)
                    && failure.store.as_deref().is_none_or(|name| name == store)
            })
        });
        self.begin_attempt();
        true
    }

    /// The one exhaustive match on the steps.
    fn interpret(&mut self, step: &Step) {
        let wanted = self.is_wanted(step);
        if let Err(why) = wanted {
            if let Some(why) = why {
                self.tell(&Event::Skipped { step, why });
            }
            return;
        }
        self.tell(&Event::Began(step));
        let result = match &step.action {
            Action::Lock => self.lock(step),
            Action::Hook { moment, command } => self.hook(step, *moment, command),
            Action::ObserveStore { retention, .. } => self.observe_store(step, *retention),
            Action::ObserveSource { .. } => self.observe_source(step),
            Action::Capture { .. } => self.capture(step),
            Action::Compress { .. } => Ok(self.compress(step)),
            Action::Verify { level } => self.verify(step, *level),
            Action::Publish => self.publish(step),
            Action::Prune { retention } => self.prune(step, *retention),
            Action::Record => Ok(self.record()),
            Action::Unlock => {
                self.pairs.iter_mut().for_each(|pair| pair.lock = None);
                Ok(String::new())
            }
        };
        match result {
            Ok(note) => self.tell(&Event::Done { step, note }),
            Err(error) => self.fail(step, error),
        }
    }

    /// Whether a step still has something to work on; `Err(None)` when it is silently not for this try.
    fn is_wanted(&self, step: &Step) -> Result<(), Option<String>> {
        let concerned = || self.pairs.iter().filter(|pair| pair.is_of(step));
        let any_open = concerned().any(|pair| matches!(pair.state, State::Open));
        match &step.action {
            Action::Record | Action::Unlock | Action::Lock => Ok(()),
            Action::Hook { moment: Moment::JobAfter, .. } => {
                if self.ledger.began(None) {
                    Ok(())
                } else {
                    Err(Some("its `before` did not begin".to_owned()))
                }
            }
            Action::Hook { moment: Moment::TargetAfter, .. } => {
                if self.ledger.began(step.target.as_deref()) {
                    Ok(())
                } else {
                    Err(None)
                }
            }
            Action::Prune { .. } => match concerned().next().map(|pair| &pair.state) {
                Some(State::Published(_, None)) => Ok(()),
                Some(State::Published(..)) => Err(Some("this run's backup is not proven".to_owned())),
                _ => Err(Some("there is no new backup".to_owned())),
            },
            _ if any_open => Ok(()),
            _ => {
                let failed = concerned().any(|pair| matches!(pair.state, State::Failed(_)));
                Err(failed.then(|| "what it needs failed".to_owned()))
            }
        }
    }

    /// Notes a failure and closes the open pairs it concerns. What failed after a backup was published, as pruning or an
    /// `after`, does not make the backup worse: it makes the run incomplete.
    pub(super) fn fail(&mut self, step: &Step, error: StepError) {
        let is_after = matches!(
            &step.action,
            Action::Hook { moment: Moment::JobAfter | Moment::TargetAfter, .. }
                | Action::Record
                | Action::Unlock
        );
        self.is_barred |= matches!(&step.action, Action::Hook { moment: Moment::JobBefore, .. });
        for pair in self.pairs.iter_mut().filter(|pair| pair.is_of(step) && !is_after && pair.is_open()) {
            pair.state = State::Failed(error.code);
            pair.staged = None;
        }
        let error = match (&step.action, self.pair(step)) {
            (Action::Lock | Action::Publish, Ok(index)) => self.with_the_room(step, index, error),
            _ => error,
        };
        self.note_failure(step, step.store.clone(), error);
    }

    /// Closes one pair of a step that goes on for the others.
    pub(super) fn fail_pair(&mut self, step: &Step, index: usize, error: StepError) {
        let pair = &mut self.pairs[index];
        pair.state = State::Failed(error.code);
        // What was staged goes first, so that the room told is what there is without it.
        pair.staged = None;
        let error = self.with_the_room(step, index, error);
        let pair = &self.pairs[index];
        let store = Some(pair.store.clone());
        self.note_failure(step, store, error);
    }

    pub(super) fn note_failure(&mut self, step: &Step, store: Option<String>, error: StepError) {
        let failure = Failure {
            job: step.job.clone(),
            target: step.target.clone(),
            store,
            step: step.kind().to_owned(),
            code: error.code,
            message: error.message,
            rungs: error.rungs,
        };
        self.tell(&Event::Failed(&failure));
        self.failures.push(failure);
    }

    /// The pairs and failures, when all is done.
    pub(super) fn finish(mut self) -> (Vec<PairEnd>, Vec<Failure>) {
        self.failures.append(&mut self.debts);
        let job = &self.planned.job;
        let pairs = self.pairs.into_iter().map(|pair| {
            let (published, code) = match pair.state {
                State::Open => (None, Some(FailureCode::Interrupted)),
                State::Failed(code) => (None, Some(code)),
                State::Published(stored, code) => (Some(*stored), code),
            };
            let good = published.is_some() && code.is_none();
            PairEnd { job: job.clone(), target: pair.target, store: pair.store, published, good, code }
        });
        (pairs.collect(), self.failures)
    }

    pub(super) fn tell(&self, event: &Event<'_>) {
        (self.order.listener)(event);
    }

    pub(super) fn watch<'w>(&'w self, tell: &'w (dyn Fn(Progress) + Sync)) -> Watch<'w> {
        Watch::new(self.order.cancel, self.deadline, tell)
    }

    pub(super) fn job(&self) -> Result<&'a Job, StepError> {
        let jobs = self.order.world.policy.jobs();
        jobs.get(self.planned.job.as_str()).ok_or_else(|| not_planned("job"))
    }

    pub(super) fn target(&self, step: &Step) -> Result<&'a Target, StepError> {
        let name = step.target.as_deref().unwrap_or_default();
        self.order.world.policy.targets().get(name).ok_or_else(|| not_planned("target"))
    }

    /// The index of the one pair that a step with target and store concerns.
    pub(super) fn pair(&self, step: &Step) -> Result<usize, StepError> {
        self.pairs.iter().position(|pair| pair.is_of(step)).ok_or_else(|| not_planned("pair"))
    }
}

impl Pair {
    /// Whether a step concerns this pair.
    pub(super) fn is_of(&self, step: &Step) -> bool {
        step.target.as_ref().is_none_or(|target| *target == self.target)
            && step.store.as_ref().is_none_or(|store| *store == self.store)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }
}

/// A plan is built from the policy it runs with, so this cannot happen; if it does, nothing is done and it is said.
fn not_planned(what: &str) -> StepError {
    StepError::new(FailureCode::Capture, format!("the plan names a {what} that the policy does not have"))
}
