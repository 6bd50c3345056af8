//! Runs and restores that are killed, interrupted or left alone by their server, at many moments: nothing that is not
//! whole is published, nothing is left, the live database is the old or the new one, and the next one is fine.

use crate::support::{
    Running, Sandbox,
    postgres::Cluster,
    served::{SERIES, Served},
    until,
};
use std::{fs, process::Command, thread, time::Duration};

const MANY: &str = "CREATE TABLE many AS SELECT n, md5(n::text) || md5((-n)::text) AS t FROM generate_series(1, 40000) n; \
    CREATE TABLE few (x int); INSERT INTO few VALUES (1), (2)";
const FEW: &str = "SELECT count(*) FROM few";
const PROVEN: (&str, &str, &str) =
    ("", "scratch: killed_scratch\nchecks: [{rows: many, expect: same_as_source}]", ", verify: restore");

fn own() -> Option<Cluster> {
    Cluster::start()
}

/// The processes below one, however deep, by name.
fn below(id: u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()) {
            let name = fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            found.push((child, name.trim().to_owned()));
            found.extend(below(child));
        }
    }
    found
}

/// Does something to a call of the program at one moment after another, until it ends before that.
fn at_moments(
    sandbox: &Sandbox,
    arguments: &[&str],
    hurt: &dyn Fn(Running, Duration) -> bool,
    look: &mut dyn FnMut(Duration),
) {
    // First by small steps: a short program is over soon.
    let (mut delay, mut met) = (Duration::from_millis(5), 0);
    loop {
        let running = sandbox.start(arguments);
        thread::sleep(delay);
        if !hurt(running, delay) {
            break;
        }
        met += 1;
        look(delay);
        delay += (delay / 6).max(Duration::from_millis(15));
        assert!(delay < Duration::from_mins(1), "it never ends");
    }
    assert!(met > 4, "only {met} moments were met");
}

fn killed(mut running: Running, _: Duration) -> bool {
    let was_running = running.is_running();
    running.kill();
    was_running
}

fn is_proven(project: &Served<'_>) {
    project.run(&["verify", "--level", "integrity", "-q"]).exits(0);
    for backup in project.run(&["list", "--json"]).exits(0).json().as_array().unwrap() {
        assert_eq!(backup["proven"], true, "{backup}");
    }
}

#[test]
fn a_run_that_is_killed_at_any_moment_publishes_nothing_that_is_not_whole() {
    let Some(cluster) = own() else { return };
    let project = Served::new(&cluster, MANY, PROVEN);
    let mut ends = 0;
    at_moments(&project, &["run", "-q"], &killed, &mut |delay| {
        until("its programs end with it", || {
            let on = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'policy'";
            cluster.psql("postgres", on) == "0"
        });
        ends += 1;
        // Not after each: one run must be able to clear up what several have left.
        if ends % 3 == 0 {
            project.run(&["run", "-q"]).exits(0);
            project.is_clean(&format!("killed after {delay:?}"));
        }
    });
    project.run(&["run", "-q"]).exits(0);
    project.is_clean("at the end");
    is_proven(&project);
}

#[test]
fn a_run_that_is_interrupted_at_any_moment_leaves_nothing() {
    let Some(cluster) = own() else { return };
    for format in ["custom", "directory"] {
        let project = Served::new(&cluster, MANY, (&format!(", format: {format}"), PROVEN.1, PROVEN.2));
        let interrupted = |mut running: Running, delay: Duration| {
            if !running.is_running() {
                return false;
            }
            let _ = Command::new("/bin/kill").args(["-INT", &running.id().to_string()]).output();
            let answer = running.wait();
            // Before its handlers are there the signal itself ends it, and nothing was begun.
            assert!([0, 130].contains(&answer.exit), "{delay:?}: {answer}");
            true
        };
        at_moments(&project, &["run", "-q"], &interrupted, &mut |delay| {
            project.is_clean(&format!("{format}, interrupted after {delay:?}"));
        });
        project.run(&["run", "-q"]).exits(0);
        is_proven(&project);
    }
}

