//! PostgreSQL's own programs: where they are, and which of them fit a server.
//!
//! `pg_dump` refuses a server newer than itself, and what it writes is not promised to load into a server older than
//! itself (its manual, "Notes"). So the programs of the server's own version come first, then the next newer ones.

#![expect(clippy::disallowed_methods, reason = "looks for programs and asks them for their version")]

#[cfg(test)]
mod tests;
mod version;

pub use version::Version;

use super::access::INHERITED;
use crate::{
    exec::group::keep_only,
    platform::{
        process::{end_group, own_group},
        rights::is_program,
    },
    watch::{Stopped, Watch},
};
use std::{
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

/// Where PostgreSQL is usually installed; a `*` stands for any part of one name.
pub const USUAL: &[&str] = &[
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/usr/local/opt/libpq/bin",
    "/Library/PostgreSQL/*/bin",
    r"C:\Program Files\PostgreSQL\*\bin",
];

/// The programs of one set.
const PROGRAMS: [&str; 4] = ["psql", "pg_dump", "pg_restore", "pg_dumpall"];
/// The oldest `psql` that tells whether a statement failed (release-11.html, `ERROR` and `SQLSTATE`).
const LEAST: u32 = 11;
/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// The programs of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    folder: PathBuf,
    version: Version,
}

impl Programs {
    /// Names a set without asking it, as of a folder whose version is known.
    pub fn new(folder: PathBuf, version: Version) -> Self {
        Self { folder, version }
    }

    /// The version that all of them have.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The folder they lie in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The one that holds a session.
    pub fn psql(&self) -> PathBuf {
        program(&self.folder, "psql")
    }

    /// The one that dumps a database.
    pub fn pg_dump(&self) -> PathBuf {
        program(&self.folder, "pg_dump")
    }

    /// The one that reads dumps.
    pub fn pg_restore(&self) -> PathBuf {
        program(&self.folder, "pg_restore")
    }

    /// The one that dumps roles and tablespaces.
    pub fn pg_dumpall(&self) -> PathBuf {
        program(&self.folder, "pg_dumpall")
    }
}

/// Every set on this host, the newest first.
#[derive(Debug, Clone, Default)]
pub struct Clients {
    sets: Vec<Programs>,
    looked: Vec<PathBuf>,
    /// Sets that did not say their version, with what happened instead.
    broken: Vec<(PathBuf, String)>,
}

/// The sets of this host, looked for when they are first needed.
#[derive(Debug)]
pub struct Installed {
    path: OsString,
    found: OnceLock<Clients>,
}

impl Installed {
    /// Takes a list of folders as of the variable `PATH`.
    pub const fn new(path: OsString) -> Self {
        Self { path, found: OnceLock::new() }
    }

    /// Every set.
    ///
    /// # Errors
    /// When it is to stop.
    pub fn clients(&self, watch: &Watch<'_>) -> Result<&Clients, Stopped> {
        if let Some(found) = self.found.get() {
            return Ok(found);
        }
        let found = Clients::find(&self.path, USUAL, watch)?;
        // Another thread may have found the same.
        Ok(self.found.get_or_init(|| found))
    }
}

/// Why no set fits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientsError {
    /// There is none at all.
    #[error(
        "PostgreSQL's programs (psql, pg_dump, pg_restore, pg_dumpall) are not together in any folder of the PATH \
         or where they usually are; looked in {}{}: install postgresql-client (Debian, Ubuntu), postgresql (Fedora) \
         or libpq (Homebrew)",
        listed(looked),
        mishaps(broken)
    )]
    Absent {
        /// The folders that were looked into.
        looked: Vec<PathBuf>,
        /// Those that have the programs, and why these do not serve.
        broken: Vec<(PathBuf, String)>,
    },
    /// The server is newer than all of them.
    #[error(
        "the server is PostgreSQL {server}, and the newest programs here are of {newest_found}, which cannot dump it: \
         install postgresql-client-{server} (Debian, Ubuntu; apt.postgresql.org has every version) or \
         postgresql@{server} (Homebrew)"
    )]
    Older {
        /// The newest that were found.
        newest_found: Version,
        /// The server's version as packages are named by it.
        server: String,
    },
    /// The newest `psql` is too old to hold a session.
    #[error(
        "the newest psql here is of PostgreSQL {found}, and {LEAST} or newer is needed: install postgresql-client-16 \
         (Debian, Ubuntu) or postgresql@16 (Homebrew), which works with older servers as well"
    )]
    Outdated {
        /// The newest that was found.
        found: Version,
    },
}

impl Clients {
    /// Looks in every folder of `path`, a list as of the variable `PATH`, then in the usual ones, as [`USUAL`], and
    /// asks each set of programs for its version.
    ///
    /// # Errors
    /// When it is to stop.
    pub fn find(path: &OsStr, usual: &[impl AsRef<Path>], watch: &Watch<'_>) -> Result<Self, Stopped> {
        // An empty word of a PATH is the working directory, on which nothing here depends.
        let named = env::split_paths(path).filter(|folder| folder.is_absolute());
        let candidates = named.chain(usual.iter().flat_map(|pattern| expanded(pattern.as_ref())));
        let mut found = Self::default();
        let mut wrappers = Vec::new();
        let mut seen = BTreeSet::new();
        for candidate in candidates {
            let (folder, is_wrapper) = real(&candidate);
            if !seen.insert(folder.clone()) {
                continue;
            }
            found.looked.push(candidate);
            if !PROGRAMS.iter().all(|name| is_program(&program(&folder, name))) {
                continue;
            }
            if is_wrapper {
                wrappers.push(folder);
                continue;
            }
            match version_of(&program(&folder, "pg_dump"), watch)? {
                Ok(version) => found.sets.push(Programs { folder, version }),
                Err(why) => found.broken.push((folder, why)),
            }
        }
        // A wrapper may answer with another version from one call to the next (pg_wrapper(1)), and takes its time: it is
        // asked, and serves, only where there is nothing else.
        if found.sets.is_empty() {
            for folder in wrappers {
                match version_of(&program(&folder, "pg_dump"), watch)? {
                    Ok(version) => found.sets.push(Programs { folder, version }),
                    Err(why) => found.broken.push((folder, why)),
                }
            }
        }
        // What comes first on the PATH stays first among equals.
        found.sets.sort_by(|one, other| other.version.cmp(&one.version));
        Ok(found)
    }

