//! Making a store, and what it is used through: its id, names, policies, locks.

use super::*;

#[test]
fn a_store_is_made_once_and_is_its_owners_alone() {
    let f = fixture();
    let id = f.store.id().unwrap().unwrap();
    assert_eq!(id.len(), 32);
    assert_eq!(f.store.create().unwrap(), id);
    assert!(fs::read_to_string(f.store.root().join(README_FILE)).unwrap().contains("sha256sum -c"));
    fs::remove_file(f.store.root().join(README_FILE)).unwrap();
    f.store.create().unwrap();
    assert!(f.store.root().join(README_FILE).is_file());
    let backup = f.publish("2026-01-05T070000Z").unwrap();
    f.store.keep_policy("prod", &sha256(b"policy"), "version: 1\n").unwrap();
    f.store.record(&f.series, &record(&backup, "2026-01-06T00:00:00Z", true)).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mut open = vec![f.store.root().to_owned()];
        while let Some(path) = open.pop() {
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
            if path.is_dir() {
                open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
    }
}

#[test]
fn many_that_make_one_store_agree_on_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new("local", folder.path().join("new/store"), false);
    let ids: BTreeSet<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| store.create().unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 1);
    assert_eq!(durable::names(store.root()).unwrap(), [README_FILE, STORE_FILE]);
}

#[test]
fn a_folder_with_other_things_never_becomes_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new("local", folder.path().to_owned(), false);
    assert_eq!(store.id().unwrap(), None);
    fs::create_dir(folder.path().join("lost+found")).unwrap();
    assert_eq!(store.id().unwrap(), None);
    fs::write(folder.path().join("thesis.txt"), "").unwrap();
    let failed = store.create().unwrap_err();
    assert!(matches!(&failed, StoreError::Foreign { why, .. } if why.contains("thesis.txt")), "{failed}");
    let series = Series::new("p", "j", "t").unwrap();
    assert!(matches!(
        store.stage(&series, stamp("2026-01-05T070000Z")).map(drop),
        Err(StoreError::Foreign { .. })
    ));
    assert_eq!(durable::names(folder.path()).unwrap(), ["lost+found", "thesis.txt"]);
    fs::remove_file(folder.path().join("thesis.txt")).unwrap();
    store.create().unwrap();
}

#[test]
fn an_id_file_that_cannot_be_relied_on_stops_everything_that_writes() {
    let f = fixture();
    let id = f.publish("2026-01-05T070000Z").unwrap();
    let newer = r#"{"format": 2, "name": "x"}"#;
    fs::write(f.store.root().join(STORE_FILE), newer).unwrap();
    for refused in [
        f.store.id().map(drop),
        f.store.create().map(drop),
        f.store.create_anew().map(drop),
        f.store.remove(&id),
    ] {
        assert!(matches!(refused, Err(StoreError::Newer { format: 2, .. })), "{refused:?}");
    }
    assert_eq!(fs::read_to_string(f.store.root().join(STORE_FILE)).unwrap(), newer);
    for text in ["", "{}", "{\"format\": 1, \"id\": \"\", \"created\": \"2026-01-05T07:00:00Z\"}", "junk"] {
        fs::write(f.store.root().join(STORE_FILE), text).unwrap();
        assert!(matches!(f.store.id(), Err(StoreError::Foreign { .. })), "{text}");
        assert!(matches!(f.store.create(), Err(StoreError::Foreign { .. })), "{text}");
        assert!(matches!(f.store.remove(&id), Err(StoreError::Foreign { .. })), "{text}");
    }
    fs::remove_file(f.store.root().join(STORE_FILE)).unwrap();
    assert!(matches!(f.store.create(), Err(StoreError::Foreign { .. })));
    // A backup whose manifest can be relied on makes it a store again, when that is wanted; nothing else does.
    let manifest = f.store.root().join(id.to_string()).join(MANIFEST_FILE);
    let text = fs::read(&manifest).unwrap();
    fs::write(&manifest, "{}").unwrap();
    assert!(matches!(f.store.create_anew(), Err(StoreError::Foreign { .. })));
    fs::write(&manifest, text).unwrap();
    // Reading is for whoever needs their data back.
    assert_eq!(f.listed(), ["2026-01-05T070000Z"]);
    assert_eq!(f.store.series().unwrap(), std::slice::from_ref(&f.series));
    let anew = f.store.create_anew().unwrap();
    assert_eq!(f.store.id().unwrap(), Some(anew.clone()));
    assert_eq!(f.store.create_anew().unwrap(), anew);
}

#[test]
fn what_is_not_there_is_told_from_what_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new("local", folder.path().join("none"), false);
    let series = Series::new("p", "j", "t").unwrap();
    assert_eq!(store.id().unwrap(), None);
    assert!(matches!(store.series(), Err(StoreError::Absent(_))));
    assert!(matches!(store.list(&series), Err(StoreError::Absent(_))));
    assert!(matches!(store.lock(&series, Mode::Exclusive).map(drop), Err(StoreError::Absent(_))));
    assert!(store.free_bytes().unwrap() > 0);
    let mounted = LocalStore::new("local", folder.path().join("none"), true);
    assert!(matches!(mounted.id(), Err(StoreError::NotMounted(_))));
    let unmounted = LocalStore::new("local", folder.path().to_owned(), true);
    assert!(matches!(unmounted.create(), Err(StoreError::NotMounted(_))));
    assert_eq!(durable::names(folder.path()).unwrap(), [""; 0]);
}

#[test]
fn the_text_of_a_policy_is_kept_once() {
    let f = fixture();
    let digest = sha256(b"policy");
    f.store.keep_policy("prod", &digest, "version: 1 # first\n").unwrap();
    f.store.keep_policy("prod", &digest, "version: 1 # second\n").unwrap();
    let path = f.store.root().join(format!("prod/policies/{digest}.yaml"));
    assert_eq!(fs::read_to_string(path).unwrap(), "version: 1 # first\n");
    assert!(f.store.keep_policy("..", &digest, "").is_err());
    assert!(f.store.keep_policy("prod", "../x", "").is_err());
    assert_eq!(f.store.series().unwrap(), []);
}

#[test]
fn names_that_leave_the_store_are_refused() {
    let f = fixture();
    let outside = Series { policy: "..".to_owned(), job: "..".to_owned(), target: "x".to_owned() };
    assert!(f.store.list(&outside).is_err());
    assert!(f.store.lock(&outside, Mode::Exclusive).is_err());
    assert!(f.store.stage(&outside, stamp("2026-01-05T070000Z")).is_err());
    let mut staging = f.stage("2026-01-05T070000Z").unwrap();
    for name in ["../x", MANIFEST_FILE, OWNER_FILE, SUMS_FILE, ""] {
        assert!(staging.create(name).is_err(), "{name}");
    }
    assert!(staging.create("app_db.db").is_err(), "a second time");
    assert!(staging.sync("never-made").is_err());
}

#[test]
fn a_series_is_locked_for_itself() {
    let f = fixture();
    let held = f.store.lock(&f.series, Mode::Exclusive).unwrap();
    let refused = f.store.lock(&f.series, Mode::Shared).unwrap_err();
    let wanted = format!("process {}", std::process::id());
    assert!(
        matches!(&refused, StoreError::Locked { holder, .. } if holder.0.starts_with(&wanted)),
        "{refused}"
    );
    f.store.lock(&Series::new("prod", "nightly", "other").unwrap(), Mode::Exclusive).unwrap();
    assert_eq!(f.listed(), [""; 0]);
    drop(held);
    f.store.lock(&f.series, Mode::Shared).unwrap();
}
