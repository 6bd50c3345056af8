//! Restoring: bring the content beside the target, prove it there, swap, keep the old. Nothing that is there is touched
//! before everything that replaces it was verified.
#![expect(clippy::disallowed_methods, reason = "restoring writes to the places that were asked for")]

mod aside;
mod steps;

pub use aside::{aside_name, clear, newest_aside, strays};
pub use steps::{Step, steps};

use crate::{
    engines::{Caller, Engine, EngineError, ExamineRequest, Previous, StoredContent, Swapped},
    evidence::{CheckResult, Evidence, Integrity},
    fault::{Fault, OnPath},
    policy::{model::Target, values::Level},
    run::{Opener, VerifyError, open_side, pour, previous_of, read_back, scratch::Scratch},
    store::{StoreError, Stored},
    watch::{Cancel, Watch},
};
use std::{
    cell::OnceCell,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

/// One target to bring back: everything was decided, nothing was touched.
pub struct Order<'a> {
    /// The target as the backup's policy says it.
    pub target: &'a Target,
    /// Its engine, bound to the place that is restored to.
    pub engine: &'a dyn Engine,
    /// The backup.
    pub stored: &'a Stored,
    /// Opens its stored files.
    pub open: &'a Opener<'a>,
    /// The place that is restored to.
    pub to: &'a Path,
    /// Where what is there now is kept.
    pub aside: PathBuf,
    /// The level that the restored content must reach.
    pub level: Level,
    /// Makes the policy's commands ready.
    pub caller: &'a dyn Caller,
}

/// Why a restore did not happen; the target is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The stored bytes are not what the manifest says, or cannot be read.
    #[error("the backup cannot be restored: {0}")]
    Stored(String),
    /// The restored content did not reach the level.
    #[error("the restored content reached level {reached} of {asked}: {}", failures.join("; "))]
    Unproven {
        /// The level it reached.
        reached: Level,
        /// The level it had to reach.
        asked: Level,
        /// Why.
        failures: Vec<String>,
        /// Its checks.
        checks: Vec<CheckResult>,
    },
    /// There is not room enough beside the target.
    #[error(
        "{} has {free} bytes free, the restored content needs {needed}{}", place.display(),
        if *in_use { ", a log and a safety copy included, for the target is in use" } else { "" }
    )]
    NoRoom {
        /// The folder.
        place: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
        /// Whether others have the target open, and less would do without them.
        in_use: bool,
    },
    /// The swap failed; everything that was swapped before it was swapped back.
    #[error("{}: {source}", to.display())]
    Swap {
        /// The place.
        to: PathBuf,
        /// Why.
        source: EngineError,
        /// What the way back left, in words for people: nothing is lost, but places may need a hand.
        left: Vec<String>,
    },
    /// An engine failed before anything was touched.
    #[error(transparent)]
    Engine(EngineError),
    /// An operation on a path failed before anything was touched.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Restored content, proven, waiting beside its place.
pub struct Prepared {
    candidate: PathBuf,
    /// Holds the candidate; what is left in it disappears with it, also after a kill. What a command loads has none.
    _holder: Option<Scratch>,
    /// What it was shown to be.
    pub level: Level,
    /// Its checks.
    pub checks: Vec<CheckResult>,
    /// What must be told about it, such as owners that this user cannot give.
    pub warnings: Vec<String>,
    begun: Instant,
}

/// What became of one target.
#[derive(Debug, Clone)]
pub struct Done {
    /// Seconds from the start of the preparation to the end of the swap.
    pub seconds: f64,
    /// How it was swapped.
    pub swapped: Swapped,
}

