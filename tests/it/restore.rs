//! What `restore` does to the places it restores to, seen from outside.

use crate::support::Sandbox;
use policy::store::lock::{self, HolderNote, Mode};
use std::{collections::BTreeMap, fs, path::Path};

/// A database with classes, a folder of which a part is selected, and two stores.
pub(crate) const SHOP: &str = r#"version: 1
name: shop
timezone: UTC
stores: {local: ./store, second: ./store2}
targets:
  trading:
    sqlite: app/app.db
    tables: {irreplaceable: [trades], recoverable: [bars]}
    checks: [{rows: trades, expect: ">= 3"}]
  scripts: {directory: {path: app/scripts, include: ["**/*.py"]}}
jobs:
  nightly: {}
allow: [policy::retention::none]
"#;

/// The live data of [`SHOP`], and a run on each of so many days: on day `n` there are `n + 2` trades.
pub(crate) fn shop(days: u32) -> Sandbox {
    let sandbox = Sandbox::with_policy(SHOP);
    sandbox.sql(
        "app/app.db",
        "PRAGMA journal_mode = wal; CREATE TABLE trades(id INTEGER PRIMARY KEY, pnl REAL);
         CREATE TABLE bars(id INTEGER PRIMARY KEY, v BLOB);
         INSERT INTO trades(pnl) VALUES (1.5), (2.5);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
         INSERT INTO bars(v) SELECT randomblob(900) FROM n;",
    );
    sandbox.write("app/scripts/a.py", "print(1)\n");
    sandbox.write("app/scripts/notes.txt", "not selected\n");
    for day in 1..=days {
        sandbox.sql("app/app.db", "INSERT INTO trades(pnl) VALUES (3.5)");
        run_on(&sandbox, day).exits(0);
    }
    sandbox
}

/// A run at seven in the morning of a day of January 2026.
pub(crate) fn run_on(sandbox: &Sandbox, day: u32) -> crate::support::Answer {
    sandbox.run(&["--now", &format!("2026-01-{day:02}T07:00:00Z"), "run", "-q"])
}

/// The folder of the backup of a day, in a store.
pub(crate) fn backup_of(store: &str, target: &str, day: u32) -> String {
    format!("{store}/shop/nightly/{target}/2026-01-{day:02}T070000Z")
}

/// Changes one byte of a file.
pub(crate) fn flip(sandbox: &Sandbox, place: &str, at: usize) {
    let path = sandbox.path(place);
    let mut bytes = fs::read(&path).unwrap();
    bytes[at] ^= 0x40;
    fs::write(&path, bytes).unwrap();
}

fn trades(sandbox: &Sandbox, place: &str) -> String {
    sandbox.ask(place, "SELECT count(*) FROM trades")
}

/// Every file below a folder, with its bytes.
pub(crate) fn bytes_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                open.push(path);
            } else {
                found.insert(path.to_string_lossy().into_owned(), fs::read(&path).unwrap_or_default());
            }
        }
    }
    found
}

/// The only set-aside copy of a place.
fn aside(sandbox: &Sandbox, folder: &str, name: &str) -> String {
    let prefix = format!("{name}.aside-");
    let found: Vec<String> = sandbox
        .tree(folder)
        .into_iter()
        .filter(|entry| entry.starts_with(&prefix) && !entry.contains('/'))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    format!("{folder}/{}", found[0])
}

#[test]
fn a_dry_run_prints_its_steps_and_changes_nothing_at_all() {
    let sandbox = shop(1);
    // The last one to leave a database takes its log and index away.
    sandbox.sql("app/app.db", "INSERT INTO trades(pnl) VALUES (4.5)");
    assert!(!sandbox.path("app/app.db-wal").exists(), "nobody is connected");
    let before = bytes_below(sandbox.root());
    let answer =
        sandbox.run(&["restore", "trading", "scripts", "--dry-run"]).exits(0).says("nothing was changed");
    for kind in ["lock", "verify", "restore", "check", "swap", "record"] {
        assert!(answer.stdout.contains(kind), "{kind}\n{answer}");
    }
    sandbox.run(&["restore", "--job", "nightly", "-n", "--json"]).exits(0);
    let after = bytes_below(sandbox.root());
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert!(before == after, "a file was changed");
}

