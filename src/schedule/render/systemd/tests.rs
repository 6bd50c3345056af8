//! The units, and what systemd itself makes of them.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::{
    super::tests::{cases, context, entry, entry_of, hostile, schedule, text, tool, zone},
    *,
};
use crate::{
    policy::values::Duration,
    schedule::{
        calendar::{Expression, clock_changes},
        entry::Tier,
        render::hash_of,
    },
};

fn lines(schedule: &str, zone: &str) -> Vec<String> {
    times::of(&Expression::parse(schedule).unwrap(), zone.parse().unwrap()).lines
}

#[test]
fn a_timer_names_the_times_and_a_service_the_command() {
    let mut entry = entry("30 2 13 * 5", "Asia/Kathmandu");
    entry.schedule.jitter = Duration::from_secs(600);
    entry.schedule.catch_up = CatchUp::UntilNext;
    entry.limit = Some(Duration::from_secs(7_200));
    let mut context = context(Scope::System);
    context.user = Some("backup".to_owned());
    context.log_folder = Some("/var/log/100% policy/".to_owned());
    let rendered = render(&entry, &context).unwrap();
    let names: Vec<_> = rendered.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["policy-prod-nightly-0c995b82.timer", "policy-prod-nightly-0c995b82.service"]);
    let hash = &rendered.hash;
    assert_eq!(
        text(&rendered.files, 0),
        format!(
            "[Unit]
Description=times of prod/nightly

[Timer]
OnCalendar=*-*-13 02:30:00 Asia/Kathmandu
OnCalendar=Fri *-*-* 02:30:00 Asia/Kathmandu
AccuracySec=1s
RandomizedDelaySec=600s
FixedRandomDelay=true
Persistent=true

[Install]
WantedBy=timers.target

[X-Policy]
Policy=prod
Job=nightly
File=policy-file=/srv/prod.yaml
Format=1
Hash={hash}
"
        )
    );
    assert_eq!(
        text(&rendered.files, 1),
        format!(
            "[Unit]
Description=backup prod/nightly
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart=/usr/bin/policy --policy /srv/prod.yaml run prod/nightly --due
TimeoutStartSec=8100s
User=backup
Environment=PATH=/usr/bin:/bin
StandardOutput=append:/var/log/100%% policy/policy-prod-nightly-0c995b82.log
StandardError=inherit
Nice=10
IOSchedulingClass=best-effort
IOSchedulingPriority=7
UMask=0077

[X-Policy]
Policy=prod
Job=nightly
File=policy-file=/srv/prod.yaml
Format=1
Hash={hash}
"
        )
    );
    assert_eq!(hash_of(&rendered.files, hash), *hash);
    assert_eq!((rendered.tier, rendered.warnings.len()), (Tier::Exact, 0));
    assert_eq!(rendered.argv, [entry.argv]);
}

#[test]
fn a_users_units_know_no_user_and_no_network_target_and_without_a_limit_none_is_set() {
    let rendered = render(&entry("0 4 * * *", "UTC"), &context(Scope::User)).unwrap();
    let service = text(&rendered.files, 1);
    assert!(
        !service.contains("User=") && !service.contains("network-online") && !service.contains("Standard")
    );
    assert!(service.contains("\nTimeoutStartSec=infinity\n"));
    let timer = text(&rendered.files, 0);
    assert!(!timer.contains("Persistent") && !timer.contains("Random"));
    assert!(rendered.warnings[0].contains("enable-linger"));
}

#[test]
fn each_kind_of_schedule_has_its_lines() {
    assert_eq!(lines("*/30 9-11 * jan,feb *", "Asia/Tokyo"), ["*-01,02-* 09,10,11:00,30:00 Asia/Tokyo"]);
    assert_eq!(lines("0 6 * * 1-5", "Asia/Tokyo"), ["Mon,Tue,Wed,Thu,Fri *-*-* 06:00:00 Asia/Tokyo"]);
    assert_eq!(lines("0 6 1-31 3 1", "Asia/Tokyo"), ["*-03-* 06:00:00 Asia/Tokyo"]);
    assert_eq!(lines("0 6 */2 * *", "Africa/Abidjan").join(" ").matches(" 06:00:00 UTC").count(), 1);
}

#[test]
fn a_schedule_of_every_hour_is_said_in_utc_where_that_is_the_same() {
    assert_eq!(lines("*/15 * * * *", "Europe/Berlin"), ["*-*-* *:00,15,30,45:00 UTC"]);
    assert_eq!(lines("0 * * * *", "Asia/Kathmandu"), ["*-*-* *:00:00 Asia/Kathmandu"]);
    assert!(lines("15 0-23 * * *", "Europe/Berlin")[0].ends_with("*:15:00 Europe/Berlin"), "fixed times");
    assert!(lines("0 * * * 1", "Europe/Berlin")[0].ends_with("Europe/Berlin"), "of one weekday");
}

