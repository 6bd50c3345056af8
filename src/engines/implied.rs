//! What is shown without being declared: the rows of tables that cannot be made again, tables that vanished, tables in
//! no class, and how the size changed.

use super::{
    EngineError, Previous,
    examination::Examination,
    expectation,
    tables::{Classes, Facts, counts_as_irreplaceable},
};
use crate::{
    evidence::{CheckResult, Evidence},
    policy::{
        model::{Expect, OnFail, TableClass},
        values::{Level, Size},
    },
};
use std::collections::BTreeMap;

/// Judges what the tables are, and adds what every level implies.
pub(super) fn judge_tables(
    facts: &Facts,
    asked: &Examination<'_>,
    evidence: &mut Evidence,
) -> Result<(), EngineError> {
    evidence.tables.clone_from(&facts.counted);
    evidence.warnings.extend(
        facts
            .uncounted
            .iter()
            .map(|(table, (_, why))| format!("the rows of `{table}` cannot be counted: {why}")),
    );
    let Some(tables) = asked.tables else { return Ok(()) };
    let classes = Classes::new(tables)?;
    for table in facts.classes().keys().filter(|table| classes.all(table).count() > 1) {
        evidence.warnings.push(format!("table `{table}` falls in more than one class"));
    }
    let present = facts.classes();
    let matching_none = Classes::idle(tables, &present);
    evidence.warnings.extend(
        matching_none.iter().map(|glob| format!("no table matches `{glob}`, said to be irreplaceable")),
    );
    if asked.level >= Level::Checks {
        evidence.checks.extend(row_checks(facts, asked));
        // With no other check either, nothing was shown that `checks` could stand for: this is why.
        if evidence.checks.is_empty() && !matching_none.is_empty() {
            let globs = matching_none.iter().map(|glob| format!("`{glob}`")).collect::<Vec<_>>().join(", ");
            evidence.checks.push(CheckResult {
                name: "irreplaceable tables".to_owned(),
                passed: false,
                expected: expectation::shortened(&format!("a table that matches {globs}")),
                actual: Some(expectation::shortened(&format!("no table matches {globs}"))),
                on_fail: OnFail::Fail,
            });
        }
        if asked.source.is_some_and(|source| source.tables.is_empty()) && !facts.counted.is_empty() {
            evidence.warnings.push("the source's rows were not recorded".to_owned());
        }
    }
    evidence.checks.extend(vanished(facts, &classes, asked));
    let present = facts.classes();
    let unclassed: Vec<_> =
        present.iter().filter(|(_, class)| **class == TableClass::Unclassed).map(|(name, _)| *name).collect();
    if !unclassed.is_empty() {
        let names = unclassed.join(", ");
        match tables.unclassed {
            OnFail::Warn => evidence.warnings.push(format!("in no class: {names}")),
            OnFail::Fail => evidence.checks.push(CheckResult {
                name: "unclassed tables".to_owned(),
                passed: false,
                expected: "every table in a class".to_owned(),
                actual: Some(expectation::shortened(&names)),
                on_fail: OnFail::Fail,
            }),
        }
    }
    Ok(())
}

/// The rows of the tables that cannot be made again, against the source's.
fn row_checks(facts: &Facts, asked: &Examination<'_>) -> Vec<CheckResult> {
    let mut expected: BTreeMap<&str, Option<u64>> = facts
        .classes()
        .into_iter()
        .filter(|(_, class)| counts_as_irreplaceable(*class))
        .map(|(name, _)| (name, facts.counted.get(name).map(|fact| fact.rows)))
        .collect();
    if let Some(source) = asked.source {
        if source.tables.is_empty() {
            return Vec::new();
        }
        let recorded = source.tables.iter().filter(|(_, fact)| counts_as_irreplaceable(fact.class));
        for (name, wanted) in &mut expected {
            *wanted = source.tables.get(*name).map(|fact| fact.rows);
        }
        expected.extend(recorded.map(|(name, fact)| (name.as_str(), Some(fact.rows))));
    }
    let check = |(name, wanted): (&str, Option<u64>)| {
        let actual = facts.counted.get(name).map(|fact| fact.rows);
        CheckResult {
            name: format!("rows of {name}"),
            passed: actual.is_some() && actual == wanted,
            expected: wanted
                .map_or_else(|| "the source's rows, unknown".to_owned(), |rows| format!("= {rows}")),
            actual: actual.map(|rows| rows.to_string()),
            on_fail: OnFail::Fail,
        }
    };
    expected.into_iter().map(check).collect()
}

/// Tables that cannot be made again, which the newest proven backup had and this content lacks. One that the policy has
/// since declared to be reproducible may go: that is the way out for a table that was dropped on purpose.
fn vanished(facts: &Facts, classes: &Classes, asked: &Examination<'_>) -> Vec<CheckResult> {
    let present = facts.classes();
    let before = asked.previous.into_iter().flat_map(|previous| &previous.tables);
    before
        .filter(|(name, fact)| {
            counts_as_irreplaceable(fact.class) && counts_as_irreplaceable(classes.class(name))
        })
        .filter(|(name, _)| !present.contains_key(name.as_str()))
        .map(|(name, _)| CheckResult {
            name: format!("table {name}"),
            passed: false,
            expected: "present".to_owned(),
            actual: Some("absent".to_owned()),
            on_fail: OnFail::Fail,
        })
        .collect()
}

/// Refuses a capture of less than `min_size`.
pub(super) fn guard_size(bytes: u64, expect: &Expect) -> Result<(), EngineError> {
    match &expect.min_size {
        Some(least) if bytes < least.bytes() => Err(EngineError::Unexpected {
            guard: "min_size",
            actual: Size::from_bytes(bytes).to_string(),
            expected: format!("at least {}", least.value),
        }),
        _ => Ok(()),
    }
}

/// Refuses a capture of fewer tables than `min_tables`, whose number is asked for only where that matters.
pub(super) fn guard_tables(
    tables: impl FnOnce() -> Result<usize, EngineError>,
    expect: &Expect,
) -> Result<(), EngineError> {
    let Some(least) = &expect.min_tables else { return Ok(()) };
    let tables = tables()?;
    if tables as u64 >= least.value {
        return Ok(());
    }
    Err(EngineError::Unexpected {
        guard: "min_tables",
        actual: format!("{tables} tables"),
        expected: format!("at least {}", least.value),
    })
}

/// The guards on the source's size against the newest proven backup. `min_size` and `min_tables` refuse a capture; these
/// two let it be published, unproven: what shrank may be the last there is. Only those that fail are recorded, as a
/// guard that holds proves nothing about the content.
pub(super) fn size_guards(bytes: u64, expect: &Expect, previous: Option<&Previous>) -> Vec<CheckResult> {
    let Some(previous) = previous else { return Vec::new() };
    let failed = |name: &str, share: String| CheckResult {
        name: name.to_owned(),
        passed: false,
        expected: format!("{name}: {share} (before: {})", Size::from_bytes(previous.bytes)),
        actual: Some(Size::from_bytes(bytes).to_string()),
        on_fail: OnFail::Fail,
    };
    #[expect(clippy::cast_precision_loss, reason = "a share of a size needs no more than 53 bits")]
    let (before, now) = (previous.bytes as f64, bytes as f64);
    let drop = expect.max_drop.as_ref().filter(|share| share.dropped(before, now));
    let growth = expect.max_growth.as_ref().filter(|share| share.grew(before, now));
    let drop = drop.map(|share| failed("max_drop", share.value.to_string()));
    drop.into_iter().chain(growth.map(|share| failed("max_growth", share.value.to_string()))).collect()
}
