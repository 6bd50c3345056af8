//! The way in: plain bytes are digested, compressed, and digested again.

use super::sum::{Blake3, Sha256, Summing};
use crate::{policy::values::Compression, store::manifest::StoredFile, watch::Watch};
use std::io::{self, Write};
use zstd::zstd_safe::CParameter;

/// What one worker of the compressor takes at once.
const JOB: u32 = 2 << 20;

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
                encoder.multithread(u32::try_from(cores.min(4)).unwrap_or(1))?;
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
    plain: Summing<Codec<Summing<W, Sha256>>, Blake3>,
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
            sha256: stored.digest,
            plain_bytes: plain.bytes,
            plain_blake3: plain.digest,
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

    /// The writer behind.
    pub fn into_inner(self) -> W {
        self.inner
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
