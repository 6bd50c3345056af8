//! What the history remembers, and that losing it loses nothing.

use crate::{
    restore::{run_on, shop},
    support::{Sandbox, simple::simple},
};
use std::fs;

/// Makes the catalog something that is no database.
pub(crate) fn ruin(sandbox: &Sandbox) {
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = fs::remove_file(sandbox.state().join(name));
    }
    fs::write(sandbox.state().join("catalog.db"), "this is no database at all").unwrap();
}

#[test]
fn history_tells_runs_and_restores_with_what_failed() {
    let sandbox = shop(1);
    sandbox.sql("app/app.db", "DELETE FROM trades");
    run_on(&sandbox, 2).exits(3);
    sandbox.run(&["restore", "trading", "--to", "x.db"]).exits(0);
    let told = sandbox.run(&["history"]).exits(0).says("FIRST FAILURE").says("rows of trades");
    assert!(told.stdout.lines().any(|line| line.contains("incomplete")), "{told}");
    let entries = sandbox.run(&["history", "--json"]).exits(0).json();
    let entries = entries.as_array().unwrap();
    assert_eq!(entries.len(), 3);
    for field in ["run", "policy", "digest", "kind", "started", "finished", "outcome", "details"] {
        assert!(!entries[0][field].is_null(), "{field}");
    }
    assert_eq!(sandbox.run(&["history", "--limit", "1", "--json"]).json().as_array().unwrap().len(), 1);
}

#[test]
fn the_history_tells_the_real_clock_under_another_calendar() {
    let sandbox = shop(1);
    let entry = sandbox.run(&["history", "--json"]).exits(0).json()[0].clone();
    let time = |end: &str| chrono::DateTime::parse_from_rfc3339(entry[end].as_str().unwrap()).unwrap();
    assert!(entry["run"].as_str().unwrap().ends_with("/2026-01-01T070000Z"), "{entry}");
    assert!(time("started") <= time("finished"), "{entry}");
    assert!((chrono::Utc::now() - time("started").to_utc()).num_hours() < 1, "{entry}");
}

#[test]
fn a_log_begins_with_the_last_failure() {
    let sandbox = shop(1);
    sandbox.sql("app/app.db", "DELETE FROM trades");
    run_on(&sandbox, 2).exits(3);
    let log = sandbox.run(&["log"]).exits(0);
    assert!(log.stdout.starts_with("last failure: "), "{log}");
    sandbox.run(&["log", "shop/2026-01-01T070000Z"]).exits(0).hides("last failure");
    sandbox.run(&["log", "shop/nightly"]).exits(0).says("2026-01-02T070000Z");
    sandbox.run(&["log", "nothing"]).exits(10);
    let json = sandbox.run(&["log", "--json"]).exits(0).json();
    assert!(json["last_failure"].is_string() && json["lines"].is_array());
}

#[test]
fn a_catalog_rebuilt_from_the_stores_tells_the_same() {
    let sandbox = shop(2);
    let before = sandbox.run(&["list", "--json"]).exits(0).json();
    let runs = |sandbox: &Sandbox| -> Vec<String> {
        let entries = sandbox.run(&["history", "--json"]).exits(0).json();
        entries.as_array().unwrap().iter().map(|entry| entry["run"].to_string()).collect()
    };
    let known = runs(&sandbox);
    fs::remove_dir_all(sandbox.state()).unwrap();
    assert_eq!(before, sandbox.run(&["list", "--json"]).exits(0).json(), "stores are the truth");
    assert!(runs(&sandbox).is_empty());
    sandbox.run(&["catalog", "rebuild", "--dry-run"]).exits(0).says("nothing was changed");
    assert!(!sandbox.state().join("catalog.db").exists());
    sandbox.run(&["catalog", "rebuild"]).exits(0).says("8 copies of 2 runs");
    assert_eq!(known, runs(&sandbox));
    // What it remembers serves when the stores are away.
    fs::rename(sandbox.path("store"), sandbox.path("away")).unwrap();
    assert_eq!(sandbox.run(&["list", "--json"]).exits(3).json().as_array().unwrap().len(), 8);
}

#[test]
fn a_catalog_that_is_no_database_stops_nothing_and_is_made_anew() {
    let sandbox = shop(2);
    ruin(&sandbox);
    sandbox.run(&["list"]).exits(0);
    sandbox.run(&["restore", "trading", "--to", "x.db"]).exits(0).says("warning");
    sandbox.run(&["verify", "trading"]).exits(0);
    sandbox.run(&["delete", "trading@oldest", "--reason", "x"]).exits(0);
    run_on(&sandbox, 3).exits(0);
    sandbox.run(&["history"]).exits(1).says("catalog rebuild");
    sandbox.run(&["catalog", "rebuild"]).exits(0).says("it was moved to");
    sandbox.run(&["history"]).exits(0).says("2026-01-02T070000Z");
    let kept = sandbox.tree("../home").into_iter().any(|name| name.contains("catalog.db.damaged-"));
    assert!(kept, "the damaged one is kept");
}

#[test]
fn a_run_names_what_it_pruned_and_so_does_its_log() {
    let sandbox = simple();
    for day in 1..=3 {
        sandbox.run(&["run", "--now", &format!("2026-01-0{day}T07:00:00Z")]).exits(0).hides("pruned app/");
    }
    let told = "app/nightly/app/2026-01-01T070000Z in local";
    sandbox.run(&["run", "--now", "2026-01-04T07:00:00Z"]).exits(0).says(&format!("pruned {told}"));
    sandbox.run(&["log"]).exits(0).says("  1 pruned").says(told);
    let told = "app/nightly/app/2026-01-02T070000Z in local";
    sandbox.run(&["run", "-q", "--now", "2026-01-05T07:00:00Z"]).exits(0).hides("pruned");
    sandbox.run(&["log"]).exits(0).says(told);
}
