//! The user's tables of a SQLite database, and their rows.

use super::{
    super::{
        EngineError,
        tables::{Rows, quoted},
    },
    open::Database,
};

impl Database {
    /// The user's tables by name: virtual ones too, but neither SQLite's own nor the shadows of virtual ones.
    pub(super) fn user_tables(&self) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.connection.prepare(
            "SELECT name FROM pragma_table_list \
             WHERE schema = 'main' AND type IN ('table', 'virtual') AND lower(substr(name, 1, 7)) <> 'sqlite_' \
             ORDER BY name",
        )?;
        let names = statement.query_map([], |row| row.get(0))?;
        names.collect()
    }

    /// The rows of a table.
    pub(super) fn count(&self, table: &str) -> rusqlite::Result<u64> {
        let query = format!("SELECT count(*) FROM main.{}", quoted(table));
        self.connection.query_row(&query, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
    }

    /// Counts the rows of every user table; what cannot be counted, as a virtual table whose module is not here, comes
    /// with the reason instead.
    pub(super) fn rows(&self) -> Result<Rows, EngineError> {
        let mut rows = Rows::new();
        for table in self.user_tables().map_err(|error| self.library("list the tables of", &error))? {
            let counted = match self.count(&table) {
                Err(error)
                    if super::open::code(&error) == Some(rusqlite::ErrorCode::OperationInterrupted) =>
                {
                    return Err(self.library("count the rows of", &error));
                }
                counted => counted.map_err(|error| error.to_string()),
            };
            rows.insert(table, counted);
        }
        Ok(rows)
    }
}
