//! A store whose id file was lost, and folders that are none.

#![cfg(unix)]

use crate::support::{
    Sandbox,
    simple::{SERIES, simple},
};
use std::fs;

const ID_FILE: &str = "store/policy-store.json";

/// What a crash, a full disk or a careless hand leaves of an id file; `None`: nothing.
const LOST: [Option<&str>; 3] = [None, Some(""), Some("{\"format\": 1, \"i")];

fn lose(sandbox: &Sandbox, left: Option<&str>) {
    match left {
        None => fs::remove_file(sandbox.path(ID_FILE)).unwrap(),
        Some(text) => drop(sandbox.write(ID_FILE, text)),
    }
}

#[test]
fn a_store_that_lost_its_id_is_accepted_when_that_is_said_and_its_backups_stay() {
    for left in LOST {
        let sandbox = simple();
        sandbox.run(&["run", "--now", "2026-01-05T07:00:00Z"]).exits(0);
        lose(&sandbox, left);
        sandbox.run(&["run"]).exits(1).says("is not the one last used").says("--new-store local");
        assert_eq!(sandbox.backups(SERIES).len(), 1, "{left:?}");
        let dry = sandbox.run(&["run", "--dry-run", "--new-store", "local"]).exits(0);
        dry.says("a new id");
        sandbox.run(&["run", "--new-store", "local", "--now", "2026-01-06T07:00:00Z"]).exits(0);
        sandbox.run(&["run", "--now", "2026-01-07T07:00:00Z"]).exits(0);
        let listed = sandbox.run(&["list", "--json"]).exits(0).json();
        let proven = listed.as_array().unwrap().iter().filter(|backup| backup["proven"] == true).count();
        assert_eq!(proven, 3, "{left:?}: {listed}");
        sandbox.run(&["verify"]).exits(0);
        sandbox.run(&["restore", "app@oldest", "--to", "back.db"]).exits(0);
        assert_eq!(sandbox.ask("back.db", "SELECT count(*) FROM t"), "2");
        let id: serde_json::Value = serde_json::from_str(&sandbox.read(ID_FILE)).unwrap();
        assert_eq!(id["id"].as_str().unwrap().len(), 32, "{left:?}");
    }
}

#[test]
fn a_store_that_lost_its_id_is_named_as_such_on_a_host_that_never_used_it() {
    for left in LOST {
        let sandbox = simple();
        sandbox.run(&["run"]).exits(0);
        lose(&sandbox, left);
        fs::remove_dir_all(sandbox.state()).unwrap();
        sandbox.run(&["run"]).exits(1).says("--new-store local");
        assert_eq!(sandbox.backups(SERIES).len(), 1);
        sandbox.run(&["run", "--new-store", "local"]).exits(0);
        assert_eq!(sandbox.backups(SERIES).len(), 2);
    }
}

#[test]
fn a_folder_of_other_things_is_refused_with_what_to_do_and_a_fresh_disk_is_not() {
    let sandbox = simple();
    fs::create_dir_all(sandbox.path("store/lost+found")).unwrap();
    sandbox.write("store/photo.jpg", "x");
    sandbox.run(&["run"]).exits(1).says("photo.jpg").says("choose an empty folder");
    sandbox.run(&["run", "--new-store", "local"]).exits(1).says("photo.jpg").says("choose an empty folder");
    // Folders that look like a series, and hold no backup.
    fs::create_dir_all(sandbox.path("store/photos/2025/summer/2026-01-05T070000Z")).unwrap();
    sandbox.write("store/photos/2025/summer/2026-01-05T070000Z/manifest.json", "{}");
    sandbox.run(&["run", "--new-store", "local"]).exits(1).says("choose an empty folder");
    assert!(!sandbox.path(ID_FILE).exists());
    fs::remove_dir_all(sandbox.path("store/photos")).unwrap();
    fs::remove_file(sandbox.path("store/photo.jpg")).unwrap();
    sandbox.run(&["run"]).exits(0);
}

#[test]
fn a_store_of_a_newer_format_is_never_given_a_new_id() {
    let sandbox = simple();
    sandbox.run(&["run"]).exits(0);
    let newer = "{\"format\": 9, \"id\": \"x\", \"created\": \"2026-01-05T07:00:00Z\"}";
    sandbox.write(ID_FILE, newer);
    sandbox.run(&["run", "--new-store", "local"]).exits(1).says("use a newer `policy`");
    assert_eq!(sandbox.read(ID_FILE), newer);
}
