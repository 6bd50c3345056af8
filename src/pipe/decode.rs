//! The way back: stored bytes are digested and decompressed on a thread of their own, plain bytes digested where they
//! are taken.

use super::sum::{Blake3, Digest, Sha256, Sum, Summing};
use crate::{
    store::manifest::StoredFile,
    watch::{Stopped, Watch},
};
use std::{
    io::{self, Read},
    sync::mpsc::{self, Receiver, SyncSender},
    thread::{self, JoinHandle},
};

/// Largest window a stored zstd frame may ask for, as a power of two: 128 MiB. A hostile frame could ask for gigabytes.
const WINDOW_LOG_MAX: u32 = 27;

/// Bytes handed from one thread to the other at once.
const PIECE: usize = 256 << 10;

/// How many pieces there are; whoever is faster waits.
const PIECES: usize = 8;

enum Plain<R: Read> {
    None(R),
    Gzip(Box<flate2::read::MultiGzDecoder<R>>),
    Zstd(zstd::Decoder<'static, io::BufReader<R>>),
}

impl<R: Read> Plain<R> {
    fn new(name: &str, stored: R) -> io::Result<Self> {
        Ok(match std::path::Path::new(name).extension().and_then(std::ffi::OsStr::to_str) {
            Some("zst") => {
                let mut decoder = zstd::Decoder::new(stored)?;
                decoder.window_log_max(WINDOW_LOG_MAX)?;
                Self::Zstd(decoder)
            }
            Some("gz") => Self::Gzip(Box::new(flate2::read::MultiGzDecoder::new(stored))),
            _ => Self::None(stored),
        })
    }

    fn into_stored(self) -> R {
        match self {
            Self::None(stored) => stored,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish().into_inner(),
        }
    }
}

impl<R: Read> Read for Plain<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::None(stored) => stored.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

/// Reads a stored file's plain bytes, where its digests were compared before.
pub fn plain_reader(name: &str, stored: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    Ok(Box::new(Plain::new(name, stored)?))
}

/// What is handed over: plain bytes, or why there are no more.
type Piece = io::Result<Vec<u8>>;

/// The thread that decodes: full pieces come from it, used ones go back to it. It ends with its work, with the first
/// error, or when nobody takes its pieces any more, and never outlives this.
struct Worker {
    /// Closed first of all when it is to end.
    pieces: Option<(Receiver<Piece>, SyncSender<Vec<u8>>)>,
    thread: Option<JoinHandle<io::Result<Sum>>>,
}

impl Worker {
    fn start<R: Read + Send + 'static>(mut plain: Plain<Summing<R, Sha256>>) -> io::Result<Self> {
        let (give, full) = mpsc::sync_channel(PIECES);
        let (used, empty) = mpsc::sync_channel(PIECES);
        for _ in 0..PIECES {
            let _ = used.send(Vec::new()); // both ends are here, and there is room for all
        }
        let decode = move || {
            loop {
                let unwanted = || io::Error::from(io::ErrorKind::BrokenPipe);
                let mut piece = empty.recv().map_err(|_| unwanted())?;
                let read = match fill_up(&mut plain, &mut piece) {
                    Ok(read) => read,
                    Err(error) => {
                        // Whoever reads gets a copy; the error itself, with its number, is what `finish` tells.
                        let copy = io::Error::new(error.kind(), error.to_string());
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
            let mut stored = plain.into_stored();
            // A decoder stops at the end of its last frame: bytes behind it are read too, to be part of the sum.
            io::copy(&mut stored, &mut io::sink())?;
            Ok(stored.finish().1)
        };
        let thread = thread::Builder::new().name("decode".to_owned()).spawn(decode)?;
        Ok(Self { pieces: Some((full, used)), thread: Some(thread) })
    }

    /// The next piece, for a used one; `None` at the end.
    fn exchange(&self, used: Vec<u8>) -> Option<Piece> {
        let (full, back) = self.pieces.as_ref()?;
        if used.capacity() > 0 {
            let _ = back.send(used); // it ended where this fails, and its last piece says why
        }
        full.recv().ok()
    }

    /// The sum of the stored bytes, or what kept them from being read; asked when every piece was taken.
    fn finish(mut self) -> io::Result<Sum> {
        self.pieces = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.pieces = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // nobody waits for what it says
        }
    }
}

/// Reads until the piece is full or the stream is at its end.
fn fill_up(plain: &mut impl Read, piece: &mut Vec<u8>) -> io::Result<usize> {
    piece.resize(PIECE, 0);
    let mut filled = 0;
    while filled < PIECE {
        match plain.read(piece.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    piece.truncate(filled);
    Ok(filled)
}

/// Gives a stored file's plain bytes, and sums both.
pub struct Decoder<'a> {
    worker: Worker,
    piece: Vec<u8>,
    taken: usize,
    is_at_end: bool,
    digest: Blake3,
    bytes: u64,
    watch: &'a Watch<'a>,
    total_bytes: Option<u64>,
}

/// Why stored bytes are not what the manifest says.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// The stored bytes are others than were written.
    #[error("`{name}` has SHA-256 {actual}, its manifest says {expected}")]
    Stored {
        /// The file.
        name: String,
        /// What the manifest says.
        expected: String,
        /// What was read.
        actual: String,
    },
    /// The stored bytes are the right ones, but do not decompress to the content that was captured.
    #[error("`{name}` decompresses to BLAKE3 {actual}, its manifest says {expected}")]
    Plain {
        /// The file.
        name: String,
        /// What the manifest says.
        expected: String,
        /// What was read.
        actual: String,
    },
    /// They cannot be read or decompressed.
    #[error("`{name}` cannot be read back: {source}")]
    Unreadable {
        /// The file.
        name: String,
        /// What the system or the codec said.
        source: io::Error,
    },
    /// It was asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl<'a> Decoder<'a> {
    /// Begins reading a stored file, by the codec its name's suffix tells.
    pub fn new<R: Read + Send + 'static>(
        name: &str,
        stored: R,
        total_bytes: Option<u64>,
        watch: &'a Watch<'a>,
    ) -> io::Result<Self> {
        let worker = Worker::start(Plain::new(name, Summing::new(stored))?)?;
        let (piece, digest) = (Vec::new(), Blake3::default());
        Ok(Self { worker, piece, taken: 0, is_at_end: false, digest, bytes: 0, watch, total_bytes })
    }

