//! Taking the content of a live database at one moment.
//!
//! In write-ahead mode a read transaction stops nobody: pages stream from it into the pipe, and everything asked is
//! shown in further transactions of the same moment, at the same time (see `twin`). In rollback-journal mode a reader
//! keeps writers from committing, so the lock is held for a byte copy alone, and the copy is examined afterwards.
//!
//! What the copy answers is then what the source would have answered, also where it is to equal the source's: its bytes,
//! read back, have the digest of the pages as SQLite read them under the lock, in the same order, and an answer is a
//! function of the pages. Asking the source itself would read the same pages through the same library a second time,
//! while writers wait. Where SQLite writes the copy itself (without `sqlite_dbpage`) there is no such digest: there the
//! source is asked, under the lock.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{
        Capture, CaptureRequest, EngineError, Outlet, Previous,
        at_once::at_once,
        examination::Examination,
        files::{beside, length, resolved, stream},
        implied::{guard_size, guard_tables, size_guards},
    },
    Sqlite,
    examiner::{Examiners, Kind},
    files::Temporary,
    open::{self, Database, Header, LONGEST_WAIT, patiently},
    pages::{self, Pages},
    twin::twin,
};
use crate::{
    evidence::{CheckedOn, Integrity, Rung},
    fault::OnPath,
    pipe::{Blake3, Sum, Summing},
    platform::files,
    policy::values::Level,
    watch::Watch,
};
use rusqlite::ErrorCode;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

/// How long writers are kept waiting without a word; five seconds is what many give up after.
const LONG_LOCK: Duration = Duration::from_secs(3);

/// A live database with a read transaction that stands on one moment.
struct Source {
    database: Database,
    wal: bool,
    warnings: Vec<String>,
    /// Set when the file had to be read without locks: what must not have changed when it was read.
    unlocked: Option<Stamp>,
}

/// What changes when someone writes to a file that is read without locks.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<std::time::SystemTime>,
    log: u64,
}

impl Stamp {
    fn of(path: &Path) -> Result<Self, EngineError> {
        let metadata = fs::metadata(path).on("look at", path)?;
        let log = length(&beside(path, "-wal"))?.unwrap_or(0);
        Ok(Self { length: metadata.len(), modified: metadata.modified().ok(), log })
    }
}

impl Sqlite {
    /// Captures the database; see the module.
    pub(super) fn take(
        &self,
        request: &CaptureRequest<'_>,
        out: &mut dyn Outlet,
        watch: &Watch<'_>,
    ) -> Result<Capture, EngineError> {
        let header = Header::read(&self.path)?;
        // Through links, as SQLite goes: its side files lie beside the file itself.
        let path = resolved(&self.path)?;
        let identity = files::identity(&path);
        let mut source = begin(&path, header, watch)?;
        let began = Instant::now();
        let pages = self.pages(&source.database)?;
        let shared = source.wal && source.unlocked.is_none() && pages == Pages::Dbpage;
        let whole = request.level >= Level::Integrity;
        let twin = if shared { twin(&source.database, &path, whole, watch)? } else { None };
        // All of them opened it by its name. Where another file has got that name meanwhile, nobody knows who reads which.
        let is_same =
            identity.as_ref().is_ok_and(|before| files::identity(&path).is_ok_and(|now| now == *before));
        let twin = twin.filter(|_| is_same);
        let shape = Shape::of(&source.database)?;
        shape.guard(request, &source.database)?;
        let (mut rungs, mut kept_out) = (Vec::new(), None);
        if let Pages::Backup(why) = &pages {
            rungs.push(Rung { method: "dbpage".to_owned(), failed: why.clone(), holders: Vec::new() });
        }
        let asked = Examination::of_source(request);
        let wal = source.wal;
        let mut facts = shape.facts(wal);
        let mut warnings = std::mem::take(&mut source.warnings);
        let (mut evidence, first_page, checked_on) = if source.wal && pages == Pages::Dbpage {
            let (first_page, evidence) = if let Some(mut twin) = twin {
                let examine = |watch: &Watch<'_>| {
                    let evidence = twin.database.examine(twin.examiners.take(), &asked, watch)?;
                    twin.database.end()?;
                    drop(twin);
                    Ok(evidence)
                };
                let stream = || {
                    let first_page = pages::stream(&source.database, out, watch)?;
                    // What was written is read back now, which may take its time: nothing of the source's is held for it.
                    source.database.end()?;
                    out.complete().map_err(EngineError::Out)?;
                    Ok(first_page)
                };
                at_once(watch, examine, stream)?
            } else {
                let first_page = pages::stream(&source.database, out, watch)?;
                (first_page, source.database.examine(None, &asked, watch)?)
            };
            source.finish(&path)?;
            (evidence, first_page, CheckedOn::Snapshot)
        } else {
            let copy = Temporary::new(request.scratch, "capture.db");
            let copied = pages::copy(&source.database, &pages, copy.path(), watch)?;
            let recorded: Option<Previous> = match &copied.sum {
                Some(_) => None,
                None => Some(source.database.source_answers(&asked, watch)?),
            };
            source.finish(&path)?;
            let locked = began.elapsed();
            kept_out = (!wal).then_some(locked);
            if !wal && locked > LONG_LOCK {
                warnings.push(format!(
                    "writers of the source had to wait for {:.1} s: in write-ahead mode (PRAGMA journal_mode = WAL) they \
                     would not",
                    locked.as_secs_f64()
                ));
            }
            let asked = Examination { source: recorded.as_ref(), ..asked };
            let examine = |watch: &Watch<'_>| examine_file(copy.path(), &asked, watch);
            let hand_on = || {
                hand_on(copy.path(), copied.sum.as_ref(), out, watch)?;
                out.complete().map_err(EngineError::Out)
            };
            let ((), evidence) = at_once(watch, examine, hand_on)?;
            (evidence, copied.first, CheckedOn::Copy)
        };
        if let Some(counter) = first_page.get(24..28).and_then(|bytes| bytes.try_into().ok()) {
            facts.insert("change_counter".to_owned(), u32::from_be_bytes(counter).to_string());
        }
        evidence.checks.extend(size_guards(shape.bytes(), request.expect, request.previous));
        warnings.append(&mut evidence.warnings);
        evidence.warnings = warnings;
        Ok(Capture {
            method: pages.name(),
            rungs,
            kept_out,
            checked_on,
            evidence,
            side_files: Vec::new(),
            unreadable: Vec::new(),
            facts,
        })
    }

    /// How pages are read from here: `sqlite_dbpage` is a compile-time option, and a damaged schema stops every query.
    pub(super) fn pages(&self, database: &Database) -> Result<Pages, EngineError> {
        if self.without_dbpage {
            return Ok(Pages::Backup("no such table: sqlite_dbpage".to_owned()));
        }
        match database.connection.prepare("SELECT data FROM sqlite_dbpage") {
            Ok(_) => Ok(Pages::Dbpage),
            Err(error) if open::is_damage(&error) || open::code(&error) == Some(ErrorCode::Unknown) => {
                Ok(Pages::Backup(error.to_string()))
            }
            Err(error) => Err(database.library("read the pages of", &error)),
        }
    }
}

