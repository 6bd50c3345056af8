//! `restore --undo` gives back whatever was set aside, also what was no sound database.

use crate::{restore::shop, support::Sandbox};
use std::fs;

/// Restores over a live database that was made unusable, and returns the name of the copy that was set aside.
fn set_aside(sandbox: &Sandbox) -> String {
    let answer = sandbox.run(&["restore", "trading", "--yes", "--json"]).exits(0);
    let aside = answer.json()[0]["set_aside"].as_str().unwrap().to_owned();
    aside.rsplit('/').next().unwrap().to_owned()
}

fn bytes(sandbox: &Sandbox, name: &str) -> Vec<u8> {
    fs::read(sandbox.path("app").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn what_sqlite_cannot_open_goes_back_byte_for_byte_with_its_log_and_is_told() {
    for (main, log) in [
        ("junk".repeat(2048), Some("log".repeat(64))),
        (String::new(), Some("log".repeat(64))),
        ("junk".repeat(9), None),
    ] {
        let sandbox = shop(1);
        fs::write(sandbox.path("app/app.db"), &main).unwrap();
        if let Some(log) = &log {
            fs::write(sandbox.path("app/app.db-wal"), log).unwrap();
        }
        let aside = set_aside(&sandbox);
        assert_eq!(sandbox.ask("app/app.db", "SELECT count(*) FROM trades"), "3");
        let before = sandbox.tree("app");
        sandbox.run(&["restore", "--undo", "trading", "-n"]).exits(0).says("no sound database");
        sandbox.run(&["restore", "--undo", "trading"]).exits(5).says("no sound database");
        assert_eq!(sandbox.tree("app"), before);
        let answer = sandbox.run(&["restore", "--undo", "trading", "--yes", "--json"]).exits(0);
        let result = &answer.json()[0];
        assert!(result["warnings"][0].as_str().unwrap().contains("no sound database"), "{answer}");
        assert_eq!(bytes(&sandbox, "app.db"), main.as_bytes());
        match &log {
            Some(log) => assert_eq!(bytes(&sandbox, "app.db-wal"), log.as_bytes()),
            None => assert_eq!(fs::read(sandbox.path("app/app.db-wal")).unwrap_or_default(), b""),
        }
        let is_of_copy = |name: &String| *name == aside || *name == format!("{aside}-wal");
        let left: Vec<_> = sandbox.tree("app").into_iter().filter(is_of_copy).collect();
        assert!(left.is_empty(), "{left:?}");
        // And once more it is the other way round.
        sandbox.run(&["restore", "--undo", "trading", "--yes"]).exits(0);
        assert!(!sandbox.path("app/app.db-wal").exists());
        assert_eq!(sandbox.ask("app/app.db", "SELECT count(*) FROM trades"), "3");
    }
}

#[test]
fn a_damaged_copy_is_told_before_it_goes_back() {
    let sandbox = shop(1);
    let path = sandbox.path("app/app.db");
    let mut whole = fs::read(&path).unwrap();
    whole[4096 * 3..4096 * 4].fill(0xff);
    fs::write(&path, &whole).unwrap();
    set_aside(&sandbox);
    sandbox.run(&["restore", "--undo", "trading", "--yes"]).exits(0).says("no sound database");
    assert_eq!(fs::read(&path).unwrap()[4096..], whole[4096..]);
    // A sound one is not talked about.
    sandbox.run(&["restore", "--undo", "trading", "--yes"]).exits(0).hides("sound database");
}

#[test]
fn a_copy_that_somebody_opened_goes_back_with_what_lies_in_its_log() {
    let sandbox = shop(1);
    sandbox.sql("app/app.db", "DELETE FROM trades");
    let aside = set_aside(&sandbox);
    // Somebody looked into the copy, wrote to it, and was killed.
    let copy = sandbox.path("app").join(&aside);
    let writer = rusqlite::Connection::open(&copy).unwrap();
    writer.execute_batch("PRAGMA wal_autocheckpoint = 0; INSERT INTO trades(pnl) VALUES (1)").unwrap();
    let log = copy.with_file_name(format!("{aside}-wal"));
    let (main, logged) = (fs::read(&copy).unwrap(), fs::read(&log).unwrap());
    drop(writer);
    fs::write(&copy, main).unwrap();
    fs::write(&log, logged).unwrap();
    sandbox.run(&["restore", "--undo", "trading", "--yes"]).exits(0);
    assert_eq!(sandbox.ask("app/app.db", "SELECT count(*) FROM trades"), "1");
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_no_sound_database_is_not_put_under_those_who_have_the_target_open() {
    let sandbox = shop(1);
    fs::write(sandbox.path("app/app.db"), "junk".repeat(2048)).unwrap();
    set_aside(&sandbox);
    let user = rusqlite::Connection::open(sandbox.path("app/app.db")).unwrap();
    let rows = || user.query_row("SELECT count(*) FROM trades", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(rows(), 3);
    let before = sandbox.tree("app");
    let named = format!("({})", std::process::id());
    sandbox
        .run(&["restore", "--undo", "trading", "--yes"])
        .exits(5)
        .says(&named)
        .says("stop what has it open, then undo again");
    assert_eq!((rows(), sandbox.tree("app")), (3, before));
}

#[test]
fn what_was_set_aside_is_said_to_stay_until_it_is_deleted() {
    let sandbox = shop(1);
    let aside = sandbox.run(&["restore", "trading", "--yes"]).exits(0);
    assert!(aside.stdout.contains(".aside-") && aside.stdout.contains("until you delete it"), "{aside}");
    let back = sandbox.run(&["restore", "--undo", "trading", "--yes"]).exits(0);
    assert!(back.stdout.contains(".aside-") && back.stdout.contains("until you delete it"), "{back}");
}
