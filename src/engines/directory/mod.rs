//! Folders: one tar stream with the digests of its members beside it.
//!
//! What is kept: names as bytes, modes, owners by number, times to the nanosecond, symbolic links as they are, hard links,
//! empty folders. What is not: sockets, pipes and devices (told), extended attributes and access control lists, holes
//! (they come back as zeros). A capture is not one moment of the whole folder, but each file is one moment of itself: one
//! that changed while it was read is read again, and told if it changed again.

mod archive;
mod capture;
mod carry;
mod examine;
mod extract;
mod members;
mod reader;
mod selection;
mod swap;
mod walk;

#[cfg(test)]
mod tests;

use super::{
    AtPath, Capture, CaptureRequest, Engine, EngineError, ExamineRequest, Holder, OpenSide, Outlet, Previous,
    SourceFacts, StoredContent, Swapped, implied::guard_size, place::Shape,
};
use crate::platform::folder::{Folder, Kind};
use crate::{
    evidence::{CheckResult, CheckedOn, Evidence, Integrity, TableFact},
    fault::{Fault, OnPath},
    policy::{
        model::{Expect, OnFail, TableClass, Tables},
        values::Level,
    },
    watch::Watch,
};
use capture::{Capturing, Taken};
use selection::{Choice, Selection};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};
use walk::{Excluded, Step, Walk};

/// The key under which the number of files stands among a backup's tables and in a survey.
pub const FILES: &str = "files";

/// One folder, and what of it is taken.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    selection: Selection,
}

impl Directory {
    /// Binds the engine to a folder and the globs of its target; no `include` takes everything, `exclude` wins.
    ///
    /// # Errors
    /// A glob that is not valid is refused, with its text.
    pub fn new<'g>(
        root: PathBuf,
        include: impl IntoIterator<Item = &'g str>,
        exclude: impl IntoIterator<Item = &'g str>,
    ) -> Result<Self, EngineError> {
        Ok(Self { root, selection: Selection::new(include, exclude)? })
    }

    /// Checks one glob without a folder; the error says what is wrong with it.
    pub fn check_glob(glob: &str) -> Result<(), String> {
        Selection::new([glob], []).map(drop).map_err(|error| error.to_string())
    }

    /// Opens the folder and begins to walk over what is selected.
    fn walk(&self, place: &Path) -> Result<(crate::platform::folder::Meta, Walk<'_>), EngineError> {
        let root = open(place)?;
        let meta = root.meta().on("look at", place)?;
        let walk = Walk::new(root, &self.selection, Excluded::Skip).on("list the folder", place)?;
        Ok((meta, walk))
    }

    /// Counts what would be taken: files, their bytes, and names that cannot be looked at.
    fn count(&self, place: &Path) -> Result<(u64, u64, u64), EngineError> {
        let (_, mut walk) = self.walk(place)?;
        let (mut files, mut bytes, mut unreadable) = (0, 0, 0);
        while let Some(step) = walk.step() {
            match step {
                Step::Leaf(entry) if entry.choice == Choice::Included && entry.meta.kind == Kind::File => {
                    files += 1;
                    bytes += entry.meta.size;
                }
                Step::Enter(_, Some(_)) | Step::Unreadable(..) => unreadable += 1,
                _ => {}
            }
        }
        Ok((files, bytes, unreadable))
    }
}

impl Engine for Directory {
    fn observe(&self, _watch: &Watch<'_>) -> Result<SourceFacts, EngineError> {
        let (files, bytes, unreadable) = self.count(&self.root)?;
        let mut facts = BTreeMap::from([(FILES.to_owned(), files.to_string())]);
        if unreadable > 0 {
            facts.insert("unreadable".to_owned(), unreadable.to_string());
        }
        Ok(SourceFacts { bytes, facts })
    }

    fn reads(&self, place: &Path) -> bool {
        let Ok(inside) = place.strip_prefix(&self.root) else { return false };
        let mut choice = self.selection.of_root();
        let mut path = Vec::new();
        for name in inside {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_encoded_bytes());
            choice = self.selection.of(choice, &path, true);
        }
        // What is undecided is walked into: something below it may be taken.
        choice != Choice::Excluded
    }

    fn capture(
        &self,
        request: &CaptureRequest<'_>,
        out: &mut dyn Outlet,
        watch: &Watch<'_>,
    ) -> Result<Capture, EngineError> {
        let (top, walk) = self.walk(&self.root)?;
        let list_path = request.scratch.join(members::EXTENSION);
        let mut list = BufWriter::new(File::create_new(&list_path).on("create", &list_path)?);
        let taken = Capturing::run(&top, (walk, self.selection.idle()), out, (&mut list, &list_path), watch)?;
        list.flush().on("write", &list_path)?;
        // Everything was read through an open handle. That the path still leads there is what makes the archive one of
        // this folder, and not of one that was deleted or unmounted meanwhile and looked emptier and emptier.
        let after = open(&self.root)?.meta().on("look at", &self.root)?;
        if (after.dev, after.ino) != (top.dev, top.ino) {
            let error = io::Error::other("it was replaced while it was read");
            return Err(fault("capture", &self.root, error));
        }
        guard(request.expect, &taken, &self.selection)?;
        let facts = [
            (FILES, taken.files),
            ("folders", taken.folders),
            ("links", taken.links),
            ("bytes", taken.bytes),
        ];
        let evidence = Evidence {
            integrity: Integrity::Skipped,
            checks: request
                .previous
                .map_or_else(Vec::new, |previous| shape(request.expect, previous, taken.written)),
            tables: tables(taken.files),
            warnings: taken.warnings.into_lines(),
        };
        Ok(Capture {
            method: "tar",
            rungs: Vec::new(),
            kept_out: None,
            checked_on: CheckedOn::Copy,
            evidence,
            side_files: vec![(members::EXTENSION, list_path)],
            unreadable: taken.unreadable,
            facts: facts.into_iter().map(|(key, count)| (key.to_owned(), count.to_string())).collect(),
        })
    }

    fn examine(
        &self,
        stored: &mut StoredContent<'_>,
        request: &ExamineRequest<'_>,
        watch: &Watch<'_>,
    ) -> Result<Evidence, EngineError> {
        let (seen, integrity) = if request.level >= Level::Restore {
            examine::rehearse(stored, request.scratch, watch)?
        } else {
            examine::examine(stored, watch)?
        };
        Ok(Evidence { integrity, checks: Vec::new(), tables: tables(seen.files), warnings: seen.warnings })
    }
}

