//! `list` and `show`.

use super::{
    args::{List, Show},
    backups::{self, Copy, Shelf},
    error::CliError,
    output::{self, BOLD, DIM, GOOD, WARNING, paint},
    session::Session,
};
use crate::{
    evidence::{CheckResult, Rung},
    listing::Element,
    plan::rfc3339,
    policy::{Policy, values::Size},
    store::{Manifest, Record, Stored},
};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

/// The policies at hand, unless a place stands in for them.
pub(crate) fn policies_for(session: &Session, store: Option<&str>) -> Result<Vec<Policy>, CliError> {
    if store.is_some_and(backups::is_place) { Ok(Vec::new()) } else { session.policies() }
}

pub(crate) fn list(session: &Session, args: &List) -> Result<u8, CliError> {
    let store = args.place.store.as_deref();
    let policies = policies_for(session, store)?;
    let shelf = backups::collect(session, &policies, store)?;
    let ids = shelf.every(args.selector.as_deref())?;
    shelf.warn_of_differing(&ids);
    let elements: Vec<Element> = shelf
        .copies
        .iter()
        .filter(|copy| ids.contains(&copy.stored.id))
        .map(|copy| shelf.element(copy))
        .collect();
    let selector = args.selector.as_deref().map(backups::parse).transpose()?;
    if session.global.json {
        output::print_json(&elements)?;
    } else if elements.is_empty() {
        // A selector that matches damage alone has no line to show: that it is damaged was told.
        if let (Some(id), Some(_)) = (ids.first(), &selector) {
            return Err(shelf.nothing_of(id));
        }
        shelf.end(None)?;
        // What is damaged or gone was told: there were some.
        if ids.is_empty() {
            output::tell("no backups yet");
        }
        return Ok(0);
    } else {
        print_table(session, &elements)?;
    }
    let end = shelf.end(selector.as_ref());
    // Taking thousands of manifests apart would be a tenth of the time, and they end with the process.
    std::mem::forget(shelf);
    end
}

fn print_table(session: &Session, elements: &[Element]) -> Result<(), CliError> {
    let now = session.host.now();
    let header = ["ID", "STORE", "AGE", "SIZE", "LEVEL", "PROVEN", "KEPT BY"].map(|word| paint(BOLD, word));
    let mut rows = vec![header.to_vec()];
    for element in elements {
        rows.push(vec![
            element.id.clone(),
            element.store.clone(),
            age(now, element.time),
            Size::from_bytes(element.bytes).to_string(),
            element.level.to_string(),
            proof(element),
            element.kept_by.join("; "),
        ]);
    }
    output::print(&output::table(&rows))?;
    if elements.iter().any(|element| element.partial) {
        output::tell(
            "partial: what could not be read of the source is not in it; `policy show BACKUP` names that: make it \
             readable, and run again",
        );
    }
    Ok(())
}

fn proof(element: &Element) -> String {
    match element {
        Element { proven: true, remembered: true, .. } => "yes, as remembered".to_owned(),
        Element { proven: true, .. } => paint(GOOD, "yes"),
        Element { damage: Some(_), .. } => paint(WARNING, "no, damaged"),
        Element { partial: true, .. } => paint(WARNING, "no, partial"),
        _ => paint(WARNING, format!("no, asked {}", element.asked)),
    }
}

/// How long ago a time was, in its largest unit.
pub(crate) fn age(now: DateTime<Utc>, time: DateTime<Utc>) -> String {
    let seconds = (now - time).num_seconds();
    let (sign, seconds) = if seconds < 0 { ("in ", -seconds) } else { ("", seconds) };
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    match units.into_iter().find(|(length, _)| seconds >= 2 * length) {
        Some((length, unit)) => format!("{sign}{}{unit}", seconds / length),
        None => format!("{sign}{seconds}s"),
    }
}

