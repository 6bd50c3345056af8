//! A program in a process group that ends with this process, however this process ends.
//!
//! A program whose pipes lead here notices by itself, sooner or later, that this process was killed: its next write
//! ends it (SIGPIPE), or it reads the end of its input, which some take for the end of their work. One that waits, or
//! works without a pipe, would go on to its end. So the group has a keeper: a shell that waits for the end of a pipe
//! which nobody but this process holds open, and then ends the group. Where no shell can be started the program has a
//! group of its own, and no keeper.

use super::redact::Redaction;
use crate::platform::process::{end_group, own_group};
use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

/// What the keeper does when its pipe ends: asks the group, itself deaf to that, and kills it 5 s later. What is over
/// by then has taken no harm, for the keeper is a member and keeps the group's id from being given to others.
#[cfg(unix)]
const KEEPER: &str = "trap '' TERM; read -r _; kill -TERM 0; sleep 5; kill -KILL 0";

/// A program to start.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// Its path, or its name to be looked up by PATH.
    pub(crate) program: PathBuf,
    /// Its name, for messages.
    pub(crate) name: String,
    /// Its arguments: no secret, for every user of the host can read them.
    pub(crate) arguments: Vec<OsString>,
    /// The folder it runs in; `None`: that of this process.
    pub(crate) folder: Option<&'a Path>,
    /// The only variables of this process that are passed on, as of [`keep_only`]; `None`: all of them.
    pub(crate) only: Option<&'static [&'static str]>,
    /// Variables beside those of this process.
    pub(crate) environment: Vec<(&'a OsStr, &'a OsStr)>,
    /// What of its words on standard error is shown by name.
    pub(crate) redaction: Option<&'a Redaction>,
}

/// Which streams of a program lead here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Streams {
    /// Standard output and standard error; standard input is empty.
    Output,
    /// All three.
    All,
}

/// A running program with its group.
#[derive(Debug)]
pub(super) struct Group {
    /// The program itself.
    pub(super) child: Child,
    /// Leads the group where it could be started.
    keeper: Option<Child>,
}

impl Group {
    /// Starts a program.
    pub(super) fn start(call: &Call<'_>, streams: Streams) -> io::Result<Self> {
        let mut keeper = keeper();
        match start(call, streams, keeper.as_ref()) {
            Ok(child) => Ok(Self { child, keeper }),
            Err(error) => {
                dismiss(&mut keeper);
                Err(error)
            }
        }
    }

    /// The program's status once it has ended.
    pub(super) fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks the group to end, or kills it.
    pub(super) fn end(&mut self, kill: bool) {
        end_group(self.keeper.as_mut().unwrap_or(&mut self.child), kill);
    }
}

impl Drop for Group {
    /// Nothing of it is left behind: the group's id is its own until the keeper, or the child, was waited for.
    fn drop(&mut self) {
        if self.keeper.is_some() || matches!(self.child.try_wait(), Ok(None)) {
            self.end(true);
        }
        let _ = self.child.wait();
        dismiss(&mut self.keeper);
    }
}

#[expect(clippy::disallowed_methods, reason = "starts the keeper of the group")]
#[cfg(unix)]
fn keeper() -> Option<Child> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", KEEPER]).env_clear().env("PATH", "/usr/bin:/bin");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    own_group(&mut command);
    command.spawn().ok()
}

#[cfg(not(unix))]
fn keeper() -> Option<Child> {
    None
}

/// Ends a keeper that is not needed any more, and never lets it see the end of its pipe before.
fn dismiss(keeper: &mut Option<Child>) {
    if let Some(mut keeper) = keeper.take() {
        let pipe = keeper.stdin.take(); // waiting would close it first
        let _ = keeper.kill();
        let _ = keeper.wait();
        drop(pipe);
    }
}

/// Passes on to a program only those variables of this process that have these names, or begin as those that end with `*`.
#[expect(clippy::disallowed_methods, reason = "sees which variables a program would inherit")]
pub(crate) fn keep_only(command: &mut Command, names: &[&str]) {
    for (name, _) in std::env::vars_os() {
        let given = name.as_encoded_bytes();
        let is_kept = names.iter().any(|kept| {
            kept.strip_suffix('*')
                .map_or(given == kept.as_bytes(), |beginning| given.starts_with(beginning.as_bytes()))
        });
        if !is_kept {
            command.env_remove(name);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "starts programs")]
fn start(call: &Call<'_>, streams: Streams, keeper: Option<&Child>) -> io::Result<Child> {
    let mut command = Command::new(&call.program);
    command.args(&call.arguments);
    if let Some(names) = call.only {
        keep_only(&mut command, names);
    }
    command.envs(call.environment.iter().copied());
    if let Some(folder) = call.folder {
        command.current_dir(folder);
    }
    command.stdin(if streams == Streams::All { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    own_group(&mut command);
    #[cfg(unix)]
    if let Some(group) = keeper.and_then(|keeper| i32::try_from(keeper.id()).ok()) {
        std::os::unix::process::CommandExt::process_group(&mut command, group);
    }
    #[cfg(not(unix))]
    let _ = keeper;
    command.spawn()
}
