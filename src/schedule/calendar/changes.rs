//! The clock changes of a zone, and the times of a schedule that fall into one.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{OffsetComponents as _, Tz};

use super::Expression;

/// A clock change: the wall times from `from` until before `to` do not exist, or come twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockChange {
    /// What happens to them.
    pub kind: ClockChangeKind,
    /// The first of them.
    pub from: NaiveDateTime,
    /// The first wall time after them.
    pub to: NaiveDateTime,
}

/// What a clock change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockChangeKind {
    /// The clock goes forward: the times do not exist.
    Gap,
    /// The clock goes back: the times come twice.
    Repeat,
}

/// The clock changes of a zone in the ten years from 2026 on, ascending.
///
/// The years are fixed so that the same policy is judged alike on every day; the zones' tables end in rules that
/// repeat every year, so later years are like these.
pub fn clock_changes(zone: Tz) -> Vec<ClockChange> {
    let day = |year| NaiveDate::from_yo_opt(year, 1).unwrap_or_default();
    let offset = |at: DateTime<Utc>| {
        let offset = zone.offset_from_utc_datetime(&at.naive_utc());
        offset.base_utc_offset() + offset.dst_offset()
    };
    let mut changes = Vec::new();
    let last = day(2036).and_time(NaiveTime::MIN).and_utc();
    let mut begin = day(2026).and_time(NaiveTime::MIN).and_utc();
    while begin < last {
        // No zone changes its clock twice in one week.
        let end = begin + Days::new(7);
        let (before, after) = (offset(begin), offset(end));
        if before != after {
            let (mut low, mut high) = (begin, end);
            while high - low > TimeDelta::seconds(1) {
                let middle = low + (high - low) / 2;
                if offset(middle) == before { low = middle } else { high = middle }
            }
            // Bisecting halves nanoseconds too; every change is on a whole second.
            let at = DateTime::from_timestamp(high.timestamp(), 0).unwrap_or(high).naive_utc();
            let (one, other) = (at + before, at + after);
            let kind = if after > before { ClockChangeKind::Gap } else { ClockChangeKind::Repeat };
            changes.push(ClockChange { kind, from: one.min(other), to: one.max(other) });
        }
        begin = end;
    }
    changes
}

impl Expression {
    /// The first wall time of the schedule that a clock change skips or repeats, if the schedule names some hours only.
    ///
    /// A schedule of every hour has no time of its own that could be lost.
    pub fn caught_by(&self, change: &ClockChange) -> Option<NaiveDateTime> {
        let sets = self.sets();
        if sets.hour.is_full() {
            return None;
        }
        let mut at = change.from;
        while at < change.to {
            use chrono::Timelike as _;
            if !sets.hour.contains(at.hour()) {
                // On to the next full hour.
                at += TimeDelta::minutes(i64::from(60 - at.minute()));
            } else if sets.minute.contains(at.minute()) && sets.has_date(at.date()) {
                return Some(at);
            } else {
                at += TimeDelta::minutes(1);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::{Africa, America, Australia, Europe};

    fn shown(zone: Tz) -> Vec<String> {
        let word = |kind| if kind == ClockChangeKind::Gap { "gap" } else { "repeat" };
        clock_changes(zone).iter().take(2).map(|c| format!("{} {} {}", word(c.kind), c.from, c.to)).collect()
    }

    #[test]
    fn the_clock_changes_of_a_zone_are_found_to_the_second() {
        assert_eq!(
            shown(Europe::Berlin),
            ["gap 2026-03-29 02:00:00 2026-03-29 03:00:00", "repeat 2026-10-25 02:00:00 2026-10-25 03:00:00",]
        );
        assert_eq!(
            shown(America::New_York),
            ["gap 2026-03-08 02:00:00 2026-03-08 03:00:00", "repeat 2026-11-01 01:00:00 2026-11-01 02:00:00",]
        );
        assert_eq!(
            shown(Australia::Lord_Howe),
            ["repeat 2026-04-05 01:30:00 2026-04-05 02:00:00", "gap 2026-10-04 02:00:00 2026-10-04 02:30:00",]
        );
        assert_eq!(clock_changes(Europe::Berlin).len(), 20);
        assert_eq!(clock_changes(Tz::UTC), []);
        assert_eq!(clock_changes(America::Sao_Paulo), [], "abolished in 2019");
        assert!(clock_changes(Africa::Casablanca).len() >= 18, "around Ramadan");
    }

    #[test]
    fn a_time_in_a_gap_or_repeat_is_found_and_a_schedule_of_every_hour_has_none() {
        let caught = |text: &str, zone| {
            let expression = Expression::parse(text).unwrap();
            let found = clock_changes(zone).iter().find_map(|change| expression.caught_by(change));
            found.map(|at| at.to_string())
        };
        assert_eq!(caught("0 2 * * *", Europe::Berlin).as_deref(), Some("2026-03-29 02:00:00"));
        assert_eq!(caught("59 2 * * 0", Europe::Berlin).as_deref(), Some("2026-03-29 02:59:00"));
        assert_eq!(caught("30 1 1 * *", America::New_York).as_deref(), Some("2026-11-01 01:30:00"));
        assert_eq!(caught("0 2 * * 1", Europe::Berlin), None, "the clock changes on Sundays");
        assert_eq!(caught("0 3 * * *", Europe::Berlin), None);
        assert_eq!(caught("*/15 * * * *", Europe::Berlin), None);
        assert_eq!(caught("*/15 2 * * *", Europe::Berlin).as_deref(), Some("2026-03-29 02:00:00"));
    }
}
