//! Reading back behind the writer: what a store took is made durable and read from its disk again while the rest is still
//! being captured, or while the engine still examines what was.

use super::verify::VerifyError;
use crate::{
    pipe::{Decoder, Mismatch, Sums},
    policy::values::Compression,
    store::{Staging, Syncer, manifest::StoredFile},
    watch::Watch,
};
use std::{
    io::{self, Read, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

/// The bytes that are made durable at once: a sync costs a disk some milliseconds, and what is behind the last one is
/// waited for when all is captured. Between these, an eighth of what is.
const STEPS: std::ops::RangeInclusive<u64> = (1 << 20)..=(32 << 20);

/// How closely a writer is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Piece by piece.
    Close,
    /// When the file is whole.
    AtEnd,
}

impl Pace {
    /// How closely files of a codec are followed. Zstandard works on every core: whoever reads back beside it takes from it
    /// what is gained (2 GiB of files in 16.5 s instead of 15). The others leave all cores but one alone.
    pub(super) const fn beside(compression: Compression) -> Self {
        match compression {
            Compression::Zstd(_) => Self::AtEnd,
            Compression::Gzip(_) | Compression::None => Self::Close,
        }
    }

    /// Whether so much was written behind what is durable that it is to become so.
    fn is_due(self, written: u64, durable: u64) -> bool {
        self == Self::Close && written >= durable + (durable / 8).clamp(*STEPS.start(), *STEPS.end())
    }
}

/// How far the writer is.
#[derive(Default)]
struct Mark {
    /// Bytes handed to the system so far.
    written: u64,
    end: End,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum End {
    /// More is written.
    #[default]
    Open,
    /// The whole file is durable.
    Settled,
    /// Nobody wants to know any more.
    GivenUp,
}

#[derive(Default)]
struct Shared {
    mark: Mutex<Mark>,
    moved: Condvar,
}

impl Shared {
    fn mark(&self) -> MutexGuard<'_, Mark> {
        // Two plain numbers: whoever panicked with them left nothing half done.
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: End) {
        let mut mark = self.mark();
        if mark.end == End::Open {
            mark.end = end;
        }
        self.moved.notify_all();
    }
}

/// Writes to a store and tells its follower how far that is.
struct Followed {
    out: Box<dyn Write + Send>,
    shared: Arc<Shared>,
}

impl Write for Followed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.out.write(buffer)?;
        self.shared.mark().written += written as u64;
        self.shared.moved.notify_all();
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads a file back while it is written. Ends, and is waited for, when it is dropped.
pub(super) struct Follower {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<Sums, Mismatch>>>,
}

impl Follower {
    /// Follows what is written to a file that was made in a staged backup; `None` where that cannot be.
    pub(super) fn start(
        staging: &dyn Staging,
        name: &str,
        out: Box<dyn Write + Send>,
        pace: Pace,
        watch: &Watch<'_>,
    ) -> (Option<Self>, Box<dyn Write + Send>) {
        let (Ok(stored), Ok(sync)) = (staging.open(name), staging.syncer(name)) else { return (None, out) };
        let shared = Arc::<Shared>::default();
        let behind = Behind { stored, sync, pace, shared: Arc::clone(&shared), durable: 0, at: 0 };
        let (name, cancel, deadline) = (name.to_owned(), watch.cancel().clone(), watch.deadline());
        let follow = move || {
            // How far reading back is would stand for how far the capture is.
            let watch = Watch::new(&cancel, deadline, &|_| ());
            Decoder::new(&name, behind, None, &watch)
                .map_err(|source| Mismatch::Unreadable { name: name.clone(), source })?
                .sums(&name)
        };
        match thread::Builder::new().name("follow".to_owned()).spawn(follow) {
            Ok(thread) => {
                let follower = Self { shared: Arc::clone(&shared), thread: Some(thread) };
                (Some(follower), Box::new(Followed { out, shared }))
            }
            Err(_) => (None, out),
        }
    }

    /// Says that the whole file is durable.
    pub(super) fn settled(&self) {
        self.shared.end(End::Settled);
    }

    /// Whether the file, which is settled, was read back as it was written; `None` when it was not read. One that was
    /// not settled is none that anybody relies on.
    pub(super) fn outcome(mut self, file: &StoredFile) -> Option<Result<(), VerifyError>> {
        self.shared.end(End::GivenUp);
        match self.thread.take()?.join() {
            Ok(sums) => Some(sums.and_then(|sums| sums.compare(file)).map_err(VerifyError::from)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.end(End::GivenUp);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // nobody waits for what it says
        }
    }
}

/// Gives what is durable of a file, and waits for more.
struct Behind {
    stored: Box<dyn Read + Send>,
    sync: Syncer,
    pace: Pace,
    shared: Arc<Shared>,
    /// Bytes that are on the disk, and out of the page cache.
    durable: u64,
    at: u64,
}

impl Behind {
    /// Waits until more of the file is durable, or all of it.
    fn advance(&mut self) -> io::Result<()> {
        let mut mark = self.shared.mark();
        while mark.end == End::Open && !self.pace.is_due(mark.written, self.durable) {
            mark = self.shared.moved.wait(mark).unwrap_or_else(PoisonError::into_inner);
        }
        let (written, end) = (mark.written, mark.end);
        drop(mark);
        match end {
            End::GivenUp => return Err(io::ErrorKind::BrokenPipe.into()),
            // To its very end: bytes behind those that were written count too.
            End::Settled => self.durable = u64::MAX,
            End::Open => {
                (self.sync)()?;
                self.durable = written;
            }
        }
        Ok(())
    }
}

impl Read for Behind {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.durable {
            self.advance()?;
        }
        let left = usize::try_from(self.durable - self.at).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        let read = self.stored.read(buffer.get_mut(..length).unwrap_or_default())?;
        self.at += read as u64;
        Ok(read)
    }
}