    /// Reads what is left, and compares both sums with the manifest's.
    pub fn finish(mut self, file: &StoredFile) -> Result<(), Mismatch> {
        let unreadable = |source| Mismatch::Unreadable { name: file.name.clone(), source };
        loop {
            match self.next_piece() {
                Ok(()) if self.is_at_end => break,
                Ok(()) => {}
                Err(error) => {
                    self.watch.check()?;
                    return Err(unreadable(self.worker.finish().err().unwrap_or(error)));
                }
            }
        }
        let plain = Sum { bytes: self.bytes, digest: self.digest.hex() };
        let stored = self.worker.finish().map_err(unreadable)?;
        let name = file.name.clone();
        if stored.digest != file.sha256 || stored.bytes != file.bytes {
            return Err(Mismatch::Stored { name, expected: file.sha256.clone(), actual: stored.digest });
        }
        if plain.digest != file.plain_blake3 || plain.bytes != file.plain_bytes {
            return Err(Mismatch::Plain { name, expected: file.plain_blake3.clone(), actual: plain.digest });
        }
        Ok(())
    }

    /// Takes the next piece and digests it; at the end there is none.
    fn next_piece(&mut self) -> io::Result<()> {
        self.watch.check().map_err(io::Error::other)?;
        if self.is_at_end {
            return Ok(());
        }
        let used = std::mem::take(&mut self.piece);
        self.taken = 0;
        match self.worker.exchange(used) {
            Some(piece) => self.piece = piece?,
            None => self.is_at_end = true,
        }
        self.digest.take(&self.piece);
        self.bytes += self.piece.len() as u64;
        self.watch.tell(self.bytes, self.total_bytes);
        Ok(())
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.piece.len() && !self.is_at_end {
            self.next_piece()?;
        }
        let left = self.piece.get(self.taken..).unwrap_or_default();
        let (Some(part), Some(out)) = ({
            let length = left.len().min(buffer.len());
            (left.get(..length), buffer.get_mut(..length))
        }) else {
            return Ok(0);
        };
        out.copy_from_slice(part);
        self.taken += part.len();
        Ok(part.len())
    }
}
