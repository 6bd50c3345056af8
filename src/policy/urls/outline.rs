//! A URL before its variables are known: what of it its text decides.

use super::encoded;
use crate::policy::values::{Template, connection::Connection, template::Reference};
use std::ops::Range;

/// What a variable without a default stands for: good as a name, a port and a value.
const ANY: &str = "1";
/// The same of another value.
const OTHER: &str = "2";

/// The text of a URL with something plain in place of each variable, and where each of its bytes is written.
pub(in crate::policy) struct Outline {
    pub(in crate::policy) text: String,
    /// Whether a variable without default begins it, which may hold any part of it.
    pub(in crate::policy) is_open: bool,
    pieces: Vec<Piece>,
}

struct Piece {
    /// Bytes of the outline.
    at: Range<usize>,
    /// Bytes of the text as written.
    written: Range<usize>,
    is: Is,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    /// It stands there letter for letter.
    Literal,
    /// Another text of the policy stands for it: an encoded default.
    Default,
    /// Only the host knows it.
    Value,
}

impl Outline {
    pub(in crate::policy) fn new(url: &Template) -> Self {
        let mut outline = Self { text: String::new(), is_open: false, pieces: Vec::new() };
        let mut parts = url.parts().peekable();
        while let Some((written, reference)) = parts.next() {
            let is_first = written.start == 0;
            let (text, written, is) = match reference {
                None => (url.as_written()[written.clone()].to_owned(), written, Is::Literal),
                Some(Reference { default: Some(default), at, .. }) if !default.is_empty() => {
                    let text = if is_first { default.to_owned() } else { encoded(default) };
                    let end = at.end - 1; // its brace
                    if text == default {
                        (text, end - default.len()..end, Is::Literal)
                    } else {
                        (text, at, Is::Default)
                    }
                }
                Some(_) if is_first => {
                    outline.is_open = true;
                    let next = parts.peek().map_or("", |(next, _)| &url.as_written()[next.clone()]);
                    let has_scheme = next.starts_with("://") || next.starts_with('+');
                    let text =
                        if has_scheme { "postgresql".to_owned() } else { format!("postgresql://{ANY}") };
                    (text, written, Is::Value)
                }
                Some(_) => (ANY.to_owned(), written, Is::Value),
            };
            let start = outline.text.len();
            outline.text.push_str(&text);
            outline.pieces.push(Piece { at: start..outline.text.len(), written, is });
        }
        outline
    }

    /// Where bytes of the outline are written.
    pub(in crate::policy) fn written(&self, at: &Range<usize>) -> Range<usize> {
        let inside = |piece: &&Piece| piece.at.start < at.end && at.start < piece.at.end;
        let mut places = self.pieces.iter().filter(inside).map(|piece| match piece.is {
            Is::Literal => {
                let from = at.start.saturating_sub(piece.at.start);
                let to = at.end.min(piece.at.end) - piece.at.start;
                piece.written.start + from..piece.written.start + to
            }
            Is::Default | Is::Value => piece.written.clone(),
        });
        let first = places.next().unwrap_or_default();
        let end = places.next_back().map_or(first.end, |last| last.end);
        first.start..end
    }

    /// Where a password stands that the text itself tells.
    pub(in crate::policy) fn literal_passwords(&self) -> Vec<Range<usize>> {
        let mut passwords = passwords(&self.text);
        passwords.retain(|at| !at.is_empty() && !self.has_value(at));
        passwords.iter().map(|at| self.written(at)).collect()
    }

    /// Whether only the host knows what stands there.
    pub(super) fn has_value(&self, at: &Range<usize>) -> bool {
        let inside = |piece: &&Piece| piece.at.start < at.end && at.start < piece.at.end;
        self.pieces.iter().filter(inside).any(|piece| piece.is == Is::Value)
    }

    /// Where a password stands, in the policy's text or by a variable.
    pub(in crate::policy) fn password(&self) -> Option<Range<usize>> {
        passwords(&self.text).iter().find(|at| !at.is_empty()).map(|at| self.written(at))
    }

    /// The name of the database, where the text alone tells it.
    pub(in crate::policy) fn database(&self) -> Option<String> {
        let with = |value: &str| {
            let piece = |piece: &Piece| match piece.is {
                Is::Value => value.to_owned(),
                Is::Literal | Is::Default => self.text[piece.at.clone()].to_owned(),
            };
            let text: String = self.pieces.iter().map(piece).collect();
            Connection::parse(&text).ok()?.database().map(str::to_owned)
        };
        // What changes with the value of a variable holds one.
        let told = with(ANY).filter(|_| !self.is_open)?;
        (with(OTHER) == Some(told.clone())).then_some(told)
    }

