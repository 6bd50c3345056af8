//! Where stores may lie, seen from outside.

use crate::support::Sandbox;

/// A project that is backed up into a folder of its own.
const INSIDE: &str = "\
version: 1
name: app
timezone: UTC
stores: {local: proj/backups}
targets:
  proj: {directory: proj}
jobs:
  nightly: {retention: {last: 3}}
";

#[test]
fn a_store_inside_a_target_is_refused_before_anything_is_made() {
    let sandbox = Sandbox::with_policy(INSIDE);
    sandbox.write("proj/a.txt", "a");
    for command in ["check", "run"] {
        let answer = sandbox.run(&[command]);
        assert_eq!(answer.exit, 2, "{}", answer.stderr);
        assert!(answer.stderr.contains("policy::store::inside_target"), "{}", answer.stderr);
        assert!(answer.stderr.contains("policy.yaml:4:"), "{}", answer.stderr);
    }
    assert!(!sandbox.path("proj/backups").exists());
}

#[test]
fn a_store_that_the_target_leaves_out_is_accepted() {
    let excluded = INSIDE.replace("{directory: proj}", "{directory: {path: proj, exclude: [backups/]}}");
    let sandbox = Sandbox::with_policy(&excluded);
    sandbox.write("proj/a.txt", "a");
    for _ in 0..2 {
        let answer = sandbox.run(&["run"]);
        assert_eq!(answer.exit, 0, "{}", answer.stderr);
    }
}

#[test]
fn a_restore_over_a_store_or_into_one_is_refused() {
    let sandbox = Sandbox::with_policy(&INSIDE.replace("proj/backups", "store"));
    sandbox.write("proj/a.txt", "a");
    sandbox.run(&["run"]).exits(0);
    for place in ["store", "store/app", "store/x", "."] {
        let answer = sandbox.run(&["restore", "proj", "--to", place, "--yes"]);
        assert_eq!(answer.exit, 5, "{place}: {}", answer.stderr);
    }
    assert_eq!(sandbox.run(&["list", "--json"]).exits(0).json().as_array().unwrap().len(), 1);
}