#[test]
fn what_systemd_loses_at_a_clock_change_is_dated() {
    let daily = lines("30 2 * * *", "Europe/Berlin");
    assert_eq!(daily.len(), 1 + 10);
    assert_eq!(daily[..2], ["*-*-* 02:30:00 Europe/Berlin", "2026-03-29 01:00:00 UTC"]);
    // Both passes are in winter and summer of every year; the first is systemd's own.
    let often = lines("*/20 1,2 * * *", "Europe/Berlin");
    assert_eq!((often.len(), often[1].as_str()), (1 + 10, "2026-10-25 01:00,20,40:00 UTC"));
    // In some zones the rest of a date goes with a time that is skipped.
    let odd = lines("*/30 1,2,4 * * *", "Europe/Dublin");
    assert_eq!(odd[1..3], ["2026-03-29 01,03:00,30:00 UTC", "2026-10-25 01:00,30:00 UTC"]);
    let nuuk = lines("30 23 * * *", "America/Nuuk");
    assert_eq!((nuuk.len(), nuuk[1].as_str()), (1 + 10, "2026-03-29 01:00:00 UTC"));
    assert_eq!(lines("30 2 * * 1", "Europe/Berlin").len(), 1, "the clock changes on Sundays");
    assert_eq!(lines("30 3 * * *", "Europe/Berlin").len(), 1);
}

#[test]
fn a_zone_in_which_systemd_gets_stuck_is_said_in_utc() {
    let times = times::of(&Expression::parse("54 3 * * 0").unwrap(), "Pacific/Chatham".parse().unwrap());
    assert_eq!((times.lines, times.tier), (vec!["Sat *-*-* 14,15:09:00 UTC".to_owned()], Tier::Superset));
}

#[test]
fn what_no_unit_can_hold_is_refused() {
    let refused = |change: &dyn Fn(&mut Entry, &mut Context)| {
        let (mut entry, mut context) = (entry("0 4 * * *", "UTC"), context(Scope::System));
        change(&mut entry, &mut context);
        render(&entry, &context).expect_err("refused").field
    };
    assert_eq!(refused(&|entry, _| entry.argv[2] = "a\nb".into()), "the path of the policy");
    assert_eq!(refused(&|entry, _| entry.argv[0] = "policy".into()), "the path of the program");
    assert_eq!(refused(&|entry, _| entry.argv[2] = NO_HASH.into()), "the path of the policy");
    assert_eq!(refused(&|entry, _| entry.argv[0] = "/opt/it's/policy".into()), "the path of the program");
    assert_eq!(refused(&|entry, _| entry.argv.clear()), "the path of the program");
    assert_eq!(refused(&|_, context| context.log_folder = Some("log".into())), "install.log_dir");
    assert_eq!(refused(&|_, context| context.user = Some("a b".into())), "install.user");
    assert_eq!(
        refused(&|_, context| drop(context.environment.insert("A B".into(), String::new()))),
        "install.search_path"
    );
}

/// Reads a list of words as `extract_first_word` of systemd does with quotes and escapes, and then specifiers and variables.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, ' ') => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), _) if c == open => quote = None,
            (_, '\\') => {
                let escaped = chars.next().unwrap();
                assert!("\\\"'".contains(escaped), "{escaped}");
                word.get_or_insert_default().push(escaped);
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    assert_eq!(quote, None);
    words.extend(word);
    words
}

/// Halves what is doubled; a single one would mean something.
fn halved(text: &str, sign: char) -> String {
    let halves = text.split(&format!("{sign}{sign}")).collect::<Vec<_>>();
    assert!(halves.iter().all(|part| !part.contains(sign)), "{text}");
    halves.join(&sign.to_string())
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_command_and_its_variables_are_read_as_they_were(argv in prop::collection::vec(hostile(), 0..5), value in hostile()) {
        let mut all = vec!["/opt/a $x%/policy"];
        all.extend(argv.iter().map(String::as_str));
        let mut context = context(Scope::User);
        context.environment.insert("VALUE".to_owned(), value.clone());
        let rendered = render(&entry_of(&Expression::parse("0 4 * * *").unwrap(), Tz::UTC, &all), &context).unwrap();
        let service = text(&rendered.files, 1);
        let of = |key: &str| service.lines().filter_map(|line| line.strip_prefix(key)).next_back().unwrap().to_owned();
        let read: Vec<_> = words(&of("ExecStart=")).iter().map(|word| halved(word, '%')).collect();
        prop_assert_eq!(&read[0], all[0]);
        let read: Vec<_> = read[1..].iter().map(|word| halved(word, '$')).collect();
        prop_assert_eq!(&read[..], &all[1..]);
        let read = words(&of("Environment="));
        prop_assert_eq!(read.len(), 1);
        prop_assert_eq!(halved(&read[0], '%'), format!("VALUE={value}"));
    }
}

