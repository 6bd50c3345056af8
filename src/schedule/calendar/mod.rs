//! The five-field grammar of crontab(5), its sets, and the instants they name in a zone.

use std::ops::Range;

/// A crontab(5) expression of five fields, or a macro such as `@daily`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    written: String,
}

/// Why a text is not an expression that every scheduler reads the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The bytes of the text that are wrong.
    pub at: Range<usize>,
    /// What is wrong, as a phrase without a period.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Ok(Self { written: text.to_owned() })
    }

    /// The text as written.
    pub fn as_written(&self) -> &str {
        &self.written
    }
}
