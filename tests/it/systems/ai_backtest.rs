//! The first system: SQLite in write-ahead mode with writers at work, and a folder of scripts; backed up, proven, lost
//! and brought back by its own policy, `policies/ai-backtest.yaml`, as it stands.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up is a failed test")]
#![allow(clippy::print_stdout, reason = "tells what was measured")]

mod data;

use crate::support::{
    Sandbox,
    content::{self, Content},
    until,
};
use rusqlite::Connection;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
    thread,
};

const NIGHT: &str = "2026-01-05T07:00:00Z";
const NEXT_NIGHT: &str = "2026-01-06T07:00:00Z";
const DATABASE: &str = "backend/data/backtesting.db";
/// Where the source of `trading` stands in the policy.
const PLACE: &str = "policies/ai-backtest.yaml:16:13";

/// The project as it lies on its machine: the policy in it, the store outside it.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/ai-backtest.yaml");
    sandbox.write("policies/ai-backtest.yaml", fs::read(policy).unwrap());
    let database = sandbox.path(DATABASE);
    sandbox.write(
        ".env",
        format!("# the server's own\nDATABASE_PATH=\"{}\"\nPOLYGON_API_KEY=secret\n", database.display()),
    );
    data::scripts(&sandbox.path("claude-generated-scripts"));
    sandbox
}

fn rows(connection: &Connection, sql: &str) -> usize {
    let count: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    usize::try_from(count).unwrap()
}

