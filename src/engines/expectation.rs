//! What a check expects, and whether an answer is that: pure, and shared by every engine that answers queries.
//!
//! Integers are compared as integers: a count or an id beyond 2^53 is never rounded to a float first. Every answer is
//! recorded as one text of at most 200 characters, which is also what `same_as_source` compares later, so a longer
//! one ends in the digest of the whole.

use crate::policy::model::{Expectation, Scalar};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use sha2::{Digest, Sha256};
use std::cmp::Ordering;

/// Longest recorded answer, in characters.
pub const LONGEST_ANSWER: usize = 200;

/// One value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// An integer.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes, already in the form they are recorded in: see [`Value::blob`].
    Blob(String),
}

impl Value {
    /// Records bytes as `x'…'` in hex; more than 32 of them by their number and SHA-256, so that none stay in memory.
    pub fn blob(bytes: &[u8]) -> Self {
        Self::Blob(if bytes.len() <= 32 {
            format!("x'{}'", hex::encode(bytes))
        } else {
            format!("{} bytes, sha256 {}", bytes.len(), hex::encode(Sha256::digest(bytes)))
        })
    }

    fn text(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Integer(value) => value.to_string(),
            Self::Real(value) => format!("{value:?}"),
            Self::Text(value) | Self::Blob(value) => value.clone(),
        }
    }

    fn number(&self) -> Option<Number> {
        match self {
            Self::Integer(value) => Some(Number::Integer(*value)),
            Self::Real(value) => Some(Number::Real(*value)),
            Self::Text(text) => Number::parse(text),
            Self::Null | Self::Blob(_) => None,
        }
    }
}

/// What a query answered: its first row is what counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// The first row; `None` when there was none.
    pub row: Option<Vec<Value>>,
    /// Whether there was a second row.
    pub more: bool,
}

impl Answer {
    /// An answer of one row with one value.
    pub fn one(value: Value) -> Self {
        Self { row: Some(vec![value]), more: false }
    }

    /// The first column of the first row, as recorded; `None` for NULL and for no row.
    pub fn scalar(&self) -> Option<String> {
        self.first().filter(|value| **value != Value::Null).map(|value| shortened(&value.text()))
    }

    /// The whole first row, as recorded; `None` for no row and for one of NULLs alone.
    pub fn whole(&self) -> Option<String> {
        let row = self.row.as_ref().filter(|row| row.iter().any(|value| *value != Value::Null))?;
        Some(shortened(&row.iter().map(Value::text).collect::<Vec<_>>().join(", ")))
    }

    /// What is recorded of it under an expectation: the whole row where rows are compared, else the first column.
    pub fn recorded(&self, expectation: &Expectation) -> Option<String> {
        if *expectation == Expectation::SameAsSource { self.whole() } else { self.scalar() }
    }

    fn first(&self) -> Option<&Value> {
        self.row.as_ref().and_then(|row| row.first())
    }
}

/// What an answer is judged against.
#[derive(Debug, Clone, Copy)]
pub struct Against<'a> {
    /// The moment of capture.
    pub captured_at: DateTime<Utc>,
    /// The source's answer at that moment, as recorded; `None` when it was not recorded.
    pub source: Option<&'a str>,
    /// The answer of the newest proven backup, as recorded; `None` when there is none.
    pub previous: Option<&'a str>,
}

/// Whether an answer is what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it is.
    pub passed: bool,
    /// What was expected, as the policy says it, with what it was compared with.
    pub expected: String,
    /// The answer as recorded; `None` for NULL and for no row.
    pub actual: Option<String>,
}

