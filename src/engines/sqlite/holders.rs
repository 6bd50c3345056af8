//! The processes that have a database open.

use super::{
    super::Holder,
    open::{SIDE_FILES, beside},
};
use crate::platform::process;
use std::path::Path;

/// The processes other than this one that have the database or one of its side files open, in order of their ids; empty
/// where the system cannot tell.
pub(super) fn holders(live: &Path) -> Vec<Holder> {
    let live = super::files::resolved(live).unwrap_or_else(|_| live.to_owned());
    let sides = SIDE_FILES.iter().map(|suffix| beside(&live, suffix));
    let files: Vec<_> = sides.chain([live.clone()]).collect();
    process::that_hold(&files).into_iter().map(|(pid, name)| Holder { pid, name }).collect()
}
