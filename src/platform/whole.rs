//! Small files that are replaced as a whole: of a kill or a power cut either all of the old bytes or all of the new ones are
//! left.
#![expect(clippy::disallowed_methods, reason = "this is where small files are written")]

use super::files::{make_readable, sync_folder};
use crate::fault::{Fault, OnPath as _};
use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};
use tempfile::NamedTempFile;

/// What the temporary names begin and end with: hidden, and with none of a scheduler's endings, so that none reads them.
const PREFIX: &str = ".policy-";
const SUFFIX: &str = ".tmp";
/// Who may read a file; its owner alone writes it. Elsewhere than on unix the folder's access list is inherited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner (mode 0600).
    Owner,
    /// Everybody (mode 0644).
    Everybody,
}

/// Makes a file, or replaces it; durable with its name when it returns. The folder must be there.
pub(crate) fn replace(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Fault> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = temporary(folder)?;
    file.write_all(bytes).on("write", path)?;
    if readers == Readers::Everybody {
        make_readable(file.path()).on("set the mode of", path)?;
    }
    file.as_file().sync_all().on("write", path)?;
    file.persist(path).map_err(|lost| lost.error).on("replace", path)?;
    sync_folder(folder).on("make durable", folder)
}

/// Makes a file in a folder that goes when it is dropped, or after a kill with the next one that is made there.
pub(crate) fn temporary(folder: &Path) -> Result<NamedTempFile, Fault> {
    const TRIES: usize = 5;
    sweep(folder);
    let mut made = make(folder)?;
    for _ in 1..TRIES {
        if made.path().exists() {
            break;
        }
        // The sweep of another process has met it before it was locked.
        made = make(folder)?;
    }
    Ok(made)
}

/// While it is there it is locked: that tells a sweep that its process lives.
fn make(folder: &Path) -> Result<NamedTempFile, Fault> {
    let made = tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(folder);
    let made = made.on("create a file in", folder)?;
    // Where files cannot be locked none is swept either.
    let _ = made.as_file().lock();
    Ok(made)
}

/// Removes what killed processes left. What cannot be removed now is found again.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = name.starts_with(PREFIX) && name.ends_with(SUFFIX);
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let path = entry.path();
            // Held until it is removed: who makes it waits for that, and sees that it is gone.
            if let Ok(file) = File::open(&path)
                && file.try_lock().is_ok()
            {
                let _ = fs::remove_file(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_processes_left_goes_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = folder.path().join(name);
            (File::create(&path).unwrap(), path)
        };
        let (_, left) = make(".policy-dead.tmp");
        let (held, at_work) = make(".policy-alive.tmp");
        held.lock().unwrap();
        let foreign = [make(".other-dead.tmp").1, make(".policy-x.timer").1];
        let path = folder.path().join("file");
        for bytes in [&b"one"[..], b"", b"another"] {
            replace(&path, bytes, Readers::Owner).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert!(!left.exists() && at_work.exists() && foreign.iter().all(|path| path.exists()));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 4, "nothing is left of the writing");
    }

    #[cfg(unix)]
    #[test]
    fn who_may_read_it_is_said() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        for (readers, mode) in [(Readers::Owner, 0o600), (Readers::Everybody, 0o644)] {
            let path = folder.path().join("file");
            replace(&path, b"x", readers).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
    }
}
