//! Keeps literal secrets out of what is shown, by looking at the raw text: a policy that cannot be read is drawn too.

use std::{borrow::Cow, collections::BTreeSet};

/// A key whose name has one of these in it is taken to hold a secret.
const SECRET_WORDS: [&str; 11] = [
    "password",
    "passphrase",
    "secret",
    "token",
    "credential",
    "private_key",
    "access_key",
    "api_key",
    "apikey",
    "encryption_key",
    "webhook",
];

/// A key of which one of these is a whole part is taken to hold a secret too.
const SECRET_PARTS: [&str; 3] = ["pass", "passwd", "pwd"];

/// The text with every literal secret replaced by `*` and every character that a terminal would obey by `?`, byte for
/// byte, so that places stay true.
///
/// Masked are the user part of a URL, and what follows a key, an option or a variable that sounds secret. Variables stay
/// readable.
pub(in crate::policy) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    // The indentation of a key that sounds secret, while the lines below it belong to it.
    let mut secret: Option<usize> = None;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
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
                let mut declares = || lines.peek().is_some_and(|next| is_declaration(next.trim_start()));
                secret = (opens_secret(line) && !declares()).then_some(indented);
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

/// Whether a value declares a target, a store or a job, whose name only sounds secret.
fn is_declaration(value: &str) -> bool {
    const KEYS: [&str; 8] =
        ["sqlite:", "directory:", "duckdb:", "postgres:", "path:", "schedule:", "targets:", "retention:"];
    KEYS.iter().any(|key| value.starts_with(key))
}

/// Whether a line is a key or an option that sounds secret, with its value on the lines below it.
fn opens_secret(line: &str) -> bool {
    let line = line.split_once(" #").map_or(line, |(before, _)| before).trim_end();
    if line.trim_start().starts_with("- ")
        && is_secret_option(words(line).last().map_or("", |(_, word)| word))
    {
        return true;
    }
    let Some((key, value)) = line.rsplit_once(':') else { return false };
    let value = value.trim();
    // A quote that is not closed goes on below, as does what stands behind a tag or an anchor.
    let opens = |quote: char| value.starts_with(quote) && value.matches(quote).count() == 1;
    let goes_on =
        value.is_empty() || value.starts_with(['|', '>', '&', '!', '?']) || opens('"') || opens('\'');
    goes_on && sounds_secret(key)
}

/// Whether the last word of a text is the name of a secret.
fn sounds_secret(before: &str) -> bool {
    let outside = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = before.trim_end_matches(['"', '\'', ' ']).rsplit(outside).next().unwrap_or_default();
    let key = key.to_ascii_lowercase().replace('-', "_");
    // What names a file holds no secret itself.
    !key.ends_with("file")
        && (key.split('_').any(|part| SECRET_PARTS.contains(&part))
            || SECRET_WORDS.iter().any(|word| key.contains(word)))
}

/// The words of a line and where they begin, without the quotes, brackets and commas around them.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let apart = [' ', '\t', ',', '"', '\'', '[', ']', '{', '}', '\r', '\n'];
    let words = line.split(apart).filter(|word| !word.is_empty());
    words.map(|word| (word.as_ptr() as usize - line.as_ptr() as usize, word))
}

/// Whether a word is an option whose value, the next word, is a secret.
fn is_secret_option(word: &str) -> bool {
    word.starts_with("--") && !word.contains('=') && sounds_secret(word)
}

/// The secrets within single words of a line, and those that follow an option.
fn mask_words(shown: &mut String) {
    const WEBHOOKS: [&str; 2] = ["hooks.slack.com/services/", "/api/webhooks/"];
    let has_webhook = WEBHOOKS.iter().any(|address| shown.contains(address));
    if !has_webhook
        && !shown.contains('@')
        && !shown.contains("-u")
        && !shown.contains("-p")
        && !shown.contains("--")
    {
        return;
    }
    let line = shown.clone();
    let is_mysql = line.contains("mysql") || line.contains("mariadb");
    let mut before = "";
    for (at, word) in words(&line) {
        let end = at + word.len();
        let colon = word.find(':').map(|n| at + n + 1);
        if is_secret_option(before) && !word.starts_with('-') {
            let close =
                line[at..].find('}').filter(|_| line[at..].starts_with("${")).map_or(end, |n| at + n + 1);
            mask(shown, at, close);
        } else if let Some(colon) = colon.filter(|_| matches!(before, "-u" | "--user")) {
            mask(shown, colon, end);
        } else if is_mysql && word.starts_with("-p") && word.len() > 2 {
            mask(shown, at + 2, end);
        } else if let (Some(colon), Some(sign)) = (colon, word.rfind('@').map(|n| at + n))
            && colon < sign
            && !word.contains("://")
        {
            mask(shown, colon, sign);
        } else if let Some(from) = WEBHOOKS
            .iter()
            .filter(|_| has_webhook)
            .find_map(|address| word.find(address).map(|n| at + n + address.len()))
        {
            mask(shown, from, end);
        }
        before = word;
    }
}

