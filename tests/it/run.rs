//! What `run` does, seen from outside: order, exit codes, outputs.

use crate::support::Sandbox;

/// One database, one store, one job.
pub(crate) const SIMPLE: &str = "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets: {app: {sqlite: app.db}}
jobs: {nightly: {retention: {last: 3}}}
";

#[test]
fn a_run_makes_one_proven_backup_and_exits_0() {
    let sandbox = Sandbox::with_policy(SIMPLE);
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)");
    let answer = sandbox.run(&["run"]).exits(0).says("proven");
    assert_eq!(sandbox.backups("store/app/nightly/app").len(), 1, "{answer}");
}
