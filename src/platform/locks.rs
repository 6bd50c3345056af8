//! Locks that other programs take on their files, and honour.

#![expect(clippy::disallowed_methods, reason = "locks are taken on files that are open")]

use std::{fs::File, io, path::Path};

/// What came of asking for a shared lock.
#[derive(Debug)]
pub(crate) enum Shared {
    /// The file, open to be read: nobody else writes it until it is closed.
    Open(File),
    /// Another process writes it; its id, where the system tells.
    Taken(Option<u32>),
}

/// Opens a file to read it under a shared lock of the whole, of the kind that DuckDB takes: programs that ask for an
/// exclusive one are refused meanwhile.
///
/// On Linux the lock belongs to the open file (`F_OFD_SETLK`, fcntl(2)): that this process opens and closes the file
/// elsewhere does not drop it. On other unix systems it belongs to the process, and whoever calls this must not open the
/// file a second time before it is closed. On Windows the file is opened so that others can only read it.
///
/// # Errors
/// Of opening, and of a filesystem that knows no locks.
#[cfg(unix)]
pub(crate) fn open_shared(path: &Path) -> io::Result<Shared> {
    use nix::{errno::Errno, fcntl::fcntl, libc};
    let file = File::open(path)?;
    #[expect(clippy::cast_possible_truncation, reason = "the system's constants fit their field")]
    #[allow(clippy::unnecessary_cast, reason = "their types differ between systems")]
    let mut lock = libc::flock {
        l_type: libc::F_RDLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match fcntl(&file, set(&lock)) {
        Ok(_) => Ok(Shared::Open(file)),
        Err(Errno::EAGAIN | Errno::EACCES) => {
            let asked = fcntl(&file, ask(&mut lock));
            // What belongs to an open file has no process (-1).
            let pid = asked.ok().and_then(|_| u32::try_from(lock.l_pid).ok()).filter(|pid| *pid > 0);
            Ok(Shared::Taken(pid))
        }
        Err(error) => Err(error.into()),
    }
}

/// The request for a lock.
#[cfg(unix)]
const fn set(lock: &nix::libc::flock) -> nix::fcntl::FcntlArg<'_> {
    #[cfg(target_os = "linux")]
    return nix::fcntl::FcntlArg::F_OFD_SETLK(lock);
    #[cfg(not(target_os = "linux"))]
    return nix::fcntl::FcntlArg::F_SETLK(lock);
}

/// The question who is in its way.
#[cfg(unix)]
const fn ask(lock: &mut nix::libc::flock) -> nix::fcntl::FcntlArg<'_> {
    #[cfg(target_os = "linux")]
    return nix::fcntl::FcntlArg::F_OFD_GETLK(lock);
    #[cfg(not(target_os = "linux"))]
    return nix::fcntl::FcntlArg::F_GETLK(lock);
}

/// See the other systems.
#[cfg(windows)]
pub(crate) fn open_shared(path: &Path) -> io::Result<Shared> {
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_SHARE_READ: u32 = 1;
    const ERROR_SHARING_VIOLATION: i32 = 32;
    match std::fs::OpenOptions::new().read(true).share_mode(FILE_SHARE_READ).open(path) {
        Ok(file) => Ok(Shared::Open(file)),
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(Shared::Taken(None)),
        Err(error) => Err(error),
    }
}
