//! What a capture takes.

use super::{parts::Part, *};
use rstest::rstest;

const MONEY: &str = "CREATE TABLE accounts (id INTEGER PRIMARY KEY, amount INTEGER, pad BLOB); \
    CREATE TABLE ledger (id INTEGER PRIMARY KEY, amount INTEGER, pad BLOB); \
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
    INSERT INTO accounts SELECT i, 1000, randomblob(500) FROM n; \
    INSERT INTO ledger SELECT id, 0, randomblob(500) FROM accounts;";

#[test]
fn what_lives_in_the_log_alone_is_captured() {
    let mut place = Place::new();
    let writer = place.make("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (n)");
    writer.execute_batch("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<500) INSERT INTO t SELECT i FROM n").unwrap();
    let main = fs::metadata(place.live()).unwrap().len();
    place.tables = Some(Tables { irreplaceable: globs(&["*"]), ..Tables::default() });
    let (capture, bytes) = place.capture().unwrap();
    assert_eq!(fs::metadata(place.live()).unwrap().len(), main, "the log must not be folded by a capture");
    assert_eq!((capture.method, capture.checked_on), ("dbpage", CheckedOn::Snapshot));
    assert_eq!(capture.evidence.level(), Level::Checks);
    assert_eq!(capture.evidence.checks[0].name, "rows of t");
    assert_eq!(capture.evidence.checks[0].expected, "= 500");
    assert_eq!(capture.facts["journal_mode"], "wal");
    assert_eq!(one::<i64>(&place.restored(&bytes, "restored.db"), "SELECT count(*) FROM t"), 500);
    assert_eq!(&bytes[18..20], [2, 2], "the journal mode is the database's own");
    assert_eq!(
        watched(|watch| place.engine().observe(watch)).unwrap().bytes,
        main + fs::metadata(place.path("app.db-wal")).unwrap().len()
    );
}

#[rstest]
#[case::wal("WAL", false, "dbpage", CheckedOn::Snapshot)]
#[case::wal_fallback("WAL", true, "backup", CheckedOn::Copy)]
#[case::delete("DELETE", false, "dbpage", CheckedOn::Copy)]
#[case::delete_fallback("DELETE", true, "backup", CheckedOn::Copy)]
#[case::truncate("TRUNCATE", false, "dbpage", CheckedOn::Copy)]
#[case::persist("PERSIST", false, "dbpage", CheckedOn::Copy)]
fn a_capture_beside_a_busy_writer_is_one_moment(
    #[case] mode: &str,
    #[case] fallback: bool,
    #[case] method: &str,
    #[case] checked_on: CheckedOn,
) {
    let mut place = Place::new();
    drop(place.make(&format!("PRAGMA journal_mode = {mode}; {MONEY}")));
    let total = "SELECT (SELECT sum(amount) FROM accounts) + (SELECT sum(amount) FROM ledger)";
    place.checks = vec![
        check("money", total, Expectation::Equal(crate::policy::model::Scalar::Number(3_000_000.0))),
        check("moved", "SELECT sum(amount), count(*) FROM ledger", Expectation::SameAsSource),
    ];
    place.tables = Some(Tables { irreplaceable: globs(&["accounts", "ledger"]), ..Tables::default() });
    let engine = if fallback { Sqlite::without_dbpage(place.live()) } else { place.engine() };
    let mut writer = Part::play("writer", &place.live());
    for round in 0..5 {
        let (capture, bytes) = place.capture_with(&engine).unwrap();
        assert_eq!((capture.method, capture.checked_on), (method, checked_on));
        assert_eq!(capture.rungs.len(), usize::from(fallback));
        assert_eq!(capture.evidence.failures(), Vec::<String>::new());
        assert_eq!(capture.evidence.level(), Level::Checks);
        let copy = place.restored(&bytes, &format!("copy{round}.db"));
        assert_eq!(one::<i64>(&copy, total), 3_000_000);
        assert_eq!(one::<String>(&copy, "PRAGMA integrity_check"), "ok");
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = writer.go_on();
    let commits: u32 = said.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(commits > 0, "the writer never came to write");
}

#[test]
fn a_database_in_rollback_mode_is_locked_for_the_copy_alone() {
    let mut place = Place::new();
    drop(place.make(MONEY));
    // Nothing that takes long is asked while writers wait, also not what is to equal the source's.
    let slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000000) SELECT max(i) FROM n";
    place.checks = vec![check("slow", slow, Expectation::SameAsSource)];
    place.tables = Some(Tables { irreplaceable: globs(&["*"]), ..Tables::default() });
    let mut writer = Part::play("writer", &place.live());
    let began = Instant::now();
    let (capture, _) = place.capture().unwrap();
    let whole = began.elapsed();
    let longest: u128 = writer.go_on().split(' ').next().unwrap().parse().unwrap();
    assert!(longest * 4 < whole.as_millis(), "a writer waited {longest} ms of {whole:?}");
    assert!(capture.kept_out.unwrap() * 4 < whole);
    assert_eq!(capture.evidence.level(), Level::Checks);
    let expected = |name: &str| {
        let check = capture.evidence.checks.iter().find(|check| check.name == name).unwrap();
        (check.passed, check.expected.clone(), check.actual.clone())
    };
    assert_eq!(expected("rows of accounts"), (true, "= 3000".to_owned(), Some("3000".to_owned())));
    assert_eq!(expected("slow"), (true, "same_as_source".to_owned(), Some("8000000".to_owned())));
}