#[test]
fn the_newest_proven_backup_comes_back_and_what_was_there_is_kept() {
    let sandbox = shop(2);
    sandbox.sql("app/app.db", "DELETE FROM trades; CREATE TABLE fresh(a); INSERT INTO fresh VALUES (1)");
    let answer = sandbox.run(&["restore", "trading", "--yes", "--json"]).exits(0);
    let restored = &answer.json()[0];
    assert_eq!(restored["backup"], "shop/nightly/trading/2026-01-02T070000Z");
    assert_eq!((&restored["passed"], &restored["level"]), (&true.into(), &"restore".into()));
    for field in ["target", "to", "seconds", "checks", "set_aside"] {
        assert!(!restored[field].is_null(), "{field}\n{answer}");
    }
    assert_eq!(trades(&sandbox, "app/app.db"), "4");
    assert_eq!(sandbox.ask("app/app.db", "SELECT count(*) FROM sqlite_schema WHERE name = 'fresh'"), "0");
    let kept = aside(&sandbox, "app", "app.db");
    assert!(kept.ends_with(restored["set_aside"].as_str().unwrap().rsplit('/').next().unwrap()));
    assert_eq!(sandbox.ask(&kept, "SELECT count(*) FROM fresh"), "1");
}

#[test]
fn every_way_of_naming_a_backup_restores_that_backup() {
    let sandbox = shop(3);
    let cases = [
        ("trading", "5"),
        ("trading@latest", "5"),
        ("nightly/trading@latest~1", "4"),
        ("shop/nightly/trading@oldest", "3"),
        ("trading@2026-01-02", "4"),
        ("shop/nightly/trading/2026-01-01T070000Z", "3"),
    ];
    for (n, (name, rows)) in cases.into_iter().enumerate() {
        let to = format!("out/{n}.db");
        sandbox.run(&["restore", name, "--to", &to]).exits(0);
        assert_eq!(trades(&sandbox, &to), rows, "{name}");
    }
    sandbox.run(&["restore", "trading", "--at", "2026-01-02T23:00:00Z", "--to", "out/at.db"]).exits(0);
    assert_eq!(trades(&sandbox, "out/at.db"), "4");
    let refused = [
        (10, vec!["trading@latest~7"]),
        (10, vec!["nothing"]),
        (2, vec!["trading@2026"]),
        (2, vec!["trading@2026-01-01", "scripts@2026-01-02"]),
        (2, vec!["trading@latest", "--at", "2026-01-02T23:00:00Z"]),
        (10, vec!["trading", "--at", "2025-01-01T00:00:00Z"]),
        (10, vec!["--job", "nothing"]),
        (2, vec!["--job", "nightly@2026"]),
        (2, vec!["trading", "scripts", "--to", "one-place"]),
        (2, vec!["trading", "--to", "out/app.db.aside-2026-01-01T000000Z"]),
    ];
    for (exit, names) in refused {
        let mut arguments = vec!["restore", "--dry-run"];
        arguments.extend(names);
        sandbox.run(&arguments).exits(exit);
    }
}

#[test]
fn several_targets_come_from_one_run() {
    let sandbox = shop(3);
    // The folder has a backup of its own from day 4 that the database has not.
    sandbox.run(&["--now", "2026-01-04T07:00:00Z", "run", "-q", "--target", "scripts"]).exits(0);
    let steps = sandbox.run(&["restore", "trading", "scripts", "-n"]).exits(0);
    assert!(steps.stdout.contains("2026-01-03") && !steps.stdout.contains("2026-01-04"), "{steps}");
    sandbox.run(&["restore", "--job", "nightly", "-n"]).exits(0).says("scripts/2026-01-03T070000Z");
    let mixed = sandbox.run(&["restore", "trading@2026-01-01", "scripts", "-n"]).exits(0);
    assert!(mixed.stdout.contains("scripts/2026-01-01T070000Z"), "{mixed}");
}

