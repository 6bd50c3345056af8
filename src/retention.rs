//! Which backups stay: a pure function with reasons.
//!
//! Decided for one series in one store by itself, so that no two lines of backups can fill each other's rules. Of the
//! candidates only the *eligible* ones are counted: complete, of this origin, and not dated in the future. Whatever the
//! rules say,
//! - the newest proven backup stays, and everything newer than it: the next restore needs the one, and the others may
//!   hold the last state of a source that has broken since;
//! - without any proven backup everything stays;
//! - backups of other origins and of the future stay: nobody here knows what they are for.
//!
//! A partial backup fills no rule, so it keeps no complete one from its place. Older than the newest proven one it stays
//! only while it is within `within`: a proven backup holds what was to be saved, and later.

mod period;
#[cfg(test)]
mod tests;

pub use period::{Period, Unit};

use crate::{
    policy::{model::Retention, values::Duration},
    store::{Stamp, Stored},
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use std::{cmp::Reverse, fmt};

/// One backup of a series, as far as retention looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// When its run started, and its name within the series.
    pub stamp: Stamp,
    /// Whether it is complete and its latest verification passed the level asked of it.
    pub proven: bool,
    /// Whether members of its source are missing in it.
    pub partial: bool,
    /// Whether it was made of this origin, or of one that was adopted.
    pub own: bool,
}

impl Candidate {
    /// Looks at a stored backup; `own` says whether its origin is this one or was adopted.
    pub fn of(stored: &Stored, own: bool) -> Self {
        Self { stamp: stored.id.stamp, proven: stored.proven(), partial: stored.manifest.partial, own }
    }
}

/// Whether one backup stays, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The backup's stamp.
    pub stamp: Stamp,
    /// Whether it stays.
    pub keep: bool,
    /// Why: at least one, in the order of [`Reason`].
    pub reasons: Vec<Reason>,
}

/// Why a backup stays or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is dated in the future.
    Future,
    /// Another origin made it.
    OtherOrigin,
    /// No retention is set.
    NotSet,
    /// It is one of the newest proven ones.
    Last {
        /// Which of them, the newest being 1.
        nth: u32,
        /// How many the rule keeps.
        of: u32,
    },
    /// It stands for a calendar period.
    Period {
        /// The period.
        period: Period,
        /// Which of the periods that have a backup, the newest being 1.
        nth: u32,
        /// How many the rule keeps.
        of: u32,
    },
    /// It is younger than this, counted back from the newest proven one.
    Within(Duration),
    /// It is the newest proven one.
    NewestProven,
    /// It is newer than the newest proven one, and not proven itself.
    NewerUnproven,
    /// No backup of the series is proven.
    NothingProven,
    /// No rule keeps it.
    NoRule,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Future => f.write_str("dated in the future"),
            Self::OtherOrigin => f.write_str("another origin: kept until adopted"),
            Self::NotSet => f.write_str("retention not set"),
            Self::Last { nth, of } => write!(f, "last {nth} of {of}"),
            Self::Period { period, nth, of } => {
                write!(f, "{} {nth} of {of} ({period})", period.unit().keyword())
            }
            Self::Within(length) => write!(f, "within {length} of the newest proven"),
            Self::NewestProven => f.write_str("newest proven"),
            Self::NewerUnproven => f.write_str("newer than the newest proven, unproven"),
            Self::NothingProven => f.write_str("nothing is proven: nothing is pruned"),
            Self::NoRule => f.write_str("no rule keeps it"),
        }
    }
}