/// The instants at which systemd itself says that lines fire in a window.
fn by_systemd(
    lines: &[String],
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    most: usize,
) -> Option<BTreeSet<DateTime<Utc>>> {
    let base = format!("--base-time={}", from.format("%Y-%m-%d %H:%M:%S UTC"));
    let iterations = format!("--iterations={most}");
    let mut argv = vec!["systemd-analyze", "calendar", &base, &iterations];
    argv.extend(lines.iter().map(String::as_str));
    let output = tool(&argv, "")?;
    assert!(output.status.success(), "{lines:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let time = |line: &str| {
        let (label, time) = line.split_once(": ")?;
        let is_time = label.trim() == "Next elapse" || label.trim().starts_with("Iter. #");
        let time = time.strip_suffix(" UTC")?.split_once(' ')?.1;
        is_time.then(|| NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S").unwrap().and_utc())
    };
    Some(text.lines().filter_map(time).filter(|at| *at > from && *at < to).collect())
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn systemd_fires_when_the_schedule_does(schedule in schedule(), zone in zone(), change in any::<prop::sample::Index>()) {
        let times = times::of(&schedule, zone);
        let changes = clock_changes(zone);
        let around = if changes.is_empty() {
            "2026-03-29T01:00:00Z".parse().unwrap()
        } else {
            let change = changes[change.index(changes.len())];
            zone.from_local_datetime(&change.to).latest().unwrap().to_utc()
        };
        let (from, to) = (around - TimeDelta::hours(5), around + TimeDelta::hours(8));
        let fires = schedule.fires_after(from, zone).map(|fire| fire.utc);
        let fires: BTreeSet<_> = fires.take_while(|at| *at < to).collect();
        let most = if times.tier == Tier::Exact { fires.len() + 8 } else { 4 * fires.len() + 70 };
        if let Some(found) = by_systemd(&times.lines, from, to, most) {
            let is_right = if times.tier == Tier::Exact { found == fires } else { found.is_superset(&fires) };
            prop_assert!(is_right, "{} in {}: {:?}: {:?} for {:?}", schedule, zone, times.lines, found, fires);
            prop_assert!(times.tier == Tier::Exact || zone.name() == "Pacific/Chatham");
        }
    }
}

proptest! {
    #![proptest_config(cases(30))]

    #[test]
    fn systemd_takes_the_units_as_valid(schedule in schedule(), zone in zone(), argv in prop::collection::vec(hostile(), 0..4)) {
        let mut all = vec!["/bin/true"];
        all.extend(argv.iter().map(String::as_str));
        for scope in [Scope::User, Scope::System] {
            let mut context = context(scope);
            context.log_folder = Some("/tmp/a log %h".to_owned());
            context.environment.insert("VALUE".to_owned(), argv.join(" "));
            let rendered = render(&entry_of(&schedule, zone, &all), &context).unwrap();
            prop_assert_eq!(complaints(&rendered.files, scope), "");
        }
    }
}

/// What `systemd-analyze verify` says of units.
#[expect(clippy::disallowed_methods, reason = "the tool reads files")]
fn complaints(files: &[File], scope: Scope) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for file in files {
        let path = folder.path().join(&file.name);
        std::fs::write(&path, &file.bytes).unwrap();
        paths.push(path.to_str().unwrap().to_owned());
    }
    let runtime = format!("XDG_RUNTIME_DIR={}", folder.path().display());
    let mut argv = vec!["env", &runtime, "systemd-analyze", "verify", "--man=no"];
    if scope == Scope::User {
        argv.push("--user");
    }
    argv.extend(paths.iter().map(String::as_str));
    let Some(output) = tool(&argv, "") else { return String::new() };
    if output.status.code() == Some(127) {
        super::super::tests::skip("systemd-analyze");
        return String::new();
    }
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Of units of the machine itself it may say anything.
    let ours = said.lines().filter(|line| line.contains("policy-")).collect::<Vec<_>>().join("\n");
    if output.status.success() { ours } else { said }
}
