//! Random schedules, hosts and clock changes: an entry has all minutes of its schedule, and no others where it says so.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use policy::{
    policy::values::Duration,
    schedule::{
        CatchUp,
        calendar::{Expression, Note, clock_changes},
        entry::{Entry, Tier},
        render::{Refusal, Rendered, kubernetes, launchd, task_scheduler},
    },
};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use super::{
    cluster, context, entry,
    read::{Entries, argv, fires, python},
};

const ZONES: [&str; 11] = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Africa/Cairo",
    "America/Santiago",
];

/// A schedule of a zone on a host, and days to look at.
#[derive(Debug, Clone)]
struct Case {
    entry: Entry,
    host: Tz,
    start: DateTime<Utc>,
    days: i64,
}

impl Case {
    fn window(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        (self.start, self.start + TimeDelta::days(self.days))
    }

    fn shown(&self) -> String {
        format!(
            "`{}` of {} on a host in {}, {}",
            self.entry.schedule.cron, self.entry.zone, self.host, self.start
        )
    }
}

fn field(min: u32, max: u32) -> impl Strategy<Value = String> {
    let item = prop_oneof![
        (min..=max).prop_map(|n| n.to_string()),
        (min..=max, min..=max, 1..9_u32).prop_map(|(a, b, by)| format!("{}-{}/{by}", a.min(b), a.max(b))),
    ];
    let list = prop::collection::vec(item, 1..4).prop_map(|items| items.join(","));
    prop_oneof![3 => Just("*".to_owned()), 1 => (1..=max / 2).prop_map(|by| format!("*/{by}")), 4 => list]
}

fn cron() -> impl Strategy<Value = String> {
    let month = prop_oneof![3 => Just("*".to_owned()), 1 => field(1, 12)];
    let days = prop_oneof![
        2 => Just(("*".to_owned(), "*".to_owned())),
        1 => field(1, 31).prop_map(|day| (day, "*".to_owned())),
        1 => field(0, 7).prop_map(|weekday| ("*".to_owned(), weekday)),
        2 => (field(1, 31), field(0, 7)),
    ];
    let fields = (field(0, 59), field(0, 23), days, month);
    let text = fields
        .prop_map(|(minute, hour, (day, weekday), month)| format!("{minute} {hour} {day} {month} {weekday}"));
    text.prop_filter("not an expression", |text| Expression::parse(text).is_ok())
}

fn zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(&ZONES[..]).prop_map(|name| name.parse().unwrap())
}

fn case() -> impl Strategy<Value = Case> {
    let hosts =
        (zone(), zone(), any::<bool>()).prop_map(|(zone, host, same)| (zone, if same { zone } else { host }));
    let catch_up = prop_oneof![
        Just(CatchUp::Never),
        Just(CatchUp::UntilNext),
        (1..100_000_u64).prop_map(|seconds| CatchUp::Within(Duration::from_secs(seconds))),
    ];
    let jitter = prop_oneof![Just(0), 1..4000_u64];
    (cron(), hosts, catch_up, jitter, any::<prop::sample::Index>(), 0..3_u32).prop_map(
        |(cron, (zone, host), catch_up, jitter, some, what)| {
            let mut entry = entry(&cron, zone);
            entry.schedule.catch_up = catch_up;
            entry.schedule.jitter = Duration::from_secs(jitter);
            // Around a change of one of the two clocks, or anywhere.
            let changes = clock_changes(if what == 0 { zone } else { host });
            let date = if what == 2 || changes.is_empty() {
                NaiveDate::from_ymd_opt(2026, 1, 2).unwrap()
                    + TimeDelta::days(i64::try_from(some.index(3600)).unwrap())
            } else {
                changes[some.index(changes.len())].from.date() - TimeDelta::days(1)
            };
            let start = date.and_time(NaiveTime::MIN).and_utc();
            // What fires seldom is looked at for longer.
            let sets = entry.schedule.cron.sets();
            let often = sets.hour.numbers().count() * sets.minute.numbers().count() > 50;
            Case { entry, host, start, days: if often || what != 2 { 3 } else { 40 } }
        },
    )
}

/// Dates that are easily got wrong, each looked at for more than four years.
const TRAPS: [&str; 9] = [
    "0 3 1-31 * 1",
    "0 3 13 * 0-6",
    "0 3 13 * 5",
    "0 3 * 2,5,12 5",
    "0 3 29-31 2,4 *",
    "0 3 29 2 1",
    "0 3 * 1-11 *",
    "0 3 */2 * *",
    "0 3,23 * * 7",
];

fn traps() -> impl Iterator<Item = Case> {
    let hosts = [Tz::UTC, Tz::America__New_York, Tz::Pacific__Kiritimati];
    TRAPS.iter().flat_map(move |cron| {
        let case = |host| {
            let start = "2026-01-01T00:00:00Z".parse().unwrap();
            Case { entry: entry(cron, Tz::UTC), host, start, days: 1600 }
        };
        hosts.map(case)
    })
}

/// So many random cases, the same in every run, or as many as `POLICY_CASES` says; and the traps.
fn cases(count: usize) -> Vec<Case> {
    let asked = std::env::var("POLICY_CASES").ok().and_then(|text| text.parse().ok());
    let mut runner = TestRunner::deterministic();
    let strategy = case();
    let random = std::iter::repeat_with(|| strategy.new_tree(&mut runner).unwrap().current());
    traps().chain(random.take(asked.unwrap_or(count))).collect()
}

