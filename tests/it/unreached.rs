//! What commands say and exit when a store cannot be reached, cannot be read, or is another one than before.

use crate::{
    restore::{SHOP, backup_of, bytes_below, run_on, shop},
    support::{Answer, Sandbox},
};
use std::fs;

/// Takes a store away, as a disk that is unplugged.
fn unplug(sandbox: &Sandbox, store: &str) {
    fs::rename(sandbox.path(store), sandbox.path(&format!("{store}-unplugged"))).unwrap();
}

/// Puts the store of another host in the place of one.
fn replace(sandbox: &Sandbox, store: &str) {
    unplug(sandbox, store);
    let other = shop(3);
    fs::rename(other.path(store), sandbox.path(store)).unwrap();
}

fn stores(answer: &Answer) -> Vec<String> {
    let listed = answer.json();
    listed.as_array().unwrap().iter().map(|one| one["store"].as_str().unwrap().to_owned()).collect()
}

/// One store told of by one warning, with its place and what to do.
#[track_caller]
fn warns(answer: Answer, store: &str) -> Answer {
    let lines: Vec<&str> =
        answer.stderr.lines().filter(|line| line.contains(store) && !line.starts_with('{')).collect();
    let is_one = matches!(lines.as_slice(), [line] if line.starts_with("warning: store `")
        && line.contains("/store2") && line.contains("--new-store"));
    assert!(is_one, "{answer}");
    answer
}

#[test]
fn a_list_that_lacks_a_store_is_incomplete() {
    let sandbox = shop(1);
    unplug(&sandbox, "store2");
    let answer = warns(sandbox.run(&["list", "--json"]).exits(3), "`second`");
    assert_eq!(stores(&answer), ["local", "second", "local", "second"]);
    assert_eq!((&answer.error()["code"], &answer.error()["exit"]), (&"incomplete".into(), &3.into()));
    let remembered: Vec<_> =
        answer.json().as_array().unwrap().iter().map(|one| one["remembered"].clone()).collect();
    assert_eq!(remembered, [false, true, false, true]);
    sandbox.run(&["list"]).exits(3).says("yes, as remembered");
    sandbox.run(&["list", "--store", "local"]).exits(0).hides("second");
    // Of this one nothing could be read.
    let answer = sandbox.run(&["list", "--store", "second", "--json"]).exits(1);
    assert_eq!(stores(&answer), ["second", "second"]);
    unplug(&sandbox, "store");
    sandbox.run(&["list"]).exits(1);
    sandbox.run(&["restore", "trading", "--store", "second", "--to", "x.db"]).exits(10);
}

#[test]
fn without_a_catalog_the_stores_that_are_there_are_still_listed() {
    let sandbox = shop(1);
    unplug(&sandbox, "store2");
    crate::history::ruin(&sandbox);
    assert_eq!(stores(&sandbox.run(&["list", "--json"]).exits(3)), ["local", "local"]);
    // Where nothing is remembered it may as well be a store that no run has made yet.
    fs::remove_dir_all(sandbox.state()).unwrap();
    fs::create_dir(sandbox.path("store2")).unwrap();
    let answer =
        sandbox.run(&["list", "--json"]).exits(0).says("warning: store `second`").says("is not mounted");
    assert_eq!(stores(&answer), ["local", "local"]);
}

#[test]
fn before_the_first_run_there_is_nothing_to_reach() {
    let sandbox = shop(0);
    for command in [&["list"][..], &["prune"], &["catalog", "rebuild"], &["verify"]] {
        sandbox.run(command).exits(0).says("the first run makes it");
    }
    sandbox.run(&["list"]).says("no backups yet");
}

#[test]
fn what_a_selector_cannot_mean_is_not_missed() {
    let sandbox = shop(1);
    sandbox.write(
        "web/policy.yaml",
        "version: 1\nname: web\nstores: {disk: {path: ../disk, require_mount: true}}\n\
         targets: {site: {directory: ../app}}\njobs: {weekly: {retention: {last: 1}}}\n",
    );
    let both = |words: &[&str]| {
        let mut all = vec!["--policy", "policy.yaml", "--policy", "web/policy.yaml"];
        all.extend(words);
        sandbox.run(&all)
    };
    both(&["list", "trading"]).exits(0);
    both(&["list", "shop/nightly/trading"]).exits(0);
    both(&["list"]).exits(3).says("is not a mount point");
    both(&["prune", "nightly"]).exits(0);
    both(&["prune"]).exits(3);
    both(&["list", "site"]).exits(10).says("`disk`");
    both(&["verify", "trading"]).exits(0);
}