fn tables(connection: &Connection) -> Vec<String> {
    let mut names =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn all_rows(connection: &Connection) -> usize {
    tables(connection)
        .iter()
        .map(|table| rows(connection, &format!("SELECT count(*) FROM \"{table}\"")))
        .sum()
}

/// The folder of the newest backup of a target.
fn newest(sandbox: &Sandbox, target: &str) -> PathBuf {
    let series = sandbox.home().join("Backups/ai-backtest/ai-backtest/nightly").join(target);
    let stamps = sandbox.backups(series.to_str().unwrap());
    series.join(stamps.last().unwrap())
}

fn remove_database(database: &Path) {
    fs::remove_file(database).unwrap();
    for suffix in ["-wal", "-shm"] {
        let beside =
            database.with_file_name(format!("{}{suffix}", database.file_name().unwrap().to_str().unwrap()));
        match fs::remove_file(beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
    }
}

#[test]
fn the_look_alike_is_what_the_notes_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = data::market_data(&folder.path().join("one.db"));
    assert_eq!(tables(&connection).len(), data::TABLES);
    assert_eq!(all_rows(&connection), 175_995);
    let bars =
        |frame| rows(&connection, &format!("SELECT count(*) FROM ohlcv_data WHERE timeframe = '{frame}'"));
    assert_eq!((bars("5min"), bars("1day")), (data::FIVE_MINUTE_BARS, data::DAILY_BARS));
    let tickers = |frame| {
        rows(
            &connection,
            &format!("SELECT count(DISTINCT ticker) FROM ohlcv_data WHERE timeframe = '{frame}'"),
        )
    };
    assert_eq!((tickers("5min"), tickers("1day")), (62, 64));

    data::own_rows(&mut connection);
    assert_eq!(rows(&connection, "SELECT count(*) FROM universe_stocks"), 65);
    let empty: Vec<_> = tables(&connection)
        .into_iter()
        .filter(|table| rows(&connection, &format!("SELECT count(*) FROM \"{table}\"")) == 0)
        .collect();
    assert_eq!(empty, ["options_bars", "options_contracts"], "options are schema only");
    assert_eq!(rows(&connection, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    let size = fs::metadata(folder.path().join("one.db")).unwrap().len();
    println!("{} rows, {size} bytes", all_rows(&connection));
    assert!((38_000_000..48_000_000).contains(&size), "{size} bytes");

    let again = data::database(&folder.path().join("two.db"));
    again.pragma_update(None, "journal_mode", "delete").unwrap();
    connection.pragma_update(None, "journal_mode", "delete").unwrap();
    assert_eq!(content::of_database(&again), content::of_database(&connection), "always the same");
}

/// Trades and notes of agents, each in a transaction with what belongs to it, until told to stop.
fn trade(database: &Path, stop: &AtomicBool, commits: &AtomicI64) {
    let mut connection = Connection::open(database).unwrap();
    connection.busy_timeout(std::time::Duration::from_mins(1)).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let n = commits.load(Ordering::Relaxed);
        let transaction = connection.transaction().unwrap();
        transaction
            .execute(
                "INSERT INTO executed_trades (agent_id, ticker, side, quantity, price, pnl, executed_at) \
                 VALUES (1 + ?1 % 12, 'AMD', 'buy', 1 + ?1 % 7, 180.25, ?1 / 4.0, '2026-01-05 07:00:00')",
                [n],
            )
            .unwrap();
        transaction
            .execute("UPDATE portfolio_state SET cash = cash - 1 WHERE id = 1 + ?1 % 500", [n])
            .unwrap();
        transaction.commit().unwrap();
        commits.store(n + 1, Ordering::Relaxed);
    }
}

#[test]
fn a_night_with_traders_at_work_is_backed_up_proven_lost_and_brought_back() {
    let stale = tempfile::tempdir().unwrap();
    let elsewhere = stale.path().join("empty.db");
    let sandbox = project().variable("DATABASE_PATH", elsewhere.to_str().unwrap());
    let database = sandbox.path(DATABASE);
    drop(data::database(&database));

    sandbox.run(&["check", "--deny", "warnings"]).exits(0).says("1 policy: valid");
    sandbox.run(&["plan"]).exits(0).says("sqlite ${DATABASE_PATH}").hides(database.to_str().unwrap());
    let (stop, commits) = (AtomicBool::new(false), AtomicI64::new(0));
    let run = thread::scope(|scope| {
        scope.spawn(|| trade(&database, &stop, &commits));
        until("a first trade", || commits.load(Ordering::Relaxed) > 0);
        let before = commits.load(Ordering::Relaxed);
        let run = sandbox.run(&["run", "nightly", "--json", "--now", NIGHT]);
        assert!(commits.load(Ordering::Relaxed) > before, "nobody traded while it ran");
        stop.store(true, Ordering::Relaxed);
        run
    });
    let run = run.exits(0).says("`DATABASE_PATH` of an env file wins").says(
        "trading: in no class: app_settings, options_bars, options_contracts, price_alerts, scan_presets, \
         schema_migrations, watchlist_stocks, watchlists",
    );
    let backups = run.json()[0]["backups"].clone();
    for (backup, level) in backups.as_array().unwrap().iter().zip(["integrity", "checks"]) {
        assert_eq!(
            (backup["proven"].as_bool(), backup["level"].as_str()),
            (Some(true), Some(level)),
            "{backup}"
        );
    }
    assert!(!elsewhere.exists(), "a database was made where the stale variable points");
    sandbox.run(&["list", "trading"]).exits(0).says("ai-backtest/nightly/trading/2026-01-05T070000Z");
    sandbox.run(&["verify"]).exits(0);

    // What the backup says, by the stock decoder: a whole state of the database at one moment.
    let backup = newest(&sandbox, "trading");
    let copy = sandbox.path("copy.db");
    content::decode(&backup.join("trading.db.zst"), &copy);
    let expected = content::of_still_file(&copy);
    let manifest = sandbox.manifest(backup.to_str().unwrap());
    let counted: usize = expected["rows executed_trades"].split(' ').next().unwrap().parse().unwrap();
    assert_eq!(manifest["tables"]["executed_trades"]["rows"], counted);
    assert_eq!(manifest["checked_on"], "snapshot", "write-ahead mode is examined while it is captured");
    assert!(counted > 500 && counted <= 500 + usize::try_from(commits.into_inner()).unwrap());

    remove_database(&database);
    sandbox.run(&["restore", "trading", "--yes", "--now", NIGHT]).exits(0).says("restored");
    assert_same(&content::of_still_file(&database), &expected);
}

#[test]
fn what_was_in_the_log_alone_comes_back_with_every_row_and_every_script() {
    let sandbox = project();
    let (database, scripts) = (sandbox.path(DATABASE), sandbox.path("claude-generated-scripts"));
    let writer = data::database(&database);
    // The last trades lie in the log, and stay there: nothing folds them into the file before it is lost.
    writer.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    writer
        .execute_batch("UPDATE conversations SET title = 'später'; DELETE FROM trades WHERE id % 3 = 0;")
        .unwrap();
    let log = database.with_file_name("backtesting.db-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0);
    let expected = content::of_database(&writer);
    let expected_scripts = content::of_folder(&scripts);
    assert!(expected_scripts.len() >= data::SCRIPTS);

    sandbox.run(&["run", "--now", NIGHT]).exits(0);
    // A second night, so that `latest` has something to choose between.
    writer.execute_batch("DELETE FROM executed_trades WHERE id BETWEEN 496 AND 499; VACUUM;").unwrap();
    let expected_next = content::of_database(&writer);
    sandbox.run(&["run", "--now", NEXT_NIGHT]).exits(0);
    drop(writer);
    remove_database(&database);
    fs::remove_dir_all(&scripts).unwrap();

    sandbox.run(&["restore", "trading", "--yes", "--now", NEXT_NIGHT]).exits(0);
    assert_same(&content::of_still_file(&database), &expected_next);
    // Over what is there now, which is kept aside.
    sandbox.run(&["restore", "trading@2026-01-05", "--yes", "--now", NEXT_NIGHT]).exits(0).says("aside-");
    assert_same(&content::of_still_file(&database), &expected);
    sandbox.run(&["restore", "scripts", "--yes", "--now", NEXT_NIGHT]).exits(0);
    assert_eq!(content::of_folder(&scripts), expected_scripts);

    // It is a database that the project goes on with, not only one that compares well.
    let writer = Connection::open(&database).unwrap();
    writer.execute_batch("INSERT INTO watchlists VALUES (3, 'after')").unwrap();
    assert_eq!(rows(&writer, "SELECT count(*) FROM watchlists"), 3);
}

#[track_caller]
fn assert_same(actual: &Content, expected: &Content) {
    content::assert_same(actual, expected);
    assert!(expected.len() > 2 * data::TABLES, "too little was compared");
}

/// Runs the night and demands that the database fails at its place in the policy, and that nothing new lies anywhere.
#[track_caller]
fn refuses(sandbox: &Sandbox, exit: i32, why: &str) {
    let before = sandbox.tree(".");
    let answer = sandbox.run(&["run", "--target", "trading", "--now", NIGHT]);
    answer.exits(exit).says(why).says(PLACE);
    assert_eq!(sandbox.tree("."), before, "{why}: something was made or removed");
    let series = sandbox.home().join("Backups/ai-backtest/ai-backtest/nightly/trading");
    assert_eq!(sandbox.backups(series.to_str().unwrap()), Vec::<String>::new());
}

#[test]
fn a_database_that_is_not_there_or_not_one_fails_at_its_place_and_is_never_made() {
    let sandbox = project();
    refuses(&sandbox, 1, "does not exist");
    sandbox.write(DATABASE, "");
    refuses(&sandbox, 1, "is empty");
    sandbox.write(DATABASE, "no database, whatever its name says\n".repeat(100));
    refuses(&sandbox, 1, "is not a SQLite database");
    fs::remove_file(sandbox.path(DATABASE)).unwrap();
    fs::create_dir(sandbox.path(DATABASE)).unwrap();
    refuses(&sandbox, 1, "is not a SQLite database");
    fs::remove_dir(sandbox.path(DATABASE)).unwrap();
    // The one that a server once made by itself, in the wrong place.
    sandbox.sql(DATABASE, "CREATE TABLE ohlcv_data (id INTEGER PRIMARY KEY)");
    refuses(&sandbox, 1, "the source has 8 KiB, expected at least 20 MiB");
}

#[test]
fn a_path_that_depends_on_where_it_is_run_from_is_refused_before_anything_is_done() {
    let sandbox = project();
    // Both places it could mean hold a database.
    for place in ["backend/data/relative.db", "policies/backend/data/relative.db"] {
        sandbox.sql(place, "CREATE TABLE t (x)");
    }
    sandbox.write(".env", "DATABASE_PATH=backend/data/relative.db\n");
    refuses(&sandbox, 2, "absolute");
    sandbox.write(".env", "DATABASE_PATH=\n");
    refuses(&sandbox, 2, "`DATABASE_PATH` is not set");
    assert!(!sandbox.home().join("Backups").exists(), "a store was made");
}

#[test]
fn a_database_that_is_lost_does_not_keep_the_scripts_from_their_backup() {
    let sandbox = project();
    let answer = sandbox.run(&["run", "--json", "--now", NIGHT]).exits(3);
    let run = &answer.json()[0];
    assert_eq!(run["outcome"], "incomplete");
    assert_eq!(run["backups"][0]["target"], "scripts");
    assert_eq!(run["failures"][0]["target"], "trading");
    // And an emptied folder is no backup of it.
    for entry in fs::read_dir(sandbox.path("claude-generated-scripts")).unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    sandbox.run(&["run", "--target", "scripts", "--now", NEXT_NIGHT]).exits(1).says("expected at least 40");
}
