//! Restores over a live database, as people make them: shown first, asked, exchanged, undone, several at once.

use super::Ask as _;
use crate::support::{
    postgres::Cluster,
    served::{SERIES, Served, policy},
    until,
};

const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, x text); INSERT INTO orders SELECT n, 'o' || n FROM generate_series(1, 50) n";
const COUNT: &str = "SELECT count(*) FROM orders";

#[test]
fn who_is_on_a_live_database_is_named_and_then_disconnected() {
    let cluster = cluster!();
    let shop = Served::new(cluster, ORDERS, ("", "tables: {irreplaceable: ['*']}", ""));
    shop.run(&["run"]).exits(0);
    shop.live("DELETE FROM orders WHERE id > 20; INSERT INTO orders VALUES (900, 'new')");
    // Of another user, of whom this one sees little, and one that it may not end.
    let mut admin = Some(cluster.session(&shop.database));
    let on = super::open(cluster, &cluster.url(&shop.database));
    let shown = shop.run(&["restore", "app", "--dry-run"]).exits(0);
    let told = format!("{}{}", shown.stdout, shown.stderr);
    assert!(
        told.contains("admin") && told.contains("app") && told.contains("50") && told.contains("21"),
        "{shown}"
    );
    shown.says("cannot disconnect it").says("as it stands it would be refused");
    let made = || cluster.log().matches("CREATE DATABASE \"policy_restore").count();
    let before = made();
    let answer = shop.run(&["restore", "app", "--yes"]).exits(5);
    assert_eq!((shop.live(COUNT).as_str(), shop.asides().len()), ("21", 0), "{answer}");
    answer.says("admin").says("this user cannot end that");
    assert_eq!(made(), before, "nothing is loaded for nothing");
    drop(admin.take());
    shop.run(&["restore", "app"]).exits(5).says("--yes").says("disconnected");
    assert_eq!(shop.live(COUNT), "21");
    drop(on);
    let mut on = super::open(cluster, &cluster.url(&shop.database));
    shop.run(&["restore", "app", "--yes"]).exits(0).says(".aside-").says("app");
    let lost = crate::support::postgres::with_watch(|w| on.scalar("SELECT 1", w));
    assert!(lost.is_err(), "its session was ended");
    assert_eq!(shop.live(COUNT), "50");
    let asides = shop.asides();
    assert_eq!(asides.len(), 1);
    assert_eq!(shop.other(&asides[0], COUNT), "21");
    // Back, and back again.
    shop.run(&["restore", "--undo", "app", "--yes"]).exits(0);
    assert_eq!((shop.live(COUNT).as_str(), shop.asides().len()), ("21", 1));
    shop.run(&["restore", "--undo", "app", "--yes"]).exits(0);
    assert_eq!((shop.live(COUNT).as_str(), shop.asides().len()), ("50", 1));
    shop.run(&["run"]).exits(0);
}

#[test]
fn a_restore_to_another_name_leaves_the_live_one_and_asks_before_it_takes_a_place() {
    let cluster = cluster!();
    let shop = Served::new(cluster, ORDERS, ("", "", ""));
    shop.run(&["run"]).exits(0);
    shop.live("DELETE FROM orders");
    shop.run(&["restore", "app", "--to", "Shop of \"old\""]).exits(0);
    assert_eq!((shop.other("Shop of \"old\"", COUNT), shop.live(COUNT)), ("50".to_owned(), "0".to_owned()));
    shop.other("Shop of \"old\"", "DELETE FROM orders WHERE id = 1");
    shop.run(&["restore", "app", "--to", "Shop of \"old\""]).exits(5).says("--yes");
    shop.run(&["restore", "app", "--to", "Shop of \"old\"", "--yes"]).exits(0).says("aside");
    assert_eq!(shop.other("Shop of \"old\"", COUNT), "50");
    for to in ["/tmp/x", "a/b", "", &"x".repeat(64)] {
        shop.run(&["restore", "app", "--to", to, "--yes"]).exits(2);
    }
    let set_aside = "app.aside-2026-01-01T000000Z";
    shop.run(&["restore", "app", "--to", set_aside])
        .exits(2)
        .says("name of a copy that was set aside")
        .says("--undo");
    assert!(!shop.databases().contains(&set_aside.to_owned()));
    // The live one is gone altogether: then nothing is asked and nothing set aside.
    cluster.psql("postgres", &format!("DROP DATABASE {}", shop.database));
    shop.run(&["run"]).exits(1).says("does not exist");
    shop.run(&["restore", "app"]).exits(0);
    assert_eq!((shop.live(COUNT).as_str(), shop.asides().len()), ("50", 0));
    shop.run(&["restore", "--undo", "app", "--yes"]).exits(10);
}

