//! Captures: a dump of one snapshot, whose rows are counted and whose checks are answered in that very snapshot.
//!
//! A session begins a transaction and exports its snapshot; `pg_dump` takes it up, and meanwhile the session itself answers
//! what is asked about that content. That the dump is whole and holds those rows is shown by decoding it while it is stored;
//! the stored bytes, read back, must have its digest.

use super::{
    Postgres,
    decode::{self, Decoded, Taken},
    dump::{self, DumpRequest, Format, exact},
    look::{self, LOCK_WAIT, failed},
    properties::Properties,
    reach::Reached,
    session::SessionError,
    tables::Excluded,
};
use crate::{
    engines::{
        Capture, CaptureRequest, EngineError, Outlet,
        examination::Examination,
        flat,
        implied::{guard_size, guard_tables, size_guards},
    },
    evidence::{CheckedOn, Integrity},
    exec::program::ProgramError,
    fault::{Fault, OnPath},
    platform::files::new_private_file,
    policy::{
        model::{EngineSpec, PostgresFormat, PostgresOptions},
        values::Level,
    },
    watch::{Cancel, Watch},
};
use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    num::NonZeroU16,
    path::{Path, PathBuf},
    thread,
};

/// The fact that names the format of the stored file.
pub(super) const FORMAT: &str = "format";
/// The extension of what belongs to no database.
pub(super) const GLOBALS: &str = "globals.sql";
/// Most connections that dump or load at once: a server has other work.
const MOST_JOBS: usize = 4;

pub(super) fn capture(
    engine: &Postgres,
    request: &CaptureRequest<'_>,
    out: &mut dyn Outlet,
    watch: &Watch<'_>,
) -> Result<Capture, EngineError> {
    let options = match request.spec {
        EngineSpec::Postgres(spec) => spec.options.clone(),
        _ => PostgresOptions::default(),
    };
    let (reached, mut session) = engine.connect(watch)?;
    let tables = look::begin(&mut session, watch)?;
    // The dump has the processors: on two of them, counting by several at once costs it a tenth of its time.
    session.execute("SET LOCAL max_parallel_workers_per_gather = 0", watch).map_err(failed)?;
    let snapshot = session.export_snapshot(watch).map_err(failed)?;
    guard_tables(|| Ok(tables.0.len()), request.expect)?;
    guard_size(super::size(&mut session, watch).map_err(failed)?, request.expect)?;
    let globs = options.exclude_table_data.as_deref().unwrap_or_default();
    let excluded = tables.excluded(globs, request.tables)?;
    let properties = Properties::of(&mut session, watch).map_err(failed)?;
    let asked = Examination::of_source(request);
    let format = options.format.unwrap_or_default();
    // Names and patterns are UTF-8 here, and so must be those in the dump. A database without an encoding holds bytes.
    let is_bytes = properties.facts.get("encoding").is_some_and(|encoding| encoding == "SQL_ASCII");
    let encoding = (!is_bytes).then_some("UTF8");
    // Whichever of the two fails ends the other: what it still does is for nothing.
    let give_up = Cancel::default();
    let both = &watch.with(&give_up);
    let (dumped, seen) = thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let seen = look::ask(&mut session, &tables, &excluded, &asked, both);
            seen.inspect_err(|_| give_up.cancel())
        });
        let dumped = dump(&reached, request, (format, &snapshot, &excluded, encoding), out, both);
        if dumped.is_err() {
            give_up.cancel();
        }
        let lost = || SessionError::Lost { message: "the thread that asked it failed".to_owned() };
        (dumped, asking.join().unwrap_or_else(|_| Err(lost())))
    });
    // The snapshot is needed until all of the dump's connections have taken it up.
    drop(session);
    watch.check()?;
    // Where one was only ended for the other's sake, the other says why.
    let (Dumped { bytes, decoded, mut warnings }, seen) = match (dumped, seen) {
        (Ok(dumped), Ok(seen)) => (dumped, seen),
        (Ok(_) | Err(EngineError::Stopped(_)), Err(error)) => return Err(failed(error)),
        (Err(error), _) => return Err(error),
    };
    let mut evidence = seen.judged(&asked, Integrity::Skipped)?;
    if let Some(decoded) = decoded {
        evidence.integrity = decode::compare(decoded, &evidence.tables);
    }
    evidence.checks.extend(size_guards(bytes, request.expect, request.previous));
    warnings.extend(excluded.warnings.iter().cloned());
    if !excluded.tables.is_empty() {
        let names: Vec<&str> = excluded.tables.iter().map(String::as_str).collect();
        warnings.push(format!("the rows of {} are left out, as `exclude_table_data` says", names.join(", ")));
    }
    let custom: Vec<&str> = properties
        .settings
        .iter()
        .filter(|setting| setting.is_custom())
        .map(|setting| setting.name.as_str())
        .collect();
    if !custom.is_empty() {
        warnings.push(format!(
            "what is set on the database of {} is not kept, for it may be a secret",
            custom.join(", ")
        ));
    }
    let mut side_files = Vec::new();
    if options.globals == Some(true) {
        let (path, told) = globals(&reached, request, watch)?;
        side_files.push((GLOBALS, path));
        warnings.extend(told);
    }
    evidence.warnings.splice(0..0, warnings);
    Ok(Capture {
        method: "pg_dump",
        rungs: Vec::new(),
        kept_out: None,
        checked_on: CheckedOn::Snapshot,
        evidence,
        side_files,
        unreadable: Vec::new(),
        facts: facts(&reached, &properties, format),
    })
}

fn facts(reached: &Reached, properties: &Properties, format: PostgresFormat) -> BTreeMap<String, String> {
    let mut facts = properties.to_facts();
    facts.insert(FORMAT.to_owned(), named(format).to_owned());
    facts.insert("server_version".to_owned(), reached.server_version().to_string());
    facts.insert("pg_dump".to_owned(), reached.programs().version().to_string());
    facts
}

