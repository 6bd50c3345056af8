//! One field: a list of numbers, names, ranges and steps.

use std::ops::Range;

use super::super::{Invalid, sets::Unit};

/// A piece of the text and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    at: usize,
}

impl<'a> Word<'a> {
    pub(super) const fn whole(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) const fn range(self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    /// The pieces between separators, empty ones included.
    pub(super) fn split(self, separators: &[char]) -> Vec<Self> {
        let mut at = self.at;
        let pieces = self.text.split_inclusive(separators).map(|piece| {
            let word = Self { text: piece.strip_suffix(separators).unwrap_or(piece), at };
            at += piece.len();
            word
        });
        let mut words: Vec<_> = pieces.collect();
        if self.text.is_empty() || self.text.ends_with(separators) {
            words.push(Self { text: "", at });
        }
        words
    }

    fn invalid(self, message: impl Into<String>, help: impl Into<String>) -> Invalid {
        Invalid { at: self.range(), message: message.into(), help: help.into() }
    }
}

/// Reads a field into the bits of its numbers.
pub(super) fn field(unit: Unit, word: Word<'_>) -> Result<u64, Invalid> {
    let mut bits = 0;
    for item in word.split(&[',']) {
        if item.text.is_empty() {
            // An empty item has no bytes of its own: the field is shown.
            return Err(word.invalid(
                format!("the list `{}` has an empty item", word.text),
                "write a number between the commas, or leave the comma out",
            ));
        }
        bits |= self::item(unit, item)?;
    }
    // Sunday is 0 and 7.
    if unit == Unit::Weekday && bits >> 7 & 1 == 1 {
        bits = (bits | 1) & !(1 << 7);
    }
    Ok(bits)
}

fn item(unit: Unit, word: Word<'_>) -> Result<u64, Invalid> {
    let (span, by) = match word.split(&['/'])[..] {
        [span] => (span, 1),
        [span, step] => (span, self::step(unit, word, step)?),
        _ => {
            return Err(
                word.invalid(format!("`{}` has two steps", word.text), "write one step, such as `*/15`")
            );
        }
    };
    let (from, to) = match span.split(&['-'])[..] {
        [star] if star.text == "*" => (unit.min(), unit.max_written()),
        [single] => {
            let number = value(unit, word, single)?;
            if span != word {
                return Err(word.invalid(
                    format!("`{}` has a step without a range, which schedulers read differently", word.text),
                    format!("write `{number}-{}/{by}`, or `{number}` alone", unit.max()),
                ));
            }
            (number, number)
        }
        [from, to] => {
            let (first, last) = (value(unit, word, from)?, value(unit, word, to)?);
            if first > last {
                return Err(reversed(unit, word, first, last, by));
            }
            (first, last)
        }
        _ => {
            return Err(word.invalid(
                format!("`{}` is not a range", word.text),
                "write two numbers with one `-` between them",
            ));
        }
    };
    Ok((from..=to).step_by(by).fold(0, |bits, number| bits | 1 << number))
}

fn step(unit: Unit, item: Word<'_>, word: Word<'_>) -> Result<usize, Invalid> {
    match number(word.text) {
        Some(0) => Err(item.invalid(
            format!("`{}` has step 0", item.text),
            format!("write a step of 1 or more, or `*` for every {}", unit.noun()),
        )),
        Some(step) => Ok(step),
        None => Err(item.invalid(
            format!("`{}` is not a step", item.text),
            "write a number after the `/`, such as `*/15`",
        )),
    }
}

/// Digits alone; a number too large for any field is as large as it can be.
fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

/// Reads a number or a name of three letters.
fn value(unit: Unit, item: Word<'_>, word: Word<'_>) -> Result<u32, Invalid> {
    let lower = word.text.to_ascii_lowercase();
    let named =
        |unit: Unit| (unit.min()..).zip(unit.names()).find(|(_, name)| name.get(..3) == lower.get(..3));
    let limits = || {
        let (min, max) = (unit.min(), unit.max_written());
        match unit {
            Unit::Month => format!("write a month from {min} to {max} or from `jan` to `dec`"),
            Unit::Weekday => {
                format!("write a weekday from {min} to {max} or from `sun` to `sat`; 0 and 7 are Sunday")
            }
            Unit::Hour => format!("write an hour from {min} to {max}"),
            Unit::Minute | Unit::Day => format!("write a {} from {min} to {max}", unit.noun()),
        }
    };
    if let Some(number) = number(word.text) {
        return u32::try_from(number)
            .ok()
            .filter(|number| (unit.min()..=unit.max_written()).contains(number))
            .ok_or_else(|| word.invalid(format!("`{}` is no {}", word.text, unit.noun()), limits()));
    }
    if word.text.is_empty() {
        return Err(item.invalid(format!("`{}` lacks a number", item.text), limits()));
    }
    match named(unit) {
        Some((number, _)) if lower.len() == 3 => return Ok(number),
        Some((_, name)) if *name == lower => {
            let short = &name[..3];
            return Err(word.invalid(
                format!("`{}` is longer than the three letters of crontab(5)", word.text),
                format!("write `{short}`"),
            ));
        }
        _ => {}
    }
    let elsewhere = [Unit::Month, Unit::Weekday]
        .into_iter()
        .find(|other| named(*other).is_some_and(|(_, name)| lower.len() == 3 || *name == lower));
    if let Some(other) = elsewhere {
        return Err(word.invalid(
            format!("`{}` is a {}, and here stands the {}", word.text, other.noun(), unit.noun()),
            limits(),
        ));
    }
    Err(extension(unit, item)
        .unwrap_or_else(|| word.invalid(format!("`{}` is no {}", word.text, unit.noun()), limits())))
}

/// Words the signs that some schedulers know and crontab(5) does not.
fn extension(unit: Unit, item: Word<'_>) -> Option<Invalid> {
    let text = item.text.to_ascii_uppercase();
    let help = if text == "?" {
        format!("write `*` for any {}", unit.noun())
    } else if text.contains('#') {
        "write the weekday alone; which of the month's weeks cannot be said".to_owned()
    } else if text.contains('~') || text.starts_with('H') {
        format!("write a fixed {} and spread the start with `jitter`", unit.noun())
    } else if text.contains('L') && unit == Unit::Day {
        "write `1` for the first day of the next month, or `28` for a day that every month has".to_owned()
    } else if text.contains(['L', 'W']) {
        format!("write a plain {}", unit.noun())
    } else {
        return None;
    };
    Some(item.invalid(format!("`{}` is an extension that crontab(5) does not have", item.text), help))
}

/// Words a range that runs backwards: Vixie cron accepts it and never fires.
fn reversed(unit: Unit, item: Word<'_>, from: u32, to: u32, step: usize) -> Invalid {
    let span = |from: u32, to: u32| if from == to { from.to_string() } else { format!("{from}-{to}") };
    let message = format!("the range `{}` runs backwards", item.text);
    if step > 1 {
        return item.invalid(message, "write the numbers as a list");
    }
    let help = match (unit, to) {
        (Unit::Weekday, 0) => format!("write `{}`", span(from, 7)),
        (Unit::Weekday, _) if from == 7 => format!("write `{}`", span(0, to)),
        _ => format!("write `{},{}`", span(from, unit.max()), span(unit.min(), to)),
    };
    item.invalid(message, help)
}
