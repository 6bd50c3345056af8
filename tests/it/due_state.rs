//! `run --due` where the state folder cannot do its part, and the logs of entries.

#![cfg(unix)]

use crate::support::{
    Sandbox,
    disk::Mount,
    simple::{SERIES, policy},
};
use std::fs;

const NIGHTLY: &str = ", schedule: \"0 7 * * *\"";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_policy(&policy("", NIGHTLY).replace("last: 3", "last: 9"));
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)");
    sandbox
}

fn due(sandbox: &Sandbox, day: u32) -> crate::support::Answer {
    sandbox.run(&["run", "--due", "--now", &format!("2026-01-{day:02}T07:00:00Z")])
}

#[test]
fn claims_that_cannot_be_kept_cost_no_backup_and_the_store_tells_what_was_run() {
    let sandbox = sandbox();
    due(&sandbox, 5).exits(0).says("proven");
    let claims = sandbox.state().join("claims");
    let file = claims.join("app.nightly.json");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    due(&sandbox, 6).exits(0).says("proven").says("which slots were run cannot be kept");
    due(&sandbox, 6).exits(0).says("a store holds the backup").hides("proven");
    // Without a folder for them not even a lock can be had.
    fs::remove_dir_all(&claims).unwrap();
    fs::write(&claims, "").unwrap();
    due(&sandbox, 7).exits(0).says("proven").says("which slots were run cannot be kept");
    due(&sandbox, 7).exits(0).says("a store holds the backup").hides("proven");
    assert_eq!(sandbox.backups(SERIES).len(), 3);
    fs::remove_file(&claims).unwrap();
    due(&sandbox, 8).exits(0).says("proven").hides("cannot be kept");
}

#[test]
fn a_full_disk_under_the_claims_costs_no_backup() {
    let sandbox = sandbox();
    due(&sandbox, 5).exits(0);
    let claims = sandbox.state().join("claims");
    let Some(small) = Mount::small(&claims, "8k") else { return };
    fs::write(claims.join("full"), vec![0; 16 << 10]).unwrap_err();
    due(&sandbox, 6).exits(0).says("proven").says("cannot be kept");
    due(&sandbox, 6).exits(0).says("a store holds the backup");
    drop(small);
    due(&sandbox, 7).exits(0).says("proven").hides("cannot be kept");
}

#[test]
fn a_log_that_has_become_long_is_begun_anew_by_the_run_that_writes_to_it() {
    let sandbox = sandbox();
    let logs = sandbox.state().join("logs");
    fs::create_dir_all(&logs).unwrap();
    let name = policy::schedule::entry::EntryName::of("app", "nightly");
    let log = logs.join(format!("{name}.log"));
    let into = |place: &std::path::Path| {
        let file = fs::OpenOptions::new().append(true).create(true).open(place).unwrap();
        let mut command = sandbox.command(&["run", "--due", "--now", "2026-01-05T07:00:00Z"]);
        command.stdout(file.try_clone().unwrap()).stderr(file);
        assert!(command.status().unwrap().success());
        fs::read_to_string(place).unwrap()
    };
    let much = "x".repeat(5 << 20);
    fs::write(&log, &much).unwrap();
    // Somebody else's file is left as it is, however long, and so is the log of a call that prints elsewhere.
    let other = sandbox.write("mine.log", &much);
    assert!(into(&other).starts_with(&much));
    assert_eq!(fs::read_to_string(&log).unwrap(), much);
    let text = into(&log);
    assert!(text.contains("nothing is due") && text.len() < 1000, "{} bytes", text.len());
    assert_eq!(fs::read_to_string(logs.join(format!("{name}.log.1"))).unwrap(), much);
    assert!(into(&log).len() > text.len(), "a short one goes on");
}

#[cfg(target_os = "linux")]
#[test]
fn a_clock_that_was_behind_for_a_while_costs_no_second_run() {
    let sandbox = sandbox();
    sandbox.run(&["run", "--due"]).exits(0).says("proven");
    let file = sandbox.state().join("claims/app.nightly.json");
    let kept: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    let up: i64 = uptime.split('.').next().unwrap().parse().unwrap();
    // As a call has left it whose clock stood in 2020, a minute ago.
    let voided = |boot: &str| {
        let mut claims = kept.clone();
        claims[0]["state"] = "void".into();
        claims[0]["voided"] = serde_json::json!({
            "moment": {"at": "2020-01-01T00:00:00Z", "boot": boot.trim(), "up_secs": up - 60},
            "was": "ended",
        });
        fs::write(&file, claims.to_string()).unwrap();
    };
    voided(&fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap());
    sandbox.run(&["run", "--due"]).exits(0).says("nothing is due").hides("proven");
    // Of another start of the host nobody can tell which clock was wrong.
    voided("another");
    sandbox.run(&["run", "--due"]).exits(0).says("proven");
}
