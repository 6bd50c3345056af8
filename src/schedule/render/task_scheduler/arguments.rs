//! Words of a command line, as `CommandLineToArgvW` and the C runtime take it apart.

/// Writes a word so that it is read back as it is.
///
/// Backslashes count only before a quote, where two stand for one (learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments).
pub(super) fn quoted(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '\t', '"']) {
        return word.to_owned();
    }
    let mut out = String::from('"');
    let mut backslashes = 0;
    for c in word.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                out += &"\\".repeat(backslashes + 1);
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        out.push(c);
    }
    out += &"\\".repeat(backslashes);
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backslashes_are_doubled_before_a_quote_and_at_the_end_of_a_quoted_word() {
        for (word, written) in [
            ("run", "run"),
            ("", r#""""#),
            (r"C:\a\", r"C:\a\"),
            (r"C:\a b\", r#""C:\a b\\""#),
            (r#"say "hi""#, r#""say \"hi\"""#),
            (r#"a\"b"#, r#""a\\\"b""#),
        ] {
            assert_eq!(quoted(word), written);
        }
    }
}
