//! The processes that have a database open.

use super::{
    Holder,
    files::{beside, is_there, resolved},
};
use crate::platform::process;
use std::path::Path;

/// The processes other than this one that have the database open, or one of its side files, whose names end with these, also
/// after it was deleted, in order of their ids; empty where the system cannot tell.
pub(super) fn holders(live: &Path, side_files: &[&str]) -> Vec<Holder> {
    // Of a file that is gone the folder is still found: the system names what is open by its true path.
    let below_folder = || Some(resolved(live.parent()?).ok()?.join(live.file_name()?));
    let live = resolved(live).ok().or_else(below_folder).unwrap_or_else(|| live.to_owned());
    let mut files = vec![live.clone()];
    // Beside a database that is there, side files that are not there are nobody's.
    let sides = side_files.iter().map(|suffix| beside(&live, suffix));
    files.extend(sides.filter(|side| is_there(side).is_ok_and(|there| there)));
    process::that_hold(&files).into_iter().map(|(pid, name)| Holder { pid, name }).collect()
}
