//! A restore or an undo whose disk fails, or that is killed, at any step: nothing is lost, and what is live is known.

use crate::{
    restore::shop,
    support::{
        Answer, Sandbox,
        disk::Mount,
        faults::{Fate, NAMES, SYNCS},
    },
};
use rusqlite::Connection;
use std::{fs, os::unix::fs::MetadataExt};

const RESTORE: [&str; 4] = ["restore", "trading", "--yes", "-q"];
const UNDO: [&str; 5] = ["restore", "--undo", "trading", "--yes", "-q"];

/// A backup with three trades, and a live database without any: the old content that must not be lost.
fn scene() -> Sandbox {
    let sandbox = shop(1);
    sandbox.sql("app/app.db", "DELETE FROM trades");
    sandbox
}

/// How many trades a database holds, looked at on a copy: nothing beside it changes, and what is in its log counts.
fn trades(sandbox: &Sandbox, name: &str) -> Option<String> {
    let app = sandbox.path("app");
    let seen = sandbox.root().join("seen");
    let _ = fs::remove_dir_all(&seen);
    fs::create_dir(&seen).unwrap();
    fs::copy(app.join(name), seen.join("x.db")).ok()?;
    for suffix in ["-wal", "-journal"] {
        let _ = fs::copy(app.join(format!("{name}{suffix}")), seen.join(format!("x.db{suffix}")));
    }
    let count =
        Connection::open(seen.join("x.db"))
            .ok()?
            .query_row("SELECT count(*) FROM trades", [], |row| row.get::<_, i64>(0));
    count.ok().map(|count| count.to_string())
}

fn live(sandbox: &Sandbox) -> String {
    trades(sandbox, "app.db").unwrap_or_else(|| "absent".to_owned())
}

/// What is kept beside the live database: names of databases with their trades.
fn kept(sandbox: &Sandbox) -> Vec<(String, String)> {
    let names = sandbox.tree("app").into_iter();
    let is_kept = |name: &String| {
        (name.starts_with("app.db.aside-") || name.starts_with("app.db.undone-"))
            && ["-wal", "-shm", "-journal"].iter().all(|suffix| !name.ends_with(suffix))
    };
    names.filter(is_kept).filter_map(|name| Some((name.clone(), trades(sandbox, &name)?))).collect()
}

fn is_kept(sandbox: &Sandbox, trades: &str) -> bool {
    kept(sandbox).iter().any(|(_, found)| found == trades)
}

fn mode(sandbox: &Sandbox) -> String {
    sandbox.ask("app/app.db", "PRAGMA journal_mode")
}

/// Removes everything beside the live database and makes that the old content again.
fn afresh(sandbox: &Sandbox) {
    for name in sandbox.tree("app").into_iter().filter(|name| name.starts_with("app.db.")) {
        let _ = fs::remove_file(sandbox.path("app").join(name));
    }
    sandbox.sql("app/app.db", "PRAGMA journal_mode = wal; DELETE FROM trades");
}

/// Calls the program again and again, meddling with its first call, its second, and so on until all were tried.
fn at_each(
    sandbox: &Sandbox,
    calls: &str,
    fate: Fate,
    arguments: &[&str],
    look: &mut dyn FnMut(usize, Option<Answer>),
) {
    let mut tried = 0;
    for n in 1.. {
        look(n, None);
        let Some(answer) = sandbox.meddled(calls, fate, n, arguments) else { break };
        tried += 1;
        look(n, Some(answer));
        assert!(n < 300, "it never ends");
    }
    assert!(tried >= 3, "only {tried} calls were met");
}

/// What a restore or an undo that was killed has left beside the database.
fn leavings(sandbox: &Sandbox) -> Vec<String> {
    let is_left = |name: &String| name.contains("policy-scratch") || name.contains(".part");
    sandbox.tree("app").into_iter().filter(is_left).collect()
}

