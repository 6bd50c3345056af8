//! The values of environment variables as a policy sees them, and where each came from.

use std::{collections::BTreeMap, fmt, path::PathBuf};

/// The process environment and the policy's `env_files`, read once; a file's value wins, so that the terminal and the
/// schedule see the same.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables {
    process: BTreeMap<String, String>,
    files: Vec<EnvFile>,
}

/// One dotenv file that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvFile {
    /// Its name as the policy writes it.
    pub written: String,
    /// Where it was read.
    pub path: PathBuf,
    /// Its entries: value and line, counted from 1.
    pub entries: BTreeMap<String, (String, usize)>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The process environment.
    Process,
    /// A line of an `env_files` file.
    File {
        /// Its name as the policy writes it.
        written: String,
        /// The line, counted from 1.
        line: usize,
    },
}

/// A variable's value and origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// The value, never empty.
    pub value: &'a str,
    /// Its origin.
    pub origin: Origin,
}

impl Variables {
    /// Joins the process environment with the files, in the policy's order; a later file wins over an earlier one.
    pub fn new(process: BTreeMap<String, String>, files: Vec<EnvFile>) -> Self {
        Self { process, files }
    }

    /// Looks a variable up; an empty value counts as unset.
    pub fn get(&self, name: &str) -> Option<Found<'_>> {
        let from_files = self.files.iter().rev().find_map(|file| {
            let (value, line) = file.entries.get(name).filter(|(value, _)| !value.is_empty())?;
            let origin = Origin::File { written: file.written.clone(), line: *line };
            Some(Found { value, origin })
        });
        from_files.or_else(|| {
            let value = self.process.get(name).filter(|value| !value.is_empty())?;
            Some(Found { value, origin: Origin::Process })
        })
    }

    /// The variables of the files, later files winning: what commands are given beside the process environment. An empty
    /// value counts as unset here too.
    pub fn of_files(&self) -> BTreeMap<&str, &str> {
        self.files
            .iter()
            .flat_map(|file| file.entries.iter().map(|(name, (value, _))| (name.as_str(), value.as_str())))
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }

    /// The names whose file value hides another one of the process environment.
    pub fn overridden(&self) -> Vec<&str> {
        let files = self.of_files();
        files
            .into_iter()
            .filter(|(name, value)| self.process.get(*name).is_some_and(|other| other != value))
            .map(|(name, _)| name)
            .collect()
    }
}

/// Names only: a value may be a secret.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> = self.files.iter().map(|file| &file.written).collect();
        f.debug_struct("Variables").field("process", &self.process.len()).field("files", &files).finish()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process => f.write_str("environment"),
            Self::File { written, line } => write!(f, "{written}:{line}"),
        }
    }
}
