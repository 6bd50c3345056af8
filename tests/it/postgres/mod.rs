//! Sessions with a real server.

macro_rules! cluster {
    () => {
        match Cluster::shared() {
            Some(cluster) => cluster,
            None => return,
        }
    };
}

mod asked;
mod brought_back;
mod candidates;
mod connect;
mod damaged;
mod dumping;
mod ending;
mod ends;
mod killed;
mod loading;
mod passwords;
mod reading;
mod swapping;
mod traps;
mod unreachable;
mod values;
mod whole;

use crate::support::postgres::{Cluster, PASSWORD, ROLE, TELL, encoded, literal, reached, with_watch};
use policy::{
    engines::postgres::{
        access::Access,
        clients::{Programs, Version},
        dump::{self, DumpRequest, Format},
        server::Server,
        session::{Session, SessionError, SessionOptions, StatementError},
    },
    policy::values::{Connection, connection::Secret},
    watch::{Cancel, Stopped, Watch},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// Opens a session with nobody who stops it.
fn try_open(programs: &Programs, url: &str, options: &SessionOptions) -> Result<Session, SessionError> {
    let folder = tempfile::tempdir().unwrap();
    let connection = Connection::parse(url).unwrap();
    let opened = Session::open(
        programs,
        &connection,
        options,
        folder.path(),
        &Watch::new(&Cancel::default(), None, TELL),
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the pass file is gone");
    opened
}

fn open(cluster: &Cluster, url: &str) -> Session {
    try_open(cluster.programs(), url, &SessionOptions::default())
        .unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn refused(cluster: &Cluster, url: &str) -> String {
    match try_open(cluster.programs(), url, &SessionOptions::default()) {
        Err(SessionError::Connect { message }) => message,
        other => panic!("{url}: {other:?}"),
    }
}

/// Asks without anybody who stops it.
trait Ask {
    fn scalar_of(&mut self, sql: &str) -> Option<String>;
    fn first(&mut self, sql: &str, limit: usize) -> (Vec<Vec<Option<String>>>, u64);
    fn refuses(&mut self, sql: &str) -> (String, String);
}

impl Ask for Session {
    fn scalar_of(&mut self, sql: &str) -> Option<String> {
        self.scalar(sql, &Watch::new(&Cancel::default(), None, TELL))
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn first(&mut self, sql: &str, limit: usize) -> (Vec<Vec<Option<String>>>, u64) {
        let rows = self.rows(sql, limit, &Watch::new(&Cancel::default(), None, TELL)).unwrap();
        (rows.rows, rows.count)
    }

    fn refuses(&mut self, sql: &str) -> (String, String) {
        match self.rows(sql, 10, &Watch::new(&Cancel::default(), None, TELL)) {
            Err(SessionError::Server { sqlstate, message }) => (sqlstate, message),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a value that is not NULL")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A session with a table locked in a transaction of its own.
fn locked(cluster: &Cluster, database: &str, table: &str) -> Session {
    let mut session = cluster.session(database);
    with_watch(|w| {
        session.begin_writing(w)?;
        session.execute(&format!("LOCK TABLE {table}"), w)
    })
    .unwrap();
    session
}

fn dumped(cluster: &Cluster, access: &Access, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    let request = (format, &DumpRequest::default());
    with_watch(|w| dump::to_writer(cluster.programs(), access, request, &mut out, w)).unwrap();
    out
}

/// A database whose dump takes a while.
fn big(cluster: &Cluster, name: &str) -> Access {
    let table =
        "CREATE TABLE big AS SELECT n, repeat(md5(n::text), 4) AS t FROM generate_series(1, 200000) n";
    cluster.database(name, &[table])
}

/// Runs one of these tests again, in a process of its own, with variables that would be read by libpq.
fn again(name: &str, variables: &[(&str, &Path)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture"]).envs(variables.iter().copied()).env("POLICY_AGAIN", "1");
    let output = command.output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
