//! One suite for every engine: what each of them promises alike, shown on each in each of its formats.
//!
//! What is peculiar to one of them has files of its own: `sources`, `writers`, `duckdb`, `postgres`, `globs`, `command`. So have
//! credentials and connections (`postgres::unreachable`, `postgres::killed`), versions (`duckdb_stored`, `postgres::clients`),
//! every type of an engine (`duckdb`, `postgres::whole`) and memory, one engine beside the other (`memory`).

mod kinds;

use crate::support::{Answer, disk::Mount};
use kinds::{All, Kind, SERIES};
use rstest::rstest;
use std::fs;

/// A backup of the first content, and the name of its folder.
fn backed_up(kind: &dyn Kind) -> String {
    kind.make();
    kind.sandbox().run(&["run", "-q"]).exits(0);
    let stamps = kind.sandbox().backups(SERIES);
    format!("{SERIES}/{}", stamps.last().unwrap())
}

fn restore(kind: &dyn Kind) -> Answer {
    kind.sandbox().run(&["restore", "app", "--yes", "-q"])
}

/// The stored file of the content itself.
fn stored(kind: &dyn Kind, folder: &str) -> std::path::PathBuf {
    let manifest = kind.sandbox().manifest(folder);
    kind.sandbox().path(folder).join(manifest["files"][0]["name"].as_str().unwrap())
}

#[rstest]
fn what_was_backed_up_comes_back_whole_and_what_it_replaced_can_too(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8)] n: usize,
) {
    let Some(kind) = All::nth(n) else { return };
    let kind = &*kind;
    let folder = backed_up(kind);
    let manifest = kind.sandbox().manifest(&folder);
    assert_eq!(
        (&manifest["level"], &manifest["asked"]),
        (&kind.highest().into(), &kind.highest().into()),
        "{manifest}"
    );
    let before = kind.content();
    kind.change();
    let later = kind.content();
    assert_ne!(before, later);
    restore(kind).exits(0);
    assert_eq!(kind.content(), before, "{}", kind.name());
    if kind.sets_aside() {
        kind.sandbox().run(&["restore", "--undo", "app", "--yes", "-q"]).exits(0);
        assert_eq!(kind.content(), later, "{}", kind.name());
        kind.sandbox().run(&["restore", "--undo", "app", "--yes", "-q"]).exits(0);
        assert_eq!(kind.content(), before, "{}", kind.name());
    }
    // It is a source like before.
    kind.sandbox().run(&["run", "-q"]).exits(0);
    // Lost altogether, it comes back as well.
    kind.lose();
    restore(kind).exits(0);
    assert_eq!(kind.content(), before, "{}", kind.name());
    kind.sandbox().run(&["verify", "-q"]).exits(0);
}

#[rstest]
fn a_capture_under_writes_is_a_state_that_existed(#[values(0, 1, 2, 3, 4, 5, 6, 7, 8)] n: usize) {
    const TIMES: usize = 8;
    let Some(kind) = All::nth(n) else { return };
    let kind = &*kind;
    kind.make();
    let mut states = std::collections::BTreeSet::new();
    kind.written(&mut || {
        for _ in 0..TIMES {
            kind.sandbox().run(&["run", "-q"]).exits(0);
        }
    });
    for stamp in kind.sandbox().backups(SERIES) {
        let id = format!("app/nightly/app/{stamp}");
        kind.sandbox().run(&["restore", &id, "--yes", "-q"]).exits(0);
        let [one, other] = kind.counters();
        assert_eq!(one, other, "{}: {id} is no state that existed", kind.name());
        states.insert(one);
    }
    assert!(states.len() > 1, "{}: nobody wrote", kind.name());
}

#[rstest]
fn stored_bytes_that_changed_are_found_and_never_restored(#[values(0, 1, 2, 3, 4, 5, 6, 7, 8)] n: usize) {
    let Some(kind) = All::nth(n) else { return };
    let kind = &*kind;
    let folder = backed_up(kind);
    let live = kind.content();
    let path = stored(kind, &folder);
    let whole = fs::read(&path).unwrap();
    let middle = whole.len() / 2;
    let mut flipped = whole.clone();
    flipped[middle] ^= 1;
    for (how, bytes) in [("flipped", &flipped[..]), ("cut", &whole[..middle]), ("emptied", b"")] {
        fs::write(&path, bytes).unwrap();
        kind.sandbox().run(&["verify", "-q"]).exits(4);
        kind.sandbox().run(&["verify", "-q", "--level", "checksum"]).exits(4);
        // By its name, as it is not proven any more.
        let id = folder.replace("store/", "");
        let answer = kind.sandbox().run(&["restore", &id, "--yes", "-q"]);
        assert!([4, 1].contains(&answer.exit), "{}: {how}: {answer}", kind.name());
        assert_eq!(kind.content(), live, "{}: {how}: the live content was touched", kind.name());
    }
    fs::write(&path, &whole).unwrap();
    kind.sandbox().run(&["verify", "-q"]).exits(0);
    restore(kind).exits(0);
    assert_eq!(kind.content(), live);
}

