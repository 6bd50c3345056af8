//! The policies that come with the program: they are valid, quiet, and do what they say.

use crate::checkout::{Home, files, root, text};
use rusqlite::{Connection, OpenFlags, types::Value};
use std::{fs, path::Path};

/// Schema, pragmas and every row of a database.
fn content(db: &Connection) -> Vec<Vec<Value>> {
    let rows = |sql: &str| -> Vec<Vec<Value>> {
        let mut query = db.prepare(sql).unwrap();
        let columns = query.column_count();
        let rows = query.query_map([], |row| (0..columns).map(|column| row.get(column)).collect());
        rows.unwrap().map(Result::unwrap).collect()
    };
    let mut all = rows("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name");
    all.extend(rows("PRAGMA page_size"));
    all.extend(rows("PRAGMA user_version"));
    for table in ["customers", "orders", "price_cache"] {
        all.extend(rows(&format!("SELECT * FROM {table} ORDER BY 1")));
    }
    all
}

fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

#[test]
fn the_quickstart_database_is_what_its_sql_says() {
    let written = Connection::open_in_memory().unwrap();
    written.execute_batch(&text("tests/data/quickstart.sql")).unwrap();
    assert_eq!(content(&open(&root().join("policies/quickstart.db"))), content(&written));
}

#[test]
fn every_example_is_valid_and_nothing_warns() {
    let home = Home::new();
    let examples = files("policies", "yaml");
    assert!(examples.len() >= 2, "{examples:?}");
    for file in examples {
        let name = file.file_name().unwrap().to_str().unwrap();
        let first = text(&format!("policies/{name}"));
        assert_eq!(
            first.lines().next(),
            Some("# yaml-language-server: $schema=../schemas/policy.schema.json"),
            "{name}"
        );
        let report = home.policy(&["check", "--json", "--deny", "warnings", file.to_str().unwrap()]);
        assert_eq!(report.status, 0, "{report:#?}");
        for problem in report.json()["problems"].as_array().unwrap() {
            assert_eq!(problem["severity"], "note", "{name}: {problem:#}");
            assert_eq!(problem["code"], "policy::variable::unset", "{name}: {problem:#}");
        }
    }
}

#[test]
fn the_quickstart_runs_as_it_stands_and_gives_its_database_back() {
    let home = Home::new();
    let run = home.policy(&["run", "--policy", "policies/quickstart.yaml", "--json"]);
    assert_eq!(run.status, 0, "{run:#?}");
    let backup = &run.json()[0]["backups"][0];
    assert_eq!((&backup["proven"], &backup["level"]), (&true.into(), &"checks".into()), "{backup:#}");
    assert!(
        home.path("Backups/quickstart").join(backup["id"].as_str().unwrap()).join("manifest.json").is_file()
    );
    let back = home.path("back.db");
    home.policy(&["--policy", "policies/quickstart.yaml", "restore", "shop", "--to", back.to_str().unwrap()])
        .good();
    assert_eq!(content(&open(&back)), content(&open(&root().join("policies/quickstart.db"))));
}

/// The machine that prod.yaml is written for.
fn prod(home: &Home, mounted: bool) {
    let place = |name: &str| home.path(name).to_str().unwrap().to_owned();
    let policy = text("policies/prod.yaml").replace("min_free: 2GiB", "min_free: 1MiB");
    let policy = if mounted { policy } else { policy.replace("require_mount: true", "require_mount: false") };
    home.write("srv/policies/prod.yaml", &policy);
    let (database, disk) = (place("srv/data/shop.db"), place("disk"));
    home.write("srv/.env", &format!("DATABASE_PATH={database}\nexport BACKUP_DISK='{disk}'\n"));
    home.write("srv/uploads/a.jpg", "one");
    home.write("srv/uploads/2026/b.jpg", "two");
    home.write("srv/uploads/2026/c.tmp", "left out");
    home.write("srv/uploads/.cache/d", "left out");
    fs::create_dir_all(home.path("disk")).unwrap();
    home.write("srv/data/README", "");
    let db = Connection::open(&database).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);
         CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, placed TEXT);
         CREATE TABLE order_lines (id INTEGER PRIMARY KEY, text TEXT);
         CREATE TABLE payments (id INTEGER PRIMARY KEY, cents INTEGER);
         CREATE TABLE price_cache (sku TEXT, data BLOB);
         CREATE TABLE search_index (word TEXT);
         CREATE TABLE sessions (id TEXT);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
         INSERT INTO customers SELECT i, 'Zoë ' || i FROM n;
         INSERT INTO orders SELECT id, id, '2026-01-05T06:00:00Z' FROM customers;
         INSERT INTO payments SELECT id, id * 7 FROM customers;
         INSERT INTO price_cache VALUES ('a', randomblob(2000000));",
    )
    .unwrap();
    for n in 0..6 {
        db.execute_batch(&format!("CREATE TABLE order_archive_{n} (id INTEGER)")).unwrap();
    }
    for program in ["systemctl", "logger"] {
        home.fake(program);
    }
}

