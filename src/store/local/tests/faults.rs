//! Kills at any moment, system calls that fail, full disks: what a store must survive.

use super::*;

/// Not a test of its own: the other process of the test below, which publishes and removes until it is killed.
#[test]
fn other_process_that_publishes_and_removes() {
    let Some(root) = std::env::var_os("POLICY_TEST_PUBLISH") else { return };
    let store = LocalStore::new("local", root.into(), false);
    let series = Series::new("p", "j", "app_db").unwrap();
    store.create().unwrap();
    let f = Fixture { _folder: None, store, series };
    let mut next = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    if let Some(newest) = f.store.list(&f.series).unwrap().backups.first() {
        next = newest.id.stamp.time();
    }
    loop {
        next += chrono::TimeDelta::seconds(1);
        let mut staging = f.store.stage(&f.series, Stamp::first(next)).unwrap();
        let bytes = next.timestamp().to_string().repeat(1_000);
        staging.create("app_db.db").unwrap().write_all(bytes.as_bytes()).unwrap();
        let manifest = manifest(staging.id(), &[("app_db.db", bytes.as_bytes())]);
        let id = f.series.backup(staging.id().stamp);
        staging.publish(manifest).unwrap();
        f.store.record(&f.series, &record(&id, &next.to_rfc3339(), true)).unwrap();
        for old in f.store.list(&f.series).unwrap().backups.iter().skip(3) {
            f.store.remove(&old.id).unwrap();
        }
    }
}

#[cfg(unix)]
#[test]
fn a_kill_at_any_moment_leaves_only_whole_backups() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new("local", folder.path().join("store"), false);
    let series = Series::new("p", "j", "app_db").unwrap();
    let (mut swept, mut seen) = (0, 0);
    for round in 0..40_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::local::tests::faults::other_process_that_publishes_and_removes"])
            .env("POLICY_TEST_PUBLISH", store.root())
            .env("TMPDIR", folder.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Moments that fall into every step of the work; the first ones into the making of the store itself.
        std::thread::sleep(std::time::Duration::from_micros(2_000 + round * 1_237));
        assert!(child.try_wait().unwrap().is_none(), "round {round}: the other process failed");
        child.kill().unwrap();
        child.wait().unwrap();
        if store.id().unwrap().is_none() {
            continue;
        }
        let listing = store.list(&series).unwrap();
        assert_eq!(listing.unclaimed, [], "round {round}");
        seen = seen.max(listing.backups.len());
        for stored in &listing.backups {
            let mut bytes = Vec::new();
            store.open(&stored.id, "app_db.db").unwrap().read_to_end(&mut bytes).unwrap();
            assert_eq!(sha256(&bytes), stored.manifest.files[0].sha256, "round {round}");
        }
        swept += store.sweep(&series).unwrap().len();
        let left = durable::names(&store.root().join(series.to_string())).unwrap();
        let dated = left.iter().filter(|name| !name.starts_with('.'));
        assert_eq!(dated.count(), listing.backups.len(), "round {round}");
        assert!(left.iter().all(|name| name == RECORDS_FOLDER || Stamp::parse(name).is_some()), "{left:?}");
    }
    // The test itself: it met running work, and remains of it.
    assert!(swept > 0 && seen >= 3, "{swept} remains, {seen} backups");
}

/// Not a test of its own: the other process of the test below, which publishes one backup and removes the oldest.
#[test]
fn other_process_that_publishes_one() {
    let Some(place) = std::env::var_os("POLICY_TEST_PUBLISH_ONE").map(PathBuf::from) else { return };
    let store = LocalStore::new("local", place.join("store"), false);
    let f = Fixture { _folder: None, store, series: Series::new("p", "j", "app_db").unwrap() };
    let work = || {
        f.store.create()?;
        let _lock = f.store.lock(&f.series, Mode::Exclusive)?;
        f.store.keep_policy("p", &sha256(b"p"), "version: 1")?;
        let published = f.publish("2026-01-03T000000Z");
        fs::write(place.join("published"), if published.is_ok() { "yes" } else { "no" }).unwrap();
        published?;
        f.store.remove(&f.series.backup(stamp("2026-01-01T000000Z")))
    };
    let outcome: Result<(), StoreError> = work();
    fs::write(place.join("outcome"), outcome.map_or_else(|e| e.to_string(), |()| "done".to_owned())).unwrap();
}

/// Fails, or kills at, each single system call of a publish and a removal, one after the other.
#[cfg(target_os = "linux")]
#[test]
fn a_system_call_that_fails_or_kills_loses_nothing() {
    if Command::new("strace").args(["-o", "/dev/null", "true"]).output().is_ok_and(|o| o.status.success()) {
        for (calls, fault, least) in [
            ("fsync", "error=EIO", 8),
            ("fsync", "signal=SIGKILL", 8),
            ("write", "error=ENOSPC", 4),
            ("write", "signal=SIGKILL", 4),
            ("renameat2", "error=EIO", 3),
            ("renameat2", "signal=SIGKILL", 3),
            ("unlink,unlinkat,rmdir", "error=EIO", 4),
            ("unlink,unlinkat,rmdir", "signal=SIGKILL", 4),
            ("mkdir,mkdirat", "error=ENOSPC", 2),
            ("mkdir,mkdirat", "signal=SIGKILL", 2),
            ("flock", "signal=SIGKILL", 3),
        ] {
            let met = (1..200).take_while(|nth| meets_fault(calls, fault, *nth)).count();
            assert!(met >= least, "{calls} {fault}: only {met} met");
        }
    } else {
        assert!(std::env::var("CI").is_err(), "strace does not run here");
        writeln!(io::stderr(), "SKIPPED: system calls that fail (no strace)").unwrap();
    }
}