    /// Where an option stands whose name the text tells.
    pub(in crate::policy) fn option(&self, name: &str) -> Option<Range<usize>> {
        let is_it = |(at, written): &(Range<usize>, String)| {
            written == name && !self.has_value(&(at.start..at.start + name.len()))
        };
        options(&self.text).into_iter().find(is_it).map(|(at, _)| self.written(&at))
    }
}

/// The options of a URL: where each stands, and its name.
fn options(url: &str) -> Vec<(Range<usize>, String)> {
    let Some(query) = url.find('?').map(|at| at + 1) else { return Vec::new() };
    let mut options = Vec::new();
    let mut start = query;
    for option in url[query..].split('&') {
        let name = option.split('=').next().unwrap_or_default();
        options.push((start..start + option.len(), decoded(name)));
        start += option.len() + 1;
    }
    options
}

/// Where passwords stand in a URL.
fn passwords(url: &str) -> Vec<Range<usize>> {
    let Some(start) = url.find("://").map(|at| at + 3) else { return Vec::new() };
    let mut passwords = Vec::new();
    let authority = &url[start..][..url[start..].find(['/', '?']).unwrap_or(url.len() - start)];
    if let Some(at) = authority.rfind('@')
        && let Some(colon) = authority[..at].find(':')
    {
        passwords.push(start + colon + 1..start + at);
    }
    for (at, name) in options(url) {
        if let Some(sign) = url[at.clone()].find('=').filter(|_| name == "password") {
            passwords.push(at.start + sign + 1..at.end);
        }
    }
    passwords
}

/// The name of an option without its percent signs; what is no name stays as it is.
fn decoded(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut at = 0;
    while let Some(byte) = name.as_bytes().get(at).copied() {
        let code = name.get(at + 1..at + 3).filter(|_| byte == b'%');
        let (taken, length) =
            code.and_then(|code| u8::from_str_radix(code, 16).ok()).map_or((byte, 1), |code| (code, 3));
        bytes.push(taken);
        at += length;
    }
    String::from_utf8(bytes).unwrap_or_else(|_| name.to_owned())
}

/// The variables of a URL that stand in the place of a password.
pub(in crate::policy) fn secret_variables(url: &Template) -> Vec<Reference<'_>> {
    let outline = Outline::new(url);
    let places: Vec<_> = passwords(&outline.text).iter().map(|at| outline.written(at)).collect();
    let is_inside =
        |at: &Range<usize>| places.iter().any(|place| place.start <= at.start && at.end <= place.end);
    url.references().filter(|reference| is_inside(&reference.at)).collect()
}

/// The parts of a URL as written that may be shown: all but user, password and most options.
pub(in crate::policy) fn kept(url: &Template) -> Vec<Range<usize>> {
    const SHOWN: [&str; 5] = ["host", "hostaddr", "port", "dbname", "service"];
    let mut text = url.as_written().to_owned();
    for reference in url.references() {
        // What is in a variable divides nothing.
        let filler = "x".repeat(reference.at.len());
        text.replace_range(reference.at, &filler);
    }
    let query = text.find('?').unwrap_or(text.len());
    let start = text[..query].find("://").map_or(0, |at| at + 3);
    let end = text[start..query].find('/').map_or(query, |at| start + at);
    let host = text[start..end].rfind('@').map_or(start, |at| start + at + 1);
    let mut kept = vec![0..start, host..query];
    let shown = options(&text).into_iter().filter(|(_, name)| SHOWN.contains(&name.as_str()));
    // Each with the sign before it.
    kept.extend(shown.map(|(at, _)| at.start - 1..at.end));
    kept.retain(|range| !range.is_empty());
    kept
}

/// A URL as written, without user and password, for what travels.
pub fn written(url: &Template) -> String {
    let mut shown = String::new();
    for range in kept(url) {
        for (at, reference) in url.parts() {
            let (from, to) = (at.start.max(range.start), at.end.min(range.end));
            if from >= to {
                continue;
            }
            match reference {
                // A default may be a URL itself.
                Some(Reference { name, default: Some(default), .. }) if default.contains(['@', '?']) => {
                    shown.push_str("${");
                    shown.push_str(name);
                    shown.push('}');
                }
                _ => shown.push_str(&url.as_written()[from..to]),
            }
        }
    }
    // The first option that is left has a question mark before it.
    match shown.find('?') {
        None => shown.replacen('&', "?", 1),
        Some(_) => shown,
    }
}
