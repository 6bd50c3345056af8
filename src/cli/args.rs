//! The words of the command line.

mod scheduling;

pub use scheduling::{Daemon, Install, Next, Scheduler, Status, Uninstall};

use super::moment::Moment;
use crate::{
    plan::Platform,
    policy::values::{Duration, Level},
};
use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The version, and what is built in.
const LONG_VERSION: &str = if cfg!(feature = "duckdb") {
    concat!(env!("CARGO_PKG_VERSION"), "\nengines: sqlite, duckdb, postgres, command, directory")
} else {
    concat!(env!("CARGO_PKG_VERSION"), "\nengines: sqlite, postgres, command, directory")
};

/// Backups of databases and folders, declared in YAML: checked, planned, proven and restored.
#[derive(Debug, Parser)]
#[command(name = "policy", version, long_version = LONG_VERSION, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// A policy file, or a folder of them; may be given more than once.
    ///
    /// Without it: `$POLICY_FILE`, else ./policies/*.yaml, else ./policy.yaml.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub policy: Vec<PathBuf>,
    /// Print data as JSON.
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN", help_heading = "Global options")]
    pub color: Color,
    /// Print nothing but data and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub quiet: bool,
    /// Print every step and what its commands say.
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub verbose: bool,
    /// The calendar's time, in place of the clock's.
    #[arg(long, global = true, env = "POLICY_NOW", value_name = "RFC3339", value_parser = parse_now, help_heading = "Global options")]
    pub now: Option<Now>,
}

/// A moment that stands in for the present, if one is given: an empty variable says nothing.
#[derive(Debug, Clone, Copy)]
pub struct Now(pub Option<DateTime<Utc>>);

fn parse_now(text: &str) -> Result<Now, String> {
    if text.is_empty() {
        return Ok(Now(None));
    }
    DateTime::parse_from_rfc3339(text).map(|time| Now(Some(time.to_utc()))).map_err(|_| {
        "it is no whole time by RFC 3339, with seconds and offset; write it as 2026-01-05T07:00:00Z"
            .to_owned()
    })
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Validate policies.
    Check(Check),
    /// Explain a diagnostic code; without one, list all.
    Explain(Explain),
    /// Print or write the JSON Schemas.
    Schema(Schema),
    /// Show what a run would do: pure in the policy's text.
    Plan(PlanArgs),
    /// Back up, prove and prune.
    Run(Run),
    /// Show the next fire times.
    Next(Next),
    /// Install the schedules in the host's scheduler.
    Install(Install),
    /// Remove what was installed, without needing the policy.
    Uninstall(Uninstall),
    /// Show what protects what right now, and how the entries stand.
    Status(Status),
    /// Run the schedules in the foreground.
    Daemon(Daemon),
    /// Write down what a process finds where it was started; what `install --probe` has a scheduler start.
    #[command(hide = true)]
    Probe {
        /// The file, which must be there.
        report: PathBuf,
    },
    /// List backups.
    List(List),
    /// Show one backup.
    Show(Show),
    /// Prove stored backups again.
    Verify(Verify),
    /// Apply retention.
    Prune(Prune),
    /// Delete backups by hand.
    Delete(Delete),
    /// Bring data back.
    Restore(Restore),
    /// Show what was done on this host.
    History(History),
    /// Show a run's log, the last failure first.
    Log(Log),
    /// Work on the local catalog.
    #[command(subcommand)]
    Catalog(Catalog),
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Policy files, or folders of them.
    pub files: Vec<PathBuf>,
    /// How problems are printed.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Make warnings fail.
    #[arg(long, value_name = "WHAT")]
    pub deny: Option<Deny>,
}

/// How `check` prints problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Drawn, for people.
    Human,
    /// One JSON object.
    Json,
    /// Annotations of a pull request, as GitHub's runners read them.
    Github,
    /// A SARIF 2.1.0 log, as code hosts and editors read it.
    Sarif,
}

/// What `--deny` makes fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Deny {
    /// Warnings.
    Warnings,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// A code such as `policy::schedule::bad_cron`.
    pub code: Option<String>,
}

/// `schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// Which one; without it, all names are listed.
    pub name: Option<String>,
    /// Write all of them into a folder.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["check", "name"])]
    pub write: Option<PathBuf>,
    /// Compare all of them with a folder; exit 7 when they differ.
    #[arg(long, value_name = "DIR", conflicts_with = "name")]
    pub check: Option<PathBuf>,
}

