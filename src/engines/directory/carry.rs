//! Carrying over: what is live and not selected gets a second name in the folder that is to take the live one's place.
//!
//! A hard link, not a copy: a program that writes to such a file while the folders change places, or after, writes to the
//! one file that both hold, so nothing it wrote is lost; and it takes no room. Where the file system has no hard links, or
//! refuses one, a copy is made. A run over what was carried before finds it in place and changes nothing.

use super::{
    archive::shown,
    fault,
    selection::{Choice, Selection},
    walk::{Entry, Excluded, Step, Walk},
};
use crate::platform::folder::{Folder, Kind, Meta, Moment, Trail, privileged};
use crate::{engines::EngineError, fault::OnPath, watch::Watch};
use std::{
    io::{self, Read, Write},
    path::Path,
};

/// Which of two files of one name stays, where the live one is not selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conflict {
    /// The live one: the backup was made when more was selected, and what is not selected is not restored.
    LiveWins,
    /// The one in the new folder: it is in use already.
    NewWins,
}

/// A carrying over under way.
pub(super) struct Carrying<'c, 'w> {
    from: &'c Path,
    to: &'c Path,
    conflict: Conflict,
    watch: &'c Watch<'w>,
    /// Where in the new folder it is; as deep as `above` was made.
    made: Trail,
    above: Vec<Above>,
}

/// A live folder on the way down.
struct Above {
    entry: Entry,
    /// Set once it stands in the new folder: what is to be set on it when it is left.
    made: Option<Parting>,
    /// Whether anything was found in it.
    is_empty: bool,
}

enum Parting {
    /// It was made here: it becomes like the live one.
    AsLive,
    /// It was restored: it gets back its own mode and time.
    AsBefore { mode: u32, modified: Moment },
}

impl<'c, 'w> Carrying<'c, 'w> {
    /// Carries everything below `from` that is not selected to `to`.
    ///
    /// # Errors
    /// Whatever cannot be carried is an error: what is silently left behind would be lost to the user.
    pub(super) fn run(
        selection: &Selection,
        from: &'c Path,
        to: &'c Path,
        conflict: Conflict,
        watch: &'c Watch<'w>,
    ) -> Result<(), EngineError> {
        let old = Folder::root(from).on("open the folder", from)?;
        let new = Folder::root(to).on("open the folder", to)?;
        let before = new.meta().on("look at", to)?;
        let mut walk = Walk::new(old, selection, Excluded::Visit).on("list", from)?;
        let mut carrying = Self { from, to, conflict, watch, made: Trail::new(new), above: Vec::new() };
        while let Some(step) = walk.step() {
            watch.check()?;
            carrying.step(step, &mut walk)?;
        }
        // New names in it changed its time.
        let root = carrying.made.root();
        if root.meta().on("look at", to)?.modified != before.modified && conflict == Conflict::LiveWins {
            root.set_modified(before.modified).on("set the time of", to)?;
        }
        Ok(())
    }

    fn step(&mut self, step: Step, walk: &mut Walk<'_>) -> Result<(), EngineError> {
        if !matches!(step, Step::Leave)
            && let Some(above) = self.above.last_mut()
        {
            above.is_empty = false;
        }
        match step {
            Step::Enter(entry, error) => {
                let (choice, path) = (entry.choice, entry.path.clone());
                if let Some(error) = error {
                    // Selected or not, something unselected may lie in it.
                    return Err(self.fault("list", &path, error));
                }
                self.above.push(Above { entry, made: None, is_empty: true });
                if choice == Choice::Excluded { self.make_folders() } else { Ok(()) }
            }
            Step::Leave => {
                // An empty folder that nothing selects is carried for its own sake.
                if self.above.last().is_some_and(|top| top.is_empty && top.entry.choice == Choice::Undecided)
                {
                    self.make_folders()?;
                }
                self.leave()
            }
            Step::Leaf(entry) if entry.choice == Choice::Included => Ok(()),
            Step::Leaf(entry) => {
                self.make_folders()?;
                let folder =
                    walk.folder().map_err(|error| self.fault("open the folder of", &entry.path, error))?;
                self.leaf(folder, &entry)
            }
            // Deleted by its owner while we looked.
            Step::Vanished(_) => Ok(()),
            Step::Unreadable(path, error) => Err(self.fault("look at", &path, error)),
        }
    }

