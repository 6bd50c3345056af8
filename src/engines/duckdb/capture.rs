//! Taking the content of a live database: a copy by the first rung that serves, examined while it streams.

#![expect(clippy::disallowed_methods, reason = "an engine reads and writes the files of its target")]

use super::{
    super::{
        Capture, CaptureRequest, EngineError, Kept, Outlet,
        at_once::at_once,
        examination::Examination,
        files::{beside, resolved, stream},
        implied::{guard_size, guard_tables, size_guards},
    },
    copy::{self, Copied},
    export,
    header::Header,
    reader::{ask, told},
    report::{Order, Report},
};
use crate::{
    evidence::{CheckedOn, Integrity, Rung},
    exec,
    fault::OnPath,
    policy::model::{Command, DuckdbFormat, DuckdbOptions, EngineSpec, WhenLocked},
    watch::{Stopped, Watch},
};
use std::{
    fs::File,
    path::Path,
    time::{Duration, Instant},
};

/// How often a locked database is looked at again.
const ROUND: Duration = Duration::from_millis(200);

/// A copy of the content, and how it was had.
struct Taken {
    method: &'static str,
    copied: Copied,
    rungs: Vec<Rung>,
    warnings: Vec<String>,
    /// What an examination found already, where only that tells whether the copy is one.
    report: Option<Report>,
}

/// Captures the database; see the module.
pub(super) fn capture(
    path: &Path,
    request: &CaptureRequest<'_>,
    out: &mut dyn Outlet,
    watch: &Watch<'_>,
) -> Result<Capture, EngineError> {
    Header::read(path)?;
    let path = resolved(path)?;
    let asked = Examination::of_source(request);
    let taken = take(&path, request, &asked, watch)?;
    let copied = &taken.copied;
    let (bytes, sides) = (copied.bytes()?, copied.sides()?);
    guard_size(bytes, request.expect)?;
    let mut order = order(&asked, &copied.main, request.scratch)?;
    order.tables |= request.expect.min_tables.is_some();
    let known = taken.report;
    let examine = |watch: &Watch<'_>| match known {
        Some(report) => Ok(report),
        None => ask(order, watch),
    };
    let is_export = format(request.spec) == DuckdbFormat::Export;
    let hand_on = || {
        if is_export {
            return export::export(copied, request.scratch, out, watch);
        }
        hand_on(copied, out, watch)?;
        out.complete().map_err(EngineError::Out)
    };
    let ((), report) = at_once(watch, examine, hand_on)?;
    if let Some(Ok(tables)) = &report.tables {
        guard_tables(|| Ok(tables.len()), request.expect)?;
    }
    // Of the copy: an owner's command may have changed the format.
    let mut facts = Header::read(&copied.main)?.facts();
    facts.insert("duckdb_version".to_owned(), report.library.clone());
    facts.extend(report.storage.clone().map(|version| ("storage_version".to_owned(), version)));
    if taken.method == HOT {
        facts.insert("consistency".to_owned(), "checked, not guaranteed".to_owned());
    }
    let mut evidence = report.judged(&asked)?;
    if is_export {
        facts.insert("read_by".to_owned(), taken.method.to_owned());
        // That the copy is sound says nothing of what was made of it: that is read back and examined.
        if evidence.integrity == Integrity::Sound {
            evidence.integrity = Integrity::Skipped;
        }
    }
    evidence.checks.extend(size_guards(bytes, request.expect, request.previous));
    evidence.warnings.splice(0..0, taken.warnings);
    Ok(Capture {
        method: if is_export { EXPORT } else { taken.method },
        rungs: taken.rungs,
        kept_out: copied.kept_out,
        checked_on: CheckedOn::Copy,
        evidence,
        side_files: sides
            .into_iter()
            .filter(|_| !is_export)
            .map(|suffix| (super::restore::side_extension(suffix), beside(&copied.main, suffix)))
            .collect(),
        unreadable: Vec::new(),
        facts,
    })
}

/// The rungs by the names that manifests give them.
const LOCKED: &str = "locked_copy";
const OWNER: &str = "owner_copy";
const HOT: &str = "hot_copy";
/// What is made of a copy where the format asks for it.
const EXPORT: &str = "export";

