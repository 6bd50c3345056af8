//! What a verification finds out about one copy: its bytes, and its content restored in a scratch place.

use super::super::{
    backups::{self, Copy, Shelf, bound},
    caller::BackupCaller,
    session::Session,
};
use crate::{
    engines::{ExamineRequest, Previous},
    evidence::{Evidence, Integrity},
    policy::{model::EngineSpec, values::Level},
    restore::{self, VerifyFailure},
    run::previous_of,
    scratch::Scratch,
    store::{self, Store as _, Stored},
    watch::Watch,
};

/// Examines the copy up to the level asked; returns what was found, and what of it fails.
pub(super) fn examine(
    session: &Session,
    shelf: &Shelf<'_>,
    copy: &Copy,
    stored: &Stored,
    asked: Level,
    watch: &Watch<'_>,
) -> Result<(Option<Evidence>, Vec<String>), VerifyFailure> {
    let rack = &shelf.stores[copy.rack];
    let open = |file: &str| rack.store.open(&stored.id, file);
    let target = backups::target_of(rack, stored);
    if target.is_none() && asked > Level::Checksum {
        let why =
            "its policy's text is not in the store, or was changed, and no policy at hand has its target";
        return Err(VerifyFailure::Failed(why.to_owned()));
    }
    let base = rack.scratch.get(stored.id.series.target.as_str()).cloned();
    let base = base.map_or_else(|| session.host.state_folder("scratch"), Ok);
    let scratch = base.and_then(|base| Scratch::new(&base)).map_err(|error| failed(&error))?;
    let engine = target.as_ref().map(|target| &target.engine);
    let is_database = engine.is_some_and(EngineSpec::is_database_file);
    // A dump is loaded on its server; one that is a folder is unpacked here.
    let is_dump = matches!(engine, Some(EngineSpec::Postgres(_)));
    let is_unpacked =
        is_dump && stored.manifest.facts.get("format").is_some_and(|format| format == "directory");
    if asked == Level::Restore && !is_dump || asked >= Level::Integrity && (is_database || is_unpacked) {
        let free = store::free_bytes(scratch.path()).map_err(|error| failed(&error))?;
        let needed = stored.manifest.original_bytes;
        if free < needed {
            let place = scratch.path().parent().unwrap_or(scratch.path()).display();
            let why = format!("{place} has {free} bytes free, the content needs {needed}");
            return Err(VerifyFailure::Failed(why));
        }
    }
    let bound = |target| bound::engine(session, rack.policy, target, scratch.path());
    let engine = target.as_ref().map(bound).transpose();
    let engine = engine.map_err(|error| failed(&error))?;
    let caller = BackupCaller::new(session, rack.policy, &stored.id, &rack.name);
    let recorded = previous_of(stored);
    let previous = newest_before(shelf, copy);
    let request = ExamineRequest {
        level: asked,
        checks: target.as_ref().map(|target| target.checks.as_slice()).unwrap_or_default(),
        tables: target.as_ref().and_then(|target| target.tables.as_ref()),
        recorded: &recorded,
        previous: previous.as_ref(),
        captured_at: stored.manifest.time,
        scratch: scratch.path(),
        caller: &caller,
        facts: &stored.manifest.facts,
    };
    let evidence = restore::verify(stored, &open, engine.as_deref(), &request, watch)?;
    let failures = evidence.as_ref().map(Evidence::failures).unwrap_or_default();
    Ok((evidence, failures))
}

fn failed(error: &dyn std::error::Error) -> VerifyFailure {
    VerifyFailure::Failed(error.to_string())
}

/// The newest proven backup before this one, of the same series, store and origin.
fn newest_before(shelf: &Shelf<'_>, copy: &Copy) -> Option<Previous> {
    let stored = &copy.stored;
    let before = |other: &&Copy| {
        other.rack == copy.rack
            && other.stored.id.series == stored.id.series
            && other.stored.id.stamp < stored.id.stamp
            && other.stored.manifest.origin == stored.manifest.origin
            && other.stored.proven()
    };
    let newest = shelf.copies.iter().filter(before).max_by_key(|other| other.stored.id.stamp)?;
    Some(previous_of(&newest.stored))
}

/// The level that was shown by it.
pub(super) fn level_of(evidence: Option<&Evidence>, asked: Level, failures: &[String]) -> Level {
    match evidence {
        None => Level::Checksum,
        Some(evidence)
            if asked == Level::Restore && failures.is_empty() && evidence.integrity == Integrity::Sound =>
        {
            Level::Restore
        }
        Some(evidence) => evidence.level().min(asked),
    }
}
