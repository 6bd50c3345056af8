//! Schedules against the clock, against each other, and against what is promised of them.

use super::Lint;
use crate::{
    policy::{
        model::Job,
        problem::{Code, Problem},
        values::Name,
    },
    schedule::{
        Schedule,
        calendar::{ClockChange, ClockChangeKind, clock_changes},
    },
};
use chrono::TimeDelta;
use std::collections::BTreeSet;

pub(super) fn lint(lint: &mut Lint<'_>) {
    let policy = lint.policy;
    let changes = clock_changes(policy.timezone());
    let mut scheduled: Vec<(&Job, &crate::policy::Spanned<Schedule>)> =
        policy.jobs().values().filter_map(|job| Some((job, job.schedule.as_ref()?))).collect();
    scheduled.sort_by_key(|(_, schedule)| schedule.span);
    let targets: Vec<BTreeSet<&Name>> =
        scheduled.iter().map(|(job, _)| job.targets.iter().collect()).collect();
    for (n, (job, schedule)) in scheduled.iter().enumerate() {
        clock_change(lint, schedule, &changes);
        let rhythm = schedule.value.cron.rhythm();
        overlap(lint, job, rhythm.shortest);
        late(lint, job, rhythm.longest);
        let shared = |other: usize| targets[n].intersection(&targets[other]).next();
        let other = (0..n).find(|other| {
            let cron = &scheduled[*other].1.value.cron;
            schedule.value.cron.shares_a_minute(cron)
                && shared(*other).is_some()
                && schedule.value.cron.meets(cron)
        });
        if let Some(other) = other {
            let target = shared(other);
            let (other, other_schedule) = scheduled[other];
            let message = format!(
                "the jobs `{}` and `{}` read the target `{}` at the same minute",
                other.name.value,
                job.name.value,
                target.map_or("", |target| target.as_str())
            );
            let help = "start one of them later, so that neither slows the other down";
            lint.note(
                Problem::new(Code::SameMinute, message, help)
                    .label(schedule.span, "starts when")
                    .label(other_schedule.span, "this one does"),
            );
        }
    }
}

/// A time that the clock skips or repeats is not the time that was meant.
fn clock_change(lint: &mut Lint<'_>, schedule: &crate::policy::Spanned<Schedule>, changes: &[ClockChange]) {
    let of = |kind| {
        changes
            .iter()
            .filter(|change| change.kind == kind)
            .find_map(|change| Some((change, schedule.value.cron.caught_by(change)?)))
    };
    let (gap, repeat) = (of(ClockChangeKind::Gap), of(ClockChangeKind::Repeat));
    let zone = lint.policy.timezone().name();
    let mut said = Vec::new();
    if let Some((change, at)) = gap {
        said.push(format!(
            "on {} {zone} has no {}: {}",
            at.format("%F"),
            at.format("%H:%M"),
            span_of(change)
        ));
    }
    if let Some((change, at)) = repeat {
        said.push(format!("on {} {} comes twice: {}", at.format("%F"), at.format("%H:%M"), span_of(change)));
    }
    if said.is_empty() {
        return;
    }
    let label = match (gap, repeat) {
        (Some(_), Some(_)) => "skipped once a year, and repeated once",
        (Some(_), None) => "skipped by a clock change",
        _ => "repeated by a clock change",
    };
    let fixed = schedule.value.cron.is_fixed();
    let what = match (fixed, gap.is_some(), repeat.is_some()) {
        (true, true, true) => "it runs right after the gap, and once in the repeat",
        (true, true, false) => "it runs right after the gap",
        (true, false, _) => "it runs in the first pass alone",
        (false, ..) => "it follows the clock, which skips some of its times and repeats others",
    };
    let help = format!(
        "choose an hour that no clock change touches; or accept that {what}: `allow: [{}]`",
        Code::ClockChange
    );
    lint.note(Problem::new(Code::ClockChange, said.join(", and "), help).label(schedule.span, label));
}

fn span_of(change: &ClockChange) -> String {
    let (from, to) = (change.from.format("%H:%M"), change.to.format("%H:%M"));
    match change.kind {
        ClockChangeKind::Gap => format!("the clock goes from {from} to {to}"),
        ClockChangeKind::Repeat => format!("the clock goes back from {to} to {from}"),
    }
}

/// An attempt may run until its timeout, and then the next start finds the lock held.
fn overlap(lint: &mut Lint<'_>, job: &Job, shortest: TimeDelta) {
    let Some(timeout) = job.timeout.filter(|timeout| timeout.as_delta() > shortest) else { return };
    let shared = lint.defaults.timeout.as_ref().map(|timeout| timeout.span);
    let place = lint.place(&job.name, |job| job.timeout.as_ref().map(|timeout| timeout.span), shared);
    let message = format!(
        "the job `{}` may run for {timeout}, and its next start is {} later",
        job.name.value,
        in_words(shortest)
    );
    let help = format!("write a `timeout` of at most {}, or start it less often", in_words(shortest));
    let mut problem = Problem::new(Code::Overlap, message, help);
    if let Some(place) = place {
        problem = problem.label(place, "longer than the pause between two starts");
    }
    if let Some(schedule) = &job.schedule {
        problem = problem.label(schedule.span, "starts");
    }
    lint.note(problem);
}

/// Just before the next backup is there, the newest is as old as the longest pause between two starts, and more.
fn late(lint: &mut Lint<'_>, job: &Job, longest: TimeDelta) {
    let Some(rpo) = job.rpo.filter(|rpo| rpo.as_delta() <= longest) else { return };
    let shared = lint.defaults.rpo.as_ref().map(|rpo| rpo.span);
    let place = lint.place(&job.name, |job| job.rpo.as_ref().map(|rpo| rpo.span), shared);
    let message = format!(
        "an rpo of {rpo} cannot be met: the job `{}` pauses for {}",
        job.name.value,
        in_words(longest)
    );
    let help = format!(
        "write more than {}, with time for the backup itself, or start the job more often",
        in_words(longest)
    );
    let mut problem = Problem::new(Code::RpoNotMet, message, help);
    if let Some(place) = place {
        problem = problem.label(place, "promised");
    }
    if let Some(schedule) = &job.schedule {
        problem = problem.label(schedule.span, "the longest pause is longer");
    }
    lint.note(problem);
}

/// A time span in the language's units, the largest that fits: `24h`, `90m`, `7d`.
pub(super) fn in_words(span: TimeDelta) -> String {
    let minutes = span.num_minutes();
    match (minutes % (24 * 60), minutes % 60) {
        (0, _) if minutes > 24 * 60 => format!("{}d", minutes / (24 * 60)),
        (_, 0) => format!("{}h", minutes / 60),
        _ => format!("{minutes}m"),
    }
}
