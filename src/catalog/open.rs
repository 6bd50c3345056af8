//! Opening the catalog: for its owner alone, made where it is missing, by many processes at once.
#![expect(clippy::disallowed_methods, reason = "the catalog is a file of this host")]

use super::{Catalog, CatalogError};
use crate::{fault::OnPath, platform::files, scratch::create_private_folder};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long another process is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS runs (
    run TEXT PRIMARY KEY, policy TEXT NOT NULL, digest TEXT NOT NULL, kind TEXT NOT NULL, started TEXT NOT NULL,
    finished TEXT, outcome TEXT NOT NULL, details TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS runs_started ON runs (started);
CREATE TABLE IF NOT EXISTS stores (
    policy TEXT NOT NULL, store TEXT NOT NULL, id TEXT NOT NULL, used TEXT NOT NULL, PRIMARY KEY (policy, store)
) STRICT;
CREATE TABLE IF NOT EXISTS backups (
    id TEXT NOT NULL, policy TEXT NOT NULL, store TEXT NOT NULL, time TEXT NOT NULL, proven INTEGER NOT NULL,
    manifest TEXT NOT NULL, PRIMARY KEY (policy, store, id)
) STRICT;
";

impl Catalog {
    /// Opens the catalog of a state folder, made when it is not there.
    pub fn open(state: &Path) -> Result<Self, CatalogError> {
        create_private_folder(state)?;
        let path = state.join("catalog.db");
        keep_private(&path);
        Self::connect(&path).map_err(|source| CatalogError::Sqlite { path, source })
    }

    /// Opens the catalog to fill it anew: one that SQLite cannot use is moved away first, and its new name returned.
    pub fn renew(state: &Path, stamp: &str) -> Result<(Self, Option<PathBuf>), CatalogError> {
        match Self::open(state) {
            Err(CatalogError::Sqlite { path, source }) if is_damage(&source) => {
                let away = |suffix: &str| state.join(format!("catalog.db{suffix}.damaged-{stamp}"));
                // The side files go first: beside a new file an old log would be replayed.
                for suffix in ["-wal", "-shm", ""] {
                    let from = state.join(format!("catalog.db{suffix}"));
                    match std::fs::rename(&from, away(suffix)) {
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                        moved => moved.on("move away", &path)?,
                    }
                }
                Ok((Self::open(state)?, Some(away(""))))
            }
            opened => Ok((opened?, None)),
        }
    }

    /// Opens it for reading; `None` when there is none. Nothing is made.
    pub fn open_existing(state: &Path) -> Result<Option<Self>, CatalogError> {
        let path = state.join("catalog.db");
        if !path.is_file() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<Self> {
            // Without a log nobody writes to it, and everything stands in the file: read so, SQLite makes no file beside
            // it. With one, its own reader's way is the only one that sees all.
            let connection = if path.with_extension("db-wal").exists() {
                Connection::open_with_flags(&path, flags)?
            } else {
                Connection::open_with_flags(files::immutable_uri(&path), flags | OpenFlags::SQLITE_OPEN_URI)?
            };
            connection.busy_timeout(PATIENCE)?;
            Ok(Self { connection })
        };
        open().map(Some).map_err(|source| CatalogError::Sqlite { path: path.clone(), source })
    }

    fn connect(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        let prepare = || {
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "normal")?;
            connection.execute_batch(SCHEMA)
        };
        // Of several that make it at once, each already reads when it asks to write: SQLite refuses all but one there and
        // then, without waiting (sqlite.org/c3ref/busy_handler.html).
        let end = Instant::now() + PATIENCE;
        loop {
            match prepare() {
                Err(error) if is_busy(&error) && Instant::now() < end => {
                    thread::sleep(Duration::from_millis(5));
                }
                prepared => return prepared.map(|()| Self { connection }),
            }
        }
    }
}

/// Makes the catalog its owner's alone before SQLite opens it: log and index get the mode of the database
/// (sqlite.org/wal.html), and the history holds what commands printed. Where that fails, SQLite says what is wrong.
///
/// A file that is there is not opened: closing it would end the locks that other connections of this process hold on it
/// (sqlite.org/howtocorrupt.html, 2.2).
fn keep_private(path: &Path) {
    if files::new_private_file().open(path).is_err() {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            let _ = files::make_private(Path::new(&name));
        }
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error_code()
        .is_some_and(|code| [ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase].contains(&code))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_another_that_makes_it_at_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let other = Connection::open(folder.path().join("catalog.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE; CREATE TABLE t(x)").unwrap();
        thread::scope(|scope| {
            let opened = scope.spawn(|| Catalog::open(folder.path()).map(drop));
            thread::sleep(Duration::from_millis(300));
            assert!(!opened.is_finished());
            other.execute_batch("COMMIT").unwrap();
            opened.join().unwrap().unwrap();
        });
    }
}
