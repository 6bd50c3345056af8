//! Open folders by file descriptor: openat(2) and its family, always with `O_NOFOLLOW`.

use super::{Kind, Meta, Moment};
use rustix::{
    fs::{self as sys, AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid},
    io::Errno,
};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::Path,
};

/// A folder held open.
pub(crate) struct Folder(OwnedFd);

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Folder {
    /// Opens a folder by path; a link there is followed, as the policy's author named it.
    pub(crate) fn root(path: &Path) -> io::Result<Self> {
        Ok(Self(sys::open(path, FOLDER, Mode::empty())?))
    }

    /// Opens a folder in it.
    pub(crate) fn open(&self, name: &OsStr) -> io::Result<Self> {
        Ok(Self(sys::openat(&self.0, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?))
    }

    /// The names in it, in the order of their bytes.
    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in sys::Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name.to_vec()));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// What the system says of the folder itself.
    pub(crate) fn meta(&self) -> io::Result<Meta> {
        Ok(meta(&sys::fstat(&self.0)?))
    }

    /// What the system says of a name in it.
    pub(crate) fn meta_of(&self, name: &OsStr) -> io::Result<Meta> {
        Ok(meta(&sys::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// Opens a file in it for reading. Should a pipe or a terminal have taken its place, opening neither waits for a
    /// writer nor adopts the terminal; the caller looks at the kind.
    pub(crate) fn open_file(&self, name: &OsStr) -> io::Result<(File, Meta)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(sys::openat(&self.0, name, flags, Mode::empty())?);
        let meta = Self::meta_of_file(&file)?;
        Ok((file, meta))
    }

    /// What the system says of an open file.
    pub(crate) fn meta_of_file(file: &File) -> io::Result<Meta> {
        Ok(meta(&sys::fstat(file)?))
    }

    /// Where a symbolic link in it points, as written.
    pub(crate) fn link_target(&self, name: &OsStr) -> io::Result<Vec<u8>> {
        Ok(sys::readlinkat(&self.0, name, Vec::new())?.into_bytes())
    }

    /// Makes a file that does not exist yet, for its owner alone.
    pub(crate) fn create_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(sys::openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Makes a folder that does not exist yet, for its owner alone.
    pub(crate) fn create_folder(&self, name: &OsStr) -> io::Result<()> {
        Ok(sys::mkdirat(&self.0, name, Mode::RWXU)?)
    }

    /// Makes a symbolic link; its target is text to the system and is not looked at.
    pub(crate) fn create_link(&self, target: &[u8], name: &OsStr) -> io::Result<()> {
        Ok(sys::symlinkat(OsStr::from_bytes(target), &self.0, name)?)
    }

    /// Gives what `name` stands for (a symbolic link itself, not its target) a further name in `into`.
    pub(crate) fn hard_link(&self, name: &OsStr, into: &Self, new: &OsStr) -> io::Result<()> {
        Ok(sys::linkat(&self.0, name, &into.0, new, AtFlags::empty())?)
    }

    /// Removes a name that is no folder.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(sys::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Removes an empty folder.
    pub(crate) fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        Ok(sys::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// Sets owner, mode and time of the folder itself; the result is as of [`Folder::dress_file`].
    pub(crate) fn dress(&self, wanted: &Meta) -> io::Result<bool> {
        dress(&self.0, wanted)
    }

    /// Sets owner, mode and time of an open file. Returns whether the owner is the one wanted; where it is not, the
    /// set-user-id and set-group-id bits are left out, as tar(1) does: they would lend somebody else's powers.
    pub(crate) fn dress_file(file: &File, wanted: &Meta) -> io::Result<bool> {
        dress(file, wanted)
    }

    /// Sets owner and time of a symbolic link itself.
    pub(crate) fn dress_link(&self, name: &OsStr, wanted: &Meta) -> io::Result<bool> {
        let (uid, gid) = (Uid::from_raw(wanted.uid), Gid::from_raw(wanted.gid));
        let meta = self.meta_of(name)?;
        let owned = (meta.uid, meta.gid) == (wanted.uid, wanted.gid)
            || sys::chownat(&self.0, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).is_ok();
        sys::utimensat(&self.0, name, &times(wanted.modified), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(owned)
    }

    /// Sets the mode of the folder itself.
    pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(sys::fchmod(&self.0, mode_bits(mode))?)
    }

    /// Sets the time of the folder itself.
    pub(crate) fn set_modified(&self, modified: Moment) -> io::Result<()> {
        Ok(sys::futimens(&self.0, &times(modified))?)
    }

    /// Makes the names in it durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(sys::fsync(&self.0)?)
    }
}

/// Makes everything below a folder durable in one call where the system has one, else says so with `false`: then each
/// file and folder must be synced by itself. Since Linux 5.8 syncfs(2) reports write errors, as fsync(2) does.
pub(crate) fn settle(folder: &Folder) -> io::Result<bool> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        sys::syncfs(&folder.0)?;
        Ok(true)
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = folder;
        Ok(false)
    }
}

