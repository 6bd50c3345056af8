//! DuckDB databases: what was stored comes back in place of what is live, and is found when it was damaged.

use crate::{
    duckdb::{POLICY, newest, sandbox},
    support::{
        Sandbox,
        duck::{ask, content},
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
};

#[test]
fn a_restore_waits_for_nobody_and_takes_no_database_from_under_its_writer() {
    let sandbox = sandbox();
    sandbox.run(&["run"]).exits(0);
    let before = content(&sandbox.path("app.duckdb"));
    sandbox.duck("app.duckdb", "INSERT INTO hollow VALUES (1)");
    let room = || {
        let shown = sandbox.run(&["restore", "app", "-n"]).exits(0).stderr;
        let line = shown.lines().find(|line| line.trim().starts_with("room")).unwrap();
        line.split(" needed").next().unwrap().to_owned()
    };
    let needed = room();
    let held = sandbox.hold("app.duckdb");
    assert_eq!(room(), needed, "it is not written over while it is in use");
    sandbox
        .run(&["restore", "app", "--yes"])
        .exits(5)
        .says("is open in")
        .says("replaced only where nobody has it open")
        .says("stop what has it open");
    drop(held);
    assert_eq!(ask(&sandbox.path("app.duckdb"), "SELECT count(*) FROM hollow"), "1");
    let shown = sandbox.run(&["restore", "app", "-n"]).exits(0);
    shown.says("hollow").says("live 1").says("backup 0");
    sandbox.run(&["restore", "app", "--yes"]).exits(0).says("kept as");
    assert_eq!(content(&sandbox.path("app.duckdb")), before);
    let aside: Vec<PathBuf> = fs::read_dir(sandbox.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains(".aside-"))
        .collect();
    assert_eq!(aside.len(), 1);
    assert_eq!(ask(&aside[0], "SELECT count(*) FROM hollow"), "1");
    // Nothing at the place, and a log that some other database left there.
    fs::remove_file(sandbox.path("app.duckdb")).unwrap();
    sandbox.write("app.duckdb.wal", "left over");
    sandbox.run(&["restore", "app", "--yes"]).exits(0).says("left by a database that is gone");
    assert_eq!(content(&sandbox.path("app.duckdb")), before);
    assert!(!sandbox.path("app.duckdb.wal").exists());
}

const RESTORE: [&str; 4] = ["restore", "app", "--yes", "-q"];

/// The sum that tells the contents apart: 6 of what was backed up, 15 of what came later; or why it cannot be read.
#[cfg(target_os = "linux")]
fn sum(path: &Path) -> Result<i64, String> {
    let config = duckdb::Config::default().access_mode(duckdb::AccessMode::ReadOnly).unwrap();
    duckdb::Connection::open_with_flags(path, config)
        .and_then(|open| open.query_row("SELECT sum(x)::BIGINT FROM t", [], |row| row.get(0)))
        .map_err(|error| error.to_string())
}

/// Every main file in the sandbox: the live one and copies that were set aside.
#[cfg(target_os = "linux")]
fn mains(sandbox: &Sandbox) -> Vec<PathBuf> {
    let is_main = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("app.duckdb") && !name.contains(".wal")
    };
    fs::read_dir(sandbox.path("")).unwrap().map(|entry| entry.unwrap().path()).filter(is_main).collect()
}

