//! URLs resolved with variables, and what their text alone tells.

use super::*;
use crate::policy::{
    Span,
    model::{PostgresOptions, SecretSource},
    variables::EnvFile,
};

fn template(written: &str) -> Spanned<Template> {
    Spanned::new(Template::parse(written).unwrap(), Span::new(0, written.len()))
}

fn variables() -> Variables {
    let entries = [("DATABASE_URL", "postgresql+psycopg2://trader:s3cret@db:5433/app"), ("HOST", "h")];
    let entries = entries
        .into_iter()
        .enumerate()
        .map(|(n, (name, value))| (name.to_owned(), (value.to_owned(), n + 3)));
    let file = EnvFile { written: "../.env".into(), path: "/srv/.env".into(), entries: entries.collect() };
    let process = [
        ("PW", "p@ss:/%#?&=%41"),
        ("USER", "trader"),
        ("PORT", "5433"),
        ("DB", "a/b"),
        ("MYSQL", "mysql://u:s3cret@h/d"),
        ("BASE", "postgresql://h"),
        ("BROKEN", "postgresql://u:s3cret/x@h/d"),
    ];
    let process = process.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Variables::new(process.collect(), vec![file])
}

fn resolved(written: &str) -> Result<ResolvedUrl, Vec<Problem>> {
    let source = Source { name: "p.yaml".into(), folder: "/srv".into(), text: written.into() };
    connection(&template(written), &source, &variables())
}

#[test]
fn no_default_is_proposed_for_a_secret() {
    let help = |written: &str| resolved(written).unwrap_err()[0].help.clone();
    assert!(help("postgresql://u:p@${NOPE}/d").contains("${NOPE:-default}"));
    for secret in ["postgresql://u:${NOPE}@h/d", "postgresql://h/d?password=${NOPE}"] {
        assert!(!help(secret).contains(":-"), "{}", help(secret));
    }
}

#[test]
fn a_value_that_libpq_does_not_take_is_wrong_where_the_text_or_a_variable_has_it() {
    assert!(wrong(&Template::parse("postgresql://h/d?sslmode=${NOPE}").unwrap()).is_empty());
    let bogus = wrong(&Template::parse("postgresql://h/d?sslmode=bogus").unwrap());
    assert_eq!(bogus[0].at, 25..30);
    assert!(bogus[0].words.help.contains("`verify-full`"), "{bogus:?}");
    assert!(resolved("postgresql://h/d?sslmode=${USER}").is_err());
    assert!(resolved("postgresql://h/d?target_session_attrs=primary&sslmode=").is_ok());
}

#[test]
fn a_variable_that_begins_the_text_is_taken_as_it_is_and_others_add_no_structure() {
    let whole = resolved("${DATABASE_URL}").unwrap();
    assert_eq!(whole.connection.parameter("host"), Some("db"));
    assert_eq!(whole.connection.password().unwrap().expose(), "s3cret");
    assert_eq!(whole.shown, "${DATABASE_URL} = postgresql://db:5433/app (../.env:3)");

    let parts = resolved("postgresql://${USER}:${PW}@${HOST}:${PORT}/${DB}").unwrap();
    assert_eq!(parts.connection.password().unwrap().expose(), "p@ss:/%#?&=%41");
    assert_eq!(parts.connection.user(), Some("trader"));
    assert_eq!(parts.connection.database(), Some("a/b"));
    assert_eq!(
        parts.shown,
        "postgresql://${HOST}:${PORT}/${DB} = postgresql://h:5433/a%2Fb (../.env:4, environment)"
    );

    assert_eq!(
        resolved("${BASE}/${DB}").unwrap().shown,
        "${BASE}/${DB} = postgresql://h/a%2Fb (environment)"
    );
    assert_eq!(resolved("postgresql://${USER}:${PW}@h/d").unwrap().shown, "postgresql://h/d");
    assert_eq!(resolved("postgresql://${NO:-::1}/d").unwrap().connection.parameter("host"), Some("::1"));
}

#[test]
fn what_cannot_be_resolved_is_told_without_any_value() {
    for (written, code, message) in [
        ("postgresql://${NO}/d", Code::VariableUnset, "the variable `NO` is not set here"),
        (
            "${MYSQL}",
            Code::BadUrl,
            "this is the URL of a MySQL database, with the value of `${MYSQL}` (environment)",
        ),
        (
            "${BROKEN}",
            Code::BadUrl,
            "it is not clear where user and password end, with the value of `${BROKEN}` (environment)",
        ),
        (
            "postgresql://h:${PW}/d",
            Code::BadUrl,
            "the port is no number from 1 to 65535, with the value of `${PW}` (environment)",
        ),
    ] {
        let problems = resolved(written).unwrap_err();
        let told: Vec<_> = problems.iter().map(|p| (p.code, p.message.as_str())).collect();
        assert_eq!(told, [(code, message)], "{written}");
        assert!(!format!("{problems:?}").contains("s3cret") && !format!("{problems:?}").contains("p@ss"));
    }
}

