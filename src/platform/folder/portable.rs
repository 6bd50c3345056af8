//! Folders by path, where the system has no calls relative to an open folder (Windows). Links are looked for before each
//! step; modes are those a Unix reader of the archive expects, and owners are nobody's.
#![expect(
    clippy::disallowed_methods,
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "this is where the folder engine touches the file system, with the signatures of all systems"
)]

use super::{Kind, Meta, Moment};
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, FileTimes, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A folder by its path.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// See the Unix one, as for all that follow.
    pub(crate) fn root(path: &Path) -> io::Result<Self> {
        if fs::metadata(path)?.is_dir() {
            Ok(Self(path.to_owned()))
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    /// Opens a folder in it.
    pub(crate) fn open(&self, name: &OsStr) -> io::Result<Self> {
        let path = self.0.join(name);
        if fs::symlink_metadata(&path)?.is_dir() {
            Ok(Self(path))
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    /// The names in it, in the order of their bytes.
    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names =
            fs::read_dir(&self.0)?.map(|e| e.map(|e| e.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable_by(|a, b| a.as_encoded_bytes().cmp(b.as_encoded_bytes()));
        Ok(names)
    }

    /// What the system says of the folder itself.
    pub(crate) fn meta(&self) -> io::Result<Meta> {
        fs::symlink_metadata(&self.0).map(|found| meta(&found))
    }

    /// What the system says of a name in it.
    pub(crate) fn meta_of(&self, name: &OsStr) -> io::Result<Meta> {
        fs::symlink_metadata(self.0.join(name)).map(|found| meta(&found))
    }

    /// Opens a file in it for reading.
    pub(crate) fn open_file(&self, name: &OsStr) -> io::Result<(File, Meta)> {
        if self.meta_of(name)?.kind != Kind::File {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let file = File::open(self.0.join(name))?;
        let meta = Self::meta_of_file(&file)?;
        Ok((file, meta))
    }

    /// What the system says of an open file.
    pub(crate) fn meta_of_file(file: &File) -> io::Result<Meta> {
        file.metadata().map(|found| meta(&found))
    }

    /// Where a symbolic link in it points.
    pub(crate) fn link_target(&self, name: &OsStr) -> io::Result<Vec<u8>> {
        fs::read_link(self.0.join(name)).map(|target| target.into_os_string().into_encoded_bytes())
    }

    /// Makes a file that does not exist yet.
    pub(crate) fn create_file(&self, name: &OsStr) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(self.0.join(name))
    }

    /// Makes a folder that does not exist yet.
    pub(crate) fn create_folder(&self, name: &OsStr) -> io::Result<()> {
        fs::create_dir(self.0.join(name))
    }

    /// Symbolic links need a privilege here, and a kind that the archive does not say.
    pub(crate) fn create_link(&self, _target: &[u8], _name: &OsStr) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "symbolic links are not made on this system"))
    }

    /// Gives a file a further name.
    pub(crate) fn hard_link(&self, name: &OsStr, into: &Self, new: &OsStr) -> io::Result<()> {
        fs::hard_link(self.0.join(name), into.0.join(new))
    }

    /// Removes a name that is no folder.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    /// Removes an empty folder.
    pub(crate) fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_dir(self.0.join(name))
    }

    /// Folders keep the time at which they were made.
    pub(crate) fn dress(&self, _wanted: &Meta) -> io::Result<bool> {
        Ok(true)
    }

    /// Sets the time of an open file, and read-only when nobody may write it.
    pub(crate) fn dress_file(file: &File, wanted: &Meta) -> io::Result<bool> {
        let secs = Duration::from_secs(wanted.modified.secs.unsigned_abs());
        let whole = if wanted.modified.secs < 0 {
            UNIX_EPOCH.checked_sub(secs)
        } else {
            UNIX_EPOCH.checked_add(secs)
        };
        let nanos = Duration::from_nanos(wanted.modified.nanos.into());
        if let Some(modified) = whole.and_then(|whole| whole.checked_add(nanos)) {
            file.set_times(FileTimes::new().set_modified(modified))?;
        }
        if wanted.mode & 0o222 == 0 {
            let mut permissions = file.metadata()?.permissions();
            permissions.set_readonly(true);
            file.set_permissions(permissions)?;
        }
        Ok(true)
    }

    /// There is nothing to set.
    pub(crate) fn dress_link(&self, _name: &OsStr, _wanted: &Meta) -> io::Result<bool> {
        Ok(true)
    }

    /// There is nothing to set.
    pub(crate) fn set_mode(&self, _mode: u32) -> io::Result<()> {
        Ok(())
    }

    /// There is nothing to set.
    pub(crate) fn set_modified(&self, _modified: Moment) -> io::Result<()> {
        Ok(())
    }

    /// NTFS journals names; a folder has no handle to flush here.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Each file is synced by itself.
pub(crate) fn settle(_folder: &Folder) -> io::Result<bool> {
    Ok(false)
}

/// There is no such call.
pub(crate) fn exchange(_one: &Path, _other: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Files are not given away here.
pub(crate) fn privileged() -> bool {
    false
}

/// The name that bytes of an archive stand for; `None` when they would not be one plain name here.
pub(crate) fn name_of(bytes: &[u8]) -> Option<OsString> {
    let text = std::str::from_utf8(bytes).ok()?;
    let plain = !text.contains(['\\', ':', '<', '>', '"', '|', '?', '*']) && !text.ends_with(['.', ' ']);
    plain.then(|| text.into())
}

fn meta(found: &fs::Metadata) -> Meta {
    let kind = match found.file_type() {
        kind if kind.is_dir() => Kind::Folder,
        kind if kind.is_file() => Kind::File,
        kind if kind.is_symlink() => Kind::Link,
        _ => Kind::Special("a device"),
    };
    let mode = match (kind, found.permissions().readonly()) {
        (Kind::Folder, _) => 0o755,
        (_, true) => 0o444,
        (_, false) => 0o644,
    };
    let modified = found.modified().map_or_else(|_| Moment::default(), moment);
    Meta {
        kind,
        mode,
        uid: 0,
        gid: 0,
        size: found.len(),
        modified,
        changed: Moment::default(),
        dev: 0,
        ino: 0,
        names: 1,
    }
}

fn moment(time: SystemTime) -> Moment {
    let whole = |length: Duration| i64::try_from(length.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => Moment { secs: whole(after), nanos: after.subsec_nanos() },
        Err(before) => {
            let before = before.duration();
            match before.subsec_nanos() {
                0 => Moment { secs: -whole(before), nanos: 0 },
                nanos => Moment { secs: -whole(before) - 1, nanos: 1_000_000_000 - nanos },
            }
        }
    }
}
