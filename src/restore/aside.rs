//! What lies beside a place that was restored to: copies that were set aside, and what a kill left.
#![expect(clippy::disallowed_methods, reason = "looks at the places that are restored to, and clears them")]

use crate::{
    engines::files::beside as named,
    fault::{Fault, OnPath},
    platform::files::is_same_file,
    scratch,
    store::{Stamp, layout::free_stamp},
};
use chrono::{DateTime, Utc};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where what is at a place is kept: beside it, named after the time, later than every copy that was set aside before.
pub fn aside_name(place: &Path, now: DateTime<Utc>) -> Result<PathBuf, Fault> {
    let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let taken = asides(place)?;
    // A clock that was set back must not make an older copy look like the newest.
    let newest = taken.iter().map(|(stamp, _)| stamp.time()).max();
    let time = newest.map_or(now, |newest| newest.max(now));
    let stamp = free_stamp(time, taken.into_iter().map(|(stamp, _)| stamp));
    Ok(place.with_file_name(format!("{name}.aside-{stamp}")))
}

/// Whether the name of a place is one that a set-aside copy could have, of whichever place.
pub fn is_asides(place: &Path) -> bool {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    name.rsplit_once(".aside-").is_some_and(|(_, stamp)| Stamp::parse(stamp).is_some())
}

/// The newest set-aside copy of a place, by the time in its name.
pub fn newest_aside(place: &Path) -> Result<Option<PathBuf>, Fault> {
    let mut copies = asides(place)?;
    copies.retain(|(_, copy)| second_names(place, copy).is_empty());
    Ok(copies.into_iter().max().map(|(_, path)| path))
}

/// Removes what a killed restore or undo left beside a place, whose lock the caller holds: unfinished content, and second
/// names of what is live.
pub fn clear(place: &Path) -> Result<(), Fault> {
    scratch::sweep(place.parent().unwrap_or(Path::new(".")));
    for name in begun(place)? {
        // Its content is live under its own name.
        fs::remove_file(&name).on("remove", &name)?;
    }
    let copies = asides(place)?;
    for name in copies.iter().flat_map(|(_, copy)| parted_logs(place, copy)) {
        // All of it is kept as the copy's own.
        fs::remove_file(&name).on("remove", &name)?;
    }
    for (_, copy) in copies {
        // An undo that was killed before the log followed its file: what came back gets its log.
        if is_same_file(place, &copy).is_ok_and(|same| same) {
            for (from, to) in DUCKDB_SIDES.iter().map(|suffix| (named(&copy, suffix), named(place, suffix))) {
                if fs::symlink_metadata(&from).is_ok() && fs::symlink_metadata(&to).is_err() {
                    fs::hard_link(&from, &to).on("link to", &to)?;
                }
            }
        }
        for name in second_names(place, &copy) {
            // Its content is live under its own name.
            fs::remove_file(&name).on("remove", &name)?;
        }
    }
    Ok(())
}

/// Second names of a place's own logs without a main file: a copy that was being set aside when a restore was killed.
fn begun(place: &Path) -> Result<Vec<PathBuf>, Fault> {
    let is_begun = |path: &PathBuf| {
        let text = path.to_string_lossy();
        DUCKDB_SIDES.iter().any(|suffix| {
            text.strip_suffix(suffix).is_some_and(|main| fs::symlink_metadata(main).is_err())
                && is_same_file(path, &named(place, suffix)).is_ok_and(|same| same)
        })
    };
    Ok(beside(place)?.into_iter().filter(is_begun).collect())
}

/// The logs at a place that belong to a copy and not to what is there: a swap of DuckDB databases was killed after the new
/// main file came, and before the old log went (see `engines::duckdb::swap`).
fn parted_logs(place: &Path, copy: &Path) -> Vec<PathBuf> {
    let is_same =
        |suffix: &str| is_same_file(&named(copy, suffix), &named(place, suffix)).is_ok_and(|same| same);
    if fs::symlink_metadata(place).is_err() || is_same("") {
        return Vec::new();
    }
    DUCKDB_SIDES.iter().filter(|suffix| is_same(suffix)).map(|suffix| named(place, suffix)).collect()
}

/// The files of a copy that was being set aside when a restore was killed: all of them are the live ones under a second
/// name. Empty for a copy that holds anything of its own.
fn second_names(place: &Path, copy: &Path) -> Vec<PathBuf> {
    let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
    let suffixes = SIDES.iter().filter(|suffix| is_there(&named(copy, suffix)));
    let mut found = Vec::new();
    for suffix in suffixes.chain([&""]) {
        let name = named(copy, suffix);
        if !is_same_file(&name, &named(place, suffix)).is_ok_and(|same| same) {
            return Vec::new();
        }
        found.push(name);
    }
    found
}

/// What the names of a set-aside copy's own files end with, those that hold content.
const SIDES: [&str; 5] = ["-wal", "-journal", ".wal", ".wal.checkpoint", ".wal.recovery"];

/// Those of them that DuckDB knows.
const DUCKDB_SIDES: [&str; 3] = [".wal", ".wal.checkpoint", ".wal.recovery"];

/// Files beside a place that belonged to a set-aside copy which is no longer there, each with what to tell about it.
pub fn strays(place: &Path) -> Result<Vec<String>, Fault> {
    let is_stray = |path: &PathBuf| {
        let text = path.to_string_lossy();
        let of = SIDES.iter().find_map(|suffix| text.strip_suffix(suffix));
        of.is_some_and(|of| fs::symlink_metadata(of).is_err())
    };
    let mut found: Vec<_> = beside(place)?.into_iter().filter(is_stray).collect();
    found.sort();
    let tell = |path: PathBuf| {
        format!("{} is the log of a database that is not there: it may hold its last commits", path.display())
    };
    Ok(found.into_iter().map(tell).collect())
}

/// The set-aside copies of a place. Side files of a copy (`…-wal`) bear no stamp and are no copies.
fn asides(place: &Path) -> Result<Vec<(Stamp, PathBuf)>, Fault> {
    let prefix = prefix(place);
    let stamp = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Stamp::parse(name.strip_prefix(&prefix)?)
    };
    Ok(beside(place)?.into_iter().filter_map(|path| Some((stamp(&path)?, path))).collect())
}

/// What the names of a place's set-aside copies begin with.
fn prefix(place: &Path) -> String {
    format!("{}.aside-", place.file_name().unwrap_or_default().to_string_lossy())
}

/// Everything beside a place that bears the name of a set-aside copy, side files included.
fn beside(place: &Path) -> Result<Vec<PathBuf>, Fault> {
    let (parent, prefix) = (place.parent().unwrap_or(Path::new(".")), prefix(place));
    let entries = match fs::read_dir(parent) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.on("read the folder", parent)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.on("read the folder", parent)?.path();
        if path.file_name().unwrap_or_default().to_string_lossy().starts_with(&prefix) {
            found.push(path);
        }
    }
    Ok(found)
}
