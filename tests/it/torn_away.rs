//! What a run works with is taken away under its hands: the disk of its store, its source.

#![cfg(target_os = "linux")]

use crate::support::{Sandbox, content, disk::Mount, is_root, skip, until};
use std::{fs, process::Command};

const POLICY: &str = "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets:
  files: {directory: files}
  data: {sqlite: data.db}
jobs:
  nightly: {compress: gzip:9, retention: {last: 3}, targets: [files]}
  hourly: {compress: gzip:9, retention: {last: 3}, targets: [data]}
";

/// A sandbox whose captures take seconds.
fn slow() -> Sandbox {
    let sandbox = Sandbox::with_policy(POLICY);
    sandbox.sql(
        "data.db",
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB);
         WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
         INSERT INTO t SELECT i, randomblob(1000) FROM n; PRAGMA wal_checkpoint(TRUNCATE);",
    );
    sandbox.sql("noise.db", "CREATE TABLE t (b BLOB); INSERT INTO t VALUES (randomblob(60000000))");
    fs::create_dir(sandbox.path("files")).unwrap();
    fs::rename(sandbox.path("noise.db"), sandbox.path("files/noise")).unwrap();
    sandbox
}

fn is_staging(sandbox: &Sandbox) -> bool {
    sandbox.tree("store").iter().any(|name| name.contains(".staging"))
}

/// Whether something of the source is written already, so that it was opened before.
fn is_captured(sandbox: &Sandbox) -> bool {
    let is_begun = |name: &String| {
        let length = fs::metadata(sandbox.path("store").join(name)).map_or(0, |file| file.len());
        name.contains(".staging") && name.contains(".gz") && length > 0
    };
    sandbox.tree("store").iter().any(is_begun)
}

#[test]
fn a_store_that_is_unmounted_under_a_run_costs_that_run_alone_and_nothing_is_written_in_its_place() {
    if !is_root() {
        skip("a file system of its own needs root");
        return;
    }
    let sandbox = slow();
    fs::create_dir_all(sandbox.path("disk")).unwrap();
    fs::create_dir_all(sandbox.path("store")).unwrap();
    let mount = || {
        let (from, to) = (sandbox.path("disk"), sandbox.path("store"));
        Command::new("mount").arg("--bind").args([from, to]).status().is_ok_and(|status| status.success())
    };
    if !mount() {
        skip("no file system may be mounted here");
        return;
    }
    sandbox.run(&["run", "nightly"]).exits(0);
    let before = sandbox.backups("store/app/nightly/files");
    let running = sandbox.start(&["run", "nightly", "--json"]);
    until("the capture", || is_staging(&sandbox));
    let unmounted = Command::new("umount").arg("-l").arg(sandbox.path("store")).status().unwrap();
    assert!(unmounted.success());
    let answer = running.wait();
    assert!([1, 3].contains(&answer.exit), "{answer}");
    let answer = answer.hides("panicked");
    assert_eq!(answer.json()[0]["backups"], serde_json::json!([]), "{answer}");
    assert!(sandbox.tree("store").is_empty(), "something was written where the disk was: {answer}");
    sandbox.run(&["run", "nightly"]).exits(1).says("not mounted?");
    assert!(sandbox.tree("store").is_empty());
    assert!(mount());
    assert_eq!(sandbox.backups("store/app/nightly/files"), before);
    sandbox.run(&["run", "nightly"]).exits(0);
    sandbox.run(&["verify"]).exits(0);
    assert!(!is_staging(&sandbox));
    Command::new("umount").arg(sandbox.path("store")).status().unwrap();
}

#[test]
fn a_database_that_is_deleted_while_it_is_read_is_backed_up_as_it_was() {
    let sandbox = slow();
    let before = content::of_still_file(&sandbox.path("data.db"));
    let running = sandbox.start(&["run", "hourly"]);
    until("the capture", || is_captured(&sandbox));
    for side in ["", "-wal", "-shm"] {
        drop(fs::remove_file(sandbox.path(&format!("data.db{side}"))));
    }
    running.wait().exits(0);
    sandbox.run(&["restore", "hourly/data"]).exits(0);
    assert!(content::of_still_file(&sandbox.path("data.db")) == before);
}

#[test]
fn a_folder_that_is_deleted_while_it_is_read_is_no_backup() {
    let sandbox = slow();
    let running = sandbox.start(&["run", "nightly", "--json"]);
    until("the capture", || is_captured(&sandbox));
    fs::remove_dir_all(sandbox.path("files")).unwrap();
    let answer = running.wait().exits(1);
    assert_eq!(answer.json()[0]["failures"][0]["step"], "capture", "{answer}");
    assert_eq!(sandbox.backups("store/app/nightly/files"), Vec::<String>::new());
}

#[test]
fn a_store_that_became_read_only_is_told_and_keeps_what_it_has() {
    let sandbox = slow();
    for _ in 0..2 {
        sandbox.run(&["run", "hourly"]).exits(0);
    }
    let before = sandbox.backups("store/app/hourly/data");
    let oldest = format!("app/hourly/data/{}", before[0]);
    sandbox.write("policy.yaml", POLICY.replace("last: 3", "last: 1"));
    {
        let Some(_mount) = Mount::read_only(&sandbox.path("store")) else { return };
        for command in
            [&["run", "hourly"][..], &["prune", "hourly"], &["delete", "--reason", "test", &oldest]]
        {
            let answer = sandbox.run(command);
            assert!([1, 3].contains(&answer.exit), "{command:?}: {answer}");
            answer.says("Read-only file system");
        }
        sandbox.run(&["list"]).exits(0);
        sandbox.run(&["restore", "hourly/data", "--to", sandbox.path("back.db").to_str().unwrap()]).exits(0);
        assert_eq!(sandbox.backups("store/app/hourly/data"), before);
    }
    sandbox.run(&["run", "hourly"]).exits(0);
    sandbox.run(&["verify"]).exits(0);
}
