//! The policy's `before` and `after` commands. Once a `before` began its `after` runs: on failure, timeout and signal by
//! this run, after a kill by the next one, which reads it from the [ledger](super::ledger).

use super::{
    Event, Failure, FailureCode,
    job::{JobRun, StepError, StepResult},
    ledger::Ledger,
};
use crate::{
    engines::Caller,
    exec::{self, ExecError, Invocation},
    plan::{Action, Moment, Step},
    policy::{model::Command, values::placeholder::Placeholder},
    watch::Watch,
};
use std::{
    borrow::Cow,
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

/// How long an `after` command may take: neither the job's timeout nor a signal ends it before the third, and it must not
/// hang for ever.
const AFTER_LIMIT: Duration = Duration::from_mins(10);

impl JobRun<'_> {
    /// Runs one hook.
    pub(super) fn hook(&mut self, step: &Step, moment: Moment, command: &Command) -> StepResult {
        let target = step.target.as_deref();
        let called = match moment {
            Moment::JobBefore | Moment::TargetBefore => {
                self.watch(&|_| ()).check().map_err(StepError::stopped)?;
                if self.has_after(target) {
                    self.ledger.begin(target).map_err(|fault| {
                        let message =
                            format!("{fault}; a `before` runs only where its `after` can be remembered");
                        StepError::new(FailureCode::Hook, message)
                    })?;
                }
                self.call(Some(step), target, command, &self.watch(&|_| ()))
            }
            Moment::JobAfter | Moment::TargetAfter => {
                let called = self.call_after(Some(step), target, command);
                if self.is_last_after(step) {
                    self.close(target);
                }
                called
            }
        };
        match called {
            Ok(()) => Ok(String::new()),
            Err(HookError::Exec(ExecError::Stopped { stopped, program })) => {
                let error = StepError::stopped(stopped);
                Err(StepError::new(error.code, format!("`{program}` was stopped: {}", error.message)))
            }
            Err(failed) => Err(StepError::new(FailureCode::Hook, failed.to_string())),
        }
    }

    /// Sees to it that an `after` without a `before` runs too, once what it follows begins.
    pub(super) fn owe_after(&mut self, target: Option<&str>) {
        if self.has_after(target)
            && let Err(fault) = self.ledger.begin(target)
        {
            self.tell(&Event::Warning(format!(
                "{fault}: if this run is killed, its `after` will not be made up for"
            )));
        }
    }

    /// The `after` steps of the job, or of one of its targets.
    fn afters<'s>(&'s self, target: Option<&'s str>) -> impl Iterator<Item = &'s Step> {
        self.order.plan.steps.iter().filter(move |step| {
            let is_after =
                matches!(&step.action, Action::Hook { moment: Moment::JobAfter | Moment::TargetAfter, .. });
            is_after && step.job == self.planned.job && step.target.as_deref() == target
        })
    }

    fn has_after(&self, target: Option<&str>) -> bool {
        self.afters(target).next().is_some()
    }

    fn is_last_after(&self, step: &Step) -> bool {
        self.afters(step.target.as_deref()).last().is_some_and(|last| last.n == step.n)
    }

    fn close(&mut self, target: Option<&str>) {
        if let Err(fault) = self.ledger.end(target) {
            self.tell(&Event::Warning(fault.to_string()));
        }
    }

    /// An `after` runs whatever stopped the job; it has its own limit, and ends where stopping is asked a third time.
    #[expect(clippy::disallowed_methods, reason = "a limit is measured on the monotonic clock")]
    fn call_after(
        &self,
        step: Option<&Step>,
        target: Option<&str>,
        command: &Command,
    ) -> Result<(), HookError> {
        let insisted = self.order.cancel.insisted();
        let watch = Watch::new(&insisted, Some(Instant::now() + AFTER_LIMIT), &|_| ());
        self.call(step, target, command, &watch)
    }

    /// Runs the `after` commands that killed runs of this job still owe, by the policy as it is now. Before anything else,
    /// whether or not a store is there: what a `before` stopped has waited long enough.
    pub(super) fn pay_debts(&mut self) {
        for debts in
            Ledger::left_behind(&self.order.world.host.state, &self.order.plan.policy, &self.planned.job)
        {
            for name in debts.names() {
                self.pay(Some(name.as_str()).filter(|name| !name.is_empty()));
            }
            if let Err(fault) = debts.settle() {
                self.tell(&Event::Warning(fault.to_string()));
            }
        }
    }

    fn pay(&mut self, target: Option<&str>) {
        let policy = self.order.world.policy;
        let job = self.planned.job.as_str();
        let commands = match target {
            None => policy.jobs().get(job).map(|job| job.after.as_slice()),
            Some(name) => policy.targets().get(name).map(|target| target.after.as_slice()),
        };
        let of = target.unwrap_or(job);
        self.tell(&Event::Warning(format!("an earlier run was killed: its `after` of `{of}` runs now")));
        for command in commands.unwrap_or_default() {
            if let Err(error) = self.call_after(None, target, command) {
                let failure = Failure {
                    job: job.to_owned(),
                    target: target.map(ToOwned::to_owned),
                    store: None,
                    step: "hook".to_owned(),
                    code: FailureCode::Hook,
                    message: format!("`after` of an earlier run that was killed: {error}"),
                    rungs: Vec::new(),
                };
                self.tell(&Event::Failed(&failure));
                self.debts.push(failure);
            }
        }
    }

    fn call(
        &self,
        step: Option<&Step>,
        target: Option<&str>,
        command: &Command,
        watch: &Watch<'_>,
    ) -> Result<(), HookError> {
        let call = self.invocation(target, command, None).map_err(HookError::Unset)?;
        exec::run(&call, watch, &|line| match step {
            Some(step) => self.tell(&Event::Output { step, line }),
            None => self.tell(&Event::Warning(line)),
        })?;
        Ok(())
    }

    /// Makes a command ready, or tells which variables are not set.
    fn invocation(
        &self,
        target: Option<&str>,
        command: &Command,
        copy: Option<&Path>,
    ) -> Result<Invocation, Vec<String>> {
        let world = self.order.world;
        let concerns = |failure: &&Failure| {
            target.is_none() || failure.target.is_none() || failure.target.as_deref() == target
        };
        let last = self.failures.iter().rfind(concerns);
        let error_text = last.map(|failure| failure.message.clone()).unwrap_or_default();
        let summary = match self.failures.len() {
            0 => format!("{}: no failure so far", self.tag.id),
            1 => format!("{}: 1 failure so far: {error_text}", self.tag.id),
            n => format!("{}: {n} failures so far, the last: {error_text}", self.tag.id),
        };
        let stores: BTreeSet<&str> = self.pairs.iter().map(|pair| pair.store.as_str()).collect();
        // A hook is not of one store: all of the job's are meant.
        let stores = stores.into_iter().collect::<Vec<_>>().join(",");
        // Around the whole job all of its targets are meant.
        let targets = target.map_or_else(
            || {
                let all: BTreeSet<&str> = self.pairs.iter().map(|pair| pair.target.as_str()).collect();
                all.into_iter().collect::<Vec<_>>().join(",")
            },
            str::to_owned,
        );
        let value = |placeholder: Placeholder| -> Option<Cow<'_, str>> {
            match placeholder {
                Placeholder::Policy => Some(self.order.plan.policy.as_str().into()),
                Placeholder::Job => Some(self.planned.job.as_str().into()),
                Placeholder::Target => Some(targets.as_str().into()),
                Placeholder::Store => Some(stores.as_str().into()),
                Placeholder::Run => Some(self.tag.id.as_str().into()),
                Placeholder::Error => Some(error_text.as_str().into()),
                Placeholder::Summary => Some(summary.as_str().into()),
                Placeholder::Copy => copy.map(Path::to_string_lossy),
            }
        };
        exec::prepare(world.policy, &world.variables, command, value)
    }
}

/// Makes ready what an engine calls in a step.
pub(super) struct StepCaller<'r, 'a> {
    pub(super) run: &'r JobRun<'a>,
    pub(super) step: &'r Step,
}

impl Caller for StepCaller<'_, '_> {
    fn prepare(&self, command: &Command, copy: Option<&Path>) -> Result<Invocation, String> {
        let unset = |names: Vec<String>| HookError::Unset(names).to_string();
        self.run.invocation(self.step.target.as_deref(), command, copy).map_err(unset)
    }
    fn heard(&self, line: String) {
        self.run.tell(&Event::Output { step: self.step, line });
    }
}

/// Why a hook failed.
#[derive(Debug, thiserror::Error)]
enum HookError {
    #[error("{} is not set", .0.join(", "))]
    Unset(Vec<String>),
    #[error(transparent)]
    Exec(#[from] ExecError),
}
