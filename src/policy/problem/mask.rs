//! Keeps literal secrets out of what is shown, by looking at the raw text: a policy that cannot be read is drawn too.

/// A key whose name has one of these in it is taken to hold a secret.
const SECRET_WORDS: [&str; 6] = ["password", "passphrase", "secret", "token", "credential", "private_key"];

/// The text with every literal secret replaced by `*` and every character that a terminal would obey by `?`, byte for
/// byte, so that places stay true.
///
/// Masked are the user part of a URL, and what follows a key that sounds secret. Variables stay readable.
pub(in crate::policy) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    // The indentation of a key that sounds secret, while the lines below it belong to it.
    let mut secret: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let indented = line.len() - line.trim_start().len();
        let is_item = line.trim_start().starts_with("- ");
        match secret {
            Some(_) if line.trim().is_empty() => shown.push_str(line),
            Some(key) if indented > key || indented == key && is_item => {
                let mut all = line.to_owned();
                let end = line.trim_end().len();
                if !is_from_elsewhere(&line[indented..end]) {
                    mask(&mut all, indented, end);
                }
                shown.push_str(&all);
            }
            _ => {
                secret = opens_secret(line).then_some(indented);
                shown.push_str(&masked_line(line));
            }
        }
    }
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

/// Whether a line says where a secret comes from, instead of what it is.
fn is_from_elsewhere(line: &str) -> bool {
    ["file:", "command:", "credential:"].iter().any(|key| line.starts_with(key))
}

/// Whether a line is a key that sounds secret, with its value on the lines below it.
fn opens_secret(line: &str) -> bool {
    let line = line.split_once(" #").map_or(line, |(before, _)| before).trim_end();
    let Some((key, value)) = line.rsplit_once(':') else { return false };
    let value = value.trim();
    (value.is_empty() || value.starts_with(['|', '>', '&'])) && sounds_secret(key)
}

/// Whether the last word of a text is the name of a secret.
fn sounds_secret(before: &str) -> bool {
    let outside = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = before.trim_end_matches(['"', '\'']).rsplit(outside).next().unwrap_or_default();
    let key = key.to_ascii_lowercase().replace('-', "_");
    key.contains("access_key")
        || key == "api_key"
        || key == "apikey"
        || SECRET_WORDS.iter().any(|word| key.contains(word))
}

/// Words that a secret follows within a text, as in an argument of a command.
const BEFORE_SECRETS: [&str; 8] =
    ["password=", "passwd=", "token=", "secret=", "key=", "Bearer ", "Basic ", "passphrase="];

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
    for word in BEFORE_SECRETS {
        let mut from = 0;
        while let Some(at) = shown[from..].find(word).map(|n| from + n + word.len()) {
            let end = shown[at..]
                .find(['"', '\'', ' ', ',', '&', ']', '}', '\r', '\n'])
                .map_or(shown.len(), |n| at + n);
            if end > at {
                mask(&mut shown, at, end);
            }
            from = at;
        }
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
        let value = line[colon + 1..].trim_start();
        // A mapping or list says where the secret comes from; its own keys are looked at in turn.
        let literal = !value.is_empty() && !is_from_elsewhere(value.trim_start_matches(['{', '[', ' ']));
        let is_block = value.starts_with(['|', '>']);
        (literal && !is_block && sounds_secret(&line[..colon])).then_some(line.len() - value.len())
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
            ("passwords: {a: hunter2}\n", "passwords: ************\n"),
            ("token:\n  - hunter2\nname: x\n", "token:\n  *********\nname: x\n"),
            ("  api_key: |\n    hunter2\n  name: x\n", "  api_key: |\n    *******\n  name: x\n"),
            ("password:\n  file: /run/pg\n", "password:\n  file: /run/pg\n"),
            ("a: [x, --password=hunter2, y]\n", "a: [x, --password=*******, y]\n"),
            (
                "a: [curl, -H, \"Authorization: Bearer hunter2\"]\n",
                "a: [curl, -H, \"Authorization: Bearer *******\"]\n",
            ),
            ("a: \"/srv/m.db?key=${KEY}\"\n", "a: \"/srv/m.db?key=${KEY}\"\n"),
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
