//! A swap leaves the old or the new content, never a third.

use super::{parts::Part, *};
use std::io::Write as _;

const OLD: &str = "CREATE TABLE t (n); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<500) INSERT INTO t SELECT i FROM n";
const NEW: &str = "CREATE TABLE t (n); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<3000) INSERT INTO t SELECT i FROM n";

fn rows(path: &Path) -> i64 {
    one(&Connection::open(path).unwrap(), "SELECT count(*) FROM t")
}

fn candidate(place: &Place, sql: &str) -> PathBuf {
    let path = place.path("candidate.db");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    path
}

fn swap(place: &Place) -> Result<super::super::Swapped, EngineError> {
    let (candidate, aside) = (place.path("candidate.db"), place.path("aside.db"));
    watched(|watch| place.engine().swap(&candidate, &place.live(), &aside, watch))
}

/// A database as a crash leaves it: its last commits in the log alone.
fn crashed(place: &Place, sql: &str) {
    let maker = place.path("maker.db");
    let connection = Connection::open(&maker).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0").unwrap();
    connection.execute_batch(sql).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        fs::copy(beside(&maker, suffix), beside(&place.live(), suffix)).unwrap();
    }
    drop(connection);
    fs::remove_file(&maker).unwrap();
}

#[test]
fn an_old_log_is_folded_into_the_safety_copy_and_not_replayed_into_the_new_one() {
    let place = Place::new();
    crashed(&place, OLD);
    candidate(&place, NEW);
    let swapped = swap(&place).unwrap();
    assert_eq!(swapped.method, "rename");
    assert_eq!(rows(&place.live()), 3000);
    assert_eq!(rows(&place.path("aside.db")), 500);
    assert!(!place.path("candidate.db").exists());
}

#[test]
fn the_log_of_another_lineage_never_meets_the_new_file() {
    // The restored file is the old one's ancestor: exactly what SQLite would replay the log into.
    let place = Place::new();
    crashed(&place, OLD);
    fs::copy(place.live(), place.path("candidate.db")).unwrap();
    swap(&place).unwrap();
    assert!(!beside(&place.live(), "-wal").exists());
    let tables: i64 = one(&Connection::open(place.live()).unwrap(), "SELECT count(*) FROM sqlite_schema");
    assert_eq!(tables, 0, "the ancestor was empty");
    assert_eq!(rows(&place.path("aside.db")), 500);
}

#[test]
fn an_undo_is_the_same_swap_with_the_safety_copy() {
    let place = Place::new();
    drop(place.make(&format!("PRAGMA journal_mode = WAL; {OLD}")));
    candidate(&place, NEW);
    swap(&place).unwrap();
    fs::rename(place.path("aside.db"), place.path("candidate.db")).unwrap();
    swap(&place).unwrap();
    assert_eq!((rows(&place.live()), rows(&place.path("aside.db"))), (500, 3000));
    assert_eq!(one::<String>(&Connection::open(place.live()).unwrap(), "PRAGMA journal_mode"), "wal");
}

#[test]
fn a_database_that_others_hold_is_written_through_and_they_go_on() {
    for mode in ["WAL", "DELETE"] {
        let place = Place::new();
        drop(place.make(&format!("PRAGMA journal_mode = {mode}; {OLD}")));
        let mut holder = Part::play("idle", &place.live());
        if cfg!(target_os = "linux") {
            assert_eq!(place.engine().holders(&place.live())[0].pid, holder.pid());
        }
        candidate(&place, NEW);
        let swapped = swap(&place).unwrap();
        assert_eq!(swapped.method, "backup-api", "{mode}");
        assert_eq!(holder.go_on(), "3000 wrote", "{mode}");
        drop(holder);
        assert_eq!(rows(&place.live()), 3001, "what others write afterwards stays ({mode})");
        assert_eq!(rows(&place.path("aside.db")), 500);
        let connection = Connection::open(place.live()).unwrap();
        assert_eq!(one::<String>(&connection, "PRAGMA integrity_check"), "ok");
    }
}

