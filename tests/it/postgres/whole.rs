//! What comes back from a backup is what was there: every kind of content, in every format, while it is written.

use crate::support::{
    postgres::{Cluster, ROLE},
    served::Served,
};
use std::process::{Child, Command, Stdio};

const FORMATS: [&str; 3] = ["plain", "custom", "directory"];
const EVERYTHING: &str = include_str!("everything.sql");

/// What several tables came to, of one moment.
const SUMS: &str = "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers), \
    (SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history)";

/// `pgbench` on a database; dropped, it ends.
struct Bench(Child);

impl Bench {
    fn prepare(cluster: &Cluster, database: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(cluster.programs().folder().join("pgbench"));
        command.args(arguments).arg("-h").arg(cluster.socket_folder());
        command.args(["-p", &cluster.port().to_string(), "-U", "admin", database]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn every_one_of_twenty_dumps_of_a_busy_database_is_one_state_of_it() {
    let cluster = cluster!();
    let busy = Served::new(cluster, "", ("", "", ""));
    let name = &busy.database;
    assert!(Bench::prepare(cluster, name, &["-iq", "-s", "1"]).status().unwrap().success());
    // It was made by the superuser.
    let owned = format!(
        "DO $$DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
         EXECUTE 'ALTER TABLE ' || t || ' OWNER TO {ROLE}'; END LOOP; END$$"
    );
    cluster.psql(name, &owned);
    let bench = Bench(Bench::prepare(cluster, name, &["-n", "-c", "3", "-T", "600"]).spawn().unwrap());
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..20 {
        busy.becomes((&format!(", format: {}", FORMATS[n % 3]), "", ", verify: integrity"));
        busy.run(&["run", "-q"]).exits(0);
        let rows = |manifest: &serde_json::Value, table: &str| manifest["tables"][table]["rows"].to_string();
        let manifest = busy.newest();
        busy.run(&["restore", "app", "--to", "back", "--yes", "-q"]).exits(0);
        let sums = busy.other("back", SUMS);
        let each: Vec<&str> = sums.split('|').collect();
        assert!(each.iter().all(|sum| *sum == each[0]), "dump {n}: {sums}");
        for table in ["pgbench_accounts", "pgbench_tellers", "pgbench_branches", "pgbench_history"] {
            let there = busy.other("back", &format!("SELECT count(*) FROM {table}"));
            assert_eq!(there, rows(&manifest, table), "dump {n}: {table}");
        }
        seen.insert(rows(&manifest, "pgbench_history"));
        for aside in busy.databases().into_iter().filter(|name| name.starts_with("back.aside-")) {
            cluster.psql("postgres", &format!("DROP DATABASE \"{aside}\""));
        }
    }
    assert!(seen.len() > 15, "it was not busy: {seen:?}");
    drop(bench);
    cluster.psql("postgres", "DROP DATABASE back");
}

#[test]
fn everything_that_a_database_can_hold_comes_back_in_each_format() {
    let cluster = cluster!();
    let full = Served::new(cluster, EVERYTHING, ("", "", ""));
    let name = full.database.clone();
    cluster.psql(
        "postgres",
        &format!(
            "ALTER DATABASE {name} SET search_path = \"Söcond.one\", public; ALTER DATABASE {name} SET work_mem = '5MB';
             ALTER ROLE {ROLE} IN DATABASE {name} SET statement_timeout = '1h';
             ALTER DATABASE {name} CONNECTION LIMIT 20; COMMENT ON DATABASE {name} IS 'it''s all';
             GRANT TEMPORARY ON DATABASE {name} TO pg_monitor; REVOKE CONNECT ON DATABASE {name} FROM PUBLIC"
        ),
    );
    let before = full.content(&name);
    assert!(
        before.contains("CONNECTION LIMIT") && before.contains("statement_timeout"),
        "it shows all of it"
    );
    for format in FORMATS {
        full.becomes((&format!(", format: {format}"), "scratch: everything_scratch", ", verify: restore"));
        full.run(&["run"]).exits(0);
        let manifest = full.newest();
        assert_eq!(
            (&manifest["level"], &manifest["tables"]["ticks"]["rows"]),
            (&"restore".into(), &900.into())
        );
        for (table, rows) in [("no_columns", 2), ("parent", 2), ("child", 1), ("fast", 10), ("mine", 2)] {
            assert_eq!(manifest["tables"][table]["rows"], rows, "{table}");
        }
        assert_eq!(manifest["tables"]["\"Söcond.one\".\"Tab.le \"\"q\"\" Ω\""]["rows"], 3, "{manifest}");
        let to = format!("{name}_{format}");
        full.run(&["restore", "app", "--to", &to]).exits(0);
        let after = full.content(&to);
        for (before, after) in before.lines().zip(after.lines()) {
            assert_eq!(before.get(..200), after.get(..200), "{format}");
        }
        assert!(before == after, "{format}: {} and {} bytes", before.len(), after.len());
        cluster.psql("postgres", &format!("DROP DATABASE {to}"));
        // Over the live one as well: what was set and granted goes along.
        full.run(&["restore", "app", "--yes"]).exits(0);
        assert!(full.content(&name) == before, "{format}: over the live one");
    }
}

#[test]
fn databases_of_other_encodings_and_locales_come_back_in_theirs() {
    let cluster = cluster!();
    for (name, with) in [
        ("in_latin", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"),
        ("in_ascii", "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"),
        ("by_icu", "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C'"),
    ] {
        cluster.psql("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE} TEMPLATE template0 {with}"));
        let made = match name {
            // What no encoding takes.
            "in_ascii" => "INSERT INTO t VALUES (E'\\344\\377')",
            _ => "INSERT INTO t VALUES ('ä'), ('z'), ('a')",
        };
        let project = Served::of(cluster, name, ("", "", ""));
        project.live(&format!("CREATE TABLE t (x text); {made}; CREATE TABLE \"größe\" (y int)"));
        for format in FORMATS {
            project.becomes((&format!(", format: {format}"), "", ", verify: restore"));
            project.run(&["run"]).exits(0);
            let to = format!("{name}_back");
            project.run(&["restore", "app", "--to", &to]).exits(0);
            assert_eq!(project.content(&to), project.content(name), "{name}, {format}");
            let sorted = "SELECT string_agg(encode(x::bytea, 'hex'), ' ' ORDER BY x) FROM t";
            assert_eq!(project.other(&to, sorted), project.live(sorted), "{name}, {format}");
            cluster.psql("postgres", &format!("DROP DATABASE {to}"));
        }
    }
}