/// Injects a fault into the nth call of a kind and checks what is left; `false` when there was no nth call.
#[cfg(target_os = "linux")]
fn meets_fault(calls: &str, fault: &str, nth: usize) -> bool {
    let place = tempfile::tempdir().unwrap();
    let store = LocalStore::new("local", place.path().join("store"), false);
    store.create().unwrap();
    let f = Fixture { _folder: None, store, series: Series::new("p", "j", "app_db").unwrap() };
    f.publish("2026-01-01T000000Z").unwrap();
    f.publish("2026-01-02T000000Z").unwrap();
    let traced = place.path().join("trace");
    Command::new("strace")
        .args(["-f", "-o"])
        .arg(&traced)
        .args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{fault}:when={nth}")])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store::local::tests::faults::other_process_that_publishes_one",
            "--test-threads=1",
        ])
        .env("POLICY_TEST_PUBLISH_ONE", place.path())
        .output()
        .unwrap();
    let trace = fs::read_to_string(&traced).unwrap();
    let what = format!("{calls} {fault} {nth}");
    let listing = f.store.list(&f.series).unwrap();
    assert_eq!(listing.unclaimed, [], "{what}");
    let listed: Vec<String> = listing.backups.iter().map(|stored| stored.id.stamp.to_string()).collect();
    for stored in &listing.backups {
        let mut bytes = Vec::new();
        f.store.open(&stored.id, "app_db.db").unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, ALL, "{what}");
    }
    let has = |at: &str| listed.iter().any(|name| name == at);
    assert!(has("2026-01-02T000000Z"), "{what}: {listed:?}");
    match fs::read_to_string(place.path().join("published")).as_deref() {
        Ok("yes") => assert!(has("2026-01-03T000000Z"), "{what}: {listed:?}"),
        Ok("no") => assert!(!has("2026-01-03T000000Z"), "{what}: {listed:?}"),
        _ => {}
    }
    // Nothing older went before something newer was there.
    assert!(has("2026-01-01T000000Z") || has("2026-01-03T000000Z"), "{what}: {listed:?}");
    let outcome = fs::read_to_string(place.path().join("outcome")).unwrap_or_default();
    if outcome == "done" {
        assert_eq!(listed, ["2026-01-03T000000Z", "2026-01-02T000000Z"], "{what}");
    }
    f.store.sweep(&f.series).unwrap();
    assert_eq!(f.names(), listed.iter().cloned().collect(), "{what}");
    let met = trace.contains("INJECTED") || trace.contains("killed by SIGKILL");
    // No failed fsync is passed over.
    assert!(!(met && what.starts_with("fsync error") && outcome == "done"), "{what}");
    met
}

/// A filesystem of 256 KiB; `None`, loudly, where this user cannot mount one.
#[cfg(target_os = "linux")]
fn small_disk() -> Option<(tempfile::TempDir, PathBuf)> {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&disk).output();
    if mounted.as_ref().is_ok_and(|output| output.status.success()) {
        return Some((folder, disk));
    }
    assert!(std::env::var("CI").is_err(), "cannot mount a small disk: {mounted:?}");
    writeln!(io::stderr(), "SKIPPED: full disks and mount points (cannot mount a tmpfs)").unwrap();
    None
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_publishes_nothing_and_still_lets_room_be_made() {
    let Some((_folder, disk)) = small_disk() else { return };
    let full = |room_left: usize| {
        let store = LocalStore::new("local", disk.join("store"), false);
        store.create().unwrap();
        let f = Fixture { _folder: None, store, series: Series::new("p", "j", "app_db").unwrap() };
        let id = f.publish("2026-01-05T070000Z").unwrap();
        let staging = f.stage("2026-01-06T070000Z").unwrap();
        // All room but some pages is taken by somebody else.
        let filler = disk.join("filler");
        let free = usize::try_from(f.store.free_bytes().unwrap()).unwrap();
        fs::write(&filler, vec![1; free.saturating_sub(room_left)]).unwrap();
        let manifest = manifest(staging.id(), &[("app_db.db", ALL)]);
        let outcome = staging.publish(manifest);
        let listed = f.listed();
        match &outcome {
            Ok(_) => assert_eq!(listed, ["2026-01-06T070000Z", "2026-01-05T070000Z"]),
            Err(StoreError::Fault(fault)) => {
                assert!(fault.is_full(), "{fault}");
                assert_eq!(listed, ["2026-01-05T070000Z"]);
                assert_eq!(f.names(), BTreeSet::from(["2026-01-05T070000Z".to_owned()]));
            }
            Err(other) => panic!("{other}"),
        }
        let _lock = f.store.lock(&f.series, Mode::Exclusive).unwrap();
        f.store.remove(&id).unwrap();
        fs::remove_file(&filler).unwrap();
        fs::remove_dir_all(f.store.root()).unwrap();
        outcome.is_ok()
    };
    // From no room at all to enough: every write of a publish fails once.
    let outcomes: Vec<bool> = (0..8).map(|pages| full(pages * 4096)).collect();
    Command::new("umount").arg(&disk).status().unwrap();
    assert!(!outcomes[0] && outcomes[7], "{outcomes:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_store_that_must_be_mounted_is_made_only_when_it_is() {
    let Some((_folder, disk)) = small_disk() else { return };
    LocalStore::new("local", disk.clone(), true).create().unwrap();
    assert!(matches!(
        LocalStore::new("l", disk.join("below"), true).create(),
        Err(StoreError::NotMounted(_))
    ));
    Command::new("umount").arg(&disk).status().unwrap();
    assert!(matches!(LocalStore::new("local", disk.clone(), true).id(), Err(StoreError::NotMounted(_))));
    assert_eq!(durable::names(&disk).unwrap(), [""; 0]);
}
