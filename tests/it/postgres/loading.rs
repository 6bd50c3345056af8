//! Dumps become databases again, or nothing.

use super::*;
use policy::engines::postgres::{
    candidate::{Candidate, CandidateError},
    contents::ContentsError,
    load::{Dump, LoadError, Loaded, load, missing},
    properties::Properties,
    statement::Needs,
};
use std::{
    io::{self, Read},
    num::NonZeroU16,
};

fn properties(cluster: &Cluster, database: &str) -> Properties {
    with_watch(|w| Properties::of(&mut cluster.session(database), w)).unwrap()
}

fn load_it(cluster: &Cluster, dump: Dump<'_>, properties: &Properties) -> Result<Loaded, LoadError> {
    let server = cluster.server();
    with_watch(|w| {
        let candidate = Candidate::create(&server, properties, w).unwrap();
        load(&server, candidate, dump, properties, w)
    })
}

fn discard(loaded: Loaded, server: &Server) {
    with_watch(|w| loaded.candidate.discard(server, w));
}

/// The databases that a failed load left, of a setting that marks the test.
fn marked(cluster: &Cluster, comment: &str) -> usize {
    let query = format!(
        "SELECT 1 FROM pg_database WHERE datname LIKE 'policy\\_restore\\_%' AND datcollate = '{comment}'"
    );
    cluster.psql("postgres", &query).lines().count()
}

fn source(cluster: &Cluster) -> Access {
    cluster.psql("postgres", "CREATE ROLE load_owner LOGIN");
    cluster.psql("postgres", "CREATE ROLE \"role'x\" LOGIN");
    let access = cluster.database(
        "carried",
        &[
            "CREATE TABLE t AS SELECT n, repeat(md5(n::text), 10) t FROM generate_series(1, 5000) n",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "ALTER TABLE t OWNER TO load_owner",
        ],
    );
    for statement in [
        "ALTER DATABASE carried OWNER TO load_owner",
        "ALTER DATABASE carried SET work_mem = '7MB'",
        "ALTER DATABASE carried SET search_path = \"$user\", public, \"a,b\"",
        "ALTER DATABASE carried SET \"my.Param\" = E'it''s\\\\ \\n two'",
        "ALTER DATABASE carried SET default_transaction_read_only = on",
        "ALTER ROLE \"role'x\" IN DATABASE carried SET statement_timeout = '3s'",
        "COMMENT ON DATABASE carried IS E'a ''comment''\\n\\\\'",
        "ALTER DATABASE carried CONNECTION LIMIT 42",
        "REVOKE ALL ON DATABASE carried FROM PUBLIC",
        "GRANT CONNECT ON DATABASE carried TO \"role'x\" WITH GRANT OPTION",
        "GRANT CREATE ON DATABASE carried TO load_owner",
    ] {
        cluster.psql("postgres", statement);
    }
    access
}

#[test]
fn every_format_is_loaded_with_what_was_set_on_the_database() {
    let cluster = cluster!();
    let access = source(cluster);
    let before = properties(cluster, "carried");
    let server = cluster.server();
    let (custom, plain) = (dumped(cluster, &access, Format::Custom), dumped(cluster, &access, Format::Plain));
    let folder = tempfile::tempdir().unwrap();
    let (folder, jobs) = (folder.path().join("d"), NonZeroU16::new(2).unwrap());
    with_watch(|w| dump::to_folder(cluster.programs(), &access, (&folder, jobs, &DumpRequest::default()), w))
        .unwrap();
    for which in 0..3 {
        let (mut custom, mut plain) = (&custom[..], &plain[..]);
        let dump = match which {
            0 => Dump::Custom(&mut custom),
            1 => Dump::Plain(&mut plain),
            _ => Dump::Folder(&folder, jobs),
        };
        let loaded = load_it(cluster, dump, &Properties::from_facts(&before.to_facts())).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let name = loaded.candidate.name();
        // What an application set may be a secret, and is in no manifest.
        let mut carried = before.clone();
        carried.settings.retain(|setting| !setting.is_custom());
        assert_eq!(properties(cluster, name), carried, "{which}");
        let sum = "SELECT count(*)::text || md5(string_agg(t.t || n, '' ORDER BY n)) FROM public.t";
        assert_eq!(cluster.psql(name, sum), cluster.psql("carried", sum));
        assert_eq!(loaded.contents.is_some(), which == 1);
        discard(loaded, &server);
    }
}

#[test]
fn databases_of_other_encodings_and_locales_become_what_they_were() {
    let cluster = cluster!();
    let server = cluster.server();
    for (n, how) in [
        "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
        "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'POSIX'",
        "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de-DE-u-kn-true' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C'",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("locale{n}");
        cluster.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0 {how}"));
        let before = properties(cluster, &name);
        let archive = dumped(cluster, &cluster.access(&name), Format::Custom);
        let loaded = load_it(cluster, Dump::Custom(&mut &archive[..]), &before).unwrap();
        assert_eq!(properties(cluster, loaded.candidate.name()).facts, before.facts);
        discard(loaded, &server);
    }
    let unknown = Properties {
        facts: [("collate".to_owned(), "xx_XX.nothing".to_owned())].into(),
        ..Properties::default()
    };
    let error = with_watch(|w| Candidate::create(&server, &unknown, w)).unwrap_err();
    let is_refused = matches!(&error, CandidateError::Session(SessionError::Server { .. }));
    assert!(is_refused && error.to_string().contains("xx_XX.nothing"), "{error}");
}

