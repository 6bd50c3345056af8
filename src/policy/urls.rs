//! From the URL of a database as written to the connection on this host, without reaching it.
//!
//! A URL is taken apart with its variables filled in, but a value adds no structure: only the one that begins the text may be
//! a URL itself, or its beginning. Before the values are known, as much of a URL is judged as its text decides.

mod outline;

pub use outline::written;
pub(super) use outline::{Outline, kept, secret_variables};

use super::{
    Source, Spanned,
    model::PostgresSpec,
    paths,
    problem::{Code, Problem},
    values::{
        Template,
        connection::{Connection, Part, UrlError},
        template::{Expanded, Unset},
    },
    variables::Variables,
};
use std::ops::Range;

/// A connection to a database as this host sees it, and how it is spoken of there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedUrl {
    /// The connection.
    pub connection: Connection,
    /// `${DATABASE_URL} = postgresql://localhost:5432/app (../.env:3)`, never with user or password. For messages on the
    /// host only: what travels shows the variables alone.
    pub shown: String,
}

/// Resolves the URL of a target, or tells every reason why it cannot be, at its place in the policy.
///
/// # Errors
/// Those of [`connection`], and a password that the URL holds beside the target's own `password`.
pub fn of_target(
    spec: &PostgresSpec,
    source: &Source,
    variables: &Variables,
) -> Result<ResolvedUrl, Vec<Problem>> {
    let resolved = connection(&spec.url, source, variables)?;
    match &spec.password {
        Some(password) if resolved.connection.password().is_some() => {
            Err(vec![two_passwords().label(spec.url.span, "has one").label(password.span(), "the other")])
        }
        _ => Ok(resolved),
    }
}

/// Two passwords for one database.
pub(super) fn two_passwords() -> Problem {
    let message = "the password is given twice: in the URL and as `password`";
    Problem::error(Code::TwoSecrets, message, "remove one of the two")
}

