//! A database of a PostgreSQL server of its own, in each format.

use super::{AtomicBool, COUNTERS, Duration, Kind, Ordering, Sandbox, Spoil, project, thread};
use crate::support::postgres::{Cluster, ROLE};

pub(super) struct Server {
    sandbox: Sandbox,
    cluster: Cluster,
    format: &'static str,
}

impl Server {
    pub(super) fn new(format: &'static str) -> Option<Self> {
        let cluster = Cluster::start()?;
        let target = format!(
            "    postgres: {{url: '${{DATABASE_URL}}', format: {format}}}\n    tables: {{irreplaceable: ['*', '*.*']}}\n    \
             checks: [{{rows: counters, expect: '= 2'}}]\n"
        );
        let sandbox = project(&target).variable("DATABASE_URL", &cluster.url("app"));
        Some(Self { sandbox, cluster, format })
    }
    fn live(&self, sql: &str) -> String {
        self.cluster.psql("app", &format!("SET ROLE {ROLE};\n{sql}"))
    }
    fn server(&self, sql: &str) -> String {
        self.cluster.psql("postgres", sql)
    }
}

impl Kind for Server {
    fn name(&self) -> &'static str {
        self.format
    }
    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
    fn needs_scratch(&self) -> bool {
        self.format == "directory"
    }
    fn make(&self) {
        self.server(&format!("CREATE DATABASE app OWNER {ROLE}"));
        self.live(&format!(
            "{COUNTERS} CREATE TABLE rows AS SELECT generate_series(1, 20000) AS x; CREATE TABLE hollow (x int); \
             CREATE SCHEMA second; CREATE TABLE second.\"odd \"\".Ω\" (a serial, b bytea, c text[], d int GENERATED ALWAYS AS (1) STORED); \
             INSERT INTO second.\"odd \"\".Ω\" (b, c) VALUES ('\\x0001', '{{a,NULL}}'), (NULL, NULL); \
             CREATE VIEW v AS SELECT x FROM rows; CREATE TABLE parted (x int) PARTITION BY RANGE (x); \
             CREATE TABLE part1 PARTITION OF parted FOR VALUES FROM (0) TO (9); INSERT INTO parted VALUES (1), (2);"
        ));
    }
    fn change(&self) {
        self.live("DELETE FROM rows WHERE x % 2 = 0; INSERT INTO hollow VALUES (1)");
    }
    fn content(&self) -> String {
        let dump = std::process::Command::new(self.cluster.programs().pg_dump())
            .arg("-d")
            .arg(self.cluster.admin_url("app"))
            .output()
            .unwrap();
        let text = String::from_utf8(dump.stdout).unwrap();
        // Each dump has a key of its own.
        text.lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n")
    }
    fn lose(&self) {
        self.server("DROP DATABASE IF EXISTS app WITH (FORCE)");
    }
    fn spoiled(&self) -> Vec<Spoil<'_>> {
        vec![
            ("gone", Box::new(|| self.lose())),
            (
                "nobody's",
                Box::new(|| {
                    self.server(
                        "REVOKE CONNECT ON DATABASE app FROM PUBLIC; ALTER DATABASE app OWNER TO admin",
                    );
                }),
            ),
            (
                "with a table that may not be read",
                Box::new(|| {
                    self.cluster.psql("app", "ALTER TABLE rows OWNER TO admin");
                }),
            ),
        ]
    }
    fn write(&self, is_over: &AtomicBool) {
        while !is_over.load(Ordering::Relaxed) {
            self.live(&"UPDATE counters SET n = n + 1;\n".repeat(50));
            thread::sleep(Duration::from_millis(1));
        }
    }
    fn counters(&self) -> [String; 2] {
        ["one", "other"].map(|name| self.live(&format!("SELECT n FROM counters WHERE name = '{name}'")))
    }
    fn fail(&self) -> bool {
        self.live("DELETE FROM counters WHERE name = 'one'");
        true
    }
    fn is_clean(&self) -> bool {
        let left = self.server("SELECT count(*) FROM pg_database WHERE datname LIKE 'policy%'");
        let scratch = self.sandbox.state().join("scratch");
        left == "0" && std::fs::read_dir(scratch).into_iter().flatten().flatten().next().is_none()
    }
}
