//! What is declared and not used, and what is not said though it matters.

use super::Lint;
use crate::policy::{
    Span, Spanned,
    nearest::listed,
    problem::{Code, Problem},
    values::Name,
};
use std::collections::BTreeSet;

pub(super) fn lint(lint: &mut Lint<'_>) {
    zone_not_written(lint);
    let policy = lint.policy;
    let stores = policy.stores().values().map(|store| &store.name);
    let used = policy.jobs().values().flat_map(|job| job.stores.iter().map(|store| &store.store)).collect();
    unused(lint, "store", stores, &used);
    let targets = policy.targets().values().map(|target| &target.name);
    let used = policy.jobs().values().flat_map(|job| &job.targets).collect();
    unused(lint, "target", targets, &used);
    options_of_no_target(lint);
    no_retention(lint);
}

/// How targets of an engine are captured, said by a job that has none of it. `defaults` speak for all jobs.
fn options_of_no_target(lint: &mut Lint<'_>) {
    for (name, document) in lint.jobs.clone() {
        let Some(job) = lint.policy.jobs().values().find(|job| job.name.value.as_str() == name) else {
            continue;
        };
        let engines: BTreeSet<&str> = job
            .targets
            .iter()
            .filter_map(|target| Some(lint.policy.targets().get(target)?.engine.keyword()))
            .collect();
        let duckdb = document.duckdb.as_ref().map(|options| ("duckdb", options.span));
        let postgres = document.postgres.as_ref().map(|options| ("postgres", options.span));
        for (engine, span) in
            duckdb.into_iter().chain(postgres).filter(|(engine, _)| !engines.contains(engine))
        {
            let message =
                format!("the job `{name}` has no target that is `{engine}`, and this has no effect");
            let help = format!("remove it, or name a `{engine}` target in the job's `targets`");
            // The first line alone: a drawing that underlines a whole mapping shows nothing.
            let text = &lint.policy.source().text[span.start..span.end];
            let first = Span::new(span.start, span.start + text.lines().next().map_or(0, str::len));
            lint.note(Problem::new(Code::Unused, message, help).label(first, "no effect"));
        }
    }
}

fn unused<'n>(
    lint: &mut Lint<'_>,
    kind: &str,
    names: impl Iterator<Item = &'n Spanned<Name>>,
    used: &BTreeSet<&Name>,
) {
    for name in names.filter(|name| !used.contains(&name.value)) {
        let message = format!("no job uses the {kind} `{}`", name.value);
        let help = format!("name it in a job's `{kind}s`, or remove it");
        lint.note(Problem::new(Code::Unused, message, help).label(name.span, "not used"));
    }
}

/// A schedule that names an hour means another moment in every zone.
fn zone_not_written(lint: &mut Lint<'_>) {
    if lint.document.timezone.is_some() {
        return;
    }
    let schedules = lint.policy.jobs().values().filter_map(|job| job.schedule.as_ref());
    let Some(first) = schedules
        .filter(|schedule| !schedule.value.cron.sets().hour.is_full())
        .min_by_key(|schedule| schedule.span)
    else {
        return;
    };
    let problem = Problem::new(
        Code::ZoneNotWritten,
        "this schedule names an hour, and the policy names no time zone: UTC is meant",
        "add `timezone: Europe/Berlin` (your zone), or `timezone: UTC` if UTC is meant",
    );
    lint.note(problem.label(first.span, "an hour in UTC"));
}

fn no_retention(lint: &mut Lint<'_>) {
    for job in lint.policy.jobs().values() {
        let bare: Vec<&str> = job
            .stores
            .iter()
            .filter(|store| store.retention.is_none())
            .map(|store| store.store.as_str())
            .collect();
        if bare.is_empty() {
            continue;
        }
        let message = format!("the job `{}` removes no backup from {}, ever", job.name.value, listed(bare));
        let help =
            "add `retention: {daily: 7, weekly: 12}`, or accept it: `allow: [policy::retention::none]`";
        lint.note(Problem::new(Code::NoRetention, message, help).label(job.name.span, "has no `retention`"));
    }
}
