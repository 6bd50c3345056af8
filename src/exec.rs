//! Starts the policy's commands: argv without a shell, in a process group of their own, under a deadline, line by line.
#![expect(clippy::disallowed_methods, reason = "the one place that starts programs")]

pub(crate) mod group;
mod prepare;
pub mod program;
pub mod redact;

pub use prepare::prepare;

use crate::{
    platform::process::{end_group, own_group},
    watch::{Stopped, Watch},
};
use redact::Redaction;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

/// How long a command that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// A line that is longer, in bytes, is passed on in pieces of about this length.
const LINE_MAX: usize = 4_096;
/// Most lines of one command that are passed on: what follows is read, so that the command can go on, and counted.
const LINES_MAX: u64 = 2_000;
/// How many lines may wait to be passed on; a command that prints faster waits for its reader.
const LINES_WAITING: usize = 256;
/// How long the pipes of a command that has ended may still be held open by what it left in the background.
const LINGER: Duration = Duration::from_millis(200);
/// How often a running command is looked at.
const ROUND: Duration = Duration::from_millis(10);

/// A command ready to start.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Program and arguments, everything filled in.
    pub argv: Vec<String>,
    /// Variables beside those of this process.
    pub environment: BTreeMap<String, String>,
    /// The folder it runs in.
    pub folder: PathBuf,
    /// What of it is shown by name: nothing that is passed on, and no error, holds the values.
    pub redaction: Redaction,
}

impl Invocation {
    /// The program's name as called, for messages.
    pub(crate) fn name(&self) -> String {
        let program = self.argv.first().map(String::as_str).unwrap_or_default();
        self.redaction.apply(program).into_owned()
    }

    /// The same as a program whose streams are led through this process.
    pub(crate) fn as_program(&self) -> group::Call<'_> {
        let (program, arguments) =
            self.argv.split_first().map_or(("", [].as_slice()), |(program, rest)| (program.as_str(), rest));
        group::Call {
            program: resolve(program, &self.folder),
            name: self.name(),
            arguments: arguments.iter().map(Into::into).collect(),
            folder: Some(&self.folder),
            only: None,
            environment: self
                .environment
                .iter()
                .map(|(name, value)| (name.as_ref(), value.as_ref()))
                .collect(),
            redaction: Some(&self.redaction),
        }
    }
}

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// It could not be started.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// The program as called.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended with a status other than 0, or by a signal.
    #[error("`{program}` ended with {status}{said}")]
    Status {
        /// The program as called.
        program: String,
        /// Its status.
        status: ExitStatus,
        /// Its last line on standard error, with a colon before it, or nothing.
        said: String,
    },
    /// It was stopped.
    #[error("`{program}` was stopped: {stopped}")]
    Stopped {
        /// The program as called.
        program: String,
        /// Why.
        stopped: Stopped,
    },
    /// Waiting for it failed.
    #[error("cannot wait for `{program}`: {source}")]
    Wait {
        /// The program as called.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Runs a command to its end and passes on what it prints.
///
/// # Errors
/// When it cannot be started, ends with another status than 0, or is stopped; then its whole process group has ended.
pub fn run(call: &Invocation, watch: &Watch<'_>, line: &dyn Fn(String)) -> Result<(), ExecError> {
    let program = call.argv.first().map(String::as_str).unwrap_or_default();
    let program = call.redaction.apply(program).into_owned();
    watch.check().map_err(|stopped| ExecError::Stopped { program: program.clone(), stopped })?;
    let mut child = spawn(call).map_err(|source| ExecError::Start { program: program.clone(), source })?;
    let (send, receive) = mpsc::sync_channel::<Said>(LINES_WAITING);
    if let Some(out) = child.stdout.take() {
        forward(out, false, call.redaction.clone(), send.clone());
    }
    if let Some(err) = child.stderr.take() {
        forward(err, true, call.redaction.clone(), send);
    }
    let redaction = &call.redaction;
    let mut output = Output { line, redaction, passed_on: 0, left_out: 0, last_error: String::new() };
    let mut ending: Option<(Stopped, Instant)> = None;
    let status = loop {
        // One round, however much it prints: a command that never stops printing is stopped all the same.
        output.take(&receive, Instant::now() + ROUND);
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(source) => {
                end_group(&mut child, true);
                return Err(ExecError::Wait { program, source });
            }
        }
        match (watch.check(), ending) {
            (Err(stopped), None) => {
                end_group(&mut child, false);
                ending = Some((stopped, Instant::now()));
            }
            (_, Some((_, since))) if since.elapsed() > GRACE => end_group(&mut child, true),
            _ => {}
        }
    };
    if ending.is_some() {
        // The leader has ended; what it started and left behind must not go on beside the next step.
        end_group(&mut child, true);
    }
    // A program left in the background may hold the pipes open, and print, for ever.
    output.take(&receive, Instant::now() + LINGER);
    output.close();
    match ending {
        Some((stopped, _)) => Err(ExecError::Stopped { program, stopped }),
        None if status.success() => Ok(()),
        None => {
            let said = Some(output.last_error).filter(|last| !last.is_empty());
            let said = said.map(|last| format!(": {last}")).unwrap_or_default();
            Err(ExecError::Status { program, status, said })
        }
    }
}

