//! Files and folders: private ones, durable names, renames that replace nothing, mount points, free room.
#![expect(clippy::disallowed_methods, reason = "this is where the store touches the system")]

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// Options that make a file which only its owner reads (unix: mode 0600), and which must not exist yet.
pub(crate) fn new_private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    private(&mut options);
    options
}

/// Makes files opened with these options the owner's own, should they be made.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    // Elsewhere the profile folder's access list is inherited.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Opens a private file to be locked, and makes it when it is not there. What is in it is left alone.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    private(&mut options);
    options.open(path)
}

/// Makes one folder that only its owner enters (unix: mode 0700).
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only unix sets a mode"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes a file that is there its owner's alone (unix: mode 0600), without opening it.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if fs::metadata(path)?.permissions().mode() & 0o777 != 0o600 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        }
    }
    #[cfg(not(unix))]
    let _ = path; // The profile folder's access list is inherited.
    Ok(())
}

/// Lets everybody read a file, and its owner alone write it (unix: mode 0644).
pub(crate) fn make_readable(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o644))
    }
    #[cfg(not(unix))]
    {
        let _ = path; // The folder's access list is inherited.
        Ok(())
    }
}

/// The mode of a file without its kind, and its owner; links are not followed. Where files have none, `None`.
pub(crate) fn mode_and_owner(path: &Path) -> io::Result<Option<(u32, u32)>> {
    let seen = fs::symlink_metadata(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Ok(Some((seen.mode() & 0o7777, seen.uid())))
    }
    #[cfg(not(unix))]
    {
        let _ = seen;
        Ok(None)
    }
}

/// Makes the names in a folder durable (`fsync(2)`: "Calling `fsync()` does not necessarily ensure that the entry in the
/// directory containing the file has also reached disk").
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        match File::open(path)?.sync_all() {
            // Some network and FUSE filesystems know no fsync of a folder and say so; there, names are as durable as
            // that filesystem makes them. Every other error is one.
            Err(e) if unsupported(&e) => Ok(()),
            result => result,
        }
    }
    // Windows opens no folder for flushing; NTFS journals names itself.
    #[cfg(not(unix))]
    {
        fs::symlink_metadata(path).map(drop)
    }
}

/// Whether an error says that this filesystem does not know the operation at all.
#[cfg(unix)]
fn unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error();
    [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP, Errno::OPNOTSUPP]
        .iter()
        .any(|no| code == Some(no.raw_os_error()))
}

/// Forgets a durable file's cached pages, so that reading it back reads the disk. A hint: where it does nothing, the
/// bytes read back are those the system would also give a restore at this moment.
pub(crate) fn drop_cache(file: &File) {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    let _ = file;
}

/// Renames, and fails with `AlreadyExists` where the new name is taken: nothing is ever replaced.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(io::Error::from) {
            Err(e) if unsupported(&e) => {} // NFS, some FUSE: the long way below
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            result => return result,
        }
    }
    rename_new_portably(from, to)
}

/// What [`rename_new`] does where the system has no such call.
pub(crate) fn rename_new_portably(from: &Path, to: &Path) -> io::Result<()> {
    if fs::symlink_metadata(from)?.is_file() {
        // A second name of a file cannot replace anything either.
        match fs::hard_link(from, to) {
            Ok(()) => return fs::remove_file(from),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(e),
            Err(_) => {} // no hard links here
        }
    }
    // Between the look and the rename another process could take the name. For folders the system still refuses to
    // replace one that has anything in it (rename(2): ENOTEMPTY), and a backup is never empty; for files the series'
    // lock or a random name stands before.
    match fs::symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => match fs::rename(from, to) {
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {
                Err(io::ErrorKind::AlreadyExists.into())
            }
            result => result,
        },
        Err(e) => Err(e),
    }
}

/// Whether two names are known to be one file's; links are not followed. Where the system does not number files, never.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (fs::symlink_metadata(one)?, fs::symlink_metadata(other)?);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = (one, other);
        Ok(false)
    }
}