fn masked_line(line: &str) -> Cow<'_, str> {
    // Whatever is masked stands behind one of these, and most lines of a large text have none.
    let is_mark = |b: u8| matches!(b, b':' | b'=' | b'@' | b'-');
    let has = |is: fn(u8) -> bool| line.bytes().any(is);
    let speaks = || ["earer ", "asic ", "EARER ", "ASIC "].iter().any(|word| line.contains(word));
    if !has(|b| b.is_ascii_alphanumeric()) || !has(is_mark) && !speaks() {
        return Cow::Borrowed(line);
    }
    let mut shown = line.to_owned();
    let ends_authority = ['/', '"', '\'', ' ', ',', '\r', '\n'];
    let mut from = 0;
    while let Some(at) = shown[from..].find("://").map(|n| from + n + 3) {
        let ends = |ends: &[char]| shown[at..].find(ends).map_or(shown.len(), |n| at + n);
        if is_of_postgres(&shown[..at]) {
            from = mask_connection(&mut shown, at);
            continue;
        }
        let authority = ends(&ends_authority);
        // A password may have slashes in it; what follows a colon and is no port is one.
        let is_port = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let is_password = shown[at..authority].rsplit_once(':').is_some_and(|(_, after)| !is_port(after));
        let end = if is_password { ends(&ends_authority[1..]) } else { authority };
        match shown[at..end].rfind('@').map(|n| at + n) {
            Some(sign) => {
                mask(&mut shown, at, sign);
                from = at;
            }
            // Nothing is masked up to there, nor would be from any later place before it.
            None => from = end,
        }
    }
    mask_words(&mut shown);
    let assigned = line.match_indices('=').filter(|(at, _)| {
        let name = &line[..*at];
        // An option of a URL may have its name encoded.
        let option = name.rsplit(['?', '&', ' ']).next().unwrap_or_default();
        sounds_secret(name) || name.ends_with("key") || name.ends_with("KEY") || option.contains('%')
    });
    // The same length as the line: only ASCII letters change.
    let lower = line.to_ascii_lowercase();
    let spoken = ["bearer ", "basic "]
        .into_iter()
        .flat_map(|word| lower.match_indices(word))
        .map(|(at, word)| (at + word.len() - 1, word));
    let mut masked_to = 0;
    let mut found: Vec<usize> = assigned.chain(spoken).map(|(at, _)| at).collect();
    found.sort_unstable();
    for at in found {
        if at < masked_to {
            continue;
        }
        let value = &line[at + 1..];
        let from = line.len() - value.trim_start_matches([' ', '"', '\'']).len();
        let end = line[from..]
            .find(['"', '\'', ' ', ',', '&', ']', '}', '\r', '\n'])
            .map_or(line.len(), |n| from + n);
        if end > from {
            mask(&mut shown, from, end);
            masked_to = end;
        }
    }
    if let Some(value) = secret_value(line) {
        let end = line.trim_end().len();
        mask(&mut shown, value, end);
    }
    Cow::Owned(shown)
}

/// Whether what stands before a place is the scheme of a PostgreSQL URL.
fn is_of_postgres(before: &str) -> bool {
    let before = before.trim_end_matches("://");
    let scheme = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && !"+_-".contains(c)).next();
    scheme.is_some_and(|scheme| scheme.trim_start_matches('-').to_ascii_lowercase().starts_with("postgres"))
}

/// Masks user and password of a PostgreSQL URL from its authority on, whatever stands in them: blanks and quotes too. Gives
/// the place after it.
fn mask_connection(shown: &mut String, at: usize) -> usize {
    let mut plain = shown[at..].to_owned();
    // What is in a variable divides nothing, but its default is part of the text.
    let mut from = 0;
    while let Some(start) = plain[from..].find("${").map(|n| from + n) {
        let end = plain[start..].find('}').map_or(plain.len(), |n| start + n + 1);
        if !plain[start..end].contains("://") {
            plain.replace_range(start..end, &"1".repeat(end - start));
        }
        from = end;
    }
    // Another URL on the line is looked at by itself.
    let end = plain.find("://").unwrap_or(plain.len());
    if let Some(sign) = plain[..end].rfind('@') {
        mask_credentials(shown, at, at + sign);
        return at + sign;
    }
    // A password may have lost its `@`: what follows a colon and is no port may be one.
    let authority = plain[..end].find(['/', '"', '\'', ' ', ',', '}', ']', '\r', '\n']).unwrap_or(end);
    let port = plain[..authority].rsplit_once(':').map(|(_, port)| port);
    let is_address = plain.starts_with('[');
    if port.is_some_and(|port| !port.bytes().all(|b| b.is_ascii_digit())) && !is_address {
        mask(shown, at, at + authority);
    }
    at + authority
}