/// `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Jobs, as `nightly` or `prod/nightly`; without any, all.
    pub jobs: Vec<String>,
    /// The platform it is for; snapshots are written for all three unless one is given.
    #[arg(long, value_enum)]
    pub platform: Option<Platform>,
    /// Store the plans in a folder.
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    pub write: Option<PathBuf>,
    /// Compare the plans with those stored in a folder; exit 7 when they differ.
    #[arg(long, value_name = "DIR")]
    pub check: Option<PathBuf>,
}

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Jobs, as `nightly` or `prod/nightly`; without any, all.
    pub jobs: Vec<String>,
    /// Print the steps that would run now, and change nothing.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Run only jobs with a slot that is due, and end well where none is: what schedulers call.
    #[arg(long, conflicts_with_all = ["targets", "stores"])]
    pub due: bool,
    /// With `--due`, wait up to this long first, as the slot and the host decide.
    #[arg(long, value_name = "DURATION", requires = "due", value_parser = parse_duration)]
    pub jitter: Option<Duration>,
    /// Only these targets.
    #[arg(long = "target", value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Only these stores.
    #[arg(long = "store", value_name = "STORE")]
    pub stores: Vec<String>,
    /// Accept a store that is not the one last used.
    #[arg(long = "new-store", value_name = "STORE")]
    pub new_stores: Vec<String>,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    Duration::parse(text).ok_or_else(|| "write a number and a unit, such as 90s, 15m or 1h".to_owned())
}

/// Where backups are looked for.
#[derive(Debug, Clone, Args)]
pub struct Where {
    /// A store's name, or a place (with `/`) that stands in for a policy.
    #[arg(long, value_name = "STORE")]
    pub store: Option<String>,
}

/// `list`.
#[derive(Debug, Args)]
pub struct List {
    /// `[[POLICY/]JOB/]TARGET[@WHEN]` or an id; without it, everything.
    pub selector: Option<String>,
    /// Where.
    #[command(flatten)]
    pub place: Where,
}

/// `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// `[[POLICY/]JOB/]TARGET[@WHEN]` or an id.
    pub backup: String,
    /// Where.
    #[command(flatten)]
    pub place: Where,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// `[[POLICY/]JOB/]TARGET[@WHEN]` or an id; without it, everything.
    pub selector: Option<String>,
    /// The level to show; without it, the one asked when the backup was made.
    #[arg(long, value_parser = parse_level)]
    pub level: Option<Level>,
    /// Verify this share of the matches, chosen by id and day.
    #[arg(long, value_name = "N%", value_parser = parse_sample)]
    pub sample: Option<u32>,
    /// Say what would be verified, and change nothing.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Where.
    #[command(flatten)]
    pub place: Where,
}

fn parse_level(text: &str) -> Result<Level, String> {
    Level::parse(text).ok_or_else(|| "write checksum, integrity, checks or restore".to_owned())
}

fn parse_sample(text: &str) -> Result<u32, String> {
    let percent = text.strip_suffix('%').unwrap_or(text).parse::<u32>().ok();
    percent.filter(|n| (1..=100).contains(n)).ok_or_else(|| "write a share from 1% to 100%".to_owned())
}

/// `prune`.
#[derive(Debug, Args)]
pub struct Prune {
    /// Jobs, as `nightly` or `prod/nightly`; without any, all.
    pub jobs: Vec<String>,
    /// Print the verdicts, and change nothing.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Count another origin's backups as this one's.
    #[arg(long, value_name = "ORIGIN")]
    pub adopt: Vec<String>,
    /// Only these stores.
    #[arg(long = "store", value_name = "STORE")]
    pub stores: Vec<String>,
}

/// `delete`.
#[derive(Debug, Args)]
pub struct Delete {
    /// `[[POLICY/]JOB/]TARGET[@WHEN]` or ids, each exactly one backup.
    #[arg(required = true, value_name = "BACKUP")]
    pub backups: Vec<String>,
    /// Why; it is recorded in the store.
    #[arg(long)]
    pub reason: String,
    /// Say what would be deleted, and change nothing.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Only the copies in this store.
    #[arg(long = "store", value_name = "STORE")]
    pub store: Option<String>,
}

/// `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// Targets, each as `[[POLICY/]JOB/]TARGET[@WHEN]` or an id.
    #[arg(value_name = "TARGET", required_unless_present_any = ["job", "undo"])]
    pub targets: Vec<String>,
    /// Every target of one run of this job, as `JOB[@WHEN]`.
    #[arg(long, value_name = "JOB[@WHEN]", conflicts_with = "targets")]
    pub job: Option<String>,
    /// The newest proven backup at or before this time: 2026-01-05 (to the end of that day) or "2026-01-05 07:00", by the
    /// policy's time zone, or a time with its offset.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    pub at: Option<Moment>,
    /// Another place than the target's own; one target only.
    #[arg(long, value_name = "PLACE")]
    pub to: Option<PathBuf>,
    /// Put back the newest set-aside copy of a target.
    #[arg(long, value_name = "TARGET", conflicts_with_all = ["targets", "job", "at", "to"])]
    pub undo: Option<String>,
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
    /// Show what would be done, and change nothing.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Where.
    #[command(flatten)]
    pub place: Where,
}

/// `history`.
#[derive(Debug, Args)]
pub struct History {
    /// How many lines.
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
}

/// `log`.
#[derive(Debug, Args)]
pub struct Log {
    /// A job or a run; without it, the newest run.
    pub what: Option<String>,
}

/// `catalog`.
#[derive(Debug, Subcommand)]
pub enum Catalog {
    /// Rebuild the index and history from the stores.
    Rebuild {
        /// Say what would be entered, and change nothing.
        #[arg(short = 'n', long)]
        dry_run: bool,
        /// Where.
        #[command(flatten)]
        place: Where,
    },
}