fn two(second: &str) -> String {
    policy("", "", "").replace("jobs:", &format!("  second: {second}\njobs:"))
}

#[test]
fn of_two_targets_none_is_swapped_when_one_fails_its_check() {
    // Its own: it looks at what is left.
    let Some(cluster) = Cluster::start() else { return };
    let shop = Served::new(&cluster, ORDERS, ("", "", ""));
    shop.write("policy.yaml", two("{sqlite: second.db, checks: [{rows: t, expect: '>= 1'}]}"));
    shop.sql("second.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1)");
    shop.run(&["run"]).exits(0);
    shop.live("DELETE FROM orders");
    shop.sql("second.db", "DELETE FROM t");
    // Both are good: both come back.
    shop.run(&["restore", "--job", "nightly", "--yes"]).exits(0);
    assert_eq!(
        (shop.live(COUNT).as_str(), shop.ask("second.db", "SELECT count(*) FROM t").as_str()),
        ("50", "1")
    );
    shop.live("DELETE FROM orders");
    let stamps = shop.backups("store/app/nightly/second");
    let stored = shop.path(&format!("store/app/nightly/second/{}", stamps[0]));
    let file = std::fs::read_dir(stored).unwrap().flatten().find(|file| file.file_name() != "manifest.json");
    std::fs::write(file.unwrap().path(), "damaged").unwrap();
    let answer = shop.run(&["restore", "--job", "nightly", "--yes"]);
    assert_ne!(answer.exit, 0, "{answer}");
    assert_eq!(shop.live(COUNT), "0", "{answer}");
    assert!(shop.databases().iter().all(|name| !name.starts_with("policy_restore_")));
}

#[test]
fn of_two_targets_none_is_touched_when_one_is_known_to_be_in_use() {
    let Some(cluster) = Cluster::start() else { return };
    let shop = Served::new(&cluster, ORDERS, ("", "", ""));
    shop.write("policy.yaml", two("{duckdb: z.duckdb}"));
    shop.duck("z.duckdb", "CREATE TABLE t AS SELECT 1 AS x");
    shop.run(&["run"]).exits(0);
    shop.live("DELETE FROM orders");
    let held = shop.hold("z.duckdb");
    let mut on = super::open(&cluster, &cluster.url(&shop.database));
    shop.run(&["restore", "--job", "nightly", "-n"])
        .exits(0)
        .says("as it stands it would be refused")
        .says("z.duckdb is open in")
        .says("stop what has it open");
    let answer = shop.run(&["restore", "--job", "nightly", "--yes"]).exits(5).says("z.duckdb is open in");
    // Nobody was disconnected, and nothing loaded.
    assert_eq!(on.scalar_of("SELECT 1"), super::some("1"));
    assert!(!cluster.log().contains("CREATE DATABASE \"policy_restore"), "{answer}");
    assert_eq!((shop.live(COUNT).as_str(), shop.asides().len()), ("0", 0));
    // Somebody opens it while the other one is loaded.
    drop(held);
    let mut running = shop.start(&["restore", "--job", "nightly", "--yes"]);
    until("it is loaded", || {
        cluster.log().contains("CREATE DATABASE \"policy_restore") || !running.is_running()
    });
    let held = shop.hold("z.duckdb");
    running.wait().exits(5).says("z.duckdb is open in");
    assert_eq!(on.scalar_of("SELECT 1"), super::some("1"));
    assert_eq!((shop.live(COUNT).as_str(), shop.asides().len()), ("0", 0));
    drop(held);
    shop.run(&["restore", "--job", "nightly", "--yes"]).exits(0);
    assert_eq!(shop.live(COUNT), "50");
    shop.is_clean("at the end");
}

