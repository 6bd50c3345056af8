//! What `verify` finds, records and says.

use crate::{
    restore::{backup_of, flip, shop},
    support::Sandbox,
};
use policy::store::lock::{self, HolderNote, Mode};
use std::fs;

fn is_proven(sandbox: &Sandbox, selector: &str) -> Vec<bool> {
    let listed = sandbox.run(&["list", selector, "--json"]).json();
    listed.as_array().unwrap().iter().map(|one| one["proven"].as_bool().unwrap()).collect()
}

fn records(sandbox: &Sandbox, store: &str) -> usize {
    let names = sandbox.tree(&format!("{store}/shop/nightly/trading/.records"));
    names.iter().filter(|name| name.contains("-verify-")).count()
}

#[test]
fn every_level_is_shown_and_recorded() {
    let sandbox = shop(1);
    for (n, level) in ["checksum", "integrity", "checks", "restore"].into_iter().enumerate() {
        let found = sandbox.run(&["verify", "trading", "--level", level, "--json"]).exits(0).json();
        assert_eq!(found.as_array().unwrap().len(), 2);
        assert_eq!((&found[0]["level"], &found[0]["passed"]), (&level.into(), &true.into()));
        assert_eq!(records(&sandbox, "store"), n + 1);
    }
    assert_eq!(is_proven(&sandbox, "trading"), [true, true]);
    sandbox.run(&["verify"]).exits(0).says("scripts/2026-01-01T070000Z in second: level integrity");
    sandbox.run(&["verify", "nothing"]).exits(10);
    sandbox.run(&["verify", "--level", "best"]).exits(2);
}

#[test]
fn a_failing_verification_makes_a_backup_unproven_and_a_passing_one_heals_it() {
    let sandbox = shop(2);
    let file = format!("{}/trading.db.zst", backup_of("store", "trading", 2));
    let whole = fs::read(sandbox.path(&file)).unwrap();
    flip(&sandbox, &file, 3_000);
    let found = sandbox.run(&["verify", "trading@latest", "--store", "local", "--json"]).exits(4);
    let result = &found.json()[0];
    assert_eq!((&result["level"], &result["passed"]), (&"none".into(), &false.into()));
    assert!(!result["message"].as_str().unwrap().is_empty());
    assert_eq!(found.error()["exit"], 4);
    assert_eq!(is_proven(&sandbox, "trading"), [false, true, true, true]);
    sandbox
        .run(&["restore", "trading", "--store", "local", "--to", "x.db"])
        .exits(0)
        .says("trading/2026-01-01T070000Z");
    fs::write(sandbox.path(&file), whole).unwrap();
    sandbox.run(&["verify", "trading@2026-01-02", "--store", "local"]).exits(0);
    assert_eq!(is_proven(&sandbox, "trading"), [true; 4]);
}

#[test]
fn a_damaged_manifest_fails_the_verification_of_whatever_it_belongs_to() {
    let sandbox = shop(2);
    flip(&sandbox, &format!("{}/manifest.json", backup_of("store", "trading", 2)), 150);
    let answer = sandbox.run(&["verify", "--json"]).exits(4);
    let found = answer.json();
    let failed: Vec<_> = found.as_array().unwrap().iter().filter(|one| one["passed"] == false).collect();
    assert_eq!(failed.len(), 1, "{answer}");
    assert_eq!(failed[0]["id"], "shop/nightly/trading/2026-01-02T070000Z");
    assert_eq!(failed[0]["store"], "local");
    sandbox.run(&["list", "trading"]).exits(0).says("is damaged");
    sandbox.run(&["show", "trading@2026-01-02", "--store", "local"]).exits(4);
}

#[test]
fn what_could_not_be_looked_at_fails_and_is_not_recorded_as_damage() {
    let sandbox = shop(1);
    // Without the policy's text and without a policy nobody knows what to examine.
    fs::remove_dir_all(sandbox.path("store/shop/policies")).unwrap();
    fs::remove_file(sandbox.path("policy.yaml")).unwrap();
    let place = ["--store", "./store"];
    sandbox
        .run(&["verify", "trading", "--level", "integrity", place[0], place[1]])
        .exits(4)
        .says("could not be verified");
    assert_eq!(records(&sandbox, "store"), 0);
    sandbox.run(&["verify", "trading", "--level", "checksum", place[0], place[1]]).exits(0);
}

#[test]
fn a_sample_is_the_same_all_day_and_every_backup_has_its_turn() {
    let sandbox = shop(3);
    let chosen = |day: u32| {
        let now = format!("2026-02-{day:02}T07:00:00Z");
        sandbox.run(&["--now", &now, "verify", "trading", "--sample", "34%", "-n"]).exits(0).stdout
    };
    assert_eq!(chosen(1), chosen(1));
    let all: String = (1..=28).map(chosen).collect();
    for day in 1..=3 {
        assert!(all.contains(&format!("2026-01-{day:02}T070000Z")), "{all}");
    }
    assert_eq!(records(&sandbox, "store"), 0, "a dry run records nothing");
    sandbox.run(&["verify", "--sample", "0%"]).exits(2);
    // Of a few backups at least one is looked at, whatever the day.
    for day in 1..=9 {
        let now = format!("2026-02-{day:02}T07:00:00Z");
        let words = ["--now", &now, "verify", "trading", "--sample", "1%", "-n"];
        let chosen = sandbox.run(&words).exits(0).stdout.lines().count();
        assert!((1..=2).contains(&chosen), "{day}: {chosen}");
    }
}

