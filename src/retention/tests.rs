//! What holds of retention whatever the rules and the history.

use super::*;
use chrono::{Datelike as _, NaiveDate, TimeDelta};
use proptest::prelude::*;
use rstest::rstest;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

const NEW_YORK: Tz = chrono_tz::America::New_York;
const BERLIN: Tz = chrono_tz::Europe::Berlin;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn proven(time: DateTime<Utc>) -> Candidate {
    Candidate { stamp: Stamp::first(time), proven: true, partial: false, own: true }
}

fn unproven(time: DateTime<Utc>) -> Candidate {
    Candidate { proven: false, ..proven(time) }
}

/// The stamps kept, oldest first, as text without seconds.
fn kept(candidates: &[Candidate], rule: Retention, zone: Tz, now: &str) -> Vec<String> {
    let mut kept: Vec<String> = decide(candidates, Some(&rule), zone, at(now))
        .iter()
        .filter(|verdict| verdict.keep)
        .map(|verdict| verdict.stamp.time().format("%Y-%m-%dT%H:%M").to_string())
        .collect();
    kept.reverse();
    kept
}

fn reasons(candidates: &[Candidate], rule: Retention, now: &str) -> Vec<String> {
    let verdicts = decide(candidates, Some(&rule), Tz::UTC, at(now));
    let text =
        |verdict: &Verdict| verdict.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    verdicts.iter().map(|verdict| format!("{} {}: {}", verdict.stamp, verdict.keep, text(verdict))).collect()
}

fn days(from: &str, count: i64) -> Vec<Candidate> {
    (0..count).map(|n| proven(at(from) + TimeDelta::days(n))).collect()
}

const NONE: Retention = Retention {
    last: None,
    hourly: None,
    daily: None,
    weekly: None,
    monthly: None,
    yearly: None,
    within: None,
};

#[test]
fn a_month_of_nights_keeps_a_week_of_days_and_the_sundays_before() {
    let nights = days("2026-01-01T07:00:00Z", 59);
    let rule = Retention { daily: Some(7), weekly: Some(12), ..NONE };
    let kept = kept(&nights, rule, NEW_YORK, "2026-03-01T12:00:00Z");
    let wanted = [
        "01-04", "01-11", "01-18", "01-25", "02-01", "02-08", "02-15", "02-22", "02-23", "02-24", "02-25",
        "02-26", "02-27", "02-28",
    ];
    assert_eq!(kept, wanted.map(|day| format!("2026-{day}T07:00")));
}

#[test]
fn each_verdict_says_why() {
    let mut backups = days("2026-01-01T07:00:00Z", 5);
    backups[1].partial = true;
    backups[3].own = false;
    backups.push(unproven(at("2026-01-06T07:00:00Z")));
    backups.push(proven(at("2026-01-09T07:00:00Z")));
    let rule = Retention { last: Some(1), daily: Some(3), within: Duration::parse("3d"), ..NONE };
    assert_eq!(
        reasons(&backups, rule, "2026-01-07T00:00:00Z"),
        [
            "2026-01-09T070000Z true: dated in the future",
            "2026-01-06T070000Z true: daily 1 of 3 (2026-01-06), within 3d of the newest proven, newer than the newest \
             proven, unproven",
            "2026-01-05T070000Z true: last 1 of 1, daily 2 of 3 (2026-01-05), within 3d of the newest proven, newest \
             proven",
            "2026-01-04T070000Z true: another origin: kept until adopted",
            "2026-01-03T070000Z true: daily 3 of 3 (2026-01-03), within 3d of the newest proven",
            "2026-01-02T070000Z false: no rule keeps it",
            "2026-01-01T070000Z false: no rule keeps it",
        ]
    );
    assert_eq!(decide(&backups[..1], None, Tz::UTC, at("2026-01-07T00:00:00Z"))[0].reasons, [Reason::NotSet]);
    let rule = Retention { weekly: Some(2), ..NONE };
    let nothing = reasons(&[unproven(at("2026-01-05T07:00:00Z"))], rule, "2026-01-07T00:00:00Z");
    assert_eq!(
        nothing,
        ["2026-01-05T070000Z true: weekly 1 of 2 (2026-W02), nothing is proven: nothing is pruned"]
    );
}