/// A place below a folder where something is mounted; `None` also where the system does not tell.
#[cfg(unix)]
pub(crate) fn mount_below(folder: &Path) -> io::Result<Option<PathBuf>> {
    use std::os::unix::ffi::OsStringExt as _;
    let folder = fs::canonicalize(folder)?;
    let table = match fs::read("/proc/self/mountinfo") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        table => table?,
    };
    // proc_pid_mountinfo(5): the fifth field, in which blanks and the like stand as three octal digits.
    let place = |line: &[u8]| {
        let mut field = line.split(|byte| *byte == b' ').nth(4)?;
        let mut plain = Vec::new();
        while let Some((first, rest)) = field.split_first() {
            let octal = rest.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
            let escaped =
                octal.filter(|_| *first == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok());
            plain.push(escaped.unwrap_or(*first));
            field = if escaped.is_some() { rest.get(3..).unwrap_or_default() } else { rest };
        }
        let place = PathBuf::from(std::ffi::OsString::from_vec(plain));
        Some(place).filter(|place| *place != folder && place.starts_with(&folder))
    };
    Ok(table.split(|byte| *byte == b'\n').find_map(place))
}

/// A place below a folder where something is mounted; `None` as the system does not tell.
#[cfg(not(unix))]
pub(crate) fn mount_below(_: &Path) -> io::Result<Option<PathBuf>> {
    Ok(None)
}

/// Whether a folder is the root of a mounted filesystem, bind mounts included.
pub(crate) fn is_mount_point(path: &Path) -> io::Result<bool> {
    let path = fs::canonicalize(path)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
        // statx(2), Linux 5.8: knows bind mounts too, which bear their parent's device number.
        if let Ok(seen) = statx(CWD, &path, AtFlags::empty(), StatxFlags::TYPE)
            && seen.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
        {
            return Ok(seen.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
        }
    }
    let Some(parent) = path.parent() else { return Ok(true) };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Ok(fs::metadata(&path)?.dev() != fs::metadata(parent)?.dev())
    }
    #[cfg(windows)]
    {
        // A volume mounted in a folder is a reparse point; `canonicalize` then comes out on another prefix.
        let _ = parent;
        Ok(fs::symlink_metadata(&path)?.file_type().is_symlink())
    }
    #[cfg(not(any(unix, windows)))]
    {
        let _ = parent;
        Ok(false)
    }
}

/// Room left for this user, in bytes, on the filesystem of an existing path.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    fs4::available_space(path)
}

/// Gives a file the owner of another, as far as this user may (unix).
pub(crate) fn give_owner(of: &fs::Metadata, to: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let now = fs::metadata(to)?;
        if (now.uid(), now.gid()) != (of.uid(), of.gid()) {
            match std::os::unix::fs::chown(to, Some(of.uid()), Some(of.gid())) {
                Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
                _ => {}
            }
        }
    }
    #[cfg(not(unix))]
    let _ = (of, to);
    Ok(())
}

/// A path of a folder's member from the bytes of its name: exactly where names are bytes, as text elsewhere.
pub(crate) fn path_of_bytes(bytes: &[u8]) -> std::borrow::Cow<'_, Path> {
    #[cfg(unix)]
    {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        std::borrow::Cow::Borrowed(Path::new(OsStr::from_bytes(bytes)))
    }
    #[cfg(not(unix))]
    {
        std::borrow::Cow::Owned(String::from_utf8_lossy(bytes).into_owned().into())
    }
}

/// The name under which SQLite opens a file without locks and side files (sqlite.org/uri.html).
pub(crate) fn immutable_uri(path: &Path) -> std::ffi::OsString {
    let mut uri = String::from("file:");
    let bytes = path.as_os_str().as_encoded_bytes();
    if cfg!(windows) && !bytes.starts_with(b"/") {
        uri.push_str("///");
    }
    for byte in bytes {
        match byte {
            b'\\' if cfg!(windows) => uri.push('/'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                uri.push(char::from(*byte));
            }
            b':' if cfg!(windows) => uri.push(':'),
            _ => uri.extend(format!("%{byte:02X}").chars()),
        }
    }
    uri.push_str("?immutable=1");
    std::ffi::OsString::from(uri)
}

