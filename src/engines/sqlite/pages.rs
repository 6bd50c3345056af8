//! The pages of a database, in order, out of one read transaction.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{EngineError, files::create_private},
    open::{self, Database},
};
use crate::{
    fault::Fault,
    pipe::{Blake3, Sum, Summing},
    watch::Watch,
};
use rusqlite::backup::{Backup, StepResult};
use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::mpsc::{self, SyncSender},
    thread,
    time::{Duration, Instant},
};

/// How pages are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pages {
    /// Through the virtual table `sqlite_dbpage`: the committed pages themselves.
    Dbpage,
    /// Through the backup API, and why not the other way.
    Backup(String),
}

impl Pages {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Dbpage => "dbpage",
            Self::Backup(_) => "backup",
        }
    }
}

/// How much is written at once, and how often a stop is looked for.
const CHUNK: usize = 1 << 20;

/// Streams every page of the transaction that `database` holds, and returns the first 100 bytes.
///
/// The pages are those of the committed state, the log's included, exactly as a checkpoint would leave them; the lock
/// page at 1 GiB comes as zeros (sqlite.org/dbpage.html, sqlite.org/fileformat.html 1.4).
pub(super) fn stream(
    database: &Database,
    out: &mut dyn Write,
    watch: &Watch<'_>,
) -> Result<Vec<u8>, EngineError> {
    let failed = |error: &rusqlite::Error| database.library("read the pages of", error);
    let pragma = |name| {
        let value = database.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        value.map(i64::unsigned_abs).map_err(|error| failed(&error))
    };
    let (size, count) = (pragma("page_size")?, pragma("page_count")?);
    // Every page is read once: a cache would only push everything else out of the processor's.
    // It comes back afterwards, for whatever else the connection is asked.
    drop(database.connection.pragma_update(None, "cache_size", -256));
    let mut statement = database
        .connection
        .prepare("SELECT pgno, data FROM sqlite_dbpage")
        .map_err(|error| failed(&error))?;
    let mut rows = statement.query([]).map_err(|error| failed(&error))?;
    let mut chunk = Vec::with_capacity(CHUNK + 65_536);
    let mut first = Vec::new();
    let mut done = 0_u64;
    watch.tell(0, Some(size * count));
    while let Some(row) = rows.next().map_err(|error| failed(&error))? {
        let page = row.get_ref(1).ok().and_then(|value| value.as_blob().ok()).unwrap_or_default();
        // A page missing or out of order would shift all that follow it: nothing of that kind may look like a backup.
        if row.get::<_, i64>(0).ok().map(i64::unsigned_abs) != Some(done + 1) || page.len() as u64 != size {
            return Err(misread(database, done + 1));
        }
        if done == 0 {
            first = page.iter().take(100).copied().collect();
        }
        done += 1;
        chunk.extend_from_slice(page);
        if chunk.len() >= CHUNK {
            out.write_all(&chunk).map_err(EngineError::Out)?;
            chunk.clear();
            watch.tell(done * size, Some(size * count));
            watch.check()?;
        }
    }
    if done != count {
        return Err(misread(database, done + 1));
    }
    out.write_all(&chunk).map_err(EngineError::Out)?;
    watch.tell(done * size, Some(size * count));
    drop(rows);
    drop(database.connection.pragma_update(None, "cache_size", -open::CACHE_MIB * 1024));
    Ok(first)
}

fn misread(database: &Database, page: u64) -> EngineError {
    EngineError::Library {
        verb: "read the pages of",
        path: database.path.clone(),
        message: format!("page {page} was not returned"),
    }
}

/// How many chunks may wait for the digest.
const CHUNKS_WAITING: usize = 4;

/// A file, and a way to those who digest what is written to it.
struct Forked {
    file: File,
    digested: SyncSender<Vec<u8>>,
}

