//! Names of policies, stores, jobs and targets.

use std::fmt;

/// A name: `[a-z0-9][a-z0-9-]{0,62}`, for targets also with `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Name(String);

/// Which alphabet a name is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// Letters, digits and `-`.
    Plain,
    /// Letters, digits, `-` and `_`: targets, which often bear a database's name.
    Target,
}

impl Name {
    /// Longest name, in bytes.
    pub const MAX: usize = 63;

    /// Reads a name; `None` when it is empty, too long, or has another character.
    pub fn parse(text: &str, alphabet: Alphabet) -> Option<Self> {
        let first = text.bytes().next()?;
        let in_alphabet = |b: u8| {
            b.is_ascii_lowercase()
                || b.is_ascii_digit()
                || b == b'-'
                || (alphabet == Alphabet::Target && b == b'_')
        };
        let good = text.len() <= Self::MAX
            && (first.is_ascii_lowercase() || first.is_ascii_digit())
            && text.bytes().all(in_alphabet);
        good.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_and_at_most_63_bytes() {
        for good in ["a", "0", "a-b", "prod-2", &"a".repeat(63)] {
            assert!(Name::parse(good, Alphabet::Plain).is_some(), "{good}");
        }
        for bad in ["", "-a", "A", "a_b", "a b", "ä", "a.b", "a/b", "..", &"a".repeat(64)] {
            assert!(Name::parse(bad, Alphabet::Plain).is_none(), "{bad}");
        }
        assert!(Name::parse("a_b", Alphabet::Target).is_some());
        assert!(Name::parse("_b", Alphabet::Target).is_none());
    }
}
