//! Plans: the same bytes everywhere, compared with what is stored, and what a run does.

use crate::checkout::{Home, root, text};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

#[test]
fn the_stored_plans_are_those_of_the_examples() {
    let checked = Home::new().policy(&["plan", "--check", "snapshots"]);
    assert_eq!(checked.status, 0, "{checked:#?}");
}

/// The same values as JSON, which is YAML too, with every mapping turned around.
fn turned(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().rev().map(|(key, value)| (key, turned(value))).collect(),
        Value::Array(items) => items.into_iter().map(turned).collect(),
        other => other,
    }
}

#[test]
fn a_plan_is_the_same_bytes_wherever_and_however_it_is_written() {
    let written = text("policies/prod.yaml");
    let tree: Value = serde_yaml::from_str(&written).unwrap();
    let commented: String = written.replace('\n', "\n# told by nobody\n\n");
    for json in [&[][..], &["--json"]] {
        let plan = |home: &Home, from: &Path, file: &Path| {
            let words = [&["plan", "--platform", "linux", "--policy", file.to_str().unwrap()], json].concat();
            home.policy_from(from, &words).good()
        };
        let expected = plan(&Home::new(), root(), Path::new("policies/prod.yaml"));
        for (what, text) in [
            ("the same text", written.clone()),
            ("CRLF", written.replace('\n', "\r\n")),
            ("comments", commented.clone()),
            ("another order of keys", turned(tree.clone()).to_string()),
        ] {
            let home = Home::new()
                .with("TZ", "Asia/Tokyo")
                .with("LANG", "tr_TR.UTF-8")
                .with("DATABASE_PATH", "/elsewhere/x.db")
                .with("BACKUP_DISK", "/mnt/x");
            let file = home.write("deep/other/prod.yaml", &text);
            let plan = plan(&home, &home.path("."), &file);
            assert_eq!(plan, expected, "{what}");
            let private = [home.path("").to_str().unwrap().to_owned(), "/elsewhere".into(), "/mnt/x".into()];
            assert!(private.iter().all(|private| !plan.contains(private)), "{what}: {plan}");
        }
    }
}

#[test]
fn a_change_of_meaning_changes_the_digest_and_the_text() {
    let home = Home::new();
    let plan = |text: &str| {
        let file = home.write("prod.yaml", text);
        home.policy(&["plan", "--policy", file.to_str().unwrap()]).good()
    };
    let written = text("policies/prod.yaml");
    let (before, after) = (plan(&written), plan(&written.replace("daily: 14", "daily: 15")));
    let changed: Vec<_> = before
        .lines()
        .zip(after.lines())
        .filter(|(a, b)| a != b)
        .map(|(_, line)| line.trim_start())
        .collect();
    assert!(changed[0].starts_with("digest "), "{changed:?}");
    assert!(changed[1].contains("keep daily 15"), "{changed:?}");
}

#[test]
fn changed_missing_and_surplus_plans_are_drift_with_a_diff() {
    let home = Home::new();
    let from = home.path(".");
    home.write("policies/a.yaml", &text("policies/quickstart.yaml"));
    home.policy_from(&from, &["plan", "--write", "plans"]).good();
    home.policy_from(&from, &["plan", "--check", "plans"]).good();
    fs::rename(from.join("plans/quickstart.macos.plan"), from.join("plans/gone.macos.plan")).unwrap();
    home.write("policies/a.yaml", &text("policies/quickstart.yaml").replace("daily: 7", "daily: 3"));
    let checked = home.policy_from(&from, &["plan", "--check", "plans"]);
    assert_eq!(checked.status, 7, "{checked:#?}");
    for expected in [
        "--- stored/quickstart.linux.plan\n+++ planned/quickstart.linux.plan\n",
        "-   8  prune     shop in local: keep daily 7, weekly 12\n+   8  prune     shop in local: keep daily 3, weekly 12\n",
        "quickstart.macos.plan: planned, and not stored\n",
        "gone.macos.plan: stored, and no policy stands behind it\n",
    ] {
        assert!(checked.stdout.contains(expected), "{expected}{checked:#?}");
    }
    assert!(checked.stderr.contains("policy plan --write plans"), "{checked:#?}");
    home.policy_from(&from, &["plan", "--write", "plans"]).good();
    home.policy_from(&from, &["plan", "--check", "plans"]).good();
}

#[test]
fn the_stored_plans_of_other_platforms_than_the_one_asked_for_are_left_alone() {
    let home = Home::new();
    let from = home.path(".");
    home.write("policies/a.yaml", &text("policies/quickstart.yaml"));
    home.policy_from(&from, &["plan", "--write", "plans"]).good();
    home.policy_from(&from, &["plan", "--check", "plans", "--platform", "macos"]).good();
    home.policy_from(&from, &["plan", "--write", "plans", "--platform", "macos"]).good();
    home.policy_from(&from, &["plan", "--check", "plans"]).good();
}