#[test]
fn the_prod_policy_backs_up_to_both_stores_and_calls_its_hooks() {
    let home = Home::new();
    prod(&home, false);
    let from = home.path("srv");
    let run = home.policy_from(&from, &["run", "nightly", "--json"]);
    assert_eq!(run.status, 0, "{run:#?}");
    let run = run.json();
    let mut pairs: Vec<String> = run[0]["backups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| {
            format!("{} in {}: {} {}", b["target"], b["store"], b["level"], b["proven"]).replace('"', "")
        })
        .collect();
    pairs.sort();
    let expected = [
        "shop in disk: checks true",
        "shop in local: checks true",
        "uploads in disk: integrity true",
        "uploads in local: integrity true",
    ];
    assert_eq!(pairs, expected);
    let calls = fs::read_to_string(home.path("calls")).unwrap();
    let run = run[0]["run"].as_str().unwrap();
    let logged = format!("logger -t policy {run}: no failure so far");
    let expected =
        ["systemctl --user stop shop-uploader", "systemctl --user start shop-uploader", logged.as_str()];
    assert_eq!(calls.lines().collect::<Vec<_>>(), expected);
    home.policy_from(&from, &["restore", "uploads", "--store", "disk", "--to", "back"]).good();
    for (name, is_there) in [("a.jpg", true), ("2026/b.jpg", true), ("2026/c.tmp", false), (".cache", false)]
    {
        assert_eq!(from.join("back").join(name).exists(), is_there, "{name}");
    }
}

#[test]
fn a_store_that_must_be_a_mount_point_and_is_not_gets_nothing_and_the_other_store_everything() {
    let home = Home::new();
    prod(&home, true);
    let run = home.policy_from(&home.path("srv"), &["run", "nightly", "--json"]);
    assert_eq!(run.status, 3, "{run:#?}");
    assert!(run.stderr.contains("not a mount point"), "{}", run.stderr);
    let run = run.json();
    assert_eq!(run[0]["backups"].as_array().unwrap().len(), 2, "{run:#}");
    assert_eq!(fs::read_dir(home.path("disk")).unwrap().count(), 0);
}

#[test]
fn an_origin_stays_the_same_on_another_machine_that_is_given_the_same_id() {
    let origin = |id: &str| {
        let home = Home::new().with("POLICY_MACHINE_ID", id).with("POLICY_FILE", "policies/quickstart.yaml");
        home.policy(&["run"]).good();
        home.policy(&["show", "shop", "--json"]).json()["manifest"]["origin"].clone()
    };
    assert!(origin("container").is_string());
    assert_eq!(origin("container"), origin("container"));
    assert_ne!(origin("container"), origin("another"));
}

#[test]
fn losing_the_state_folder_loses_no_backup() {
    let home = Home::new()
        .with("POLICY_FILE", "policies/quickstart.yaml")
        .with("POLICY_NOW", "2025-01-05T07:00:00Z");
    home.policy(&["run"]).good();
    let before = home.policy(&["list", "--json"]).good();
    fs::remove_dir_all(home.path(".local")).unwrap();
    assert_eq!(home.policy(&["list", "--json"]).good(), before);
    home.policy(&["catalog", "rebuild"]).good();
    assert_eq!(home.policy(&["history", "--json"]).json().as_array().map(Vec::len), Some(1));
    // The store is known again, and not taken for another one.
    home.policy(&["run"]).good();
}

#[test]
fn holes_of_sparse_files_come_back_as_zeros() {
    let home = Home::new();
    home.write("files/a", "");
    fs::File::create(home.path("files/sparse")).unwrap().set_len(3 << 20).unwrap();
    home.write(
        "p.yaml",
        "version: 1\nname: p\nstores: {s: store}\ntargets: {files: {directory: files}}\njobs: {j: {}}\n",
    );
    let call = |words: &[&str]| home.policy_from(&home.path("."), words).good();
    call(&["run", "--policy", "p.yaml"]);
    call(&["restore", "files", "--to", "back", "--policy", "p.yaml"]);
    let back = fs::read(home.path("back/sparse")).unwrap();
    assert_eq!(back.len(), 3 << 20);
    assert!(back.iter().all(|byte| *byte == 0));
}