#[test]
fn a_prune_that_lacks_a_store_is_incomplete_and_prunes_the_others() {
    let sandbox = shop(3);
    sandbox.write("policy.yaml", SHOP.replace("nightly: {}", "nightly: {retention: {last: 1}}"));
    unplug(&sandbox, "store2");
    let said = warns(sandbox.run(&["prune", "--dry-run", "--json"]).exits(3), "`second`");
    let done = warns(sandbox.run(&["prune", "--json"]).exits(3), "`second`");
    assert_eq!(said.json(), done.json());
    assert_eq!(stores(&done), ["local"; 6]);
    assert_eq!(sandbox.backups("store/shop/nightly/trading"), ["2026-01-03T070000Z"]);
    let line = sandbox.run(&["history", "--json"]).exits(0).json()[0].clone();
    assert_eq!((&line["kind"], &line["outcome"]), (&"prune".into(), &"incomplete".into()));
    sandbox.run(&["prune", "--store", "local"]).exits(0).hides("second");
    sandbox.run(&["prune", "--store", "second"]).exits(1);
    unplug(&sandbox, "store");
    let answer = sandbox.run(&["prune", "--json"]).exits(1);
    assert_eq!((answer.json(), &answer.error()["exit"]), (serde_json::json!([]), &1.into()));
}

#[test]
fn a_catalog_that_is_rebuilt_without_a_store_keeps_what_it_knew_of_it() {
    let sandbox = shop(1);
    unplug(&sandbox, "store2");
    warns(sandbox.run(&["catalog", "rebuild", "--dry-run"]).exits(3), "`second`");
    let answer = warns(sandbox.run(&["catalog", "rebuild", "--json"]).exits(3), "`second`");
    assert_eq!(answer.json()["copies"], 2);
    assert_eq!(stores(&sandbox.run(&["list", "--json"]).exits(3)).len(), 4);
    unplug(&sandbox, "store");
    sandbox.run(&["catalog", "rebuild"]).exits(1);
    assert_eq!(stores(&sandbox.run(&["list", "--json"]).exits(1)).len(), 4);
}

#[test]
fn another_store_in_the_place_of_the_one_last_used_is_read_and_left_as_it_is() {
    let sandbox = shop(1);
    replace(&sandbox, "store2");
    sandbox.write("policy.yaml", SHOP.replace("nightly: {}", "nightly: {retention: {last: 1}}"));
    let answer = warns(sandbox.run(&["list", "trading", "--json"]).exits(3), "`second`");
    assert!(answer.stderr.contains("not the one last used"), "{answer}");
    assert_eq!(stores(&answer), ["second", "second", "local", "second"]);
    sandbox.run(&["list", "--store", "second"]).exits(3);
    sandbox.run(&["prune"]).exits(3).says("not the one last used");
    sandbox.run(&["prune", "--store", "second"]).exits(1);
    assert_eq!(sandbox.backups("store2/shop/nightly/trading").len(), 3);
    sandbox.run(&["catalog", "rebuild"]).exits(3);
    sandbox.run(&["verify", "--store", "second"]).exits(4).says("not the one last used");
    sandbox.run(&["restore", "trading", "--store", "second", "--to", "x.db"]).exits(0);
    // What the catalog knows is of the store last used.
    fs::remove_dir_all(sandbox.path("store2")).unwrap();
    assert_eq!(stores(&sandbox.run(&["list", "trading", "--json"]).exits(3)), ["local", "second"]);
    fs::create_dir(sandbox.path("store2")).unwrap();
    sandbox.write("store2/holiday.jpg", "x");
    sandbox.run(&["list"]).exits(3).says("holiday.jpg");
}

#[test]
fn another_store_without_anything_of_the_policy_tells_what_the_former_held() {
    let sandbox = shop(1);
    for store in ["store", "store2"] {
        replace(&sandbox, store);
        fs::remove_dir_all(sandbox.path(&format!("{store}/shop"))).unwrap();
    }
    let answer = warns(sandbox.run(&["list", "trading", "--json"]).exits(1), "`second`");
    assert_eq!(stores(&answer), ["local", "second"]);
    assert_eq!(answer.json()[0]["remembered"], true);
    warns(sandbox.run(&["prune"]).exits(1), "`second`");
    sandbox.run(&["restore", "trading", "--to", "x.db"]).exits(10);
}

