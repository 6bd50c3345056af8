//! The logs of entries. A scheduler appends to them for ever, so a run that finds its own too long keeps the old part beside it.
#![expect(clippy::disallowed_methods, reason = "logs of entries are files of this host")]

use super::{output, session::Session};
use crate::{
    fault::{Fault, OnPath as _},
    observe::site::log_folder,
    platform::files,
    policy::Policy,
    schedule::entry::{Backend, EntryName},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The length in bytes at which a log is begun anew. With the part before it that is twice as much for each job.
const LONGEST: u64 = 4 << 20;

/// Begins the logs of a job's entry anew that are long and that this process writes to: nobody else's files are touched.
pub(super) fn limit(session: &Session, policy: &Policy, job: &str) {
    let name = EntryName::of(policy.name().as_str(), job);
    let of = |backend| log_folder(&session.host, policy, backend).ok().flatten();
    // Where `log_dir` is set, both are the same, and systemd's too. launchd has a log of its own for errors.
    let mut folders: Vec<String> = [Backend::Cron, Backend::Launchd].into_iter().filter_map(of).collect();
    folders.dedup();
    for folder in folders {
        for ending in ["log", "error.log"] {
            let path = Path::new(&folder).join(format!("{name}.{ending}"));
            let is_long = fs::metadata(&path).is_ok_and(|seen| seen.is_file() && seen.len() > LONGEST);
            if is_long
                && files::is_output_of_this_process(&path)
                && let Err(fault) = begin_anew(&path)
            {
                output::warn(&format!("this log cannot be begun anew: {fault}"));
            }
        }
    }
}

/// Copied and emptied, not renamed: this process, and whoever started it, have the file open, and append to it.
fn begin_anew(path: &Path) -> Result<(), Fault> {
    let before = PathBuf::from(format!("{}.1", path.display()));
    fs::copy(path, &before).on("copy", path)?;
    fs::OpenOptions::new().write(true).truncate(true).open(path).on("empty", path).map(drop)
}
