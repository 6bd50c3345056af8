//! What a policy asks of a database and leaves out of its dump, answered in the dump's own snapshot.

use crate::support::{
    postgres::{Cluster, ROLE},
    served::{SERIES, Served},
    until,
};
use serde_json::Value;
use std::process::Command;

const SHOP: &str = "CREATE TABLE orders (id int PRIMARY KEY, total numeric, at timestamptz DEFAULT now());
    INSERT INTO orders SELECT n, n FROM generate_series(1, 100) n;
    CREATE TABLE sessions (x int); INSERT INTO sessions SELECT generate_series(1, 30);
    CREATE TABLE \"Cache\" (x int); INSERT INTO \"Cache\" SELECT generate_series(1, 30);
    CREATE SCHEMA log; CREATE TABLE log.lines (x int); INSERT INTO log.lines SELECT generate_series(1, 30);
    CREATE TABLE log.\"Od.d\" (x int); INSERT INTO log.\"Od.d\" VALUES (1);
    CREATE TABLE ticks (n int) PARTITION BY RANGE (n);
    CREATE TABLE ticks_old PARTITION OF ticks FOR VALUES FROM (0) TO (10); CREATE TABLE ticks_new PARTITION OF ticks DEFAULT;
    INSERT INTO ticks SELECT generate_series(1, 40)";

fn check<'v>(manifest: &'v Value, name: &str) -> &'v Value {
    let checks = manifest["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {manifest}"))
}

#[test]
fn rows_that_are_left_out_are_counted_as_nothing_and_their_tables_come_back_empty() {
    let cluster = cluster!();
    let shop = Served::new(cluster, SHOP, ("", "", ""));
    for format in ["plain", "custom", "directory"] {
        let left = format!(
            ", format: {format}, exclude_table_data: [session*, log.li*, Cache, ORDERS, ticks_old, none_such]"
        );
        shop.becomes((&left, "tables: {irreplaceable: [orders], recoverable: [sessions, 'log.*', Cache, ticks]}\nscratch: left_out", ", verify: restore"));
        shop.run(&["run"])
            .exits(0)
            .says("no table matches `none_such`")
            .says("no table matches `ORDERS`")
            .says("log.lines");
        let manifest = shop.newest();
        let rows = |table: &str| manifest["tables"][table]["rows"].as_u64();
        assert_eq!(
            (rows("sessions"), rows("log.lines"), rows("Cache")),
            (Some(0), Some(0), Some(0)),
            "{manifest}"
        );
        assert_eq!(
            (rows("orders"), rows("ticks"), rows("log.Od.d")),
            (Some(100), Some(31), Some(1)),
            "{manifest}"
        );
        shop.run(&["verify", "--level", "restore", "app"]).exits(0);
        shop.run(&["restore", "app", "--to", "without"]).exits(0);
        let asked = "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM log.lines), (SELECT count(*) FROM ticks), (SELECT count(*) FROM orders)";
        assert_eq!(shop.other("without", asked), "0|0|31|100");
        cluster.psql("postgres", "DROP DATABASE without");
    }
    // Where only the tables tell that it cannot be made again.
    for (glob, tables) in [
        ("'*'", "tables: {irreplaceable: [orders], recoverable: [sessions, 'log.*', Cache, ticks]}"),
        ("ticks_old", "tables: {irreplaceable: [ticks], recoverable: ['*s', 'log.*', Cache]}"),
        ("'[o]rders'", "tables: {recoverable: [sessions]}"),
    ] {
        shop.becomes((&format!(", exclude_table_data: [{glob}]"), tables, ""));
        let before = shop.backups(SERIES).len();
        let answer = shop.run(&["run"]);
        assert!([1, 2, 5].contains(&answer.exit), "{glob}: {answer}");
        answer.says("exclude_table_data");
        assert_eq!(shop.backups(SERIES).len(), before);
    }
}

