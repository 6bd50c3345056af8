//! The third system: a trading bot's SQLite database in write-ahead mode, backed up every hour while it trades, restored with
//! what was there kept aside, and its three rehearsed disasters; by its own policy, `policies/rrr.yaml`, as it stands.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up is a failed test")]

use crate::support::{
    Answer, Sandbox,
    content::{self, Content, assert_same},
};
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

const DATABASE: &str = "data/trading.db";

/// What was compared by hand after each restore.
const PROFITS: &str =
    "SELECT count(*) || ' trades, ' || total(profit) || ', ' || (SELECT count(*) FROM audit_log) FROM trades";

/// The bot's project as it lies on its machine.
struct Bot {
    sandbox: Sandbox,
    /// The bot's own connection: while it lives, the newest trades lie in the log alone.
    connection: Option<Connection>,
}

impl Bot {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/rrr.yaml");
        // As it stands, but that nobody waits for a minute between two tries.
        let policy = fs::read_to_string(policy).unwrap().replace("delay: 1m", "delay: 0s");
        sandbox.write("policies/rrr.yaml", policy);
        sandbox.sql(DATABASE, include_str!("rrr/data.sql"));
        let mut bot = Self { sandbox, connection: None };
        bot.starts();
        bot
    }

    fn starts(&mut self) {
        let connection = Connection::open(self.sandbox.path(DATABASE)).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 0").unwrap();
        self.connection = Some(connection);
    }

    fn stops(&mut self) {
        self.connection = None;
    }

    /// What it does in an hour: it opens a position, reduces the one before, and ends the one before that.
    fn trades(&self, hour: i64) {
        self.connection.as_ref().unwrap().execute_batch(&format!("BEGIN; {} COMMIT", trade(hour))).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        self.sandbox.run(arguments)
    }

    /// The backup of an hour.
    fn backs_up(&self, hour: i64) -> Answer {
        self.run(&["run", "hourly", "--now", &at(hour), "-q"])
    }

    /// What the live database says of a query, asked as any reader would.
    fn asks(&self, sql: &str) -> String {
        self.sandbox.ask(DATABASE, sql)
    }

    fn series(&self) -> PathBuf {
        self.sandbox.home().join("Backups/rrr/rrr/hourly/trading")
    }

    fn stamps(&self) -> Vec<String> {
        self.sandbox.backups(self.series().to_str().unwrap())
    }

    fn listed(&self) -> Vec<Value> {
        self.run(&["list", "--json"]).exits(0).json().as_array().unwrap().clone()
    }

    /// The whole content, as the bot itself sees it.
    fn content(&self) -> Content {
        content::of_database(self.connection.as_ref().unwrap())
    }

    /// The copies that restores set aside, oldest first, without side files.
    fn aside(&self) -> Vec<String> {
        let is_copy = |name: &String| name.starts_with("trading.db.aside-") && !name.ends_with("-wal");
        self.sandbox.tree("data").into_iter().filter(is_copy).map(|name| format!("data/{name}")).collect()
    }
}

/// What a trade writes, in one transaction of the bot's.
fn trade(hour: i64) -> String {
    let (id, time) = (601 + hour, at(hour));
    format!(
        "INSERT INTO positions (id, symbol, side, quantity, entry_price, changed_at) VALUES ({id}, 'BTC', 'long', 2, 100, '{time}');
         INSERT INTO trades (position_id, side, quantity, price, fee, executed_at) VALUES ({id}, 'long', 2, 100, 0.5, '{time}');
         UPDATE positions SET quantity = 1, changed_at = '{time}' WHERE id = {id} - 1 AND status = 'open';
         UPDATE positions SET quantity = 0, status = 'closed', changed_at = '{time}' WHERE id = {id} - 2 AND status = 'open';
         INSERT INTO trades (position_id, side, quantity, price, fee, profit, executed_at)
         SELECT id, 'close', 1, 104, 0.25, 3.25 + {hour}, '{time}' FROM positions WHERE id = {id} - 2;
         INSERT INTO account_snapshots VALUES ('{time}', 10000.25 + {hour}, 50);"
    )
}

