//! The lines, what a shell makes of them, and what other readers of crontab(5) do.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use proptest::{prelude::*, strategy::ValueTree as _};

use super::{
    super::{
        crontab_text::find_blocks,
        hash_of,
        tests::{cases, context, entry, entry_of, hostile, schedule, skip, text, tool, zone},
    },
    *,
};
use crate::{
    policy::values::Duration,
    schedule::calendar::{Expression, clock_changes},
};

fn fields(schedule: &str, zone: &str, host: &str) -> (String, Tier) {
    let mut context = context(Scope::User);
    context.host_zone = host.parse().unwrap();
    let rendered = render(&entry(schedule, zone), &context).unwrap();
    (of_line(&text(&rendered.files, 0)), rendered.tier)
}

/// The five fields of the first line of times.
fn of_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.starts_with(['#', 'S', 'P'])).unwrap();
    line.split(' ').take(5).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_block_is_the_lines_of_a_user() {
    let mut entry = entry("30 2 13 * 5", "Etc/UTC");
    let mut context = context(Scope::User);
    let plain = render(&entry, &context).unwrap();
    assert_eq!((plain.tier, plain.argv.len(), plain.warnings.len()), (Tier::Exact, 1, 1));
    entry.schedule.jitter = Duration::from_secs(600);
    entry.schedule.catch_up = CatchUp::UntilNext;
    context.log_folder = Some("/home/it's 100%/log/".to_owned());
    let rendered = render(&entry, &context).unwrap();
    let hash = &rendered.hash;
    let command = r"umask 077; mkdir -p '/home/it'\''s 100'\%'/log'; true >>'/home/it'\''s 100'\%'/log/policy-prod-nightly-0c995b82.log' && exec >>'/home/it'\''s 100'\%'/log/policy-prod-nightly-0c995b82.log' 2>&1; PATH=/usr/bin:/bin /usr/bin/policy --policy /srv/prod.yaml run prod/nightly --due --jitter 600s";
    assert_eq!(
        text(&rendered.files, 0),
        format!(
            "# policy:begin policy-prod-nightly-0c995b82 sha256={hash}
# prod/nightly by policy-file=/srv/prod.yaml; to change it, change the policy and install it again
30 2 13 * 5 {command}
@reboot {command}
26 * * * * {command}
# policy:end policy-prod-nightly-0c995b82
"
        )
    );
    assert_eq!(rendered.files[0].name, "policy-prod-nightly-0c995b82.crontab");
    assert_eq!(hash_of(&rendered.files, hash), *hash);
    assert_eq!((rendered.tier, rendered.argv.len(), rendered.warnings.len()), (Tier::Superset, 3, 0));
    let found = find_blocks(&rendered.files[0].bytes).unwrap();
    assert_eq!(found[0].file(&rendered.files[0].bytes), rendered.files[0]);
}

#[test]
fn a_file_of_the_host_names_shell_path_and_user() {
    let mut context = context(Scope::System);
    context.environment.insert("MAILTO".to_owned(), "x".to_owned());
    let rendered = render(&entry("@daily", "UTC"), &context).unwrap();
    assert_eq!(rendered.files[0].name, "policy-prod-nightly-0c995b82");
    let lines = text(&rendered.files, 0);
    let lines: Vec<_> = lines.lines().skip(2).collect();
    assert_eq!(lines[..2], ["SHELL=/bin/sh", "PATH=/usr/bin:/bin"]);
    assert!(lines[2].starts_with("0 0 * * * root MAILTO=x /usr/bin/policy --policy "), "{}", lines[2]);
    context.user = Some("backup".to_owned());
    context.environment.insert("PATH".to_owned(), "/a b:/bin".to_owned());
    let rendered = render(&entry("@daily", "UTC"), &context).unwrap();
    let lines = text(&rendered.files, 0);
    let lines: Vec<_> = lines.lines().skip(2).collect();
    assert_eq!(lines[0], "SHELL=/bin/sh");
    assert!(
        lines[1].starts_with("0 0 * * * backup MAILTO=x PATH='/a b:/bin' /usr/bin/policy"),
        "{}",
        lines[1]
    );
}

