//! Reads YAML into one tree of nodes, each with its place; the only module that names the YAML parser.
//!
//! The parser yields events one at a time and the tree is built on a stack of our own, so neither nesting nor aliases
//! can cost more than the bounds below. What is wrong but can be stepped over (a key written twice, a tag, a merge key)
//! is noted and reading goes on, so that one run shows all of it.

mod syntax;
mod tree;

pub use tree::read;
pub(super) use tree::read_on;

use super::{
    Span, Spanned,
    problem::{Code, Problem},
};
use std::borrow::Cow;

/// Largest text in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting of lists and mappings.
pub const MAX_DEPTH: usize = 32;
/// Most nodes of one text, those that aliases repeat included.
pub const MAX_NODES: usize = 200_000;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// From its first byte (a quote, a bracket) to its last.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// The three things a value can be.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Text, and what looks like a number, a boolean or null.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order written; no key twice.
    Map(Vec<Entry>),
}

/// A scalar as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text, with quotes and escapes resolved.
    pub text: String,
    /// Whether it stands without quotes; only then it can be a number, a boolean or null.
    pub plain: bool,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Spanned<String>,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Whether nothing is written here, or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(scalar) if scalar.is_null())
    }
}

impl Scalar {
    /// Whether YAML 1.2 reads it as null.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// The boolean it is: `true` or `false`, unquoted, and nothing else.
    pub fn as_bool(&self) -> Option<bool> {
        match self.text.as_str() {
            "true" if self.plain => Some(true),
            "false" if self.plain => Some(false),
            _ => None,
        }
    }

    /// Whether YAML 1.2 reads it as a boolean.
    pub fn is_bool(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
    }

    /// Whether YAML 1.2 reads it as a number.
    pub fn is_number(&self) -> bool {
        self.plain && is_number(&self.text)
    }
}

/// The core schema's integers and floats.
fn is_number(text: &str) -> bool {
    let all = |text: &str, good: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|b| good(&b));
    if let Some(octal) = text.strip_prefix("0o") {
        return all(octal, |b| (b'0'..=b'7').contains(b));
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return all(hex, u8::is_ascii_hexdigit);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    (!whole.is_empty() || !fraction.is_empty())
        && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
        && exponent.is_none_or(|digits| all(digits, u8::is_ascii_digit))
}

/// Turns a file's bytes into text: at most 1 MiB of UTF-8, one leading byte order mark dropped.
///
/// On failure the text comes along as far as it can be shown.
pub fn decode(bytes: &[u8]) -> Result<&str, (Cow<'_, str>, Problem)> {
    if bytes.len() > MAX_BYTES {
        let problem = Problem::error(
            Code::YamlTooLarge,
            format!("the file has {} bytes; a policy has at most 1 MiB (1,048,576)", bytes.len()),
            "check that this is a policy and not, say, a database; a large policy can be cut into several files",
        );
        return Err((Cow::Borrowed(""), problem));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        let problem =
            Problem::error(Code::YamlNotUtf8, "this file is UTF-16, not UTF-8", "save the file as UTF-8");
        return Err((Cow::Borrowed(""), problem));
    }
    match std::str::from_utf8(bytes) {
        Err(error) => {
            let at = error.valid_up_to();
            let message = "this byte is not UTF-8 text";
            let problem = Problem::error(Code::YamlNotUtf8, message, "save the file as UTF-8")
                .label(Span::new(at, at + '\u{FFFD}'.len_utf8()), "here");
            Err((String::from_utf8_lossy(bytes), problem))
        }
        Ok(text) => match text.find('\0') {
            Some(at) => {
                let problem = Problem::error(
                    Code::YamlControlCharacter,
                    "there is a NUL byte in this file",
                    "remove the byte; if the file is full of them it was cut off or is not text at all",
                )
                .label(Span::new(at, at + 1), "here");
                Err((Cow::Borrowed(text), problem))
            }
            None => Ok(text),
        },
    }
}