#[test]
fn a_rule_that_says_nothing_prunes_nothing() {
    let backups = days("2026-01-01T07:00:00Z", 9);
    assert_eq!(kept(&backups, NONE, Tz::UTC, "2027-01-01T00:00:00Z").len(), 9);
}

#[test]
fn a_period_keeps_its_newest_proven_backup_or_its_newest() {
    let backups = [
        proven(at("2026-01-05T01:00:00Z")),
        unproven(at("2026-01-05T02:00:00Z")),
        unproven(at("2026-01-06T01:00:00Z")),
        unproven(at("2026-01-06T02:00:00Z")),
        proven(at("2026-01-07T01:00:00Z")),
    ];
    let rule = Retention { daily: Some(3), ..NONE };
    let wanted = ["2026-01-05T01:00", "2026-01-06T02:00", "2026-01-07T01:00"];
    assert_eq!(kept(&backups, rule, Tz::UTC, "2026-01-08T00:00:00Z"), wanted);
}

#[test]
fn last_counts_proven_backups_alone() {
    let mut backups = days("2026-01-01T07:00:00Z", 6);
    backups[4].proven = false;
    let rule = Retention { last: Some(2), ..NONE };
    assert_eq!(
        kept(&backups, rule, Tz::UTC, "2026-02-01T00:00:00Z"),
        ["2026-01-04T07:00", "2026-01-06T07:00"]
    );
}

#[test]
fn within_counts_back_from_the_newest_proven_backup_not_from_now() {
    let mut backups = days("2026-01-01T07:00:00Z", 10);
    backups[9].proven = false;
    let rule = Retention { within: Duration::parse("2d"), ..NONE };
    // Two days before the ninth is the seventh, which is not younger than two days.
    let wanted = ["2026-01-08T07:00", "2026-01-09T07:00", "2026-01-10T07:00"];
    assert_eq!(kept(&backups, rule, Tz::UTC, "2036-01-01T00:00:00Z"), wanted);
}

#[test]
fn a_clock_that_jumped_ahead_and_back_costs_no_backup() {
    // Made while the clock was ten years ahead: were it counted, `last` would keep it and drop the true newest.
    let mut backups = days("2026-01-01T07:00:00Z", 3);
    backups.push(proven(at("2036-01-01T07:00:00Z")));
    let rule = Retention { last: Some(1), ..NONE };
    let wanted = ["2026-01-03T07:00", "2036-01-01T07:00"];
    assert_eq!(kept(&backups, rule, Tz::UTC, "2026-01-04T00:00:00Z"), wanted);
}

#[test]
fn of_two_runs_in_one_second_the_second_is_newer() {
    let first = Stamp::parse("2026-01-05T070000Z").unwrap();
    let second = Stamp::parse("2026-01-05T070000Z-2").unwrap();
    let backups = [first, second].map(|stamp| Candidate { stamp, proven: true, partial: false, own: true });
    let verdicts = decide(&backups, Some(&Retention { last: Some(1), ..NONE }), Tz::UTC, first.time());
    assert_eq!(
        verdicts.iter().map(|v| (v.stamp, v.keep)).collect::<Vec<_>>(),
        [(second, true), (first, false)]
    );
}