#[test]
fn a_level_that_a_target_does_not_offer_says_nothing_against_its_backups() {
    let sandbox = shop(1);
    sandbox.run(&["verify", "scripts", "--level", "checks"]).exits(2).says("offers no level checks");
    sandbox.run(&["verify", "--level", "checks"]).exits(0).says("skipped: `scripts` offers no level checks");
    assert_eq!(is_proven(&sandbox, "scripts"), [true, true]);
    assert_eq!(records(&sandbox, "store"), 1, "the others are verified");
}

#[test]
fn a_store_that_cannot_be_reached_is_no_passing_verification() {
    let sandbox = shop(1);
    fs::rename(sandbox.path("store2"), sandbox.path("unplugged")).unwrap();
    sandbox.run(&["verify", "trading"]).exits(4).says("its store cannot be reached");
    // An empty folder, as a mount point that nothing is mounted on.
    fs::create_dir(sandbox.path("store2")).unwrap();
    sandbox.run(&["verify", "trading"]).exits(4).says("its store cannot be reached");
}

#[test]
fn a_verification_names_no_folder_of_this_host_in_its_record_and_is_in_the_history() {
    let sandbox = shop(1);
    fs::remove_file(sandbox.path(&format!("{}/trading.db.zst", backup_of("store", "trading", 1)))).unwrap();
    sandbox.run(&["verify", "trading"]).exits(4);
    let folder = "store/shop/nightly/trading/.records";
    let name = sandbox.tree(folder).into_iter().find(|name| name.contains("-verify-")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&sandbox.read(&format!("{folder}/{name}"))).unwrap();
    assert_eq!(record["message"], "`trading.db.zst` is missing");
    let line = sandbox.run(&["history", "--json"]).exits(0).json()[0].clone();
    assert_eq!((&line["kind"], &line["outcome"]), (&"verify".into(), &"failed".into()));
    // What was found stays known when the store is away.
    fs::rename(sandbox.path("store"), sandbox.path("unplugged")).unwrap();
    assert_eq!(is_proven(&sandbox, "trading"), [false, true]);
}

#[test]
fn a_dated_folder_without_manifest_is_skipped_and_is_no_backup_by_its_name() {
    let sandbox = shop(2);
    let manifest = format!("{}/manifest.json", backup_of("store", "trading", 2));
    fs::remove_file(sandbox.path(&manifest)).unwrap();
    let id = "shop/nightly/trading/2026-01-02T070000Z";
    let skipped = format!("warning: in store `local` `{id}` is no backup and is skipped: it has no manifest");
    // This host knows that it was one.
    sandbox.run(&["verify"]).exits(4).says(&skipped).says(&format!("`{id}` has lost its manifest"));
    sandbox.run(&["catalog", "rebuild"]).exits(0);
    // All that are backups stand.
    let answer = sandbox.run(&["verify", "--json"]).exits(0).says(&skipped);
    assert_eq!(answer.json().as_array().unwrap().len(), 7);
    sandbox.run(&["list"]).exits(0).says(&skipped);
    // The copy in the other store is one.
    sandbox.run(&["verify", id]).exits(0).says(&skipped);
    for selector in [id, "trading@2026-01-02", "nightly/trading@2026-01-02T07"] {
        for command in ["verify", "list", "show"] {
            let answer = sandbox.run(&[command, selector, "--store", "local", "--json"]).exits(10);
            let message = answer.error()["message"].as_str().unwrap().to_owned();
            assert!(
                message.starts_with(&format!("`{id}` in local is no backup: it has no manifest")),
                "{message}"
            );
        }
        let to = ["--store", "local", "--to", "x.db"];
        sandbox.run(&["restore", selector, to[0], to[1], to[2], to[3]]).exits(10).says("is no backup");
    }
    sandbox.run(&["verify", "trading@2026-01-03", "--store", "local"]).exits(10).hides("is no backup: it");
    assert!(sandbox.path(&backup_of("store", "trading", 2)).is_dir(), "it is never deleted");
}

#[test]
fn a_lock_on_one_series_hides_nothing_that_was_found_about_the_others() {
    let sandbox = shop(1);
    let place = sandbox.path("store/shop/nightly/trading/.lock");
    let held = lock::lock(&place, Mode::Exclusive, &HolderNote::own()).unwrap();
    let answer = sandbox.run(&["verify", "--json"]).exits(3).says("holds the lock");
    let found = answer.json();
    let passed: Vec<_> = found.as_array().unwrap().iter().map(|one| one["passed"] == true).collect();
    assert_eq!((passed.len(), passed.iter().filter(|passed| **passed).count()), (4, 3), "{answer}");
    assert_eq!(answer.error()["exit"], 3);
    sandbox.run(&["verify", "trading", "--store", "local"]).exits(11);
    // What was found to fail counts for more than what could not be looked at.
    flip(&sandbox, &format!("{}/trading.db.zst", backup_of("store2", "trading", 1)), 3_000);
    sandbox.run(&["verify"]).exits(4);
    drop(held);
}