#[test]
fn the_fields_are_those_of_the_policy_where_the_clocks_are_the_same() {
    let same = |schedule: &str| fields(schedule, "Europe/Berlin", "Europe/Paris");
    assert_eq!(same("*/15 1-3 * * mon-fri"), ("*/15 1-3 * * mon-fri".to_owned(), Tier::Exact));
    assert_eq!(same("0 2 */2 * *"), ("0 2 */2 * *".to_owned(), Tier::Exact));
    assert_eq!(same("@weekly"), ("0 0 * * 0".to_owned(), Tier::Exact));
}

#[test]
fn the_fields_of_another_clock_are_widened() {
    let superset = |text: &str| (text.to_owned(), Tier::Superset);
    assert_eq!(fields("30 4 * * *", "Europe/Berlin", "UTC"), superset("30 2,3 * * *"));
    assert_eq!(fields("30 2 * * *", "Asia/Kathmandu", "UTC"), ("45 20 * * *".to_owned(), Tier::Exact));
    assert_eq!(fields("0 6 13 * 5", "Europe/Berlin", "UTC"), superset("0 4,5 13 * 5"));
    assert_eq!(fields("0 1 * * 1", "Europe/Berlin", "UTC"), superset("0 0,23 * * 0,1"));
    assert_eq!(fields("0 * * * *", "Europe/Berlin", "America/New_York").0, "0 * * * *");
    assert_eq!(fields("0 6 1-31 * 5", "Europe/Berlin", "UTC").0, "0 4,5 * * *");
}

#[test]
fn what_may_fall_into_the_second_pass_of_a_repeated_hour_begins_with_a_star() {
    assert_eq!(fields("30 1 * * *", "UTC", "Europe/Berlin").0, "30 */24,2,3 * * *");
    assert_eq!(fields("0 1 * * *", "UTC", "Europe/Berlin").0, "*/60 2,3 * * *");
    assert_eq!(fields("15,45 1,23 * * *", "UTC", "Europe/Berlin").0, "15,45 */24,1,2,3 * * *");
    assert_eq!(fields("30 6 * * *", "UTC", "Europe/Berlin").0, "30 7,8 * * *");
}

#[test]
fn a_tick_is_asked_for() {
    let mut context = context(Scope::User);
    context.host_zone = Tz::Australia__Lord_Howe;
    let entry = entry("1-59 0-23 * * *", "Europe/Berlin");
    let hour = fields::of(&entry, &context, Refuser { entry: &entry, backend: Backend::Cron });
    assert_eq!(hour.unwrap_err().help.split('`').nth(1), Some("dispatcher: minute"));
    context.may_tick = true;
    let rendered = render(&entry, &context).unwrap();
    assert_eq!((of_line(&text(&rendered.files, 0)), rendered.tier), ("* * * * *".to_owned(), Tier::Tick));
}

#[test]
fn what_is_too_long_or_no_line_is_refused() {
    let (mut entry, context) = (entry("0 4 * * *", "UTC"), context(Scope::User));
    let length = |entry: &Entry| {
        let rendered = render(entry, &context).unwrap();
        text(&rendered.files, 0).lines().map(str::len).nth(2).unwrap()
    };
    let room = LINE - length(&entry);
    entry.argv.push("x".repeat(room - 1));
    assert_eq!(length(&entry), LINE);
    entry.argv[6].push('x');
    assert_eq!(render(&entry, &context).unwrap_err().field, "install.backend");
    entry.argv[6] = "a\nb".to_owned();
    assert_eq!(render(&entry, &context).unwrap_err().field, "the path of the policy");
}

