//! Draws a problem with the lines of the policy it is about.

use super::{Problem, Severity};
use crate::policy::Source;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use std::fmt;

/// How a drawing looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// With colours.
    pub color: bool,
    /// Columns; at least 60 are used.
    pub width: usize,
}

/// Draws one problem; without a source, or without places, only its words.
///
/// What stands in a secret place of the text is masked wherever the text is shown.
pub fn draw(problem: &Problem, source: Option<&Source>, look: Look) -> String {
    let theme = if look.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(look.width.max(60))
        .with_links(false)
        .with_context_lines(1)
        .without_syntax_highlighting();
    let snippet = source.filter(|source| !problem.labels.is_empty() && is_drawable(problem, &source.text));
    let place = match source {
        Some(source) if snippet.is_none() => Some(match problem.span() {
            Some(span) => {
                let (line, column) = source.position(span.start);
                format!("{}:{line}:{column}", source.name)
            }
            None => source.name.clone(),
        }),
        _ => None,
    };
    let source = snippet.map(|source| NamedSource::new(&source.name, masked(&source.text)));
    let drawn = Drawn { problem, place, source };
    let mut text = String::new();
    // Writing into a string does not fail, and the labels lie within the text by construction; should a bug break
    // that, the words alone still tell the problem.
    if handler.render_report(&mut text, &drawn).is_err() {
        text = format!("{}\n{}\nhelp: {}\n", problem.code, problem.message, problem.help);
    }
    let mut lines: String = text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
    if lines.starts_with('\n') {
        lines.remove(0);
    }
    lines
}

/// Longest line that is drawn, in bytes; a longer one would bury what is said about it.
const LONGEST_LINE: usize = 400;

/// Whether every line that would be drawn is short enough to be looked at.
fn is_drawable(problem: &Problem, text: &str) -> bool {
    problem.labels.iter().all(|label| {
        let (before, after) = (text.get(..label.span.start), text.get(label.span.end..));
        // The line before the label's first and the one after its last are drawn too.
        let lines_before = before.unwrap_or_default().rsplitn(3, '\n').take(2).map(str::len);
        let lines_after = after.unwrap_or_default().splitn(3, '\n').take(2).map(str::len);
        let within = text.get(label.span.start..label.span.end).unwrap_or_default().split('\n').map(str::len);
        lines_before.chain(lines_after).chain(within).all(|length| length <= LONGEST_LINE)
    })
}

/// A problem joined with the text it is about, as miette wants it.
#[derive(Debug)]
struct Drawn<'a> {
    problem: &'a Problem,
    /// Named in the message where no snippet names it.
    place: Option<String>,
    source: Option<NamedSource<String>>,
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Drawn<'_> {}

impl Diagnostic for Drawn<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.problem.code))
    }
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.problem.help))
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as _)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = &self.problem.labels;
        let drawn = labels.iter().enumerate().map(|(n, label)| {
            let text = Some(label.text.clone()).filter(|text| !text.is_empty());
            let (offset, length) = (label.span.start, label.span.end.saturating_sub(label.span.start));
            // The first is where the problem is, so the line in the header is its line even if another stands above.
            if n == 0 {
                LabeledSpan::new_primary_with_span(text, (offset, length))
            } else {
                LabeledSpan::new(text, offset, length)
            }
        });
        self.source.is_some().then(|| Box::new(drawn) as _)
    }
}

/// Keys whose value is taken for a secret wherever it stands.
const SECRET_KEYS: [&str; 7] =
    ["password", "passphrase", "secret", "token", "credential", "private", "access_key"];

/// The text with every literal secret replaced by `*`, byte for byte, so that places stay true.
///
/// It looks at the raw text and not at the tree: a policy that cannot be read is drawn too. What is masked: the user
/// part of a URL, and what follows a key that sounds secret, unless a variable stands there.
fn masked(text: &str) -> String {
    let mut shown: String = text.split_inclusive('\n').map(masked_line).collect();
    if shown.contains(is_harmful) {
        let harmless = |c: char| if is_harmful(c) { "?".repeat(c.len_utf8()) } else { c.to_string() };
        shown = shown.chars().map(harmless).collect();
    }
    shown
}

/// A character that a terminal would obey.
fn is_harmful(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

fn masked_line(line: &str) -> String {
    let mut shown = line.to_owned();
    let mut from = 0;
    while let Some(at) = shown[from..].find("://").map(|n| from + n + 3) {
        let authority = shown[at..]
            .find(['/', '"', '\'', ' ', ',', ']', '}', '\r', '\n'])
            .map_or(shown.len(), |n| at + n);
        if let Some(end) = shown[at..authority].rfind('@').map(|n| at + n) {
            mask(&mut shown, at, end);
        }
        from = at;
    }
    let key = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let inline = |word: &&&str| {
        let lower = line.to_ascii_lowercase();
        lower.find(**word).is_some_and(|n| lower[n..].contains(':'))
    };
    let secret = !key.trim_start().starts_with('#') && SECRET_KEYS.iter().any(|word| inline(&word));
    if secret {
        let lower = line.to_ascii_lowercase();
        let first = SECRET_KEYS.iter().filter_map(|word| lower.find(word)).min().unwrap_or(0);
        if let Some(colon) = shown[first..].find(':').map(|n| first + n + 1) {
            let end = shown.trim_end().len();
            if colon < end
                && !shown[colon..end].trim_start().starts_with(['$', '{'])
                && !is_variable(&shown[colon..end])
            {
                let start = colon + (shown[colon..end].len() - shown[colon..end].trim_start().len());
                mask(&mut shown, start, end);
            }
        }
    }
    shown
}

fn is_variable(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    value.starts_with("${") && value.ends_with('}')
}

/// Replaces the bytes of a range by `*`, but leaves `${…}` readable.
fn mask(text: &mut String, start: usize, end: usize) {
    if is_variable(&text[start..end]) {
        return;
    }
    text.replace_range(start..end, &"*".repeat(end - start));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_secrets_are_masked_and_places_stay() {
        for (text, shown) in [
            ("a: s3://key:pässword@host/x\n", "a: s3://*************@host/x\n"),
            ("a: s3://${KEY}@host/x", "a: s3://${KEY}@host/x"),
            ("  password: hunter2\r\n", "  password: *******\r\n"),
            ("  password: ${PG}\n", "  password: ${PG}\n"),
            ("  password: {file: /run/pg}\n", "  password: {file: /run/pg}\n"),
            ("{secret_access_key: abc}", "{secret_access_key: ****"),
            ("path: /srv\n", "path: /srv\n"),
            ("path: \u{1b}[2J\0\n", "path: ?[2J?\n"),
        ] {
            assert_eq!(masked(text), shown);
            assert_eq!(masked(text).len(), text.len());
        }
    }
}
