//! What a task's XML says, apart from how: its leaves, in any order. Pure.

/// A leaf: the names above it, and its text.
type Leaf = (String, String);

/// Whether Windows has what was installed: `None`, or the first thing that differs, in words. What Windows adds counts only
/// where it would add a time or a command.
pub(super) fn difference(installed: &str, there: &str) -> Option<String> {
    let (ours, mut theirs) = (leaves(installed), leaves(there));
    for leaf in ours.iter().filter(|leaf| !is_windows_own(leaf)) {
        let Some(at) = theirs.iter().position(|other| other == leaf) else {
            return Some(format!(
                "the task was changed: it has no `{}` of `{}` any more",
                name(leaf),
                leaf.1
            ));
        };
        theirs.swap_remove(at);
    }
    let counts = |leaf: &&Leaf| {
        let adds = leaf.0.starts_with("/Task/Triggers/") || leaf.0.starts_with("/Task/Actions/");
        // What is enabled by default may be said.
        adds && !(name(leaf) == "Enabled" && leaf.1 == "true")
    };
    let added = theirs.iter().find(counts)?;
    Some(format!("the task was changed: it has another `{}`, of `{}`", name(added), added.1))
}

/// Whether a task is switched off as a whole.
pub(super) fn is_disabled(text: &str) -> bool {
    leaves(text).contains(&("/Task/Settings/Enabled".to_owned(), "false".to_owned()))
}

/// Whether it runs in a session of its user alone.
pub(super) fn needs_login(text: &str) -> bool {
    leaves(text).contains(&("/Task/Principals/Principal/LogonType".to_owned(), "InteractiveToken".to_owned()))
}

/// What Windows writes as it likes: accounts, by name or number, and the task's own path.
fn is_windows_own(leaf: &Leaf) -> bool {
    leaf.0.ends_with("/UserId") || leaf.0 == "/Task/RegistrationInfo/URI"
}

fn name(leaf: &Leaf) -> &str {
    leaf.0.rsplit('/').next().unwrap_or_default()
}

/// The leaves of a document. An element without text and without others in it is one with an empty text.
fn leaves(text: &str) -> Vec<Leaf> {
    let mut found = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    // Whether nothing but text has come since the innermost element began.
    let mut is_leaf = false;
    let mut words = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        words.push_str(before);
        if let Some(comment) = after.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let Some((tag, after)) = after.split_once('>') else { break };
        rest = after;
        if tag.starts_with(['?', '!']) {
            continue;
        }
        if tag.starts_with('/') {
            if is_leaf {
                found.push((path(&open), plain(words.trim())));
            }
            open.pop();
            is_leaf = false;
        } else {
            let name = tag.trim_end_matches('/').split_whitespace().next().unwrap_or_default();
            open.push(name.rsplit(':').next().unwrap_or(name));
            is_leaf = true;
            if tag.ends_with('/') {
                found.push((path(&open), String::new()));
                open.pop();
                is_leaf = false;
            }
        }
        words.clear();
    }
    found
}

fn path(open: &[&str]) -> String {
    ["", &open.join("/")].join("/")
}

/// A text without references to characters.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let Some((reference, after)) = after.split_once(';') else {
            out.push('&');
            rest = after;
            continue;
        };
        rest = after;
        let number = reference.strip_prefix('#').and_then(|digits| match digits.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        });
        let named = match reference {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => number.and_then(char::from_u32),
        };
        match named {
            Some(c) => out.push(c),
            None => out.extend(["&", reference, ";"]),
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n<Task version=\"1.3\" xmlns=\"urn:x\">\r\n\
        <RegistrationInfo><Author>policy</Author><URI>\\policy\\x</URI></RegistrationInfo>\
        <Triggers><CalendarTrigger><StartBoundary>2000-01-01T02:30:00</StartBoundary>\
        <ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay></CalendarTrigger></Triggers>\
        <Principals><Principal id=\"Author\"><UserId>S-1-5-18</UserId></Principal></Principals>\
        <Settings><StartWhenAvailable>true</StartWhenAvailable></Settings>\
        <Actions><Exec><Command>C:\\policy.exe</Command><Arguments>--policy &quot;C:\\a &amp; b&quot;</Arguments></Exec></Actions></Task>";

    #[test]
    fn a_task_in_other_words_is_the_same_and_another_task_is_not() {
        let windows = OURS
            .replace("&quot;", "\"")
            .replace("&amp;", "&#38;")
            .replace("S-1-5-18", "SYSTEM")
            .replace("<CalendarTrigger>", "<CalendarTrigger>\r\n  <Enabled>true</Enabled>")
            .replace("<Settings>", "<Settings><!-- <x>1</x> --><Hidden>false</Hidden><IdleSettings/>");
        assert_eq!(difference(OURS, &windows), None);
        for (from, to, word) in [
            ("02:30", "03:30", "StartBoundary"),
            ("<StartWhenAvailable>true", "<StartWhenAvailable>false", "StartWhenAvailable"),
            ("</Actions>", "<Exec><Command>evil</Command></Exec></Actions>", "Command"),
            ("<Enabled>true", "<Enabled>false", "Enabled"),
        ] {
            let changed = windows.replace(from, to);
            assert_ne!(changed, windows);
            assert!(difference(OURS, &changed).unwrap().contains(word), "{word}");
        }
        assert!(!is_disabled(&windows) && !needs_login(&windows));
        assert!(is_disabled(&windows.replace("<Settings>", "<Settings><Enabled>false</Enabled>")));
    }
}
