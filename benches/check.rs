//! How long `check` and `plan` take: `cargo bench --profile dev --bench check` (no second build of the
//! dependencies; `--profile release` for figures to quote) prints the median of each size beside two yardsticks of the
//! same run, the second YAML reader on the same text, and the start of a program that does nothing.
//!
//! A policy of 1,000 targets and 200 jobs is to be checked, and to be planned, in 50 ms, and time is to grow in line with
//! the number of targets; `policy --version` and `policy check` of a small file in 10 ms beyond the start of a process.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark starts programs and may stop where it stands"
)]

use divan::{Bencher, black_box, counter::ItemsCount};
use policy::plan::{Platform, Selection, build};
use std::{fmt::Write as _, process::Command};

fn main() {
    divan::main();
}

const SIZES: [usize; 4] = [1_000, 2_000, 5_000, 10_000];

/// A policy of so many targets and a fifth as many jobs.
fn policy(targets: usize) -> String {
    let mut text = String::from(
        "version: 1\nname: big\ntimezone: Europe/Berlin\nstores: {local: /srv/backups}\ntargets:\n",
    );
    for n in 0..targets {
        let _ = writeln!(text, "  t{n}: {{sqlite: /srv/{n}/a.db, tables: {{recoverable: [\"c_*\"]}}}}");
    }
    text.push_str("jobs:\n");
    for (job, first) in (0..targets).step_by(5).enumerate() {
        let names = (first..first + 5).map(|n| format!("t{n}")).collect::<Vec<_>>().join(", ");
        let (minute, hour) = (job % 60, 4 + job / 60 % 18);
        let _ = writeln!(
            text,
            "  j{job}: {{targets: [{names}], schedule: \"{minute} {hour} * * *\", retention: {{daily: 7}}}}"
        );
    }
    text
}

fn loaded(text: &str) -> policy::policy::Loaded {
    policy::policy::load("big.yaml", "/srv/app/policies".as_ref(), text.as_bytes())
}

#[divan::bench(args = SIZES)]
fn check(bencher: Bencher<'_, '_>, targets: usize) {
    let text = policy(targets);
    assert!(loaded(&text).problems.is_empty(), "{:?}", loaded(&text).problems.first());
    bencher.counter(ItemsCount::new(targets)).bench(|| loaded(black_box(&text)));
}

#[divan::bench(args = SIZES)]
fn plan(bencher: Bencher<'_, '_>, targets: usize) {
    let loaded = loaded(&policy(targets));
    let policy = loaded.policy.unwrap();
    bencher
        .counter(ItemsCount::new(targets))
        .bench(|| build(black_box(&policy), &Selection::default(), Platform::Linux, None));
}

#[divan::bench(args = SIZES)]
fn yardstick_yaml_alone(bencher: Bencher<'_, '_>, targets: usize) {
    let text = policy(targets);
    bencher
        .counter(ItemsCount::new(targets))
        .bench(|| serde_yaml::from_str::<serde_yaml::Value>(black_box(&text)).unwrap());
}

fn wall(bencher: Bencher<'_, '_>, program: &str, words: &[&str]) {
    bencher.bench(|| Command::new(program).args(words).output().unwrap().status);
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_policy");

#[divan::bench]
fn process_yardstick_true(bencher: Bencher<'_, '_>) {
    wall(bencher, "true", &[]);
}

#[divan::bench]
fn process_version(bencher: Bencher<'_, '_>) {
    wall(bencher, PROGRAM, &["--version"]);
}

#[divan::bench]
fn process_check_small(bencher: Bencher<'_, '_>) {
    wall(bencher, PROGRAM, &["check", concat!(env!("CARGO_MANIFEST_DIR"), "/policies/quickstart.yaml")]);
}
