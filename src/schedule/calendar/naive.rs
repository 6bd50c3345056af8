//! Wall times without a zone, from the `cron` crate.
//!
//! The crate (0.17) is asked only what it answers rightly. Its text is Quartz's, so it gets lists of numbers with Sunday
//! as 1, never the text of a policy. It requires both day fields, so "either" is two schedules merged. It skips what falls
//! into a gap and goes backwards in a fold (zslayton/cron#145), so it sees naive times dressed as UTC, which has neither.
//! It knows the years 1970 to 2100; beyond them there are no slots.

use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::sets::Sets;

/// The slots of an expression as wall times; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Engine {
    /// Two where either day field is enough; their union counts.
    schedules: Arc<[cron::Schedule]>,
}

impl Engine {
    pub(super) fn new(sets: &Sets) -> Result<Self, String> {
        let weekdays: Vec<_> = sets.weekday.numbers().map(|day| (day + 1).to_string()).collect();
        let weekdays = if sets.weekday.is_full() { "*".to_owned() } else { weekdays.join(",") };
        let [minutes, hours, days, months] = [&sets.minute, &sets.hour, &sets.day, &sets.month]
            .map(|set| if set.is_full() { "*".to_owned() } else { set.list() });
        let pairs = if sets.either_day() {
            vec![(days.as_str(), "*"), ("*", weekdays.as_str())]
        } else {
            vec![(days.as_str(), weekdays.as_str())]
        };
        let schedule = |(days, weekdays)| {
            format!("0 {minutes} {hours} {days} {months} {weekdays}").parse::<cron::Schedule>()
        };
        let schedules = pairs.into_iter().map(schedule).collect::<Result<Vec<_>, _>>();
        schedules.map(|schedules| Self { schedules: schedules.into() }).map_err(|error| error.to_string())
    }

    /// The slots later than a wall time, ascending.
    pub(super) fn after(&self, wall: NaiveDateTime) -> Slots<'_> {
        let one = |schedule: &'_ cron::Schedule| schedule.after(&wall.and_utc()).next();
        Slots { heads: self.schedules.iter().map(|schedule| (schedule, one(schedule))).collect() }
    }

    /// The slots at or before a wall time, descending.
    pub(super) fn back_from(&self, wall: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> + '_ {
        let mut before = (wall + TimeDelta::seconds(1)).and_utc();
        std::iter::from_fn(move || {
            let newest = |schedule: &cron::Schedule| schedule.after(&before).next_back();
            before = self.schedules.iter().filter_map(newest).max()?;
            Some(before.naive_utc())
        })
    }
}

/// Ascending slots, with a look at the next.
#[derive(Debug)]
pub(super) struct Slots<'a> {
    heads: Vec<(&'a cron::Schedule, Option<DateTime<Utc>>)>,
}

impl Slots<'_> {
    /// The slot that `next` will return.
    pub(super) fn peek(&self) -> Option<NaiveDateTime> {
        self.heads.iter().filter_map(|(_, head)| *head).min().map(|head| head.naive_utc())
    }
}

impl Iterator for Slots<'_> {
    type Item = NaiveDateTime;

    fn next(&mut self) -> Option<NaiveDateTime> {
        let slot = self.peek()?;
        for (schedule, head) in &mut self.heads {
            if let Some(at) = head.filter(|at| at.naive_utc() == slot) {
                *head = schedule.after(&at).next();
            }
        }
        Some(slot)
    }
}
