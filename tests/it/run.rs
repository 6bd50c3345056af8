//! What `run` does, seen from outside: its steps, its outputs, its exit codes.

use crate::support::{
    Sandbox,
    simple::{SERIES, SIMPLE, simple},
    until,
};
use std::fs;

/// Two targets in two stores.
const SQUARE: &str = "\
version: 1
name: app
timezone: UTC
stores: {one: ./one, two: ./two}
targets: {a: {sqlite: a.db}, b: {sqlite: b.db}}
jobs: {nightly: {retention: {last: 3}}}
";

#[test]
fn a_run_makes_one_proven_backup_and_exits_0() {
    let sandbox = simple();
    let answer = sandbox.run(&["run"]).exits(0).says("proven: integrity");
    assert_eq!(sandbox.backups(SERIES).len(), 1, "{answer}");
    let text = answer.to_string();
    assert!(!text.contains('\u{1b}') && !text.contains('\r'), "colours or bars without a terminal: {text:?}");
    let stamp = &sandbox.backups(SERIES)[0];
    let manifest = sandbox.manifest(&format!("{SERIES}/{stamp}"));
    assert_eq!(manifest["run"], format!("app/{stamp}"));
    assert_eq!(manifest["level"], "integrity");
    sandbox.run(&["verify"]).exits(0);
}

#[test]
fn a_quiet_run_that_goes_well_prints_nothing() {
    let sandbox = simple();
    let answer = sandbox.run(&["run", "-q"]).exits(0);
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("", ""));
    fs::remove_file(sandbox.path("app.db")).unwrap();
    let answer = sandbox.run(&["run", "-q"]).exits(1).says("app.db");
    assert_eq!(answer.stdout, "");
}

