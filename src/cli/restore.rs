//! `restore`: shows first, asks, then brings data back.
#![expect(clippy::disallowed_methods, reason = "looks at the places that are restored to")]

use super::{
    args::Restore,
    backups::{self, Copy, Shelf},
    error::CliError,
    list,
    output::{self, BOLD, DIM, WARNING, paint},
    session::Session,
    signals, verify,
};
use crate::{
    catalog::{Catalog, HistoryEntry},
    engines::Engine,
    evidence::CheckResult,
    observe::World,
    plan::rfc3339,
    policy::{
        Policy,
        model::Target,
        values::{Level, Size},
    },
    restore::{self, Order, RestoreError},
    store::{
        BackupId, Record, RecordKind, Stamp, Store as _,
        lock::{self, Mode},
    },
    watch::Watch,
};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

/// One restored target, as `restore --json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Restored {
    /// The target's name.
    target: String,
    /// The backup's id.
    backup: String,
    /// The place it was restored to.
    to: String,
    /// Seconds it took.
    seconds: f64,
    /// The level it was shown to have at its place.
    level: Level,
    /// Whether it was restored.
    passed: bool,
    /// The checks.
    checks: Vec<CheckResult>,
    /// Where what was there is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_aside: Option<String>,
}

/// A target that was chosen, with everything that restoring it needs.
struct Choice<'a> {
    copy: &'a Copy,
    target: Target,
    engine: Box<dyn Engine>,
    to: PathBuf,
    aside: PathBuf,
    is_live: bool,
    level: Level,
}

pub(crate) fn restore(session: &Session, args: &Restore) -> Result<u8, CliError> {
    let policies = policies(session, args)?;
    if let Some(name) = &args.undo {
        return undo(session, args, &policies, name);
    }
    if args.to.is_some() && args.targets.len() != 1 {
        return Err(CliError::invalid("`--to` takes one target"));
    }
    let shelf = backups::collect(session, &policies, args.place.store.as_deref())?;
    let ids = choose(session, args, &shelf)?;
    let mut choices = Vec::new();
    for id in &ids {
        choices.push(prepare_choice(session, args, &policies, &shelf, id)?);
    }
    let policy_name = ids.first().map(|id| id.series.policy.clone()).unwrap_or_default();
    show(session, &shelf, &choices);
    let racks: Vec<_> = choices.iter().map(|choice| &shelf.stores[choice.copy.rack]).collect();
    let openers: Vec<_> = choices
        .iter()
        .zip(&racks)
        .map(|(choice, rack)| move |file: &str| rack.store.open(&choice.copy.stored.id, file))
        .collect();
    let orders: Vec<Order<'_>> = choices
        .iter()
        .zip(&openers)
        .map(|(choice, open)| Order {
            target: &choice.target,
            engine: &*choice.engine,
            stored: &choice.copy.stored,
            open,
            to: &choice.to,
            aside: choice.aside.clone(),
            level: choice.level,
        })
        .collect();
    if args.dry_run {
        return dry_run(session, &orders);
    }
    for choice in &choices {
        confirm(args, choice)?;
    }
    execute(session, &shelf, &policy_name, &choices, &orders)
}

/// A place that stands in for a policy needs none; one that is at hand still tells where targets lie.
fn policies(session: &Session, args: &Restore) -> Result<Vec<Policy>, CliError> {
    let is_place = args.place.store.as_deref().is_some_and(backups::is_place);
    if is_place && args.to.is_some() && session.global.policy.is_empty() {
        return Ok(Vec::new());
    }
    session.policies()
}

/// Which backups: each selector exactly one; several targets come from one run.
fn choose(session: &Session, args: &Restore, shelf: &Shelf<'_>) -> Result<Vec<BackupId>, CliError> {
    if let Some(job) = &args.job {
        return whole_run(session, args, shelf, job);
    }
    if args.targets.len() == 1
        || args.targets.iter().all(|text| text.contains('@') || BackupId::parse(text).is_some())
    {
        let mut ids = Vec::new();
        for text in &args.targets {
            ids.push(match args.at {
                Some(at) => not_later(shelf, text, at)?,
                None => shelf.one(text)?,
            });
        }
        let stamps: std::collections::BTreeSet<Stamp> = ids.iter().map(|id| id.stamp).collect();
        if stamps.len() > 1 {
            let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
            return Err(CliError::invalid(format!("{} come from different runs", ids.join(" and ")))
                .help("restore them one by one, or name backups of one run"));
        }
        return Ok(ids);
    }
    common_run(session, args, shelf)
}

