//! Words of a command that first cron reads, and then a shell.

/// Whether a text means itself to cron and to every shell.
pub(super) fn is_plain(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-,:@+".contains(&b);
    !text.is_empty() && text.bytes().all(plain)
}

/// One word for the shell.
///
/// cron takes `%` for a line break, and `\%` for `%`; whether it then drops the backslash differs. Outside of quotes the
/// shell drops what is left of it: `'a'\%'b'` is `a%b` either way. Of two backslashes in a row some crons make one: quotes
/// that end and begin between them keep them apart.
pub(super) fn shell_word(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    format!(
        "'{}'",
        text.replace('\'', r"'\''").replace('%', r"'\%'").replace(r"\\", r"\''\").replace(r"\\", r"\''\")
    )
}
