//! Backups that are published and not proven: what they are called, what they keep from happening.

use crate::support::{
    Sandbox,
    simple::{SERIES, policy},
};

/// A policy that keeps one backup, with more keys of its target.
fn keeping_one(target: &str) -> String {
    policy(target, "").replace("last: 3", "last: 1")
}

fn run(sandbox: &Sandbox, day: u32) -> crate::support::Answer {
    sandbox.run(&["run", "--json", "--now", &format!("2026-01-{day:02}T07:00:00Z")])
}

/// Exit 4, published, unproven, with its failure in the manifest; what was there before is still there.
#[track_caller]
fn is_unproven(sandbox: &Sandbox, day: u32, failure: &str) {
    let before = sandbox.backups(SERIES);
    let answer = run(sandbox, day).exits(4);
    let told = answer.json();
    assert_eq!(told[0]["outcome"], "failed");
    assert_eq!(told[0]["failures"][0]["code"], "unproven", "{answer}");
    assert_eq!(told[0]["backups"][0]["proven"], false);
    assert_eq!((&answer.error()["code"], &answer.error()["exit"]), (&"unproven".into(), &4.into()));
    let after = sandbox.backups(SERIES);
    assert_eq!(after.len(), before.len() + 1, "nothing may be pruned: {answer}");
    let manifest = sandbox.manifest(&format!("{SERIES}/{}", after.last().unwrap()));
    let failures = manifest["failures"].to_string();
    assert!(failures.contains(failure), "{failures}");
    // The list says the same as the manifest does.
    let listed = sandbox.run(&["list", "--json"]).exits(0).json();
    assert_eq!(listed[0]["proven"], false);
    assert_eq!(listed[0]["level"], manifest["level"]);
}

#[test]
fn a_failing_check_makes_a_backup_unproven_and_nothing_is_pruned() {
    let sandbox = Sandbox::with_policy(&keeping_one(", checks: [{rows: t, expect: \">= 2\"}]"));
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)");
    run(&sandbox, 1).exits(0);
    run(&sandbox, 2).exits(0);
    assert_eq!(sandbox.backups(SERIES), ["2026-01-02T070000Z"]);
    sandbox.sql("app.db", "DELETE FROM t WHERE x = 2");
    is_unproven(&sandbox, 3, ">= 2");
    is_unproven(&sandbox, 4, ">= 2");
    // Once the content is as it should be, the unproven ones have served.
    sandbox.sql("app.db", "INSERT INTO t VALUES (2)");
    run(&sandbox, 5).exits(0);
    assert_eq!(sandbox.backups(SERIES), ["2026-01-05T070000Z"]);
}

#[test]
fn the_latest_of_what_is_all_unproven_is_told_as_that() {
    let sandbox = Sandbox::with_policy(&keeping_one(", checks: [{rows: t, expect: \">= 2\"}]"));
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    run(&sandbox, 1).exits(4);
    for command in ["verify", "list", "restore"] {
        sandbox
            .run(&[command, "app@latest"])
            .exits(10)
            .says("no backup `app@latest` is proven; the newest there is");
    }
    sandbox.run(&["verify", "other@latest"]).exits(10).says("there is no backup `other@latest`");
}

#[test]
fn what_retention_no_longer_keeps_stays_while_the_new_backup_is_unproven() {
    let text = keeping_one(", checks: [{rows: t, expect: \"= 1\"}]");
    let sandbox = Sandbox::with_policy(&text.replace("last: 1", "last: 2"));
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1)");
    run(&sandbox, 1).exits(0);
    run(&sandbox, 2).exits(0);
    sandbox.write("policy.yaml", &text);
    sandbox.sql("app.db", "DELETE FROM t");
    is_unproven(&sandbox, 3, "= 1");
    sandbox.sql("app.db", "INSERT INTO t VALUES (1)");
    run(&sandbox, 4).exits(0);
    assert_eq!(sandbox.backups(SERIES), ["2026-01-04T070000Z"]);
}

#[test]
fn what_is_unproven_is_the_sources_state_and_not_tried_again() {
    let sandbox = Sandbox::with_policy(
        &keeping_one(", checks: [{rows: t, expect: \">= 2\"}]")
            .replace("nightly: {", "nightly: {retry: {attempts: 3, delay: 7d}, "),
    );
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    is_unproven(&sandbox, 1, ">= 2");
}