/// Lets an empty file share the blocks of another one, where both lie on a filesystem that can (XFS, Btrfs): a copy in an
/// instant, which takes no room until one of them changes. Returns whether it does.
pub(crate) fn clone_file(from: &File, to: &File) -> bool {
    #[cfg(target_os = "linux")]
    return rustix::fs::ioctl_ficlone(to, from).is_ok();
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (from, to);
        false
    }
}

/// Copies the next bytes of a file to another one, at most so many, without leading them through this process; `Some(0)` at
/// its end, and `None` where that cannot be done.
pub(crate) fn copy_within_kernel(from: &File, to: &File, most: usize) -> io::Result<Option<usize>> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::Errno;
        match rustix::fs::copy_file_range(from, None, to, None, most) {
            Ok(copied) => Ok(Some(copied)),
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => Ok(None),
            Err(Errno::INTR) => copy_within_kernel(from, to, most),
            Err(error) => Err(error.into()),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (from, to, most);
        Ok(None)
    }
}

/// Whether what this process prints goes to a file of that name; `false` where the system does not tell.
pub(crate) fn is_output_of_this_process(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let outputs = [rustix::fs::fstat(io::stderr()), rustix::fs::fstat(io::stdout())];
        let Ok(named) = fs::metadata(path) else { return false };
        outputs.into_iter().flatten().any(|own| {
            // The types of these fields differ between systems.
            #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "st_dev is no u64 everywhere")]
            let own = (own.st_dev as u64, own.st_ino as u64);
            (named.dev(), named.ino()) == own
        })
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// What tells a file from another one that gets its name: device and inode (unix). Opens nothing.
pub(crate) fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Ok((metadata.dev(), metadata.ino()))
    }
    // Windows gives no other file the name of one that is open.
    #[cfg(not(unix))]
    {
        let _ = metadata;
        Ok((0, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_durable_is_read_back_from_the_disk() {
        use std::io::Write;
        // Not below /tmp, which may be memory and then is its own cache; /var/tmp is on a disk (hier(7)).
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let path = folder.path().join("x");
        let mut file = new_private_file().open(&path).unwrap();
        file.write_all(&vec![7; 8 << 20]).unwrap();
        let cached = || {
            let shown =
                std::process::Command::new("fincore").args(["-b", "-n", "-o", "RES"]).arg(&path).output();
            shown.ok().and_then(|shown| String::from_utf8_lossy(&shown.stdout).trim().parse::<u64>().ok())
        };
        let Some(before) = cached() else {
            assert!(std::env::var("CI").is_err(), "no fincore(1)");
            writeln!(io::stderr(), "SKIPPED: what is in the page cache (no fincore)").unwrap();
            return;
        };
        file.sync_all().unwrap();
        drop_cache(&file);
        let after = cached().unwrap();
        assert!(before >= 8 << 20 && after < 1 << 20, "{before} bytes cached before, {after} after");
    }

    #[test]
    fn renaming_never_replaces_a_file_or_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for rename in [rename_new, rename_new_portably] {
            for name in ["a", "b"] {
                fs::write(path(name), name).unwrap();
            }
            assert_eq!(rename(&path("a"), &path("b")).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(path("b")).unwrap(), "b");
            rename(&path("a"), &path("c")).unwrap();
            assert_eq!(fs::read_to_string(path("c")).unwrap(), "a");
            assert!(!path("a").exists());
            for name in ["f", "g", "empty"] {
                fs::create_dir(path(name)).unwrap();
            }
            fs::write(path("g").join("x"), "").unwrap();
            for taken in ["g", "empty"] {
                let failed = rename(&path("f"), &path(taken)).unwrap_err();
                assert_eq!(failed.kind(), io::ErrorKind::AlreadyExists, "{taken}");
            }
            rename(&path("f"), &path("h")).unwrap();
            for name in ["empty", "g/x", "g", "h", "b", "c"] {
                let path = path(name);
                if path.is_dir() { fs::remove_dir(path).unwrap() } else { fs::remove_file(path).unwrap() }
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_mount_point_is_told_from_a_folder() {
        assert!(is_mount_point(Path::new("/")).unwrap());
        assert!(is_mount_point(Path::new("/proc")).unwrap());
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_mount_point(folder.path()).unwrap());
    }
}
