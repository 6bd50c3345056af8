//! The second system: three DuckDB files backed up together while one of them is written, verified, pruned, lost and
//! brought back by their own policy, `policies/openquant.yaml`, as it stands.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up is a failed test")]

use crate::support::{
    Sandbox,
    duck::{ask, content},
};
use std::{fs, path::Path};

const NIGHT: &str = "2026-01-05T02:00:00Z";

/// The project as it lies on its machine: the policy in it, the store outside it. The look-alike is always the same.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/openquant.yaml");
    // As it stands, but that nobody waits for five minutes between two tries.
    let policy = fs::read_to_string(policy).unwrap().replace("delay: 5m", "delay: 0s");
    sandbox.write("policies/openquant.yaml", policy);
    sandbox.duck(
        "data/results.duckdb",
        "CREATE TABLE backtest_runs (id UUID PRIMARY KEY, strategy VARCHAR, params JSON, started TIMESTAMPTZ, sharpe DOUBLE);
         INSERT INTO backtest_runs SELECT md5(range::VARCHAR)::UUID, 'momentum-' || (range % 7), '{\"window\": ' || range || '}',
                (TIMESTAMP '2025-06-01' + to_hours(range::INTEGER))::TIMESTAMPTZ, (hash(range) % 400) / 100.0 FROM range(250);
         CREATE TABLE trades (id BIGINT, run_id UUID, symbol VARCHAR, side VARCHAR, quantity INTEGER, price DECIMAL(18, 4),
                pnl DECIMAL(18, 2), done TIMESTAMP, tags VARCHAR[]);
         INSERT INTO trades SELECT range, md5((range % 250)::VARCHAR)::UUID, ['AAPL', 'MSFT', 'NVDA'][1 + range % 3],
                ['buy', 'sell'][1 + range % 2], 1 + hash(range) % 500, (hash(range, 1) % 4000000) / 10000.0,
                (hash(range, 2) % 200000)::BIGINT / 100.0 - 1000, TIMESTAMP '2025-06-01' + to_minutes(range::INTEGER),
                ['t' || range % 5, 'x'] FROM range(60000);
         CREATE TABLE equity_curve AS SELECT done, sum(pnl) OVER (ORDER BY done) AS equity FROM trades;
         CREATE VIEW best AS SELECT * FROM backtest_runs WHERE sharpe > 2; CREATE INDEX by_run ON trades (run_id);",
    );
    sandbox.duck(
        "data/audit_trail.duckdb",
        "CREATE TABLE audit_log (seq BIGINT PRIMARY KEY, done TIMESTAMP, actor VARCHAR, action VARCHAR, before JSON, after JSON);
         INSERT INTO audit_log SELECT 1 + range, TIMESTAMP '2025-01-01' + to_seconds(range), 'agent-' || range % 9, 'order',
                NULL, '{\"n\": ' || range || '}' FROM range(40000);",
    );
    sandbox.duck(
        "data/tca.duckdb",
        "CREATE TABLE executions AS SELECT range AS id, hash(range) % 10000 / 100.0 AS slippage FROM range(30000);
         CREATE TABLE benchmark_vwap AS SELECT range AS minute, 100 + range % 9 AS price FROM range(5000);",
    );
    sandbox
}

fn place(name: &str) -> String {
    format!("data/{}.duckdb", if name == "audit" { "audit_trail" } else { name })
}

const TARGETS: [&str; 3] = ["audit", "results", "tca"];