/// Two moments, and whether they fall into one period.
#[rstest]
#[case::utc_midnight(Unit::Day, Tz::UTC, "2026-01-05T23:59:59Z", "2026-01-06T00:00:00Z", false)]
#[case::evening_is_the_same_day_in_new_york(
    Unit::Day,
    NEW_YORK,
    "2026-01-05T23:59:59Z",
    "2026-01-06T04:59:59Z",
    true
)]
#[case::midnight_in_new_york(Unit::Day, NEW_YORK, "2026-01-06T04:59:59Z", "2026-01-06T05:00:00Z", false)]
#[case::day_of_23_hours(Unit::Day, NEW_YORK, "2026-03-08T05:00:00Z", "2026-03-09T03:59:59Z", true)]
#[case::after_the_day_of_23_hours(Unit::Day, NEW_YORK, "2026-03-09T03:59:59Z", "2026-03-09T04:00:00Z", false)]
#[case::day_of_25_hours(Unit::Day, BERLIN, "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z", true)]
#[case::after_the_day_of_25_hours(Unit::Day, BERLIN, "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z", false)]
#[case::hour_shown_twice(Unit::Hour, BERLIN, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", false)]
#[case::hour_left_out(Unit::Hour, BERLIN, "2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z", false)]
#[case::hours_of_half_an_offset(
    Unit::Hour,
    chrono_tz::Asia::Kolkata,
    "2026-01-05T00:29:59Z",
    "2026-01-05T00:30:00Z",
    false
)]
#[case::one_hour_of_half_an_offset(
    Unit::Hour,
    chrono_tz::Asia::Kolkata,
    "2026-01-05T00:30:00Z",
    "2026-01-05T01:29:59Z",
    true
)]
#[case::week_over_new_year(Unit::Week, Tz::UTC, "2025-12-29T00:00:00Z", "2026-01-04T23:59:59Z", true)]
#[case::first_week_of_2026(Unit::Week, Tz::UTC, "2025-12-28T23:59:59Z", "2025-12-29T00:00:00Z", false)]
#[case::week_53(Unit::Week, Tz::UTC, "2026-12-28T00:00:00Z", "2027-01-03T23:59:59Z", true)]
#[case::weeks_of_one_number(Unit::Week, Tz::UTC, "2026-01-01T00:00:00Z", "2026-12-31T00:00:00Z", false)]
#[case::month_in_the_zone(Unit::Month, BERLIN, "2026-01-31T22:59:59Z", "2026-01-31T23:00:00Z", false)]
#[case::year_in_the_zone(Unit::Year, BERLIN, "2025-12-31T22:59:59Z", "2025-12-31T23:00:00Z", false)]
#[case::whole_year(Unit::Year, BERLIN, "2025-12-31T23:00:00Z", "2026-12-31T22:59:59Z", true)]
fn periods_are_those_of_the_zone(
    #[case] unit: Unit,
    #[case] zone: Tz,
    #[case] one: &str,
    #[case] other: &str,
    #[case] same: bool,
) {
    assert_eq!(Period::of(unit, at(one), zone) == Period::of(unit, at(other), zone), same);
}

#[rstest]
#[case(Unit::Hour, "2026-10-25T02+02:00")]
#[case(Unit::Day, "2026-10-25")]
#[case(Unit::Week, "2026-W43")]
#[case(Unit::Month, "2026-10")]
#[case(Unit::Year, "2026")]
fn periods_are_shown_as_iso_8601_writes_them(#[case] unit: Unit, #[case] shown: &str) {
    assert_eq!(Period::of(unit, at("2026-10-25T00:30:00Z"), BERLIN).to_string(), shown);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "measures")]
fn a_hundred_thousand_backups_are_decided_at_once() {
    let backups: Vec<_> =
        (0..100_000).map(|n| proven(at("2015-01-01T00:00:00Z") + TimeDelta::hours(n))).collect();
    let some = Some(1_000_000);
    let rule = Retention {
        last: some,
        hourly: some,
        daily: some,
        weekly: some,
        monthly: some,
        yearly: some,
        ..NONE
    };
    let start = std::time::Instant::now();
    let verdicts = decide(&backups, Some(&rule), NEW_YORK, at("2030-01-01T00:00:00Z"));
    let taken = start.elapsed();
    assert_eq!(verdicts.len(), 100_000);
    // Measured about a tenth of this; a quadratic way takes minutes.
    assert!(taken < std::time::Duration::from_secs(1), "{taken:?}");
}

