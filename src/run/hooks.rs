//! The policy's `before` and `after` commands, and the ledger that makes every begun `before` be followed by its
//! `after`: on failure, timeout and signal by this run, after a kill by the next one.
#![expect(clippy::disallowed_methods, reason = "the ledger is a file of the state folder")]

use super::{
    Event, FailureCode,
    exec::{self, ExecError, Invocation},
    job::{JobRun, StepError, StepResult},
};
use crate::{
    fault::{Fault, OnPath},
    host::create_private_folder,
    plan::{Moment, Step},
    policy::{
        model::Command,
        values::{
            placeholder::{Placeholder, fill},
            template::Unset,
        },
    },
    watch::{Cancel, Watch},
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long the `after` commands of an interrupted or timed-out job may take, each.
const AFTER_LIMIT: Duration = Duration::from_secs(600);

/// Which `before`s have begun and whose `after` has not ended, kept on disk while that is so.
pub(super) struct Ledger {
    path: PathBuf,
    /// Target names; the empty name stands for the job itself.
    begun: BTreeSet<String>,
    /// Those that a killed run left behind.
    left: BTreeSet<String>,
}

impl Ledger {
    pub(super) fn new(state: &Path, policy: &str, job: &str) -> Self {
        let path = state.join("hooks").join(format!("{policy}.{job}"));
        Self { path, begun: BTreeSet::new(), left: BTreeSet::new() }
    }

    /// Reads what a killed run left; called with the job's locks held, so nobody else's.
    pub(super) fn recover(&mut self) -> Vec<String> {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        self.left = text.lines().map(|line| line.trim_start_matches('=').to_owned()).collect();
        self.left.iter().cloned().collect()
    }

    pub(super) fn began(&self, target: Option<&str>) -> bool {
        self.begun.contains(target.unwrap_or_default())
    }

    fn begin(&mut self, target: Option<&str>) -> Result<(), Fault> {
        if self.begun.insert(target.unwrap_or_default().to_owned()) { self.write() } else { Ok(()) }
    }

    /// Closes an entry; what this run began stays known to it, so that all `after` commands of a target run.
    fn close(&mut self, target: Option<&str>) -> Result<(), Fault> {
        self.left.remove(target.unwrap_or_default());
        self.write()
    }

    pub(super) fn end(&mut self, target: Option<&str>) -> Result<(), Fault> {
        self.begun.remove(target.unwrap_or_default());
        self.write()
    }

    /// On disk before a `before` starts: a kill in between costs one needless `after`, never a missing one.
    fn write(&self) -> Result<(), Fault> {
        let open: BTreeSet<&String> = self.begun.union(&self.left).collect();
        if open.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(error).on("remove", &self.path)
                }
                _ => Ok(()),
            };
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        create_private_folder(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).on("create a file in", folder)?;
        // `=` marks each line, so that the job's own empty name is a line too.
        for name in open {
            writeln!(file, "={name}").on("write", &self.path)?;
        }
        file.as_file().sync_all().on("write", &self.path)?;
        file.persist(&self.path).map_err(|error| error.error).on("write", &self.path)?;
        Ok(())
    }
}

