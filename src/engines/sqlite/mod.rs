//! SQLite databases.
//!
//! A capture is one moment: its pages stream from `sqlite_dbpage` into the pipe without a temporary file, and what is asked
//! about the content is shown in transactions of that same moment, so that `same_as_source` is exact. The library
//! may lack `sqlite_dbpage` (a compile-time option), and a database in rollback-journal mode keeps its writers waiting
//! while it is read: then a copy is made first. Restores go into the live place in one of two ways, see `swap`.

mod alone;
mod capture;
mod checks;
mod examiner;
mod files;
mod open;
mod pages;
mod put_back;
mod restore;
mod swap;
pub mod syntax;
mod tables;
#[cfg(test)]
mod tests;
mod twin;
mod write_over;

use super::{
    AtPath, Capture, CaptureRequest, Engine, EngineError, ExamineRequest, Holder, OpenSide, Outlet,
    SourceFacts, Spare, StoredContent, Swapped,
    files::{beside, is_there, length, resolved},
    place::Shape,
    tables::Facts,
};
use crate::{
    evidence::{Evidence, TableFact},
    policy::model::Tables,
    watch::{Cancel, Watch},
};
pub(super) use examiner::{EXAMINER, attend};
use open::{Database, Header};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use swap::Places;

/// One SQLite database file.
///
/// Beyond the contract of [`Engine`]: a table that cannot be made again, which the newest proven backup had and this
/// content lacks, is a failing check `table NAME`; `max_drop` and `max_growth` of `expect` are failing checks of that
/// name, so that what shrank is published, unproven; `min_size` and `min_tables` refuse the capture.
#[derive(Debug, Clone)]
pub struct Sqlite {
    path: PathBuf,
    /// As if the library lacked `sqlite_dbpage`.
    without_dbpage: bool,
}

impl Sqlite {
    /// Binds the engine to a database file.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, without_dbpage: false }
    }

    /// Binds it as if the library lacked `sqlite_dbpage`.
    #[cfg(test)]
    const fn without_dbpage(path: PathBuf) -> Self {
        Self { path, without_dbpage: true }
    }
}

impl Engine for Sqlite {
    fn observe(&self, _watch: &Watch<'_>) -> Result<SourceFacts, EngineError> {
        let header = Header::read(&self.path)?;
        let of = |path: &Path| Ok::<_, EngineError>(length(path)?.unwrap_or(0));
        let real = resolved(&self.path)?;
        let bytes = of(&real)? + of(&beside(&real, "-wal"))?;
        let facts = header.map_or_else(BTreeMap::new, |header| {
            BTreeMap::from([
                ("journal_mode".to_owned(), if header.wal { "wal" } else { "rollback" }.to_owned()),
                ("page_size".to_owned(), header.page_size.to_string()),
            ])
        });
        Ok(SourceFacts { bytes, facts })
    }

    fn reads(&self, place: &Path) -> bool {
        place == self.path
    }

    fn capture(
        &self,
        request: &CaptureRequest<'_>,
        out: &mut dyn Outlet,
        watch: &Watch<'_>,
    ) -> Result<Capture, EngineError> {
        self.take(request, out, watch)
    }

    fn examine(
        &self,
        stored: &mut StoredContent<'_>,
        request: &ExamineRequest<'_>,
        watch: &Watch<'_>,
    ) -> Result<Evidence, EngineError> {
        restore::examine(stored, request, watch)
    }
}

impl AtPath for Sqlite {
    fn shape(&self) -> Shape {
        Shape::File
    }

    fn materialize(
        &self,
        stored: &mut StoredContent<'_>,
        place: &Path,
        watch: &Watch<'_>,
    ) -> Result<Vec<String>, EngineError> {
        restore::materialize(stored, place, watch)?;
        Ok(Vec::new())
    }

