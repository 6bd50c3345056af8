//! The fourth system: one PostgreSQL database, dumped and restored for real every night, as SQL text on Sundays, by its own
//! policy, `policies/aitrapp.yaml`, as it stands.

use crate::support::{
    postgres::{Cluster, PASSWORD, ROLE},
    served::Served,
};
use std::{fs, path::Path};

/// Tables as SQLAlchemy makes them, and always the same rows.
const BOT: &str = "CREATE TYPE side AS ENUM ('BUY', 'SELL');
    CREATE TABLE signals (id serial PRIMARY KEY, symbol varchar(20) NOT NULL, strategy varchar(50), confidence double precision, meta jsonb, created_at timestamp DEFAULT now());
    CREATE TABLE decisions (id serial PRIMARY KEY, signal_id int REFERENCES signals, approved bool, reason text, created_at timestamp);
    CREATE TABLE orders (id serial PRIMARY KEY, decision_id int REFERENCES decisions, symbol varchar(20), side side, quantity int, price numeric(12, 2), status varchar(20), created_at timestamp);
    CREATE TABLE positions (id serial PRIMARY KEY, symbol varchar(20) UNIQUE, quantity int, average numeric(12, 4), is_open bool DEFAULT true);
    CREATE TABLE trades (id serial PRIMARY KEY, order_id int REFERENCES orders, pnl numeric(14, 2), fees numeric(10, 4), closed_at timestamp);
    CREATE TABLE audit_logs (id bigserial PRIMARY KEY, at timestamptz, actor text, action text, details json);
    CREATE INDEX ON audit_logs (at); CREATE VIEW open_positions AS SELECT * FROM positions WHERE is_open;
    INSERT INTO signals (symbol, strategy, confidence, meta, created_at) SELECT 'NIFTY' || n % 9, 'orb', n % 100 / 100.0, jsonb_build_object('n', n), timestamp '2026-01-01' + n * interval '1 minute' FROM generate_series(1, 3000) n;
    INSERT INTO decisions (signal_id, approved, reason, created_at) SELECT n, n % 3 = 0, 'risk ≤ 1%', timestamp '2026-01-01' + n * interval '1 minute' FROM generate_series(1, 3000) n;
    INSERT INTO orders (decision_id, symbol, side, quantity, price, status, created_at) SELECT n * 3, 'NIFTY' || n % 9, CASE n % 2 WHEN 0 THEN 'BUY' ELSE 'SELL' END::side, 50, 100 + n % 77, 'COMPLETE', timestamp '2026-01-01' + n * interval '3 minutes' FROM generate_series(1, 1000) n;
    INSERT INTO positions (symbol, quantity, average) SELECT 'NIFTY' || n, 50 * n, 101.5 FROM generate_series(0, 8) n;
    INSERT INTO trades (order_id, pnl, fees, closed_at) SELECT n, (n % 200) - 90.5, 0.0325, timestamp '2026-01-02' FROM generate_series(1, 900) n;
    INSERT INTO audit_logs (at, actor, action, details) SELECT timestamptz '2026-01-01 00:00+00' + n * interval '10 seconds', 'bot', 'order.placed', json_build_object('n', n) FROM generate_series(1, 9000) n;";

/// The project as it lies on its machine.
fn project(cluster: &Cluster) -> Served<'_> {
    let bot = Served::new(cluster, BOT, ("", "", ""));
    fs::remove_file(bot.path("policy.yaml")).unwrap();
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/aitrapp.yaml");
    // As it stands, but that nobody waits for five minutes between two tries.
    let policy = fs::read_to_string(policy).unwrap();
    bot.write("policies/aitrapp.yaml", policy.replace("delay: 5m", "delay: 0s"));
    let url =
        cluster.url_with(ROLE, PASSWORD, &bot.database).replace("postgresql://", "postgresql+psycopg2://");
    // The bot reads it from there.
    bot.write(".env", format!("DATABASE_URL='{url}'\n"));
    let Served { sandbox, cluster, database } = bot;
    // Nothing but the file says where the database is.
    Served { sandbox: sandbox.variable("DATABASE_URL", ""), cluster, database }
}

fn run(bot: &Served<'_>, arguments: &[&str]) -> crate::support::Answer {
    let mut command = bot.command(arguments);
    command.env_remove("DATABASE_URL");
    bot.finish(command)
}

fn series(bot: &Served<'_>, job: &str) -> String {
    bot.home().join(format!("Backups/aitrapp/aitrapp/{job}/aitrapp")).to_str().unwrap().to_owned()
}

