//! Text with environment variables in it: `${NAME}` and `${NAME:-default}`.

use crate::policy::variables::{Found, Origin, Variables};
use std::{fmt, ops::Range};

/// Text as written, cut into literals and variables.
///
/// It is expanded after the YAML was parsed, once, so that a value never adds structure. A lone `$` is literal, and an
/// empty value counts as unset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    written: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Range<usize>),
    Variable { name: Range<usize>, default: Option<Range<usize>>, whole: Range<usize> },
}

/// A variable that a template names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Its name.
    pub name: &'a str,
    /// What stands in for it while it is unset.
    pub default: Option<&'a str>,
    /// Where `${…}` stands within the text as written, in bytes.
    pub at: Range<usize>,
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// `${` without `}`; the range is what is left of the text.
    Unclosed(Range<usize>),
    /// The name between the braces is empty or has a character that no variable has.
    BadName(Range<usize>),
    /// A default that names a variable itself; the range is the whole variable.
    Nested(Range<usize>),
}

/// A variable that has no value here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unset {
    /// Its name.
    pub name: String,
    /// Where `${…}` stands within the text as written, in bytes.
    pub at: Range<usize>,
}

/// A template with its variables filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// The text.
    pub text: String,
    /// The variables used, with value and origin, in order.
    pub used: Vec<(String, String, Origin)>,
}

impl Template {
    /// Cuts a text into its parts.
    pub fn parse(written: &str) -> Result<Self, Malformed> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(found) = written[at..].find("${") {
            let start = at + found;
            if start > at {
                parts.push(Part::Literal(at..start));
            }
            let end = written[start..]
                .find('}')
                .map(|n| start + n)
                .ok_or(Malformed::Unclosed(start..written.len()))?;
            let inner = &written[start + 2..end];
            let (name, default) = match inner.find(":-") {
                Some(n) => (start + 2..start + 2 + n, Some(start + 4 + n..end)),
                None => (start + 2..end, None),
            };
            if !is_variable_name(&written[name.clone()]) {
                return Err(Malformed::BadName(start..end + 1));
            }
            // The first `}` ends the inner variable, not the default: nobody means what would come of that.
            if default.clone().is_some_and(|default| written[default].contains("${")) {
                return Err(Malformed::Nested(start..end + 1));
            }
            parts.push(Part::Variable { name, default, whole: start..end + 1 });
            at = end + 1;
        }
        if at < written.len() {
            parts.push(Part::Literal(at..written.len()));
        }
        Ok(Self { written: written.to_owned(), parts })
    }

    /// The text as written, with `${…}` in it.
    pub fn as_written(&self) -> &str {
        &self.written
    }

    /// Whether the first thing in it is a variable.
    pub fn begins_with_variable(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Variable { .. }))
    }

    /// The variables it names, in order.
    pub fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Variable { name, default, whole } => Some(Reference {
                name: &self.written[name.clone()],
                default: default.clone().map(|range| &self.written[range]),
                at: whole.clone(),
            }),
        })
    }

    /// The literal parts, each with its place within the text as written, in bytes.
    pub fn literals(&self) -> impl Iterator<Item = (usize, &str)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(range) => Some((range.start, &self.written[range.clone()])),
            Part::Variable { .. } => None,
        })
    }

    /// All its parts in order, each with its place within the text as written, in bytes; `None` is a literal one.
    pub fn parts(&self) -> impl Iterator<Item = (Range<usize>, Option<Reference<'_>>)> {
        let mut references = self.references();
        self.parts.iter().map(move |part| match part {
            Part::Literal(range) => (range.clone(), None),
            Part::Variable { whole, .. } => (whole.clone(), references.next()),
        })
    }

    /// Fills the variables in, or names all that are unset without a default.
    pub fn expand(&self, variables: &Variables) -> Result<Expanded, Vec<Unset>> {
        self.expand_with(variables, str::to_owned)
    }

    /// As [`Self::expand`], with `literal` applied to the parts between the variables: placeholders are filled in
    /// there, and never in a variable's value.
    pub fn expand_with(
        &self,
        variables: &Variables,
        literal: impl Fn(&str) -> String,
    ) -> Result<Expanded, Vec<Unset>> {
        self.fill(variables, literal, |_, value| value.to_owned())
    }

    /// As [`Self::expand`], with `value` applied to what stands in for the variables, which begin at the offset given.
    pub fn expand_values(
        &self,
        variables: &Variables,
        value: impl Fn(usize, &str) -> String,
    ) -> Result<Expanded, Vec<Unset>> {
        self.fill(variables, str::to_owned, value)
    }

    fn fill(
        &self,
        variables: &Variables,
        literal: impl Fn(&str) -> String,
        filled: impl Fn(usize, &str) -> String,
    ) -> Result<Expanded, Vec<Unset>> {
        let mut expanded = Expanded { text: String::new(), used: Vec::new() };
        let mut unset = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(range) => expanded.text.push_str(&literal(&self.written[range.clone()])),
                Part::Variable { name, default, whole } => {
                    let name = &self.written[name.clone()];
                    match (variables.get(name), default) {
                        (Some(Found { value, origin }), _) => {
                            expanded.text.push_str(&filled(whole.start, value));
                            expanded.used.push((name.to_owned(), value.to_owned(), origin));
                        }
                        (None, Some(default)) => {
                            expanded.text.push_str(&filled(whole.start, &self.written[default.clone()]));
                        }
                        (None, None) => unset.push(Unset { name: name.to_owned(), at: whole.clone() }),
                    }
                }
            }
        }
        if unset.is_empty() { Ok(expanded) } else { Err(unset) }
    }
}

fn is_variable_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl serde::Serialize for Template {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        Variables::new(
            [("HOME".into(), "/home/u".into()), ("EMPTY".into(), String::new())].into(),
            Vec::new(),
        )
    }

    fn expand(text: &str) -> Result<String, Vec<String>> {
        Template::parse(text)
            .unwrap()
            .expand(&variables())
            .map(|e| e.text)
            .map_err(|unset| unset.into_iter().map(|u| u.name).collect())
    }

    #[test]
    fn variables_expand_once_and_a_lone_dollar_is_literal() {
        assert_eq!(expand("${HOME}/x"), Ok("/home/u/x".into()));
        assert_eq!(expand("$HOME costs 5$"), Ok("$HOME costs 5$".into()));
    }

    #[test]
    fn an_empty_value_counts_as_unset() {
        assert_eq!(expand("${EMPTY:-d}"), Ok("d".into()));
        assert_eq!(expand("${EMPTY:-}"), Ok(String::new()));
        assert_eq!(expand("${EMPTY}${NO}"), Err(vec!["EMPTY".into(), "NO".into()]));
    }

    #[test]
    fn malformed_references_are_located() {
        assert_eq!(Template::parse("a${B"), Err(Malformed::Unclosed(1..4)));
        assert_eq!(Template::parse("a${}"), Err(Malformed::BadName(1..4)));
        assert_eq!(Template::parse("${1A}"), Err(Malformed::BadName(0..5)));
        assert_eq!(Template::parse("${A-b}"), Err(Malformed::BadName(0..6)));
        assert_eq!(Template::parse("x${A:-${B}}"), Err(Malformed::Nested(1..10)));
    }
}