#[test]
fn a_restore_whose_disk_fails_leaves_the_old_content_in_its_mode_or_is_done() {
    let sandbox = scene();
    if !sandbox.can_meddle() {
        return;
    }
    at_each(&sandbox, SYNCS, Fate::Fails, &RESTORE, &mut |n, answer| {
        let Some(answer) = answer else { return afresh(&sandbox) };
        let now = live(&sandbox);
        if answer.exit == 0 {
            assert!(now == "3" && is_kept(&sandbox, "0"), "{n}: {now}\n{answer}");
        } else {
            assert_eq!((now.as_str(), mode(&sandbox).as_str()), ("0", "wal"), "{n}\n{answer}");
            assert_eq!(kept(&sandbox), [], "{n}\n{answer}");
        }
    });
}

#[test]
fn an_undo_whose_disk_fails_keeps_what_was_set_aside_and_can_be_made_again() {
    let sandbox = scene();
    if !sandbox.can_meddle() {
        return;
    }
    at_each(&sandbox, SYNCS, Fate::Fails, &UNDO, &mut |n, answer| {
        let Some(answer) = answer else {
            afresh(&sandbox);
            sandbox.run(&RESTORE).exits(0);
            return;
        };
        let now = live(&sandbox);
        if answer.exit == 0 {
            assert!(now == "0" && is_kept(&sandbox, "3"), "{n}: {now}\n{answer}");
        } else {
            assert_eq!((now.as_str(), mode(&sandbox).as_str()), ("3", "wal"), "{n}\n{answer}");
            assert!(is_kept(&sandbox, "0"), "{n}: the copy that was set aside is gone\n{answer}");
            sandbox.run(&UNDO).exits(0);
            assert_eq!(live(&sandbox), "0", "{n}");
        }
    });
}

#[test]
fn the_way_back_of_several_targets_whose_disk_fails_loses_no_content() {
    let sandbox = shop(0);
    sandbox.write("app/scripts/sub/b.py", "print(2)\n");
    sandbox.sql("app/app.db", "INSERT INTO trades(pnl) VALUES (3.5)");
    crate::restore::run_on(&sandbox, 1).exits(0);
    // What nobody selects, and would have to be replaced by a folder of the backup, is found out only by the swap.
    fs::remove_dir_all(sandbox.path("app/scripts/sub")).unwrap();
    sandbox.write("app/scripts/sub", "not selected");
    if !sandbox.can_meddle() {
        return;
    }
    let both = ["restore", "trading", "scripts", "--yes", "-q"];
    at_each(&sandbox, SYNCS, Fate::Fails, &both, &mut |n, answer| {
        let Some(answer) = answer else { return afresh(&sandbox) };
        assert_ne!(answer.exit, 0, "{n}");
        if live(&sandbox) != "0" {
            assert!(is_kept(&sandbox, "0"), "{n}: the old content is gone\n{answer}");
            assert!(answer.stderr.contains("could not be put back"), "{n}: it is not told\n{answer}");
        }
    });
}

#[test]
fn a_disk_that_fails_under_a_database_in_use_never_takes_the_last_copy_of_the_old_content() {
    for wal in ["wal", "delete"] {
        let sandbox = scene();
        if !sandbox.can_meddle() {
            return;
        }
        let mut user = None;
        at_each(&sandbox, SYNCS, Fate::Fails, &RESTORE, &mut |n, answer| {
            let Some(answer) = answer else {
                drop(user.take());
                afresh(&sandbox);
                sandbox.sql("app/app.db", &format!("PRAGMA journal_mode = {wal}"));
                let idle = Connection::open(sandbox.path("app/app.db")).unwrap();
                idle.query_row("SELECT count(*) FROM trades", [], |_| Ok(())).unwrap();
                user = Some(idle);
                return;
            };
            // What the next one to open would find, should all who have it open be killed now.
            let now = live(&sandbox);
            if now == "0" {
                return;
            }
            assert_eq!(now, "3", "{n}\n{answer}");
            let copies = kept(&sandbox);
            let old = copies.iter().find(|(_, trades)| trades == "0");
            let (name, _) = old.unwrap_or_else(|| panic!("{wal} {n}: the old content is gone\n{answer}"));
            assert!(answer.exit == 0 || answer.stderr.contains(name), "{wal} {n}: it is not named\n{answer}");
        });
    }
}