#[test]
fn what_is_in_the_way_of_an_exchange_is_told_before_anything_is_done() {
    let Some(cluster) = Cluster::start() else { return };
    let shop = Served::new(&cluster, ORDERS, ("", "", ""));
    shop.run(&["run"]).exits(0);
    for (made, unmade, says) in [
        ("BEGIN; CREATE TABLE p (a int); PREPARE TRANSACTION 'open'", "ROLLBACK PREPARED 'open'", "prepared"),
        (
            &format!("ALTER DATABASE {} OWNER TO admin", shop.database),
            &format!("ALTER DATABASE {} OWNER TO app", shop.database),
            "belongs to admin",
        ),
    ] {
        cluster.psql(&shop.database, made);
        shop.run(&["restore", "app", "-n"]).exits(0).says(says);
        shop.run(&["restore", "app", "--yes"]).exits(5).says(says);
        cluster.psql(&shop.database, unmade);
    }
    assert!(!cluster.log().contains("CREATE DATABASE \"policy_restore"));
    shop.run(&["restore", "app", "--yes"]).exits(0);
    // The same of an undo.
    let admin = cluster.session(&shop.database);
    shop.run(&["restore", "--undo", "app", "-n"]).exits(0).says("admin");
    shop.run(&["restore", "--undo", "app", "--yes"]).exits(5).says("admin");
    drop(admin);
    shop.run(&["restore", "--undo", "app", "--yes"]).exits(0);
}

#[test]
fn an_extension_that_takes_a_superuser_is_named_before_anything_is_done() {
    let Some(cluster) = Cluster::start() else { return };
    let untrusted = "SELECT name FROM pg_available_extension_versions WHERE superuser AND NOT trusted AND requires IS NULL \
        ORDER BY name = 'pg_freespacemap' DESC, name LIMIT 1";
    let extension = cluster.psql("postgres", untrusted);
    if extension.is_empty() {
        return crate::support::skip("no extension of PostgreSQL that takes a superuser is installed");
    }
    let shop = Served::new(&cluster, ORDERS, ("", "", ""));
    cluster.psql(&shop.database, &format!("CREATE EXTENSION \"{extension}\""));
    shop.run(&["run"]).exits(0);
    for way in ["-n", "--yes"] {
        shop.run(&["restore", "app", way]).exits(5).says(&format!(
            "the right of this user to create the extension {extension}, which takes a superuser"
        ));
    }
    assert!(!cluster.log().contains("CREATE DATABASE \"policy_restore"));
    cluster.psql("postgres", "ALTER ROLE app SUPERUSER");
    shop.run(&["restore", "app", "--yes"]).exits(0);
    assert_eq!(shop.live(COUNT), "50");
}

#[test]
fn a_folder_of_a_dump_that_has_no_room_here_is_told_with_its_place_and_its_mend() {
    let Some(cluster) = Cluster::start() else { return };
    let large =
        "CREATE TABLE large AS SELECT md5(n::text) || md5((-n)::text) AS t FROM generate_series(1, 150000) n";
    let shop = Served::new(&cluster, large, (", format: directory", "", ""));
    let state = shop.path("small");
    let Some(_small) = crate::support::disk::Mount::small(&state, "4m") else { return };
    shop.run(&["run"]).exits(0);
    shop.run(&["restore", "app", "-n"]).exits(0).says("MiB needed, ").says("on the server");
    let Served { sandbox, cluster, database } = shop;
    let sandbox = sandbox.variable("POLICY_STATE_DIR", state.to_str().unwrap());
    let shop = Served { sandbox, cluster, database };
    let answer = shop.run(&["run"]);
    assert!(answer.exit != 0, "{answer}");
    answer.says("cannot dump into").says("/small/scratch/").says("set POLICY_STATE_DIR");
    for way in ["-n", "--yes"] {
        shop.run(&["restore", "app", way]).exits(1).says("/small/scratch has").says("set POLICY_STATE_DIR");
    }
    assert!(!cluster.log().contains("CREATE DATABASE \"policy_restore"));
}