/// The newest proven backup of a selector's target that is not later than a time.
fn not_later(shelf: &Shelf<'_>, text: &str, at: chrono::DateTime<chrono::Utc>) -> Result<BackupId, CliError> {
    if text.contains('@') {
        return Err(CliError::invalid("`--at` and `@WHEN` say the same thing twice"));
    }
    let newest = shelf.one(text)?;
    let entries = shelf.known();
    let fitting = entries
        .iter()
        .filter(|entry| entry.id.series == newest.series && entry.proven && entry.id.stamp.time() <= at)
        .map(|entry| &entry.id)
        .max();
    fitting.cloned().ok_or_else(|| {
        CliError::unknown(format!("{} has no proven backup from {} or before", newest.series, rfc3339(at)))
    })
}

/// The newest run that holds a proven backup of every target named.
fn common_run(session: &Session, args: &Restore, shelf: &Shelf<'_>) -> Result<Vec<BackupId>, CliError> {
    let mut series = Vec::new();
    for text in &args.targets {
        series.push(shelf.one(text)?.series);
    }
    let latest = args.at.unwrap_or(session.host.now());
    let entries = shelf.known();
    let has = |stamp: Stamp, series: &crate::store::Series| {
        entries.iter().any(|entry| entry.proven && entry.id == series.backup(stamp))
    };
    let stamps = entries.iter().map(|entry| entry.id.stamp).filter(|stamp| stamp.time() <= latest);
    let newest = stamps.filter(|stamp| series.iter().all(|series| has(*stamp, series))).max();
    let stamp = newest.ok_or_else(|| {
        CliError::unknown(format!("no run holds proven backups of {}", args.targets.join(" and ")))
            .help("restore them one by one")
    })?;
    Ok(series.iter().map(|series| series.backup(stamp)).collect())
}

fn whole_run(
    session: &Session,
    args: &Restore,
    shelf: &Shelf<'_>,
    job: &str,
) -> Result<Vec<BackupId>, CliError> {
    let (job, when) = job.split_once('@').map_or((job, None), |(job, when)| (job, Some(when)));
    let (policy, job) = job.split_once('/').map_or((None, job), |(policy, job)| (Some(policy), job));
    let latest = args.at.unwrap_or(session.host.now());
    let mut runs: BTreeMap<(String, Stamp), Vec<(BackupId, bool)>> = BTreeMap::new();
    for entry in shelf.known() {
        let series = &entry.id.series;
        let is_of = series.job == job && policy.is_none_or(|policy| policy == series.policy);
        let fits = when.is_none_or(|when| when == "latest" || entry.id.stamp.to_string().starts_with(when));
        if is_of && fits && entry.id.stamp.time() <= latest {
            runs.entry((series.policy.clone(), entry.id.stamp)).or_default().push((entry.id, entry.proven));
        }
    }
    let names: std::collections::BTreeSet<_> = runs.keys().map(|(policy, _)| policy.clone()).collect();
    if names.len() > 1 {
        let names: Vec<_> = names.into_iter().map(|name| format!("{name}/{job}")).collect();
        return Err(CliError::ambiguous(format!("several policies have a job `{job}`"))
            .help(format!("write {}", names.join(" or "))));
    }
    let newest = runs
        .into_iter()
        .filter(|(_, found)| found.iter().all(|(_, proven)| *proven))
        .max_by_key(|((_, stamp), _)| *stamp);
    let (_, found) = newest.ok_or_else(|| {
        CliError::unknown(format!("job `{job}` has no run whose backups are all proven"))
            .help("name the targets one by one: `policy list` shows what there is")
    })?;
    Ok(found.into_iter().map(|(id, _)| id).collect())
}

