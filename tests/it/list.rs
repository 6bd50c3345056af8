//! What `list` and `show` tell about backups.

use crate::{
    restore::{backup_of, flip, run_on, shop},
    support::Sandbox,
};
use std::{collections::BTreeSet, fs};

fn ids(sandbox: &Sandbox, arguments: &[&str]) -> Vec<(String, String)> {
    let mut all = vec!["list", "--json"];
    all.extend(arguments);
    let listed = sandbox.run(&all).exits(0).json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    listed.as_array().unwrap().iter().map(|one| (text(&one["id"]), text(&one["store"]))).collect()
}

#[test]
fn backups_are_listed_newest_first_with_every_copy_and_the_fields_of_the_contract() {
    let sandbox = shop(2);
    let found = ids(&sandbox, &["trading"]);
    let expected = [("02", "local"), ("02", "second"), ("01", "local"), ("01", "second")]
        .map(|(day, store)| (format!("shop/nightly/trading/2026-01-{day}T070000Z"), store.to_owned()));
    assert_eq!(found, expected);
    let listed = sandbox.run(&["list", "--json"]).json();
    let fields: BTreeSet<&str> = listed[0].as_object().unwrap().keys().map(String::as_str).collect();
    let contract = [
        "id",
        "policy",
        "job",
        "target",
        "store",
        "engine",
        "method",
        "time",
        "bytes",
        "original_bytes",
        "level",
        "asked",
        "proven",
        "partial",
        "kept_by",
    ];
    assert!(contract.iter().all(|field| fields.contains(field)), "{fields:?}");
}

#[test]
fn a_selector_takes_every_match_here_and_exactly_one_where_one_is_needed() {
    let sandbox = shop(3);
    for (selector, copies) in [
        ("trading", 6),
        ("nightly/trading", 6),
        ("shop/nightly/trading@latest", 2),
        ("trading@oldest", 2),
        ("trading@latest~2", 2),
        ("trading@2026-01", 6),
        ("trading@2026-01-02T07", 2),
        ("shop/nightly/trading/2026-01-02T070000Z", 2),
    ] {
        assert_eq!(ids(&sandbox, &[selector]).len(), copies, "{selector}");
    }
    sandbox.run(&["list", "nothing"]).exits(10);
    sandbox.run(&["list", "trading@latest~9"]).exits(10);
    sandbox.run(&["list", "trading@never"]).exits(2);
    sandbox.run(&["show", "trading@2026"]).exits(2).says("ambiguous");
    sandbox.run(&["show", "nothing"]).exits(10);
    sandbox.run(&["show", "trading"]).exits(0).says("2026-01-03");
}

#[test]
fn a_store_is_meant_by_its_name_or_by_any_spelling_of_its_place() {
    let sandbox = shop(1);
    assert_eq!(ids(&sandbox, &["--store", "second"]).len(), 2);
    sandbox.run(&["list", "--store", "nothing"]).exits(10).says("local, second");
    fs::rename(sandbox.path("store2"), sandbox.home().join("moved")).unwrap();
    fs::remove_file(sandbox.path("policy.yaml")).unwrap();
    let absolute = sandbox.path("store").to_string_lossy().into_owned();
    let url = format!("file://{absolute}");
    let here = sandbox.path(".").canonicalize().unwrap();
    let around = format!("../{}/store", here.file_name().unwrap().display());
    for place in ["./store", around.as_str(), absolute.as_str(), url.as_str(), "~/moved"] {
        assert_eq!(ids(&sandbox, &["--store", place]).len(), 2, "{place}");
    }
    sandbox.run(&["list", "--store", "./nowhere"]).exits(10);
    sandbox.run(&["list", "--store", "s3://bucket/place"]).exits(2);
    sandbox.run(&["list"]).exits(2).says("there is no policy here");
}

#[test]
fn a_backup_is_shown_with_all_its_copies_and_the_one_that_stands_first() {
    let sandbox = shop(1);
    flip(&sandbox, &format!("{}/trading.db.zst", backup_of("store", "trading", 1)), 3_000);
    sandbox.run(&["verify", "trading"]).exits(4);
    let shown = sandbox.run(&["show", "trading"]).exits(0);
    for line in [
        "id      shop/nightly/trading/2026-01-01T070000Z",
        "source  app/app.db",
        "engine  sqlite, captured by",
        "level   checks of checks asked, content checked on the",
        "copy    in second: level checks, proven: yes",
        "copy    in local: level none, proven: no, asked checks",
        "check   ok  rows of trades: expected >= 3, got 3",
        "table   trades  3 rows, irreplaceable",
    ] {
        assert!(shown.stdout.contains(line), "{line}\n{shown}");
    }
    let json = sandbox.run(&["show", "trading", "--json"]).exits(0).json();
    assert_eq!(json["store"], "second");
    assert_eq!(json["copies"].as_array().unwrap().len(), 2);
    assert!(json["manifest"]["files"].is_array() && json["stats"]["ratio_percent"].is_u64());
}

