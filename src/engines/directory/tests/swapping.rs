//! Putting a restored folder in the place of the live one.

use super::{Bench, watched, write};
use crate::engines::{AtPath as _, EngineError};
use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    sync::atomic::{AtomicBool, Ordering},
};

/// A live folder of which only `**/*.py` outside of `venv` is selected, and a backup of it in another state.
fn scene() -> Bench {
    let bench = Bench::new();
    for (name, content) in [("live/a.py", "new"), ("live/sub/b.py", "new"), ("live/later.py", "new")] {
        write(&bench.path(name), content);
    }
    for name in ["live/data.db", "live/sub/notes.txt", "live/only/deep/keep.txt", "live/venv/x.py"] {
        write(&bench.path(name), "unselected");
    }
    fs::create_dir(bench.path("live/hollow")).unwrap();
    symlink("data.db", bench.path("live/link")).unwrap();
    fs::set_permissions(bench.path("live"), Permissions::from_mode(0o711)).unwrap();
    fs::set_permissions(bench.path("live/only/deep"), Permissions::from_mode(0o700)).unwrap();
    for (name, content) in
        [("candidate/a.py", "old"), ("candidate/sub/b.py", "old"), ("candidate/gone.py", "old")]
    {
        write(&bench.path(name), content);
    }
    bench
}

fn swap(bench: &Bench) -> Result<crate::engines::Swapped, EngineError> {
    let engine = bench.engine(&["**/*.py"], &["**/venv"]);
    watched(|watch| engine.swap(&bench.path("candidate"), &bench.path("live"), &bench.path("aside"), watch))
}

#[test]
fn a_swap_replaces_the_selected_and_carries_the_rest_over() {
    let bench = scene();
    let inode = fs::metadata(bench.path("live/data.db")).unwrap().ino();
    let before = super::picture(&bench.path("live"));
    let swapped = swap(&bench).unwrap();
    assert_eq!(swapped.aside, Some(bench.path("aside")));
    let read = |name: &str| fs::read_to_string(bench.path(name)).unwrap_or_else(|_| "absent".to_owned());
    for (name, content) in [
        ("live/a.py", "old"),
        ("live/sub/b.py", "old"),
        ("live/gone.py", "old"),
        ("live/later.py", "absent"),
        ("live/data.db", "unselected"),
        ("live/link", "unselected"),
        ("live/sub/notes.txt", "unselected"),
        ("live/only/deep/keep.txt", "unselected"),
        ("live/venv/x.py", "unselected"),
        ("aside/a.py", "new"),
        ("aside/later.py", "new"),
        ("aside/data.db", "unselected"),
    ] {
        assert_eq!(read(name), content, "{name}");
    }
    assert!(bench.path("live/hollow").is_dir() && !bench.path("candidate").exists());
    assert_eq!(fs::metadata(bench.path("live")).unwrap().mode() & 0o7777, 0o711);
    assert_eq!(fs::metadata(bench.path("live/only/deep")).unwrap().mode() & 0o7777, 0o700);
    assert_eq!(
        fs::metadata(bench.path("live/data.db")).unwrap().ino(),
        inode,
        "a writer's open file is still the file"
    );
    assert_eq!(super::picture(&bench.path("aside")), before, "what was set aside is as it was");
}

#[test]
fn at_every_instant_live_is_wholly_one_or_the_other() {
    let bench = scene();
    let (stop, path) = (AtomicBool::new(false), bench.path("live/a.py"));
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut looks = 0;
            while !stop.load(Ordering::Relaxed) || looks == 0 {
                // One open decides for one of the two: neither may ever be absent.
                let content = fs::read_to_string(&path).unwrap();
                assert!(content == "new" || content == "old");
                looks += 1;
            }
            looks
        });
        for _ in 0..50 {
            swap(&bench).unwrap();
            fs::rename(bench.path("aside"), bench.path("candidate")).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        assert!(looking.join().unwrap() > 0);
    });
}

#[test]
fn an_absent_live_folder_is_put_there() {
    let bench = scene();
    fs::remove_dir_all(bench.path("live")).unwrap();
    assert_eq!(swap(&bench).unwrap().aside, None);
    assert_eq!(fs::read(bench.path("live/a.py")).unwrap(), b"old");
    assert!(!bench.path("aside").exists() && !bench.path("candidate").exists());
}

#[test]
fn a_swap_that_would_lose_something_is_refused_and_live_stays() {
    for (what, prepare) in [
        ("aside exists", (|b: &Bench| write(&b.path("aside/x"), "")) as fn(&Bench)),
        ("a live folder where the backup has a file", |b| {
            write(&b.path("live/thing/data"), "unselected");
            write(&b.path("candidate/thing"), "");
        }),
        ("a live file where the backup has a folder", |b| {
            write(&b.path("live/thing"), "unselected");
            write(&b.path("candidate/thing/x.py"), "");
        }),
        ("live is a link", |b| {
            fs::rename(b.path("live"), b.path("real")).unwrap();
            symlink("real", b.path("live")).unwrap();
        }),
    ] {
        let bench = scene();
        prepare(&bench);
        let before = super::picture(&bench.path("live"));
        let failed = swap(&bench);
        assert!(
            matches!(failed, Err(EngineError::Refused(_) | EngineError::Obstacle(_))),
            "{what}: {failed:?}"
        );
        assert_eq!(super::picture(&bench.path("live")), before, "{what}");
        assert!(bench.path("candidate").is_dir(), "{what}");
    }
}

#[test]
fn a_live_file_that_is_no_longer_selected_wins_over_the_backup() {
    let bench = scene();
    write(&bench.path("candidate/data.db"), "from a time when it was selected");
    swap(&bench).unwrap();
    assert_eq!(fs::read(bench.path("live/data.db")).unwrap(), b"unselected");
}

#[test]
fn a_folder_restored_read_only_takes_its_unselected_files_and_keeps_mode_and_time() {
    let bench = scene();
    fs::set_permissions(bench.path("candidate/sub"), Permissions::from_mode(0o555)).unwrap();
    let before = fs::metadata(bench.path("candidate/sub")).unwrap();
    swap(&bench).unwrap();
    let after = fs::metadata(bench.path("live/sub")).unwrap();
    assert_eq!((before.mode(), before.mtime_nsec()), (after.mode(), after.mtime_nsec()));
    assert_eq!(fs::read(bench.path("live/sub/notes.txt")).unwrap(), b"unselected");
}