#[test]
fn who_opens_the_old_file_in_the_last_moment_does_not_undo_the_restore() {
    for mode in ["WAL", "DELETE"] {
        let (mut wrote, mut refused) = (0, 0);
        for _ in 0..12 {
            let place = Place::new();
            drop(place.make(&format!("PRAGMA journal_mode = {mode}; {OLD}")));
            candidate(&place, NEW);
            let mut latecomer = Part::play("latecomer", &place.live());
            swap(&place).unwrap();
            let said = latecomer.hear("done");
            let late = |path: &Path| {
                one::<i64>(&Connection::open(path).unwrap(), "SELECT count(*) FROM t WHERE n = -1")
            };
            let (live, aside) = (rows(&place.live()), rows(&place.path("aside.db")));
            if said == "wrote" {
                wrote += 1;
                assert_eq!(late(&place.live()) + late(&place.path("aside.db")), 1, "{mode}");
                assert_eq!(live - late(&place.live()), 3000, "{mode}: the old rows are back");
            } else {
                refused += 1;
                assert_eq!((live, aside), (3000, 500), "{mode}: {said}");
            }
            let kept = Connection::open(place.path("aside.db")).unwrap();
            assert_eq!(one::<String>(&kept, "PRAGMA journal_mode"), mode.to_lowercase());
        }
        writeln!(std::io::stderr(), "{mode}: {wrote} wrote, {refused} were refused").unwrap();
    }
}

#[test]
fn a_held_database_of_another_page_size_is_refused_and_its_holders_are_named() {
    let place = Place::new();
    drop(place.make(&format!("PRAGMA journal_mode = WAL; {OLD}")));
    let mut holder = Part::play("idle", &place.live());
    candidate(&place, &format!("PRAGMA page_size = 8192; {NEW}"));
    let Err(error @ EngineError::InUse { .. }) = swap(&place) else { panic!("not refused") };
    let why = error.to_string();
    assert!(why.contains(&format!("({})", holder.pid())) && why.contains("page size"), "{why}");
    assert!(!place.path("aside.db").exists() && place.path("candidate.db").exists());
    assert_eq!(holder.go_on(), "500 wrote");
}

#[test]
fn a_damaged_candidate_is_not_written_into_a_database_in_use() {
    let place = Place::new();
    drop(place.make(&format!("PRAGMA journal_mode = WAL; {OLD}")));
    let mut holder = Part::play("idle", &place.live());
    let path = candidate(&place, NEW);
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096 * 3..4096 * 3 + 100].fill(0xff);
    fs::write(&path, bytes).unwrap();
    assert!(matches!(swap(&place), Err(EngineError::InUse { .. })));
    assert_eq!(holder.go_on(), "500 wrote");
}

#[test]
fn a_held_lock_that_does_not_go_is_an_error_and_the_old_content_stays() {
    let place = Place::new();
    drop(place.make(&format!("PRAGMA journal_mode = WAL; {OLD}")));
    candidate(&place, NEW);
    let mut locker = Part::play("locker", &place.live());
    let cancel = Cancel::default();
    let watch = Watch::new(&cancel, Some(Instant::now() + Duration::from_secs(2)), &|_| ());
    let result =
        place.engine().swap(&place.path("candidate.db"), &place.live(), &place.path("aside.db"), &watch);
    assert!(result.is_err());
    assert!(!place.path("aside.db").exists() && place.path("candidate.db").exists());
    locker.go_on();
    drop(locker);
    assert_eq!(rows(&place.live()), 500);
}

#[test]
fn only_what_is_known_to_be_unsound_is_taken_back_after_it_was_written() {
    use super::super::{super::Holds, swap::Places, write_over::conclude};
    use rusqlite::{Error, ffi};
    let (live, aside) = (Path::new("live.db"), Path::new("aside.db"));
    let places = Places { candidate: live, live, aside, spare: &|| Ok(PathBuf::new()) };
    let error = |code| Err(Error::SqliteFailure(ffi::Error::new(code), None));
    let taken_back = || EngineError::Refused("taken back".to_owned());
    let kept = conclude(places, error(ffi::SQLITE_BUSY), taken_back).unwrap();
    assert_eq!(kept.aside.as_deref(), Some(aside));
    assert!(kept.warnings[0].contains("could not be looked at again"), "{kept:?}");
    for code in [ffi::SQLITE_IOERR, ffi::SQLITE_NOMEM] {
        let told = conclude(places, error(code), taken_back).unwrap_err();
        assert!(matches!(&told, EngineError::Unsettled { holds: Holds::New, .. }), "{told}");
        assert!(told.to_string().contains("aside.db"), "{told}");
    }
    for unsound in [error(ffi::SQLITE_CORRUPT), Ok(Ok(false))] {
        assert_eq!(conclude(places, unsound, taken_back).unwrap_err().to_string(), "taken back");
    }
    assert_eq!(conclude(places, Ok(Ok(true)), taken_back).unwrap().warnings, Vec::<String>::new());
}