/// Kills a call at each of its calls that change a name: the place holds one of the two contents whole, or what DuckDB
/// refuses to open. `prepare` is called before each, over a later content with a log of its own, and `after` behind it.
#[cfg(target_os = "linux")]
fn killed_at_every_name(
    arguments: &[&str],
    prepare: impl Fn(&Sandbox),
    after: impl Fn(&Sandbox, &Path, &str),
) {
    use crate::support::faults::Fate;
    // One kind at a time: they are counted each for itself.
    const KINDS: [&str; 3] = ["rename,renameat,renameat2", "link,linkat", "unlink,unlinkat"];
    let sandbox = Sandbox::with_policy(POLICY);
    if !sandbox.can_meddle() {
        return;
    }
    let live = sandbox.path("app.duckdb");
    sandbox.torn_off("app.duckdb", "CREATE TABLE t AS SELECT 1 AS x", "INSERT INTO t VALUES (2), (3)");
    sandbox.run(&["run", "-q"]).exits(0);
    let later = || {
        for entry in fs::read_dir(sandbox.path("")).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.to_string_lossy().contains("app.duckdb") {
                fs::remove_file(entry).unwrap();
            }
        }
        sandbox.torn_off("app.duckdb", "CREATE TABLE t AS SELECT 7 AS x", "INSERT INTO t VALUES (8)");
        prepare(&sandbox);
    };
    let mut outcomes = std::collections::BTreeMap::<String, usize>::new();
    let calls = KINDS.map(|kind| {
        later();
        (kind, sandbox.calls(kind, arguments))
    });
    for (kind, n, total) in
        calls.into_iter().flat_map(|(kind, total)| (1..=total).map(move |n| (kind, n, total)))
    {
        later();
        let Some(answer) = sandbox.meddled(kind, Fate::Kills, n, arguments) else { continue };
        assert!(!answer.stderr.contains("panicked"), "{answer}");
        let seen = match sum(&live) {
            Ok(sum) => sum.to_string(),
            Err(said) => {
                assert!(said.contains("WAL"), "{n}: {said}");
                "refused".to_owned()
            }
        };
        let context = format!("{kind} {n} of {total}: {seen}\n{answer}");
        assert!(["15", "6", "refused"].contains(&seen.as_str()), "{context}");
        *outcomes.entry(seen).or_default() += 1;
        after(&sandbox, &live, &context);
    }
    assert!(outcomes.contains_key("15") && outcomes.contains_key("refused"), "{outcomes:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_restore_that_is_killed_between_file_and_log_is_made_good_by_the_next() {
    killed_at_every_name(
        &RESTORE,
        |_| (),
        |sandbox, live, context| {
            sandbox.run(&RESTORE).exits(0);
            assert_eq!(sum(live), Ok(6), "{context}");
            // What was there is kept whole, under one name or another.
            let kept = mains(sandbox).into_iter().filter(|path| path != live);
            let kept: Vec<_> = kept.map(|path| sum(&path).unwrap()).collect();
            assert!(kept.contains(&15), "{context}: {kept:?}");
        },
    );
}

/// The copy that an undo puts back may be the only one there is.
#[cfg(target_os = "linux")]
#[test]
fn an_undo_that_is_killed_between_file_and_log_is_made_good_by_the_next() {
    const UNDO: [&str; 5] = ["restore", "--undo", "app", "--yes", "-q"];
    let both_are_whole = |sandbox: &Sandbox, context: &str| {
        let sums: Vec<_> = mains(sandbox).iter().filter_map(|path| sum(path).ok()).collect();
        assert!(sums.contains(&15) && sums.contains(&6), "{context}: {sums:?}");
    };
    killed_at_every_name(
        &UNDO,
        |sandbox| drop(sandbox.run(&RESTORE).exits(0)),
        |sandbox, live, context| {
            // Whatever the place holds: the copy that was set aside is whole under some name, and comes back.
            both_are_whole(sandbox, context);
            // Called again it finishes what was begun, or changes back: both contents are whole, one of them at the place.
            sandbox.run(&UNDO).exits(0);
            both_are_whole(sandbox, context);
            assert!([Ok(15), Ok(6)].contains(&sum(live)), "{context}: {:?}", sum(live));
        },
    );
}

#[test]
fn damage_to_a_stored_database_or_its_log_is_found() {
    let sandbox = Sandbox::with_policy(POLICY);
    sandbox.torn_off("app.duckdb", "CREATE TABLE t AS SELECT 1 AS x", "INSERT INTO t VALUES (2), (3)");
    sandbox.run(&["run"]).exits(0);
    let folder = format!("store/app/n/app/{}", sandbox.backups("store/app/n/app")[0]);
    for name in ["app.duckdb.zst", "app.duckdb.wal.zst"] {
        let path = sandbox.path(&format!("{folder}/{name}"));
        let whole = fs::read(&path).unwrap();
        for at in [whole.len() / 3, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            sandbox.run(&["verify"]).exits(4);
        }
        fs::write(&path, whole).unwrap();
    }
    sandbox.run(&["verify"]).exits(0);
}