/// What `show --json` prints: a list element with manifest, statistics, copies and records.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Shown<'a> {
    id: String,
    policy: String,
    job: String,
    target: String,
    store: String,
    engine: String,
    method: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rungs: Vec<Rung>,
    kept_out_ms: Option<u64>,
    time: DateTime<Utc>,
    bytes: u64,
    original_bytes: u64,
    level: crate::policy::values::Level,
    asked: crate::policy::values::Level,
    proven: bool,
    partial: bool,
    damage: Option<String>,
    remembered: bool,
    kept_by: Vec<String>,
    /// The manifest as it lies in the store.
    manifest: &'a Manifest,
    /// Figures made from it.
    stats: Stats,
    /// The stores that hold a copy.
    copies: Vec<String>,
    /// What happened to it later.
    records: &'a [Record],
}

/// Figures of one backup.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Stats {
    /// Stored size in hundredths of the original's.
    ratio_percent: u64,
    /// Milliseconds from the start of the capture to the manifest.
    duration_ms: u64,
    /// Original bytes a second.
    bytes_per_second: u64,
    /// Seconds since the run began.
    age_seconds: i64,
}

fn stats(stored: &Stored, now: DateTime<Utc>) -> Stats {
    let manifest = &stored.manifest;
    Stats {
        ratio_percent: manifest.bytes.saturating_mul(100) / manifest.original_bytes.max(1),
        duration_ms: manifest.duration_ms,
        bytes_per_second: manifest.original_bytes.saturating_mul(1_000) / manifest.duration_ms.max(1),
        age_seconds: (now - manifest.time).num_seconds(),
    }
}

pub(crate) fn show(session: &Session, args: &Show) -> Result<u8, CliError> {
    let store = args.place.store.as_deref();
    let policies = policies_for(session, store)?;
    let shelf = backups::collect(session, &policies, store)?;
    let id = shelf.one(&args.backup)?;
    let mut copies = shelf.copies_of(&id);
    // A copy that stands is shown before one that does not.
    copies.sort_by_key(|copy| (!copy.stored.proven(), std::cmp::Reverse(copy.stored.level())));
    let Some(first) = copies.first() else {
        return Err(shelf.nothing_of(&id));
    };
    shelf.warn_of_differing(&BTreeSet::from([id]));
    let element = shelf.element(first);
    let names = copies.iter().map(|copy| shelf.stores[copy.rack].name.clone()).collect();
    let stats = stats(&first.stored, session.host.now());
    if session.global.json {
        return output::print_json(&Shown {
            id: element.id,
            policy: element.policy,
            job: element.job,
            target: element.target,
            store: element.store,
            engine: element.engine,
            method: element.method,
            rungs: element.rungs,
            kept_out_ms: element.kept_out_ms,
            time: element.time,
            bytes: element.bytes,
            original_bytes: element.original_bytes,
            level: element.level,
            asked: element.asked,
            proven: element.proven,
            partial: element.partial,
            damage: element.damage,
            remembered: element.remembered,
            kept_by: element.kept_by,
            manifest: &first.stored.manifest,
            stats,
            copies: names,
            records: &first.stored.records,
        });
    }
    output::print(&describe(&shelf, &element, &copies, &stats, session.host.now()))
}

