//! DuckDB databases.
//!
//! A capture takes a shared lock of our own on the file, which no writer can hold at the same time, and copies its bytes
//! with those of its side files into the scratch folder: what wrote it and its format stay as they are. The copy is
//! examined there by DuckDB, read only and in a process apart, while its bytes stream into the store. A database that its
//! writer keeps open is taken by the declared rungs, in their order (`when_locked`); what was done, and why the rungs
//! before it did not serve, stands in the manifest. A copy that cannot be shown to be consistent is never called a backup.

mod capture;
mod copy;
mod export;
mod header;
mod reader;
mod report;
mod restore;
mod swap;
mod work;

use super::{
    AtPath, Capture, CaptureRequest, Engine, EngineError, ExamineRequest, Holder, OpenSide, Outlet,
    SourceFacts, Spare, StoredContent, Swapped,
    files::{beside, length, resolved},
    place::Shape,
    tables::Facts,
};
use crate::{
    evidence::{Evidence, TableFact},
    policy::model::Tables,
    watch::{Cancel, Watch},
};
use copy::SIDE_FILES;
use header::Header;
pub(super) use reader::{READER, attend};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// One DuckDB database file.
#[derive(Debug, Clone)]
pub struct Duckdb {
    path: PathBuf,
}

impl Duckdb {
    /// Binds the engine to a database file.
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl Engine for Duckdb {
    fn observe(&self, _watch: &Watch<'_>) -> Result<SourceFacts, EngineError> {
        let header = Header::read(&self.path)?;
        Ok(SourceFacts { bytes: copy::bytes(&resolved(&self.path)?)?, facts: header.facts() })
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
        capture::capture(&self.path, request, out, watch)
    }

    fn examine(
        &self,
        stored: &mut StoredContent<'_>,
        request: &ExamineRequest<'_>,
        watch: &Watch<'_>,
    ) -> Result<Evidence, EngineError> {
        let place = request.scratch.join("examine.duckdb");
        restore::write(stored, &place, watch)?;
        let evidence = restore::examine(&place, request, watch);
        copy::Copied::remove(&place)?;
        evidence
    }
}

impl AtPath for Duckdb {
    fn shape(&self) -> Shape {
        Shape::File
    }

    fn materialize(
        &self,
        stored: &mut StoredContent<'_>,
        place: &Path,
        watch: &Watch<'_>,
    ) -> Result<Vec<String>, EngineError> {
        restore::materialize(stored, place, watch)
    }

    fn inspect(
        &self,
        place: &Path,
        _side: &OpenSide<'_>,
        request: &ExamineRequest<'_>,
        watch: &Watch<'_>,
    ) -> Result<Evidence, EngineError> {
        restore::examine(place, request, watch)
    }

    fn holders(&self, live: &Path) -> Vec<Holder> {
        holders(live)
    }

    fn remains(&self, live: &Path) -> Vec<PathBuf> {
        match length(live) {
            Ok(None) => {
                let found = copy::sides(live).unwrap_or_default();
                found.into_iter().map(|suffix| beside(live, suffix)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn hindrance(&self, live: &Path) -> Result<(), EngineError> {
        swap::hindrance(live)
    }

    fn swap(
        &self,
        candidate: &Path,
        live: &Path,
        aside: &Path,
        _watch: &Watch<'_>,
    ) -> Result<Swapped, EngineError> {
        swap::swap(candidate, live, aside)
    }

    fn put_back(
        &self,
        old: &Path,
        live: &Path,
        aside: &Path,
        spare: &Spare<'_>,
        _watch: &Watch<'_>,
    ) -> Result<Swapped, EngineError> {
        swap::put_back(old, live, aside, spare)
    }

    fn flaw(&self, old: &Path, _watch: &Watch<'_>) -> Result<Option<String>, EngineError> {
        match Header::read(old) {
            Ok(_) => Ok(None),
            Err(EngineError::Empty { .. }) => Ok(Some("is no DuckDB database: it is empty".to_owned())),
            Err(EngineError::Foreign { found, .. }) => {
                Ok(Some(format!("is no DuckDB database: it is {found}")))
            }
            Err(error) => Ok(Some(format!("cannot be judged: {error}"))),
        }
    }

    fn survey(
        &self,
        place: &Path,
        tables: Option<&Tables>,
    ) -> Result<BTreeMap<String, TableFact>, EngineError> {
        survey(place, tables)
    }
}

/// Counts the rows of a live database that nobody has open. It is read in its place: opened to read, DuckDB changes
/// nothing of it or beside it, and keeps a writer out for a moment.
fn survey(place: &Path, tables: Option<&Tables>) -> Result<BTreeMap<String, TableFact>, EngineError> {
    // Counting is for a person's eye, who is waiting.
    const LONGEST: Duration = Duration::from_secs(10);
    Header::read(place)?;
    let users = holders(place);
    if !users.is_empty() {
        return Err(EngineError::Busy { path: place.to_owned(), holders: users });
    }
    let cancel = Cancel::default();
    #[expect(clippy::disallowed_methods, reason = "deadlines are measured on the monotonic clock")]
    let watch = Watch::new(&cancel, Some(Instant::now() + LONGEST), &|_| ());
    let report = reader::ask(report::Order::to_count(reader::told(&resolved(place)?)?), &watch);
    let report = report.map_err(|error| match error {
        EngineError::Stopped(_) => {
            EngineError::Refused(format!("it would take longer than {} s", LONGEST.as_secs()))
        }
        other => other,
    })?;
    let why = report.trouble().map(str::to_owned);
    match report.tables {
        Some(Ok(rows)) => Ok(Facts::new(rows, tables)?.counted),
        Some(Err(message)) => Err(EngineError::Library { verb: "read", path: place.to_owned(), message }),
        None => {
            let message = why.unwrap_or_else(|| "it did not answer".to_owned());
            Err(EngineError::Library { verb: "open", path: place.to_owned(), message })
        }
    }
}

/// The processes other than this one that have the database or one of its side files open.
fn holders(live: &Path) -> Vec<Holder> {
    super::holders::holders(live, &SIDE_FILES)
}

/// A writer is in the way: those that the host tells, else the one that the lock itself names.
fn busy(live: &Path, pid: Option<u32>) -> EngineError {
    let mut found = holders(live);
    if found.is_empty() {
        found.extend(pid.map(|pid| Holder { pid, name: "process".to_owned() }));
    }
    EngineError::Busy { path: live.to_owned(), holders: found }
}

impl Header {
    /// As facts of a manifest.
    fn facts(&self) -> BTreeMap<String, String> {
        let mut facts = BTreeMap::from([("storage_format".to_owned(), self.format.to_string())]);
        if let Some(writer) = &self.writer {
            facts.insert("written_by".to_owned(), writer.clone());
        }
        facts
    }
}
