//! What an examination shows.

use super::*;
use rstest::rstest;

#[test]
fn a_check_cannot_write() {
    let mut place = Place::new();
    drop(place.make("PRAGMA journal_mode = WAL; CREATE TABLE t (n); INSERT INTO t VALUES (1)"));
    let other = place.path("other.db");
    let attach = format!("ATTACH '{}' AS other", other.display());
    for sql in [
        "INSERT INTO t VALUES (2)",
        "INSERT INTO t VALUES (2) RETURNING n",
        "DELETE FROM t RETURNING n",
        "UPDATE sqlite_dbpage SET data = zeroblob(4096) WHERE pgno = 1",
        "PRAGMA writable_schema = ON",
        "PRAGMA user_version = 7",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode",
        "PRAGMA wal_checkpoint",
        "CREATE TEMP TABLE x (n)",
        "SELECT 1; DROP TABLE t",
        "SELECT load_extension('x')",
        "VACUUM INTO '/nonexistent/x.db'",
        "COMMIT",
        "",
        &attach,
    ] {
        place.checks = vec![check("bad", sql, Expectation::NotEmpty)];
        let (capture, _) = place.capture().unwrap();
        let result = &capture.evidence.checks[0];
        assert!(!result.passed && result.actual.is_some(), "{sql}: {result:?}");
        assert_eq!(capture.evidence.level(), Level::Integrity, "{sql}");
    }
    assert!(!other.exists());
    let live = Connection::open(place.live()).unwrap();
    assert_eq!(one::<i64>(&live, "SELECT count(*) FROM t"), 1);
    assert_eq!(one::<i64>(&live, "PRAGMA user_version"), 0);
}

#[rstest]
#[case("SELECT count(*) FROM t")]
#[case("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT max(i) FROM n")]
#[case("PRAGMA user_version")]
#[case("SELECT count(*) FROM pragma_table_info('t')")]
#[case("SELECT json_extract('{\"a\": 5}', '$.a')")]
#[case("SELECT count(*) FROM notes WHERE notes MATCH 'word'")]
#[case("SELECT n FROM t; -- the end")]
fn a_check_can_read_everything(#[case] sql: &str) {
    let mut place = Place::new();
    drop(place.make("CREATE TABLE t (n); INSERT INTO t VALUES (1); CREATE VIRTUAL TABLE notes USING fts5(body); INSERT INTO notes VALUES ('a word')"));
    place.checks = vec![check("good", sql, Expectation::NotEmpty)];
    let evidence = place.capture().unwrap().0.evidence;
    assert_eq!(evidence.failures(), Vec::<String>::new());
}

#[test]
fn a_check_whose_query_fails_is_a_failed_check() {
    let mut place = Place::new();
    drop(place.make("CREATE TABLE t (n)"));
    let rows = Query::Rows("no\"such".to_owned());
    place.checks = vec![Check { query: rows, ..check("rows", "", Expectation::AtLeast(1.0)) }];
    let result = place.capture().unwrap().0.evidence.checks.remove(0);
    assert!(!result.passed);
    assert!(result.actual.unwrap().contains("no such table"));
}

