//! What `prune` and `delete` take away, and what they never do.

use crate::{
    restore::{SHOP, backup_of, bytes_below, run_on, shop},
    support::Sandbox,
};
use std::fs;

/// Days without retention, then a policy that keeps one.
fn overdue(days: u32) -> Sandbox {
    let sandbox = shop(days);
    sandbox.write("policy.yaml", SHOP.replace("nightly: {}", "nightly: {retention: {last: 1}}"));
    sandbox
}

#[test]
fn a_dry_run_says_what_prune_then_does() {
    let sandbox = overdue(3);
    let before = bytes_below(sandbox.root());
    let said = sandbox.run(&["prune", "--dry-run", "--json"]).exits(0).json();
    assert!(before == bytes_below(sandbox.root()), "a dry run changed something");
    sandbox.run(&["prune", "-n"]).exits(0).says("8 would be pruned; nothing was changed");
    let done = sandbox.run(&["prune", "--json"]).exits(0).json();
    assert_eq!(said, done);
    for verdict in said.as_array().unwrap() {
        assert!(!verdict["reasons"].as_array().unwrap().is_empty());
        let store = if verdict["store"] == "local" { "store" } else { "store2" };
        let path = sandbox.path(&format!("{store}/{}", verdict["id"].as_str().unwrap()));
        assert_eq!(path.exists(), verdict["keep"] == true, "{verdict}");
    }
    sandbox.run(&["prune"]).exits(0).says("4 kept, 0 pruned");
}

#[test]
fn without_the_backup_that_others_are_needless_for_nothing_is_pruned() {
    let sandbox = overdue(3);
    fs::remove_file(sandbox.path(&format!("{}/trading.db.zst", backup_of("store", "trading", 3)))).unwrap();
    sandbox.run(&["prune", "--store", "local", "--dry-run"]).exits(3).says("does not stand");
    sandbox.run(&["prune", "--store", "local"]).exits(3).says("does not stand");
    assert_eq!(sandbox.backups("store/shop/nightly/trading").len(), 3);
    assert_eq!(sandbox.backups("store/shop/nightly/scripts").len(), 1, "the others are pruned all the same");
    // Once that is found out, the one before it is relied on.
    sandbox.run(&["verify", "trading@2026-01-03", "--store", "local"]).exits(4);
    sandbox.run(&["prune"]).exits(0);
    assert_eq!(
        sandbox.backups("store/shop/nightly/trading"),
        ["2026-01-02T070000Z", "2026-01-03T070000Z"],
        "an unproven one newer than the newest proven stays"
    );
}

#[test]
fn a_backup_that_lost_its_data_takes_no_place_of_retention_from_one_that_stands() {
    let sandbox = shop(1);
    for hour in ["08", "09"] {
        sandbox.run(&["--now", &format!("2026-01-01T{hour}:00:00Z"), "run", "-q"]).exits(0);
    }
    run_on(&sandbox, 2).exits(0);
    sandbox.write("policy.yaml", SHOP.replace("nightly: {}", "nightly: {retention: {daily: 2}}"));
    let series = "store/shop/nightly/trading";
    fs::remove_file(sandbox.path(&format!("{series}/2026-01-01T090000Z/trading.db.zst"))).unwrap();
    sandbox.run(&["prune"]).exits(0);
    assert_eq!(sandbox.backups(series), ["2026-01-01T080000Z", "2026-01-02T070000Z"]);
    assert_eq!(sandbox.backups("store2/shop/nightly/trading"), ["2026-01-01T090000Z", "2026-01-02T070000Z"]);
}

#[test]
fn another_hosts_backups_go_only_when_they_are_adopted() {
    let sandbox = shop(1);
    for day in ["02", "03"] {
        let mut other = sandbox.command(&["--now", &format!("2026-01-{day}T07:00:00Z"), "run", "-q"]);
        other.env("POLICY_MACHINE_ID", "other");
        sandbox.finish(other).exits(0);
    }
    run_on(&sandbox, 4).exits(0);
    sandbox.write("policy.yaml", SHOP.replace("nightly: {}", "nightly: {retention: {last: 1}}"));
    sandbox.run(&["prune"]).exits(0);
    let series = "store/shop/nightly/trading";
    assert_eq!(sandbox.backups(series), ["2026-01-02T070000Z", "2026-01-03T070000Z", "2026-01-04T070000Z"]);
    let origin = sandbox.manifest(&backup_of("store", "trading", 2))["origin"].as_str().unwrap().to_owned();
    sandbox.run(&["prune", "--adopt", &origin]).exits(0);
    assert_eq!(sandbox.backups(series), ["2026-01-04T070000Z"]);
}

#[test]
fn with_a_calendar_ahead_of_the_clock_nothing_is_deleted() {
    let sandbox = overdue(2);
    sandbox
        .run(&["--now", "2199-01-01T00:00:00Z", "prune"])
        .exits(0)
        .says("nothing is deleted")
        .says("4 kept and 4 needless at that time; nothing was changed");
    // A dry run promises no more than that.
    let told = sandbox.run(&["--now", "2199-01-01T00:00:00Z", "prune", "-n"]).exits(0);
    told.says("nothing is deleted").says("needless at that time").hides("would be pruned");
    sandbox.run(&["--now", "2199-01-01T00:00:00Z", "delete", "trading@oldest", "--reason", "x"]).exits(5);
    assert_eq!(sandbox.backups("store/shop/nightly/trading").len(), 2);
}

#[test]
fn a_catalog_that_is_no_database_keeps_nobody_from_pruning() {
    let sandbox = overdue(2);
    crate::history::ruin(&sandbox);
    sandbox.run(&["prune"]).exits(0).says("4 pruned").says("warning");
}

#[test]
fn what_is_not_declared_cannot_be_pruned() {
    let sandbox = shop(1);
    sandbox.run(&["prune", "nothing"]).exits(10);
    sandbox.run(&["prune", "--store", "nothing"]).exits(10);
}
