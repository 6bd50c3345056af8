//! What the tests of the renderers share.

#![expect(clippy::disallowed_methods, reason = "tests ask the machine's own tools")]

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use chrono_tz::Tz;
use proptest::prelude::*;

use super::super::{
    CatchUp, Schedule,
    calendar::Expression,
    entry::{Context, Entry, EntryName, Scope},
};
use crate::policy::values::Duration;

/// Zones whose clocks change in many ways, or never.
pub(super) const ZONES: [&str; 16] = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Dublin",
    "America/New_York",
    "America/St_Johns",
    "America/Nuuk",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Niue",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Antarctica/Troll",
    "America/Santiago",
];

/// So many random cases, or as many as `POLICY_CASES` says.
pub(super) fn cases(count: u32) -> ProptestConfig {
    let asked = std::env::var("POLICY_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(count), failure_persistence: None, ..ProptestConfig::default() }
}

pub(super) fn zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(&ZONES[..]).prop_map(|name| name.parse().unwrap())
}

fn field(min: u32, max: u32) -> impl Strategy<Value = String> {
    prop_oneof![1 => Just("*".to_owned()), 1 => (2..=max / 2).prop_map(|by| format!("*/{by}")), 4 => list(min, max)]
}

fn list(min: u32, max: u32) -> impl Strategy<Value = String> {
    let list = prop::collection::btree_set(min..=max, 1..4);
    list.prop_map(|set| set.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
}

/// Schedules of all kinds, many in the small hours in which clocks change.
pub(super) fn schedule() -> impl Strategy<Value = Expression> {
    let hour = prop_oneof![1 => field(0, 23), 1 => list(0, 4)];
    let days = prop_oneof![
        4 => Just("* *".to_owned()),
        1 => list(1, 31).prop_map(|day| format!("{day} *")),
        1 => (2..9_u32).prop_map(|by| format!("*/{by} *")),
        2 => list(0, 6).prop_map(|weekday| format!("* {weekday}")),
        2 => (list(1, 31), list(0, 6)).prop_map(|(day, weekday)| format!("{day} {weekday}")),
    ];
    let month = prop_oneof![4 => Just("*".to_owned()), 1 => list(1, 12)];
    (field(0, 59), hour, days, month).prop_filter_map("no such date", |(minute, hour, days, month)| {
        let (day, weekday) = days.split_once(' ')?;
        Expression::parse(&format!("{minute} {hour} {day} {month} {weekday}")).ok()
    })
}

/// Words that shells, cron, systemd and others read in their own way.
pub(super) fn hostile() -> impl Strategy<Value = String> {
    let odd = r#"[ '"%$\\;#&|<>*?~!`(){}\[\]^=@:+\-a-zA-Z0-9/._éßжあ😀]{0,12}"#;
    let fixed = [
        "",
        " ",
        "%",
        r"\%",
        r"\\%'%",
        "$HOME",
        "${HOME}",
        "$$",
        ";",
        r"a\",
        r"a\\b\\\\c",
        "'",
        "\"",
        r#"'"\'""#,
        "%n%h%%",
        "-",
        "@-:+!x",
        "#",
        "a b  c",
        "$(id)",
        "`id`",
        "\u{a0}x",
        "*",
    ];
    prop_oneof![
        4 => odd,
        3 => prop::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        1 => "[a-z é%]{200}",
    ]
}

/// An entry that runs a program with these words.
pub(super) fn entry_of(schedule: &Expression, zone: Tz, argv: &[&str]) -> Entry {
    Entry {
        name: EntryName::of("prod", "nightly"),
        policy: "prod".to_owned(),
        job: "nightly".to_owned(),
        file: "/srv/prod.yaml".to_owned(),
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        schedule: Schedule {
            cron: schedule.clone(),
            jitter: Duration::from_secs(0),
            catch_up: CatchUp::Never,
        },
        zone,
        limit: None,
    }
}

/// An entry as most are.
pub(super) fn entry(schedule: &str, zone: &str) -> Entry {
    let argv = ["/usr/bin/policy", "--policy", "/srv/prod.yaml", "run", "prod/nightly", "--due"];
    entry_of(&Expression::parse(schedule).unwrap(), zone.parse().unwrap(), &argv)
}

/// A host on UTC without a log folder.
pub(super) fn context(scope: Scope) -> Context {
    Context {
        scope,
        user: None,
        host_zone: Tz::UTC,
        environment: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
        log_folder: None,
        may_tick: false,
    }
}

/// The only file, or the first, as text.
pub(super) fn text(files: &[super::File], n: usize) -> String {
    String::from_utf8(files[n].bytes.clone()).unwrap()
}

/// Runs a tool with this on its standard input; `None`, and a loud line, where the machine does not have it.
pub(in crate::schedule) fn tool(argv: &[&str], input: &str) -> Option<Output> {
    let mut command = Command::new(argv[0]);
    command.args(&argv[1..]).env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else {
        skip(argv[0]);
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // A tool that does not read is none of the test's business.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Some(output)
}

/// Says loudly that a test did not ask a tool; where `CI` is set, that is a failure.
pub(in crate::schedule) fn skip(tool: &str) {
    let is_required = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty());
    assert!(!is_required, "this must not be skipped in CI: {tool}");
    #[expect(clippy::print_stderr, reason = "a skip is loud")]
    {
        eprintln!("SKIPPED: `{tool}` is not on this machine");
    }
}
