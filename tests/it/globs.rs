//! What the globs of a folder leave of it, and how that is told.

#![cfg(unix)]

use crate::support::Sandbox;

fn sandbox(globs: &str) -> Sandbox {
    let sandbox = Sandbox::with_policy(&format!(
        "\
version: 1
name: app
timezone: UTC
stores: {{local: ./store}}
targets:
  data: {{directory: {{path: data, {globs}}}}}
jobs: {{nightly: {{}}}}
"
    ));
    sandbox.write("data/a.txt", "a");
    sandbox.write("data/deep/b.txt", "b");
    sandbox
}

#[test]
fn an_include_that_took_nothing_is_told_kept_and_fails_nothing() {
    let sandbox = sandbox("include: [\"*.txt\", uploads, deep, \"deep/b.txt\", \"a.txt/\"]");
    let told = ["include `uploads` took nothing", "include `a.txt/` took nothing"];
    let answer = sandbox.run(&["run"]).exits(0);
    for told in told {
        assert!(answer.stderr.contains(&format!("warning: data: {told}")), "{answer}");
        sandbox.run(&["log"]).exits(0).says(told);
    }
    let answer = answer.hides("`deep` took").hides("`deep/b.txt` took").hides("`*.txt` took");
    assert_eq!(answer.stderr.matches("took nothing").count(), 2);
    let stamp = sandbox.backups("store/app/nightly/data").pop().unwrap();
    let manifest = sandbox.manifest(&format!("store/app/nightly/data/{stamp}"));
    let warnings: Vec<&str> =
        manifest["warnings"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(warnings, told);
}

#[test]
fn what_is_excluded_took_nothing() {
    let sandbox = sandbox("include: [\"*.txt\", deep], exclude: [deep]");
    sandbox.run(&["run"]).exits(0).says("include `deep` took nothing");
}

#[test]
fn globs_that_leave_no_file_are_named_in_the_error() {
    let included = sandbox("include: [uploads, \"*.jpg\"]");
    included.run(&["run"]).exits(1).says("`include` [`uploads`, `*.jpg`]");
    let excluded = sandbox("exclude: [\"*.txt\"]");
    excluded.run(&["run"]).exits(1).says("`exclude` [`*.txt`]");
}