#[test]
fn a_check_that_only_warns_lowers_nothing() {
    let sandbox =
        Sandbox::with_policy(&keeping_one(", checks: [{rows: t, expect: \">= 2\", on_fail: warn}]"));
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    let answer = run(&sandbox, 1).exits(0);
    let manifest = sandbox.manifest(&format!("{SERIES}/2026-01-01T070000Z"));
    assert_eq!(manifest["checks"][0]["passed"], false);
    assert_eq!(manifest["failures"], serde_json::json!([]));
    assert!(answer.stderr.contains("warning"), "{answer}");
    assert_eq!(answer.json()[0]["backups"][0]["level"], "checks");
}

#[test]
fn a_source_that_shrank_too_much_makes_a_backup_unproven() {
    let sandbox = Sandbox::with_policy(&keeping_one(", expect: {max_drop: 20%}"));
    sandbox.sql(
        "app.db",
        "CREATE TABLE t(x); INSERT INTO t SELECT hex(randomblob(100000)) FROM (VALUES (1),(2),(3))",
    );
    run(&sandbox, 1).exits(0);
    sandbox.sql("app.db", "DELETE FROM t; VACUUM");
    is_unproven(&sandbox, 2, "max_drop");
}

#[test]
fn an_irreplaceable_table_that_is_gone_makes_a_backup_unproven() {
    let sandbox = Sandbox::with_policy(&keeping_one(", tables: {irreplaceable: [trades], recoverable: [t]}"));
    sandbox.sql("app.db", "CREATE TABLE t(x); CREATE TABLE trades(x); INSERT INTO trades VALUES (1)");
    run(&sandbox, 1).exits(0);
    sandbox.sql("app.db", "DROP TABLE trades");
    is_unproven(&sandbox, 2, "trades");
    is_unproven(&sandbox, 3, "trades");
}

#[test]
fn damaged_content_is_published_unproven_because_it_may_be_the_last_there_is() {
    let sandbox = Sandbox::with_policy(&keeping_one(", expect: {min_size: 1KiB}"));
    sandbox.sql(
        "app.db",
        "CREATE TABLE t(x); CREATE INDEX i ON t(x);
         INSERT INTO t SELECT hex(randomblob(200)) FROM (VALUES (1),(2),(3),(4),(5),(6),(7),(8),(9))",
    );
    run(&sandbox, 1).exits(0);
    // The table of another root page under the index's name: rows without entries, as after a lost write.
    sandbox.sql(
        "app.db",
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t(x || 1)' WHERE name = 'i'",
    );
    is_unproven(&sandbox, 2, "integrity");
}

#[test]
fn one_store_good_and_the_other_unproven_cannot_be_but_two_targets_can() {
    let sandbox = Sandbox::with_policy(
        "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets:
  app: {sqlite: app.db, checks: [{rows: t, expect: not_empty}]}
  web: {sqlite: web.db}
jobs: {nightly: {retention: {last: 1}}}
",
    );
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    sandbox.sql("web.db", "CREATE TABLE t(x)");
    sandbox.write("policy.yaml", sandbox.read("policy.yaml").replace("not_empty", "\"> 0\""));
    run(&sandbox, 1).exits(3);
    sandbox.run(&["run", "--target", "app"]).exits(4);
    // Unproven here, missing there: they share no code.
    std::fs::remove_file(sandbox.path("web.db")).unwrap();
    run(&sandbox, 2).exits(1);
}

