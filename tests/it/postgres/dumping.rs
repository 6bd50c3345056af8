//! Dumps are taken whole, and what is not whole is an error.

use super::*;
use policy::{
    engines::postgres::{contents, dump::exact, statement::Relation},
    exec::program::ProgramError,
};
use std::{
    io::{self, Write},
    num::NonZeroU16,
};

/// Runs something once the first bytes have come, and fails if told to.
struct Then<F: FnMut() -> io::Result<()>>(bool, F);

impl<F: FnMut() -> io::Result<()>> Write for Then<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !std::mem::replace(&mut self.0, true) {
            (self.1)()?;
            thread::sleep(Duration::from_millis(200));
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn dump_to(
    cluster: &Cluster,
    access: &Access,
    out: &mut dyn Write,
    watch: &Watch<'_>,
) -> Result<(), ProgramError> {
    let request = (Format::Custom, &DumpRequest::default());
    dump::to_writer(cluster.programs(), access, request, out, watch).map(drop)
}

fn end_backend(cluster: &Cluster, database: &str) {
    let of = format!("FROM pg_stat_activity WHERE datname = '{database}'");
    let ended = format!("SELECT pg_terminate_backend(pid) {of}");
    cluster.psql("postgres", &ended);
}

fn dumps_running(cluster: &Cluster, database: &str) -> usize {
    let query = format!("SELECT pid FROM pg_stat_activity WHERE datname = '{database}'");
    cluster.psql("postgres", &query).lines().count()
}

#[test]
fn a_backend_that_ends_in_the_middle_is_an_error_with_the_servers_words() {
    let cluster = cluster!();
    let access = big(cluster, "mid1");
    let mut out = Then(false, || {
        end_backend(cluster, "mid1");
        Ok(())
    });
    let error = with_watch(|w| dump_to(cluster, &access, &mut out, w)).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("`pg_dump` ended with exit status: 1: pg_dump: error:"), "{text}");
    // Which of the two, is a matter of what the server's buffers still took.
    let words =
        ["terminating connection due to administrator command", "server closed the connection unexpectedly"];
    assert!(words.iter().any(|words| text.contains(words)), "{text}");
}

#[test]
fn a_pg_dump_that_is_killed_is_an_error() {
    let cluster = cluster!();
    let access = big(cluster, "mid2");
    let mut out = Then(false, || {
        // Its own pid is not the backend's; found by its arguments' database in the environment.
        let pids = Command::new("pgrep").args(["-x", "pg_dump"]).output()?.stdout;
        for pid in String::from_utf8_lossy(&pids).lines() {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            if environment.windows(16).any(|w| w == b"PGDATABASE=mid2\0") {
                Command::new("kill").args(["-9", pid]).status()?;
            }
        }
        Ok(())
    });
    let error = with_watch(|w| dump_to(cluster, &access, &mut out, w)).unwrap_err();
    assert!(error.to_string().starts_with("`pg_dump` ended with signal: 9"), "{error}");
}

