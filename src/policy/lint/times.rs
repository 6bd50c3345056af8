//! Schedules against the clock, against each other, and against what is promised of them.

use super::Lint;
use crate::{
    policy::{
        Spanned,
        model::Job,
        problem::{Code, Problem},
        values::Name,
    },
    schedule::{
        Schedule,
        calendar::{ClockChange, ClockChangeKind, Set, Unit, clock_changes},
    },
};
use chrono::TimeDelta;
use std::collections::BTreeSet;

/// So many pairs of schedules are compared day by day: more only a hostile policy has.
const MOST_COMPARED: usize = 1_000;

pub(super) fn lint(lint: &mut Lint<'_>) {
    let policy = lint.policy;
    let changes = clock_changes(policy.timezone());
    let mut scheduled: Vec<(&Job, &Spanned<Schedule>)> =
        policy.jobs().values().filter_map(|job| Some((job, job.schedule.as_ref()?))).collect();
    scheduled.sort_by_key(|(_, schedule)| schedule.span);
    let targets: Vec<BTreeSet<&Name>> =
        scheduled.iter().map(|(job, _)| job.targets.iter().collect()).collect();
    let mut compared = 0;
    for (n, (job, schedule)) in scheduled.iter().enumerate() {
        clock_change(lint, schedule, &changes);
        let rhythm = schedule.value.cron.rhythm();
        surprising(lint, schedule);
        overlap(lint, job, rhythm.shortest);
        delayed(lint, schedule, rhythm.shortest);
        late(lint, job, rhythm.longest);
        let shared = |other: usize| targets[n].intersection(&targets[other]).next();
        let before = if compared < MOST_COMPARED { 0..n } else { 0..0 };
        let other = before.into_iter().find(|other| {
            let cron = &scheduled[*other].1.value.cron;
            schedule.value.cron.shares_a_minute(cron) && shared(*other).is_some() && {
                compared += 1;
                schedule.value.cron.meets(cron)
            }
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
                    .label(schedule.span, "at the same minute")
                    .label(other_schedule.span, "as this one"),
            );
        }
    }
}

/// A time that the clock skips or repeats is not the time that was meant.
fn clock_change(lint: &mut Lint<'_>, schedule: &Spanned<Schedule>, changes: &[ClockChange]) {
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
        let zone = if said.is_empty() { format!(" in {zone}") } else { String::new() };
        let (day, time) = (at.format("%F"), at.format("%H:%M"));
        said.push(format!("on {day}{zone} {time} comes twice: {}", span_of(change)));
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

/// Times that are read otherwise than they look.
fn surprising(lint: &mut Lint<'_>, schedule: &Spanned<Schedule>) {
    let sets = schedule.value.cron.sets();
    let step = [&sets.minute, &sets.hour].into_iter().find_map(|set| {
        let step: u32 = set.as_written().strip_prefix("*/")?.parse().ok()?;
        (step > set.unit().max()).then_some((set.unit(), step))
    });
    let uneven = [&sets.minute, &sets.hour].into_iter().find_map(|set| {
        let step: u32 = set.as_written().strip_prefix("*/")?.parse().ok()?;
        let round = set.unit().max() + 1;
        (step <= set.unit().max() && step * 2 > round).then_some((set.unit(), step))
    });
    let every_minute = sets.minute.is_full() && !sets.hour.is_full();
    let (message, help) = if let Some((unit, step)) = step {
        (
            format!("a step of {step} leaves one {} in each round: the count begins anew", unit.noun()),
            format!(
                "write the {} that are meant, as in `0,30`; no schedule counts on past its field",
                plural(unit)
            ),
        )
    } else if let Some((unit, step)) = uneven {
        (
            format!(
                "a step of {step} leaves {} 0 and {step} of each round, which are not {step} apart",
                plural(unit)
            ),
            format!("write the {} that are meant, as in `0,30`", plural(unit)),
        )
    } else if every_minute {
        ("this runs every minute of the hours it names".to_owned(), {
            let [_, rest @ ..] = sets.all().map(Set::as_written);
            format!(
                "write the minute too, as in `0 {}`; or accept it: `allow: [{}]`",
                rest.join(" "),
                Code::Surprising
            )
        })
    } else if sets.either_day() {
        (
            format!(
                "this runs on day {} of the month, and on every weekday {} besides: either is enough (crontab(5))",
                sets.day.as_written(),
                sets.weekday.as_written()
            ),
            "write `*` for one of the two day fields; \"the first Monday\" cannot be said in crontab"
                .to_owned(),
        )
    } else {
        return;
    };
    lint.note(Problem::new(Code::Surprising, message, help).label(schedule.span, "not what it looks like"));
}

fn plural(unit: Unit) -> String {
    format!("{}s", unit.noun())
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

/// A start that is delayed by more than the pause comes after the next one.
fn delayed(lint: &mut Lint<'_>, schedule: &Spanned<Schedule>, shortest: TimeDelta) {
    let jitter = schedule.value.jitter;
    if jitter.as_delta() < shortest {
        return;
    }
    let message =
        format!("`jitter: {jitter}` delays a start beyond the next one, {} later", in_words(shortest));
    let help = format!("write a `jitter` shorter than {}", in_words(shortest));
    lint.note(Problem::new(Code::Overlap, message, help).label(schedule.span, "starts"));
}

/// Just before the next backup is there, the newest is as old as the longest pause between two starts, and more.
fn late(lint: &mut Lint<'_>, job: &Job, longest: TimeDelta) {
    // As long as the pause is too short as well: the backup takes time itself.
    let Some(rpo) = job.rpo.filter(|rpo| rpo.as_delta() <= longest) else { return };
    let shared = lint.defaults.rpo.as_ref().map(|rpo| rpo.span);
    let place = lint.place(&job.name, |job| job.rpo.as_ref().map(|rpo| rpo.span), shared);
    let message = format!(
        "an rpo of {rpo} cannot be met: the job `{}` pauses for {}",
        job.name.value,
        in_words(longest)
    );
    let help =
        format!("write {} and time for the backup itself, or start the job more often", in_words(longest));
    let mut problem = Problem::new(Code::RpoNotMet, message, help);
    if let Some(place) = place {
        problem = problem.label(place, "promised");
    }
    if let Some(schedule) = &job.schedule {
        problem = problem.label(schedule.span, "the longest pause is longer");
    }
    lint.note(problem);
}

/// A time span in the language's units: `7d`, `24h`, `13h 15m`, `90m`.
pub(super) fn in_words(span: TimeDelta) -> String {
    let minutes = span.num_minutes();
    let (hours, rest) = (minutes / 60, minutes % 60);
    match (hours, rest) {
        (25.., 0) if hours % 24 == 0 => format!("{}d", hours / 24),
        (1.., 0) => format!("{hours}h"),
        (2.., _) => format!("{hours}h {rest}m"),
        _ => format!("{minutes}m"),
    }
}
