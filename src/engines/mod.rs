//! The engines: how the content of one target is captured, examined and put back.
//!
//! An engine knows one kind of source and nothing about stores, manifests, retention or schedules. It streams the
//! *plain* bytes of a capture into a writer (the run's pipe compresses, digests and stores them) and reads plain bytes
//! back. A capture is one content at one moment: what cannot be shown to be that is an error, never a backup.

mod apart;
mod at_once;
mod at_path;
pub mod command;
pub mod directory;
#[cfg(feature = "duckdb")]
pub mod duckdb;
mod examination;
pub mod expectation;
pub(crate) mod files;
mod flat;
mod holders;
mod implied;
pub mod place;
pub mod postgres;
pub mod sqlite;
mod tables;
#[cfg(test)]
mod testing;

use crate::{
    evidence::{CheckedOn, Evidence, Holder, Rung, TableFact},
    exec::Invocation,
    fault::Fault,
    policy::{
        model::{Check, Command, EngineSpec, Tables},
        values::{Compression, Level},
    },
    watch::{Stopped, Watch},
};
pub use apart::serve;
use at_path::kept;
pub(crate) use at_path::named;
pub use at_path::{AtPath, Holds, Spare, Swapped};
use chrono::{DateTime, Utc};
use place::Obstacle;
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// One kind of source, bound to the place of one target.
pub trait Engine {
    /// Looks at the source without changing anything beside it, not even a side file.
    ///
    /// # Errors
    /// A missing, empty, unreadable or foreign source is an error; nothing is ever created.
    fn observe(&self, watch: &Watch<'_>) -> Result<SourceFacts, EngineError>;

    /// Whether a capture would read what lies at a place, which need not exist yet.
    fn reads(&self, place: &Path) -> bool;

    /// Streams the content at one moment into `out`, and shows what the request asks about exactly that content.
    fn capture(
        &self,
        request: &CaptureRequest<'_>,
        out: &mut dyn Outlet,
        watch: &Watch<'_>,
    ) -> Result<Capture, EngineError>;

    /// Examines stored content that was decoded again: up to `checks` while or after reading it once, at `restore` by
    /// restoring it below `scratch` and opening that.
    fn examine(
        &self,
        stored: &mut StoredContent<'_>,
        request: &ExamineRequest<'_>,
        watch: &Watch<'_>,
    ) -> Result<Evidence, EngineError>;
}

/// Where a capture streams to.
pub trait Outlet: Write {
    /// Told after the last byte, while the engine goes on to examine the content elsewhere. Whoever takes the bytes may
    /// use that time; an engine that has nothing to do meanwhile need not call it.
    ///
    /// # Errors
    /// As of writing.
    fn complete(&mut self) -> std::io::Result<()> {
        self.flush()
    }
}

impl Outlet for Vec<u8> {}

/// What was seen of a source without changing anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFacts {
    /// Its size in bytes: for a database with its write-ahead log, for a folder the sum of the files taken.
    pub bytes: u64,
    /// Facts for the plan and the manifest, such as `journal_mode`, `files`.
    pub facts: BTreeMap<String, String>,
}

/// Makes commands of the policy ready to run, for the engines that call some.
pub trait Caller {
    /// Fills in variables and placeholders; `copy` is what `{copy}` stands for.
    ///
    /// # Errors
    /// Why that cannot be done, in words for people.
    fn prepare(&self, command: &Command, copy: Option<&Path>) -> Result<Invocation, String>;

    /// Passes on a line that a command printed.
    fn heard(&self, line: String);
}

/// What a capture is to show.
pub struct CaptureRequest<'a> {
    /// How the job captures this target.
    pub spec: &'a EngineSpec,
    /// How the job's backups are compressed, for a program that compresses what it writes itself: see
    /// [`EngineSpec::compresses_itself`].
    pub compress: Compression,
    /// Makes the policy's commands ready.
    pub caller: &'a dyn Caller,
    /// The level asked; content is examined up to `checks` here, `restore` is shown on the stored file afterwards.
    pub level: Level,
    /// Guards on the source's shape.
    pub expect: &'a crate::policy::model::Expect,
    /// Declared checks.
    pub checks: &'a [Check],
    /// Declared data classes.
    pub tables: Option<&'a Tables>,
    /// The newest proven backup's answers and sizes, for `max_drop`, `max_growth` and tables that vanished.
    pub previous: Option<&'a Previous>,
    /// The calendar's time of the run, for `max_age`.
    pub now: DateTime<Utc>,
    /// A private folder for temporary copies, on this host; whatever is left there is removed by the run.
    pub scratch: &'a Path,
}

/// What the newest proven backup said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Previous {
    /// Its id, for messages.
    pub id: String,
    /// Its plain size in bytes.
    pub bytes: u64,
    /// Its checks' answers by name.
    pub answers: BTreeMap<String, String>,
    /// Its classed tables.
    pub tables: BTreeMap<String, TableFact>,
}