/// Resolves a URL, or tells every reason why it cannot be, at its place in the policy.
///
/// The value of a variable that begins the text is taken as it is; every other one is percent-encoded first.
///
/// # Errors
/// Variables that are not set, and a text that is no URL of a PostgreSQL database. No problem holds a value.
pub fn connection(
    url: &Spanned<Template>,
    source: &Source,
    variables: &Variables,
) -> Result<ResolvedUrl, Vec<Problem>> {
    let template = &url.value;
    let Expanded { text, used } = template.expand_values(variables, filled).map_err(|unset| {
        let secrets = secret_variables(template);
        let told = |unset: &Unset| {
            let is_secret = secrets.iter().any(|reference| reference.at == unset.at);
            paths::unset_problem(source, url.span, template, (unset, is_secret))
        };
        unset.iter().map(told).collect::<Vec<_>>()
    })?;
    let connection = Connection::parse(&text).map_err(|error| {
        let origins: Vec<String> =
            used.iter().map(|(name, _, origin)| format!("`${{{name}}}` ({origin})")).collect();
        let Words { message, help } = words(&error, &text);
        let (message, place) = match error.range() {
            Some(at) if origins.is_empty() && !at.is_empty() => {
                (message, source.within(url.span, template.as_written(), at))
            }
            _ if origins.is_empty() => (message, url.span),
            _ => (format!("{message}, with the value of {}", origins.join(", ")), url.span),
        };
        vec![Problem::error(Code::BadUrl, message, help).label(place, "")]
    })?;
    let kept = kept(template);
    let is_kept = |at: &Range<usize>| kept.iter().any(|kept| kept.start <= at.start && at.end <= kept.end);
    let names: Vec<&str> = template
        .references()
        .filter(|reference| is_kept(&reference.at))
        .map(|reference| reference.name)
        .collect();
    let mut origins: Vec<String> = Vec::new();
    for (_, _, origin) in used.iter().filter(|(name, ..)| names.contains(&name.as_str())) {
        let origin = origin.to_string();
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    let shown = if origins.is_empty() {
        connection.shown()
    } else {
        format!("{} = {} ({})", written(template), connection.shown(), origins.join(", "))
    };
    Ok(ResolvedUrl { connection, shown })
}

/// The name of the database that restores of a target are tried in; `None` where the policy gives none.
///
/// # Errors
/// Variables that are not set, and a name that cannot be that database's.
pub fn scratch(
    spec: &PostgresSpec,
    connection: &Connection,
    source: &Source,
    variables: &Variables,
) -> Result<Option<String>, Vec<Problem>> {
    let Some(written) = &spec.scratch else { return Ok(None) };
    let Expanded { text, .. } = written.value.expand(variables).map_err(|unset| {
        let told = |unset: &Unset| paths::unset_problem(source, written.span, &written.value, (unset, false));
        unset.iter().map(told).collect::<Vec<_>>()
    })?;
    match bad_scratch(&text, connection.database()) {
        Some(Words { message, help }) => {
            Err(vec![Problem::error(Code::BadScratch, message, help).label(written.span, "")])
        }
        None => Ok(Some(text)),
    }
}

/// Why a name is none of a database that restores can be tried in.
pub(super) fn bad_scratch(name: &str, live: Option<&str>) -> Option<Words> {
    // postgresql.org/docs/current/sql-syntax-lexical.html: NAMEDATALEN-1.
    const LONGEST: usize = 63;
    let help = "write the name of a database that is there for nothing else, such as `app_scratch`";
    let message = if name.trim().is_empty() {
        "the name of a database must not be empty".to_owned()
    } else if name.contains('/') {
        "`scratch` of a PostgreSQL target is the name of a database, and no path".to_owned()
    } else if name.len() > LONGEST {
        format!("the name of a database has at most {LONGEST} bytes, and this has {}", name.len())
    } else if name.contains(char::is_control) {
        "the name of a database has no control characters".to_owned()
    } else if name.starts_with("policy_restore_") {
        "databases that are being restored have such names, and what is left of them is dropped".to_owned()
    } else if matches!(name, "postgres" | "template0" | "template1") {
        "this database belongs to the server, and the one that restores are tried in is dropped".to_owned()
    } else if live == Some(name) {
        "restores would be tried in the live database, and that is dropped then".to_owned()
    } else {
        return None;
    };
    Some(Words { message, help: help.to_owned() })
}

/// What stands in for a variable in a URL.
fn filled(at: usize, value: &str) -> String {
    if at == 0 { value.to_owned() } else { encoded(value) }
}

/// A text in which no byte has a meaning in a URL.
fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// What is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) message: String,
    pub(super) help: String,
}

/// Something that the text alone tells of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The bytes of the text as written.
    pub(super) at: Range<usize>,
    pub(super) code: Code,
    pub(super) words: Words,
}

/// Everything that is wrong with a URL whatever the values of its variables.
pub(super) fn wrong(url: &Template) -> Vec<Wrong> {
    let outline = Outline::new(url);
    let parsed = Connection::parse(&outline.text);
    let mut found = Vec::new();
    // Where the password begins and ends is then not clear.
    if !matches!(parsed, Err(UrlError::Unclear { .. })) {
        found.extend(outline.literal_passwords().into_iter().map(|at| Wrong {
            at,
            code: Code::LiteralSecret,
            words: Words {
                message: "the password stands in the URL for all to read".to_owned(),
                help: "leave it out, and write `password: {file: /run/secrets/pg}` beside `url`; or write `${PGPASSWORD}` \
                       in its place"
                    .to_owned(),
            },
        }));
    }
    if let Err(error) = parsed
        && !outline.is_open
        // What a variable holds is judged when that is known.
        && !matches!(&error, UrlError::Value { at, .. } if outline.has_value(at))
    {
        let at = error.range().filter(|at| !at.is_empty());
        let at = at.map_or(0..url.as_written().len(), |at| outline.written(&at));
        found.push(Wrong { at, code: Code::BadUrl, words: words(&error, &outline.text) });
    }
    found
}

