//! Takes a connection URL apart (libpq-connect.html, "Connection URIs").
//!
//! Where libpq's reading would let a part of a password that was not encoded become a host, a database's name or an
//! option, which all are shown in messages, this one refuses.

use super::{
    Connection, Part, Secret, UrlError,
    keywords::{self, SSL_MODES, Way},
};
use std::{collections::BTreeMap, ops::Range};

/// Most bytes of the name of an option that is left out and named.
const NAME_MAX: usize = 63;

/// A piece of the URL, and where it begins.
#[derive(Clone, Copy)]
struct Piece<'u> {
    text: &'u str,
    start: usize,
}

impl<'u> Piece<'u> {
    fn at(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// The pieces before and behind a byte that is one character.
    fn split_at(self, at: usize) -> (Self, Self) {
        let (before, behind) = self.text.split_at_checked(at).unwrap_or((self.text, ""));
        let behind = behind.get(1..).unwrap_or_default();
        (
            Self { text: before, start: self.start },
            Self { text: behind, start: self.start + self.text.len() - behind.len() },
        )
    }

    /// The pieces before and behind the first of a character, and the whole where it is not there.
    fn split_once(self, separator: char) -> (Self, Option<Self>) {
        match self.text.find(separator) {
            Some(at) => {
                let (before, behind) = self.split_at(at);
                (before, Some(behind))
            }
            None => (self, None),
        }
    }

    /// The pieces between a character.
    fn split(self, separator: char) -> impl Iterator<Item = Self> + 'u {
        let mut start = self.start;
        self.text.split(separator).map(move |text| {
            let piece = Self { text, start };
            start += text.len() + separator.len_utf8();
            piece
        })
    }

    /// The text with its percent signs decoded.
    fn decoded(self, part: Part) -> Result<String, UrlError> {
        let wrong = || UrlError::Encoding { part, at: self.at() };
        let mut bytes = Vec::with_capacity(self.text.len());
        let mut rest = self.text.bytes();
        while let Some(byte) = rest.next() {
            if byte != b'%' {
                bytes.push(byte);
                continue;
            }
            let mut digit =
                || char::from(rest.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let (Some(high), Some(low)) = (digit(), digit()) else { return Err(wrong()) };
            bytes.push(high * 16 + low);
        }
        // No variable and no argument can hold a NUL.
        String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).ok_or_else(wrong)
    }
}

pub(super) fn parse(url: &str) -> Result<Connection, UrlError> {
    let whole = Piece { text: url, start: 0 };
    let rest = behind_scheme(whole)?;
    let (authority, path, query) = divide(rest)?;
    let mut found = Found::default();
    let (credentials, hosts) = match authority.text.find('@') {
        Some(at) => {
            let (credentials, hosts) = authority.split_at(at);
            (Some(credentials), hosts)
        }
        None => (None, authority),
    };
    if let Some(credentials) = credentials {
        let whole = credentials.at();
        let decoded = |piece: Piece<'_>| {
            // The whole of both: where in a password it is wrong would tell something of it.
            piece
                .decoded(Part::Credentials)
                .map_err(|_| UrlError::Encoding { part: Part::Credentials, at: whole.clone() })
        };
        let (user, password) = credentials.split_once(':');
        found.put("user", decoded(user)?);
        found.password = password.map(decoded).transpose()?.unwrap_or_default();
    }
    found.take_hosts(hosts)?;
    if let Some(path) = path {
        found.put("dbname", path.decoded(Part::Database)?);
    }
    if let Some(query) = query.filter(|query| !query.text.is_empty()) {
        for option in query.split('&') {
            found.take_option(option)?;
        }
    }
    found.finish()
}