#[test]
fn a_copy_that_is_not_what_was_read_of_the_source_stands_for_nothing() {
    let place = Place::new();
    drop(place.make(MONEY));
    let copy = place.path("copy.db");
    let database = super::super::open::Database::live(&place.live()).unwrap();
    database.begin().unwrap();
    let pages = place.engine().pages(&database).unwrap();
    let copied = watched(|watch| super::super::pages::copy(&database, &pages, &copy, watch)).unwrap();
    database.end().unwrap();
    let hand_on = |out: &mut Vec<u8>| {
        watched(|watch| super::super::capture::hand_on(&copy, copied.sum.as_ref(), out, watch))
    };
    let mut out = Vec::new();
    hand_on(&mut out).unwrap();
    assert!(out == fs::read(place.live()).unwrap());
    // One bit, in a row's blob: `integrity_check` and the counts would find nothing.
    let at = out.len() - 2_000;
    out[at] ^= 1;
    fs::write(&copy, &out).unwrap();
    let failed = hand_on(&mut Vec::new()).unwrap_err().to_string();
    assert!(failed.contains("cannot read back") && failed.contains("copy.db"), "{failed}");
}

#[test]
fn a_hot_journal_is_rolled_back_first_and_told() {
    let place = Place::new();
    drop(place.make("CREATE TABLE t (n, pad); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000) INSERT INTO t SELECT i, randomblob(200) FROM n"));
    Part::play("crasher", &place.live()).kill();
    assert!(fs::metadata(place.path("app.db-journal")).unwrap().len() > 0);
    let (capture, bytes) = place.capture().unwrap();
    assert!(capture.evidence.warnings.iter().any(|warning| warning.contains("hot journal")));
    assert_eq!(one::<i64>(&place.restored(&bytes, "restored.db"), "SELECT min(n) FROM t"), 1);
}

#[test]
fn a_locked_database_is_waited_for_until_the_job_s_time_is_over() {
    let place = Place::new();
    drop(place.make("CREATE TABLE t (n)"));
    let _locker = Part::play("locker", &place.live());
    let cancel = Cancel::default();
    let watch = Watch::new(&cancel, Some(Instant::now() + Duration::from_millis(500)), &|_| ());
    let scratch = place.path("scratch");
    let request = CaptureRequest {
        compress: crate::policy::values::Compression::None,
        spec: &crate::engines::testing::spec(),
        caller: &crate::engines::testing::NoCaller,
        level: Level::Checks,
        expect: &place.expect,
        checks: &[],
        tables: None,
        previous: None,
        now: now(),
        scratch: &scratch,
    };
    let result = place.engine().capture(&request, &mut Vec::new(), &watch);
    assert!(matches!(result, Err(EngineError::Stopped(Stopped::TimedOut))), "{result:?}");
}

