//! `daemon`: runs the schedules in the foreground, for containers and hosts without a scheduler.
//!
//! It is a scheduler like any other: what it starts is what an entry starts, `policy run JOB --due`, each in a process of
//! its own. So a job that fails, or uses much memory, is none of its business, and a slot runs once even where entries are
//! installed too.
#![expect(clippy::disallowed_methods, reason = "starts jobs, by the clock")]

use super::{args::Daemon, error::CliError, kept, output, session::Session, signals};
use crate::{
    plan::rfc3339,
    platform::process::{end_group, own_group},
    policy::{self, Policy, Severity},
    watch::{Cancel, Watch},
};
use chrono::{DateTime, Utc};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long nothing is looked at: a clock that was set, and a policy that was changed, are seen within that time.
const ROUND: Duration = Duration::from_secs(5);
/// How long after a job that could not begin its slot is started again.
const PAUSE: Duration = Duration::from_mins(10);
/// How often it is looked whether to stop, and whether a job has ended.
const BLINK: Duration = Duration::from_millis(100);

pub(super) fn daemon(session: &Session, _args: &Daemon) -> Result<u8, CliError> {
    if session.host.given_now().is_some() {
        return Err(CliError::invalid("a daemon goes by the clock: it takes no `--now`")
            .help("ask `policy next --now TIME` what would be run"));
    }
    let cancel = signals::watch()?;
    let mut policies = Policies::load(session)?;
    let mut jobs = Jobs::new(session)?;
    policies.tell_next(session);
    while !cancel.is_cancelled() {
        jobs.start_due(session, &policies.valid);
        let until = Instant::now() + ROUND;
        while Instant::now() < until && !cancel.is_cancelled() {
            jobs.reap();
            jobs.retry();
            let _ = Watch::new(&cancel, None, &|_| ()).pause(BLINK); // asked again above
            if jobs.has_slot_to_start(&policies.valid) {
                break;
            }
        }
        policies.reload(session);
    }
    if jobs.wait_for_all(&cancel) {
        return Err(CliError::told(130, "interrupted, and with it the jobs under way"));
    }
    Ok(0)
}

/// The policies that are run, and the texts that were last seen of them.
struct Policies {
    valid: Vec<Policy>,
    seen: Vec<(String, String)>,
}

impl Policies {
    fn load(session: &Session) -> Result<Self, CliError> {
        // Of one that is invalid its last valid text, as an entry would run it.
        let kept = kept::load(session, true)?;
        let seen = kept.policies.iter().map(seen_of).collect();
        Ok(Self { valid: kept.policies, seen })
    }

    /// Takes a changed policy when it is valid. While one is not, all stay as they are: what is wrong is told once.
    fn reload(&mut self, session: &Session) {
        let loaded = match session.load(&[]) {
            Ok(loaded) => loaded,
            Err(error) => {
                // Told once, as an empty text that was seen.
                if !self.seen.is_empty() {
                    output::print_error(&error, false);
                    output::warn("the policies stay as they were");
                    self.seen.clear();
                }
                return;
            }
        };
        let seen: Vec<_> =
            loaded.iter().map(|one| (one.source.name.clone(), one.source.text.to_string())).collect();
        if seen == self.seen {
            return;
        }
        self.seen = seen;
        let mut is_valid = true;
        for one in loaded.iter().filter(|one| one.policy.is_none()) {
            is_valid = false;
            let errors: Vec<_> =
                one.problems.iter().filter(|p| p.severity == Severity::Error).cloned().collect();
            session.tell_problems(&errors, Some(&one.source));
        }
        if is_valid {
            self.valid = loaded.into_iter().filter_map(|one| one.policy).collect();
            say(session, "the changed policies are taken");
            self.tell_next(session);
        } else {
            output::warn("the policies stay as they were until all of them are valid");
        }
    }

    fn tell_next(&self, session: &Session) {
        let now = session.host.real_now();
        let mut any = false;
        for (policy, job) in self.valid.iter().flat_map(scheduled) {
            any = true;
            let next = job
                .schedule
                .as_ref()
                .and_then(|schedule| schedule.value.cron.fires_after(now, policy.timezone()).next());
            if let Some(fire) = next {
                let name = format!("{}/{}", policy.name(), job.name.value);
                say(session, &format!("{name}: next {}", rfc3339(fire.utc)));
            }
        }
        if !any {
            output::warn("no job has a schedule: there is nothing to do until one has");
        }
    }
}

fn seen_of(policy: &Policy) -> (String, String) {
    (policy.source().name.clone(), policy.source().text.to_string())
}

fn scheduled(policy: &Policy) -> impl Iterator<Item = (&Policy, &policy::model::Job)> {
    policy.jobs().values().filter(|job| job.schedule.is_some()).map(move |job| (policy, job))
}