/// What follows `postgresql://` and its like.
fn behind_scheme(whole: Piece<'_>) -> Result<Piece<'_>, UrlError> {
    // Not even of the scheme is it known that it holds no secret.
    let no_scheme = || UrlError::Scheme { at: 0..whole.text.find("://").unwrap_or(0) };
    let end = whole.text.find("://").ok_or_else(no_scheme)?;
    let scheme = whole.text.get(..end).unwrap_or_default().to_ascii_lowercase();
    let (dialect, driver) = scheme.split_once('+').unwrap_or((&scheme, "any"));
    let is_driver =
        !driver.is_empty() && driver.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !matches!(dialect, "postgres" | "postgresql") || !is_driver {
        return Err(no_scheme());
    }
    let start = end + "://".len();
    Ok(Piece { text: whole.text.get(start..).unwrap_or_default(), start })
}

/// Authority, path and query, when no character of a password can have been taken for the end of one of them.
fn divide(rest: Piece<'_>) -> Result<(Piece<'_>, Option<Piece<'_>>, Option<Piece<'_>>), UrlError> {
    let unclear = |piece: Piece<'_>| Err(UrlError::Unclear { at: piece.at() });
    let (before_query, query) = rest.split_once('?');
    let (authority, path) = before_query.split_once('/');
    if authority.text.matches('@').count() > 1 || authority.text.contains('#') {
        return unclear(authority);
    }
    // What stands before an `@` here may be the end of a password that holds a `/`.
    if path.is_some_and(|path| path.text.contains('@')) {
        return unclear(before_query);
    }
    // The same with a `?`; only a user's name often has one as it is, as `user=me@server`.
    let is_clear = |option: &str| !option.contains('@') || option.starts_with("user=");
    if query.is_some_and(|query| !query.text.split('&').all(is_clear)) {
        return unclear(rest);
    }
    Ok((authority, path, query))
}

/// What was found so far.
#[derive(Default)]
struct Found {
    parameters: BTreeMap<&'static str, String>,
    /// The keywords that the query gave.
    seen: Vec<&'static str>,
    password: String,
    dropped: Vec<String>,
}

impl Found {
    /// Keeps a value in place of an earlier one. An empty one is the default, as to libpq.
    fn put(&mut self, name: &'static str, value: String) {
        if value.is_empty() {
            self.parameters.remove(name);
        } else {
            self.parameters.insert(name, value);
        }
    }

    fn take_hosts(&mut self, hosts: Piece<'_>) -> Result<(), UrlError> {
        if hosts.text.is_empty() {
            return Ok(());
        }
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for one in hosts.split(',') {
            let (name, port) = match one.text.strip_prefix('[') {
                Some(bracketed) => {
                    let close = bracketed.find(']').ok_or(UrlError::Host { at: one.at() })?;
                    let (name, behind) = one.split_at(close + 1);
                    let port = match behind.text.chars().next() {
                        None => None,
                        Some(':') => behind.split_once(':').1,
                        Some(_) => return Err(UrlError::Host { at: one.at() }),
                    };
                    (Piece { text: name.text.get(1..).unwrap_or_default(), start: name.start + 1 }, port)
                }
                None => one.split_once(':'),
            };
            names.push(name.decoded(Part::Host)?);
            ports.push(port.map(port_of).transpose()?.unwrap_or_default());
        }
        if ports.iter().any(|port| !port.is_empty()) {
            self.put("port", ports.join(","));
        }
        if names.iter().any(|name| !name.is_empty()) {
            self.put("host", names.join(","));
        }
        Ok(())
    }

    fn take_option(&mut self, option: Piece<'_>) -> Result<(), UrlError> {
        let wrong = || UrlError::Option { at: option.at() };
        let (name, value) = option.split_once('=');
        let value = value.filter(|value| !value.text.contains('=')).ok_or_else(wrong)?;
        let name = name.decoded(Part::Option)?;
        let text = value.decoded(Part::Option)?;
        let Some(keyword) = keywords::find(&name) else {
            // Where drivers write it so, leaving it out would make the connection a less safe one.
            if matches!(name.as_str(), "ssl" | "requiressl")
                && let Some(mode) = ssl_mode(&text)
            {
                // What says it more exactly wins, wherever it stands.
                self.parameters.entry("sslmode").or_insert_with(|| mode.to_owned());
                return Ok(());
            }
            return self.drop_option(&name).ok_or_else(wrong);
        };
        if self.seen.contains(&keyword.name) {
            return Err(UrlError::Twice { name: keyword.name, at: option.at() });
        }
        self.seen.push(keyword.name);
        match keyword.way {
            Way::Password => self.password = text,
            Way::Nowhere => return Err(UrlError::Shown { name: keyword.name, at: option.at() }),
            Way::Dropped => return self.drop_option(&name).ok_or_else(wrong),
            Way::Variable(_) | Way::Conninfo => {
                let text = if keyword.name == "port" { ports_of(value, &text)? } else { text };
                if let Some(known) =
                    keywords::values(keyword.name).filter(|known| !known.contains(&text.as_str()))
                    && !text.is_empty()
                {
                    return Err(UrlError::Value { name: keyword.name, known, at: value.at() });
                }
                self.put(keyword.name, text);
            }
        }
        Ok(())
    }

    /// Leaves an option out and keeps its name, if it is one: what does not look like a name may be anything.
    fn drop_option(&mut self, name: &str) -> Option<()> {
        let is_name = (1..=NAME_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if is_name && !self.dropped.iter().any(|known| known == name) {
            self.dropped.push(name.to_owned());
        }
        is_name.then_some(())
    }

    fn finish(self) -> Result<Connection, UrlError> {
        let count = |name: &str| self.parameters.get(name).map_or(0, |list| list.split(',').count());
        let (hosts, ports) = (count("host").max(count("hostaddr")).max(1), count("port"));
        if ports > 1 && ports != hosts {
            return Err(UrlError::Ports { ports, hosts });
        }
        let Self { parameters, password, dropped, .. } = self;
        let connection = Connection { parameters, password: None, dropped };
        Ok(connection.with_password(Secret::new(password)))
    }
}

/// A port as libpq takes it; an empty one is the default.
fn port_of(piece: Piece<'_>) -> Result<String, UrlError> {
    let wrong = || UrlError::Port { at: piece.at() };
    let digits = piece.decoded(Part::Host).map_err(|_| wrong())?;
    if digits.is_empty() {
        return Ok(digits);
    }
    // `u16` takes a sign as well.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(port @ 1..) if is_number => Ok(port.to_string()),
        _ => Err(wrong()),
    }
}

/// The ports of an option; the piece is where they stand.
fn ports_of(value: Piece<'_>, text: &str) -> Result<String, UrlError> {
    let ports = text.split(',').map(|port| port_of(Piece { text: port, start: 0 }));
    let ports: Result<Vec<String>, UrlError> = ports.collect();
    ports.map(|ports| ports.join(",")).map_err(|_| UrlError::Port { at: value.at() })
}

/// What drivers that write `ssl=…` mean: JDBC and others a switch, asyncpg one of libpq's modes.
fn ssl_mode(value: &str) -> Option<&'static str> {
    match value {
        "true" | "1" | "on" => Some("require"),
        "false" | "0" | "off" => Some("disable"),
        mode => SSL_MODES.iter().copied().find(|known| *known == mode),
    }
}