/// What Debian's cron gives the shell (`do_command.c`), and how cronie, which keeps some backslashes, could.
fn commands(line: &str, columns: usize) -> [String; 2] {
    let command = line.splitn(columns + 1, ' ').nth(columns).unwrap();
    let mut dropped = String::new();
    let mut escaped = false;
    for c in command.chars() {
        assert!(c != '%' || escaped, "`%` ends the command: {command}");
        if escaped && (c == '%' || c == '\\') {
            dropped.pop();
        }
        dropped.push(c);
        escaped = c == '\\' && !escaped;
    }
    [dropped, command.to_owned()]
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn a_shell_gets_the_arguments_as_they_were(argv in prop::collection::vec(hostile(), 0..4), value in hostile()) {
        let mut all = vec!["/bin/sh", "-c", r#"printf '%s\0' "$VALUE" "$@""#, "sh"];
        all.extend(argv.iter().map(String::as_str));
        let every = Expression::parse("0 4 * * *").unwrap();
        for (scope, columns) in [(Scope::User, 5), (Scope::System, 6)] {
            let mut context = context(scope);
            context.environment.insert("VALUE".to_owned(), value.clone());
            let Ok(rendered) = render(&entry_of(&every, Tz::UTC, &all), &context) else { continue };
            let lines = text(&rendered.files, 0);
            let line = lines.lines().find(|line| line.starts_with("0 4 ")).unwrap();
            for command in commands(line, columns) {
                let Some(output) = tool(&["/bin/sh", "-c", &command], "") else { return Ok(()) };
                let found = String::from_utf8(output.stdout).unwrap();
                let found: Vec<_> = found.split_terminator('\0').collect();
                prop_assert_eq!(found, std::iter::once(&value).chain(&argv).collect::<Vec<_>>(), "{}", command);
            }
        }
    }

    #[test]
    fn the_host_fires_whenever_the_policy_does(
        schedule in schedule(), zone in zone(), host in zone(), change in any::<prop::sample::Index>(),
    ) {
        let mut context = context(Scope::User);
        context.host_zone = host;
        context.may_tick = true;
        let rendered = render(&entry_of(&schedule, zone, &["/bin/true"]), &context).unwrap();
        // Our own reader of the fields has the rules of Vixie cron, and another way to them.
        let fields = of_line(&text(&rendered.files, 0));
        let line = Expression::parse(&fields).unwrap();
        for (from, to) in windows(zone, host, change) {
            let asked: BTreeSet<_> = fires(&schedule, zone, from, to);
            let found = fires(&line, host, from, to);
            prop_assert!(asked.is_subset(&found), "{} of {} in {}: {}", schedule, zone, host, fields);
            if rendered.tier == Tier::Exact {
                prop_assert_eq!(asked, found, "{} of {} in {}: {}", schedule, zone, host, fields);
            }
        }
    }
}

fn fires(schedule: &Expression, zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> BTreeSet<DateTime<Utc>> {
    schedule.fires_after(from, zone).map(|fire| fire.utc).take_while(|at| *at < to).collect()
}

/// Days around a clock change of each zone, and some month.
fn windows(zone: Tz, host: Tz, change: prop::sample::Index) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let near = |zone: Tz| {
        let changes = clock_changes(zone);
        let change = changes.get(change.index(changes.len().max(1)))?;
        let at = zone.from_local_datetime(&change.to).latest()?.to_utc();
        Some((at - TimeDelta::hours(30), at + TimeDelta::hours(30)))
    };
    let some = "2027-01-31T00:00:00Z".parse::<DateTime<Utc>>().unwrap()
        + TimeDelta::days(i64::try_from(change.index(3000)).unwrap());
    [near(zone), near(host), Some((some, some + TimeDelta::days(20)))].into_iter().flatten().collect()
}

#[test]
fn debians_crontab_takes_the_lines() {
    if !tool(&["crontab", "-V"], "")
        .is_some_and(|output| String::from_utf8_lossy(&output.stderr).contains("-n"))
    {
        // Only Debian's names `-n` among its options.
        return skip("crontab -n");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crontab");
    for (schedule, zone, host) in [
        ("30 1 * * *", "UTC", "Europe/Berlin"),
        ("0 1 * * *", "UTC", "Europe/Berlin"),
        ("15,45 1,23 * * *", "UTC", "Europe/Berlin"),
        ("*/90 */30 1-31/2 jan-mar sun", "UTC", "UTC"),
    ] {
        let mut context = context(Scope::User);
        context.host_zone = host.parse().unwrap();
        context.log_folder = Some("/tmp/a b%".to_owned());
        let mut entry = entry(schedule, zone);
        entry.schedule.catch_up = CatchUp::UntilNext;
        let room = LINE
            - text(&render(&entry, &context).unwrap().files, 0).lines().skip(1).map(str::len).max().unwrap();
        entry.argv.push("x".repeat(room - 1));
        let rendered = render(&entry, &context).unwrap();
        #[expect(clippy::disallowed_methods, reason = "the tool reads a file")]
        std::fs::write(&path, &rendered.files[0].bytes).unwrap();
        let output = tool(&["crontab", "-n", path.to_str().unwrap()], "").unwrap();
        assert!(output.status.success(), "{schedule}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Prints the fires of each line `N ZONE FROM FIELDS`, one a line.
const CRONSIM: &str = r#"
import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo
from cronsim import CronSim
for line in sys.stdin:
    count, zone, since, fields = line.rstrip("\n").split(" ", 3)
    it = CronSim(fields, datetime.fromtimestamp(int(since), timezone.utc).astimezone(ZoneInfo(zone)))
    print(" ".join(str(int(next(it).timestamp())) for _ in range(int(count))))
"#;

#[test]
fn another_reader_of_crontab_finds_the_same_fires() {
    #[expect(clippy::disallowed_methods, reason = "which Python has cronsim is the machine's affair")]
    let python = std::env::var("POLICY_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !tool(&[&python, "-c", "import cronsim"], "").is_some_and(|output| output.status.success()) {
        return skip("cronsim of Python");
    }
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (schedule(), zone(), zone(), any::<prop::sample::Index>());
    let (mut asked, mut lines) = (Vec::new(), Vec::new());
    for _ in 0..cases(200).cases {
        let (schedule, zone, host, change) = strategy.new_tree(&mut runner).unwrap().current();
        // cronsim (2.8) steps by whole hours of the clock, and loses times where a change begins or ends within one.
        if [Tz::Australia__Lord_Howe, Tz::Pacific__Chatham].contains(&host) {
            continue;
        }
        let mut context = context(Scope::User);
        context.host_zone = host;
        context.may_tick = true;
        let rendered = render(&entry_of(&schedule, zone, &["/bin/true"]), &context).unwrap();
        let fields = of_line(&text(&rendered.files, 0));
        for (from, to) in windows(zone, host, change) {
            let to = to.min(from + TimeDelta::hours(60));
            let of_line = fires(&Expression::parse(&fields).unwrap(), host, from, to).len();
            let fires = fires(&schedule, zone, from, to);
            lines.push(format!("{} {host} {} {fields}\n", of_line + 3, from.timestamp()));
            asked.push((fires, format!("{schedule} of {zone} in {host} from {from}: {fields}")));
        }
    }
    let output = tool(&[&python, "-c", CRONSIM], &lines.concat()).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout).unwrap();
    assert_eq!(found.lines().count(), asked.len());
    for (found, (fires, about)) in found.lines().zip(asked) {
        let found: BTreeSet<i64> = found.split(' ').map(|seconds| seconds.parse().unwrap()).collect();
        let missed = fires.iter().find(|at| !found.contains(&at.timestamp()));
        assert_eq!(missed, None, "{about}");
    }
}
