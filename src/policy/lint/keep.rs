//! Retention that does not fit the schedule.

use super::{Lint, times::in_words};
use crate::policy::{
    Span,
    document::RetentionDocument,
    model::Job,
    nearest::listed,
    problem::{Code, Problem},
};
use chrono::TimeDelta;
use std::collections::BTreeSet;

const DAY: i64 = 24 * 60;

/// The calendar's rules, from the finest, with the shortest and the longest time that one of their periods takes, in
/// minutes; an hour more where a clock change may fall into it.
const TIERS: [(&str, i64, i64); 5] = [
    ("hourly", 60, 60),
    ("daily", DAY, DAY + 60),
    ("weekly", 7 * DAY, 7 * DAY + 60),
    ("monthly", 28 * DAY, 31 * DAY + 60),
    ("yearly", 365 * DAY, 366 * DAY),
];

pub(super) fn lint(lint: &mut Lint<'_>) {
    let policy = lint.policy;
    for job in policy.jobs().values() {
        let documents = retentions(lint, job);
        let Some(schedule) = &job.schedule else {
            minutes(lint, &documents);
            continue;
        };
        let rhythm = schedule.value.cron.rhythm();
        let mut seen = BTreeSet::new();
        for document in documents.iter().filter(|document| seen.insert(document.span)) {
            finer(lint, job, document, rhythm.shortest, schedule.span);
        }
        let bare = job.stores.iter().any(|store| store.retention.is_none());
        let loses = documents.iter().all(|document| !keeps_neighbours(document, rhythm.longest));
        if let Some(document) = documents.first().filter(|_| !bare && loses) {
            let stores = listed(job.stores.iter().map(|store| store.store.as_str()));
            let message = format!(
                "the job `{}` runs again after {}, and no rule keeps two backups in a row in {stores}",
                job.name.value,
                in_words(rhythm.shortest)
            );
            let help = format!(
                "keep more with {}, so that the next run does not remove what this one made",
                fitting(rhythm.shortest)
            );
            lint.note(
                Problem::new(Code::LosesRhythm, message, help)
                    .label(rules_of(document), "keeps one of two neighbours")
                    .label(schedule.span, "more often"),
            );
        }
    }
}

/// A rule of minutes is nearly always one of months: only the newest backup is younger.
fn minutes(lint: &mut Lint<'_>, documents: &[&RetentionDocument]) {
    for within in documents.iter().filter_map(|document| document.within.as_ref()) {
        if within.value.as_secs() >= 3_600 {
            continue;
        }
        let message =
            format!("`within: {}` keeps backups of less than an hour: `m` is minutes", within.value);
        let help = "months are written as weeks or days: `26w`, `180d`";
        lint.note(Problem::new(Code::FinerThanSchedule, message, help).label(within.span, "minutes"));
    }
}

/// The retentions of a job as they are written, one for each of its stores.
fn retentions<'a>(lint: &Lint<'a>, job: &Job) -> Vec<&'a RetentionDocument> {
    let document = lint.jobs.get(job.name.value.as_str()).copied();
    let stores = document.and_then(|job| job.stores.as_ref()).or(lint.defaults.stores.as_ref());
    let shared = document.and_then(|job| job.retention.as_ref()).or(lint.defaults.retention.as_ref());
    match stores {
        Some(stores) => {
            stores.iter().filter_map(|store| store.options.retention.as_ref().or(shared)).collect()
        }
        None => shared.into_iter().collect(),
    }
}

/// A rule whose periods are shorter than the pause between two backups counts backups, not periods.
fn finer(lint: &mut Lint<'_>, job: &Job, document: &RetentionDocument, shortest: TimeDelta, schedule: Span) {
    let tiers = [&document.hourly, &document.daily, &document.weekly, &document.monthly, &document.yearly];
    for ((tier, _, longest), count) in TIERS.into_iter().zip(tiers) {
        let Some(count) = count.as_ref().filter(|_| shortest > TimeDelta::minutes(longest)) else { continue };
        let message = format!(
            "`{tier}: {}` is finer than the schedule: the job `{}` pauses for {} at least",
            count.value,
            job.name.value,
            in_words(shortest)
        );
        let help =
            format!("it keeps the last {0} backups, as `last: {0}` says plainly; or remove it", count.value);
        lint.note(
            Problem::new(Code::FinerThanSchedule, message, help)
                .label(count.span, "finer than the schedule")
                .label(schedule, "this schedule"),
        );
    }
    if let Some(within) = document.within.as_ref().filter(|within| within.value.as_delta() < shortest) {
        let message = format!(
            "`within: {}` keeps the newest backup alone: the job `{}` pauses for {} at least",
            within.value,
            job.name.value,
            in_words(shortest)
        );
        let help = format!("write a longer time than {}, or remove it", in_words(shortest));
        lint.note(
            Problem::new(Code::FinerThanSchedule, message, help)
                .label(within.span, "shorter than a pause")
                .label(schedule, "this schedule"),
        );
    }
}

/// Whether some rule keeps two backups that follow each other.
fn keeps_neighbours(document: &RetentionDocument, longest: TimeDelta) -> bool {
    let many = |count: Option<u32>| count.is_some_and(|count| count > 1);
    let tiers = [&document.hourly, &document.daily, &document.weekly, &document.monthly, &document.yearly];
    let in_two_periods = TIERS.into_iter().zip(tiers).any(|((_, shortest, _), count)| {
        many(count.as_ref().map(|count| count.value)) && TimeDelta::minutes(shortest) <= longest
    });
    many(document.last.as_ref().map(|last| last.value))
        || document.within.as_ref().is_some_and(|within| within.value.as_delta() >= longest)
        || in_two_periods
}

/// A rule that fits a pause between backups, and that is not finer than it.
fn fitting(pause: TimeDelta) -> &'static str {
    const WRITTEN: [&str; 5] = ["`hourly: 24`", "`daily: 7`", "`weekly: 12`", "`monthly: 12`", "`yearly: 5`"];
    let minutes = pause.num_minutes();
    let fits = |(_, shortest, longest): &(&str, i64, i64)| *shortest <= minutes && minutes <= *longest;
    match TIERS.iter().position(fits) {
        Some(tier) => WRITTEN[tier],
        None if minutes < 60 => "`last: 96` or `within: 2d`",
        None => "`last: 14`",
    }
}

/// Where a retention stands, without the lines that a long one goes on.
fn rules_of(document: &RetentionDocument) -> Span {
    let first = document.keys.first();
    first.map_or(document.span, |first| Span::new(first.start, first.end))
}
