//! What a database or a folder holds, as comparable text: schema, pragmas and a digest of every table's rows.

#![allow(dead_code, reason = "every file of tests takes what it needs")]
#![allow(clippy::unwrap_used, reason = "a database that cannot be read is a failed test")]

use rusqlite::{
    Connection, OpenFlags,
    types::{Value, ValueRef},
};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, fs, io::Read as _, path::Path};

/// Everything that a restore must bring back, by name.
pub(crate) type Content = BTreeMap<String, String>;

/// The pragmas that are stored in the file.
const PRAGMAS: [&str; 6] =
    ["user_version", "application_id", "page_size", "encoding", "journal_mode", "auto_vacuum"];

/// What a connection sees: every schema entry, the stored pragmas, and of every table its rows' count and the digest of
/// its rows in order, each value with its type.
pub(crate) fn of_database(connection: &Connection) -> Content {
    let mut content = Content::new();
    for pragma in PRAGMAS {
        let value = connection.pragma_query_value(None, pragma, |row| row.get::<_, Value>(0)).unwrap();
        content.insert(format!("pragma {pragma}"), format!("{value:?}"));
    }
    let mut schema = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema").unwrap();
    let mut entries = schema.query([]).unwrap();
    let mut tables = Vec::new();
    while let Some(entry) = entries.next().unwrap() {
        let (kind, name): (String, String) = (entry.get(0).unwrap(), entry.get(1).unwrap());
        let (table, sql): (String, Option<String>) = (entry.get(2).unwrap(), entry.get(3).unwrap());
        content.insert(format!("{kind} {name}"), format!("on {table}: {sql:?}"));
        if kind == "table" {
            tables.push(name);
        }
    }
    for table in tables {
        content.insert(format!("rows {table}"), rows(connection, &table));
    }
    content
}

fn rows(connection: &Connection, table: &str) -> String {
    let keyed = "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1";
    let without_rowid: bool = connection.query_row(keyed, [table], |row| row.get(0)).unwrap();
    // A table without rowids is in the order of its key; the others also show their rowids.
    let columns = if without_rowid { "*" } else { "rowid, *" };
    let order = if without_rowid { "" } else { "ORDER BY rowid" };
    let quoted = table.replace('"', "\"\"");
    let mut statement = connection.prepare(&format!("SELECT {columns} FROM \"{quoted}\" {order}")).unwrap();
    let width = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let (mut count, mut digest) = (0, Sha256::new());
    while let Some(row) = rows.next().unwrap() {
        count += 1;
        for column in 0..width {
            let (kind, bytes): (u8, Vec<u8>) = match row.get_ref(column).unwrap() {
                ValueRef::Null => (0, Vec::new()),
                ValueRef::Integer(value) => (1, value.to_le_bytes().to_vec()),
                ValueRef::Real(value) => (2, value.to_bits().to_le_bytes().to_vec()),
                ValueRef::Text(text) => (3, text.to_vec()),
                ValueRef::Blob(blob) => (4, blob.to_vec()),
            };
            digest.update([kind]);
            digest.update((bytes.len() as u64).to_le_bytes());
            digest.update(bytes);
        }
    }
    format!("{count} {}", hex::encode(digest.finalize()))
}

/// The content of a database file that nobody uses; nothing is written beside it.
pub(crate) fn of_still_file(path: &Path) -> Content {
    let uri = format!("file:{}?immutable=1", path.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri, flags).unwrap();
    let mut content = of_database(&connection);
    // An immutable connection cannot tell a log; the header can: 2 stands for write-ahead mode.
    let mut header = [0; 20];
    fs::File::open(path).unwrap().read_exact(&mut header).unwrap();
    if header[18] == 2 {
        content.insert("pragma journal_mode".to_owned(), format!("{:?}", Value::Text("wal".to_owned())));
    }
    content
}

/// Every file of a folder with its digest, every folder as such.
pub(crate) fn of_folder(folder: &Path) -> Content {
    let mut content = Content::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let what = if metadata.is_dir() {
                open.push(path);
                "folder".to_owned()
            } else {
                let modified = metadata.modified().unwrap();
                format!("{} {modified:?}", hex::encode(Sha256::digest(fs::read(&path).unwrap())))
            };
            content.insert(name, what);
        }
    }
    content
}

/// Demands that two contents are the same, and names what differs.
#[track_caller]
pub(crate) fn assert_same(actual: &Content, expected: &Content) {
    let differing: Vec<_> = expected
        .keys()
        .chain(actual.keys())
        .filter(|name| actual.get(*name) != expected.get(*name))
        .map(|name| format!("{name}: {:?} instead of {:?}", actual.get(name), expected.get(name)))
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// Decodes a stored `.zst` file to a place, by the stock library.
pub(crate) fn decode(stored: &Path, place: &Path) {
    let from = fs::File::open(stored).unwrap();
    zstd::stream::copy_decode(from, fs::File::create(place).unwrap()).unwrap();
}