fn prepare_choice<'a>(
    session: &Session,
    args: &Restore,
    policies: &[Policy],
    shelf: &'a Shelf<'_>,
    id: &BackupId,
) -> Result<Choice<'a>, CliError> {
    let copies = shelf.copies_of(id);
    let best = copies.iter().filter(|copy| !copy.remembered).max_by_key(|copy| {
        // The first store in order among those with a proven copy.
        (copy.stored.proven(), std::cmp::Reverse(copy.rack))
    });
    let copy =
        *best.ok_or_else(|| CliError::unknown(format!("`{id}` lies in no store that can be reached")))?;
    let rack = &shelf.stores[copy.rack];
    let target = backups::target_of(rack, &copy.stored).ok_or_else(|| {
        CliError::failed(format!("`{id}`: the policy it was made by is not in the store"))
            .help("README.txt in the store tells how to get it back with stock tools")
    })?;
    let (to, is_live) = match &args.to {
        Some(to) => (crate::policy::paths::normalized(&session.host.working_folder.join(to)), false),
        None => (live_place(session, policies, id)?, true),
    };
    let engine = backups::engine_at(&target, &to).map_err(|error| CliError::failed(error.to_string()))?;
    let stamp = Stamp::first(session.host.now()).to_string();
    let aside = restore::aside_name(&to, &stamp);
    // What was proven once must be shown again; what never was is restored to what it was, with a warning.
    let level =
        if copy.stored.proven() { copy.stored.manifest.level.min(Level::Checks) } else { Level::Checksum };
    Ok(Choice { copy, target, engine, to, aside, is_live, level })
}

fn live_place(session: &Session, policies: &[Policy], id: &BackupId) -> Result<PathBuf, CliError> {
    let help = "name a place with `--to PLACE`";
    let policy =
        policies.iter().find(|policy| policy.name() == id.series.policy.as_str()).ok_or_else(|| {
            CliError::invalid(format!("no policy at hand is `{}`", id.series.policy)).help(help)
        })?;
    let world = World::observe(&session.host, policy).map_err(|problems| {
        session.tell_problems(&problems, Some(policy.source()));
        CliError::told(2, "the policy cannot be used here")
    })?;
    match world.sources.get(id.series.target.as_str()) {
        Some(Ok(source)) => Ok(source.path.clone()),
        Some(Err(why)) => Err(CliError::invalid(format!("target `{}`: {why}", id.series.target)).help(help)),
        None => Err(CliError::unknown(format!("the policy has no target `{}`", id.series.target)).help(help)),
    }
}

/// Everything a person should know before saying yes.
fn show(session: &Session, shelf: &Shelf<'_>, choices: &[Choice<'_>]) {
    if session.global.quiet {
        return;
    }
    let now = session.host.now();
    for choice in choices {
        let stored = &choice.copy.stored;
        let element = shelf.element(choice.copy);
        output::tell(&paint(
            BOLD,
            format!("restore {} to {}", choice.target.name.value, choice.to.display()),
        ));
        let proof = if element.proven { "proven" } else { "NOT PROVEN" };
        output::tell(&format!(
            "  backup   {}, {} old, {proof} to level {}, from store {}",
            element.id,
            list::age(now, element.time),
            element.level,
            element.store
        ));
        for failure in &stored.manifest.failures {
            output::tell(&format!("  {} {}", paint(WARNING, "failure"), output::printable(failure)));
        }
        for entry in
            shelf.known().iter().filter(|entry| entry.id.series == stored.id.series && entry.id > stored.id)
        {
            let why = if entry.id.stamp.time() > now {
                "dated in the future"
            } else if entry.proven {
                "not the one asked for"
            } else {
                "not proven"
            };
            output::tell(&format!("  passed over  {}: {why}", entry.id));
        }
        for holder in choice.engine.holders(&choice.to) {
            output::tell(&format!(
                "  {} process {} ({}) has it open",
                paint(WARNING, "in use"),
                holder.pid,
                output::printable(&holder.name)
            ));
        }
        output::tell(&format!("  size     {}", Size::from_bytes(stored.manifest.original_bytes)));
        if fs::symlink_metadata(&choice.to).is_ok() {
            output::tell(&format!("  keeps    what is there as {}", choice.aside.display()));
            losses(choice);
        } else {
            output::tell(&paint(DIM, "  nothing is there now"));
        }
    }
}

