//! The rules of this repository, held by a test each.

use crate::checkout::{need, root};
use std::{collections::BTreeSet, fs, process::Command};

/// Files longer than [`LIMIT`] lines, each with the reason why it is not two.
const LONG: [(&str, &str); 2] = [
    ("src/engines/directory/tests/round_trip.rs", "one table of everything that a folder may hold"),
    ("tests/it/restore.rs", "everything that a restore promises, driven from outside"),
];
const LIMIT: usize = 450;

/// The modules that touch files, environment, programs or clocks.
const EFFECTS: &str = "
    src/catalog/open.rs
    src/cli/daemon.rs
    src/cli/due.rs
    src/cli/history.rs
    src/cli/install.rs
    src/cli/install/places.rs
    src/cli/install/wanted.rs
    src/cli/kept.rs
    src/cli/logs.rs
    src/cli/plan.rs
    src/cli/probe.rs
    src/cli/probe/report.rs
    src/cli/progress.rs
    src/cli/restore.rs
    src/cli/restore/guard.rs
    src/cli/restore/show.rs
    src/cli/restore/undo.rs
    src/cli/schema.rs
    src/cli/session.rs
    src/engines/apart.rs
    src/engines/duckdb/capture.rs
    src/engines/duckdb/copy.rs
    src/engines/duckdb/export.rs
    src/engines/duckdb/header.rs
    src/engines/duckdb/mod.rs
    src/engines/duckdb/restore.rs
    src/engines/duckdb/swap.rs
    src/engines/files.rs
    src/engines/flat.rs
    src/engines/place.rs
    src/engines/postgres/access.rs
    src/engines/postgres/candidate.rs
    src/engines/postgres/clients.rs
    src/engines/postgres/restore.rs
    src/engines/postgres/session.rs
    src/engines/postgres/session/process.rs
    src/engines/sqlite/alone.rs
    src/engines/sqlite/capture.rs
    src/engines/sqlite/files.rs
    src/engines/sqlite/mod.rs
    src/engines/sqlite/open.rs
    src/engines/sqlite/pages.rs
    src/engines/sqlite/put_back.rs
    src/engines/sqlite/restore.rs
    src/engines/sqlite/swap.rs
    src/engines/sqlite/write_over.rs
    src/exec.rs
    src/exec/group.rs
    src/exec/program.rs
    src/host.rs
    src/install/crontab.rs
    src/install/crontab/daemon.rs
    src/install/files.rs
    src/install/launchd.rs
    src/install/systemd.rs
    src/main.rs
    src/observe.rs
    src/observe/site.rs
    src/observe/site/search_path.rs
    src/platform/files.rs
    src/platform/folder/portable.rs
    src/platform/locks.rs
    src/platform/process.rs
    src/platform/rights.rs
    src/platform/whole.rs
    src/restore.rs
    src/restore/aside.rs
    src/restore/beside.rs
    src/restore/steps.rs
    src/run/admit.rs
    src/run/capture.rs
    src/run/claims.rs
    src/run/hooks.rs
    src/run/job.rs
    src/run/ledger.rs
    src/scratch.rs
    src/secret.rs
    src/store/local.rs
    src/store/local/durable.rs
    src/store/local/listing.rs
    src/store/local/removal.rs
    src/store/local/staging.rs
    src/store/lock.rs
    src/watch.rs
";

/// What lies at the top.
const TOP: [&str; 21] = [
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".editorconfig",
    ".gitattributes",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "benches",
    "deny.toml",
    "policies",
    "rustfmt.toml",
    "schemas",
    "snapshots",
    "src",
    "tests",
    "typos.toml",
];