#[test]
fn a_password_is_given_once_whatever_the_variables_hold() {
    let spec = PostgresSpec {
        url: template("${DATABASE_URL}"),
        password: Some(SecretSource::Credential(Spanned::new("pg".into(), Span::new(0, 2)))),
        scratch: Some(template("${DB}")),
        options: PostgresOptions::default(),
    };
    let source = Source { name: "p.yaml".into(), folder: "/srv".into(), text: "".into() };
    let problems = of_target(&spec, &source, &variables()).unwrap_err();
    assert_eq!(problems[0].code, Code::TwoSecrets);
    let live = Connection::parse("postgresql://h/app").unwrap();
    let problems = scratch(&spec, &live, &source, &variables()).unwrap_err();
    assert_eq!(problems[0].code, Code::BadScratch);
    let spec = PostgresSpec { scratch: Some(template("app")), ..spec };
    assert!(scratch(&spec, &live, &source, &variables()).is_err());
    let spec = PostgresSpec { scratch: Some(template("app_${USER}")), ..spec };
    assert_eq!(scratch(&spec, &live, &source, &variables()).unwrap().as_deref(), Some("app_trader"));
}

#[test]
fn a_url_as_written_is_shown_without_user_and_password() {
    for (url, shown) in [
        ("${DATABASE_URL}", "${DATABASE_URL}"),
        ("${DATABASE_URL:-postgresql://u:p@h/d}", "${DATABASE_URL}"),
        ("${BASE:-postgresql://h}/d", "${BASE:-postgresql://h}/d"),
        ("postgresql+psycopg2://trader@localhost:5432/app", "postgresql+psycopg2://localhost:5432/app"),
        ("postgresql://${USER}:${PW}@${HOST:-a/b@c}/app", "postgresql://${HOST}/app"),
        ("postgresql:///app?user=me@server&host=/run/pg&sslmode=require", "postgresql:///app?host=/run/pg"),
        ("postgresql://h/app?password=${PW}&port=1&service=s", "postgresql://h/app?port=1&service=s"),
        ("postgresql://h/app?password=${PW}", "postgresql://h/app"),
        ("${BASE}:${PW}@h/d", "h/d"),
        ("${SCHEME}://${USER}@h", "${SCHEME}://h"),
    ] {
        assert_eq!(written(&template(url)), shown, "{url}");
    }
}

#[test]
fn the_text_alone_tells_where_a_url_is_wrong() {
    let told = |url: &str| {
        let wrong = wrong(&template(url));
        wrong.into_iter().map(|wrong| (wrong.code, url[wrong.at].to_owned())).collect::<Vec<_>>()
    };
    for url in [
        "${DATABASE_URL}",
        "${BASE}/app",
        "${BASE}]:x",
        "postgresql://${USER}:${PW}@${HOST}:${PORT}/${DB}?sslmode=${MODE}&password=${PW}",
        "postgresql://u:${PW:-}@h",
        "postgresql://u:x${PW}@h",
        "postgresql://${H:-h}:${PORT:-5432}/app",
        "postgresql://",
    ] {
        assert_eq!(told(url), [], "{url}");
    }
    for (url, code, at) in [
        ("mysql://u@h/d", Code::BadUrl, "mysql"),
        ("postgresql://u:hunter2@h/d", Code::LiteralSecret, "hunter2"),
        ("postgresql://${U}:hunter2@${H}/d", Code::LiteralSecret, "hunter2"),
        ("postgresql://u:${PW:-hunter2}@h/d", Code::LiteralSecret, "hunter2"),
        ("postgresql://u:${PW:-hunter/2}@h/d", Code::LiteralSecret, "${PW:-hunter/2}"),
        ("${URL:-postgresql://u:hunter2@h/d}", Code::LiteralSecret, "hunter2"),
        ("${SCHEME}://u:hunter2@h/d", Code::LiteralSecret, "hunter2"),
        ("${BASE}:hunter2@h/d", Code::LiteralSecret, "hunter2"),
        ("postgresql://h/d?pass%77ord=hunter2", Code::LiteralSecret, "hunter2"),
        ("postgresql://u:hun@ter2@h/d", Code::BadUrl, "u:hun@ter2@h"),
        ("postgresql://h:port/d", Code::BadUrl, "port"),
        ("postgresql://${H}:x${P}/d", Code::BadUrl, "x${P}"),
        ("postgresql://h/%zz", Code::BadUrl, "%zz"),
        ("postgresql://h/d?x", Code::BadUrl, "x"),
        ("postgresql://h/d?${X}", Code::BadUrl, "${X}"),
        ("h/d", Code::BadUrl, "h/d"),
    ] {
        assert_eq!(told(url), [(code, at.to_owned())], "{url}");
    }
    let outline = Outline::new(&template("postgresql://${H}/d?${X}=1&jdbc=1"));
    let names = Connection::parse(&outline.text).unwrap();
    assert_eq!(names.dropped(), ["1", "jdbc"]);
    assert_eq!((outline.option("1"), outline.option("jdbc")), (None, Some(27..33)));
}
