//! Runs a program with its streams led through this process.
//!
//! Everything streams: whatever the size of a database, no more than a few buffers are held. The calling thread moves
//! the bytes (writers and readers need not be shareable), one thread keeps what the program says on standard error, and
//! one looks every 25 ms whether to stop. Output is read when there is some, and no more once the whole group has ended: what
//! has left the group may hold the pipes open for ever.

mod said;

use super::group::{Call, Group, Streams};
use crate::{
    platform::process::{is_readable, widen},
    watch::{Stopped, Watch},
};
use said::{listen, reasons};
use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    process::{ChildStdout, ExitStatus},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// How often a running program and the request to stop are looked at.
const ROUND: Duration = Duration::from_millis(25);
/// The same once the program's streams have ended, which is just before it does.
const SHORT_ROUND: Duration = Duration::from_millis(1);
/// How long a program that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How long others of the group may hold the streams of a program that has ended.
const LINGER: Duration = Duration::from_secs(1);
/// How much is moved at once: a quarter of what a widened pipe holds.
const BUFFER_BYTES: usize = 256 << 10;
/// A long output is read no oftener than this where it comes in small pieces: each reading wakes both sides.
const GATHER: Duration = Duration::from_millis(1);
/// From here on an output is long.
const LONG_BYTES: u64 = 1 << 20;