/// Connects and begins to read, with the ways out of what can be in the way.
fn begin(path: &Path, header: Option<Header>, watch: &Watch<'_>) -> Result<Source, EngineError> {
    let mut warnings = Vec::new();
    let mut recovered = false;
    loop {
        let opened = patiently(LONGEST_WAIT, watch, || {
            let database = Database::live(path)?;
            database.begin()?;
            let mode =
                database.connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0));
            let wal = match mode {
                Ok(mode) => mode == "wal",
                // Asking needs the schema; where that is damaged the header says it too.
                Err(error) if open::is_damage(&error) => header.is_some_and(|header| header.wal),
                Err(error) => return Err(error),
            };
            Ok((database, wal))
        })?;
        let error = match opened {
            Ok((database, wal)) => return Ok(Source { database, wal, warnings, unlocked: None }),
            Err(error) => error,
        };
        match error.sqlite_extended_error_code() {
            // A writer crashed and left a hot journal; whoever opens the database next rolls it back, and a
            // reader must not read around it (`immutable` would return what was never committed).
            Some(rusqlite::ffi::SQLITE_READONLY_ROLLBACK) if !recovered => {
                recovered = true;
                roll_back(path, watch)?;
                warnings.push(
                    "a writer had crashed and left a hot journal: it was rolled back before the capture, as the \
                     next one to open the database would have done"
                        .to_owned(),
                );
            }
            _ if open::is_busy(&error) => return Err(super::busy(path)),
            _ if header.is_some_and(|header| header.wal) && cannot_share(&error) => {
                return unshared(path, &error, warnings);
            }
            _ => return Err(open::library("open", path, &error)),
        }
    }
}