#[test]
fn a_restore_that_is_killed_at_any_moment_leaves_the_old_database_or_the_new_one() {
    let Some(cluster) = own() else { return };
    let project = Served::new(&cluster, MANY, ("", "", ""));
    project.run(&["run", "-q"]).exits(0);
    project.live("DELETE FROM few");
    let mut seen = [0, 0];
    let arguments = ["restore", "app", "--yes", "-q"];
    at_moments(&project, &arguments, &killed, &mut |delay| {
        let rows = project.live(FEW);
        match rows.as_str() {
            "0" => {
                seen[0] += 1;
                assert!(project.asides().is_empty(), "{delay:?}");
            }
            "2" => seen[1] += 1,
            _ => panic!("{delay:?}: {rows}"),
        }
        assert_eq!(project.live("SELECT count(*) FROM many"), "40000", "{delay:?}");
        if rows == "2" {
            let asides = project.asides();
            assert_eq!(asides.len(), 1, "{delay:?}");
            assert_eq!(project.other(&asides[0], FEW), "0", "{delay:?}");
            cluster.psql("postgres", &format!("DROP DATABASE \"{}\"", asides[0]));
        }
        project.live("DELETE FROM few");
    });
    project.run(&arguments).exits(0);
    assert_eq!(project.live(FEW), "2");
    project.is_clean("after the last");
    assert!(seen[0] > 0, "{seen:?}");
}

#[test]
fn a_restore_that_is_interrupted_leaves_nothing_and_the_old_database_or_the_new_one() {
    let Some(cluster) = own() else { return };
    let project = Served::new(&cluster, MANY, ("", "", ""));
    project.run(&["run", "-q"]).exits(0);
    project.live("DELETE FROM few");
    let interrupted = |mut running: Running, delay: Duration| {
        if !running.is_running() {
            return false;
        }
        let _ = Command::new("/bin/kill").args(["-INT", &running.id().to_string()]).output();
        let answer = running.wait();
        let rows = project.live(FEW);
        match answer.exit {
            130 => assert_eq!(rows, "0", "{delay:?}: {answer}"),
            0 => {
                assert_eq!(rows, "2", "{delay:?}: {answer}");
                return false;
            }
            _ => panic!("{delay:?}: {answer}"),
        }
        true
    };
    at_moments(&project, &["restore", "app", "--yes", "-q"], &interrupted, &mut |delay| {
        project.is_clean(&format!("interrupted after {delay:?}"));
        assert!(project.asides().is_empty(), "{delay:?}");
    });
}

#[test]
fn a_restore_that_is_killed_at_its_exchange_leaves_the_old_database_or_the_new_one() {
    let Some(cluster) = own() else { return };
    let project =
        Served::new(&cluster, "CREATE TABLE few (x int); INSERT INTO few VALUES (1), (2)", ("", "", ""));
    project.run(&["run", "-q"]).exits(0);
    for n in 0..12 {
        project.live("DELETE FROM few");
        let exchanges = || cluster.log().matches("RENAME TO").count();
        let before = exchanges();
        let mut running = project.start(&["restore", "app", "--yes", "-q"]);
        until("it exchanges", || exchanges() > before || !running.is_running());
        thread::sleep(Duration::from_millis(n / 2));
        if n % 3 == 2 {
            // The server ends it instead.
            let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'policy'";
            cluster.psql("postgres", sql);
            let answer = running.wait();
            let now = project.live(FEW);
            assert_eq!(now, if answer.exit == 0 { "2" } else { "0" }, "{answer}");
        } else {
            running.kill();
        }
        until("nobody of it is on the server", || {
            let on = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'policy'";
            cluster.psql("postgres", on) == "0"
        });
        let asides = project.asides();
        match project.live(FEW).as_str() {
            "0" => assert!(asides.is_empty(), "{n}"),
            "2" => assert_eq!(project.other(&asides[0], FEW), "0", "{n}"),
            other => panic!("{n}: {other}"),
        }
        for aside in asides {
            cluster.psql("postgres", &format!("DROP DATABASE \"{aside}\""));
        }
    }
    project.run(&["restore", "app", "--yes", "-q"]).exits(0);
    project.is_clean("after the last");
}