impl AtPath for Directory {
    fn shape(&self) -> Shape {
        Shape::Folder
    }

    fn materialize(
        &self,
        stored: &mut StoredContent<'_>,
        place: &Path,
        watch: &Watch<'_>,
    ) -> Result<Vec<String>, EngineError> {
        examine::restore(stored, place, None, watch).map(|seen| seen.warnings)
    }

    fn inspect(
        &self,
        place: &Path,
        side: &OpenSide<'_>,
        _request: &ExamineRequest<'_>,
        watch: &Watch<'_>,
    ) -> Result<Evidence, EngineError> {
        let (seen, integrity) = examine::inspect(place, side(members::EXTENSION)?, watch)?;
        Ok(Evidence { integrity, checks: Vec::new(), tables: tables(seen.files), warnings: seen.warnings })
    }

    fn holders(&self, _live: &Path) -> Vec<Holder> {
        Vec::new()
    }

    fn swap(
        &self,
        candidate: &Path,
        live: &Path,
        aside: &Path,
        watch: &Watch<'_>,
    ) -> Result<Swapped, EngineError> {
        swap::swap(&self.selection, candidate, live, aside, watch)
    }

    fn survey(
        &self,
        place: &Path,
        _tables: Option<&Tables>,
    ) -> Result<BTreeMap<String, TableFact>, EngineError> {
        match self.count(place) {
            Ok((files, ..)) => Ok(tables(files)),
            Err(EngineError::Missing { .. }) => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }
}

/// Opens a target's folder; each way of not being one has its own error.
fn open(place: &Path) -> Result<Folder, EngineError> {
    Folder::root(place).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => EngineError::Missing { path: place.to_owned() },
        io::ErrorKind::NotADirectory => {
            let found = "a file".to_owned();
            EngineError::Foreign { path: place.to_owned(), wanted: "a folder", found }
        }
        _ => fault("open the folder", place, error),
    })
}

fn fault(verb: &'static str, path: &Path, source: io::Error) -> EngineError {
    EngineError::Fault(Fault { verb, path: path.to_owned(), source })
}

/// The number of files as the one table of a folder, so that a backup and the live folder can be compared.
fn tables(files: u64) -> BTreeMap<String, TableFact> {
    BTreeMap::from([(FILES.to_owned(), TableFact { class: TableClass::Unclassed, rows: files })])
}

/// Holds what was taken against the least it may be. Without `min_files` there must be one file: an empty folder is what
/// an unmounted disk leaves behind.
fn guard(expect: &Expect, taken: &Taken, selection: &Selection) -> Result<(), EngineError> {
    let least = expect.min_files.as_ref().map_or(1, |least| least.value);
    if taken.files < least {
        let files = |count: u64| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        let left = selection.shown().map(|globs| format!(" that {globs} leave")).unwrap_or_default();
        let (actual, expected) =
            (format!("{}{left}", files(taken.files)), format!("at least {}", files(least)));
        return Err(EngineError::Unexpected { guard: "min_files", actual, expected });
    }
    guard_size(taken.bytes, expect)
}

/// Holds the plain size against the newest proven backup's.
fn shape(expect: &Expect, previous: &Previous, bytes: u64) -> Vec<CheckResult> {
    #[expect(clippy::cast_precision_loss, reason = "a share of a size needs no more than 52 bits")]
    let (before, now) = (previous.bytes as f64, bytes as f64);
    let result = |name: &str, passed: bool, bound: String| CheckResult {
        name: name.to_owned(),
        passed,
        expected: format!("{bound} {} bytes of {}", previous.bytes, previous.id),
        actual: Some(bytes.to_string()),
        on_fail: OnFail::Fail,
    };
    let drop = expect.max_drop.as_ref().map(|most| {
        result("max_drop", !most.dropped(before, now), format!("no more than {} below the", most.value))
    });
    let growth = expect.max_growth.as_ref().map(|most| {
        result("max_growth", !most.grew(before, now), format!("no more than {} above the", most.value))
    });
    drop.into_iter().chain(growth).collect()
}
