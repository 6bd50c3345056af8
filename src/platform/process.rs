//! Processes: groups that end together, and who has files open.
#![expect(clippy::disallowed_methods, reason = "this is where the program looks at the system's processes")]

use std::{
    path::PathBuf,
    process::{Child, Command},
};

/// Starts a command in a process group of its own, so that it ends with everything it started (unix).
pub(crate) fn own_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// Waits until a program's output can be read, or has ended, for at most so long; on Windows reading itself waits.
pub(crate) fn is_readable(
    output: &std::process::ChildStdout,
    longest: std::time::Duration,
) -> std::io::Result<bool> {
    #[cfg(unix)]
    {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let timeout = Timespec::try_from(longest).ok();
        match poll(&mut [PollFd::new(output, PollFlags::IN)], timeout.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
    #[cfg(not(unix))]
    {
        let _ = (output, longest);
        Ok(true)
    }
}

/// Lets a pipe hold 1 MiB where the system can (Linux), so that its two sides wake each other less often.
pub(crate) fn widen<P: Pipe>(pipe: &P) {
    #[cfg(target_os = "linux")]
    {
        use nix::fcntl::{FcntlArg, fcntl};
        // A user who has used up what he may have of such pipes keeps the small one.
        let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(1 << 20));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
}

/// One side of a pipe.
#[cfg(unix)]
pub(crate) trait Pipe: std::os::fd::AsFd {}
#[cfg(unix)]
impl<P: std::os::fd::AsFd> Pipe for P {}
/// One side of a pipe.
#[cfg(not(unix))]
pub(crate) trait Pipe {}
#[cfg(not(unix))]
impl<P> Pipe for P {}

/// Lets others go first where the processor is wanted by several (unix).
pub(crate) fn stand_back() {
    #[cfg(unix)]
    let _ = rustix::process::nice(10);
}

/// Ends a command started by [`own_group`] with its whole group: asks first, kills when told to. Windows has no way to
/// ask, and ends the command alone.
pub(crate) fn end_group(child: &mut Child, kill: bool) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // A group that has ended already is what was wanted.
            let _ = kill_process_group(group, if kill { Signal::KILL } else { Signal::TERM });
        }
    }
    #[cfg(not(unix))]
    {
        let _ = (kill, child.kill());
    }
}

/// The processes other than this one that have one of the files open: id and name, in order of their ids. A path where
/// nothing is stands for a file that was deleted there.
///
/// On Linux this reads `/proc/*/fd`, which shows the processes of other users to root alone; elsewhere it cannot tell.
/// It looks at files without opening them: to open and close a database's file here would drop its locks.
#[cfg(target_os = "linux")]
pub(crate) fn that_hold(files: &[PathBuf]) -> Vec<(u32, String)> {
    use std::{collections::BTreeSet, fs, io::ErrorKind, os::unix::fs::MetadataExt, path::Path};
    // Device and inode; following the links below `/proc/*/fd` opens nothing.
    let identity = |path: &Path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    let entries =
        |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let wanted: BTreeSet<(u64, u64)> = files.iter().filter_map(|path| identity(path)).collect();
    // What such a link says once the file has no name any more (proc_pid_fd(5)).
    let gone: BTreeSet<PathBuf> = files
        .iter()
        .filter(|path| fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound))
        .map(|path| {
            let mut text = path.clone().into_os_string();
            text.push(" (deleted)");
            PathBuf::from(text)
        })
        .collect();
    let is_wanted = |fd: &Path| {
        identity(fd).is_some_and(|id| wanted.contains(&id))
            || fs::read_link(fd).is_ok_and(|leads_to| gone.contains(&leads_to))
    };
    let own = std::process::id();
    let mut holders: Vec<(u32, String)> = entries(Path::new("/proc"))
        .filter_map(|process| Some((process.file_name()?.to_str()?.parse::<u32>().ok()?, process)))
        .filter(|(pid, process)| *pid != own && entries(&process.join("fd")).any(|fd| is_wanted(&fd)))
        .map(|(pid, process)| {
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            (pid, name.trim_end().to_owned())
        })
        .collect();
    holders.sort();
    holders
}

/// On this system it cannot tell.
#[cfg(not(target_os = "linux"))]
pub(crate) fn that_hold(_files: &[PathBuf]) -> Vec<(u32, String)> {
    Vec::new()
}

/// The name of the user that this process runs as, or the number where there is none.
pub(crate) fn user_name() -> String {
    #[cfg(unix)]
    return user().map_or_else(|| user_id().to_string(), |(name, _)| name);
    #[cfg(not(unix))]
    std::env::var("USERNAME").unwrap_or_else(|_| "unknown".to_owned())
}

/// The home folder that the system gives the user that this process runs as, whatever `HOME` says; `None` where nobody knows.
pub(crate) fn home_of_user() -> Option<PathBuf> {
    #[cfg(unix)]
    return user().map(|(_, home)| home);
    #[cfg(not(unix))]
    None
}

/// Name and home folder of the user, as the host's own list has them.
#[cfg(unix)]
fn user() -> Option<(String, PathBuf)> {
    let id = user_id();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_it = fields.get(2)?.parse() == Ok(id);
        is_it.then(|| Some(((*fields.first()?).to_owned(), PathBuf::from(fields.get(5)?))))?
    })
}

/// The number of the user that this process runs as; 0 where users have none.
pub(crate) fn user_id() -> u32 {
    #[cfg(unix)]
    return rustix::process::geteuid().as_raw();
    #[cfg(not(unix))]
    return 0;
}

/// Whether systemd runs this host (`sd_booted(3)`).
pub(crate) fn is_run_by_systemd() -> bool {
    std::path::Path::new("/run/systemd/system").is_dir()
}

/// The folder in which systemd keeps the sockets of the user who runs this (`/run/user/UID`), where there is one.
pub(crate) fn runtime_folder() -> Option<PathBuf> {
    #[cfg(unix)]
    {
        let folder = PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw()));
        Some(folder).filter(|folder| folder.is_dir())
    }
    #[cfg(not(unix))]
    None
}

/// The host's name, for the note in a lock.
pub(crate) fn host_name() -> String {
    #[cfg(unix)]
    return rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    return std::env::var("COMPUTERNAME").unwrap_or_else(|_| "unknown host".to_owned());
}

/// Which start of the host this is, and the time since then with sleep; `None` where the system does not tell.
pub(crate) fn since_boot() -> Option<(String, std::time::Duration)> {
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{ClockId, clock_gettime};
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let up = clock_gettime(ClockId::Boottime).tv_sec;
        Some((boot.trim().to_owned(), std::time::Duration::from_secs(u64::try_from(up).ok()?)))
    }
    #[cfg(not(target_os = "linux"))]
    None
}