#[test]
fn what_is_remembered_of_a_name_is_of_the_store_it_means_now() {
    let sandbox = shop(2);
    unplug(&sandbox, "store2");
    sandbox.run(&["--now", "2026-01-03T07:00:00Z", "run", "-q", "--new-store", "second"]).exits(0);
    fs::rename(sandbox.path("store2"), sandbox.path("new")).unwrap();
    let listed = sandbox.run(&["list", "trading", "--store", "second", "--json"]).exits(1).json();
    let ids: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["shop/nightly/trading/2026-01-03T070000Z"]);
}

#[cfg(unix)]
#[test]
fn a_part_of_a_store_that_may_not_be_read_hides_nothing_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = shop(1);
    run_on(&sandbox, 2).exits(0);
    let series = sandbox.path("store/shop/nightly/trading");
    let allow = |mode| fs::set_permissions(&series, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o000);
    let Some(answer) = sandbox.run_unprivileged(&["list", "--json"]) else { return allow(0o700) };
    let answer = answer.exits(3).says("shop/nightly/trading").says("denied");
    assert_eq!(answer.json().as_array().unwrap().len(), 8, "{answer}");
    let answer = sandbox.run_unprivileged(&["list", "scripts", "--json"]).unwrap().exits(0);
    assert_eq!(answer.json().as_array().unwrap().len(), 4, "{answer}");
    sandbox.run_unprivileged(&["prune", "--dry-run"]).unwrap().exits(3);
    sandbox.run_unprivileged(&["catalog", "rebuild"]).unwrap().exits(3);
    sandbox.run_unprivileged(&["verify", "trading"]).unwrap().exits(4);
    let whole = ["--store", "./store"];
    sandbox.run_unprivileged(&["list", whole[0], whole[1]]).unwrap().exits(3);
    allow(0o700);
    // One backup's folder alone: it is not known what it is.
    let folder = sandbox.path(&backup_of("store", "trading", 2));
    let allow = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o000);
    let listed = sandbox.run_unprivileged(&["list", "trading"]).unwrap().exits(0).says("denied");
    sandbox.run_unprivileged(&["verify", "trading"]).unwrap().exits(4);
    allow(0o700);
    assert!(listed.stdout.contains("2026-01-01"), "{listed}");
}

#[test]
fn nothing_writes_to_a_store_that_is_not_the_one_last_used() {
    let sandbox = shop(2);
    replace(&sandbox, "store2");
    let before = bytes_below(&sandbox.path("store2"));
    for store in [&["--store", "second"][..], &[]] {
        let mut delete = vec!["delete", "trading@2026-01-01", "--reason", "x"];
        delete.extend(store);
        sandbox.run(&delete).exits(5).says("not the one last used");
    }
    sandbox.run(&["verify", "--store", "second"]).exits(4);
    sandbox.run(&["restore", "trading", "--store", "second", "--to", "x.db"]).exits(0);
    sandbox.run(&["prune"]).exits(3);
    assert!(before == bytes_below(&sandbox.path("store2")));
    // Where it is the one last used, both leave their records.
    sandbox.run(&["restore", "trading", "--store", "local", "--to", "y.db"]).exits(0);
    sandbox.run(&["verify", "trading", "--store", "local"]).exits(0);
    let records = sandbox.tree("store/shop/nightly/trading/.records");
    for kind in ["-restore-", "-verify-"] {
        assert!(records.iter().any(|name| name.contains(kind)), "{records:?}");
    }
}

#[test]
fn what_is_remembered_as_unproven_gets_no_reason_that_nobody_knows() {
    let sandbox = shop(1);
    fs::remove_file(sandbox.path(&format!("{}/trading.db.zst", backup_of("store2", "trading", 1)))).unwrap();
    sandbox.run(&["catalog", "rebuild"]).exits(0);
    unplug(&sandbox, "store2");
    let listed = sandbox.run(&["list", "trading", "--store", "second", "--json"]).exits(1).json();
    assert_eq!((&listed[0]["proven"], &listed[0]["level"]), (&false.into(), &"none".into()));
    sandbox
        .run(&["show", "trading@2026-01-01", "--store", "second"])
        .says("not proven when it was last seen")
        .hides("a later verification failed");
}