/// What the live target has and the backup has not, per table or in all.
fn losses(choice: &Choice<'_>) {
    let live = match choice.engine.survey(&choice.to, choice.target.tables.as_ref()) {
        Ok(live) => live,
        Err(error) => {
            output::tell(&format!("  live     cannot be compared: {error}"));
            return;
        }
    };
    let backup = &choice.copy.stored.manifest.tables;
    let mut rows = Vec::new();
    for (table, fact) in &live {
        let kept = backup.get(table).map(|fact| fact.rows);
        if kept != Some(fact.rows) {
            let kept = kept.map_or_else(|| "unknown".to_owned(), |rows| rows.to_string());
            rows.push(vec![
                format!("  {}", fact.class),
                output::printable(table),
                format!("live {}", fact.rows),
                format!("backup {kept}"),
            ]);
        }
    }
    if rows.is_empty() {
        output::tell("  live     has the same counts as the backup");
    } else {
        output::tell("  live     differs from the backup in:");
        output::tell(output::table(&rows).trim_end());
    }
}

fn dry_run(session: &Session, orders: &[Order<'_>]) -> Result<u8, CliError> {
    let steps = restore::steps(orders);
    if session.global.json {
        return output::print_json(&steps);
    }
    let rows: Vec<_> = steps
        .iter()
        .map(|step| {
            vec![format!("{:>4}", step.n), step.kind.to_owned(), step.target.clone(), step.summary.clone()]
        })
        .collect();
    output::print(&output::table(&rows))?;
    output::tell("nothing was changed");
    Ok(0)
}

/// Over something that is there, the target's name is asked for, or `--yes`.
fn confirm(args: &Restore, choice: &Choice<'_>) -> Result<(), CliError> {
    let is_there = fs::symlink_metadata(&choice.to).is_ok();
    if args.yes || !is_there {
        return Ok(());
    }
    let name = choice.target.name.to_string();
    let refused = |why: &str| {
        Err(CliError::refused(format!("{} is there: {why}", choice.to.display()))
            .help("with `--yes` it is set aside and replaced"))
    };
    if !choice.is_live {
        return refused("`--to` something that exists needs `--yes`");
    }
    if !std::io::stdin().is_terminal() {
        return refused("nobody can be asked here");
    }
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "Type the target's name, {name}, to replace it: ").and_then(|()| err.flush());
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && answer.trim() == name { Ok(()) } else { refused("its name was not given") }
}

