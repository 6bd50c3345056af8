//! What `psql` prints on standard error, at its verbosity `verbose`: `ERROR:  22012: division by zero`, then details.
//!
//! The codes are read from here, not from psql's variables: these keep those of an earlier statement when one fails
//! after its first row of a COPY (seen with psql 15).

use std::collections::VecDeque;

/// Bytes of one line that are kept.
const LINE_MAX: usize = 1_024;
/// Lines of one message that are kept, and of the last that were said.
const LINES_MAX: usize = 8;

/// An error of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    /// Its SQLSTATE (errcodes-appendix.html).
    pub(super) sqlstate: String,
    /// Its lines.
    message: Vec<String>,
    detail: Vec<String>,
    part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Message,
    Detail,
    Other,
}

impl Complaint {
    /// The message on one line, with its detail.
    pub(super) fn text(&self) -> String {
        let mut text = self.message.join(" ");
        if !self.detail.is_empty() {
            text.push_str(" (");
            text.push_str(&self.detail.join(" "));
            text.push(')');
        }
        text
    }
}

/// Standard error, line by line.
#[derive(Debug, Default)]
pub(super) struct Stderr {
    line: Vec<u8>,
    last: VecDeque<String>,
    complaint: Option<Complaint>,
    is_ended: bool,
    /// What ends the part of one statement.
    tag: String,
}

impl Stderr {
    /// Forgets what was said, and waits for a line with another tag.
    pub(super) fn begin(&mut self, tag: &str) {
        *self = Self { tag: tag.to_owned(), ..Self::default() };
    }

    /// Takes what came.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = LINE_MAX.saturating_sub(self.line.len()).min(text.len());
            self.line.extend_from_slice(text.get(..room).unwrap_or_default());
            if piece.len() > text.len() {
                self.end_line();
            }
        }
    }

    /// Whether the line with the tag came.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// The last error that the server reported.
    pub(super) fn complaint(&self) -> Option<&Complaint> {
        self.complaint.as_ref()
    }

    /// The last lines, on one, each a sentence of its own.
    pub(super) fn last_lines(&mut self) -> String {
        self.end_line();
        let mut text = String::new();
        for line in &self.last {
            if !text.is_empty() {
                text.push_str(if text.ends_with(['.', ':', ';', '?', '!']) { " " } else { "; " });
            }
            text.push_str(line);
        }
        text
    }

    fn end_line(&mut self) {
        let line = cleaned(&String::from_utf8_lossy(&std::mem::take(&mut self.line)));
        if line.is_empty() {
            return;
        }
        if !self.tag.is_empty() && line.contains(&self.tag) {
            self.is_ended = true;
            return;
        }
        if let Some((sqlstate, message)) = beginning(&line) {
            // Warnings and notices are no errors: classes 00, 01 and 02.
            let is_error = !["00", "01", "02"].iter().any(|class| sqlstate.starts_with(class));
            if is_error {
                self.complaint = Some(Complaint {
                    sqlstate: sqlstate.to_owned(),
                    message: vec![message.to_owned()],
                    detail: Vec::new(),
                    part: Part::Message,
                });
            }
        } else if let Some(complaint) = &mut self.complaint {
            complaint.go_on(&line);
        }
        if !line.starts_with("LOCATION:  ") {
            self.last.push_back(line);
        }
        if self.last.len() > LINES_MAX {
            self.last.pop_front();
        }
    }
}

impl Complaint {
    /// A further line of it: libpq writes what each part is in front of its first line (fe-protocol3.c).
    fn go_on(&mut self, line: &str) {
        const OTHERS: [&str; 5] = ["HINT:  ", "CONTEXT:  ", "QUERY:  ", "LOCATION:  ", "STATEMENT:  "];
        let mut line = line;
        if let Some(detail) = line.strip_prefix("DETAIL:  ") {
            self.part = Part::Detail;
            line = detail;
        } else if OTHERS.iter().any(|label| line.starts_with(label)) || is_excerpt(line) {
            self.part = Part::Other;
        }
        let lines = match self.part {
            Part::Message => &mut self.message,
            Part::Detail => &mut self.detail,
            Part::Other => return,
        };
        if lines.len() < LINES_MAX {
            lines.push(line.to_owned());
        }
    }
}

/// `LINE 3: …`, the place in the statement.
fn is_excerpt(line: &str) -> bool {
    let number = line.strip_prefix("LINE ").and_then(|rest| rest.split_once(": "));
    number.is_some_and(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The code and the message of a line that begins one. The word before them is in the server's language.
fn beginning(line: &str) -> Option<(&str, &str)> {
    let (severity, rest) = line.split_once(":  ")?;
    let (sqlstate, message) = rest.split_once(": ")?;
    let is_code =
        sqlstate.len() == 5 && sqlstate.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    (is_code && !severity.is_empty()).then_some((sqlstate, message))
}

/// A line without what a terminal would obey.
fn cleaned(line: &str) -> String {
    let shown = line.chars().map(|c| match c {
        '\t' => ' ',
        c if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            '\u{fffd}'
        }
        c => c,
    });
    shown.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(text: &str) -> Stderr {
        let mut stderr = Stderr::default();
        stderr.begin("tag7");
        text.as_bytes().chunks(7).for_each(|piece| stderr.feed(piece));
        stderr
    }

    #[test]
    fn an_error_is_its_code_its_message_and_its_detail() {
        let stderr = heard(
            "NOTICE:  00000: x\nLOCATION:  a\nFEHLER:  P0001: one\n\ttwo\x1b[31m\nDETAIL:  three\nfour\nHINT:  no\nno\n\
             LOCATION:  exec, a.c:1\ntag7\n",
        );
        let complaint = stderr.complaint().unwrap();
        assert_eq!(
            (complaint.sqlstate.as_str(), complaint.text().as_str()),
            ("P0001", "one two\u{fffd}[31m (three four)")
        );
        assert!(stderr.is_ended());
        let stderr = heard("ERROR:  42601: syntax error\nLINE 1: COPY (\n     ^\n");
        assert_eq!(stderr.complaint().unwrap().text(), "syntax error");
        assert!(!stderr.is_ended());
    }

    #[test]
    fn what_is_no_error_is_none() {
        let mut stderr = heard("WARNING:  01000: x\npsql: error: no\n\tat all\ninvalid command \\tag7\n");
        assert_eq!(stderr.complaint(), None);
        assert!(stderr.is_ended());
        assert_eq!(stderr.last_lines(), "WARNING:  01000: x; psql: error: no; at all");
        assert_eq!(heard(&"x".repeat(5_000)).last_lines().len(), LINE_MAX);
    }
}