#[test]
fn a_restore_to_where_nothing_was_is_taken_back_or_told_when_the_disk_fails() {
    let sandbox = shop(1);
    if !sandbox.can_meddle() {
        return;
    }
    for (target, place) in [("trading", "out/x.db"), ("scripts", "out/x")] {
        let arguments = ["restore", target, "--to", place, "-q"];
        at_each(&sandbox, SYNCS, Fate::Fails, &arguments, &mut |n, answer| {
            let Some(answer) = answer else {
                let _ = fs::remove_dir_all(sandbox.path("out"));
                return;
            };
            let is_there = sandbox.path(place).exists();
            assert_eq!(is_there, answer.exit == 0, "{target} {n}\n{answer}");
        });
    }
}

/// Whether a set-aside copy is but a second name of the live database.
fn is_alias(sandbox: &Sandbox, name: &str) -> bool {
    let number = |path: &str| fs::metadata(sandbox.path(path)).unwrap().ino();
    number("app/app.db") == number(&format!("app/{name}"))
}

#[test]
fn a_restore_killed_at_any_change_of_names_leaves_old_or_new_and_the_next_one_clears_up() {
    let sandbox = scene();
    if !sandbox.can_meddle() {
        return;
    }
    at_each(&sandbox, NAMES, Fate::Kills, &RESTORE, &mut |n, answer| {
        let Some(answer) = answer else { return afresh(&sandbox) };
        assert_ne!(answer.exit, 0, "{n}");
        let now = live(&sandbox);
        let undone = sandbox.run(&UNDO);
        if now == "0" {
            assert_eq!(undone.exit, 10, "{n}: a second name of the live database was put back\n{undone}");
        } else {
            assert_eq!((now.as_str(), undone.exit, live(&sandbox).as_str()), ("3", 0, "0"), "{n}\n{undone}");
        }
        sandbox.run(&RESTORE).exits(0);
        assert_eq!(live(&sandbox), "3", "{n}");
        let aliases: Vec<_> =
            kept(&sandbox).into_iter().filter(|(name, _)| is_alias(&sandbox, name)).collect();
        assert_eq!(aliases, [], "{n}");
        let left: Vec<_> =
            sandbox.tree("app").into_iter().filter(|name| name.contains("policy-scratch")).collect();
        assert!(left.is_empty(), "{n}: {left:?}");
    });
}

/// Gives the newest set-aside copy a log with one trade in it, as somebody does who looks into it and is killed.
fn write_to_copy(sandbox: &Sandbox) {
    let (name, _) = kept(sandbox).pop().unwrap();
    let (copy, log) = (sandbox.path("app").join(&name), sandbox.path("app").join(format!("{name}-wal")));
    let writer = Connection::open(&copy).unwrap();
    writer.execute_batch("PRAGMA wal_autocheckpoint = 0; INSERT INTO trades(pnl) VALUES (1)").unwrap();
    let (main, logged) = (fs::read(&copy).unwrap(), fs::read(&log).unwrap());
    drop(writer);
    fs::write(&copy, main).unwrap();
    fs::write(&log, logged).unwrap();
}

#[test]
fn an_undo_killed_at_any_change_of_names_parts_no_database_from_its_log() {
    let sandbox = scene();
    if !sandbox.can_meddle() {
        return;
    }
    at_each(&sandbox, NAMES, Fate::Kills, &UNDO, &mut |n, answer| {
        let Some(answer) = answer else {
            afresh(&sandbox);
            sandbox.run(&RESTORE).exits(0);
            write_to_copy(&sandbox);
            return;
        };
        assert_ne!(answer.exit, 0, "{n}");
        let now = live(&sandbox);
        assert!(now == "3" || now == "1", "{n}: {now} is neither the old nor the new content\n{answer}");
        assert!(now == "1" || is_kept(&sandbox, "1"), "{n}: {:?}", kept(&sandbox));
        assert!(now == "3" || is_kept(&sandbox, "3"), "{n}: {:?}", kept(&sandbox));
        let again = sandbox.run(&UNDO).exits(0);
        let after = live(&sandbox);
        assert_eq!(after, if now == "3" { "1" } else { "3" }, "{n}\n{answer}\n{again}");
        assert_eq!(leavings(&sandbox), Vec::<String>::new(), "{n}");
    });
}