/// Words an error; nothing of the URL is in them but what is known to be a name.
fn words(error: &UrlError, url: &str) -> Words {
    let (message, help) = match error {
        UrlError::Scheme { .. } => return no_scheme(url),
        UrlError::Encoding { part, .. } => {
            let what =
                if *part == Part::Database { "the name of the database" } else { &format!("the {part}") };
            return Words {
                message: format!("{what} is not encoded right"),
                help: "two hexadecimal digits follow each `%`, and give UTF-8 without NUL; write a `%` itself as `%25`"
                    .to_owned(),
            };
        }
        UrlError::Unclear { .. } => (
            "it is not clear where user and password end",
            "write `@`, `/`, `?` and `#` in them as `%40`, `%2F`, `%3F` and `%23`; or leave the password out, and write \
             `password: {file: /run/secrets/pg}` beside `url`",
        ),
        UrlError::Host { .. } => {
            ("the host is not written right", "put an IPv6 address in brackets, as in `[::1]:5432`")
        }
        UrlError::Port { .. } => (
            "the port is no number from 1 to 65535",
            "write it as in `localhost:5432`, or leave it and the colon out: then it is 5432",
        ),
        UrlError::Ports { ports, hosts } => {
            return Words {
                message: format!("{ports} ports cannot be told to {hosts} hosts"),
                help: "give one port for all, or one for each".to_owned(),
            };
        }
        UrlError::Option { .. } => {
            ("an option of the URL is not written right", "write it as `name=value`, with `&` between two")
        }
        UrlError::Twice { name, .. } => {
            return Words {
                message: format!("the option `{name}` stands in the URL twice"),
                help: "remove one of the two".to_owned(),
            };
        }
        UrlError::Value { name, known, .. } => {
            return Words {
                message: format!(
                    "the option `{name}` of the URL has a value that PostgreSQL's programs do not take"
                ),
                help: format!("write {}", either(known)),
            };
        }
        UrlError::Shown { name, .. } => {
            return Words {
                message: format!("PostgreSQL's programs take `{name}` as an argument alone, for all to read"),
                help: "put it into a service file, and name that: `postgresql:///?service=NAME`".to_owned(),
            };
        }
    };
    Words { message: message.to_owned(), help: help.to_owned() }
}

/// `a`, `b` or `c`.
fn either(words: &[&str]) -> String {
    let mut quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    let last = quoted.pop().unwrap_or_default();
    if quoted.is_empty() { last } else { format!("{} or {last}", quoted.join(", ")) }
}

/// What else begins a text that is no URL of PostgreSQL's.
fn no_scheme(url: &str) -> Words {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let dialect = scheme.as_deref().map(|scheme| scheme.split('+').next().unwrap_or_default());
    let (message, help) = match dialect {
        Some("mysql" | "mariadb") => (
            "this is the URL of a MySQL database",
            "dump it by a command: `command: {dump: [mysqldump, app], extension: sql}`",
        ),
        Some("mongodb" | "redis" | "rediss" | "mssql" | "oracle" | "clickhouse" | "cockroachdb") => (
            "this is the URL of another kind of database",
            "dump it by a command, which writes to its standard output: `command: {dump: [redis-cli, --rdb, \"-\"]}`",
        ),
        Some("sqlite" | "duckdb" | "file") => {
            ("this is the URL of a file", "name the file by its path: `sqlite: PATH` or `duckdb: PATH`")
        }
        Some("jdbc:postgresql") => {
            ("this is a URL of Java's", "leave `jdbc:` out: `postgresql://HOST/DATABASE`")
        }
        Some("http" | "https") => (
            "this is no URL of a PostgreSQL database",
            "write where its server listens: `postgresql://HOST:5432/DATABASE`",
        ),
        Some(_) => (
            "this is no URL of a PostgreSQL database",
            "write `postgresql://HOST:5432/DATABASE`; what has another scheme is dumped by a command: `command: {dump: […]}`",
        ),
        None => (
            "this is no URL",
            "write `postgresql://HOST:5432/DATABASE`, or `${DATABASE_URL}` for one that a variable holds",
        ),
    };
    Words { message: message.to_owned(), help: help.to_owned() }
}

#[cfg(test)]
mod tests;
