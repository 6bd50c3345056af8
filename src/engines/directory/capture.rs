//! The capture: one walk, one archive, each file read once unless it changed meanwhile.
//!
//! A file of up to 1 MiB is read into memory and looked at again before a byte of it is written. A larger one is written
//! as it is read: the header has announced its size, so what it lost is filled up with zeros and what it gained is left
//! off. If it changed, it is read once more and stored as a second member of the same name right after the first, which
//! every tar(1) then overwrites. The alternative, a copy in the scratch folder first, would cost its room and a second
//! pass over every large file to protect the few that change.
//!
//! Hard links are stored as links: a tree of them (as rsnapshot makes) would else grow many times over, and come back
//! as files that no longer share their content. Only files that did not change while read are linked to, and at most
//! [`LINKED_LIMIT`] are remembered; beyond, the content is stored again, which is never wrong.

use super::{
    archive::{Archive, Form, Member, shown},
    examine::Notes,
    members::{self, Digest},
    selection::{Choice, Idle},
    walk::{Entry, Step, Walk},
};
use crate::platform::folder::{Folder, Kind, Meta};
use crate::{engines::EngineError, fault::OnPath, watch::Watch};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

/// Files up to this size are read whole before they are written.
const WHOLE: u64 = 1 << 20;
/// Bytes read at once.
const PART: usize = 1 << 18;
/// So many files with several names are remembered at a time, some 200 bytes each.
const LINKED_LIMIT: usize = 100_000;
/// So many unreadable members are named.
const UNREADABLE_LIMIT: usize = 1_000;

/// A capture under way.
pub(super) struct Capturing<'c, 'w> {
    archive: Archive<'c>,
    list: &'c mut dyn Write,
    list_path: &'c Path,
    watch: &'c Watch<'w>,
    linked: BTreeMap<(u64, u64), Linked>,
    /// The folders on the way down, each with whether it is in the archive yet.
    above: Vec<(Member, bool)>,
    whole: Vec<u8>,
    part: Vec<u8>,
    idle: Idle,
    taken: Taken,
}

/// What a capture took.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Files, each name counted.
    pub(super) files: u64,
    /// Folders, without the target itself.
    pub(super) folders: u64,
    /// Symbolic links.
    pub(super) links: u64,
    /// Bytes in files, each name counted.
    pub(super) bytes: u64,
    /// Bytes of the archive and of the list of digests.
    pub(super) written: u64,
    /// Members that could not be read.
    pub(super) unreadable: Vec<String>,
    /// What must be told.
    pub(super) warnings: Notes,
}

struct Linked {
    path: Vec<u8>,
    digest: Digest,
    meta: Meta,
    /// Names not seen yet; at none it is forgotten.
    left: u64,
}

/// How reading a file once ended.
enum Outcome {
    /// It is in the archive, or for the last time of trying as it was then.
    Stored { digest: Digest, meta: Meta, changed: bool },
    /// It changed before a byte was written: the content as read, in `whole`.
    Held { meta: Meta },
    /// It is gone.
    Vanished,
    /// It cannot be read, and nothing was written.
    Unreadable(io::Error),
    /// Reading failed in the middle; what came before is in the archive, the rest is zeros.
    Torn { digest: Digest, at: u64, error: io::Error },
}

