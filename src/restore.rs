//! Restoring: bring the content beside the target, prove it there, swap, keep the old. Nothing that is there is touched
//! before everything that replaces it was verified.
//!
//! There are three ways back, by what the target is: [`beside`] a path, into a `database` beside the live one, and by a
//! command of the target's own (`load`), which alone sets nothing aside.

mod aside;
pub mod beside;
mod database;
mod load;
mod steps;
mod verify;

pub use aside::{aside_name, clear, is_asides, newest_aside, strays};
pub use beside::{PathWay, put_back};
pub use database::{DatabaseWay, look_ahead};
pub use steps::{Step, steps};
pub use verify::{VerifyFailure, verify};

use crate::{
    engines::{Caller, EngineError, ExamineRequest, Previous, command::Dump, place},
    evidence::{CheckResult, Evidence, Integrity},
    fault::Fault,
    policy::{model::Target, values::Level},
    run::{Opener, VerifyError, previous_of},
    store::Stored,
    watch::Watch,
};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

/// One target to bring back: everything was decided, nothing was touched.
pub struct Order<'a> {
    /// The target as the backup's policy says it.
    pub target: &'a Target,
    /// How it comes back, and where.
    pub way: &'a Way,
    /// The backup.
    pub stored: &'a Stored,
    /// Opens its stored files.
    pub open: &'a Opener<'a>,
    /// The level that the restored content must reach.
    pub level: Level,
    /// Makes the policy's commands ready.
    pub caller: &'a dyn Caller,
}

/// How one target's content comes back, and where.
pub enum Way {
    /// Beside a path, then in its place.
    Path(PathWay),
    /// Into a database beside the live one, then in its place.
    Database(Box<DatabaseWay>),
    /// By the target's own command, over what is live.
    Load(LoadWay),
}

/// What a target's own command loads.
pub struct LoadWay {
    /// The target's name: nobody else knows where its content goes.
    pub name: String,
    /// The engine.
    pub dump: Dump,
}

impl Way {
    /// Where it comes back, in words for people.
    pub fn place(&self) -> String {
        match self {
            Self::Path(way) => way.to.display().to_string(),
            Self::Database(way) => way.place(),
            Self::Load(way) => way.name.clone(),
        }
    }
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
    /// The server lacks what the content needs.
    #[error("{place} cannot take it: its server lacks {}", lacking.join(", "))]
    Lacking {
        /// The place.
        place: String,
        /// What it lacks.
        lacking: Vec<String>,
    },
    /// The swap failed; everything that was swapped before it was swapped back.
    #[error("{}", at(to, source))]
    Swap {
        /// The place.
        to: String,
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

/// An error with its place, unless it names that itself.
fn at(to: &str, source: &EngineError) -> String {
    let said = source.to_string();
    if said.starts_with(to) { said } else { format!("{to}: {said}") }
}

/// What is known to keep restored content from its place as that stands now. It is looked at before anything is done, and
/// where there are several targets once more before the first of them is swapped.
///
/// # Errors
/// What the swap would fail with.
pub fn hindrance(way: &Way, watch: &Watch<'_>) -> Result<(), EngineError> {
    match way {
        Way::Path(way) => {
            place::check(&way.to, way.engine.shape())?;
            way.engine.hindrance(&way.to)
        }
        Way::Database(way) => way.engine.hindrance(&way.to, watch),
        Way::Load(_) => Ok(()),
    }
}

/// Restored content, proven, waiting beside its place.
pub struct Prepared<'a> {
    /// Takes its place; `None`: a command is to load it.
    waiting: Option<Box<dyn Waiting<'a> + 'a>>,
    /// What it was shown to be.
    pub shown: Shown,
    begun: Instant,
}

/// What content was shown to be before it took its place.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The level.
    pub level: Level,
    /// Its checks.
    pub checks: Vec<CheckResult>,
    /// What must be told about it, such as owners that this user cannot give.
    pub warnings: Vec<String>,
}

/// Content that waits beside its place. Dropped, it is removed.
trait Waiting<'a> {
    /// Puts it in its place, and keeps what was there.
    fn swap(self: Box<Self>, watch: &Watch<'_>) -> Result<Exchange<'a>, Box<Failed<'a>>>;
}

/// A swap that failed.
struct Failed<'a> {
    source: EngineError,
    /// The way back, where the place may hold the new content all the same.
    done: Option<Exchange<'a>>,
}

/// A swap that was done.
struct Exchange<'a> {
    /// Where what was there is kept; `None` when nothing was.
    aside: Option<String>,
    /// What must be told about it.
    warnings: Vec<String>,
    /// Takes it back, and tells in words for people what that left.
    back: Box<dyn Fn(&Watch<'_>) -> String + 'a>,
}

/// What became of one target.
#[derive(Debug, Clone)]
pub struct Done {
    /// Seconds from the start of the preparation to the end of the swap.
    pub seconds: f64,
    /// Where what was there is kept; `None` when nothing was, or nothing is set aside.
    pub aside: Option<String>,
    /// What must be told about the swap.
    pub warnings: Vec<String>,
}

/// Restores one target beside its place and proves it there.
///
/// # Errors
/// On any error nothing at the place was touched, and what was written beside it is gone.
#[expect(clippy::disallowed_methods, reason = "the duration of a restore is measured")]
pub fn prepare<'a>(order: &Order<'a>, watch: &Watch<'_>) -> Result<Prepared<'a>, RestoreError> {
    let begun = Instant::now();
    let (waiting, shown) = match order.way {
        Way::Path(way) => {
            beside::prepare(order, way, watch).map(|(waiting, shown)| (Some(waiting), shown))?
        }
        Way::Database(way) => {
            database::prepare(order, way, watch).map(|(waiting, shown)| (Some(waiting), shown))?
        }
        Way::Load(way) => (None, load::prepare(order, &way.dump, watch)?),
    };
    Ok(Prepared { waiting, shown, begun })
}

