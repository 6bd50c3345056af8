//! Publishing: a backup is there whole or not at all.

use super::*;

#[test]
fn a_published_backup_is_there_whole_and_an_unpublished_one_never() {
    let f = fixture();
    drop(f.stage("2026-01-05T070000Z").unwrap());
    assert_eq!(f.names(), BTreeSet::new());
    let id = f.publish("2026-01-05T070000Z").unwrap();
    assert_eq!(f.names(), BTreeSet::from(["2026-01-05T070000Z".to_owned()]));
    assert_eq!(
        durable::names(&f.folder().join("2026-01-05T070000Z")).unwrap(),
        [SUMS_FILE, "app_db.db", MANIFEST_FILE]
    );
    let mut read = Vec::new();
    f.store.open(&id, "app_db.db").unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(read, ALL);
    assert_eq!(f.store.damage(&id, &f.store.manifest(&id).unwrap()).unwrap(), None);
    assert_eq!(f.store.manifest(&id).unwrap().id, id.to_string());
    assert!(f.store.open(&id, "../../.lock").is_err());
    assert_eq!(f.store.series().unwrap(), std::slice::from_ref(&f.series));
}

#[cfg(unix)]
#[test]
fn the_sums_prove_the_files_with_stock_tools() {
    let f = fixture();
    f.publish("2026-01-05T070000Z").unwrap();
    let folder = f.folder().join("2026-01-05T070000Z");
    let tool = if cfg!(target_os = "macos") { vec!["shasum", "-a", "256"] } else { vec!["sha256sum"] };
    let check = || {
        let mut command = Command::new(tool[0]);
        command
            .args(&tool[1..])
            .args(["-c", SUMS_FILE])
            .current_dir(&folder)
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(check());
    fs::write(folder.join("app_db.db"), b"the content of a backuq").unwrap();
    assert!(!check());
}

#[test]
fn a_stamp_that_is_taken_publishes_nothing_and_changes_nothing() {
    let f = fixture();
    // Both begin before either is there.
    let (one, two) = (f.stage("2026-01-05T070000Z").unwrap(), f.stage("2026-01-05T070000Z").unwrap());
    let id = one.id().clone();
    let mut first = manifest(&id, &[("app_db.db", ALL)]);
    first.program = "first".to_owned();
    one.publish(first).unwrap();
    let failed = two.publish(manifest(&id, &[("app_db.db", ALL)])).unwrap_err();
    assert!(matches!(failed, StoreError::Taken(_)), "{failed}");
    assert_eq!(f.store.manifest(&id).unwrap().program, "first");
    assert!(matches!(f.publish("2026-01-05T070000Z"), Err(StoreError::Taken(_))));
    assert_eq!(f.names(), BTreeSet::from(["2026-01-05T070000Z".to_owned()]));
    let next = free_stamp(id.stamp.time(), [id.stamp]);
    f.publish(&next.to_string()).unwrap();
    assert_eq!(f.listed(), ["2026-01-05T070000Z-2", "2026-01-05T070000Z"]);
}

#[test]
fn a_manifest_of_other_files_is_not_published() {
    let f = fixture();
    let publish = |change: &dyn Fn(&mut Manifest)| {
        let staging = f.stage("2026-01-05T070000Z").unwrap();
        let mut manifest = manifest(staging.id(), &[("app_db.db", ALL)]);
        change(&mut manifest);
        assert!(staging.publish(manifest).is_err());
        assert_eq!(f.names(), BTreeSet::new());
    };
    publish(&|m| m.files.clear());
    publish(&|m| m.files[0].bytes += 1);
    publish(&|m| m.files[0].name = "other.db".to_owned());
    publish(&|m| m.files[0].sha256 = "short".to_owned());
    publish(&|m| m.files.push(m.files[0].clone()));
    publish(&|m| m.id = m.id.replace("prod", "test"));
    publish(&|m| m.target = "other".to_owned());
    publish(&|m| m.format = 2);
}

#[test]
fn runs_at_once_publish_what_each_of_them_made() {
    let f = fixture();
    let published: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let f = &f;
                scope.spawn(move || {
                    for round in 0..10 {
                        f.publish(&format!("2026-01-{:02}T07{n:02}00Z", round + 1)).unwrap();
                        f.store.sweep(&f.series).unwrap();
                    }
                })
            })
            .collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    assert!(published.iter().all(Result::is_ok));
    assert_eq!(f.listed().len(), 80);
    assert_eq!(f.names().len(), 80);
    for stored in f.store.list(&f.series).unwrap().backups {
        assert_eq!(stored.damage, None);
    }
}

#[test]
fn of_runs_with_one_stamp_exactly_one_is_published() {
    let f = fixture();
    for day in 1..=20 {
        let at = format!("2026-01-{day:02}T070000Z");
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| f.publish(&at))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert!(outcomes.iter().all(|o| matches!(o, Ok(_) | Err(StoreError::Taken(_)))), "{outcomes:?}");
    }
    assert_eq!(f.names().len(), 20);
}