/// Restores one target beside its place and proves it there.
///
/// # Errors
/// On any error nothing at the place was touched, and what was written beside it is gone.
pub fn prepare(order: &Order<'_>, watch: &Watch<'_>) -> Result<Prepared, RestoreError> {
    let begun = Instant::now();
    if order.engine.is_loaded() {
        return prepare_to_load(order, begun, watch);
    }
    let manifest = &order.stored.manifest;
    let parent = order.to.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).on("create the folder", parent)?;
    clear(order.to)?;
    let holder = Scratch::new(parent)?;
    room(order, parent)?;
    let name = order.to.file_name().unwrap_or_else(|| "restored".as_ref());
    let candidate = holder.path().join(name);
    // One pass over the stored bytes: they are digested while they are written beside the target.
    let told = pour(&manifest.files, order.open, watch, |stored| {
        order.engine.materialize(stored, &candidate, watch)
    })
    .map_err(stored_error)?;
    let mut warnings = told.ok_or_else(|| RestoreError::Stored("it has no files".to_owned()))?;
    warnings.extend(strays(order.to)?);
    let evidence = match inspect(order, &candidate, &holder, watch) {
        // What nobody demands of it is no reason to keep it from somebody who asked for it by name.
        Err(error) if order.level <= Level::Checksum && !matches!(error, EngineError::Stopped(_)) => {
            warnings.push(format!("the restored content could not be checked: {error}"));
            None
        }
        inspected => inspected.map_err(RestoreError::Engine)?,
    };
    let failures = evidence.as_ref().map(Evidence::failures).unwrap_or_default();
    let reached = evidence.as_ref().map_or(Level::Checksum, |evidence| {
        // What was restored, opened and passed all that can be asked of it has shown the highest level there is.
        if evidence.proves(order.target.default_level()) { Level::Restore } else { evidence.level() }
    });
    let (checks, seen) = evidence.map(|seen| (seen.checks, seen.warnings)).unwrap_or_default();
    if reached < order.level {
        return Err(RestoreError::Unproven { reached, asked: order.level, failures, checks });
    }
    warnings.extend(failures);
    warnings.extend(seen);
    warnings.dedup();
    Ok(Prepared { candidate, _holder: Some(holder), level: reached, checks, warnings, begun })
}

fn stored_error(error: VerifyError) -> RestoreError {
    match error {
        VerifyError::Engine(error @ (EngineError::Stopped(_) | EngineError::Fault(_))) => {
            RestoreError::Engine(error)
        }
        VerifyError::Mismatch(crate::pipe::Mismatch::Stopped(stopped)) => {
            RestoreError::Engine(EngineError::Stopped(stopped))
        }
        other => RestoreError::Stored(other.to_string()),
    }
}

/// Reads all of what a command is to load, and has it proven, before anything is loaded.
fn prepare_to_load(order: &Order<'_>, begun: Instant, watch: &Watch<'_>) -> Result<Prepared, RestoreError> {
    let manifest = &order.stored.manifest;
    let recorded = previous_of(order.stored);
    let request = ExamineRequest {
        level: order.level.max(order.target.default_level()),
        checks: &[],
        tables: None,
        recorded: &recorded,
        previous: None,
        captured_at: manifest.time,
        scratch: Path::new(""),
        caller: order.caller,
    };
    let examine = (request.level >= Level::Integrity).then_some((order.engine, &request));
    let evidence = read_back(&manifest.files, order.open, examine, watch).map_err(stored_error)?;
    let failures = evidence.as_ref().map(Evidence::failures).unwrap_or_default();
    let reached = evidence.as_ref().map_or(Level::Checksum, Evidence::level);
    if reached < order.level {
        return Err(RestoreError::Unproven { reached, asked: order.level, failures, checks: Vec::new() });
    }
    let checks = Vec::new();
    Ok(Prepared {
        candidate: PathBuf::new(),
        _holder: None,
        level: reached,
        checks,
        warnings: failures,
        begun,
    })
}

