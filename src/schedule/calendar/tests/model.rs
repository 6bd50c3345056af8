//! Random schedules against a model that counts minutes.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::expression;

/// A field as text and as the numbers it names, made together and without the parser.
#[derive(Debug, Clone)]
pub(super) struct Field {
    text: String,
    numbers: Vec<u32>,
}

fn field(min: u32, max: u32) -> impl Strategy<Value = Field> {
    let star = Just(Field { text: "*".to_owned(), numbers: (min..=max).collect() });
    let by = (1..=max).prop_map(move |by| Field {
        text: format!("*/{by}"),
        numbers: (min..=max).step_by(by as usize).collect(),
    });
    prop_oneof![3 => star, 1 => by, 3 => list(min, max)]
}

fn list(min: u32, max: u32) -> impl Strategy<Value = Field> {
    let item = prop_oneof![
        (min..=max).prop_map(|n| (n.to_string(), vec![n])),
        (min..=max, min..=max, 1..9_u32).prop_map(|(a, b, by)| {
            let (a, b) = (a.min(b), a.max(b));
            (format!("{a}-{b}/{by}"), (a..=b).step_by(by as usize).collect())
        }),
    ];
    prop::collection::vec(item, 1..4).prop_map(|items| Field {
        text: items.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>().join(","),
        numbers: items.into_iter().flat_map(|(_, numbers)| numbers).collect(),
    })
}

/// The day fields: at most one is restricted by `*/n`, and then the other is free.
fn days() -> impl Strategy<Value = (Field, Field)> {
    let star = |max| Field { text: "*".to_owned(), numbers: (0..=max).collect() };
    prop_oneof![
        2 => Just((star(31), star(7))),
        1 => field(1, 31).prop_map(move |day| (day, star(7))),
        1 => field(0, 7).prop_map(move |weekday| (star(31), weekday)),
        2 => (list(1, 31), list(0, 7)),
    ]
}

pub(super) fn fields() -> impl Strategy<Value = [Field; 5]> {
    let month = prop_oneof![4 => Just(Field { text: "*".to_owned(), numbers: (1..=12).collect() }), 1 => field(1, 12)];
    (field(0, 59), field(0, 23), days(), month)
        .prop_map(|(minute, hour, (day, weekday), month)| [minute, hour, day, month, weekday])
}

pub(super) fn text(fields: &[Field; 5]) -> String {
    fields.iter().map(|field| field.text.as_str()).collect::<Vec<_>>().join(" ")
}

fn has_date([_, _, day, month, weekday]: &[Field; 5], date: NaiveDate) -> bool {
    let by_day = day.numbers.contains(&date.day());
    let sunday = date.weekday().num_days_from_sunday();
    let by_weekday = weekday.numbers.contains(&sunday) || sunday == 0 && weekday.numbers.contains(&7);
    let either = !day.text.starts_with('*') && !weekday.text.starts_with('*');
    month.numbers.contains(&date.month()) && if either { by_day || by_weekday } else { by_day && by_weekday }
}

fn has(fields: &[Field; 5], wall: NaiveDateTime) -> bool {
    fields[0].numbers.contains(&wall.minute())
        && fields[1].numbers.contains(&wall.hour())
        && has_date(fields, wall.date())
}

/// Counts minutes as Vixie cron does: a fixed job sees each wall minute once, and those the clock skips together.
fn fires(fields: &[Field; 5], zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let fixed = !fields[0].text.starts_with('*') && !fields[1].text.starts_with('*');
    let minutes = |n: i64| TimeDelta::minutes(n);
    let wall = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local();
    // A day ahead of the window, so that what the clock went back over is known.
    let mut at = from - TimeDelta::days(1);
    let mut seen = wall(at);
    let mut fires = Vec::new();
    while at <= to {
        let now = wall(at);
        let new = (1..=(now - seen).num_minutes()).any(|n| has(fields, seen + minutes(n)));
        if at > from && if fixed { new } else { has(fields, now) } {
            fires.push(at);
        }
        seen = seen.max(now);
        at += minutes(1);
    }
    fires
}

