//! Opening databases: someone else's live one without side effects, and our own copies.
//!
//! **The lock trap.** POSIX record locks belong to the process: opening and closing a database file by any other
//! descriptor of this process drops every lock that SQLite holds on it (sqlite.org/howtocorrupt.html, 2.2), and another
//! process then writes inside our read transaction. So a live database file is opened by SQLite alone, except for its
//! header, and [`Header::read`] does that only while this process has no connection to it: [`Connected`] counts them.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::super::EngineError;
use crate::{fault::OnPath, platform::files, watch::Watch};
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig, limits::Limit};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The first bytes of every SQLite database.
pub(super) const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// How long a lock of another process is waited for.
pub(super) const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What a connection that reads keeps of the pages, in MiB.
pub(super) const CACHE_MIB: i64 = 32;

/// How long one call of SQLite may wait: short, so that a request to stop is seen.
const SLICE: Duration = Duration::from_millis(100);

/// The suffixes of the files that SQLite keeps beside a database.
pub(super) const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The databases this process has connections to, with their number.
static CONNECTED: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());

fn connected() -> MutexGuard<'static, BTreeMap<PathBuf, usize>> {
    CONNECTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds the right to connect to a database; while one lives, nothing else of this process opens the file.
#[derive(Debug)]
struct Connected(PathBuf);

impl Connected {
    fn to(path: &Path) -> Self {
        let key = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        *connected().entry(key.clone()).or_default() += 1;
        Self(key)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut all = connected();
        if let Some(count) = all.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.0);
            }
        }
    }
}

/// What the first 100 bytes of a database say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of a page.
    pub(super) page_size: u32,
    /// Whether it is in write-ahead mode.
    pub(super) wal: bool,
}

impl Header {
    /// Reads the header of a database file, without SQLite and so without any side file; `None` when this process has
    /// a connection to it (see the lock trap).
    ///
    /// # Errors
    /// A file that is missing, empty, no file, unreadable or no database.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, EngineError> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(EngineError::Missing { path: path.to_owned() });
            }
            Err(error) => return Err(error).on("look at", path)?,
        };
        if !metadata.is_file() {
            let found = if metadata.is_dir() { "a folder" } else { "no regular file" };
            return Err(foreign(path, found));
        }
        if metadata.len() == 0 {
            return Err(EngineError::Empty { path: path.to_owned() });
        }
        // The list stays locked until the file is closed again: nobody can connect in between.
        let all = connected();
        if all.contains_key(&fs::canonicalize(path).on("resolve", path)?) {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(100);
        File::open(path).on("open", path)?.take(100).read_to_end(&mut bytes).on("read", path)?;
        drop(all);
        Self::parse(&bytes)
            .map(Some)
            .ok_or_else(|| foreign(path, "an encrypted database, or another kind of file"))
    }

    /// Reads a header (sqlite.org/fileformat.html, 1.3).
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let page_size = match u16::from_be_bytes([*bytes.get(16)?, *bytes.get(17)?]) {
            1 => 65_536,
            size => u32::from(size),
        };
        let versions = bytes.get(18..20)?;
        let known = bytes.starts_with(MAGIC) && bytes.len() == 100 && page_size.is_power_of_two();
        (known && page_size >= 512).then(|| Self { page_size, wal: versions.contains(&2) })
    }
}

pub(super) fn foreign(path: &Path, found: &str) -> EngineError {
    EngineError::Foreign { path: path.to_owned(), wanted: "a SQLite database", found: found.to_owned() }
}

/// A connection, and the promise that goes with it.
pub(super) struct Database {
    // Dropped in this order: first closed, then no longer counted.
    pub(super) connection: Connection,
    _connected: Connected,
    pub(super) path: PathBuf,
}

