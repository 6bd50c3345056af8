//! The numbers a field names, and the rule by which two day fields make a day.

use chrono::{Datelike, NaiveDate};

/// What a field counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Minute of the hour, 0 to 59.
    Minute,
    /// Hour of the day, 0 to 23.
    Hour,
    /// Day of the month, 1 to 31.
    Day,
    /// Month of the year, 1 to 12.
    Month,
    /// Day of the week, 0 to 6 from Sunday.
    Weekday,
}

impl Unit {
    /// Every unit, in the order of the fields.
    pub const ALL: [Self; 5] = [Self::Minute, Self::Hour, Self::Day, Self::Month, Self::Weekday];

    /// Smallest number.
    pub const fn min(self) -> u32 {
        match self {
            Self::Minute | Self::Hour | Self::Weekday => 0,
            Self::Day | Self::Month => 1,
        }
    }

    /// Largest number in a set.
    pub const fn max(self) -> u32 {
        match self {
            Self::Minute => 59,
            Self::Hour => 23,
            Self::Day => 31,
            Self::Month => 12,
            Self::Weekday => 6,
        }
    }

    /// Largest number in a text: 7 is Sunday too.
    pub(super) const fn max_written(self) -> u32 {
        if matches!(self, Self::Weekday) { 7 } else { self.max() }
    }

    /// The field's name in a sentence.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day of the month",
            Self::Month => "month",
            Self::Weekday => "weekday",
        }
    }

    /// The full names of the numbers from the smallest on; a text uses their first three letters.
    pub(super) const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Minute | Self::Hour | Self::Day => &[],
            Self::Month => &[
                "january",
                "february",
                "march",
                "april",
                "may",
                "june",
                "july",
                "august",
                "september",
                "october",
                "november",
                "december",
            ],
            Self::Weekday => &["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"],
        }
    }
}

/// The numbers one field names, and how it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    unit: Unit,
    /// Bit n stands for number n.
    bits: u64,
    written: String,
}

impl Set {
    pub(super) fn new(unit: Unit, bits: u64, written: &str) -> Self {
        Self { unit, bits, written: written.to_owned() }
    }

    /// What the field counts.
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// The set as bits: bit n stands for number n, Sunday is bit 0.
    pub const fn bits(&self) -> u64 {
        self.bits
    }

    /// The field's text.
    pub fn as_written(&self) -> &str {
        &self.written
    }

    /// Whether the text begins with `*`, which is what crontab(5) asks of day fields and of clock changes.
    pub const fn is_starred(&self) -> bool {
        matches!(self.written.as_bytes().first(), Some(b'*'))
    }

    /// Whether every number of the unit is in the set, however it was written.
    pub const fn is_full(&self) -> bool {
        self.bits == full(self.unit)
    }

    /// Whether the set has this number.
    pub const fn contains(&self, number: u32) -> bool {
        number < 64 && self.bits >> number & 1 == 1
    }

    /// The numbers, ascending.
    pub fn numbers(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        (self.unit.min()..=self.unit.max()).filter(|n| self.contains(*n))
    }

    /// The numbers as a list with commas.
    pub fn list(&self) -> String {
        self.numbers().map(|n| n.to_string()).collect::<Vec<_>>().join(",")
    }
}

/// All bits of a unit.
const fn full(unit: Unit) -> u64 {
    ((1 << (unit.max() + 1)) - 1) & !((1 << unit.min()) - 1)
}

/// The five sets of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sets {
    /// Minutes of the hour.
    pub minute: Set,
    /// Hours of the day.
    pub hour: Set,
    /// Days of the month.
    pub day: Set,
    /// Months of the year.
    pub month: Set,
    /// Days of the week, 0 to 6 from Sunday.
    pub weekday: Set,
}

impl Sets {
    /// The sets in the order of the fields.
    pub const fn all(&self) -> [&Set; 5] {
        [&self.minute, &self.hour, &self.day, &self.month, &self.weekday]
    }

    /// Whether a day needs to match only one of the two day fields: neither of them begins with `*` (crontab(5)).
    pub const fn either_day(&self) -> bool {
        !self.day.is_starred() && !self.weekday.is_starred()
    }

    /// Whether the job has slots on every date.
    pub const fn is_every_day(&self) -> bool {
        let any_day = if self.either_day() {
            self.day.is_full() || self.weekday.is_full()
        } else {
            self.day.is_full() && self.weekday.is_full()
        };
        any_day && self.month.is_full()
    }

    /// Whether the job has slots on this date.
    pub fn has_date(&self, date: NaiveDate) -> bool {
        let day = self.day.contains(date.day());
        let weekday = self.weekday.contains(date.weekday().num_days_from_sunday());
        let matches = if self.either_day() { day || weekday } else { day && weekday };
        matches && self.month.contains(date.month())
    }

    /// Whether any date matches within eight years, which is the longest way from one 29 February to the next.
    pub(super) fn has_any_date(&self) -> bool {
        let longest = |month| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        // Weekdays come by in every month; only days of the month alone may be missing from it.
        self.either_day()
            || !self.weekday.is_full()
            || self.month.numbers().any(|month| self.day.numbers().any(|day| day <= longest(month)))
    }
}