impl serde::Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Decides about all backups of one series in one store, newest first. `zone` is that of the calendar periods; `now` is
/// the only clock.
pub fn decide(
    candidates: &[Candidate],
    rule: Option<&Retention>,
    zone: Tz,
    now: DateTime<Utc>,
) -> Vec<Verdict> {
    let mut sorted = candidates.to_vec();
    sorted.sort_by_key(|candidate| Reverse(candidate.stamp));
    let mut reasons: Vec<Vec<Reason>> = vec![Vec::new(); sorted.len()];

    let set_apart = |candidate: &Candidate| {
        if candidate.stamp.time() > now {
            Some(Reason::Future)
        } else if candidate.own {
            // A rule that says nothing is none: `{}` is an error of the language, and must not prune here either.
            rule.is_none_or(|rule| *rule == Retention::default()).then_some(Reason::NotSet)
        } else {
            Some(Reason::OtherOrigin)
        }
    };
    let mut own = Vec::with_capacity(sorted.len());
    for (at, candidate) in sorted.iter().enumerate() {
        match set_apart(candidate) {
            Some(reason) => reasons[at].push(reason),
            None => own.push(at),
        }
    }

    if let Some(rule) = rule {
        let proven: Vec<usize> = own.iter().copied().filter(|at| is_proven(&sorted[*at])).collect();
        keep_last(rule, &proven, &mut reasons);
        let complete: Vec<usize> = own.iter().copied().filter(|at| !sorted[*at].partial).collect();
        keep_periods(rule, zone, &sorted, &complete, &mut reasons);
        match proven.first() {
            Some(newest) => {
                keep_within(rule, sorted[*newest].stamp, &sorted, &own, &mut reasons);
                reasons[*newest].push(Reason::NewestProven);
                // Newest first: what stands before it is newer.
                for at in own.iter().take_while(|at| *at < newest) {
                    reasons[*at].push(Reason::NewerUnproven);
                }
            }
            None => own.iter().for_each(|at| reasons[*at].push(Reason::NothingProven)),
        }
    }

    let verdict = |(candidate, mut reasons): (Candidate, Vec<Reason>)| {
        let keep = !reasons.is_empty();
        if !keep {
            reasons.push(Reason::NoRule);
        }
        Verdict { stamp: candidate.stamp, keep, reasons }
    };
    sorted.into_iter().zip(reasons).map(verdict).collect()
}

/// A partial backup is never proven, whatever was claimed of it.
fn is_proven(candidate: &Candidate) -> bool {
    candidate.proven && !candidate.partial
}

/// `last`: the newest N proven ones.
fn keep_last(rule: &Retention, proven: &[usize], reasons: &mut [Vec<Reason>]) {
    let of = rule.last.unwrap_or(0);
    for (nth, at) in (1..=of).zip(proven) {
        reasons[*at].push(Reason::Last { nth, of });
    }
}

/// `hourly` to `yearly`: of each of the newest N periods that have a complete backup the newest proven one, or the
/// newest when none is proven.
fn keep_periods(
    rule: &Retention,
    zone: Tz,
    sorted: &[Candidate],
    complete: &[usize],
    reasons: &mut [Vec<Reason>],
) {
    let rules = [
        (Unit::Hour, rule.hourly),
        (Unit::Day, rule.daily),
        (Unit::Week, rule.weekly),
        (Unit::Month, rule.monthly),
        (Unit::Year, rule.yearly),
    ];
    for (unit, of) in rules {
        let Some(of) = of.filter(|of| *of > 0) else { continue };
        let period_of = |at: &usize| Period::of(unit, sorted[*at].stamp.time(), zone);
        // Times in order fall into periods in order, so that each period is one run of neighbours. (The last clock set
        // back over a midnight it had shown already was Newfoundland's, in 2011.)
        let periods = complete.chunk_by(|a, b| period_of(a) == period_of(b));
        for (nth, members) in (1..=of).zip(periods) {
            let keeper = members.iter().find(|at| is_proven(&sorted[**at])).or(members.first());
            if let Some(keeper) = keeper {
                reasons[*keeper].push(Reason::Period { period: period_of(keeper), nth, of });
            }
        }
    }
}

/// `within`: all that are younger, counted back from the newest proven one; an age that is just as long is not younger.
fn keep_within(
    rule: &Retention,
    newest: Stamp,
    sorted: &[Candidate],
    own: &[usize],
    reasons: &mut [Vec<Reason>],
) {
    let Some(length) = rule.within else { return };
    for at in own {
        if newest.time() - sorted[*at].stamp.time() < length.as_delta() {
            reasons[*at].push(Reason::Within(length));
        }
    }
}
