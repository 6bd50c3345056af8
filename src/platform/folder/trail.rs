//! The way from a folder down to where one is working, without holding a handle for each step of a deep one.

use super::Folder;
use std::{ffi::OsString, io};

/// So many handles stay open; macOS gives a process 256 in all. Folders above are opened again when they are needed.
const HELD: usize = 48;

/// A folder and the names that lead down from it.
pub(crate) struct Trail {
    root: Folder,
    /// The open ones are at the end.
    below: Vec<(OsString, Option<Folder>)>,
}

impl Trail {
    /// Begins at a folder.
    pub(crate) fn new(root: Folder) -> Self {
        Self { root, below: Vec::new() }
    }

    /// The folder it begins at.
    pub(crate) fn root(&self) -> &Folder {
        &self.root
    }

    /// How many folders below the root it is.
    pub(crate) fn depth(&self) -> usize {
        self.below.len()
    }

    /// The folder it leads to.
    pub(crate) fn top(&mut self) -> io::Result<&Folder> {
        let closed = self.below.iter().rposition(|(_, folder)| folder.is_none()).map_or(0, |at| at + 1);
        if closed == self.below.len() && closed > 0 {
            self.reopen()?;
        }
        Ok(self.below.last().and_then(|(_, folder)| folder.as_ref()).unwrap_or(&self.root))
    }

    /// Every handle is closed: walks down from the root and keeps the last ones.
    fn reopen(&mut self) -> io::Result<()> {
        let keep_from = self.below.len().saturating_sub(HELD);
        let mut passing: Option<Folder> = None;
        for at in 0..self.below.len() {
            let (before, rest) = self.below.split_at_mut(at);
            let parent = match (&passing, before.last().and_then(|(_, folder)| folder.as_ref())) {
                (_, Some(folder)) | (Some(folder), None) => folder,
                (None, None) => &self.root,
            };
            let opened = parent.open(&rest[0].0)?;
            if at < keep_from {
                passing = Some(opened);
            } else {
                rest[0].1 = Some(opened);
            }
        }
        Ok(())
    }

    /// Goes down into a folder, never through a link.
    pub(crate) fn push(&mut self, name: OsString) -> io::Result<()> {
        let opened = self.top()?.open(&name)?;
        self.below.push((name, Some(opened)));
        if let Some(at) = self.below.len().checked_sub(HELD + 1) {
            self.below[at].1 = None;
        }
        Ok(())
    }

    /// Goes up.
    pub(crate) fn pop(&mut self) {
        self.below.pop();
    }
}
