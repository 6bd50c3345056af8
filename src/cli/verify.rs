//! `verify`: proves stored backups again, and records it in the store.

use super::{
    args::Verify,
    backups::{self, Copy, Rack, Shelf},
    error::CliError,
    list,
    output::{self, ERROR, GOOD, WARNING, paint},
    session::Session,
    signals,
};
use crate::{
    engines::{ExamineRequest, Previous},
    evidence::{CheckResult, Evidence, Integrity},
    policy::values::Level,
    restore::{self, VerifyFailure},
    run::{recorded_of, scratch::Scratch},
    store::{Record, RecordKind, Store as _, StoreError, Stored, lock::Mode},
    watch::{Cancel, Watch},
};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// One verified copy, as `verify --json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Verified {
    /// The backup's id.
    id: String,
    /// The store of this copy.
    store: String,
    /// The level it reached.
    level: Level,
    /// Whether it reached the level asked.
    passed: bool,
    /// The checks.
    checks: Vec<CheckResult>,
    /// Why not, or empty.
    message: String,
}

pub(crate) fn verify(session: &Session, args: &Verify) -> Result<u8, CliError> {
    let store = args.place.store.as_deref();
    let policies = list::policies_for(session, store)?;
    let shelf = backups::collect(session, &policies, store)?;
    let ids = shelf.every(args.selector.as_deref())?;
    let day = session.host.now().date_naive().to_string();
    let is_sampled = |copy: &Copy| args.sample.is_none_or(|percent| falls_in(&copy.stored, &day, percent));
    let wanted: Vec<&Copy> = shelf
        .copies
        .iter()
        .filter(|copy| ids.contains(&copy.stored.id) && !copy.remembered && is_sampled(copy))
        .collect();
    // What lies there and cannot be read as a backup is no passing answer to "does it all stand".
    let mut results: Vec<Verified> = shelf
        .damaged
        .iter()
        .filter(|damaged| ids.contains(&damaged.id))
        .map(|damaged| Verified {
            id: damaged.id.to_string(),
            store: shelf.stores[damaged.rack].name.clone(),
            level: Level::None,
            passed: false,
            checks: Vec::new(),
            message: damaged.why.clone(),
        })
        .collect();
    if args.dry_run {
        let rows: Vec<_> = wanted
            .iter()
            .map(|copy| {
                let level = args.level.unwrap_or(copy.stored.manifest.asked);
                vec![
                    copy.stored.id.to_string(),
                    shelf.stores[copy.rack].name.clone(),
                    format!("to level {level}"),
                ]
            })
            .collect();
        output::print(&output::table(&rows))?;
        output::tell("nothing was changed");
        return Ok(0);
    }
    let cancel = signals::watch()?;
    let scratch = Scratch::new(&session.host.state_folder("scratch")?)?;
    for copy in shelf.copies.iter().filter(|copy| ids.contains(&copy.stored.id) && copy.remembered) {
        let message = "could not be verified: its store cannot be reached".to_owned();
        results.push(result_of(&shelf, copy, Level::None, false, Vec::new(), message));
    }
    for result in &results {
        tell(session, result)?;
    }
    for copy in wanted {
        let level = args.level.unwrap_or(copy.stored.manifest.asked);
        let result = verify_copy(session, &shelf, copy, level, &scratch, &cancel)?;
        tell(session, &result)?;
        results.push(result);
        if cancel.is_cancelled() {
            return Err(CliError::interrupted());
        }
    }
    if session.global.json {
        output::print_json(&results)?;
    } else if results.is_empty() {
        output::tell("no backups to verify");
    }
    let failed = results.iter().filter(|result| !result.passed).count();
    if failed == 0 {
        return Ok(0);
    }
    Err(CliError::unproven(format!("{failed} of {} did not reach the level asked", results.len()))
        .help("`policy show BACKUP` tells what it was proven to be when it was made"))
}

/// Chosen by id and day: the same call twice a day takes the same sample, and every backup has its turn.
fn falls_in(stored: &Stored, day: &str, percent: u32) -> bool {
    let digest = Sha256::digest(format!("{day} {}", stored.id));
    let drawn = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    u64::from(drawn) * 100 / (u64::from(u32::MAX) + 1) < u64::from(percent)
}

fn tell(session: &Session, result: &Verified) -> Result<(), CliError> {
    if session.global.json || session.global.quiet && result.passed {
        return Ok(());
    }
    let word = if result.passed { paint(GOOD, "ok") } else { paint(ERROR, "failed") };
    let (id, store, level) = (&result.id, &result.store, result.level);
    let mut text = format!("{word}  {id} in {store}: level {level}");
    if !result.message.is_empty() {
        text.push_str("; ");
        text.push_str(&output::printable(&result.message));
    }
    text.push('\n');
    for check in result.checks.iter().filter(|check| !check.passed || session.global.verbose) {
        text.push_str("    ");
        text.push_str(&list::check_line(check));
        text.push('\n');
    }
    output::print(&text).map(drop)
}

