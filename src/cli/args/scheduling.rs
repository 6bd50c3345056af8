//! The words of what has to do with schedules.

use crate::schedule::entry::Backend;
use chrono_tz::Tz;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `install`.
#[derive(Debug, Args)]
pub struct Install {
    /// The scheduler, in place of the policy's own.
    #[arg(long, value_enum)]
    pub backend: Option<Scheduler>,
    /// Only write the files of the entries into a folder, for whatever platform.
    #[arg(long, value_name = "DIR", conflicts_with = "probe")]
    pub emit: Option<PathBuf>,
    /// With `--emit`: where `policy` lies on the host that the files are for.
    #[arg(long, value_name = "PATH", requires = "emit")]
    pub for_program: Option<String>,
    /// With `--emit`: where the policy's file lies on that host; of several policies, the folder of their files.
    #[arg(long, value_name = "PATH", requires = "emit")]
    pub for_policy: Option<String>,
    /// With `--emit`: the home of the user whose entries they will be.
    #[arg(long, value_name = "DIR", requires = "emit")]
    pub for_home: Option<String>,
    /// With `--emit`: the time zone of that host's clock.
    #[arg(long, value_name = "ZONE", requires = "emit")]
    pub for_timezone: Option<Tz>,
    /// Say what would be changed, and change nothing.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Then have the scheduler start a harmless probe, and tell what it finds.
    #[arg(long, conflicts_with = "dry_run")]
    pub probe: bool,
}

/// A scheduler, as it is named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scheduler {
    /// The policy's own, or that of the platform.
    Auto,
    /// Timers of systemd.
    Systemd,
    /// Lines of crontab(5).
    Cron,
    /// Agents and daemons of launchd.
    Launchd,
    /// Tasks of the Windows Task Scheduler.
    TaskScheduler,
    /// Objects of Kubernetes.
    Kubernetes,
}

impl Scheduler {
    /// The scheduler that is named; `None`: the policy's own.
    pub(crate) const fn backend(self) -> Option<Backend> {
        match self {
            Self::Auto => None,
            Self::Systemd => Some(Backend::Systemd),
            Self::Cron => Some(Backend::Cron),
            Self::Launchd => Some(Backend::Launchd),
            Self::TaskScheduler => Some(Backend::TaskScheduler),
            Self::Kubernetes => Some(Backend::Kubernetes),
        }
    }
}

/// `uninstall`.
#[derive(Debug, Args)]
pub struct Uninstall {
    /// Say what would be removed, and remove nothing.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// One line and the exit codes of a Nagios plugin.
    #[arg(long, conflicts_with = "json")]
    pub nagios: bool,
    /// The scheduler that the entries were installed in, in place of the policy's own.
    #[arg(long, value_enum)]
    pub backend: Option<Scheduler>,
}

/// `daemon`.
#[derive(Debug, Args)]
pub struct Daemon {}

/// `next`.
#[derive(Debug, Args)]
pub struct Next {
    /// Jobs, as `nightly` or `prod/nightly`; without any, all.
    pub jobs: Vec<String>,
    /// How many fire times of each job.
    #[arg(short = 'n', default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,
    /// The scheduler whose ways are told; without it the policy's own, or that of the platform.
    #[arg(long, value_enum)]
    pub backend: Option<Scheduler>,
}
