//! Why an entry could not be installed, removed or read, and what to do about it.

use crate::{
    exec::program::ProgramError,
    fault::Fault,
    schedule::{
        entry::{Backend, EntryName, Scope},
        render::crontab_text::Defect,
    },
    watch::Stopped,
};
use std::{io, path::PathBuf};

/// Why something was not installed, removed or read.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A file could not be read, written or removed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The scheduler's own program is not there.
    #[error("there is no program `{program}` on the PATH, by which {backend} is told what to run")]
    NoProgram {
        /// Its name.
        program: &'static str,
        /// Of which scheduler.
        backend: Backend,
    },
    /// The scheduler's program failed.
    #[error("cannot {what}: {source}")]
    Program {
        /// What was being done, as an infinitive.
        what: String,
        /// What became of it.
        source: Box<ProgramError>,
    },
    /// Whatever reads systemd's units does not answer.
    #[error("the {} does not answer, so that nothing would be armed: {source}", manager(*scope))]
    NoManager {
        /// Whose manager.
        scope: Scope,
        /// What became of asking it.
        source: Box<ProgramError>,
    },
    /// Something of that name is there and not ours.
    #[error("{place} is there and bears no mark of this program")]
    Foreign {
        /// Where.
        place: String,
    },
    /// The marks in a crontab do not fit together.
    #[error("the marks in {place} do not fit together: {}", lines(defects))]
    Blocks {
        /// Where.
        place: String,
        /// What is wrong, by line.
        defects: Vec<Defect>,
    },
    /// The scheduler's program finds fault with the crontab.
    #[error("crontab(1) would refuse the crontab: {said}")]
    Refused {
        /// What it says.
        said: String,
    },
    /// Somebody else changes the same place at the same time.
    #[error("{place} is being changed by another process")]
    Busy {
        /// Where.
        place: String,
    },
    /// What was written reads differently.
    #[error("{place} does not read as it was written{}", kept_at(kept.as_deref()))]
    Unlike {
        /// Where.
        place: String,
        /// Where the text is kept that stood there before.
        kept: Option<PathBuf>,
    },
    /// The scheduler has taken an entry and does not act on it.
    #[error("{name} was written, and is not armed: {why}")]
    NotArmed {
        /// The entry.
        name: EntryName,
        /// Why.
        why: String,
    },
    /// What the scheduler's program printed cannot be read.
    #[error("cannot make out what `{program}` answers: {why}")]
    Answer {
        /// Its name.
        program: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// An entry is not made of the files that its scheduler has.
    #[error("the text of {name} does not fit {backend}: {why}")]
    Unfit {
        /// The entry.
        name: EntryName,
        /// The scheduler.
        backend: Backend,
        /// What is wrong with it.
        why: String,
    },
    /// It was asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

const fn manager(scope: Scope) -> &'static str {
    match scope {
        Scope::User => "user's systemd manager",
        Scope::System => "systemd manager of this host",
    }
}

fn kept_at(kept: Option<&std::path::Path>) -> String {
    kept.map(|path| format!("; the text that stood there before is kept in {}", path.display()))
        .unwrap_or_default()
}

fn lines(defects: &[Defect]) -> String {
    let words = defects.iter().map(|(line, what)| format!("line {line}: {what}"));
    words.collect::<Vec<_>>().join("; ")
}

impl InstallError {
    /// A failed program, with what it was to do.
    pub(super) fn program(what: impl Into<String>, source: ProgramError) -> Self {
        match source {
            ProgramError::Stopped(stopped) => Self::Stopped(stopped),
            source => Self::Program { what: what.into(), source: Box::new(source) },
        }
    }

    /// Whether it is a request to stop, and no defect.
    pub const fn is_stop(&self) -> bool {
        matches!(self, Self::Stopped(_))
    }

    /// Whether something was refused that would overwrite or remove what is not ours.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Foreign { .. } | Self::Blocks { .. })
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Fault(fault) if fault.source.kind() == io::ErrorKind::PermissionDenied => {
                "run this as a user who may write there: `install: {scope: user}` needs no rights, `system` needs root"
                    .to_owned()
            }
            Self::Fault(_) => "mend what the system says about the path, and run this again".to_owned(),
            Self::NoProgram { program, backend } => format!(
                "install what brings `{program}`, or name another scheduler than {backend} with `install: {{backend: …}}`"
            ),
            Self::Program { .. } | Self::NotArmed { .. } => {
                "mend what it says, and run this again: what is right already is left alone".to_owned()
            }
            Self::NoManager { scope: Scope::User, .. } => {
                "log in as that user, or have the manager run without a login: `loginctl enable-linger USER`; or write \
                 `install: {backend: cron}`; `policy install --emit DIR` writes the files without arming anything"
                    .to_owned()
            }
            Self::NoManager { scope: Scope::System, .. } => {
                "this host was not started by systemd: write `install: {backend: cron}`; or `policy install --emit DIR` \
                 writes the files for another host"
                    .to_owned()
            }
            Self::Foreign { place } => format!("look at {place}, and move it away if nobody needs it"),
            Self::Blocks { .. } => {
                "mend the lines with `crontab -e`: each block has one `# policy:begin NAME sha256=…` and one \
                 `# policy:end NAME`"
                    .to_owned()
            }
            Self::Refused { .. } => "mend the crontab with `crontab -e`, and run this again".to_owned(),
            Self::Busy { .. } => "wait for the other one, and run this again".to_owned(),
            Self::Unlike { .. } => "see who else writes there, and run this again".to_owned(),
            Self::Answer { program, .. } => format!("run `{program}` by hand and see what it says"),
            Self::Unfit { .. } => "this is a defect of the program: please report it".to_owned(),
            Self::Stopped(_) => "run it again: what is right already is left alone".to_owned(),
        }
    }
}
