//! Errors of the command line, and the one place where they become exit codes.

use crate::{
    catalog::CatalogError, engines::place::Obstacle, fault::Fault, host::HostError, removal::RemovalError,
    store::StoreError,
};

/// An error that ends a command.
#[derive(Debug, Clone)]
pub(crate) struct CliError {
    /// The exit code of the contract (cli.md).
    pub(crate) exit: u8,
    /// A stable word for programs.
    pub(crate) code: &'static str,
    /// What, where, why.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
    /// Whether it was told already, as drawn problems are.
    pub(crate) told: bool,
}

/// What to do about a lock that is held.
pub(crate) const LOCK_ENDS: &str = "locks end with their process: wait for it, or end it";

impl CliError {
    fn new(exit: u8, code: &'static str, message: impl Into<String>) -> Self {
        Self { exit, code, message: message.into(), help: None, told: false }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(1, "failed", message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(2, "invalid", message)
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(5, "refused", message)
    }

    pub(crate) fn unknown(message: impl Into<String>) -> Self {
        Self::new(10, "not_found", message)
    }

    pub(crate) fn ambiguous(message: impl Into<String>) -> Self {
        Self::new(2, "ambiguous", message)
    }

    pub(crate) fn locked(message: impl Into<String>) -> Self {
        Self::new(11, "locked", message)
    }

    pub(crate) fn unproven(message: impl Into<String>) -> Self {
        Self::new(4, "unproven", message)
    }

    /// What was promised does not hold, or cannot be told.
    pub(crate) fn objective(message: impl Into<String>) -> Self {
        Self::new(6, "objective", message)
    }

    pub(crate) fn drift(message: impl Into<String>) -> Self {
        Self::new(7, "drift", message)
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(130, "interrupted", "interrupted; what was begun was cleaned up")
    }

    /// An end that was reported in full already: only the exit code and the JSON line are left to say.
    pub(crate) fn told(exit: u8, message: impl Into<String>) -> Self {
        let code = match exit {
            2 => "invalid",
            3 => "incomplete",
            4 => "unproven",
            5 => "refused",
            6 => "objective",
            7 => "drift",
            10 => "not_found",
            11 => "locked",
            130 => "interrupted",
            _ => "failed",
        };
        Self { told: true, ..Self::new(exit, code, message) }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl From<Fault> for CliError {
    fn from(fault: Fault) -> Self {
        Self::failed(fault.to_string())
    }
}

impl From<Obstacle> for CliError {
    fn from(obstacle: Obstacle) -> Self {
        let message = obstacle.to_string();
        match obstacle {
            Obstacle::DanglingLink { leads_to, .. } => Self::refused(message).help(format!(
                "mount what holds it; or restore there with `--to {}`, and the link leads to it again",
                leads_to.display()
            )),
            Obstacle::Link { leads_to, .. } => Self::refused(message)
                .help(format!("restore to the folder itself with `--to {}`", leads_to.display())),
            Obstacle::Foreign { .. } => {
                Self::refused(message).help("move it away, or name another place with `--to`")
            }
            Obstacle::MountPoint { .. } => Self::refused(message)
                .help("restore to another place with `--to`, and move from there what is needed"),
            Obstacle::NoFolder { .. } => Self::failed(message).help("name another place with `--to`"),
            Obstacle::Unwritable(_) => Self::failed(message)
                .help("run as a user who may write there, or name another place with `--to`"),
            Obstacle::Fault(_) => Self::failed(message),
        }
    }
}

impl From<HostError> for CliError {
    fn from(error: HostError) -> Self {
        Self::failed(error.to_string()).help("set POLICY_STATE_DIR to a folder that lasts")
    }
}

impl From<CatalogError> for CliError {
    fn from(error: CatalogError) -> Self {
        Self::failed(error.to_string())
            .help("it is only an index: `policy catalog rebuild` makes a new one from the stores")
    }
}

impl From<RemovalError> for CliError {
    fn from(error: RemovalError) -> Self {
        match error {
            RemovalError::Unfounded { .. } => Self::refused(error.to_string())
                .help("`policy verify` shows which backups stand; a newer one is made by `policy run`"),
            RemovalError::Store(error) => error.into(),
            RemovalError::Stopped(_) => Self::interrupted(),
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Locked { .. } => Self::locked(error.to_string()).help(LOCK_ENDS),
            StoreError::Damaged { .. } | StoreError::Unreliable { .. } => Self::unproven(error.to_string()),
            StoreError::NoBackup(_) | StoreError::Absent(_) => Self::unknown(error.to_string()),
            _ => Self::failed(error.to_string()),
        }
    }
}