/// Whether an instant is in the second pass of a repeated hour.
fn is_second_pass(at: DateTime<Utc>, zone: Tz) -> bool {
    let wall = at.with_timezone(&zone).naive_local();
    let instants = zone.from_local_datetime(&wall);
    instants.earliest().is_some_and(|first| first < at)
}

/// Holds what was read against the calendar.
///
/// `in_its_zone` are schedulers of hosts whose clock is that of the schedule: what it skips, they are documented to start
/// later.
fn holds(case: &Case, rendered: &Rendered, read: &BTreeSet<DateTime<Utc>>, in_its_zone: bool) {
    let (start, end) = case.window();
    let cron = &case.entry.schedule.cron;
    let all: Vec<_> = cron
        .fires_after(start - TimeDelta::seconds(1), case.entry.zone)
        .take_while(|fire| fire.utc < end)
        .collect();
    let moved = |note| matches!(note, Some(Note::GapMoved | Note::GapMerged { .. }));
    let missed =
        all.iter().filter(|fire| !(in_its_zone && moved(fire.note))).find(|fire| !read.contains(&fire.utc));
    assert_eq!(missed, None, "{} is missed", case.shown());
    if rendered.tier == Tier::Exact {
        let wanted: BTreeSet<_> = all.iter().map(|fire| fire.utc).collect();
        let other =
            read.difference(&wanted).find(|at| !(cron.is_fixed() && is_second_pass(**at, case.entry.zone)));
        assert_eq!(other, None, "{} is no fire", case.shown());
    }
}

/// Renders the cases, reads them and holds them against the calendar; returns how many were rendered in each tier.
fn all_hold(
    kind: &str,
    count: usize,
    python: &std::path::Path,
    render: impl Fn(&Case) -> Result<Rendered, Refusal>,
) -> (Entries, [usize; 4]) {
    let mut entries = Entries::new();
    let mut kept = Vec::new();
    let mut tiers = [0; 4];
    for case in cases(count) {
        let Ok(rendered) = render(&case) else {
            tiers[3] += 1;
            continue;
        };
        tiers[rendered.tier as usize] += 1;
        let zone = if kind == "kubernetes" { case.entry.zone } else { case.host };
        entries.add(kind, &rendered, zone, case.window());
        kept.push((case, rendered));
    }
    for ((case, rendered), read) in kept.iter().zip(entries.read(python)) {
        assert_eq!(argv(&read), rendered.argv[0], "{}", case.shown());
        let in_its_zone = kind != "kubernetes" && case.host == case.entry.zone;
        holds(case, rendered, &fires(&read), in_its_zone);
    }
    (entries, tiers)
}

#[test]
fn a_property_list_has_every_minute_of_its_schedule() {
    let Some(python) = python("plistlib, zoneinfo") else { return };
    let (_, [exact, superset, tick, refused]) =
        all_hold("launchd", 200, &python, |case| launchd::render(&case.entry, &context(case.host)));
    assert_eq!((exact, tick), (0, 0), "never exact, and no tick unless asked for");
    assert!(superset > 20 * refused, "{superset} and {refused}");
}

#[test]
fn a_task_has_every_minute_of_its_schedule_and_where_it_is_exact_no_other() {
    let Some(python) = python("xml.etree.ElementTree, zoneinfo") else { return };
    let (entries, [exact, superset, ..]) = all_hold("task", 200, &python, |case| {
        let mut context = context(case.host);
        context.may_tick = case.entry.schedule.jitter.as_secs().is_multiple_of(2);
        task_scheduler::render(&case.entry, &context)
    });
    entries.are_tasks();
    assert!(exact > 0 && superset > 0, "{exact} and {superset}");
}

#[test]
fn a_cron_job_has_every_minute_of_its_schedule_and_others_only_where_its_clock_skips_one() {
    let Some(python) = python("yaml, cronsim, zoneinfo") else { return };
    let (_, [exact, superset, ..]) = all_hold("kubernetes", 200, &python, |case| {
        kubernetes::render(&case.entry, &context(case.host), &cluster())
    });
    assert_eq!(exact + superset, cases(200).len());
    assert!(superset > 0 && superset * 10 < exact, "{superset} of {exact}");
}

#[test]
fn every_zone_has_a_name_that_the_api_server_takes() {
    let refused = chrono_tz::TZ_VARIANTS.iter().filter(|zone| {
        kubernetes::render(&entry("*/30 * * * *", **zone), &context(Tz::UTC), &cluster()).is_err()
    });
    assert_eq!(refused.collect::<Vec<_>>(), Vec::<&Tz>::new());
}

#[test]
fn a_controller_never_misses_a_hundred_slots_within_its_deadline() {
    for case in cases(200) {
        let rendered = kubernetes::render(&case.entry, &context(case.host), &cluster()).unwrap();
        let text = String::from_utf8(rendered.files[0].bytes.clone()).unwrap();
        let (_, rest) = text.split_once("startingDeadlineSeconds: ").unwrap();
        let deadline: i64 = rest.lines().next().unwrap().parse().unwrap();
        assert!(deadline >= 10, "{}", case.shown());
        // What the controller counts are its own times, which may be more than the schedule's.
        let (_, rest) = text.split_once("\n  schedule: ").unwrap();
        let written = rest.lines().next().unwrap().trim_matches(['\'', '"']);
        let cron = Expression::parse(written).unwrap();
        let mut fires = cron.fires_after(case.start, case.entry.zone).map(|fire| fire.utc);
        let (first, hundredth) = (fires.next(), fires.nth(98));
        let (Some(first), Some(hundredth)) = (first, hundredth) else { continue };
        assert!((hundredth - first).num_seconds() > deadline, "{}: {deadline}", case.shown());
    }
}
