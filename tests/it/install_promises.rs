//! What an installation leaves to nobody: no scraps of one that was killed, no entry that cron would refuse, no folder that
//! its entries cannot write in.

use crate::support::{
    faults::{Fate, NAMES, SYNCS},
    host::Host,
    installing::project,
};

const OLD: &str = "\
version: 1
name: prod
timezone: UTC
stores: {local: ./store}
targets: {app: {sqlite: app.db}}
install: {backend: cron}
jobs: {nightly: {schedule: \"0 2 * * *\", retention: {last: 3}}}
";

fn of_user(user: &str) -> String {
    OLD.replace("{backend: cron}", &format!("{{backend: cron, scope: system, user: {user}}}"))
}

#[test]
fn what_a_killed_installation_has_begun_is_cleared_up_by_the_next() {
    let text = OLD.replace("{backend: cron}", "{backend: cron, scope: system}");
    let Some(host) = Host::of(project(OLD)) else { return };
    if !host.can_meddle() {
        return;
    }
    let state = host.state().join("crontab").to_str().unwrap().to_owned();
    for text in [OLD, &text] {
        host.write("policy.yaml", text);
        for calls in [NAMES, SYNCS] {
            host.run(&["uninstall"]).exits(0);
            for n in 1..=host.calls(calls, &["install"]) {
                host.run(&["uninstall"]).exits(0);
                drop(host.meddled(calls, Fate::Kills, n, &["install"]));
            }
        }
        host.run(&["install"]).exits(0);
        let kept = ["crontab.before".to_owned(), "crontab.lock".to_owned()];
        let names = host.cron_d().into_iter().map(|(name, _)| name).filter(|name| name.starts_with('.'));
        let begun: Vec<_> =
            names.chain(host.tree(&state).into_iter().filter(|name| !kept.contains(name))).collect();
        assert_eq!(begun, [""; 0]);
    }
}

#[test]
fn a_user_whom_this_host_does_not_have_is_refused_although_the_folders_are_there() {
    let Some(host) = Host::of(project(&of_user("root"))) else { return };
    host.run(&["install"]).exits(0);
    let before = host.cron_d();
    // cron skips the whole file, and says so in the system's log alone.
    host.write("policy.yaml", of_user("no-such-user"));
    let answer = host.run(&["install"]);
    assert_ne!(answer.exit, 0, "{answer}");
    answer.says("no-such-user");
    assert_eq!(host.cron_d(), before);
}

#[test]
fn entries_that_get_another_user_can_write_in_their_folders() {
    let Some(host) = Host::of(project(&of_user("root"))) else { return };
    host.run(&["install"]).exits(0);
    host.write("policy.yaml", of_user("nobody"));
    let answer = host.run(&["install"]);
    let can_write = "setpriv --reuid nobody --clear-groups test -w /var/lib/policy-nobody -a -w /var/log/policy-nobody && echo yes || true";
    assert_eq!((answer.exit, host.shell(can_write).as_str()), (0, "yes\n"), "{answer}");
    // What was root's stays root's, and the entry is started with its own.
    assert_eq!(host.shell("stat -c %U /var/lib/policy"), "root\n");
    assert!(host.cron_d()[0].1.contains("POLICY_STATE_DIR=/var/lib/policy-nobody "));
    // An error of typing may come before the first run: its text was kept, and it can read it.
    let kept = "setpriv --reuid nobody --clear-groups cat /var/lib/policy-nobody/policies/*.yaml";
    assert!(host.shell(kept).contains("user: nobody"));
}
