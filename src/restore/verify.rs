//! Verifying a stored backup outside of a run.

use crate::{
    engines::{Engine, EngineError, ExamineRequest},
    evidence::Evidence,
    policy::values::Level,
    run::{Opener, VerifyError, read_back},
    store::{StoreError, Stored},
    watch::Watch,
};

/// Reads a backup back and examines it without restoring it anywhere that lasts: what `verify` does.
pub fn verify(
    stored: &Stored,
    open: &Opener<'_>,
    engine: Option<&dyn Engine>,
    request: &ExamineRequest<'_>,
    watch: &Watch<'_>,
) -> Result<Option<Evidence>, VerifyFailure> {
    let examine = engine.filter(|_| request.level >= Level::Integrity).map(|engine| (engine, request));
    read_back(&stored.manifest.files, open, examine, watch).map_err(|error| match error {
        VerifyError::Engine(EngineError::Stopped(stopped))
        | VerifyError::Mismatch(crate::pipe::Mismatch::Stopped(stopped)) => VerifyFailure::Stopped(stopped),
        // What the system could not read says nothing about what is stored; what a codec could not read does.
        VerifyError::Mismatch(crate::pipe::Mismatch::Unreadable { name, source })
            if source.raw_os_error().is_some() =>
        {
            VerifyFailure::Failed(format!("`{name}` cannot be read: {source}"))
        }
        VerifyError::Mismatch(mismatch) => VerifyFailure::Damaged(mismatch.to_string()),
        VerifyError::Engine(EngineError::Damaged(what)) => VerifyFailure::Damaged(what),
        VerifyError::Store(StoreError::NoBackup(id)) => VerifyFailure::Damaged(format!("`{id}` is gone")),
        VerifyError::Store(StoreError::Fault(fault))
            if fault.source.kind() == std::io::ErrorKind::NotFound =>
        {
            // What is recorded in a store says nothing about where the store lay.
            let name = fault.path.file_name().unwrap_or(fault.path.as_os_str());
            VerifyFailure::Damaged(format!("`{}` is missing", name.to_string_lossy()))
        }
        other => VerifyFailure::Failed(other.to_string()),
    })
}

/// Why a stored backup was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyFailure {
    /// Its bytes are not what its manifest says.
    #[error("{0}")]
    Damaged(String),
    /// It could not be looked at.
    #[error("{0}")]
    Failed(String),
    /// It was asked to stop.
    #[error(transparent)]
    Stopped(crate::watch::Stopped),
}