fn say(session: &Session, what: &str) {
    if !session.global.quiet {
        output::tell(what);
    }
}

/// What is known of each job, by its name.
struct Jobs {
    program: PathBuf,
    folder: PathBuf,
    started: BTreeMap<String, DateTime<Utc>>,
    running: BTreeMap<String, Child>,
    /// Jobs whose slot is started once more, and no sooner than then.
    again: BTreeMap<String, Instant>,
}

impl Jobs {
    fn new(session: &Session) -> Result<Self, CliError> {
        let program = std::env::current_exe()
            .map_err(|error| CliError::failed(format!("cannot tell where this program lies: {error}")))?;
        let folder = session.host.working_folder.clone();
        let (started, running, again) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Ok(Self { program, folder, started, running, again })
    }

    /// The jobs whose newest slot was not started yet. At the start that is every job: what was missed is caught up with,
    /// and of what was run already the guard knows.
    fn to_start<'p>(
        &self,
        policies: &'p [Policy],
    ) -> Vec<(String, DateTime<Utc>, &'p Policy, &'p policy::model::Job)> {
        let now = Utc::now();
        let of = |(policy, job): (&'p Policy, &'p policy::model::Job)| {
            let name = format!("{}/{}", policy.name(), job.name.value);
            let slot = job.schedule.as_ref()?.value.cron.last_at_or_before(now, policy.timezone())?.utc;
            let is_new = self.started.get(&name) != Some(&slot) && !self.running.contains_key(&name);
            is_new.then_some((name, slot, policy, job))
        };
        policies.iter().flat_map(scheduled).filter_map(of).collect()
    }

    fn has_slot_to_start(&self, policies: &[Policy]) -> bool {
        !self.to_start(policies).is_empty()
    }

    fn start_due(&mut self, session: &Session, policies: &[Policy]) {
        for (name, slot, policy, job) in self.to_start(policies) {
            let mut command = Command::new(&self.program);
            let file = policy::paths::normalized(&self.folder.join(&policy.source().name));
            command
                .arg("--policy")
                .arg(&file)
                .args(["run", &name, "--due"])
                .current_dir(root_of(&self.folder));
            let jitter = job.schedule.as_ref().map_or(0, |schedule| schedule.value.jitter.as_secs());
            if jitter > 0 {
                command.args(["--jitter", &format!("{jitter}s")]);
            }
            command.args(session.global.quiet.then_some("-q")).args(session.global.verbose.then_some("-v"));
            command.stdin(Stdio::null());
            // What a terminal interrupts is this process: a job under way ends by itself.
            own_group(&mut command);
            self.started.insert(name.clone(), slot);
            match command.spawn() {
                Ok(child) => {
                    self.running.insert(name, child);
                }
                Err(error) => output::warn(&format!("{name}: cannot be started: {error}")),
            }
        }
    }

    /// Forgets that slots were started whose time has come again.
    fn retry(&mut self) {
        let now = Instant::now();
        let ripe: Vec<String> =
            self.again.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone()).collect();
        for name in ripe {
            self.again.remove(&name);
            self.started.remove(&name);
        }
    }

    /// Lets go of what has ended. What a signal ended was killed: its slot is due once more, as the guard decides.
    fn reap(&mut self) {
        let mut ended = Vec::new();
        for (name, child) in &mut self.running {
            if let Ok(Some(status)) = child.try_wait() {
                ended.push((name.clone(), status));
            }
        }
        for (name, status) in ended {
            self.running.remove(&name);
            match status.code() {
                None => {
                    output::warn(&format!("{name}: ended by a signal ({status})"));
                    self.started.remove(&name);
                }
                // It could not begin, or was interrupted: its slot is still due, as far as the guard is concerned.
                Some(2 | 11 | 130) => {
                    self.again.insert(name, Instant::now() + PAUSE);
                }
                Some(_) => {}
            }
        }
    }

    /// Waits for the jobs under way; every further request to stop is passed on to them.
    /// Returns whether they were interrupted.
    fn wait_for_all(mut self, cancel: &Cancel) -> bool {
        for name in self.running.keys() {
            output::tell(&format!("waiting for {name}; another signal interrupts it"));
        }
        let mut is_interrupted = false;
        let mut requests = cancel.requests();
        while !self.running.is_empty() {
            self.reap();
            if cancel.requests() > requests {
                requests = cancel.requests();
                is_interrupted = true;
                self.running.values_mut().for_each(|child| end_group(child, false));
            }
            std::thread::sleep(BLINK);
        }
        is_interrupted
    }
}

/// A folder that is there as long as the host is: the working directory may go while a job runs.
fn root_of(folder: &Path) -> &Path {
    folder.ancestors().last().unwrap_or(folder)
}
