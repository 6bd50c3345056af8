//! DuckDB databases: captured whole, beside a writer by the declared rungs, verified, restored.

use crate::support::{
    Sandbox,
    duck::{EVERYTHING, ask, content},
};
use serde_json::Value;
use std::{
    fs,
    time::{Duration, Instant},
};

pub(crate) const POLICY: &str = "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets:
  app:
    duckdb: {path: app.duckdb, when_locked: [{wait: 1s}]}
jobs: {n: {retention: {last: 9}}}
";

pub(crate) fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_policy(POLICY);
    sandbox.duck("app.duckdb", EVERYTHING);
    sandbox
}

/// A sandbox with these rungs in place of the wait.
fn with_rungs(rungs: &str) -> Sandbox {
    let sandbox = sandbox();
    sandbox.write("policy.yaml", POLICY.replace("[{wait: 1s}]", rungs));
    sandbox
}

pub(crate) fn newest(sandbox: &Sandbox) -> Value {
    let stamps = sandbox.backups("store/app/n/app");
    sandbox.manifest(&format!("store/app/n/app/{}", stamps.last().unwrap()))
}

fn files(sandbox: &Sandbox, ends: &[&str]) -> Vec<Option<Vec<u8>>> {
    ends.iter().map(|end| fs::read(sandbox.path(&format!("app.duckdb{end}"))).ok()).collect()
}

#[test]
fn a_restored_database_is_the_captured_one_byte_for_byte_and_all_of_its_types_are_read() {
    let sandbox = sandbox();
    let (bytes, held) = (fs::read(sandbox.path("app.duckdb")).unwrap(), content(&sandbox.path("app.duckdb")));
    sandbox.run(&["run"]).exits(0).says("by locked_copy, writers kept out for");
    let manifest = newest(&sandbox);
    assert_eq!(manifest["method"], "locked_copy");
    assert_eq!(manifest["level"], "integrity");
    assert_eq!(manifest["facts"]["storage_version"], "v2.0.0+");
    assert_eq!(manifest["tables"]["second.parent"]["rows"], 3000);
    assert_eq!(manifest["tables"]["odd name\" Ω"]["rows"], 2);
    for level in ["checksum", "integrity", "restore"] {
        sandbox.run(&["verify", "--level", level]).exits(0).says(&format!("level {level}"));
    }
    sandbox
        .run(&["restore", "app", "--to", "new/copy.duckdb"])
        .exits(0)
        .says("it takes DuckDB 2.0 or newer to read it");
    assert_eq!(fs::read(sandbox.path("new/copy.duckdb")).unwrap(), bytes);
    assert_eq!(content(&sandbox.path("new/copy.duckdb")), held);
    assert_eq!(fs::read(sandbox.path("app.duckdb")).unwrap(), bytes, "the source was changed");
}

#[test]
fn what_a_killed_writer_left_in_its_log_is_in_the_backup_and_comes_back() {
    let sandbox = Sandbox::with_policy(POLICY);
    sandbox.torn_off("app.duckdb", "CREATE TABLE t AS SELECT 1 AS x", "INSERT INTO t VALUES (2), (3)");
    let before = files(&sandbox, &["", ".wal"]);
    sandbox.run(&["run"]).exits(0);
    assert_eq!(files(&sandbox, &["", ".wal"]), before, "the source was changed");
    assert_eq!(newest(&sandbox)["tables"]["t"]["rows"], 3);
    sandbox.run(&["verify", "--level", "restore"]).exits(0);
    // Restored over a later state, whose own log must not be replayed into it.
    for path in ["app.duckdb", "app.duckdb.wal"] {
        fs::remove_file(sandbox.path(path)).unwrap();
    }
    sandbox.torn_off("app.duckdb", "CREATE TABLE t AS SELECT 7 AS x", "INSERT INTO t VALUES (8)");
    let later = files(&sandbox, &["", ".wal"]);
    sandbox.run(&["restore", "app", "--yes"]).exits(0);
    assert_eq!(files(&sandbox, &["", ".wal"]), before);
    assert_eq!(ask(&sandbox.path("app.duckdb"), "SELECT sum(x) FROM t"), "6");
    sandbox.run(&["restore", "--undo", "app", "--yes"]).exits(0);
    assert_eq!(files(&sandbox, &["", ".wal"]), later);
    assert_eq!(ask(&sandbox.path("app.duckdb"), "SELECT sum(x) FROM t"), "15");
}