#[test]
fn the_stored_plans_of_policies_that_are_not_named_are_left_alone() {
    let home = Home::new();
    let policy = |name: &str| {
        let text = text("tests/policies/valid/minimal.yaml");
        let named: String = text
            .lines()
            .map(
                |line| {
                    if line.starts_with("name:") { format!("name: {name}\n") } else { format!("{line}\n") }
                },
            )
            .collect();
        fs::write(home.path(&format!("policies/{name}.yaml")), named).unwrap();
    };
    fs::create_dir_all(home.path("policies")).unwrap();
    policy("alpha");
    policy("beta");
    let call = |words: &[&str]| home.policy_from(&home.path("."), words);
    call(&["plan", "--write", "plans", "-q"]).good();
    call(&["--policy", "policies/alpha.yaml", "plan", "--write", "plans", "-q"]).good();
    call(&["--policy", "policies/alpha.yaml", "plan", "--check", "plans"]).good();
    call(&["plan", "--check", "plans"]).good();
    // Part of a plan takes the place of none.
    assert_eq!(call(&["plan", "nightly", "--write", "plans"]).status, 2);
    fs::remove_file(home.path("policies/beta.yaml")).unwrap();
    assert_eq!(call(&["plan", "--check", "plans"]).status, 7);
}

/// A policy of two targets, two stores and hooks, on real data. The database's `after` has no `before` to wait for.
fn two_by_two(home: &Home) -> rusqlite::Connection {
    home.write("p/files/a.txt", "a");
    home.write(
        "p/two.yaml",
        r#"version: 1
name: two
timezone: UTC
stores: {here: ../here, there: ../there}
targets:
  db: {sqlite: ../data/live.db, checks: [{rows: t, expect: same_as_source}], after: [[echo, alone]]}
  files: {directory: files, before: [[echo, "{target}"]], after: [[echo, done]]}
jobs:
  nightly: {schedule: "0 2 * * *", retention: {daily: 7}}
  small: {targets: [files], stores: [there], compress: none, retention: {last: 2}}
"#,
    );
    fs::create_dir_all(home.path("data")).unwrap();
    let db = rusqlite::Connection::open(home.path("data/live.db")).unwrap();
    // A writer that is still there, with pages in its log that no checkpoint has moved.
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
         CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT);
         INSERT INTO t (text) VALUES ('ä'), ('ö');",
    )
    .unwrap();
    db
}

#[test]
fn a_run_does_exactly_the_steps_that_the_dry_run_printed() {
    let home = Home::new();
    let _writer = two_by_two(&home);
    let call = |words: &[&str]| {
        let words = [&["--policy", "two.yaml", "--now", "2025-01-05T02:00:00Z"], words].concat();
        home.policy_from(&home.path("p"), &words)
    };
    let dry = call(&["run", "--dry-run", "--json"]);
    assert_eq!(dry.status, 0, "{dry:#?}");
    let promised: Vec<String> = dry.json()[0]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            format!("{} {} {}", step["n"], step["kind"].as_str().unwrap(), step["summary"].as_str().unwrap())
        })
        .collect();
    assert!(promised.len() > 20, "{promised:#?}");
    call(&["run"]).good();
    let log = home.path(".local/state/policy/logs/two/2025-01-05T020000Z.log");
    let log = fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
    let begun: Vec<String> = log
        .lines()
        .filter_map(|line| line.split_once(" begin   "))
        .map(|(_, step)| {
            let mut words = step.splitn(2, char::is_whitespace);
            let (n, rest) = (words.next().unwrap(), words.next().unwrap().trim_start());
            let (kind, summary) = rest.split_once(' ').unwrap();
            format!("{n} {kind} {}", summary.trim_start())
        })
        .collect();
    assert_eq!(begun, promised);
}

/// Everything below a folder: kind, size, change and identity of each entry.
fn listing(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        let meta = fs::symlink_metadata(&next).unwrap();
        if meta.is_dir() {
            open.extend(fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()));
        }
        let identity = format!("{} {:o} {}.{}", meta.ino(), meta.mode(), meta.ctime(), meta.ctime_nsec());
        found.insert(next, format!("{} {:?} {identity}", meta.len(), meta.modified().unwrap()));
    }
    found
}

#[test]
fn a_dry_run_writes_nothing_at_all() {
    for writer_lives in [true, false] {
        let home = Home::new();
        let writer = two_by_two(&home);
        let writer = writer_lives.then_some(writer);
        let dry = |what: &str| {
            for words in [
                &["run", "--dry-run"][..],
                &["run", "--dry-run", "--json"],
                &["prune", "--dry-run"],
                &["plan"],
                &["check", "two.yaml"],
                &["next"],
                &["list"],
            ] {
                let before = listing(&home.path(""));
                let words: Vec<&str> = [&["--policy", "two.yaml"], words].concat();
                let called = home.policy_from(&home.path("p"), &words);
                assert_eq!(called.status, 0, "{what}: {words:?}: {called:#?}");
                let after = listing(&home.path(""));
                let differs = |path: &&PathBuf| before.get(*path) != after.get(*path);
                let changed: Vec<_> = before.keys().chain(after.keys()).filter(differs).collect();
                assert!(changed.is_empty(), "{what}, writer lives: {writer_lives}: {words:?}: {changed:#?}");
            }
        };
        dry("before the first run");
        home.policy_from(&home.path("p"), &["--policy", "two.yaml", "run"]).good();
        dry("after a run");
        drop(writer);
        dry("after the writer left");
    }
}
