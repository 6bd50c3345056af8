//! Damage to a stored backup: whatever byte of whatever file is another one, missing or too many, `verify` finds it.
//!
//! Each case is a call of the program. Some of them are made here; `POLICY_TEST_BIG=1 cargo nextest run --no-capture
//! damage` makes all: every byte of every file, and every length that it can be cut to.

#![cfg(unix)]
#![allow(clippy::print_stdout, reason = "tells how many cases there were")]

use crate::support::Sandbox;
use std::{
    fs,
    path::{Path, PathBuf},
};

const POLICY: &str = "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets:
  app: {sqlite: app.db, tables: {irreplaceable: [t]}, checks: [{rows: t, expect: 3}]}
  files: {directory: files}
jobs: {n: {retention: {last: 3}}}
";
const STAMP: &str = "2026-01-05T070000Z";

fn scene() -> Sandbox {
    let sandbox = Sandbox::with_policy(POLICY);
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1), (2), (3)");
    sandbox.write("files/a", "hello");
    sandbox.run(&["run", "--now", "2026-01-05T07:00:00Z"]).exits(0);
    sandbox.run(&["verify"]).exits(0);
    sandbox
}

/// Every file of both backups.
fn files(sandbox: &Sandbox) -> Vec<PathBuf> {
    let folders = ["app", "files"].map(|target| sandbox.path(&format!("store/app/n/{target}/{STAMP}")));
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 7, "{files:?}");
    files
}

/// `verify` after a change fails, and without it passes as before.
#[track_caller]
fn is_found(sandbox: &Sandbox, file: &Path, what: &str) {
    let answer = sandbox.run(&["verify", "-q"]);
    let short = file.strip_prefix(sandbox.root()).unwrap().display();
    assert!(answer.exit == 4, "{short}: {what} is not found\n{answer}");
    for target in ["app", "files"] {
        let _ = fs::remove_dir_all(sandbox.path(&format!("store/app/n/{target}/.records")));
    }
}

fn stride(length: usize) -> usize {
    if std::env::var_os("POLICY_TEST_BIG").is_some_and(|value| value == "1") {
        1
    } else {
        length.div_ceil(24)
    }
}

#[test]
fn every_flipped_byte_and_every_length_of_every_file_is_found() {
    let sandbox = scene();
    let mut cases = 0;
    for file in files(&sandbox) {
        let bytes = fs::read(&file).unwrap();
        for at in (0..bytes.len()).step_by(stride(bytes.len())) {
            let mut damaged = bytes.clone();
            damaged[at] ^= if at % 2 == 0 { 0x20 } else { 0x01 };
            fs::write(&file, &damaged).unwrap();
            is_found(&sandbox, &file, &format!("byte {at}"));
            fs::write(&file, &bytes[..at]).unwrap();
            is_found(&sandbox, &file, &format!("cut at {at}"));
            cases += 2;
        }
        fs::write(&file, [&bytes[..], b"\n"].concat()).unwrap();
        is_found(&sandbox, &file, "one byte more");
        fs::remove_file(&file).unwrap();
        is_found(&sandbox, &file, "its absence");
        fs::write(&file, &bytes).unwrap();
        cases += 2;
    }
    sandbox.run(&["verify"]).exits(0);
    println!("{cases} cases of damage, each of them found");
}

#[test]
fn files_that_changed_places_are_found() {
    let sandbox = scene();
    sandbox.sql("app.db", "UPDATE t SET x = x + 1");
    sandbox.run(&["run", "--now", "2026-01-06T07:00:00Z"]).exits(0);
    let folder = |stamp: &str| sandbox.path(&format!("store/app/n/app/{stamp}"));
    for name in ["app.db.zst", "manifest.json"] {
        let (one, two) = (folder(STAMP).join(name), folder("2026-01-06T070000Z").join(name));
        let (first, second) = (fs::read(&one).unwrap(), fs::read(&two).unwrap());
        assert_ne!(first, second);
        fs::write(&one, &second).unwrap();
        fs::write(&two, &first).unwrap();
        is_found(&sandbox, &one, "the other's content");
        fs::write(&one, &first).unwrap();
        fs::write(&two, &second).unwrap();
    }
    sandbox.run(&["verify"]).exits(0);
}

#[test]
fn sums_that_are_not_the_manifests_are_told_and_take_nothing_from_the_proof() {
    let sandbox = scene();
    let sums = format!("store/app/n/app/{STAMP}/SHA256SUMS");
    let right = sandbox.read(&sums);
    sandbox.write(&sums, "");
    sandbox.run(&["verify", "app"]).exits(4).says("SHA256SUMS").says(right.trim_end());
    let listed = sandbox.run(&["list", "app", "--json"]).exits(0).json();
    assert_eq!(listed[0]["proven"], true);
    sandbox.write(&sums, right);
    sandbox.run(&["verify", "app"]).exits(0);
}