#[test]
fn a_writer_that_fails_is_told_and_not_the_broken_pipe() {
    let cluster = cluster!();
    let access = big(cluster, "mid3");
    let mut out = Then(false, || Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full")));
    let error = with_watch(|w| dump_to(cluster, &access, &mut out, w)).unwrap_err();
    assert!(matches!(&error, ProgramError::Out { .. }), "{error}");
    assert_eq!(error.to_string(), "cannot write the output of `pg_dump`: the disk is full");
}

#[test]
fn a_dump_that_waits_for_a_lock_gives_up_and_can_be_stopped() {
    let cluster = cluster!();
    let access = cluster.database("locked", &["CREATE TABLE t (a int)"]);
    let _other = locked(cluster, "locked", "t");
    let request = DumpRequest { lock_wait: Some(Duration::from_millis(300)), ..DumpRequest::default() };
    let programs = cluster.programs();
    let mut out = Vec::new();
    let error = with_watch(|w| dump::to_writer(programs, &access, (Format::Plain, &request), &mut out, w));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("canceling statement due to statement timeout"), "{error}");

    let cancel = Cancel::default();
    let since = Instant::now();
    let error = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            cancel.cancel();
        });
        let watch = Watch::new(&cancel, None, &|_| ());
        dump_to(cluster, &access, &mut Vec::new(), &watch).unwrap_err()
    });
    assert!(matches!(error, ProgramError::Stopped(Stopped::Cancelled)), "{error}");
    while dumps_running(cluster, "locked") > 1 {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "the session with the lock is not the only one left"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn plain_dumps_of_the_same_content_are_the_same_bytes() {
    let cluster = cluster!();
    let access = cluster.database("same", &["CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (2)"]);
    let programs = cluster.programs();
    if !with_watch(|w| dump::knows_restrict_key(programs.pg_dump(), w)).unwrap() {
        return; // older than August 2025
    }
    let dump = |restrict_key| {
        let mut out = Vec::new();
        let request = DumpRequest { restrict_key, ..DumpRequest::default() };
        with_watch(|w| dump::to_writer(programs, &access, (Format::Plain, &request), &mut out, w)).unwrap();
        out
    };
    assert_eq!(dump(Some("abc123")), dump(Some("abc123")));
    assert_ne!(dump(None), dump(None));
}

#[test]
fn tables_are_left_out_by_exact_names_and_a_snapshot_is_kept_to() {
    let cluster = cluster!();
    let weird = Relation { schema: "A.b*".to_owned(), name: "we\"ird?$ [a]".to_owned() };
    let access = cluster.database(
        "some",
        &[
            r#"CREATE SCHEMA "A.b*""#,
            r#"CREATE TABLE "A.b*"."we""ird?$ [a]" (a int)"#,
            r#"CREATE TABLE "A.b*"."we""irdx$ [a]" (a int)"#,
            r#"INSERT INTO "A.b*"."we""ird?$ [a]" VALUES (1)"#,
            r#"INSERT INTO "A.b*"."we""irdx$ [a]" VALUES (1)"#,
        ],
    );
    let mut other = cluster.session("some");
    let snapshot = with_watch(|w| other.begin(None, w).and_then(|()| other.export_snapshot(w))).unwrap();
    cluster.psql("some", r#"INSERT INTO "A.b*"."we""irdx$ [a]" VALUES (2)"#);
    let exclude = [exact(&weird)];
    let request =
        DumpRequest { snapshot: Some(&snapshot), exclude_table_data: &exclude, ..DumpRequest::default() };
    let programs = cluster.programs();
    let mut out = Vec::new();
    with_watch(|w| dump::to_writer(programs, &access, (Format::Plain, &request), &mut out, w)).unwrap();
    let contents = with_watch(|w| contents::of_plain(&mut &out[..], w)).unwrap();
    let rows: Vec<_> = contents.rows.iter().map(|(table, rows)| (table.to_string(), *rows)).collect();
    assert_eq!(rows, [("A.b*.we\"irdx$ [a]".to_owned(), 1)]);

    let folder = tempfile::tempdir().unwrap();
    let (folder, jobs) = (folder.path().join("dump"), NonZeroU16::new(2).unwrap());
    with_watch(|w| dump::to_folder(programs, &access, (&folder, jobs, &request), w)).unwrap();
    let other = with_watch(|w| contents::of_folder(programs, &folder, w)).unwrap();
    assert_eq!(other.rows, contents.rows);
}

#[test]
fn globals_come_without_passwords_where_these_may_not_be_read() {
    let cluster = cluster!();
    let programs = cluster.programs();
    let knows = with_watch(|w| dump::knows_restrict_key(programs.pg_dumpall(), w)).unwrap();
    let key = Some("k").filter(|_| knows);
    cluster.psql("postgres", "CREATE ROLE with_password LOGIN PASSWORD 'geheim'");
    let all = with_watch(|w| dump::globals(programs, &cluster.access("postgres"), key, w)).unwrap();
    let read = with_watch(|w| contents::of_plain(&mut &all.text[..], w)).unwrap();
    assert!(read.rows.is_empty());
    for end in all.text.len() - 300..all.text.len() {
        with_watch(|w| contents::of_plain(&mut &all.text[..end], w)).unwrap_err();
    }
    let text = String::from_utf8(all.text).unwrap();
    assert!(all.has_passwords && text.contains("SCRAM-SHA-256$"), "{text}");
    let server = cluster.server_by(&cluster.url("postgres"));
    let plain = server.access("postgres").unwrap();
    let some = with_watch(|w| dump::globals(programs, &plain, None, w)).unwrap();
    let text = String::from_utf8(some.text).unwrap();
    assert!(!some.has_passwords && text.contains("CREATE ROLE with_password"), "{text}");
    assert!(!text.contains("SCRAM"), "{text}");
}
