//! Locks held by the kernel, which end with their process.
//!
//! A lock file is never removed: a process that waits at the old file and one that makes a new file of the same name
//! would both hold "the" lock. An empty file of the series is the price.
#![expect(clippy::disallowed_methods, reason = "locks are taken on real files")]

use crate::{
    fault::{Fault, OnPath},
    platform::{files, process},
};
use chrono::{SecondsFormat, Utc};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    time::Duration,
};

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Alone: run, prune, delete.
    Exclusive,
    /// With other readers: verify, restore.
    Shared,
}

/// A held lock; dropping it ends it.
#[derive(Debug)]
pub struct Lock {
    /// None on read-only media without a lock file, where nobody can remove anything either.
    file: Option<File>,
    mode: Mode,
}

/// Who holds a lock, as they wrote it themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderNote(pub String);

impl std::fmt::Display for HolderNote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Longest note, in bytes: more in the file is not ours.
const NOTE_MAX: usize = 400;

impl HolderNote {
    /// What this process writes into the locks it holds alone: its pid, the time, the host and the command.
    pub fn own() -> Self {
        let command: Vec<_> =
            std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        let since = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
        let (pid, host) = (std::process::id(), process::host_name());
        Self::cleaned(&format!("process {pid}, since {since}, on {host}: policy {}", command.join(" ")))
    }

    /// One printable line of bounded length, whatever lies in the file.
    fn cleaned(text: &str) -> Self {
        let line = text.lines().next().unwrap_or_default();
        let mut line: String = line.chars().filter(|c| !c.is_control()).collect();
        line.truncate(line.floor_char_boundary(NOTE_MAX));
        Self(line.trim_end().to_owned())
    }

    fn unknown() -> Self {
        Self("a process that did not say who it is".to_owned())
    }
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("locked by {0}")]
    Held(HolderNote),
    /// The lock file could not be opened, or its filesystem knows no locks.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Takes a lock at once or says who holds it. The file is made where it is missing; its folder must exist.
///
/// Two locks within one process exclude each other like those of two processes.
///
/// # Errors
/// [`LockError::Held`] when it is taken; [`LockError::Fault`] when the file cannot be opened or locked at all, as on a
/// filesystem without locks: then nothing that needs the lock is done.
pub fn lock(path: &Path, mode: Mode, note: &HolderNote) -> Result<Lock, LockError> {
    let Some(file) = open(path, mode).on("open the lock", path)? else {
        return Ok(Lock { file: None, mode });
    };
    let taken = match mode {
        Mode::Exclusive => file.try_lock(),
        Mode::Shared => file.try_lock_shared(),
    };
    match taken {
        Ok(()) => {
            if mode == Mode::Exclusive {
                // The note only helps whom we keep waiting. A full disk must not keep a prune from making room.
                let _ = write_note(&file, note);
            }
            Ok(Lock { file: Some(file), mode })
        }
        Err(TryLockError::WouldBlock) => Err(LockError::Held(holder(&file))),
        Err(TryLockError::Error(e)) => Err(Fault { verb: "lock", path: path.to_owned(), source: e }.into()),
    }
}

fn open(path: &Path, mode: Mode) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    files::private(options.read(true).write(true).create(true).truncate(false));
    match options.open(path) {
        // A reader on read-only media, or of somebody else's store, locks the file that is there.
        Err(e) if mode == Mode::Shared && e.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            match File::open(path) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
                result => result.map(Some),
            }
        }
        Err(e) if mode == Mode::Shared && e.kind() == io::ErrorKind::PermissionDenied => {
            File::open(path).map(Some)
        }
        result => result.map(Some),
    }
}

fn write_note(mut file: &File, note: &HolderNote) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{note}")
}

