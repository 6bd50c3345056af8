//! Small files that are replaced as a whole: of a kill or a power cut either all of the old bytes or all of the new ones are
//! left.
#![expect(clippy::disallowed_methods, reason = "this is where small files are written")]

use super::files::{make_readable, sync_folder};
use crate::fault::{Fault, OnPath as _};
use std::{
    fs,
    io::Write as _,
    path::Path,
    time::{Duration, SystemTime},
};
use tempfile::NamedTempFile;

/// What the temporary names begin and end with: hidden, and with none of a scheduler's endings, so that none reads them.
const PREFIX: &str = ".policy-";
const SUFFIX: &str = ".tmp";
/// The age at which a temporary file is a killed process's: none is written for so long.
const ABANDONED: Duration = Duration::from_hours(1);

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

/// Makes a file in a folder that goes when it is dropped, or after a kill with a later one.
pub(crate) fn temporary(folder: &Path) -> Result<NamedTempFile, Fault> {
    sweep(folder);
    let made = tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(folder);
    made.on("create a file in", folder)
}

/// Removes what killed processes left. What cannot be removed now is found again.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = name.starts_with(PREFIX) && name.ends_with(SUFFIX);
        if is_ours && is_abandoned(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    let Ok(seen) = fs::symlink_metadata(path) else { return false };
    let age = seen.modified().ok().and_then(|written| SystemTime::now().duration_since(written).ok());
    seen.is_file() && age.is_some_and(|age| age > ABANDONED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn what_killed_processes_left_goes_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - ABANDONED - Duration::from_mins(1);
        let make = |name: &str, written: Option<SystemTime>| {
            let path = folder.path().join(name);
            let file = File::create(&path).unwrap();
            if let Some(at) = written {
                file.set_modified(at).unwrap();
            }
            path
        };
        let left = make(".policy-dead.tmp", Some(old));
        let at_work = make(".policy-alive.tmp", None);
        let foreign = [make(".other-dead.tmp", Some(old)), make(".policy-x.timer", Some(old))];
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
