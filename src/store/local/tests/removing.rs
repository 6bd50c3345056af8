//! Removing and sweeping: one backup at a time, and only what dead runs left.

use super::*;

#[test]
fn removing_takes_one_backup_and_leaves_its_records() {
    let f = fixture();
    let one = f.publish("2026-01-05T070000Z").unwrap();
    let two = f.publish("2026-01-06T070000Z").unwrap();
    f.store.record(&f.series, &record(&one, "2026-01-07T00:00:00Z", true)).unwrap();
    f.store.remove(&one).unwrap();
    assert!(matches!(f.store.remove(&one), Err(StoreError::NoBackup(_))));
    let listing = f.store.list(&f.series).unwrap();
    assert_eq!(listing.backups.iter().map(|stored| &stored.id).collect::<Vec<_>>(), [&two]);
    assert_eq!(listing.gone.len(), 1);
    assert_eq!(f.names(), BTreeSet::from([RECORDS_FOLDER.to_owned(), "2026-01-06T070000Z".to_owned()]));
}

#[test]
fn nothing_goes_once_what_makes_it_needless_is_gone_or_lost_its_data() {
    use crate::removal::{Removal, RemovalError};
    let loses = |lost: &str| {
        let f = fixture();
        let old = f.publish("2026-01-05T070000Z").unwrap();
        let relied_on = f.publish("2026-01-06T070000Z").unwrap();
        let removal = Removal {
            store: &f.store,
            name: "local",
            catalog: None,
            kind: RecordKind::Prune,
            message: "",
            at: "2026-01-07T00:00:00Z".parse().unwrap(),
            relied_on: Some(&relied_on),
        };
        // Between the decision and the deed.
        fs::remove_file(f.folder().join(relied_on.stamp.to_string()).join(lost)).unwrap();
        let refused = removal.remove(&old);
        assert!(matches!(refused, Err(RemovalError::Unfounded { .. })), "{lost}: {refused:?}");
        assert!(f.names().contains("2026-01-05T070000Z"), "{lost}");
    };
    loses("app_db.db");
    loses(MANIFEST_FILE);
}

#[test]
fn the_remains_of_dead_runs_are_swept_and_those_of_living_ones_are_not() {
    let f = fixture();
    f.publish("2026-01-05T070000Z").unwrap();
    let living = f.stage("2026-01-06T070000Z").unwrap();
    let alive = f.names();
    let folder = f.folder();
    let at = stamp("2026-01-04T070000Z");
    let dead =
        [Passing::Staging.name(at, 1, 1), Passing::Staging.name(at, 1, 2), Passing::Pruning.name(at, 1, 3)];
    for name in &dead {
        fs::create_dir(folder.join(name)).unwrap();
    }
    fs::write(folder.join(&dead[0]).join(OWNER_FILE), "").unwrap();
    fs::write(folder.join(&dead[0]).join("app_db.db"), "half").unwrap();
    fs::write(folder.join(&dead[2]).join(MANIFEST_FILE), "{}").unwrap();
    fs::create_dir(folder.join(RECORDS_FOLDER)).unwrap();
    let temporary = temporary_name(1, 1);
    fs::write(folder.join(RECORDS_FOLDER).join(&temporary), "half").unwrap();
    let mut swept = f.store.sweep(&f.series).unwrap();
    let mut wanted: Vec<_> = dead.into_iter().chain([temporary]).collect();
    swept.sort();
    wanted.sort();
    assert_eq!(swept, wanted);
    fs::remove_dir(folder.join(RECORDS_FOLDER)).unwrap();
    assert_eq!(f.names(), alive);
    let manifest = manifest(living.id(), &[("app_db.db", ALL)]);
    living.publish(manifest).unwrap();
    assert_eq!(f.listed(), ["2026-01-06T070000Z", "2026-01-05T070000Z"]);
}

#[cfg(unix)]
#[test]
fn nothing_behind_a_link_is_removed() {
    use std::os::unix::fs::symlink;
    let f = fixture();
    let id = f.publish("2026-01-05T070000Z").unwrap();
    let outside = tempfile::tempdir().unwrap();
    let precious = outside.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("x"), "").unwrap();
    // Links in a backup, in a dead run's folder, and in the place of one.
    symlink(&precious, f.folder().join("2026-01-05T070000Z/link")).unwrap();
    let name = |random| Passing::Pruning.name(id.stamp, 1, random);
    fs::create_dir(f.folder().join(name(1))).unwrap();
    symlink(&precious, f.folder().join(name(1)).join("link")).unwrap();
    symlink(&precious, f.folder().join(name(2))).unwrap();
    f.store.remove(&id).unwrap();
    assert_eq!(f.store.sweep(&f.series).unwrap(), [name(1)]);
    assert!(precious.join("x").is_file());
    // A series, or a backup, that is itself a link.
    f.publish("2026-01-06T070000Z").unwrap();
    let moved = outside.path().join("moved");
    fs::rename(f.folder(), &moved).unwrap();
    symlink(&moved, f.folder()).unwrap();
    assert_eq!(f.listed(), ["2026-01-06T070000Z"]);
    assert!(f.store.remove(&f.series.backup(stamp("2026-01-06T070000Z"))).is_err());
    assert!(f.store.sweep(&f.series).is_err());
    fs::remove_file(f.folder()).unwrap();
    fs::create_dir(f.folder()).unwrap();
    symlink(moved.join("2026-01-06T070000Z"), f.folder().join("2026-01-06T070000Z")).unwrap();
    assert!(f.store.remove(&f.series.backup(stamp("2026-01-06T070000Z"))).is_err());
    assert!(moved.join("2026-01-06T070000Z").join(MANIFEST_FILE).is_file());
}

/// Counts a thread as ended, also when it panics.
struct Ended<'a>(&'a std::sync::atomic::AtomicUsize);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn no_record_is_lost_to_those_who_sweep_meanwhile() {
    let f = fixture();
    let id = f.publish("2026-01-05T070000Z").unwrap();
    let done = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..4_i64 {
            let (f, id, done) = (&f, &id, &done);
            scope.spawn(move || {
                let _ended = Ended(done);
                for n in 0..100 {
                    let at = id.stamp.time() + chrono::TimeDelta::milliseconds(writer * 1_000 + n);
                    f.store.record(&f.series, &record(id, &at.to_rfc3339(), true)).unwrap();
                }
            });
        }
        while done.load(std::sync::atomic::Ordering::SeqCst) < 4 {
            f.store.sweep(&f.series).unwrap();
        }
    });
    assert_eq!(f.store.list(&f.series).unwrap().backups[0].records.len(), 400);
    assert!(durable::names(&f.folder().join(RECORDS_FOLDER)).unwrap().iter().all(|name| !is_temporary(name)));
}