#[test]
fn a_request_to_stop_stops_a_running_check() {
    let place = Place::new();
    drop(place.make("PRAGMA journal_mode = WAL; CREATE TABLE t (n)"));
    let forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let checks = [check("forever", forever, Expectation::NotEmpty)];
    let cancel = Cancel::default();
    let scratch = place.path("scratch");
    let request = CaptureRequest {
        compress: crate::policy::values::Compression::None,
        spec: &crate::engines::testing::spec(),
        caller: &crate::engines::testing::NoCaller,
        level: Level::Checks,
        expect: &place.expect,
        checks: &checks,
        tables: None,
        previous: None,
        now: now(),
        scratch: &scratch,
    };
    let later = cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        later.cancel();
    });
    let watch = Watch::new(&cancel, None, &|_| ());
    let result = place.engine().capture(&request, &mut Vec::new(), &watch);
    assert!(matches!(result, Err(EngineError::Stopped(Stopped::Cancelled))), "{result:?}");
}

#[test]
fn a_source_that_is_no_database_is_an_error_and_nothing_is_created() {
    let place = Place::new();
    let before = listing(place.folder.path());
    assert!(matches!(place.capture(), Err(EngineError::Missing { .. })));
    assert!(matches!(watched(|watch| place.engine().observe(watch)), Err(EngineError::Missing { .. })));
    assert_eq!(listing(place.folder.path()), before);
    fs::write(place.live(), "").unwrap();
    assert!(matches!(place.capture(), Err(EngineError::Empty { .. })));
    fs::write(place.live(), "x".repeat(4096)).unwrap();
    let before = listing(place.folder.path());
    assert!(matches!(place.capture(), Err(EngineError::Foreign { .. })));
    assert!(matches!(place.engine().survey(&place.live(), None), Err(EngineError::Foreign { .. })));
    assert_eq!(listing(place.folder.path()), before);
    fs::remove_file(place.live()).unwrap();
    fs::create_dir(place.live()).unwrap();
    assert!(matches!(place.capture(), Err(EngineError::Foreign { .. })));
}

#[test]
fn observing_leaves_no_side_file() {
    let place = Place::new();
    drop(place.make("PRAGMA journal_mode = WAL; CREATE TABLE t (n)"));
    let before = listing(place.folder.path());
    let facts = watched(|watch| place.engine().observe(watch)).unwrap();
    assert_eq!((facts.facts["journal_mode"].as_str(), facts.facts["page_size"].as_str()), ("wal", "4096"));
    assert_eq!(listing(place.folder.path()), before);
}

#[test]
fn the_header_is_not_read_beside_a_connection_of_ours() {
    let place = Place::new();
    drop(place.make("PRAGMA journal_mode = WAL; CREATE TABLE t (n)"));
    let database = super::super::open::Database::live(&place.live()).unwrap();
    assert_eq!(super::super::open::Header::read(&place.live()).unwrap(), None);
    drop(database);
    assert!(super::super::open::Header::read(&place.live()).unwrap().is_some());
}

#[rstest]
#[case("PRAGMA page_size = 512; PRAGMA journal_mode = WAL; CREATE TABLE t (n); INSERT INTO t VALUES (1)")]
#[case("PRAGMA page_size = 65536; PRAGMA auto_vacuum = FULL; CREATE TABLE t (n); INSERT INTO t VALUES (1)")]
#[case(
    "PRAGMA auto_vacuum = INCREMENTAL; CREATE TABLE t (n); INSERT INTO t VALUES (1); CREATE TABLE gone (n); DROP TABLE gone"
)]
#[case("CREATE TABLE t (n PRIMARY KEY, twice AS (n * 2) STORED) WITHOUT ROWID; INSERT INTO t VALUES (1)")]
#[case(
    "PRAGMA journal_mode = WAL; CREATE TABLE t (n); INSERT INTO t VALUES (1); CREATE VIRTUAL TABLE notes USING fts5(body); INSERT INTO notes VALUES ('Grüße')"
)]
#[case(
    "PRAGMA encoding = 'UTF-16'; CREATE TABLE t (n); INSERT INTO t VALUES (1); CREATE TABLE \"odd \"\"name\" (n)"
)]
fn databases_of_every_shape_come_back(#[case] sql: &str) {
    for fallback in [false, true] {
        let mut place = Place::new();
        place.tables = Some(Tables { irreplaceable: globs(&["*"]), ..Tables::default() });
        drop(place.make(sql));
        let engine = if fallback { Sqlite::without_dbpage(place.live()) } else { place.engine() };
        let (capture, bytes) = place.capture_with(&engine).unwrap();
        assert_eq!(capture.evidence.integrity, Integrity::Sound, "{sql}");
        assert_eq!(capture.evidence.failures(), Vec::<String>::new());
        assert!(
            capture.evidence.tables.keys().all(|table| !table.starts_with("notes_")),
            "a shadow table is no table"
        );
        let copy = place.restored(&bytes, "restored.db");
        assert_eq!(one::<i64>(&copy, "SELECT count(*) FROM t"), 1);
        assert_eq!(one::<String>(&copy, "PRAGMA integrity_check"), "ok");
    }
}

