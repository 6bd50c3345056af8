//! What is shown of one content: soundness, the declared checks, and what every level implies.

use super::{
    super::{
        EngineError, Previous,
        examination::{Examination, MOST_FINDINGS, damaged},
        expectation::{Answer, Value},
        tables::{Classes, Rows, counts_as_irreplaceable, quoted},
    },
    examiner::{Examiners, Heard},
    open::{self, Database},
};
use crate::{
    evidence::{CheckResult, Evidence, Integrity},
    policy::{
        model::{Expectation, Query},
        values::Level,
    },
    watch::Watch,
};
use rusqlite::{
    ErrorCode,
    hooks::{AuthAction, AuthContext, Authorization},
    types::ValueRef,
};

impl Database {
    /// Examines what the connection sees. The caller holds a transaction, or the file does not change.
    ///
    /// With examiners, which see the same, what reads all of it is asked of them, while this connection answers the rest.
    pub(super) fn examine(
        &mut self,
        examiners: Option<Examiners>,
        asked: &Examination<'_>,
        watch: &Watch<'_>,
    ) -> Result<Evidence, EngineError> {
        if asked.level < Level::Integrity {
            let rows = asked.tables.map(|_| self.listed(watch)).transpose()?;
            return asked.found(Integrity::Skipped, self.answers(asked, watch)?, rows);
        }
        let mut lost = None;
        if let Some(mut examiners) = examiners {
            examiners.ask();
            let checks = self.answers(asked, watch)?;
            match examiners.hear(watch)? {
                Heard::All(integrity, rows) => return asked.found(integrity, checks, Some(rows)),
                // This connection stands on the same moment.
                Heard::Lost(how) => lost = Some(how),
            }
        }
        let integrity = match self.structure(watch)? {
            Integrity::Sound => self.references(watch)?,
            unsound => unsound,
        };
        let checks = self.answers(asked, watch)?;
        let rows = self.listed(watch)?;
        let mut evidence = asked.found(integrity, checks, Some(rows))?;
        evidence.warnings.extend(lost);
        Ok(evidence)
    }

    /// Whether SQLite finds the structure sound.
    pub(super) fn structure(&mut self, watch: &Watch<'_>) -> Result<Integrity, EngineError> {
        self.stop_with(watch).map_err(|error| self.library("watch", &error))?;
        // One more than is recorded, so that the last line can say that there are more.
        match self.findings("PRAGMA integrity_check(21)", watch)? {
            Ok(lines) if is_ok(&lines) => Ok(Integrity::Sound),
            Ok(lines) => Ok(damaged(lines)),
            Err(Unable::Damaged(why)) => Ok(damaged(vec![why])),
            // What stops the full check, as a missing collation, may not stop the shorter one; what that one finds is
            // damage all the same.
            Err(Unable::Unverifiable(why)) => Ok(match self.findings("PRAGMA quick_check(21)", watch)? {
                Ok(lines) if !is_ok(&lines) => damaged(lines),
                Err(Unable::Damaged(damage)) => damaged(vec![damage]),
                Ok(_) | Err(Unable::Unverifiable(_)) => Integrity::Unverifiable(vec![why]),
            }),
        }
    }

    /// Whether every foreign key finds its row.
    pub(super) fn references(&mut self, watch: &Watch<'_>) -> Result<Integrity, EngineError> {
        self.stop_with(watch).map_err(|error| self.library("watch", &error))?;
        Ok(match self.findings(FOREIGN_KEYS, watch)? {
            Ok(lines) if lines.is_empty() => Integrity::Sound,
            Ok(lines) => damaged(lines),
            Err(Unable::Damaged(why)) => damaged(vec![why]),
            Err(Unable::Unverifiable(why)) => Integrity::Unverifiable(vec![format!("foreign keys: {why}")]),
        })
    }

    /// The tables with their rows; the inner error is why they cannot be listed.
    fn listed(&mut self, watch: &Watch<'_>) -> Result<Result<Rows, String>, EngineError> {
        self.stop_with(watch).map_err(|error| self.library("watch", &error))?;
        match self.rows() {
            Ok(rows) => Ok(Ok(rows)),
            Err(EngineError::Library { message, .. }) => {
                watch.check()?;
                Ok(Err(message))
            }
            Err(other) => Err(other),
        }
    }

    /// The declared checks, where the level asks for them.
    fn answers(
        &mut self,
        asked: &Examination<'_>,
        watch: &Watch<'_>,
    ) -> Result<Vec<CheckResult>, EngineError> {
        if asked.level < Level::Checks {
            return Ok(Vec::new());
        }
        self.stop_with(watch).map_err(|error| self.library("watch", &error))?;
        let mut results = Vec::new();
        for check in asked.checks {
            watch.check()?;
            let answer = match self.answer(&check.query) {
                Ok(answer) => Ok(answer),
                Err(error) => {
                    watch.check()?;
                    Err(error.to_string())
                }
            };
            results.push(asked.judge(check, answer));
        }
        Ok(results)
    }

