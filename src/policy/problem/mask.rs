//! Keeps literal secrets out of what is shown, by looking at the raw text: a policy that cannot be read is drawn too.

/// A key whose name has one of these in it is taken to hold a secret.
const SECRET_WORDS: [&str; 6] = ["password", "passphrase", "secret", "token", "credential", "private_key"];

/// The text with every literal secret replaced by `*` and every character that a terminal would obey by `?`, byte for
/// byte, so that places stay true.
///
/// Masked are the user part of a URL, and what follows a key that sounds secret. Variables stay readable.
pub(in crate::policy) fn masked(text: &str) -> String {
    let mut shown: String = text.split_inclusive('\n').map(masked_line).collect();
    if shown.contains(is_harmful) {
        let mut safe = String::with_capacity(shown.len());
        for (at, c) in shown.char_indices() {
            // A carriage return ends a line only together with a line feed; alone it would write over the line.
            let is_line_end = matches!(c, '\n' | '\t') || c == '\r' && shown[at + 1..].starts_with('\n');
            if is_harmful(c) && !is_line_end {
                safe.extend(std::iter::repeat_n('?', c.len_utf8()));
            } else {
                safe.push(c);
            }
        }
        shown = safe;
    }
    shown
}

/// Whether a terminal would obey a character instead of showing it: controls, and what turns the direction of text.
pub(super) fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn masked_line(line: &str) -> String {
    let mut shown = line.to_owned();
    let ends_authority = ['/', '"', '\'', ' ', ',', '\r', '\n'];
    let mut from = 0;
    while let Some(at) = shown[from..].find("://").map(|n| from + n + 3) {
        let end = shown[at..].find(ends_authority).map_or(shown.len(), |n| at + n);
        if let Some(end) = shown[at..end].rfind('@').map(|n| at + n) {
            mask(&mut shown, at, end);
        }
        from = at;
    }
    if let Some(value) = secret_value(line) {
        let end = line.trim_end().len();
        mask(&mut shown, value, end);
    }
    shown
}

/// Where the value of a key begins that sounds secret.
fn secret_value(line: &str) -> Option<usize> {
    let colons = line.match_indices(':').map(|(at, _)| at);
    colons.into_iter().find_map(|colon| {
        let before = line[..colon].trim_end_matches(['"', '\'']);
        let outside = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
        let key = before.rsplit(outside).next().unwrap_or_default().to_ascii_lowercase().replace('-', "_");
        let is_secret = key.contains("access_key") || SECRET_WORDS.iter().any(|word| key.contains(word));
        let value = line[colon + 1..].trim_start();
        // A mapping or list says where the secret comes from; its own keys are looked at in turn.
        let literal = !value.is_empty() && !value.starts_with(['{', '[']);
        (is_secret && literal).then_some(line.len() - value.len())
    })
}

/// Replaces the bytes of a range by `*`, unless a variable stands there.
fn mask(text: &mut String, start: usize, end: usize) {
    let value = text[start..end].trim_matches(['"', '\'', '}', ' ']);
    let variable = value.starts_with("${") && !value[2..].contains(['}', '$']);
    if !variable {
        text.replace_range(start..end, &"*".repeat(end - start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_secrets_are_masked_and_places_stay() {
        for (text, shown) in [
            ("a: s3://key:pässword@host/x\n", "a: s3://*************@host/x\n"),
            ("a: s3://${KEY}@host/x", "a: s3://${KEY}@host/x"),
            ("a: s3://u:${KEY}@host/x", "a: s3://********@host/x"),
            ("  password: hunter2\r\n", "  password: *******\r\n"),
            ("  password: ${PG}\n", "  password: ${PG}\n"),
            ("  password: \"${PG}\"\n", "  password: \"${PG}\"\n"),
            ("  password: ${PG}hunter2\n", "  password: ************\n"),
            ("  password: {file: /run/pg}\n", "  password: {file: /run/pg}\n"),
            ("{secret_access_key: abc}", "{secret_access_key: ****"),
            ("{\"api-token\": abc}", "{\"api-token\": ****"),
            (
                "tables: {irreplaceable: [tokens], recoverable: [x]}",
                "tables: {irreplaceable: [tokens], recoverable: [x]}",
            ),
            ("path: \u{1b}[2J\0\n", "path: ?[2J?\n"),
            ("path: a\rb\r\n", "path: a?b\r\n"),
            ("path: a\u{202e}b\n", "path: a???b\n"),
        ] {
            assert_eq!(masked(text), shown);
            assert_eq!(masked(text).len(), text.len());
        }
    }
}
