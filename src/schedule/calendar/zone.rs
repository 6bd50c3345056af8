//! From wall time to instants: what a zone's clock changes make of a slot.

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc, offset::MappedLocalTime};
use chrono_tz::{GapInfo, Tz};

/// The instants of a wall time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instants {
    /// The usual case.
    Once(DateTime<Utc>),
    /// The clock goes back over it: two passes.
    Twice(DateTime<Utc>, DateTime<Utc>),
    /// The clock goes forward over it: it does not exist, and this is the first instant after.
    Never(DateTime<Utc>),
}

impl Instants {
    /// Maps a wall time.
    pub(super) fn of(wall: NaiveDateTime, zone: Tz) -> Self {
        match zone.from_local_datetime(&wall) {
            MappedLocalTime::Single(at) => Self::Once(at.to_utc()),
            MappedLocalTime::Ambiguous(first, second) => Self::Twice(first.to_utc(), second.to_utc()),
            MappedLocalTime::None => {
                let after = GapInfo::new(&wall, &zone).and_then(|gap| gap.end);
                // Every gap in the zone's table has an end; without one the time is read as UTC.
                Self::Never(after.map_or_else(|| wall.and_utc(), |at| at.to_utc()))
            }
        }
    }

    /// The first instant that stands for the wall time.
    pub(super) const fn first(self) -> DateTime<Utc> {
        match self {
            Self::Once(at) | Self::Twice(at, _) | Self::Never(at) => at,
        }
    }
}

/// The wall time of an instant in whole seconds, kept within the years that have slots.
pub(super) fn wall(at: DateTime<Utc>, zone: Tz) -> NaiveDateTime {
    let wall = bounded(at).with_timezone(&zone).naive_local();
    wall.with_nanosecond(0).unwrap_or(wall)
}

/// The instant, or the nearest one around which the calendar can count without overflow.
pub(super) fn bounded(at: DateTime<Utc>) -> DateTime<Utc> {
    // 1969-01-01 and 2102-01-01: a year beyond the first and the last slot.
    const FIRST: i64 = -31_536_000;
    const LAST: i64 = 4_165_516_800;
    let clamp = |seconds| DateTime::from_timestamp(seconds, 0);
    match at.timestamp() {
        ..FIRST => clamp(FIRST).unwrap_or(at),
        LAST.. => clamp(LAST).unwrap_or(at),
        _ => at,
    }
}

/// How far the clock goes back over this wall time; zero where it does not.
pub(super) fn fold_at(wall: NaiveDateTime, zone: Tz) -> TimeDelta {
    match Instants::of(wall, zone) {
        Instants::Twice(first, second) => second - first,
        Instants::Once(_) | Instants::Never(_) => TimeDelta::zero(),
    }
}
