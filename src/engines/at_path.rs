//! The engines whose content lies at a path of this host: how it comes back there, beside what is live and then in its place.

use super::{Engine, EngineError, ExamineRequest, OpenSide, StoredContent, place::Shape};
use crate::{
    evidence::{Evidence, Holder, TableFact},
    fault::Fault,
    policy::model::Tables,
    watch::Watch,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// An engine whose content lies at a path.
pub trait AtPath: Engine {
    /// What stands at the place of its target.
    fn shape(&self) -> Shape;

    /// Writes the stored content to `place`, which does not exist yet, and makes it durable. Returns what must be told
    /// about it, such as owners that this user cannot give.
    fn materialize(
        &self,
        stored: &mut StoredContent<'_>,
        place: &Path,
        watch: &Watch<'_>,
    ) -> Result<Vec<String>, EngineError>;

    /// Examines content that was materialized at a place, without changing anything there or beside it: what a restore
    /// shows before it swaps. Side files of the backup are opened by `side`.
    fn inspect(
        &self,
        place: &Path,
        side: &OpenSide<'_>,
        request: &ExamineRequest<'_>,
        watch: &Watch<'_>,
    ) -> Result<Evidence, EngineError>;

    /// The processes that have the live target open, as far as this host tells; empty when none or when it cannot tell.
    /// What was deleted may still be open.
    fn holders(&self, live: &Path) -> Vec<Holder>;

    /// Whether a target that others have open is written over, and not replaced: that takes more room.
    fn writes_over(&self) -> bool {
        false
    }

    /// What lies beside a place where nothing is and belonged to what was there, such as a log with its last commits.
    fn remains(&self, _live: &Path) -> Vec<PathBuf> {
        Vec::new()
    }

    /// What is known to keep [`AtPath::swap`] from a live target as it stands now. Changes nothing.
    ///
    /// # Errors
    /// What the swap would fail with.
    fn hindrance(&self, _live: &Path) -> Result<(), EngineError> {
        Ok(())
    }

    /// Puts `candidate` (verified, beside `live`, on the same filesystem) in the place of `live`, and keeps what was
    /// there at `aside`. At every instant `live` is wholly the old or wholly the new content, also after a kill.
    ///
    /// # Errors
    /// On any error `live` holds the old content as before; only [`EngineError::Unsettled`] says that it does not.
    fn swap(
        &self,
        candidate: &Path,
        live: &Path,
        aside: &Path,
        watch: &Watch<'_>,
    ) -> Result<Swapped, EngineError>;

    /// Puts back what [`AtPath::swap`] set aside, whatever it is: byte for byte with its side files also what this engine
    /// cannot open, since that may be what somebody else can still mend. What is back at its place is no longer at `old`.
    ///
    /// # Errors
    /// As of [`AtPath::swap`]; what was set aside then still is.
    fn put_back(
        &self,
        old: &Path,
        live: &Path,
        aside: &Path,
        _spare: &Spare<'_>,
        watch: &Watch<'_>,
    ) -> Result<Swapped, EngineError> {
        self.swap(old, live, aside, watch)
    }

    /// Why what was set aside is not known to be sound, as far as a short look tells that changes nothing.
    ///
    /// # Errors
    /// When it was asked to stop.
    fn flaw(&self, _old: &Path, _watch: &Watch<'_>) -> Result<Option<String>, EngineError> {
        Ok(None)
    }

    /// What the live target holds, per classed table or in all, for the comparison a restore shows first. Changes
    /// nothing there or beside it, not even a side file: what cannot be read so is refused.
    fn survey(
        &self,
        place: &Path,
        tables: Option<&Tables>,
    ) -> Result<BTreeMap<String, TableFact>, EngineError>;
}

/// Makes a private folder beside the live place, on its first call, for copies that a kill must not leave for ever.
pub type Spare<'a> = dyn Fn() -> Result<PathBuf, Fault> + 'a;

/// Names processes for a message: `nginx (412), app (7)`.
pub(crate) fn named(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return "another process".to_owned();
    }
    holders.iter().map(|holder| format!("{} ({})", holder.name, holder.pid)).collect::<Vec<_>>().join(", ")
}

/// How a swap was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swapped {
    /// Where the old content was set aside; `None` when there was none.
    pub aside: Option<PathBuf>,
    /// `rename`, or `backup-api` into a database that others have open.
    pub method: &'static str,
    /// What must be told about it.
    pub warnings: Vec<String>,
}

impl Swapped {
    pub(crate) const fn new(aside: Option<PathBuf>, method: &'static str) -> Self {
        Self { aside, method, warnings: Vec::new() }
    }
}

/// What a place holds after a swap that failed too late to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// The new content, whole.
    New,
    /// The old content or the new, whole: only whoever opens it next finds out.
    Either,
}

impl std::fmt::Display for Holds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::New => "holds the new content",
            Self::Either => "holds either the old or the new content",
        })
    }
}

/// Where the old content is, as the end of a sentence.
pub(super) fn kept(aside: Option<&Path>) -> String {
    aside.map(|aside| format!(", and what was there is kept as {}", aside.display())).unwrap_or_default()
}
