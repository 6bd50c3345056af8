//! Copies of a database file with its side files, byte for byte.
//!
//! The side files go first and the main file last. DuckDB writes the rows of a large insert into free blocks of the main
//! file *before* the log entry that points to them, and uses no block again before a checkpoint: a main file that is at
//! least as new as the log holds all that the log speaks of; an older one does not.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{
        EngineError,
        files::{beside, create_private, length, stream},
    },
    header,
};
use crate::{
    fault::OnPath,
    platform::{
        files::{clone_file, copy_within_kernel},
        locks::{self, Shared},
    },
    watch::Watch,
};
use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// What the names of the files that DuckDB keeps beside a database end with.
pub(super) const SIDE_FILES: [&str; 3] = [".wal", ".wal.checkpoint", ".wal.recovery"];

/// How much is copied before somebody may stop it, in bytes.
const PIECE: usize = 64 << 20;

/// How often a hot copy is tried before the writer is taken to be too busy, and the pause between two tries.
const HOT_TRIES: u32 = 8;
const HOT_PAUSE: Duration = Duration::from_millis(250);

/// A copy of a database in a folder of ours.
#[derive(Debug)]
pub(super) struct Copied {
    /// The main file.
    pub(super) main: PathBuf,
    /// How long the owner could not have opened the database; `None` where nothing was locked.
    pub(super) kept_out: Option<Duration>,
}

impl Copied {
    /// Takes what somebody else wrote to a place as a copy.
    pub(super) const fn given(main: PathBuf) -> Self {
        Self { main, kept_out: None }
    }

    /// The side files that were copied, by what their names end with.
    pub(super) fn sides(&self) -> Result<Vec<&'static str>, EngineError> {
        sides(&self.main)
    }

    /// Its size in bytes with its side files.
    pub(super) fn bytes(&self) -> Result<u64, EngineError> {
        bytes(&self.main)
    }

    /// Removes it, so that another can be made at its place.
    pub(super) fn remove(main: &Path) -> Result<(), EngineError> {
        for path in SIDE_FILES.iter().map(|suffix| beside(main, suffix)).chain([main.to_owned()]) {
            if length(&path)?.is_some() {
                let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.on("remove", &path)?;
            }
        }
        Ok(())
    }
}

/// The size of a database in bytes with its side files.
pub(super) fn bytes(main: &Path) -> Result<u64, EngineError> {
    let of = |path: &Path| Ok::<_, EngineError>(length(path)?.unwrap_or(0));
    SIDE_FILES.iter().try_fold(of(main)?, |sum, suffix| Ok(sum + of(&beside(main, suffix))?))
}

/// The side files that hold something beside a database, by what their names end with.
pub(super) fn sides(main: &Path) -> Result<Vec<&'static str>, EngineError> {
    let mut found = Vec::new();
    for suffix in SIDE_FILES {
        if length(&beside(main, suffix))?.is_some_and(|length| length > 0) {
            found.push(suffix);
        }
    }
    Ok(found)
}

/// Copies a database that no writer has open, and keeps writers out for as long as that takes. The outer error is one of
/// the copy, the inner one says who holds the database.
pub(super) fn locked(
    live: &Path,
    to: &Path,
    watch: &Watch<'_>,
) -> Result<Result<Copied, EngineError>, EngineError> {
    let mut file = match locks::open_shared(live).on("open", live)? {
        Shared::Open(file) => file,
        Shared::Taken(pid) => return Ok(Err(super::busy(live, pid))),
    };
    let since = Instant::now();
    // A left-over log is now known to be a dead writer's: it belongs to the content, and nobody adds to it.
    header::Header::of(&mut file, live)?;
    copy_all(&mut file, live, to, watch)?;
    drop(file);
    Ok(Ok(Copied { main: to.to_owned(), kept_out: Some(since.elapsed()) }))
}

/// Copies a database that its writer holds, until no checkpoint came in between. What it is worth only an examination
/// of it can tell.
///
/// # Errors
/// When a checkpoint came in between at every try.
pub(super) fn hot(live: &Path, to: &Path, watch: &Watch<'_>) -> Result<Copied, EngineError> {
    for n in 0..HOT_TRIES {
        if n > 0 {
            watch.pause(HOT_PAUSE)?;
            Copied::remove(to)?;
        }
        let mut file = header::open(live)?;
        header::Header::of(&mut file, live)?;
        let before = (header::checkpoints(&mut file, live)?, log_identity(live));
        copy_all(&mut file, live, to, watch)?;
        let after = (header::checkpoints(&mut file, live)?, log_identity(live));
        if before == after {
            return Ok(Copied { main: to.to_owned(), kept_out: None });
        }
    }
    let why = format!("its writer wrote a checkpoint during each of {HOT_TRIES} copies");
    Err(EngineError::Library { verb: "copy", path: live.to_owned(), message: why })
}

/// Which file bears the name of the log.
fn log_identity(live: &Path) -> Option<(u64, u64)> {
    crate::platform::files::identity(&beside(live, ".wal")).ok()
}

fn copy_all(file: &mut File, live: &Path, to: &Path, watch: &Watch<'_>) -> Result<(), EngineError> {
    for suffix in SIDE_FILES {
        let (from, to) = (beside(live, suffix), beside(to, suffix));
        match File::open(&from) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            opened => copy(&mut opened.on("open", &from)?, &to, watch)?,
        }
    }
    copy(file, to, watch)
}

/// Copies one file to a new one: in an instant where the filesystem can share the blocks, else as fast as the kernel can,
/// for a writer may be waiting.
fn copy(from: &mut File, to: &Path, watch: &Watch<'_>) -> Result<(), EngineError> {
    let mut out = create_private(to)?;
    if clone_file(from, &out) {
        return Ok(());
    }
    let total = from.metadata().on("look at", to)?.len();
    from.seek(SeekFrom::Start(0)).on("read", to)?;
    let mut done = 0;
    loop {
        watch.check()?;
        match copy_within_kernel(from, &out, PIECE).on("copy to", to)? {
            Some(0) if done >= total => return Ok(()),
            // Some filesystems say that there is nothing where there is (copy_file_range(2), BUGS).
            Some(0) | None => break,
            Some(copied) => {
                done += copied as u64;
                watch.tell(done, Some(total));
            }
        }
    }
    stream(from, |bytes| Ok(out.write_all(bytes).on("write", to)?), Some(total), watch).map(drop)
}