/// The rules of the language once more, as slowly and plainly as they are said.
fn model(candidates: &[Candidate], rule: &Retention, zone: Tz, now: DateTime<Utc>) -> BTreeSet<Stamp> {
    let future = |c: &Candidate| c.stamp.time() > now;
    let own: Vec<_> = candidates.iter().filter(|c| c.own && !future(c)).collect();
    let complete: Vec<_> = own.iter().filter(|c| !c.partial).collect();
    let newest_proven = complete.iter().filter(|c| c.proven).map(|c| c.stamp).max();
    let labels = |format: &'static str, count: Option<u32>| {
        let mut periods: BTreeMap<String, Vec<&Candidate>> = BTreeMap::new();
        for c in &complete {
            // An hour shown twice sorts by its moment, not by its label.
            let hour = c.stamp.time().timestamp().div_euclid(60);
            let local = c.stamp.time().with_timezone(&zone);
            let first = complete
                .iter()
                .map(|other| other.stamp.time())
                .filter(|time| {
                    time.with_timezone(&zone).format(format).to_string() == local.format(format).to_string()
                })
                .min()
                .map_or(hour, |time| time.timestamp().div_euclid(60));
            periods.entry(format!("{first:020} {}", local.format(format))).or_default().push(c);
        }
        let mut kept = BTreeSet::new();
        for members in periods.values().rev().take(count.unwrap_or(0) as usize) {
            let proven = members.iter().filter(|c| c.proven).map(|c| c.stamp).max();
            kept.extend(proven.or(members.iter().map(|c| c.stamp).max()));
        }
        kept
    };
    let mut kept = BTreeSet::new();
    kept.extend(labels("%Y-%m-%d %H %z", rule.hourly));
    kept.extend(labels("%Y-%m-%d", rule.daily));
    kept.extend(labels("%G-%V", rule.weekly));
    kept.extend(labels("%Y-%m", rule.monthly));
    kept.extend(labels("%Y", rule.yearly));
    let mut all_proven: Vec<_> = complete.iter().filter(|c| c.proven).map(|c| c.stamp).collect();
    all_proven.sort();
    kept.extend(all_proven.iter().rev().take(rule.last.unwrap_or(0) as usize));
    for c in candidates {
        let too_new = newest_proven.is_none_or(|newest| c.stamp >= newest);
        let young = newest_proven.zip(rule.within).is_some_and(|(newest, within)| {
            (newest.time() - c.stamp.time()).num_seconds() < i64::try_from(within.as_secs()).unwrap()
        });
        if !c.own || future(c) || too_new || young {
            kept.insert(c.stamp);
        }
    }
    kept
}

fn now() -> DateTime<Utc> {
    at("2026-06-01T00:00:00Z")
}

/// A history around clock changes, new years and the future, in no order.
fn history() -> impl Strategy<Value = Vec<Candidate>> {
    let minutes = prop_oneof![
        -400 * 1440..30_i64 * 1440,   // days over a year and somewhat ahead
        -400 * 1440..-395_i64 * 1440, // hours close together
        -87 * 1440..-83_i64 * 1440,   // New York's clock goes forward
        -211 * 1440..-208_i64 * 1440, // and back
    ];
    let one = (minutes, any::<bool>(), prop::bool::weighted(0.15), prop::bool::weighted(0.9));
    prop::collection::vec(one, 0..40).prop_map(|rows| {
        let mut seen = BTreeSet::new();
        rows.into_iter()
            .map(|(minute, proven, partial, own)| Candidate {
                stamp: Stamp::first(now() + TimeDelta::minutes(minute)),
                proven: proven && !partial,
                partial,
                own,
            })
            .filter(|candidate| seen.insert(candidate.stamp))
            .collect()
    })
}

fn rule() -> impl Strategy<Value = Retention> {
    let n = || prop::option::weighted(0.4, 1_u32..8);
    let within =
        prop::option::weighted(0.3, (0_u64..40 * 24).prop_map(|hours| Duration::from_secs(hours * 3600)));
    (n(), n(), n(), n(), n(), n(), within)
        .prop_map(|(last, hourly, daily, weekly, monthly, yearly, within)| Retention {
            last,
            hourly,
            daily,
            weekly,
            monthly,
            yearly,
            within,
        })
        .prop_filter("says something", |rule| *rule != Retention::default())
}

fn zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(vec![Tz::UTC, NEW_YORK, BERLIN, chrono_tz::Asia::Kolkata, chrono_tz::Pacific::Apia])
}