fn describe(
    shelf: &Shelf<'_>,
    element: &Element,
    copies: &[&Copy],
    stats: &Stats,
    now: DateTime<Utc>,
) -> String {
    let Some(stored) = copies.first().map(|copy| &copy.stored) else { return String::new() };
    let manifest = &stored.manifest;
    let on = manifest.checked_on.map(|on| {
        format!(
            ", content checked on the {}",
            match on {
                crate::evidence::CheckedOn::Snapshot => "snapshot",
                crate::evidence::CheckedOn::Copy => "copy",
            }
        )
    });
    let kept_out = manifest.kept_out_ms.map(|ms| format!(", writers kept out for {ms} ms"));
    let kept_out = kept_out.unwrap_or_default();
    let mut rows = vec![
        row("id", &element.id),
        row("time", &format!("{}, {} ago", rfc3339(element.time), age(now, element.time))),
        row("source", &output::printable(&manifest.source)),
        row("engine", &format!("{}, captured by {}{kept_out}", manifest.engine, manifest.method)),
    ];
    for rung in &manifest.rungs {
        rows.push(row("tried", &output::printable(&format!("{}: {}", rung.method, rung.failed))));
    }
    rows.extend([
        row("level", &format!("{} of {} asked{}", element.level, element.asked, on.unwrap_or_default())),
        row(
            "size",
            &format!(
                "{}, {}% of {}, {}",
                Size::from_bytes(manifest.bytes),
                stats.ratio_percent,
                Size::from_bytes(manifest.original_bytes),
                manifest.compression
            ),
        ),
        row(
            "took",
            &format!("{} ms, {} a second", stats.duration_ms, Size::from_bytes(stats.bytes_per_second)),
        ),
        row("run", &manifest.run),
        row("policy", &format!("digest {}", manifest.policy_digest)),
        row("origin", &manifest.origin),
    ]);
    for copy in copies {
        let copy = shelf.element(copy);
        let kept = if copy.kept_by.is_empty() {
            String::new()
        } else {
            format!("; kept: {}", copy.kept_by.join(", "))
        };
        rows.push(row(
            "copy",
            &format!("in {}: level {}, proven: {}{kept}", copy.store, copy.level, proof(&copy)),
        ));
    }
    for copy in copies {
        if let Some(damage) = &copy.stored.damage {
            let store = &shelf.stores[copy.rack].name;
            rows.push(row("damage", &output::printable(&format!("in {store}: {damage}"))));
        }
    }
    for file in &manifest.files {
        rows.push(row("file", &format!("{}  {} bytes  sha256 {}", file.name, file.bytes, file.sha256)));
    }
    for check in &manifest.checks {
        rows.push(row("check", &check_line(check)));
    }
    for (table, fact) in &manifest.tables {
        let count = counted(fact.rows, unit(manifest));
        rows.push(match unit(manifest) {
            "file" => row("content", &count),
            _ => row("table", &format!("{}  {count}, {}", output::printable(table), fact.class)),
        });
    }
    for failure in &manifest.failures {
        rows.push(row("failure", &output::printable(failure)));
    }
    for warning in &manifest.warnings {
        rows.push(row("warning", &output::printable(warning)));
    }
    if let Some(partial) = partial(manifest) {
        rows.push(row("partial", &format!("{partial}: make it readable, and run again")));
    }
    for name in &manifest.unreadable {
        rows.push(row("unread", &output::printable(name)));
    }
    for record in &stored.records {
        let passed = if record.passed { "passed" } else { "failed" };
        let kind = format!("{:?}", record.kind).to_lowercase();
        let line =
            format!("{kind} {} to level {}: {passed} {}", rfc3339(record.at), record.level, record.message);
        rows.push(row("record", &output::printable(&line)));
    }
    output::table(&rows)
}

/// What a backup's counts are of: a folder's are its files.
pub(crate) fn unit(manifest: &Manifest) -> &'static str {
    if manifest.engine == "directory" { "file" } else { "row" }
}

/// A number of something.
pub(crate) fn counted(count: u64, unit: &str) -> String {
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// What a partial backup lacks; `None` for one that is whole.
pub(crate) fn partial(manifest: &Manifest) -> Option<String> {
    let unread = counted(manifest.unreadable.len() as u64, "member");
    manifest.partial.then(|| format!("{unread} of the source could not be read and stayed out"))
}

fn row(key: &str, value: &str) -> Vec<String> {
    vec![paint(DIM, key), value.to_owned()]
}

/// A check as one line.
pub(crate) fn check_line(check: &CheckResult) -> String {
    let word = if check.passed { paint(GOOD, "ok") } else { paint(WARNING, "failed") };
    let actual = check.actual.as_deref().unwrap_or("no answer");
    output_line(&word, &check.name, &check.expected, actual)
}

fn output_line(word: &str, name: &str, expected: &str, actual: &str) -> String {
    // A check without a name of its own is named after what it expects: once is enough.
    let name = name.strip_suffix(expected).and_then(|name| name.strip_suffix(": ")).unwrap_or(name);
    let [name, expected, actual] = [name, expected, actual].map(output::printable);
    format!("{word}  {name}: expected {expected}, got {actual}")
}
