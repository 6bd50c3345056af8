//! Projects whose target is a database of a real server, reached over TCP by the role that owns it, with its password in
//! a variable.

use super::{
    Sandbox,
    postgres::{Cluster, ROLE},
};
use std::{ops::Deref, process::Command};

/// Where its backups lie.
pub(crate) const SERIES: &str = "store/app/nightly/app";
/// What is left of a run that ended, however it ended: by these names nobody may find anything.
const LEAVINGS: &str = "SELECT datname FROM pg_database WHERE datname ~ '^policy_restore_' \
    OR pg_catalog.shobj_description(oid, 'pg_database') ~ '^policy scratch'";

/// A sandbox with a policy for one database.
pub(crate) struct Served<'c> {
    pub(crate) sandbox: Sandbox,
    pub(crate) cluster: &'c Cluster,
    /// The database's name.
    pub(crate) database: String,
}

impl Deref for Served<'_> {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

/// The policy: more keys of the engine and of the job begin with a comma, those of the target are lines of their own.
pub(crate) fn policy(engine: &str, target: &str, job: &str) -> String {
    let mut lines = String::new();
    for line in target.lines() {
        lines.push_str(&["    ", line, "\n"].concat());
    }
    format!(
        "version: 1\nname: app\ntimezone: UTC\nstores: {{local: ./store}}\ntargets:\n  app:\n    \
         postgres: {{url: '${{DATABASE_URL}}'{engine}}}\n{lines}\
         jobs: {{nightly: {{retention: {{last: 30}}{job}}}}}\nallow: [policy::tables::no_check]\n"
    )
}

impl<'c> Served<'c> {
    /// A project for a new database that holds what a script makes.
    pub(crate) fn new(cluster: &'c Cluster, sql: &str, (engine, target, job): (&str, &str, &str)) -> Self {
        let database = cluster.create_database(sql);
        Self::of(cluster, &database, (engine, target, job))
    }

    /// A project for a database that is there.
    pub(crate) fn of(
        cluster: &'c Cluster,
        database: &str,
        (engine, target, job): (&str, &str, &str),
    ) -> Self {
        let sandbox = Sandbox::with_policy(&policy(engine, target, job));
        let sandbox = sandbox.variable("DATABASE_URL", &cluster.url(database));
        Self { sandbox, cluster, database: database.to_owned() }
    }

    /// Writes another policy.
    pub(crate) fn becomes(&self, (engine, target, job): (&str, &str, &str)) {
        self.write("policy.yaml", policy(engine, target, job));
    }

    /// Changes or asks the live database, as its owner.
    pub(crate) fn live(&self, sql: &str) -> String {
        self.other(&self.database, sql)
    }

    /// The same of another database of the server.
    pub(crate) fn other(&self, database: &str, sql: &str) -> String {
        self.cluster.psql(database, &format!("SET ROLE {ROLE};\n{sql}"))
    }

    /// The databases of the server, but for those that it is born with.
    pub(crate) fn databases(&self) -> Vec<String> {
        let sql = "SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1') ORDER BY 1";
        self.cluster.psql("postgres", sql).lines().map(str::to_owned).collect()
    }

    /// Those that were set aside from the live one.
    pub(crate) fn asides(&self) -> Vec<String> {
        let prefix = format!("{}.aside-", self.database);
        self.databases().into_iter().filter(|name| name.starts_with(&prefix)).collect()
    }

    /// The newest backup's manifest.
    pub(crate) fn newest(&self) -> serde_json::Value {
        let stamps = self.backups(SERIES);
        self.manifest(&format!("{SERIES}/{}", stamps.last().unwrap()))
    }

    /// Fails the test where anything is left of a run: a database, a session or program, a scratch folder, an unfinished
    /// backup. The server must be the test's own.
    #[track_caller]
    pub(crate) fn is_clean(&self, when: &str) {
        assert_eq!(self.cluster.psql("postgres", LEAVINGS), "", "{when}: databases are left");
        super::until(&format!("{when}: nobody of the program is on the server"), || {
            let on = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'policy'";
            self.cluster.psql("postgres", on) == "0"
        });
        let scratch = self.state().join("scratch");
        let left: Vec<_> = std::fs::read_dir(scratch).into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{when}: {left:?}");
        let series = self.path(SERIES);
        for entry in std::fs::read_dir(&series).into_iter().flatten().flatten() {
            // What is recorded about backups, and the lock, are no backups.
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            let whole = is_hidden || !entry.path().is_dir() || entry.path().join("manifest.json").is_file();
            assert!(whole, "{when}: {} is no whole backup", entry.path().display());
        }
    }

    /// Everything that a database holds, as `pg_dump` tells it, and the digests of its tables' rows.
    pub(crate) fn content(&self, database: &str) -> String {
        let mut command = Command::new(self.cluster.programs().pg_dump());
        command.arg("--create").arg("-d").arg(self.cluster.admin_url(database));
        let output = command.env("LC_ALL", "C").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // It may be of another encoding.
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text.lines().filter(|line| {
            !line.starts_with("\\restrict")
                && !line.starts_with("\\unrestrict")
                && !line.starts_with("-- Name:")
        });
        let named = |line: &str| {
            let is_of_it = line.contains(" DATABASE ") || line.starts_with("\\connect ");
            if is_of_it { line.replace(&format!(" {database}"), " [it]") } else { line.to_owned() }
        };
        lines.map(|line| named(line) + "\n").collect()
    }
}
