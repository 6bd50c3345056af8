//! The guard behind `--due`: whether a job has a slot that nobody has taken, decided from schedule, clock and claims.
//!
//! An entry may fire for a slot twice, early, late, or in minutes that are in no schedule. Whatever it does, a slot runs once:
//! the newest one, while it is not too late for it, unless it was claimed or a newer one was. A slot of which the run was
//! killed is due once more.

use super::{CatchUp, Schedule};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// How late a slot without catch-up may be run, beyond its jitter: schedulers are late, and hosts are slow to wake up.
const GRACE: TimeDelta = TimeDelta::minutes(5);
/// How far a claim may have been made ahead of the clock before the clock counts as set back since.
const SKEW: TimeDelta = TimeDelta::minutes(1);
/// How often a slot is run whose run was killed.
const MOST_TRIES: u32 = 2;

/// That a slot was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The slot: the instant at which the schedule asks for a run.
    pub slot: DateTime<Utc>,
    /// When it was taken, by the real clock.
    pub at: DateTime<Utc>,
    /// How often.
    pub tries: u32,
    /// What became of it.
    pub state: ClaimState,
    /// Of a claim that is void: what voided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voided: Option<Voided>,
}

/// When a claim was voided, by the clock at hand and by the time since the host's start, which nobody sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voided {
    /// When.
    pub moment: Moment,
    /// What had become of the claim.
    pub was: ClaimState,
}

/// A moment by the clock, and by the time since the host's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The clock.
    pub at: DateTime<Utc>,
    /// Which start of the host; `None` where the system does not tell.
    pub boot: Option<String>,
    /// Seconds since then, those of sleep included.
    pub up_secs: i64,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClaimState {
    /// Its run has recorded no outcome: it is under way, or was killed.
    Open,
    /// Its run has ended, well or not.
    Ended,
    /// It was made by a clock that was ahead, so that its slot is still to come: neither it nor a backup made for it counts.
    Void,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// This slot is to be run.
    Now {
        /// The slot.
        slot: DateTime<Utc>,
        /// How often it will have been tried then.
        tries: u32,
    },
    /// The newest slot was taken.
    Taken(Claim),
    /// It is too late for the newest slot.
    TooLate {
        /// The slot.
        slot: DateTime<Utc>,
        /// When its time was over.
        until: DateTime<Utc>,
    },
    /// The schedule has had no slot yet.
    NoneYet,
}

/// Decides what is due.
///
/// `claims` are those of the job, in any order. Those later than now do not count, as another clock made them. `now` is the
/// calendar's time.
pub fn due(schedule: &Schedule, zone: Tz, now: DateTime<Utc>, claims: &[Claim]) -> Due {
    let Some(fire) = schedule.cron.last_at_or_before(now, zone) else { return Due::NoneYet };
    let slot = fire.utc;
    let newest = claims
        .iter()
        .filter(|claim| claim.state != ClaimState::Void && claim.slot <= now && claim.slot >= slot)
        .max_by_key(|claim| claim.slot);
    if let Some(claim) = newest {
        let is_killed = claim.state == ClaimState::Open && claim.tries < MOST_TRIES;
        // Of another schedule, which had a slot since: that one was run or is done with.
        if claim.slot > slot || !is_killed {
            return Due::Taken(claim.clone());
        }
    }
    let tries = newest.map_or(0, |claim| claim.tries) + 1;
    match window(schedule) {
        Some(window) if now - slot > window => Due::TooLate { slot, until: slot + window },
        _ => Due::Now { slot, tries },
    }
}

/// How long after a slot it may be run; `None`: until the next.
fn window(schedule: &Schedule) -> Option<TimeDelta> {
    match schedule.catch_up {
        CatchUp::UntilNext => None,
        CatchUp::Never => Some(schedule.jitter.as_delta() + GRACE),
        // A shorter one would be over before the scheduler has started anything.
        CatchUp::Within(window) => Some((schedule.jitter.as_delta() + GRACE).max(window.as_delta())),
    }
}

/// Brings claims in accord with the clock: voids those that one which was ahead has made, and gives back their state to those
/// that one which was behind has voided. Returns the slots that were voided, and whether anything was changed.
pub fn settle(claims: &mut [Claim], now: &Moment) -> (Vec<DateTime<Utc>>, bool) {
    let (mut voided, mut is_changed) = (Vec::new(), false);
    for claim in claims {
        let is_ahead = claim.at > now.at + SKEW;
        match &mut claim.voided {
            Some(by) if was_behind(claim.at, &by.moment, now) => {
                claim.state = by.was;
                claim.voided = None;
            }
            // The host was started anew, and its clock is behind again, or the other one was ahead: nobody knows yet.
            Some(by) if is_ahead && by.moment.boot != now.boot => by.moment = now.clone(),
            None if is_ahead && claim.state != ClaimState::Void => {
                claim.voided = Some(Voided { moment: now.clone(), was: claim.state });
                claim.state = ClaimState::Void;
                voided.push(claim.slot);
            }
            _ => continue,
        }
        is_changed = true;
    }
    (voided, is_changed)
}

/// Whether the clock that voided a claim was behind: it has been set forward since, to a time at which the claim is one of the
/// past. Across a start of the host nobody can tell, and the claim stays void: one run too many, and none lost. (A virtual
/// machine that is paused counts no time, so that its clock looks as if it had been set.)
fn was_behind(claimed: DateTime<Utc>, then: &Moment, now: &Moment) -> bool {
    let set_forward = (now.at - then.at) - TimeDelta::seconds(now.up_secs - then.up_secs);
    then.boot.is_some() && then.boot == now.boot && set_forward > SKEW && claimed <= now.at + SKEW
}

/// The delay of a slot: the same for every trigger of it, and spread over the hosts.
pub fn jitter(longest: TimeDelta, host: &str, job: &str, slot: DateTime<Utc>) -> TimeDelta {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(format!("{host}\0{job}\0{}", slot.timestamp()));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    let milliseconds = u64::try_from(longest.num_milliseconds()).unwrap_or(0);
    let share = (u128::from(u64::from_be_bytes(first)) * u128::from(milliseconds)) >> 64;
    TimeDelta::milliseconds(i64::try_from(share).unwrap_or(0))
}

#[cfg(test)]
mod tests;
