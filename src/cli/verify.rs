//! `verify`: proves stored backups again, and records it in the store.

mod examine;

use super::{
    args::Verify,
    backups::{self, Copy, Rack, Shelf, Unreached},
    error::CliError,
    journal::noted,
    list,
    output::{self, ERROR, GOOD, WARNING, paint},
    session::Session,
    signals,
};
use crate::{
    catalog::Catalog,
    evidence::CheckResult,
    policy::values::Level,
    restore::VerifyFailure,
    run::joint_exit,
    store::{self, Record, RecordKind, Store as _, StoreError, Stored, lock::Mode},
    watch::{Cancel, Watch},
};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

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
    let meant = shelf.copies.iter().filter(|copy| ids.contains(&copy.stored.id) && !copy.remembered);
    let mut wanted: Vec<&Copy> = meant.collect();
    if let Some(level) = args.level {
        wanted = offering(&shelf, wanted, level, args.selector.is_some())?;
    }
    if let Some(percent) = args.sample {
        wanted = sample(wanted, &day, percent);
    }
    // What lies there and cannot be read as a backup is no passing answer to "does it all stand".
    let mut results: Vec<Verified> = shelf
        .damaged
        .iter()
        .chain(&shelf.missing)
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
    for copy in shelf.copies.iter().filter(|copy| ids.contains(&copy.stored.id) && copy.remembered) {
        let message = "could not be verified: its store cannot be reached".to_owned();
        results.push(result_of(&shelf, copy, Level::None, false, Vec::new(), message));
    }
    let named = wanted.iter().map(|copy| &copy.stored.id);
    noted(session, "verify", &policies, named, || verify_all(session, args, &shelf, &wanted, results))
}

/// Those whose target offers the level asked. One that was named and does not is an error, others are passed over: that
/// a level cannot be shown says nothing against a backup.
fn offering<'a>(
    shelf: &Shelf<'_>,
    wanted: Vec<&'a Copy>,
    level: Level,
    is_named: bool,
) -> Result<Vec<&'a Copy>, CliError> {
    let offers = |copy: &Copy| {
        let target = backups::target_of(&shelf.stores[copy.rack], &copy.stored);
        level <= Level::Checksum || target.is_none_or(|target| target.offers(level))
    };
    let (wanted, others): (Vec<&Copy>, Vec<&Copy>) = wanted.into_iter().partition(|copy| offers(copy));
    let names: BTreeSet<&str> = others.iter().map(|copy| copy.stored.id.series.target.as_str()).collect();
    for name in names {
        let why = match level {
            Level::Checks => "it declares neither checks nor irreplaceable tables",
            _ => {
                "what a command dumped is proven as far as its own `verify` goes, and restored over what is live alone"
            }
        };
        let what = format!("`{name}` offers no level {level}: {why}");
        if is_named {
            let copy = others.iter().find(|copy| copy.stored.id.series.target == name);
            let target = copy.and_then(|copy| backups::target_of(&shelf.stores[copy.rack], &copy.stored));
            let offered: Vec<_> = [Level::Checksum, Level::Integrity, Level::Checks, Level::Restore]
                .into_iter()
                .filter(|level| target.as_ref().is_some_and(|target| target.offers(*level)))
                .map(|level| format!("`--level {level}`"))
                .collect();
            return Err(CliError::invalid(what).help(format!("{} can be shown", offered.join(" or "))));
        }
        output::tell(&format!("skipped: {what}"));
    }
    Ok(wanted)
}

fn verify_all(
    session: &Session,
    args: &Verify,
    shelf: &Shelf<'_>,
    wanted: &[&Copy],
    mut results: Vec<Verified>,
) -> Result<u8, CliError> {
    let cancel = signals::watch()?;
    let catalog = session.catalog();
    for result in &results {
        tell(session, result)?;
    }
    let mut stopped = false;
    let mut unlooked: Vec<CliError> = Vec::new();
    for copy in wanted {
        let level = args.level.unwrap_or(copy.stored.manifest.asked);
        let result = match verify_copy(session, shelf, copy, level, catalog.as_ref(), &cancel) {
            Ok(Some(result)) => result,
            Ok(None) => {
                output::tell(&format!("{} is gone", copy.stored.id));
                continue;
            }
            Err(error) if error.exit == 130 => {
                stopped = true;
                break;
            }
            // One that cannot be looked at now is no reason not to look at the others.
            Err(error) => {
                let message = format!("could not be verified: {}", error.message);
                unlooked.push(error);
                result_of(shelf, copy, Level::None, false, Vec::new(), message)
            }
        };
        tell(session, &result)?;
        results.push(result);
        if cancel.is_cancelled() {
            stopped = true;
            break;
        }
    }
    if session.global.json {
        output::print_json(&results)?;
    } else if results.is_empty() {
        output::tell("no backups to verify");
    }
    if stopped { Err(CliError::interrupted()) } else { end(args, shelf, &results, &unlooked) }
}

