//! Triggers: one for each time of the day, or one that repeats for each row of minutes.
//!
//! A `CalendarTrigger` names a time and its dates. A `TimeTrigger` of the past that repeats without end is for times that are
//! alike in every hour of every day; it also fires in both passes of a repeated hour. A `CalendarTrigger` that repeats is not
//! used: on the day it is registered it sleeps until the next midnight (oven-sh/bun#34195).

use std::collections::BTreeSet;

use chrono_tz::Tz;

use super::super::{
    super::calendar::clock_changes,
    local::{Dates, Local, weight},
    xml::Element,
};

/// The schema's limit.
const MOST: usize = 48;

/// The date that all triggers begin with. It is past and fixed, so that the same entry is always the same text; without a
/// suffix it is of the host's clock and follows its changes.
const FIRST_DATE: &str = "2000-01-01";

const HOUR: u32 = 60;

/// Triggers of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Triggers {
    how: How,
    /// Whether they fire at no other times.
    pub(super) is_exact: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum How {
    /// One for each time and alternative of dates.
    Calendar { times: BTreeSet<u32>, dates: Vec<Dates> },
    /// One for each row: its first minute, and the minutes between.
    Repeating(BTreeSet<Row>),
}

/// Minutes of every hour that lie evenly: their first, and the distance, which divides 60.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    first: u32,
    by: u32,
}

impl Triggers {
    /// The triggers that have all these times, with the fewest others, and are not too many.
    pub(super) fn of(local: &Local, host: Tz) -> Self {
        let minutes = local.minutes();
        let all_hours = local.times.len() == minutes.len() * 24;
        let calendar = |dates: &[Dates], is_exact| Self {
            how: How::Calendar { times: local.times.clone(), dates: dates.to_vec() },
            is_exact,
        };
        let repeating = repeating(&minutes, host);
        let is_exact = repeating.is_exact && all_hours && local.is_every_day() && local.is_exact;
        let repeating = Self { is_exact, ..repeating };
        if all_hours && local.is_every_day() {
            return repeating;
        }
        // A task has no date that is both a day and a weekday; the day alone is wider.
        let is_sayable = local.dates.iter().all(|dates| dates.days.is_none() || dates.weekdays.is_none());
        let ways = [
            calendar(&local.dates, local.is_exact && is_sayable),
            calendar(&[Dates::default()], false),
            repeating.clone(),
        ];
        let fitting = ways.into_iter().filter(|triggers| triggers.count() <= MOST);
        fitting.min_by_key(|triggers| (triggers.wakes(), triggers.count())).unwrap_or(repeating)
    }

    /// Whether they fire every minute.
    pub(super) fn are_every_minute(&self) -> bool {
        matches!(&self.how, How::Repeating(rows) if rows.iter().any(|row| row.by == 1))
    }

    /// Whether they repeat.
    pub(super) const fn repeat(&self) -> bool {
        matches!(self.how, How::Repeating(_))
    }

    /// The elements, delayed at random by so many seconds at most.
    pub(super) fn elements(&self, delay: u64) -> Vec<Element> {
        match &self.how {
            How::Calendar { times, dates } => {
                let of_time =
                    |time: &u32| dates.iter().map(|dates| calendar(*time, dates, delay)).collect::<Vec<_>>();
                times.iter().flat_map(of_time).collect()
            }
            How::Repeating(rows) => rows.iter().map(|row| time(*row)).collect(),
        }
    }

    fn count(&self) -> usize {
        match &self.how {
            How::Calendar { times, dates } => times.len() * dates.len(),
            How::Repeating(rows) => rows.len(),
        }
    }

    /// How often they wake the program, to compare by.
    fn wakes(&self) -> u32 {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        match &self.how {
            How::Calendar { times, dates } => count(times.len()) * weight(dates),
            How::Repeating(rows) => {
                let fires: u32 = rows.iter().map(|row| HOUR / row.by * 24).sum();
                fires * weight(&[Dates::default()])
            }
        }
    }
}

/// Minutes of every hour as rows. Of 60 minutes any choice takes 30 rows at most, if there are more than 48 minutes.
fn repeating(minutes: &BTreeSet<u32>, host: Tz) -> Triggers {
    let mut left = minutes.clone();
    let mut rows = BTreeSet::new();
    for by in (1..=HOUR).filter(|by| HOUR.is_multiple_of(*by)) {
        for first in 0..by {
            let row = || (first..HOUR).step_by(by as usize);
            if row().all(|minute| left.contains(&minute)) {
                row().for_each(|minute| {
                    left.remove(&minute);
                });
                rows.insert(Row { first, by });
            }
        }
    }
    // A trigger that repeats counts on while the clock changes, so its distance must divide the change: on Lord Howe Island
    // that is half an hour.
    let steady = |row: &Row| {
        let lengths = clock_changes(host).into_iter().map(|change| (change.to - change.from).num_minutes());
        let by = lengths.filter_map(|length| u32::try_from(length).ok()).fold(row.by, gcd);
        Row { first: row.first % by, by }
    };
    let steady: BTreeSet<_> = rows.iter().map(steady).collect();
    Triggers { is_exact: steady == rows, how: How::Repeating(steady) }
}

const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn calendar(time: u32, dates: &Dates, delay: u64) -> Element {
    let mut parts = vec![boundary(time)];
    if delay > 0 {
        parts.push(Element::text("RandomDelay", duration(delay)));
    }
    parts.push(schedule(dates));
    Element::of("CalendarTrigger", parts)
}

