//! What is asked of one state of a database, in one transaction that reads: rows and checks.

use super::{
    server::Server,
    session::{Session, SessionError, SessionOptions},
    tables::{Excluded, Tables},
};
use crate::{
    engines::{
        EngineError,
        examination::Examination,
        expectation::{Answer, Value},
        tables::Rows,
    },
    evidence::{CheckResult, Evidence, Integrity},
    policy::{model::Query, values::Level},
    watch::Watch,
};
use std::time::Duration;

/// How long a lock may be waited for. Without an end a dump, and everybody behind it, would wait for an `ALTER TABLE` that
/// never ends.
pub(super) const LOCK_WAIT: Duration = Duration::from_mins(1);

/// What a session that reads is made with.
pub(super) const READING: SessionOptions =
    SessionOptions { read_only: true, lock_timeout: Some(LOCK_WAIT), statement_timeout: None };

/// Opens a session on a database, and begins to read it.
pub(super) fn open(
    server: &Server,
    database: &str,
    watch: &Watch<'_>,
) -> Result<(Session, Tables), EngineError> {
    let mut session = server.session(database, &READING, watch).map_err(failed)?;
    let tables = begin(&mut session, watch)?;
    Ok((session, tables))
}

/// Begins a transaction that sees one state and nothing but all of it, and tells its tables. Rows that a policy of the
/// database hides would make counts wrong, and are an error instead, as in `pg_dump`.
pub(super) fn begin(session: &mut Session, watch: &Watch<'_>) -> Result<Tables, EngineError> {
    let mut begun = || {
        session.begin(None, watch)?;
        session.execute("SET LOCAL row_security = off", watch)?;
        Tables::of(session, watch)
    };
    begun().map_err(failed)
}

/// What a state answered.
#[derive(Debug)]
pub(super) struct Seen {
    rows: Option<Rows>,
    checks: Vec<CheckResult>,
}

impl Seen {
    /// The rows of each table, where they were asked for and could be counted.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&str, u64)> {
        let counted = self.rows.iter().flatten();
        counted.filter_map(|(name, rows)| Some((name.as_str(), *rows.as_ref().ok()?)))
    }

    /// What it comes to.
    pub(super) fn judged(
        self,
        asked: &Examination<'_>,
        integrity: Integrity,
    ) -> Result<Evidence, EngineError> {
        asked.found(integrity, self.checks, self.rows.map(Ok))
    }
}

/// Asks everything that an examination wants to know.
pub(super) fn ask(
    session: &mut Session,
    tables: &Tables,
    excluded: &Excluded,
    asked: &Examination<'_>,
    watch: &Watch<'_>,
) -> Result<Seen, SessionError> {
    let counts = asked.level >= Level::Integrity || asked.tables.is_some();
    let rows = if counts { Some(tables.count(session, excluded, watch)?) } else { None };
    let mut checks = Vec::new();
    for check in if asked.level >= Level::Checks { asked.checks } else { &[] } {
        let query = match &check.query {
            // The copy would answer something else than the source, and no restore would pass.
            Query::Rows(table) if excluded.holds(table) => {
                let why = "its rows are left out by `exclude_table_data`".to_owned();
                checks.push(asked.judge(check, Err(why)));
                continue;
            }
            Query::Rows(table) => format!("SELECT pg_catalog.count(*) FROM {}", tables.named(table)),
            Query::Sql(sql) => sql.clone(),
        };
        let answer = match session.guarded_rows(&query, 1, watch) {
            Ok(found) => {
                let value = |text: Option<String>| text.map_or(Value::Null, Value::Text);
                let more = found.count > 1;
                let row = found.rows.into_iter().next();
                Ok(Answer { row: row.map(|row| row.into_iter().map(value).collect()), more })
            }
            Err(SessionError::Server { message, .. }) => Err(message),
            Err(SessionError::Statement(error)) => Err(error.to_string()),
            Err(error) => return Err(error),
        };
        checks.push(asked.judge(check, answer));
    }
    Ok(Seen { rows, checks })
}

/// Words an error of a session for who asked for something else.
pub(super) fn failed(error: SessionError) -> EngineError {
    match error {
        SessionError::Stopped(stopped) => stopped.into(),
        other => EngineError::Program(other.to_string()),
    }
}
