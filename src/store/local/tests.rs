//! What holds of a store in a folder, on real folders.

mod faults;

use super::*;
use crate::{
    policy::values::Level,
    store::{
        Stored, Unclaimed, UnclaimedKind, layout::*, lock::Mode, manifest::StoredFile, record::RecordKind,
    },
};
#[cfg(unix)]
use std::process::Command;
use std::{collections::BTreeSet, io::Write};

const ALL: &[u8] = b"the content of a backup";

/// A store in a folder of its own.
struct Fixture {
    _folder: Option<tempfile::TempDir>,
    store: LocalStore,
    series: Series,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new("local", folder.path().join("a/b/store"), false);
    store.create().unwrap();
    Fixture { _folder: Some(folder), store, series: Series::new("prod", "nightly", "app_db").unwrap() }
}

fn stamp(text: &str) -> Stamp {
    Stamp::parse(text).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha256::digest(bytes))
}

fn manifest(id: &BackupId, files: &[(&str, &[u8])]) -> Manifest {
    let stored = |(name, bytes): &(&str, &[u8])| StoredFile {
        name: (*name).to_owned(),
        bytes: bytes.len() as u64,
        sha256: sha256(bytes),
        plain_bytes: bytes.len() as u64,
        plain_sha256: sha256(bytes),
    };
    let time = id.stamp.time();
    Manifest {
        format: 1,
        id: id.to_string(),
        run: format!("{}/{}", id.series.policy, id.stamp),
        policy: id.series.policy.clone(),
        job: id.series.job.clone(),
        target: id.series.target.clone(),
        time,
        captured_at: time,
        finished_at: time,
        origin: "o".to_owned(),
        policy_digest: sha256(b"policy"),
        program: "0.1.0".to_owned(),
        engine: "sqlite".to_owned(),
        method: "backup".to_owned(),
        rungs: Vec::new(),
        source: "${DATABASE_PATH}".to_owned(),
        asked: Level::Checks,
        level: Level::Checks,
        checked_on: None,
        partial: false,
        unreadable: Vec::new(),
        checks: Vec::new(),
        tables: std::collections::BTreeMap::new(),
        failures: Vec::new(),
        warnings: Vec::new(),
        compression: "none".to_owned(),
        original_bytes: files.iter().map(|(_, bytes)| bytes.len() as u64).sum(),
        bytes: files.iter().map(|(_, bytes)| bytes.len() as u64).sum(),
        duration_ms: 1,
        files: files.iter().map(stored).collect(),
        facts: std::collections::BTreeMap::new(),
        digest: String::new(),
    }
}

impl Fixture {
    fn stage(&self, at: &str) -> Result<Box<dyn Staging>, StoreError> {
        let mut staging = self.store.stage(&self.series, stamp(at))?;
        staging.create("app_db.db")?.write_all(ALL).unwrap();
        staging.sync("app_db.db")?;
        Ok(staging)
    }

    fn publish(&self, at: &str) -> Result<BackupId, StoreError> {
        let staging = self.stage(at)?;
        let id = staging.id().clone();
        let manifest = manifest(&id, &[("app_db.db", ALL)]);
        staging.publish(manifest)?;
        Ok(id)
    }

    fn listed(&self) -> Vec<String> {
        self.store
            .list(&self.series)
            .unwrap()
            .backups
            .iter()
            .map(|stored| stored.id.stamp.to_string())
            .collect()
    }

    fn folder(&self) -> PathBuf {
        self.store.root().join(self.series.to_string())
    }

    /// Everything in the series' folder but its lock.
    fn names(&self) -> BTreeSet<String> {
        durable::names(&self.folder()).unwrap().into_iter().filter(|name| name != LOCK_FILE).collect()
    }
}

fn record(id: &BackupId, at: &str, passed: bool) -> Record {
    let at = at.parse().unwrap();
    let level = if passed { Level::Checks } else { Level::None };
    let (asked, checks, message) = (Level::Checks, Vec::new(), String::new());
    Record { kind: RecordKind::Verify, id: id.to_string(), at, passed, asked, level, checks, message }
}

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
    for text in ["", "{}", "{\"format\": 2, \"id\": \"x\", \"created\": \"2026-01-05T07:00:00Z\"}", "junk"] {
        fs::write(f.store.root().join(STORE_FILE), text).unwrap();
        assert!(matches!(f.store.id(), Err(StoreError::Foreign { .. })), "{text}");
        assert!(matches!(f.store.create(), Err(StoreError::Foreign { .. })), "{text}");
        assert!(matches!(f.store.remove(&id), Err(StoreError::Foreign { .. })), "{text}");
    }
    fs::remove_file(f.store.root().join(STORE_FILE)).unwrap();
    assert!(matches!(f.store.create(), Err(StoreError::Foreign { .. })));
    // Reading is for whoever needs their data back.
    assert_eq!(f.listed(), ["2026-01-05T070000Z"]);
    assert_eq!(f.store.series().unwrap(), std::slice::from_ref(&f.series));
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