/// Judges an answer. NULL or no row fails unless `empty` is expected; where the newest proven backup has no answer to
/// compare with, `max_drop` and `max_growth` hold and say so.
pub fn judge(expectation: &Expectation, answer: &Answer, against: &Against<'_>) -> Judgement {
    let actual = answer.recorded(expectation);
    let mut expected = wording(expectation);
    let number = answer.first().and_then(Value::number);
    let compared = |bound: f64, holds: fn(Ordering) -> bool| {
        number.and_then(|number| number.compare(bound)).is_some_and(holds)
    };
    let previous = against.previous.and_then(Number::parse);
    let passed = match expectation {
        Expectation::Empty => answer.whole().is_none() && !answer.more,
        _ if actual.is_none() => false,
        Expectation::NotEmpty => true,
        Expectation::Equal(scalar) => equals(scalar, answer),
        Expectation::NotEqual(scalar) => !equals(scalar, answer),
        Expectation::AtLeast(bound) => compared(*bound, Ordering::is_ge),
        Expectation::MoreThan(bound) => compared(*bound, Ordering::is_gt),
        Expectation::AtMost(bound) => compared(*bound, Ordering::is_le),
        Expectation::LessThan(bound) => compared(*bound, Ordering::is_lt),
        Expectation::Between(low, high) => {
            compared(*low, Ordering::is_ge) && compared(*high, Ordering::is_le)
        }
        Expectation::MaxAge(age) => answer
            .first()
            .and_then(moment)
            .is_some_and(|time| against.captured_at.signed_duration_since(time) <= age.as_delta()),
        Expectation::MaxDrop(share) => {
            expected.push_str(&compared_with(against.previous));
            // Without a number there is nothing to drop from; an answer that ceased to be a number is no drop of 0 %.
            number.is_some_and(|now| {
                previous.is_none_or(|before| !now.below(before, |b, n| share.dropped(b, n)))
            })
        }
        Expectation::MaxGrowth(share) => {
            expected.push_str(&compared_with(against.previous));
            number
                .is_some_and(|now| previous.is_none_or(|before| !now.above(before, |b, n| share.grew(b, n))))
        }
        Expectation::SameAsSource => {
            let same = against.source.is_some() && actual.as_deref() == against.source;
            if !same {
                let source = against.source.unwrap_or("whose answer was not recorded");
                expected = format!("{expected} ({source})");
            }
            same
        }
    };
    Judgement { passed, expected, actual }
}

/// What is expected, as the policy says it.
pub fn wording(expectation: &Expectation) -> String {
    let scalar = |scalar: &Scalar| match scalar {
        Scalar::Number(number) => number.to_string(),
        Scalar::Text(text) => text.clone(),
    };
    match expectation {
        Expectation::Equal(value) => format!("= {}", scalar(value)),
        Expectation::NotEqual(value) => format!("!= {}", scalar(value)),
        Expectation::AtLeast(bound) => format!(">= {bound}"),
        Expectation::MoreThan(bound) => format!("> {bound}"),
        Expectation::AtMost(bound) => format!("<= {bound}"),
        Expectation::LessThan(bound) => format!("< {bound}"),
        Expectation::Between(low, high) => format!("{low}..{high}"),
        Expectation::MaxAge(age) => format!("max_age: {age}"),
        Expectation::MaxDrop(share) => format!("max_drop: {share}"),
        Expectation::MaxGrowth(share) => format!("max_growth: {share}"),
        Expectation::SameAsSource => "same_as_source".to_owned(),
        Expectation::Empty => "empty".to_owned(),
        Expectation::NotEmpty => "not_empty".to_owned(),
    }
}

/// Cuts a text to what is recorded: at most 200 characters, a longer one with the digest of the whole at its end.
pub fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST_ANSWER {
        return text.to_owned();
    }
    let head: String = text.chars().take(150).collect();
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    format!("{head}… sha256 {}", digest.get(..32).unwrap_or_default())
}

fn compared_with(previous: Option<&str>) -> String {
    previous.map_or_else(|| " (no previous backup)".to_owned(), |before| format!(" (before: {before})"))
}

fn equals(scalar: &Scalar, answer: &Answer) -> bool {
    let Some(value) = answer.first() else { return false };
    match scalar {
        Scalar::Number(wanted) => match value.number() {
            Some(number) => number.compare(*wanted) == Some(Ordering::Equal),
            None => value.text() == wanted.to_string(),
        },
        Scalar::Text(wanted) => {
            // SQLite has no booleans: what is true is 1 there.
            let number = match wanted.as_str() {
                "true" => Some(1.0),
                "false" => Some(0.0),
                _ => None,
            };
            let is_number =
                |wanted| value.number().is_some_and(|n| n.compare(wanted) == Some(Ordering::Equal));
            // PostgreSQL writes its booleans as `t` and `f`.
            let letter = matches!((wanted.as_str(), &*value.text()), ("true", "t") | ("false", "f"));
            value.text() == *wanted || letter || number.is_some_and(is_number)
        }
    }
}