/// What a program that did its work said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The last lines on its standard error: warnings, for its status was 0.
    pub warnings: Vec<String>,
    /// How many bytes it wrote to its standard output.
    pub bytes: u64,
    /// Whether it took everything that it was fed.
    pub took_all: bool,
}

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// Its name.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with a status other than 0, or by a signal.
    #[error("`{program}` ended with {status}{}", after_colon(said))]
    Status {
        /// Its name.
        program: String,
        /// Its status.
        status: ExitStatus,
        /// The last lines on its standard error that say why.
        said: Vec<String>,
    },
    /// Waiting for it failed.
    #[error("cannot wait for `{program}`: {source}")]
    Wait {
        /// Its name.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// Whoever takes its output failed.
    #[error("cannot write the output of `{program}`: {source}")]
    Out {
        /// Its name.
        program: String,
        /// What the writer said.
        source: io::Error,
    },
    /// Whoever gives its input failed.
    #[error("cannot read the input of `{program}`: {source}")]
    In {
        /// Its name.
        program: String,
        /// What the reader said.
        source: io::Error,
    },
    /// It ended well while something that it had started still held its output open, and may not have written all of it.
    #[error("`{program}` ended before what it had started ended, so that its output may not be whole")]
    Cut {
        /// Its name.
        program: String,
    },
    /// It was stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

fn after_colon(said: &[String]) -> String {
    if said.is_empty() { String::new() } else { format!(": {}", said.join("; ")) }
}

/// Runs a program and passes its standard output on, byte for byte.
///
/// # Errors
/// When it cannot be started, ends with another status than 0, or is stopped, and when `out` fails; nothing of it is
/// left running then. What `out` got before an error is no whole output, whatever it looks like.
pub(crate) fn pour(call: &Call<'_>, out: &mut dyn Write, watch: &Watch<'_>) -> Result<Ended, ProgramError> {
    run(call, Ends::Output(out), watch)
}

/// Runs a program on an input, and passes its standard output on to `out` at the same time.
///
/// The input of a program that does its work is read to its end, also where the program needs no more of it: whoever
/// digests it on the way has seen all of it. It must not wait for long: whether to stop is seen between two reads of
/// it.
///
/// # Errors
/// As of [`pour`], and when `input` fails. The program has been ended then before its own input was: to `psql` that
/// would be the end of the script.
pub(crate) fn feed(
    call: &Call<'_>,
    input: &mut dyn Read,
    out: &mut (dyn Write + Send),
    watch: &Watch<'_>,
) -> Result<Ended, ProgramError> {
    run(call, Ends::Both(input, out), watch)
}

/// What a program's streams are led to on this side.
enum Ends<'a> {
    Output(&'a mut dyn Write),
    Both(&'a mut dyn Read, &'a mut (dyn Write + Send)),
}

/// What became of a program's streams.
#[derive(Default)]
struct Moved {
    bytes: u64,
    refused: bool,
    input: Option<io::Error>,
    output: Option<io::Error>,
}

/// How a program came to its end.
struct Course {
    status: io::Result<ExitStatus>,
    stopped: Option<Stopped>,
    /// Whether its output was still held open when its group was ended.
    cut: bool,
}

/// What the threads around one program tell each other.
#[derive(Default)]
struct Signals {
    /// This side failed: the program is to end.
    give_up: AtomicBool,
    /// Its streams have ended.
    streams_ended: AtomicBool,
    /// It has ended, and not well.
    failed: AtomicBool,
    /// Its whole group has ended: what still holds its streams has left it.
    over: AtomicBool,
}

fn run(call: &Call<'_>, ends: Ends<'_>, watch: &Watch<'_>) -> Result<Ended, ProgramError> {
    let program = || call.name.clone();
    watch.check()?;
    let streams = if matches!(ends, Ends::Output(_)) { Streams::Output } else { Streams::All };
    let redaction = call.redaction.cloned().unwrap_or_default();
    let mut group =
        Group::start(call, streams).map_err(|source| ProgramError::Start { program: program(), source })?;
    let (stdin, stdout) = (group.child.stdin.take(), group.child.stdout.take());
    stdin.iter().for_each(widen);
    stdout.iter().for_each(widen);
    let stderr = group.child.stderr.take();
    let signals = Signals::default();
    let said = Arc::new(Mutex::new(VecDeque::new()));
    // Not of this scope: what has left the group may hold standard error open for ever, and is not waited for.
    let (ends_listening, listened) = mpsc::channel::<()>();
    if let Some(stderr) = stderr {
        let said = Arc::clone(&said);
        thread::spawn(move || {
            listen(stderr, &said, &redaction);
            drop(ends_listening);
        });
    }
    let (moved, course) = thread::scope(|scope| {
        let supervisor = scope.spawn(|| supervise(group, &signals, watch));
        let wake = supervisor.thread().clone();
        let (flag, waker) = (&signals.give_up, wake.clone());
        let give_up = move || {
            flag.store(true, Ordering::Release);
            waker.unpark();
        };
        let mut moved = Moved::default();
        match ends {
            Ends::Output(out) => match hand_on(stdout, out, &signals, |bytes| watch.tell(bytes, None)) {
                Ok(bytes) => moved.bytes = bytes,
                Err(source) => {
                    moved.output = Some(source);
                    give_up();
                }
            },
            Ends::Both(input, out) => {
                let too = give_up.clone();
                let of_reader = &signals;
                let reader =
                    scope.spawn(move || hand_on(stdout, out, of_reader, |_| ()).inspect_err(|_| too()));
                let stdin = fill(stdin, input, &mut moved, &signals, watch);
                if moved.input.is_some() {
                    give_up();
                    let _ = reader.join();
                    drop(stdin);
                } else {
                    drop(stdin);
                    match reader.join() {
                        Ok(Ok(bytes)) => moved.bytes = bytes,
                        Ok(Err(source)) => moved.output = Some(source),
                        Err(_) => moved.output = Some(io::Error::other("the reader of its output failed")),
                    }
                }
            }
        }
        signals.streams_ended.store(true, Ordering::Release);
        wake.unpark();
        let course = supervisor.join().unwrap_or_else(|_| Course {
            status: Err(io::Error::other("the thread that waits for it failed")),
            stopped: None,
            cut: true,
        });
        (moved, course)
    });
    let _ = listened.recv_timeout(LINGER); // ends when the listener does
    let said: Vec<String> = said.lock().map(|said| said.iter().cloned().collect()).unwrap_or_default();
    match (course.stopped, moved.output, moved.input, course.status) {
        (Some(stopped), ..) => Err(stopped.into()),
        (None, Some(source), ..) => Err(ProgramError::Out { program: program(), source }),
        (None, None, Some(source), _) => Err(ProgramError::In { program: program(), source }),
        (None, None, None, Err(source)) => Err(ProgramError::Wait { program: program(), source }),
        (None, None, None, Ok(status)) if status.success() && course.cut => {
            Err(ProgramError::Cut { program: program() })
        }
        (None, None, None, Ok(status)) if status.success() => {
            Ok(Ended { warnings: said, bytes: moved.bytes, took_all: !moved.refused })
        }
        (None, None, None, Ok(status)) => {
            Err(ProgramError::Status { program: program(), status, said: reasons(said) })
        }
    }
}

/// Reads a stream to its end into a writer. Its reading side closes when this ends, however it ends.
fn hand_on(
    from: Option<ChildStdout>,
    out: &mut dyn Write,
    signals: &Signals,
    tell: impl Fn(u64),
) -> io::Result<u64> {
    let Some(mut from) = from else { return Ok(0) };
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut done = 0;
    loop {
        if !is_readable(&from, ROUND)? {
            if signals.over.load(Ordering::Acquire) {
                break; // whoever holds the other end has left the group, and is not waited for
            }
            continue;
        }
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                out.write_all(&buffer[..read])?;
                done += read as u64;
                tell(done);
                if done > LONG_BYTES && read < BUFFER_BYTES / 4 {
                    thread::sleep(GATHER);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    out.flush()?;
    Ok(done)
}

/// Writes a reader's bytes to a program's standard input, and hands that back still open.
fn fill<W: Write>(
    mut stdin: Option<W>,
    input: &mut dyn Read,
    moved: &mut Moved,
    signals: &Signals,
    watch: &Watch<'_>,
) -> Option<W> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut done = 0;
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return stdin,
            Ok(read) => {
                done += read as u64;
                watch.tell(done, None);
                if let Some(pipe) = &mut stdin {
                    // What takes no more has ended or is about to: whether that is an error, its status says.
                    if pipe.write_all(&buffer[..read]).is_err() {
                        moved.refused = true;
                        stdin = None;
                    }
                }
                if moved.refused && (signals.failed.load(Ordering::Acquire) || watch.check().is_err()) {
                    return stdin;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => {
                moved.input = Some(source);
                return stdin;
            }
        }
    }
}

/// Waits for a program; ends it when asked to, by the watch or by this side's failure.
#[expect(clippy::disallowed_methods, reason = "the grace of a program that was asked to end is real time")]
fn supervise(mut group: Group, signals: &Signals, watch: &Watch<'_>) -> Course {
    let mut stopped = None;
    let mut asked: Option<Instant> = None;
    let mut killed = false;
    let status = loop {
        match group.status() {
            Ok(None) => {}
            Ok(Some(status)) => break Ok(status),
            Err(error) => break Err(error),
        }
        match asked {
            None => {
                stopped = watch.check().err();
                if stopped.is_some() || signals.give_up.load(Ordering::Acquire) {
                    group.end(false);
                    asked = Some(Instant::now());
                }
            }
            Some(since) if !killed && since.elapsed() > GRACE => {
                group.end(true);
                killed = true;
            }
            Some(_) => {}
        }
        let has_ended = signals.streams_ended.load(Ordering::Acquire);
        thread::park_timeout(if has_ended { SHORT_ROUND } else { ROUND });
    };
    if !status.as_ref().is_ok_and(ExitStatus::success) {
        signals.failed.store(true, Ordering::Release);
    }
    // What the program left behind may hold its streams open: it has a moment to end by itself, as its workers do.
    let since = Instant::now();
    while asked.is_none() && !signals.streams_ended.load(Ordering::Acquire) && since.elapsed() < LINGER {
        thread::park_timeout(ROUND);
    }
    let cut = !signals.streams_ended.load(Ordering::Acquire);
    drop(group);
    signals.over.store(true, Ordering::Release);
    Course { status, stopped, cut }
}
