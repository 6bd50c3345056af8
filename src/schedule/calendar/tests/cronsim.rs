//! Random schedules and zones, across clock changes: the fires are those that another reader of crontab finds.

use std::fmt::Write as _;

use chrono::{MappedLocalTime, TimeDelta, TimeZone as _};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use super::{
    expression,
    model::{change, fields, text},
};
use crate::schedule::render::tests::{skip, tool};

/// Prints the next fires of each line `COUNT ZONE FROM FIELDS`, one a line.
const CRONSIM: &str = r#"
import signal, sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo
from cronsim import CronSim
def slow(*_): raise TimeoutError
signal.signal(signal.SIGALRM, slow)
for line in sys.stdin:
    count, zone, since, fields = line.rstrip("\n").split(" ", 3)
    signal.setitimer(signal.ITIMER_REAL, 1)
    try:
        it = CronSim(fields, datetime.fromtimestamp(int(since), timezone.utc).astimezone(ZoneInfo(zone)))
        print(" ".join(str(int(next(it).timestamp())) for _ in range(int(count))))
    except TimeoutError:
        print("-")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
"#;
/// How many fires are compared of each, and in how many days: the other reader takes long to find one that is far away.
const COUNT: usize = 12;
const DAYS: i64 = 40;

/// Zones that cronsim (2.8) follows: it steps by whole hours, and loses or doubles times where a change is of less, or is at
/// midnight. For all others there is the model.
const NATIVE: [&str; 6] =
    ["Europe/Berlin", "Europe/Dublin", "America/New_York", "America/Toronto", "Antarctica/Troll", "UTC"];

/// Whether cronsim reads a text otherwise than crontab(5): `5-5/2` is for it `5/2`.
fn reads_otherwise(text: &str) -> bool {
    text.split([' ', ',']).filter_map(|item| item.split_once('/')?.0.split_once('-')).any(|(a, b)| a == b)
}

#[test]
fn five_thousand_schedules_fire_when_another_reader_says() {
    #[expect(clippy::disallowed_methods, reason = "which Python has cronsim is the machine's affair")]
    let python = std::env::var("POLICY_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !tool(&[&python, "-c", "import cronsim"], "").is_some_and(|output| output.status.success()) {
        return skip("cronsim of Python");
    }
    let mut runner = TestRunner::deterministic();
    let strategy = (fields(), change(), 0..3 * 86_400_i64);
    let mut cases = Vec::new();
    while cases.len() < 5_000 {
        let (fields, (zone, day), start) = strategy.new_tree(&mut runner).unwrap().current();
        let text = text(&fields);
        if !NATIVE.contains(&zone.name())
            || reads_otherwise(&text)
            || super::Expression::parse(&text).is_err()
        {
            continue;
        }
        let from = day + TimeDelta::seconds(start);
        // One that begins within a repeated hour knows nothing of its first pass.
        if matches!(
            zone.from_local_datetime(&from.with_timezone(&zone).naive_local()),
            MappedLocalTime::Ambiguous(..)
        ) {
            continue;
        }
        let parsed = expression(&text);
        let fires = parsed.fires_after(from, zone).map(|fire| fire.utc).take(COUNT);
        let fires: Vec<i64> =
            fires.take_while(|at| *at < from + TimeDelta::days(DAYS)).map(|at| at.timestamp()).collect();
        if !fires.is_empty() {
            cases.push((text, zone, from, fires));
        }
    }
    let mut lines = String::new();
    for (text, zone, from, fires) in &cases {
        writeln!(lines, "{} {zone} {} {text}", fires.len(), from.timestamp()).unwrap();
    }
    let output = tool(&[&python, "-c", CRONSIM], &lines).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout).unwrap();
    assert_eq!(found.lines().count(), cases.len());
    let (mut differing, mut slow) = (Vec::new(), 0);
    for (found, (text, zone, from, ours)) in found.lines().zip(&cases) {
        if found == "-" {
            slow += 1;
            continue;
        }
        let found: Vec<i64> = found.split(' ').map(|seconds| seconds.parse().unwrap()).collect();
        if found != *ours {
            differing.push(format!("{text} in {zone} from {from}\n  ours {ours:?}\n  his  {found:?}"));
        }
    }
    assert!(slow < 100, "{slow} were not found in time");
    assert!(differing.is_empty(), "{} differ\n{}", differing.len(), differing.join("\n"));
}