#[rstest]
fn a_source_that_is_gone_empty_or_foreign_costs_no_backup(#[values(0, 1, 2, 3, 4, 5, 6, 7, 8)] n: usize) {
    let Some(kind) = All::nth(n) else { return };
    let kind = &*kind;
    backed_up(kind);
    let before = kind.content();
    let stamps = kind.sandbox().backups(SERIES);
    for (what, spoil) in kind.spoiled() {
        spoil();
        let answer = kind.sandbox().run(&["run", "--json"]);
        assert!([1, 3].contains(&answer.exit), "{}, {what}: {answer}", kind.name());
        let error = answer.error();
        assert!(!error["message"].as_str().unwrap().is_empty(), "{answer}");
        assert_eq!(kind.sandbox().backups(SERIES), stamps, "{}, {what}: {answer}", kind.name());
        assert!(kind.is_clean(), "{}, {what}: something is left", kind.name());
        kind.lose();
        restore(kind).exits(0);
        assert_eq!(kind.content(), before, "{}, {what}", kind.name());
    }
    kind.sandbox().run(&["run", "-q"]).exits(0);
}

#[rstest]
fn a_run_killed_anywhere_leaves_no_partial_backup_and_the_next_one_is_fine(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8)] n: usize,
) {
    const KILLS: u64 = 12;
    let Some(kind) = All::nth(n) else { return };
    let kind = &*kind;
    backed_up(kind);
    for round in 0..KILLS {
        let running = kind.sandbox().start(&["run", "-q"]);
        std::thread::sleep(std::time::Duration::from_millis(5 + 35 * round));
        running.kill();
        let listed = kind.sandbox().run(&["list", "--json"]).exits(0).json();
        for backup in listed.as_array().unwrap() {
            assert_eq!(backup["proven"], true, "{}: {backup}", kind.name());
        }
    }
    kind.sandbox().run(&["run", "-q"]).exits(0);
    kind.sandbox().run(&["verify", "-q"]).exits(0);
    assert!(kind.is_clean(), "{}: something is left", kind.name());
}

#[rstest]
fn content_that_fails_its_check_is_published_unproven_and_costs_no_proven_backup(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8)] n: usize,
) {
    let Some(kind) = All::nth(n) else { return };
    let kind = &*kind;
    backed_up(kind);
    let proven = kind.sandbox().backups(SERIES);
    if !kind.fail() {
        return;
    }
    for _ in 0..4 {
        kind.sandbox().run(&["run", "-q"]).exits(4);
    }
    let stamps = kind.sandbox().backups(SERIES);
    assert_eq!(stamps.len(), proven.len() + 4, "what may be the last there is stays: {stamps:?}");
    assert_eq!(stamps[..proven.len()], proven);
    let listed = kind.sandbox().run(&["list", "--json"]).exits(0).json();
    let count = listed.as_array().unwrap().iter().filter(|backup| backup["proven"] == true).count();
    assert_eq!(count, proven.len());
}

#[rstest]
fn a_full_store_takes_no_part_of_a_backup(#[values(0, 1, 2, 3, 4, 5, 6, 7, 8)] n: usize) {
    let Some(kind) = All::nth(n) else { return };
    let kind = &*kind;
    kind.make();
    // Room for the store's own marks, and for no backup of any kind as it is stored plain.
    let policy = kind.sandbox().read("policy.yaml");
    let plain = policy
        .replace("{local: ./store}", "{local: {path: ./store, min_free: 1KiB}}")
        .replace("nightly: {", "nightly: {compress: none, ");
    kind.sandbox().write("policy.yaml", &plain);
    let Some(small) = Mount::small(&kind.sandbox().path("store"), "64k") else { return };
    let answer = kind.sandbox().run(&["run", "--json"]).exits(1);
    let failure = &answer.json()[0]["failures"][0];
    assert!(["no_room", "storage"].contains(&failure["code"].as_str().unwrap()), "{}: {answer}", kind.name());
    answer.says("No space left on device").says("free");
    let left: Vec<_> = kind.sandbox().tree(SERIES).into_iter().filter(|name| name.contains("app")).collect();
    assert!(left.is_empty() && kind.is_clean(), "{}: {left:?}", kind.name());
    drop(small);
    kind.sandbox().run(&["run", "-q", "--new-store", "local"]).exits(0);
    kind.sandbox().run(&["verify", "-q"]).exits(0);
}

#[rstest]
fn a_full_scratch_folder_fails_what_needs_it_and_leaves_nothing(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8)] n: usize,
) {
    let Some(kind) = All::nth(n) else { return };
    let kind = &*kind;
    kind.make();
    let scratch = kind.sandbox().state().join("scratch");
    let Some(small) = Mount::small(&scratch, "16k") else { return };
    let answer = kind.sandbox().run(&["run"]);
    if kind.needs_scratch() {
        answer.exits(1).says("No space left on device").says("free some room there");
        assert!(kind.sandbox().backups(SERIES).is_empty(), "{}", kind.name());
    } else {
        answer.exits(0);
    }
    assert!(kind.is_clean(), "{}: something is left", kind.name());
    drop(small);
    kind.sandbox().run(&["run", "-q"]).exits(0);
    kind.sandbox().run(&["verify", "-q"]).exits(0);
}