impl Source {
    /// Releases the lock; a file that was read without one must not have changed meanwhile.
    fn finish(self, path: &Path) -> Result<(), EngineError> {
        self.database.end()?;
        drop(self.database);
        match self.unlocked {
            Some(before) if before != Stamp::of(path)? => Err(EngineError::Library {
                verb: "capture",
                path: path.to_owned(),
                message:
                    "it changed while it was read without locks, which its folder does not allow to take"
                        .to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// What the source is, at the moment it is captured.
struct Shape {
    page_size: u64,
    page_count: u64,
}

impl Shape {
    fn of(database: &Database) -> Result<Self, EngineError> {
        let ask = |pragma| database.connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let failed = |error: &rusqlite::Error| database.library("read", error);
        let page_size = ask("page_size").map_err(|error| failed(&error))?.unsigned_abs();
        let page_count = match ask("page_count") {
            Ok(count) => count.unsigned_abs(),
            // Asking needs the schema; where that is damaged the file's length is near enough for the guards.
            Err(error) if open::is_damage(&error) => length(&database.path)?.unwrap_or(0) / page_size.max(1),
            Err(error) => return Err(failed(&error)),
        };
        Ok(Self { page_size, page_count })
    }

    const fn bytes(&self) -> u64 {
        self.page_size * self.page_count
    }

    fn guard(&self, request: &CaptureRequest<'_>, database: &Database) -> Result<(), EngineError> {
        guard_size(self.bytes(), request.expect)?;
        let tables = || match database.user_tables() {
            Ok(tables) => Ok(tables.len()),
            Err(error) => Err(database.library("list the tables of", &error)),
        };
        guard_tables(tables, request.expect)
    }

    fn facts(&self, wal: bool) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("journal_mode".to_owned(), if wal { "wal" } else { "rollback" }.to_owned()),
            ("page_count".to_owned(), self.page_count.to_string()),
            ("page_size".to_owned(), self.page_size.to_string()),
            ("sqlite_version".to_owned(), rusqlite::version().to_owned()),
        ])
    }
}

/// Hands a copy on to the pipe.
///
/// # Errors
/// A copy whose bytes are not those that were taken of the source: it stands for nothing.
pub(super) fn hand_on(
    copy: &Path,
    taken: Option<&Sum>,
    out: &mut dyn Write,
    watch: &Watch<'_>,
) -> Result<(), EngineError> {
    let file = File::open(copy).on("open", copy)?;
    let total = file.metadata().on("look at", copy)?.len();
    let mut file = Summing::<_, Blake3>::new(file);
    stream(&mut file, |bytes| out.write_all(bytes).map_err(EngineError::Out), Some(total), watch)?;
    if taken.is_some_and(|taken| *taken != file.finish().1) {
        let why = "its bytes are not those that were written to it: its disk or the memory fails";
        return Err(std::io::Error::other(why)).on("read back", copy)?;
    }
    Ok(())
}

/// Examines a file of our own, which nothing writes.
pub(super) fn examine_file(
    path: &Path,
    asked: &Examination<'_>,
    watch: &Watch<'_>,
) -> Result<crate::evidence::Evidence, EngineError> {
    match Database::still(path) {
        Ok(mut database) => {
            let whole = asked.level >= Level::Integrity;
            let examiners = if whole { Examiners::start(path, Kind::Still) } else { None };
            database.examine(examiners, asked, watch)
        }
        Err(error) if open::is_damage(&error) => {
            let integrity = Integrity::Damaged(vec![error.to_string()]);
            Ok(crate::evidence::Evidence { integrity, ..Default::default() })
        }
        Err(error) => Err(open::library("open", path, &error)),
    }
}

/// Rolls a hot journal back, which takes a writer.
fn roll_back(path: &Path, watch: &Watch<'_>) -> Result<(), EngineError> {
    let rolled = patiently(LONGEST_WAIT, watch, || {
        let database = Database::writing(path)?;
        database.begin()?;
        database.connection.execute_batch("ROLLBACK")
    })?;
    rolled.map_err(|error| open::library("roll back the hot journal of", path, &error))
}

/// Whether the error says that the shared memory of write-ahead mode cannot be had.
fn cannot_share(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_READONLY_CANTINIT, SQLITE_READONLY_CANTLOCK, SQLITE_READONLY_DIRECTORY};
    let read_only = [SQLITE_READONLY_CANTINIT, SQLITE_READONLY_CANTLOCK, SQLITE_READONLY_DIRECTORY];
    open::code(error) == Some(ErrorCode::CannotOpen)
        || error.sqlite_extended_error_code().is_some_and(|code| read_only.contains(&code))
}

/// Reads a database in write-ahead mode whose folder cannot be written: possible without a log alone, and only when
/// nothing changes meanwhile, which [`Source::finish`] makes sure of.
fn unshared(path: &Path, error: &rusqlite::Error, mut warnings: Vec<String>) -> Result<Source, EngineError> {
    let stamp = Stamp::of(path)?;
    if stamp.log > 0 {
        return Err(EngineError::Refused(format!(
            "{} is in write-ahead mode, and its log cannot be read without writing `-shm` beside it ({error}): run as a \
             user who may write to that folder",
            path.display()
        )));
    }
    let database = Database::still(path).map_err(|error| open::library("open", path, &error))?;
    database.begin().map_err(|error| database.library("read", &error))?;
    warnings
        .push("read without locks, as its folder cannot be written; nothing changed meanwhile".to_owned());
    Ok(Source { database, wal: true, warnings, unlocked: Some(stamp) })
}
