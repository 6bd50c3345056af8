//! The program in a checkout: a home of its own, a cleared environment, everything it prints as one text.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// The checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file of the checkout.
pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of a folder of the checkout with this extension, by name.
pub(crate) fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

/// What a call left behind.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Called {
    /// The standard output of a call that went well.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.status, 0, "{self:#?}");
        self.stdout
    }

    /// Standard output as JSON, however the call ended.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// A home folder for the program, and nothing else of this machine but the stock tools.
pub(crate) struct Home {
    folder: TempDir,
    variables: BTreeMap<String, String>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("bin")).unwrap();
        fs::create_dir_all(folder.path().join("home")).unwrap();
        let bin = Path::new(env!("CARGO_BIN_EXE_policy")).parent().unwrap();
        let path = [&folder.path().join("bin"), bin, Path::new("/usr/bin"), Path::new("/bin")]
            .map(|part| part.to_str().unwrap().to_owned());
        let home = folder.path().join("home").to_str().unwrap().to_owned();
        let variables = [("HOME", home), ("PATH", path.join(":")), ("TZ", "UTC".into()), ("COLUMNS", "100".into())];
        Self { folder, variables: variables.map(|(name, value)| (name.to_owned(), value)).into() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// A place in the home folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("home").join(name)
    }

    /// Writes a file into the home folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Puts a small program on the PATH that writes its words into `calls` in the home folder.
    pub(crate) fn fake(&self, program: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.folder.path().join("bin").join(program);
        fs::write(&path, "#!/bin/sh\necho \"$(basename \"$0\") $*\" >> \"$HOME/calls\"\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A program of this machine or the one that is tested, ready to be called from a folder.
    pub(crate) fn command(&self, program: &str, from: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(from).env_clear().envs(&self.variables);
        command
    }

    /// Calls the program from the checkout.
    pub(crate) fn policy(&self, words: &[&str]) -> Called {
        self.policy_from(root(), words)
    }

    /// Calls the program from a folder.
    pub(crate) fn policy_from(&self, from: &Path, words: &[&str]) -> Called {
        let output = self.command(env!("CARGO_BIN_EXE_policy"), from).args(words).output().unwrap();
        Called {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Whether a tool is there. Where it is not, a test may skip what needs it, which is told loudly and fails in CI.
pub(crate) fn need(tool: &str) -> bool {
    let is_there = which::which_in(tool, Some("/usr/bin:/bin"), root()).is_ok();
    if !is_there {
        let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!is_ci, "`{tool}` is not installed, and CI skips nothing");
        eprintln!("SKIPPED: `{tool}` is not installed; .ci/run installs it");
    }
    is_there
}