#[test]
fn a_backup_whose_data_is_gone_or_cut_short_is_not_called_proven() {
    let sandbox = shop(2);
    let path = sandbox.path(&format!("{}/trading.db.zst", backup_of("store", "trading", 2)));
    let whole = fs::read(&path).unwrap();
    let cut = || fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let gone = || fs::remove_file(&path).unwrap();
    let cases: [(&dyn Fn(), &str); 2] = [(&gone, "is missing"), (&cut, "its manifest says")];
    for (damage, why) in cases {
        damage();
        let listed = sandbox.run(&["list", "trading", "--json"]).exits(0).says(why).json();
        let proven: Vec<&serde_json::Value> =
            listed.as_array().unwrap().iter().map(|one| &one["proven"]).collect();
        assert_eq!(proven, [false, true, true, true]);
        assert_eq!(listed[0]["level"], "none");
        assert!(listed[0]["damage"].as_str().unwrap().contains(why) && listed[1]["damage"].is_null());
        sandbox.run(&["list", "trading"]).exits(0).says("no, damaged");
        sandbox.run(&["show", "trading@2026-01-02", "--store", "local"]).exits(0).says(why);
        let preview = sandbox.run(&["restore", "trading", "--store", "local", "--to", "x.db", "-n"]).exits(0);
        let passed_over = preview.stderr.lines().find(|line| line.contains("passed over"));
        assert!(passed_over.is_some_and(|line| line.contains(why)), "{preview}");
        // `latest` is the newest that stands.
        let latest = sandbox.run(&["show", "trading", "--store", "local", "--json"]).exits(0).json();
        assert_eq!(latest["id"], "shop/nightly/trading/2026-01-01T070000Z");
        assert_eq!(sandbox.run(&["show", "trading", "--json"]).exits(0).json()["store"], "second");
    }
    fs::write(&path, &whole).unwrap();
    sandbox.run(&["list"]).exits(0).hides("damaged");
}

#[test]
fn columns_stand_under_their_heads() {
    let sandbox = shop(2);
    let listed = sandbox.run(&["--now", "2026-01-03T07:00:00Z", "list", "trading"]).exits(0).stdout;
    let lines: Vec<&str> = listed.lines().collect();
    for head in ["STORE", "AGE", "SIZE", "LEVEL", "PROVEN"] {
        let at = lines[0].find(head).unwrap();
        for line in &lines[1..] {
            let (before, cell) = line.split_at(at);
            assert!(before.ends_with(' ') && !cell.starts_with(' '), "{head}\n{listed}");
        }
    }
    assert!(listed.contains("24h") && listed.contains("2d"), "{listed}");
}

#[test]
fn another_hosts_backups_are_listed_and_stay_its_own() {
    let sandbox = shop(1);
    let mut other = sandbox.command(&["--now", "2026-01-02T07:00:00Z", "run", "-q"]);
    other.env("POLICY_MACHINE_ID", "other");
    sandbox.finish(other).exits(0);
    run_on(&sandbox, 3).exits(0);
    assert_eq!(ids(&sandbox, &["trading"]).len(), 6);
}

#[test]
fn a_store_that_lost_its_id_is_still_read() {
    let sandbox = shop(1);
    fs::remove_file(sandbox.path("store/policy-store.json")).unwrap();
    assert_eq!(ids(&sandbox, &["--store", "./store"]).len(), 2);
    sandbox.run(&["list", "--store", "./app"]).exits(1);
}

#[test]
fn a_folder_is_spoken_of_by_its_files() {
    let sandbox = shop(1);
    sandbox.run(&["show", "scripts"]).exits(0).says("content  1 file\n").hides("rows");
    sandbox.write("app/scripts/b.py", "print(2)\n");
    let told = sandbox.run(&["restore", "scripts", "-n"]).exits(0);
    told.says("files  live 2  backup 1  1 file would go").hides("row").hides("unclassed");
    fs::remove_file(sandbox.path("app/scripts/b.py")).unwrap();
    sandbox.run(&["restore", "scripts", "-n"]).exits(0).says("live has as many files as the backup");
}

#[test]
fn show_heads_with_what_the_best_copy_is_now_and_names_the_damage_of_each() {
    let sandbox = shop(1);
    let lose = |store: &str| {
        let file = format!("{}/trading.db.zst", backup_of(store, "trading", 1));
        fs::remove_file(sandbox.path(&file)).unwrap();
    };
    let level = |answer: &crate::support::Answer| {
        let line = answer.stdout.lines().find(|line| line.starts_with("level")).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    lose("store");
    let one = sandbox.run(&["show", "trading@2026-01-01"]).exits(0);
    assert_eq!(level(&one), "checks", "{one}");
    assert!(one.stdout.contains("in local: `trading.db.zst` is missing"), "{one}");
    lose("store2");
    let both = sandbox.run(&["show", "trading@2026-01-01"]).exits(0);
    assert_eq!(level(&both), "none", "{both}");
    for store in ["local", "second"] {
        assert!(both.stdout.contains(&format!("in {store}: `trading.db.zst` is missing")), "{both}");
    }
}
