//! What `check` says beyond a policy's text: samples that are wrong only where they are read, and every form of output.

use super::{
    checkout,
    support::{Sandbox, simple::SIMPLE},
};
use policy::policy::{Code, Severity, problem::pages};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

/// A project with what the samples of `tests/policies/host` find around them.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("project/bad.env", "GOOD=1\nno assignment here\n2ND=name\n");
    sandbox.write("project/good.env", "RELATIVE=data/app.db\nDATABASE_URL=mysql://me:hunter2@db/app\n");
    fs::create_dir_all(sandbox.path("repository/.git")).unwrap();
    for sample in checkout::files("tests/policies/host", "yaml") {
        let name = sample.file_name().unwrap().to_string_lossy().into_owned();
        sandbox.write(&format!("project/policies/{name}"), fs::read(&sample).unwrap());
    }
    sandbox
}

fn compare(name: &str, text: &str) {
    insta::with_settings!({ snapshot_path => "snapshots/check/host", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

fn is_told_by_a_run(stem: &str) -> bool {
    matches!(stem, "path-from-a-variable-is-relative" | "url-from-a-variable-is-of-mysql")
}

#[test]
fn what_is_wrong_only_here_is_told_with_its_place() {
    let sandbox = project();
    for sample in checkout::files("tests/policies/host", "yaml") {
        let stem = sample.file_stem().unwrap().to_string_lossy().into_owned();
        let file = format!("project/policies/{stem}.yaml");
        // `check` looks for the presence of variables alone; what their values make of a path, a run tells before it begins.
        let words: &[&str] =
            if is_told_by_a_run(&stem) { &["--policy", &file, "run"] } else { &["check", &file] };
        let mut command = sandbox.command(words);
        command.env("COLUMNS", "80");
        let answer = sandbox.finish(command);
        assert!(answer.exit == 0 || answer.exit == 2, "{answer}");
        compare(&stem, &format!("{}{}exit {}\n", answer.stderr, answer.stdout, answer.exit));
    }
}

#[test]
fn one_file_that_cannot_be_read_hides_no_other() {
    let sandbox = Sandbox::with_policy(&SIMPLE.replace("nightly: {", "nightly: {schedul: x, "));
    let answer = sandbox.run(&["check", "nothing.yaml", "policy.yaml"]).exits(2);
    answer.clone().says("policy::file::unreadable").says("policy::shape::unknown_key");
    answer.says("2 policies: 2 errors");
}

#[test]
fn a_policy_whose_link_leads_nowhere_is_missed_and_not_passed_over() {
    let sandbox = Sandbox::new();
    let text = checkout::text("tests/policies/valid/minimal.yaml");
    sandbox.write("policies/a.yaml", text);
    std::os::unix::fs::symlink("/nowhere/prod.yaml", sandbox.path("policies/prod.yaml")).unwrap();
    sandbox.run(&["check"]).exits(2).says("prod.yaml").says("No such file");
    sandbox.run(&["next"]).exits(2);
}

#[test]
fn an_env_file_that_is_endless_or_none_holds_nobody_up() {
    let sandbox = project();
    let text = checkout::text("tests/policies/host/env-file-with-bad-lines.yaml");
    for (file, said) in
        [("/dev/zero", "it is no file"), ("/dev", "it is no file"), ("../big.env", "larger than 1 MiB")]
    {
        sandbox.write("project/big.env", "#".repeat(2 << 20));
        let policy = sandbox.write("project/policies/x.yaml", text.replace("../bad.env", file));
        sandbox.run(&["check", policy.to_str().unwrap()]).exits(2).says(said);
    }
}

#[test]
fn what_is_wrong_with_a_query_is_told_beside_other_mistakes() {
    let text = checkout::text("tests/policies/host/query-that-is-no-sql.yaml");
    let sandbox = Sandbox::with_policy(&text.replace("schedule: ", "shedule: "));
    sandbox.run(&["check"]).exits(2).says("near \"paid\"").says("`shedule`");
}

#[test]
fn policies_named_before_and_behind_the_command_are_all_checked() {
    let sandbox = Sandbox::with_policy("version: 1\n");
    let text = checkout::text("tests/policies/valid/minimal.yaml");
    sandbox.write("good.yaml", text);
    sandbox.run(&["--policy", "policy.yaml", "check", "good.yaml"]).exits(2).says("2 policies");
}

/// The codes of all problems of a sandbox's policies.
fn found(sandbox: &Sandbox, words: &[&str]) -> BTreeSet<String> {
    let report = sandbox.run(&[&["check", "--json"], words].concat()).json();
    let problems = report["problems"].as_array().unwrap();
    problems.iter().map(|problem| problem["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_code_has_a_sample_and_a_page() {
    let mut seen = BTreeSet::new();
    for folder in ["invalid", "warned"] {
        for sample in checkout::files(&format!("tests/policies/{folder}"), "yaml") {
            let bytes = fs::read(&sample).unwrap();
            let loaded = policy::policy::load("sample.yaml", "/srv/app/policies".as_ref(), &bytes);
            seen.extend(loaded.problems.iter().map(|problem| problem.code.as_str().to_owned()));
        }
    }
    let sandbox = project();
    seen.extend(found(&sandbox, &["project/policies"]));
    // Beyond what one file can show: no file, and two files.
    seen.extend(found(&sandbox, &["nothing.yaml"]));
    sandbox.write("two/one.yaml", SIMPLE);
    sandbox.write("two/other.yaml", SIMPLE);
    seen.extend(found(&sandbox, &["two"]));
    let snapshots = checkout::files("tests/it/snapshots/check/host", "snap");
    let told: String = snapshots.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    seen.extend(
        Code::ALL
            .iter()
            .map(|code| code.as_str().to_owned())
            .filter(|code| told.contains(&format!("\n{code}\n"))),
    );
    sandbox.write("many.yaml", (0..2_000).map(|n| format!("key{n}: 1")).collect::<Vec<_>>().join("\n"));
    let many = found(&sandbox, &["many.yaml"]);
    assert!(many.contains("policy::shape::unknown_key"));
    seen.extend(many);
    // A file of a mebibyte is made by the test of hostile texts, and so are a thousand brackets and a bomb of aliases.
    // Every account of a test machine has a home folder; that one may be missing is tested beside the code. And no engine
    // is absent here: `.ci/run` asks a program that was built without one. What keeps a secret from being read is told by
    // what reads it.
    for made in [
        "policy::engine::absent",
        "policy::path::no_home",
        "policy::secret::unreadable",
        "policy::yaml::too_large",
        "policy::yaml::too_many_values",
        "policy::yaml::too_deep",
    ] {
        seen.insert(made.to_owned());
    }
    for code in Code::ALL {
        assert!(seen.contains(code.as_str()), "{code} has no sample");
        assert!(pages::page(code.as_str()).is_some(), "{code} has no page");
    }
}

#[test]
fn hostile_texts_take_no_more_than_fifty_mebibytes() {
    if !checkout::need("prlimit") {
        return;
    }
    let sandbox = Sandbox::new();
    for (what, text) in super::check::hostile() {
        sandbox.write("hostile.yaml", text);
        // What is private to the process: its heap, and what else it writes to.
        let program = env!("CARGO_BIN_EXE_policy");
        let words = ["--data=52428800", program, "check", "hostile.yaml"];
        let answer = sandbox.finish(sandbox.prepare("/usr/bin/prlimit".as_ref(), &words));
        assert_eq!(answer.exit, 2, "{what}: {:.2000}", answer.stderr);
    }
}

#[test]
fn annotations_are_what_the_runners_of_a_pull_request_read() {
    let sandbox = Sandbox::new();
    let text = SIMPLE.replace("nightly: {", "nightly: {schedul: \"50%,x\", ").replace("last: 3", "last: 0");
    sandbox.write("policies/a,b:100%.yaml", text);
    let answer = sandbox.run(&["check", "--format", "github"]).exits(2);
    insta::assert_snapshot!(answer.stdout, @r#"
    ::error file=policies/a%2Cb%3A100%25.yaml,line=6,endLine=6,col=18,endColumn=24,title=policy%3A%3Ashape%3A%3Aunknown_key::there is no key `schedul` in `nightly`%0Ahelp: write `schedule`; known here are `targets`, `schedule`, `stores`, `compress`, `retention`, `verify`, `before`, `after`, `timeout`, `retry`, `rpo` and 2 more
    ::error file=policies/a%2Cb%3A100%25.yaml,line=6,endLine=6,col=54,endColumn=54,title=policy%3A%3Aretention%3A%3Azero::`last: 0` keeps nothing%0Ahelp: remove the rule, or write how many are to be kept
    "#);
}

#[test]
fn a_sarif_log_is_valid_and_names_rule_place_and_related_places() {
    // OASIS's own schema, but for one pattern of it that is no regular expression in Unicode mode (a stray `]`).
    let schema: Value = serde_json::from_str(&checkout::text("tests/data/sarif-2.1.0.schema.json")).unwrap();
    let schema = jsonschema::draft7::new(&schema).unwrap();
    let sandbox = Sandbox::new();
    for (n, folder) in ["invalid", "warned", "valid"].into_iter().enumerate() {
        for sample in checkout::files(&format!("tests/policies/{folder}"), "yaml") {
            let name = sample.file_name().unwrap().to_string_lossy().into_owned();
            sandbox.write(&format!("policies/{n} {name}"), fs::read(&sample).unwrap());
        }
    }
    let log = sandbox.run(&["check", "--format", "sarif"]).exits(2).json();
    let errors: Vec<_> = schema.iter_errors(&log).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert!(results.len() > 100, "{} results", results.len());
    for result in results {
        let rule =
            &run["tool"]["driver"]["rules"][usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
    }
    let twice = results.iter().find(|result| result["ruleId"] == "policy::yaml::duplicate_key").unwrap();
    let place = &twice["locations"][0]["physicalLocation"];
    assert_eq!(
        place["artifactLocation"],
        json!({"uri": "policies/0%20yaml-duplicate-key.yaml", "uriBaseId": "%SRCROOT%"})
    );
    assert!(twice["relatedLocations"][0]["physicalLocation"]["region"]["startLine"].is_u64(), "{twice:#}");
}

#[test]
fn a_warning_that_only_this_host_shows_can_be_accepted_and_is_never_called_unmatched() {
    let sandbox = project();
    let file = "project/policies/store-in-a-repository.yaml";
    assert!(found(&sandbox, &[file]).contains("policy::store::in_repository"));
    let text = sandbox.read(file) + "allow: [policy::store::in_repository]\n";
    sandbox.write(file, text);
    assert_eq!(found(&sandbox, &[file]), BTreeSet::new());
    fs::remove_dir(sandbox.path("repository/.git")).unwrap();
    assert_eq!(found(&sandbox, &[file]), BTreeSet::new(), "not called unmatched");
    assert!(Code::ALL.iter().any(|code| code.severity() == Severity::Warning && !code.is_of_the_text()));
}
