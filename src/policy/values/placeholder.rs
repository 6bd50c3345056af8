//! `{placeholders}`: what a run fills into the words of a command. `{{` is a brace; `}` alone is literal.

use std::{borrow::Cow, ops::Range};

/// Something that is known once a run is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Placeholder {
    /// The policy's name.
    Policy,
    /// The job's name.
    Job,
    /// The target's name; around a whole job those of all, with commas between them.
    Target,
    /// The store's name.
    Store,
    /// The run's id.
    Run,
    /// What went wrong; empty while nothing did.
    Error,
    /// One line about the outcome.
    Summary,
    /// Where a DuckDB owner's command is to write its copy; empty elsewhere.
    Copy,
}

/// A `{word}` that is none of the placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// What stands between the braces; all that follows when the brace is not closed.
    pub name: String,
    /// Where it stands, braces included, in bytes.
    pub at: Range<usize>,
}

impl Placeholder {
    /// Every placeholder.
    pub const ALL: [Self; 8] = [
        Self::Policy,
        Self::Job,
        Self::Target,
        Self::Store,
        Self::Run,
        Self::Error,
        Self::Summary,
        Self::Copy,
    ];

    /// Its name between the braces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Job => "job",
            Self::Target => "target",
            Self::Store => "store",
            Self::Run => "run",
            Self::Error => "error",
            Self::Summary => "summary",
            Self::Copy => "copy",
        }
    }

    /// The environment variable that carries it, `POLICY_JOB`.
    pub fn variable(self) -> String {
        format!("POLICY_{}", self.as_str().to_ascii_uppercase())
    }
}

/// Finds everything in a literal text that looks like a placeholder and is none.
pub fn unknown(literal: &str) -> Vec<Unknown> {
    let mut found = Vec::new();
    walk(literal, |piece| {
        if let Piece::Unknown(range) = piece {
            let name = literal[range.clone()].trim_start_matches('{').trim_end_matches('}').to_owned();
            found.push(Unknown { name, at: range });
        }
    });
    found
}

/// The placeholders in a literal text, each with the bytes at which it stands, braces included.
pub fn known(literal: &str) -> Vec<(Placeholder, Range<usize>)> {
    let mut found = Vec::new();
    walk(literal, |piece| {
        if let Piece::Known(placeholder, range) = piece {
            found.push((placeholder, range));
        }
    });
    found
}

/// Fills a literal text in; a placeholder that has no value here becomes empty text.
pub fn fill<'a>(literal: &str, value: impl Fn(Placeholder) -> Option<Cow<'a, str>>) -> String {
    let mut filled = String::new();
    walk(literal, |piece| match piece {
        Piece::Text(range) | Piece::Unknown(range) => filled.push_str(&literal[range]),
        Piece::Brace => filled.push('{'),
        Piece::Known(placeholder, _) => filled.push_str(&value(placeholder).unwrap_or_default()),
    });
    filled
}

enum Piece {
    Text(Range<usize>),
    Brace,
    Known(Placeholder, Range<usize>),
    Unknown(Range<usize>),
}

fn walk(literal: &str, mut each: impl FnMut(Piece)) {
    let mut at = 0;
    while let Some(start) = literal[at..].find('{').map(|n| at + n) {
        if start > at {
            each(Piece::Text(at..start));
        }
        let rest = &literal[start + 1..];
        if rest.starts_with('{') {
            each(Piece::Brace);
            at = start + 2;
            continue;
        }
        let end = rest.find('}').map(|n| start + 1 + n);
        let name = &literal[start + 1..end.unwrap_or(literal.len())];
        let range = start..end.map_or(literal.len(), |end| end + 1);
        at = range.end;
        match Placeholder::ALL.into_iter().find(|known| end.is_some() && known.as_str() == name) {
            Some(known) => each(Piece::Known(known, range)),
            None => each(Piece::Unknown(range)),
        }
    }
    if at < literal.len() {
        each(Piece::Text(at..literal.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        fill(text, |placeholder| (placeholder == Placeholder::Job).then(|| "nightly".into()))
    }

    #[test]
    fn placeholders_are_filled_in_once_and_two_braces_are_one() {
        assert_eq!(filled("a-{job}-b"), "a-nightly-b");
        assert_eq!(filled("{{job}"), "{job}");
        assert_eq!(filled("x{error}y}"), "xy}");
        assert_eq!(Placeholder::Job.variable(), "POLICY_JOB");
    }

    #[test]
    fn an_unknown_placeholder_is_located() {
        assert_eq!(unknown("{job} {jub}"), [Unknown { name: "jub".into(), at: 6..11 }]);
        assert_eq!(unknown("awk {print"), [Unknown { name: "print".into(), at: 4..10 }]);
        assert_eq!(unknown("{{print}"), []);
    }
}
