//! File systems of a test's own, unmounted at its end. They need Linux and root; elsewhere the test says that it is
//! skipped.

use super::{is_root, skip};
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A mounted file system.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// A file system of a few megabytes in memory, at a folder that is made for it.
    pub(crate) fn small(place: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(place).unwrap();
        let options = format!("size={size}");
        Self::at(place, &["-t".as_ref(), "tmpfs".as_ref(), "-o".as_ref(), options.as_ref(), "tmpfs".as_ref()])
    }

    /// A file or folder mounted on itself.
    pub(crate) fn itself(place: &Path) -> Option<Self> {
        Self::at(place, &["--bind".as_ref(), place.as_os_str()])
    }

    /// A folder mounted on itself, read-only.
    pub(crate) fn read_only(place: &Path) -> Option<Self> {
        let mount = Self::itself(place)?;
        let again = Command::new("mount").args(["-o", "remount,bind,ro"]).arg(place).status();
        assert!(again.is_ok_and(|status| status.success()), "it cannot be made read-only");
        Some(mount)
    }

    fn at(place: &Path, arguments: &[&OsStr]) -> Option<Self> {
        if !cfg!(target_os = "linux") || !is_root() {
            skip("a file system of its own needs Linux and root");
            return None;
        }
        let status = Command::new("mount").args(arguments).arg(place).status();
        if status.is_ok_and(|status| status.success()) {
            return Some(Self(place.to_owned()));
        }
        skip("no file system may be mounted here");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