#[test]
fn what_cannot_be_loaded_leaves_nothing() {
    let cluster = cluster!();
    // Its locale marks what this test makes.
    let mark = "POSIX";
    let made = Properties {
        facts: [("collate".to_owned(), mark.to_owned()), ("encoding".to_owned(), "SQL_ASCII".to_owned())]
            .into(),
        ..Properties::default()
    };
    let access = cluster.database(
        "loadable",
        &["CREATE TABLE t AS SELECT n, repeat('x', 300) FROM generate_series(1, 9000) n"],
    );
    let (custom, plain) = (dumped(cluster, &access, Format::Custom), dumped(cluster, &access, Format::Plain));
    let half = custom.len() / 2;
    let error = load_it(cluster, Dump::Custom(&mut &custom[..half]), &made).unwrap_err();
    assert!(matches!(error, LoadError::Program(_)), "{error}");
    for cut in [plain.len() / 2, plain.len() - 30, plain.len() - 1] {
        let error = load_it(cluster, Dump::Plain(&mut &plain[..cut]), &made).unwrap_err();
        assert!(matches!(error, LoadError::Contents(ContentsError::Truncated(_))), "{error}");
    }
    let failing = |bytes: &[u8]| io::Cursor::new(bytes[..half].to_vec()).chain(Fails);
    let error = load_it(cluster, Dump::Plain(&mut failing(&plain)), &made).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the dump: the digest is another");
    let error = load_it(cluster, Dump::Custom(&mut failing(&custom)), &made).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the dump: the digest is another");
    let sql_error = String::from_utf8(plain.clone()).unwrap().replace("CREATE TABLE", "CREATE TABEL");
    let error = load_it(cluster, Dump::Plain(&mut sql_error.as_bytes()), &made).unwrap_err();
    assert!(error.to_string().contains("syntax error"), "{error}");
    let cancel = Cancel::default();
    let watch = Watch::new(&cancel, None, &|_| ());
    let server = cluster.server();
    let mut stops = Stops(&custom, &cancel);
    let candidate = Candidate::create(&server, &made, &watch).unwrap();
    let error = load(&server, candidate, Dump::Custom(&mut stops), &made, &watch).unwrap_err();
    assert!(matches!(error, LoadError::Stopped(_)), "{error}");
    assert_eq!(marked(cluster, mark), 0);
}

struct Fails;
impl Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the digest is another"))
    }
}

/// Asks to stop after a first piece.
struct Stops<'a>(&'a [u8], &'a Cancel);
impl Read for Stops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(&mut buffer[..1000])?;
        self.1.cancel();
        thread::sleep(Duration::from_millis(60));
        Ok(count)
    }
}

#[test]
fn commands_smuggled_into_a_plain_dump_are_not_obeyed() {
    let cluster = cluster!();
    let access = cluster.database("smuggled", &["CREATE TABLE t (a text)", "INSERT INTO t VALUES ('a')"]);
    let text = String::from_utf8(dumped(cluster, &access, Format::Plain)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let proof = folder.path().join("pwned");
    let command = format!("\\! touch {}\n", proof.display());
    for at in ["CREATE TABLE", "COPY public.t", "SET client_encoding"] {
        let hostile = text.replacen(at, &format!("{command}{at}"), 1);
        let error = load_it(cluster, Dump::Plain(&mut hostile.as_bytes()), &properties(cluster, "smuggled"))
            .unwrap_err();
        assert!(matches!(error, LoadError::Contents(ContentsError::Foreign(_))), "{error}");
        assert!(!proof.exists());
    }
    let loaded =
        load_it(cluster, Dump::Plain(&mut text.as_bytes()), &properties(cluster, "smuggled")).unwrap();
    discard(loaded, &cluster.server());
}

#[test]
fn what_a_dump_needs_and_the_server_has_not_is_told_before() {
    let cluster = cluster!();
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let mut session = cluster.session("postgres");
    let needs = Needs {
        roles: set(&["admin", "no'body \\ there"]),
        extensions: set(&["plpgsql", "no_such"]),
        tablespaces: set(&["fast"]),
        ..Needs::default()
    };
    let mut told = |needs: &Needs| with_watch(|w| missing(&mut session, needs, w)).unwrap();
    assert_eq!(told(&needs), ["the role no'body \\ there", "the extension no_such", "the tablespace fast"]);
    assert!(told(&Needs::default()).is_empty());
}

#[test]
fn a_dump_with_very_many_large_objects_is_loaded() {
    let cluster = cluster!();
    let access =
        cluster.database("many", &["SELECT count(lo_from_bytea(0, 'x')) FROM generate_series(1, 15000)"]);
    let archive = dumped(cluster, &access, Format::Custom);
    let loaded = load_it(cluster, Dump::Custom(&mut &archive[..]), &properties(cluster, "many")).unwrap();
    let count = cluster.psql(loaded.candidate.name(), "SELECT count(*) FROM pg_largeobject_metadata");
    assert_eq!(count, "15000");
    discard(loaded, &cluster.server());
}
