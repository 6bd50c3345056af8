//! `StartCalendarInterval`: one dictionary for each combination of numbers, without those keys that name every number.

use std::collections::BTreeSet;

use super::super::local::{Dates, Local, weight};

/// So many dictionaries at most. No limit is documented; a property list should stay readable.
const MOST: usize = 100;

/// A time of the day; `None` is any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Time {
    hour: Option<u32>,
    minute: Option<u32>,
}

impl Time {
    /// How many minutes of a day it names.
    const fn wakes(self) -> u32 {
        match (self.hour, self.minute) {
            (Some(_), Some(_)) => 1,
            (None, Some(_)) => 24,
            (Some(_), None) => 60,
            (None, None) => 24 * 60,
        }
    }
}

/// Times and dates, which are combined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intervals {
    times: Vec<Time>,
    dates: Vec<Dates>,
}

impl Intervals {
    /// The intervals that have all these times, with the fewest others, and are not too many.
    pub(super) fn of(local: &Local) -> Self {
        let of_dates = dates(local);
        let pairs = times(local).into_iter().flat_map(|times| {
            of_dates.iter().map(move |dates| Self { times: times.clone(), dates: dates.clone() })
        });
        let fitting = pairs.filter(|intervals| intervals.count() <= MOST);
        let best = fitting.min_by_key(|intervals| (intervals.wakes(), intervals.count()));
        // The one without any key always fits.
        best.unwrap_or_else(|| Self {
            times: vec![Time { hour: None, minute: None }],
            dates: vec![Dates::default()],
        })
    }

    /// Whether they name every minute there is.
    pub(super) fn are_every_minute(&self) -> bool {
        self.times.contains(&Time { hour: None, minute: None }) && self.dates.contains(&Dates::default())
    }

    /// The dictionaries, each as keys and numbers.
    pub(super) fn dicts(&self) -> impl Iterator<Item = Vec<(&'static str, u32)>> + '_ {
        let dates = self.dates.iter().flat_map(numbers);
        dates.flat_map(|date| {
            self.times.iter().map(move |time| {
                let key = |name, number: Option<u32>| number.map(|number| (name, number));
                let mut dict: Vec<_> =
                    [key("Minute", time.minute), key("Hour", time.hour)].into_iter().flatten().collect();
                dict.extend(&date);
                dict
            })
        })
    }

    fn count(&self) -> usize {
        let count = |set: &Option<BTreeSet<u32>>| set.as_ref().map_or(1, BTreeSet::len);
        let dates = self.dates.iter().map(|one| count(&one.days) * count(&one.months) * count(&one.weekdays));
        dates.sum::<usize>() * self.times.len()
    }

    /// How often they wake the program, to compare by.
    fn wakes(&self) -> u32 {
        self.times.iter().map(|time| time.wakes()).sum::<u32>() * weight(&self.dates)
    }
}

/// The ways to say the times: as they are, without the hour, without the minute, without both.
fn times(local: &Local) -> Vec<Vec<Time>> {
    let any = vec![Time { hour: None, minute: None }];
    let minutes =
        local.minutes().into_iter().map(|minute| Time { hour: None, minute: Some(minute) }).collect();
    let hours = local.hours().into_iter().map(|hour| Time { hour: Some(hour), minute: None }).collect();
    let time = |time: &u32| Time { hour: Some(time / 60), minute: Some(time % 60) };
    vec![local.times.iter().map(time).collect(), minutes, hours, any]
}

/// The ways to say the dates: as they are, without months, without days, without both.
fn dates(local: &Local) -> Vec<Vec<Dates>> {
    let without_months = local.dates.iter().map(|dates| Dates { months: None, ..dates.clone() }).collect();
    let months = local.dates.first().and_then(|dates| dates.months.clone());
    vec![
        local.dates.clone(),
        without_months,
        vec![Dates { months, ..Dates::default() }],
        vec![Dates::default()],
    ]
}

/// Each date as keys and numbers. `Day` and `Weekday` are never in one dictionary: either would then be enough.
fn numbers(dates: &Dates) -> Vec<Vec<(&'static str, u32)>> {
    let mut all = vec![Vec::new()];
    let weekdays = if dates.days.is_some() { &None } else { &dates.weekdays };
    for (key, set) in [("Day", &dates.days), ("Month", &dates.months), ("Weekday", weekdays)] {
        let Some(set) = set else { continue };
        let with = |dict: &Vec<(&'static str, u32)>| {
            let dict = dict.clone();
            set.iter().map(move |number| [dict.as_slice(), &[(key, *number)]].concat()).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(with).collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::calendar::Expression;
    use chrono_tz::{Asia::Kolkata, Europe::Berlin, Tz};

    fn intervals(text: &str, zone: Tz, host: Tz) -> Intervals {
        Intervals::of(&Local::of(&Expression::parse(text).unwrap(), zone, host))
    }

    fn dicts(text: &str) -> Vec<String> {
        let shown = |dict: Vec<(&str, u32)>| {
            dict.iter().map(|(key, number)| format!("{key} {number}")).collect::<Vec<_>>().join(", ")
        };
        intervals(text, Berlin, Berlin).dicts().map(shown).collect()
    }

    #[test]
    fn a_field_that_names_every_number_has_no_key() {
        assert_eq!(dicts("* * * * *"), [""]);
        assert_eq!(dicts("5 * * * *"), ["Minute 5"]);
        assert_eq!(dicts("* 3 * * *"), ["Hour 3"]);
        assert_eq!(dicts("0 3 1-31 * 1"), ["Minute 0, Hour 3"], "either day is enough");
        assert_eq!(dicts("0 3 * 2 0,7"), ["Minute 0, Hour 3, Month 2, Weekday 0"]);
    }

    #[test]
    fn either_of_two_day_fields_is_two_dictionaries() {
        assert_eq!(dicts("30 2 13 * 5"), ["Minute 30, Hour 2, Day 13", "Minute 30, Hour 2, Weekday 5"]);
    }

    #[test]
    fn what_is_too_many_drops_the_keys_that_add_the_fewest_wakes() {
        let some = dicts("*/5 9-17 * * 1-5");
        assert_eq!((some.len(), some[0].as_str()), (60, "Minute 0, Weekday 1"), "not 540 with the hour");
        let some = dicts("0 8,9 1-30 1-6 *");
        assert_eq!(
            (some.len(), some[0].as_str()),
            (12, "Minute 0, Hour 8, Month 1"),
            "a 31st day, not half a year"
        );
        assert_eq!(dicts("1-59 0-22 1-30 * *").len(), 23);
    }

    #[test]
    fn half_an_hour_between_two_zones_is_no_reason_for_every_minute() {
        let some = intervals("* 8-20 * * *", Kolkata, Berlin);
        assert_eq!((some.count(), some.are_every_minute()), (15, false));
        assert!(intervals("1-59 * * * *", chrono_tz::Australia::Lord_Howe, Kolkata).are_every_minute());
    }
}
