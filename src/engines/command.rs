//! Anything that a command dumps: its standard output is the backup, its exit status says whether it is whole.
//!
//! What it is, only its commands know. A dump whose command ends with another status than 0, prints nothing or is stopped is
//! none. It is proven by its own `verify`, which gets it on standard input, and loaded by its own `restore`, over what is
//! live and without anything set aside.

use super::{
    Caller, Capture, CaptureRequest, Engine, EngineError, ExamineRequest, Outlet, SourceFacts, StoredContent,
    implied::{guard_size, size_guards},
};
use crate::{
    evidence::{CheckedOn, Evidence, Integrity},
    exec::{
        Invocation,
        program::{self, Ended, ProgramError},
    },
    policy::{
        model::{Command, CommandSpec, EngineSpec},
        values::Level,
    },
    watch::Watch,
};
use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::Path,
};

/// A source that commands dump, prove and load.
#[derive(Debug, Clone)]
pub struct Dump {
    spec: CommandSpec,
}

impl Dump {
    /// Binds the engine to its commands.
    pub const fn new(spec: CommandSpec) -> Self {
        Self { spec }
    }

    /// The words of the command that dumps it.
    pub fn words(&self) -> String {
        EngineSpec::Command(self.spec.clone()).source()
    }

    /// Its own `restore` loads the stored content over what is live. Nothing is set aside, and an error may leave anything
    /// there.
    pub(crate) fn load(
        &self,
        stored: &mut StoredContent<'_>,
        caller: &dyn Caller,
        watch: &Watch<'_>,
    ) -> Result<(), EngineError> {
        let restore = self.spec.restore.as_ref().ok_or_else(|| {
            EngineError::Refused(
                "the target has no `restore` command: decompress the stored file by hand".to_owned(),
            )
        })?;
        let call = prepared(caller, restore)?;
        let ended = feed(&call, stored.main, watch).map_err(|error| failed(&call, error))?;
        for line in ended.warnings {
            caller.heard(line);
        }
        if ended.took_all {
            return Ok(());
        }
        Err(EngineError::Program(format!(
            "`{}` ended well before it had taken all of the backup",
            call.name()
        )))
    }
}

impl Engine for Dump {
    fn observe(&self, _watch: &Watch<'_>) -> Result<SourceFacts, EngineError> {
        // Nothing is known of it before it was dumped.
        Ok(SourceFacts { bytes: 0, facts: BTreeMap::new() })
    }

    fn reads(&self, _place: &Path) -> bool {
        false
    }

    fn capture(
        &self,
        request: &CaptureRequest<'_>,
        out: &mut dyn Outlet,
        watch: &Watch<'_>,
    ) -> Result<Capture, EngineError> {
        let call = prepared(request.caller, &self.spec.dump)?;
        let ended = program::pour(&call.as_program(), &mut *out, watch);
        let Ended { warnings, bytes, .. } = ended.map_err(|error| failed(&call, error))?;
        for line in warnings {
            request.caller.heard(line);
        }
        if bytes == 0 {
            return Err(EngineError::Program(format!(
                "`{}` wrote nothing to its standard output",
                call.name()
            )));
        }
        guard_size(bytes, request.expect)?;
        let checks = size_guards(bytes, request.expect, request.previous);
        Ok(Capture {
            method: "dump",
            rungs: Vec::new(),
            kept_out: None,
            checked_on: CheckedOn::Copy,
            evidence: Evidence { checks, ..Evidence::default() },
            side_files: Vec::new(),
            unreadable: Vec::new(),
            facts: BTreeMap::new(),
        })
    }

    fn examine(
        &self,
        stored: &mut StoredContent<'_>,
        request: &ExamineRequest<'_>,
        watch: &Watch<'_>,
    ) -> Result<Evidence, EngineError> {
        let Some(verify) = self.spec.verify.as_ref().filter(|_| request.level >= Level::Integrity) else {
            return Ok(Evidence::default());
        };
        let call = prepared(request.caller, verify)?;
        let integrity = match feed(&call, stored.main, watch) {
            Ok(_) => Integrity::Sound,
            // It ran, and does not find the backup sound.
            Err(ProgramError::Status { program, status, said }) if is_judgement(status) => {
                let said = said.iter().map(|line| call.redaction.apply(line).into_owned());
                Integrity::Damaged(
                    std::iter::once(format!("`{program}` ended with {status}")).chain(said).collect(),
                )
            }
            Err(error @ (ProgramError::Start { .. } | ProgramError::Status { .. })) => {
                Integrity::Unverifiable(vec![call.redaction.apply(&error.to_string()).into_owned()])
            }
            Err(error) => return Err(failed(&call, error)),
        };
        Ok(Evidence { integrity, ..Evidence::default() })
    }
}

/// Whether a status is a program's own word: a signal is none, nor are those of a shell that could not start one.
fn is_judgement(status: std::process::ExitStatus) -> bool {
    status.code().is_some_and(|code| !(126..=128).contains(&code))
}

fn prepared(caller: &dyn Caller, command: &Command) -> Result<Invocation, EngineError> {
    caller.prepare(command, None).map_err(EngineError::Program)
}

/// Feeds stored content to a command. All of it is read, whether or not the command needs all: whoever digests it on the way
/// has seen all of it.
fn feed(call: &Invocation, stored: &mut dyn Read, watch: &Watch<'_>) -> Result<Ended, ProgramError> {
    // What it prints is for nobody: its status tells.
    program::feed(&call.as_program(), stored, &mut io::sink(), watch)
}

/// An error of running it, without the values of variables.
fn failed(call: &Invocation, error: ProgramError) -> EngineError {
    match error {
        ProgramError::Out { source, .. } => EngineError::Out(source),
        ProgramError::In { source, .. } => EngineError::In(source),
        ProgramError::Stopped(stopped) => EngineError::Stopped(stopped),
        other => EngineError::Program(call.redaction.apply(&other.to_string()).into_owned()),
    }
}
