//! Who may read and write what, and whose it is.
#![expect(clippy::disallowed_methods, reason = "this is where the program asks the system for rights")]

use std::{fs, io, path::Path};

/// Fails when this user may make no names in a folder: by its mode, or because its filesystem is read-only.
pub(crate) fn may_write_in(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::fs::{Access, AtFlags, CWD, accessat};
        Ok(accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
    }
    // Elsewhere only trying would tell, and a look must not leave anything.
    #[cfg(not(unix))]
    {
        fs::metadata(folder).map(drop)
    }
}

/// Whether a file, or a folder, can be read; nothing is opened.
pub(crate) fn may_read(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::fs::{Access, AtFlags, CWD, accessat};
        Ok(accessat(CWD, path, Access::READ_OK, AtFlags::EACCESS)?)
    }
    #[cfg(not(unix))]
    {
        fs::metadata(path).map(drop)
    }
}

/// The numbers of a user of this host and of the user's group.
#[cfg(unix)]
fn numbers_of(user: &str) -> io::Result<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd")?;
    let numbers = users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let numbers = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
        (*fields.first()? == user).then_some(numbers)
    });
    let unknown = || io::Error::new(io::ErrorKind::NotFound, format!("this host has no user `{user}`"));
    numbers.ok_or_else(unknown)
}

/// Fails where this host has no user of that name (unix).
pub(crate) fn has_user(user: &str) -> io::Result<()> {
    #[cfg(unix)]
    return numbers_of(user).map(drop);
    #[cfg(not(unix))]
    {
        let _ = user;
        Ok(())
    }
}

/// Makes a user of this host the owner of a file, or of a folder with everything below it (unix). Links are given, and
/// followed nowhere. What is the user's already is left alone.
pub(crate) fn give_to(path: &Path, user: &str) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, lchown};
        let (owner, group) = numbers_of(user)?;
        let mut open = vec![path.to_owned()];
        while let Some(path) = open.pop() {
            let seen = fs::symlink_metadata(&path)?;
            if seen.is_dir() {
                for entry in fs::read_dir(&path)? {
                    open.push(entry?.path());
                }
            }
            if seen.uid() != owner {
                lchown(&path, Some(owner), Some(group))?;
            }
        }
        Ok(())
    }
    #[cfg(not(unix))]
    {
        let _ = (path, user);
        Ok(())
    }
}

/// Whether a file is there that somebody may run.
pub(crate) fn is_program(path: &Path) -> bool {
    let Ok(metadata) = fs::metadata(path) else { return false };
    #[cfg(unix)]
    let may_run = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let may_run = true;
    metadata.is_file() && may_run
}