    /// The newest set: for the first connection, before the server's version is known.
    pub fn any(&self) -> Result<&Programs, ClientsError> {
        let newest = self.sets.first().ok_or_else(|| ClientsError::Absent {
            looked: self.looked.clone(),
            broken: self.broken.clone(),
        })?;
        if newest.version.major() < LEAST {
            return Err(ClientsError::Outdated { found: newest.version.clone() });
        }
        Ok(newest)
    }

    /// The set for a server by its `server_version_num`: of its own version, else of the lowest newer one.
    pub fn for_server(&self, version_num: u32) -> Result<&Programs, ClientsError> {
        let newest = self.any()?;
        let server = Version::of_server(version_num);
        let fitting = self.sets.iter().filter(|set| set.version.major() >= LEAST);
        let fitting = fitting.filter(|set| set.version.branch() >= server.branch());
        // Of one branch the first is the newest release.
        fitting.min_by_key(|set| set.version.branch()).ok_or_else(|| ClientsError::Older {
            newest_found: newest.version.clone(),
            server: server.branch_name(),
        })
    }

    /// All of them, the newest first.
    pub fn sets(&self) -> &[Programs] {
        &self.sets
    }
}

/// Folders as a list for a message.
fn listed(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// What happened to sets that do not serve, as the end of a sentence.
fn mishaps(broken: &[(PathBuf, String)]) -> String {
    let mishap =
        |(folder, why): &(PathBuf, String)| format!("; those in {} do not work: {why}", folder.display());
    broken.iter().map(mishap).collect::<Vec<_>>().concat()
}

/// A program's path.
fn program(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

/// The folder in which the programs of a folder really lie, and whether they are no such programs but a wrapper:
/// Debian's `/usr/bin/pg_dump` is a link to `pg_wrapper`, Homebrew's one to a `pg_dump`.
fn real(folder: &Path) -> (PathBuf, bool) {
    let name = program(folder, "pg_dump");
    let Ok(target) = fs::canonicalize(&name) else { return (folder.to_owned(), false) };
    if target.file_name() != name.file_name() {
        return (folder.to_owned(), true);
    }
    let beside =
        target.parent().filter(|beside| PROGRAMS.iter().all(|name| is_program(&program(beside, name))));
    (beside.unwrap_or(folder).to_owned(), false)
}

/// The folders that a pattern names, those with the highest numbers first.
fn expanded(pattern: &Path) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str();
        let Some((before, behind)) = name.to_str().and_then(|name| name.split_once('*')) else {
            for folder in &mut folders {
                folder.push(name);
            }
            continue;
        };
        folders = folders.iter().flat_map(|folder| matching(folder, before, behind)).collect();
    }
    folders
}

fn matching(folder: &Path, before: &str, behind: &str) -> Vec<PathBuf> {
    let names = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let fits = |name: &String| name.strip_prefix(before).is_some_and(|rest| rest.ends_with(behind));
    let mut names: Vec<String> = names.filter(fits).collect();
    names.sort();
    names.iter().map(|name| folder.join(name)).collect()
}

/// What `pg_dump --version` says, or why it says nothing.
fn version_of(program: &Path, watch: &Watch<'_>) -> Result<Result<Version, String>, Stopped> {
    let mut command = Command::new(program);
    command.arg("--version").env("LC_ALL", "C");
    // A wrapper chooses by them.
    keep_only(&mut command, INHERITED);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    own_group(&mut command);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let since = Instant::now();
    let status = loop {
        let stopped = watch.pause(Duration::from_millis(2));
        let waited: io::Result<_> = child.try_wait();
        match waited {
            Ok(Some(status)) => break status,
            Ok(None) if stopped.is_ok() && since.elapsed() < PATIENCE => continue,
            _ => {}
        }
        end_group(&mut child, true);
        let _ = child.wait(); // it was killed
        stopped?;
        return Ok(Err("it did not end".to_owned()));
    };
    if !status.success() {
        return Ok(Err(format!("`pg_dump --version` ended with {status}")));
    }
    // One line, which lies in the pipe: to read on to its end would wait for whatever else may hold it open.
    let mut said = [0; 4_096];
    let length = match child.stdout.take().map(|mut out| out.read(&mut said)) {
        Some(Ok(length)) => length,
        Some(Err(error)) => return Ok(Err(error.to_string())),
        None => 0,
    };
    let said = said.get(..length).unwrap_or_default();
    let line = String::from_utf8_lossy(said);
    Ok(Version::of_program(&line).ok_or_else(|| "`pg_dump --version` does not say one".to_owned()))
}
