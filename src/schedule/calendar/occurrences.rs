//! The instants at which a job fires, and what a clock change did to them.

use std::{collections::VecDeque, fmt};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    Expression, naive,
    zone::{Instants, fold_at, wall},
};

/// One fire of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fire {
    /// When it happens.
    pub utc: DateTime<Utc>,
    /// The wall time in the schedule's zone that asked for it; of several, the newest. It differs from the wall time of
    /// `utc` where that time does not exist.
    pub nominal: NaiveDateTime,
    /// What a clock change did to it.
    pub note: Option<Note>,
}

/// What a clock change did to a fire; its text is for `policy next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The clock goes forward over the time: it runs at the first instant after.
    GapMoved,
    /// So many times, at least one of them skipped by the clock, run as one.
    GapMerged {
        /// How many times it stands for.
        slots: usize,
    },
    /// The time comes twice, and the job has fixed times: this is the first pass, and the only run.
    FoldOnce,
    /// The time comes twice, and the job follows the clock: the first of two.
    FoldFirstPass,
    /// The time comes twice, and the job follows the clock: the second of two.
    FoldSecondPass,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GapMoved => f.write_str("the clock skips this time: runs right after"),
            Self::GapMerged { slots } => write!(f, "the clock skips forward: {slots} times run as one"),
            Self::FoldOnce => f.write_str("the clock repeats this time: runs in the first pass only"),
            Self::FoldFirstPass => f.write_str("the clock repeats this time: first pass"),
            Self::FoldSecondPass => f.write_str("the clock repeats this time: second pass"),
        }
    }
}

impl Expression {
    /// The fires later than an instant, strictly ascending; they end with the year 2100.
    pub fn fires_after(&self, after: DateTime<Utc>, zone: Tz) -> impl Iterator<Item = Fire> + '_ {
        let mut fires = self.fires(after, zone);
        std::iter::from_fn(move || if self.is_fixed() { fires.next_fixed() } else { fires.next_real() })
            .skip_while(move |fire| fire.utc <= after)
    }

    /// The newest fire at or before an instant; `None` before the first one of 1970.
    pub fn last_at_or_before(&self, now: DateTime<Utc>, zone: Tz) -> Option<Fire> {
        // Within a repeated hour the newest fire may be a first pass of a time that is still to come again, so an earlier
        // one is looked for and the way back to `now` goes forward.
        let wall = wall(now, zone);
        let start = wall - fold_at(wall, zone);
        let some = self.naive.back_from(start).find_map(|slot| match Instants::of(slot, zone) {
            Instants::Never(_) if !self.is_fixed() => None,
            instants => Some(instants.first()).filter(|at| *at <= now),
        })?;
        self.fires_after(some - TimeDelta::seconds(1), zone).take_while(|fire| fire.utc <= now).last()
    }

    fn fires(&self, after: DateTime<Utc>, zone: Tz) -> Fires<'_> {
        // A second pass to come belongs to a wall time that has already been: it is at most the fold's length back.
        let wall = wall(after, zone);
        let start = wall - fold_at(wall, zone);
        Fires { slots: self.naive.after(start), zone, second_passes: VecDeque::new() }
    }
}

/// The way from slots to fires, ascending.
struct Fires<'a> {
    slots: naive::Slots<'a>,
    zone: Tz,
    /// Fires of the second pass of a repeated hour, waiting for the first pass to end.
    second_passes: VecDeque<Fire>,
}

impl Fires<'_> {
    /// The next fire of a job with fixed times: once per slot, and once for all slots of one gap.
    fn next_fixed(&mut self) -> Option<Fire> {
        let nominal = self.slots.next()?;
        let instants = Instants::of(nominal, self.zone);
        let note = match instants {
            Instants::Once(_) => None,
            Instants::Twice(..) => Some(Note::FoldOnce),
            Instants::Never(_) => Some(Note::GapMoved),
        };
        let mut fire = Fire { utc: instants.first(), nominal, note };
        let mut slots = 1;
        while note == Some(Note::GapMoved)
            && let Some(next) = self.slots.peek()
            && Instants::of(next, self.zone).first() == fire.utc
        {
            slots += 1;
            fire = Fire { nominal: next, note: Some(Note::GapMerged { slots }), ..fire };
            self.slots.next();
        }
        Some(fire)
    }

    /// The next fire of a job that follows the clock: every real instant whose wall time matches.
    fn next_real(&mut self) -> Option<Fire> {
        while let Some(nominal) = self.slots.peek() {
            match Instants::of(nominal, self.zone) {
                Instants::Never(_) => {}
                Instants::Once(_) if !self.second_passes.is_empty() => break,
                Instants::Once(utc) => {
                    self.slots.next();
                    return Some(Fire { utc, nominal, note: None });
                }
                Instants::Twice(first, _)
                    if self.second_passes.front().is_some_and(|fire| fire.utc < first) =>
                {
                    break;
                }
                Instants::Twice(first, second) => {
                    self.slots.next();
                    let fire = |utc, note| Fire { utc, nominal, note: Some(note) };
                    self.second_passes.push_back(fire(second, Note::FoldSecondPass));
                    return Some(fire(first, Note::FoldFirstPass));
                }
            }
            self.slots.next();
        }
        self.second_passes.pop_front()
    }
}
