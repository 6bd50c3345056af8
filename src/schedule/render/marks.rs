//! The marks by which entries are known as ours: written by the renderers, looked for by whoever reads a host.

use super::super::entry::Entry;
use std::fmt::Write as _;

/// The section of a unit that systemd ignores, as its name begins with `X-`.
pub const SECTION: &str = "X-Policy";
/// The word with which a block of a crontab begins, and that with which it ends.
pub const BEGIN: &str = "policy:begin";
/// See [`BEGIN`].
pub const END: &str = "policy:end";
/// What every label of launchd begins with.
pub const LABEL: &str = "dev.policy.";
/// The variable of a property list that holds its hash.
pub const HASH_VARIABLE: &str = "POLICY_HASH";
/// The folder of the Windows Task Scheduler that is ours.
pub const TASK_FOLDER: &str = r"\policy\";
/// The label by which objects of Kubernetes are ours.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The annotation of an object of Kubernetes that holds its hash.
pub const HASH_ANNOTATION: &str = "policy.dev/hash";

/// How an entry names the file of its policy, percent-encoded: one word in the comment or text where its hash stands.
pub const FILE_MARK: &str = "policy-file=";

/// That word.
pub(super) fn file_mark(entry: &Entry) -> String {
    let mut word = FILE_MARK.to_owned();
    for byte in entry.file.bytes() {
        // A comment of XML may hold no two dashes, and a line of systemd may not end with a backslash.
        if byte.is_ascii_alphanumeric() || b"/._".contains(&byte) {
            word.push(char::from(byte));
        } else {
            let _ = write!(word, "%{byte:02X}"); // a String takes everything
        }
    }
    word
}

/// The file that a text of an entry names so; `None` where it names none.
pub fn marked_file(text: &str) -> Option<String> {
    let (_, rest) = text.split_once(FILE_MARK)?;
    let word = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"/._%".contains(b));
    let mut bytes = Vec::new();
    let mut word = word.collect::<Vec<_>>().into_iter();
    while let Some(byte) = word.next() {
        let digit = |b: Option<u8>| char::from(b?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(match byte {
            b'%' => digit(word.next())? << 4 | digit(word.next())?,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}
