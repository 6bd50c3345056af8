//! Calendar periods of a zone, pure.

use chrono::{DateTime, Datelike, NaiveDate, Offset, Timelike, Utc};
use chrono_tz::Tz;
use std::fmt;

/// The kinds of calendar periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// An hour by the wall clock. An hour that the clock shows twice is two.
    Hour,
    /// A day, of 23 to 25 hours.
    Day,
    /// A week of ISO 8601, from Monday.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Unit {
    /// The rule's key in the language.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        }
    }
}

/// One calendar period; it shows itself as `2026-01-05T07+01:00`, `2026-01-05`, `2026-W02`, `2026-01` or `2026`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// An hour: its day, its number, and how many seconds its clock is ahead of UTC.
    Hour(NaiveDate, u32, i32),
    /// A day.
    Day(NaiveDate),
    /// An ISO week: the year it is counted in, which may not be that of all its days, and its number.
    Week(i32, u32),
    /// A year and a month.
    Month(i32, u32),
    /// A year.
    Year(i32),
}

impl Period {
    /// The period of a zone's calendar that a moment falls in.
    pub fn of(unit: Unit, time: DateTime<Utc>, zone: Tz) -> Self {
        let local = time.with_timezone(&zone);
        let date = local.date_naive();
        match unit {
            // The offset tells the two hours apart that a clock set back shows alike.
            Unit::Hour => Self::Hour(date, local.hour(), local.offset().fix().local_minus_utc()),
            Unit::Day => Self::Day(date),
            Unit::Week => Self::Week(date.iso_week().year(), date.iso_week().week()),
            Unit::Month => Self::Month(date.year(), date.month()),
            Unit::Year => Self::Year(date.year()),
        }
    }

    /// Its kind.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Hour(..) => Unit::Hour,
            Self::Day(_) => Unit::Day,
            Self::Week(..) => Unit::Week,
            Self::Month(..) => Unit::Month,
            Self::Year(_) => Unit::Year,
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Hour(date, hour, ahead_secs) => {
                let sign = if ahead_secs < 0 { '-' } else { '+' };
                let minutes = ahead_secs.unsigned_abs() / 60;
                write!(f, "{date}T{hour:02}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Self::Day(date) => write!(f, "{date}"),
            Self::Week(year, week) => write!(f, "{year:04}-W{week:02}"),
            Self::Month(year, month) => write!(f, "{year:04}-{month:02}"),
            Self::Year(year) => write!(f, "{year:04}"),
        }
    }
}
