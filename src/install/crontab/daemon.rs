//! Whether a cron runs, without which no line of a crontab means anything.
#![expect(clippy::disallowed_methods, reason = "looks at running programs")]

use super::super::{EntryState, State};
use std::{fs, path::PathBuf};

/// The names of the daemons.
const NAMES: [&str; 3] = ["cron", "crond", "fcron"];

/// Where it is looked for.
#[derive(Debug, Clone)]
pub struct Daemon {
    processes: PathBuf,
}

impl Daemon {
    /// Among the processes of this host.
    pub fn of_host() -> Self {
        Self::among("/proc")
    }

    /// Among those of a folder like `/proc` (proc(5)).
    pub fn among(processes: impl Into<PathBuf>) -> Self {
        Self { processes: processes.into() }
    }

    /// Whether one runs; `None` where that cannot be told: macOS starts its own when it is needed.
    pub fn runs(&self) -> Option<bool> {
        let entries = fs::read_dir(&self.processes).ok()?;
        let mut any = false;
        for entry in entries.flatten() {
            let Ok(name) = fs::read_to_string(entry.path().join("comm")) else { continue };
            any = true;
            if NAMES.contains(&name.trim_end()) {
                return Some(true);
            }
        }
        any.then_some(false)
    }

    /// What is wrong, in words.
    pub(in crate::install) fn trouble(&self) -> Option<String> {
        let words = "no cron daemon runs, so that nothing fires: start it (`service cron start`, or `crond`)";
        (self.runs() == Some(false)).then(|| words.to_owned())
    }

    pub(in crate::install) fn judge(&self, state: &mut State) {
        if let Some(trouble) = self.trouble() {
            state.find(EntryState::NeverFires, false, trouble);
        }
    }
}
