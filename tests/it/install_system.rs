//! Entries of the host in `/etc/cron.d`, and a real cron that starts them, the jobs of users and probes.

use crate::support::{host::Host, installing::project, until};
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
};

const SYSTEM: &str = "\
version: 1
name: prod
timezone: UTC
stores: {local: ./store}
targets: {app: {sqlite: app.db}}
install: {backend: cron, scope: system}
jobs:
  hourly: {schedule: \"@hourly\", retention: {last: 3}}
  nightly: {schedule: \"0 2 * * *\", retention: {last: 3}}
";

fn host(text: &str) -> Option<Host> {
    Host::of(project(text))
}

fn mode_and_owner(host: &Host, place: &str) -> (u32, u32) {
    let metadata = fs::metadata(host.root().join(place)).unwrap();
    (metadata.permissions().mode() & 0o7777, metadata.uid())
}

fn states(host: &Host) -> Vec<(String, String)> {
    let status = host.run(&["status", "--json"]).json();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let entries = status["entries"].as_array().unwrap().iter();
    entries.map(|entry| (word(&entry["name"]), word(&entry["state"]))).collect()
}

#[test]
fn entries_of_the_host_are_files_of_cron_d_with_a_user_and_go_without_the_policy() {
    let Some(host) = host(SYSTEM) else { return };
    fs::write(host.root().join("cron.d/e2scrub_all"), "30 3 * * 0 root test\n").unwrap();
    let own = host.cron_d();
    let answer = host.run(&["install", "--json"]).exits(0).json();
    let files: Vec<_> = answer[0]["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["file"].as_str().unwrap())
        .collect();
    assert_eq!(files.len(), 2);
    assert_eq!(host.crontab(), None);
    let there = host.cron_d();
    assert_eq!(
        there.iter().map(|(name, _)| &**name).collect::<Vec<_>>(),
        ["e2scrub_all", files[0], files[1]]
    );
    let text = &there[2].1;
    let place = format!(
        "0 2 * * * root umask 077; mkdir -p /var/log/policy; true >>/var/log/policy/{}.log",
        files[1]
    );
    assert!(text.contains(&place) && text.contains("POLICY_STATE_DIR=/var/lib/policy "), "{text}");
    assert!(text.contains("SHELL=/bin/sh\nPATH=/usr/local/sbin:") && !text.contains("HOME="), "{text}");
    assert_eq!(mode_and_owner(&host, &format!("cron.d/{}", files[1])), (0o644, 0));
    assert_eq!(mode_and_owner(&host, "lib/policy"), (0o700, 0));
    assert_eq!(mode_and_owner(&host, "log/policy"), (0o700, 0));
    host.run(&["install"]).exits(0).says("nothing to change");
    let names = states(&host);
    assert_eq!(names.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), files);
    assert!(names.iter().all(|(_, state)| state == "installed" || state == "never_fires"), "{names:?}");

    // By hand, a line is changed, and a file's mode: cron skips what others may write.
    let nightly = host.root().join("cron.d").join(files[1]);
    fs::write(&nightly, text.replace("0 2 * * *", "0 4 * * *")).unwrap();
    assert_eq!(states(&host)[1].1, "altered");
    host.run(&["install"]).exits(0);
    assert_eq!(&fs::read_to_string(&nightly).unwrap(), text);
    fs::set_permissions(&nightly, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(states(&host)[1].1, "never_fires");
    host.run(&["install"]).exits(0);
    assert_eq!(mode_and_owner(&host, &format!("cron.d/{}", files[1])), (0o644, 0));
    fs::remove_file(&nightly).unwrap();
    assert_eq!(states(&host)[1].1, "missing");

    // Another user's: the line names him, and the file stays root's.
    host.write("policy.yaml", SYSTEM.replace("scope: system", "scope: system, user: nobody"));
    host.run(&["install"]).exits(0);
    assert!(fs::read_to_string(&nightly).unwrap().contains("0 2 * * * nobody umask 077; mkdir"));
    assert_eq!(mode_and_owner(&host, &format!("cron.d/{}", files[1])), (0o644, 0));
    fs::remove_file(host.path("policy.yaml")).unwrap();
    host.run(&["uninstall"]).exits(0);
    assert_eq!(host.cron_d(), own);
    host.run(&["uninstall"]).exits(0).says("nothing to change");
}

#[test]
fn the_folders_of_entries_that_run_as_a_user_are_that_users() {
    let Some(host) = host(&SYSTEM.replace("scope: system", "scope: system, user: nobody")) else { return };
    host.run(&["install"]).exits(0);
    let nobody = host.shell("id -u nobody").trim().parse().unwrap();
    assert_eq!(mode_and_owner(&host, "lib/policy-nobody"), (0o700, nobody));
    assert_eq!(mode_and_owner(&host, "log/policy-nobody"), (0o700, nobody));
    // A folder can be given to nobody whom this host does not know.
    host.run(&["uninstall"]).exits(0);
    host.shell("rm -r /var/lib/policy-nobody");
    host.write("policy.yaml", SYSTEM.replace("scope: system", "scope: system, user: no-such-user"));
    host.run(&["install"]).exits(1).says("this host has no user `no-such-user`");
    assert_eq!(host.cron_d(), []);
}

#[test]
fn a_real_cron_starts_the_entries_of_the_host_and_of_a_user() {
    let often = SYSTEM.replace("@hourly", "* * * * *");
    let Some(host) = host(&often) else { return };
    host.run(&["install"]).exits(0);
    let Some(cron) = host.cron() else { return };
    until("a backup by an entry of the host", || !host.backups("store/prod/hourly/app").is_empty());
    assert!(states(&host).iter().all(|(_, state)| state == "installed"), "{:?}", states(&host));
    let stamp = host.backups("store/prod/hourly/app")[0].clone();
    let manifest = host.manifest(&format!("store/prod/hourly/app/{stamp}"));
    assert!(manifest["slot"].as_str().unwrap().ends_with(":00Z"), "{manifest}");
    assert!(host.root().join("lib/policy/catalog.db").exists(), "the state of entries of the host");
    let logs = host.shell("cat /var/log/policy/*hourly*.log");
    assert!(logs.contains("proven"), "{logs}");
    drop(cron);

    // The same as a user's.
    host.write("policy.yaml", often.replace(", scope: system", ""));
    host.run(&["install"]).exits(0);
    assert_eq!(host.cron_d(), []);
    fs::remove_dir_all(host.path("store")).unwrap();
    fs::remove_dir_all(host.root().join("lib/policy")).unwrap();
    let Some(_cron) = host.cron() else { return };
    until("a backup by an entry of a user", || !host.backups("store/prod/hourly/app").is_empty());
    assert!(host.state().join("catalog.db").exists());
    host.run(&["uninstall"]).exits(0);
    assert_eq!(host.crontab(), None);
}

#[test]
fn a_probe_under_a_real_cron_tells_what_it_finds_there_and_is_gone_afterwards() {
    let hooks = "nightly: {before: [[quiesce]], ";
    for scope in ["", ", scope: system"] {
        let text = SYSTEM.replace(", scope: system", scope).replace("nightly: {", hooks);
        let Some(host) = host(&text) else { return };
        host.program("quiesce", "true");
        let Some(_cron) = host.cron() else { return };
        let bin = host.root().join("bin").display().to_string();
        let found = host.run(&["install", "--probe"]).exits(0);
        let found = found.says("waiting for cron to start the probe").says("target `app`: can be read");
        let found = found.says("store `local`: ").says(" free").says("user: root, as here");
        let found = found.says(&format!("`quiesce`: {bin}/quiesce, as here"));
        let found = found.says("variables of this terminal alone: COLUMNS, ");
        let path =
            format!("PATH: /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{bin}; here {bin}:");
        found.says(&path);
        let left = || host.shell("crontab -l 2>/dev/null || true; cat /etc/cron.d/* 2>/dev/null || true");
        assert!(left().contains("prod/nightly") && !left().contains("probe"), "{}", left());

        // What this terminal finds and an entry does not is told, and is exit 4: a folder that is not cron's.
        host.write("policy.yaml", text.replace("[quiesce]", "[is-nowhere]"));
        host.run(&["install", "--probe"]).exits(4).says("`is-nowhere` is not found");
        host.write("policy.yaml", text.replace("app.db", "gone.db"));
        host.run(&["install", "--probe"]).exits(4).says("target `app`");
        assert!(left().contains("prod/nightly") && !left().contains("probe"), "{}", left());
        host.run(&["uninstall"]).exits(0);
        assert_eq!(left(), "");
    }
}