/// Swaps what two paths stand for in one step; `false` where system or file system cannot.
pub(crate) fn exchange(one: &Path, other: &Path) -> io::Result<bool> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        match sys::renameat_with(sys::CWD, one, sys::CWD, other, sys::RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    {
        let _ = (one, other);
        Ok(false)
    }
}

/// Whether this process may give files away.
pub(crate) fn privileged() -> bool {
    rustix::process::geteuid().is_root()
}

/// The name that bytes of an archive stand for; elsewhere not all bytes are a name.
#[expect(clippy::unnecessary_wraps, reason = "the signature of all systems")]
pub(crate) fn name_of(bytes: &[u8]) -> Option<OsString> {
    Some(OsString::from_vec(bytes.to_vec()))
}

fn dress(file: impl AsFd, wanted: &Meta) -> io::Result<bool> {
    let owner = |stat: &Meta| (stat.uid, stat.gid) == (wanted.uid, wanted.gid);
    let mut is = meta(&sys::fstat(&file)?);
    // Only the superuser gives files away; others may still set a group they are in. Refusals are told, not errors: the
    // content is there. The owner goes before the mode, as chown(2) clears the set-id bits.
    if !owner(&is) {
        let (uid, gid) = (Uid::from_raw(wanted.uid), Gid::from_raw(wanted.gid));
        if sys::fchown(&file, Some(uid), Some(gid)).is_err() {
            let _ = sys::fchown(&file, None, Some(gid));
        }
        is = meta(&sys::fstat(&file)?);
    }
    let mut mode = wanted.mode;
    if is.uid != wanted.uid {
        mode &= !0o4000;
    }
    if is.gid != wanted.gid {
        mode &= !0o2000;
    }
    sys::fchmod(&file, mode_bits(mode))?;
    sys::futimens(&file, &times(wanted.modified))?;
    Ok(owner(&is))
}

#[expect(clippy::allow_attributes, reason = "the width of mode_t differs between systems")]
#[allow(clippy::unnecessary_cast, clippy::cast_possible_truncation, reason = "masked to twelve bits")]
fn mode_bits(mode: u32) -> Mode {
    Mode::from_raw_mode((mode & 0o7777) as sys::RawMode)
}

fn times(modified: Moment) -> Timestamps {
    let last_modification = Timespec { tv_sec: modified.secs, tv_nsec: i64::from(modified.nanos) };
    let last_access = Timespec { tv_sec: 0, tv_nsec: sys::UTIME_OMIT };
    Timestamps { last_access, last_modification }
}

#[expect(clippy::allow_attributes, reason = "the widths of these fields differ between systems")]
#[allow(
    clippy::unnecessary_cast,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_lossless,
    reason = "sizes and nanoseconds are never negative, and the kernel's values fit"
)]
fn meta(stat: &sys::Stat) -> Meta {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Kind::Folder,
        FileType::RegularFile => Kind::File,
        FileType::Symlink => Kind::Link,
        FileType::Socket => Kind::Special("a socket"),
        FileType::Fifo => Kind::Special("a pipe"),
        _ => Kind::Special("a device"),
    };
    Meta {
        kind,
        mode: stat.st_mode as u32 & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: stat.st_size as u64,
        modified: Moment { secs: stat.st_mtime as i64, nanos: stat.st_mtime_nsec as u32 },
        changed: Moment { secs: stat.st_ctime as i64, nanos: stat.st_ctime_nsec as u32 },
        dev: stat.st_dev as u64,
        ino: stat.st_ino as u64,
        names: stat.st_nlink as u64,
    }
}
