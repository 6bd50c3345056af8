//! DuckDB databases of the tests. What this process opens is for the program another process.

use super::Sandbox;
use duckdb::{Config, Connection};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// A table with a column of every type that the library can make without an extension, and rows with the least and the
/// greatest value of each and NULLs; and everything else that a schema can hold.
pub(crate) const EVERYTHING: &str = "\
CREATE TABLE everything AS SELECT * FROM test_all_types();
CREATE SEQUENCE numbers START 40; SELECT nextval('numbers'); SELECT nextval('numbers');
CREATE TYPE mood AS ENUM ('glad', 'so so');
CREATE TABLE parent (id INTEGER PRIMARY KEY, name VARCHAR DEFAULT 'Ünïcode \"quoted\"');
CREATE TABLE child (id INTEGER REFERENCES parent, feels mood, twice INTEGER GENERATED ALWAYS AS (id * 2));
INSERT INTO parent VALUES (1, 'a'), (2, NULL); INSERT INTO child VALUES (1, 'glad'), (2, 'so so');
CREATE TABLE \"odd name\"\" Ω\" (\"the row\" BLOB); INSERT INTO \"odd name\"\" Ω\" VALUES ('\\x00\\x01'::BLOB), (NULL);
CREATE TABLE hollow (x INTEGER);
CREATE SCHEMA second; CREATE TABLE second.parent AS SELECT range AS x FROM range(3000);
CREATE VIEW glad AS SELECT * FROM child WHERE feels = 'glad'; CREATE VIEW gladder AS SELECT * FROM glad;
CREATE MACRO plus(a, b) AS a + b; CREATE INDEX by_x ON second.parent (x); COMMENT ON TABLE hollow IS 'nothing in it';
";

impl Sandbox {
    /// Makes or changes a DuckDB database, and closes it again.
    pub(crate) fn duck(&self, place: &str, sql: &str) -> PathBuf {
        let path = self.path(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        path
    }

    /// Opens a DuckDB database to write, and so keeps it.
    pub(crate) fn hold(&self, place: &str) -> Connection {
        Connection::open(self.path(place)).unwrap()
    }

    /// Makes a database as a writer leaves it that was killed: its last commits stand in the log alone.
    pub(crate) fn torn_off(&self, place: &str, made: &str, logged: &str) -> PathBuf {
        let maker = self.path(&format!("{place}.maker"));
        let connection = Connection::open(&maker).unwrap();
        connection.execute_batch(&format!("{made}; CHECKPOINT; {logged}")).unwrap();
        let live = self.path(place);
        for suffix in ["", ".wal"] {
            let of = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
            fs::copy(of(&maker), of(&live)).unwrap();
        }
        drop(connection);
        fs::remove_file(&maker).unwrap();
        live
    }
}

/// The first column of the first row, as text.
pub(crate) fn ask(path: &Path, sql: &str) -> String {
    let config = Config::default().access_mode(duckdb::AccessMode::ReadOnly).unwrap();
    let connection = Connection::open_with_flags(path, config).unwrap();
    connection.query_row(&format!("SELECT ({sql})::VARCHAR"), [], |row| row.get(0)).unwrap()
}

/// What a database holds: every entry of its schema, and of every table the number and the digest of its rows.
pub(crate) fn content(path: &Path) -> BTreeMap<String, String> {
    let config = Config::default().access_mode(duckdb::AccessMode::ReadOnly).unwrap();
    let connection = Connection::open_with_flags(path, config).unwrap();
    let mut content = BTreeMap::new();
    let mut note = |sql: &str| {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
        content.extend(rows.unwrap().map(Result::unwrap));
    };
    for entry in [
        "SELECT 'table ' || schema_name || '.' || table_name, concat(sql, comment) FROM duckdb_tables()",
        "SELECT 'view ' || schema_name || '.' || view_name, sql FROM duckdb_views() WHERE NOT internal",
        "SELECT 'index ' || index_name, sql FROM duckdb_indexes()",
        "SELECT 'sequence ' || sequence_name, concat(last_value, '/', sql) FROM duckdb_sequences()",
        "SELECT 'type ' || type_name, coalesce(labels::VARCHAR, '') FROM duckdb_types() WHERE NOT internal",
        "SELECT 'macro ' || function_name, macro_definition FROM duckdb_functions() \
         WHERE NOT internal AND macro_definition IS NOT NULL",
    ] {
        note(entry);
    }
    let mut tables = connection
        .prepare("SELECT format('\"{}\".\"{}\"', schema_name, replace(table_name, '\"', '\"\"')) FROM duckdb_tables()")
        .unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for table in tables {
        let sql = format!("SELECT concat(count(*), ' rows, ', sum(hash(\"a row\"))) FROM {table} \"a row\"");
        let rows: String = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
        content.insert(format!("rows {table}"), rows);
    }
    content
}
