//! The program in a checkout: its files, and calls from there in a sandbox.

use crate::support::Sandbox;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

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

/// A sandbox whose program is called from the checkout, or from the home folder.
pub(crate) struct Home(Sandbox);

impl Home {
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        let program = sandbox.root().join("bin/policy");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_policy"), program).unwrap();
        Self(sandbox)
    }

    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        Self(self.0.variable(name, value))
    }

    /// A place in the home folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.home().join(name)
    }

    /// Writes a file into the home folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        self.0.write(self.path(name).to_str().unwrap(), text)
    }

    /// Puts a program on the PATH that writes its words into `calls` in the home folder.
    pub(crate) fn fake(&self, program: &str) {
        self.0.program(program, r#"echo "$(basename "$0") $*" >> "$HOME/calls""#);
    }

    /// Any program, called from a folder.
    pub(crate) fn command(&self, program: &str, from: &Path) -> Command {
        let mut command = self.0.prepare(Path::new(program), &[]);
        command.current_dir(from);
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
        crate::support::skip(&format!("`{tool}` is not installed; .ci/run installs it"));
    }
    is_there
}
