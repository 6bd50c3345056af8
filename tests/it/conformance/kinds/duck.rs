//! A DuckDB database, as its file and exported.

use super::{
    AtomicBool, CHECKS, COUNTERS, Duration, Kind, Ordering, Sandbox, Spoil, project, remove, spoiled_file,
    thread,
};
use crate::support::duck::{EVERYTHING, ask, content};

pub(super) struct Duck {
    sandbox: Sandbox,
    is_export: bool,
}

impl Duck {
    pub(super) fn new(format: &'static str) -> Self {
        let target = format!("    duckdb: {{path: app.duckdb, format: {format}}}\n{CHECKS}");
        Self { sandbox: project(&target), is_export: format == "export" }
    }
    fn path(&self) -> std::path::PathBuf {
        self.sandbox.path("app.duckdb")
    }
}

impl Kind for Duck {
    fn name(&self) -> &'static str {
        if self.is_export { "duckdb export" } else { "duckdb" }
    }
    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }
    fn needs_scratch(&self) -> bool {
        true
    }
    fn make(&self) {
        // Parquet cannot hold all of its types.
        let all = if self.is_export {
            "CREATE TABLE rows AS SELECT range AS x, hash(range) AS h FROM range(20000); CREATE TABLE hollow (x INTEGER);"
        } else {
            EVERYTHING
        };
        self.sandbox.duck("app.duckdb", &format!("{COUNTERS} {all}"));
    }
    fn change(&self) {
        self.sandbox.duck("app.duckdb", "INSERT INTO hollow VALUES (1)");
    }
    fn content(&self) -> String {
        format!("{:?}", content(&self.path()))
    }
    fn lose(&self) {
        remove(&self.path());
    }
    fn spoiled(&self) -> Vec<Spoil<'_>> {
        spoiled_file(self.path())
    }
    fn write(&self, is_over: &AtomicBool) {
        while !is_over.load(Ordering::Relaxed) {
            // Only one process has it open to write, and a capture keeps it out.
            if let Ok(database) = duckdb::Connection::open(self.path()) {
                let sql = "BEGIN; UPDATE counters SET n = n + 1 WHERE name = 'one'; \
                    UPDATE counters SET n = n + 1 WHERE name = 'other'; COMMIT";
                database.execute_batch(sql).unwrap();
            }
            thread::sleep(Duration::from_millis(3));
        }
    }
    fn counters(&self) -> [String; 2] {
        ["one", "other"]
            .map(|name| ask(&self.path(), &format!("SELECT n FROM counters WHERE name = '{name}'")))
    }
    fn fail(&self) -> bool {
        self.sandbox.duck("app.duckdb", "DELETE FROM counters WHERE name = 'one'");
        true
    }
}
