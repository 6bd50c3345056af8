//! A secret in every variable there is, through every command and many ways to fail: it is shown nowhere and kept nowhere.

#![cfg(target_os = "linux")]

use crate::support::{Answer, Sandbox};
use std::{fs, path::PathBuf};

const CANARY: &str = "kanarie-9f3b1c77";

const POLICY: &str = "\
version: 1
name: app
timezone: UTC
env_files: [.env]
stores: {local: ./store, second: {path: ./second}}
targets:
  app:
    sqlite: app.db
    before: [[speak, target, '${FROM_FILE}']]
    after: [[speak, '${FROM_ENVIRONMENT}', 'http://user:${FROM_FILE}@host/']]
    checks: [{rows: t, expect: same_as_source}]
  files: {directory: files}
jobs:
  nightly:
    retention: {last: 3}
    timeout: 30s
    before: [[speak, '--password=${FROM_ENVIRONMENT}']]
    after: [[speak, after, '${WITH_DEFAULT:-nothing}']]
";

/// Shows all it was given on both outputs, notes the command lines of this program, and ends as the file `exit` says.
const SPEAK: &str = "\
echo \"$@\"; env | grep kanarie; echo \"no: $FROM_FILE $*\" >&2
for p in /proc/[0-9]*; do
    case \"$(readlink $p/exe)\" in */policy) tr '\\0' ' ' <$p/cmdline >>argv ;; esac
done
exit $(cat exit 2>/dev/null || echo 0)";

fn scene() -> Sandbox {
    let sandbox = Sandbox::with_policy(POLICY).variable("FROM_ENVIRONMENT", &format!("{CANARY}-environment"));
    sandbox.write(
        ".env",
        format!("FROM_FILE={CANARY}-file\nWITH_DEFAULT='{CANARY} default'\nUNUSED={CANARY}\n"),
    );
    sandbox.sql("app.db", "PRAGMA journal_mode = wal; CREATE TABLE t(x); INSERT INTO t VALUES (1)");
    sandbox.write("files/a", "x");
    sandbox.program("speak", SPEAK);
    sandbox
}

/// Everything that the program wrote: its state, its stores, stored plans, and what was seen of process lists.
fn written(sandbox: &Sandbox) -> Vec<PathBuf> {
    let mut open = vec![sandbox.state()];
    open.extend(["store", "second", "snapshots", "argv"].map(|name| sandbox.path(name)));
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() {
            files.push(path);
        }
    }
    files
}

#[track_caller]
fn is_hidden(sandbox: &Sandbox, answer: &Answer, words: &[&str]) {
    for text in [&answer.stdout, &answer.stderr] {
        assert!(!text.contains("kanarie"), "{words:?} shows it\n{answer}");
    }
    for file in written(sandbox) {
        let bytes = fs::read(&file).unwrap();
        let found = bytes.windows(7).any(|part| part == b"kanarie");
        assert!(!found, "after {words:?}, {} holds it", file.display());
    }
}

#[test]
fn a_secret_in_every_variable_is_shown_and_kept_nowhere() {
    let sandbox = scene();
    let mut calls = 0;
    let mut everything = || {
        for words in [
            "check",
            "check --format json",
            "check --format github",
            "check --format sarif",
            "plan",
            "plan --json",
            "plan --write",
            "run --dry-run",
            "run --dry-run --json",
            "run -v",
            "run --json",
            "run",
            "list",
            "list --json",
            "show app --json",
            "verify -v",
            "verify --json",
            "prune --json",
            "prune -v",
            "delete --reason test app@2001-01-01",
            "restore app --to back.db --json",
            "restore app --to back.db -v",
            "history",
            "history --json",
            "log",
            "catalog rebuild",
            "next",
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            let answer = sandbox.run(&words);
            assert!([0, 1, 2, 3, 4, 5, 10].contains(&answer.exit), "{words:?}: {answer}");
            is_hidden(&sandbox, &answer, &words);
            calls += 1;
        }
    };
    everything();
    // Commands that fail, and say it.
    sandbox.write("exit", "9");
    everything();
    fs::remove_file(sandbox.path("exit")).unwrap();
    // A source that is gone; one that is none, and a file in the place of a store.
    fs::rename(sandbox.path("app.db"), sandbox.path("away.db")).unwrap();
    everything();
    sandbox.write("app.db", "this is no database at all");
    fs::rename(sandbox.path("second"), sandbox.path("second-away")).unwrap();
    sandbox.write("second", "a file");
    everything();
    // A policy with every value at a wrong place.
    let wrong = POLICY
        .replace("30s", "'${FROM_FILE}'")
        .replace("last: 3", "last: '${FROM_ENVIRONMENT}'")
        .replace("same_as_source", "'${FROM_FILE}'")
        .replace("timezone: UTC", "timezone: '${FROM_FILE}'\nnonsense: '${UNUSED}'");
    sandbox.write("policy.yaml", wrong);
    everything();
    assert_eq!(calls, 5 * 27);
    // The commands did run, and looked at the process list.
    assert!(sandbox.read("argv").contains("run"));
}