/// Masks what stands between the variables of a range.
fn mask_credentials(shown: &mut String, mut at: usize, end: usize) {
    while at < end {
        let start = shown[at..end].find("${").map_or(end, |n| at + n);
        let close = shown[start..end].find('}').map_or(end, |n| start + n + 1);
        if &shown[at..start] != ":" {
            mask(shown, at, start);
        }
        mask(shown, start, close);
        at = close;
    }
}

/// What is masked of a text, without the quotes and brackets around it: nothing of it may be quoted in words either.
pub(in crate::policy) fn secrets(text: &str) -> BTreeSet<String> {
    /// Shorter ones are words like any other.
    const SHORTEST: usize = 4;
    let shown = masked(text);
    let mut secrets = BTreeSet::new();
    let mut from = 0;
    while let Some(start) = shown[from..].find('*').map(|n| from + n) {
        let end = shown[start..].find(|c| c != '*').map_or(shown.len(), |n| start + n);
        if let Some(hidden) = text.get(start..end).filter(|hidden| hidden.chars().any(|c| c != '*')) {
            let whole = hidden.trim_matches(['"', '\'', '*', '&', ' ']);
            let parts =
                std::iter::once(whole).chain(words(hidden).map(|(_, word)| word.trim_matches(['*', '&'])));
            secrets.extend(parts.filter(|part| part.len() >= SHORTEST).map(str::to_owned));
        }
        from = end;
    }
    secrets
}

/// A text without the secrets in it.
pub(in crate::policy) fn without(secrets: &BTreeSet<String>, text: &str) -> Option<String> {
    let mut found = secrets.iter().filter(|secret| text.contains(secret.as_str())).collect::<Vec<_>>();
    // The longest first: one may be part of another.
    found.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let hide =
        |text: String, secret: &&String| text.replace(secret.as_str(), &"*".repeat(secret.chars().count()));
    (!found.is_empty()).then(|| found.iter().fold(text.to_owned(), hide))
}

/// Where the value of a key begins that sounds secret.
fn secret_value(line: &str) -> Option<usize> {
    let colons = line.match_indices(':').map(|(at, _)| at);
    // `password: {credential: pg}` names one, and holds none.
    let mut is_named = false;
    colons.into_iter().find_map(|colon| {
        if std::mem::take(&mut is_named) {
            return None;
        }
        let value = line[colon + 1..].trim_start();
        // A mapping or list says where the secret comes from; its own keys are looked at in turn.
        let inner = value.trim_start_matches(['{', '[', ' ']);
        let literal = !value.is_empty() && !is_from_elsewhere(inner) && !is_declaration(inner);
        let is_block = value.starts_with(['|', '>']);
        is_named = inner.starts_with("credential:") && sounds_secret(&line[..colon]);
        (literal && !is_block && sounds_secret(&line[..colon])).then_some(line.len() - value.len())
    })
}

/// Replaces the bytes of a range by `*`, unless a variable stands there.
fn mask(text: &mut String, start: usize, end: usize) {
    let value = text[start..end].trim_matches(['"', '\'', '}', ' ']);
    if !is_variable(value) {
        text.replace_range(start..end, &"*".repeat(end - start));
    }
}

