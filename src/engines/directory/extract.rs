//! Restoring an archive into a new folder.
//!
//! The archive is taken for hostile. Nothing is written but below folders that this extraction made itself and holds
//! open: each member must lie in the folder entered last or one above it, each name is a single one, everything is made
//! new, and no link is ever followed. So no order of members can write through a link, and the target of a symbolic link
//! is only text. A hard link may only go to a regular file that lies in the new folder already.
//!
//! Owners are set where this process may; elsewhere files belong to whoever restores, and lose set-user-id and
//! set-group-id bits that were meant for another owner, as with tar(1). Both are told.

use super::{
    archive::{Form, Member, shown},
    examine::Notes,
};
use crate::platform::folder::{Folder, Kind, Trail, name_of, settle};
use crate::{engines::EngineError, fault::OnPath};
use std::{
    ffi::OsString,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

/// An extraction under way. Until it is finished the new folder is its owner's alone (mode 0700).
pub(super) struct Extraction {
    place: PathBuf,
    trail: Trail,
    /// The folder members on the trail, the root's first; their metadata is set when they are left.
    above: Vec<Member>,
    /// The file written last, which the next member may replace.
    last: Vec<u8>,
    strangers: u64,
    set_id: u64,
    durability: Durability,
}

/// Whether what is restored must survive a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// It is on the disk when the extraction is finished.
    Kept,
    /// It is looked at and removed again.
    Trial,
}

impl Durability {
    /// Whether each file and folder is synced by itself: where the system cannot do it for all at the end.
    fn each(self) -> bool {
        self == Self::Kept && !SETTLES
    }
}

impl Extraction {
    /// Makes the new folder.
    pub(super) fn new(place: &Path, durability: Durability) -> Result<Self, EngineError> {
        let (parent, name) = parent_and_name(place)?;
        let folder = Folder::root(parent).on("open the folder", parent)?;
        folder.create_folder(name).on("create the folder", place)?;
        let root = folder.open(name).on("open the folder", place)?;
        let (above, last) = (Vec::new(), Vec::new());
        Ok(Self {
            place: place.to_owned(),
            trail: Trail::new(root),
            above,
            last,
            strangers: 0,
            set_id: 0,
            durability,
        })
    }

    /// Makes a member; a file is returned open, to be written and given to [`Extraction::close`].
    pub(super) fn member(&mut self, member: &Member) -> Result<Option<File>, EngineError> {
        if member.path.is_empty() {
            if member.form != Form::Folder || !self.above.is_empty() {
                return Err(damaged("it holds the folder itself twice"));
            }
            self.above.push(member.clone());
            return Ok(None);
        }
        let name = self.go_to_parent(&member.path)?;
        let place = self.place_of(&member.path);
        let folder = self.trail.top().on("open the folder of", &place)?;
        match &member.form {
            Form::Folder => {
                folder.create_folder(&name).on("create the folder", &place)?;
                self.trail.push(name).on("open the folder", &place)?;
                self.above.push(member.clone());
            }
            Form::File => {
                if self.last == member.path {
                    folder.remove(&name).on("replace", &place)?;
                }
                let file = folder.create_file(&name).on("create", &place)?;
                self.last.clone_from(&member.path);
                return Ok(Some(file));
            }
            Form::Link(target) => {
                folder.create_link(target, &name).on("create the link", &place)?;
                let owned = folder.dress_link(&name, &member.wanted()).on("set the time of", &place)?;
                self.strangers += u64::from(!owned);
            }
            Form::HardLink(target) => self.hard_link(target, &name, member)?,
        }
        self.last.clear();
        Ok(None)
    }

    /// Ends a file: owner, mode and time, and its bytes onto the disk where that is not done for all at the end.
    pub(super) fn close(&mut self, mut file: File, member: &Member) -> Result<(), EngineError> {
        let place = self.place_of(&member.path);
        file.flush().on("write", &place)?;
        let owned = Folder::dress_file(&file, &member.wanted()).on("set the mode and time of", &place)?;
        self.told(owned, member);
        if self.durability.each() {
            file.sync_all().on("sync", &place)?;
        }
        Ok(())
    }

    /// Sets what is left to set, and makes everything durable. Returns what must be told.
    pub(super) fn finish(mut self) -> Result<Vec<String>, EngineError> {
        while self.trail.depth() > 0 {
            self.leave()?;
        }
        let top = self.above.pop().ok_or_else(|| damaged("it holds no folder"))?;
        let place = self.place.clone();
        if self.durability == Durability::Kept {
            settle(self.trail.root()).on("sync", &place)?;
        }
        // The mode of the folder itself comes last: only now may others look in.
        let owned = self.trail.root().dress(&top.wanted()).on("set the mode and time of", &place)?;
        self.told(owned, &top);
        if self.durability == Durability::Kept {
            self.trail.root().sync().on("sync", &place)?;
            let (parent, _) = parent_and_name(&place)?;
            Folder::root(parent).and_then(|folder| folder.sync()).on("sync", parent)?;
        }
        let mut notes = Notes::default();
        if self.strangers > 0 {
            notes.add(format!(
                "{} members belong to this user instead of their recorded owner",
                self.strangers
            ));
        }
        if self.set_id > 0 {
            notes.add(format!(
                "{} members lost their set-user-id or set-group-id bit with their owner",
                self.set_id
            ));
        }
        Ok(notes.into_lines())
    }