#[test]
fn what_is_asked_of_the_source_is_of_the_dumps_own_moment() {
    let cluster = cluster!();
    let sums = "checks:\n- {name: sum, sql: 'SELECT count(*), sum(total), max(id) FROM orders', expect: same_as_source}\n\
        - {rows: orders, expect: same_as_source}\nscratch: of_a_moment";
    let shop = Served::new(cluster, SHOP, ("", sums, ", verify: restore"));
    let mut writer = Command::new(cluster.programs().psql());
    let loop_of_writes = format!(
        "SET ROLE {ROLE}; SELECT 1 \\g /dev/null\nDO $$BEGIN FOR n IN 1000..90000000 LOOP \
         INSERT INTO orders VALUES (n, n); DELETE FROM orders WHERE id = n - 900; COMMIT; END LOOP; END$$"
    );
    writer.args(["-Xq", "-d", &cluster.admin_url(&shop.database), "-c", "SELECT 1", "-c"]);
    writer.arg(loop_of_writes.split_once('\n').unwrap().1);
    writer.stdout(std::process::Stdio::null());
    let mut writing = writer.spawn().unwrap();
    until("it writes", || shop.live("SELECT max(id) > 1000 FROM orders") == "t");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        shop.run(&["run", "-q"]).exits(0);
        let manifest = shop.newest();
        assert_eq!(check(&manifest, "sum")["passed"], true, "{manifest}");
        seen.insert(check(&manifest, "sum")["actual"].to_string());
    }
    assert!(writing.try_wait().unwrap().is_none(), "it wrote all along");
    assert_eq!(seen.len(), 3, "{seen:?}");
    writing.kill().unwrap();
    writing.wait().unwrap();
    let sql = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{}'",
        shop.database
    );
    cluster.psql("postgres", &sql);
}

#[test]
fn answers_of_every_kind_are_judged() {
    let cluster = cluster!();
    let checks = r#"checks:
- {name: yes, sql: 'SELECT count(*) > 5 FROM orders', expect: true}
- {name: no, sql: 'SELECT false', expect: false}
- {name: instant, sql: 'SELECT max(at) FROM orders', expect: {max_age: 1d}}
- {name: local, sql: "SELECT now() AT TIME ZONE 'UTC' - interval '1 hour'", expect: {max_age: 2h}}
- {name: day, sql: 'SELECT current_date', expect: {max_age: 2d}}
- {name: old, sql: "SELECT timestamptz '2001-01-01 00:00+05:30'", expect: {max_age: 2d}, on_fail: warn}
- {name: number, sql: "SELECT 3.50::numeric", expect: '3.5'}
- {name: none, sql: 'SELECT 1 WHERE false', expect: empty}
- {name: text, sql: "SELECT 'ü'", expect: ü}
- {name: range, sql: 'SELECT avg(total) FROM orders', expect: 50..51}
- {rows: log.lines, expect: 30}
- {rows: Cache, expect: '>= 30'}
- {rows: log.Od.d, expect: 1}
- {rows: ticks, expect: 40}
- {rows: public.orders, expect: 100}"#;
    let shop = Served::new(cluster, SHOP, ("", checks, ""));
    let answer = shop.run(&["run"]);
    let manifest = shop.newest();
    let failed: Vec<_> =
        manifest["checks"].as_array().unwrap().iter().filter(|check| check["passed"] != true).collect();
    assert_eq!(failed.len(), 1, "{failed:#?}\n{answer}");
    assert_eq!(failed[0]["name"], "old");
    answer.exits(0).says("old");
    shop.run(&["verify", "--level", "restore"]).exits(0);
}

#[test]
fn a_check_that_fails_or_cannot_be_asked_leaves_the_backup_unproven() {
    let cluster = cluster!();
    for (sql, told) in [
        ("SELECT count(*) FROM orders WHERE id < 0", "fails"),
        ("SELECT nonsense FROM orders", "nonsense"),
        ("SELECT FROM WHERE", "syntax"),
        ("SELECT 1/0", "division"),
        ("SELECT NULL", "fails"),
        ("SELECT count(*) FROM none_such", "none_such"),
    ] {
        let target =
            format!("checks: [{{name: fails, sql: {sql:?}, expect: '>= 1'}}, {{rows: orders, expect: 100}}]");
        let shop = Served::new(cluster, SHOP, ("", &target, ""));
        shop.run(&["run"]).exits(4).says("fails").says(told);
        let manifest = shop.newest();
        assert_eq!(manifest["level"], "integrity", "{sql}");
        // Others are asked all the same.
        assert!(manifest["checks"].as_array().unwrap().len() == 2, "{manifest}");
        let listed = shop.run(&["list", "--json"]).exits(0).json();
        assert_eq!(listed[0]["proven"], false, "{listed}");
    }
}

