//! Entries that are kept apart: those of other hosts, of other policies, and of other shells.

#![cfg(target_os = "linux")]

use crate::{
    install::{TWO, crontab, sandbox},
    support::{Sandbox, simple::policy},
};
use std::fs;

/// The text of a file, which may be UTF-16.
fn text(sandbox: &Sandbox, place: &str) -> String {
    let bytes = fs::read(sandbox.path(place)).unwrap();
    match bytes.strip_prefix(&[0xff, 0xfe]) {
        Some(wide) => {
            let units: Vec<u16> = wide.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).unwrap()
        }
        None => String::from_utf8(bytes).unwrap(),
    }
}

#[test]
fn files_for_another_host_name_its_paths_and_nothing_of_this_one() {
    let sandbox = sandbox(TWO);
    let emit = |backend: &str, more: &[&str]| {
        let words = [&["install", "--backend", backend, "--emit", backend], more].concat();
        sandbox.run(&words)
    };
    let there = [
        "--for-program=C:\\Tools\\policy.exe",
        "--for-policy=D:\\Backups\\my prod.yaml",
        "--for-timezone=Europe/Berlin",
    ];
    emit("task-scheduler", &there).exits(0).hides("--for-");
    let task = text(&sandbox, "task-scheduler/policy-prod-nightly-0c995b82.xml");
    assert!(task.contains("<Command>C:\\Tools\\policy.exe</Command>"), "{task}");
    assert!(task.contains("D:\\Backups\\my prod.yaml"), "{task}");
    let there = [
        "--for-program=/opt/policy",
        "--for-policy=/srv/prod.yaml",
        "--for-home=/Users/ada",
        "--for-timezone=UTC",
    ];
    emit("launchd", &there).exits(0).hides("--for-");
    let plist = text(&sandbox, "launchd/dev.policy.policy-prod-nightly-0c995b82.plist");
    for part in ["/opt/policy", "/srv/prod.yaml", "/Users/ada/Library/Logs/policy"] {
        assert!(plist.contains(&format!("<string>{part}")), "{part}: {plist}");
    }
    emit("cron", &there).exits(0).hides("--for-");
    let block = text(&sandbox, "cron/policy-prod-nightly-0c995b82.crontab");
    assert!(block.contains("/Users/ada/.local/state/policy/logs"), "{block}");
    assert!(block.contains("HOME=/Users/ada") && block.contains("\n0 2 * * * "), "{block}");
    let here = sandbox.root().to_string_lossy().into_owned();
    for text in [task, plist, block] {
        assert!(!text.contains(&here), "{text}");
    }
    // A folder for logs beside the policy lies beside it there.
    sandbox.write("policy.yaml", TWO.replace("{backend: cron}", "{backend: cron, log_dir: ./logs}"));
    emit("cron", &there).exits(0);
    let block = text(&sandbox, "cron/policy-prod-nightly-0c995b82.crontab");
    assert!(block.contains(">>/srv/logs/policy-prod") && !block.contains(&here), "{block}");
    sandbox.write("policy.yaml", TWO);
    // The clock of another zone widens the times.
    emit("cron", &[&there[..3], &["--for-timezone=Europe/Berlin"]].concat()).exits(0);
    assert!(text(&sandbox, "cron/policy-prod-nightly-0c995b82.crontab").contains(" 3,4 * * * "));
    // What is not said is told, and what cannot be there is refused.
    let answer = emit("task-scheduler", &[]).exits(0);
    answer
        .says("`--for-timezone`")
        .says("--for-program and --for-policy where")
        .says("C:\\ProgramData\\policy\\policy.yaml");
    emit("task-scheduler", &["--for-program", "/usr/bin/policy"]).exits(2).says("no absolute path");
    emit("cron", &["--for-policy", "prod.yaml"]).exits(2).says("no absolute path");
    emit("cron", &["--for-program", "/opt/"]).exits(2).says("is a folder");
    emit("cron", &["--for-policy", "/etc/policies/"]).exits(0);
    let block = text(&sandbox, "cron/policy-prod-nightly-0c995b82.crontab");
    assert!(block.contains("--policy /etc/policies/policy.yaml"), "{block}");
    sandbox.run(&["install", "--for-program", "/x"]).exits(2).says("--emit");
}

#[test]
fn of_several_policies_a_folder_is_named() {
    let sandbox = sandbox(TWO);
    sandbox.write("second.yaml", TWO.replace("name: prod", "name: second"));
    let words = ["--policy", "policy.yaml", "--policy", "second.yaml", "install", "--backend", "systemd"];
    let words = [&words[..], &["--emit", "out", "--for-policy", "/srv/policies"]].concat();
    sandbox.run(&words).exits(0);
    let service = text(&sandbox, "out/policy-prod-nightly-0c995b82.service");
    assert!(service.contains(" --policy /srv/policies/policy.yaml run prod/nightly "), "{service}");
}

