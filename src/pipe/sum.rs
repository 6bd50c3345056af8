//! Counting and digesting what passes by.

use std::io::{self, Read, Write};

/// A digest under way.
pub trait Digest: Default {
    /// Takes in more bytes.
    fn take(&mut self, bytes: &[u8]);

    /// The digest in hex.
    fn hex(self) -> String;
}

/// SHA-256: of stored bytes, which `sha256sum` proves without this program.
#[derive(Default)]
pub struct Sha256(sha2::Sha256);

impl Digest for Sha256 {
    fn take(&mut self, bytes: &[u8]) {
        sha2::Digest::update(&mut self.0, bytes);
    }

    fn hex(self) -> String {
        hex::encode(sha2::Digest::finalize(self.0))
    }
}

/// BLAKE3: of plain bytes. There are several times as many of them as are stored, each is digested at least twice, and
/// this takes a quarter of SHA-256's time for it or less.
#[derive(Default)]
pub struct Blake3(Box<blake3::Hasher>);

impl Digest for Blake3 {
    fn take(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn hex(self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

/// Size and digest of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// Bytes seen.
    pub bytes: u64,
    /// Their digest in hex.
    pub digest: String,
}

/// Counts and digests what passes through it, in either direction.
pub struct Summing<T, D> {
    inner: T,
    digest: D,
    bytes: u64,
}

impl<T, D: Digest> Summing<T, D> {
    /// Starts at nothing.
    pub fn new(inner: T) -> Self {
        Self { inner, digest: D::default(), bytes: 0 }
    }

    /// The stream behind, and the sum of what passed.
    pub fn finish(self) -> (T, Sum) {
        (self.inner, Sum { bytes: self.bytes, digest: self.digest.hex() })
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.digest.take(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<W: Write, D: Digest> Write for Summing<W, D> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.pass(&buffer[..written]);
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read, D: Digest> Read for Summing<R, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.pass(&buffer[..read]);
        Ok(read)
    }
}