    /// The short structure check, for what is about to be written or was just written.
    pub(super) fn is_structurally_sound(&self, watch: &Watch<'_>) -> Result<bool, EngineError> {
        Ok(match self.findings("PRAGMA quick_check(1)", watch)? {
            Ok(lines) => is_ok(&lines),
            // What cannot be judged, as with a missing collation, is not known to be damaged.
            Err(Unable::Unverifiable(_)) => true,
            Err(Unable::Damaged(_)) => false,
        })
    }

    fn findings(&self, sql: &str, watch: &Watch<'_>) -> Result<Result<Vec<String>, Unable>, EngineError> {
        let lines = self.connection.prepare(sql).and_then(|mut statement| {
            let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
            lines.take(MOST_FINDINGS + 1).collect::<rusqlite::Result<Vec<_>>>()
        });
        let error = match lines {
            Ok(lines) => return Ok(Ok(lines)),
            Err(error) => error,
        };
        watch.check()?;
        match open::code(&error) {
            _ if open::is_damage(&error) => Ok(Err(Unable::Damaged(error.to_string()))),
            // SQLITE_ERROR is what an unknown collation, function or a broken reference gives; the rest is the host's.
            Some(ErrorCode::Unknown) => Ok(Err(Unable::Unverifiable(error.to_string()))),
            _ => Err(self.library("check", &error)),
        }
    }

    /// What the source answers where the copy is to answer the same, and the rows of its tables.
    pub(super) fn source_answers(
        &mut self,
        asked: &Examination<'_>,
        watch: &Watch<'_>,
    ) -> Result<Previous, EngineError> {
        let mut source = Previous::default();
        if asked.level < Level::Checks {
            return Ok(source);
        }
        self.stop_with(watch).map_err(|error| self.library("watch", &error))?;
        for check in asked.checks.iter().filter(|check| check.expect == Expectation::SameAsSource) {
            watch.check()?;
            if let Ok(answer) = self.answer(&check.query)
                && let Some(whole) = answer.whole()
            {
                source.answers.insert(check.name.clone(), whole);
            }
        }
        watch.check()?;
        if let Some(tables) = asked.tables {
            let classes = Classes::new(tables)?;
            for table in self.user_tables().unwrap_or_default() {
                let class = classes.class(&table);
                if let (true, Ok(rows)) = (counts_as_irreplaceable(class), self.count(&table)) {
                    source.tables.insert(table, crate::evidence::TableFact { class, rows });
                }
            }
        }
        watch.check()?;
        Ok(source)
    }

    /// Runs a declared query, which can read and nothing else.
    fn answer(&mut self, query: &Query) -> rusqlite::Result<Answer> {
        let sql = match query {
            Query::Rows(table) => format!("SELECT count(*) FROM main.{}", quoted(table)),
            Query::Sql(sql) => sql.clone(),
        };
        self.connection.authorizer(Some(reading_only))?;
        let answer = first_row(&self.connection, &sql);
        self.connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        answer
    }
}

/// One line for each row of a table that refers to a row that is not there.
const FOREIGN_KEYS: &str = "SELECT 'row ' || coalesce(rowid, '?') || ' of ' || \"table\" || ' refers to a row of ' \
     || parent || ' that is not there' FROM pragma_foreign_key_check LIMIT 21";

/// Why a check of soundness did not end.
enum Unable {
    Damaged(String),
    Unverifiable(String),
}

fn is_ok(lines: &[String]) -> bool {
    matches!(lines, [line] if line == "ok")
}

/// Lets a statement read, and nothing else: no write, no pragma that sets, no other file.
pub(super) fn reading_only(context: AuthContext<'_>) -> Authorization {
    // `data_version` is what FTS5 itself asks when it is searched.
    const PRAGMAS: [&str; 16] = [
        "application_id",
        "data_version",
        "encoding",
        "foreign_key_list",
        "freelist_count",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "page_count",
        "page_size",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
        "user_version",
    ];
    const WITH_ARGUMENT: [&str; 8] = [
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "quick_check",
        "table_info",
        "table_xinfo",
    ];
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if !function_name.eq_ignore_ascii_case("load_extension") => {
            Authorization::Allow
        }
        AuthAction::Pragma { pragma_name, pragma_value } => {
            let name = pragma_name.to_ascii_lowercase();
            let argument = pragma_value.is_none() || WITH_ARGUMENT.contains(&name.as_str());
            if argument && PRAGMAS.contains(&name.as_str()) {
                Authorization::Allow
            } else {
                Authorization::Deny
            }
        }
        _ => Authorization::Deny,
    }
}

fn first_row(connection: &rusqlite::Connection, sql: &str) -> rusqlite::Result<Answer> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    // The authorizer and `query_only` refuse the same; three fences, as a check runs on a live database.
    if !statement.readonly() || columns == 0 {
        return Err(rusqlite::Error::InvalidQuery);
    }
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(Answer::default()) };
    let values =
        (0..columns).map(|index| row.get_ref(index).map(value)).collect::<rusqlite::Result<Vec<_>>>()?;
    let more = rows.next()?.is_some();
    Ok(Answer { row: Some(values), more })
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::blob(bytes),
    }
}
