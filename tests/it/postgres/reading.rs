//! What a dump holds is read from its text, whatever names and contents look like.

use super::*;
use policy::engines::postgres::{
    contents::{self, Contents, ContentsError, Reader},
    statement::{Relation, as_text},
};

const FAKE: &str = "COPY public.fake (a) FROM stdin;\n1\n2\n\\.\n";

/// A database made to mislead whoever reads its dump, and what it holds.
fn hostile(cluster: &Cluster, database: &str) -> (Access, Vec<(Relation, u64)>) {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let string = |text: &str| match text.strip_prefix("long") {
        Some(_) => "repeat('x', 300000)".to_owned(),
        None => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
    };
    let names = [
        "plain",
        "UPPER",
        "COPY public.x (a) FROM stdin;",
        "two\nlines\nCOPY public.y (a) FROM stdin;",
        "quo\"te'd$$--/*",
        "ünïcödé 表",
        "a.b",
        "\\.",
        "back\\slash",
        "to",
        "from",
        "semi;colon",
    ];
    let values = [
        FAKE.to_owned(),
        "\\.".to_owned(),
        "\\.\n\\.\n".to_owned(),
        "\t\r\n\x08\x0b\x0c\\N\\".to_owned(),
        "-- PostgreSQL database dump complete\n".to_owned(),
        String::new(),
        "'; DROP TABLE x; --".to_owned(),
        "$$ $_$ /* \\! touch /tmp/pwned".to_owned(),
        "long".to_owned(),
    ];
    let in_sql = format!("SELECT $$\n{FAKE}$$::text /* $_$ ' */");
    let in_plpgsql = format!("BEGIN\n-- it's\n/*\n{FAKE}*/\nRETURN '$_X$ $';\nEND");
    let mut script = vec![
        // Several tests make such a database.
        "DO $do$ DECLARE r text; BEGIN \
         FOREACH r IN ARRAY '{\"Owner; OWNER TO x\",grantee,\"in, policy\",default_grantee}'::text[] LOOP \
         BEGIN EXECUTE format('CREATE ROLE %I', r); \
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END; \
         END LOOP; END $do$"
            .to_owned(),
        "CREATE SCHEMA \"Sch\nema\"".to_owned(),
        "CREATE TABLE public.empty (a int)".to_owned(),
        "CREATE TABLE public.no_columns ()".to_owned(),
        "INSERT INTO public.no_columns SELECT".to_owned(),
        "INSERT INTO public.no_columns SELECT".to_owned(),
        "CREATE TABLE public.odd_columns (\"a) FROM stdin; (\" text, \"b\nc\" int[])".to_owned(),
        "INSERT INTO public.odd_columns VALUES ('x', '{1,2}')".to_owned(),
        "CREATE TABLE public.part (a int) PARTITION BY RANGE (a)".to_owned(),
        "CREATE TABLE public.part_1 PARTITION OF public.part FOR VALUES FROM (0) TO (10)".to_owned(),
        "INSERT INTO public.part VALUES (1), (2), (3)".to_owned(),
        format!("COMMENT ON TABLE public.empty IS {}", string(FAKE)),
        format!("CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS {}", string(&in_sql)),
        format!(
            "CREATE FUNCTION public.g(a text DEFAULT {}) RETURNS text LANGUAGE plpgsql AS {}",
            string(FAKE),
            string(&in_plpgsql)
        ),
        "CREATE FUNCTION public.h() RETURNS bigint LANGUAGE sql \
         BEGIN ATOMIC; SELECT 1; SELECT count(*) FROM public.empty; END"
            .to_owned(),
        format!(
            "CREATE VIEW public.v AS SELECT {}::text AS \"COPY x FROM stdin;\", 'a\\'::text AS b",
            string(FAKE)
        ),
        "CREATE RULE r AS ON INSERT TO public.empty DO ALSO (SELECT 1; SELECT 2)".to_owned(),
        "ALTER TABLE public.empty OWNER TO \"Owner; OWNER TO x\"".to_owned(),
        "GRANT SELECT ON public.empty TO grantee WITH GRANT OPTION".to_owned(),
        "GRANT UPDATE (a) ON public.empty TO PUBLIC".to_owned(),
        "CREATE POLICY p ON public.empty TO \"in, policy\", grantee USING (a > 0)".to_owned(),
        "ALTER DEFAULT PRIVILEGES FOR ROLE grantee GRANT SELECT ON TABLES TO default_grantee".to_owned(),
        "SELECT lo_from_bytea(0, decode(repeat('5c2e0a', 20000), 'hex'))".to_owned(),
        "SELECT lo_from_bytea(0, 'a')".to_owned(),
    ];
    let mut expected = vec![
        (Relation { schema: "public".to_owned(), name: "empty".to_owned() }, 0),
        (Relation { schema: "public".to_owned(), name: "no_columns".to_owned() }, 2),
        (Relation { schema: "public".to_owned(), name: "odd_columns".to_owned() }, 1),
        (Relation { schema: "public".to_owned(), name: "part_1".to_owned() }, 3),
    ];
    for (n, name) in names.iter().enumerate() {
        let schema = if n % 2 == 0 { "public" } else { "Sch\nema" };
        let table = format!("{}.{}", quoted(schema), quoted(name));
        script.push(format!("CREATE TABLE {table} (a text, b bytea)"));
        for value in &values[..values.len().min(n)] {
            script.push(format!("INSERT INTO {table} VALUES ({}, NULL), (NULL, '\\x5c2e0a')", string(value)));
        }
        let rows = 2 * values.len().min(n) as u64;
        expected.push((Relation { schema: schema.to_owned(), name: (*name).to_owned() }, rows));
    }
    expected.sort();
    let script: Vec<&str> = script.iter().map(String::as_str).collect();
    (cluster.database(database, &script), expected)
}

