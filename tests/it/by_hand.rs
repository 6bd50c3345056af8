//! The README of a store, followed by hand: each of its lines, with stock tools alone.

use crate::support::{
    Sandbox,
    duck::ask,
    postgres::Cluster,
    served::{SERIES, Served},
};
use duckdb::Connection;
use std::{cell::RefCell, collections::BTreeSet, fs, path::PathBuf};

/// A README, and which of its lines were followed.
struct Readme {
    /// Its headings of step 3, each with its lines.
    parts: Vec<(String, Vec<String>)>,
    followed: RefCell<BTreeSet<String>>,
}

impl Readme {
    fn of(sandbox: &Sandbox) -> Self {
        let text = sandbox.read("store/README.txt");
        let (_, step) = text.split_once("\n3. ").unwrap();
        let (step, _) = step.split_once("\n4. ").unwrap();
        let mut parts: Vec<(String, Vec<String>)> = Vec::new();
        for line in step.lines().skip(2) {
            match line.strip_prefix("       ") {
                Some(line) => parts.last_mut().unwrap().1.push(line.to_owned()),
                None if parts.last().is_none_or(|(_, lines)| !lines.is_empty()) => {
                    parts.push((line.trim().to_owned(), Vec::new()));
                }
                None => {}
            }
        }
        Self { parts, followed: RefCell::default() }
    }

    /// Does what stands under a heading in a backup's folder, with another word for what decodes.
    fn follow(
        &self,
        sandbox: &Sandbox,
        heading: &str,
        folder: &str,
        decodes: (&str, &str),
        variables: &[(&str, String)],
    ) {
        let (_, lines) = self.parts.iter().find(|(found, _)| found.starts_with(heading)).unwrap();
        let restored = sandbox.path("restored").display().to_string();
        fs::create_dir_all(&restored).unwrap();
        let shell = |line: &str| {
            let script = format!("cd {} && {line}", sandbox.path(folder).display());
            let mut command = sandbox.prepare("/bin/sh".as_ref(), &["-c", &script]);
            command.envs(variables.iter().map(|(name, value)| (name, value)));
            sandbox.finish(command).exits(0);
        };
        shell("sha256sum -c SHA256SUMS");
        for line in lines {
            self.followed.borrow_mut().insert(line.clone());
            let line =
                line.replace("zstd -d", decodes.0).replace(".zst", decodes.1).replace("/restore", &restored);
            match line.strip_prefix("duckdb ").and_then(|rest| rest.split_once(' ')) {
                // Its own shell is no part of this: what it does, the library does.
                Some((path, sql)) => {
                    Connection::open(path).unwrap().execute_batch(&sql[1..sql.len() - 1]).unwrap();
                }
                None => shell(&line),
            }
        }
    }
}

const DECODES: [(&str, &str, &str); 3] =
    [("zstd", "zstd -d", ".zst"), ("gzip", "gunzip -c", ".gz"), ("none", "cat", "")];

fn policy(target: &str, compress: &str) -> String {
    format!(
        "version: 1\nname: app\ntimezone: UTC\nstores: {{local: ./store}}\ntargets:\n  {target}\n\
         jobs: {{nightly: {{retention: {{last: 9}}, compress: {compress}}}}}\nallow: [policy::tables::no_check]\n"
    )
}

fn newest(sandbox: &Sandbox, series: &str) -> String {
    format!("{series}/{}", sandbox.backups(series).last().unwrap())
}

#[test]
fn every_line_of_a_stores_readme_brings_back_what_it_says() {
    let Some(cluster) = Cluster::start() else { return };
    let mut readme = None;
    for (compress, decodes, extension) in DECODES {
        let decodes = (decodes, extension);
        let with = |target: &str| Sandbox::with_policy(&policy(target, compress));
        let run = |sandbox: &Sandbox| {
            sandbox.run(&["run"]).exits(0);
            newest(sandbox, SERIES)
        };
        let sandbox = with("app: {sqlite: app.db}");
        sandbox.sql("app.db", "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3)");
        let folder = run(&sandbox);
        let readme = readme.get_or_insert_with(|| Readme::of(&sandbox));
        readme.follow(&sandbox, "A SQLite database", &folder, decodes, &[]);
        assert_eq!(sandbox.ask("restored/app.db", "SELECT count(*) FROM t"), "3");

        // All that it holds stands in its log.
        let sandbox = with("app: {duckdb: app.duckdb}");
        sandbox.torn_off("app.duckdb", "SELECT 1", "CREATE TABLE t AS SELECT range AS x FROM range(1007)");
        let folder = run(&sandbox);
        readme.follow(&sandbox, "A DuckDB database", &folder, decodes, &[]);
        assert_eq!(ask(&sandbox.path("restored/app.duckdb"), "SELECT count(*) FROM t"), "1007");

        let sandbox = with("app: {duckdb: {path: app.duckdb, format: export}}");
        sandbox.duck("app.duckdb", "CREATE TABLE t AS SELECT range AS x FROM range(1007)");
        let folder = run(&sandbox);
        // Wherever it was made.
        fs::remove_file(sandbox.path("app.duckdb")).unwrap();
        readme.follow(&sandbox, "What DuckDB exported", &folder, decodes, &[]);
        assert_eq!(ask(&sandbox.path("restored/app.duckdb"), "SELECT count(*) FROM t"), "1007");

        let sandbox = with("files: {directory: files}");
        sandbox.write("files/a/b", "text");
        sandbox.run(&["run"]).exits(0);
        let folder = newest(&sandbox, "store/app/nightly/files");
        readme.follow(&sandbox, "A folder", &folder, decodes, &[]);
        assert_eq!(sandbox.read("restored/files/a/b"), "text");
    }
    let readme = readme.unwrap();
    served(&cluster, &readme);
    let all: BTreeSet<String> = readme.parts.iter().flat_map(|(_, lines)| lines.clone()).collect();
    assert_eq!(*readme.followed.borrow(), all, "every line was followed");
}

/// The lines about PostgreSQL.
fn served(cluster: &Cluster, readme: &Readme) {
    let (_, decodes, extension) = DECODES[0];
    let programs: PathBuf = cluster.programs().folder().into();
    let variables = [
        ("PGHOST", cluster.socket_folder().display().to_string()),
        ("PGPORT", cluster.port().to_string()),
        ("PGUSER", "admin".to_owned()),
        ("PATH", format!("{}:/usr/bin:/bin", programs.display())),
    ];
    cluster.psql("postgres", "CREATE DATABASE app OWNER app");
    cluster.psql("app", "SET ROLE app; CREATE TABLE orders AS SELECT n FROM generate_series(1, 50) n");
    for (format, heading) in [
        ("custom", "A PostgreSQL database"),
        ("plain", "The same of SQL text"),
        ("directory", "The same of pg_dump's folder"),
    ] {
        let shop = Served::of(cluster, "app", (&format!(", format: {format}, globals: true"), "", ""));
        shop.run(&["run"]).exits(0);
        let folder = newest(&shop, SERIES);
        cluster.psql("app", "DELETE FROM orders");
        for heading in ["The roles", heading, "Then, with nobody connected"] {
            readme.follow(&shop, heading, &folder, (decodes, extension), &variables);
        }
        assert_eq!(cluster.psql("app", "SELECT count(*) FROM orders"), "50", "{format}");
        assert_eq!(cluster.psql("app_old", "SELECT count(*) FROM orders"), "0", "{format}");
        cluster.psql("postgres", "DROP DATABASE app_old");
    }
}
