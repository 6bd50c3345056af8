//! An installation that is killed, at whatever moment, leaves each place as it was or as it will be, and the next one ends it.

use crate::support::{
    Sandbox,
    faults::{Fate, NAMES, SYNCS},
    host::Host,
    installing::{HOURLY_AND_NIGHTLY, project},
    manager::Manager,
};
use std::{collections::BTreeSet, fs, thread::sleep, time::Instant};

/// Calls of which each is a moment at which the program, or one that it has called, is killed.
const MOMENTS: [&str; 4] = [NAMES, SYNCS, "execve", "write,pwrite64"];

/// The policy in which one job has another schedule, one is new, and one is gone.
fn new(old: &str) -> String {
    old.replace("0 2 *", "0 3 *").replace("  hourly", "  often")
}

/// The same before anything is gone.
fn between(old: &str) -> String {
    new(old) + "  hourly: {schedule: \"@hourly\", retention: {last: 3}}\n"
}

/// The files that a scheduler reads.
fn seen(files: Vec<(String, String)>) -> Vec<(String, String)> {
    files.into_iter().filter(|(name, _)| !name.starts_with('.')).collect()
}

/// Kills the program, or one that it has called, at each of its calls of a kind.
fn kills_at(sandbox: &Sandbox, calls: &str, command: &str, begin: &dyn Fn(), after: &dyn Fn(&str)) -> usize {
    begin();
    let most = sandbox.calls(calls, &[command]);
    for n in 1..=most {
        begin();
        drop(sandbox.meddled(calls, Fate::Kills, n, &[command]));
        after(&format!("killed at {calls} {n}"));
    }
    most
}

/// Kills installations at every moment, each time from the same beginning; what is made sure of afterwards is told how that
/// kill was. How many kills there were.
fn kills(sandbox: &Sandbox, begin: &dyn Fn(), after: &dyn Fn(&str)) -> usize {
    let mut count = 0;
    for calls in MOMENTS {
        count += kills_at(sandbox, calls, "install", begin, after);
    }
    // And by the clock, so that it is not only killed where it changes something.
    begin();
    let since = Instant::now();
    sandbox.run(&["install"]).exits(0);
    let whole = since.elapsed();
    for part in 1..8 {
        begin();
        let running = sandbox.start(&["install"]);
        sleep(whole * part / 8);
        running.kill();
        after(&format!("killed after {part} of 8 parts of {whole:?}"));
        count += 1;
    }
    count
}

#[test]
fn a_crontab_is_the_old_one_or_the_new_one_whenever_an_installation_is_killed() {
    let Some(host) = Host::of(project(HOURLY_AND_NIGHTLY)) else { return };
    if !host.can_meddle() {
        return;
    }
    let own = b"MAILTO=ops\n\n0 5 * * 1 tar -zcf /var/backups/home.tgz /home/\n# \xfc\r\n";
    host.set_crontab(own);
    let install = |text: &str| {
        host.write("policy.yaml", text);
        host.run(&["install"]).exits(0);
        host.crontab().unwrap()
    };
    let old = install(HOURLY_AND_NIGHTLY);
    let middle = install(&between(HOURLY_AND_NIGHTLY));
    let new_text = install(&new(HOURLY_AND_NIGHTLY));
    let steps = BTreeSet::from([own.to_vec(), old.clone(), middle, new_text.clone()]);
    assert_eq!(steps.len(), 4);
    let begin = || host.set_crontab(&old);
    let after = |when: &str| {
        let there = host.crontab().unwrap();
        assert!(steps.contains(&there) && there != own, "{when}: {}", there.escape_ascii());
        host.run(&["install"]).exits(0);
        assert_eq!(
            host.crontab().unwrap().escape_ascii().to_string(),
            new_text.escape_ascii().to_string(),
            "{when}"
        );
    };
    let count = kills(&host, &begin, &after);
    assert!(count > 12, "{count}");
    // An end of it all is killed like a beginning.
    let gone = |when: &str| {
        let there = host.crontab().unwrap();
        assert!(there == new_text || there == own, "{when}: {}", there.escape_ascii());
        host.run(&["uninstall"]).exits(0);
        assert_eq!(host.crontab().unwrap(), own, "{when}");
    };
    kills_at(&host, NAMES, "uninstall", &|| host.set_crontab(&new_text), &gone);
    // Also the first one of all, where there is no crontab yet.
    let begin = || fs::remove_file(host.spool()).unwrap_or_default();
    let first = new_text[own.len()..].to_vec();
    let after = |when: &str| {
        assert!(host.crontab().is_none_or(|text| text == first), "{when}");
        host.run(&["install"]).exits(0);
        assert_eq!(host.crontab().unwrap(), first, "{when}");
    };
    kills_at(&host, NAMES, "install", &begin, &after);
    host.run(&["uninstall"]).exits(0);
    assert_eq!(host.crontab(), None);
}