#[test]
fn what_sqlite_cannot_open_is_set_aside_whole() {
    for damage in ["header", "emptied"] {
        let place = Place::new();
        crashed(&place, OLD);
        if damage == "header" {
            fs::write(place.live(), "junk".repeat(2048)).unwrap();
            fs::write(beside(&place.live(), "-wal"), "junk".repeat(512)).unwrap();
        } else {
            fs::write(place.live(), "").unwrap();
        }
        let (main, log) = (fs::read(place.live()).unwrap(), fs::read(beside(&place.live(), "-wal")).unwrap());
        candidate(&place, NEW);
        assert_eq!(swap(&place).unwrap().method, "rename", "{damage}");
        assert_eq!(rows(&place.live()), 3000);
        assert_eq!(fs::read(place.path("aside.db")).unwrap(), main);
        assert_eq!(fs::read(place.path("aside.db-wal")).unwrap(), log);
    }
}

#[test]
fn what_an_earlier_database_left_beside_an_empty_place_is_set_aside() {
    let place = Place::new();
    crashed(&place, OLD);
    fs::remove_file(place.live()).unwrap();
    candidate(&place, NEW);
    let swapped = swap(&place).unwrap();
    assert_eq!((swapped.aside, swapped.method), (None, "rename"));
    assert_eq!(rows(&place.live()), 3000);
    assert!(place.path("aside.db-wal").exists() && !place.path("aside.db").exists());
}

#[test]
fn nothing_is_swapped_over_an_earlier_safety_copy_or_with_a_log_of_its_own() {
    let place = Place::new();
    drop(place.make(OLD));
    let path = candidate(&place, NEW);
    fs::write(place.path("aside.db"), "mine").unwrap();
    assert!(matches!(swap(&place), Err(EngineError::Refused(_))));
    fs::remove_file(place.path("aside.db")).unwrap();
    fs::write(beside(&path, "-wal"), "log").unwrap();
    assert!(matches!(swap(&place), Err(EngineError::Refused(_))));
    assert_eq!(rows(&place.live()), 500);
}

#[test]
fn a_rename_that_fails_leaves_the_old_content() {
    let place = Place::new();
    crashed(&place, OLD);
    candidate(&place, NEW);
    // The candidate goes away while the swap works: the rename is what fails.
    fs::create_dir(place.path("elsewhere")).unwrap();
    let aside = place.path("missing/aside.db");
    let result =
        watched(|watch| place.engine().swap(&place.path("candidate.db"), &place.live(), &aside, watch));
    assert!(result.is_err());
    assert_eq!(rows(&place.live()), 500);
    assert!(place.path("candidate.db").exists());
}

#[cfg(unix)]
#[test]
fn the_restored_file_has_the_mode_of_the_old_one() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    drop(place.make(OLD));
    fs::set_permissions(place.live(), fs::Permissions::from_mode(0o640)).unwrap();
    let (_, bytes) = place.capture().unwrap();
    let path = place.materialize(&bytes, "candidate.db");
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    swap(&place).unwrap();
    assert_eq!(fs::metadata(place.live()).unwrap().permissions().mode() & 0o777, 0o640);
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let place = Place::new();
    drop(place.make(OLD));
    fs::rename(place.live(), place.path("real.db")).unwrap();
    std::os::unix::fs::symlink(place.path("real.db"), place.live()).unwrap();
    candidate(&place, NEW);
    swap(&place).unwrap();
    assert!(fs::symlink_metadata(place.live()).unwrap().is_symlink());
    assert_eq!(rows(&place.path("real.db")), 3000);
}

#[test]
fn nothing_is_restored_beside_a_left_over_log() {
    let place = Place::new();
    drop(place.make(OLD));
    let (_, bytes) = place.capture().unwrap();
    fs::write(place.path("new.db-wal"), "log").unwrap();
    let mut main = bytes.as_slice();
    let mut stored = StoredContent { main: &mut main, side: &|_| Ok(None) };
    let result = watched(|watch| place.engine().materialize(&mut stored, &place.path("new.db"), watch));
    assert!(matches!(result, Err(EngineError::Refused(_))));
    assert!(!place.path("new.db").exists());
}
