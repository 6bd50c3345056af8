//! The walk over a folder: depth first, sorted by the bytes of names, one folder's names in memory at a time.
//!
//! Every folder comes before its content, and its content right after it: the order of the archive, of the list of
//! digests, and what lets a restore check that nothing is written through a link.

use super::selection::{Choice, Selection};
use crate::platform::folder::{Folder, Kind, Meta, Trail};
use std::{ffi::OsString, io, vec};

/// What is below an excluded folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excluded {
    /// Nothing there is looked at, so it need not even be readable.
    Skip,
    /// It is walked like everything else.
    Visit,
}

/// One name that was found.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its path below the folder, names joined by `/`.
    pub(super) path: Vec<u8>,
    /// Its name.
    pub(super) name: OsString,
    /// What the system said of it.
    pub(super) meta: Meta,
    /// Whether it is selected.
    pub(super) choice: Choice,
}

/// One step of the walk.
#[derive(Debug)]
pub(super) enum Step {
    /// A folder; its content follows up to [`Step::Leave`]. An error says that the content could not be listed.
    Enter(Entry, Option<io::Error>),
    /// Anything but a folder; [`Walk::folder`] is where it lies.
    Leaf(Entry),
    /// The end of the folder entered last.
    Leave,
    /// A name that was gone when it was looked at.
    Vanished(Vec<u8>),
    /// A name that cannot be looked at.
    Unreadable(Vec<u8>, io::Error),
}

/// A walk under way.
pub(super) struct Walk<'s> {
    selection: &'s Selection,
    excluded: Excluded,
    trail: Trail,
    levels: Vec<Level>,
    path: Vec<u8>,
}

struct Level {
    names: vec::IntoIter<OsString>,
    choice: Choice,
    path_len: usize,
    on_trail: bool,
}

impl<'s> Walk<'s> {
    /// Begins a walk below `root`, which must be listable.
    pub(super) fn new(root: Folder, selection: &'s Selection, excluded: Excluded) -> io::Result<Self> {
        let names = root.names()?.into_iter();
        let level = Level { names, choice: selection.of_root(), path_len: 0, on_trail: false };
        Ok(Self { selection, excluded, trail: Trail::new(root), levels: vec![level], path: Vec::new() })
    }

    /// The folder in which the last leaf lies.
    pub(super) fn folder(&mut self) -> io::Result<&Folder> {
        self.trail.top()
    }

    /// The next step; `None` at the end.
    pub(super) fn step(&mut self) -> Option<Step> {
        loop {
            let level = self.levels.last_mut()?;
            self.path.truncate(level.path_len);
            let Some(name) = level.names.next() else {
                if level.on_trail {
                    self.trail.pop();
                }
                self.levels.pop();
                // The end of the root is the end of the walk.
                return (!self.levels.is_empty()).then_some(Step::Leave);
            };
            let parent = level.choice;
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.as_encoded_bytes());
            let meta = match self.trail.top().and_then(|folder| folder.meta_of(&name)) {
                Ok(meta) => meta,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Some(Step::Vanished(self.path.clone()));
                }
                Err(error) => return Some(Step::Unreadable(self.path.clone(), error)),
            };
            let is_folder = meta.kind == Kind::Folder;
            let choice = self.selection.of(parent, &self.path, is_folder);
            if choice == Choice::Excluded && self.excluded == Excluded::Skip {
                continue;
            }
            let entry = Entry { path: self.path.clone(), name, meta, choice };
            return Some(if is_folder { self.enter(entry) } else { Step::Leaf(entry) });
        }
    }

    fn enter(&mut self, entry: Entry) -> Step {
        let pushed = self.trail.push(entry.name.clone());
        let on_trail = pushed.is_ok();
        let listed = pushed.and_then(|()| self.trail.top()?.names());
        let (names, error) = match listed {
            Ok(names) => (names, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let path_len = self.path.len();
        self.levels.push(Level { names: names.into_iter(), choice: entry.choice, path_len, on_trail });
        Step::Enter(entry, error)
    }
}