/// A line that a command printed, and whether on standard error.
type Said = (bool, String);

/// What a command prints, on its way to the listener.
struct Output<'a> {
    line: &'a dyn Fn(String),
    redaction: &'a Redaction,
    passed_on: u64,
    left_out: u64,
    last_error: String,
}

impl Output<'_> {
    /// Passes on what comes until an instant, or until nothing can come any more.
    fn take(&mut self, receive: &mpsc::Receiver<Said>, until: Instant) {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            match receive.recv_timeout(left) {
                Ok((is_error, text)) => {
                    let text = self.redaction.apply(&text).into_owned();
                    if is_error && !text.trim().is_empty() {
                        self.last_error.clone_from(&text);
                    }
                    if self.passed_on < LINES_MAX {
                        self.passed_on += 1;
                        (self.line)(text);
                    } else {
                        self.left_out += 1;
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => return,
                // Both pipes are closed; the command itself may live on.
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(left.min(ROUND));
                    return;
                }
            }
        }
    }

    fn close(&self) {
        if self.left_out > 0 {
            (self.line)(format!("… and {} more lines", self.left_out));
        }
    }
}

/// `xshell` holds argv, folder and environment without a shell; streaming and process groups are the standard library's.
fn spawn(call: &Invocation) -> std::io::Result<Child> {
    let Some((program, arguments)) = call.argv.split_first() else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    let shell = xshell::Shell::new().map_err(std::io::Error::other)?;
    shell.change_dir(&call.folder);
    let program = resolve(program, &call.folder);
    let prepared = shell.cmd(program).args(arguments).envs(&call.environment).quiet();
    let mut command = std::process::Command::from(prepared);
    command.current_dir(&call.folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    own_group(&mut command);
    command.spawn()
}

/// A program with a separator in it lies relative to the command's folder, on every system; others are looked up by PATH.
fn resolve(program: &str, folder: &Path) -> PathBuf {
    let path = Path::new(program);
    if path.is_relative() && path.components().count() > 1 { folder.join(path) } else { path.to_owned() }
}

fn forward(
    stream: impl Read + Send + 'static,
    is_error: bool,
    redaction: Redaction,
    send: mpsc::SyncSender<Said>,
) {
    // So far a piece is read that no value which begins in it is cut, and no character.
    let reach = LINE_MAX + redaction.longest().max(3);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        loop {
            let more = (reach - bytes.len()) as u64;
            let Ok(read) = reader.by_ref().take(more).read_until(b'\n', &mut bytes) else { return };
            let is_whole = read == 0 || bytes.ends_with(b"\n");
            if bytes.is_empty() {
                return;
            }
            if !is_whole && bytes.len() < reach {
                continue; // the stream ends here, as the next reading says
            }
            let end = if is_whole { bytes.len() } else { redaction.division(&bytes, LINE_MAX) };
            let rest = bytes.split_off(end);
            let text: String = String::from_utf8_lossy(&bytes)
                .trim_end()
                .chars()
                .map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c })
                .collect();
            // Nobody listens any more: the pipe closes, and who still prints into it is told by the system.
            if send.send((is_error, text)).is_err() {
                return;
            }
            bytes = rest;
        }
    });
}