impl<'c, 'w> Capturing<'c, 'w> {
    /// Captures everything that `walk` selects.
    pub(super) fn run(
        top: &Meta,
        (mut walk, idle): (Walk<'_>, Idle),
        out: &'c mut dyn Write,
        (list, list_path): (&'c mut dyn Write, &'c Path),
        watch: &'c Watch<'w>,
    ) -> Result<Taken, EngineError> {
        let mut capturing = Self {
            archive: Archive::new(out),
            list,
            list_path,
            watch,
            linked: BTreeMap::new(),
            above: vec![(Member::new(Vec::new(), Form::Folder, top), false)],
            whole: Vec::new(),
            part: vec![0; PART],
            idle,
            taken: Taken::default(),
        };
        // The folder itself is always a member: an archive of nothing still says what it is of.
        capturing.open_folders()?;
        while let Some(step) = walk.step() {
            watch.check()?;
            capturing.step(step, &mut walk)?;
        }
        let Self { archive, mut taken, idle, .. } = capturing;
        for glob in idle.into_globs() {
            taken.warnings.add(format!("include `{glob}` took nothing"));
        }
        taken.written += archive.finish().map_err(EngineError::Out)?;
        Ok(taken)
    }

    fn step(&mut self, step: Step, walk: &mut Walk<'_>) -> Result<(), EngineError> {
        if let Step::Enter(entry, _) | Step::Leaf(entry) = &step
            && entry.choice == Choice::Included
        {
            self.idle.see(&entry.path, entry.meta.kind == Kind::Folder);
        }
        match step {
            Step::Enter(entry, error) => {
                if let Some(error) = error {
                    self.unreadable(&entry.path, &error);
                }
                self.above.push((Member::new(entry.path, Form::Folder, &entry.meta), false));
                // A folder that nothing selects is stored only when something in it is.
                if entry.choice == Choice::Included { self.open_folders() } else { Ok(()) }
            }
            Step::Leave => {
                self.above.pop();
                Ok(())
            }
            Step::Leaf(entry) if entry.choice != Choice::Included => Ok(()),
            Step::Leaf(entry) => match walk.folder() {
                Ok(folder) => self.leaf(folder, entry),
                Err(error) => {
                    self.unreadable(&entry.path, &error);
                    Ok(())
                }
            },
            Step::Vanished(path) => {
                self.warn(&path, "vanished while the folder was read");
                Ok(())
            }
            Step::Unreadable(path, error) => {
                self.unreadable(&path, &error);
                Ok(())
            }
        }
    }

    fn leaf(&mut self, folder: &Folder, entry: Entry) -> Result<(), EngineError> {
        match entry.meta.kind {
            Kind::File => self.file(folder, &entry),
            Kind::Link => match folder.link_target(&entry.name) {
                Ok(target) => {
                    self.taken.links += 1;
                    self.header(&Member::new(entry.path, Form::Link(target), &entry.meta))
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.warn(&entry.path, "vanished while the folder was read");
                    Ok(())
                }
                Err(error) => {
                    self.unreadable(&entry.path, &error);
                    Ok(())
                }
            },
            Kind::Special(what) => {
                self.warn(&entry.path, &format!("is {what} and was left out"));
                Ok(())
            }
            Kind::Folder => Ok(()),
        }
    }

    fn file(&mut self, folder: &Folder, entry: &Entry) -> Result<(), EngineError> {
        let id = (entry.meta.dev, entry.meta.ino);
        if let Some(linked) = self.linked.get_mut(&id)
            && linked.meta.is_unchanged(&entry.meta)
        {
            let (path, digest) = (linked.path.clone(), linked.digest);
            linked.left -= 1;
            if linked.left == 0 {
                self.linked.remove(&id);
            }
            self.header(&Member::new(entry.path.clone(), Form::HardLink(path), &entry.meta))?;
            return self.listed(entry, &digest, entry.meta.size);
        }
        let first = match self.read_once(folder, entry, false)? {
            Outcome::Stored { digest, meta, changed: false } => {
                if meta.names > 1 && self.linked.len() < LINKED_LIMIT {
                    let linked = Linked { path: entry.path.clone(), digest, meta, left: meta.names - 1 };
                    self.linked.insert((meta.dev, meta.ino), linked);
                }
                return self.listed(entry, &digest, meta.size);
            }
            Outcome::Vanished => {
                self.warn(&entry.path, "vanished while the folder was read");
                return Ok(());
            }
            Outcome::Unreadable(error) => {
                self.unreadable(&entry.path, &error);
                return Ok(());
            }
            Outcome::Torn { digest, at, error } => return self.torn(entry, &digest, at, &error),
            changed => changed,
        };
        // It changed: once more. Whatever this brings, the first reading is not lost: a small file's is still in
        // memory, a large file's is in the archive.
        let held = matches!(first, Outcome::Held { .. }).then(|| std::mem::take(&mut self.whole));
        match self.read_once(folder, entry, true)? {
            Outcome::Stored { digest, meta, changed } => {
                if changed {
                    self.warn(&entry.path, "changed each time it was read: what is stored may be a mixture");
                }
                self.listed(entry, &digest, meta.size)
            }
            Outcome::Torn { digest, at, error } => self.torn(entry, &digest, at, &error),
            Outcome::Held { .. } | Outcome::Vanished | Outcome::Unreadable(_) => {
                self.warn(&entry.path, "changed while it was read and could not be read again");
                match (first, held) {
                    (Outcome::Held { meta }, Some(bytes)) => {
                        let digest = self.write_whole(entry, &meta, &bytes)?;
                        self.listed(entry, &digest, bytes.len() as u64)
                    }
                    (Outcome::Stored { digest, meta, .. }, _) => self.listed(entry, &digest, meta.size),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Reads a file from its beginning to the end that it had when it was opened.
    fn read_once(&mut self, folder: &Folder, entry: &Entry, last: bool) -> Result<Outcome, EngineError> {
        let (mut file, before) = match folder.open_file(&entry.name) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Outcome::Vanished),
            Err(error) => return Ok(Outcome::Unreadable(error)),
        };
        if before.kind != Kind::File {
            return Ok(Outcome::Unreadable(io::Error::other("it was replaced by something that is no file")));
        }
        if before.size <= WHOLE {
            return self.read_whole(&mut file, entry, before, last);
        }
        let member = Member::new(entry.path.clone(), Form::File, &before);
        self.header(&member)?;
        let mut hasher = blake3::Hasher::new();
        let mut left = before.size;
        let mut torn = None;
        while left > 0 {
            self.watch.check()?;
            let room = usize::try_from(left).unwrap_or(PART).min(PART);
            match file.read(&mut self.part[..room]) {
                Ok(0) => break,
                Ok(count) => {
                    hasher.update(&self.part[..count]);
                    self.archive.content(&self.part[..count]).map_err(EngineError::Out)?;
                    left -= count as u64;
                    self.watch.tell(self.taken.bytes + before.size - left, None);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    torn = Some((before.size - left, error));
                    break;
                }
            }
        }
        let is_short = left > 0;
        let zeros = [0; 4096];
        while left > 0 {
            self.watch.check()?;
            let room = usize::try_from(left).unwrap_or(zeros.len()).min(zeros.len());
            hasher.update(&zeros[..room]);
            self.archive.content(&zeros[..room]).map_err(EngineError::Out)?;
            left -= room as u64;
        }
        self.archive.pad(before.size).map_err(EngineError::Out)?;
        let digest = hasher.finalize().into();
        if let Some((at, error)) = torn {
            return Ok(Outcome::Torn { digest, at, error });
        }
        let changed = is_short || !Folder::meta_of_file(&file).is_ok_and(|after| after.is_unchanged(&before));
        Ok(Outcome::Stored { digest, meta: before, changed })
    }

    fn read_whole(
        &mut self,
        file: &mut File,
        entry: &Entry,
        mut before: Meta,
        last: bool,
    ) -> Result<Outcome, EngineError> {
        self.whole.clear();
        // One byte more than announced tells a file that grew, also where the system gives no sizes (as in /proc).
        if let Err(error) = file.take(before.size + 1).read_to_end(&mut self.whole) {
            return Ok(Outcome::Unreadable(error));
        }
        let is_whole = self.whole.len() as u64 == before.size;
        let changed = !is_whole || !Folder::meta_of_file(file).is_ok_and(|after| after.is_unchanged(&before));
        self.whole.truncate(usize::try_from(before.size).unwrap_or(usize::MAX));
        if changed && !last {
            return Ok(Outcome::Held { meta: before });
        }
        let bytes = std::mem::take(&mut self.whole);
        let digest = self.write_whole(entry, &before, &bytes)?;
        before.size = bytes.len() as u64;
        self.whole = bytes;
        self.watch.tell(self.taken.bytes + before.size, None);
        Ok(Outcome::Stored { digest, meta: before, changed })
    }

    fn write_whole(&mut self, entry: &Entry, meta: &Meta, bytes: &[u8]) -> Result<Digest, EngineError> {
        let mut member = Member::new(entry.path.clone(), Form::File, meta);
        member.size = bytes.len() as u64;
        self.header(&member)?;
        self.archive.content(bytes).and_then(|()| self.archive.pad(member.size)).map_err(EngineError::Out)?;
        Ok(blake3::hash(bytes).into())
    }

    /// The part that could be read stays in the archive, as it may be all there is; the member counts as unreadable.
    fn torn(
        &mut self,
        entry: &Entry,
        digest: &Digest,
        at: u64,
        error: &io::Error,
    ) -> Result<(), EngineError> {
        self.unreadable(&entry.path, error);
        self.warn(
            &entry.path,
            &format!("is stored up to byte {at}, where reading failed; the rest is zeros"),
        );
        self.listed(entry, digest, entry.meta.size)
    }

    fn header(&mut self, member: &Member) -> Result<(), EngineError> {
        self.open_folders()?;
        self.archive.header(member).map_err(EngineError::Out)
    }

    /// Stores the folders on the way down that are not stored yet.
    fn open_folders(&mut self) -> Result<(), EngineError> {
        for (member, stored) in &mut self.above {
            if !std::mem::replace(stored, true) {
                self.taken.folders += u64::from(!member.path.is_empty());
                self.archive.header(member).map_err(EngineError::Out)?;
            }
        }
        Ok(())
    }

    fn listed(&mut self, entry: &Entry, digest: &Digest, size: u64) -> Result<(), EngineError> {
        self.taken.files += 1;
        self.taken.bytes += size;
        let length = members::write_line(self.list, digest, &entry.path).on("write", self.list_path)?;
        self.taken.written += length;
        Ok(())
    }

    fn unreadable(&mut self, path: &[u8], error: &io::Error) {
        if error.kind() == io::ErrorKind::NotFound {
            self.warn(path, "vanished while the folder was read");
            return;
        }
        match self.taken.unreadable.len() {
            count if count < UNREADABLE_LIMIT => self.taken.unreadable.push(shown(path)),
            UNREADABLE_LIMIT => self.taken.unreadable.push("… and more".to_owned()),
            _ => {}
        }
        self.warn(path, &format!("cannot be read: {error}"));
    }

    fn warn(&mut self, path: &[u8], what: &str) {
        self.taken.warnings.add(format!("`{}` {what}", shown(path)));
    }
}