/// What a capture produced.
#[derive(Debug)]
pub struct Capture {
    /// How it was taken: `dbpage`, `backup`, `tar`.
    pub method: &'static str,
    /// The ways tried before, in their order.
    pub rungs: Vec<Rung>,
    /// How long the owner could not write, or not open the source; `None` where the capture kept nobody out.
    pub kept_out: Option<Duration>,
    /// On what the content was examined.
    pub checked_on: CheckedOn,
    /// What was shown.
    pub evidence: Evidence,
    /// Files beside the main one: extension and a file below the request's scratch folder.
    pub side_files: Vec<(&'static str, PathBuf)>,
    /// Members that could not be read, by name; not empty makes the backup partial.
    pub unreadable: Vec<String>,
    /// Facts for the manifest: versions, page count, change counter.
    pub facts: BTreeMap<String, String>,
}

/// Opens a side file of a backup by its extension, decoded; `None` when the backup has none.
pub type OpenSide<'a> = dyn Fn(&str) -> Result<Option<Box<dyn Read + Send>>, Fault> + 'a;

/// Stored content, decoded again.
pub struct StoredContent<'a> {
    /// The plain bytes.
    pub main: &'a mut dyn Read,
    /// Opens its side files.
    pub side: &'a OpenSide<'a>,
}

/// What an examination is to show, and against what.
pub struct ExamineRequest<'a> {
    /// The level to show, `integrity` or above.
    pub level: Level,
    /// Declared checks.
    pub checks: &'a [Check],
    /// Declared data classes.
    pub tables: Option<&'a Tables>,
    /// The backup's own recorded answers and rows: what `same_as_source` and row counts are compared with.
    pub recorded: &'a Previous,
    /// The newest proven backup before it, for `max_drop` and `max_growth`.
    pub previous: Option<&'a Previous>,
    /// The moment of capture, for `max_age`.
    pub captured_at: DateTime<Utc>,
    /// A private folder on this host.
    pub scratch: &'a Path,
    /// Makes the policy's commands ready.
    pub caller: &'a dyn Caller,
    /// What the capture noted of the source: [`Capture::facts`].
    pub facts: &'a BTreeMap<String, String>,
}

/// A source that another process holds, in spite of all that was tried.
#[derive(Debug, thiserror::Error)]
#[error("{} is locked by {} ({}): {mend}", path.display(), named(holders), tried.join("; "))]
pub struct Kept {
    /// The place.
    pub path: PathBuf,
    /// Who holds it, as far as the host tells.
    pub holders: Vec<Holder>,
    /// What was tried, and what came of it, in words.
    pub tried: Vec<String>,
    /// The same, for the record.
    pub rungs: Vec<Rung>,
    /// What ended the trying, where something did.
    pub stopped: Option<Stopped>,
    /// What to do.
    pub mend: &'static str,
}

/// Why an engine could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is nothing at the source's place.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The place.
        path: PathBuf,
    },
    /// The source is there and has no content.
    #[error("{} is empty", path.display())]
    Empty {
        /// The place.
        path: PathBuf,
    },
    /// The source is of another kind: a folder for a file, a file that is no database.
    #[error("{} is not {wanted}: {found}", path.display())]
    Foreign {
        /// The place.
        path: PathBuf,
        /// What was wanted, with article.
        wanted: &'static str,
        /// What was found.
        found: String,
    },
    /// A guard of `expect` does not hold.
    #[error("the source has {actual}, expected {expected}")]
    Unexpected {
        /// The guard's key, such as `min_tables`.
        guard: &'static str,
        /// What was found.
        actual: String,
        /// What the policy says.
        expected: String,
    },
    /// Another process holds the source, and the wait for it ran out.
    #[error("{} is locked by {}", path.display(), named(holders))]
    Busy {
        /// The place.
        path: PathBuf,
        /// Who holds it, as far as the host tells.
        holders: Vec<Holder>,
    },
    /// Another process holds the source, and nothing that was tried served.
    #[error(transparent)]
    Kept(Box<Kept>),
    /// Other processes have what is to be replaced open, and it cannot be written under them.
    #[error("{} is open in {}, and {why}", path.display(), named(holders))]
    InUse {
        /// The place.
        path: PathBuf,
        /// Who has it open, as far as the host tells.
        holders: Vec<Holder>,
        /// What stands in the way.
        why: &'static str,
    },
    /// It failed when the place was written already, and that could not be taken back.
    #[error("{source}; {} {holds}{}", place.display(), kept(aside.as_deref()))]
    Unsettled {
        /// The place.
        place: PathBuf,
        /// What it holds now.
        holds: Holds,
        /// Where the old content is; `None` when there was none.
        aside: Option<PathBuf>,
        /// What failed.
        source: Box<Self>,
    },
    /// The server of the source is not to be had.
    #[error("cannot reach {place}: {why}")]
    Unreachable {
        /// Where it is, without user and password.
        place: String,
        /// What was said.
        why: String,
    },
    /// The engine's library refused.
    #[error("cannot {verb} {}: {message}", path.display())]
    Library {
        /// What was being done.
        verb: &'static str,
        /// The place.
        path: PathBuf,
        /// What the library said.
        message: String,
    },
    /// A command of the policy's did not do its work.
    #[error("{0}")]
    Program(String),
    /// The stored content is not what it should be.
    #[error("the stored content is damaged: {0}")]
    Damaged(String),
    /// It would overwrite what must not be lost.
    #[error("{0}")]
    Refused(String),
    /// What is at the place cannot change places with anything.
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
    /// The writer that a capture feeds failed; the pipe knows more.
    #[error("cannot write the captured bytes: {0}")]
    Out(#[source] std::io::Error),
    /// The reader that stored content comes from failed.
    #[error("cannot read the stored bytes: {0}")]
    In(#[source] std::io::Error),
    /// An operation on a path failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It was asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}
