//! An installation on a full disk changes nothing, says where there is no room, and goes well once there is some.

use crate::support::{
    disk::Mount,
    host::Host,
    installing::{ONCE_A_YEAR, project},
    manager::Manager,
};
use std::{fs, path::Path};

const NO_ROOM: &str = "No space left on device";

/// One job with another schedule, one new, one gone.
fn changed(text: &str) -> String {
    text.replace("0 2 1", "0 3 1").replace("  hourly", "  often")
}

#[test]
fn where_the_state_folder_is_full_the_crontab_stays() {
    let Some(host) = Host::of(project(ONCE_A_YEAR)) else { return };
    let own = b"MAILTO=ops\n0 5 * * 1 tar\n";
    host.set_crontab(own);
    host.run(&["install"]).exits(0);
    let before = host.crontab().unwrap();
    host.write("policy.yaml", changed(ONCE_A_YEAR));
    let state = host.state().to_str().unwrap().to_owned();
    host.fill(&state);
    let full = host.run(&["install"]).exits(1).says(NO_ROOM);
    full.says(&format!("{state}/"));
    assert_eq!(host.crontab().unwrap(), before);
    host.run(&["uninstall"]).exits(1).says(NO_ROOM).says(&format!("{state}/crontab/"));
    assert_eq!(host.crontab().unwrap(), before);
    host.empty(&state);
    host.run(&["install"]).exits(0);
    host.run(&["install"]).exits(0).says("nothing to change");
    host.run(&["uninstall"]).exits(0);
    assert_eq!(host.crontab().unwrap(), own);
}

#[test]
fn where_the_folder_of_crontabs_is_full_the_crontab_stays() {
    let Some(host) = Host::of(project(ONCE_A_YEAR)) else { return };
    host.set_crontab(b"MAILTO=ops\n0 5 * * 1 tar\n");
    host.run(&["install"]).exits(0);
    let before = host.shell("crontab -l");
    // Longer than the last page of the crontab that is there.
    let more: Vec<String> = (0..40)
        .map(|n| format!("  job-{n}: {{schedule: \"0 2 1 1 *\", retention: {{last: 3}}}}\n"))
        .collect();
    host.write("policy.yaml", changed(ONCE_A_YEAR) + &more.concat());
    host.fill("/var/spool/cron/crontabs");
    let full = host.run(&["install"]).exits(1);
    full.says("crontab").says(NO_ROOM);
    assert_eq!(host.shell("crontab -l"), before);
    host.empty("/var/spool/cron/crontabs");
    host.run(&["install"]).exits(0);
    assert!(host.shell("crontab -l").contains("prod/job-39"));
    host.run(&["uninstall"]).exits(0);
    assert_eq!(host.shell("crontab -l"), "MAILTO=ops\n0 5 * * 1 tar\n");
}

#[test]
fn where_cron_d_is_full_its_files_stay() {
    let text = ONCE_A_YEAR.replace("{backend: cron}", "{backend: cron, scope: system}");
    let Some(host) = Host::of(project(&text)) else { return };
    fs::write(host.root().join("cron.d/own"), "0 1 * * * root mine\n").unwrap();
    host.run(&["install"]).exits(0);
    host.write("policy.yaml", changed(&text));
    host.fill("/etc/cron.d");
    let files = || host.shell("cd /etc/cron.d; ls -A; cat own policy-*");
    let before = files();
    let full = host.run(&["install"]).exits(1).says(NO_ROOM).says("/etc/cron.d");
    full.says("was left where it is, as something that is wanted could not be made");
    assert_eq!(files(), before, "the old entries, and nothing that was begun");
    host.empty("/etc/cron.d");
    host.run(&["install"]).exits(0);
    let after = files();
    assert!(
        after.contains("0 3 1 1 *") && after.contains("prod/often") && !after.contains("prod/hourly"),
        "{after}"
    );
    host.run(&["uninstall"]).exits(0);
    assert_eq!(host.shell("cd /etc/cron.d; ls -A; cat own"), "own\n0 1 * * * root mine\n");
}

#[test]
fn where_the_folder_of_units_is_full_the_timers_stay_armed() {
    let text = ONCE_A_YEAR.replace("cron", "systemd");
    let mut disk = None;
    let small = |home: &Path| disk = Mount::small(&home.join(".config/systemd/user"), "64k");
    let Some(manager) = Manager::with_home(small) else { return };
    let Some(_disk) = disk else { return };
    let sandbox = project(&text)
        .variable("HOME", manager.home.path().to_str().unwrap())
        .variable("XDG_RUNTIME_DIR", manager.path("run").to_str().unwrap());
    sandbox.run(&["install"]).exits(0);
    sandbox.write("policy.yaml", changed(&text));
    let filling = manager.units().join("filling");
    let _ = fs::write(&filling, vec![0; 128 << 10]);
    let left = fs::write(manager.units().join("x"), vec![0; 1]);
    assert!(left.is_err() && fs::remove_file(manager.units().join("x")).is_ok());
    let before = sandbox.tree(manager.units().to_str().unwrap());
    let armed = || {
        let listed = manager.systemctl(&["list-timers", "--all", "--no-legend", "--plain"]);
        listed.matches("policy-prod-hourly").count() + listed.matches("policy-prod-nightly").count()
    };
    let count = armed();
    let full = sandbox.run(&["install"]).exits(1).says(NO_ROOM);
    full.says(manager.units().to_str().unwrap());
    assert_eq!((sandbox.tree(manager.units().to_str().unwrap()), armed()), (before, count));
    let status = sandbox.run(&["status", "--json"]).json();
    let words: Vec<_> =
        status["entries"].as_array().unwrap().iter().map(|entry| entry["state"].clone()).collect();
    assert_eq!(words, ["orphaned", "altered", "missing"], "{status}");
    fs::remove_file(&filling).unwrap();
    sandbox.run(&["install"]).exits(0);
    sandbox.run(&["install"]).exits(0).says("nothing to change");
    sandbox.run(&["uninstall"]).exits(0);
    assert_eq!(manager.traces(), [""; 0]);
}
