//! The schedulers' own programs: found on a PATH that is given, called without a shell, in English.

use crate::{
    exec::{
        group::Call,
        program::{self, Ended, ProgramError},
    },
    platform,
    watch::Watch,
};
use std::{
    env,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

/// Where the programs of schedulers lie, should the PATH that is given be a short one.
const USUAL: &[&str] = &["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// How the schedulers' programs are found and called.
#[derive(Debug, Clone)]
pub struct Tools {
    path: OsString,
    usual: &'static [&'static str],
    variables: Vec<(OsString, OsString)>,
}

impl Tools {
    /// Takes a list of folders as of the variable `PATH`; the system's own are looked into after them.
    pub fn new(path: impl Into<OsString>) -> Self {
        // Their words are read, and their times: in English, and in UTC.
        let variables = vec![("LC_ALL".into(), "C".into()), ("TZ".into(), "UTC".into())];
        Self { path: path.into(), usual: USUAL, variables }
    }

    /// The same without the system's own folders.
    #[must_use]
    pub fn only(self) -> Self {
        Self { usual: &[], ..self }
    }

    /// The same with a variable that every program is started with.
    #[must_use]
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Where a program is.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        // An empty word of a PATH is the working directory, on which nothing here depends.
        let named = env::split_paths(&self.path).filter(|folder| folder.is_absolute());
        let folders = named.chain(self.usual.iter().map(PathBuf::from));
        folders
            .map(|folder| folder.join(format!("{name}{}", env::consts::EXE_SUFFIX)))
            .find(|path| platform::rights::is_program(path))
    }

    /// Runs a program; its standard output.
    pub(super) fn run(
        &self,
        name: &str,
        arguments: &[&dyn AsRef<OsStr>],
        watch: &Watch<'_>,
    ) -> Result<Vec<u8>, ProgramError> {
        let mut out = Vec::new();
        program::pour(&self.call(name, arguments), &mut out, watch).map(|_| out)
    }

    /// Runs a program on an input; its standard output, and what it said.
    pub(super) fn feed(
        &self,
        name: &str,
        arguments: &[&dyn AsRef<OsStr>],
        mut input: &[u8],
        watch: &Watch<'_>,
    ) -> Result<Ended, ProgramError> {
        program::feed(&self.call(name, arguments), &mut input, &mut Vec::new(), watch)
    }

    /// Runs a program for everything that it says, on both streams, however it ends (unix).
    pub(super) fn listen(
        &self,
        name: &str,
        arguments: &[&dyn AsRef<OsStr>],
        watch: &Watch<'_>,
    ) -> (String, Result<(), ProgramError>) {
        let program = self.find(name).unwrap_or_else(|| name.into());
        let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"-c", &r#"exec "$0" "$@" 2>&1"#, &program];
        words.extend(arguments);
        let call = Call { program: "/bin/sh".into(), name: name.to_owned(), ..self.call(name, &words) };
        let mut out = Vec::new();
        let ended = program::pour(&call, &mut out, watch).map(drop);
        (String::from_utf8_lossy(&out).trim().to_owned(), ended)
    }

    fn call(&self, name: &str, arguments: &[&dyn AsRef<OsStr>]) -> Call<'_> {
        Call {
            program: self.find(name).unwrap_or_else(|| name.into()),
            name: name.to_owned(),
            arguments: arguments.iter().map(|word| word.as_ref().to_owned()).collect(),
            folder: None,
            only: None,
            environment: self
                .variables
                .iter()
                .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
                .collect(),
            redaction: None,
        }
    }
}

/// The status with which a program failed.
pub(super) fn status(error: &ProgramError) -> Option<i32> {
    match error {
        ProgramError::Status { status, .. } => status.code(),
        _ => None,
    }
}