#[test]
fn an_unknown_collation_is_unverifiable_not_damaged() {
    for mode in ["WAL", "DELETE"] {
        let place = Place::new();
        let connection = place
            .make(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (n TEXT); CREATE INDEX i ON t (n)"));
        connection
            .execute_batch(
                "INSERT INTO t VALUES ('a'), ('b'); PRAGMA writable_schema = ON; \
                 UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t (n COLLATE klingon)' WHERE name = 'i'",
            )
            .unwrap();
        drop(connection);
        let (capture, bytes) = place.capture().unwrap();
        assert!(
            matches!(&capture.evidence.integrity, Integrity::Unverifiable(why) if why[0].contains("klingon")),
            "{:?}",
            capture.evidence
        );
        assert_eq!(capture.evidence.level(), Level::Checksum);
        assert!(bytes.len() > 8192);
    }
}

#[test]
fn damage_is_found_and_the_content_is_captured_all_the_same() {
    for mode in ["WAL", "DELETE"] {
        let place = Place::new();
        drop(place.make(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (n, pad); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000) INSERT INTO t SELECT i, randomblob(200) FROM n")));
        let mut bytes = fs::read(place.live()).unwrap();
        bytes[4096 * 20..4096 * 20 + 100].fill(0xff);
        fs::write(place.live(), &bytes).unwrap();
        let (capture, out) = place.capture().unwrap();
        assert!(matches!(capture.evidence.integrity, Integrity::Damaged(_)), "{mode} {:?}", capture.evidence);
        assert_eq!(out.len(), bytes.len());
    }
}

#[test]
fn a_damaged_schema_is_captured_and_called_damaged() {
    for mode in ["WAL", "DELETE"] {
        let place = Place::new();
        drop(place.make(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (n)")));
        let mut bytes = fs::read(place.live()).unwrap();
        bytes[100..4096].fill(0xff);
        fs::write(place.live(), &bytes).unwrap();
        let (capture, out) = place.capture().unwrap();
        assert_eq!(capture.method, "backup");
        assert!(matches!(capture.evidence.integrity, Integrity::Damaged(_)), "{mode} {:?}", capture.evidence);
        assert_eq!(out.len(), bytes.len());
    }
}

#[test]
fn a_row_without_its_parent_is_found() {
    let place = Place::new();
    drop(place.make("PRAGMA foreign_keys = OFF; CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p); INSERT INTO c VALUES (5)"));
    let evidence = place.capture().unwrap().0.evidence;
    assert_eq!(
        evidence.integrity,
        Integrity::Damaged(vec!["row 1 of c refers to a row of p that is not there".to_owned()])
    );
}

#[test]
fn tables_fall_into_classes() {
    let mut place = Place::new();
    drop(place.make("CREATE TABLE agent_a (n); CREATE TABLE ohlcv (n); INSERT INTO ohlcv VALUES (1), (2); CREATE TABLE Extra (n); CREATE VIEW v AS SELECT 1"));
    let classes = |unclassed| {
        Some(Tables {
            irreplaceable: globs(&["agent_*"]),
            recoverable: globs(&["OHLCV"]),
            partial: Vec::new(),
            unclassed,
            ..Tables::default()
        })
    };
    place.tables = classes(OnFail::Warn);
    let evidence = place.capture().unwrap().0.evidence;
    let class = |name: &str| evidence.tables[name].class;
    assert_eq!(
        (class("agent_a"), class("ohlcv"), class("Extra")),
        (TableClass::Irreplaceable, TableClass::Recoverable, TableClass::Unclassed)
    );
    assert_eq!(evidence.tables["ohlcv"].rows, 2);
    assert_eq!(evidence.warnings, ["in no class: Extra"]);
    let names: Vec<_> = evidence.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["rows of Extra", "rows of agent_a"]);
    assert_eq!(evidence.level(), Level::Checks);
    place.tables = classes(OnFail::Fail);
    let evidence = place.capture().unwrap().0.evidence;
    let failing: Vec<_> = evidence.checks.iter().filter(|check| !check.passed).collect();
    assert_eq!((failing[0].name.as_str(), failing[0].actual.as_deref()), ("unclassed tables", Some("Extra")));
    assert_eq!(place.engine().survey(&place.live(), place.tables.as_ref()).unwrap(), evidence.tables);
}

#[test]
fn a_table_that_vanished_leaves_a_backup_unproven_until_it_is_declared_reproducible() {
    let mut place = Place::new();
    let connection = place.make("CREATE TABLE kept (n); CREATE TABLE gone (n)");
    place.tables = Some(Tables { irreplaceable: globs(&["*"]), ..Tables::default() });
    let first = place.capture().unwrap().0.evidence;
    place.previous = Some(Previous { bytes: 1, tables: first.tables, ..Previous::default() });
    connection.execute_batch("DROP TABLE gone").unwrap();
    for level in [Level::Checksum, Level::Integrity, Level::Checks] {
        place.level = level;
        let evidence = place.capture().unwrap().0.evidence;
        let failing: Vec<_> = evidence.checks.iter().filter(|check| !check.passed).collect();
        assert_eq!((failing[0].name.as_str(), failing[0].actual.as_deref()), ("table gone", Some("absent")));
        assert!(!evidence.proves(level));
    }
    place.tables =
        Some(Tables { irreplaceable: globs(&["kept"]), recoverable: globs(&["gone"]), ..Tables::default() });
    assert!(place.capture().unwrap().0.evidence.proves(Level::Checks));
}

#[test]
fn a_stored_backup_is_examined_against_what_was_recorded() {
    let mut place = Place::new();
    let connection =
        place.make("PRAGMA journal_mode = WAL; CREATE TABLE t (n); INSERT INTO t VALUES (1), (2)");
    place.tables = Some(Tables { irreplaceable: globs(&["t"]), ..Tables::default() });
    place.checks = vec![check("sum", "SELECT sum(n), count(*) FROM t", Expectation::SameAsSource)];
    let (capture, bytes) = place.capture().unwrap();
    let answers =
        capture.evidence.checks.iter().filter_map(|check| Some((check.name.clone(), check.actual.clone()?)));
    let recorded = Previous {
        answers: answers.collect(),
        tables: capture.evidence.tables.clone(),
        ..Previous::default()
    };
    place.level = Level::Restore;
    let evidence = place.examine(&bytes, &recorded).unwrap();
    assert_eq!(evidence, capture.evidence);
    assert!(evidence.proves(Level::Restore));
    connection.execute_batch("DELETE FROM t WHERE n = 1").unwrap();
    let (_, other) = place.capture().unwrap();
    let evidence = place.examine(&other, &recorded).unwrap();
    let failing: Vec<_> =
        evidence.checks.iter().map(|check| (check.passed, check.expected.as_str())).collect();
    assert_eq!(failing, [(false, "same_as_source (3, 2)"), (false, "= 2")]);
    connection.execute_batch("DROP TABLE t").unwrap();
    let (_, none) = place.capture().unwrap();
    let evidence = place.examine(&none, &recorded).unwrap();
    assert!(evidence.checks.iter().all(|check| !check.passed));
    assert!(matches!(place.examine(b"junk", &recorded), Err(EngineError::Damaged(_))));
    let cut = place.examine(&bytes[..4096], &recorded).unwrap();
    assert!(matches!(cut.integrity, Integrity::Damaged(_)), "{cut:?}");
}
