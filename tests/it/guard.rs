//! The backups themselves: no restore goes over a store or into one, whichever store it takes its backup from.

use crate::{
    restore::{SHOP, bytes_below, shop},
    support::Sandbox,
};
use std::fs;

/// Refused with every flag that answers questions, and not a byte of the place changed.
#[track_caller]
fn is_refused(sandbox: &Sandbox, place: &str, words: &[&str]) {
    let before = bytes_below(&sandbox.path(place));
    let mut all = vec!["restore", "--yes"];
    all.extend(words);
    sandbox.run(&all).exits(5).says("store");
    assert!(before == bytes_below(&sandbox.path(place)), "{words:?}");
}

#[test]
fn the_store_named_for_reading_leaves_no_other_store_open_for_writing() {
    let sandbox = shop(1);
    for from in ["local", "./store"] {
        for to in ["store2/shop", "store2", "store2/policy-store.json", "store2/shop/new/place.db"] {
            is_refused(&sandbox, "store2", &["trading", "--store", from, "--to", to]);
            is_refused(&sandbox, "store2", &["scripts", "--store", from, "--to", to]);
        }
    }
    let manifest = format!("{}/manifest.json", crate::restore::backup_of("store2", "trading", 1));
    is_refused(&sandbox, "store2", &["trading", "--store", "local", "--to", &manifest]);
}

#[test]
fn a_store_that_no_policy_at_hand_names_is_known_by_its_id_file() {
    let sandbox = shop(1);
    let other = shop(1);
    fs::rename(other.path("store"), sandbox.path("theirs")).unwrap();
    is_refused(&sandbox, "theirs", &["trading", "--to", "theirs/shop"]);
    is_refused(&sandbox, "theirs", &["trading", "--to", "theirs/shop/new.db"]);
    fs::remove_file(sandbox.path("policy.yaml")).unwrap();
    is_refused(&sandbox, "theirs", &["trading", "--store", "./store", "--to", "theirs/shop"]);
}

#[cfg(unix)]
#[test]
fn a_link_into_a_store_is_no_way_into_it() {
    let sandbox = shop(1);
    std::os::unix::fs::symlink(sandbox.path("store2/shop"), sandbox.path("way")).unwrap();
    is_refused(&sandbox, "store2", &["trading", "--store", "local", "--to", "way/new/place.db"]);
}

#[test]
fn a_folder_that_holds_a_store_of_another_policy_at_hand_is_not_replaced() {
    let sandbox = shop(1);
    let web = "version: 1\nname: web\nstores: {disk: out/disk}\ntargets: {site: {directory: app}}\n\
               jobs: {weekly: {retention: {last: 1}}}\n";
    sandbox.write("web.yaml", web);
    sandbox.run(&["--policy", "web.yaml", "run", "-q"]).exits(0);
    sandbox.write("policy.yaml", SHOP.replace(", include: [\"**/*.py\"]", ""));
    sandbox.run(&["--now", "2026-01-02T07:00:00Z", "run", "-q"]).exits(0);
    let both = ["--policy", "policy.yaml", "--policy", "web.yaml"];
    for from in ["local", "second"] {
        let words = [&both[..], &["scripts", "--store", from, "--to", "out"]].concat();
        is_refused(&sandbox, "out", &words);
    }
}

#[test]
fn no_restore_takes_the_name_of_the_log_of_a_database() {
    let sandbox = shop(1);
    sandbox.sql("there.db", "CREATE TABLE t(x)");
    for suffix in ["wal", "journal", "shm"] {
        let to = format!("there.db-{suffix}");
        sandbox.run(&["restore", "trading", "--to", &to, "--yes"]).exits(5).says("the log of");
        assert!(!sandbox.path(&to).exists());
    }
    // Where that is a folder, or nothing, it is a name like any other.
    fs::create_dir(sandbox.path("trade")).unwrap();
    sandbox.run(&["restore", "scripts", "--to", "trade-journal"]).exits(0);
    sandbox.run(&["restore", "trading", "--to", "nowhere.db-wal"]).exits(0);
}