#[test]
fn three_databases_are_backed_up_together_and_come_back_as_they_were() {
    let sandbox = project();
    sandbox.run(&["check", "--deny", "warnings"]).exits(0);
    let before = TARGETS.map(|name| content(&sandbox.path(&place(name))));
    let answer = sandbox.run(&["run", "--now", NIGHT, "--json"]).exits(0);
    let backups = answer.json()[0]["backups"].as_array().unwrap().clone();
    assert_eq!(backups.len(), 3);
    for backup in &backups {
        assert_eq!((&backup["proven"], &backup["level"]), (&true.into(), &"checks".into()), "{backup}");
        // What it had beside its archives: time, original path, size; here the manifest tells.
        let manifest =
            sandbox.run(&["show", backup["id"].as_str().unwrap(), "--json"]).exits(0).json()["manifest"]
                .clone();
        assert!(manifest["source"].as_str().unwrap().starts_with("../data/"));
        assert!(backup["bytes"].as_u64() < backup["original_bytes"].as_u64());
    }
    sandbox.run(&["verify", "--level", "restore", "--now", "2026-01-05T09:00:00Z"]).exits(0);
    // All three are lost; they come back from one run, none before all are proven again.
    for name in TARGETS {
        fs::remove_file(sandbox.path(&place(name))).unwrap();
    }
    sandbox.run(&["run", "--now", "2026-01-06T02:00:00Z"]).exits(1).says("does not exist");
    sandbox.run(&["restore", "--job", "daily", "--yes", "--now", "2026-01-06T09:00:00Z"]).exits(0);
    assert_eq!(TARGETS.map(|name| content(&sandbox.path(&place(name)))), before);
    sandbox.run(&["run", "--now", "2026-01-07T02:00:00Z"]).exits(0);
}

#[test]
fn a_locked_audit_trail_goes_down_the_ladder_and_the_others_go_on() {
    let sandbox = project();
    let policy = sandbox
        .read("policies/openquant.yaml")
        .replace("wait: 90s", "wait: 1s")
        .replace("delay: 5m", "delay: 0s");
    sandbox.write("policies/openquant.yaml", policy);
    let held = sandbox.hold("data/audit_trail.duckdb");
    held.execute_batch(
        "INSERT INTO audit_log VALUES (40001, TIMESTAMP '2026-01-05', 'agent-1', 'fill', NULL, '{}')",
    )
    .unwrap();
    // The owner's script is not there yet: the last rung serves, and the manifest tells of all three.
    sandbox.run(&["run", "--now", NIGHT]).exits(0).says("hot_copy");
    let stamp = sandbox.backups(&series(&sandbox, "audit"))[0].clone();
    let manifest = sandbox.manifest(&format!("{}/{stamp}", series(&sandbox, "audit")));
    let rungs: Vec<_> =
        manifest["rungs"].as_array().unwrap().iter().map(|rung| rung["method"].as_str().unwrap()).collect();
    assert_eq!((rungs, &manifest["method"]), (vec!["locked_copy", "owner_copy"], &"hot_copy".into()));
    assert_eq!(manifest["tables"]["audit_log"]["rows"], 40_001);
    // With the script, its own copy is taken.
    sandbox.write("scripts/audit-copy.sh", "#!/bin/sh\ncp ../data/audit_trail.copy \"$1\"\n");
    let script = sandbox.path("scripts/audit-copy.sh");
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    held.execute_batch(&format!(
        "ATTACH '{}' AS copy; COPY FROM DATABASE audit_trail TO copy; DETACH copy",
        sandbox.path("data/audit_trail.copy").display()
    ))
    .unwrap();
    sandbox.run(&["run", "--now", "2026-01-06T02:00:00Z"]).exits(0).says("owner_copy");
    drop(held);
    sandbox.run(&["restore", "audit", "--to", "audit.duckdb"]).exits(0);
    assert_eq!(ask(&sandbox.path("audit.duckdb"), "SELECT max(seq) FROM audit_log"), "40001");
}

#[test]
fn thirty_days_are_kept_and_never_fewer_than_five() {
    let sandbox = project();
    let night = |day: &str| sandbox.run(&["run", "--now", &format!("{day}T02:00:00Z"), "-q"]).exits(0);
    for day in ["2026-01-01", "2026-01-02", "2026-01-20", "2026-02-03"] {
        night(day);
    }
    let stamps = || sandbox.backups(&series(&sandbox, "tca"));
    // Older than thirty days, and among the last five: they stay.
    assert_eq!(stamps().len(), 4);
    night("2026-02-04");
    assert_eq!(stamps().len(), 5);
    night("2026-02-05");
    assert_eq!(stamps().first().map(String::as_str), Some("2026-01-02T020000Z"));
    night("2026-02-06");
    assert_eq!(stamps().first().map(String::as_str), Some("2026-01-20T020000Z"));
    // After a long silence the last five are still there.
    night("2026-06-01");
    assert_eq!(stamps().len(), 5);
}

fn series(sandbox: &Sandbox, target: &str) -> String {
    sandbox.home().join("Backups/openquant/openquant/daily").join(target).to_str().unwrap().to_owned()
}