#[test]
fn the_files_of_cron_d_are_old_or_new_and_nothing_else_is_there_whenever_an_installation_is_killed() {
    let text = HOURLY_AND_NIGHTLY.replace("{backend: cron}", "{backend: cron, scope: system}");
    let Some(host) = Host::of(project(&text)) else { return };
    if !host.can_meddle() {
        return;
    }
    let own = "SHELL=/bin/sh\n*/10 * * * * root command -v debian-sa1 > /dev/null && debian-sa1 1 1\r\n";
    let folder = host.root().join("cron.d");
    fs::write(folder.join("sysstat"), own).unwrap();
    let install = |text: &str| {
        host.write("policy.yaml", text);
        host.run(&["install"]).exits(0);
        host.cron_d()
    };
    let (old, new_files) = (install(&text), install(&new(&text)));
    let known: BTreeSet<_> = old.iter().chain(&new_files).cloned().collect();
    assert_eq!((old.len(), new_files.len(), known.len()), (3, 3, 5));
    let begin = || {
        host.shell("rm -rf /etc/cron.d/policy-* /etc/cron.d/.policy-*");
        for (name, text) in &old {
            fs::write(folder.join(name), text).unwrap();
        }
    };
    let after = |when: &str| {
        let read = seen(host.cron_d());
        assert!(read.iter().all(|file| known.contains(file)), "{when}: {read:?}");
        let jobs = |name: &str| read.iter().any(|(file, _)| file.contains(name));
        assert!(jobs("nightly") && (jobs("hourly") || jobs("often")), "{when}: {read:?}");
        host.run(&["install"]).exits(0);
        assert_eq!(seen(host.cron_d()), new_files, "{when}");
    };
    let count = kills(&host, &begin, &after);
    assert!(count > 12, "{count}");
    let begin = || drop(host.run(&["install"]).exits(0));
    let gone = |when: &str| {
        assert!(seen(host.cron_d()).iter().all(|file| new_files.contains(file)), "{when}");
        assert!(host.cron_d().contains(&("sysstat".to_owned(), own.to_owned())), "{when}");
    };
    kills_at(&host, NAMES, "uninstall", &begin, &gone);
    host.run(&["uninstall"]).exits(0);
    assert_eq!(seen(host.cron_d()), [("sysstat".to_owned(), own.to_owned())]);
}

#[test]
fn timers_are_old_or_new_and_the_next_installation_arms_them_whenever_one_is_killed() {
    let Some(manager) = Manager::start() else { return };
    let text = HOURLY_AND_NIGHTLY
        .replace("cron}", "systemd}")
        .replace("@hourly", "0 0 1 1 *")
        .replace("0 2 * * *", "0 2 1 1 *");
    let new_text = text.replace("0 2 1", "0 3 1").replace("  hourly", "  often");
    let sandbox = project(&text)
        .variable("HOME", manager.home.path().to_str().unwrap())
        .variable("XDG_RUNTIME_DIR", manager.path("run").to_str().unwrap());
    if !sandbox.can_meddle() {
        return;
    }
    fs::create_dir_all(manager.units()).unwrap();
    let own = manager.units().join("policy-of-mine.timer");
    fs::write(&own, "[Timer]\nOnCalendar=daily\n").unwrap();
    let units = || {
        let entries = fs::read_dir(manager.units()).unwrap().map(Result::unwrap);
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        let name = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut files: Vec<_> =
            files.map(|entry| (name(&entry), fs::read_to_string(entry.path()).unwrap())).collect();
        files.sort();
        files
    };
    let install = |text: &str| {
        sandbox.write("policy.yaml", text);
        sandbox.run(&["install"]).exits(0);
        units()
    };
    let (old, new_units) = (install(&text), install(&new_text));
    let known: BTreeSet<_> = old.iter().chain(&new_units).cloned().collect();
    assert_eq!((old.len(), new_units.len(), known.len()), (5, 5, 9));
    let begin = || {
        install(&text);
        sandbox.write("policy.yaml", &new_text);
    };
    let after = |when: &str| {
        let read = seen(units());
        assert!(read.iter().all(|file| known.contains(file)), "{when}: {read:?}");
        sandbox.run(&["install"]).exits(0);
        assert_eq!(seen(units()), new_units, "{when}");
        let status = sandbox.run(&["status", "--json"]).json();
        let words: Vec<_> =
            status["entries"].as_array().unwrap().iter().map(|entry| entry["state"].clone()).collect();
        assert_eq!(words, ["installed", "installed"], "{when}: {status}");
    };
    for calls in [NAMES, "execve"] {
        kills_at(&sandbox, calls, "install", &begin, &after);
    }
    sandbox.run(&["uninstall"]).exits(0);
    assert_eq!(manager.traces(), [""; 0]);
    assert_eq!(
        seen(units()),
        [("policy-of-mine.timer".to_owned(), "[Timer]\nOnCalendar=daily\n".to_owned())]
    );
}
