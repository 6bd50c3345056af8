//! Reads dotenv files: `NAME=value` lines.
//!
//! The syntax is what dotenv libraries agree on: comments, an optional `export`, values plain, in single quotes (taken as
//! they are) or in double quotes (`\n`, `\t`, `\"`, `\\`, `\$` are escapes), quoted ones over several lines. One
//! thing is refused that libraries differ in: a `${NAME}` inside a value. Filled in, it would depend on the shell that
//! runs the program, and the terminal and the schedule would no longer see the same.

use super::problem::{Code, Problem};
use std::collections::BTreeMap;

/// A line that cannot be read; it does not hold the line's text, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct BadLine {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: &'static str,
    /// What to do about it.
    pub help: &'static str,
}

impl BadLine {
    /// The problem, with the file's name in its words.
    pub fn problem(&self, file: &str) -> Problem {
        Problem::error(Code::BadEnvFile, format!("{file}:{}: {}", self.line, self.message), self.help)
    }
}

/// The entries of a dotenv text: value and line, counted from 1; of a name written twice the last counts.
///
/// # Errors
/// Every line that cannot be read, in order.
pub fn parse(text: &str) -> Result<BTreeMap<String, (String, usize)>, Vec<BadLine>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rest = Rest { text, line: 1 };
    let mut entries = BTreeMap::new();
    let mut bad = Vec::new();
    while !rest.text.is_empty() {
        let line = rest.line;
        match rest.entry() {
            Ok(Some((name, value))) => {
                entries.insert(name, (value, line));
            }
            Ok(None) => {}
            Err(line) => {
                bad.push(line);
                rest.skip();
            }
        }
    }
    if bad.is_empty() { Ok(entries) } else { Err(bad) }
}

struct Rest<'a> {
    text: &'a str,
    line: usize,
}

impl<'a> Rest<'a> {
    fn bad<T>(&self, message: &'static str, help: &'static str) -> Result<T, BadLine> {
        Err(BadLine { line: self.line, message, help })
    }

    /// Takes the text up to the end of the line, which is dropped.
    fn line(&mut self) -> &'a str {
        let (line, rest) = self.text.split_once('\n').unwrap_or((self.text, ""));
        self.text = rest;
        self.line += 1;
        line.trim_end_matches('\r')
    }

    /// Goes on behind what could not be read: a value that begins with a quote ends with the line of the next one. Of
    /// a quote that is never closed the rest of the text is part.
    fn skip(&mut self) {
        let quote = self.text.chars().next().filter(|c| ['\'', '"'].contains(c));
        let inside = quote.map(|quote| self.text[1..].find(quote).map_or(self.text.len(), |at| at + 1));
        let passed = &self.text[..inside.unwrap_or(0)];
        self.line += passed.matches('\n').count();
        self.text = &self.text[passed.len()..];
        self.line();
    }

    fn entry(&mut self) -> Result<Option<(String, String)>, BadLine> {
        let here = self.text.split('\n').next().unwrap_or_default();
        let trimmed = here.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            self.line();
            return Ok(None);
        }
        let Some((left, _)) = here.split_once('=') else {
            return self.bad("there is no `=`", "write `NAME=value`; a comment begins with `#`");
        };
        let name = left.trim();
        let name = name.strip_prefix("export ").map_or(name, str::trim);
        let good = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !good {
            return self.bad(
                "this is not a variable's name",
                "names have letters, digits and `_`, and no digit first",
            );
        }
        let value = here[left.len() + 1..].trim_start_matches([' ', '\t']);
        self.text = &self.text[here.len() - value.len()..];
        let value = match value.chars().next() {
            Some('\'') => self.quoted('\'')?,
            Some('"') => self.quoted('"')?,
            _ => self.plain()?,
        };
        Ok(Some((name.to_owned(), value)))
    }

    fn plain(&mut self) -> Result<String, BadLine> {
        let line = self.text.split('\n').next().unwrap_or_default();
        let comment =
            line.find(" #").or_else(|| line.find("\t#")).or_else(|| line.starts_with('#').then_some(0));
        let value = line[..comment.unwrap_or(line.len())].trim();
        if value.contains("${") {
            return self.refers();
        }
        self.line();
        Ok(value.to_owned())
    }

    fn refers<T>(&self) -> Result<T, BadLine> {
        self.bad(
            "the value names another variable, which is not filled in here",
            "write the value out; text that has `${` in it goes into single quotes",
        )
    }

    fn quoted(&mut self, quote: char) -> Result<String, BadLine> {
        let mut value = String::new();
        let mut chars = self.text.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                c if c == quote => {
                    let after = &self.text[at + 1..];
                    let rest = after.split('\n').next().unwrap_or_default().trim();
                    self.line += self.text[..at].matches('\n').count();
                    self.text = after;
                    if !rest.is_empty() && !rest.starts_with('#') {
                        return self.bad(
                            "something follows the closing quote",
                            "put the whole value into the quotes",
                        );
                    }
                    self.line();
                    return Ok(value);
                }
                '\\' if quote == '"' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 'r')) => value.push('\r'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, escaped @ ('"' | '\\' | '$' | '\''))) => value.push(escaped),
                    _ => {
                        return self.bad(
                            "a backslash in double quotes begins an escape, and this is none",
                            "write two backslashes, or use single quotes",
                        );
                    }
                },
                '$' if quote == '"' && chars.peek().is_some_and(|(_, next)| *next == '{') => {
                    return self.refers();
                }
                '\r' if chars.peek().is_some_and(|(_, next)| *next == '\n') => {}
                c => value.push(c),
            }
        }
        self.bad("a quote is opened and never closed", "close the quote")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_lines() {
        let text = "# comment\n\nA=1\r\nexport B = two words # note\nC='a # $x ${y}'\nD=\"l1\nl2\\t\\\"q\\\"\"\nE=\nF=p#q$r\nA=last";
        let entries = parse(text).unwrap();
        let shown: Vec<_> =
            entries.iter().map(|(name, (value, line))| (name.as_str(), value.as_str(), *line)).collect();
        assert_eq!(
            shown,
            [
                ("A", "last", 10),
                ("B", "two words", 4),
                ("C", "a # $x ${y}", 5),
                ("D", "l1\nl2\t\"q\"", 6),
                ("E", "", 8),
                ("F", "p#q$r", 9),
            ]
        );
    }

    #[test]
    fn a_bad_line_is_named_and_never_shown() {
        for (text, line) in [
            ("A=1\nsecret", 2),
            ("1A=secret", 1),
            ("A='secret", 1),
            ("\nA=\"x\" secret", 2),
            ("A=${B}secret", 1),
            ("A=\"${B}secret\"", 1),
            ("A=\"\\secret\"", 1),
        ] {
            let bad = parse(text).unwrap_err();
            assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [line], "{text}");
            assert!(!bad[0].problem(".env").message.contains("secret"), "{text}");
        }
    }

    #[test]
    fn every_bad_line_is_told_and_none_twice() {
        let text = "none\nA='x\ny' z\nB=1\n2C=\nD=\"\\q\nE=1\"\nF=${A}\n\nG=\"never\nclosed\nH";
        let bad = parse(text).unwrap_err();
        assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [1, 3, 5, 6, 8, 10]);
    }
}