    fn inspect(
        &self,
        place: &Path,
        _side: &OpenSide<'_>,
        request: &ExamineRequest<'_>,
        watch: &Watch<'_>,
    ) -> Result<Evidence, EngineError> {
        restore::inspect(place, request, watch)
    }

    fn holders(&self, live: &Path) -> Vec<Holder> {
        holders(live)
    }

    fn writes_over(&self) -> bool {
        true
    }

    fn remains(&self, live: &Path) -> Vec<PathBuf> {
        match is_there(live) {
            Ok(false) => files::left_overs(live).unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    fn hindrance(&self, live: &Path) -> Result<(), EngineError> {
        if is_there(live)? { Ok(()) } else { swap::must_be_left(live) }
    }

    fn swap(
        &self,
        candidate: &Path,
        live: &Path,
        aside: &Path,
        watch: &Watch<'_>,
    ) -> Result<Swapped, EngineError> {
        // In a restore the candidate lies in a folder which the next one clears, should this one be killed.
        let folder = candidate.parent().unwrap_or_else(|| Path::new(".")).to_owned();
        let spare = || Ok(folder.clone());
        swap::swap(self, Places { candidate, live, aside, spare: &spare }, watch)
    }

    fn put_back(
        &self,
        old: &Path,
        live: &Path,
        aside: &Path,
        spare: &Spare<'_>,
        watch: &Watch<'_>,
    ) -> Result<Swapped, EngineError> {
        put_back::put_back(self, Places { candidate: old, live, aside, spare }, watch)
    }

    fn flaw(&self, old: &Path, watch: &Watch<'_>) -> Result<Option<String>, EngineError> {
        put_back::flaw(old, watch)
    }

    fn survey(
        &self,
        place: &Path,
        tables: Option<&Tables>,
    ) -> Result<BTreeMap<String, TableFact>, EngineError> {
        const LONGEST: Duration = Duration::from_secs(10);
        let is_wal = Header::read(place)?.is_none_or(|header| header.wal);
        let real = resolved(place)?;
        let is_used = length(&beside(&real, "-shm"))?.is_some();
        let has_log = length(&beside(&real, "-wal"))?.is_some_and(|bytes| bytes > 0);
        if is_wal && has_log && !is_used {
            let why = "it was left with a log by a program that ended, and reading that would leave files beside it";
            return Err(EngineError::Refused(why.to_owned()));
        }
        let cancel = Cancel::default();
        // Counting is for a person's eye, who is waiting.
        #[expect(clippy::disallowed_methods, reason = "deadlines are measured on the monotonic clock")]
        let deadline = Instant::now() + LONGEST;
        let watch = Watch::new(&cancel, Some(deadline), &|_| ());
        let late = |error: EngineError| {
            if watch.check().is_ok() {
                return error;
            }
            EngineError::Refused(format!("it would take longer than {} s", LONGEST.as_secs()))
        };
        let opened = open::patiently(LONGEST, &watch, || {
            // In write-ahead mode an ordinary reader makes `-wal` and `-shm` where nobody is connected. All of it is in
            // the one file then; should somebody connect this moment, a count for a person's eye may be off.
            let alone = is_wal && !is_used;
            let mut database = if alone { Database::still(place)? } else { Database::live(place)? };
            database.stop_with(&watch)?;
            database.begin()?;
            Ok(database)
        })
        .map_err(late)?;
        match opened {
            Ok(database) => Ok(Facts::new(database.rows().map_err(late)?, tables)?.counted),
            Err(error) if open::is_busy(&error) => Err(busy(place)),
            Err(error) => Err(open::library("open", place, &error)),
        }
    }
}

/// The processes other than this one that have the database or one of its side files open.
fn holders(live: &Path) -> Vec<Holder> {
    super::holders::holders(live, &open::SIDE_FILES)
}

/// Another process is in the way, with those that the host tells.
fn busy(path: &Path) -> EngineError {
    EngineError::Busy { path: path.to_owned(), holders: holders(path) }
}
