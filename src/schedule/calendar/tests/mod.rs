//! Tests of the calendar: the grammar, clock changes by name, and random schedules against a model.

mod clock;
mod cronsim;
mod gaps;
mod grammar;
mod model;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::Expression;

fn expression(text: &str) -> Expression {
    Expression::parse(text).unwrap_or_else(|invalid| panic!("{text}: {invalid:?}"))
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The fires from an instant for some hours, each as local time with its offset and what is said of it.
fn local(text: &str, zone: Tz, after: &str, hours: i64) -> Vec<String> {
    let (expression, after) = (expression(text), utc(after));
    let fires = expression.fires_after(after, zone);
    fires
        .take_while(|fire| fire.utc <= after + TimeDelta::hours(hours))
        .map(|fire| {
            let at = fire.utc.with_timezone(&zone).format("%d %H:%M%:z");
            fire.note.map_or_else(
                || at.to_string(),
                |note| format!("{at} {} {note:?}", fire.nominal.format("%H:%M")),
            )
        })
        .collect()
}
