//! Durations such as `90s`, `15m`, `36h`, `7d`, `2w`.

use std::fmt;

/// A span of time in whole seconds, written as a number and one unit; kept as written for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration {
    seconds: u64,
}

/// The units, longest first: letter and seconds.
const UNITS: [(char, u64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

impl Duration {
    /// Longest duration: 1,000 years.
    pub const MAX_SECONDS: u64 = 1_000 * 366 * 86_400;

    /// Makes a duration of so many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self { seconds }
    }

    /// Reads `<digits><unit>`; `None` for anything else or for more than 1,000 years.
    pub fn parse(text: &str) -> Option<Self> {
        let unit = text.chars().next_back()?;
        let digits = text.strip_suffix(unit)?;
        let (_, factor) = UNITS.iter().find(|(letter, _)| *letter == unit)?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let seconds = digits.parse::<u64>().ok()?.checked_mul(*factor)?;
        (seconds <= Self::MAX_SECONDS).then_some(Self { seconds })
    }

    /// The spelling that was probably meant: `1 hour`, `90min`, `2 Days`, `1h30m`, `1.5h`; a month is 30 days, and a
    /// year 365.
    pub fn meant(text: &str) -> Option<String> {
        let mut rest = text.trim();
        let mut parts_in_order = Vec::new();
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
            let (number, after) = rest.split_at(digits);
            let after = after.trim_start();
            let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, after) = after.split_at(letters);
            parts_in_order.push((number, unit_in_words(unit)?));
            rest = after.trim_start();
        }
        if let [(number, (count, letter))] = parts_in_order[..]
            && let Ok(number) = number.parse::<u64>()
        {
            let written = format!("{}{letter}", number.checked_mul(count)?);
            return Self::parse(&written).map(|_| written);
        }
        let seconds = parts_in_order.iter().try_fold(0_u64, |sum, (number, (count, letter))| {
            let (_, factor) = UNITS.iter().find(|(known, _)| known == letter)?;
            let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
            let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
            let parts = whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(fraction.parse().ok()?)?;
            sum.checked_add(parts.checked_mul(factor * count)? / scale)
        })?;
        (1..=Self::MAX_SECONDS).contains(&seconds).then(|| Self::from_secs(seconds).to_string())
    }

    /// The length in seconds.
    pub const fn as_secs(self) -> u64 {
        self.seconds
    }

    /// The length as the calendar's type.
    pub fn as_delta(self) -> chrono::TimeDelta {
        chrono::TimeDelta::seconds(i64::try_from(self.seconds).unwrap_or(i64::MAX / 1_000))
    }

    /// The length as the clock's type.
    pub const fn as_std(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.seconds)
    }
}

/// A unit as people write it: so many of a unit of the language.
fn unit_in_words(word: &str) -> Option<(u64, char)> {
    Some(match word {
        // `m` is minutes here, months in restic and borg; a capital one is months in systemd.
        "M" => (30, 'd'),
        _ => match word.to_ascii_lowercase().as_str() {
            "s" | "sec" | "secs" | "second" | "seconds" => (1, 's'),
            "m" | "min" | "mins" | "minute" | "minutes" => (1, 'm'),
            "h" | "hr" | "hrs" | "hour" | "hours" => (1, 'h'),
            "d" | "day" | "days" => (1, 'd'),
            "w" | "wk" | "week" | "weeks" => (1, 'w'),
            "mo" | "mon" | "month" | "months" => (30, 'd'),
            "y" | "yr" | "year" | "years" => (365, 'd'),
            _ => return None,
        },
    })
}

impl fmt::Display for Duration {
    /// The shortest spelling in one unit, but days rather than weeks when it is under two weeks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (letter, factor) = UNITS
            .iter()
            .copied()
            .find(|(letter, factor)| {
                self.seconds >= *factor
                    && self.seconds.is_multiple_of(*factor)
                    && !(*letter == 'w' && self.seconds < 2 * factor)
            })
            .unwrap_or(('s', 1));
        write!(f, "{}{letter}", self.seconds / factor)
    }
}

impl serde::Serialize for Duration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

super::scalar_schema! {
    Duration, "Duration", "A duration: a number and one of s, m, h, d, w (seconds, minutes, hours, days, weeks).",
    "^[0-9]+[smhdw]$", ["90s", "15m", "36h", "7d", "2w"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_one_unit() {
        for (text, seconds) in
            [("90s", 90), ("15m", 900), ("36h", 129_600), ("7d", 604_800), ("2w", 1_209_600), ("0s", 0)]
        {
            assert_eq!(Duration::parse(text).map(Duration::as_secs), Some(seconds), "{text}");
        }
        for bad in ["", "s", "5", "1.5h", "-1h", "1 h", "1hh", "1H", "1y", "99999999999999999999s", "400000d"]
        {
            assert_eq!(Duration::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_duration_in_other_words_is_answered_in_ours() {
        for (written, meant) in [
            ("1 hour", "1h"),
            ("90min", "90m"),
            ("1h30m", "90m"),
            ("1h 30 min", "90m"),
            ("1.5h", "90m"),
            ("1y", "365d"),
            ("1M", "30d"),
            ("6 months", "180d"),
            ("0.5d", "12h"),
        ] {
            assert_eq!(Duration::meant(written).as_deref(), Some(meant), "{written}");
        }
        for none in ["", "soon", "h", "1.h5", "1.2.3h", "99999999999999999999h", "1h30", "-1h", "0.1s"] {
            assert_eq!(Duration::meant(none), None, "{none}");
        }
    }

    #[test]
    fn a_duration_is_shown_in_the_largest_whole_unit() {
        for text in ["90s", "15m", "36h", "7d", "2w"] {
            assert_eq!(Duration::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Duration::from_secs(7_200).to_string(), "2h");
        assert_eq!(Duration::from_secs(0).to_string(), "0s");
    }
}
