//! Backups that are gone, or cannot be read any more: they are told of, and nothing is removed as if they were well.

use crate::{
    restore::{backup_of, shop},
    support::{
        Sandbox,
        simple::{SERIES, SIMPLE, simple},
    },
};
use std::fs;

/// Runs on the first days of January 2026.
fn runs(sandbox: &Sandbox, days: std::ops::RangeInclusive<u32>) {
    for day in days {
        sandbox.run(&["--now", &format!("2026-01-{day:02}T07:00:00Z"), "run", "-q"]).exits(0);
    }
}

#[test]
fn a_store_whose_backups_are_all_gone_is_told_of_by_name() {
    let sandbox = simple();
    runs(&sandbox, 1..=2);
    fs::remove_dir_all(sandbox.path("store/app")).unwrap();
    for words in [&["list"][..], &["verify"], &["verify", "app"], &["list", "--json"]] {
        let exit = if words[0] == "verify" { 4 } else { 0 };
        let answer = sandbox.run(words).exits(exit).hides("no backups");
        for day in ["01", "02"] {
            let id = format!("`app/nightly/app/2026-01-{day}T070000Z`");
            assert!(answer.stderr.contains(&id) && answer.stderr.contains("catalog rebuild"), "{answer}");
        }
    }
    let verified = sandbox.run(&["verify", "--json"]).exits(4).json();
    assert_eq!(verified.as_array().unwrap().len(), 2, "{verified}");
    assert!(verified.as_array().unwrap().iter().all(|one| one["passed"] == false), "{verified}");
    sandbox.run(&["restore", "app", "--to", "x.db"]).exits(10);
    sandbox.run(&["show", "app@2026-01-01"]).exits(10).says("is gone");
    // Whoever knows why says so, and that is the end of it.
    sandbox.run(&["catalog", "rebuild"]).exits(0);
    sandbox.run(&["verify"]).exits(0).hides("gone");
    sandbox.run(&["list"]).exits(0).says("no backups yet");
}

#[test]
fn a_file_in_the_place_of_a_series_is_no_series_without_backups() {
    let sandbox = simple();
    runs(&sandbox, 1..=1);
    fs::remove_dir_all(sandbox.path(SERIES)).unwrap();
    sandbox.write(SERIES, "x");
    sandbox.run(&["list"]).exits(0).says("is gone");
    sandbox.run(&["verify"]).exits(4);
}

#[test]
fn what_was_removed_by_rule_or_by_hand_is_not_missed() {
    let sandbox = shop(3);
    // Removed without this host's catalog: the store's records tell of it.
    let state = sandbox.state();
    let away = state.with_extension("away");
    fs::rename(&state, &away).unwrap();
    sandbox.run(&["delete", "trading@2026-01-01", "--reason", "x"]).exits(0);
    fs::remove_dir_all(&state).unwrap();
    fs::rename(&away, &state).unwrap();
    sandbox.run(&["list"]).exits(0).hides("gone");
    sandbox.run(&["verify"]).exits(0).hides("gone");
    // One copy of two is missed where it lay.
    fs::remove_dir_all(sandbox.path(&backup_of("store2", "trading", 2))).unwrap();
    let answer = sandbox.run(&["list"]).exits(0).says("in store `second`");
    assert_eq!(answer.stderr.matches("gone").count(), 1, "{answer}");
    sandbox.run(&["verify", "trading@2026-01-03"]).exits(0);
    sandbox.run(&["verify", "scripts"]).exits(0);
    sandbox.run(&["verify", "trading"]).exits(4);
    sandbox.run(&["restore", "trading@2026-01-02", "--to", "x.db"]).exits(0);
}

#[test]
fn while_the_newest_backup_cannot_be_read_prune_takes_nothing() {
    let sandbox = simple();
    runs(&sandbox, 1..=3);
    sandbox.write("policy.yaml", SIMPLE.replace("last: 3", "last: 1"));
    let manifest = format!("{SERIES}/2026-01-03T070000Z/manifest.json");
    let whole = fs::read(sandbox.path(&manifest)).unwrap();
    sandbox.write(&manifest, &whole[..100]);
    for words in [&["prune"][..], &["prune", "--dry-run"]] {
        sandbox.run(words).exits(5).says("2026-01-03T070000Z").says("policy verify");
    }
    for day in 1..=2 {
        assert!(sandbox.path(&format!("{SERIES}/2026-01-0{day}T070000Z/manifest.json")).exists());
    }
    // One older than what is relied on says nothing about that.
    runs(&sandbox, 4..=4);
    sandbox.run(&["prune"]).exits(0);
    assert_eq!(sandbox.backups(SERIES), ["2026-01-03T070000Z", "2026-01-04T070000Z"]);
}

#[test]
fn nothing_goes_for_a_newer_backup_whose_bytes_have_changed() {
    for words in [
        &["--now", "2026-01-05T00:00:00Z", "prune"][..],
        &["delete", "app@2026-01-01", "--reason", "room"],
        // Nearly all of the disk is wanted: what retention no longer keeps goes before the capture.
        &["--now", "2026-01-05T07:00:00Z", "run"],
    ] {
        let sandbox = simple();
        sandbox.write("policy.yaml", SIMPLE.replace("last: 3", "last: 9"));
        runs(&sandbox, 1..=4);
        let strict = SIMPLE.replace("last: 3", "last: 1");
        sandbox.write("policy.yaml", strict.replace("./store}", "{path: ./store, min_free: 900TiB}}"));
        let newest = sandbox.path(&format!("{SERIES}/2026-01-04T070000Z/app.db.zst"));
        let mut bytes = fs::read(&newest).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&newest, &bytes).unwrap();
        let exit = if words.contains(&"run") { 1 } else { 5 };
        sandbox.run(words).exits(exit).says("does not stand");
        assert_eq!(sandbox.backups(SERIES).len(), 4, "{words:?}");
        // A verification finds it out, and the one before it is relied on.
        sandbox.run(&["verify"]).exits(4);
        sandbox.run(&["restore", "app", "--to", "back.db"]).exits(0).says("2026-01-03");
    }
}