/// That it was locked, without the place: what is kept with a backup shows no value of a variable.
fn locked(error: &EngineError, waited: &str) -> Rung {
    let (failed, holders) = match error {
        EngineError::Busy { holders, .. } => {
            (format!("locked by {}", super::super::named(holders)), holders.clone())
        }
        other => (other.to_string(), Vec::new()),
    };
    Rung { method: LOCKED.to_owned(), failed: format!("{failed}{waited}"), holders }
}

/// Another way than the lock, and why it did not serve.
fn rung(method: &str, failed: String) -> Rung {
    Rung { method: method.to_owned(), failed, holders: Vec::new() }
}

/// Goes down the rungs until one serves.
fn take(
    path: &Path,
    request: &CaptureRequest<'_>,
    asked: &Examination<'_>,
    watch: &Watch<'_>,
) -> Result<Taken, EngineError> {
    let to = &request.scratch.join("capture.duckdb");
    let mut rungs = Vec::new();
    let taken = |method, copied, rungs: &mut Vec<_>| Taken {
        method,
        copied,
        rungs: std::mem::take(rungs),
        warnings: Vec::new(),
        report: None,
    };
    let mut last = match copy::locked(path, to, watch)? {
        Ok(copied) => return Ok(taken(LOCKED, copied, &mut rungs)),
        Err(busy) => busy,
    };
    let EngineSpec::Duckdb { options, .. } = request.spec else { return Err(last) };
    let mut is_first = true;
    let mut tried = Vec::new();
    for declared in &options.rungs() {
        // A wait is the same rung once more, and stands in the record with how long it lasted.
        if is_first && !matches!(declared, WhenLocked::Wait(_)) {
            rungs.push(locked(&last, ""));
        }
        is_first = false;
        match declared {
            WhenLocked::Wait(length) => match wait(path, to, length.as_std(), watch) {
                // Who was waited for is the reason that the time ran out.
                Err(EngineError::Stopped(stopped @ Stopped::TimedOut)) => {
                    tried.push("it was waited for meanwhile".to_owned());
                    rungs.push(locked(&last, ", until the time ran out"));
                    return Err(kept(last, tried, rungs, options, Some(stopped)));
                }
                Err(error) => return Err(error),
                Ok(Ok(copied)) => return Ok(taken(LOCKED, copied, &mut rungs)),
                Ok(Err(busy)) => {
                    rungs.push(locked(&busy, &format!(", after a wait of {length}")));
                    tried.push(format!("waited for {length}"));
                    last = busy;
                }
            },
            WhenLocked::Owner(command) => {
                let given = match call(request, command, to, watch).and_then(|()| owned(to)) {
                    Ok(copied) => shown(copied, asked, request, watch)?,
                    Err(why) => Err(why),
                };
                match given {
                    Ok((copied, report)) => {
                        return Ok(Taken { report: Some(report), ..taken(OWNER, copied, &mut rungs) });
                    }
                    Err(why) => rungs.push(rung(OWNER, why)),
                }
                watch.check()?;
                Copied::remove(to)?;
            }
            WhenLocked::HotCopy => {
                match hot(path, to, asked, request, watch)? {
                    Ok((copied, report)) => {
                        let warning =
                            "it was copied while its writer held it (hot_copy): checked, not guaranteed";
                        let mut taken = taken(HOT, copied, &mut rungs);
                        taken.warnings.push(warning.to_owned());
                        taken.report = Some(report);
                        return Ok(taken);
                    }
                    Err(why) => rungs.push(rung(HOT, why)),
                }
                Copied::remove(to)?;
            }
        }
    }
    // The lock is what stood in the way at first; what else was tried says why it still does.
    let others = rungs.iter().filter(|rung| rung.method != LOCKED);
    tried.extend(others.map(|rung| format!("{}: {}", rung.method, rung.failed)));
    Err(kept(last, tried, rungs, options, None))
}

