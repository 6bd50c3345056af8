//! The five-field grammar of crontab(5), its sets, and the instants they name in a zone.
//!
//! A text becomes sets of numbers (`grammar`, `sets`), sets become wall times without a zone (`naive`), and wall times
//! become instants (`zone`, `occurrences`). Only the last step knows of clock changes, and its rule is that of
//! Vixie cron: a job at fixed times runs once per time it names, a job with `*` follows the real clock.

mod changes;
mod gaps;
mod grammar;
mod naive;
mod occurrences;
mod rhythm;
mod sets;
#[cfg(test)]
mod tests;
mod zone;

use std::{fmt, ops::Range};

pub use changes::{ClockChange, ClockChangeKind, clock_changes};
pub use gaps::ZoneDays;
pub use occurrences::{Fire, Note};
pub use rhythm::Rhythm;
pub use sets::{Set, Sets, Unit};

/// A crontab(5) expression of five fields, or a macro such as `@daily`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    written: String,
    sets: Sets,
    naive: naive::Engine,
}

/// Why a text is not an expression that every scheduler reads the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The bytes of the text that are wrong.
    pub at: Range<usize>,
    /// What is wrong, as a phrase without a period.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl Expression {
    /// Reads an expression: five fields between blanks, or a macro in lower case.
    ///
    /// Refused is what schedulers read differently (`5/15`, `22-4`, `L`, a step in one day field beside another day
    /// field) and what never fires.
    ///
    /// # Errors
    /// Everything that is wrong with it, by place; at least one thing.
    pub fn parse(text: &str) -> Result<Self, Vec<Invalid>> {
        let sets = grammar::parse(text)?;
        let naive = naive::Engine::new(&sets).map_err(|reason| {
            vec![Invalid {
                at: 0..text.len(),
                message: format!("this schedule has no calendar: {reason}"),
                help: "report this expression as a defect of `policy`".to_owned(),
            }]
        })?;
        Ok(Self { written: text.trim_matches([' ', '\t']).to_owned(), sets, naive })
    }

    /// The text as written, without blanks around it.
    pub fn as_written(&self) -> &str {
        &self.written
    }

    /// The five fields as written, one blank between; a macro is spelled out.
    ///
    /// This is what a crontab line must hold: a field rewritten as a list would lose its `*`, and with it the rule for
    /// clock changes and for day fields.
    pub fn five_fields(&self) -> String {
        self.sets.all().map(Set::as_written).join(" ")
    }

    /// The numbers each field names.
    pub const fn sets(&self) -> &Sets {
        &self.sets
    }

    /// Whether the job has fixed times: neither its minute nor its hour begins with `*`.
    ///
    /// Such a job fires once per time it names whatever the clock does; any other fires on every real instant.
    pub const fn is_fixed(&self) -> bool {
        !self.sets.minute.is_starred() && !self.sets.hour.is_starred()
    }

    /// Whether the hour begins with `*`, so that the zone hardly matters.
    pub const fn hour_is_star(&self) -> bool {
        self.sets.hour.is_starred()
    }
}

impl fmt::Display for Expression {
    /// The text as written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}
