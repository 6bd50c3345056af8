//! The head of a DuckDB file, read without DuckDB: what it is, which version of the format it has, who wrote it, and the
//! two headers that a checkpoint writes in turn (`MainHeader` and `DatabaseHeader` in duckdb's
//! `src/include/duckdb/storage/storage_info.hpp`).

#![expect(clippy::disallowed_methods, reason = "an engine reads the files of its target")]

use super::super::EngineError;
use crate::fault::OnPath;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// What stands at byte 8 of every DuckDB file.
const MAGIC: &[u8; 4] = b"DUCK";
/// Where the version of the format stands, eight bytes.
const VERSION: usize = 12;
/// Where the version of the library that made the file stands, text of up to 32 bytes.
const WRITER: usize = 52;
const WRITER_BYTES: usize = 32;
/// Where the two headers lie that a checkpoint writes in turn, and their length.
const HEADERS: u64 = 4_096;
const HEADERS_BYTES: usize = 8_192;

/// What the head of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// The number of the format: 64 to 67 for 1.x, 999 since 2.0.
    pub(super) format: u64,
    /// The library that made the file, as `v1.4.5`; files of before 0.10 do not say.
    pub(super) writer: Option<String>,
}

impl Header {
    /// Reads it.
    ///
    /// # Errors
    /// What is not there, empty, or no DuckDB database, each by its own error.
    pub(super) fn read(path: &Path) -> Result<Self, EngineError> {
        let mut file = open(path)?;
        Self::of(&mut file, path)
    }

    /// Reads it from an open file.
    ///
    /// # Errors
    /// As of [`Header::read`].
    pub(super) fn of(file: &mut File, path: &Path) -> Result<Self, EngineError> {
        let foreign = |found: &str| {
            let found = found.to_owned();
            Err(EngineError::Foreign { path: path.to_owned(), wanted: "a DuckDB database", found })
        };
        let metadata = file.metadata().on("look at", path)?;
        if !metadata.is_file() {
            return foreign(if metadata.is_dir() { "a folder" } else { "a pipe, socket or device" });
        }
        if metadata.len() == 0 {
            return Err(EngineError::Empty { path: path.to_owned() });
        }
        let mut head = [0; WRITER + WRITER_BYTES];
        let read = fill(file, 0, &mut head).on("read", path)?;
        if head[8..12] != *MAGIC {
            let is_sqlite = head.starts_with(b"SQLite format 3\0");
            return foreign(if is_sqlite { "a SQLite database" } else { "a file of another kind" });
        }
        if read < head.len() {
            return foreign("the beginning of a DuckDB database, cut short");
        }
        let mut format = [0; 8];
        format.copy_from_slice(&head[VERSION..VERSION + 8]);
        let writer = head[WRITER..].split(|byte| *byte == 0).next().unwrap_or_default();
        let is_text = !writer.is_empty() && writer.iter().all(u8::is_ascii_graphic);
        let writer = is_text.then(|| String::from_utf8_lossy(writer).into_owned());
        Ok(Self { format: u64::from_le_bytes(format), writer })
    }
}

/// Opens a database file to read it; a folder is told as what it is.
pub(super) fn open(path: &Path) -> Result<File, EngineError> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(EngineError::Missing { path: path.to_owned() })
        }
        opened => Ok(opened.on("open", path)?),
    }
}

/// The two headers as they stand now: every checkpoint changes one of them.
pub(super) fn checkpoints(file: &mut File, path: &Path) -> Result<Vec<u8>, EngineError> {
    let mut headers = vec![0; HEADERS_BYTES];
    let read = fill(file, HEADERS, &mut headers).on("read", path)?;
    headers.truncate(read);
    Ok(headers)
}

/// Reads as much from a place of a file as there is, and returns how much.
fn fill(file: &mut File, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
    file.seek(SeekFrom::Start(at))?;
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
