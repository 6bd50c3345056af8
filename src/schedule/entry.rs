//! Entries: what a host's scheduler must run for one job, in absolute words.
//!
//! Every entry runs `policy … run JOB --due`, and the guard behind `--due` decides whether a slot is due. So an entry may fire
//! oftener than its schedule says, and must never fire more seldom.

use super::{Schedule, calendar::Note};
use crate::policy::values::Duration;
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, fmt};

/// A scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// Timers of systemd.
    Systemd,
    /// Lines of crontab(5).
    Cron,
    /// Agents and daemons of launchd.
    Launchd,
    /// Tasks of the Windows Task Scheduler.
    TaskScheduler,
    /// `CronJob` objects of Kubernetes.
    Kubernetes,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Systemd, Self::Cron, Self::Launchd, Self::TaskScheduler, Self::Kubernetes];

    /// Its name in policies, on the command line and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Cron => "cron",
            Self::Launchd => "launchd",
            Self::TaskScheduler => "task-scheduler",
            Self::Kubernetes => "kubernetes",
        }
    }
}

impl Backend {
    /// What it does by itself at a clock change, where that is not what is run: the entry, or the guard behind it, sees to it
    /// that the fire is as shown. As observed or documented for each (schedulers.md, section 3).
    pub const fn way_with(self, note: Note) -> Option<&'static str> {
        match (self, note) {
            (Self::Systemd, Note::GapMoved | Note::GapMerged { .. }) => {
                Some("systemd skips it, and a time of its own in the timer makes up for it")
            }
            (Self::Systemd, Note::FoldSecondPass) => {
                Some("systemd loses it, and a time of its own in the timer makes up for it")
            }
            (Self::Cron, Note::GapMerged { .. }) => Some("cron starts each, and the guard runs one"),
            (Self::Kubernetes, Note::GapMoved | Note::GapMerged { .. }) => {
                Some("Kubernetes skips it, and an added start makes up for it")
            }
            (Self::Kubernetes, Note::FoldOnce) => {
                Some("Kubernetes starts both passes, and the guard runs one")
            }
            (Self::Launchd, Note::GapMoved | Note::GapMerged { .. }) => {
                Some("launchd starts it within the hour after")
            }
            (Self::Launchd, Note::FoldSecondPass) => Some("launchd may lose it"),
            (Self::TaskScheduler, Note::GapMoved | Note::GapMerged { .. }) => {
                Some("Windows starts it right after")
            }
            (Self::TaskScheduler, Note::FoldSecondPass) => Some("what Windows does then is not documented"),
            _ => None,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How exactly a scheduler says a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// It fires in the minutes of the schedule, and in no others.
    Exact,
    /// It fires in all of them, and in others, in which the guard finds nothing due.
    Superset,
    /// It fires every minute.
    Tick,
}

impl Tier {
    /// Its name in plans and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Superset => "superset",
            Self::Tick => "tick",
        }
    }
}

/// Whose entries they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Those of the user who installs them.
    User,
    /// Those of the host.
    System,
}

/// An entry's name: `policy-<policy>-<job>-<8 hex digits>`, of at most 52 characters out of `[a-z0-9-]`.
///
/// It follows from the names of policy and job alone, so that another schedule is a change of the same entry. 52 is what
/// Kubernetes leaves of a label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryName(String);

impl EntryName {
    /// What every name begins with.
    pub const PREFIX: &'static str = "policy-";
    /// Characters of the part that people read.
    const READABLE: usize = 43;
    /// Digits of the part that tells apart what is cut.
    const DIGITS: usize = 8;

    /// Names the entry of a job.
    pub fn of(policy: &str, job: &str) -> Self {
        Self::named(policy, job, &format!("{policy}/{job}"))
    }

    fn named(policy: &str, what: &str, of: &str) -> Self {
        let digest = hex::encode(Sha256::digest(of));
        let mut readable = format!("{}{policy}-{what}", Self::PREFIX);
        readable.truncate(Self::READABLE);
        let readable = readable.trim_end_matches('-');
        Self(format!("{readable}-{}", &digest[..Self::DIGITS]))
    }

    /// Names the probe of a policy, by what is no name of the language: no job's entry is ever taken for it.
    pub fn of_probe(policy: &str) -> Self {
        Self::named(policy, "probe", &format!("{policy}//probe"))
    }

