//! What queries answer.

use super::*;

#[test]
fn values_come_as_they_are() {
    let cluster = cluster!();
    let mut session = open(cluster, &cluster.url("postgres"));
    assert!(session.server_version_num() >= 90_000);
    let (rows, count) = session.first(
        "SELECT NULL, '', E'a\\tb\\nc\\r\\\\d\\b\\f\\013', 'üß日本🦀', '\\N', true, 1.50, '\\.', \
         E'\\\\.\\n';  -- done;\n/* ; */",
        10,
    );
    let expected = ["", "a\tb\nc\r\\d\u{8}\u{c}\u{b}", "üß日本🦀", "\\N", "t", "1.50", "\\.", "\\.\n"];
    let expected: Vec<_> = std::iter::once(None).chain(expected.map(some)).collect();
    assert_eq!((rows, count), (vec![expected], 1));
    for sql in [
        "VALUES (1), (2)",
        "TABLE pg_database",
        "WITH x AS (SELECT 1) SELECT * FROM x -- c",
        "(SELECT 1)",
        "SELECT 1;;",
    ] {
        assert!(session.first(sql, 10).1 >= 1, "{sql}");
    }
    assert_eq!(session.first("SELECT 1 WHERE false", 10), (vec![], 0));
    assert_eq!(session.first("SELECT FROM generate_series(1, 3)", 10).1, 3);
    assert_eq!(
        session.scalar_of("SELECT timestamptz '2026-01-02 03:04:05+02'"),
        some("2026-01-02 01:04:05+00")
    );
    // As an older psql is asked, which knows no `\warn`.
    let older = Programs::new(cluster.programs().folder().to_owned(), Version::of_server(120_000));
    let mut older = try_open(&older, &cluster.url("postgres"), &SessionOptions::default()).unwrap();
    for _ in 0..20 {
        assert_eq!(older.refuses("SELECT 1/0").0, "22012");
    }
    // What psql would replace, were it to read the text.
    assert_eq!(
        session.scalar_of("SELECT ':ERROR :''USER'' $1 `id`' || 1::text"),
        some(":ERROR :'USER' $1 `id`1")
    );
}

#[test]
fn memory_stays_flat() {
    if std::env::var_os("POLICY_AGAIN").is_none() {
        return again("postgres::values::memory_stays_flat", &[]);
    }
    let cluster = cluster!();
    let mut session = open(cluster, &cluster.url("postgres"));
    let (rows, _) = session.first("SELECT repeat('ü', 2500000), 7", 1);
    let long = rows[0][0].clone().unwrap();
    assert!(long.ends_with("… (5000000 bytes)") && long.len() < (1 << 20) + 40, "{}", long.len());
    assert_eq!(rows[0][1], some("7"));
    let (rows, count) = session.first("SELECT repeat('x', 60000000)", 0);
    assert_eq!((rows.len(), count), (0, 1));
    let before = peak_kib();
    let (rows, count) =
        session.first("SELECT i, md5(i::text), repeat('x', 100) FROM generate_series(1, 1000000) i", 2);
    assert_eq!((rows.len(), count, rows[1][0].clone()), (2, 1_000_000, some("2")));
    assert!(peak_kib() < before + 8_192, "{before} KiB grew to {}", peak_kib());
}

/// The most memory that this process had so far.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[test]
fn no_text_of_a_query_is_a_command_of_psql() {
    let cluster = cluster!();
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let at = mark.display();
    let mut session = open(cluster, &cluster.url("postgres"));
    for sql in [
        format!("SELECT 1 \\! touch {at}"),
        format!("\\! touch {at}"),
        format!("SELECT 1\n\\! touch {at}\n"),
        format!("SELECT 1 \\g {at}"),
        format!("\\copy (SELECT 1) TO '{at}'"),
        format!("SELECT 1 \\gexec\n\\o {at}\n"),
        format!("SELECT 1$abc$ \\! touch {at}"),
    ] {
        let (sqlstate, message) = session.refuses(&sql);
        assert_eq!(sqlstate, "42601", "{sql}: {message}");
        assert!(!mark.exists(), "{sql}");
    }
    assert_eq!(session.scalar_of("SELECT 1"), some("1"));
}

#[test]
fn an_error_is_told_wherever_it_comes() {
    let cluster = cluster!();
    let mut session = open(cluster, &cluster.url("postgres"));
    let (sqlstate, message) = session.refuses("SELECT 1/0");
    assert_eq!((sqlstate.as_str(), message.as_str()), ("22012", "division by zero"));
    assert_eq!(session.refuses("SELEC 1").0, "42601");
    // After its first rows.
    assert_eq!(session.refuses("SELECT 1/(30000-i) FROM generate_series(1, 50000) i").0, "22012");
    assert_eq!(session.scalar_of("SELECT 5"), some("5"));
    assert_eq!(session.refuses("SELECT 1/(3-i) FROM generate_series(1, 5) i").0, "22012");
    assert_eq!(session.refuses("SELECT * FROM nowhere").0, "42P01");
}

#[test]
fn a_database_without_an_encoding_is_read() {
    let cluster = cluster!();
    cluster.psql("postgres", "CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0");
    cluster.psql(
        "bytes",
        "SET client_encoding = SQL_ASCII; CREATE TABLE t AS SELECT convert_from('\\xe4', 'SQL_ASCII') AS a",
    );
    assert_eq!(open(cluster, &cluster.admin_url("bytes")).scalar_of("SELECT a FROM t"), some("\u{fffd}"));
}
