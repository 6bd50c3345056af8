//! Where a database is, and how it is reached: a connection URL, taken apart.
//!
//! The password is kept apart from all the rest: what is handed on by variables or arguments cannot hold it, and
//! nothing here prints it. Everything else goes by the variables that libpq reads; what has none goes by a conninfo
//! string. With a service all of it does, for libpq lets a service file win over variables, but not over what a URL
//! itself says.

mod keywords;
mod parse;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, net::Ipv6Addr, ops::Range};

/// The port of a server for which none is given.
const PORT: &str = "5432";

/// A connection to one database.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// What is not secret, by libpq's keywords; no value is empty.
    parameters: BTreeMap<&'static str, String>,
    password: Option<Secret>,
    dropped: Vec<String>,
}

/// A text that nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text in its keeping.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a text is no connection URL. No variant holds a part of the text; the ranges are bytes of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It begins otherwise.
    #[error("it is no PostgreSQL URL: one begins with `postgresql://` or `postgres://`")]
    Scheme {
        /// Where.
        at: Range<usize>,
    },
    /// A part holds `%` without two hexadecimal digits, a NUL, or bytes that are no UTF-8.
    #[error(
        "the {part} is not encoded right: `%` is followed by two hexadecimal digits, which together give UTF-8 \
         without NUL; a `%` itself is written as `%25`"
    )]
    Encoding {
        /// Which part.
        part: Part,
        /// Where the whole of it is.
        at: Range<usize>,
    },
    /// Where user and password end is not clear.
    #[error(
        "it is not clear where user and password end: in them `@`, `/`, `?` and `#` are written as `%40`, `%2F`, `%3F` \
         and `%23`, and so is an `@` in the database's name or in an option other than `user`"
    )]
    Unclear {
        /// Where.
        at: Range<usize>,
    },
    /// The brackets around an IPv6 address are not closed, or something else follows them than a port.
    #[error("the host is not written right: an IPv6 address stands in brackets, as `[::1]:5432`")]
    Host {
        /// Where.
        at: Range<usize>,
    },
    /// A port is no number from 1 to 65535.
    #[error("the port is no number from 1 to 65535")]
    Port {
        /// Where.
        at: Range<usize>,
    },
    /// There are several ports, but another number of hosts.
    #[error("{ports} ports cannot be told to {hosts} hosts: give one for all, or one for each")]
    Ports {
        /// How many ports.
        ports: usize,
        /// How many hosts.
        hosts: usize,
    },
    /// An option is not written as `name=value`.
    #[error("an option is not written right: it is `name=value`, with `&` between two")]
    Option {
        /// Where.
        at: Range<usize>,
    },
    /// An option stands there twice.
    #[error("the option `{name}` stands there twice")]
    Twice {
        /// Its name.
        name: &'static str,
        /// Where it does so again.
        at: Range<usize>,
    },
    /// An option has a value that libpq does not take.
    #[error("the option `{name}` is one of {}", known.join(", "))]
    Value {
        /// Its name.
        name: &'static str,
        /// What libpq takes.
        known: &'static [&'static str],
        /// Where the value is.
        at: Range<usize>,
    },
    /// An option is a secret that cannot be handed to PostgreSQL's programs unseen.
    #[error(
        "the option `{name}` is a secret that PostgreSQL's programs take as an argument alone, where every user of the \
         host may read it: put it into a service file"
    )]
    Shown {
        /// Its name.
        name: &'static str,
        /// Where.
        at: Range<usize>,
    },
}

/// A part of a connection URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The user and the password.
    Credentials,
    /// A host.
    Host,
    /// The name of the database.
    Database,
    /// An option.
    Option,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credentials => "user or password",
            Self::Host => "host",
            Self::Database => "database's name",
            Self::Option => "option",
        })
    }
}

