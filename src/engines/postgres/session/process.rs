//! The `psql` process behind a session: its pipes, and its end.
//!
//! When this process is killed, `psql` reads the end of its input and leaves; what it had not committed is taken back, and
//! its locks are gone. One that waits for the server's answer does so when that has come, so a statement under way is done
//! to its end, and nothing after it: within a transaction that is as good as nothing, else it is one whole statement. No
//! keeper ends it sooner, which would leave the server at work all the same, until it next has something to say.

#![expect(clippy::disallowed_methods, reason = "waits for a process on the monotonic clock")]

use crate::platform::process::{end_group, own_group};
use std::{
    io::{self, Read, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender},
    thread,
    time::{Duration, Instant},
};

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;
/// Pieces that may wait: a program that prints faster waits for its reader.
const PIECES_WAITING: usize = 8;
/// How long it may take to leave by itself, when the server has cancelled what it waits for.
const LEAVING: Duration = Duration::from_millis(800);
/// How long it may take to end when asked to, then when killed.
const ENDING: Duration = Duration::from_millis(200);
/// How long a round of waiting lasts at most.
pub(super) const ROUND: Duration = Duration::from_millis(25);

/// What comes from it.
pub(super) enum Said {
    /// On standard output.
    Out(Vec<u8>),
    /// On standard error.
    Err(Vec<u8>),
    /// Standard output ended.
    OutEnd,
    /// Standard error ended.
    ErrEnd,
}

/// A running `psql`.
#[derive(Debug)]
pub(super) struct Psql {
    child: Child,
    orders: Option<Sender<Vec<u8>>>,
    said: Receiver<Said>,
    /// Whether it works on a statement, which is to be cancelled on the server when this ends.
    pub(super) is_busy: bool,
    /// Whether it was waited for: its id may be another process's by now.
    has_ended: bool,
}

impl Psql {
    /// Starts it in a process group of its own: what a terminal sends to the whole group is for this process to answer.
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        own_group(command);
        let mut child = command.spawn()?;
        let (send, said) = mpsc::sync_channel(PIECES_WAITING);
        let (orders, taken) = mpsc::channel();
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // From here on it ends with this, also when a thread cannot be started.
        let started = Self { child, orders: Some(orders), said, is_busy: true, has_ended: false };
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        // A thread writes, because a long statement fills the pipe, and whoever waits there looks at no watch.
        let write = move || {
            for order in taken {
                let order: Vec<u8> = order;
                if stdin.write_all(&order).and_then(|()| stdin.flush()).is_err() {
                    return; // it has ended, as its other pipes say
                }
            }
        };
        thread::Builder::new().spawn(write)?;
        let sender = send.clone();
        thread::Builder::new().spawn(move || forward(stdout, &sender, Said::Out, Said::OutEnd))?;
        thread::Builder::new().spawn(move || forward(stderr, &send, Said::Err, Said::ErrEnd))?;
        Ok(started)
    }

    /// Gives it lines to read.
    pub(super) fn order(&mut self, lines: String) {
        if let Some(orders) = &self.orders {
            // Where nobody takes it, it has ended, as its other pipes say.
            let _ = orders.send(lines.into_bytes());
        }
    }

    /// What it says next, within a round.
    pub(super) fn hear(&self) -> Option<Said> {
        match self.said.recv_timeout(ROUND) {
            Ok(said) => Some(said),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Said::OutEnd),
        }
    }

    /// How it ended, after its output did.
    pub(super) fn ending(&mut self) -> String {
        self.end();
        self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }

    /// Ends it, and waits until it has ended.
    pub(super) fn end(&mut self) {
        if self.has_ended {
            return;
        }
        // It reads no further statement, and leaves at the end of its input: idle at once, else when it was cancelled.
        self.orders = None;
        if self.is_busy {
            // Asks the server to cancel, which notices a lost connection only when it next has something to say; then
            // psql leaves by itself (mainloop.c).
            interrupt(&mut self.child);
        }
        if self.has_ended_within(LEAVING) {
            return;
        }
        for kill in [false, true] {
            end_group(&mut self.child, kill);
            if self.has_ended_within(ENDING) {
                return;
            }
        }
    }

    /// Waits, and takes what it still says, which is wanted by nobody: it must not wait for its reader.
    fn has_ended_within(&mut self, length: Duration) -> bool {
        let since = Instant::now();
        loop {
            // What cannot be waited for is not there.
            self.has_ended = !matches!(self.child.try_wait(), Ok(None));
            if self.has_ended {
                return true;
            }
            if since.elapsed() >= length {
                return false;
            }
            match self.said.recv_timeout(Duration::from_millis(5)) {
                Err(RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(1)),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends what a terminal sends at Ctrl-C; Windows can send none.
fn interrupt(child: &mut Child) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // One that has ended already has no statement under way. It was not waited for, so its id is still its own.
            let _ = kill_process_group(group, Signal::INT);
        }
    }
    #[cfg(not(unix))]
    end_group(child, true);
}

fn forward(mut pipe: impl Read, send: &SyncSender<Said>, wrap: fn(Vec<u8>) -> Said, end: Said) {
    let mut piece = vec![0; PIECE];
    loop {
        match pipe.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            // Whoever listened is gone.
            Ok(read) if send.send(wrap(piece.get(..read).unwrap_or_default().to_vec())).is_err() => return,
            Ok(_) => {}
        }
    }
    // As above.
    let _ = send.send(end);
}
