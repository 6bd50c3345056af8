//! From an entry to the text that a scheduler reads. Pure, and alike on every operating system: what is for Windows can be
//! written, read and tested on Linux.
//!
//! A renderer never approximates in silence: it names its [`Tier`], or refuses with job, field, reason and what to write
//! instead. What it widens, the guard behind `--due` narrows again.

pub mod cron;
pub mod crontab_text;
pub mod kubernetes;
pub mod launchd;
mod lines;
mod local;
pub mod marks;
pub mod systemd;
pub mod task_scheduler;
mod widen;
mod words;
mod xml;

use super::entry::Tier;
use sha2::{Digest as _, Sha256};

/// The format of entries. A change of it changes every hash, so that an installation brings all of them up to date.
pub const FORMAT: u32 = 1;

/// What takes the place of a hash while it is taken: hashes are of the text that holds them.
pub const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An entry as a scheduler reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// How exactly it says the schedule.
    pub tier: Tier,
    /// Its files, the one that names its times first; names are those below the scheduler's folder.
    pub files: Vec<File>,
    /// SHA-256, in hex, of format and files with [`NO_HASH`] in place of it; it stands in each of them.
    pub hash: String,
    /// What is run, in order and as the scheduler will start it: one list of words for each command.
    pub argv: Vec<Vec<String>>,
    /// What a person should know: a time that this scheduler skips, a condition under which nothing fires.
    pub warnings: Vec<String>,
}

/// One file of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Why a scheduler cannot say an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{job}: {backend} cannot say `{field}`: {reason}")]
pub struct Refusal {
    /// The job, as `prod/nightly`.
    pub job: String,
    /// The scheduler.
    pub backend: super::entry::Backend,
    /// The key of the policy that it is about, or the path that is none of its keys.
    pub field: &'static str,
    /// Why.
    pub reason: String,
    /// What to write instead.
    pub help: String,
}

/// Takes the hash of files that hold [`NO_HASH`], and writes it there.
pub(super) fn sealed(mut files: Vec<File>) -> (Vec<File>, String) {
    let hash = hash(&files);
    for file in &mut files {
        file.bytes = replaced(&file.bytes, NO_HASH, &hash);
    }
    (files, hash)
}

/// The hash of files as read from a host, in which `stated` stands: that of an entry nobody has changed is `stated` itself.
pub fn hash_of(files: &[File], stated: &str) -> String {
    let blank = |file: &File| File { name: file.name.clone(), bytes: replaced(&file.bytes, stated, NO_HASH) };
    hash(&files.iter().map(blank).collect::<Vec<_>>())
}

fn hash(files: &[File]) -> String {
    let mut digest = Sha256::new();
    digest.update(FORMAT.to_string());
    for File { name, bytes } in files {
        // Lengths keep two files apart from two others with the same text in all.
        digest.update(format!("\0{name}\0{}\0", bytes.len()));
        digest.update(bytes);
    }
    hex::encode(digest.finalize())
}

/// Replaces a text in bytes, also where these are UTF-16, little end first.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let narrow = replaced_bytes(bytes, from.as_bytes(), to.as_bytes());
    replaced_bytes(&narrow, &wide(from), &wide(to))
}

fn replaced_bytes(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !from.is_empty() && rest.len() >= from.len() {
        if let Some(after) = rest.strip_prefix(from) {
            out.extend_from_slice(to);
            rest = after;
        } else if let Some((first, after)) = rest.split_first() {
            out.push(*first);
            rest = after;
        }
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
pub(in crate::schedule) mod tests;
