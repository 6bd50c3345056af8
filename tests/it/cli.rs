//! The command line itself: words, help, which policies are meant, outputs.

use crate::{
    restore::shop,
    support::{Sandbox, simple::SIMPLE},
};
use std::{fs, process::Stdio};

const COMMANDS: [&str; 17] = [
    "check",
    "explain",
    "schema",
    "plan",
    "run",
    "next",
    "list",
    "show",
    "verify",
    "prune",
    "delete",
    "restore",
    "history",
    "log",
    "catalog",
    "completions",
    "man",
];

#[test]
fn words_of_other_programs_are_answered_with_ours() {
    let sandbox = Sandbox::new();
    for (theirs, ours) in [
        ("validate", "policy check"),
        ("lint", "policy check"),
        ("doctor", "policy check"),
        ("apply", "policy run"),
        ("backup", "policy run"),
        ("create", "policy run"),
        ("snapshots", "policy list"),
        ("forget", "policy prune"),
        ("extract", "policy restore"),
        ("unlock", "locks end with their process"),
    ] {
        let answer = sandbox.run(&[theirs]).exits(2).says(ours).hides("similar subcommand");
        assert!(answer.stderr.contains(&format!("there is no command `{theirs}`")), "{answer}");
    }
    let error = sandbox.run(&["backup", "--json"]).exits(2).error();
    assert_eq!((&error["code"], &error["exit"]), (&"invalid".into(), &2.into()));
    assert_eq!(sandbox.run(&["list", "--nonsense", "--json"]).exits(2).error()["exit"], 2);
}

#[test]
fn help_completions_and_the_manual_need_no_policy() {
    let sandbox = Sandbox::new();
    for command in COMMANDS {
        let help = sandbox.run(&[command, "--help"]).exits(0);
        assert!(help.stdout.contains("Usage: policy"), "{help}");
        assert!(help.stderr.is_empty(), "{help}");
    }
    let all = sandbox.run(&["--help"]).exits(0);
    assert!(COMMANDS.iter().all(|command| all.stdout.contains(&format!("  {command} "))), "{all}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        sandbox.run(&["completions", shell]).exits(0).says("policy");
    }
    sandbox.run(&["man"]).exits(0).says(".TH policy 1");
    sandbox.run(&[]).exits(2).says("Usage: policy");
    sandbox.run(&["--version"]).exits(0).says(env!("CARGO_PKG_VERSION"));
    assert!(!sandbox.state().exists(), "nothing was made for any of that");
}

#[test]
fn the_policies_meant_are_those_named_then_the_variables_then_the_folders() {
    let sandbox = Sandbox::new();
    sandbox.run(&["check"]).exits(2).says("there is no policy here");
    let named = |name: &str| SIMPLE.replace("name: app", &format!("name: {name}"));
    sandbox.write("policy.yaml", named("single"));
    let check = sandbox.run(&["check", "--json"]).exits(0).json();
    assert_eq!(check["policies"], serde_json::json!(["policy.yaml"]));
    sandbox.write("policies/b.yml", named("b"));
    sandbox.write("policies/a.yaml", named("a"));
    sandbox.write("policies/readme.txt", "no policy");
    let check = sandbox.run(&["check", "--json"]).exits(0).json();
    assert_eq!(check["policies"], serde_json::json!(["policies/a.yaml", "policies/b.yml"]));
    sandbox.write("other/one.yaml", named("one"));
    let sandbox = sandbox.variable("POLICY_FILE", "other");
    let check = sandbox.run(&["check", "--json"]).exits(0).json();
    assert_eq!(check["policies"], serde_json::json!(["other/one.yaml"]));
    let check =
        sandbox.run(&["--policy", "policies", "--policy", "policy.yaml", "check", "--json"]).exits(0).json();
    assert_eq!(check["policies"].as_array().unwrap().len(), 3);
    fs::create_dir(sandbox.path("empty")).unwrap();
    sandbox.run(&["--policy", "empty", "list"]).exits(2).says("holds no .yaml");
    sandbox.run(&["--policy", "nothing.yaml", "list"]).exits(2).says("nothing.yaml");
}

#[test]
fn two_policies_of_one_name_are_an_error_that_names_both() {
    let sandbox = Sandbox::with_policy(SIMPLE);
    sandbox.write("again.yaml", SIMPLE);
    for command in ["check", "list", "run"] {
        sandbox
            .run(&["--policy", "policy.yaml", "--policy", "again.yaml", command])
            .exits(2)
            .says("policy.yaml")
            .says("again.yaml");
    }
}

#[test]
fn check_reports_places_that_programs_can_use() {
    let sandbox = Sandbox::with_policy(&SIMPLE.replace("nightly: {", "nightly: {schedul: \"0 2 * * *\", "));
    let answer = sandbox.run(&["check", "--json"]).exits(2);
    let report = answer.json();
    let problem = &report["problems"][0];
    let keys: Vec<&str> = problem.as_object().unwrap().keys().map(String::as_str).collect();
    let contract = [
        "code",
        "severity",
        "message",
        "help",
        "file",
        "line",
        "column",
        "end_line",
        "end_column",
        "related",
    ];
    assert_eq!(keys, contract);
    assert_eq!((&problem["severity"], &problem["file"]), (&"error".into(), &"policy.yaml".into()));
    assert_eq!((&problem["line"], &problem["column"]), (&6.into(), &18.into()), "{answer}");
    assert_eq!(answer.error()["exit"], 2);
    assert_eq!(sandbox.run(&["check", "--format", "json"]).exits(2).json(), report);
    sandbox.run(&["check"]).exits(2).says("1 policy: 1 error");
}