/// Zones and days at which their clock changes, or does not.
const CHANGES: [(&str, &str); 20] = [
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("Europe/Dublin", "2026-10-25"),
    ("Australia/Lord_Howe", "2026-04-04"),
    ("Australia/Lord_Howe", "2026-10-03"),
    ("Africa/Cairo", "2026-04-23"),
    ("Africa/Cairo", "2026-10-29"),
    ("America/Sao_Paulo", "2018-11-03"),
    ("America/Sao_Paulo", "2018-02-17"),
    ("America/Toronto", "1987-04-04"),
    ("America/St_Johns", "2006-10-28"),
    ("Antarctica/Troll", "2026-03-28"),
    ("Antarctica/Troll", "2026-10-24"),
    ("Pacific/Chatham", "2026-04-04"),
    ("Pacific/Apia", "2011-12-29"),
    ("America/Caracas", "2007-12-09"),
    ("Asia/Pyongyang", "2018-05-04"),
    ("UTC", "2026-03-01"),
];

pub(super) fn change() -> impl Strategy<Value = (Tz, DateTime<Utc>)> {
    prop::sample::select(&CHANGES[..]).prop_map(|(zone, day)| {
        let day: NaiveDate = day.parse().unwrap();
        (zone.parse().unwrap(), NaiveDateTime::from(day).and_utc())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fires_across_a_clock_change_are_those_of_the_model(
        fields in fields(), (zone, day) in change(), start in 0..2 * 86_400_i64, now in 0..2 * 86_400_i64,
    ) {
        let text = text(&fields);
        prop_assume!(super::Expression::parse(&text).is_ok());
        let expression = expression(&text);
        let from = day + TimeDelta::seconds(start);
        let to = day + TimeDelta::days(3);
        // The model counts whole minutes from its start on.
        let expected = fires(&fields, zone, day, to);
        let found: Vec<_> = expression.fires_after(from, zone).map(|fire| fire.utc).take_while(|at| *at <= to).collect();
        let after: Vec<_> = expected.iter().copied().filter(|at| *at > from).collect();
        prop_assert_eq!(found, after, "{} in {} after {}", text, zone, from);
        let now = day + TimeDelta::seconds(now);
        if let Some(last) = expected.iter().copied().rfind(|at| *at <= now) {
            let found = expression.last_at_or_before(now, zone).map(|fire| fire.utc);
            prop_assert_eq!(found, Some(last), "{} in {} before {}", text, zone, now);
        }
    }

    #[test]
    fn days_of_eight_years_are_those_of_the_model(fields in fields(), year in 1970..2093_i32) {
        let text = text(&fields);
        prop_assume!(super::Expression::parse(&text).is_ok());
        let (hour, minute) = (fields[1].numbers.iter().min().unwrap(), fields[0].numbers.iter().min().unwrap());
        let once = format!("{minute} {hour} {}", text.splitn(3, ' ').nth(2).unwrap());
        let first = NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
        let expected = first.iter_days().take(8 * 365).filter(|date| has_date(&fields, *date));
        let before = (NaiveDateTime::from(first) - TimeDelta::seconds(1)).and_utc();
        let end = NaiveDateTime::from(first + Days::new(8 * 365)).and_utc();
        let once = expression(&once);
        let found = once.fires_after(before, Tz::UTC).take_while(|fire| fire.utc < end).map(|fire| fire.nominal.date());
        prop_assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused_within_its_bytes(text in "[-*/,0-9a-zA-Z@#?~ \té😀]{0,24}") {
        if let Err(invalid) = super::Expression::parse(&text) {
            prop_assert!(!invalid.is_empty());
            for invalid in invalid {
                prop_assert!(text.get(invalid.at.clone()).is_some(), "{:?} {:?}", text, invalid);
                prop_assert!(!invalid.message.is_empty() && !invalid.help.is_empty());
            }
        }
    }
}
