//! What a run reads back of what it stored: another byte than was written is seen at every level and in every file, costs
//! that store alone, and is published nowhere.

#![cfg(target_os = "linux")]

use crate::support::Sandbox;

const POLICY: &str = "\
version: 1
name: app
timezone: UTC
stores: {one: ./one, two: ./two}
targets:
  app: {sqlite: app.db, checks: [{rows: t, expect: same_as_source}]}
  files: {directory: files}
defaults: {stores: [one, two], retention: {last: 2}, verify: LEVEL}
jobs: {data: {targets: [app]}, code: {targets: [files]VERIFY}}
";

/// A sandbox in which whatever is read back from a file whose path holds `part` has one wrong bit.
fn flipping(level: &str, part: &str) -> Option<Sandbox> {
    // A folder has nothing to check beyond its members.
    let own = if level == "checks" { ", verify: integrity" } else { "" };
    let sandbox = Sandbox::with_policy(&POLICY.replace("LEVEL", level).replace("VERIFY", own));
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)");
    sandbox.write("files/a", "hello");
    Some(sandbox.preload("flip.c")?.variable("FLIP", part))
}

#[test]
fn a_byte_that_reads_back_wrong_costs_its_store_alone_at_every_level() {
    for level in ["checksum", "integrity", "checks", "restore"] {
        let Some(sandbox) = flipping(level, "/two/") else { return };
        let answer = sandbox.run(&["run", "--json"]).exits(3).says("the stored bytes are not those written");
        for series in ["data/app", "code/files"] {
            assert_eq!(sandbox.backups(&format!("one/app/{series}")).len(), 1, "{level}\n{answer}");
            assert_eq!(sandbox.backups(&format!("two/app/{series}")).len(), 0, "{level}\n{answer}");
        }
        let failures = answer.json()[0]["failures"].as_array().unwrap().clone();
        assert_eq!(failures.len(), 2, "{level}\n{answer}");
        for failure in failures {
            assert_eq!((&failure["store"], &failure["code"]), (&"two".into(), &"storage".into()), "{answer}");
        }
        let sandbox = sandbox.variable("FLIP", "nothing of that name");
        sandbox.run(&["verify"]).exits(0);
        sandbox.run(&["run"]).exits(0);
    }
}

#[test]
fn a_byte_of_a_side_file_that_reads_back_wrong_is_seen() {
    let Some(sandbox) = flipping("integrity", ".members") else { return };
    let answer = sandbox.run(&["run", "--json"]).says("files.members.zst");
    // Both stores have such a file; the other target has none.
    answer.exits(3);
    assert_eq!(sandbox.backups("one/app/data/app").len(), 1);
    assert_eq!(sandbox.backups("one/app/code/files").len(), 0);
    assert_eq!(sandbox.backups("two/app/code/files").len(), 0);
}
