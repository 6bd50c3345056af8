//! The way back: stored bytes are read and digested on one thread, decompressed on another, and plain bytes digested where
//! they are taken.

use super::{
    ahead::Ahead,
    sum::{Blake3, Digest, Sha256, Sum, Summing},
};
use crate::{
    store::manifest::StoredFile,
    watch::{Stopped, Watch},
};
use std::io::{self, BufRead, Read};

/// Largest window a stored zstd frame may ask for, as a power of two: 128 MiB. A hostile frame could ask for gigabytes.
const WINDOW_LOG_MAX: u32 = 27;

enum Plain<R: BufRead> {
    None(R),
    Gzip(Box<flate2::bufread::MultiGzDecoder<R>>),
    Zstd(zstd::Decoder<'static, R>),
}

impl<R: BufRead> Plain<R> {
    fn new(name: &str, stored: R) -> io::Result<Self> {
        Ok(match std::path::Path::new(name).extension().and_then(std::ffi::OsStr::to_str) {
            Some("zst") => {
                let mut decoder = zstd::Decoder::with_buffer(stored)?;
                decoder.window_log_max(WINDOW_LOG_MAX)?;
                Self::Zstd(decoder)
            }
            Some("gz") => Self::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(stored))),
            _ => Self::None(stored),
        })
    }

    fn into_stored(self) -> R {
        match self {
            Self::None(stored) => stored,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
        }
    }
}

impl<R: BufRead> Read for Plain<R> {
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
    Ok(Box::new(Plain::new(name, io::BufReader::new(stored))?))
}

/// Gives a stored file's plain bytes, and sums both.
pub struct Decoder<'a> {
    plain: Ahead<Sum>,
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

/// What a stored file was read back as.
pub struct Sums {
    stored: Sum,
    plain: Sum,
}

impl Sums {
    /// Compares them with the manifest's.
    pub fn compare(self, file: &StoredFile) -> Result<(), Mismatch> {
        let (Self { stored, plain }, name) = (self, file.name.clone());
        if stored.digest != file.sha256 || stored.bytes != file.bytes {
            return Err(Mismatch::Stored { name, expected: file.sha256.clone(), actual: stored.digest });
        }
        if plain.digest != file.plain_blake3 || plain.bytes != file.plain_bytes {
            return Err(Mismatch::Plain { name, expected: file.plain_blake3.clone(), actual: plain.digest });
        }
        Ok(())
    }
}

impl<'a> Decoder<'a> {
    /// Begins reading a stored file, by the codec its name's suffix tells.
    pub fn new<R: Read + Send + 'static>(
        name: &str,
        stored: R,
        total_bytes: Option<u64>,
        watch: &'a Watch<'a>,
    ) -> io::Result<Self> {
        let stored = Ahead::start("read", Summing::<_, Sha256>::new(stored), |stored| Ok(stored.finish().1))?;
        let end = |plain: Plain<Ahead<Sum>>| {
            let mut stored = plain.into_stored();
            // A decoder stops at the end of its last frame: bytes behind it are read too, to be part of the sum.
            io::copy(&mut stored, &mut io::sink())?;
            stored.finish()
        };
        let plain = Ahead::start("decode", Plain::new(name, stored)?, end)?;
        Ok(Self { plain, digest: Blake3::default(), bytes: 0, watch, total_bytes })
    }

    /// Reads what is left, and compares both sums with the manifest's.
    pub fn finish(self, file: &StoredFile) -> Result<(), Mismatch> {
        self.sums(&file.name)?.compare(file)
    }

    /// Reads what is left of the file of that name, and sums both.
    pub fn sums(mut self, name: &str) -> Result<Sums, Mismatch> {
        let unreadable = |source| Mismatch::Unreadable { name: name.to_owned(), source };
        loop {
            match self.digested().map(<[u8]>::len) {
                Ok(0) => break,
                Ok(length) => self.plain.consume(length),
                Err(error) => {
                    self.watch.check()?;
                    return Err(unreadable(self.plain.finish().err().unwrap_or(error)));
                }
            }
        }
        let plain = Sum { bytes: self.bytes, digest: self.digest.hex() };
        let stored = self.plain.finish().map_err(unreadable)?;
        Ok(Sums { stored, plain })
    }

    /// What is at hand, digested; nothing at the end.
    fn digested(&mut self) -> io::Result<&[u8]> {
        self.watch.check().map_err(io::Error::other)?;
        if self.plain.is_used_up() {
            let piece = self.plain.fill_buf()?;
            self.digest.take(piece);
            self.bytes += piece.len() as u64;
            self.watch.tell(self.bytes, self.total_bytes);
        }
        self.plain.fill_buf()
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut left = self.digested()?;
        let read = left.read(buffer)?;
        self.plain.consume(read);
        Ok(read)
    }
}
