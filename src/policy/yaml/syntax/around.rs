//! Looking around the place of an error in a text that is no YAML: its line, its quotes, its brackets.

use crate::policy::Span;

/// Where one of these characters stands: at an offset, else the last before it in its line.
pub(super) fn in_line(text: &str, at: usize, characters: &[char]) -> Option<usize> {
    let at = at.min(text.len());
    if text.get(at..)?.starts_with(characters) {
        return Some(at);
    }
    let line = text[..at].rfind('\n').map_or(0, |n| n + 1);
    text[line..at].rfind(characters).map(|n| line + n)
}

/// The line at an offset and the one before it, with the offset where they begin.
pub(super) fn lines_near(text: &str, at: usize) -> (usize, &str) {
    let before = text.get(..at).unwrap_or(text).trim_end_matches(['\n', '\r']);
    let line = before.rfind('\n').map_or(0, |n| n + 1);
    let begins = text[..line.saturating_sub(1)].rfind('\n').map_or(0, |n| n + 1);
    let ends = text[line..].find('\n').map_or(text.len(), |n| line + n);
    (begins, &text[begins..ends])
}

/// The first escape from a quote on that no double-quoted text has; the parser names the quote.
pub(super) fn unknown_escape(text: &str, at: usize) -> usize {
    const KNOWN: &str = "0abtnvfre \"/\\N_LP\t\n\r";
    let mut from = at;
    while let Some(backslash) = text.get(from..).and_then(|rest| rest.find('\\')).map(|n| from + n) {
        let digits = |length: usize| {
            let digits = text.get(backslash + 2..backslash + 2 + length);
            digits.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
        };
        match text[backslash + 1..].chars().next() {
            Some(c) if KNOWN.contains(c) => from = backslash + 1 + c.len_utf8(),
            Some('x') if digits(2) => from = backslash + 4,
            Some('u') if digits(4) => from = backslash + 6,
            Some('U') if digits(8) => from = backslash + 10,
            _ => return backslash,
        }
    }
    at
}

/// The word that a brace at an offset stands in, as in `[${NAME}/x]` or `[echo-{job}]`; `None` where no brace stands in a
/// word.
pub(super) fn brace_in_word(text: &str, at: usize) -> Option<Span> {
    let before = text.get(..at)?;
    // The parser stops at the brace that follows a word, or at the word that follows a brace: `{job}/done`.
    let follows = before.ends_with('}').then(|| before.rfind('{')).flatten();
    let at = if text[at..].starts_with('{') { at } else { follows? };
    let word = before.get(..at)?;
    if follows == Some(at) {
        return Some(Span::new(at, at + end_of_word(&text[at..])));
    }
    let begins = word.rfind([' ', '\t', '\n', '[', ',', '"', '\'']).map_or(0, |n| n + 1);
    (begins < at).then(|| Span::new(begins, at + end_of_word(&text[at..])))
}

/// How long the word at the beginning of a text is, braces in it included.
fn end_of_word(text: &str) -> usize {
    let line = text.lines().next().unwrap_or_default();
    let mut depth = 0_u32;
    for (n, c) in line.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ']' | ',' | ' ' | '\t' if depth == 0 => return n,
            _ => {}
        }
    }
    line.len()
}

/// The innermost bracket that is open at an offset; quotes and comments are stepped over line by line.
pub(super) fn last_open_bracket(text: &str, at: usize) -> Option<usize> {
    // A bracket that was opened farther away is not what an error is about; and there may be many errors.
    const FAR: usize = 16 << 10;
    let at = at.min(text.len());
    let near = at.saturating_sub(FAR);
    let begins = if near == 0 {
        0
    } else {
        text.as_bytes()[near..at].iter().position(|b| *b == b'\n').map_or(at, |n| near + n)
    };
    let mut open = Vec::new();
    let mut quote = None;
    let mut before = ' ';
    for (n, c) in text[begins..at].char_indices().map(|(n, c)| (begins + n, c)) {
        match (quote, c) {
            (_, '\n') => quote = None,
            (Some(until), c) => quote = Some(until).filter(|_| until == '#' || c != until),
            (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
            (None, '#') if before.is_whitespace() => quote = Some(c),
            (None, '[' | '{') => open.push(n),
            (None, ']' | '}') => {
                open.pop();
            }
            _ => {}
        }
        before = c;
    }
    open.pop()
}

/// The character at an offset; the last one when the offset is the end.
pub(super) fn char_at(text: &str, at: usize) -> Span {
    let mut start = at.min(text.trim_end().len().saturating_sub(1));
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let length = text[start..].chars().next().map_or(0, char::len_utf8);
    Span::new(start, start + length)
}

/// Where the quoted text begins and ends that ends just before an offset, if it goes over a line's end.
pub(super) fn quoted_over_lines(text: &str, at: usize) -> Option<(usize, usize)> {
    let before = text.get(..at)?;
    let closed = before.rfind(['"', '\''])?;
    let quote = before[closed..].chars().next()?;
    let opened = before[..closed].rfind(quote)?;
    before[opened..closed].contains('\n').then_some((opened, closed))
}

/// The places around an offset that are near enough to have to do with it.
pub(super) fn near(text: &str, at: usize) -> std::ops::Range<usize> {
    const FAR: usize = 1 << 10;
    let mut start = at.saturating_sub(FAR);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let mut end = (at + FAR).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    start..end
}