fn custom(cluster: &Cluster, mut bytes: &[u8]) -> Result<Contents, ContentsError> {
    with_watch(|w| contents::of_custom(cluster.programs(), &mut bytes, w))
}

fn plain(mut bytes: &[u8]) -> Result<Contents, ContentsError> {
    with_watch(|w| contents::of_plain(&mut bytes, w))
}

fn in_pieces(bytes: &[u8], size: usize) -> (Result<Contents, ContentsError>, Vec<u8>) {
    let mut reader = Reader::default();
    let mut kept = Vec::new();
    for piece in bytes.chunks(size) {
        if let Err(error) = reader.take(piece, |piece| kept.extend_from_slice(piece)) {
            return (Err(error), kept);
        }
    }
    (reader.end(), kept)
}

#[test]
fn hostile_names_and_contents_do_not_mislead_it() {
    let cluster = cluster!();
    let (access, expected) = hostile(cluster, "hos'tile \"db\"");
    let text = dumped(cluster, &access, Format::Plain);
    let found = plain(&text).unwrap();
    assert_eq!(&found.rows.clone().into_iter().collect::<Vec<_>>(), &expected);
    let roles: Vec<&str> = found.needs.roles.iter().map(String::as_str).collect();
    let wanted =
        ["Owner; OWNER TO x", "admin", "default_grantee", "grantee", "in, policy", "pg_database_owner"];
    assert_eq!(roles, wanted.iter().copied().filter(|role| roles.contains(role)).collect::<Vec<_>>());
    for role in ["Owner; OWNER TO x", "default_grantee", "grantee", "in, policy", "admin"] {
        assert!(roles.contains(&role), "{role}");
    }
    assert_eq!(found.needs.large_objects, 2);
    assert_eq!(found.needs.encoding.as_deref(), Some("UTF8"));
    assert!(found.server_version.as_ref().unwrap().starts_with(|c: char| c.is_ascii_digit()));
    assert!(found.dump_version.is_some());
    assert_eq!(custom(cluster, &dumped(cluster, &access, Format::Custom)).unwrap(), found);
    for size in [1, 2, 3, 7, 4096] {
        let (read, kept) = in_pieces(&text, size);
        assert_eq!(read.unwrap(), found, "in pieces of {size}");
        // All but the two commands is passed on.
        let lost = text.len() - kept.len();
        assert!(
            (20..300).contains(&lost) && !as_text(&kept).contains("\\restrict "),
            "{lost} bytes are lost"
        );
    }
}

#[test]
fn a_plain_dump_that_is_cut_anywhere_is_not_whole() {
    let cluster = cluster!();
    let (access, _) = hostile(cluster, "hostile2");
    let text = dumped(cluster, &access, Format::Plain);
    let ends = (0..text.len()).step_by(1000).chain(text.len().saturating_sub(400)..text.len());
    for end in ends {
        let error = plain(&text[..end]).expect_err(&format!("cut at {end} of {}", text.len()));
        assert!(matches!(error, ContentsError::Truncated(_)), "{end}: {error}");
    }
    let without = as_text(&text)
        .lines()
        .filter(|l| !l.starts_with("\\restrict") && !l.starts_with("\\unrestrict"))
        .collect::<Vec<_>>()
        .join("\n");
    plain(without.trim_end().as_bytes()).expect_err("without its last lines");
    let older = format!("{}\n\n", without.trim_end());
    plain(older.as_bytes()).expect("a dump of an older pg_dump");
    for end in older.len() - 100..older.len() {
        plain(&older.as_bytes()[..end]).expect_err("cut");
    }
    let mut more = text.clone();
    more.extend_from_slice(b"SELECT 1;\n\n");
    assert!(matches!(plain(&more), Err(ContentsError::Foreign(_))));
}