/// Tells who holds a lock that was just refused. Only for the message: by then it may be free again.
fn holder(file: &File) -> HolderNote {
    // Those who share leave no note. Who can share with the holders knows them for readers; what stands in the file
    // is then a note of the past.
    if file.try_lock_shared().is_ok() {
        let _ = file.unlock();
        return HolderNote("a reader (verify, restore or drill)".to_owned());
    }
    for _ in 0..5 {
        let mut bytes = Vec::new();
        let mut start = file;
        // On Windows a locked file cannot be read by others: then the holder stays unknown.
        let read =
            start.seek(SeekFrom::Start(0)).and_then(|_| start.take(NOTE_MAX as u64).read_to_end(&mut bytes));
        let note = HolderNote::cleaned(&String::from_utf8_lossy(&bytes));
        if read.is_err() {
            break;
        }
        if !note.0.is_empty() {
            return note;
        }
        // Empty: it was locked this very moment and the note is on its way.
        std::thread::sleep(Duration::from_millis(10));
    }
    HolderNote::unknown()
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The note goes before the lock, so that it never names us while another holds it. The kernel ends the lock
        // with the file's last handle, also when we are killed.
        if let Some(file) = &self.file {
            if self.mode == Mode::Exclusive {
                let _ = file.set_len(0);
            }
            let _ = file.unlock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::PathBuf, process::Stdio};

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        (folder, path)
    }

    fn note(text: &str) -> HolderNote {
        HolderNote(text.to_owned())
    }

    fn held(path: &Path, mode: Mode) -> String {
        match lock(path, mode, &note("second")) {
            Err(LockError::Held(holder)) => holder.0,
            other => panic!("not held: {other:?}"),
        }
    }

    #[test]
    fn who_holds_alone_is_named_to_all_others() {
        let (_folder, path) = place();
        let first = lock(&path, Mode::Exclusive, &note("process 7, on h: policy run")).unwrap();
        assert_eq!(held(&path, Mode::Exclusive), "process 7, on h: policy run");
        assert_eq!(held(&path, Mode::Shared), "process 7, on h: policy run");
        drop(first);
        lock(&path, Mode::Exclusive, &note("second")).unwrap();
    }

    #[test]
    fn readers_share_and_a_note_of_the_past_is_not_theirs() {
        let (_folder, path) = place();
        fs::write(&path, "process 1, killed long ago\n").unwrap();
        let one = lock(&path, Mode::Shared, &note("one")).unwrap();
        let two = lock(&path, Mode::Shared, &note("two")).unwrap();
        assert_eq!(held(&path, Mode::Exclusive), "a reader (verify, restore or drill)");
        drop(one);
        assert!(held(&path, Mode::Exclusive).starts_with("a reader"));
        drop(two);
        lock(&path, Mode::Exclusive, &note("three")).unwrap();
    }

    #[test]
    fn the_lock_file_stays_and_is_its_owners() {
        let (_folder, path) = place();
        drop(lock(&path, Mode::Exclusive, &note("x")).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn what_stands_in_the_file_is_shown_as_one_short_line() {
        assert_eq!(HolderNote::cleaned("a\u{1b}[31mb\nc").0, "a[31mb");
        assert!(HolderNote::cleaned(&"ä".repeat(1_000)).0.len() <= NOTE_MAX);
        let own = HolderNote::own().0;
        assert!(own.starts_with(&format!("process {}, since 2", std::process::id())), "{own}");
    }

    /// Not a test of its own: the other process of the test below, which holds the lock until it is killed.
    #[test]
    fn other_process_that_holds_a_lock() {
        let Some(path) = std::env::var_os("POLICY_TEST_HOLD_LOCK") else { return };
        let _lock = lock(Path::new(&path), Mode::Exclusive, &HolderNote::own()).unwrap();
        fs::write(Path::new(&path).with_extension("held"), "").unwrap();
        std::thread::sleep(Duration::from_mins(1));
    }

    #[test]
    fn a_lock_of_another_process_names_it_and_ends_when_it_is_killed() {
        let (_folder, path) = place();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::lock::tests::other_process_that_holds_a_lock"])
            .env("POLICY_TEST_HOLD_LOCK", &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while !path.with_extension("held").exists() {
            assert!(child.try_wait().unwrap().is_none(), "the other process ended early");
            std::thread::sleep(Duration::from_millis(5));
        }
        for mode in [Mode::Exclusive, Mode::Shared] {
            let holder = held(&path, mode);
            if cfg!(unix) {
                assert!(holder.starts_with(&format!("process {}, since ", child.id())), "{holder}");
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lock(&path, Mode::Exclusive, &note("after")).unwrap();
    }
}
