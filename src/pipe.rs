//! One streaming pass: plain bytes are digested, compressed, digested again and written to every store at once; and
//! the way back. Memory stays flat whatever the size.

use crate::{
    policy::values::Compression,
    store::manifest::StoredFile,
    watch::{Stopped, Watch},
};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};
use zstd::zstd_safe::CParameter;

/// Largest window a stored zstd frame may ask for, as a power of two: 128 MiB. A hostile frame could ask for gigabytes.
const WINDOW_LOG_MAX: u32 = 27;

/// What one worker of the compressor takes at once.
const JOB: u32 = 2 << 20;

/// Size and SHA-256 of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// Bytes seen.
    pub bytes: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// Counts and digests what passes through it, in either direction.
pub struct Summing<T> {
    inner: T,
    hash: Sha256,
    bytes: u64,
}

impl<T> Summing<T> {
    /// Starts at nothing.
    pub fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    /// Bytes seen so far.
    pub fn passed_bytes(&self) -> u64 {
        self.bytes
    }

    /// The stream behind, and the sum of what passed.
    pub fn finish(self) -> (T, Sum) {
        (self.inner, Sum { bytes: self.bytes, sha256: hex::encode(self.hash.finalize()) })
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.pass(&buffer[..written]);
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Summing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.pass(&buffer[..read]);
        Ok(read)
    }
}

/// Refuses to be written to once the work is to stop: a codec that has much left to write is asked nowhere else.
pub struct Stoppable<'w, W> {
    inner: W,
    watch: &'w Watch<'w>,
}

impl<'w, W> Stoppable<'w, W> {
    /// Watches over a writer.
    pub fn new(inner: W, watch: &'w Watch<'w>) -> Self {
        Self { inner, watch }
    }
}

impl<W: Write> Write for Stoppable<'_, W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.watch.check().map_err(io::Error::other)?;
        self.inner.write(buffer)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