impl JobRun<'_> {
    /// Runs one hook.
    pub(super) fn hook(&mut self, step: &Step, moment: Moment, command: &Command) -> StepResult {
        let error = |message: String| StepError::new(FailureCode::Hook, message);
        let target = step.target.as_deref();
        match moment {
            Moment::JobBefore | Moment::TargetBefore => {
                self.ledger.begin(target).map_err(|fault| {
                    error(format!("{fault}; a `before` runs only where its `after` can be remembered"))
                })?;
                let tell = |_| ();
                let watch = self.watch(&tell);
                self.call(Some(step), target, command, &watch)
            }
            Moment::JobAfter | Moment::TargetAfter => self.call_after(Some(step), target, command),
        }
        .map_err(|failed| match failed {
            HookError::Exec(ExecError::Stopped { stopped, .. }) => StepError::stopped(stopped),
            failed => error(failed.to_string()),
        })?;
        Ok(String::new())
    }

    /// An `after` runs whatever stopped the job; it has its own limit.
    #[expect(clippy::disallowed_methods, reason = "a limit is measured on the monotonic clock")]
    fn call_after(
        &self,
        step: Option<&Step>,
        target: Option<&str>,
        command: &Command,
    ) -> Result<(), HookError> {
        let never = Cancel::default();
        let watch = Watch::new(&never, Some(Instant::now() + AFTER_LIMIT), &|_| ());
        self.call(step, target, command, &watch)
    }

    /// Closes the ledger's entries once their `after` commands have run, called behind the last hook.
    pub(super) fn close_hooks(&mut self) {
        let names: Vec<String> = self.ledger.begun.iter().cloned().collect();
        for name in names {
            if let Err(fault) = self.ledger.end(Some(&name)) {
                self.tell(&Event::Warning(fault.to_string()));
            }
        }
    }

    /// Runs the `after` commands that a killed run still owes, by the policy as it is now.
    pub(super) fn pay_debts(&mut self) {
        let job_name = self.planned.job.clone();
        for name in self.ledger.recover() {
            let policy = self.order.world.policy;
            let (target, commands) = if name.is_empty() {
                (None, policy.jobs().get(job_name.as_str()).map(|job| job.after.as_slice()))
            } else {
                (
                    Some(name.as_str()),
                    policy.targets().get(name.as_str()).map(|target| target.after.as_slice()),
                )
            };
            let of = target.unwrap_or(&job_name);
            self.tell(&Event::Warning(format!("an earlier run was killed: its `after` of {of} runs now")));
            for command in commands.unwrap_or_default() {
                if let Err(error) = self.call_after(None, target, command) {
                    self.tell(&Event::Warning(format!("`after` of {of}: {error}")));
                }
            }
            if let Err(fault) = self.ledger.close(target) {
                self.tell(&Event::Warning(fault.to_string()));
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
        let world = self.order.world;
        let error_text = self.failures.last().map(|failure| failure.message.clone()).unwrap_or_default();
        let summary = match self.failures.len() {
            0 => format!("{}: no failure so far", self.tag.id),
            n => format!("{}: {n} failed so far, the last: {error_text}", self.tag.id),
        };
        let stores: Vec<&str> = self.pairs.iter().map(|pair| pair.store.as_str()).collect();
        let value = |placeholder: Placeholder| -> Option<Cow<'_, str>> {
            match placeholder {
                Placeholder::Policy => Some(self.order.plan.policy.as_str().into()),
                Placeholder::Job => Some(self.planned.job.as_str().into()),
                Placeholder::Target => target.map(Into::into),
                Placeholder::Store => {
                    stores.first().filter(|_| stores.len() == 1).map(|store| (*store).into())
                }
                Placeholder::Run => Some(self.tag.id.as_str().into()),
                Placeholder::Error => Some(error_text.as_str().into()),
                Placeholder::Summary => Some(summary.as_str().into()),
                Placeholder::Copy => None,
            }
        };
        let argv = command
            .argv
            .iter()
            .map(|word| Ok(word.expand_with(&world.variables, |literal| fill(literal, value))?.text))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|unset: Vec<Unset>| {
                HookError::Unset(unset.into_iter().map(|unset| unset.name).collect())
            })?;
        let mut environment: BTreeMap<String, String> = world
            .variables
            .of_files()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for placeholder in Placeholder::ALL {
            let value = value(placeholder).unwrap_or_default();
            environment.insert(placeholder.variable(), value.into_owned());
        }
        let call = Invocation { argv, environment, folder: world.policy.source().folder.clone() };
        exec::run(&call, watch, &|line| match step {
            Some(step) => self.tell(&Event::Output { step, line }),
            None => self.tell(&Event::Warning(line)),
        })?;
        Ok(())
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