fn verify_copy(
    session: &Session,
    shelf: &Shelf<'_>,
    copy: &Copy,
    asked: Level,
    scratch: &Scratch,
    cancel: &Cancel,
) -> Result<Verified, CliError> {
    let rack = &shelf.stores[copy.rack];
    let stored = &copy.stored;
    let _lock = lock(rack, stored)?;
    let watch = Watch::new(cancel, None, &|_| ());
    let outcome = examine(shelf, copy, asked, scratch, &watch);
    let (level, passed, checks, message) = match outcome {
        Ok((evidence, failures)) => {
            let level = level_of(evidence.as_ref(), asked, &failures);
            let checks = evidence.map(|evidence| evidence.checks).unwrap_or_default();
            (level, level >= asked && failures.is_empty(), checks, failures.join("; "))
        }
        Err(VerifyFailure::Stopped(_)) => return Err(CliError::interrupted()),
        Err(VerifyFailure::Damaged(what)) => (Level::None, false, Vec::new(), what),
        // It could not be looked at: nothing is recorded, for nothing was found out about it.
        Err(VerifyFailure::Failed(why)) => {
            let message = format!("could not be verified: {why}");
            return Ok(result_of(shelf, copy, Level::None, false, Vec::new(), message));
        }
    };
    record(session, rack, stored, asked, level, passed, &checks, &message);
    Ok(result_of(shelf, copy, level, passed, checks, message))
}

fn result_of(
    shelf: &Shelf<'_>,
    copy: &Copy,
    level: Level,
    passed: bool,
    checks: Vec<CheckResult>,
    message: String,
) -> Verified {
    let store = shelf.stores[copy.rack].name.clone();
    Verified { id: copy.stored.id.to_string(), store, level, passed, checks, message }
}

/// A reader's lock. A store that cannot keep one (read-only media) is read without: nobody can write there either.
pub(crate) fn lock(rack: &Rack<'_>, stored: &Stored) -> Result<Option<crate::store::lock::Lock>, CliError> {
    match rack.store.lock(&stored.id.series, Mode::Shared) {
        Ok(lock) => Ok(Some(lock)),
        Err(StoreError::Fault(fault))
            if matches!(
                fault.source.kind(),
                std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied
            ) =>
        {
            output::tell(&format!("{} {fault}: read without a lock", paint(WARNING, "warning:")));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn examine(
    shelf: &Shelf<'_>,
    copy: &Copy,
    asked: Level,
    scratch: &Scratch,
    watch: &Watch<'_>,
) -> Result<(Option<Evidence>, Vec<String>), VerifyFailure> {
    let rack = &shelf.stores[copy.rack];
    let stored = &copy.stored;
    let open = |file: &str| rack.store.open(&stored.id, file);
    let target = backups::target_of(rack, stored);
    if target.is_none() && asked > Level::Checksum {
        let why = "its policy's text is not in the store, and no policy at hand has its target";
        return Err(VerifyFailure::Failed(why.to_owned()));
    }
    let engine = target.as_ref().map(|target| backups::engine_at(target, scratch.path())).transpose();
    let engine = engine.map_err(|error| VerifyFailure::Failed(error.to_string()))?;
    let recorded = recorded_of(stored);
    let previous = previous_of(shelf, copy);
    let request = ExamineRequest {
        level: asked,
        checks: target.as_ref().map(|target| target.checks.as_slice()).unwrap_or_default(),
        tables: target.as_ref().and_then(|target| target.tables.as_ref()),
        recorded: &recorded,
        previous: previous.as_ref(),
        captured_at: stored.manifest.time,
        scratch: scratch.path(),
    };
    let evidence = restore::verify(stored, &open, engine.as_deref(), &request, watch)?;
    let failures = evidence.as_ref().map(Evidence::failures).unwrap_or_default();
    Ok((evidence, failures))
}

/// The newest proven backup before this one, of the same series, store and origin.
fn previous_of(shelf: &Shelf<'_>, copy: &Copy) -> Option<Previous> {
    let stored = &copy.stored;
    let before = |other: &&Copy| {
        other.rack == copy.rack
            && other.stored.id.series == stored.id.series
            && other.stored.id.stamp < stored.id.stamp
            && other.stored.manifest.origin == stored.manifest.origin
            && other.stored.proven()
    };
    let newest = shelf.copies.iter().filter(before).max_by_key(|other| other.stored.id.stamp)?;
    Some(recorded_of(&newest.stored))
}

fn level_of(evidence: Option<&Evidence>, asked: Level, failures: &[String]) -> Level {
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

#[expect(clippy::too_many_arguments, reason = "the fields of one record")]
fn record(
    session: &Session,
    rack: &Rack<'_>,
    stored: &Stored,
    asked: Level,
    level: Level,
    passed: bool,
    checks: &[CheckResult],
    message: &str,
) {
    let record = Record {
        kind: RecordKind::Verify,
        id: stored.id.to_string(),
        at: session.host.real_now(),
        passed,
        asked,
        level,
        checks: checks.to_vec(),
        message: message.to_owned(),
    };
    if let Err(error) = rack.store.record(&stored.id.series, &record) {
        output::tell(&format!(
            "{} what was found could not be recorded: {error}",
            paint(WARNING, "warning:")
        ));
    }
}