/// Whether a text, without its closing brace, is a variable. A default stands there for all to see.
fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").map(|name| name.strip_suffix(":-").unwrap_or(name));
    name.is_some_and(|name| !name.contains(['}', '$']) && !name.contains(":-"))
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
            ("  password: \"${PG:-}\"\n", "  password: \"${PG:-}\"\n"),
            ("  password: \"${PG}\"\n", "  password: \"${PG}\"\n"),
            ("  password: ${PG:-hunter2}\n", "  password: **************\n"),
            ("a: s3://AK:hunter2/x+y@b/c\n", "a: s3://**************@b/c\n"),
            ("a: http://h:80/b@c\n", "a: http://h:80/b@c\n"),
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
            ("- DB_PASSWORD=hunter2\n", "- DB_PASSWORD=*******\n"),
            ("[AWS_SECRET_ACCESS_KEY=abcd, aws]", "[AWS_SECRET_ACCESS_KEY=****, aws]"),
            ("[x, --password, hunter2, y]", "[x, --password, *******, y]"),
            ("[x, --password, \"${PW}\"]", "[x, --password, \"${PW}\"]"),
            ("[x, --password, \"${PW:-hunter2}\"]", "[x, --password, \"**************\"]"),
            ("- x\n- --password\n- hunter2\n", "- x\n- --password\n*********\n"),
            ("[\"curl -u me:hunter2 x\"]", "[\"curl -u me:******* x\"]"),
            ("[mysqldump, -phunter2, app]", "[mysqldump, -p*******, app]"),
            ("[mkdir, -p, x]", "[mkdir, -p, x]"),
            ("pass: hunter2\n", "pass: *******\n"),
            ("password = \"hunter2\"\n", "password = \"*******\"\n"),
            ("password_file: /run/pg\n", "password_file: /run/pg\n"),
            (
                "a: https://hooks.slack.com/services/T0/B0/x\n",
                "a: https://hooks.slack.com/services/*******\n",
            ),
            ("a: sftp:user:hunter2@host:/b\n", "a: sftp:************@host:/b\n"),
            ("a: backup@nas:/b\n", "a: backup@nas:/b\n"),
            ("  secrets:\n    sqlite: a.db\n", "  secrets:\n    sqlite: a.db\n"),
            ("{api-token: {sqlite: a.db}, b: {sqlite: c}}", "{api-token: {sqlite: a.db}, b: {sqlite: c}}"),
            ("[curl, -H, \"X-Api-Key: hunter2\"]", "[curl, -H, \"X-Api-Key: *********"),
            ("[curl, --api-key, hunter2]", "[curl, --api-key, *******]"),
            (
                "[curl, -H, \"authorization: bearer hunter2\"]",
                "[curl, -H, \"authorization: bearer *******\"]",
            ),
            ("password: \"one\n  two\"\nname: x\n", "password: ****\n  ****\nname: x\n"),
            ("a: postgresql://u:p w,\"x@h/d\n", "a: postgresql://********@h/d\n"),
            ("a: postgres://u:a/b?c@h/d?x=1\n", "a: postgres://*******@h/d?x=1\n"),
            ("a: postgresql://${U}:${PW}@${H}/d\n", "a: postgresql://${U}:${PW}@${H}/d\n"),
            ("a: postgresql://u:${PW}@h/d\n", "a: postgresql://**${PW}@h/d\n"),
            ("a: \"postgresql://${U}:${P:-hunter2}@h\"\n", "a: \"postgresql://${U}:*************@h\"\n"),
            ("a: ${URL:-postgresql://u:hunter2@h/d}\n", "a: ${URL:-postgresql://*********@h/d}\n"),
            ("a: postgresql://u:hunter2/d\n", "a: postgresql://*********/d\n"),
            ("a: postgresql://${H:-h}:${P:-5432}/d\n", "a: postgresql://${H:-h}:${P:-5432}/d\n"),
            ("a: postgresql://[fe80::abcd]/d\n", "a: postgresql://[fe80::abcd]/d\n"),
            ("a: postgresql://[::1]:5432/d\n", "a: postgresql://[::1]:5432/d\n"),
            ("a: postgresql+x://h/d?pass%77ord=hunter2\n", "a: postgresql+x://h/d?pass%77ord=*******\n"),
            ("a: postgresql://h/d?password=${PW}&x=1\n", "a: postgresql://h/d?password=${PW}&x=1\n"),
            ("{a: postgresql://h/d, b: \"s3://k:v@c\"}", "{a: postgresql://h/d, b: \"s3://***@c\"}"),
            ("  password: {credential: pg}\n", "  password: {credential: pg}\n"),
            ("password:\n  credential: pg\n", "password:\n  credential: pg\n"),
            ("  credential: hunter2\n", "  credential: *******\n"),
            ("path: \u{1b}[2J\0\n", "path: ?[2J?\n"),
            ("path: a\rb\r\n", "path: a?b\r\n"),
            ("path: a\u{202e}b\n", "path: a???b\n"),
        ] {
            assert_eq!(masked(text), shown);
            assert_eq!(masked(text).len(), text.len());
        }
    }

    #[test]
    fn no_word_tells_what_is_masked() {
        let text = "a: [[pg_dump, --password=hunter2, \">\", /x]]\npassword: *other2\n";
        let secrets = secrets(text);
        assert_eq!(secrets.iter().map(String::as_str).collect::<Vec<_>>(), ["hunter2", "other2"]);
        assert_eq!(without(&secrets, "write `&other2`").as_deref(), Some("write `&******`"));
        assert_eq!(without(&secrets, "write `x`"), None);
    }
}