/// Every file below a folder, as paths of the checkout.
fn below(folder: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(root().join(&next)).unwrap().map(Result::unwrap) {
            let path = format!("{next}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                open.push(path);
            } else if entry.path().extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn rust() -> Vec<(String, String)> {
    let paths = below("src", "rs").into_iter().chain(below("tests", "rs"));
    paths.map(|path| (path.clone(), fs::read_to_string(root().join(&path)).unwrap())).collect()
}

/// The files under version control; `None` where there is no git or no repository.
fn tracked() -> Option<Vec<String>> {
    if !need("git") {
        return None;
    }
    let listed = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .current_dir(root())
        .output()
        .unwrap();
    if !listed.status.success() {
        crate::support::skip(&format!(
            "this is no git checkout: {}",
            String::from_utf8_lossy(&listed.stderr)
        ));
        return None;
    }
    let names = String::from_utf8(listed.stdout).unwrap();
    // A file that was taken away and not committed yet is still listed.
    let is_there = |name: &&str| !name.is_empty() && root().join(name).exists();
    Some(names.split('\0').filter(is_there).map(str::to_owned).collect())
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in rust() {
        assert!(text.starts_with("//! "), "{path} does not begin with `//! `");
    }
}

#[test]
fn no_file_is_long_without_a_reason() {
    let long: BTreeSet<String> =
        rust().into_iter().filter(|(_, text)| text.lines().count() > LIMIT).map(|(path, _)| path).collect();
    let argued: BTreeSet<String> = LONG.iter().map(|(path, _)| (*path).to_owned()).collect();
    let unargued: Vec<_> = long.difference(&argued).collect();
    assert!(unargued.is_empty(), "over {LIMIT} lines: {unargued:?}");
    assert!(argued.iter().all(|path| root().join(path).is_file()), "a reason for a file that is not there");
}

#[test]
fn nothing_is_left_half_done() {
    // Written in two parts, so that this file does not hold them.
    let words = [
        ("to", "do!("),
        ("unimple", "mented!("),
        ("db", "g!("),
        ("FIX", "ME"),
        ("#[ig", "nore"),
        ("XX", "X:"),
    ];
    for (path, text) in rust() {
        for (a, b) in words {
            let word = format!("{a}{b}");
            let line = text.lines().position(|line| line.contains(&word));
            assert!(line.is_none(), "{path}:{}: {word}", line.unwrap_or_default() + 1);
        }
    }
}

#[test]
fn one_module_names_the_yaml_parser() {
    let name = concat!("granit", "_parser");
    for (path, text) in rust() {
        let may = path == "src/policy/yaml.rs" || path.starts_with("src/policy/yaml/");
        assert!(may || !text.contains(name), "{path} names the YAML parser");
    }
}

#[test]
fn the_modules_that_touch_the_world_are_these() {
    let name = concat!("clippy::disallowed", "_methods");
    let is_test =
        |path: &str| path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs");
    let found: Vec<String> = rust()
        .into_iter()
        .filter(|(path, text)| !is_test(path) && text.contains(name))
        .map(|(path, _)| path)
        .collect();
    let listed: Vec<&str> = EFFECTS.split_whitespace().collect();
    assert_eq!(found, listed);
}

#[test]
fn every_test_file_is_part_of_the_one_binary() {
    let main = fs::read_to_string(root().join("tests/it/main.rs")).unwrap();
    let declared: BTreeSet<&str> =
        main.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    let there: BTreeSet<String> = fs::read_dir(root().join("tests/it"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name() != "main.rs" && entry.file_name() != "snapshots")
        .map(|entry| entry.file_name().to_string_lossy().trim_end_matches(".rs").to_owned())
        .collect();
    assert_eq!(there.iter().map(String::as_str).collect::<BTreeSet<_>>(), declared);
}

#[test]
fn the_top_level_holds_what_belongs_there() {
    for path in tracked().unwrap_or_default() {
        let top = path.split('/').next().unwrap_or_default();
        assert!(TOP.contains(&top), "{path}: `{top}` is not one of {TOP:?}");
    }
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    let places = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    for path in tracked().unwrap_or_default() {
        let bytes = fs::read(root().join(&path)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for place in places {
            // Within a longer path, as below a sandbox, it is no place of this machine.
            let begins = |line: &str, at: usize| {
                line[..at].chars().next_back().is_none_or(|c| c.is_whitespace() || "\"'`(=,:<".contains(c))
            };
            let line =
                text.lines().position(|line| line.match_indices(place).any(|(at, _)| begins(line, at)));
            assert!(line.is_none(), "{path}:{}: {place}", line.unwrap_or_default() + 1);
        }
    }
}
