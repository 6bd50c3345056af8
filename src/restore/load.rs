//! Restoring by a command of the target's own: all of it is read and proven first, and then loaded over what is live.

use super::{Order, RestoreError, Shown, examination, stored_error};
use crate::{
    engines::{EngineError, StoredContent, command::Dump},
    evidence::Evidence,
    policy::values::Level,
    run::{pour, previous_of, read_back},
    watch::Watch,
};
use std::path::Path;

/// Reads all of what is to be loaded, and has it proven.
pub(super) fn prepare(order: &Order<'_>, dump: &Dump, watch: &Watch<'_>) -> Result<Shown, RestoreError> {
    let recorded = previous_of(order.stored);
    let request = examination(order, &recorded, Path::new(""));
    let examine = (request.level >= Level::Integrity).then_some((dump as _, &request));
    let evidence =
        read_back(&order.stored.manifest.files, order.open, examine, watch).map_err(stored_error)?;
    let failures = evidence.as_ref().map(Evidence::failures).unwrap_or_default();
    let level = evidence.as_ref().map_or(Level::Checksum, Evidence::level);
    if level < order.level {
        let (reached, asked) = (level, order.level);
        return Err(RestoreError::Unproven { reached, asked, failures, checks: Vec::new() });
    }
    Ok(Shown { level, checks: Vec::new(), warnings: failures })
}

/// Loads it. Nothing is set aside, and an error may leave anything there.
pub(super) fn load(order: &Order<'_>, dump: &Dump, watch: &Watch<'_>) -> Result<(), EngineError> {
    let load = |stored: &mut StoredContent<'_>| dump.load(stored, order.caller, watch);
    match pour(&order.stored.manifest.files, order.open, watch, load).map_err(stored_error) {
        Ok(_) => Ok(()),
        Err(RestoreError::Engine(source)) => Err(source),
        Err(other) => Err(EngineError::Program(other.to_string())),
    }
}