#[test]
fn two_policies_of_one_name_do_not_take_over_each_others_entries() {
    let sandbox = sandbox(TWO);
    sandbox.run(&["install"]).exits(0);
    let installed = crontab(&sandbox);
    sandbox.write("other/my copy.yaml", TWO.replace("0 2 * * *", "0 3 * * *"));
    sandbox.sql("other/app.db", "CREATE TABLE t(x)");
    let other = |words: &[&str]| sandbox.run(&[&["--policy", "other/my copy.yaml"], words].concat());
    let file = sandbox.path("policy.yaml");
    let answer = other(&["install"]).exits(5).says("two policies cannot have one name");
    answer.says(file.to_str().unwrap());
    other(&["install", "-n"]).exits(5);
    other(&["uninstall"]).exits(0).says("stays: it runs").says("nothing to change");
    assert_eq!(crontab(&sandbox), installed);
    let rows = other(&["status", "--json"]).json()["entries"].clone();
    assert!(rows[0]["facts"].to_string().contains("another policy of that name"), "{rows}");
    // One that is called by another path is the same, and one that was moved has taken its entries along.
    std::os::unix::fs::symlink(&file, sandbox.path("link.yaml")).unwrap();
    sandbox.run(&["--policy", "link.yaml", "install"]).exits(0);
    assert!(crontab(&sandbox).contains("link.yaml"));
    fs::remove_file(sandbox.path("link.yaml")).unwrap();
    fs::remove_file(file).unwrap();
    other(&["install"]).exits(0).says("update");
    assert!(crontab(&sandbox).contains("0 3 * * * "));
}

#[test]
fn a_policy_that_has_got_another_name_takes_its_entries_along() {
    let sandbox = sandbox(TWO);
    sandbox.run(&["install"]).exits(0);
    sandbox.write("policy.yaml", TWO.replace("name: prod", "name: other"));
    let rows = sandbox.run(&["status", "--json"]).json()["entries"].clone();
    let states: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["missing", "missing", "orphaned", "orphaned"], "{rows}");
    sandbox.run(&["install"]).exits(0).says("remove");
    let text = crontab(&sandbox);
    assert!(text.contains("other/nightly") && !text.contains("prod/nightly"), "{text}");
    // The last valid text was kept with the entries.
    sandbox.write("policy.yaml", "nonsense: [");
    let answer = sandbox.run(&["run", "--due", "--now", "2026-01-05T02:30:00Z"]).exits(2);
    answer.says("its last valid text runs").says("proven");
}

#[test]
fn a_path_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let sandbox = sandbox(TWO);
    let name = std::ffi::OsString::from_vec(b"bad\xff.yaml".to_vec());
    fs::copy(sandbox.path("policy.yaml"), sandbox.path("").join(&name)).unwrap();
    let mut command = sandbox.command(&["install", "--policy"]);
    command.arg(&name);
    sandbox.finish(command).exits(2).says("is no UTF-8");
    let mut command = sandbox.command(&["install"]);
    command.env("HOME", std::ffi::OsString::from_vec(b"/tmp/\xfe".to_vec()));
    command.env("POLICY_STATE_DIR", sandbox.state());
    sandbox.finish(command).exits(2).says("is no UTF-8");
    assert_eq!(crontab(&sandbox), "");
}

#[test]
fn a_tool_is_looked_for_where_it_was_so_that_no_shell_finds_an_entry_altered() {
    let job = ", schedule: \"0 2 * * *\", before: [[quiesce]]";
    let sandbox = sandbox(&policy("", job));
    let tools = sandbox.path("tools");
    sandbox.write("tools/quiesce", "#!/bin/sh\n");
    fs::set_permissions(tools.join("quiesce"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let with = |path: &str, words: &[&str]| {
        let mut command = sandbox.command(words);
        command.env("PATH", format!("{path}{}:/usr/bin:/bin", sandbox.root().join("bin").display()));
        sandbox.finish(command)
    };
    let long = format!("{}:", tools.display());
    with(&long, &["install", "--backend", "cron"]).exits(0).says("`quiesce` is found in");
    assert!(crontab(&sandbox).contains(&format!("/bin:{} ", tools.display())));
    for path in [&*long, ""] {
        let entry = with(path, &["status", "--backend", "cron", "--json"]).json()["entries"][0].clone();
        assert!(!entry["facts"].to_string().contains("what would be installed now"), "{entry}");
    }
    with("", &["install", "--backend", "cron"]).exits(0).says("nothing to change");
}