    fn leaf(&mut self, folder: &Folder, entry: &Entry) -> Result<(), EngineError> {
        let at = self.to.join(shown(&entry.path));
        let into = self.made.top().on("open the folder of", &at)?;
        match into.meta_of(&entry.name) {
            Ok(there) if there.is_same_file(&entry.meta) => return Ok(()),
            Ok(_) if self.conflict == Conflict::NewWins => return Ok(()),
            Ok(there) if there.kind == Kind::Folder => {
                return Err(conflict(&entry.path, "a folder in the backup, and something else live"));
            }
            // A copy made by the run before, still like the live one.
            Ok(there) if is_copy(&there, &entry.meta) => return Ok(()),
            Ok(_) => into.remove(&entry.name).on("replace", &at)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.fault("look at", &entry.path, error)),
        }
        match folder.hard_link(&entry.name, into, &entry.name) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => copy(folder, entry, into, self.watch).map_err(|failed| match failed {
                Failed::Stopped(stopped) => stopped.into(),
                Failed::Io(_) if matches!(entry.meta.kind, Kind::Special(_)) => {
                    self.fault("carry over", &entry.path, error)
                }
                Failed::Io(error) => self.fault("carry over", &entry.path, error),
            }),
        }
    }

    /// Makes the folders on the way down that the new folder lacks.
    fn make_folders(&mut self) -> Result<(), EngineError> {
        let privileged = privileged();
        for above in &mut self.above[self.made.depth()..] {
            let at = self.to.join(shown(&above.entry.path));
            let name = above.entry.name.clone();
            let parent = self.made.top().on("open the folder of", &at)?;
            let parting = match parent.meta_of(&name) {
                Ok(there) if there.kind == Kind::Folder => {
                    Parting::AsBefore { mode: there.mode, modified: there.modified }
                }
                Ok(_) => {
                    return Err(conflict(
                        &above.entry.path,
                        "a folder live, and something else in the backup",
                    ));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    parent.create_folder(&name).on("create the folder", &at)?;
                    Parting::AsLive
                }
                Err(error) => return Err(fault("look at", &at, error)),
            };
            self.made.push(name).on("open the folder", &at)?;
            // A folder that was restored read-only is opened to its owner while names are added to it.
            if let Parting::AsBefore { mode, .. } = &parting
                && mode & 0o700 != 0o700
                && !privileged
            {
                self.made
                    .top()
                    .and_then(|folder| folder.set_mode(mode | 0o700))
                    .on("open up the folder", &at)?;
            }
            above.made = Some(parting);
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<(), EngineError> {
        let Some(Above { entry, made: Some(parting), .. }) = self.above.pop() else { return Ok(()) };
        let at = self.to.join(shown(&entry.path));
        let folder = self.made.top().on("open the folder", &at)?;
        let meta = folder.meta().on("look at", &at)?;
        match parting {
            Parting::AsLive => {
                folder.dress(&entry.meta).on("set the mode and time of", &at)?;
            }
            Parting::AsBefore { mode, modified } => {
                if meta.mode != mode {
                    folder.set_mode(mode).on("set the mode of", &at)?;
                }
                if meta.modified != modified {
                    folder.set_modified(modified).on("set the time of", &at)?;
                }
            }
        }
        self.made.pop();
        Ok(())
    }

    fn fault(&self, verb: &'static str, path: &[u8], error: io::Error) -> EngineError {
        fault(verb, &self.from.join(shown(path)), error)
    }
}

fn conflict(path: &[u8], what: &str) -> EngineError {
    EngineError::Refused(format!(
        "`{}` is {what}, and the target does not select the live one: move it away, or restore with `--to`",
        shown(path)
    ))
}

/// Whether a file can only be the copy that was made of the other: its time is set last.
fn is_copy(there: &Meta, live: &Meta) -> bool {
    there.kind == live.kind
        && there.size == live.size
        && there.modified == live.modified
        && there.mode == live.mode
}

enum Failed {
    Stopped(crate::watch::Stopped),
    Io(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn copy(folder: &Folder, entry: &Entry, into: &Folder, watch: &Watch<'_>) -> Result<(), Failed> {
    match entry.meta.kind {
        Kind::Link => {
            into.create_link(&folder.link_target(&entry.name)?, &entry.name)?;
            into.dress_link(&entry.name, &entry.meta)?;
        }
        Kind::File => {
            let (mut file, meta) = folder.open_file(&entry.name)?;
            let mut new = into.create_file(&entry.name)?;
            let mut buffer = vec![0; 1 << 18];
            loop {
                watch.check().map_err(Failed::Stopped)?;
                match file.read(&mut buffer)? {
                    0 => break,
                    count => new.write_all(&buffer[..count])?,
                }
            }
            Folder::dress_file(&new, &meta)?;
            new.sync_all()?;
        }
        Kind::Folder | Kind::Special(_) => return Err(io::Error::from(io::ErrorKind::Unsupported).into()),
    }
    Ok(())
}