#[test]
fn a_check_writes_nothing() {
    let cluster = cluster!();
    let made = format!(
        "{SHOP}; CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS 'INSERT INTO sessions VALUES (77) RETURNING x';
         CREATE FUNCTION escapes() RETURNS int LANGUAGE plpgsql AS $$BEGIN SET transaction_read_only = off; INSERT INTO sessions VALUES (77); RETURN 1; END$$"
    );
    let shop = Served::new(cluster, &made, ("", "", ""));
    for sql in [
        "INSERT INTO sessions VALUES (77) RETURNING x",
        "SELECT writes()",
        "SELECT escapes()",
        "WITH w AS (INSERT INTO sessions VALUES (77) RETURNING x) SELECT x FROM w",
        "SELECT 1); DROP TABLE sessions; --",
        "SELECT 1; DROP TABLE sessions",
        "COMMIT; DROP TABLE sessions",
        "DROP TABLE sessions",
        "SET transaction_read_only = off",
        "COPY sessions FROM PROGRAM 'echo 77'",
        "COPY sessions TO PROGRAM 'touch /tmp/policy-test-written'",
        "SELECT 1 \\\\! touch written",
        "\\\\! touch written",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "DO $$BEGIN INSERT INTO sessions VALUES (77); END$$",
        "SELECT nextval('numbers')",
        "SELECT lo_create(77)",
    ] {
        let target = format!("checks: [{{name: writes, sql: \"{sql}\", expect: '>= 0'}}]");
        shop.becomes(("", &target, ""));
        let answer = shop.run(&["run"]);
        // Setting is no writing, and before PostgreSQL 16 a large object may be made: both end with the transaction.
        let is_setting = sql.contains("set_config") || sql.contains("lo_create");
        assert_eq!(shop.live("SELECT count(*) FROM pg_largeobject_metadata"), "0");
        assert!(answer.exit == 2 || answer.exit == 4 || is_setting, "{sql}: {answer}");
        assert_eq!(shop.live("SELECT count(*), max(x) FROM sessions"), "30|30", "{sql}: {answer}");
        assert!(!shop.path("written").exists() && !std::path::Path::new("/tmp/policy-test-written").exists());
    }
}

#[test]
fn roles_come_along_where_they_are_asked_for() {
    let Some(cluster) = Cluster::start() else { return };
    let shop = Served::new(&cluster, SHOP, (", globals: true", "", ""));
    shop.run(&["run"]).exits(0).says("passwords");
    let stamp = shop.backups(SERIES).pop().unwrap();
    let file = |stamp: &str| {
        let names = shop.tree(&format!("{SERIES}/{stamp}"));
        let name = names.into_iter().find(|name| name.contains("globals.sql")).unwrap();
        let place = shop.root().join("globals");
        crate::support::content::decode(&shop.path(&format!("{SERIES}/{stamp}/{name}")), &place);
        std::fs::read_to_string(place).unwrap()
    };
    assert!(file(&stamp).contains("CREATE ROLE app"), "{}", file(&stamp));
    assert!(!file(&stamp).contains("SCRAM"));
    // The superuser may read everything.
    let url = cluster.admin_url(&shop.database);
    let by_admin = shop.command(&["run"]).env("DATABASE_URL", url).output().unwrap();
    assert!(by_admin.status.success());
    let stamp = shop.backups(SERIES).pop().unwrap();
    assert!(file(&stamp).contains("SCRAM-SHA-256"));
    shop.run(&["verify", "--level", "integrity"]).exits(0);
    shop.run(&["restore", "app", "--to", "with_roles"]).exits(0);
}

#[test]
fn rows_that_a_policy_of_the_database_hides_are_no_backup() {
    let cluster = cluster!();
    let made = "CREATE TABLE mine (who name); INSERT INTO mine VALUES ('app'), ('other'); \
        ALTER TABLE mine ENABLE ROW LEVEL SECURITY; ALTER TABLE mine FORCE ROW LEVEL SECURITY; \
        CREATE POLICY own ON mine USING (who = current_user)";
    let shop = Served::new(cluster, made, ("", "", ""));
    shop.run(&["run"]).exits(1).says("mine");
    assert!(shop.backups(SERIES).is_empty());
}