    /// Leaves folders until the parent of `path` is open; it must be one that is.
    fn go_to_parent(&mut self, path: &[u8]) -> Result<OsString, EngineError> {
        let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&path[..0], path),
        };
        loop {
            let open =
                self.above.last().ok_or_else(|| damaged("its first member is not the folder itself"))?;
            if open.path == parent {
                break;
            }
            if open.path.is_empty() {
                return Err(damaged(&format!("`{}` does not lie in an open folder", shown(path))));
            }
            self.leave()?;
        }
        name_of(name).ok_or_else(|| {
            EngineError::Refused(format!("`{}` cannot be the name of a file on this system", shown(path)))
        })
    }

    /// Sets what was recorded of the folder left: after its content, which changes its time and needs its write bit.
    fn leave(&mut self) -> Result<(), EngineError> {
        let Some(member) = self.above.pop() else { return Ok(()) };
        let place = self.place_of(&member.path);
        let folder = self.trail.top().on("open the folder", &place)?;
        let owned = folder.dress(&member.wanted()).on("set the mode and time of", &place)?;
        if self.durability.each() {
            folder.sync().on("sync", &place)?;
        }
        self.trail.pop();
        self.told(owned, &member);
        Ok(())
    }

    fn hard_link(&mut self, target: &[u8], name: &OsString, member: &Member) -> Result<(), EngineError> {
        let place = self.place_of(&member.path);
        let outside = || {
            damaged(&format!(
                "`{}` links to `{}`, which is no file in it",
                shown(&member.path),
                shown(target)
            ))
        };
        let (folders, file) = match target.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (&target[..at], &target[at + 1..]),
            None => (&target[..0], target),
        };
        // A second handle to the root is the beginning; a folder that is a link cannot be opened this way.
        let mut from = Trail::new(Folder::root(&self.place).on("open the folder", &self.place)?);
        for folder in folders.split(|byte| *byte == b'/').filter(|folder| !folder.is_empty()) {
            from.push(name_of(folder).ok_or_else(outside)?).map_err(|_| outside())?;
        }
        let file = name_of(file).ok_or_else(outside)?;
        let from = from.top().on("open the folder of", &place)?;
        if !from.meta_of(&file).is_ok_and(|found| found.kind == Kind::File) {
            return Err(outside());
        }
        from.hard_link(&file, self.trail.top().on("open the folder of", &place)?, name)
            .on("create the link", &place)?;
        Ok(())
    }

    fn told(&mut self, owned: bool, member: &Member) {
        self.strangers += u64::from(!owned);
        self.set_id += u64::from(!owned && member.mode & 0o6000 != 0);
    }

    fn place_of(&self, path: &[u8]) -> PathBuf {
        self.place.join(shown(path))
    }
}

/// Whether everything is made durable at once at the end.
const SETTLES: bool = cfg!(any(target_os = "linux", target_os = "android"));

fn damaged(why: &str) -> EngineError {
    EngineError::Damaged(why.to_owned())
}

/// The folder a path lies in, and its last name.
pub(super) fn parent_and_name(path: &Path) -> Result<(&Path, &std::ffi::OsStr), EngineError> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => {
            Ok((if parent.as_os_str().is_empty() { Path::new(".") } else { parent }, name))
        }
        _ => Err(EngineError::Refused(format!("{} is no place for a folder", path.display()))),
    }
}

/// Removes a folder and everything in it that this engine made, whatever modes were set meanwhile; links are removed and
/// not followed.
pub(super) fn remove_tree(place: &Path) -> Result<(), EngineError> {
    let (parent, name) = parent_and_name(place)?;
    let folder = Folder::root(parent).on("open the folder", parent)?;
    let removed = clear(&folder, name).and_then(|()| folder.remove_folder(name));
    Ok(removed.on("remove", place)?)
}

fn clear(folder: &Folder, name: &std::ffi::OsStr) -> std::io::Result<()> {
    let mut trail = Trail::new(folder.open(name)?);
    let mut levels = vec![list(trail.root())?];
    while let Some(names) = levels.last_mut() {
        let Some(name) = names.last().cloned() else {
            levels.pop();
            if trail.depth() > 0 {
                trail.pop();
                if let Some(emptied) = levels.last_mut().and_then(Vec::pop) {
                    trail.top()?.remove_folder(&emptied)?;
                }
            }
            continue;
        };
        if trail.top()?.meta_of(&name)?.kind == Kind::Folder {
            // One that nobody may open was restored empty, as nobody could capture what is in it.
            if trail.push(name.clone()).is_err() {
                trail.top()?.remove_folder(&name)?;
                names.pop();
                continue;
            }
            levels.push(list(trail.top()?)?);
        } else {
            trail.top()?.remove(&name)?;
            names.pop();
        }
    }
    Ok(())
}

/// The names in a folder that its owner may now empty.
fn list(folder: &Folder) -> std::io::Result<Vec<OsString>> {
    let meta = folder.meta()?;
    if meta.mode & 0o700 != 0o700 {
        folder.set_mode(meta.mode | 0o700)?;
    }
    folder.names()
}
