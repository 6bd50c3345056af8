//! What a command was given by variables, shown by their names.

use std::{borrow::Cow, fmt};

/// Values shorter than this, in characters, are left as they are: too short to be a secret that is worth hiding, and so
/// often met by chance that hiding them would make a text unreadable (`1`, `yes`, `/`).
const SHORTEST: usize = 4;

/// The values that stand for variables in a command's words, and how each is shown.
#[derive(Clone, Default)]
pub struct Redaction {
    /// Value and `${NAME}`, the longest value first: one may lie within another.
    values: Vec<(String, String)>,
}

impl Redaction {
    /// Takes the variables that were filled in, each with its value.
    pub fn new<'v>(used: impl IntoIterator<Item = (&'v str, &'v str)>) -> Self {
        let mut values = Vec::new();
        for (name, value) in used {
            // What is shown is shown by lines, so a value of several is hidden by lines.
            for line in value.lines().map(str::trim_end) {
                if line.chars().count() >= SHORTEST {
                    values.push((line.to_owned(), format!("${{{name}}}")));
                }
            }
        }
        values.sort_by(|(a, x), (b, y)| b.len().cmp(&a.len()).then_with(|| (a, x).cmp(&(b, y))));
        values.dedup_by(|(a, _), (b, _)| a == b);
        Self { values }
    }

    /// The bytes of the longest value.
    pub fn longest(&self) -> usize {
        self.values.first().map_or(0, |(value, _)| value.len())
    }

    /// Where a text that goes on may be divided: at `near` bytes or as soon behind it as no value and no character is cut.
    /// It must hold as many bytes behind `near` as the longest value has.
    pub fn division(&self, text: &[u8], near: usize) -> usize {
        let mut at = 0;
        while at < near.min(text.len()) {
            let rest = text.get(at..).unwrap_or_default();
            let value = self.values.iter().find(|(value, _)| rest.starts_with(value.as_bytes()));
            at += value.map_or(1, |(value, _)| value.len());
        }
        let goes_on = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
        at + text.get(at..).unwrap_or_default().iter().take(3).take_while(|byte| goes_on(byte)).count()
    }

    /// A text with every value in it replaced by its variable's name.
    pub fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.values.iter().any(|(value, _)| text.contains(value)) {
            return Cow::Borrowed(text);
        }
        // In one pass: a name that was put in is never searched for another value.
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if let Some((value, name)) = self.values.iter().find(|(value, _)| rest.starts_with(value)) {
                shown.push_str(name);
                rest = &rest[value.len()..];
            } else {
                shown.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        Cow::Owned(shown)
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values.iter().map(|(_, name)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(used: &[(&str, &str)], text: &str) -> String {
        Redaction::new(used.iter().copied()).apply(text).into_owned()
    }

    #[test]
    fn values_are_shown_by_their_names_wherever_they_stand() {
        assert_eq!(shown(&[("PW", "geheim")], "a geheim/geheimx"), "a ${PW}/${PW}x");
        assert_eq!(shown(&[("PW", "gehéim")], "ä gehéimä"), "ä ${PW}ä");
        assert_eq!(shown(&[], "geheim"), "geheim");
        assert_eq!(format!("{:?}", Redaction::new([("PW", "geheim")])), "[\"${PW}\"]");
    }

    #[test]
    fn the_longest_value_wins_and_names_are_not_searched() {
        assert_eq!(shown(&[("A", "horse"), ("B", "correcthorse")], "correcthorse horse"), "${B} ${A}");
        assert_eq!(shown(&[("A", "secret"), ("SECRET", "${A}")], "secret ${A}"), "${A} ${SECRET}");
        assert_eq!(shown(&[("A", "same"), ("B", "same")], "same"), "${A}");
    }

    #[test]
    fn short_values_are_left_and_those_of_several_lines_hidden_by_lines() {
        assert_eq!(shown(&[("N", "yes")], "yes"), "yes");
        assert_eq!(shown(&[("KEY", "begin\nx\nend of it\n")], "begin, x, end of it"), "${KEY}, x, ${KEY}");
    }
}