fn inspect(
    order: &Order<'_>,
    candidate: &Path,
    holder: &Scratch,
    watch: &Watch<'_>,
) -> Result<Option<Evidence>, EngineError> {
    let manifest = &order.stored.manifest;
    if order.level <= Level::Checksum && manifest.level.max(manifest.asked) <= Level::Checksum {
        return Ok(None);
    }
    let recorded = previous_of(order.stored);
    let request = ExamineRequest {
        // The checks are always shown, whatever is demanded.
        level: order.level.max(order.target.default_level()),
        checks: &order.target.checks,
        tables: order.target.tables.as_ref(),
        recorded: &recorded,
        previous: None::<&Previous>,
        captured_at: manifest.time,
        scratch: holder.path(),
        caller: order.caller,
    };
    let open = |extension: &str| open_side(&manifest.files, extension, order.open);
    let evidence = order.engine.inspect(candidate, &open, &request, watch)?;
    // Content that could not be judged when it was backed up cannot be judged now either: that is no reason to keep it
    // from somebody who asked for it by name.
    Ok(Some(evidence).filter(|evidence| evidence.integrity != Integrity::Skipped))
}

/// The bytes that a restore needs beside its place. Into what others have open the content is written: then there are the
/// content beside it, the log with which it arrives, and the safety copy of what is live.
pub fn room_needed(engine: &dyn Engine, to: &Path, bytes: u64) -> u64 {
    if engine.holders(to).is_empty() {
        return bytes;
    }
    let live = fs::metadata(to).map_or(0, |live| live.len());
    bytes.saturating_mul(2).saturating_add(live.max(bytes))
}

fn room(order: &Order<'_>, parent: &Path) -> Result<(), RestoreError> {
    let bytes = order.stored.manifest.original_bytes;
    let needed = room_needed(order.engine, order.to, bytes);
    let free = crate::store::free_bytes(parent)?;
    if free < needed {
        return Err(RestoreError::NoRoom { place: parent.to_owned(), free, needed, in_use: needed > bytes });
    }
    Ok(())
}

