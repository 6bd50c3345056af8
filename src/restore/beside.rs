//! Restoring to a path: the content is brought into a private folder beside it, proven there, and changes names with what is
//! there.
#![expect(clippy::disallowed_methods, reason = "restoring writes to the places that were asked for")]

use super::{Exchange, Failed, Order, RestoreError, Shown, Waiting, aside, show, stored_error};
use crate::{
    engines::{AtPath, EngineError, Swapped},
    fault::OnPath,
    run::{open_side, pour},
    scratch::Scratch,
    watch::Watch,
};
use std::{
    cell::OnceCell,
    fs,
    path::{Path, PathBuf},
};

/// A path that is restored to.
pub struct PathWay {
    /// The engine, bound to the path.
    pub engine: Box<dyn AtPath>,
    /// The path.
    pub to: PathBuf,
    /// Where what is there now is kept.
    pub aside: PathBuf,
}

/// Content beside its path.
struct Beside<'a> {
    way: &'a PathWay,
    candidate: PathBuf,
    /// Holds the candidate; what is left in it disappears with it, also after a kill.
    _holder: Scratch,
}

pub(super) fn prepare<'a>(
    order: &Order<'a>,
    way: &'a PathWay,
    watch: &Watch<'_>,
) -> Result<(Box<dyn Waiting<'a> + 'a>, Shown), RestoreError> {
    let manifest = &order.stored.manifest;
    let parent = way.to.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).on("create the folder", parent)?;
    aside::clear(&way.to)?;
    let holder = Scratch::new(parent)?;
    room(order, way, parent)?;
    let name = way.to.file_name().unwrap_or_else(|| "restored".as_ref());
    let candidate = holder.path().join(name);
    // One pass over the stored bytes: they are digested while they are written beside the target.
    let told =
        pour(&manifest.files, order.open, watch, |stored| way.engine.materialize(stored, &candidate, watch))
            .map_err(stored_error)?;
    let mut warnings = told.ok_or_else(|| RestoreError::Stored("it has no files".to_owned()))?;
    warnings.extend(aside::strays(&way.to)?);
    let open = |extension: &str| open_side(&manifest.files, extension, order.open);
    let shown = show(order, holder.path(), warnings, |request| {
        way.engine.inspect(&candidate, &open, request, watch)
    })?;
    Ok((Box::new(Beside { way, candidate, _holder: holder }), shown))
}

/// The bytes that a restore needs beside its place. Into what others have open the content is written: then there are the
/// content beside it, the log with which it arrives, and the safety copy of what is live.
pub fn room_needed(engine: &dyn AtPath, to: &Path, bytes: u64) -> u64 {
    if !engine.writes_over() || engine.holders(to).is_empty() {
        return bytes;
    }
    let live = fs::metadata(to).map_or(0, |live| live.len());
    bytes.saturating_mul(2).saturating_add(live.max(bytes))
}

fn room(order: &Order<'_>, way: &PathWay, parent: &Path) -> Result<(), RestoreError> {
    let bytes = order.stored.manifest.original_bytes;
    let needed = room_needed(&*way.engine, &way.to, bytes);
    let free = crate::store::free_bytes(parent)?;
    if free < needed {
        return Err(RestoreError::NoRoom { place: parent.to_owned(), free, needed, in_use: needed > bytes });
    }
    Ok(())
}

impl<'a> Waiting<'a> for Beside<'a> {
    fn swap(self: Box<Self>, watch: &Watch<'_>) -> Result<Exchange<'a>, Box<Failed<'a>>> {
        let way = self.way;
        match way.engine.swap(&self.candidate, &way.to, &way.aside, watch) {
            Ok(Swapped { aside, warnings, .. }) => Ok(exchange(way, aside, warnings)),
            Err(source) => {
                let done = match &source {
                    EngineError::Unsettled { aside, .. } => Some(exchange(way, aside.clone(), Vec::new())),
                    _ => None,
                };
                Err(Box::new(Failed { source, done }))
            }
        }
    }
}

fn exchange(way: &PathWay, old: Option<PathBuf>, warnings: Vec<String>) -> Exchange<'_> {
    Exchange {
        aside: old.as_ref().map(|old| old.display().to_string()),
        warnings,
        back: Box::new(move |watch| back(way, old.as_deref(), watch)),
    }
}

fn back(way: &PathWay, old: Option<&Path>, watch: &Watch<'_>) -> String {
    let to = way.to.display();
    let Some(old) = old else {
        return format!("{to}, where nothing was before, holds the restored content");
    };
    let name = old.file_name().unwrap_or_default().to_string_lossy().replace(".aside-", ".undone-");
    let undone = old.with_file_name(name);
    match put_back(&*way.engine, old, &way.to, &undone, watch) {
        Ok(back) => {
            let kept = back.aside.unwrap_or(undone);
            format!("{to} is as it was; what was restored there is kept as {}", kept.display())
        }
        Err(error) => format!("{to} could not be put back ({error}): its old content is {}", old.display()),
    }
}

/// Puts back what was set aside of a place; see [`AtPath::put_back`].
///
/// # Errors
/// As of [`AtPath::put_back`].
pub fn put_back(
    engine: &dyn AtPath,
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