#[test]
fn a_night_is_dumped_restored_for_real_and_comes_back_when_all_is_lost() {
    let Some(cluster) = Cluster::start() else { return };
    let bot = project(&cluster);
    run(&bot, &["check", "--deny", "warnings"]).exits(0);
    let before = bot.content(&bot.database);
    let answer = run(&bot, &["run", "daily", "--now", "2026-01-05T02:00:00Z", "--json"]).exits(0);
    let backup = answer.json()[0]["backups"][0].clone();
    assert_eq!((&backup["proven"], &backup["level"]), (&true.into(), &"restore".into()), "{backup}");
    run(&bot, &["run", "weekly", "--now", "2026-01-04T03:00:00Z"]).exits(0);
    // What its scripts' restore test counted, and the roles beside the dump.
    let (daily, weekly) = (series(&bot, "daily"), series(&bot, "weekly"));
    let manifest = bot.manifest(&format!("{daily}/{}", bot.backups(&daily)[0]));
    for (table, rows) in [("audit_logs", 9000), ("orders", 1000), ("positions", 9)] {
        assert_eq!(manifest["tables"][table]["rows"], rows);
    }
    assert!(bot.tree(&daily).iter().any(|name| name.contains("globals")), "{:?}", bot.tree(&daily));
    assert!(!bot.databases().contains(&"aitrapp_restore_test".to_owned()), "it is dropped after it");
    // The weekly one is text, which stock tools read.
    let text =
        bot.tree(&weekly).into_iter().find(|name| name.ends_with(".sql.zst") && !name.contains("globals"));
    let place = bot.root().join("dump.sql");
    crate::support::content::decode(&Path::new(&weekly).join(text.unwrap()), &place);
    assert!(fs::read_to_string(place).unwrap().contains("COPY public.orders"));
    // The database is lost: a run fails loudly, and it comes back.
    cluster.psql("postgres", &format!("DROP DATABASE {}", bot.database));
    run(&bot, &["run", "daily", "--now", "2026-01-06T02:00:00Z"]).exits(1).says("does not exist");
    run(&bot, &["restore", "daily/aitrapp", "--yes", "--now", "2026-01-06T08:00:00Z"]).exits(0);
    assert!(bot.content(&bot.database) == before);
    // It lost its tables: that is no backup either.
    cluster.psql(&bot.database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION app");
    run(&bot, &["run", "daily", "--now", "2026-01-07T02:00:00Z"]).exits(1).says("min_tables");
    assert_eq!(bot.backups(&daily).len(), 1);
    run(&bot, &["restore", "weekly/aitrapp", "--yes", "--now", "2026-01-07T08:00:00Z"]).exits(0);
    assert!(bot.content(&bot.database) == before);
    // An audit trail that lost entries is told, and what was good before stays the newest proven one.
    bot.live("DELETE FROM audit_logs WHERE id > 8990");
    run(&bot, &["run", "daily", "--now", "2026-01-08T02:00:00Z"]).exits(4).says("audit_logs");
    let listed = run(&bot, &["list", "daily/aitrapp", "--json"]).exits(0).json();
    assert_eq!((&listed[0]["proven"], &listed[1]["proven"]), (&false.into(), &true.into()), "{listed}");
    bot.is_clean("at the end");
}

#[test]
fn seven_days_and_twelve_weeks_are_kept() {
    let Some(cluster) = Cluster::start() else { return };
    let bot = project(&cluster);
    let day = |n: i64| {
        let first = chrono::NaiveDate::from_ymd_opt(2026, 1, 4).unwrap();
        (first + chrono::TimeDelta::days(n)).to_string()
    };
    for n in 0..10 {
        bot.live("INSERT INTO audit_logs (at, actor, action) VALUES (now(), 'bot', 'night')");
        run(&bot, &["run", "daily", "--now", &format!("{}T02:00:00Z", day(n)), "-q"]).exits(0);
    }
    let kept = |job: &str| -> Vec<String> {
        bot.backups(&series(&bot, job)).into_iter().map(|stamp| stamp[..10].to_owned()).collect()
    };
    assert_eq!(kept("daily"), (3..10).map(day).collect::<Vec<_>>());
    for week in 0..14 {
        run(&bot, &["run", "weekly", "--now", &format!("{}T03:00:00Z", day(week * 7)), "-q"]).exits(0);
    }
    assert_eq!(kept("weekly"), (2..14).map(|week| day(week * 7)).collect::<Vec<_>>());
    // A long silence takes nothing away.
    run(&bot, &["run", "daily", "--now", "2026-07-01T02:00:00Z", "-q"]).exits(0);
    assert_eq!(kept("daily").len(), 7);
    run(&bot, &["verify", "--level", "restore", "weekly/aitrapp@latest", "--now", "2026-07-01T09:00:00Z"])
        .exits(0);
}