/// Swaps everything that was prepared, in order, and then lets commands load what they load, which cannot be taken back. When
/// one fails, those that were swapped before it are swapped back, newest first.
pub fn commit(
    orders: &[Order<'_>],
    prepared: Vec<Prepared>,
    watch: &Watch<'_>,
) -> Result<Vec<Done>, RestoreError> {
    let (loaded, swapped): (Vec<_>, Vec<_>) =
        orders.iter().zip(prepared).partition(|(order, _)| order.engine.is_loaded());
    let swap_orders: Vec<&Order<'_>> = swapped.iter().map(|(order, _)| *order).collect();
    let mut done: Vec<Done> = Vec::new();
    for (order, ready) in &swapped {
        match order.engine.swap(&ready.candidate, order.to, &order.aside, watch) {
            Ok(swapped) => done.push(Done { seconds: ready.begun.elapsed().as_secs_f64(), swapped }),
            Err(source) => {
                // One that holds the new content all the same goes back with those before it.
                if let EngineError::Unsettled { aside, .. } = &source
                    && !done.is_empty()
                {
                    let swapped = Swapped::new(aside.clone(), "rename");
                    done.push(Done { seconds: 0.0, swapped });
                }
                let left = swap_back(&swap_orders[..done.len()], &done);
                return Err(RestoreError::Swap { to: order.to.to_owned(), source, left });
            }
        }
    }
    let mut loads = Vec::new();
    for (order, ready) in &loaded {
        let load = |stored: &mut StoredContent<'_>| order.engine.load(stored, order.caller, watch);
        if let Err(error) = pour(&order.stored.manifest.files, order.open, watch, load) {
            let source = match stored_error(error) {
                RestoreError::Engine(source) => source,
                other => EngineError::Program(other.to_string()),
            };
            let mut left = swap_back(&swap_orders, &done);
            left.push(format!("what `{}` had loaded by then is not taken back", order.target.name.value));
            return Err(RestoreError::Swap { to: order.to.to_owned(), source, left });
        }
        loads
            .push(Done { seconds: ready.begun.elapsed().as_secs_f64(), swapped: Swapped::new(None, "load") });
    }
    // In the order that was asked for.
    let (mut done, mut loads) = (done.into_iter(), loads.into_iter());
    let next = |order: &Order<'_>| if order.engine.is_loaded() { loads.next() } else { done.next() };
    Ok(orders.iter().filter_map(next).collect())
}

/// Puts the old contents back, newest first. Nothing is removed: what was restored for a moment may have been written to.
fn swap_back(orders: &[&Order<'_>], done: &[Done]) -> Vec<String> {
    // A request to stop is no reason to leave half of the targets swapped.
    let cancel = Cancel::default();
    let unhurried = Watch::new(&cancel, None, &|_| ());
    let mut left = Vec::new();
    for (order, done) in orders.iter().zip(done).rev() {
        let to = order.to.display();
        let Some(old) = &done.swapped.aside else {
            left.push(format!("{to}, where nothing was before, holds the restored content"));
            continue;
        };
        let name = old.file_name().unwrap_or_default().to_string_lossy().replace(".aside-", ".undone-");
        let undone = old.with_file_name(name);
        match put_back(order.engine, old, order.to, &undone, &unhurried) {
            Ok(back) => {
                let kept = back.aside.unwrap_or(undone);
                left.push(format!(
                    "{to} is as it was; what was restored there is kept as {}",
                    kept.display()
                ));
            }
            Err(error) => left
                .push(format!("{to} could not be put back ({error}): its old content is {}", old.display())),
        }
    }
    left
}

/// Puts back what was set aside of a place; see [`Engine::put_back`].
///
/// # Errors
/// As of [`Engine::put_back`].
pub fn put_back(
    engine: &dyn Engine,
    old: &Path,
    live: &Path,
    aside: &Path,
    watch: &Watch<'_>,
) -> Result<Swapped, EngineError> {
    let made: OnceCell<Scratch> = OnceCell::new();
    // Only where it is needed: the way back must not fail for want of a folder that it can do without.
    let spare = || {
        if let Some(scratch) = made.get() {
            return Ok(scratch.path().to_owned());
        }
        let scratch = Scratch::new(live.parent().unwrap_or(Path::new(".")))?;
        Ok(made.get_or_init(|| scratch).path().to_owned())
    };
    engine.put_back(old, live, aside, &spare, watch)
}

/// Reads a backup back and examines it without restoring it anywhere that lasts: what `verify` does.
pub fn verify(
    stored: &Stored,
    open: &Opener<'_>,
    engine: Option<&dyn Engine>,
    request: &ExamineRequest<'_>,
    watch: &Watch<'_>,
) -> Result<Option<Evidence>, VerifyFailure> {
    let examine = engine.filter(|_| request.level >= Level::Integrity).map(|engine| (engine, request));
    read_back(&stored.manifest.files, open, examine, watch).map_err(|error| match error {
        VerifyError::Engine(EngineError::Stopped(stopped))
        | VerifyError::Mismatch(crate::pipe::Mismatch::Stopped(stopped)) => VerifyFailure::Stopped(stopped),
        // What the system could not read says nothing about what is stored; what a codec could not read does.
        VerifyError::Mismatch(crate::pipe::Mismatch::Unreadable { name, source })
            if source.raw_os_error().is_some() =>
        {
            VerifyFailure::Failed(format!("`{name}` cannot be read: {source}"))
        }
        VerifyError::Mismatch(mismatch) => VerifyFailure::Damaged(mismatch.to_string()),
        VerifyError::Engine(EngineError::Damaged(what)) => VerifyFailure::Damaged(what),
        VerifyError::Store(StoreError::NoBackup(id)) => VerifyFailure::Damaged(format!("`{id}` is gone")),
        VerifyError::Store(StoreError::Fault(fault))
            if fault.source.kind() == std::io::ErrorKind::NotFound =>
        {
            // What is recorded in a store says nothing about where the store lay.
            let name = fault.path.file_name().unwrap_or(fault.path.as_os_str());
            VerifyFailure::Damaged(format!("`{}` is missing", name.to_string_lossy()))
        }
        other => VerifyFailure::Failed(other.to_string()),
    })
}

/// Why a stored backup was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyFailure {
    /// Its bytes are not what its manifest says.
    #[error("{0}")]
    Damaged(String),
    /// It could not be looked at.
    #[error("{0}")]
    Failed(String),
    /// It was asked to stop.
    #[error(transparent)]
    Stopped(crate::watch::Stopped),
}
