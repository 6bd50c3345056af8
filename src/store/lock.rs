//! Locks held by the kernel, which end with their process.

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
    _file: std::fs::File,
}

/// Who holds a lock, as they wrote it themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderNote(pub String);

impl std::fmt::Display for HolderNote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
