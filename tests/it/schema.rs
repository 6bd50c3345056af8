//! The JSON Schemas in `schemas/`: they are the program's, and what it prints is valid against them.

use crate::checkout::{Home, files, root, text};
use serde_json::Value;

fn validator(name: &str) -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&text(&format!("schemas/{name}.schema.json"))).unwrap();
    jsonschema::draft7::new(&schema).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[track_caller]
fn fits(name: &str, value: &Value) {
    let errors: Vec<String> = validator(name)
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}\n{value:#}");
}

#[test]
fn the_stored_schemas_are_the_programs() {
    let home = Home::new();
    let checked = home.policy(&["schema", "--check", "schemas"]);
    assert_eq!(checked.status, 0, "{checked:#?}");
    let names = home.policy(&["schema", "--json"]).json();
    let stored: Vec<String> = files("schemas", "json")
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().trim_end_matches(".schema.json").to_owned())
        .collect();
    assert_eq!(names, Value::from(stored), "a schema without a name, or a name without a schema");
}

#[test]
fn a_stale_or_missing_schema_is_drift() {
    let home = Home::new();
    home.policy_from(&home.path("."), &["schema", "--write", "s"]).good();
    std::fs::remove_file(home.path("s/list.schema.json")).unwrap();
    home.write("s/plan.schema.json", "{}");
    let checked = home.policy_from(&home.path("."), &["schema", "--check", "s"]);
    assert_eq!(checked.status, 7, "{checked:#?}");
    assert!(checked.stderr.contains("list.schema.json, plan.schema.json differ"), "{}", checked.stderr);
}

#[test]
fn every_example_fits_the_schema_its_first_line_names() {
    for path in files("policies", "yaml") {
        let policy: Value = serde_yaml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        fits("policy", &policy);
    }
}

/// What an editor has to say about a key: its schema with what it refers to.
fn hover(schema: &Value, root: &Value) -> Vec<Value> {
    let mut all = vec![schema.clone()];
    let parts = ["allOf", "anyOf"].iter().filter_map(|key| schema[key].as_array()).flatten();
    let items = Some(&schema["items"]).filter(|items| items.is_object());
    for part in parts.chain(items).chain([schema]) {
        if let Some(name) =
            part["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/definitions/"))
        {
            all.extend(hover(&root["definitions"][name], root));
        } else if !std::ptr::eq(part, schema) {
            all.extend(hover(part, root));
        }
    }
    all
}

#[test]
fn every_key_is_explained_while_hovering_and_shows_what_to_write() {
    let root: Value = serde_json::from_str(&text("schemas/policy.schema.json")).unwrap();
    let mut keys = 0;
    for (name, mapping) in
        root["definitions"].as_object().unwrap().iter().chain([(&"a policy".to_owned(), &root)])
    {
        for (key, schema) in mapping["properties"].as_object().into_iter().flatten() {
            keys += 1;
            let hover = hover(schema, &root);
            let says = |part: &str| hover.iter().any(|one| !one[part].is_null());
            assert!(says("description"), "{name}.{key} has no hover text");
            let shown = ["examples", "enum", "default", "properties", "additionalProperties"];
            let boolean = hover.iter().any(|one| one["type"] == "boolean");
            assert!(
                boolean || shown.iter().any(|part| says(part)),
                "{name}.{key} does not show what to write: {hover:#?}"
            );
        }
    }
    assert!(keys > 50, "{keys} keys");
}

#[test]
fn what_the_schema_forbids_is_seen_in_an_editor() {
    let mut policy: Value = serde_yaml::from_str(&text("policies/prod.yaml")).unwrap();
    assert!(validator("policy").is_valid(&policy));
    policy["jobs"]["nightly"]["retension"] = 7.into();
    assert!(!validator("policy").is_valid(&policy));
}

#[test]
fn everything_printed_as_json_fits_its_schema() {
    let home = Home::new();
    let file = root().join("policies/quickstart.yaml");
    let call = |words: &[&str]| {
        let words: Vec<&str> = [&["--json", "--policy", file.to_str().unwrap()], words].concat();
        home.policy_from(&home.path("."), &words)
    };
    let good = |schema: &str, words: &[&str]| -> Value {
        let called = call(words);
        assert_eq!(called.status, 0, "{words:?}: {called:#?}");
        fits(schema, &called.json());
        called.json()
    };
    // Before there is anything, and with something there.
    good("list", &["list"]);
    good("history", &["history"]);
    for _ in 0..2 {
        good("check", &["check"]);
        good("plan", &["plan"]);
        good("next", &["next"]);
        good("dry-run", &["run", "--dry-run"]);
        let run = good("run", &["run"]);
        assert_eq!(run[0]["backups"].as_array().map(Vec::len), Some(1), "{run:#}");
    }
    assert_eq!(
        good("list", &["list"]).as_array().map(Vec::len),
        Some(1),
        "two runs of one day keep one backup"
    );
    let shown = good("show", &["show", "shop"]);
    fits("manifest", &shown["manifest"]);
    good("verify", &["verify"]);
    good("verify", &["verify", "--level", "restore", "shop"]);
    good("prune", &["prune", "--dry-run"]);
    good("prune", &["prune"]);
    good("restore", &["restore", "shop", "--to", "back.db"]);
    let history = good("history", &["history"]);
    let kinds: Vec<&str> =
        history.as_array().unwrap().iter().filter_map(|run| run["kind"].as_str()).collect();
    assert!(kinds.contains(&"run") && kinds.contains(&"restore"), "{kinds:?}");
}

#[test]
fn failures_printed_as_json_fit_their_schemas_too() {
    let home = Home::new();
    home.write(
        "bad.yaml",
        "version: 1\nname: Bad\nstores: {a: ~/a}\ntargets: {t: {sqlite: gone.db}}\njobs: {j: {}}\n",
    );
    let call = |words: &[&str]| home.policy_from(&home.path("."), words);
    let checked = call(&["check", "--json", "bad.yaml"]);
    assert_eq!(checked.status, 2);
    fits("check", &checked.json());
    home.write(
        "gone.yaml",
        "version: 1\nname: gone\nstores: {a: ~/a}\ntargets: {t: {sqlite: gone.db}}\njobs: {j: {}}\n",
    );
    let dry = call(&["run", "-n", "--json", "--policy", "gone.yaml"]);
    assert_eq!(dry.status, 0, "{dry:#?}");
    fits("dry-run", &dry.json());
    let run = call(&["run", "--json", "--policy", "gone.yaml"]);
    assert_eq!(run.status, 1, "{run:#?}");
    fits("run", &run.json());
    let last: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["exit"], 1, "{last}");
    assert!(!home.path("gone.db").exists(), "a missing database was made");
}