#[test]
fn a_run_does_exactly_the_steps_that_its_dry_run_shows() {
    let sandbox = Sandbox::with_policy(
        "\
version: 1
name: app
timezone: UTC
stores: {one: ./one, two: ./two}
targets:
  a: {sqlite: a.db, before: [[\"true\"]], after: [[\"true\"]]}
  b: {directory: b}
jobs:
  nightly: {retention: {last: 3}, before: [[\"true\"]], after: [[\"true\"]]}
  weekly: {targets: [b], stores: [two], retention: {last: 3}}
",
    );
    sandbox.sql("a.db", "CREATE TABLE t(x)");
    sandbox.write("b/file", "text");
    let shown = sandbox.run(&["run", "--dry-run"]).exits(0);
    // What was seen stands below each step, further in.
    let is_step = |line: &&str| {
        !line.starts_with("          ")
            && line.split_whitespace().next().is_some_and(|word| word.parse::<usize>().is_ok())
    };
    let planned: Vec<&str> = shown.stdout.lines().filter(is_step).map(str::trim).collect();
    assert!(planned.len() > 30, "{shown}");
    assert_eq!(sandbox.tree("."), ["a.db", "b", "b/file", "policy.yaml"], "a dry run made something");
    assert!(!sandbox.state().exists());

    let run = sandbox.run(&["run", "--json"]).exits(0).json()[0]["run"].as_str().unwrap().to_owned();
    let log = fs::read_to_string(sandbox.state().join("logs").join(format!("{run}.log"))).unwrap();
    let done: Vec<&str> =
        log.lines().filter_map(|line| line.split_once(" begin ")).map(|(_, step)| step.trim()).collect();
    assert_eq!(done, planned);
}

#[test]
fn a_run_tells_its_outcome_as_json() {
    let sandbox = simple();
    let answer = sandbox.run(&["run", "--json", "--now", "2026-01-05T07:00:00Z"]).exits(0);
    let all = answer.json();
    let told = &all[0];
    assert_eq!(all.as_array().unwrap().len(), 1);
    assert_eq!(told["run"], "app/2026-01-05T070000Z");
    assert_eq!((&told["policy"], &told["outcome"]), (&"app".into(), &"done".into()));
    assert_eq!(told["failures"], serde_json::json!([]));
    let backup = &told["backups"][0];
    assert_eq!(backup["id"], "app/nightly/app/2026-01-05T070000Z");
    for field in
        ["job", "target", "store", "engine", "method", "time", "bytes", "original_bytes", "level", "asked"]
    {
        assert!(!backup[field].is_null(), "{field}: {backup}");
    }
    assert_eq!(backup["proven"], true);

    fs::write(sandbox.path("app.db"), "this is no database, but long enough to be taken for a file").unwrap();
    let answer = sandbox.run(&["run", "--json"]).exits(1);
    let failure = &answer.json()[0]["failures"][0];
    assert_eq!(answer.json()[0]["outcome"], "failed");
    assert_eq!(failure["code"], "source");
    for field in ["job", "target", "step", "message"] {
        assert!(failure[field].is_string(), "{failure}");
    }
    let error = answer.error();
    assert_eq!((&error["code"], &error["exit"]), (&"failed".into(), &1.into()));
    assert!(error["message"].as_str().unwrap().contains("app.db"));
}

#[test]
fn names_that_do_not_exist_exit_10_and_ambiguous_ones_2() {
    let sandbox = simple();
    sandbox.run(&["run", "nightli"]).exits(10).says("did you mean `nightly`?");
    sandbox.run(&["run", "other/nightly"]).exits(10);
    sandbox.run(&["run", "--target", "apq"]).exits(10).says("app");
    sandbox.run(&["run", "--store", "remote"]).exits(10).says("local");
    sandbox.run(&["run", "--new-store", "remote"]).exits(10).says("local");
    let answer = sandbox.run(&["run", "nightli", "--json"]).exits(10);
    let error = answer.error();
    assert_eq!((&error["code"], &error["exit"]), (&"not_found".into(), &10.into()));

    let sandbox = Sandbox::new();
    sandbox.write("policies/app.yaml", SIMPLE);
    sandbox.write("policies/web.yaml", SIMPLE.replace("name: app", "name: web"));
    sandbox.sql("policies/app.db", "CREATE TABLE t(x)");
    sandbox.run(&["run", "nightly"]).exits(2).says("`app/nightly` or `web/nightly`");
    assert_eq!(sandbox.tree("policies"), ["app.db", "app.yaml", "web.yaml"]);
    sandbox.run(&["run", "web/nightly"]).exits(0);
    assert_eq!(sandbox.backups("policies/store/web/nightly/app").len(), 1);
    assert!(sandbox.backups("policies/store/app/nightly/app").is_empty());
}

#[test]
fn a_policy_that_is_not_valid_exits_2_and_nothing_is_done() {
    let sandbox = simple();
    sandbox.write("policy.yaml", SIMPLE.replace("last: 3", "last: 0"));
    sandbox.run(&["run"]).exits(2);
    assert_eq!(sandbox.tree("."), ["app.db", "policy.yaml"]);
    assert!(!sandbox.state().exists());
}

#[test]
fn a_missing_source_is_told_at_its_place_and_never_made() {
    let sandbox = Sandbox::with_policy(SIMPLE);
    sandbox.run(&["run"]).exits(1).says("policy.yaml:5:").says("app.db");
    assert!(!sandbox.path("app.db").exists());
    assert!(sandbox.backups(SERIES).is_empty());
    // An empty file is no database either.
    sandbox.write("app.db", "");
    sandbox.run(&["run"]).exits(1).says("app.db");
    assert_eq!(sandbox.read("app.db"), "");
}

#[test]
fn some_pairs_good_and_some_not_exit_3() {
    let sandbox = Sandbox::with_policy(SQUARE);
    sandbox.sql("a.db", "CREATE TABLE t(x)");
    let answer = sandbox.run(&["run", "--json"]).exits(3);
    assert_eq!(answer.error()["code"], "incomplete");
    assert_eq!(answer.json()[0]["outcome"], "incomplete");
    assert_eq!(answer.json()[0]["backups"].as_array().unwrap().len(), 2);
    for (store, target, count) in [("one", "a", 1), ("two", "a", 1), ("one", "b", 0), ("two", "b", 0)] {
        assert_eq!(sandbox.backups(&format!("{store}/app/nightly/{target}")).len(), count);
    }

    // One store that cannot be written: a file stands in its place.
    let sandbox = Sandbox::with_policy(SQUARE);
    sandbox.sql("a.db", "CREATE TABLE t(x)");
    sandbox.sql("b.db", "CREATE TABLE t(x)");
    sandbox.write("two", "not a folder");
    sandbox.run(&["run"]).exits(3).says("two");
    assert_eq!(sandbox.backups("one/app/nightly/a").len(), 1);
    assert_eq!(sandbox.backups("one/app/nightly/b").len(), 1);
}

#[test]
fn several_jobs_are_one_run_and_several_policies_one_exit_code() {
    let sandbox = Sandbox::new();
    sandbox.write("policies/app.yaml", SIMPLE.replace("3}}}", "3}}, weekly: {retention: {last: 2}}}"));
    sandbox.write("policies/web.yaml", SIMPLE.replace("name: app", "name: web").replace("app.db", "web.db"));
    sandbox.sql("policies/app.db", "CREATE TABLE t(x)");
    sandbox.sql("policies/web.db", "CREATE TABLE t(x)");
    let told = sandbox.run(&["run", "--json", "--now", "2026-01-05T07:00:00Z"]).exits(0).json();
    assert_eq!(told.as_array().unwrap().len(), 2);
    assert_eq!(told[0]["backups"].as_array().unwrap().len(), 2);
    let stamp = ["2026-01-05T070000Z"];
    assert_eq!(sandbox.backups("policies/store/app/nightly/app"), stamp);
    assert_eq!(sandbox.backups("policies/store/app/weekly/app"), stamp);

    fs::remove_file(sandbox.path("policies/web.db")).unwrap();
    sandbox.run(&["run"]).exits(3);
    sandbox.run(&["run", "web/nightly"]).exits(1);
    // Only what was selected counts.
    sandbox.run(&["run", "app/nightly", "app/weekly"]).exits(0);
}

#[test]
fn a_selection_that_leaves_nothing_exits_10() {
    let sandbox = Sandbox::with_policy(&SQUARE.replace("nightly: {", "nightly: {targets: [a], "));
    sandbox.sql("a.db", "CREATE TABLE t(x)");
    sandbox.run(&["run", "--target", "b"]).exits(10);
    sandbox.run(&["run", "--target", "a", "--store", "two"]).exits(0);
    assert_eq!(sandbox.backups("two/app/nightly/a").len(), 1);
    assert!(sandbox.backups("one/app/nightly/a").is_empty());
}

#[test]
fn a_second_run_in_the_same_second_gets_a_number() {
    let sandbox = simple();
    for _ in 0..3 {
        sandbox.run(&["run", "--now", "2026-01-05T07:00:00Z"]).exits(0);
    }
    let stamps = ["2026-01-05T070000Z", "2026-01-05T070000Z-2", "2026-01-05T070000Z-3"];
    assert_eq!(sandbox.backups(SERIES), stamps);
    // A lost history changes nothing: the store knows.
    fs::remove_dir_all(sandbox.state()).unwrap();
    let told = sandbox.run(&["run", "--json", "--now", "2026-01-05T07:00:00Z"]).exits(0).json();
    assert_eq!(told[0]["run"], "app/2026-01-05T070000Z-4");
}

#[test]
fn retention_holds_after_each_run() {
    let sandbox = simple();
    for day in 1..=6 {
        sandbox.run(&["run", "--now", &format!("2026-01-0{day}T07:00:00Z")]).exits(0);
    }
    let kept = ["2026-01-04T070000Z", "2026-01-05T070000Z", "2026-01-06T070000Z"];
    assert_eq!(sandbox.backups(SERIES), kept);
}

#[test]
fn under_a_time_in_the_future_nothing_is_deleted() {
    let sandbox = simple();
    for year in 2090..=2094 {
        sandbox.run(&["run", "--now", &format!("{year}-01-05T07:00:00Z")]).exits(0);
    }
    assert_eq!(sandbox.backups(SERIES).len(), 5);
    // Nor do backups of the future make today's needless, or the other way round.
    sandbox.run(&["run"]).exits(0);
    assert_eq!(sandbox.backups(SERIES).len(), 6);
}

#[test]
fn a_catalog_that_cannot_be_read_stops_no_backup_of_a_store_that_is_there() {
    let sandbox = simple();
    sandbox.run(&["run"]).exits(0);
    let state = sandbox.state();
    for extra in ["catalog.db-wal", "catalog.db-shm"] {
        let _ = fs::remove_file(state.join(extra));
    }
    fs::write(state.join("catalog.db"), "this is no database, and long enough to be taken for a file")
        .unwrap();
    sandbox.run(&["run"]).exits(0).says("will not stand in the history");
    assert_eq!(sandbox.backups(SERIES).len(), 2);
    // But nobody knows any more whether a store that is not there was there: none is made.
    fs::rename(sandbox.path("store"), sandbox.path("unmounted")).unwrap();
    sandbox.run(&["run"]).exits(1).says("--new-store local");
    assert!(!sandbox.path("store").exists());
    sandbox.run(&["run", "--new-store", "local"]).exits(0);
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_does_not_end_the_run() {
    let sandbox = simple();
    let hooks = "{sqlite: app.db, before: [[wait-for-go]], after: [[note]]}";
    sandbox.write("policy.yaml", SIMPLE.replace("{sqlite: app.db}", hooks));
    sandbox.program("wait-for-go", "echo begun > begun; while [ ! -e go ]; do sleep 0.05; done");
    sandbox.program("note", "echo after >> notes");
    let mut command = sandbox.command(&["run", "-v"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    until("the hook", || sandbox.path("begun").exists());
    // As `policy run 2>&1 | head -1` does.
    drop((child.stdout.take(), child.stderr.take()));
    sandbox.write("go", "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(sandbox.read("notes"), "after\n");
    assert_eq!(sandbox.backups(SERIES).len(), 1);
}

#[test]
fn a_dry_run_says_what_retention_would_say_and_which_backup_is_its_own() {
    let sandbox = simple();
    for day in 1..=3 {
        sandbox.run(&["run", "--now", &format!("2026-01-0{day}T07:00:00Z")]).exits(0);
    }
    let dry = ["run", "--dry-run", "--now", "2026-01-04T07:00:00Z"];
    sandbox
        .run(&dry)
        .exits(0)
        .says("keep  app/nightly/app/2026-01-04T070000Z (this run's): last 1 of 3")
        .says("prune app/nightly/app/2026-01-01T070000Z: no rule keeps it");
    let told = sandbox.run(&[&dry[..], &["--json"]].concat()).exits(0).json();
    let observed = told[0]["observed"].as_array().unwrap();
    let verdicts = observed.iter().find_map(|seen| seen["verdicts"].as_array()).unwrap();
    assert_eq!(
        (&verdicts[0]["id"], &verdicts[0]["this_run"]),
        (&"app/nightly/app/2026-01-04T070000Z".into(), &true.into())
    );
    assert_eq!(verdicts[3]["this_run"], false);
    // And that the store is not the one that the run would use.
    fs::rename(sandbox.path("store"), sandbox.path("unmounted")).unwrap();
    sandbox.run(&dry).exits(0).says("not the store last used");
    sandbox.run(&[&dry[..], &["--new-store", "local"]].concat()).exits(0).says("not there yet");
}
