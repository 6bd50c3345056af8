//! What DuckDB itself does with a copy: opens it to read, counts, scans, answers. The only file that calls the library.

use super::{
    super::{
        expectation::shortened,
        tables::{Rows, quoted},
    },
    report::{Order, Question, Report, Row, Task},
};
use duckdb::{
    AccessMode, Config, Connection,
    arrow::{
        record_batch::RecordBatch,
        util::display::{ArrayFormatter, FormatOptions},
    },
};

/// What the library may keep in memory; what does not fit goes to the scratch folder.
const MEMORY: &str = "256MB";

/// Longest value that is handed on whole, in bytes.
const LONGEST: usize = 4_096;

/// How many threads of the library work at once.
const THREADS: i64 = 2;

/// The alias of a table whose rows are hashed whole; no column bears such a name.
const ALIAS: &str = "\"the row of policy\"";

/// Asks for the oldest release that can read the database.
const STORAGE_VERSION: &str =
    "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = current_database()";

/// A table of the user.
struct Table {
    /// As it is shown: without its schema where that is `main`.
    shown: String,
    schema: String,
    name: String,
}

impl Table {
    fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

/// Does what is asked.
pub(super) fn work(task: &Task) -> Report {
    let done = match task {
        Task::Examine(order) => return examine(order),
        Task::Export { path, to } => export(path, to),
        Task::Import { from, to, storage } => import(from, to, storage.as_deref()).map(|()| None),
    };
    let mut report = Report { folder: folder_of(task.path()), ..Report::default() };
    match done {
        Ok(storage) => report.storage = storage,
        Err(error) => report.note(&error),
    }
    report
}

/// Writes everything as Parquet with the statements that make the schema, and returns the storage version. No query of
/// anybody's runs here.
fn export(path: &str, to: &str) -> duckdb::Result<Option<String>> {
    let config = settings()?.access_mode(AccessMode::ReadOnly)?.with("preserve_insertion_order", "false")?;
    let connection = Connection::open_with_flags(path, config)?;
    connection.execute_batch(&format!("EXPORT DATABASE {} (FORMAT parquet, COMPRESSION zstd)", text(to)))?;
    // As `v1.2.0+`; what asks for it takes no `+`.
    let storage = first(&connection, STORAGE_VERSION)?.into_scalar();
    Ok(storage.map(|version| version.trim_end_matches('+').to_owned()))
}

/// Makes a new database of an export, in the storage version that the exported one had.
fn import(from: &str, to: &str, storage: Option<&str>) -> duckdb::Result<()> {
    let connection = Connection::open_in_memory_with_flags(settings()?)?;
    // What is imported are statements: they reach no file but those of the export and of the new database.
    let around = |path: &str| path.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned();
    connection.execute_batch(&format!(
        "SET temp_directory = {}; SET allowed_directories = [{}, {}]; SET enable_external_access = false; \
         SET lock_configuration = true",
        text(&format!("{to}.tmp")),
        text(&format!("{from}/")),
        text(&format!("{}/", around(to)))
    ))?;
    let storage = storage.map(|version| format!(" (STORAGE_VERSION {})", text(version))).unwrap_or_default();
    connection.execute_batch(&format!("ATTACH {} AS restored{storage}; USE restored", text(to)))?;
    connection.execute_batch(&format!("IMPORT DATABASE {}", text(from)))?;
    connection.execute_batch("CHECKPOINT restored; USE memory; DETACH restored")
}

/// What every connection is bound to: no code is loaded from anywhere, and memory has a limit.
fn settings() -> duckdb::Result<Config> {
    Config::default().enable_autoload_extension(false)?.max_memory(MEMORY)?.threads(THREADS)
}

/// A text as SQL writes it.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Opens a copy and answers.
fn examine(order: &Order) -> Report {
    let mut report = Report { folder: folder_of(&order.path), ..Report::default() };
    let connection = match open(order) {
        Ok(connection) => connection,
        Err(error) => {
            report.note(&error);
            return report;
        }
    };
    report.library = connection.version().unwrap_or_default();
    report.storage = first(&connection, STORAGE_VERSION).ok().and_then(Row::into_scalar);
    let tables = tables(&connection);
    if order.tables {
        report.tables = Some(match &tables {
            Ok(tables) => Ok(count(&connection, tables, order.scan, &mut report)),
            Err(error) => {
                report.note(error);
                Err(report.words(error))
            }
        });
    }
    let tables = tables.unwrap_or_default();
    for question in &order.questions {
        let sql = match question {
            Question::Sql(sql) => sql.clone(),
            Question::Rows(name) => format!("SELECT count(*) FROM {}", named(&tables, name)),
        };
        let answer = first(&connection, &sql).map_err(|error| report.words(&error));
        report.answers.push(answer);
    }
    report
}

/// Opens it read only: nothing of it or beside it changes. Neither it nor a query can reach any other file, or load code.
fn open(order: &Order) -> duckdb::Result<Connection> {
    // In this order: without external access no folder can be named any more.
    let config = settings()?
        .access_mode(AccessMode::ReadOnly)?
        .with("temp_directory", order.scratch.as_deref().unwrap_or_default())?
        .enable_external_access(false)?;
    let connection = Connection::open_with_flags(&order.path, config)?;
    connection.execute_batch("SET lock_configuration = true")?;
    Ok(connection)
}

fn tables(connection: &Connection) -> duckdb::Result<Vec<Table>> {
    let mut statement = connection.prepare(
        "SELECT schema_name, table_name FROM duckdb_tables() \
         WHERE database_name = current_database() AND NOT internal AND NOT temporary ORDER BY ALL",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let table = |(schema, name): (String, String)| {
        let shown = if schema == "main" { name.clone() } else { format!("{schema}.{name}") };
        Table { shown, schema, name }
    };
    rows.map(|row| row.map(table)).collect()
}

/// Counts the rows of every table; with `scan` by reading every value of each, which finds damaged blocks.
fn count(connection: &Connection, tables: &[Table], scan: bool, report: &mut Report) -> Rows {
    let mut rows = Rows::new();
    for table in tables {
        let from = table.quoted();
        let sql = if scan {
            format!("SELECT count(*), sum(hash({ALIAS})) FROM {from} {ALIAS}")
        } else {
            format!("SELECT count(*) FROM {from}")
        };
        let counted = connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
        let counted = counted.map(i64::unsigned_abs).map_err(|error| {
            if scan {
                report.note_of(&format!("table `{}`: ", table.shown), &error);
            }
            report.words(&error)
        });
        rows.insert(table.shown.clone(), counted);
    }
    rows
}

/// How a table that somebody wrote is named in SQL: as one that is there, else by its parts.
fn named(tables: &[Table], written: &str) -> String {
    let is_meant = |table: &&Table| {
        let whole = format!("{}.{}", table.schema, table.name);
        table.shown.eq_ignore_ascii_case(written) || whole.eq_ignore_ascii_case(written)
    };
    tables
        .iter()
        .find(is_meant)
        .map_or_else(|| written.split('.').map(quoted).collect::<Vec<_>>().join("."), Table::quoted)
}

/// The first row of what a query answers. Only as much is fetched as that takes.
fn first(connection: &Connection, sql: &str) -> duckdb::Result<Row> {
    // The query as it was written first: its own errors are told in its own words.
    let mut statement = connection.prepare(sql)?;
    if let Ok(as_text) = connection.prepare(&in_words(sql)) {
        statement = as_text;
    }
    let mut found = Row::default();
    for batch in statement.stream_arrow([])? {
        let batch = batch?;
        match batch.num_rows() {
            0 => continue,
            _ if found.values.is_some() => found.more = true,
            rows => {
                found.values = Some(texts(&batch)?);
                found.more = rows > 1;
            }
        }
        if found.more {
            break;
        }
    }
    Ok(found)
}

/// The same query, whose values the library itself puts into words: it alone knows all of its types, and their ranges. A
/// time with a zone is told in UTC, for the extension that knows other zones is never loaded.
fn in_words(sql: &str) -> String {
    let sql = sql.trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    // On a line of its own: the query may end in a comment.
    format!("SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({sql}\n)")
}

/// The values of a batch's first row as text. Those of a statement that is no query, such as `PRAGMA`, come as they are.
fn texts(batch: &RecordBatch) -> duckdb::Result<Vec<Option<String>>> {
    let options = FormatOptions::new().with_null("NULL");
    let failed = |error: duckdb::arrow::error::ArrowError| {
        duckdb::Error::DuckDBFailure(duckdb::ffi::Error::new(1), Some(error.to_string()))
    };
    batch
        .columns()
        .iter()
        .map(|column| {
            if column.is_null(0) {
                return Ok(None);
            }
            let formatter = ArrayFormatter::try_new(column, &options).map_err(failed)?;
            // What cannot be put into words is an error, and no value that says so.
            let text = formatter.value(0).try_to_string().map_err(failed)?;
            // What is recorded is short; a long text is handed on as its beginning and its digest.
            Ok(Some(if text.len() > LONGEST { shortened(&text) } else { text }))
        })
        .collect()
}

impl Row {
    fn into_scalar(self) -> Option<String> {
        self.values?.into_iter().next().flatten()
    }
}

impl Report {
    /// The library's words on one line, without the folder of the copy: it says nothing to anybody, and may hold words that
    /// would be taken for the library's.
    fn words(&self, error: &duckdb::Error) -> String {
        let words = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if self.folder.is_empty() { words } else { words.replace(&self.folder, "") }
    }

    fn note(&mut self, error: &duckdb::Error) {
        self.note_of("", error);
    }

    /// Notes an error of reading: as damage where the library says so, else as what could not be judged.
    fn note_of(&mut self, of: &str, error: &duckdb::Error) {
        let said = self.words(error);
        if is_damage(&said) {
            self.damage.push(format!("{of}{said}"));
        } else {
            self.unverifiable.push(format!("{of}{said}"));
        }
    }
}

/// Whether the library's words say that the file is damaged. A format that it does not know, encryption, a missing
/// extension or a want of memory are none.
pub(super) fn is_damage(said: &str) -> bool {
    const NOT_JUDGED: [&str; 5] = ["version number", "newer", "encrypt", "xtension", "Out of Memory"];
    const DAMAGED: [&str; 8] = [
        "Corrupt",
        "checksum",
        "not a valid DuckDB database file",
        "Serialization Error",
        "Failed to deserialize",
        "replaying WAL",
        "WAL was created for",
        "Could not read enough bytes",
    ];
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    says(&DAMAGED) && (!says(&NOT_JUDGED) || said.contains("checksum"))
}

/// The folder that a path lies in, with the separator.
fn folder_of(path: &str) -> String {
    path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default()
}
