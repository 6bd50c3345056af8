//! The order in which a run makes things durable and a removal takes them apart, as the system sees it: a test cannot cut
//! the power, but what it would leave follows from that order.

#![cfg(target_os = "linux")]

use crate::support::{
    Sandbox,
    faults::{NAMES, SYNCS},
    simple::{SERIES, simple},
};

/// The calls of a call of the program that make something durable or change names, with paths.
fn calls(sandbox: &Sandbox, words: &[&str]) -> Option<Vec<String>> {
    if !sandbox.can_meddle() {
        return None;
    }
    Some(sandbox.told(&format!("{SYNCS},{NAMES}"), words))
}

/// Where the first call stands that has all the parts.
#[track_caller]
fn place(calls: &[String], parts: &[&str]) -> usize {
    let found = calls.iter().position(|call| parts.iter().all(|part| call.contains(part)));
    found.unwrap_or_else(|| panic!("no call with {parts:?} in\n{}", calls.join("\n")))
}

#[test]
fn a_backup_gets_its_name_when_all_of_it_is_durable_and_then_the_name_is() {
    let sandbox = simple();
    sandbox.run(&["run", "-q"]).exits(0);
    let Some(calls) = calls(&sandbox, &["run", "-q"]) else { return };
    let named = place(&calls, &["rename", "/.staging-"]);
    let data = place(&calls, &["sync(", "app.db.zst"]);
    let sums = place(&calls, &["sync(", "SHA256SUMS"]);
    let manifest = place(&calls, &["sync(", "manifest.json"]);
    // The folder itself, not a file in it.
    let is_folder = |call: &String| {
        let synced = call.split_once("sync(").map_or("", |(_, rest)| rest);
        synced.split_once("/.staging-").is_some_and(|(_, name)| !name.contains('/'))
    };
    let folder = calls.iter().position(is_folder).unwrap();
    let steps = [data, sums, manifest, folder, named];
    assert!(steps.is_sorted(), "{steps:?}\n{}", calls.join("\n"));
    let durable =
        calls[named..].iter().any(|call| call.contains("sync(") && call.contains(&format!("{SERIES}>")));
    assert!(durable, "{}", calls.join("\n"));
}

#[test]
fn a_removal_takes_the_name_first_makes_that_durable_and_takes_the_manifest_before_the_data() {
    let sandbox = simple();
    for day in 1..=4 {
        sandbox.run(&["--now", &format!("2026-01-0{day}T07:00:00Z"), "run", "-q"]).exits(0);
    }
    sandbox.write("policy.yaml", sandbox.read("policy.yaml").replace("last: 3", "last: 1"));
    let Some(calls) = calls(&sandbox, &["--now", "2026-01-05T07:00:00Z", "prune", "-q"]) else { return };
    let steps = [
        place(&calls, &["rename", ".pruning-"]),
        place(&calls, &["sync(", &format!("{SERIES}>")]),
        place(&calls, &["unlink", "manifest.json"]),
        place(&calls, &["sync(", ".pruning-"]),
        place(&calls, &["unlink", "app.db.zst"]),
    ];
    assert!(steps.is_sorted(), "{steps:?}\n{}", calls.join("\n"));
}