/// Words that it is locked, with all that was tried and what to do.
fn kept(
    busy: EngineError,
    tried: Vec<String>,
    rungs: Vec<Rung>,
    options: &DuckdbOptions,
    stopped: Option<Stopped>,
) -> EngineError {
    let EngineError::Busy { path, holders } = busy else { return busy };
    let mend = if options.rungs().contains(&WhenLocked::HotCopy) {
        "close it there, or wait longer with `when_locked`"
    } else {
        "close it there, or say with `when_locked` how long to wait and what else to try, such as `hot_copy`"
    };
    EngineError::Kept(Box::new(Kept { path, holders, tried, rungs, stopped, mend }))
}

/// Tries the locked copy again and again.
fn wait(
    path: &Path,
    to: &Path,
    longest: Duration,
    watch: &Watch<'_>,
) -> Result<Result<Copied, EngineError>, EngineError> {
    let until = Instant::now() + longest;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        watch.pause(left.min(ROUND))?;
        let tried = copy::locked(path, to, watch)?;
        if tried.is_ok() || left.is_zero() {
            return Ok(tried);
        }
    }
}

/// Runs an owner's command that is to write a copy.
fn call(request: &CaptureRequest<'_>, command: &Command, to: &Path, watch: &Watch<'_>) -> Result<(), String> {
    let call = request.caller.prepare(command, Some(to))?;
    exec::run(&call, watch, &|line| request.caller.heard(line)).map_err(|error| error.to_string())
}

/// Looks at what the owner's own command wrote.
fn owned(to: &Path) -> Result<Copied, String> {
    let wanted = |what: &str| format!("its command wrote no copy to {{copy}}: {what}");
    Header::read(to).map_err(|error| match error {
        EngineError::Missing { .. } => wanted("nothing is there"),
        EngineError::Empty { .. } => wanted("an empty file is there"),
        EngineError::Foreign { found, .. } => wanted(&format!("{found} is there")),
        other => other.to_string(),
    })?;
    let users = super::holders(to);
    if users.is_empty() {
        return Ok(Copied::given(to.to_owned()));
    }
    Err(format!("its command ended while {} had the copy open", super::super::named(&users)))
}

/// Copies under the writer's hands, and reads every block of the copy: only one that is whole is one.
fn hot(
    path: &Path,
    to: &Path,
    asked: &Examination<'_>,
    request: &CaptureRequest<'_>,
    watch: &Watch<'_>,
) -> Result<Result<(Copied, Report), String>, EngineError> {
    let copied = match copy::hot(path, to, watch) {
        Ok(copied) => copied,
        Err(EngineError::Library { message, .. }) => return Ok(Err(message)),
        Err(error) => return Err(error),
    };
    shown(copied, asked, request, watch)
}

/// Reads every block of a copy that no lock of ours vouches for.
fn shown(
    copied: Copied,
    asked: &Examination<'_>,
    request: &CaptureRequest<'_>,
    watch: &Watch<'_>,
) -> Result<Result<(Copied, Report), String>, EngineError> {
    let mut order = order(asked, &copied.main, request.scratch)?;
    order.scan = true;
    order.tables = true;
    let report = ask(order, watch)?;
    if report.is_sound() {
        return Ok(Ok((copied, report)));
    }
    let why = report.damage.into_iter().chain(report.unverifiable).next().unwrap_or_default();
    Ok(Err(format!("the copy cannot be shown to be consistent: {why}")))
}

fn format(spec: &EngineSpec) -> DuckdbFormat {
    match spec {
        EngineSpec::Duckdb { options, .. } => options.format.unwrap_or_default(),
        _ => DuckdbFormat::File,
    }
}

fn order(asked: &Examination<'_>, main: &Path, scratch: &Path) -> Result<Order, EngineError> {
    Ok(Order::of(asked, told(main)?, told(&scratch.join("duckdb.tmp"))?))
}

/// Hands the main file on to the pipe.
fn hand_on(copied: &Copied, out: &mut dyn Outlet, watch: &Watch<'_>) -> Result<(), EngineError> {
    let path = &copied.main;
    let mut file = File::open(path).on("open", path)?;
    let total = file.metadata().on("look at", path)?.len();
    stream(&mut file, |bytes| out.write_all(bytes).map_err(EngineError::Out), Some(total), watch).map(drop)
}