/// What the restored content was asked; its place is not yet the live one.
fn examination<'o>(order: &'o Order<'_>, recorded: &'o Previous, scratch: &'o Path) -> ExamineRequest<'o> {
    ExamineRequest {
        // The checks are always shown, whatever is demanded.
        level: order.level.max(order.target.default_level()),
        checks: &order.target.checks,
        tables: order.target.tables.as_ref(),
        recorded,
        previous: None::<&Previous>,
        captured_at: order.stored.manifest.time,
        scratch,
        caller: order.caller,
        facts: &order.stored.manifest.facts,
    }
}

/// Examines restored content by `look`, and holds what it shows against the level that it must reach.
fn show(
    order: &Order<'_>,
    scratch: &Path,
    mut warnings: Vec<String>,
    look: impl FnOnce(&ExamineRequest<'_>) -> Result<Evidence, EngineError>,
) -> Result<Shown, RestoreError> {
    let manifest = &order.stored.manifest;
    let is_asked = order.level > Level::Checksum || manifest.level.max(manifest.asked) > Level::Checksum;
    let recorded = previous_of(order.stored);
    let looked = is_asked.then(|| look(&examination(order, &recorded, scratch))).transpose();
    let evidence = match looked {
        // What nobody demands of it is no reason to keep it from somebody who asked for it by name.
        Err(error) if order.level <= Level::Checksum && !matches!(error, EngineError::Stopped(_)) => {
            warnings.push(format!("the restored content could not be checked: {error}"));
            None
        }
        // Content that could not be judged when it was backed up cannot be judged now either: that is no reason to keep it
        // from somebody who asked for it by name.
        looked => {
            looked.map_err(RestoreError::Engine)?.filter(|evidence| evidence.integrity != Integrity::Skipped)
        }
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
    Ok(Shown { level: reached, checks, warnings })
}

fn stored_error(error: VerifyError) -> RestoreError {
    match error {
        // What is wrong with this host or with the server is not the backup's fault.
        VerifyError::Engine(
            error @ (EngineError::Stopped(_)
            | EngineError::Fault(_)
            | EngineError::Unreachable { .. }
            | EngineError::Refused(_)),
        ) => RestoreError::Engine(error),
        VerifyError::Mismatch(crate::pipe::Mismatch::Stopped(stopped)) => {
            RestoreError::Engine(EngineError::Stopped(stopped))
        }
        other => RestoreError::Stored(other.to_string()),
    }
}

/// Swaps everything that was prepared, in order, and then lets commands load what they load, which cannot be taken back. When
/// one fails, those that were swapped before it are swapped back, newest first.
pub fn commit(
    orders: &[Order<'_>],
    prepared: Vec<Prepared<'_>>,
    watch: &Watch<'_>,
) -> Result<Vec<Done>, RestoreError> {
    if orders.len() > 1 {
        for order in orders {
            hindrance(order.way, watch).map_err(|source| RestoreError::Swap {
                to: order.way.place(),
                source,
                left: Vec::new(),
            })?;
        }
    }
    let mut exchanges: Vec<Option<Exchange<'_>>> = Vec::new();
    let mut seconds = Vec::new();
    for (order, Prepared { waiting, begun, .. }) in orders.iter().zip(prepared) {
        match waiting.map(|waiting| waiting.swap(watch)).transpose() {
            Ok(exchange) => exchanges.push(exchange),
            Err(failed) => {
                let Failed { source, done } = *failed;
                // One that holds the new content all the same goes back with those before it.
                if exchanges.iter().any(Option::is_some) {
                    exchanges.push(done);
                }
                return Err(RestoreError::Swap {
                    to: order.way.place(),
                    source,
                    left: swap_back(&exchanges, watch),
                });
            }
        }
        seconds.push((begun, begun.elapsed().as_secs_f64()));
    }
    for (order, (begun, seconds)) in orders.iter().zip(&mut seconds) {
        let Way::Load(way) = order.way else { continue };
        if let Err(source) = load::load(order, &way.dump, watch) {
            let mut left = swap_back(&exchanges, watch);
            left.push(format!("what `{}` had loaded by then is not taken back", order.target.name.value));
            return Err(RestoreError::Swap { to: order.way.place(), source, left });
        }
        *seconds = begun.elapsed().as_secs_f64();
    }
    let done = exchanges.into_iter().zip(seconds).map(|(exchange, (_, seconds))| {
        let (aside, warnings) =
            exchange.map(|exchange| (exchange.aside, exchange.warnings)).unwrap_or_default();
        Done { seconds, aside, warnings }
    });
    Ok(done.collect())
}

/// Puts the old contents back, newest first. Nothing is removed: what was restored for a moment may have been written to.
fn swap_back(exchanges: &[Option<Exchange<'_>>], watch: &Watch<'_>) -> Vec<String> {
    // A request to stop is no reason to leave half of the targets swapped; one that is made a third time is.
    let insisted = watch.cancel().insisted();
    let unhurried = Watch::new(&insisted, None, &|_| ());
    exchanges.iter().rev().flatten().map(|exchange| (exchange.back)(&unhurried)).collect()
}