    /// Reads a name; `None` where it is none that this program gives.
    pub fn parse(text: &str) -> Option<Self> {
        let (readable, digits) = text.rsplit_once('-')?;
        let in_alphabet = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let good = readable.starts_with(Self::PREFIX)
            && readable.len() <= Self::READABLE
            && readable.bytes().all(in_alphabet)
            && digits.len() == Self::DIGITS
            && digits.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
        good.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a host must run for one job.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub name: EntryName,
    /// The policy's name.
    pub policy: String,
    /// The job's name.
    pub job: String,
    /// The policy's file by its absolute path, as `argv` names it: by it two policies of one name are told apart.
    pub file: String,
    /// Program and arguments without those that a backend adds: `/usr/bin/policy --policy /srv/p.yaml run prod/nightly --due`.
    /// Program and policy are absolute and canonical; no element holds a control character.
    pub argv: Vec<String>,
    /// When.
    pub schedule: Schedule,
    /// The zone of the schedule.
    pub zone: Tz,
    /// The longest time of a whole run, every attempt and pause included; `None`: no limit.
    pub limit: Option<Duration>,
}

impl Entry {
    /// `prod/nightly`: how messages name it.
    pub fn shown(&self) -> String {
        format!("{}/{}", self.policy, self.job)
    }

    /// The arguments with what a backend that has no random delay of its own adds: `--jitter 600s`, which the guard waits.
    pub fn argv_with_jitter(&self) -> Vec<String> {
        let mut argv = self.argv.clone();
        let jitter = self.schedule.jitter.as_secs();
        if jitter > 0 {
            argv.extend(["--jitter".to_owned(), format!("{jitter}s")]);
        }
        argv
    }
}

/// What holds for every entry of an installation.
#[derive(Debug, Clone)]
pub struct Context {
    /// Whose entries they are.
    pub scope: Scope,
    /// With the scope `system`, the user that they run as; `None`: root, or SYSTEM on Windows.
    pub user: Option<String>,
    /// The zone by whose clock the scheduler counts where it cannot be told another.
    pub host_zone: Tz,
    /// The variables that an entry is started with; `PATH` is always among them. No value holds a control character.
    pub environment: BTreeMap<String, String>,
    /// The absolute folder for what an entry prints; `None`: the scheduler's own journal, where it has one.
    pub log_folder: Option<String>,
    /// Whether a schedule that the scheduler cannot say may become a tick (`dispatcher: minute`).
    pub may_tick: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scheduler_does_at_a_clock_change_is_told_where_it_is_not_what_is_run() {
        let moved = |backend: Backend| backend.way_with(Note::GapMoved).unwrap();
        for (backend, told) in [
            (Backend::Systemd, "makes up for it"),
            (Backend::Launchd, "within the hour after"),
            (Backend::TaskScheduler, "right after"),
            (Backend::Kubernetes, "an added start"),
        ] {
            assert!(moved(backend).contains(told), "{backend}: {}", moved(backend));
        }
        // cron does what is run: a time that is skipped is moved, and of a repeated one the first is taken.
        assert_eq!(Backend::Cron.way_with(Note::GapMoved), None);
        assert_eq!(Backend::Cron.way_with(Note::FoldOnce), None);
        assert!(Backend::Kubernetes.way_with(Note::FoldOnce).unwrap().contains("both passes"));
        for backend in [Backend::Systemd, Backend::Launchd, Backend::TaskScheduler] {
            assert!(backend.way_with(Note::FoldSecondPass).is_some(), "{backend}");
        }
    }

    #[test]
    fn a_name_is_short_tells_jobs_apart_and_is_read_back() {
        let long = "x".repeat(63);
        for (policy, job) in
            [("prod", "nightly"), ("a-b", "c"), ("a", "b-c"), (&*long, &*long), (&*long, "y")]
        {
            let name = EntryName::of(policy, job);
            assert!(name.as_str().len() <= 52, "{name}");
            assert_eq!(EntryName::parse(name.as_str()), Some(name));
        }
        let probe = EntryName::of_probe("prod");
        assert_eq!(EntryName::parse(probe.as_str()).as_ref(), Some(&probe));
        assert_ne!(probe, EntryName::of("prod", "probe"));
        assert_ne!(EntryName::of("a-b", "c"), EntryName::of("a", "b-c"));
        assert_ne!(EntryName::of(&long, "y"), EntryName::of(&long, "z"));
        assert_eq!(EntryName::of("prod", "nightly").as_str(), "policy-prod-nightly-0c995b82");
        for other in
            ["policy-prod-nightly", "prod-nightly-0c995b82", "policy-x-0C995B82", "policy-./x-0c995b82", ""]
        {
            assert_eq!(EntryName::parse(other), None, "{other}");
        }
    }
}