#[test]
fn a_writer_is_waited_for_and_named_when_it_does_not_leave() {
    let sandbox = sandbox();
    let held = sandbox.hold("app.duckdb");
    let pid = std::process::id().to_string();
    let answer = sandbox.run(&["run"]).exits(1).says("is locked by").says(&format!("({pid})"));
    assert!(sandbox.backups("store/app/n/app").is_empty(), "{answer}");
    let answer = answer.says("waited for 1s").says("close it there, or say with `when_locked`");
    let told = answer.stderr.lines().find(|line| line.contains("is locked by")).unwrap();
    assert_eq!(told.matches("app.duckdb").count(), 1, "{told}");
    // The job's own time ends the wait as well.
    let impatient = POLICY.replace("wait: 1s", "wait: 60s").replace("last: 9}", "last: 9}, timeout: 1s");
    sandbox.write("policy.yaml", impatient);
    sandbox.run(&["run"]).exits(1).says("timeout ran out: ").says(&format!("({pid})"));
    // In time it leaves.
    sandbox.write("policy.yaml", POLICY.replace("wait: 1s", "wait: 60s"));
    let waiting = sandbox.start(&["run"]);
    std::thread::sleep(Duration::from_millis(600));
    drop(held);
    waiting.wait().exits(0);
    let manifest = newest(&sandbox);
    assert_eq!(manifest["method"], "locked_copy");
    let kept_out = manifest["kept_out_ms"].as_u64().expect("how long the owner was kept out");
    let listed = sandbox.run(&["list", "--json"]).exits(0).json();
    assert_eq!(listed[0]["kept_out_ms"], kept_out);
    sandbox
        .run(&["show", "app"])
        .exits(0)
        .says(&format!("captured by locked_copy, writers kept out for {kept_out} ms"));
    // Without a word about it, it is waited for half a minute: a signal ends that.
    sandbox.write("policy.yaml", POLICY.replace(", when_locked: [{wait: 1s}]", ""));
    let _held = sandbox.hold("app.duckdb");
    let waiting = sandbox.start(&["run"]);
    std::thread::sleep(Duration::from_millis(400));
    let since = Instant::now();
    waiting.signal("INT");
    waiting.wait().exits(130);
    assert!(since.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_owners_own_copy_serves_where_the_lock_does_not() {
    let sandbox = with_rungs(
        "[{owner: [sh, -c, 'cp app.copy \"$POLICY_COPY\" && test \"$1\" = \"$POLICY_COPY\"', sh, '{copy}']}]",
    );
    fs::copy(sandbox.path("app.duckdb"), sandbox.path("app.copy")).unwrap();
    let _held = sandbox.hold("app.duckdb");
    sandbox.run(&["run"]).exits(0).says("locked_copy did not serve").says("by owner_copy");
    let manifest = newest(&sandbox);
    assert_eq!(manifest["method"], "owner_copy");
    assert_eq!(manifest["rungs"][0]["method"], "locked_copy");
    assert!(manifest["rungs"][0]["failed"].as_str().unwrap().contains(&std::process::id().to_string()));
    assert_eq!(manifest["rungs"][0]["holders"][0]["pid"], std::process::id());
    assert_eq!(manifest["kept_out_ms"], Value::Null, "nobody was kept out");
    let listed = sandbox.run(&["list", "--json"]).exits(0).json();
    assert_eq!(listed[0]["rungs"], manifest["rungs"]);
    sandbox.run(&["show", "app"]).exits(0).says("locked_copy: ").says("captured by owner_copy");
    for (copies, says) in [
        ("true", "wrote no copy"),
        ("exit 3", "exit status: 3"),
        ("echo x > \"$POLICY_COPY\"", "a file of another kind is there"),
    ] {
        sandbox.write(
            "policy.yaml",
            POLICY.replace("[{wait: 1s}]", &format!("[{{owner: [sh, -c, '{copies}']}}]")),
        );
        let answer = sandbox.run(&["run", "--json"]).exits(1).says(says).says("is locked by");
        // What was tried stands in the record of the failure as well, with who holds it.
        let rungs = &answer.json()[0]["failures"][0]["rungs"];
        assert_eq!(rungs[0]["holders"][0]["pid"], std::process::id(), "{rungs}");
        assert_eq!(rungs[1]["method"], "owner_copy", "{rungs}");
    }
    assert_eq!(sandbox.backups("store/app/n/app").len(), 1);
}

#[test]
fn a_hot_copy_of_a_busy_writer_is_one_state_that_was() {
    let sandbox = with_rungs("[hot_copy]");
    sandbox.duck(
        "app.duckdb",
        "CREATE TABLE accounts AS SELECT range AS id, 100 AS amount FROM range(50000); CREATE TABLE moves (n INTEGER)",
    );
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let held = sandbox.hold("app.duckdb");
    let writer = std::thread::spawn(move || {
        let mut n = 0;
        while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
            n += 1;
            held.execute_batch(&format!(
                "BEGIN; UPDATE accounts SET amount = amount - 1 WHERE id = {}; \
                 UPDATE accounts SET amount = amount + 1 WHERE id = {}; INSERT INTO moves VALUES ({n}); COMMIT",
                n % 50_000,
                (n + 1) % 50_000
            ))
            .unwrap();
            if n % 200 == 0 {
                // Large inserts go into the main file before their log entry.
                held.execute_batch("CREATE OR REPLACE TABLE big AS SELECT range AS x FROM range(150000)")
                    .unwrap();
            }
        }
    });
    let mut made = 0;
    for _ in 0..8 {
        let answer = sandbox.run(&["run"]);
        assert!([0, 1].contains(&answer.exit), "{answer}");
        made += usize::from(answer.exit == 0);
        if answer.exit == 0 {
            answer.says("checked, not guaranteed");
        } else {
            answer.says("checkpoint during each");
        }
    }
    drop(stop);
    writer.join().unwrap();
    let stamps = sandbox.backups("store/app/n/app");
    assert!(made >= 3 && stamps.len() == made, "{made} of 8 hot copies");
    let mut last = 0;
    for stamp in stamps {
        let manifest = sandbox.manifest(&format!("store/app/n/app/{stamp}"));
        assert_eq!((&manifest["method"], &manifest["level"]), (&"hot_copy".into(), &"integrity".into()));
        assert_eq!(manifest["facts"]["consistency"], "checked, not guaranteed");
        let place = format!("back/{stamp}.duckdb");
        sandbox.run(&["restore", &format!("app@{stamp}"), "--to", &place, "-q"]).exits(0);
        let path = sandbox.path(&place);
        assert_eq!(ask(&path, "SELECT sum(amount) FROM accounts"), "5000000");
        assert_eq!(ask(&path, "SELECT coalesce(max(n), 0) = count(*) FROM moves"), "true");
        let moves: u64 = ask(&path, "SELECT count(*) FROM moves").parse().unwrap();
        assert!(moves >= last, "a later copy has less");
        last = moves;
    }
    assert!(last > 0);
}

#[test]
fn of_three_databases_one_locked_and_one_corrupt_cost_the_third_nothing() {
    let sandbox = Sandbox::with_policy(
        "\
version: 1
name: app
timezone: UTC
stores: {local: ./store}
targets:
  results: {duckdb: results.duckdb}
  audit: {duckdb: {path: audit.duckdb}}
  tca: {duckdb: tca.duckdb}
jobs: {n: {retention: {last: 9}}}
defaults: {duckdb: {when_locked: [{wait: 1s}]}}
",
    );
    for name in ["results", "audit", "tca"] {
        sandbox.duck(
            &format!("{name}.duckdb"),
            "CREATE TABLE t AS SELECT range AS x, hash(range) AS h FROM range(200000)",
        );
    }
    let _held = sandbox.hold("results.duckdb");
    let path = sandbox.path("audit.duckdb");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let answer = sandbox.run(&["run", "--json"]).exits(3);
    let run = &answer.json()[0];
    assert_eq!(run["outcome"], "incomplete");
    let mut codes: Vec<_> = run["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["target"].as_str().unwrap(), one["code"].as_str().unwrap()))
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [("audit", "unproven"), ("results", "capture")], "{answer}");
    sandbox.run(&["verify", "tca"]).exits(0);
    // What is damaged is the source's own state, and may be the last there is: kept, and not proven.
    let listed = sandbox.run(&["list", "audit", "--json"]).exits(0).json();
    assert_eq!((&listed[0]["proven"], &listed[0]["level"]), (&false.into(), &"checksum".into()));
}

#[test]
fn checks_are_answered_by_the_copy_and_reach_nothing_else() {
    let sandbox = sandbox();
    fs::write(sandbox.path("secret.csv"), "1\n2\n").unwrap();
    let secret = sandbox.path("secret.csv").display().to_string();
    let policy = POLICY.replace(
        "jobs:",
        &format!(
            "    tables: {{irreplaceable: [parent, child, \"second.*\"], recoverable: [\"*\"]}}
    checks:
      - {{rows: second.parent, expect: '>= 3000'}}
      - {{rows: PARENT, expect: 2}}
      - {{name: sum, sql: 'SELECT sum(x), count(*) FROM second.parent', expect: same_as_source}}
      - {{name: huge, sql: 'SELECT 170141183460469231731687303715884105727::HUGEINT', expect: '> 1'}}
      - {{name: fresh, sql: \"SELECT TIMESTAMP '2026-01-01 00:00:00'\", expect: {{max_age: 10d}}}}
      - {{name: many, sql: 'SELECT range FROM range(1000000000)', expect: 0}}
      - {{name: none, sql: 'SELECT 1 WHERE false', expect: empty}}
      - {{name: list, sql: 'SELECT [1, 2]', expect: '[1, 2]'}}
      - {{name: reads, sql: \"SELECT count(*) FROM read_csv('{secret}')\", expect: 2, on_fail: warn}}
      - {{name: writes, sql: 'SELECT 1 FROM nowhere', expect: 1, on_fail: warn}}
jobs:"
        ),
    );
    sandbox.write("policy.yaml", &policy);
    sandbox
        .run(&["run", "--now", "2026-01-05T07:00:00Z"])
        .exits(0)
        .says("check `reads`")
        .says("check `writes`");
    let manifest = newest(&sandbox);
    assert_eq!((&manifest["level"], &manifest["asked"]), (&"checks".into(), &"checks".into()));
    let check = |name: &str| {
        let all = manifest["checks"].as_array().unwrap();
        all.iter()
            .find(|check| check["name"] == name)
            .unwrap_or_else(|| panic!("no {name}: {all:#?}"))
            .clone()
    };
    assert_eq!(check("sum")["actual"], "4498500, 3000");
    assert_eq!(check("rows of second.parent")["passed"], true);
    assert!(check("reads")["actual"].as_str().unwrap().contains("disabled by configuration"));
    sandbox.run(&["verify", "--level", "checks", "--now", "2026-01-06T07:00:00Z"]).exits(0);
    // A table that cannot be made again and is gone makes the next one unproven.
    sandbox.duck("app.duckdb", "DROP INDEX second.by_x; DROP TABLE second.parent");
    sandbox.run(&["run", "--now", "2026-01-05T08:00:00Z"]).exits(4).says("table second.parent");
}

#[test]
fn an_answer_of_any_type_is_the_librarys_own_text() {
    let sandbox = sandbox();
    let path = sandbox.path("app.duckdb");
    let columns = ask(
        &path,
        "SELECT string_agg(column_name, ',') FROM duckdb_columns() WHERE table_name = 'everything'",
    );
    let mut asked: Vec<(String, String)> = Vec::new();
    for column in columns.split(',') {
        for row in 0..2 {
            let sql = format!("SELECT \"{column}\" FROM everything LIMIT 1 OFFSET {row}");
            asked.push((sql.clone(), ask(&path, &sql)));
        }
    }
    for (value, text) in [
        ("TIMESTAMPTZ '2026-01-01 12:00:00+02'", "2026-01-01 10:00:00+00"),
        ("'2026-01-01 12:00:00.123456789+02'::TIMESTAMPTZ_NS", "2026-01-01 10:00:00.123456789+00"),
        ("[TIMESTAMPTZ '2026-01-01 12:00:00Z', NULL]", "['2026-01-01 12:00:00+00', NULL]"),
        ("DATE 'infinity'", "infinity"),
        ("TIMESTAMP '294247-01-10 04:00:54.775806'", "294247-01-10 04:00:54.775806"),
        ("DATE '5877642-06-25 (BC)'", "5877642-06-25 (BC)"),
        ("[1, NULL, 3]", "[1, NULL, 3]"),
        ("{'a': NULL, 'b': [NULL]}", "{'a': NULL, 'b': [NULL]}"),
        ("'\\x00a\\xFF'::BLOB", "\\x00a\\xFF"),
    ] {
        asked.push((format!("SELECT {value}"), text.to_owned()));
    }
    for (sql, text) in [
        // The first row is that of the query's own order, whatever its columns are called, however it is written.
        ("SELECT x FROM second.parent ORDER BY x DESC", "2999"),
        ("SELECT count(*), count(*), 1 AS \"a\"\"b\", 1 AS \"a\"\"b\" FROM parent; ", "2, 2, 1, 1"),
        ("SELECT id FROM parent -- the first\n ORDER BY id -- of all", "1"),
        ("WITH w AS (SELECT 3 AS x) FROM w", "3"),
        ("VALUES (1, TIMESTAMPTZ '2026-01-01 00:00:00Z')", "1, 2026-01-01 00:00:00+00"),
        ("PIVOT (SELECT 1 AS a, 'y' AS b) ON b USING sum(a)", "1"),
        ("DESCRIBE hollow", "x, INTEGER, YES, NULL, NULL, NULL"),
        ("SHOW TABLES", "child"),
        ("PRAGMA table_info('hollow')", "0, x, INTEGER, false, NULL, false"),
    ] {
        asked.push((sql.to_owned(), text.to_owned()));
    }
    let check = |(n, (sql, _)): (usize, &(String, String))| {
        let sql = serde_json::to_string(sql).unwrap();
        format!("      - {{name: c{n}, sql: {sql}, expect: same_as_source}}\n")
    };
    let checks = asked.iter().enumerate().map(check).collect::<Vec<_>>().concat();
    sandbox.write("policy.yaml", POLICY.replace("jobs:", &format!("    checks:\n{checks}jobs:")));
    let answer = sandbox.run(&["run"]);
    let manifest = newest(&sandbox);
    let answers = manifest["checks"].as_array().unwrap();
    assert_eq!(answers.len(), asked.len());
    for (answer, (sql, text)) in answers.iter().zip(&asked) {
        let actual = answer["actual"].as_str().unwrap_or_default();
        assert!(
            actual == text
                || actual.contains("… sha256 ") && text.starts_with(actual.split('…').next().unwrap()),
            "{sql}: {actual:?} and not {text:?}"
        );
    }
    answer.exits(0);
    sandbox.run(&["verify", "--level", "restore"]).exits(0);
}

#[test]
fn an_answer_that_is_an_error_or_too_old_fails_its_check() {
    let sandbox = sandbox();
    let checks: String = [
        "{name: cast, sql: \"SELECT name::INTEGER FROM parent\", expect: not_empty}",
        "{name: fresh, sql: \"SELECT TIMESTAMPTZ '2026-01-01 00:00:00+02'\", expect: {max_age: 10d}}",
        "{name: stale, sql: \"SELECT TIMESTAMPTZ '2025-01-01 00:00:00+02'\", expect: {max_age: 10d}}",
        "{name: nonsense, sql: \"SELEC 1\", expect: 1}",
    ]
    .map(|check| format!("      - {check}\n"))
    .concat();
    sandbox.write("policy.yaml", POLICY.replace("jobs:", &format!("    checks:\n{checks}jobs:")));
    sandbox.run(&["run", "--now", "2026-01-05T07:00:00Z"]).exits(4);
    let manifest = newest(&sandbox);
    let passed: Vec<_> =
        manifest["checks"].as_array().unwrap().iter().map(|one| one["passed"] == true).collect();
    assert_eq!(passed, [false, true, false, false], "{:#}", manifest["checks"]);
    let actual = |n: usize| manifest["checks"][n]["actual"].as_str().unwrap();
    assert!(actual(0).contains("Could not convert string 'a' to INT32"), "{}", actual(0));
    assert!(actual(3).contains("syntax error"), "{}", actual(3));
}

#[test]
fn a_source_that_is_none_is_told_as_what_it_is() {
    let sandbox = Sandbox::with_policy(POLICY);
    sandbox.run(&["run"]).exits(1).says("app.duckdb does not exist");
    assert!(!sandbox.path("app.duckdb").exists());
    sandbox.write("app.duckdb", "");
    sandbox.run(&["run"]).exits(1).says("app.duckdb is empty");
    sandbox.write("app.duckdb", "no database at all, but long enough to be looked at as one would be");
    sandbox.run(&["run"]).exits(1).says("is not a DuckDB database: a file of another kind");
    sandbox.sql("app.db", "CREATE TABLE t (x)");
    fs::rename(sandbox.path("app.db"), sandbox.path("app.duckdb")).unwrap();
    sandbox.run(&["run"]).exits(1).says("is not a DuckDB database: a SQLite database");
    fs::remove_file(sandbox.path("app.duckdb")).unwrap();
    fs::create_dir(sandbox.path("app.duckdb")).unwrap();
    sandbox.run(&["run"]).exits(1).says("is not a DuckDB database: a folder");
    assert!(sandbox.backups("store/app/n/app").is_empty());
}

#[test]
fn the_guards_refuse_a_capture() {
    let sandbox = sandbox();
    for (guard, says) in [("min_size: 1GiB", "expect: min_size"), ("min_tables: 40", "expect: min_tables")] {
        sandbox.write("policy.yaml", POLICY.replace("jobs:", &format!("    expect: {{{guard}}}\njobs:")));
        sandbox.run(&["run"]).exits(1).says(says);
    }
    assert!(sandbox.backups("store/app/n/app").is_empty());
}