#[test]
fn an_archive_that_is_cut_or_changed_is_seen() {
    let cluster = cluster!();
    let access = cluster.database(
        "small",
        &["CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 300) n", "CREATE INDEX ON t (n)"],
    );
    let archive = dumped(cluster, &access, Format::Custom);
    let whole = custom(cluster, &archive).unwrap();
    for end in (0..archive.len()).step_by(1000).chain([archive.len() - 1]) {
        let cut = custom(cluster, &archive[..end]).map(|found| found.rows);
        assert!(cut.is_err(), "cut at {end} of {}: {cut:?}", archive.len());
    }
    let (access, _) = hostile(cluster, "hostile3");
    let hostile = dumped(cluster, &access, Format::Custom);
    for end in (1..40).map(|n| hostile.len() * n / 40) {
        custom(cluster, &hostile[..end]).map(|found| found.rows).expect_err("cut");
    }
    let mut unseen = 0;
    for n in 0..30 {
        let mut changed = archive.clone();
        let at = archive.len() * n / 30;
        changed[at] ^= 1 << (n % 8);
        unseen += usize::from(custom(cluster, &changed).is_ok_and(|found| found.rows == whole.rows));
    }
    // Without compression a changed row is another row: digests see that, and `pg_restore` does not.
    assert!((1..30).contains(&unseen), "{unseen} of 30 changed bits were not seen");
}

#[test]
fn commands_to_psql_and_foreign_copies_are_refused() {
    let frame = |middle: &str| {
        format!(
            "--\n-- PostgreSQL database dump\n--\n\n\\restrict k1\n\n{middle}\n\
             --\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict k1\n\n"
        )
    };
    plain(frame("SELECT 1;\n").as_bytes()).unwrap();
    plain(frame("SELECT '\\! a', $$\n\\! b$$, \"\\! c\" /* \\! /* d */ */; -- \\! e\n").as_bytes()).unwrap();
    for hostile in [
        "\\! touch /tmp/pwned\n",
        "SELECT 1 \\! touch\n",
        "SELECT 1 \\gset\n",
        "\\unrestrict k1\n\\! touch\n",
        "\\unrestrict k1\nSELECT 1;\n",
        "\\restrict k2\n",
        "\\connect other\n",
        "SELECT E'\\'' \\! touch\n;",
        "SET standard_conforming_strings = off;\nSELECT '\\'';\n\\! touch\n",
        "SET standard_conforming_strings = off;\nSELECT '\\'' \\! touch\n;",
        "SELECT 'a\\';\n\\! touch '\n",
        "SELECT $a$ $b$ $a$ \\! touch\n;",
        "SELECT $1$ \\! $1$;\n",
        "SELECT a$$ \\! b$$;\n",
        "COPY public.t (a) FROM stdin;\n1\n\\.\n\\! touch\n",
        "COPY public.t FROM PROGRAM 'touch';\n",
        "COPY public.t (a) TO stdout;\n",
        "COPY public.t (a) FROM stdin; SELECT 1;\n1\n\\.\n",
        "SELECT 1;\0\n",
    ] {
        for size in [1, 5, 10_000] {
            let (read, kept) = in_pieces(frame(hostile).as_bytes(), size);
            assert!(matches!(read, Err(ContentsError::Foreign(_))), "{hostile:?}: {read:?}");
            assert!(!as_text(&kept).contains("! touch") || hostile.contains("touch '\n"), "{hostile:?}");
        }
    }
    assert_eq!(
        plain(frame("\\! touch\n").as_bytes()).unwrap_err().to_string(),
        "this is no dump of a database: it holds the command `\\!` to psql"
    );
    plain(frame("\\restrict k1 \\! touch\n").as_bytes()).unwrap_err();
    let two = "\\restrict k1 \\! touch\n\n-- PostgreSQL database dump complete\n\n";
    assert!(matches!(plain(two.as_bytes()), Err(ContentsError::Foreign(_))));
}

#[test]
fn other_encodings_and_escapes_in_plain_strings_are_read_too() {
    let cluster = cluster!();
    cluster.psql(
        "postgres",
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    cluster.psql("postgres", "ALTER DATABASE latin SET standard_conforming_strings = on");
    cluster.psql("latin", "CREATE TABLE U&\"\\00e4\" (a text); INSERT INTO U&\"\\00e4\" VALUES (U&'\\00e9')");
    cluster.psql("latin", "CREATE VIEW v AS SELECT E'\\\\'::text AS a, E'it''s \\\\''\n\\\\! x'::text AS b");
    let text = dumped(cluster, &cluster.access("latin"), Format::Plain);
    let found = plain(&text).unwrap();
    let rows: Vec<_> = found.rows.iter().map(|(table, rows)| (table.to_string(), *rows)).collect();
    assert_eq!(rows, [("public.\\xe4".to_owned(), 1)]);
    assert_eq!(found.needs.encoding.as_deref(), Some("LATIN1"));
}
