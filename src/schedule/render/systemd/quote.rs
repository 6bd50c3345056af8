//! Text that systemd reads as it is meant: systemd.syntax(7), systemd.service(5), systemd.unit(5).

/// Doubles what begins a specifier.
pub(super) fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// One word of a list that may be quoted, such as those of `ExecStart=` and `Environment=`.
///
/// It is always quoted where anything in it could mean something, so that a `;` stays a word and a comment sign a character.
/// A variable in a command is the caller's to double.
pub(super) fn word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-,:=@+$".contains(&b);
    let text = specifiers(text);
    if !text.is_empty() && text.bytes().all(plain) {
        return text;
    }
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}