#[test]
fn an_undo_killed_while_it_copies_a_database_in_use_leaves_no_copy_that_nobody_clears() {
    let sandbox = scene();
    if !sandbox.can_meddle() {
        return;
    }
    let mut user = None;
    at_each(&sandbox, SYNCS, Fate::Kills, &UNDO, &mut |n, answer| {
        if answer.is_none() {
            drop(user.take());
            afresh(&sandbox);
            sandbox.run(&RESTORE).exits(0);
            let idle = Connection::open(sandbox.path("app/app.db")).unwrap();
            idle.query_row("SELECT count(*) FROM trades", [], |_| Ok(())).unwrap();
            user = Some(idle);
            return;
        }
        sandbox.run(&UNDO).exits(0);
        assert_eq!(leavings(&sandbox), Vec::<String>::new(), "{n}");
    });
}

#[test]
fn an_undo_into_a_database_in_use_moves_the_copy_and_does_not_add_one_each_time() {
    let sandbox = scene();
    let user = Connection::open(sandbox.path("app/app.db")).unwrap();
    let count = || user.query_row("SELECT count(*) FROM trades", [], |row| row.get::<_, i64>(0)).unwrap();
    sandbox.run(&RESTORE).exits(0);
    for expected in [0, 3, 0, 3] {
        sandbox.run(&UNDO).exits(0);
        assert_eq!(count(), expected);
        let copies = kept(&sandbox);
        assert_eq!(copies.len(), 1, "{copies:?}");
        assert_eq!(copies[0].1, (3 - expected).to_string());
    }
}

#[test]
fn a_deleted_database_that_a_service_still_has_open_is_not_restored_under_it() {
    let sandbox = scene();
    let user = Connection::open(sandbox.path("app/app.db")).unwrap();
    user.execute_batch("PRAGMA wal_autocheckpoint = 0; INSERT INTO trades(pnl) VALUES (7)").unwrap();
    fs::remove_file(sandbox.path("app/app.db")).unwrap();
    let before = sandbox.tree("app");
    let named = format!("({})", std::process::id());
    sandbox.run(&RESTORE).exits(5).says(&named).says("stop what has it open, then restore again");
    assert_eq!(sandbox.tree("app"), before);
    // Its side files may be gone too: the process is still found, by what it has open.
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(sandbox.path(&format!("app/app.db{suffix}"))).unwrap();
    }
    sandbox.run(&RESTORE).exits(5).says(&named);
    assert!(!sandbox.path("app/app.db").exists());
    drop(user);
    sandbox.run(&RESTORE).exits(0);
}

#[test]
fn what_a_deleted_database_left_is_asked_about_kept_and_told() {
    let sandbox = scene();
    let user = Connection::open(sandbox.path("app/app.db")).unwrap();
    user.execute_batch("PRAGMA wal_autocheckpoint = 0; INSERT INTO trades(pnl) VALUES (7)").unwrap();
    let log = fs::read(sandbox.path("app/app.db-wal")).unwrap();
    drop(user);
    fs::remove_file(sandbox.path("app/app.db")).unwrap();
    fs::write(sandbox.path("app/app.db-wal"), &log).unwrap();
    let shown = sandbox.run(&["restore", "trading"]).exits(5).says("app.db-wal");
    assert!(sandbox.path("app/app.db-wal").exists(), "{shown}");
    let answer = sandbox.run(&["restore", "trading", "--yes", "--json"]).exits(0);
    let warnings = answer.json()[0]["warnings"].to_string();
    let name =
        sandbox.tree("app").into_iter().find(|name| name.ends_with("-wal") && name.contains(".aside-"));
    let name = name.unwrap();
    assert!(warnings.contains(&name), "{answer}");
    assert_eq!(fs::read(sandbox.path("app").join(name)).unwrap(), log);
    assert_eq!(live(&sandbox), "3");
}

