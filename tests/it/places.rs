//! Places to which nothing can be restored as they are: told before anything is done, by the dry run too, with the way
//! out.

use crate::{
    restore::{SHOP, run_on, shop},
    support::{Sandbox, disk::Mount, is_root},
};
use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
};

/// Restoring is refused with the same words, by the dry run and for real, and changes nothing.
#[track_caller]
fn refused(sandbox: &Sandbox, arguments: &[&str], exit: i32, words: &[&str]) {
    let before = sandbox.tree("");
    let mut errors = Vec::new();
    for last in ["--dry-run", "--yes"] {
        let mut all = vec!["restore", "--json"];
        all.extend(arguments);
        all.push(last);
        let answer = sandbox.run(&all).exits(exit);
        for word in words {
            assert!(answer.stderr.contains(word), "{word}\n{answer}");
        }
        errors.push(answer.error());
    }
    assert_eq!(errors[0], errors[1]);
    assert_eq!(sandbox.tree(""), before);
}

/// The live database goes out of the way.
fn without_database(sandbox: &Sandbox) {
    fs::rename(sandbox.path("app/app.db"), sandbox.path("away.db")).unwrap();
}

/// The live folder goes out of the way.
fn without_folder(sandbox: &Sandbox) {
    fs::rename(sandbox.path("app/scripts"), sandbox.path("away")).unwrap();
}

#[test]
fn a_link_that_leads_nowhere_is_not_replaced_and_its_destination_is_named() {
    let sandbox = shop(1);
    without_database(&sandbox);
    fs::create_dir(sandbox.path("disk")).unwrap();
    symlink(sandbox.path("disk/real.db"), sandbox.path("app/app.db")).unwrap();
    let words = ["app/app.db", "disk/real.db", "which is not there", "--to"];
    refused(&sandbox, &["trading"], 5, &words);
    assert!(sandbox.path("app/app.db").is_symlink());
    // The mend that was told works, and the link then leads to what was restored.
    sandbox.run(&["restore", "trading", "--to", "disk/real.db"]).exits(0);
    assert_eq!(sandbox.ask("app/app.db", "SELECT count(*) FROM trades"), "3");

    without_folder(&sandbox);
    symlink(sandbox.path("gone"), sandbox.path("app/scripts")).unwrap();
    refused(&sandbox, &["scripts"], 5, &["app/scripts", "which is not there", "--to"]);
}

#[test]
fn a_folder_behind_a_link_is_restored_where_it_lies_when_that_is_said() {
    let sandbox = shop(1);
    without_folder(&sandbox);
    symlink(sandbox.path("away"), sandbox.path("app/scripts")).unwrap();
    refused(&sandbox, &["scripts"], 5, &["app/scripts is a symbolic link", "work/away", "--to"]);
    sandbox.write("away/a.py", "print(2)\n");
    sandbox.run(&["restore", "scripts", "--to", "away", "--yes"]).exits(0);
    assert_eq!(sandbox.read("app/scripts/a.py"), "print(1)\n");
}

#[test]
fn a_folder_is_not_taken_for_a_database_nor_a_file_for_a_folder() {
    let sandbox = shop(1);
    without_database(&sandbox);
    sandbox.write("app/app.db/mine.txt", "mine");
    refused(&sandbox, &["trading"], 5, &["app/app.db is a folder, not a file", "--to"]);
    without_folder(&sandbox);
    sandbox.write("app/scripts", "mine");
    refused(&sandbox, &["scripts"], 5, &["app/scripts is a file, not a folder", "--to"]);
    // The same before an undo.
    for copy in ["app/app.db.aside-2026-01-02T070000Z", "app/scripts.aside-2026-01-02T070000Z/x.py"] {
        sandbox.write(copy, "");
    }
    for target in ["trading", "scripts"] {
        refused(&sandbox, &["--undo", target], 5, &["not a"]);
    }
    // Below a file there are no folders to make.
    refused(&sandbox, &["trading", "--to", "app/scripts/new/x.db"], 1, &["app/scripts is no folder", "--to"]);
}

#[test]
fn a_mount_point_cannot_change_places_with_anything() {
    let sandbox = shop(1);
    let Some(_folder) = Mount::itself(&sandbox.path("app/scripts")) else { return };
    let _file = Mount::itself(&sandbox.path("app/app.db"));
    for (target, place) in [("scripts", "app/scripts"), ("trading", "app/app.db")] {
        refused(&sandbox, &[target], 5, &[place, "is a mount point", "--to"]);
    }
    sandbox.run(&["restore", "--job", "nightly", "-n"]).exits(5);
}

