//! Decoding dumps: stored ones, and one that is just being taken, beside its way into the stores.

use super::{
    Postgres,
    capture::{FORMAT, told},
    clients::Programs,
    contents::{self, Contents, ContentsError},
    tables::shown,
};
use crate::{
    engines::{EngineError, Outlet, StoredContent, examination::damaged, flat},
    evidence::{Integrity, TableFact},
    fault::OnPath,
    platform::files::make_private_folder,
    policy::model::PostgresFormat,
    watch::Watch,
};
use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

/// Pieces of a dump, as they come from its pipe, that may wait for whoever decodes it.
const WAITING: usize = 8;

/// What a dump was found to hold, or what is wrong with it.
pub(super) type Decoded = Result<Contents, String>;

/// Decodes all of a stored dump.
pub(super) fn stored(
    engine: &Postgres,
    stored: &mut StoredContent<'_>,
    (facts, scratch): (&BTreeMap<String, String>, &Path),
    watch: &Watch<'_>,
) -> Result<Decoded, EngineError> {
    let newest = || {
        let found = engine.installed.clients(watch)?;
        found.any().cloned().map_err(|error| EngineError::Program(error.to_string()))
    };
    match format(facts) {
        PostgresFormat::Plain => judged(contents::of_plain(stored.main, watch)),
        PostgresFormat::Custom => judged(contents::of_custom(&newest()?, stored.main, watch)),
        PostgresFormat::Directory => {
            let programs = newest()?;
            let folder = unpacked(stored.main, scratch, watch)?;
            let decoded = of_folder(&programs, &folder, watch);
            flat::remove(&folder)?;
            decoded
        }
    }
}

/// Decodes a stream of one of the formats that are one.
pub(super) fn of_stream(
    programs: &Programs,
    format: PostgresFormat,
    stream: &mut dyn Read,
    watch: &Watch<'_>,
) -> Result<Decoded, EngineError> {
    judged(if format == PostgresFormat::Plain {
        contents::of_plain(stream, watch)
    } else {
        contents::of_custom(programs, stream, watch)
    })
}

/// Decodes a folder.
pub(super) fn of_folder(
    programs: &Programs,
    folder: &Path,
    watch: &Watch<'_>,
) -> Result<Decoded, EngineError> {
    judged(contents::of_folder(programs, folder, watch))
}

fn judged(decoded: Result<Contents, ContentsError>) -> Result<Decoded, EngineError> {
    match decoded {
        Ok(contents) => Ok(Ok(contents)),
        Err(ContentsError::Stopped(stopped)) => Err(stopped.into()),
        Err(ContentsError::In(error)) => Err(EngineError::In(error)),
        Err(error @ (ContentsError::Truncated(_) | ContentsError::Foreign(_))) => Ok(Err(error.to_string())),
        Err(ContentsError::Program(error)) => match told(error) {
            // It ran, and does not find the dump sound.
            EngineError::Program(why) => Ok(Err(why)),
            other => Err(other),
        },
    }
}

/// The format of the stored file, as its capture noted it.
pub(super) fn format(facts: &BTreeMap<String, String>) -> PostgresFormat {
    let noted = facts.get(FORMAT).map(String::as_str).unwrap_or_default();
    let all = [PostgresFormat::Plain, PostgresFormat::Directory];
    all.into_iter().find(|format| super::capture::named(*format) == noted).unwrap_or_default()
}

/// Unpacks the archive of a folder below the scratch folder.
pub(super) fn unpacked(
    archive: &mut dyn Read,
    scratch: &Path,
    watch: &Watch<'_>,
) -> Result<PathBuf, EngineError> {
    let folder = scratch.join("unpacked");
    make_private_folder(&folder).on("create the folder", &folder)?;
    flat::unpack(archive, &folder, "", watch)?;
    Ok(folder)
}

/// Holds the rows of a dump against those that were counted in its snapshot. What was left out is in no dump, and was
/// counted as nothing.
pub(super) fn compare(decoded: Decoded, counted: &BTreeMap<String, TableFact>) -> Integrity {
    let contents = match decoded {
        Ok(contents) => contents,
        Err(why) => return damaged(vec![why]),
    };
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    for (relation, found) in &contents.rows {
        *rows.entry(shown(contents.whole(relation))).or_default() += found;
    }
    differences(&rows, counted)
}

/// Holds the rows that were found against those that were counted in the snapshot.
pub(super) fn differences(found: &BTreeMap<String, u64>, counted: &BTreeMap<String, TableFact>) -> Integrity {
    let differs = |(name, fact): (&String, &TableFact)| {
        let found = found.get(name).copied().unwrap_or(0);
        (found != fact.rows)
            .then(|| format!("the dump holds {found} rows of `{name}`, and its snapshot has {}", fact.rows))
    };
    let findings: Vec<String> = counted.iter().filter_map(differs).collect();
    if findings.is_empty() { Integrity::Sound } else { damaged(findings) }
}

/// Where a dump goes: into the stores and, where it is to be decoded, to whoever does that beside.
pub(super) struct Taken<'o> {
    out: &'o mut dyn Outlet,
    beside: Option<SyncSender<Vec<u8>>>,
    /// The bytes that passed.
    pub(super) bytes: u64,
}

impl<'o> Taken<'o> {
    /// Into the stores alone.
    pub(super) fn new(out: &'o mut dyn Outlet) -> Self {
        Self { out, beside: None, bytes: 0 }
    }

    /// Makes a second way for what comes from now on.
    pub(super) fn beside(&mut self) -> Pieces {
        let (send, pieces) = sync_channel(WAITING);
        self.beside = Some(send);
        Pieces { from: pieces, piece: Vec::new(), given: 0 }
    }

    /// Nothing more comes: whoever decodes it sees its end.
    pub(super) fn end(&mut self) {
        self.beside = None;
    }

    /// Tells whoever takes the bytes that they are whole.
    pub(super) fn complete(&mut self) -> Result<(), EngineError> {
        self.out.complete().map_err(EngineError::Out)
    }
}

impl Write for Taken<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.out.write(buffer)?;
        self.bytes += written as u64;
        let piece = buffer.get(..written).unwrap_or_default();
        if let Some(beside) = &self.beside
            && beside.send(piece.to_vec()).is_err()
        {
            // It has ended, and says why itself.
            self.beside = None;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The other end of [`Taken::beside`].
pub(super) struct Pieces {
    from: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    given: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.piece.len() {
            let Ok(piece) = self.from.recv() else { return Ok(0) };
            self.piece = piece;
            self.given = 0;
        }
        let rest = self.piece.get(self.given..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.given += count;
        Ok(count)
    }
}