/// A number that was never rounded on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Number {
    Integer(i64),
    Real(f64),
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let real = || text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Self::Real);
        text.parse().map(Self::Integer).ok().or_else(real)
    }

    /// Compares exactly, also where the integer has no float of its own; `None` for a NaN.
    #[expect(clippy::cast_possible_truncation, reason = "the bounds were compared on the lines before")]
    fn compare(self, bound: f64) -> Option<Ordering> {
        const BEYOND: f64 = 9_223_372_036_854_775_808.0;
        match self {
            Self::Real(value) => value.partial_cmp(&bound),
            Self::Integer(_) if bound.is_nan() => None,
            Self::Integer(_) if bound >= BEYOND => Some(Ordering::Less),
            Self::Integer(_) if bound < -BEYOND => Some(Ordering::Greater),
            Self::Integer(value) => match value.cmp(&(bound.trunc() as i64)) {
                Ordering::Equal => 0.0.partial_cmp(&bound.fract()),
                unequal => Some(unequal),
            },
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "only for shares, after integers were compared as integers"
    )]
    const fn approximate(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Real(value) => value,
        }
    }

    /// Whether it lies below `before` by more than a share says; two integers that do not differ, or differ the other
    /// way, never do.
    fn below(self, before: Self, dropped: impl Fn(f64, f64) -> bool) -> bool {
        match (self, before) {
            (Self::Integer(now), Self::Integer(before)) if now >= before => false,
            _ => dropped(before.approximate(), self.approximate()),
        }
    }

    fn above(self, before: Self, grew: impl Fn(f64, f64) -> bool) -> bool {
        match (self, before) {
            (Self::Integer(now), Self::Integer(before)) if now <= before => false,
            _ => grew(before.approximate(), self.approximate()),
        }
    }
}

/// Reads a time: ISO 8601 with or without offset (then UTC), a date alone (its first instant), or a Unix time in
/// seconds, milliseconds, microseconds or nanoseconds, told apart by magnitude (11, 14 and 17 digits and more).
fn moment(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::Integer(unix) => moment_of_unix(*unix),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole seconds are enough for an age; casts saturate"
        )]
        Value::Real(unix) if unix.is_finite() => moment_of_unix(unix.floor() as i64),
        Value::Text(text) => moment_of_text(text.trim()),
        Value::Null | Value::Real(_) | Value::Blob(_) => None,
    }
}

fn moment_of_unix(unix: i64) -> Option<DateTime<Utc>> {
    match unix.unsigned_abs() {
        0..=100_000_000_000 => DateTime::from_timestamp(unix, 0),
        100_000_000_001..=100_000_000_000_000 => DateTime::from_timestamp_millis(unix),
        100_000_000_000_001..=100_000_000_000_000_000 => DateTime::from_timestamp_micros(unix),
        _ => Some(DateTime::from_timestamp_nanos(unix)),
    }
}

fn moment_of_text(text: &str) -> Option<DateTime<Utc>> {
    const WITH_OFFSET: [&str; 4] = [
        "%Y-%m-%dT%H:%M:%S%.f%#z",
        "%Y-%m-%d %H:%M:%S%.f%#z",
        "%Y-%m-%d %H:%M:%S%.f %#z",
        "%Y-%m-%dT%H:%M%#z",
    ];
    const WITHOUT_OFFSET: [&str; 5] =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y%m%dT%H%M%S"];
    if text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() != 8 {
        return text.parse().ok().and_then(moment_of_unix);
    }
    let zulu = text.strip_suffix(['Z', 'z']).or_else(|| text.strip_suffix(" UTC")).map(str::trim_end);
    if zulu.is_none()
        && let Some(time) = WITH_OFFSET.iter().find_map(|form| DateTime::parse_from_str(text, form).ok())
    {
        return Some(time.to_utc());
    }
    let plain = zulu.unwrap_or(text);
    let time = WITHOUT_OFFSET.iter().find_map(|form| NaiveDateTime::parse_from_str(plain, form).ok());
    let date = || {
        let read = |form| NaiveDate::parse_from_str(plain, form).ok();
        read("%Y-%m-%d").or_else(|| read("%Y%m%d")).map(|date| date.and_time(NaiveTime::MIN))
    };
    time.or_else(date).map(|naive| naive.and_utc())
}

#[cfg(test)]
mod tests;
