//! The policy's own commands around jobs and captures: when they run, what they are given, and how they end.

#![cfg(unix)]

use crate::support::{
    Sandbox,
    simple::{SERIES, policy},
    until,
};

/// `note WORD…` writes its words to `notes`; the policy's hooks are given as YAML.
fn sandbox(target_hooks: &str, job: &str) -> Sandbox {
    let sandbox = Sandbox::with_policy(&policy(target_hooks, job).replace("last: 3", "last: 9"));
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    sandbox.program("note", "echo \"$@\" >> notes");
    sandbox
}

fn notes(sandbox: &Sandbox) -> Vec<String> {
    sandbox.read_or_empty("notes").lines().map(ToOwned::to_owned).collect()
}

const BOTH: &str = ", before: [[note, job before]], after: [[note, job after]]";

/// No ledger is left: nothing is owed.
fn owes_nothing(sandbox: &Sandbox) -> bool {
    std::fs::read_dir(sandbox.state().join("hooks")).map_or(true, |entries| entries.count() == 0)
}

/// Whether a process that a hook named in a file still lives.
fn lives(sandbox: &Sandbox, file: &str) -> bool {
    let id = sandbox.read(file).trim().to_owned();
    // A zombie has ended; its parent, init, need not have noticed.
    let state = std::process::Command::new("ps").args(["-o", "stat=", "-p", &id]).output().unwrap();
    let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

#[test]
fn hooks_run_in_order_around_what_they_guard() {
    let sandbox = Sandbox::with_policy(
        "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets:
  a: {sqlite: a.db, before: [[note, a before 1], [note, a before 2]], after: [[note, a after]]}
  b: {sqlite: b.db, before: [[note, b before]], after: [[note, b after]]}
jobs: {nightly: {before: [[note, before]], after: [[note, after 1], [look]]}}
",
    );
    sandbox.program("note", "echo \"$@\" >> notes");
    sandbox.program("look", "ls store/app/nightly/a store/app/nightly/b | grep -c Z >> notes");
    sandbox.sql("a.db", "CREATE TABLE t(x)");
    sandbox.sql("b.db", "CREATE TABLE t(x)");
    sandbox.run(&["run"]).exits(0);
    let told = notes(&sandbox);
    assert_eq!(
        told,
        ["before", "a before 1", "a before 2", "a after", "b before", "b after", "after 1", "2"],
        "the job's `after` sees both backups published"
    );
    assert!(owes_nothing(&sandbox));
}

#[test]
fn hooks_are_told_what_they_run_for() {
    let words = "{policy} {job} {target} {store} {run} [{error}] {summary} {{job}";
    let sandbox = sandbox(
        &format!(", before: [[note, \"{words}\"]], after: [[env-of]]"),
        &format!(", after: [[note, \"{words}\"]]"),
    );
    sandbox.write(".env", "GREETING=hello there\n");
    let policy = sandbox.read("policy.yaml");
    sandbox.write("policy.yaml", policy.replace("timezone: UTC", "timezone: UTC\nenv_files: [.env]"));
    sandbox
        .program("env-of", "env | grep -e ^POLICY_ -e ^GREETING | sort >> environment; pwd >> environment");
    sandbox.run(&["run", "--now", "2026-01-05T07:00:00Z"]).exits(0);
    let run = "app/2026-01-05T070000Z";
    assert_eq!(
        notes(&sandbox),
        [
            format!("app nightly app local {run} [] {run}: no failure so far {{job}}"),
            format!("app nightly app local {run} [] {run}: no failure so far {{job}}"),
        ]
    );
    let environment = sandbox.read("environment");
    let expected = [
        "GREETING=hello there",
        "POLICY_ERROR=",
        "POLICY_JOB=nightly",
        "POLICY_POLICY=app",
        "POLICY_RUN=app/2026-01-05T070000Z",
        "POLICY_STORE=local",
        "POLICY_SUMMARY=app/2026-01-05T070000Z: no failure so far",
        "POLICY_TARGET=app",
    ];
    for line in expected {
        assert!(environment.lines().any(|found| found == line), "{line} in\n{environment}");
    }
    // Relative to the policy's folder, wherever the program was called.
    assert_eq!(environment.lines().last(), sandbox.path(".").canonicalize().unwrap().to_str());
}

#[test]
fn an_after_is_told_what_failed() {
    let sandbox = sandbox("", ", after: [[note, \"{error}\", \"{summary}\"]]");
    std::fs::remove_file(sandbox.path("app.db")).unwrap();
    sandbox.run(&["run"]).exits(1);
    let told = notes(&sandbox);
    assert!(
        told.len() == 1 && told[0].contains("app.db") && told[0].contains("1 failure so far"),
        "{told:?}"
    );
}

#[test]
fn a_failed_before_skips_what_it_guards_and_its_after_runs() {
    let sandbox = sandbox(", before: [[\"false\"], [note, second]], after: [[note, target after]]", BOTH);
    sandbox.run(&["run"]).exits(1).says("`false` ended with exit status: 1");
    assert_eq!(notes(&sandbox), ["job before", "target after", "job after"]);
    assert!(sandbox.backups(SERIES).is_empty() && owes_nothing(&sandbox));

    let sandbox = self::sandbox(
        ", before: [[note, target before]], after: [[note, target after]]",
        ", before: [[sh, -c, \"echo no such quorum >&2; exit 3\"]], after: [[note, job after]]",
    );
    sandbox.run(&["run"]).exits(1).says("no such quorum");
    assert_eq!(notes(&sandbox), ["job after"]);
    assert!(sandbox.backups(SERIES).is_empty() && owes_nothing(&sandbox));
}

#[test]
fn a_failed_capture_runs_every_after() {
    let sandbox = sandbox(", before: [[note, in]], after: [[note, out]]", BOTH);
    std::fs::remove_file(sandbox.path("app.db")).unwrap();
    sandbox.run(&["run"]).exits(1);
    assert_eq!(notes(&sandbox), ["job before", "in", "out", "job after"]);
}

#[test]
fn an_after_without_a_before_runs_after_success_and_failure() {
    let sandbox = sandbox(", after: [[note, target after]]", ", after: [[note, job after]]");
    sandbox.run(&["run"]).exits(0);
    assert_eq!(notes(&sandbox), ["target after", "job after"]);
    std::fs::remove_file(sandbox.path("app.db")).unwrap();
    sandbox.run(&["run"]).exits(1);
    assert_eq!(notes(&sandbox).len(), 4);
}

#[test]
fn a_failed_after_makes_a_good_run_incomplete() {
    for (target, job) in [(", after: [[\"false\"]]", ""), ("", ", after: [[\"false\"]]")] {
        let sandbox = sandbox(target, job);
        let answer = sandbox.run(&["run", "--json"]).exits(3);
        assert_eq!(answer.json()[0]["outcome"], "incomplete");
        assert_eq!(answer.json()[0]["backups"][0]["proven"], true);
        assert_eq!(answer.json()[0]["failures"][0]["code"], "hook");
        assert_eq!(sandbox.backups(SERIES).len(), 1);
        assert!(owes_nothing(&sandbox));
    }
}

#[test]
fn every_after_runs_though_one_of_them_fails() {
    let sandbox = sandbox("", ", after: [[\"false\"], [note, second], [no-such-program], [note, fourth]]");
    sandbox.run(&["run"]).exits(3).says("no-such-program");
    assert_eq!(notes(&sandbox), ["second", "fourth"]);
}

#[test]
fn a_hook_that_outlasts_the_timeout_is_ended_with_all_it_started() {
    let sandbox = sandbox(
        ", before: [[stubborn]], after: [[note, target after]]",
        ", timeout: 1s, before: [[note, job before]], after: [[note, job after]]",
    );
    // Neither the leader nor its child listens to SIGTERM.
    sandbox.program(
        "stubborn",
        "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > child; while :; do sleep 1; done' & wait; wait",
    );
    let answer = sandbox.run(&["run", "--json"]).exits(1).says("timeout");
    assert_eq!(answer.json()[0]["failures"][0]["code"], "timeout");
    assert_eq!(notes(&sandbox), ["job before", "target after", "job after"]);
    until("the grandchild's end", || !lives(&sandbox, "child"));
    assert!(sandbox.backups(SERIES).is_empty() && owes_nothing(&sandbox));
}

#[test]
fn a_hook_that_never_stops_printing_is_ended_at_the_timeout() {
    let sandbox = sandbox(", before: [[sh, -c, \"yes & yes >&2\"]]", ", timeout: 1s");
    sandbox.run(&["run", "-v"]).exits(1).says("timeout").says("more lines");
}

#[test]
fn what_a_hook_leaves_in_the_background_does_not_hold_the_run() {
    // It keeps both pipes open, and prints into them, far longer than the run.
    let sandbox = sandbox(", before: [[leave]]", "");
    sandbox.program(
        "leave",
        "(echo $$; while :; do echo still here; sleep 0.01; done) & echo $! > child; exit 0",
    );
    sandbox.run(&["run"]).exits(0);
    assert_eq!(sandbox.backups(SERIES).len(), 1);
    let id = sandbox.read("child");
    let _ = std::process::Command::new("kill").args(["-KILL", id.trim()]).status();
}

#[test]
fn a_hook_that_prints_much_and_reads_its_input_goes_well() {
    let sandbox = sandbox("", ", before: [[sh, -c, \"cat; seq 1 200000; seq 1 200000 >&2\"]]");
    sandbox.run(&["run"]).exits(0);
    let run = sandbox.tree("../home/.local/state/policy/logs");
    if let Some(log) = run.iter().find(|name| name.strip_suffix(".log").is_some()) {
        let log = sandbox.read(&format!("../home/.local/state/policy/logs/{log}"));
        assert!(log.lines().count() < 5_000 && log.contains("more lines"), "{} lines", log.lines().count());
    }
}

#[test]
fn a_signal_during_a_before_ends_it_and_runs_every_after() {
    for signal in ["TERM", "INT", "HUP"] {
        let sandbox = sandbox(", before: [[wait-long]], after: [[note, target after]]", BOTH);
        sandbox.program("wait-long", "echo begun > begun; while :; do sleep 0.1; done");
        let running = sandbox.start(&["run", "--json"]);
        until("the hook", || sandbox.path("begun").exists());
        running.signal(signal);
        let answer = running.wait().exits(130);
        assert_eq!(answer.error()["code"], "interrupted", "{answer}");
        assert_eq!(notes(&sandbox), ["job before", "target after", "job after"]);
        assert!(sandbox.backups(SERIES).is_empty() && owes_nothing(&sandbox));
    }
}

#[test]
fn a_signal_during_an_after_lets_it_end() {
    let sandbox = sandbox("", ", after: [[slow], [note, second]]");
    sandbox.program("slow", "echo begun > begun; while [ ! -e go ]; do sleep 0.05; done; echo slow >> notes");
    let running = sandbox.start(&["run"]);
    until("the hook", || sandbox.path("begun").exists());
    running.signal("TERM");
    running.signal("TERM");
    sandbox.write("go", "");
    running.wait().exits(130);
    assert_eq!(notes(&sandbox), ["slow", "second"]);
    assert_eq!(sandbox.backups(SERIES).len(), 1, "what was published stays");
}

#[test]
fn an_after_that_hangs_ends_at_the_third_signal() {
    let sandbox = sandbox("", ", after: [[hang], [note, second]]");
    sandbox.program("hang", "echo begun > begun; while :; do sleep 0.05; done");
    let mut running = sandbox.start(&["run"]);
    until("the hook", || sandbox.path("begun").exists());
    // Signals that come together may count as one.
    until("the end", || {
        running.signal("INT");
        !running.is_running()
    });
    running.wait().exits(130).says("`hang` was stopped");
    assert_eq!(notes(&sandbox), ["second"]);
}

#[test]
fn after_a_kill_the_next_run_does_what_the_killed_one_owed() {
    let sandbox = sandbox(
        ", before: [[wait-long]], after: [[note, target after]]",
        ", before: [[note, job before]], after: [[note, job after]]",
    );
    sandbox.program("wait-long", "echo $$ > begun; [ -e go ] || while :; do sleep 0.1; done");
    let running = sandbox.start(&["run"]);
    until("the hook", || !sandbox.read_or_empty("begun").is_empty());
    running.kill();
    let _ = std::process::Command::new("kill").args(["-KILL", sandbox.read("begun").trim()]).status();
    assert_eq!(notes(&sandbox), ["job before"]);
    assert!(!owes_nothing(&sandbox));
    sandbox.write("go", "");
    // A dry run pays nothing.
    sandbox.run(&["run", "--dry-run"]).exits(0);
    assert_eq!(notes(&sandbox).len(), 1);
    sandbox.run(&["run"]).exits(0).says("an earlier run was killed");
    assert_eq!(
        notes(&sandbox),
        ["job before", "target after", "job after", "job before", "target after", "job after"]
    );
    assert!(owes_nothing(&sandbox));
    sandbox.run(&["run"]).exits(0).hides("an earlier run was killed");
    assert_eq!(notes(&sandbox).len(), 9);
}

#[test]
fn what_a_killed_run_owed_is_done_though_its_store_is_gone_and_its_failure_is_told() {
    let sandbox = sandbox(", before: [[wait-long]], after: [[note, target after], [\"false\"]]", "");
    sandbox.program("wait-long", "echo $$ > begun; while :; do sleep 0.1; done");
    let running = sandbox.start(&["run"]);
    until("the hook", || !sandbox.read_or_empty("begun").is_empty());
    running.kill();
    let _ = std::process::Command::new("kill").args(["-KILL", sandbox.read("begun").trim()]).status();
    std::fs::remove_dir_all(sandbox.path("store")).unwrap();
    let answer = sandbox.run(&["run", "--json"]).exits(1).says("not mounted?");
    assert_eq!(notes(&sandbox), ["target after"]);
    let failures = answer.json()[0]["failures"].clone();
    assert!(failures.as_array().unwrap().iter().any(|failure| failure["code"] == "hook"), "{failures}");
    assert!(owes_nothing(&sandbox), "it was tried, and told");
}

#[test]
fn a_run_does_not_do_what_a_living_run_owes() {
    let sandbox = sandbox(", before: [[wait-long]], after: [[note, target after]]", "");
    sandbox.program("wait-long", "echo begun > begun; while [ ! -e go ]; do sleep 0.05; done");
    let running = sandbox.start(&["run"]);
    until("the hook", || sandbox.path("begun").exists());
    sandbox.run(&["run"]).exits(11);
    assert!(notes(&sandbox).is_empty());
    sandbox.write("go", "");
    running.wait().exits(0);
    assert_eq!(notes(&sandbox), ["target after"]);
}

#[test]
fn what_failed_is_tried_again_and_a_later_success_leaves_no_failure() {
    let sandbox = sandbox(
        ", before: [[third-time]], after: [[note, target after]]",
        ", retry: {attempts: 3, delay: 1s}, before: [[note, job before]], after: [[note, job after]]",
    );
    sandbox.program("third-time", "echo x >> tries; [ $(wc -l < tries) -ge 3 ]");
    let answer = sandbox.run(&["run", "--json"]).exits(0).says("try 3 of 3");
    assert_eq!(answer.json()[0]["failures"], serde_json::json!([]));
    assert_eq!(notes(&sandbox), ["job before", "target after", "target after", "target after", "job after"]);
    assert_eq!(sandbox.backups(SERIES).len(), 1);
}

#[test]
fn only_the_pairs_that_failed_are_tried_again() {
    let sandbox = Sandbox::with_policy(
        "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets:
  a: {sqlite: a.db, before: [[note, a in]], after: [[note, a out]]}
  b: {sqlite: b.db, before: [[note, b in], [second-time]], after: [[note, b out]]}
jobs: {nightly: {retry: {attempts: 5, delay: 1s}}}
",
    );
    sandbox.program("note", "echo \"$@\" >> notes");
    sandbox.program("second-time", "echo x >> tries; [ $(wc -l < tries) -ge 2 ]");
    sandbox.sql("a.db", "CREATE TABLE t(x)");
    sandbox.sql("b.db", "CREATE TABLE t(x)");
    sandbox.run(&["run"]).exits(0);
    assert_eq!(notes(&sandbox), ["a in", "a out", "b in", "b out", "b in", "b out"]);
    assert_eq!(sandbox.backups("store/app/nightly/a").len(), 1);
    assert_eq!(sandbox.backups("store/app/nightly/b").len(), 1);
}

#[test]
fn a_signal_ends_the_wait_for_the_next_try() {
    let sandbox = sandbox("", ", retry: {attempts: 2, delay: 7d}, after: [[note, job after]]");
    std::fs::remove_file(sandbox.path("app.db")).unwrap();
    let mut command = sandbox.command(&["run"]);
    let said = sandbox.path("said");
    command.stderr(std::fs::File::create(&said).unwrap());
    let mut child = command.spawn().unwrap();
    until("the wait", || std::fs::read_to_string(&said).unwrap_or_default().contains("try 2 of 2"));
    let _ = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(notes(&sandbox), ["job after"]);
}

#[test]
fn the_timeout_is_that_of_one_try() {
    let sandbox = sandbox(
        ", before: [[slow-once]]",
        ", timeout: 2s, retry: {attempts: 2, delay: 1s}, after: [[note, job after]]",
    );
    sandbox.program("slow-once", "[ -e tried ] && exit 0; echo x > tried; sleep 600");
    sandbox.run(&["run"]).exits(0);
    assert_eq!(notes(&sandbox), ["job after"]);
    assert_eq!(sandbox.backups(SERIES).len(), 1);
}

#[test]
fn after_a_signal_or_the_timeout_no_further_before_begins() {
    let policy = |job: &str| {
        format!(
            "\
version: 1
name: app
timezone: UTC
stores: {{local: ./store}}
targets:
  a: {{sqlite: app.db, before: [[wait-long], [note, a second]], after: [[note, a after]]}}
  b: {{sqlite: app.db, before: [[note, b before]], after: [[note, b after]]}}
jobs: {{nightly: {{{job}}}}}
"
        )
    };
    for is_signal in [true, false] {
        let sandbox = sandbox("", "");
        sandbox.write("policy.yaml", policy(if is_signal { "" } else { "timeout: 1s" }));
        sandbox.program("wait-long", "echo begun > begun; while :; do sleep 0.1; done");
        let running = sandbox.start(&["run"]);
        if is_signal {
            until("the hook", || sandbox.path("begun").exists());
            running.signal("TERM");
        }
        running.wait().exits(if is_signal { 130 } else { 1 });
        assert_eq!(notes(&sandbox), ["a after"]);
        assert!(owes_nothing(&sandbox));
    }
}