impl UrlError {
    /// The bytes of the URL that are wrong, where they can be told. Within them the password may stand.
    pub fn range(&self) -> Option<Range<usize>> {
        match self {
            Self::Scheme { at }
            | Self::Encoding { at, .. }
            | Self::Unclear { at }
            | Self::Host { at }
            | Self::Port { at }
            | Self::Option { at }
            | Self::Twice { at, .. }
            | Self::Value { at, .. }
            | Self::Shown { at, .. } => Some(at.clone()),
            Self::Ports { .. } => None,
        }
    }
}

/// A password that cannot stand in a pass file, which holds one line a password (libpq-pgpass.html).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password holds a line break or a NUL, which no pass file can: give the user another one")]
pub struct Unwritable;

impl Connection {
    /// Takes a URL apart.
    ///
    /// `postgres://` and `postgresql://` are read as libpq reads them, `postgresql+driver://` as well. What only
    /// drivers of other languages know is left out, and named by [`Connection::dropped`].
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        parse::parse(url)
    }

    /// The options of the URL that are not handed on, by name.
    pub fn dropped(&self) -> &[String] {
        &self.dropped
    }

    /// What libpq reads from the environment; never the password.
    pub fn variables(&self) -> BTreeMap<&'static str, String> {
        let handed =
            self.parameters.iter().filter(|(name, _)| **name != "dbname" && !self.is_in_conninfo(name));
        let mut variables: BTreeMap<_, _> = handed
            .filter_map(|(name, value)| Some((keywords::variable(name)?, value.clone())))
            .filter(|(variable, _)| self.password.is_none() || *variable != "PGPASSFILE")
            .collect();
        if !self.has_service()
            && let Some(database) = self.database()
        {
            variables.insert("PGDATABASE", database.to_owned());
        }
        variables
    }

    /// What goes behind `--dbname=`: the database, this one's or another, and what has no variable. It holds no secret.
    /// The programs take a plain name there for a conninfo string when it looks like one; this always is one.
    pub fn conninfo(&self, database: Option<&str>) -> String {
        let database = database.or_else(|| self.database()).map(|database| ("dbname", database));
        let others = self.parameters.iter().filter(|(name, _)| self.is_in_conninfo(name));
        let others = others.map(|(name, value)| (*name, value.as_str()));
        let all = database.into_iter().chain(others);
        all.map(|(name, value)| format!("{name}={}", quoted(value))).collect::<Vec<_>>().join(" ")
    }

    /// The database's name. An absent one is the user's, as libpq has it; `None` where a service file or the name of
    /// the system's user decides.
    pub fn database(&self) -> Option<&str> {
        let given = self.parameter("dbname");
        given.or_else(|| self.user().filter(|_| !self.has_service()))
    }

    /// The user's name; `None` where a service file or the name of the system's user decides.
    pub fn user(&self) -> Option<&str> {
        self.parameter("user")
    }

    /// One of libpq's parameters by its keyword, where the URL gives it; never the password.
    pub fn parameter(&self, keyword: &str) -> Option<&str> {
        self.parameters.get(keyword).map(String::as_str)
    }

    /// The same server and user, another database.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.parameters.insert("dbname", name.to_owned());
        other
    }

    /// The same with another password; an empty one is none, as to libpq.
    #[must_use]
    pub fn with_password(mut self, password: Secret) -> Self {
        self.password = Some(password).filter(|password| !password.expose().is_empty());
        self
    }

    /// The password.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The line of a pass file that gives the password to any server, as this connection alone uses the file.
    ///
    /// # Errors
    /// When the password does not fit a line.
    pub fn pass_line(&self) -> Result<Option<String>, Unwritable> {
        let Some(password) = &self.password else { return Ok(None) };
        // A carriage return as well: libpq takes one at the end for a part of the line break.
        if password.expose().contains(['\n', '\r', '\0']) {
            return Err(Unwritable);
        }
        let escaped = password.expose().replace('\\', r"\\").replace(':', r"\:");
        Ok(Some(format!("*:*:*:*:{escaped}")))
    }

    /// For messages: hosts and database, encoded as in a URL where they hold what would be misread. Never the user, not
    /// even where the database bears his name because the URL names none.
    pub fn shown(&self) -> String {
        let places: Vec<String> = self.places().into_iter().map(|(host, port)| place(&host, &port)).collect();
        let database = self.parameter("dbname").map(|database| encoded(database, b"")).unwrap_or_default();
        let service = self.parameter("service").map(|service| format!("?service={}", encoded(service, b"")));
        format!("postgresql://{}/{database}{}", places.join(","), service.unwrap_or_default())
    }

    /// A stable text that names hosts, ports and database: two spellings of one place give one, as far as text can
    /// tell.
    pub fn key(&self) -> String {
        let mut places = self.places();
        if places.is_empty() {
            places.push(("local".to_owned(), String::new()));
        }
        let with_port = |(host, port): (String, String)| {
            let host = match host.parse::<Ipv6Addr>() {
                Ok(address) => address.to_string(),
                Err(_) if host.starts_with('/') => host,
                Err(_) => host.to_ascii_lowercase(),
            };
            let port = if port.is_empty() { PORT.to_owned() } else { port };
            place(&host, &port)
        };
        let places: Vec<String> = places.into_iter().map(with_port).collect();
        let database = self.database().map(|database| encoded(database, b"")).unwrap_or_default();
        let service = self.parameter("service").map(|service| format!("?service={}", encoded(service, b"")));
        format!("postgresql://{}/{database}{}", places.join(","), service.unwrap_or_default())
    }

    /// Hosts with their ports, either of which may be empty; nothing where libpq's defaults hold.
    fn places(&self) -> Vec<(String, String)> {
        let hosts = self.parameter("host").or_else(|| self.parameter("hostaddr")).unwrap_or_default();
        let ports = self.parameter("port").unwrap_or_default();
        if hosts.is_empty() && ports.is_empty() {
            return Vec::new();
        }
        let ports: Vec<&str> = ports.split(',').collect();
        let port = |at: usize| if ports.len() == 1 { ports.first() } else { ports.get(at) };
        let tidy = |host: &str| match host.trim_end_matches('/') {
            "" => host.to_owned(),
            trimmed => trimmed.to_owned(),
        };
        let hosts = hosts.split(',').enumerate();
        hosts.map(|(at, host)| (tidy(host), port(at).copied().unwrap_or_default().to_owned())).collect()
    }

    fn has_service(&self) -> bool {
        self.parameters.contains_key("service")
    }

    /// Whether a parameter other than the database goes by the conninfo string.
    fn is_in_conninfo(&self, name: &str) -> bool {
        match name {
            // The service is found by variables: for its file older programs know nothing else.
            "dbname" | "service" | "servicefile" => false,
            "passfile" if self.password.is_some() => false,
            _ => self.has_service() || keywords::variable(name).is_none(),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Options may hold anything; those who look for a fault look at the policy.
        let password = self.password.as_ref();
        f.debug_struct("Connection")
            .field("shown", &self.shown())
            .field("password", &password)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

/// A value in a conninfo string (libpq-connect.html, "Keyword/Value Connection Strings").
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

/// A host with its port, as in a URL.
fn place(host: &str, port: &str) -> String {
    let host = if host.contains(':') && !host.starts_with('/') {
        format!("[{}]", encoded(host, b":"))
    } else {
        encoded(host, b"")
    };
    if port.is_empty() { host } else { format!("{host}:{port}") }
}

/// A text of which only what has no meaning in a URL stands there as it is. Letters of other scripts stay readable;
/// control characters, and such as turn the direction of writing, do not stay.
fn encoded(text: &str, also: &[u8]) -> String {
    use fmt::Write as _;
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let stays = character.is_alphanumeric()
            || "-._~+$!*'() ".contains(character)
            || u8::try_from(character).is_ok_and(|byte| also.contains(&byte));
        if stays {
            shown.push(character);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing into a string does not fail.
                let _ = write!(shown, "%{byte:02X}");
            }
        }
    }
    shown
}
