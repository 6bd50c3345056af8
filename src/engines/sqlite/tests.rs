//! Real databases, real locks, real processes.
//!
//! Locks of one process do not stop itself, so a second process is this test program again, asked to play a part.

#![expect(clippy::disallowed_methods, reason = "tests use real files, processes and clocks")]

mod capturing;
mod checking;
mod parts;
mod swapping;

use super::{
    super::{
        AtPath as _, Capture, CaptureRequest, Engine as _, EngineError, ExamineRequest, Previous,
        StoredContent, files::beside,
    },
    Sqlite,
};
use crate::{
    evidence::{CheckedOn, Evidence, Integrity},
    policy::{
        Span, Spanned,
        model::{Check, Expect, Expectation, OnFail, Query, TableClass, Tables},
        values::{Level, Percent, Size},
    },
    watch::{Cancel, Stopped, Watch},
};
use rusqlite::Connection;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A folder with a database and a scratch folder.
struct Place {
    folder: TempDir,
    expect: Expect,
    checks: Vec<Check>,
    tables: Option<Tables>,
    previous: Option<Previous>,
    level: Level,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("scratch")).unwrap();
        Self {
            folder,
            expect: Expect::default(),
            checks: Vec::new(),
            tables: None,
            previous: None,
            level: Level::Checks,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn live(&self) -> PathBuf {
        self.path("app.db")
    }

    /// Makes the live database by SQL and returns the connection that made it.
    fn make(&self, sql: &str) -> Connection {
        let connection = Connection::open(self.live()).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection.execute_batch(sql).unwrap();
        connection
    }

    fn engine(&self) -> Sqlite {
        Sqlite::new(self.live())
    }

    fn capture(&self) -> Result<(Capture, Vec<u8>), EngineError> {
        self.capture_with(&self.engine())
    }

    fn capture_with(&self, engine: &Sqlite) -> Result<(Capture, Vec<u8>), EngineError> {
        let mut out = Vec::new();
        let scratch = self.path("scratch");
        let request = CaptureRequest {
            compress: crate::policy::values::Compression::None,
            spec: &crate::engines::testing::spec(),
            caller: &crate::engines::testing::NoCaller,
            level: self.level,
            expect: &self.expect,
            checks: &self.checks,
            tables: self.tables.as_ref(),
            previous: self.previous.as_ref(),
            now: now(),
            scratch: &scratch,
        };
        let captured = watched(|watch| engine.capture(&request, &mut out, watch))?;
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "something was left in the scratch folder");
        Ok((captured, out))
    }

    /// Restores bytes to a new file and connects to it.
    fn restored(&self, bytes: &[u8], name: &str) -> Connection {
        self.materialize(bytes, name);
        Connection::open(self.path(name)).unwrap()
    }

    fn materialize(&self, mut bytes: &[u8], name: &str) -> PathBuf {
        let path = self.path(name);
        let mut stored = StoredContent { main: &mut bytes, side: &|_| Ok(None) };
        watched(|watch| self.engine().materialize(&mut stored, &path, watch)).unwrap();
        path
    }

    fn examine(&self, mut bytes: &[u8], recorded: &Previous) -> Result<Evidence, EngineError> {
        let scratch = self.path("scratch");
        let request = ExamineRequest {
            caller: &crate::engines::testing::NoCaller,
            facts: &BTreeMap::new(),
            level: self.level,
            checks: &self.checks,
            tables: self.tables.as_ref(),
            recorded,
            previous: self.previous.as_ref(),
            captured_at: now(),
            scratch: &scratch,
        };
        let mut stored = StoredContent { main: &mut bytes, side: &|_| Ok(None) };
        let evidence = watched(|watch| self.engine().examine(&mut stored, &request, watch));
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "something was left in the scratch folder");
        evidence
    }
}

fn now() -> chrono::DateTime<chrono::Utc> {
    "2026-01-05T07:00:00Z".parse().unwrap()
}

fn watched<T>(work: impl FnOnce(&Watch<'_>) -> T) -> T {
    let cancel = Cancel::default();
    work(&Watch::new(&cancel, Some(Instant::now() + Duration::from_secs(30)), &|_| ()))
}

fn one<T: rusqlite::types::FromSql>(connection: &Connection, sql: &str) -> T {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn check(name: &str, sql: &str, expect: Expectation) -> Check {
    let query = Query::Sql(sql.to_owned());
    Check {
        name: name.to_owned(),
        query,
        expect,
        on_fail: OnFail::Fail,
        span: Span::default(),
        query_span: Span::default(),
    }
}

fn globs(globs: &[&str]) -> Vec<Spanned<String>> {
    globs.iter().map(|glob| Spanned::new((*glob).to_owned(), Span::default())).collect()
}

/// Everything of a folder, by name, to compare before and after.
fn listing(folder: &Path) -> Vec<(String, u64)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
        .collect();
    files.sort();
    files
}
