//! `install`, `uninstall` and `status`, with a `crontab` that keeps its text in a file.

#![cfg(target_os = "linux")]

use crate::support::{
    Sandbox,
    simple::{SIMPLE, policy},
};
use std::fs;

/// What crontab(1) does, for one user.
const CRONTAB: &str = r#"
file="$HOME/crontab"
case "${1:-}" in
-l) if test -f "$file"; then cat "$file"; else echo "no crontab for $(id -un)" >&2; exit 1; fi ;;
-r) rm -f "$file" ;;
-n) test -f "$2" ;;
-V) echo "crontab: invalid option -- 'V'
usage: crontab [-u user] file
        crontab [ -u user ] [ -i ] { -e | -l | -r }
        crontab [-n] file" >&2; exit 1 ;;
-) cat >"$file" ;;
*) cat "$1" >"$file" ;;
esac"#;

pub(crate) const TWO: &str = "\
version: 1
name: prod
timezone: UTC
stores: {local: ./store}
targets: {app: {sqlite: app.db}}
install: {backend: cron}
jobs:
  hourly: {schedule: \"@hourly\", retention: {last: 3}}
  nightly: {schedule: {cron: \"0 2 * * *\", jitter: 10m}, retention: {last: 3}}
";

pub(crate) fn sandbox(text: &str) -> Sandbox {
    let sandbox = Sandbox::with_policy(text);
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    sandbox.program("crontab", CRONTAB);
    sandbox
}

pub(crate) fn crontab(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.home().join("crontab")).unwrap_or_default()
}

fn actions(answer: &crate::support::Answer) -> Vec<String> {
    let json = answer.json();
    let entries = json.as_array().unwrap().iter().flat_map(|policy| policy["entries"].as_array().unwrap());
    entries.map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn entries_are_made_left_alone_brought_up_to_date_and_removed() {
    let sandbox = sandbox(TWO);
    let own = "MAILTO=ops\n\n0 5 * * 1 tar -zcf /var/backups/home.tgz /home/";
    fs::write(sandbox.home().join("crontab"), own).unwrap();
    let dry = sandbox.run(&["install", "--dry-run", "--json"]).exits(0);
    assert_eq!(actions(&dry), ["create", "create"]);
    assert_eq!(crontab(&sandbox), own, "a dry run changes nothing");
    let answer = sandbox.run(&["install", "--json"]).exits(0);
    let entry = &answer.json()[0]["entries"][1];
    let argv: Vec<&str> =
        entry["argv"][0].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let file = sandbox.path("policy.yaml");
    let words = ["--policy", file.to_str().unwrap(), "run", "prod/nightly", "--due", "--jitter", "600s"];
    assert_eq!(argv[1..], words);
    assert!(std::path::Path::new(argv[0]).is_absolute());
    assert_eq!((&answer.json()[0]["backend"], &entry["tier"]), (&"cron".into(), &"superset".into()));
    let installed = crontab(&sandbox);
    assert!(installed.starts_with(own) && installed.contains("0 2 * * * "), "{installed}");
    // What is right already is not written again.
    let again = sandbox.run(&["install", "--json"]).exits(0);
    assert_eq!(actions(&again), ["unchanged", "unchanged"]);
    assert_eq!(crontab(&sandbox), installed);
    // Another schedule is a change of the same entry, and a job that is no more takes its entry along.
    let text = sandbox.read("policy.yaml");
    sandbox.write("policy.yaml", text.replace("0 2 * * *", "0 3 * * *").replace("  hourly", "  often"));
    let changed = sandbox.run(&["install", "--json"]).exits(0);
    let mut told = actions(&changed);
    told.sort();
    assert_eq!(told, ["create", "remove", "update"]);
    assert!(!crontab(&sandbox).contains("prod/hourly") && crontab(&sandbox).contains("0 3 * * * "));
    // Uninstalling needs no policy.
    fs::remove_file(sandbox.path("policy.yaml")).unwrap();
    let gone = sandbox.run(&["uninstall", "--json"]).exits(0);
    assert_eq!(actions(&gone), ["remove", "remove"]);
    assert_eq!(crontab(&sandbox), own, "every byte of others is as it was");
    sandbox.run(&["uninstall"]).exits(0).says("nothing to change");
}

#[test]
fn what_somebody_wrote_into_an_entry_is_told_before_it_goes() {
    let sandbox = sandbox(TWO);
    sandbox.run(&["install"]).exits(0);
    let installed = crontab(&sandbox);
    let end = "# policy:end policy-prod-nightly-0c995b82";
    fs::write(sandbox.home().join("crontab"), installed.replace(end, &format!("0 9 * * * mine\n{end}")))
        .unwrap();
    for words in [&["install", "-n"][..], &["install"]] {
        let answer = sandbox.run(words).exits(0).says("policy-prod-nightly-0c995b82: it was changed after");
        answer.says("that goes, as it is written anew");
    }
    assert_eq!(crontab(&sandbox), installed);
    sandbox.run(&["install"]).exits(0).hides("that goes");
    let kept = fs::read_to_string(sandbox.state().join("crontab/crontab.before")).unwrap();
    assert!(kept.contains("mine"), "{kept}");
}

#[test]
fn status_tells_how_entries_stand_and_what_is_promised() {
    let sandbox = sandbox(&TWO.replace("  hourly: {schedule: \"@hourly\", retention: {last: 3}}\n", ""));
    let now = "2026-01-05T12:00:00Z";
    let state = |sandbox: &Sandbox| {
        let answer = sandbox.run(&["status", "--json", "--now", now]);
        answer.json()["entries"][0]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(&sandbox), "missing");
    let answer = sandbox.run(&["status", "--json", "--now", now]).exits(6);
    assert_eq!(answer.json()["jobs"][0]["objective"], "breached");
    sandbox.run(&["run", "--due", "--now", "2026-01-05T02:30:00Z"]).exits(0);
    let answer = sandbox.run(&["status", "--json", "--now", now]).exits(7);
    let row = &answer.json()["jobs"][0];
    assert_eq!((&row["objective"], &row["last_backup"]), (&"met".into(), &"2026-01-05T02:30:00Z".into()));
    assert_eq!((&row["next"], &row["rpo_seconds"]), (&"2026-01-06T02:00:00Z".into(), &86_400.into()));
    assert_eq!(row["overdue"], serde_json::Value::Null);
    sandbox.run(&["install"]).exits(0);
    // No cron need run where this is tested: that is told, and is the only thing that can be wrong.
    assert!(["installed", "never_fires", "disabled"].contains(&&*state(&sandbox)), "{}", state(&sandbox));
    let text = crontab(&sandbox).replace("0 2 * * *", "0 4 * * *");
    fs::write(sandbox.home().join("crontab"), text).unwrap();
    assert_eq!(state(&sandbox), "altered");
    assert_eq!(actions(&sandbox.run(&["install", "--json"]).exits(0)), ["update"]);
    // A day later the slot of that night is overdue, and the day after the promise is broken.
    let late = sandbox.run(&["status", "--json", "--now", "2026-01-06T03:50:00Z"]).exits(6);
    assert_eq!(late.json()["jobs"][0]["overdue"], "2026-01-06T02:00:00Z");
    sandbox.run(&["status", "--nagios", "--now", "2026-01-07T03:50:00Z"]).exits(2).says("POLICY CRITICAL");
    fs::rename(sandbox.path("store"), sandbox.path("away")).unwrap();
    let away = sandbox.run(&["status", "--json", "--now", now]).exits(6);
    assert_eq!(away.json()["jobs"][0]["objective"], "unknown");
    sandbox.run(&["status", "--now", now]).exits(6).says("OBJECTIVE").says("unknown").says("ENTRY");
}

#[test]
fn a_variable_that_only_the_shell_has_is_refused_and_one_of_an_env_file_is_not() {
    let text = SIMPLE
        .replace("app.db", "\"${DATA}/app.db\"")
        .replace("nightly: {", "nightly: {schedule: \"0 2 * * *\", ");
    let sandbox = sandbox(&text);
    let here = sandbox.path("").to_string_lossy().into_owned();
    let sandbox = sandbox.variable("DATA", &here);
    let refused = sandbox.run(&["install", "--backend", "cron"]).exits(2);
    refused.says("in this shell alone").says("env_files").says("policy.yaml:5:");
    assert_eq!(crontab(&sandbox), "");
    sandbox.write(".env", format!("DATA={here}\n"));
    sandbox.write("policy.yaml", format!("{text}env_files: [.env]\n"));
    sandbox.run(&["install", "--backend", "cron"]).exits(0);
    assert!(!crontab(&sandbox).contains("DATA"), "entries hold no values");
    // The same holds for the folders of the entries themselves.
    for key in ["log_dir: \"${ELSEWHERE}\"", "search_path: [\"${ELSEWHERE}\"]"] {
        sandbox.write("policy.yaml", format!("{text}env_files: [.env]\ninstall: {{{key}}}\n"));
        let mut command = sandbox.command(&["install", "--backend", "cron"]);
        command.env("ELSEWHERE", &here);
        sandbox.finish(command).exits(2).says("in this shell alone").says("env_files");
    }
}

#[test]
fn a_state_folder_that_the_shell_has_moved_is_that_of_its_entries() {
    let sandbox = sandbox(TWO);
    let base = sandbox.path("state").to_string_lossy().into_owned();
    let sandbox = sandbox.variable("XDG_STATE_HOME", &base);
    sandbox.run(&["install"]).exits(0);
    let text = crontab(&sandbox);
    assert!(text.contains(&format!("POLICY_STATE_DIR={base}/policy ")), "{text}");
    assert!(text.contains(&format!(">>{base}/policy/logs/")), "{text}");
}

#[test]
fn what_a_policy_calls_by_name_is_found_on_the_path_of_its_entries() {
    let job = ", schedule: \"0 2 * * *\", before: [[quiesce]], after: [[no-such-program]]";
    let sandbox = sandbox(&policy("", job));
    sandbox.program("quiesce", "true");
    let answer = sandbox.run(&["install", "--backend", "cron"]).exits(0);
    answer.says("`quiesce` is found in").says("`no-such-program`, which this policy calls, is on no PATH");
    let bin = sandbox.root().join("bin");
    assert!(crontab(&sandbox).contains(&format!("/bin:{} ", bin.display())), "{}", crontab(&sandbox));
}

#[test]
fn entries_of_a_scheduler_that_is_named_no_longer_go_and_torn_blocks_are_refused() {
    let sandbox = sandbox(TWO);
    sandbox.run(&["install"]).exits(0);
    let text = sandbox.read("policy.yaml");
    sandbox.write("policy.yaml", text.replace("backend: cron", "backend: none"));
    let answer = sandbox.run(&["install", "--json"]).exits(0);
    assert_eq!(actions(&answer), ["remove", "remove"]);
    assert_eq!(crontab(&sandbox), "");
    sandbox.write("policy.yaml", text);
    sandbox.run(&["install"]).exits(0);
    let torn = crontab(&sandbox).replacen("# policy:end", "# policy: end", 1);
    fs::write(sandbox.home().join("crontab"), &torn).unwrap();
    for command in ["install", "uninstall"] {
        sandbox.run(&[command]).exits(5).says("line ").says("crontab -e");
    }
    sandbox.run(&["--policy", "policy.yaml", "uninstall"]).exits(5).says("line ");
    assert_eq!(crontab(&sandbox), torn);
    // Objectives are told all the same.
    let status = sandbox.run(&["status", "--json"]).exits(6);
    assert_eq!(status.json()["entries"][0]["state"], "missing");
    sandbox.write("policy.yaml", "version: 1\n");
    sandbox.run(&["status", "--nagios"]).exits(3).says("POLICY UNKNOWN");
}

#[test]
fn a_job_of_every_hour_is_overdue_too_and_one_without_a_promise_of_its_own_may_take_its_time() {
    let sandbox = sandbox(&TWO.replace("hourly: {", "hourly: {rpo: 30d, "));
    sandbox.run(&["run", "--due", "--now", "2026-01-05T02:30:00Z"]).exits(0);
    let at = |now: &str| sandbox.run(&["status", "--json", "--now", now]).json()["jobs"].clone();
    assert_eq!(at("2026-01-05T04:29:00Z")[0]["overdue"], serde_json::Value::Null);
    assert_eq!(at("2026-01-07T04:30:00Z")[0]["overdue"], "2026-01-05T03:00:00Z");
    assert_eq!(at("2026-01-06T02:55:00Z")[1]["objective"], "met");
    assert_eq!(at("2026-01-06T03:20:00Z")[1]["objective"], "breached");
}

#[test]
fn entries_are_only_written_where_that_is_asked_and_foreign_files_stay() {
    let sandbox = sandbox(TWO);
    for backend in ["systemd", "cron", "launchd", "task-scheduler"] {
        sandbox.run(&["install", "--backend", backend, "--emit", "out"]).exits(0);
    }
    assert_eq!(sandbox.tree("out").len(), 2 * (2 + 1 + 1 + 1));
    assert_eq!(crontab(&sandbox), "");
    sandbox.run(&["install", "--backend", "kubernetes", "--emit", "out"]).exits(2).says("image: registry");
    sandbox.write("other/policy-prod-nightly-0c995b82.timer", "[Timer]\n");
    sandbox.run(&["install", "--backend", "systemd", "--emit", "other"]).exits(5).says("bears no mark");
    assert_eq!(sandbox.tree("other"), ["policy-prod-nightly-0c995b82.timer"]);
    sandbox.run(&["install", "--backend", "systemd", "--emit", "new", "-n"]).exits(0);
    assert!(!sandbox.path("new").exists());
}

#[test]
fn a_probe_tells_what_an_entry_would_find() {
    let sandbox = sandbox(TWO);
    let report = sandbox.write("report", "");
    sandbox.run(&["probe", report.to_str().unwrap()]).exits(0);
    let report: serde_json::Value = serde_json::from_str(&sandbox.read("report")).unwrap();
    assert_eq!(report["home"], sandbox.home().to_str().unwrap());
    assert_eq!(report["targets"]["app"]["Ok"], serde_json::Value::Null);
    sandbox.run(&["probe", "no-such-file"]).exits(1);
    assert!(!sandbox.path("no-such-file").exists());
}
