//! Entries that move from one scheduler to another are in one of the two whatever happens.

use crate::support::{Answer, Sandbox, host::Host, installing::ONCE_A_YEAR, manager::Manager};
use std::fs;

const OWN: &[u8] = b"MAILTO=ops\n0 5 * * 1 tar\n";

/// A host with a crontab and a user's manager of systemd.
struct Both {
    host: Host,
    manager: Manager,
}

impl Both {
    fn new() -> Option<Self> {
        let manager = Manager::start()?;
        let sandbox = Sandbox::with_policy(ONCE_A_YEAR)
            .variable("XDG_CONFIG_HOME", manager.path(".config").to_str().unwrap())
            .variable("XDG_DATA_HOME", manager.path(".local/share").to_str().unwrap())
            .variable("XDG_RUNTIME_DIR", manager.path("run").to_str().unwrap());
        sandbox.sql("app.db", "CREATE TABLE t(x)");
        let host = Host::of(sandbox)?;
        host.set_crontab(OWN);
        Some(Self { host, manager })
    }

    fn timers(&self) -> usize {
        let listed =
            self.manager.systemctl(&["list-timers", "--all", "--no-legend", "--plain", "policy-prod-*"]);
        listed.lines().count()
    }

    fn wants(&self, backend: &str) {
        self.host.write("policy.yaml", ONCE_A_YEAR.replace("backend: cron", &format!("backend: {backend}")));
    }

    fn install(&self) -> Answer {
        self.host.run(&["install"])
    }
}

/// What is said where entries of the scheduler before are left.
const LEFT: &str =
    "what is no longer wanted was left where it is, as something that is wanted could not be made";

#[test]
fn a_crontab_keeps_its_entries_until_every_timer_is_armed() {
    let Some(both) = Both::new() else { return };
    both.install().exits(0);
    let before = both.host.crontab().unwrap();
    both.wants("systemd");
    let kept = |what: &str| {
        assert_eq!(both.host.crontab().unwrap(), before, "{what}");
    };
    let install = |directory: &str| {
        let mut command = both.host.command(&["install"]);
        both.host.finish({
            command.env("XDG_RUNTIME_DIR", directory);
            command
        })
    };
    install("/nonexistent").exits(1).says("does not answer");
    kept("no manager");
    assert_eq!(both.manager.traces(), [""; 0], "nothing is written where nothing would be armed");

    // The timer of one job is masked, by a link that comes before ours.
    let names = both.host.run(&["install", "-n", "--json"]).exits(0).json();
    let units: Vec<String> = names
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["backend"] == "systemd")
        .flat_map(|one| one["entries"].as_array().unwrap())
        .map(|entry| entry["file"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(units.len(), 2, "{names}");
    let control = both.manager.path(".config/systemd/user.control");
    fs::create_dir_all(&control).unwrap();
    std::os::unix::fs::symlink("/dev/null", control.join(&units[1])).unwrap();
    both.install().exits(1).says("masked").says(LEFT);
    kept("one timer is masked");
    fs::remove_file(control.join(&units[1])).unwrap();

    // Of one job a unit is there that is not ours.
    let service = both.manager.units().join(units[1].replace(".timer", ".service"));
    fs::write(&service, "[Service]\nExecStart=/bin/true\n").unwrap();
    both.install().exits(5).says("bears no mark");
    kept("one service is somebody else's");
    fs::remove_file(&service).unwrap();

    both.install().exits(0);
    assert_eq!((both.host.crontab().unwrap(), both.timers()), (OWN.to_vec(), 2));
    both.install().exits(0).says("nothing to change");
    both.host.run(&["uninstall"]).exits(0);
    assert_eq!((both.manager.traces(), both.timers()), (Vec::new(), 0));
}

#[test]
fn timers_stay_armed_until_the_crontab_has_their_entries() {
    let Some(both) = Both::new() else { return };
    both.wants("systemd");
    both.install().exits(0);
    assert_eq!(both.timers(), 2);
    both.wants("cron");
    let torn = [OWN, b"# policy:end policy-prod-nightly-0c995b82\n"].concat();
    both.host.set_crontab(&torn);
    both.install().exits(5).says("line 3").says("did not begin");
    assert_eq!((both.host.crontab().unwrap(), both.timers()), (torn, 2));
    // A line that crontab(1) refuses: whoever wrote it did not ask that.
    let bad = [OWN, b"61 * * * * mine\n"].concat();
    both.host.set_crontab(&bad);
    both.install().exits(1).says("bad minute");
    assert_eq!((both.host.crontab().unwrap(), both.timers()), (bad, 2));
    both.host.set_crontab(OWN);
    let spool = "/var/spool/cron/crontabs";
    both.host.fill(spool);
    both.install().exits(1).says("No space left on device");
    assert_eq!((both.host.shell("crontab -l").into_bytes(), both.timers()), (OWN.to_vec(), 2));
    both.host.empty(spool);
    both.install().exits(0);
    assert!(both.host.shell("crontab -l").contains("prod/nightly --due"));
    assert_eq!((both.manager.traces(), both.timers()), (Vec::new(), 0));
}

#[test]
fn entries_of_a_user_keep_until_those_of_the_host_are_made() {
    let Some(both) = Both::new() else { return };
    both.install().exits(0);
    let before = both.host.crontab().unwrap();
    both.host.write("policy.yaml", ONCE_A_YEAR.replace("{backend: cron}", "{backend: cron, scope: system}"));
    both.host.shell("mount -o bind,ro /etc/cron.d /etc/cron.d");
    both.install().exits(1).says("cannot write into /etc/cron.d");
    assert_eq!((both.host.crontab().unwrap(), both.host.cron_d()), (before.clone(), Vec::new()));
    both.host.shell("umount /etc/cron.d");
    // One of two files is somebody else's.
    let name = both.host.run(&["install", "-n", "--json"]).json();
    let name = name
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|one| one["entries"].as_array().unwrap())
        .find(|entry| entry["action"] == "create")
        .unwrap()["file"]
        .as_str()
        .unwrap()
        .to_owned();
    let file = both.host.root().join("cron.d").join(&name);
    fs::write(&file, "0 1 * * * root mine\n").unwrap();
    both.install().exits(5).says(&name).says("bears no mark");
    assert_eq!(
        (both.host.crontab().unwrap(), both.host.cron_d().len()),
        (before, 1),
        "the other one is not made either"
    );
    fs::remove_file(&file).unwrap();
    both.install().exits(0);
    assert_eq!((both.host.crontab().unwrap(), both.host.cron_d().len()), (OWN.to_vec(), 2));
}

#[test]
fn of_two_policies_none_is_installed_while_the_scheduler_of_one_is_not_ready() {
    let Some(both) = Both::new() else { return };
    both.wants("systemd");
    let other =
        ONCE_A_YEAR.replace("prod", "other").replace("{backend: cron}", "{backend: cron, scope: system}");
    both.host.write("other.yaml", other);
    both.host.shell("mount -o bind,ro /etc/cron.d /etc/cron.d");
    let install = ["--policy", "policy.yaml", "--policy", "other.yaml", "install"];
    both.host.run(&install).exits(1).says("cannot write into /etc/cron.d");
    assert_eq!((both.timers(), both.manager.traces(), both.host.cron_d()), (0, Vec::new(), Vec::new()));
    both.host.shell("umount /etc/cron.d");
    both.host.run(&install).exits(0);
    assert_eq!((both.timers(), both.host.cron_d().len()), (2, 2));
}