impl Write for Forked {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.digested.send(buffer.to_vec()).map_err(io::Error::other)?;
        self.file.write_all(buffer)?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a file while another thread digests what was to be written: writers of the source wait for the slower of the
/// two, not for both. There is no sum where that thread failed.
fn write_summed<T>(file: File, write: impl FnOnce(&mut dyn Write) -> T) -> (T, Option<Sum>) {
    thread::scope(|scope| {
        let (digested, chunks) = mpsc::sync_channel::<Vec<u8>>(CHUNKS_WAITING);
        let digest = scope.spawn(move || {
            let mut sum = Summing::<_, Blake3>::new(io::sink());
            chunks.iter().try_for_each(|chunk| sum.write_all(&chunk)).map(|()| sum.finish().1)
        });
        let mut out = Forked { file, digested };
        let written = write(&mut out);
        drop(out);
        (written, digest.join().ok().and_then(Result::ok))
    })
}

/// A copy of a database in a file of its own.
pub(super) struct Copied {
    /// Its first 100 bytes.
    pub(super) first: Vec<u8>,
    /// The sum of its bytes as they were read from the source, before they were written; `None` where SQLite wrote them.
    pub(super) sum: Option<Sum>,
}

/// Copies the transaction that `database` holds to the new file `copy`. It is not made durable.
pub(super) fn copy(
    database: &Database,
    pages: &Pages,
    copy: &Path,
    watch: &Watch<'_>,
) -> Result<Copied, EngineError> {
    let file = create_private(copy)?;
    match pages {
        Pages::Dbpage => {
            let (first, sum) = write_summed(file, |out| stream(database, out, watch));
            let first = first.map_err(|error| match error {
                EngineError::Out(source) => Fault { verb: "write", path: copy.to_owned(), source }.into(),
                other => other,
            })?;
            Ok(Copied { first, sum })
        }
        Pages::Backup(_) => {
            drop(file);
            let failed = |error: &rusqlite::Error| open::library("copy to", copy, error);
            let mut target = Database::writing(copy).map_err(|error| failed(&error))?;
            // Whoever is killed here leaves a temporary file, not a database: no journal on disk is needed, nor a sync.
            target
                .connection
                .execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF")
                .map_err(|error| failed(&error))?;
            write_into(database, &mut target, Duration::ZERO, watch, &mut || Ok(()))?;
            drop(target);
            let mut first = Vec::with_capacity(100);
            let file = File::open(copy).map_err(EngineError::In)?;
            io::Read::read_to_end(&mut io::Read::take(file, 100), &mut first).map_err(EngineError::In)?;
            Ok(Copied { first, sum: None })
        }
    }
}

/// Writes all pages of `source`, whose state must not change meanwhile, into `target` in one transaction of the
/// target, waiting at most `wait` in all for those who hold it. Until it returns, the target holds what it held.
///
/// With the source's transaction held, the copy never restarts, however busy its writers are; the target's write lock
/// stays between the steps. `run_to_completion` would wait for ever on a locked target. `once_locked` is called when the
/// target's write lock is held and nothing of it is written yet.
pub(super) fn write_into(
    source: &Database,
    target: &mut Database,
    wait: Duration,
    watch: &Watch<'_>,
    once_locked: &mut dyn FnMut() -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let path = target.path.clone();
    let until = Instant::now() + wait;
    let failed = |error: rusqlite::Error| open::library("write", &path, &error);
    let backup = Backup::new(&source.connection, &mut target.connection).map_err(failed)?;
    // A step of no pages takes the target's write lock and does nothing else.
    let mut pages_a_step = 0;
    loop {
        // Dropping the backup before its end rolls the target back (sqlite.org/c3ref/backup_finish.html).
        watch.check()?;
        match backup.step(pages_a_step).map_err(failed)? {
            StepResult::Done => return Ok(()),
            StepResult::More if pages_a_step == 0 => {
                once_locked()?;
                pages_a_step = 1024;
            }
            StepResult::More => {
                let progress = backup.progress();
                let pages = |count: i32| u64::from(count.unsigned_abs());
                watch.tell(pages(progress.pagecount - progress.remaining), Some(pages(progress.pagecount)));
            }
            _ if Instant::now() < until => watch.pause(Duration::from_millis(10))?,
            _ => return Err(super::busy(&path)),
        }
    }
}