/// Waits until a call of the program runs another program, and kills that.
fn kill_its(running: &mut Running, name: &str) {
    let id = running.id();
    let mut found = None;
    until(&format!("{name} runs"), || {
        // Another one only says its version.
        let connects = |id: u32| {
            fs::read_to_string(format!("/proc/{id}/cmdline")).is_ok_and(|words| words.contains("--dbname="))
        };
        found = below(id).into_iter().find(|(id, found)| found == name && connects(*id));
        found.is_some() || !running.is_running()
    });
    let (found, _) = found.unwrap_or_else(|| panic!("{name} was not seen"));
    let _ = Command::new("/bin/kill").args(["-KILL", &found.to_string()]).output();
}

#[test]
fn a_pg_dump_that_is_killed_fails_the_run_and_one_that_loads_its_proof() {
    let Some(cluster) = own() else { return };
    let big = "CREATE TABLE big AS SELECT n, repeat(md5(n::text), 9) AS t FROM generate_series(1, 100000) n";
    for format in ["plain", "custom", "directory"] {
        let project = Served::new(&cluster, big, (&format!(", format: {format}"), "", ""));
        let mut running = project.start(&["run"]);
        kill_its(&mut running, "pg_dump");
        running.wait().exits(1).says("pg_dump");
        project.is_clean(format);
        assert_eq!(project.backups(SERIES).len(), 0);
        project.run(&["run", "-q"]).exits(0);
        let mut running = project.start(&["restore", "app", "--yes"]);
        // The first `psql` asks; what loads is told by its arguments.
        let loader = if format == "plain" { "psql" } else { "pg_restore" };
        until("it is loaded", || {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'policy_restore_%' AND query LIKE 'COPY%'";
            cluster.psql("postgres", sql) != "0" || !running.is_running()
        });
        let id = running.id();
        let loading = below(id).into_iter().filter(|(_, name)| name == loader);
        for (loading, _) in loading {
            let _ = Command::new("/bin/kill").args(["-KILL", &loading.to_string()]).output();
        }
        let answer = running.wait();
        assert!(answer.exit != 0, "{format}: {answer}");
        project.is_clean(format);
        assert!(project.asides().is_empty());
    }
}

#[test]
fn a_server_that_ends_its_sessions_fails_what_runs_and_nothing_is_left() {
    let Some(cluster) = own() else { return };
    let project = Served::new(&cluster, MANY, PROVEN);
    let terminated = |mut running: Running, delay: Duration| {
        if !running.is_running() {
            return false;
        }
        let sql = "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'policy') t";
        let ended = cluster.psql("postgres", sql);
        // It may have been between two sessions.
        let answer = running.wait();
        assert!([0, 1, 4].contains(&answer.exit), "{delay:?}: {ended}: {answer}");
        true
    };
    at_moments(&project, &["run", "-q"], &terminated, &mut |delay| {
        project.run(&["run", "-q"]).exits(0);
        project.is_clean(&format!("after {delay:?}"));
    });
    let answer = project.run(&["list", "--json"]).exits(0).json();
    for backup in answer.as_array().unwrap() {
        // A proof that was cut short says nothing about the backup; what was cut short before is none.
        assert!(backup["bytes"].as_u64() > Some(1000), "{backup}");
    }
    project.run(&["verify", "--level", "integrity", "-q"]).exits(0);
}

