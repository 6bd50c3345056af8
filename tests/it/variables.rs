//! Variables: where they are told, and where their values never show.

use crate::support::Sandbox;
use std::fs;

const CANARY: &str = "canary-4f7c";

fn policy(path: &str, more: &str) -> String {
    format!(
        "\
version: 1
name: app
timezone: UTC
env_files: [app.env]
stores: {{local: \"${{STORE}}\"}}
targets: {{app: {{sqlite: {path}{more}}}}}
jobs: {{nightly: {{retention: {{last: 3}}}}}}
"
    )
}

/// The database and the store lie in a folder named by a variable, and the canary is in both paths.
fn sandbox(more: &str) -> Sandbox {
    let sandbox = Sandbox::with_policy(&policy("\"${DATA}/app.db\"", more));
    let place = sandbox.path(CANARY);
    let (data, store) = (place.join("data"), place.join("store"));
    sandbox.write("app.env", format!("# places\nDATA={}\nSTORE={}\n", data.display(), store.display()));
    sandbox.sql(&format!("{CANARY}/data/app.db"), "CREATE TABLE t(x)");
    sandbox
}

#[test]
fn a_value_never_shows_in_what_travels() {
    let sandbox = sandbox(", checks: [{rows: t, expect: \"= 0\"}]");
    sandbox.run(&["plan"]).exits(0).hides(CANARY).says("${DATA}/app.db");
    sandbox.run(&["plan", "--json"]).exits(0).hides(CANARY);
    let answer = sandbox.run(&["run", "--json"]).exits(0);
    assert!(!answer.stdout.contains(CANARY), "{answer}");
    sandbox.run(&["verify"]).exits(0);
    let store = format!("{CANARY}/store");
    let mut read = 0;
    for name in sandbox.tree(&store) {
        let path = sandbox.path(&store).join(&name);
        assert!(!name.contains(CANARY));
        // Everything in the store but the data itself, which is the user's.
        if path.is_file() && name.strip_suffix(".zst").is_none() {
            let text = fs::read_to_string(&path).unwrap_or_default();
            assert!(!text.contains(CANARY), "{name}:\n{text}");
            read += 1;
        }
    }
    assert!(read >= 5, "{:?}", sandbox.tree(&store));
    let listed = sandbox.run(&["list", "--json"]).exits(0).json();
    let id = listed[0]["id"].as_str().unwrap();
    let shown = sandbox.run(&["show", id, "--json"]).exits(0);
    assert!(shown.stdout.contains("${DATA}/app.db") && !shown.stdout.contains(CANARY), "{shown}");
}

#[test]
fn on_this_host_a_path_is_told_with_value_and_origin() {
    let sandbox = sandbox("");
    fs::remove_file(sandbox.path(CANARY).join("data/app.db")).unwrap();
    let value = sandbox.path(CANARY).join("data/app.db");
    sandbox.run(&["run"]).exits(1).says(&format!("${{DATA}}/app.db = {} (app.env:2)", value.display()));
}

#[test]
fn an_unset_variable_exits_2_at_its_place_before_anything_is_done() {
    let sandbox = sandbox("");
    sandbox.write("app.env", "DATA=/srv\n");
    let answer = sandbox.run(&["run", "--json"]).exits(2).says("STORE").says("policy.yaml:5:");
    assert_eq!(answer.error()["exit"], 2);
    assert!(!sandbox.state().exists() && !sandbox.path(CANARY).join("store").exists());
    // An empty value counts as unset.
    sandbox.write("app.env", "DATA=\nSTORE=/srv/store\n");
    sandbox.run(&["run"]).exits(2).says("DATA");
}

#[cfg(unix)]
#[test]
fn an_unset_variable_of_a_hook_exits_2_before_anything_is_done() {
    let sandbox = sandbox(", after: [[note, \"${WHOM}\"]]");
    sandbox.program("note", "echo \"$@\" >> notes");
    sandbox.run(&["run"]).exits(2).says("WHOM").says("policy.yaml:6:");
    assert!(!sandbox.state().exists() && !sandbox.path(CANARY).join("store").exists());
    // Only what the selection needs must be set.
    let sandbox = sandbox.variable("WHOM", "ops");
    sandbox.run(&["run"]).exits(0);
    assert_eq!(sandbox.read("notes"), "ops\n");
}

#[test]
fn the_value_of_an_env_file_wins_and_the_difference_is_told() {
    let sandbox = sandbox("").variable("DATA", "/nowhere");
    sandbox.run(&["run"]).exits(0).says("`DATA`").hides("/nowhere");
}

#[test]
fn a_relative_value_of_a_path_that_begins_with_it_is_refused() {
    let sandbox = sandbox("");
    sandbox.write("app.env", "DATA=data\nSTORE=store\n");
    sandbox.run(&["run"]).exits(2).says("absolute");
    assert!(!sandbox.path("store").exists());
}

#[cfg(unix)]
#[test]
fn an_empty_value_in_a_later_file_hides_none_of_an_earlier_one() {
    let sandbox = sandbox(", before: [[look]]");
    let text = sandbox.read("policy.yaml");
    sandbox.write("policy.yaml", text.replace("[app.env]", "[app.env, late.env]"));
    sandbox.write("late.env", "STORE=\n");
    sandbox.program("look", "echo \"$STORE\" > seen");
    sandbox.run(&["run"]).exits(0);
    assert_eq!(sandbox.read("seen").trim(), sandbox.path(CANARY).join("store").to_str().unwrap());
}

#[test]
fn an_env_file_whose_place_is_not_known_here_is_no_error_of_a_dry_run() {
    let sandbox = sandbox("");
    let text = sandbox.read("policy.yaml");
    sandbox.write("policy.yaml", text.replace("[app.env]", "[\"${PLACES}/app.env\"]"));
    sandbox.run(&["run", "--dry-run"]).exits(0).says("unknown here").says("PLACES");
    sandbox.run(&["run"]).exits(2).says("PLACES");
    assert!(!sandbox.state().exists());
}