#[test]
fn over_a_live_target_somebody_must_say_so() {
    let sandbox = shop(1);
    let before = bytes_below(&sandbox.path("app"));
    sandbox.run(&["restore", "trading"]).exits(5).says("nobody can be asked here");
    sandbox.run(&["restore", "trading", "--to", "app/app.db"]).exits(5).says("needs `--yes`");
    assert!(before == bytes_below(&sandbox.path("app")));
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_the_targets_name_is_asked_for() {
    let script = Path::new("/usr/bin/script");
    if !script.exists() {
        return crate::support::skip("no `script` to make a terminal with");
    }
    let sandbox = shop(1);
    sandbox.sql("app/app.db", "DELETE FROM trades");
    for (answer, exit, rows) in [("yes\n", 5, "0"), ("\n", 5, "0"), ("trading\n", 0, "3")] {
        let call = format!("{} restore trading", env!("CARGO_BIN_EXE_policy"));
        let mut command = sandbox.prepare(script, &["-qec", &call, "/dev/null"]);
        let given = sandbox.write("given", answer);
        command.stdin(fs::File::open(given).unwrap());
        sandbox.finish(command).exits(exit).says("Type the target's name, trading, to replace it");
        assert_eq!(trades(&sandbox, "app/app.db"), rows, "{answer:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn who_interrupts_the_question_is_told_that_nothing_was_done() {
    use std::io::{Read as _, Write as _};
    let script = Path::new("/usr/bin/script");
    if !script.exists() {
        return crate::support::skip("no `script` to make a terminal with");
    }
    let sandbox = shop(1);
    sandbox.sql("app/app.db", "DELETE FROM trades");
    let call = format!("{} restore trading", env!("CARGO_BIN_EXE_policy"));
    let mut command = sandbox.prepare(script, &["-qec", &call, "/dev/null"]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut asking = command.spawn().unwrap();
    let (mut told, mut piece) = (String::new(), [0; 512]);
    let mut stdout = asking.stdout.take().unwrap();
    while !told.contains("to replace it:") {
        let read = stdout.read(&mut piece).unwrap();
        assert!(read > 0, "it ended: {told}");
        told.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    // What a terminal makes of Ctrl-C.
    let mut stdin = asking.stdin.take().unwrap();
    stdin.write_all(&[3]).unwrap();
    stdin.flush().unwrap();
    assert_eq!(asking.wait().unwrap().code(), Some(130));
    assert_eq!(trades(&sandbox, "app/app.db"), "0");
}

#[test]
fn undo_twice_is_where_one_began() {
    let sandbox = shop(2);
    sandbox.sql("app/app.db", "DELETE FROM trades");
    sandbox.run(&["restore", "trading", "--yes"]).exits(0);
    sandbox.run(&["restore", "--undo", "trading"]).exits(5);
    sandbox.run(&["restore", "--undo", "trading", "-n"]).exits(0).says("nothing was changed");
    assert_eq!(trades(&sandbox, "app/app.db"), "4");
    sandbox.run(&["restore", "--undo", "trading", "--yes"]).exits(0);
    assert_eq!(trades(&sandbox, "app/app.db"), "0");
    sandbox.run(&["restore", "--undo", "trading", "--yes"]).exits(0);
    assert_eq!(trades(&sandbox, "app/app.db"), "4");
    sandbox.run(&["restore", "--undo", "scripts", "--yes"]).exits(10);
    sandbox.run(&["restore", "--undo", "nothing", "--yes"]).exits(10);
    sandbox.run(&["history"]).exits(0).says("restore");
}

#[test]
fn undo_puts_back_what_was_there_last_also_within_a_second_and_with_a_clock_set_back() {
    let sandbox = shop(2);
    let at = |time: &str, arguments: &[&str]| {
        let mut all = vec!["--now", time, "-q"];
        all.extend(arguments);
        sandbox.run(&all).exits(0);
    };
    let noon = "2026-01-05T12:00:00Z";
    at(noon, &["restore", "trading@oldest", "--yes"]);
    at(noon, &["restore", "--undo", "trading", "--yes"]);
    sandbox.sql("app/app.db", "DELETE FROM trades WHERE id > 1");
    // The name of the first second is free again, and must not be taken: it would look older than what is there.
    at(noon, &["restore", "trading@oldest", "--yes"]);
    at(noon, &["restore", "--undo", "trading", "--yes"]);
    assert_eq!(trades(&sandbox, "app/app.db"), "1");
    at("2026-01-04T12:00:00Z", &["restore", "trading@oldest", "--yes"]);
    at(noon, &["restore", "--undo", "trading", "--yes"]);
    assert_eq!(trades(&sandbox, "app/app.db"), "1");
}

#[test]
fn an_existing_other_place_needs_yes_and_is_set_aside() {
    let sandbox = shop(1);
    sandbox.run(&["restore", "trading", "--to", "out/x.db"]).exits(0);
    sandbox.sql("out/x.db", "DELETE FROM trades");
    sandbox.run(&["restore", "trading", "--to", "out/x.db"]).exits(5);
    sandbox.run(&["restore", "trading", "--to", "out/x.db", "--yes"]).exits(0);
    assert_eq!(trades(&sandbox, "out/x.db"), "3");
    assert_eq!(trades(&sandbox, &aside(&sandbox, "out", "x.db")), "0");
    sandbox.run(&["restore", "scripts", "--to", "out/folder"]).exits(0);
    assert_eq!(sandbox.read("out/folder/a.py"), "print(1)\n");
}

#[test]
fn a_log_that_a_dead_program_left_is_not_replayed_into_the_restored_database() {
    let sandbox = shop(1);
    let live = sandbox.path("app/app.db");
    // What a killed writer leaves: a database with a log that nobody folded.
    let writer = rusqlite::Connection::open(&live).unwrap();
    writer.execute_batch("PRAGMA wal_autocheckpoint = 0; DELETE FROM trades; CREATE TABLE late(a)").unwrap();
    let (main, log) = (fs::read(&live).unwrap(), fs::read(sandbox.path("app/app.db-wal")).unwrap());
    drop(writer);
    fs::write(&live, main).unwrap();
    fs::write(sandbox.path("app/app.db-wal"), log).unwrap();
    sandbox.run(&["restore", "trading", "--dry-run"]).exits(0).says("cannot be compared");
    assert!(!sandbox.path("app/app.db-shm").exists(), "a dry run left a side file");
    sandbox.run(&["restore", "trading", "--yes"]).exits(0);
    assert_eq!(trades(&sandbox, "app/app.db"), "3");
    assert_eq!(sandbox.ask("app/app.db", "SELECT count(*) FROM sqlite_schema WHERE name = 'late'"), "0");
    assert_eq!(trades(&sandbox, &aside(&sandbox, "app", "app.db")), "0");
}

#[test]
fn a_database_in_use_gets_the_backup_as_one_commit_and_its_user_loses_nothing_later() {
    let sandbox = shop(1);
    let user = rusqlite::Connection::open(sandbox.path("app/app.db")).unwrap();
    user.execute_batch("DELETE FROM trades").unwrap();
    let answer = sandbox.run(&["restore", "trading", "--yes"]).exits(0);
    if cfg!(target_os = "linux") {
        assert!(answer.stderr.contains(&format!("process {}", std::process::id())), "{answer}");
    }
    let seen: i64 = user.query_row("SELECT count(*) FROM trades", [], |row| row.get(0)).unwrap();
    assert_eq!(seen, 3, "who has it open sees the restored content");
    user.execute_batch("INSERT INTO trades(pnl) VALUES (9)").unwrap();
    drop(user);
    assert_eq!(trades(&sandbox, "app/app.db"), "4", "and what is written afterwards stays");
    assert_eq!(trades(&sandbox, &aside(&sandbox, "app", "app.db")), "0");
}

#[test]
fn a_damaged_backup_exits_4_and_leaves_the_target_byte_for_byte() {
    type Harm = fn(&Sandbox, &str);
    let harms: [(&str, Harm); 4] = [
        ("a flipped byte", |sandbox, folder| flip(sandbox, &format!("{folder}/trading.db.zst"), 4_000)),
        ("cut off", |sandbox, folder| {
            let path = sandbox.path(&format!("{folder}/trading.db.zst"));
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("gone", |sandbox, folder| {
            fs::remove_file(sandbox.path(&format!("{folder}/trading.db.zst"))).unwrap();
        }),
        ("a flipped byte in the manifest", |sandbox, folder| {
            flip(sandbox, &format!("{folder}/manifest.json"), 200);
        }),
    ];
    for (what, harm) in harms {
        let sandbox = shop(1);
        harm(&sandbox, &backup_of("store", "trading", 1));
        let before = bytes_below(&sandbox.path("app"));
        let id = "shop/nightly/trading/2026-01-01T070000Z";
        sandbox.run(&["restore", id, "--store", "local", "--yes"]).exits(4);
        let after = bytes_below(&sandbox.path("app"));
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>(), "{what}");
        assert!(before == after, "{what}");
        // The other copy is whole, and it is told where it lies.
        sandbox.run(&["restore", id, "--store", "second", "--to", "out.db"]).exits(0);
    }
}

#[test]
fn nothing_is_swapped_before_everything_is_verified() {
    let sandbox = shop(1);
    flip(&sandbox, &format!("{}/scripts.tar.zst", backup_of("store", "scripts", 1)), 60);
    sandbox.sql("app/app.db", "DELETE FROM trades");
    let before = bytes_below(&sandbox.path("app"));
    let answer = sandbox.run(&["restore", "trading", "scripts", "--store", "local", "--yes"]).exits(4);
    assert!(answer.stderr.contains("--store second") || answer.stderr.contains("earlier backup"), "{answer}");
    assert!(before == bytes_below(&sandbox.path("app")), "{answer}");
}

#[cfg(unix)]
#[test]
fn when_a_swap_fails_what_was_swapped_before_it_goes_back() {
    let sandbox = shop(0);
    sandbox.write("app/scripts/sub/b.py", "print(2)\n");
    sandbox.sql("app/app.db", "INSERT INTO trades(pnl) VALUES (3.5)");
    run_on(&sandbox, 1).exits(0);
    sandbox.sql("app/app.db", "DELETE FROM trades");
    // What nobody selects, and would have to be replaced by a folder of the backup, is found out only by the swap.
    fs::remove_dir_all(sandbox.path("app/scripts/sub")).unwrap();
    sandbox.write("app/scripts/sub", "not selected");
    let answer = sandbox.run(&["restore", "trading", "scripts", "--yes"]).exits(5).says("is as it was");
    assert_eq!(trades(&sandbox, "app/app.db"), "0", "{answer}");
    assert_eq!(sandbox.read("app/scripts/sub"), "not selected");
    let undone: Vec<_> =
        sandbox.tree("app").into_iter().filter(|name| name.starts_with("app.db.undone-")).collect();
    assert_eq!(undone.len(), 1, "{undone:?}");
    sandbox.run(&["history"]).exits(0).says("failed");
}

#[cfg(unix)]
#[test]
fn a_restore_that_is_killed_leaves_old_or_new_and_the_next_one_clears_up() {
    let sandbox = shop(1);
    sandbox.sql("app/app.db", "INSERT INTO bars(v) SELECT randomblob(900) FROM bars a, bars b LIMIT 3000");
    run_on(&sandbox, 2).exits(0);
    sandbox.sql("app/app.db", "DELETE FROM trades");
    let whole = || {
        let sound = sandbox.ask("app/app.db", "PRAGMA integrity_check");
        let rows = trades(&sandbox, "app/app.db");
        assert!(sound == "ok" && (rows == "0" || rows == "3"), "{sound} {rows}");
        assert_eq!(sandbox.read("app/scripts/a.py"), "print(1)\n");
        assert_eq!(sandbox.read("app/scripts/notes.txt"), "not selected\n");
    };
    for step in 0..24_u64 {
        let signal = if step % 2 == 0 { "KILL" } else { "TERM" };
        let running = sandbox.start(&["restore", "--job", "nightly", "--yes", "-q"]);
        std::thread::sleep(std::time::Duration::from_millis(5 + step * 5));
        if signal == "KILL" {
            running.kill();
        } else {
            running.signal(signal);
            // 0 when it was done before the signal came, 143 when the signal came before the program watched for it.
            let answer = running.wait();
            assert!([0, 130, 143].contains(&answer.exit), "{answer}");
        }
        whole();
    }
    sandbox.run(&["restore", "--job", "nightly", "--yes"]).exits(0);
    assert_eq!(trades(&sandbox, "app/app.db"), "3");
    let left: Vec<_> =
        sandbox.tree("app").into_iter().filter(|name| name.contains("policy-scratch")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_store_alone_gives_everything_back_without_any_policy_at_hand() {
    let sandbox = shop(2);
    fs::remove_file(sandbox.path("policy.yaml")).unwrap();
    fs::remove_dir_all(sandbox.path("app")).unwrap();
    fs::remove_dir_all(sandbox.state()).unwrap();
    let answer =
        sandbox.run(&["restore", "trading@oldest", "--store", "./store", "--to", "back.db"]).exits(0);
    assert!(answer.stdout.contains("shown to level restore"), "{answer}");
    assert_eq!(trades(&sandbox, "back.db"), "3");
    let place = format!("file://{}", sandbox.path("store").display());
    sandbox.run(&["restore", "scripts", "--store", &place, "--to", "back"]).exits(0);
    assert_eq!(sandbox.read("back/a.py"), "print(1)\n");
    sandbox.run(&["restore", "trading", "--store", "./store"]).exits(2).says("--to PLACE");
}

#[test]
fn a_folder_gets_its_selected_files_back_and_keeps_the_others() {
    let sandbox = shop(1);
    sandbox.write("app/scripts/a.py", "print(2)\n");
    sandbox.write("app/scripts/later.py", "print(3)\n");
    sandbox.write("app/scripts/notes.txt", "changed since\n");
    sandbox.run(&["restore", "scripts", "--yes"]).exits(0).says("live 2");
    assert_eq!(sandbox.tree("app/scripts"), ["a.py", "notes.txt"]);
    assert_eq!(sandbox.read("app/scripts/a.py"), "print(1)\n");
    assert_eq!(sandbox.read("app/scripts/notes.txt"), "changed since\n");
    let kept = aside(&sandbox, "app", "scripts");
    assert_eq!(sandbox.read(&format!("{kept}/later.py")), "print(3)\n");
    sandbox.run(&["restore", "--undo", "scripts", "--yes"]).exits(0);
    assert_eq!(sandbox.tree("app/scripts"), ["a.py", "later.py", "notes.txt"]);
}

#[test]
fn an_unproven_backup_is_passed_over_by_place_and_restored_by_name_with_a_warning() {
    let sandbox = shop(1);
    sandbox.sql("app/app.db", "DELETE FROM trades WHERE id > 2");
    run_on(&sandbox, 2).exits(3);
    sandbox
        .run(&["restore", "trading", "--to", "one.db"])
        .exits(0)
        .says("shop/nightly/trading/2026-01-02T070000Z: not proven");
    assert_eq!(trades(&sandbox, "one.db"), "3");
    sandbox.run(&["restore", "trading@2026-01-02", "--to", "two.db"]).exits(0).says("NOT PROVEN");
    assert_eq!(trades(&sandbox, "two.db"), "2");
}

#[test]
fn what_the_live_target_would_lose_is_shown_first() {
    let sandbox = shop(1);
    sandbox.sql(
        "app/app.db",
        "INSERT INTO trades(pnl) VALUES (7), (8); DELETE FROM bars WHERE id = 1; CREATE TABLE extra(a)",
    );
    let answer = sandbox.run(&["restore", "trading", "-n"]).exits(0);
    for line in [
        "irreplaceable  trades  live 5    backup 3       2 rows would go",
        "unclassed      extra   live 0    backup absent  the whole table would go",
        "recoverable    bars    live 299  backup 300",
        "72 ",
    ]
    .iter()
    .take(3)
    {
        assert!(answer.stderr.contains(line), "{line}\n{answer}");
    }
    assert!(answer.stderr.contains("needed") && answer.stderr.contains("free"), "{answer}");
}

#[test]
fn two_restores_of_one_place_exclude_each_other() {
    let sandbox = shop(1);
    sandbox.run(&["restore", "trading", "--yes"]).exits(0);
    let locks = sandbox.state().join("locks");
    let names: Vec<_> = fs::read_dir(&locks).unwrap().flatten().map(|entry| entry.path()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let _held = lock::lock(&names[0], Mode::Exclusive, &HolderNote::own()).unwrap();
    sandbox.run(&["restore", "trading", "--yes"]).exits(11).says(&format!("process {}", std::process::id()));
    sandbox.run(&["restore", "--undo", "trading", "--yes"]).exits(11);
    // However it is spelled.
    sandbox.run(&["restore", "trading", "--yes", "--to", "app/../app/app.db"]).exits(11);
    sandbox.run(&["restore", "trading", "--to", "other.db"]).exits(0);
}

#[test]
fn a_target_that_became_another_thing_is_not_overwritten_by_what_it_was() {
    let sandbox = shop(1);
    let policy = SHOP.replace(
        "  scripts: {directory: {path: app/scripts, include: [\"**/*.py\"]}}",
        "  scripts: {sqlite: app/app.db}",
    );
    sandbox.write("policy.yaml", policy);
    sandbox.run(&["restore", "scripts", "--yes"]).exits(5).says("directory target");
    sandbox.run(&["restore", "scripts", "--to", "old"]).exits(0);
}

#[test]
fn targets_within_each_other_are_restored_one_by_one() {
    let policy = SHOP.replace("path: app/scripts, include: [\"**/*.py\"]", "path: app");
    let sandbox = Sandbox::with_policy(&policy);
    sandbox.sql(
        "app/app.db",
        "CREATE TABLE trades(a); INSERT INTO trades VALUES (1), (2), (3); CREATE TABLE bars(a)",
    );
    run_on(&sandbox, 1).exits(0);
    sandbox.run(&["restore", "--job", "nightly", "--yes"]).exits(2).says("one after the other");
}

#[test]
fn a_backup_whose_checks_fail_is_restored_by_name_and_never_called_restored_to_the_highest_level() {
    let sandbox = shop(1);
    sandbox.sql("app/app.db", "DELETE FROM trades WHERE id > 2");
    run_on(&sandbox, 2).exits(3);
    let answer = sandbox.run(&["restore", "trading@2026-01-02", "--to", "x.db", "--json"]).exits(0);
    let restored = &answer.json()[0];
    assert_eq!(restored["level"], "integrity", "{answer}");
    assert!(restored["checks"].as_array().unwrap().iter().any(|check| check["passed"] == false), "{answer}");
}

#[test]
fn a_run_that_lacks_a_target_is_passed_over_by_place_also_without_a_policy_and_named() {
    let sandbox = shop(2);
    sandbox.run(&["--now", "2026-01-03T07:00:00Z", "run", "-q", "--target", "scripts"]).exits(0);
    let whole = |arguments: &[&str], day: &str| {
        let mut all = vec!["restore", "-n", "--job"];
        all.extend(arguments);
        let steps = sandbox.run(&all).exits(0);
        assert!(steps.stdout.contains(&format!("trading/2026-01-{day}")), "{steps}");
        steps
    };
    whole(&["nightly"], "02").says("2026-01-03T070000Z is passed over: it holds no backup of `trading`");
    whole(&["nightly@latest~1"], "01");
    whole(&["nightly@oldest"], "01");
    // Without the job at hand the kept text of the policy tells its targets.
    sandbox.write("policy.yaml", SHOP.replace("  nightly: {}", "  nightly: {targets: [scripts]}"));
    whole(&["nightly"], "02");
}

#[test]
fn a_time_and_an_id_say_the_same_thing_twice() {
    let sandbox = shop(1);
    let id = "shop/nightly/trading/2026-01-01T070000Z";
    for named in [&[id][..], &["--job", "nightly@latest"], &["--job", "nightly@2026-01-01"]] {
        let mut all = vec!["restore", "--at", "2026-01-02T00:00:00Z", "-n"];
        all.extend(named);
        sandbox.run(&all).exits(2).says("say the same thing twice");
    }
}

#[test]
fn a_day_that_is_not_over_means_no_backup_of_the_future() {
    let sandbox = shop(1);
    run_on(&sandbox, 2).exits(0);
    for named in [&["trading"][..], &["--job", "nightly"]] {
        let mut all = vec!["restore", "-n", "--now", "2026-01-02T06:00:00Z", "--at", "2026-01-02"];
        all.extend(named);
        let steps = sandbox.run(&all).exits(0);
        let (named, later) = ("trading/2026-01-01T070000Z", "trading/2026-01-02T070000Z");
        assert!(steps.stdout.contains(named) && !steps.stdout.contains(later), "{steps}");
    }
}

#[test]
fn what_only_the_catalog_remembers_is_not_the_latest() {
    let sandbox = shop(1);
    sandbox.run(&["--now", "2026-01-02T07:00:00Z", "run", "-q", "--store", "second"]).exits(0);
    fs::rename(sandbox.path("store2"), sandbox.path("unplugged")).unwrap();
    sandbox
        .run(&["restore", "trading", "--to", "x.db"])
        .exits(0)
        .says("trading/2026-01-02T070000Z: its store cannot be reached");
    assert_eq!(trades(&sandbox, "x.db"), "3");
}

#[test]
fn a_kept_policy_that_was_changed_is_not_believed() {
    let sandbox = shop(1);
    let folder = "store/shop/policies";
    for name in sandbox.tree(folder) {
        let place = format!("{folder}/{name}");
        let changed = sandbox.read(&place).replace(">= 3", ">= 0");
        fs::remove_file(sandbox.path(&place)).unwrap();
        sandbox.write(&place, changed);
    }
    sandbox.run(&["restore", "trading", "--store", "./store", "--to", "x.db"]).exits(1);
}

#[cfg(unix)]
#[test]
fn a_database_behind_a_link_is_restored_where_it_lies() {
    let sandbox = shop(1);
    fs::create_dir(sandbox.path("disk")).unwrap();
    fs::rename(sandbox.path("app/app.db"), sandbox.path("disk/real.db")).unwrap();
    std::os::unix::fs::symlink(sandbox.path("disk/real.db"), sandbox.path("app/app.db")).unwrap();
    sandbox.sql("disk/real.db", "DELETE FROM trades");
    sandbox.run(&["restore", "trading", "--yes"]).exits(0);
    assert!(sandbox.path("app/app.db").is_symlink());
    assert_eq!(trades(&sandbox, "disk/real.db"), "3");
    assert_eq!(trades(&sandbox, &aside(&sandbox, "disk", "real.db")), "0");
    sandbox.run(&["restore", "--undo", "trading", "--yes"]).exits(0);
    assert_eq!(trades(&sandbox, "disk/real.db"), "0");
}

#[test]
fn a_restore_that_took_longer_than_its_rto_says_so() {
    // The shortest that can be written is a second: a check makes it take longer on any machine.
    let slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000000) SELECT max(i) FROM n";
    let check = format!("    checks: [{{name: slow, sql: \"{slow}\", expect: not_empty}}]\n    rto: 1s\n");
    let sandbox = shop(0);
    sandbox.write("policy.yaml", SHOP.replace("    checks: [{rows: trades, expect: \">= 3\"}]\n", &check));
    run_on(&sandbox, 1).exits(0);
    let late = sandbox.run(&["restore", "trading", "--to", "x.db"]).exits(0);
    assert!(
        late.stderr.contains("trading took") && late.stderr.contains("longer than its rto of 1s"),
        "{late}"
    );
    sandbox.run(&["restore", "scripts", "--to", "x"]).exits(0).hides("rto");
}

#[test]
fn what_no_longer_passes_its_checks_replaces_nothing() {
    let sandbox = Sandbox::new();
    sandbox.sql("app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1)");
    // A check whose answer changes while the stored bytes stay what they were.
    let soon = chrono::Utc::now().timestamp() + 8;
    let check = format!("{{name: soon, sql: \"SELECT unixepoch() < {soon}\", expect: 1}}");
    let policy = crate::support::simple::policy(&format!(", checks: [{check}]"), "");
    sandbox.write("policy.yaml", policy);
    sandbox.run(&["run"]).exits(0);
    crate::support::until("the change", || chrono::Utc::now().timestamp() >= soon);
    sandbox.sql("app.db", "INSERT INTO t VALUES (2)");
    sandbox.run(&["restore", "app", "--yes"]).exits(4).says("soon").says("not touched");
    assert_eq!(sandbox.ask("app.db", "SELECT count(*) FROM t"), "2");
    sandbox.run(&["restore", "app", "--to", "new.db"]).exits(4);
    assert!(!sandbox.path("new.db").exists());
}
