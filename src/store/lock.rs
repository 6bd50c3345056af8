//! Locks held by the kernel, which end with their process.
//!
//! A lock file is never removed: a process that waits at the old file and one that makes a new file of the same name
//! would both hold "the" lock. An empty file of the series is the price.
//!
//! Who holds a lock alone writes its note into the file. Those who share it leave a note each in a file of their own
//! beside it, which they lock for themselves: of one that was killed the note stays and its lock does not, so that it is
//! told from the living without asking for process ids, which are used again and mean nothing on another host.
#![expect(clippy::disallowed_methods, reason = "locks are taken on real files")]

use crate::{
    fault::{Fault, OnPath},
    platform::{files, process},
};
use chrono::{SecondsFormat, Utc};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
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
    /// The note of one who shares; none where it could not be left.
    note: Option<(PathBuf, File)>,
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
        return Ok(Lock { file: None, mode, note: None });
    };
    let taken = match mode {
        Mode::Exclusive => file.try_lock(),
        Mode::Shared => file.try_lock_shared(),
    };
    match taken {
        Ok(()) => {
            // Notes only help those whom we keep waiting. A full disk must not keep a prune from making room.
            let note = match mode {
                Mode::Exclusive => {
                    // Nobody shares it now: whoever left these was killed.
                    for (path, _) in notes_beside(path) {
                        let _ = fs::remove_file(path);
                    }
                    let _ = write_note(&file, note);
                    None
                }
                Mode::Shared => leave_note(path, note).ok(),
            };
            Ok(Lock { file: Some(file), mode, note })
        }
        Err(TryLockError::WouldBlock) => Err(LockError::Held(holder(&file, path))),
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

/// Leaves the note of one who shares a lock and has it: a locked file of its own, gone with the lock.
fn leave_note(lock: &Path, note: &HolderNote) -> io::Result<(PathBuf, File)> {
    let mut name = lock.as_os_str().to_owned();
    name.push(format!(".{}-{:016x}", std::process::id(), getrandom::u64()?));
    let path = PathBuf::from(name);
    let file = files::new_private_file().open(&path)?;
    let left = file.try_lock().map_err(io::Error::from).and_then(|()| write_note(&file, note));
    if let Err(error) = left {
        let _ = fs::remove_file(&path);
        return Err(error);
    }
    Ok((path, file))
}

/// The notes beside a lock, of the living and of the dead, each opened; in order of their names.
fn notes_beside(lock: &Path) -> Vec<(PathBuf, File)> {
    let (Some(folder), Some(name)) = (lock.parent(), lock.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let prefix = format!("{name}.");
    let is_note =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = entries
        .filter(|path| is_note(path) && fs::symlink_metadata(path).is_ok_and(|seen| seen.is_file()))
        .collect();
    paths.sort();
    paths.into_iter().filter_map(|path| File::open(&path).ok().map(|file| (path, file))).collect()
}

/// Tells who shares a lock, as they wrote it themselves.
fn readers(lock: &Path) -> Vec<String> {
    let mut readers = Vec::new();
    for (_, file) in notes_beside(lock) {
        // Whose note can be locked is dead, or about to write it.
        if file.try_lock_shared().is_err()
            && let Some(note) = read_note(&file)
            && !note.0.is_empty()
        {
            readers.push(note.0);
        }
    }
    readers.sort();
    readers
}

/// The note in a file; `None` where it cannot be read, as a locked file on Windows.
fn read_note(mut file: &File) -> Option<HolderNote> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(NOTE_MAX as u64).read_to_end(&mut bytes).ok()?;
    Some(HolderNote::cleaned(&String::from_utf8_lossy(&bytes)))
}

/// Tells who holds a lock that was just refused. Only for the message: by then it may be free again.
fn holder(file: &File, path: &Path) -> HolderNote {
    for _ in 0..5 {
        // Who can share with the holders knows them for readers; what stands in the lock itself is then of the past.
        if file.try_lock_shared().is_ok() {
            let _ = file.unlock();
            let readers = readers(path);
            if !readers.is_empty() {
                return HolderNote(readers.join("; and "));
            }
        } else {
            match read_note(file) {
                None => return HolderNote::unknown(),
                Some(note) if !note.0.is_empty() => return note,
                Some(_) => {}
            }
        }
        // Nothing: it was locked this very moment and the note is on its way.
        std::thread::sleep(Duration::from_millis(10));
    }
    HolderNote::unknown()
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The note goes before the lock, so that it never names us while another holds it. The kernel ends the lock
        // with the file's last handle, also when we are killed.
        if let Some((path, _)) = &self.note {
            let _ = fs::remove_file(path);
        }
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
    use std::process::Stdio;

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
        assert_eq!(held(&path, Mode::Exclusive), "one; and two");
        drop(one);
        assert_eq!(held(&path, Mode::Exclusive), "two");
        drop(two);
        fs::write(path.with_file_name(".lock.7-0"), "process 7, killed as a reader\n").unwrap();
        let three = lock(&path, Mode::Shared, &note("three")).unwrap();
        assert_eq!(held(&path, Mode::Exclusive), "three");
        drop(three);
        let _four = lock(&path, Mode::Exclusive, &note("four")).unwrap();
        let left: Vec<_> =
            fs::read_dir(path.parent().unwrap()).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, [".lock"]);
    }

    #[test]
    fn a_reader_that_could_leave_no_note_is_unknown() {
        let (_folder, path) = place();
        let file = File::create(&path).unwrap();
        file.try_lock_shared().unwrap();
        assert_eq!(held(&path, Mode::Exclusive), HolderNote::unknown().0);
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
