//! Traps: names, locks and settings by which a backup would be told to be what it is not, or a server be harmed.

use crate::support::{
    postgres::{Cluster, ROLE},
    served::Served,
};

#[test]
fn tables_with_names_beyond_ascii_are_counted_and_left_out_in_every_encoding() {
    let cluster = cluster!();
    for (name, with) in [("names_utf", "ENCODING 'UTF8'"), ("names_latin", "ENCODING 'LATIN1'")] {
        let with = format!("{with} LC_COLLATE 'C' LC_CTYPE 'C'");
        cluster.psql("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE} TEMPLATE template0 {with}"));
        let tables = "tables: {irreplaceable: ['g*', 'public.a*', 'a.*', '\"public.a\".*'], recoverable: ['maße*']}\nchecks: [{rows: größe, expect: '= 3'}]";
        let project = Served::of(cluster, name, ("", tables, ""));
        project.live(
            "CREATE TABLE \"größe\" (x text); INSERT INTO \"größe\" VALUES ('ä'), ('ß'), ('z'); \
             CREATE TABLE \"maße\" (x int); INSERT INTO \"maße\" VALUES (1), (2); \
             CREATE TABLE \"a.b\" (x int); INSERT INTO \"a.b\" VALUES (1); \
             CREATE SCHEMA a; CREATE TABLE a.b (x int); INSERT INTO a.b VALUES (1), (2); \
             CREATE SCHEMA \"public.a\"; CREATE TABLE \"public.a\".b (x int); INSERT INTO \"public.a\".b VALUES (1), (2), (3), (4);",
        );
        for format in ["custom", "plain", "directory"] {
            project.becomes((&format!(", format: {format}, exclude_table_data: ['maße']"), tables, ""));
            project.run(&["run"]).exits(0);
            let manifest = project.newest();
            let rows = |table: &str| manifest["tables"][table]["rows"].clone();
            assert_eq!(
                [rows("größe"), rows("maße"), rows("a.b"), rows("public.a.b"), rows("\"public.a\".\"b\"")],
                [3, 0, 2, 1, 4].map(serde_json::Value::from),
                "{manifest}"
            );
            project.run(&["restore", "app", "--to", "named", "-q"]).exits(0);
            assert_eq!(project.other("named", "SELECT count(*) FROM \"größe\""), "3");
            assert_eq!(project.other("named", "SELECT count(*) FROM \"maße\""), "0");
            cluster.psql("postgres", "DROP DATABASE named");
        }
    }
}

#[test]
fn a_check_of_a_table_whose_rows_are_left_out_fails_at_once_and_not_at_the_restore() {
    let cluster = cluster!();
    let target = "tables: {recoverable: [ticks]}\nchecks: [{rows: ticks, expect: '>= 1'}]";
    let project = Served::new(
        cluster,
        "CREATE TABLE ticks AS SELECT 1 AS x",
        (", exclude_table_data: [ticks]", target, ""),
    );
    project.run(&["run"]).exits(4).says("its rows are left out");
}

#[test]
fn a_lock_on_the_live_database_stops_an_exchange_and_keeps_nobody_out() {
    let cluster = cluster!();
    let project = Served::new(cluster, "CREATE TABLE t AS SELECT 1 AS x", ("", "", ""));
    project.run(&["run", "-q"]).exits(0);
    project.live("DELETE FROM t");
    let holder = cluster.session("postgres");
    let held = crate::support::postgres::with_watch(|watch| {
        let mut holder = holder;
        holder.begin_writing(watch).unwrap();
        holder.execute(&format!("COMMENT ON DATABASE {} IS 'held'", project.database), watch).unwrap();
        holder
    });
    project.run(&["restore", "app", "--yes"]).exits(5).says("holds a lock on the database");
    assert_eq!(project.live("SELECT count(*) FROM t"), "0");
    drop(held);
    project.run(&["restore", "app", "--yes"]).exits(0);
    assert_eq!(project.live("SELECT count(*) FROM t"), "1");
}

#[test]
fn databases_of_the_server_and_names_of_databases_on_their_way_are_never_restored_to() {
    let cluster = cluster!();
    let project = Served::new(cluster, "CREATE TABLE t AS SELECT 1 AS x", ("", "", ""));
    project.run(&["run", "-q"]).exits(0);
    for name in ["template0", "template1", "postgres", "policy_restore_0123456789abcdef"] {
        project.run(&["restore", "app", "--to", name, "--yes"]).exits(5).says(name);
    }
}

#[test]
fn what_an_application_set_on_its_database_stands_in_no_manifest() {
    const CANARY: &str = "canary-of-a-signing-key";
    let cluster = cluster!();
    let project = Served::new(cluster, "CREATE TABLE t AS SELECT 1 AS x", ("", "", ""));
    cluster.psql("postgres", &format!("ALTER DATABASE {} SET app.jwt_secret = '{CANARY}'", project.database));
    cluster.psql("postgres", &format!("ALTER DATABASE {} SET work_mem = '5MB'", project.database));
    project.run(&["run"]).exits(0).says("app.jwt_secret").hides(CANARY);
    let manifest = project.newest().to_string();
    assert!(manifest.contains("work_mem") && !manifest.contains(CANARY), "{manifest}");
    project.run(&["restore", "app", "--to", "without", "-q"]).exits(0);
    let settings = "SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase WHERE datname = 'without'";
    assert_eq!(cluster.psql("postgres", settings), "{work_mem=5MB}");
    cluster.psql("postgres", "DROP DATABASE without");
}

#[test]
fn a_full_scratch_folder_is_told_and_nothing_is_left_of_the_run() {
    use crate::support::disk::Mount;
    let cluster = cluster!();
    let rows =
        "CREATE TABLE t AS SELECT md5(n::text) || md5((n + 1)::text) AS x FROM generate_series(1, 400000) n";
    let project = Served::new(cluster, rows, (", format: directory", "", ", compress: none"));
    std::fs::create_dir_all(project.state()).unwrap();
    let Some(mount) = Mount::small(&project.state(), "6m") else { return };
    let answer = project.run(&["run"]);
    assert!([1, 10].contains(&answer.exit), "{answer}");
    answer.says("/dump: No space left on device").says("set POLICY_STATE_DIR");
    assert!(project.backups(crate::support::served::SERIES).is_empty());
    drop(mount);
    project.run(&["run", "-q"]).exits(0);
}