fn keeps(verdicts: &[Verdict]) -> BTreeSet<Stamp> {
    verdicts.iter().filter(|verdict| verdict.keep).map(|verdict| verdict.stamp).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn it_keeps_what_the_language_says(history in history(), rule in rule(), zone in zone()) {
        let verdicts = decide(&history, Some(&rule), zone, now());
        prop_assert_eq!(keeps(&verdicts), model(&history, &rule, zone, now()));
        prop_assert!(verdicts.is_sorted_by(|a, b| a.stamp > b.stamp));
        prop_assert_eq!(verdicts.len(), history.len());
        for verdict in &verdicts {
            prop_assert!(!verdict.reasons.is_empty());
            prop_assert_eq!(verdict.keep, !verdict.reasons.contains(&Reason::NoRule));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_order_of_the_input_does_not_matter(
        (history, shuffled) in history().prop_flat_map(|history| (Just(history.clone()), Just(history).prop_shuffle())),
        rule in rule(),
        zone in zone(),
    ) {
        prop_assert_eq!(decide(&history, Some(&rule), zone, now()), decide(&shuffled, Some(&rule), zone, now()));
    }

    #[test]
    fn what_must_not_be_lost_stays_under_every_rule(history in history(), rule in rule(), zone in zone()) {
        let kept = keeps(&decide(&history, Some(&rule), zone, now()));
        let newest = history.iter().filter(|c| c.own && c.proven && c.stamp.time() <= now()).map(|c| c.stamp).max();
        for candidate in &history {
            let foreign = !candidate.own || candidate.stamp.time() > now();
            if foreign || newest.is_none_or(|newest| candidate.stamp >= newest) {
                prop_assert!(kept.contains(&candidate.stamp));
            }
        }
    }

    #[test]
    fn a_more_generous_rule_keeps_no_less(history in history(), rule in rule(), more in rule(), zone in zone()) {
        let most = |a: Option<u32>, b: Option<u32>| a.max(b);
        let generous = Retention {
            last: most(rule.last, more.last),
            hourly: most(rule.hourly, more.hourly),
            daily: most(rule.daily, more.daily),
            weekly: most(rule.weekly, more.weekly),
            monthly: most(rule.monthly, more.monthly),
            yearly: most(rule.yearly, more.yearly),
            within: rule.within.max(more.within),
        };
        let little = keeps(&decide(&history, Some(&rule), zone, now()));
        prop_assert!(little.is_subset(&keeps(&decide(&history, Some(&generous), zone, now()))));
    }

    #[test]
    fn pruning_twice_prunes_nothing_more_of_proven_histories(history in history(), rule in rule(), zone in zone()) {
        let kept = keeps(&decide(&history, Some(&rule), zone, now()));
        let left: Vec<_> = history.into_iter().filter(|candidate| kept.contains(&candidate.stamp)).collect();
        prop_assert_eq!(keeps(&decide(&left, Some(&rule), zone, now())), kept);
    }
}

/// What the README shows of `{daily: 7, weekly: 12}`: three months of nights at 02:30 in Berlin, with two gaps and the
/// night of 29 March, on which 02:30 is skipped and the backup made at 03:00.
fn three_months() -> String {
    let missed = |day: NaiveDate| {
        let (month, day) = (day.month(), day.day());
        month == 1 && (10..=12).contains(&day) || month == 2 && (20..=25).contains(&day)
    };
    let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let nights = first.iter_days().take(91).filter(|day| !missed(*day));
    let times = nights.map(|day| {
        let hour = if day == NaiveDate::from_ymd_opt(2026, 3, 29).unwrap() { (3, 0) } else { (2, 30) };
        let local = day.and_hms_opt(hour.0, hour.1, 0).unwrap();
        local.and_local_timezone(BERLIN).unwrap().to_utc()
    });
    let nights: Vec<Candidate> = times.map(proven).collect();
    let rule = Retention { daily: Some(7), weekly: Some(12), ..NONE };
    let verdicts = decide(&nights, Some(&rule), BERLIN, at("2026-04-01T10:00:00Z"));
    let pruned = verdicts.iter().filter(|verdict| !verdict.keep).count();
    let mut table = String::new();
    for verdict in verdicts.iter().filter(|verdict| verdict.keep) {
        let time = verdict.stamp.time().with_timezone(&BERLIN).format("%a %F %H:%M");
        let reasons: Vec<_> = verdict.reasons.iter().map(ToString::to_string).collect();
        let _ = writeln!(table, "{time}  {}", reasons.join(", "));
    }
    let _ = writeln!(table, "{pruned} more are pruned");
    table
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the README is read")]
fn the_table_of_the_readme_is_what_is_decided() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let table = three_months();
    assert!(readme.contains(&format!("```text\n{table}```\n")), "{table}");
}