fn execute(
    session: &Session,
    shelf: &Shelf<'_>,
    policy: &str,
    choices: &[Choice<'_>],
    orders: &[Order<'_>],
) -> Result<u8, CliError> {
    let cancel = signals::watch()?;
    let watch = Watch::new(&cancel, None, &|_| ());
    let mut locks = Vec::new();
    let mut place_locks = Vec::new();
    for choice in choices {
        locks.push(verify::lock(&shelf.stores[choice.copy.rack], &choice.copy.stored)?);
        place_locks.push(lock_place(session, &choice.to)?);
    }
    let history = begin_history(session, policy, choices);
    let outcome = prepare_and_commit(session, orders, &watch);
    let failed = outcome.as_ref().err().map(|error| error.message.clone());
    end_history(session, history.as_deref(), failed.as_deref());
    let restored = outcome?;
    for (choice, result) in choices.iter().zip(&restored) {
        record(session, shelf, choice, result);
    }
    if session.global.json {
        output::print_json(&restored)?;
    } else {
        for one in &restored {
            let kept = one
                .set_aside
                .as_ref()
                .map(|aside| format!("; what was there is {aside}"))
                .unwrap_or_default();
            output::print(&format!(
                "restored {} to {} in {:.1} s, shown to level {}{kept}\n",
                one.backup, one.to, one.seconds, one.level
            ))?;
        }
    }
    for (choice, result) in choices.iter().zip(&restored) {
        if let Some(rto) = choice.target.rto.filter(|rto| result.seconds > rto.as_std().as_secs_f64()) {
            let took = result.seconds;
            output::tell(&format!(
                "{} it took {took:.1} s, longer than its rto of {rto}",
                paint(WARNING, "warning:")
            ));
        }
    }
    drop((locks, place_locks));
    Ok(0)
}

fn prepare_and_commit(
    session: &Session,
    orders: &[Order<'_>],
    watch: &Watch<'_>,
) -> Result<Vec<Restored>, CliError> {
    let mut prepared = Vec::new();
    for order in orders {
        if session.global.verbose {
            output::tell(&format!("restoring {} beside {}", order.stored.id, order.to.display()));
        }
        prepared.push(restore::prepare(order, watch).map_err(|error| restore_error(order, error))?);
    }
    let shown: Vec<_> = prepared.iter().map(|ready| (ready.level, ready.checks.clone())).collect();
    let done = restore::commit(orders, prepared, watch).map_err(swap_error)?;
    let restored = orders.iter().zip(shown).zip(done).map(|((order, (level, checks)), done)| Restored {
        target: order.target.name.to_string(),
        backup: order.stored.id.to_string(),
        to: order.to.display().to_string(),
        seconds: (done.seconds * 1_000.0).round() / 1_000.0,
        level,
        passed: true,
        checks,
        set_aside: done.swapped.aside.map(|aside| aside.display().to_string()),
    });
    Ok(restored.collect())
}

fn restore_error(order: &Order<'_>, error: RestoreError) -> CliError {
    let untouched = format!("{} was not touched", order.to.display());
    match error {
        RestoreError::Stored(why) => CliError::unproven(format!("{}: {why}; {untouched}", order.stored.id))
            .help("choose another copy with `--store`, or an earlier backup: `policy list`"),
        RestoreError::Unproven { .. } => {
            CliError::unproven(format!("{}: {error}; {untouched}", order.stored.id))
                .help("choose an earlier backup: `policy list`")
        }
        RestoreError::Engine(crate::engines::EngineError::Stopped(_)) => CliError::interrupted(),
        other => CliError::failed(format!("{other}; {untouched}")),
    }
}

fn swap_error(error: RestoreError) -> CliError {
    let RestoreError::Swap { source, stuck, .. } = &error else {
        return CliError::failed(error.to_string());
    };
    if let crate::engines::EngineError::Stopped(_) = source {
        return CliError::interrupted();
    }
    let is_refused =
        matches!(source, crate::engines::EngineError::Refused(_) | crate::engines::EngineError::Busy { .. });
    let mut message = error.to_string();
    for (place, aside) in stuck {
        message.push_str(&format!(
            "; {} could not be put back: its old content is {}",
            place.display(),
            aside.display()
        ));
    }
    if is_refused {
        CliError::refused(message).help("stop what has it open, then restore again")
    } else {
        CliError::failed(message)
    }
}

/// Two restores of one place exclude each other, whatever policy or store they come from.
fn lock_place(session: &Session, to: &Path) -> Result<lock::Lock, CliError> {
    let folder = session.host.state_folder("locks")?;
    let name = hex::encode(&Sha256::digest(to.as_os_str().as_encoded_bytes())[..16]);
    lock::lock(&folder.join(name), Mode::Exclusive, &lock::HolderNote::own()).map_err(|error| match error {
        lock::LockError::Held(holder) => {
            CliError::locked(format!("{} is being restored: {holder}", to.display()))
        }
        lock::LockError::Fault(fault) => fault.into(),
    })
}

/// The history is told before and after; that it cannot be written keeps nobody from his data.
fn begin_history(session: &Session, policy: &str, choices: &[Choice<'_>]) -> Option<String> {
    let catalog = Catalog::open(&session.host.state).ok()?;
    let details: Vec<_> = choices
        .iter()
        .map(|choice| serde_json::json!({"backup": choice.copy.stored.id.to_string(), "to": choice.to.display().to_string()}))
        .collect();
    let digest =
        choices.first().map(|choice| choice.copy.stored.manifest.policy_digest.clone()).unwrap_or_default();
    let now = session.host.now();
    (1..1_000).find_map(|n| {
        let stamp = Stamp::first(now);
        let suffix = if n > 1 { format!("-{n}") } else { String::new() };
        let entry = HistoryEntry {
            run: format!("{policy}/restore/{stamp}{suffix}"),
            policy: policy.to_owned(),
            digest: digest.clone(),
            kind: "restore".to_owned(),
            started: session.host.real_now(),
            finished: None,
            outcome: "open".to_owned(),
            details: serde_json::json!({ "restores": details }),
        };
        matches!(catalog.begin(&entry), Ok(true)).then_some(entry.run)
    })
}

fn end_history(session: &Session, run: Option<&str>, failed: Option<&str>) {
    let Some(run) = run else { return };
    let Ok(catalog) = Catalog::open(&session.host.state) else { return };
    let outcome = if failed.is_some() { "failed" } else { "done" };
    let details = serde_json::json!({ "error": failed });
    if let Err(error) = catalog.finish(run, session.host.real_now(), outcome, &details) {
        output::tell(&format!("{} {error}", paint(WARNING, "warning:")));
    }
}

fn record(session: &Session, shelf: &Shelf<'_>, choice: &Choice<'_>, result: &Restored) {
    let record = Record {
        kind: RecordKind::Restore,
        id: result.backup.clone(),
        at: session.host.real_now(),
        passed: result.passed,
        asked: choice.level,
        level: result.level,
        checks: result.checks.clone(),
        message: String::new(),
    };
    let rack = &shelf.stores[choice.copy.rack];
    if let Err(error) = rack.store.record(&choice.copy.stored.id.series, &record) {
        output::tell(&format!("{} the restore could not be recorded: {error}", paint(WARNING, "warning:")));
    }
}

/// Puts the newest set-aside copy back and sets aside what it replaces.
fn undo(session: &Session, args: &Restore, policies: &[Policy], name: &str) -> Result<u8, CliError> {
    let found: Vec<(&Policy, &Target)> = policies
        .iter()
        .filter_map(|policy| Some((policy, policy.targets().get(name.rsplit('/').next()?)?)))
        .filter(|(policy, _)| !name.contains('/') || name.starts_with(&format!("{}/", policy.name())))
        .collect();
    let (policy, target) = match found.as_slice() {
        [one] => *one,
        [] => return Err(CliError::unknown(format!("there is no target `{name}`"))),
        _ => {
            return Err(CliError::ambiguous(format!("several policies have a target `{name}`"))
                .help("write POLICY/TARGET"));
        }
    };
    let world = World::observe(&session.host, policy).map_err(|problems| {
        session.tell_problems(&problems, Some(policy.source()));
        CliError::told(2, "the policy cannot be used here")
    })?;
    let source = match world.sources.get(target.name.as_str()) {
        Some(Ok(source)) => source,
        _ => return Err(CliError::invalid(format!("the place of `{name}` is unknown here"))),
    };
    let live = &source.path;
    let Some(old) = restore::newest_aside(live)? else {
        return Err(CliError::unknown(format!("nothing was set aside of {}", live.display())));
    };
    let aside = restore::aside_name(live, &Stamp::first(session.host.now()).to_string());
    output::tell(&format!("puts back {} as {}", old.display(), live.display()));
    if fs::symlink_metadata(live).is_ok() {
        output::tell(&format!("keeps what is there as {}", aside.display()));
        if !args.yes && !args.dry_run {
            if !std::io::stdin().is_terminal() {
                return Err(CliError::refused(format!(
                    "{} is there: nobody can be asked here",
                    live.display()
                ))
                .help("with `--yes` it is set aside and replaced"));
            }
            let mut answer = String::new();
            output::tell(&format!("Type the target's name, {}, to replace it:", target.name.value));
            let read = std::io::stdin().lock().read_line(&mut answer);
            if read.is_err() || answer.trim() != target.name.as_str() {
                return Err(CliError::refused("its name was not given"));
            }
        }
    }
    if args.dry_run {
        output::tell("nothing was changed");
        return Ok(0);
    }
    let cancel = signals::watch()?;
    let watch = Watch::new(&cancel, None, &|_| ());
    let _lock = lock_place(session, live)?;
    let begun = std::time::Instant::now();
    let swapped = source
        .engine
        .swap(&old, live, &aside, &watch)
        .map_err(|source| swap_error(RestoreError::Swap { to: live.clone(), source, stuck: Vec::new() }))?;
    let result = Restored {
        target: target.name.to_string(),
        backup: String::new(),
        to: live.display().to_string(),
        seconds: (begun.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0,
        level: Level::None,
        passed: true,
        checks: Vec::new(),
        set_aside: swapped.aside.map(|aside| aside.display().to_string()),
    };
    if session.global.json {
        return output::print_json(&[result]);
    }
    output::print(&format!("put back {}\n", live.display()))
}