#[test]
fn an_export_is_portable_and_makes_the_same_database() {
    let sandbox = sandbox();
    sandbox.write("policy.yaml", POLICY.replace("when_locked: [{wait: 1s}]", "format: export"));
    // A view that needs a later-named one is what an import of DuckDB's cannot make: see the next test.
    // And Parquet knows no empty struct, which the table of all types has.
    sandbox.duck("app.duckdb", "DROP VIEW gladder; DROP TABLE everything");
    // Comments are not exported; a sequence goes on where it was, and does not know its last value.
    sandbox.duck("app.duckdb", "COMMENT ON TABLE hollow IS NULL");
    let mut held = content(&sandbox.path("app.duckdb"));
    sandbox.run(&["run"]).exits(0);
    let manifest = newest(&sandbox);
    assert_eq!((&manifest["method"], &manifest["level"]), (&"export".into(), &"integrity".into()));
    assert_eq!(
        (&manifest["facts"]["read_by"], &manifest["checked_on"]),
        (&"locked_copy".into(), &"copy".into())
    );
    for level in ["checksum", "integrity", "restore"] {
        sandbox.run(&["verify", "--level", level]).exits(0);
    }
    let folder = sandbox.path(&format!("store/app/n/app/{}", sandbox.backups("store/app/n/app")[0]));
    let script = format!(
        "cd {} && mkdir out && zstd -q -d < app.tar.zst | tar -x -f - -C out && ls out",
        folder.display()
    );
    let listed = sandbox.finish(sandbox.prepare("/bin/sh".as_ref(), &["-c", &script])).exits(0);
    listed.clone().says("schema.sql").says("load.sql").says("parent.parquet");
    fs::remove_dir_all(folder.join("out")).unwrap();
    sandbox.run(&["restore", "app", "--to", "back.duckdb"]).exits(0);
    let mut back = content(&sandbox.path("back.duckdb"));
    assert_eq!(back.remove("sequence numbers").map(|it| it.contains("START 42")), Some(true));
    held.remove("sequence numbers");
    assert_eq!(back, held);
}

#[test]
fn an_export_that_cannot_be_imported_is_kept_and_never_proven() {
    let sandbox = sandbox();
    sandbox.write("policy.yaml", POLICY.replace("when_locked: [{wait: 1s}]", "format: export"));
    sandbox.run(&["run"]).exits(1).says("Empty STRUCT columns are not supported");
    sandbox.duck("app.duckdb", "DROP TABLE everything; CREATE VIEW a_first AS SELECT * FROM glad");
    let answer = sandbox.run(&["run"]).exits(4).says("could not be verified");
    assert_eq!(newest(&sandbox)["level"], "checksum", "{answer}");
}

/// Stock tools alone, as the README shows it: decompressed side by side, the files are the database.
#[test]
fn a_backup_opens_with_stock_tools() {
    let sandbox = Sandbox::with_policy(POLICY);
    sandbox.torn_off("app.duckdb", "CREATE TABLE t AS SELECT 1 AS x", "INSERT INTO t VALUES (2), (3)");
    sandbox.run(&["run"]).exits(0);
    let folder = sandbox.path(&format!("store/app/n/app/{}", sandbox.backups("store/app/n/app")[0]));
    let script = format!("cd {} && sha256sum -c --quiet SHA256SUMS && zstd -q -d *.zst", folder.display());
    sandbox.finish(sandbox.prepare("/bin/sh".as_ref(), &["-c", &script])).exits(0);
    assert_eq!(ask(&folder.join("app.duckdb"), "SELECT sum(x) FROM t"), "6");
}

#[test]
fn a_format_of_the_future_is_kept_and_not_called_damaged() {
    let sandbox = sandbox();
    let path = sandbox.path("app.duckdb");
    let mut bytes = fs::read(&path).unwrap();
    bytes[12..20].copy_from_slice(&1_234_u64.to_le_bytes());
    seal(&mut bytes[..4_096]);
    fs::write(&path, &bytes).unwrap();
    sandbox.run(&["run"]).exits(4).says("integrity could not be checked").says("version number");
    let manifest = newest(&sandbox);
    assert_eq!(
        (&manifest["level"], &manifest["facts"]["storage_format"]),
        (&"checksum".into(), &"1234".into())
    );
    // Never proven, so it is not taken by itself, and given to whoever names it.
    sandbox.run(&["restore", "app", "--to", "back.duckdb"]).exits(10);
    let named = format!("app@{}", sandbox.backups("store/app/n/app")[0]);
    sandbox.run(&["restore", &named, "--to", "back.duckdb"]).exits(0).says("or newer to read it");
    assert_eq!(fs::read(sandbox.path("back.duckdb")).unwrap(), bytes);
}

/// Gives a block the checksum that DuckDB writes before it (duckdb: src/common/checksum.cpp).
fn seal(block: &mut [u8]) {
    let words = block[8..].chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
    let checksum = words.fold(5_381_u64, |sum, word| sum ^ word.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    block[..8].copy_from_slice(&checksum.to_le_bytes());
}
