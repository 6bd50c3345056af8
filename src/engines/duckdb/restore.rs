//! Stored content becomes a database again: in a scratch folder to be examined, or at a place to be used. Its bytes are
//! those that were captured, side files included: what can read it is what could before.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{
        EngineError, ExamineRequest, StoredContent,
        examination::Examination,
        files::{beside, create_private, length, stream, sync_folder_of},
    },
    copy::{self, Copied, SIDE_FILES},
    export,
    header::Header,
    reader::{ask, told},
    report::Order,
};
use crate::{evidence::Evidence, fault::OnPath, watch::Watch};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};

/// The extension under which a side file is stored: decompressed beside the main file it bears the name it had.
pub(super) fn side_extension(suffix: &str) -> &'static str {
    match suffix {
        ".wal" => "duckdb.wal",
        ".wal.checkpoint" => "duckdb.wal.checkpoint",
        _ => "duckdb.wal.recovery",
    }
}

/// So many bytes tell a database from an archive, which says so here.
const SNIFFED: usize = 512;
const TAR: std::ops::Range<usize> = 257..262;

/// Writes stored content to new files, or makes a database of an export. Whatever fails, nothing is left at the place.
pub(super) fn write(
    stored: &mut StoredContent<'_>,
    place: &Path,
    watch: &Watch<'_>,
) -> Result<Vec<File>, EngineError> {
    let written = write_all(stored, place, watch);
    if written.is_err() {
        drop(Copied::remove(place));
    }
    written
}

fn write_all(
    stored: &mut StoredContent<'_>,
    place: &Path,
    watch: &Watch<'_>,
) -> Result<Vec<File>, EngineError> {
    // A log that lies beside the place would be replayed into what is put there, or keep it from being opened.
    if let Some(suffix) = copy::sides(place)?.first() {
        return Err(EngineError::Refused(format!(
            "{} belongs to another database and would be replayed into {}: move it away",
            beside(place, suffix).display(),
            place.display()
        )));
    }
    let mut head = Vec::with_capacity(SNIFFED);
    stored.main.take(SNIFFED as u64).read_to_end(&mut head).map_err(EngineError::In)?;
    if head.get(TAR).is_some_and(|magic| magic == b"ustar") {
        let mut archive = (&head[..]).chain(&mut *stored.main);
        export::import(&mut archive, place, watch)?;
        // What follows the archive's end is a part of the stored content too.
        io::copy(&mut archive, &mut io::sink()).map_err(EngineError::In)?;
        return Ok(vec![OpenOptions::new().read(true).write(true).open(place).on("open", place)?]);
    }
    let mut files = Vec::new();
    for suffix in SIDE_FILES {
        if let Some(mut side) = (stored.side)(side_extension(suffix))? {
            let path = beside(place, suffix);
            let mut file = create_private(&path)?;
            stream(&mut side, |bytes| Ok(file.write_all(bytes).on("write", &path)?), None, watch)?;
            files.push(file);
        }
    }
    let mut file = create_private(place)?;
    let mut main = (&head[..]).chain(&mut *stored.main);
    stream(&mut main, |bytes| Ok(file.write_all(bytes).on("write", place)?), None, watch)?;
    if let Err(EngineError::Foreign { found, .. }) = Header::of(&mut file, place) {
        return Err(EngineError::Damaged(format!("it is no DuckDB database, but {found}")));
    }
    files.push(file);
    Ok(files)
}

/// Writes stored content and makes it durable. Returns what it takes to read it.
pub(super) fn materialize(
    stored: &mut StoredContent<'_>,
    place: &Path,
    watch: &Watch<'_>,
) -> Result<Vec<String>, EngineError> {
    let synced = write(stored, place, watch).and_then(|files| {
        for file in files {
            // A sync that failed is final: what it could not write may be gone from memory too.
            file.sync_all().on("sync", place)?;
        }
        Ok(sync_folder_of(place)?)
    });
    if synced.is_err() {
        drop(Copied::remove(place));
    }
    synced?;
    let header = Header::read(place)?;
    let writer = header.writer.map(|writer| format!(", made by DuckDB {writer}")).unwrap_or_default();
    // Since 2.0 the number stands for "see inside"; those before it are read by every later release.
    let reader = match header.format {
        ..=63 => return Ok(vec![format!("its storage format is {}, of before DuckDB 0.10", header.format)]),
        64 => return Ok(Vec::new()),
        65 => "1.2",
        66 => "1.3",
        67 => "1.4",
        _ => "2.0",
    };
    Ok(vec![format!("it takes DuckDB {reader} or newer to read it{writer}")])
}

/// Examines files of our own, which nobody else has open.
pub(super) fn examine(
    place: &Path,
    request: &ExamineRequest<'_>,
    watch: &Watch<'_>,
) -> Result<Evidence, EngineError> {
    if length(place)?.is_none() {
        return Err(EngineError::Missing { path: place.to_owned() });
    }
    let asked = Examination::of_stored(request);
    let order = Order::of(&asked, told(place)?, told(&request.scratch.join("duckdb.tmp"))?);
    ask(order, watch)?.judged(&asked)
}