/// A format as the policy writes it.
pub(super) const fn named(format: PostgresFormat) -> &'static str {
    match format {
        PostgresFormat::Plain => "plain",
        PostgresFormat::Custom => "custom",
        PostgresFormat::Directory => "directory",
    }
}

/// How many connections dump or load at once.
pub(super) fn jobs() -> NonZeroU16 {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get).min(MOST_JOBS);
    u16::try_from(cores).ok().and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MIN)
}

struct Dumped {
    bytes: u64,
    /// What it was found to hold; `None` where that is shown otherwise, or not asked.
    decoded: Option<Decoded>,
    warnings: Vec<String>,
}

/// Dumps, and decodes what is dumped beside its way into the stores: while the server is read on one core, the others have
/// time for that.
fn dump(
    reached: &Reached,
    request: &CaptureRequest<'_>,
    (format, snapshot, excluded, encoding): (PostgresFormat, &str, &Excluded, Option<&'static str>),
    out: &mut dyn Outlet,
    watch: &Watch<'_>,
) -> Result<Dumped, EngineError> {
    let patterns: Vec<String> = excluded.parts.iter().map(exact).collect();
    let wanted = DumpRequest {
        snapshot: Some(snapshot),
        lock_wait: Some(LOCK_WAIT),
        exclude_table_data: &patterns,
        encoding,
        compress: Some(dump::compress(request.compress, reached.programs().version())),
        restrict_key: None,
    };
    let programs = reached.programs();
    let access =
        reached.access(reached.database()).map_err(|error| EngineError::Program(error.to_string()))?;
    let is_decoded = request.level >= Level::Integrity;
    let mut taken = Taken::new(out);
    let (ended, decoded) = match format {
        PostgresFormat::Directory => {
            let folder = request.scratch.join("dump");
            let ended = dump::to_folder(programs, &access, (&folder, jobs(), &wanted), watch)
                .map_err(|error| told_of_folder(error, &folder))?;
            let decoded = thread::scope(|scope| {
                let decode = || decode::of_folder(programs, &folder, watch);
                let decoding = is_decoded.then(|| scope.spawn(decode));
                let packed = flat::pack(&folder, None, &mut taken, watch).and_then(|()| taken.complete());
                let decoded = decoding.map(joined);
                packed?;
                decoded.transpose()
            })?;
            flat::remove(&folder)?;
            (ended, decoded)
        }
        PostgresFormat::Plain | PostgresFormat::Custom => {
            let stream = if format == PostgresFormat::Plain { Format::Plain } else { Format::Custom };
            thread::scope(|scope| {
                let decoding = is_decoded.then(|| {
                    let mut pieces = taken.beside();
                    scope.spawn(move || decode::of_stream(programs, format, &mut pieces, watch))
                });
                let ended = dump::to_writer(programs, &access, (stream, &wanted), &mut taken, watch);
                taken.end();
                let ended = ended.map_err(told).and_then(|ended| taken.complete().map(|()| ended));
                let decoded = decoding.map(joined);
                // Of a dump that failed it is no matter what it was found to hold.
                Ok::<_, EngineError>((ended?, decoded.transpose()?))
            })?
        }
    };
    Ok(Dumped { bytes: taken.bytes, decoded, warnings: ended.warnings })
}

fn joined(
    decoding: thread::ScopedJoinHandle<'_, Result<Decoded, EngineError>>,
) -> Result<Decoded, EngineError> {
    let lost = || EngineError::Program("the thread that decoded the dump failed".to_owned());
    decoding.join().unwrap_or_else(|_| Err(lost()))
}

/// Words an error of one of PostgreSQL's programs.
pub(super) fn told(error: ProgramError) -> EngineError {
    match error {
        ProgramError::Out { source, .. } => EngineError::Out(source),
        ProgramError::In { source, .. } => EngineError::In(source),
        ProgramError::Stopped(stopped) => stopped.into(),
        other => EngineError::Program(other.to_string()),
    }
}

/// The same of one that writes into a folder of this host, which may have run full.
fn told_of_folder(error: ProgramError, folder: &Path) -> EngineError {
    // The system's words (strerror(3)); what the server says, whose disk is another one, has a severity in front.
    const FULL: [&str; 2] = ["No space left on device", "Disk quota exceeded"];
    let full = |line: &String| {
        FULL.into_iter().find(|full| line.contains(full)).filter(|_| !line.contains("ERROR:"))
    };
    let full = match &error {
        ProgramError::Status { said, .. } => said.iter().find_map(full),
        _ => None,
    };
    let Some(full) = full else { return told(error) };
    let source = io::Error::new(io::ErrorKind::StorageFull, full);
    EngineError::Fault(Fault { verb: "dump into", path: folder.to_owned(), source })
}

/// Writes what belongs to no database to a file of the scratch folder.
fn globals(
    reached: &Reached,
    request: &CaptureRequest<'_>,
    watch: &Watch<'_>,
) -> Result<(PathBuf, Vec<String>), EngineError> {
    let access =
        reached.access(reached.database()).map_err(|error| EngineError::Program(error.to_string()))?;
    let dumped = dump::globals(reached.programs(), &access, None, watch).map_err(told)?;
    let path = request.scratch.join(GLOBALS);
    let mut file = new_private_file().open(&path).on("create", &path)?;
    file.write_all(&dumped.text).on("write", &path)?;
    let mut warnings = dumped.warnings;
    if !dumped.has_passwords {
        warnings
            .push("the roles' passwords are not among the globals: this user may not read them".to_owned());
    }
    Ok((path, warnings))
}
