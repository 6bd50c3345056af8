//! The smallest project that most tests vary: one database, one store, one job.

use super::Sandbox;

/// Its policy.
pub(crate) const SIMPLE: &str = "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets: {app: {sqlite: app.db}}
jobs: {nightly: {retention: {last: 3}}}
";

/// Where its backups lie.
pub(crate) const SERIES: &str = "store/app/nightly/app";

/// A sandbox with [`SIMPLE`] and its database.
pub(crate) fn simple() -> Sandbox {
    let sandbox = Sandbox::with_policy(SIMPLE);
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)");
    sandbox
}

/// [`SIMPLE`] with more keys of its target and of its job, each with a comma before it.
pub(crate) fn policy(target: &str, job: &str) -> String {
    let of_target = SIMPLE.replace("{sqlite: app.db", &format!("{{sqlite: app.db{target}"));
    of_target.replace("{last: 3}", &format!("{{last: 3}}{job}"))
}
