//! The processes that have a database open.

use super::super::Holder;
use std::path::Path;

/// The processes other than this one that have the database or one of its side files open, in order of their ids.
///
/// On Linux this reads `/proc/*/fd`, which shows the processes of other users to root alone; elsewhere it cannot tell.
/// It looks at files without opening them (see the lock trap in `open`).
#[cfg(target_os = "linux")]
pub(super) fn holders(live: &Path) -> Vec<Holder> {
    linux::holders(live)
}

/// On this system it cannot tell.
#[cfg(not(target_os = "linux"))]
pub(super) fn holders(_live: &Path) -> Vec<Holder> {
    Vec::new()
}

#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "an engine looks at who uses its target")]
mod linux {
    use super::super::{super::Holder, open::SIDE_FILES, open::beside};
    use std::{
        collections::BTreeSet,
        fs,
        os::unix::fs::MetadataExt,
        path::{Path, PathBuf},
    };

    pub(super) fn holders(live: &Path) -> Vec<Holder> {
        let live = fs::canonicalize(live).unwrap_or_else(|_| live.to_owned());
        let files: BTreeSet<(u64, u64)> = std::iter::once(live.clone())
            .chain(SIDE_FILES.iter().map(|suffix| beside(&live, suffix)))
            .filter_map(|path| identity(&path))
            .collect();
        let own = std::process::id();
        let mut holders: Vec<Holder> = entries(Path::new("/proc"))
            .filter_map(|process| Some((process.file_name()?.to_str()?.parse::<u32>().ok()?, process)))
            .filter(|(pid, _)| *pid != own && !files.is_empty())
            .filter(|(_, process)| {
                entries(&process.join("fd")).any(|fd| identity(&fd).is_some_and(|id| files.contains(&id)))
            })
            .map(|(pid, process)| {
                let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
                Holder { pid, name: name.trim_end().to_owned() }
            })
            .collect();
        holders.sort_by_key(|holder| holder.pid);
        holders
    }

    /// Device and inode; following the links below `/proc/*/fd` opens nothing.
    fn identity(path: &Path) -> Option<(u64, u64)> {
        fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
    }

    fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
    }
}