enum Codec<W: Write> {
    None(W),
    Gzip(flate2::write::GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Codec<W> {
    fn new(compression: Compression, out: W) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(out),
            Compression::Gzip(level) => {
                Self::Gzip(flate2::write::GzEncoder::new(out, flate2::Compression::new(u32::from(level))))
            }
            Compression::Zstd(level) => {
                let mut encoder = zstd::Encoder::new(out, i32::from(level))?;
                // Without the frame's checksum only 7 of 40 flipped bits are noticed on decoding, with it all.
                encoder.include_checksum(true)?;
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                encoder.multithread(u32::try_from(cores.min(2)).unwrap_or(1))?;
                // Every worker holds whole jobs, before and behind it: at the library's own choice of 8 MiB they come
                // to some 75 MiB, at 2 MiB to 20, and the files are as small.
                encoder.set_parameter(CParameter::JobSize(JOB))?;
                Self::Zstd(encoder)
            }
        })
    }

    fn finish(self) -> io::Result<W> {
        match self {
            Self::None(out) => Ok(out),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Codec<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(out) => out.write(buffer),
            Self::Gzip(encoder) => encoder.write(buffer),
            Self::Zstd(encoder) => encoder.write(buffer),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(out) => out.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// Writes plain bytes in, stored bytes out, and sums both.
pub struct Encoder<W: Write> {
    plain: Summing<Codec<Summing<W>>>,
}

impl<W: Write> Encoder<W> {
    /// Begins a stored file.
    pub fn new(compression: Compression, out: W) -> io::Result<Self> {
        Ok(Self { plain: Summing::new(Codec::new(compression, Summing::new(out))?) })
    }

    /// Ends the file: what stands in the manifest about it, and the writer behind.
    pub fn finish(self, name: &str) -> io::Result<(StoredFile, W)> {
        let (codec, plain) = self.plain.finish();
        let (mut out, stored) = codec.finish()?.finish();
        out.flush()?;
        let file = StoredFile {
            name: name.to_owned(),
            bytes: stored.bytes,
            sha256: stored.sha256,
            plain_bytes: plain.bytes,
            plain_sha256: plain.sha256,
        };
        Ok((file, out))
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.plain.write(buffer)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.plain.flush()
    }
}

/// Writes the same bytes to several places; one that fails is left behind with its error while the others go on.
pub struct Tee<W> {
    outs: Vec<Result<W, io::Error>>,
}

impl<W: Write> Tee<W> {
    /// Joins the places.
    pub fn new(outs: Vec<W>) -> Self {
        Self { outs: outs.into_iter().map(Ok).collect() }
    }

    /// The places in order, those that failed with their first error.
    pub fn into_outs(self) -> Vec<Result<W, io::Error>> {
        self.outs
    }

    fn each(&mut self, mut act: impl FnMut(&mut W) -> io::Result<()>) -> io::Result<()> {
        for out in &mut self.outs {
            if let Ok(writer) = out
                && let Err(error) = act(writer)
            {
                *out = Err(error);
            }
        }
        if self.outs.iter().any(Result::is_ok) {
            return Ok(());
        }
        // All are gone: the capture need not go on. The errors themselves are told by `into_outs`.
        let first = self.outs.iter().find_map(|out| out.as_ref().err());
        Err(first
            .map_or_else(|| io::ErrorKind::BrokenPipe.into(), |e| io::Error::new(e.kind(), e.to_string())))
    }
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.each(|out| out.write_all(buffer))?;
        Ok(buffer.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.each(Write::flush)
    }
}

enum Plain<R: Read> {
    None(R),
    Gzip(Box<flate2::read::MultiGzDecoder<R>>),
    Zstd(zstd::Decoder<'static, io::BufReader<R>>),
}

/// Reads stored bytes in, gives plain bytes out, and sums both.
pub struct Decoder<'a, R: Read> {
    plain: Summing<Plain<Summing<R>>>,
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
    #[error("`{name}` decompresses to SHA-256 {actual}, its manifest says {expected}")]
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

impl<'a, R: Read> Decoder<'a, R> {
    /// Begins reading a stored file, by the codec its name's suffix tells.
    pub fn new(name: &str, stored: R, total_bytes: Option<u64>, watch: &'a Watch<'a>) -> io::Result<Self> {
        Ok(Self { plain: Summing::new(Plain::new(name, Summing::new(stored))?), watch, total_bytes })
    }

    /// Reads what is left, and compares both sums with the manifest's.
    pub fn finish(mut self, file: &StoredFile) -> Result<(), Mismatch> {
        let unreadable = |source| Mismatch::Unreadable { name: file.name.clone(), source };
        if let Err(error) = io::copy(&mut self, &mut io::sink()) {
            self.watch.check()?;
            return Err(unreadable(error));
        }
        let (codec, plain) = self.plain.finish();
        let mut stored = match codec {
            Plain::None(stored) => stored,
            Plain::Gzip(decoder) => decoder.into_inner(),
            Plain::Zstd(decoder) => decoder.finish().into_inner(),
        };
        // A decoder stops at the end of its last frame: bytes behind it are read too, so that they are part of the sum.
        io::copy(&mut stored, &mut io::sink()).map_err(unreadable)?;
        let (_, stored) = stored.finish();
        if stored.sha256 != file.sha256 || stored.bytes != file.bytes {
            return Err(Mismatch::Stored {
                name: file.name.clone(),
                expected: file.sha256.clone(),
                actual: stored.sha256,
            });
        }
        if plain.sha256 != file.plain_sha256 || plain.bytes != file.plain_bytes {
            return Err(Mismatch::Plain {
                name: file.name.clone(),
                expected: file.plain_sha256.clone(),
                actual: plain.sha256,
            });
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoder<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.check().map_err(io::Error::other)?;
        let read = self.plain.read(buffer)?;
        self.watch.tell(self.plain.passed_bytes(), self.total_bytes);
        Ok(read)
    }
}

/// Reads a stored file's plain bytes, where its digests were compared before.
pub fn plain_reader(name: &str, stored: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    Ok(Box::new(Plain::new(name, stored)?))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Cancel;

    fn stored(compression: Compression, plain: &[u8]) -> (StoredFile, Vec<u8>) {
        let mut encoder = Encoder::new(compression, Vec::new()).unwrap();
        encoder.write_all(plain).unwrap();
        encoder.finish(&format!("t.db{}", compression.suffix())).unwrap()
    }

    fn read_back(file: &StoredFile, bytes: &[u8]) -> Result<Vec<u8>, Mismatch> {
        let cancel = Cancel::default();
        let watch = Watch::new(&cancel, None, &|_| ());
        let mut decoder = Decoder::new(&file.name, bytes, None, &watch).unwrap();
        let mut plain = Vec::new();
        let _ = decoder.read_to_end(&mut plain);
        decoder.finish(file).map(|()| plain)
    }

    #[test]
    fn what_was_encoded_decodes_to_the_same_bytes() {
        let plain: Vec<u8> = (0..300_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for compression in [Compression::None, Compression::Gzip(6), Compression::Zstd(3)] {
            let (file, bytes) = stored(compression, &plain);
            assert_eq!(file.plain_bytes, plain.len() as u64);
            assert_eq!(file.bytes, bytes.len() as u64);
            assert_eq!(read_back(&file, &bytes).unwrap(), plain, "{compression}");
        }
    }

    #[test]
    fn every_flipped_byte_every_truncation_and_every_added_byte_is_found() {
        for compression in [Compression::None, Compression::Gzip(6), Compression::Zstd(3)] {
            let (file, bytes) = stored(compression, b"a small database, as it were, a small database");
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x10;
                assert!(read_back(&file, &damaged).is_err(), "{compression}: byte {at}");
                assert!(read_back(&file, &bytes[..at]).is_err(), "{compression}: cut at {at}");
            }
            let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
            assert!(read_back(&file, &longer).is_err(), "{compression}: one byte more");
        }
    }

    #[test]
    fn a_store_that_fails_is_left_behind_and_the_others_go_on() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let outs: Vec<Box<dyn Write>> = vec![Box::new(Full), Box::new(Vec::new())];
        let mut tee = Tee::new(outs);
        tee.write_all(b"x").unwrap();
        let outs = tee.into_outs();
        assert!(outs[0].is_err() && outs[1].is_ok());
        assert!(Tee::new(vec![Full]).write_all(b"x").is_err());
    }
}
