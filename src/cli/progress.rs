//! Folds a run's events into what people see: bars on a terminal, plain lines elsewhere, and the run's log.
#![expect(
    clippy::disallowed_methods,
    reason = "logs are files of the state folder, and bars are drawn in real time"
)]

use super::output::{self, BOLD, DIM, ERROR, GOOD, WARNING, paint};
use crate::{
    host::Host,
    plan::{Step, render},
    platform::files,
    run::{Event, Outcome},
    scratch::create_private_folder,
};
use chrono::{SecondsFormat, Utc};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Tells the events of a run.
pub(crate) struct Teller {
    quiet: bool,
    verbose: bool,
    bar: Option<ProgressBar>,
    logs: PathBuf,
    log: Mutex<Option<File>>,
}

impl Teller {
    pub(crate) fn new(host: &Host, quiet: bool, verbose: bool) -> Self {
        let bar = (!quiet && output::is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            bar.set_style(unknown_length());
            bar
        });
        Self { quiet, verbose, bar, logs: host.state.join("logs"), log: Mutex::new(None) }
    }

    /// Takes one event.
    pub(crate) fn tell(&self, event: &Event<'_>) {
        self.write_log(event);
        if let Event::Progress { done_bytes, total_bytes, .. } = event {
            self.advance(*done_bytes, *total_bytes);
            return;
        }
        if let Some(line) = self.line(event) {
            match &self.bar {
                Some(bar) => bar.suspend(|| output::tell(&line)),
                None => output::tell(&line),
            }
        }
        if let Some(bar) = &self.bar {
            match event {
                Event::Began(step) => {
                    bar.reset();
                    bar.set_length(0);
                    bar.set_style(unknown_length());
                    bar.set_message(format!("{} {}", step.kind(), subject(step)));
                }
                Event::RunEnded { .. } => bar.finish_and_clear(),
                _ => {}
            }
        }
    }

    fn advance(&self, done_bytes: u64, total_bytes: Option<u64>) {
        let Some(bar) = &self.bar else { return };
        if let Some(total) = total_bytes.filter(|total| bar.length() != Some(*total)) {
            bar.set_length(total);
            bar.set_style(known_length());
        }
        bar.set_position(done_bytes);
    }

    /// The line that a person sees, if any.
    fn line(&self, event: &Event<'_>) -> Option<String> {
        let is_always = matches!(event, Event::Failed(_));
        if self.quiet && !is_always {
            return None;
        }
        match event {
            Event::RunBegan { run } => Some(paint(BOLD, format!("run {run}"))),
            Event::JobBegan { job } => self.verbose.then(|| format!("job {job}")),
            Event::Began(step) => (self.verbose && self.bar.is_none())
                .then(|| paint(DIM, format!("  {}", render::line(step).trim_start()))),
            Event::Progress { .. } => None,
            Event::Done { step, note } => {
                let worth = self.verbose
                    || matches!(
                        step.kind(),
                        "hook" | "capture" | "compress" | "verify" | "publish" | "prune"
                    )
                    || !note.is_empty() && step.kind() == "lock";
                worth.then(|| {
                    let dash = if note.is_empty() { "" } else { ": " };
                    format!("  {} {:<8}  {}{dash}{note}", paint(GOOD, "ok"), step.kind(), subject(step))
                })
            }
            Event::Skipped { step, why } => {
                Some(paint(DIM, format!("  -- {:<8}  {}: skipped, {why}", step.kind(), subject(step))))
            }
            Event::Failed(failure) => {
                let subject = [failure.target.as_deref(), failure.store.as_deref()];
                let subject: Vec<_> = subject.into_iter().flatten().collect();
                let subject = if subject.is_empty() { failure.job.clone() } else { subject.join(" in ") };
                Some(format!("{} {} {subject}: {}", paint(ERROR, "failed:"), failure.step, failure.message))
            }
            Event::Warning(text) => Some(format!("{} {text}", paint(WARNING, "warning:"))),
            Event::Output { line, .. } => self.verbose.then(|| format!("     | {line}")),
            Event::Pruned { id, store, .. } => Some(format!("     pruned {id} in {store}")),
            Event::Retry { attempt, attempts, delay_secs } => {
                Some(format!("try {attempt} of {attempts}, after {delay_secs} s"))
            }
            Event::RunEnded { run, outcome } => {
                let style = match outcome {
                    Outcome::Done => GOOD,
                    Outcome::Incomplete => WARNING,
                    Outcome::Failed => ERROR,
                };
                Some(format!("run {run}: {}", paint(style, outcome.as_str())))
            }
        }
    }

    /// The log takes everything but progress. That it cannot be written fails no backup.
    fn write_log(&self, event: &Event<'_>) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::RunBegan { run } = event {
            *log = open_log(&self.logs, run);
        }
        let Some(file) = log.as_mut() else { return };
        let text = match event {
            Event::Progress { .. } => return,
            Event::RunBegan { run } => format!("run {run}"),
            Event::JobBegan { job } => format!("job {job}"),
            Event::Began(step) => format!("begin   {}", render::line(step).trim_start()),
            Event::Done { step, note } => format!("done    {}  {note}", step.n),
            Event::Skipped { step, why } => format!("skipped {}  {why}", step.n),
            Event::Failed(failure) => format!("FAILED  {}: {}", failure.step, failure.message),
            Event::Warning(text) => format!("warning {text}"),
            Event::Output { step, line } => format!("output  {}  {line}", step.n),
            Event::Pruned { step, id, store } => format!("pruned  {}  {id} in {store}", step.n),
            Event::Retry { attempt, attempts, .. } => format!("retry   {attempt} of {attempts}"),
            Event::RunEnded { outcome, .. } => format!("end     {}", outcome.as_str()),
        };
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let _ = writeln!(file, "{now} {text}");
    }
}

fn open_log(logs: &Path, run: &str) -> Option<File> {
    let path = log_file(logs, run);
    // The folder of all logs too: a parent that is made on the way is not private.
    create_private_folder(logs).and_then(|()| create_private_folder(path.parent().unwrap_or(logs))).ok()?;
    files::private(File::options().create(true).append(true)).open(path).ok()
}

/// Where a run's log lies.
pub(crate) fn log_file(logs: &Path, run: &str) -> PathBuf {
    logs.join(format!("{run}.log"))
}

fn subject(step: &Step) -> String {
    let parts: Vec<_> = [step.target.as_deref(), step.store.as_deref()].into_iter().flatten().collect();
    match (&step.argv(), parts.is_empty()) {
        (Some(argv), _) => crate::plan::step::show_argv(argv),
        (None, true) => step.job.clone(),
        (None, false) => parts.join(" in "),
    }
}

fn known_length() -> ProgressStyle {
    let template =
        "  {msg:<28} {bar:24} {binary_bytes:>10}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn unknown_length() -> ProgressStyle {
    ProgressStyle::with_template("  {msg:<28} {binary_bytes:>10} {binary_bytes_per_sec} {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}