#[test]
fn what_is_mounted_in_a_folder_does_not_move_away_with_it() {
    let sandbox = shop(1);
    let place = "app/scripts/a disk";
    let Some(_mount) = Mount::small(&sandbox.path(place), "1m") else { return };
    sandbox.write(&format!("{place}/kept"), "kept");
    refused(&sandbox, &["scripts"], 5, &[place, "is a mount point", "--to"]);
    // By another name too.
    symlink(sandbox.path("app"), sandbox.path("behind")).unwrap();
    refused(&sandbox, &["scripts", "--to", "behind/scripts"], 5, &[place, "is a mount point", "--to"]);
    assert_eq!(sandbox.read(&format!("{place}/kept")), "kept");
}

#[test]
fn where_nothing_may_be_written_nothing_is_promised() {
    let sandbox = shop(1);
    let folder = sandbox.path("app");
    let mount = if is_root() {
        let Some(mount) = Mount::read_only(&folder) else { return };
        Some(mount)
    } else {
        fs::set_permissions(&folder, Permissions::from_mode(0o555)).unwrap();
        None
    };
    refused(&sandbox, &["trading"], 1, &["cannot write to", "work/app", "--to"]);
    refused(&sandbox, &["scripts"], 1, &["cannot write to", "work/app", "--to"]);
    refused(&sandbox, &["trading", "--to", "app/new/x.db"], 1, &["cannot write to", "work/app"]);
    sandbox.run(&["restore", "trading", "--to", "elsewhere/x.db"]).exits(0);
    drop(mount);
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_database_behind_a_link_to_another_disk_is_replaced_there_and_undone_there() {
    let policy =
        SHOP.replace("    sqlite: app/app.db\n", "    sqlite: app/app.db\n    scratch: ./elsewhere\n");
    let sandbox = Sandbox::with_policy(&policy);
    let Some(_disk) = Mount::small(&sandbox.path("disk"), "8m") else { return };
    sandbox.sql(
        "disk/real.db",
        "PRAGMA journal_mode = wal; CREATE TABLE trades(a); INSERT INTO trades VALUES (1), (2), (3); CREATE TABLE bars(a)",
    );
    sandbox.write("disk/scripts/a.py", "print(1)\n");
    fs::create_dir(sandbox.path("app")).unwrap();
    symlink(sandbox.path("disk/real.db"), sandbox.path("app/app.db")).unwrap();
    sandbox.write("policy.yaml", policy.replace("path: app/scripts", "path: disk/scripts"));
    // State, store and scratch folder lie on one file system, the data on another.
    run_on(&sandbox, 1).exits(0);
    sandbox.run(&["verify", "trading", "--level", "restore"]).exits(0);
    sandbox.sql("disk/real.db", "DELETE FROM trades");
    sandbox.write("disk/scripts/a.py", "print(2)\n");
    sandbox.run(&["restore", "--job", "nightly", "--yes"]).exits(0);
    assert!(sandbox.path("app/app.db").is_symlink());
    let rows = |place: &str| sandbox.ask(place, "SELECT count(*) FROM trades");
    assert_eq!(
        (rows("app/app.db").as_str(), sandbox.read("disk/scripts/a.py").as_str()),
        ("3", "print(1)\n")
    );
    assert_eq!(sandbox.tree("app"), ["app.db"], "everything happens where the file itself lies");
    for target in ["trading", "scripts"] {
        sandbox.run(&["restore", "--undo", target, "--yes"]).exits(0);
    }
    assert!(sandbox.path("app/app.db").is_symlink());
    assert_eq!(
        (rows("disk/real.db").as_str(), sandbox.read("disk/scripts/a.py").as_str()),
        ("0", "print(2)\n")
    );
}

#[test]
fn what_a_killed_restore_left_beside_the_target_is_cleared_by_the_next_one_and_nobody_elses() {
    let sandbox = shop(1);
    sandbox.write("app/policy-scratch-dead/.owner", "");
    sandbox.write("app/policy-scratch-dead/app.db", "half a database");
    let held = sandbox.write("app/policy-scratch-alive/.owner", "");
    let held = fs::File::open(held).unwrap();
    held.lock().unwrap();
    sandbox.run(&["restore", "trading", "--dry-run"]).exits(0);
    assert!(sandbox.path("app/policy-scratch-dead").exists(), "a dry run removes nothing");
    sandbox.run(&["restore", "trading", "--yes"]).exits(0);
    assert!(!sandbox.path("app/policy-scratch-dead").exists());
    assert!(sandbox.path("app/policy-scratch-alive").exists());
    sandbox.write("app/policy-scratch-dead/.owner", "");
    sandbox.run(&["restore", "--undo", "trading", "--yes"]).exits(0);
    assert!(!sandbox.path("app/policy-scratch-dead").exists(), "an undo clears it too");
}