/// How a verification ends: what was found to fail, or could not be found at all, counts for more than what is only not
/// to be looked at now.
fn end(
    args: &Verify,
    shelf: &Shelf<'_>,
    results: &[Verified],
    unlooked: &[CliError],
) -> Result<u8, CliError> {
    let passed = results.iter().filter(|result| result.passed).count();
    let failed = results.len() - passed - unlooked.len();
    if failed > 0 {
        return Err(unproven(failed, results.len()));
    }
    // A store of which nothing is remembered may hold anything.
    let is_remembered = |store: &Unreached<'_>| {
        let of_it = |copy: &Copy| store.series.as_ref().is_none_or(|series| copy.stored.id.series == *series);
        shelf.copies.iter().any(|copy| copy.remembered && Some(copy.rack) == store.rack && of_it(copy))
    };
    let selector = args.selector.as_deref().map(backups::parse).transpose()?;
    if let Some(store) = shelf.lacking(selector.as_ref()).into_iter().find(|store| !is_remembered(store)) {
        return Err(CliError::unproven(format!(
            "not everything in store `{}` could be verified: {}",
            store.name, store.why
        )));
    }
    match unlooked.first() {
        None => Ok(0),
        Some(first) => {
            let exit = joint_exit(passed, unlooked.iter().map(|error| error.exit));
            Err(CliError::told(exit, first.message.clone()))
        }
    }
}

fn unproven(failed: usize, all: usize) -> CliError {
    CliError::unproven(format!("{failed} of {all} did not reach the level asked"))
        .help("`policy show BACKUP` tells what it was proven to be when it was made")
}

/// Chosen by id and day: the same call twice a day takes the same sample, and every backup has its turn. Of few backups
/// one is taken all the same: a sample of nothing would look like one that passed.
fn sample<'c>(copies: Vec<&'c Copy>, day: &str, percent: u32) -> Vec<&'c Copy> {
    let drawn = |copy: &Copy| {
        let digest = Sha256::digest(format!("{day} {}", copy.stored.id));
        u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
    };
    let mut drawn: Vec<(u32, &Copy)> = copies.into_iter().map(|copy| (drawn(copy), copy)).collect();
    let first = drawn.iter().map(|(number, _)| *number).min();
    let falls_in = |number: u32| u64::from(number) * 100 / (u64::from(u32::MAX) + 1) < u64::from(percent);
    drawn.retain(|(number, _)| falls_in(*number) || Some(*number) == first);
    drawn.into_iter().map(|(_, copy)| copy).collect()
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
    catalog: Option<&Catalog>,
    cancel: &Cancel,
) -> Result<Option<Verified>, CliError> {
    let rack = &shelf.stores[copy.rack];
    let _lock = lock(rack, &copy.stored)?;
    let failed = |why: String| Ok(Some(result_of(shelf, copy, Level::None, false, Vec::new(), why)));
    // What was listed before the lock was held may be gone or changed by now.
    let id = &copy.stored.id;
    let looked = rack.store.manifest(id).and_then(|manifest| {
        let damage = rack.store.damage(id, &manifest)?;
        Ok(Stored { manifest: Box::new(manifest), damage, ..copy.stored.clone() })
    });
    let stored = match looked {
        Ok(stored) => stored,
        Err(StoreError::NoBackup(_)) => return Ok(None),
        Err(StoreError::Unreliable { why, .. }) => return failed(why.to_string()),
        Err(error) => return failed(format!("could not be verified: {error}")),
    };
    let watch = Watch::new(cancel, None, &|_| ());
    let outcome = examine::examine(session, shelf, copy, &stored, asked, &watch);
    let (level, passed, checks, message) = match outcome {
        Ok((evidence, failures)) => {
            let level = examine::level_of(evidence.as_ref(), asked, &failures);
            let checks = evidence.map(|evidence| evidence.checks).unwrap_or_default();
            (level, level >= asked && failures.is_empty(), checks, failures.join("; "))
        }
        Err(VerifyFailure::Stopped(_)) => return Err(CliError::interrupted()),
        Err(VerifyFailure::Damaged(what)) => (Level::None, false, Vec::new(), what),
        // It could not be looked at: nothing is recorded, for nothing was found out about it.
        Err(VerifyFailure::Failed(why)) => {
            return failed(format!("could not be verified: {why}"));
        }
    };
    // The backup itself is what it was found to be, and that is recorded. But `sha256sum -c` would call it damaged.
    let has_sums = rack.store.has_sums(id, &stored.manifest);
    let record = Record {
        kind: RecordKind::Verify,
        id: stored.id.to_string(),
        at: session.host.real_now(),
        passed,
        asked,
        level,
        checks: checks.clone(),
        message: message.clone(),
    };
    let sums = stored.manifest.sums();
    keep(rack, stored, record, catalog);
    let told = match has_sums {
        Ok(true) => return Ok(Some(result_of(shelf, copy, level, passed, checks, message))),
        Ok(false) => format!(
            "its SHA256SUMS is missing or not what its manifest says: write into it the line `{}`",
            sums.trim_end().replace('\n', "` and the line `")
        ),
        Err(error) => format!("its SHA256SUMS could not be read: {error}"),
    };
    let message = if message.is_empty() { told } else { format!("{message}; {told}") };
    Ok(Some(result_of(shelf, copy, level, false, checks, message)))
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
pub(crate) fn lock(rack: &Rack<'_>, stored: &Stored) -> Result<Option<store::lock::Lock>, CliError> {
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

/// Records what was found in the store, and in the index what the backup is by it. A store that is not the one last used
/// is left as it is.
fn keep(rack: &Rack<'_>, mut stored: Stored, record: Record, catalog: Option<&Catalog>) {
    if !rack.is_last {
        return;
    }
    if let Err(error) = rack.store.record(&stored.id.series, &record) {
        output::warn(&format!("what was found could not be recorded: {error}"));
        return;
    }
    stored.records.push(record);
    // A place given by hand is no store of a policy.
    let (Some(catalog), Some(policy)) = (catalog, rack.policy) else { return };
    let proven = stored.proven();
    if let Err(error) = catalog.add_backup(policy.name().as_str(), &rack.name, &stored.manifest, proven) {
        output::warn(&error.to_string());
    }
}