fn time(row: Row) -> Element {
    let interval = Element::text("Interval", duration(u64::from(row.by) * 60));
    // Without a duration it has no end.
    Element::of("TimeTrigger", vec![boundary(row.first), Element::of("Repetition", vec![interval])])
}

fn boundary(time: u32) -> Element {
    Element::text("StartBoundary", format!("{FIRST_DATE}T{:02}:{:02}:00", time / 60, time % 60))
}

fn schedule(dates: &Dates) -> Element {
    let months = || {
        let number = |n: &u32| dates.months.as_ref().is_none_or(|months| months.contains(n));
        named("Months", &MONTHS, &number)
    };
    let month_of_days = |days: Vec<u32>| {
        let days = days.iter().map(|day| Element::text("Day", day.to_string())).collect();
        Element::of("ScheduleByMonth", vec![Element::of("DaysOfMonth", days), months()])
    };
    match (&dates.days, &dates.weekdays, &dates.months) {
        (None, None, None) => Element::of("ScheduleByDay", vec![Element::text("DaysInterval", "1")]),
        (Some(days), ..) => month_of_days(days.iter().copied().collect()),
        (None, None, Some(_)) => month_of_days((1..=31).collect()),
        (None, Some(weekdays), None) => {
            let days = named("DaysOfWeek", &WEEKDAYS, &|n| weekdays.contains(n));
            Element::of("ScheduleByWeek", vec![Element::text("WeeksInterval", "1"), days])
        }
        (None, Some(weekdays), Some(_)) => {
            // The fifth week of a month is its last.
            let weeks = ["1", "2", "3", "4", "Last"].map(|week| Element::text("Week", week));
            let days = named("DaysOfWeek", &WEEKDAYS, &|n| weekdays.contains(n));
            let parts = vec![Element::of("Weeks", weeks.to_vec()), days, months()];
            Element::of("ScheduleByMonthDayOfWeek", parts)
        }
    }
}

const MONTHS: [(u32, &str); 12] = [
    (1, "January"),
    (2, "February"),
    (3, "March"),
    (4, "April"),
    (5, "May"),
    (6, "June"),
    (7, "July"),
    (8, "August"),
    (9, "September"),
    (10, "October"),
    (11, "November"),
    (12, "December"),
];

const WEEKDAYS: [(u32, &str); 7] = [
    (1, "Monday"),
    (2, "Tuesday"),
    (3, "Wednesday"),
    (4, "Thursday"),
    (5, "Friday"),
    (6, "Saturday"),
    (0, "Sunday"),
];

fn named(name: &'static str, names: &[(u32, &'static str)], has: &dyn Fn(&u32) -> bool) -> Element {
    Element::of(name, names.iter().filter(|(n, _)| has(n)).map(|(_, name)| Element::empty(name)).collect())
}

/// Seconds as `xs:duration`, in minutes where these are whole.
pub(super) fn duration(seconds: u64) -> String {
    if seconds > 0 && seconds.is_multiple_of(60) {
        format!("PT{}M", seconds / 60)
    } else {
        format!("PT{seconds}S")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::calendar::Expression;
    use chrono_tz::{Australia::Lord_Howe, Europe::Berlin};

    fn triggers(text: &str, host: Tz) -> Triggers {
        Triggers::of(&Local::of(&Expression::parse(text).unwrap(), host, host), host)
    }

    fn rows(text: &str, host: Tz) -> Vec<(u32, u32)> {
        match triggers(text, host).how {
            How::Repeating(rows) => rows.iter().map(|row| (row.first, row.by)).collect(),
            How::Calendar { .. } => Vec::new(),
        }
    }

    #[test]
    fn a_schedule_of_every_hour_repeats_in_rows() {
        assert_eq!(rows("*/15 * * * *", Berlin), [(0, 15)]);
        assert_eq!(rows("5-59/15 * * * *", Berlin), [(5, 15)]);
        assert_eq!(rows("7,19 * * * *", Berlin), [(7, 60), (19, 60)]);
        assert_eq!(rows("* * * * *", Berlin), [(0, 1)]);
        assert!(triggers("*/15 * * * *", Berlin).is_exact);
        assert!(rows("1-59 * * * *", Berlin).len() <= MOST);
    }

    #[test]
    fn times_of_the_day_are_triggers_up_to_the_limit_and_then_every_hour() {
        let count = |text| (triggers(text, Berlin).count(), triggers(text, Berlin).is_exact);
        assert_eq!(count("30 2 * * *"), (1, true));
        assert_eq!(count("30 2 13 * 5"), (2, true));
        assert_eq!(count("*/15 9-20 * * 1-5"), (48, true));
        assert_eq!(count("*/15 8-20 * * 1-5"), (1, false));
        assert_eq!(rows("*/15 8-20 * * 1-5", Berlin), [(0, 15)]);
        assert_eq!(count("0,30 6-18 1 * 1"), (26, false), "every day rather than every hour");
        assert!(triggers("* 9-17 * * 1-5", Berlin).are_every_minute());
    }

    #[test]
    fn a_change_of_half_an_hour_makes_rows_closer() {
        assert_eq!(rows("40 * * * *", Lord_Howe), [(10, 30)]);
        assert!(!triggers("40 * * * *", Lord_Howe).is_exact);
        assert!(triggers("*/10 * * * *", Lord_Howe).is_exact);
    }
}
