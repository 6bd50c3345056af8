//! Reads and writes that do less than was asked, as the system allows them to: nothing is lost, nothing is doubled.

#![cfg(target_os = "linux")]

use crate::support::{Sandbox, content};

const POLICY: &str = "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets:
  app: {sqlite: app.db, checks: [{rows: t, expect: same_as_source}]}
  old: {sqlite: old.db}
  files: {directory: files}
jobs:
  packed: {retention: {last: 2}, verify: restore, targets: [app, old, files]}
  zipped: {retention: {last: 2}, compress: gzip, targets: [app, files]}
  plain: {retention: {last: 2}, compress: none, targets: [app, old, files]}
";

#[test]
fn short_reads_and_writes_lose_nothing() {
    let sandbox = Sandbox::with_policy(POLICY);
    let Some(sandbox) = sandbox.preload("short.c") else { return };
    let rows = "CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB, note TEXT);
        WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
        INSERT INTO t SELECT i, randomblob(i % 700), 'row ' || i FROM n;";
    sandbox.sql("app.db", &format!("PRAGMA journal_mode = wal; {rows}"));
    sandbox.sql("old.db", rows);
    for n in 0..40_usize {
        sandbox
            .write(&format!("files/{}/{n}", n % 7), vec![b'a' + u8::try_from(n % 26).unwrap(); n * n * 97]);
    }
    let databases = ["app", "old"];
    let before = databases.map(|name| content::of_still_file(&sandbox.path(&format!("{name}.db"))));
    let folder = content::of_folder(&sandbox.path("files"));
    for _ in 0..3 {
        // The loader only warns of what it cannot load.
        sandbox.run(&["run"]).exits(0).hides("preload");
    }
    sandbox.run(&["verify"]).exits(0);
    sandbox.run(&["catalog", "rebuild"]).exits(0);
    assert_eq!(sandbox.run(&["list", "--json"]).exits(0).json().as_array().unwrap().len(), 16);
    for job in ["packed", "zipped", "plain"] {
        let back = format!("back-{job}");
        for (name, before) in
            databases.iter().zip(&before).filter(|(name, _)| job != "zipped" || **name != "old")
        {
            let (from, to) = (format!("{job}/{name}"), sandbox.path(&format!("{back}/{name}.db")));
            sandbox.run(&["restore", &from, "--to", to.to_str().unwrap()]).exits(0);
            assert!(content::of_still_file(&to) == *before, "{from}");
        }
        let to = sandbox.path(&format!("{back}/files"));
        sandbox.run(&["restore", &format!("{job}/files"), "--to", to.to_str().unwrap()]).exits(0);
        assert!(content::of_folder(&to) == folder, "{job}");
    }
}
