//! Entries of a few lines, and what schedulers have of them.

use super::{PATIENCE, Sandbox, postgres::with_watch};
use policy::{
    install::{Action, Scheduler, State, apply, decide, survey},
    schedule::{
        entry::{EntryName, Tier},
        render::{File, NO_HASH, Rendered, hash_of},
    },
};
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

/// A policy of two jobs in the user's crontab.
pub(crate) const HOURLY_AND_NIGHTLY: &str = "\
version: 1
name: prod
timezone: UTC
stores: {local: ./store}
targets: {app: {sqlite: app.db}}
install: {backend: cron}
jobs:
  hourly: {schedule: \"@hourly\", retention: {last: 3}}
  nightly: {schedule: \"0 2 * * *\", retention: {last: 3}}
";

/// The same with times that no test meets.
pub(crate) const ONCE_A_YEAR: &str = "\
version: 1
name: prod
timezone: UTC
stores: {local: ./store}
targets: {app: {sqlite: app.db}}
install: {backend: cron}
jobs:
  hourly: {schedule: \"0 0 1 1 *\", retention: {last: 3}}
  nightly: {schedule: \"0 2 1 1 *\", retention: {last: 3}}
";

/// A project with such a policy and its database.
pub(crate) fn project(policy: &str) -> Sandbox {
    let sandbox = Sandbox::with_policy(policy);
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    sandbox
}

/// An entry of files whose texts hold [`NO_HASH`].
pub(crate) fn rendered(files: &[(String, String)]) -> Rendered {
    let mut files: Vec<File> = files
        .iter()
        .map(|(name, text)| File { name: name.clone(), bytes: text.clone().into_bytes() })
        .collect();
    let hash = hash_of(&files, NO_HASH);
    for file in &mut files {
        file.bytes = String::from_utf8(file.bytes.clone()).unwrap().replace(NO_HASH, &hash).into_bytes();
    }
    Rendered { tier: Tier::Exact, files, hash, argv: Vec::new(), warnings: Vec::new() }
}

/// Brings a scheduler to what is wanted; what was done, by name.
#[track_caller]
pub(crate) fn installed(
    scheduler: &mut dyn Scheduler,
    wanted: &BTreeMap<EntryName, Rendered>,
) -> Vec<Action> {
    with_watch(|watch| {
        let changes = decide(wanted, &survey(scheduler, watch).unwrap());
        let applied = apply(scheduler, &changes, wanted, watch).unwrap();
        assert!(applied.failed.is_empty(), "{applied:?}");
        changes.into_iter().map(|change| change.action).collect()
    })
}

/// What a scheduler tells of an entry that is there.
#[track_caller]
pub(crate) fn state_of(scheduler: &dyn Scheduler, name: &EntryName) -> State {
    let seen = with_watch(|watch| survey(scheduler, watch)).unwrap();
    seen.into_iter().find(|seen| seen.installed.name == *name).unwrap().state
}

/// The facts of a state as one text.
pub(crate) fn words_of(state: &State) -> String {
    state.facts.join("\n")
}

/// Waits for what must come to hold.
#[track_caller]
pub(crate) fn holds(what: &str, is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
