//! Whether a text is SQL at all, asked of SQLite without any database.

use super::checks::reading_only;
use rusqlite::{Connection, ErrorCode};

/// Why a query can never be answered, whatever the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeverAnswered {
    /// The offset in the query at which it shows, if SQLite says, in bytes.
    pub at: Option<usize>,
    /// SQLite's words for it.
    pub message: String,
}

/// SQLite without a database, to be asked about queries.
pub struct Syntax(Connection);

impl Syntax {
    /// Opens it; `None` when SQLite cannot be had at all.
    pub fn new() -> Option<Self> {
        let mut connection = Connection::open_in_memory().ok()?;
        connection.authorizer(Some(reading_only)).ok()?;
        Some(Self(connection))
    }

    /// Prepares a query against nothing: what is missing there (tables, columns, functions, collations) says nothing, a
    /// text that is no SQL and what a check may not do are told.
    pub fn never_answered(&self, sql: &str) -> Option<NeverAnswered> {
        let (error, message, at) = match self.0.prepare(sql).err()? {
            rusqlite::Error::SqlInputError { error, msg, offset, .. } => {
                (error, msg, usize::try_from(offset).ok())
            }
            rusqlite::Error::SqliteFailure(error, message) => (error, message.unwrap_or_default(), None),
            _ => return None,
        };
        let is_refused = error.code == ErrorCode::AuthorizationForStatementDenied;
        let no_sql = ["syntax error", "incomplete input", "unrecognized token"];
        let is_told = is_refused || no_sql.iter().any(|words| message.contains(words));
        let at = at.filter(|at| *at <= sql.len() && sql.is_char_boundary(*at));
        is_told.then_some(NeverAnswered { at, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_sql_or_may_not_be_asked_is_told_and_what_is_missing_is_not() {
        let syntax = Syntax::new().unwrap();
        let said = |sql: &str| syntax.never_answered(sql).map(|never| (never.at, never.message));
        for sql in [
            "SELECT count(*) FROM orders",
            "SELECT x COLLATE odd FROM t",
            "PRAGMA user_version",
            "VALUES (1)",
        ] {
            assert_eq!(said(sql), None, "{sql}");
        }
        assert_eq!(said("SELCT 1").unwrap().0, Some(0));
        assert_eq!(said("SELECT count(*) FROM a WHRE x > 1").unwrap().0, Some(28));
        assert!(said("SELECT count(*) FROM orders WHERE").unwrap().1.contains("incomplete"));
        assert!(said("SELECT (1").is_some());
        assert!(said(".tables").is_some());
        assert!(said("PRAGMA user_version = 5").is_some());
    }
}