#[test]
fn a_server_that_crashes_fails_what_runs_and_is_fine_when_it_is_back() {
    let Some(cluster) = own() else { return };
    let project = Served::new(&cluster, MANY, PROVEN);
    project.run(&["run", "-q"]).exits(0);
    project.live("DELETE FROM few");
    for (arguments, millis) in [
        (&["run"][..], 100),
        (&["run"], 400),
        (&["run"], 900),
        (&["restore", "app", "--yes"], 300),
        (&["restore", "app", "--yes"], 700),
        (&["verify", "--level", "restore"], 400),
    ] {
        cluster.psql("postgres", "CHECKPOINT");
        let running = project.start(arguments);
        thread::sleep(Duration::from_millis(millis));
        cluster.kill();
        let answer = running.wait();
        let published = project.backups(SERIES).len();
        cluster.revive();
        assert!([0, 1, 4].contains(&answer.exit), "{answer}");
        assert!(["0", "2"].contains(&project.live(FEW).as_str()), "{answer}");
        project.run(&["run", "-q"]).exits(0);
        project.is_clean(&format!("{arguments:?} after {millis} ms: {published}"));
    }
    project.run(&["verify", "--level", "integrity", "-q"]).exits(0);
}

#[test]
fn a_server_or_program_that_is_lost_during_a_proof_says_nothing_of_the_backup() {
    let Some(cluster) = own() else { return };
    let big = "CREATE TABLE big AS SELECT n, repeat(md5(n::text), 9) AS t FROM generate_series(1, 100000) n";
    for format in ["plain", "custom", "directory"] {
        let project = Served::new(&cluster, big, (&format!(", format: {format}"), "", ", verify: restore"));
        project.run(&["run", "-q"]).exits(0);
        let recorded = || project.run(&["list", "app", "--json"]).exits(0).json();
        let before = recorded();
        // As one that is down from the beginning.
        cluster.kill();
        let down = project.run(&["verify", "--level", "restore"]);
        cluster.revive();
        down.exits(4).says("could not be verified: cannot reach");
        let loading = |running: &mut Running| {
            until("it is loaded", || {
                let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'policy_restore_%' AND query LIKE 'COPY%'";
                cluster.psql("postgres", sql) != "0" || !running.is_running()
            });
        };
        let mut running = project.start(&["verify", "--level", "restore"]);
        loading(&mut running);
        cluster.kill();
        let answer = running.wait();
        cluster.revive();
        answer.exits(4).says("could not be verified: cannot reach");
        assert_eq!(recorded(), before, "{format}: a crash");
        let mut running = project.start(&["verify", "--level", "restore"]);
        loading(&mut running);
        let loader = if format == "plain" { "psql" } else { "pg_restore" };
        let is_loading = |id: u32| {
            fs::read_to_string(format!("/proc/{id}/cmdline"))
                .is_ok_and(|words| words.contains("--exit-on-error") || words.contains("ON_ERROR_STOP=1"))
        };
        let killed: Vec<_> =
            below(running.id()).into_iter().filter(|(id, name)| name == loader && is_loading(*id)).collect();
        for (id, _) in &killed {
            let _ = Command::new("/bin/kill").args(["-KILL", &id.to_string()]).output();
        }
        let answer = running.wait();
        if !killed.is_empty() {
            answer.exits(4).says("could not be verified: ").says("signal");
        }
        assert_eq!(recorded(), before, "{format}: a killed program");
        project.run(&["verify", "--level", "restore"]).exits(0);
        project.is_clean(format);
    }
}

#[test]
fn a_timeout_ends_a_dump_that_waits_for_a_lock_and_leaves_nothing() {
    let Some(cluster) = own() else { return };
    let project = Served::new(&cluster, MANY, ("", "", ", timeout: 2s"));
    let altering = super::locked(&cluster, &project.database, "many");
    let answer = project.run(&["run"]);
    assert!(answer.exit == 1, "{answer}");
    answer.says("timeout");
    drop(altering);
    project.is_clean("timed out");
    assert!(project.backups(SERIES).is_empty());
    project.run(&["run"]).exits(0);
}
