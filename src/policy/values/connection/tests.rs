//! What URLs come to, and what never shows.

use super::*;

fn of(url: &str) -> Connection {
    Connection::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn wrong(url: &str) -> UrlError {
    Connection::parse(url).expect_err(url)
}

fn variables(url: &str) -> Vec<String> {
    of(url).variables().into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

#[test]
fn every_part_is_decoded_and_handed_on_by_its_variable() {
    let url =
        "postgresql://us%20er:p%40ss%3A%2F@db.example:6543/my%20db?sslmode=verify-full&connect_timeout=3";
    let expected = [
        "PGCONNECT_TIMEOUT=3",
        "PGDATABASE=my db",
        "PGHOST=db.example",
        "PGPORT=6543",
        "PGSSLMODE=verify-full",
        "PGUSER=us er",
    ];
    assert_eq!(variables(url), expected);
    assert_eq!(of(url).password().map(Secret::expose), Some("p@ss:/"));
    assert_eq!(of(url).conninfo(None), "dbname='my db'");
    assert_eq!(of(url).shown(), "postgresql://db.example:6543/my db");
    assert_eq!(of("postgresql://user@h").shown(), "postgresql://h/");
}

#[test]
fn the_spellings_of_sqlalchemy_and_others_are_one() {
    for scheme in ["postgres", "postgresql", "postgresql+psycopg2", "postgres+asyncpg", "PostgreSQL"] {
        assert_eq!(of(&format!("{scheme}://u:p@h/d")), of("postgresql://u:p@h/d"), "{scheme}");
    }
    for url in [
        "",
        "h/d",
        "mysql://h/d",
        "postgresql:/h",
        "postgresql+://h",
        "postgresql+a b://h",
        "/var/db",
        "jdbc:postgresql://h",
    ] {
        assert!(matches!(wrong(url), UrlError::Scheme { .. }), "{url}");
    }
}

#[test]
fn hosts_are_names_addresses_sockets_or_several() {
    assert_eq!(variables("postgresql://[::1]:5433/d"), ["PGDATABASE=d", "PGHOST=::1", "PGPORT=5433"]);
    assert_eq!(of("postgresql://[::1]:5433/d").shown(), "postgresql://[::1]:5433/d");
    assert_eq!(
        variables("postgresql://%2Frun%2Fpg:5433/d"),
        ["PGDATABASE=d", "PGHOST=/run/pg", "PGPORT=5433"]
    );
    assert_eq!(variables("postgresql:///d?host=/run/pg"), ["PGDATABASE=d", "PGHOST=/run/pg"]);
    assert_eq!(variables("postgresql://a:1,b:2,c/d"), ["PGDATABASE=d", "PGHOST=a,b,c", "PGPORT=1,2,"]);
    assert_eq!(variables("postgresql://"), Vec::<String>::new());
    assert_eq!(of("postgresql://").conninfo(None), "");
    assert!(matches!(wrong("postgresql://[::1/d"), UrlError::Host { .. }));
    assert!(matches!(wrong("postgresql://[::1]x/d"), UrlError::Host { .. }));
    assert!(matches!(wrong("postgresql://::1/d"), UrlError::Port { .. }));
    for port in ["0", "65536", "+5", "x", "1:2", "-1", "99999999999999999999"] {
        assert!(matches!(wrong(&format!("postgresql://h:{port}/d")), UrlError::Port { .. }), "{port}");
    }
    assert_eq!(wrong("postgresql://h:x1/d"), UrlError::Port { at: 15..17 });
    assert!(matches!(wrong("postgresql:///d?port=1,x"), UrlError::Port { .. }));
    assert_eq!(wrong("postgresql://a,b,c/d?port=1,2"), UrlError::Ports { ports: 2, hosts: 3 });
}

#[test]
fn an_absent_database_is_the_users_name() {
    assert_eq!(of("postgresql://anna@h").database(), Some("anna"));
    assert_eq!(of("postgresql://anna@h/").conninfo(None), "dbname='anna'");
    assert_eq!(of("postgresql:///?user=anna").database(), Some("anna"));
    assert_eq!(of("postgresql://h").database(), None);
    assert_eq!(of("postgresql://anna@h?service=s").database(), None);
}

#[test]
fn options_without_a_variable_go_by_the_conninfo_string() {
    let connection = of("postgresql://h/d?keepalives_idle=30&fallback_application_name=it's%5C");
    assert_eq!(
        connection.conninfo(None),
        r"dbname='d' fallback_application_name='it\'s\\' keepalives_idle='30'"
    );
    assert_eq!(connection.conninfo(Some("x=y")).split(' ').next(), Some("dbname='x=y'"));
}

#[test]
fn with_a_service_what_the_url_says_still_wins() {
    let connection = of("postgresql://u:p@h:1/d?service=prod&sslmode=require&passfile=/p");
    assert_eq!(connection.variables(), BTreeMap::from([("PGSERVICE", "prod".to_owned())]));
    assert_eq!(connection.conninfo(None), "dbname='d' host='h' port='1' sslmode='require' user='u'");
}

#[test]
fn options_of_drivers_are_left_out_and_named() {
    let connection =
        of("postgresql://h/d?pool_size=5&schema=public&pool_size=6&sslmode=require&client_encoding=latin1");
    assert_eq!(connection.dropped(), ["pool_size", "schema", "client_encoding"]);
    assert_eq!(connection.variables().get("PGSSLMODE").map(String::as_str), Some("require"));
    for (option, mode) in
        [("ssl=true", Some("require")), ("ssl=verify-full", Some("verify-full")), ("ssl=what", None)]
    {
        let connection = of(&format!("postgresql://h/d?{option}"));
        assert_eq!(connection.parameter("sslmode"), mode, "{option}");
        assert_eq!(connection.dropped().is_empty(), mode.is_some(), "{option}");
    }
    assert_eq!(of("postgresql://h/d?sslmode=verify-ca&ssl=true").parameter("sslmode"), Some("verify-ca"));
    assert_eq!(of("postgresql://h/d?ssl=true&sslmode=verify-ca").parameter("sslmode"), Some("verify-ca"));
}

#[test]
fn what_is_written_wrong_is_refused_at_its_place() {
    assert_eq!(wrong("postgresql://h/d?sslmode"), UrlError::Option { at: 17..24 });
    assert_eq!(wrong("postgresql://h/d?a=b=c"), UrlError::Option { at: 17..22 });
    assert_eq!(wrong("postgresql://h/%zz"), UrlError::Encoding { part: Part::Database, at: 15..18 });
    assert_eq!(wrong("postgresql://h/%00"), UrlError::Encoding { part: Part::Database, at: 15..18 });
    assert_eq!(wrong("postgresql://h/%ff"), UrlError::Encoding { part: Part::Database, at: 15..18 });
    assert_eq!(wrong("postgresql://u:%4@h"), UrlError::Encoding { part: Part::Credentials, at: 13..17 });
    assert_eq!(wrong("postgresql://h/d?port=1&port=2"), UrlError::Twice { name: "port", at: 24..30 });
    assert!(matches!(wrong("postgresql://h/d?sslpassword=x"), UrlError::Shown { name: "sslpassword", .. }));
    for url in [
        "postgresql://u:a@b@h/d",
        "postgresql://u:a/b@h/d",
        "postgresql://u:1/b?x@h/d",
        "postgresql://u:1?x=y@h/d",
        "postgresql://u:a#b@h",
    ] {
        assert!(matches!(wrong(url), UrlError::Unclear { .. }), "{url}");
    }
    assert_eq!(of("postgresql://h/d?user=me@server").user(), Some("me@server"));
}

#[test]
fn one_place_has_one_key() {
    let same = [
        "postgres://h/d",
        "postgresql://u:p@H:5432/d?sslmode=require",
        "postgresql:///d?host=h",
        "postgresql:///d?host=H&port=05432",
    ];
    for url in same {
        assert_eq!(of(url).key(), "postgresql://h:5432/d", "{url}");
    }
    assert_eq!(of("postgresql://d@h").key(), of("postgresql://e@h/d").key());
    assert_eq!(of("postgresql:///d?host=/run/PG/").key(), of("postgresql://%2Frun%2FPG/d").key());
    assert_eq!(of("postgresql://[0:0::1]/d").key(), of("postgresql://[::1]:5432/d").key());
    assert_eq!(of("postgresql://a,b:5432/d").key(), of("postgresql://a:5432,B/d").key());
    for other in [
        "postgresql://h:5433/d",
        "postgresql://h/D",
        "postgresql://i/d",
        "postgresql:///d",
        "postgresql://h/d?service=s",
    ] {
        assert_ne!(of(other).key(), "postgresql://h:5432/d", "{other}");
    }
}

#[test]
fn a_pass_file_takes_any_password_of_one_line() {
    let line = |password: &str| of("postgresql://h").with_password(Secret::new(password)).pass_line();
    assert_eq!(line(r"a:b\c#ü "), Ok(Some(r"*:*:*:*:a\:b\\c#ü ".to_owned())));
    assert_eq!(line(""), Ok(None));
    for password in ["a\nb", "a\r", "a\0b"] {
        let error = line(password).expect_err("a break");
        assert!(!error.to_string().contains('a') || !error.to_string().contains(password));
    }
}

#[test]
fn messages_hold_no_control_characters() {
    let connection = of("postgresql://u%1b%5b31m@h%0a/d%e2%80%ae?x=1");
    assert_eq!(connection.shown(), "postgresql://h%0A/d%E2%80%AE");
    assert!(!connection.key().contains(char::is_control));
}

/// A small generator, so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

const PIECES: &[&str] = &[
    "postgresql://",
    "postgres+x://",
    "u",
    ":",
    "@",
    "/",
    "?",
    "#",
    "&",
    "=",
    "%",
    "%4",
    "%zz",
    "%00",
    "%ff",
    "%40",
    "[",
    "]",
    ",",
    "::1",
    "5432",
    "0",
    "host",
    "db",
    "user=",
    "password=",
    "sslmode=",
    "service=s",
    "ü",
    "\u{202e}",
    " ",
    "\\",
    "'",
    "\n",
    "\0",
    "+",
    "ssl=true",
];

#[test]
fn no_text_makes_it_panic() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..200_000 {
        let mut url = if dice.roll(4) == 0 { String::new() } else { "postgresql://".to_owned() };
        for _ in 0..dice.roll(12) {
            url.push_str(PIECES[dice.roll(PIECES.len())]);
        }
        match Connection::parse(&url) {
            Ok(connection) => {
                let _ =
                    (connection.shown(), connection.key(), connection.conninfo(None), connection.variables());
                let _ = connection.pass_line();
            }
            Err(error) => {
                let range = error.range().unwrap_or(0..0);
                assert!(url.get(range.clone()).is_some(), "{range:?} of {url:?}");
            }
        }
    }
}

#[test]
fn no_part_of_a_password_shows_however_it_is_written() {
    const CANARY: &str = "kanari";
    let ends = [
        ":", "@", "/", "?", "#", "&", "%", "%zz", "%40", "[", "]", ",", "=", "?x=1&", "1/", "12?", "ü", " ",
        "a",
    ];
    let users = ["u", "", "a%20b"];
    let places = [
        "h",
        "h:1",
        "h/d",
        "[::1]:2/d",
        "a:1,b/d?sslmode=require",
        "h/d?pool=1",
        "",
        "/d",
        "h:x",
        "h/%zz",
        "h?a=b=c",
    ];
    for user in users {
        for (before, behind) in ends.iter().flat_map(|b| ends.iter().map(move |e| (*b, *e))) {
            for place in places {
                let url = format!("postgresql://{user}:{before}{CANARY}{behind}@{place}");
                let said = match Connection::parse(&url) {
                    Ok(connection) => {
                        let handed =
                            (connection.variables(), connection.conninfo(None), connection.dropped());
                        format!("{connection:?} {} {} {handed:?}", connection.shown(), connection.key())
                    }
                    Err(error) => format!("{error} {error:?}"),
                };
                assert!(!said.contains(CANARY), "{url}: {said}");
            }
        }
    }
}