#[test]
fn an_undo_that_others_are_in_the_way_of_says_to_undo_again() {
    let sandbox = scene();
    sandbox.sql("app/app.db", "PRAGMA journal_mode = delete; PRAGMA page_size = 8192; VACUUM");
    sandbox.run(&RESTORE).exits(0);
    let _user = Connection::open(sandbox.path("app/app.db")).unwrap();
    sandbox.run(&UNDO).exits(5).says("another page size").says("then undo again").hides("restore again");
}

#[test]
fn the_room_for_a_restore_into_a_database_in_use_counts_its_log_and_its_safety_copy() {
    let sandbox = scene();
    sandbox.run(&["restore", "trading", "-n"]).exits(0).says("312 KiB needed");
    let disk = sandbox.path("disk");
    let Some(_small) = Mount::small(&disk, "800k") else { return };
    // Alone there is room for it; beside one that is in use there is not, and nothing is begun.
    sandbox.run(&["restore", "trading", "--to", "disk/x.db", "-q"]).exits(0);
    let user = Connection::open(disk.join("x.db")).unwrap();
    let to = ["restore", "trading", "--to", "disk/x.db", "--yes"];
    sandbox
        .run(&to)
        .exits(1)
        .says("936 KiB needed")
        .says("for the target is in use")
        .says("stop what has it open");
    assert_eq!(sandbox.tree("disk"), ["x.db"]);
    drop(user);
    sandbox.run(&to).exits(0);
}

#[test]
fn what_sqlite_cannot_open_is_not_parted_from_its_log_by_a_failing_disk_or_a_kill() {
    let sandbox = scene();
    if !sandbox.can_meddle() {
        return;
    }
    let (main, log) = ("junk".repeat(2048), "log".repeat(64));
    let read = |name: &str| fs::read_to_string(sandbox.path("app").join(name)).unwrap_or_default();
    let is_pair = |name: &str| read(name) == main && read(&format!("{name}-wal")) == log;
    let pairs = || {
        let names = sandbox.tree("app");
        names.into_iter().filter(|name| !name.ends_with("-wal") && is_pair(name)).collect::<Vec<_>>()
    };
    for (calls, fate) in [(SYNCS, Fate::Fails), (NAMES, Fate::Kills)] {
        for undo in [false, true] {
            let arguments: &[&str] = if undo { &UNDO } else { &RESTORE };
            at_each(&sandbox, calls, fate, arguments, &mut |n, answer| {
                let Some(answer) = answer else {
                    afresh_as(&sandbox, &main, &log);
                    if undo {
                        sandbox.run(&RESTORE).exits(0);
                    }
                    return;
                };
                let found = pairs();
                assert!(!found.is_empty(), "{calls} undo {undo} {n}: {:?}\n{answer}", sandbox.tree("app"));
                let is_told = |name: &String| name == "app.db" || answer.stderr.contains(name);
                let is_as_before = undo && live(&sandbox) == "3";
                let ends = answer.exit == 0 || answer.exit == 137 || is_as_before;
                assert!(ends || found.iter().any(is_told), "{calls} undo {undo} {n}: {found:?}\n{answer}");
            });
        }
    }
}

/// Puts these bytes and this log in the place of the live database, and removes everything beside them.
fn afresh_as(sandbox: &Sandbox, main: &str, log: &str) {
    for name in sandbox.tree("app").into_iter().filter(|name| name.starts_with("app.db")) {
        let _ = fs::remove_file(sandbox.path("app").join(name));
    }
    sandbox.write("app/app.db", main);
    sandbox.write("app/app.db-wal", log);
}
