//! Transactions, and how sessions end.

use super::*;

#[test]
fn a_query_cannot_become_another_statement() {
    let cluster = cluster!();
    let database = cluster.create_database("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let options = SessionOptions { read_only: true, ..SessionOptions::default() };
    let cancel = Cancel::default();
    let watch = Watch::new(&cancel, None, TELL);
    let mut session = try_open(cluster.programs(), &cluster.url(&database), &options).unwrap();
    session.begin(None, &watch).unwrap();
    for sql in [
        "SELECT 1) TO STDOUT; DROP TABLE t; --",
        "SELECT 1; DROP TABLE t",
        "SELECT 1) TO STDOUT; COMMIT; DROP TABLE t; SELECT (1",
    ] {
        assert!(matches!(session.guarded_rows(sql, 1, &watch), Err(SessionError::Statement(_))), "{sql}");
    }
    for sql in [
        "WITH x AS (DELETE FROM t RETURNING a) SELECT * FROM x",
        "SELECT nextval('s')",
        "DELETE FROM t RETURNING a",
    ] {
        assert!(matches!(session.guarded_rows(sql, 1, &watch), Err(SessionError::Server { .. })), "{sql}");
    }
    session.commit(&watch).unwrap();
    // Outside a transaction as well.
    let error = session.execute("DROP TABLE t", &watch).unwrap_err();
    assert!(matches!(&error, SessionError::Server { sqlstate, .. } if sqlstate == "25006"), "{error:?}");
    assert!(matches!(
        session.execute("COPY t FROM STDIN", &watch),
        Err(SessionError::Statement(StatementError::Copy))
    ));
    assert_eq!(cluster.psql(&database, "SELECT count(*) FROM t"), "1");
}

#[test]
fn a_transaction_goes_on_after_a_guarded_query_failed() {
    let cluster = cluster!();
    let database = cluster.create_database("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let cancel = Cancel::default();
    let watch = Watch::new(&cancel, None, TELL);
    let mut holder = open(cluster, &cluster.url(&database));
    holder.begin(None, &watch).unwrap();
    let snapshot = holder.export_snapshot(&watch).unwrap();
    cluster.psql(&database, "INSERT INTO t VALUES (2)");
    assert!(holder.guarded_rows("SELECT 1/0", 1, &watch).is_err());
    assert_eq!(holder.guarded_rows("SELECT a FROM t", 9, &watch).unwrap().count, 1);
    let mut other = open(cluster, &cluster.url(&database));
    other.begin(Some(&snapshot), &watch).unwrap();
    assert_eq!(other.scalar_of("SELECT count(*) FROM t"), some("1"));
    // Without a guard nothing follows but a rollback.
    assert_eq!(other.refuses("SELECT 1/0").0, "22012");
    assert_eq!(other.refuses("SELECT 1").0, "25P02");
    other.rollback(&watch).unwrap();
    assert_eq!(other.scalar_of("SELECT count(*) FROM t"), some("2"));
    assert!(other.begin(Some("'; DROP TABLE t; --"), &watch).is_err());
    holder.commit(&watch).unwrap();
    holder.execute("CREATE TABLE u (a int)", &watch).unwrap();
    holder.execute("INSERT INTO u SELECT generate_series(1, 10);", &watch).unwrap();
    holder.execute("SELECT E'\\n\\\\' FROM u", &watch).unwrap();
    assert_eq!(holder.scalar_of("SELECT count(*) FROM u"), some("10"));
}

#[test]
fn a_lost_connection_is_told() {
    let Some(cluster) = Cluster::start() else { return };
    let cancel = Cancel::default();
    let watch = Watch::new(&cancel, None, TELL);
    let mut session = open(&cluster, &cluster.url("postgres"));
    let pid = session.scalar_of("SELECT pg_backend_pid()").unwrap();
    cluster.psql("postgres", &format!("SELECT pg_terminate_backend({pid})"));
    let error = session.scalar("SELECT 1", &watch).unwrap_err();
    assert!(
        matches!(&error, SessionError::Lost { message } if message.contains("terminating connection")),
        "{error:?}"
    );
    assert!(matches!(session.scalar("SELECT 1", &watch), Err(SessionError::Lost { .. })));
    // Within a statement.
    let mut session = open(&cluster, &cluster.url("postgres"));
    let killer = thread::scope(|scope| {
        let asked = scope.spawn(|| session.scalar("SELECT pg_sleep(60)", &watch));
        thread::sleep(Duration::from_millis(300));
        cluster.psql(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()",
        );
        asked.join().unwrap()
    });
    assert!(matches!(killer, Err(SessionError::Lost { .. })), "{killer:?}");
    let mut session = open(&cluster, &cluster.url("postgres"));
    cluster.kill();
    thread::sleep(Duration::from_millis(200));
    let pid = session.scalar("SELECT 1", &watch);
    // The server's child may outlive it for a moment.
    assert!(pid.is_ok() || matches!(pid, Err(SessionError::Lost { .. })), "{pid:?}");
    assert!(refused(&cluster, &cluster.url("postgres")).contains("Connection refused"));
}

#[test]
fn a_statement_that_hangs_is_stopped_here_and_on_the_server() {
    let cluster = cluster!();
    let database = cluster.create_database("");
    for (sql, name) in [
        ("SELECT pg_sleep(600)", "silent"),
        ("SELECT repeat('x', 1000) FROM generate_series(1, 1000000000)", "loud"),
        ("SELECT count(*) FROM generate_series(1, 100000000000)", "busy"),
    ] {
        let mut session = open(cluster, &cluster.url(&database));
        let cancel = Cancel::default();
        let since = Instant::now();
        let watch = Watch::new(&cancel, Some(since + Duration::from_millis(300)), TELL);
        let error = session.rows(sql, 1, &watch).unwrap_err();
        assert!(matches!(error, SessionError::Stopped(Stopped::TimedOut)), "{name}: {error:?}");
        let took = since.elapsed();
        assert!(took < Duration::from_millis(1_300), "{name}: {took:?}");
        let asked = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'");
        let gone = (0..40).any(|_| {
            thread::sleep(Duration::from_millis(25));
            cluster.psql("postgres", &asked) == "0"
        });
        assert!(gone, "{name}: {}", cluster.psql("postgres", "SELECT query FROM pg_stat_activity"));
        let watch = Watch::new(&cancel, None, TELL);
        assert!(matches!(session.scalar("SELECT 1", &watch), Err(SessionError::Lost { .. })));
    }
    // A cancelled job, and a server that accepts and says nothing.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgresql://u:p@127.0.0.1:{}/d", deaf.local_addr().unwrap().port());
    let (folder, cancel) = (tempfile::tempdir().unwrap(), Cancel::default());
    let since = Instant::now();
    let watch = Watch::new(&cancel, Some(since + Duration::from_millis(200)), TELL);
    let connection = Connection::parse(&url).unwrap().with_password(Secret::new("kanari"));
    let error =
        Session::open(cluster.programs(), &connection, &SessionOptions::default(), folder.path(), &watch)
            .unwrap_err();
    assert!(
        matches!(error, SessionError::Stopped(Stopped::TimedOut)) && since.elapsed() < Duration::from_secs(1),
        "{error:?}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn timeouts_and_locks_are_errors_of_the_server() {
    let cluster = cluster!();
    let database = cluster.create_database("CREATE TABLE t (a int)");
    let cancel = Cancel::default();
    let watch = Watch::new(&cancel, None, TELL);
    let short = Some(Duration::from_millis(100));
    let options = SessionOptions { lock_timeout: short, ..SessionOptions::default() };
    let mut holder = open(cluster, &cluster.url(&database));
    holder.execute("BEGIN", &watch).unwrap();
    holder.execute("LOCK TABLE t", &watch).unwrap();
    let mut waiting = try_open(cluster.programs(), &cluster.url(&database), &options).unwrap();
    assert_eq!(waiting.refuses("SELECT * FROM t").0, "55P03");
    let options = SessionOptions { statement_timeout: short, ..SessionOptions::default() };
    let mut slow = try_open(cluster.programs(), &cluster.url(&database), &options).unwrap();
    assert_eq!(slow.refuses("SELECT pg_sleep(5)").0, "57014");
    // A long statement, which fills more than a pipe.
    let long = format!("SELECT length('{}')", "x".repeat(3_000_000));
    assert_eq!(holder.scalar_of(&long), some("3000000"));
    drop(holder);
    assert_eq!(waiting.first("SELECT * FROM t", 1).1, 0);
}