/// An hour of the story, which begins with the year's first Monday.
fn at(hour: i64) -> String {
    let first: DateTime<Utc> = "2026-01-05T00:00:00Z".parse().unwrap();
    (first + TimeDelta::hours(hour)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

#[test]
fn every_hour_is_backed_up_while_it_trades_and_the_list_tells_what_their_table_told() {
    let bot = Bot::new();
    bot.run(&["check", "--deny", "warnings"]).exits(0).hides("policy::");
    for hour in 1..=5 {
        bot.trades(hour);
        bot.backs_up(hour).exits(0);
    }
    assert!(
        fs::metadata(bot.sandbox.path("data/trading.db-wal")).unwrap().len() > 0,
        "nothing is left in the log"
    );
    // Path, time, counts, size and whether it is verified.
    let listed = bot.listed();
    assert_eq!(listed.len(), 5);
    for (n, backup) in listed.iter().rev().enumerate() {
        let hour = i64::try_from(n).unwrap() + 1;
        assert_eq!(
            (&backup["time"], &backup["proven"], &backup["level"]),
            (&at(hour).into(), &true.into(), &"checks".into())
        );
        let (small, whole) = (backup["bytes"].as_u64().unwrap(), backup["original_bytes"].as_u64().unwrap());
        assert!(small * 3 < whole, "{small} bytes of {whole}");
        let manifest =
            bot.run(&["show", backup["id"].as_str().unwrap(), "--json"]).exits(0).json()["manifest"].clone();
        assert_eq!(manifest["tables"]["positions"]["rows"], 600 + hour);
        assert_eq!(manifest["source"], "../data/${TRADING_DB:-trading.db}", "what travels holds no value");
        assert!(bot.series().join(&bot.stamps()[n]).join("trading.db.gz").is_file());
    }
    let rows = |backup: &Value| {
        let id = backup["id"].as_str().unwrap();
        bot.run(&["show", id, "--json"]).json()["manifest"]["tables"]["trades"]["rows"].as_u64().unwrap()
    };
    assert_eq!(rows(&listed[0]).to_string(), bot.asks("SELECT count(*) FROM trades"));
    bot.run(&["verify", "--now", &at(6)]).exits(0);
    bot.run(&["verify", "--level", "restore", "trading@latest", "--now", &at(6)]).exits(0);
    // Another file of the folder, as a paper-trading bot has one.
    let paper = bot.sandbox.path("data/paper.db");
    Connection::open(&paper).unwrap().execute_batch(include_str!("rrr/data.sql")).unwrap();
    let mut command = bot.sandbox.command(&["plan"]);
    command.env("TRADING_DB", "paper.db");
    bot.sandbox.finish(command).exits(0).says("sqlite ../data/${TRADING_DB:-trading.db}").hides("paper.db");
}

#[test]
fn thirty_days_of_hours_are_kept_and_never_fewer_than_a_hundred() {
    let bot = Bot::new();
    for hour in 0..104 {
        if hour % 8 == 0 {
            bot.trades(hour);
        }
        bot.backs_up(hour).exits(0);
    }
    assert_eq!(bot.stamps().len(), 104, "all are younger than thirty days");
    // After a silence of six weeks all are older, and the newest hundred stay.
    bot.trades(104);
    bot.backs_up(42 * 24).exits(0);
    let stamps = bot.stamps();
    assert_eq!((stamps.len(), stamps[0].as_str()), (100, "2026-01-05T050000Z"), "{stamps:?}");
    // A backup that is not proven takes the place of none, and removes none.
    let keep = bot.stamps();
    bot.connection
        .as_ref()
        .unwrap()
        .execute_batch("DELETE FROM trades WHERE id = (SELECT max(id) FROM trades)")
        .unwrap();
    bot.backs_up(42 * 24 + 1).exits(4).says("trades");
    assert!(keep.iter().all(|stamp| bot.stamps().contains(stamp)));
    for verdict in bot
        .run(&["prune", "--dry-run", "--json", "--now", &at(42 * 24 + 2)])
        .exits(0)
        .json()
        .as_array()
        .unwrap()
    {
        assert_eq!(verdict["keep"], true, "{verdict}");
    }
}

#[test]
fn a_database_that_is_not_what_it_was_is_told_and_the_last_good_backup_stays_the_latest() {
    let mut bot = Bot::new();
    bot.trades(1);
    bot.backs_up(1).exits(0);
    let good = bot.listed()[0]["id"].clone();
    let live = |bot: &Bot, sql: &str| bot.connection.as_ref().unwrap().execute_batch(sql).unwrap();
    // A log that grows without end, which is the whole database by now: twice its size is too much in an hour.
    live(&bot, "CREATE TABLE noise (x); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
                INSERT INTO noise SELECT randomblob(3000) FROM n");
    bot.backs_up(2).exits(4).says("max_growth");
    live(&bot, "DROP TABLE noise; VACUUM");
    // Entries of the audit trail that are gone, in the middle and at the end.
    live(
        &bot,
        "CREATE TABLE kept AS SELECT * FROM audit_log WHERE id = 300; DELETE FROM audit_log WHERE id = 300",
    );
    bot.backs_up(3).exits(4).says("audit_log").says("the audit trail has no gap");
    live(&bot, "INSERT INTO audit_log SELECT * FROM kept; DROP TABLE kept");
    bot.backs_up(4).exits(0);
    // A position that nobody wrote down, and one that ended without its trade.
    live(&bot, "BEGIN; INSERT INTO positions (id, symbol, side, quantity, entry_price, status, changed_at)
                VALUES (9999, 'BTC', 'long', 0, 1, 'closed', 'x'); DELETE FROM audit_log WHERE position_id = 9999; COMMIT");
    bot.backs_up(5)
        .exits(4)
        .says("no position without its entry")
        .says("no position ended without its trade");
    live(
        &bot,
        "DELETE FROM positions WHERE id = 9999; UPDATE sqlite_sequence SET seq = (SELECT max(id) FROM audit_log)",
    );
    let listed = bot.listed();
    let proven: Vec<bool> = listed.iter().map(|backup| backup["proven"].as_bool().unwrap()).collect();
    assert_eq!(proven, [false, true, false, false, true]);
    assert_eq!(listed[4]["id"], good);
    assert_eq!(
        bot.run(&["show", "trading", "--json"]).exits(0).json()["id"],
        listed[1]["id"],
        "the newest proven one"
    );
    // An empty or missing database is an error, and never a new one.
    bot.stops();
    for name in ["trading.db", "trading.db-wal", "trading.db-shm"] {
        let _ = fs::remove_file(bot.sandbox.path("data").join(name));
    }
    bot.backs_up(6).exits(1).says("does not exist").says("policies/rrr.yaml:");
    assert!(!bot.sandbox.path(DATABASE).exists());
    bot.sandbox.sql(DATABASE, "CREATE TABLE trades (id INTEGER PRIMARY KEY)");
    bot.backs_up(7).exits(1).says("expected at least 128 KiB");
    assert_eq!(bot.listed().len(), 5);
}

#[test]
fn a_restore_keeps_what_was_there_goes_back_when_it_fails_and_loses_no_entry_of_the_audit_trail() {
    let mut bot = Bot::new();
    for hour in 1..=3 {
        bot.trades(hour);
        bot.backs_up(hour).exits(0);
    }
    let (profits, expected) = (bot.asks(PROFITS), bot.content());
    // Two more trades, of which no backup knows.
    bot.trades(4);
    bot.trades(5);
    let (later, later_content) = (bot.asks(PROFITS), bot.content());
    assert_ne!(profits, later);
    // Listed, looked at and verified beforehand: what would go is told, table by table.
    let dry = bot.run(&["restore", "trading", "--dry-run", "--now", &at(5)]).exits(0);
    let rows = |table: &str| {
        dry.stderr.lines().find(|line| line.contains(&format!(" {table} "))).unwrap_or_default()
    };
    assert!(rows("audit_log").contains("rows would go") && rows("trades").contains("rows would go"), "{dry}");
    bot.stops();
    // It fails: everything is as it was, and the log of history tells.
    let newest = bot.series().join(bot.stamps().last().unwrap()).join("trading.db.gz");
    let whole = fs::read(&newest).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 0x40;
    fs::write(&newest, damaged).unwrap();
    let before = content::of_still_file(&bot.sandbox.path(DATABASE));
    let id = bot.listed()[0]["id"].as_str().unwrap().to_owned();
    bot.run(&["restore", &id, "--yes", "--now", &at(5)]).exits(4);
    assert_same(&content::of_still_file(&bot.sandbox.path(DATABASE)), &before);
    assert_eq!((bot.asks(PROFITS), bot.aside().len()), (later.clone(), 0));
    bot.run(&["history"]).exits(0).says("failed");
    fs::write(&newest, whole).unwrap();
    // It works: the sum of profits and the number of trades are the source's, and what was there lies beside it.
    let answer = bot.run(&["restore", "trading", "--yes", "--json", "--now", &at(5)]).exits(0);
    let restored = &answer.json()[0];
    assert_eq!((&restored["passed"], &restored["level"]), (&true.into(), &"restore".into()), "{answer}");
    assert_eq!(bot.asks(PROFITS), profits);
    bot.starts();
    assert_same(&bot.content(), &expected);
    bot.stops();
    let aside = bot.aside();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(bot.sandbox.ask(&aside[0], PROFITS), later);
    // The entries that the backup had not are in the copy, and are taken over from there if they are wanted.
    let copy = bot.sandbox.path(&aside[0]);
    let connection = Connection::open(bot.sandbox.path(DATABASE)).unwrap();
    connection.execute_batch(&format!("ATTACH '{}' AS aside", copy.display())).unwrap();
    let missing: i64 = connection
        .query_row(
            "SELECT count(*) FROM aside.audit_log WHERE id NOT IN (SELECT id FROM audit_log)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    drop(connection);
    assert_eq!(missing, 6, "two trades, of three entries each");
    // Or all of it goes back.
    bot.run(&["restore", "--undo", "trading", "--yes", "--now", &at(6)]).exits(0);
    assert_eq!(bot.asks(PROFITS), later);
    bot.starts();
    assert_same(&bot.content(), &later_content);
    // To another place nothing of that is needed, and the live database is not touched.
    bot.run(&["restore", "trading@oldest", "--to", "looked-at.db", "--now", &at(6)]).exits(0);
    assert_eq!(bot.sandbox.ask("looked-at.db", "SELECT count(*) FROM positions"), "601");
    bot.backs_up(7).exits(0);
}

#[test]
fn disaster_one_the_database_is_corrupted() {
    let mut bot = Bot::new();
    for hour in 1..=3 {
        bot.trades(hour);
        bot.backs_up(hour).exits(0);
    }
    let (profits, expected) = (bot.asks(PROFITS), bot.content());
    bot.stops();
    // Every fourth page is overwritten, as by a failing disk.
    let file = fs::OpenOptions::new().write(true).open(bot.sandbox.path(DATABASE)).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    for page in (4..pages).step_by(4) {
        file.write_all_at(&[0xA5; 4096], page * 4096).unwrap();
    }
    drop(file);
    // The next hour does not take it for good, and does not take the good ones away.
    let answer = bot.backs_up(4);
    assert!([1, 4].contains(&answer.exit), "{answer}");
    let proven = bot.listed().iter().filter(|backup| backup["proven"] == true).count();
    assert_eq!(proven, 3);
    bot.run(&["restore", "trading", "--yes", "--now", &at(4)]).exits(0);
    assert_eq!((bot.asks("PRAGMA integrity_check"), bot.asks(PROFITS)), ("ok".to_owned(), profits));
    bot.starts();
    assert_same(&bot.content(), &expected);
    assert_eq!(bot.aside().len(), 1, "the damaged one is kept: somebody may want to look at it");
    bot.trades(5);
    bot.backs_up(5).exits(0);
}

#[test]
fn disaster_two_a_crash_in_the_middle_of_a_trade() {
    let mut bot = Bot::new();
    bot.trades(1);
    bot.backs_up(1).exits(0);
    let (profits, expected) = (bot.asks(PROFITS), bot.content());
    // Half a trade is written: what it changed lies in the log already, as when the cache is full, and is not committed.
    let connection = bot.connection.as_ref().unwrap();
    connection.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN").unwrap();
    let trade = trade(2);
    let (half, _) = trade.split_at(trade.find("UPDATE positions SET quantity = 0").unwrap());
    let logged = || fs::metadata(bot.sandbox.path("data/trading.db-wal")).unwrap().len();
    let before = logged();
    connection.execute_batch(half).unwrap();
    connection
        .execute_batch(
            "UPDATE account_snapshots SET margin = margin + 1; UPDATE candles SET volume = volume + 1",
        )
        .unwrap();
    assert!(logged() > before, "nothing of the trade is on the disk");
    // The hour's backup, at that very moment, holds whole trades alone.
    bot.backs_up(2).exits(0);
    bot.run(&["restore", "trading", "--to", "hour.db", "--now", &at(2)]).exits(0);
    assert_eq!(bot.sandbox.ask("hour.db", PROFITS), profits);
    // The power fails: what is on the disk is all there is.
    let names = ["trading.db", "trading.db-wal"];
    let disk: Vec<Vec<u8>> =
        names.iter().map(|name| fs::read(bot.sandbox.path("data").join(name)).unwrap()).collect();
    bot.stops();
    for (name, bytes) in names.iter().zip(disk) {
        fs::write(bot.sandbox.path("data").join(name), bytes).unwrap();
    }
    let _ = fs::remove_file(bot.sandbox.path("data/trading.db-shm"));
    // The first to look after it is the next hour's backup; the half trade is in none.
    bot.backs_up(3).exits(0);
    assert_eq!(bot.listed()[0]["proven"], true);
    bot.starts();
    assert_same(&bot.content(), &expected);
    bot.stops();
    bot.run(&["restore", "trading", "--yes", "--now", &at(3)]).exits(0);
    bot.starts();
    assert_same(&bot.content(), &expected);
    bot.trades(4);
    bot.backs_up(4).exits(0);
}

#[test]
fn disaster_three_the_backups_are_deleted() {
    let bot = Bot::new();
    for hour in 1..=4 {
        bot.trades(hour);
        bot.backs_up(hour).exits(0);
    }
    // Some of them, the newest too: they are missed by name, and what is left is as good as it was.
    for stamp in &bot.stamps()[2..] {
        fs::remove_dir_all(bot.series().join(stamp)).unwrap();
    }
    bot.run(&["list"]).exits(0).says("rrr/hourly/trading/2026-01-05T040000Z").says("gone");
    bot.run(&["verify", "--now", &at(5)]).exits(4);
    bot.run(&["restore", "trading", "--to", "left.db", "--now", &at(5)]).exits(0);
    assert_eq!(bot.sandbox.ask("left.db", "SELECT count(*) FROM positions"), "602");
    bot.backs_up(5).exits(0);
    // All of them, the folder too: that is told before anything is written, and somebody has to say that it is so.
    fs::remove_dir_all(bot.sandbox.home().join("Backups")).unwrap();
    bot.backs_up(6).exits(1).says("is not the one last used").says("--new-store local");
    assert!(!bot.sandbox.home().join("Backups").exists());
    bot.run(&["run", "hourly", "--new-store", "local", "--now", &at(6), "-q"]).exits(0);
    bot.backs_up(7).exits(0);
    assert_eq!((bot.stamps().len(), bot.listed().len()), (2, 2));
    bot.run(&["catalog", "rebuild"]).exits(0);
    bot.run(&["verify", "--now", &at(8)]).exits(0);
    bot.run(&["restore", "trading", "--to", "new.db", "--now", &at(8)]).exits(0);
    assert_eq!(bot.sandbox.ask("new.db", PROFITS), bot.asks(PROFITS));
}
