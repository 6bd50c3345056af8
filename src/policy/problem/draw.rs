//! Draws a problem with the lines of the policy it is about.

use super::{Label, Lines, Problem, Severity, mask::masked};
use crate::policy::Source;
use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};
use std::fmt;

/// How a drawing looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// With colours.
    pub color: bool,
    /// Columns; at least 60 are used.
    pub width: usize,
}

/// Draws one problem; without a source, or without places, only its words. For many of one source see [`Drawer`].
///
/// What stands in a secret place of the text is masked wherever the text is shown.
pub fn draw(problem: &Problem, source: Option<&Source>, look: Look) -> String {
    Drawer::new(source).draw(problem, look)
}

/// Draws the problems of one source, whose text is made safe to show once.
pub struct Drawer<'s> {
    source: Option<&'s Source>,
    /// The text without what must not be shown, byte for byte.
    masked: String,
    lines: Option<Lines<'s>>,
}

impl<'s> Drawer<'s> {
    /// Makes a source's text safe to show.
    pub fn new(source: Option<&'s Source>) -> Self {
        let masked = source.map_or_else(String::new, |source| masked(&source.text));
        Self { source, masked, lines: source.map(|source| Lines::new(&source.text)) }
    }

    /// Draws one problem.
    pub fn draw(&self, problem: &Problem, look: Look) -> String {
        let theme = if look.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(look.width.max(60))
            .with_links(false)
            .with_break_words(false)
            .with_context_lines(1)
            .without_syntax_highlighting();
        let is_shown = |source: &&Source| !problem.labels.is_empty() && is_drawable(problem, &source.text);
        let excerpt = self.source.filter(is_shown).map(|source| self.excerpt(problem, source));
        let place = match self.source {
            Some(source) if excerpt.is_none() => Some(match problem.span() {
                Some(span) => {
                    let (line, column) = self.position(span.start);
                    format!("{}:{line}:{column}", source.name)
                }
                None => source.name.clone(),
            }),
            _ => None,
        };
        let (message, help) = (glued(&problem.message), glued(&problem.help));
        let drawn = Drawn { problem, place, excerpt, message, help };
        let mut text = String::new();
        // Writing into a string does not fail, and the labels lie within the text by construction; should a bug break
        // that, the words alone still tell the problem.
        if handler.render_report(&mut text, &drawn).is_err() {
            text = format!("{}\n{}\nhelp: {}\n", problem.code, problem.message, problem.help);
        }
        let text = text.replace(GLUE, " ").replace(JOINER, "");
        let mut lines: String = text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
        if lines.starts_with('\n') {
            lines.remove(0);
        }
        lines
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        self.lines.as_ref().map_or((1, 1), |lines| lines.position(offset))
    }

    /// The lines around a problem's places: miette walks the text from its beginning for each place.
    fn excerpt(&self, problem: &Problem, source: &Source) -> Excerpt<'_> {
        let spans = || problem.labels.iter().map(|label| label.span);
        let first = spans().map(|span| span.start).min().unwrap_or(0);
        let last = spans().map(|span| span.end).max().unwrap_or(0);
        let (before, after) = (self.masked.get(..first), self.masked.get(last..));
        // A line more than is shown, on either side.
        let starts = before.and_then(|before| before.rmatch_indices('\n').nth(2)).map_or(0, |(at, _)| at + 1);
        let ends = after
            .and_then(|after| after.match_indices('\n').nth(2))
            .map_or(self.masked.len(), |(at, _)| last + at + 1);
        Excerpt {
            name: source.name.clone(),
            text: self.masked.get(starts..ends).unwrap_or_default(),
            offset: starts,
            lines_before: self.position(starts).0 - 1,
        }
    }
}

/// Stands for a blank at which no line is broken, and is a blank again in the drawing.
const GLUE: char = '\u{f8ff}';

/// Keeps a line from being broken behind a slash or a hyphen, and is nothing again in the drawing.
const JOINER: char = '\u{2060}';

/// Longest quoted part that stays on one line, in bytes.
const LONGEST_QUOTED: usize = 120;

/// A text whose quoted parts stay on one line: what is to be written must come out whole when it is copied.
fn glued(text: &str) -> String {
    let mut glued = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, quote)) = rest.char_indices().find(|(_, c)| matches!(c, '`' | '"')) {
        let (before, after) = rest.split_at(at + 1);
        glued.push_str(before);
        rest = after;
        if let Some((quoted, after)) = after.split_once(quote)
            && quoted.len() <= LONGEST_QUOTED
        {
            for c in quoted.chars() {
                glued.push(if c == ' ' { GLUE } else { c });
                if c.is_ascii_punctuation() {
                    glued.push(JOINER);
                }
            }
            glued.push(quote);
            rest = after;
        }
    }
    glued + rest
}

/// Some lines of a text, in the places that they have in the whole.
#[derive(Debug)]
struct Excerpt<'a> {
    name: String,
    text: &'a str,
    offset: usize,
    lines_before: usize,
}

impl SourceCode for Excerpt<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        context_lines_before: usize,
        context_lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let start = span.offset().checked_sub(self.offset).ok_or(MietteError::OutOfBounds)?;
        let within = SourceSpan::new(start.into(), span.len());
        let found = self.text.read_span(&within, context_lines_before, context_lines_after)?;
        let place = SourceSpan::new((found.span().offset() + self.offset).into(), found.span().len());
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            found.data(),
            place,
            found.line() + self.lines_before,
            found.column(),
            // miette counts from the beginning of the text, and joins excerpts that overlap by it.
            found.line_count() + self.lines_before,
        )))
    }
}

/// Longest line that is drawn, in bytes; a longer one would bury what is said about it.
const LONGEST_LINE: usize = 400;

/// Whether every line that would be drawn is short enough to be looked at.
fn is_drawable(problem: &Problem, text: &str) -> bool {
    problem.labels.iter().all(|Label { span, .. }| {
        let (before, after) = (text.get(..span.start), text.get(span.end..));
        // The line before the label's first and the one after its last are drawn too.
        let lines_before = before.unwrap_or_default().rsplitn(3, '\n').take(2).map(str::len);
        let lines_after = after.unwrap_or_default().splitn(3, '\n').take(2).map(str::len);
        let within = text.get(span.start..span.end).unwrap_or_default().split('\n').map(str::len);
        lines_before.chain(lines_after).chain(within).all(|length| length <= LONGEST_LINE)
    })
}

/// A problem joined with the text it is about, as miette wants it.
#[derive(Debug)]
struct Drawn<'a> {
    problem: &'a Problem,
    /// Named in the message where no snippet names it.
    place: Option<String>,
    excerpt: Option<Excerpt<'a>>,
    message: String,
    help: String,
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)
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
        Some(Box::new(&self.help))
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_ref().map(|excerpt| excerpt as _)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = &self.problem.labels;
        let drawn = labels.iter().enumerate().map(|(n, Label { span, text })| {
            let text = Some(text.clone()).filter(|text| !text.is_empty());
            let (offset, length) = (span.start, span.end.saturating_sub(span.start));
            // The first is where the problem is, so the line in the header is its line even if another stands above.
            if n == 0 {
                LabeledSpan::new_primary_with_span(text, (offset, length))
            } else {
                LabeledSpan::new(text, offset, length)
            }
        });
        self.excerpt.is_some().then(|| Box::new(drawn) as _)
    }
}
