//! What `delete` takes away, and what it never does.

use crate::restore::{backup_of, flip, shop};
use policy::store::lock::{self, HolderNote, Mode};

#[test]
fn the_newest_proven_backup_is_refused() {
    let sandbox = shop(2);
    let answer = sandbox.run(&["delete", "trading", "--reason", "no longer wanted", "--json"]).exits(5);
    assert_eq!(answer.error()["code"], "refused");
    // Neither does anything go when one of several is refused.
    sandbox.run(&["delete", "trading@oldest", "trading@latest", "--reason", "both"]).exits(5);
    assert_eq!(sandbox.backups("store/shop/nightly/trading").len(), 2);
}

#[test]
fn a_deletion_needs_a_reason_and_leaves_it_in_the_store() {
    let sandbox = shop(2);
    sandbox.run(&["delete", "trading@oldest"]).exits(2).says("--reason");
    sandbox.run(&["delete", "trading@oldest", "--reason", " "]).exits(2);
    sandbox.run(&["delete", "trading@2026", "--reason", "x"]).exits(2).says("ambiguous");
    sandbox.run(&["delete", "nothing", "--reason", "x"]).exits(10);
    sandbox.run(&["delete", "trading@oldest", "--reason", "x", "-n"]).exits(0).says("nothing was changed");
    assert_eq!(sandbox.backups("store/shop/nightly/trading").len(), 2);
    let gone =
        sandbox.run(&["delete", "trading@oldest", "--reason", "a test key in it", "--json"]).exits(0).json();
    assert_eq!(gone.as_array().unwrap().len(), 2, "every copy goes");
    for store in ["store", "store2"] {
        assert_eq!(sandbox.backups(&format!("{store}/shop/nightly/trading")), ["2026-01-02T070000Z"]);
        let folder = format!("{store}/shop/nightly/trading/.records");
        let name = sandbox.tree(&folder).into_iter().find(|name| name.contains("-delete-")).unwrap();
        assert!(sandbox.read(&format!("{folder}/{name}")).contains("a test key in it"));
    }
}

#[test]
fn only_the_copy_in_one_store_goes_when_one_store_is_named() {
    let sandbox = shop(2);
    sandbox.run(&["delete", "trading@oldest", "--store", "second", "--reason", "room"]).exits(0);
    assert_eq!(sandbox.backups("store/shop/nightly/trading").len(), 2);
    assert_eq!(sandbox.backups("store2/shop/nightly/trading").len(), 1);
}

#[test]
fn what_was_found_damaged_can_be_deleted_and_nothing_relies_on_it() {
    let sandbox = shop(2);
    flip(&sandbox, &format!("{}/trading.db.zst", backup_of("store", "trading", 2)), 3_000);
    sandbox.run(&["verify", "trading@latest", "--store", "local"]).exits(4);
    sandbox.run(&["delete", "trading@2026-01-01", "--store", "local", "--reason", "x"]).exits(5);
    sandbox.run(&["delete", "trading@2026-01-02", "--store", "local", "--reason", "damaged"]).exits(0);
    assert_eq!(sandbox.backups("store/shop/nightly/trading"), ["2026-01-01T070000Z"]);
}

#[test]
fn of_those_that_stand_the_newest_is_refused_when_a_newer_one_lost_its_data() {
    let sandbox = shop(3);
    let file = format!("{}/trading.db.zst", backup_of("store", "trading", 3));
    std::fs::remove_file(sandbox.path(&file)).unwrap();
    let delete = |day: &str| {
        sandbox.run(&["delete", &format!("trading@2026-01-{day}"), "--store", "local", "--reason", "x"])
    };
    delete("02").exits(5).says("is the newest proven backup");
    delete("01").exits(0);
    delete("03").exits(0);
    assert_eq!(sandbox.backups("store/shop/nightly/trading"), ["2026-01-02T070000Z"]);
}

#[test]
fn a_backup_dated_in_the_future_does_not_stand_in_for_the_newest() {
    let sandbox = shop(1);
    sandbox.run(&["--now", "2199-01-01T07:00:00Z", "run", "-q"]).exits(0);
    sandbox.run(&["delete", "trading@2026-01-01", "--reason", "x"]).exits(5).says("newest proven");
    assert_eq!(sandbox.backups("store/shop/nightly/trading").len(), 2);
    sandbox.run(&["delete", "trading@2199", "--reason", "a wrong clock"]).exits(0);
    sandbox.run(&["history"]).exits(0).says("delete");
}

#[test]
fn copies_out_of_reach_stay_and_that_is_no_full_success() {
    let sandbox = shop(2);
    std::fs::rename(sandbox.path("store2"), sandbox.path("unplugged")).unwrap();
    sandbox.run(&["delete", "trading@oldest", "--reason", "x"]).exits(3).says("cannot be reached");
    assert_eq!(sandbox.backups("store/shop/nightly/trading").len(), 1);
    sandbox.run(&["delete", "trading@2026-01-01", "--reason", "x"]).exits(10);
}

#[test]
fn a_lock_in_one_store_keeps_no_other_from_being_told_of() {
    let sandbox = shop(2);
    let locked = |store: &str| {
        let place = sandbox.path(&format!("{store}/shop/nightly/trading/.lock"));
        lock::lock(&place, Mode::Exclusive, &HolderNote::own()).unwrap()
    };
    let held = [locked("store"), locked("store2")];
    let words = ["delete", "trading@2026-01-01", "--reason", "x", "--json"];
    let answer = sandbox.run(&words).exits(11);
    assert_eq!(answer.json(), serde_json::json!([]), "{answer}");
    drop(held);
    let held = locked("store2");
    let answer = sandbox.run(&words).exits(3).says("holds the lock");
    let gone = answer.json();
    assert_eq!((gone.as_array().unwrap().len(), &gone[0]["store"]), (1, &"local".into()), "{answer}");
    assert_eq!(answer.error()["exit"], 3);
    assert_eq!(sandbox.backups("store/shop/nightly/trading").len(), 1);
    assert_eq!(sandbox.backups("store2/shop/nightly/trading").len(), 2);
    let line = sandbox.run(&["history", "--json"]).exits(0).json()[0].clone();
    assert_eq!((&line["kind"], &line["outcome"]), (&"delete".into(), &"incomplete".into()));
    drop(held);
    sandbox.run(&words).exits(0);
}

#[test]
fn a_copy_whose_manifest_is_damaged_stays_and_that_is_no_full_success() {
    let sandbox = shop(2);
    flip(&sandbox, &format!("{}/manifest.json", backup_of("store2", "trading", 1)), 150);
    for words in [&["-n"][..], &[]] {
        let mut all = vec!["delete", "trading@2026-01-01", "--reason", "x"];
        all.extend(words);
        sandbox.run(&all).exits(3).says("in second stays").says("damaged");
    }
    assert_eq!(sandbox.backups("store/shop/nightly/trading"), ["2026-01-02T070000Z"]);
    assert_eq!(sandbox.backups("store2/shop/nightly/trading").len(), 2);
}

#[test]
fn a_dry_run_exits_as_the_deletion_would() {
    let sandbox = shop(2);
    std::fs::rename(sandbox.path("store2"), sandbox.path("unplugged")).unwrap();
    sandbox.run(&["delete", "trading@oldest", "--reason", "x", "-n"]).exits(3).says("nothing was changed");
    sandbox.run(&["delete", "trading@oldest", "--reason", "x"]).exits(3);
}
