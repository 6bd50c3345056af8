//! What the tests of all schedulers need: entries of a few lines, stand-ins for programs, and watches nobody stops.
#![expect(clippy::disallowed_methods, reason = "writes stand-ins for programs")]

use super::Tools;
use crate::{
    schedule::{
        entry::{EntryName, Tier},
        render::{File, NO_HASH, Rendered, hash_of},
    },
    watch::{Cancel, Progress, Watch},
};
use std::{fs, path::Path};

const TELL: &(dyn Fn(Progress) + Sync) = &|_| ();

/// Does something that nobody stops.
pub(super) fn with_watch<T>(work: impl FnOnce(&Watch<'_>) -> T) -> T {
    work(&Watch::new(&Cancel::default(), None, TELL))
}

pub(super) fn name(job: &str) -> EntryName {
    EntryName::of("prod", job)
}

/// An entry of files whose texts hold [`NO_HASH`].
pub(super) fn rendered(files: &[(&str, &str)]) -> Rendered {
    let mut files: Vec<File> = files
        .iter()
        .map(|(name, text)| File { name: (*name).to_owned(), bytes: text.as_bytes().to_vec() })
        .collect();
    let hash = hash_of(&files, NO_HASH);
    for file in &mut files {
        file.bytes = String::from_utf8(file.bytes.clone()).unwrap().replace(NO_HASH, &hash).into_bytes();
    }
    Rendered { tier: Tier::Exact, files, hash, argv: Vec::new(), warnings: Vec::new() }
}

/// A program of this name in a folder: a script for sh.
#[cfg(unix)]
pub(super) fn stand_in(folder: &Path, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Programs of a folder, which may call those of the system.
pub(super) fn tools(folder: &Path) -> Tools {
    Tools::new(folder)
}
