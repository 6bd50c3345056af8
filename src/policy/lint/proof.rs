//! Irreplaceable data that less is shown of than could be.

use super::{Lint, glob::covers};
use crate::policy::{
    Span,
    model::{Check, Query, Target},
    nearest::{listed, nearest},
    problem::{Code, Problem},
    values::Level,
};

pub(super) fn lint(lint: &mut Lint<'_>) {
    below_checks(lint);
    unchecked_tables(lint);
    near_tables(lint);
}

/// A level below `checks` leaves out what was declared for the data that cannot be made again.
fn below_checks(lint: &mut Lint<'_>) {
    let policy = lint.policy;
    for job in policy.jobs().values() {
        let Some(level) = job.verify.as_ref().filter(|level| level.value < Level::Checks) else { continue };
        let precious =
            |target: &&Target| target.tables.as_ref().is_some_and(|tables| !tables.irreplaceable.is_empty());
        let targets: Vec<&Target> =
            job.targets.iter().filter_map(|name| policy.targets().get(name)).filter(precious).collect();
        let Some(first) = targets.first() else { continue };
        let message = format!(
            "the job `{}` proves {} to `{}` only, whose tables are irreplaceable",
            job.name.value,
            listed(targets.iter().map(|target| target.name.value.as_str())),
            level.value
        );
        let help =
            "write `verify: checks`, or remove `verify`: each target is then proven as far as it can be";
        let mut problem = Problem::new(Code::BelowChecks, message, help).label(level.span, "no check runs");
        if let Some(glob) = first.tables.as_ref().and_then(|tables| tables.irreplaceable.first()) {
            problem = problem.label(glob.span, "irreplaceable");
        }
        lint.note(problem);
    }
}

/// At most so many tables are pointed at.
const MOST_LABELS: usize = 4;

fn unchecked_tables(lint: &mut Lint<'_>) {
    for target in lint.policy.targets().values() {
        let Some(tables) = &target.tables else { continue };
        let asked: Vec<String> = target.checks.iter().flat_map(names).collect();
        let unchecked: Vec<(&str, Span)> = tables
            .irreplaceable
            .iter()
            .filter(|glob| !asked.iter().any(|name| is_of(&glob.value, name)))
            .map(|glob| (glob.value.as_str(), glob.span))
            .collect();
        let Some((table, _)) = unchecked.first() else { continue };
        let message = match unchecked.len() {
            1 => format!("no check looks at the irreplaceable table `{table}`"),
            n => format!("no check looks at {n} irreplaceable tables of `{}`", target.name.value),
        };
        let help = "add a check, as in `checks: [{rows: TABLE, expect: {max_drop: 0%}}]`; row counts alone are compared \
                    with the source in any case";
        let mut problem = Problem::new(Code::NoCheck, message, help);
        for (_, span) in unchecked.iter().take(MOST_LABELS) {
            problem = problem.label(*span, "no check");
        }
        lint.note(problem);
    }
}

/// A table that is in no class, and nearly one that is: the check would fail every night.
fn near_tables(lint: &mut Lint<'_>) {
    for target in lint.policy.targets().values() {
        let Some(tables) = &target.tables else { continue };
        let globs = || tables.globs();
        for check in &target.checks {
            let Query::Rows(table) = &check.query else { continue };
            if globs().any(|glob| is_of(&glob.value, table)) {
                continue;
            }
            let literal = globs().filter(|glob| !glob.value.contains(['*', '?', '[', '{']));
            let Some(near) = nearest(table, literal.map(|glob| glob.value.as_str())) else { continue };
            let message = format!("no class has a table `{table}`; is `{near}` meant?");
            let help = format!("write `{near}`, or put `{table}` in a class of `tables`");
            let mut problem = Problem::new(Code::NearTable, message, help)
                .label(check.query_span, format!("did you mean `{near}`?"));
            if let Some(declared) = globs().find(|glob| glob.value == near) {
                problem = problem.label(declared.span, "declared here");
            }
            lint.note(problem);
        }
    }
}

/// Whether a name belongs to what a glob stands for.
fn is_of(glob: &str, name: &str) -> bool {
    if !glob.contains(['*', '?', '[', '{']) {
        return glob.eq_ignore_ascii_case(name);
    }
    if !glob.contains(['[', '{']) {
        return covers(&glob.to_ascii_lowercase(), &name.to_ascii_lowercase());
    }
    let glob = globset::GlobBuilder::new(glob).case_insensitive(true).build();
    glob.is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

/// The words of a check that may be names of tables.
fn names(check: &Check) -> Vec<String> {
    match &check.query {
        Query::Rows(table) => vec![table.clone()],
        Query::Sql(sql) => {
            let outside = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$'));
            sql.split(outside).filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect()
        }
    }
}
