//! `run --due` where the state folder cannot do its part, and the logs of entries.

#![cfg(unix)]

use crate::support::{
    Sandbox,
    disk::Mount,
    simple::{SERIES, policy},
};
use std::{cell::Cell, fs, path::Path};

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
fn claims_that_cannot_be_kept_cost_no_backup_and_are_kept_elsewhere_until_the_host_is_started_anew() {
    let sandbox = sandbox();
    due(&sandbox, 5).exits(0).says("proven");
    let claims = sandbox.state().join("claims");
    let file = claims.join("app.nightly.json");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    // Without a folder for what lasts until the next start the stores tell what was run.
    let sandbox = sandbox.variable("XDG_RUNTIME_DIR", "/proc/no-such-folder");
    due(&sandbox, 6).exits(0).says("proven").says("which slots were run cannot be kept");
    due(&sandbox, 6).exits(0).says("a store holds the backup").hides("proven");
    fs::remove_dir_all(&claims).unwrap();
    fs::write(&claims, "").unwrap();
    due(&sandbox, 7).exits(0).says("proven").says("which slots were run cannot be kept");
    due(&sandbox, 7).exits(0).says("a store holds the backup").hides("proven");
    let runtime = sandbox.path("runtime").to_string_lossy().into_owned();
    let sandbox = sandbox.variable("XDG_RUNTIME_DIR", &runtime);
    let start = |_| sandbox.start(&["run", "--due", "--now", "2026-01-08T07:00:00Z"]);
    let running: Vec<_> = (0..6).map(start).collect();
    let ran = running.into_iter().map(|one| one.wait().exits(0)).filter(|one| one.stdout.contains("proven"));
    assert_eq!(ran.count(), 1, "the lock is kept there, too");
    due(&sandbox, 8).exits(0).says("was run").hides("proven");
    // A run that fails has used its slot there as well.
    fs::rename(sandbox.path("app.db"), sandbox.path("away.db")).unwrap();
    due(&sandbox, 9).exits(1).says("is kept in");
    due(&sandbox, 9).exits(0).says("was run");
    fs::rename(sandbox.path("away.db"), sandbox.path("app.db")).unwrap();
    // Mended, the state folder knows of it.
    fs::remove_file(&claims).unwrap();
    due(&sandbox, 9).exits(0).says("was run");
    due(&sandbox, 10).exits(0).says("proven").hides("is kept in").hides("cannot be kept");
    assert_eq!(sandbox.backups(SERIES).len(), 5);
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
    let place = |ending: &str| logs.join(format!("{name}.{ending}"));
    let open = |place: &Path| fs::OpenOptions::new().append(true).create(true).open(place).unwrap();
    let length = |place: &Path| fs::metadata(place).map_or(0, |seen| seen.len());
    // A slot a call: what finds nothing due takes no lock, and leaves a log to the next run.
    let day = Cell::new(5);
    let call = |out: &Path, errors: &Path| {
        let mut command =
            sandbox.command(&["run", "--due", "--now", &format!("2026-01-{:02}T07:00:00Z", day.get())]);
        day.set(day.get() + 1);
        command.stdout(open(out)).stderr(open(errors));
        assert!(command.status().unwrap().success());
    };
    let much = "x".repeat(5 << 20);
    let (log, errors) = (place("log"), place("error.log"));
    fs::write(&log, &much).unwrap();
    // Somebody else's file is left as it is, however long, and so is the log of a call that prints elsewhere.
    let other = sandbox.write("mine.log", &much);
    call(&other, &other);
    assert!(length(&other) > 5 << 20 && length(&log) == 5 << 20);
    call(&log, &log);
    assert!(length(&log) > 0 && length(&log) < 5000, "{}", length(&log));
    assert!(fs::read_to_string(place("log.1")).unwrap().starts_with(&much));
    let short = length(&log);
    call(&log, &log);
    assert!(length(&log) > short, "a short one goes on");
    // launchd gives errors a log of their own.
    fs::write(&log, &much).unwrap();
    fs::write(&errors, &much).unwrap();
    call(&log, &errors);
    for (log, before) in [(&log, "log.1"), (&errors, "error.log.1")] {
        assert!(length(log) < 5000, "{}", log.display());
        assert_eq!(length(&place(before)), 5 << 20);
    }
    // Of fifty at once none empties what another has kept.
    fs::write(&log, &much).unwrap();
    fs::remove_file(place("log.1")).unwrap();
    let now = format!("2026-01-{:02}T07:00:00Z", day.get());
    let start = |_| {
        let mut command = sandbox.command(&["run", "--due", "--now", &now]);
        command.stdout(open(&log)).stderr(open(&log));
        command.spawn().unwrap()
    };
    let running: Vec<_> = (0..50).map(start).collect();
    assert!(running.into_iter().all(|mut one| one.wait().unwrap().success()));
    assert!(length(&place("log.1")) >= 5 << 20, "{}", length(&place("log.1")));
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
    let overdue = sandbox.run(&["status", "--json"]).json()["jobs"][0]["overdue"].clone();
    assert_eq!(overdue, serde_json::Value::Null);
    sandbox.run(&["run", "--due"]).exits(0).says("nothing is due").hides("proven");
    // It is known from then on, also after another start of the host.
    assert!(fs::read_to_string(&file).unwrap().contains("\"ended\""));
    sandbox.run(&["run", "--due"]).exits(0).says("nothing is due");
    // Of one that was voided before the last start nobody can tell which clock was wrong.
    voided("another");
    sandbox.run(&["run", "--due"]).exits(0).says("proven");
}
