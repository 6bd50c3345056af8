//! I/O errors that always say what was being done, and to which path.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A failed operation on a path.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {}: {source}", path.display())]
pub struct Fault {
    /// What was being done, as an infinitive: "read", "create the folder".
    pub verb: &'static str,
    /// The path it was done to.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Adds verb and path to an I/O result.
pub trait OnPath<T> {
    /// Says what was being done to which path.
    fn on(self, verb: &'static str, path: impl AsRef<Path>) -> Result<T, Fault>;
}

impl<T, E: Into<io::Error>> OnPath<T> for Result<T, E> {
    fn on(self, verb: &'static str, path: impl AsRef<Path>) -> Result<T, Fault> {
        self.map_err(|source| Fault { verb, path: path.as_ref().to_owned(), source: source.into() })
    }
}

impl Fault {
    /// Whether the disk, or the owner's share of it, is full.
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}
