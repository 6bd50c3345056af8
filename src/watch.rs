//! What every long operation looks at while it works: whether to stop, and whom to tell how far it is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

/// A request to stop, shared between the signal handler and whatever is running.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    asked: Arc<AtomicU8>,
    /// How many requests it stays deaf to.
    deaf_to: u8,
}

impl Cancel {
    /// Asks everything that watches to stop.
    pub fn cancel(&self) {
        let once_more = |asked: u8| Some(asked.saturating_add(1));
        let _ = self.asked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, once_more); // it never refuses
    }

    /// Whether stopping was asked.
    pub fn is_cancelled(&self) -> bool {
        self.asked.load(Ordering::Relaxed) > self.deaf_to
    }

    /// How often stopping was asked.
    pub fn requests(&self) -> u8 {
        self.asked.load(Ordering::Relaxed)
    }

    /// The same for work that one request, or the same once more, does not stop, as it cleans up: the next one from now on
    /// does, and no sooner than the third.
    #[must_use]
    pub fn insisted(&self) -> Self {
        let asked = self.asked.load(Ordering::Relaxed);
        Self { asked: Arc::clone(&self.asked), deaf_to: asked.clamp(2, u8::MAX - 1) }
    }
}

/// Why an operation stopped before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// SIGINT, SIGTERM or their like.
    #[error("interrupted")]
    Cancelled,
    /// The job's `timeout` ran out.
    #[error("the job's timeout ran out")]
    TimedOut,
}

/// What is being done at the moment, for progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the source done so far.
    pub done_bytes: u64,
    /// Bytes of the source in all, where known.
    pub total_bytes: Option<u64>,
}

/// Handed to every long operation. It must be asked at least every few megabytes, and before every wait.
pub struct Watch<'a> {
    cancel: &'a Cancel,
    /// A second request to stop, of whoever works beside.
    also: Option<&'a Cancel>,
    deadline: Option<Instant>,
    tell: &'a (dyn Fn(Progress) + Sync),
}

impl<'a> Watch<'a> {
    /// Watches a request to stop and a deadline, and passes progress on.
    pub fn new(cancel: &'a Cancel, deadline: Option<Instant>, tell: &'a (dyn Fn(Progress) + Sync)) -> Self {
        Self { cancel, also: None, deadline, tell }
    }

    /// The same, stopped by a second request as well: one of whoever works beside and has failed.
    #[must_use]
    pub fn with(&self, also: &'a Cancel) -> Self {
        Self { also: Some(also), ..*self }
    }

    /// Fails when the operation is to stop.
    #[expect(clippy::disallowed_methods, reason = "deadlines are measured on the monotonic clock")]
    pub fn check(&self) -> Result<(), Stopped> {
        if self.cancel.is_cancelled() || self.also.is_some_and(Cancel::is_cancelled) {
            return Err(Stopped::Cancelled);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Stopped::TimedOut),
            _ => Ok(()),
        }
    }

    /// Tells how far the operation is.
    pub fn tell(&self, done_bytes: u64, total_bytes: Option<u64>) {
        (self.tell)(Progress { done_bytes, total_bytes });
    }

    /// Waits, but not past the deadline nor a request to stop.
    #[expect(clippy::disallowed_methods, reason = "waiting is what this does")]
    pub fn pause(&self, length: Duration) -> Result<(), Stopped> {
        const SLICE: Duration = Duration::from_millis(25);
        let until = Instant::now() + length;
        loop {
            self.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(SLICE));
        }
    }

    /// The request to stop that it watches.
    pub fn cancel(&self) -> &Cancel {
        self.cancel
    }

    /// The instant after which [`Watch::check`] fails.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}