#[test]
fn warnings_are_denied_where_that_is_asked() {
    let sandbox = Sandbox::with_policy(&SIMPLE.replace("{retention: {last: 3}}", "{}"));
    sandbox.run(&["check"]).exits(0).says("2 warnings");
    sandbox.run(&["check", "--deny", "warnings"]).exits(2);
    let code = sandbox.run(&["check", "--json"]).json()["problems"][0]["code"].as_str().unwrap().to_owned();
    sandbox.run(&["explain", &code]).exits(0).says("Mend");
    sandbox.run(&["explain", "nothing"]).exits(10);
    sandbox
        .run(&["explain", "unknown"])
        .exits(2)
        .says("`policy::timezone::unknown` or `policy::reference::unknown`");
    assert!(sandbox.run(&["explain"]).exits(0).stdout.lines().count() > 20);
}

#[test]
fn next_tells_local_and_utc() {
    let scheduled =
        SIMPLE.replace("nightly: {", "nightly: {schedule: \"0 2 * * *\", ").replace("UTC", "Europe/Berlin");
    let sandbox = Sandbox::with_policy(&scheduled);
    let next = sandbox.run(&["--now", "2026-01-05T12:00:00Z", "next", "-n", "2", "--json"]).exits(0).json();
    assert_eq!(next.as_array().unwrap().len(), 2);
    assert_eq!((&next[0]["policy"], &next[0]["job"]), (&"app".into(), &"nightly".into()));
    assert_eq!(next[0]["utc"], "2026-01-06T01:00:00Z");
    assert_eq!(next[0]["local"], "2026-01-06T02:00:00+01:00");
    sandbox.run(&["next", "nothing"]).exits(10);
    sandbox.run(&["next", "nightl"]).exits(10).says("did you mean `nightly`?");
}

#[test]
fn colour_is_given_only_where_it_is_wanted() {
    let sandbox = shop(1);
    let has_colour = |arguments: &[&str]| sandbox.run(arguments).exits(0).stdout.contains('\u{1b}');
    assert!(!has_colour(&["list"]));
    assert!(has_colour(&["--color", "always", "list"]));
    assert!(!has_colour(&["--color", "never", "list"]));
    let mut command = sandbox.command(&["--color", "auto", "list"]);
    command.env("NO_COLOR", "1");
    sandbox.finish(command).exits(0).hides("\u{1b}");
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let sandbox = shop(1);
    for arguments in [&["list"][..], &["explain"], &["man"], &["list", "--json"], &["completions", "bash"]] {
        let mut child =
            sandbox.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The reading end is closed before anything is written.
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!told.contains("panicked") && output.status.code() == Some(0), "{arguments:?} {told}");
    }
}

#[test]
fn the_time_of_a_restore_is_taken_as_people_type_it() {
    let sandbox = shop(3);
    let policy = sandbox.read("policy.yaml").replace("timezone: UTC", "timezone: America/New_York");
    sandbox.write("policy.yaml", &policy);
    // The runs were at two in the morning in New York.
    for (at, day) in [
        ("2026-01-02", 2),
        ("2026-01-02 02:00", 2),
        ("2026-01-02T01:59", 1),
        ("2026-01-02T07:00Z", 2),
        ("2026-01-02T06:59:59Z", 1),
        ("2026-01-02 08:00 +01:00", 2),
    ] {
        let told = sandbox.run(&["restore", "trading", "--at", at, "--to", "x.db", "-n"]).exits(0);
        assert!(
            told.stdout.contains(&format!("shop/nightly/trading/2026-01-0{day}T070000Z in the store")),
            "{at}\n{told}"
        );
    }
    sandbox
        .run(&["restore", "--job", "nightly", "--at", "2026-01-01", "-n"])
        .exits(0)
        .says("2026-01-01T070000Z");
    sandbox
        .run(&["restore", "trading", "--at", "2025-12-31", "--to", "x.db"])
        .exits(10)
        .says("2026-01-01T04:59:59Z");
    let bad = sandbox.run(&["restore", "trading", "--at", "yesterday", "--json"]).exits(2);
    let message = bad.error()["message"].as_str().unwrap().to_owned();
    for part in ["'yesterday'", "no date or time", "2026-01-05 07:00"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let bad = sandbox.run(&["--now", "2026-01-05", "list"]).exits(2);
    assert!(bad.stderr.contains("RFC 3339") && bad.stderr.contains("2026-01-05T07:00:00Z"), "{bad}");
    // Two policies of different zones leave open which day it is.
    sandbox.write(
        "other/policy.yaml",
        policy.replace("name: shop", "name: other").replace("America/New_York", "UTC"),
    );
    let both = ["--policy", "policy.yaml", "--policy", "other/policy.yaml", "restore"];
    let ask = |at: &str| {
        let words = ["shop/nightly/trading", "--to", "x.db", "-n", "--at", at];
        sandbox.run(&[&both[..], &words].concat())
    };
    ask("2026-01-02").exits(2).says("America/New_York and UTC");
    ask("2026-01-02T07:00Z").exits(0);
}
