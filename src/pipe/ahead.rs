//! Reading ahead: what a stream gives is made ready on a thread of its own.

use std::{
    io::{self, BufRead, Read},
    sync::mpsc::{self, Receiver, SyncSender},
    thread::{self, JoinHandle},
};

/// Bytes handed from one thread to the other at once.
const PIECE: usize = 256 << 10;

/// How many pieces there are; whoever is faster waits.
const PIECES: usize = 8;

/// What is handed over: bytes, or why there are no more.
type Piece = io::Result<Vec<u8>>;

/// Gives the bytes of a stream that another thread reads: full pieces come from it, used ones go back to it. The thread
/// ends with its work, with the first error, or when nobody takes its pieces any more, and never outlives this.
pub(super) struct Ahead<S> {
    /// Closed first of all when it is to end.
    pieces: Option<(Receiver<Piece>, SyncSender<Vec<u8>>)>,
    thread: Option<JoinHandle<io::Result<S>>>,
    piece: Vec<u8>,
    taken: usize,
    is_at_end: bool,
    has_failed: bool,
}

impl<S: Send + 'static> Ahead<S> {
    /// Reads a stream ahead, and asks it at its end what came of it.
    pub(super) fn start<R: Read + Send + 'static>(
        name: &str,
        mut stream: R,
        end: impl FnOnce(R) -> io::Result<S> + Send + 'static,
    ) -> io::Result<Self> {
        let (give, full) = mpsc::sync_channel(PIECES);
        let (used, empty) = mpsc::sync_channel(PIECES);
        for _ in 0..PIECES {
            let _ = used.send(Vec::new()); // both ends are here, and there is room for all
        }
        let read = move || {
            loop {
                let unwanted = || io::Error::from(io::ErrorKind::BrokenPipe);
                let mut piece = empty.recv().map_err(|_| unwanted())?;
                let read = match fill_up(&mut stream, &mut piece) {
                    Ok(read) => read,
                    Err(error) => {
                        // Whoever reads gets a copy, with its number; the error itself is what `finish` tells.
                        let copy = match error.raw_os_error() {
                            Some(number) => io::Error::from_raw_os_error(number),
                            None => io::Error::new(error.kind(), error.to_string()),
                        };
                        let _ = give.send(Err(copy));
                        return Err(error);
                    }
                };
                give.send(Ok(piece)).map_err(|_| unwanted())?;
                if read < PIECE {
                    break;
                }
            }
            drop(give);
            end(stream)
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(read)?;
        let (piece, taken, is_at_end, has_failed) = (Vec::new(), 0, false, false);
        let pieces = Some((full, used));
        Ok(Self { pieces, thread: Some(thread), piece, taken, is_at_end, has_failed })
    }

    /// Whether everything that came was taken, so that the next bytes are new.
    pub(super) fn is_used_up(&self) -> bool {
        self.taken == self.piece.len()
    }

    fn exchange(&mut self) -> io::Result<()> {
        let used = std::mem::take(&mut self.piece);
        self.taken = 0;
        let Some((full, back)) = &self.pieces else { return Ok(()) };
        if used.capacity() > 0 {
            let _ = back.send(used); // it ended where this fails, and its last piece says why
        }
        match full.recv() {
            Ok(Ok(piece)) => {
                self.is_at_end = piece.is_empty();
                self.piece = piece;
            }
            Ok(Err(error)) => {
                self.has_failed = true;
                return Err(error);
            }
            // What failed once has no end that anybody could take for that of the stream.
            Err(_) if self.has_failed => return Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => self.is_at_end = true,
        }
        Ok(())
    }

    /// What came of the stream at its end, or what kept it from being read; asked when every piece was taken.
    pub(super) fn finish(mut self) -> io::Result<S> {
        self.pieces = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl<S> Drop for Ahead<S> {
    fn drop(&mut self) {
        self.pieces = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // nobody waits for what it says
        }
    }
}

impl<S: Send + 'static> BufRead for Ahead<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.is_used_up() && !self.is_at_end {
            self.exchange()?;
        }
        Ok(self.piece.get(self.taken..).unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes).min(self.piece.len());
    }
}

impl<S: Send + 'static> Read for Ahead<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut left = self.fill_buf()?;
        let read = left.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// Reads until the piece is full or the stream is at its end.
fn fill_up(stream: &mut impl Read, piece: &mut Vec<u8>) -> io::Result<usize> {
    piece.resize(PIECE, 0);
    let mut filled = 0;
    while filled < PIECE {
        match stream.read(piece.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    piece.truncate(filled);
    Ok(filled)
}
