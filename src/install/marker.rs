//! The hash that stands in the marks of an entry, and whether its bytes still have it. Pure.

use super::Installed;
use crate::schedule::{
    entry::{Backend, EntryName},
    render::{File, hash_of, marks},
};
use std::borrow::Cow;

/// What is told of an entry whose bytes have another hash than it states.
pub(super) const CHANGED: &str =
    "it was changed after it was installed: its text has another hash than it states";

/// Digits of a hash.
const DIGITS: usize = 64;

/// The text of a file, which is UTF-16 where it begins with the mark of that.
pub(super) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    let Some(wide) = bytes.strip_prefix(&[0xff, 0xfe]) else { return String::from_utf8_lossy(bytes) };
    let units: Vec<u16> = wide.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    Cow::Owned(String::from_utf16_lossy(&units))
}

/// The hash that a file of a scheduler states; `None` where it bears no mark of ours.
pub(super) fn stated(backend: Backend, bytes: &[u8]) -> Option<String> {
    let text = text_of(bytes);
    let mark = mark(backend, &text)?;
    let hashed = match backend {
        Backend::Systemd => mark.lines().find_map(|line| line.trim().strip_prefix("Hash="))?,
        Backend::Cron => mark.lines().next()?,
        _ => mark,
    };
    first_hash(hashed)
}

/// The file of the policy that a file of a scheduler names; `None` where it names none, as the objects of a cluster.
pub(super) fn policy_file(backend: Backend, bytes: &[u8]) -> Option<String> {
    let text = text_of(bytes);
    (backend != Backend::Kubernetes).then(|| mark(backend, &text)).flatten().and_then(marks::marked_file)
}

/// The part of a text in which the marks of an entry stand.
fn mark(backend: Backend, text: &str) -> Option<&str> {
    match backend {
        Backend::Systemd => {
            let section = after_line(text, |line| {
                line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) == Some(marks::SECTION)
            })?;
            let end = if section.starts_with('[') { Some(0) } else { section.find("\n[") };
            Some(&section[..end.unwrap_or(section.len())])
        }
        // The first two lines of a block.
        Backend::Cron => {
            let begin = format!("# {}", marks::BEGIN);
            let at = if text.starts_with(&begin) { 0 } else { text.find(&format!("\n{begin}"))? + 1 };
            let block = &text[at..];
            let end = block.match_indices('\n').nth(1).map_or(block.len(), |(at, _)| at);
            Some(&block[..end])
        }
        Backend::Launchd => {
            let value = text.split_once(marks::HASH_VARIABLE)?.1;
            Some(value.split_once("</string>").map_or(value, |(value, _)| value))
        }
        // Among the words about the task, before what it does.
        Backend::TaskScheduler => {
            let about = text.split_once("<RegistrationInfo>")?.1;
            Some(about.split_once("</RegistrationInfo>")?.0)
        }
        Backend::Kubernetes => {
            Some(text.split_once(marks::HASH_ANNOTATION)?.1).filter(|_| text.contains(marks::MANAGED_BY))
        }
    }
}

fn after_line(text: &str, is_it: impl Fn(&str) -> bool) -> Option<&str> {
    let mut rest = text;
    while let Some((line, after)) = rest.split_once('\n') {
        if is_it(line.trim()) {
            return Some(after);
        }
        rest = after;
    }
    None
}

/// The first word of 64 hexadecimal digits.
pub(super) fn first_hash(text: &str) -> Option<String> {
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut words = text.split(|c| !is_digit(c));
    words.find(|word| word.len() == DIGITS).map(str::to_owned)
}

/// An entry out of its files, in the order of a renderer; `None` where none of them bears our mark. `expected` are the names
/// of those that belong to it.
pub(super) fn installed(
    backend: Backend,
    name: &EntryName,
    files: Vec<File>,
    expected: &[String],
) -> Option<Installed> {
    let hashes: Vec<Option<String>> = files.iter().map(|file| stated(backend, &file.bytes)).collect();
    let stated = hashes.iter().flatten().next()?.clone();
    let missing = expected.iter().find(|name| !files.iter().any(|file| file.name == **name));
    let unlike = files.iter().zip(&hashes).find(|(_, hash)| hash.as_ref() != Some(&stated));
    let altered = if let Some(missing) = missing {
        Some(format!("{missing} is missing"))
    } else if let Some((file, hash)) = unlike {
        Some(match hash {
            Some(_) => format!("{} states another hash than {}", file.name, files[0].name),
            None => format!("{} has lost its mark", file.name),
        })
    } else {
        (hash_of(&files, &stated) != stated).then(|| CHANGED.to_owned())
    };
    Some(Installed { name: name.clone(), files, stated, altered })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_where_it_belongs_and_nowhere_else() {
        let hash = "0123456789abcdef".repeat(4);
        let of = |backend, text: &str| stated(backend, text.as_bytes());
        let timer = format!("[Timer]\nOnCalendar=daily\n\n[X-Policy]\nHash={hash}\n");
        assert_eq!(of(Backend::Systemd, &timer), Some(hash.clone()));
        assert_eq!(of(Backend::Systemd, &format!("[X-Policy]\n[Timer]\nHash={hash}\n")), None);
        assert_eq!(of(Backend::Systemd, &format!("[Unit]\nHash={hash}\n")), None);
        let block = format!("# policy:begin policy-a-b-01234567 sha256={hash}\n* * * * * x\n");
        assert_eq!(of(Backend::Cron, &block), Some(hash.clone()));
        assert_eq!(of(Backend::Cron, &format!("* * * * * x {hash}\n")), None);
        let plist = format!("<key>POLICY_HASH</key>\n<string>{hash}</string>");
        assert_eq!(of(Backend::Launchd, &plist), Some(hash.clone()));
        let task = format!("<RegistrationInfo><Description>sha256={hash}</Description></RegistrationInfo>");
        let wide: Vec<u8> =
            [0xff, 0xfe].into_iter().chain(task.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(stated(Backend::TaskScheduler, &wide), Some(hash.clone()));
        assert_eq!(of(Backend::TaskScheduler, &format!("<Arguments>{hash}</Arguments>")), None);
        assert_eq!(first_hash(&format!("{hash}0")), None, "a longer word is no hash");
    }
}
