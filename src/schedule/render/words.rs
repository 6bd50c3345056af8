//! What every renderer asks of the words that go into an entry.

use super::{
    super::entry::{Backend, Entry},
    NO_HASH, Refusal,
};

/// A refusal of an entry.
pub(super) fn refusal(
    entry: &Entry,
    backend: Backend,
    field: &'static str,
    reason: impl Into<String>,
    help: impl Into<String>,
) -> Refusal {
    Refusal { job: entry.shown(), backend, field, reason: reason.into(), help: help.into() }
}

/// Refuses a text that would not be read back as it is.
///
/// The two characters belong to no text (XML 1.0, section 2.2), and the zeros would be taken for the place of the hash.
pub(super) fn check(entry: &Entry, backend: Backend, field: &'static str, text: &str) -> Result<(), Refusal> {
    let wrong = if text.contains(['\u{fffe}', '\u{ffff}']) {
        "a character that Unicode reserves (U+FFFE or U+FFFF)"
    } else if text.contains(NO_HASH) {
        "64 zeros in a row, which is how an entry marks the place of its hash"
    } else {
        return Ok(());
    };
    let reason = format!("`{}` holds {wrong}", text.chars().take(60).collect::<String>());
    Err(refusal(entry, backend, field, reason, "use a name without them"))
}