/// Keeps the length of what is written, and its last bytes.
#[derive(Default)]
struct Tail(usize, Vec<u8>);

impl crate::engines::Outlet for Tail {}

impl std::io::Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        self.1 = bytes[bytes.len().saturating_sub(65_536)..].to_vec();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_page_is_lost_or_shifted_beyond_the_lock_page() {
    use std::io::{Seek, SeekFrom, Write};
    // 65,536 bytes a page: the lock page at 1 GiB is page 16,385. The file is sparse, its last page is marked.
    let place = Place::new();
    drop(place.make("PRAGMA page_size = 65536; PRAGMA journal_mode = WAL; CREATE TABLE t (n)"));
    let mut file = fs::OpenOptions::new().write(true).open(place.live()).unwrap();
    file.seek(SeekFrom::Start(28)).unwrap();
    file.write_all(&16_400_u32.to_be_bytes()).unwrap();
    file.set_len(16_400 * 65_536).unwrap();
    file.seek(SeekFrom::End(-5)).unwrap();
    file.write_all(b"last!").unwrap();
    drop(file);
    let scratch = place.path("scratch");
    let request = CaptureRequest {
        compress: crate::policy::values::Compression::None,
        spec: &crate::engines::testing::spec(),
        caller: &crate::engines::testing::NoCaller,
        level: Level::Checksum,
        expect: &place.expect,
        checks: &[],
        tables: None,
        previous: None,
        now: now(),
        scratch: &scratch,
    };
    for engine in [place.engine(), Sqlite::without_dbpage(place.live())] {
        let mut out = Tail::default();
        watched(|watch| engine.capture(&request, &mut out, watch)).unwrap();
        assert_eq!(out.0, 16_400 * 65_536);
        assert!(out.1.ends_with(b"last!"));
    }
}

#[test]
fn guards_refuse_or_leave_unproven() {
    let mut place = Place::new();
    drop(place.make("PRAGMA journal_mode = WAL; CREATE TABLE t (n)"));
    place.expect.min_tables = Some(Spanned::new(2, Span::default()));
    assert!(matches!(place.capture(), Err(EngineError::Unexpected { guard: "min_tables", .. })));
    place.expect = Expect {
        min_size: Some(Spanned::new(Size::from_bytes(1 << 20), Span::default())),
        ..Expect::default()
    };
    assert!(matches!(place.capture(), Err(EngineError::Unexpected { guard: "min_size", .. })));
    let share = |text| Some(Spanned::new(Percent::parse(text).unwrap(), Span::default()));
    place.expect = Expect { max_drop: share("20%"), max_growth: share("300%"), ..Expect::default() };
    place.level = Level::Integrity;
    assert!(
        place.capture().unwrap().0.evidence.proves(Level::Integrity),
        "without a previous backup both hold"
    );
    for (before, failing) in [(8192, None), (1 << 20, Some("max_drop")), (1024, Some("max_growth"))] {
        place.previous = Some(Previous { bytes: before, ..Previous::default() });
        let evidence = place.capture().unwrap().0.evidence;
        assert_eq!(evidence.checks.first().map(|check| check.name.as_str()), failing);
        assert_eq!(evidence.proves(Level::Integrity), failing.is_none());
    }
}
