//! Reading: what cannot be relied on is reported and hides nothing else.

use super::*;

#[test]
fn a_changed_byte_anywhere_in_a_manifest_unmakes_the_backup_and_nothing_else() {
    let f = fixture();
    f.publish("2026-01-05T070000Z").unwrap();
    let id = f.publish("2026-01-06T070000Z").unwrap();
    let path = f.folder().join("2026-01-06T070000Z").join(MANIFEST_FILE);
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        for bit in [0x01, 0x10, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= bit;
            fs::write(&path, &bad).unwrap();
            let listing = f.store.list(&f.series).unwrap();
            let names: Vec<_> = listing.backups.iter().map(|stored| stored.id.stamp.to_string()).collect();
            assert_eq!(names, ["2026-01-05T070000Z"], "byte {at}");
            assert_eq!(listing.unclaimed.len(), 1);
            assert_eq!(listing.unclaimed[0].kind, UnclaimedKind::Unreadable(id.clone()));
        }
    }
    assert!(matches!(f.store.manifest(&id), Err(StoreError::Unreliable { .. })));
    assert!(matches!(f.store.remove(&id), Err(StoreError::Unreliable { .. })));
    assert!(path.is_file());
    for cut in [0, 1, good.len() / 2, good.len() - 1] {
        fs::write(&path, &good[..cut]).unwrap();
        assert_eq!(f.listed(), ["2026-01-05T070000Z"]);
    }
}

#[test]
fn what_is_no_backup_is_reported_and_never_removed() {
    let f = fixture();
    f.publish("2026-01-05T070000Z").unwrap();
    let folder = f.folder();
    fs::create_dir(folder.join("2026-01-04T070000Z")).unwrap();
    fs::write(folder.join("2026-01-04T070000Z/app_db.db"), "").unwrap();
    fs::write(folder.join("2026-01-03T070000Z"), "").unwrap();
    fs::create_dir(folder.join("2026-01-05T070000Z.bak")).unwrap();
    fs::create_dir(folder.join("2026-01-02T070000Z")).unwrap();
    let moved = f.folder().join("2026-01-02T070000Z").join(MANIFEST_FILE);
    fs::copy(folder.join("2026-01-05T070000Z").join(MANIFEST_FILE), moved).unwrap();
    fs::create_dir(folder.join(".staging-mine")).unwrap();
    let before = f.names();
    let listing = f.store.list(&f.series).unwrap();
    let unclaimed: Vec<_> = listing
        .unclaimed
        .iter()
        .map(|Unclaimed { place, why, .. }| format!("{}: {why}", place.rsplit('/').next().unwrap()))
        .collect();
    assert_eq!(
        unclaimed,
        [
            "2026-01-05T070000Z.bak: it is not named as a backup is",
            "2026-01-04T070000Z: it has no manifest: a backup that was never finished, or one taken apart",
            "2026-01-03T070000Z: it is not a folder",
            "2026-01-02T070000Z: the manifest is that of `prod/nightly/app_db/2026-01-05T070000Z`",
        ]
    );
    for stray in ["2026-01-04T070000Z", "2026-01-03T070000Z", "2026-01-02T070000Z", "2026-01-01T070000Z"] {
        assert!(f.store.remove(&f.series.backup(stamp(stray))).is_err(), "{stray}");
    }
    assert_eq!(f.store.sweep(&f.series).unwrap(), [""; 0]);
    assert_eq!(f.names(), before);
}

#[test]
fn the_latest_verification_decides_and_a_damaged_record_decides_nothing() {
    let f = fixture();
    let id = f.publish("2026-01-05T070000Z").unwrap();
    let proven = || f.store.list(&f.series).unwrap().backups.first().map(Stored::proven);
    assert_eq!(proven(), Some(true));
    f.store.record(&f.series, &record(&id, "2026-01-07T00:00:00.5Z", false)).unwrap();
    f.store.record(&f.series, &record(&id, "2026-01-06T00:00:00Z", true)).unwrap();
    f.store.record(&f.series, &record(&id, "2026-01-06T00:00:00Z", true)).unwrap();
    let listing = f.store.list(&f.series).unwrap();
    assert_eq!(listing.backups[0].records.iter().map(|r| r.passed).collect::<Vec<_>>(), [true, false]);
    assert_eq!(proven(), Some(false));
    let folder = f.folder().join(RECORDS_FOLDER);
    for name in durable::names(&folder).unwrap() {
        let path = folder.join(&name);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x01;
            fs::write(&path, &bad).unwrap();
            let listing = f.store.list(&f.series).unwrap();
            assert_eq!(listing.backups[0].records.len(), 1, "byte {at}");
            assert_eq!(listing.unclaimed.len(), 1, "byte {at}");
        }
        fs::write(&path, &good).unwrap();
    }
    let mut other = record(&id, "2026-01-08T00:00:00Z", true);
    other.id = "prod/nightly/other/2026-01-05T070000Z".to_owned();
    assert!(f.store.record(&f.series, &other).is_err());
    other.id = "../../etc".to_owned();
    assert!(f.store.record(&f.series, &other).is_err());
}

#[test]
fn a_backup_that_lost_data_is_listed_as_damaged_and_one_that_cannot_be_looked_at_is_none() {
    let f = fixture();
    let id = f.publish("2026-01-05T070000Z").unwrap();
    let file = f.folder().join("2026-01-05T070000Z/app_db.db");
    let seen = || f.store.list(&f.series).unwrap().backups[0].clone();
    assert!(seen().proven() && seen().level() == Level::Checks);
    let damages: [(&dyn Fn(), &str); 3] = [
        (&|| fs::write(&file, &ALL[1..]).unwrap(), "`app_db.db` has 22 bytes, its manifest says 23"),
        (&|| fs::remove_file(&file).unwrap(), "`app_db.db` is missing"),
        (&|| fs::create_dir(&file).unwrap(), "`app_db.db` is not a file"),
    ];
    for (damage, why) in damages {
        damage();
        assert_eq!(seen().damage.as_deref(), Some(why));
        assert!(!seen().proven() && seen().was_proven() && seen().level() == Level::None);
    }
    fs::remove_dir(&file).unwrap();
    // What cannot be looked at may be there: it is neither called lost nor counted on.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&file, &file).unwrap();
        let listing = f.store.list(&f.series).unwrap();
        assert!(listing.backups.is_empty());
        assert_eq!(listing.unclaimed[0].kind, UnclaimedKind::Unreadable(id.clone()));
        fs::remove_file(&file).unwrap();
    }
    fs::write(&file, ALL).unwrap();
    assert_eq!(f.store.damage(&id, &seen().manifest).unwrap(), None);
}