impl Database {
    /// Opens a live database for reading: nothing of it is ever written, but `-shm` may appear in write-ahead mode.
    pub(super) fn live(path: &Path) -> rusqlite::Result<Self> {
        let database = Self::open(path, path.as_os_str().to_owned(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        database.reading(CACHE_MIB)?;
        Ok(database)
    }

    /// Reads the file mapped from now on, its pages those of the page cache and not ours: for examiners alone, since
    /// a file that cannot be read ends whoever mapped it.
    pub(super) fn map(&self) -> rusqlite::Result<()> {
        // Only what the library was not built to map still comes through the cache (`.cargo/config.toml`).
        self.reading(8)?;
        self.connection.pragma_update(None, "mmap_size", 1_i64 << 40)
    }

    /// Opens a file that nothing writes, without locks, and without side files though its header may ask for them. Of one
    /// that is not ours the caller makes sure afterwards.
    pub(super) fn still(path: &Path) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let database = Self::open(path, files::immutable_uri(path), flags)?;
        database.reading(CACHE_MIB)?;
        Ok(database)
    }

    /// Opens an existing database for writing.
    pub(super) fn writing(path: &Path) -> rusqlite::Result<Self> {
        let database = Self::open(path, path.as_os_str().to_owned(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // Never folds or deletes a log on closing: by then the name may belong to another database.
        database.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        Ok(database)
    }

    fn open(path: &Path, name: OsString, mode: OpenFlags) -> rusqlite::Result<Self> {
        let counted = Connected::to(path);
        let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let connection = Connection::open_with_flags(PathBuf::from(name), flags)?;
        connection.busy_timeout(SLICE)?;
        for (option, on) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        ] {
            connection.set_db_config(option, on)?;
        }
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        Ok(Self { connection, _connected: counted, path: path.to_owned() })
    }

    fn reading(&self, cache_mib: i64) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "query_only", true)?;
        match self.connection.pragma_update(None, "cache_size", -cache_mib * 1024) {
            // This one reads the schema, and a database whose schema is damaged is to be captured all the same.
            Err(error) if is_damage(&error) => Ok(()),
            result => result,
        }
    }

    /// Begins a transaction and makes it read, so that it stands on one moment until it ends.
    ///
    /// It reads the header alone: a database whose schema is damaged can still be captured.
    pub(super) fn begin(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch("BEGIN")?;
        let read = self.connection.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0));
        if read.is_err() {
            // Without this the next try would fail by "cannot start a transaction within a transaction".
            drop(self.connection.execute_batch("ROLLBACK"));
        }
        read.map(drop)
    }

    /// Ends the transaction, if there is one.
    pub(super) fn end(&self) -> Result<(), EngineError> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.execute_batch("ROLLBACK").map_err(|error| self.library("end reading", &error))
    }

    /// Lets statements be stopped while they run; the error they end with is what [`Database::library`] leaves to
    /// [`Watch::check`].
    pub(super) fn stop_with(&mut self, watch: &Watch<'_>) -> rusqlite::Result<()> {
        let (cancel, deadline) = (watch.cancel().clone(), watch.deadline());
        let stop =
            move || cancel.is_cancelled() || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        self.connection.progress_handler(20_000, Some(stop))
    }

    /// Words an error of the library.
    pub(super) fn library(&self, verb: &'static str, error: &rusqlite::Error) -> EngineError {
        library(verb, &self.path, error)
    }
}

/// Words an error of the library.
pub(super) fn library(verb: &'static str, path: &Path, error: &rusqlite::Error) -> EngineError {
    if code(error) == Some(ErrorCode::NotADatabase) {
        return foreign(path, "an encrypted database, or another kind of file");
    }
    EngineError::Library { verb, path: path.to_owned(), message: error.to_string() }
}

/// The primary code of an error.
pub(super) fn code(error: &rusqlite::Error) -> Option<ErrorCode> {
    error.sqlite_error_code()
}

/// Whether another process is in the way.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    let in_the_way =
        [ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked, ErrorCode::FileLockingProtocolFailed];
    code(error).is_some_and(|code| in_the_way.contains(&code))
}

/// Whether SQLite finds the content damaged.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    code(error).is_some_and(|code| [ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase].contains(&code))
}

/// Repeats what another process is in the way of, until `wait` or the job's time is over.
///
/// # Errors
/// The inner result is the last one; the outer one says that it was asked to stop.
pub(super) fn patiently<T>(
    wait: Duration,
    watch: &Watch<'_>,
    mut attempt: impl FnMut() -> rusqlite::Result<T>,
) -> Result<rusqlite::Result<T>, EngineError> {
    let until = Instant::now() + wait;
    loop {
        watch.check()?;
        match attempt() {
            Err(error) if is_busy(&error) && Instant::now() < until => {
                watch.pause(Duration::from_millis(20))?;
            }
            result => return Ok(result),
        }
    }
}