#[test]
fn what_was_swapped_goes_back_when_a_later_target_fails() {
    let cluster = cluster!();
    let shop = Served::new(cluster, ORDERS, ("", "", ""));
    shop.write("loads", "");
    shop.program("load", "cat >/dev/null; [ -e loads ]");
    shop.write("policy.yaml", two("{command: {dump: [echo, hello], restore: [load]}}"));
    shop.run(&["run"]).exits(0);
    shop.live("DELETE FROM orders");
    std::fs::remove_file(shop.path("loads")).unwrap();
    let answer = shop.run(&["restore", "--job", "nightly", "--yes"]);
    assert!(answer.exit != 0, "{answer}");
    assert_eq!(shop.live(COUNT), "0", "{answer}");
    answer.says("is as it was");
    // What had been restored is kept under another name, which an undo does not take.
    let undone: Vec<String> = shop.databases().into_iter().filter(|name| name.contains(".undo-")).collect();
    assert_eq!(undone.len(), 1);
    assert_eq!(shop.other(&undone[0], COUNT), "50");
}

#[test]
fn what_a_dump_needs_and_the_server_lacks_is_named_before_anything_is_done() {
    let Some(cluster) = Cluster::start() else { return };
    for format in ["plain", "custom", "directory"] {
        cluster.psql(
            "postgres",
            "CREATE ROLE reader; CREATE ROLE \"Großer \"\"Leser\"\"\"; GRANT reader TO app",
        );
        let shop = Served::new(&cluster, ORDERS, (&format!(", format: {format}"), "", ""));
        shop.live("GRANT SELECT ON orders TO reader; GRANT INSERT ON orders TO \"Großer \"\"Leser\"\"\"");
        shop.run(&["run"]).exits(0);
        cluster.psql(&shop.database, "DROP OWNED BY reader, \"Großer \"\"Leser\"\"\"");
        cluster.psql("postgres", "DROP ROLE reader, \"Großer \"\"Leser\"\"\"");
        let before = cluster.log().matches("CREATE DATABASE \"policy_restore").count();
        let answer = shop.run(&["restore", "app", "--yes"]);
        assert!(answer.exit == 1 || answer.exit == 5, "{answer}");
        answer.says("the role reader").says("the role Großer \"Leser\"");
        assert_eq!(cluster.log().matches("CREATE DATABASE \"policy_restore").count(), before);
        assert!(shop.asides().is_empty());
        cluster.psql("postgres", "CREATE ROLE reader; CREATE ROLE \"Großer \"\"Leser\"\"\"");
        shop.run(&["restore", "app", "--yes"]).exits(0);
        let for_aside = shop.asides().pop().unwrap();
        for database in [&shop.database, &for_aside] {
            cluster.psql(database, "DROP OWNED BY reader, \"Großer \"\"Leser\"\"\"");
        }
        cluster.psql("postgres", "DROP ROLE reader, \"Großer \"\"Leser\"\"\"");
        shop.is_clean(format);
    }
}

#[test]
fn a_scratch_database_of_somebody_else_is_refused_and_left_alone() {
    let cluster = cluster!();
    let shop = Served::new(cluster, ORDERS, ("", "scratch: somebodys", ", verify: restore"));
    cluster.database("somebodys", &["CREATE TABLE theirs (x int); INSERT INTO theirs VALUES (1)"]);
    let answer = shop.run(&["run"]);
    assert!(answer.exit != 0, "{answer}");
    answer.says("there is already a database somebodys");
    assert_eq!(cluster.psql("somebodys", "SELECT count(*) FROM theirs"), "1");
    cluster.psql("postgres", "DROP DATABASE somebodys");
    shop.run(&["run"]).exits(0);
    assert!(!shop.databases().contains(&"somebodys".to_owned()));
}

#[test]
fn of_two_runs_at_once_with_one_scratch_database_one_waits_for_the_other() {
    let Some(cluster) = Cluster::start() else { return };
    let slow = "checks: [{name: slow, sql: 'SELECT 1 FROM pg_sleep(3)', expect: 1}]";
    let (one, two) = (
        Served::new(&cluster, ORDERS, ("", &format!("scratch: shared\n{slow}"), ", verify: restore")),
        Served::new(&cluster, ORDERS, ("", "scratch: shared", ", verify: restore")),
    );
    let running = one.start(&["run"]);
    until("the scratch database is there", || one.databases().contains(&"shared".to_owned()));
    // It is no reason to call a backup unproven.
    two.run(&["run"]).exits(0).says("verified to level restore");
    running.wait().exits(0);
    assert_eq!((one.backups(SERIES).len(), two.backups(SERIES).len()), (1, 1));
    one.is_clean("both ended");
}
