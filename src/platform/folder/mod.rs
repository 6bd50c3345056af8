//! A folder held open, and everything done to what lies directly in it, by name and never through a link.
//!
//! All work goes through an open handle and single names, so a folder that is replaced by a link while it is read, or a
//! hostile archive, cannot lead anywhere else. Where the system has no such calls (Windows) paths stand in for handles.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "portable.rs")]
mod system;
mod trail;

pub(crate) use system::{Folder, exchange, name_of, privileged, settle};
pub(crate) use trail::Trail;

/// What kind of thing a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link.
    Link,
    /// A socket, pipe or device: what it is, with article.
    Special(&'static str),
}

/// A moment of the file system's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Moment {
    /// Whole seconds since 1970, rounded down.
    pub(crate) secs: i64,
    /// Nanoseconds after that, below one thousand million.
    pub(crate) nanos: u32,
}

/// What the system says of one name; links are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) kind: Kind,
    /// Permission bits with set-id and sticky bits (0o7777).
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) modified: Moment,
    pub(crate) changed: Moment,
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) names: u64,
}

impl Meta {
    /// Whether both are known to be the same file, whatever happened to its content; never where the system does not
    /// number files.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        self.ino != 0 && (self.dev, self.ino) == (other.dev, other.ino)
    }

    /// Whether nothing was written to the file between the two looks.
    pub(crate) fn is_unchanged(&self, other: &Self) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
            && self.size == other.size
            && self.modified == other.modified
            && self.changed == other.changed
    }
}