#[cfg(unix)]
#[test]
fn a_folder_that_could_not_be_read_whole_is_partial_and_unproven() {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::with_policy(&keeping_one("").replace("sqlite: app.db", "directory: files"));
    sandbox.write("files/open", "1");
    sandbox.write("files/closed", "2");
    run(&sandbox, 1).exits(0);
    let closed = sandbox.path("files/closed");
    std::fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    let arguments = ["run", "--json", "--now", "2026-01-02T07:00:00Z"];
    let Some(answer) = sandbox.run_unprivileged(&arguments) else { return };
    let answer = answer.exits(4).says("closed");
    assert_eq!(answer.json()[0]["backups"][0]["partial"], true);
    let manifest = sandbox.manifest(&format!("{SERIES}/2026-01-02T070000Z"));
    assert_eq!(
        (&manifest["partial"], &manifest["unreadable"]),
        (&true.into(), &serde_json::json!(["closed"]))
    );
    assert_eq!(sandbox.backups(SERIES).len(), 2, "nothing may be pruned");
    // What that means and what to do is told wherever it is shown.
    sandbox
        .run(&["list"])
        .exits(0)
        .says("no, partial")
        .says("could not be read")
        .says("`policy show BACKUP` names");
    let id = "app@2026-01-02";
    sandbox
        .run(&["show", id])
        .exits(0)
        .says("1 member of the source could not be read")
        .says("make it readable, and run again");
    let preview = sandbox.run(&["restore", id, "-n"]).exits(0);
    preview
        .says("1 member of the source could not be read")
        .says("is kept only in what is set aside")
        .says("unread");
    std::fs::set_permissions(&closed, Permissions::from_mode(0o600)).unwrap();
    run(&sandbox, 3).exits(0);
    assert_eq!(sandbox.backups(SERIES), ["2026-01-03T070000Z"]);
}

#[cfg(unix)]
#[test]
fn a_backup_that_there_was_no_room_to_verify_is_published_unproven() {
    let sandbox = Sandbox::with_policy(
        &keeping_one("")
            .replace("sqlite: app.db", "directory: files")
            .replace("nightly: {", "nightly: {verify: restore, "),
    );
    sandbox.write("files/long", "the same again, ".repeat(500_000));
    // No file may grow beyond half a megabyte or one: the compressed backup does not, what is restored of it does.
    let program = env!("CARGO_BIN_EXE_policy");
    let script = "trap '' XFSZ; ulimit -f 1024; exec \"$0\" run --json --now 2026-01-01T07:00:00Z";
    let limited = sandbox.prepare(std::path::Path::new("/bin/sh"), &["-c", script, program]);
    let answer = sandbox.finish(limited).exits(4).says("could not be verified");
    assert_eq!(answer.json()[0]["backups"][0]["proven"], false);
    let manifest = sandbox.manifest(&format!("{SERIES}/2026-01-01T070000Z"));
    assert!(manifest["failures"].to_string().contains("could not be verified"), "{manifest}");
    // The bytes are sound: where there is room, they prove so.
    sandbox.run(&["verify"]).exits(0);
}

#[test]
fn a_name_said_to_be_irreplaceable_that_no_table_has_is_told() {
    let sandbox = Sandbox::with_policy(&keeping_one(", tables: {irreplaceable: [trade, \"T*\"]}"));
    sandbox.sql("app.db", "CREATE TABLE trades(x)");
    run(&sandbox, 1).exits(0).says("no table matches `trade`").hides("no table matches `T*`");
}

#[test]
fn a_database_that_was_cut_short_is_told_and_earlier_backups_stay() {
    let sandbox = crate::support::simple::simple();
    sandbox.sql(
        "app.db",
        "INSERT INTO t SELECT hex(randomblob(900)) FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8))",
    );
    sandbox.run(&["run"]).exits(0);
    let whole = std::fs::read(sandbox.path("app.db")).unwrap();
    sandbox.write("app.db", &whole[..whole.len() / 2]);
    sandbox.run(&["run"]).exits(1).says("malformed");
    assert_eq!(sandbox.backups(SERIES).len(), 1);
    sandbox.run(&["restore", "app", "--yes"]).exits(0);
    assert_eq!(sandbox.ask("app.db", "SELECT count(*) FROM t"), "10");
}

#[test]
fn a_time_is_held_against_the_capture_however_late_it_is_looked_at() {
    let sandbox = Sandbox::new();
    sandbox.sql("app.db", "CREATE TABLE t(at TEXT); INSERT INTO t VALUES (datetime('now'))");
    let check = ", checks: [{name: fresh, sql: \"SELECT max(at) FROM t\", expect: {max_age: 1d}}]";
    sandbox.write("policy.yaml", policy(check, ""));
    sandbox.run(&["run"]).exits(0);
    sandbox.run(&["--now", "2199-01-01T00:00:00Z", "verify"]).exits(0);
    sandbox.run(&["--now", "2199-01-01T00:00:00Z", "restore", "app", "--yes"]).exits(0);
}
