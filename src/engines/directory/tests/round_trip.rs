//! What was captured comes back, by this engine and by the stock tools.

use super::{Bench, picture, stored, watched, write};
use crate::{
    engines::{AtPath as _, Engine as _, EngineError, Previous, directory::archive},
    evidence::Integrity,
    platform::folder::Moment,
    policy::{
        Span, Spanned,
        model::Expect,
        values::{Level, Percent},
    },
    watch::{Cancel, Progress, Stopped, Watch},
};
use std::{
    ffi::OsStr,
    fs::{self, File, FileTimes, Permissions},
    io::{self, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::Path,
    process::Command,
    time::{Duration, UNIX_EPOCH},
};

/// A source with everything a folder can hold.
fn everything() -> Bench {
    let bench = Bench::new();
    let source = bench.source();
    bench.file("plain.txt", "content\n");
    bench.file("empty", "");
    bench.file("with\nnewline", "1");
    bench.file("back\\slash", "2");
    bench.file("carriage\rreturn", "3");
    bench.file("-rf", "4");
    bench.file(" spaces \u{e4}", "5");
    write(&source.join(OsStr::from_bytes(b"caf\xe9.txt")), "6");
    bench.file(&format!("{}/{}/{}", "a".repeat(150), "b".repeat(149), "c".repeat(255)), "deep");
    bench.file(&"x".repeat(98), "a name that just fits");
    bench.file(&"y".repeat(99), "a name that just does not");
    bench.file(
        "large.bin",
        (0..3_000_001u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect::<Vec<_>>(),
    );
    bench.file("a/x", "order");
    bench.file("a-b/x", "order");
    bench.file("linked", "shared");
    fs::hard_link(source.join("linked"), source.join("a/linked too")).unwrap();
    fs::create_dir_all(source.join("hollow/inner")).unwrap();
    symlink("plain.txt", source.join("link")).unwrap();
    symlink("/nowhere/at all", source.join("dangling")).unwrap();
    symlink("../".repeat(60), source.join("a/long link")).unwrap();
    fs::set_permissions(source.join("plain.txt"), Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(source.join("hollow"), Permissions::from_mode(0o1555)).unwrap();
    fs::set_permissions(&source, Permissions::from_mode(0o750)).unwrap();
    let time = |name: &str, time| {
        File::open(source.join(name)).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
    };
    time("plain.txt", UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789));
    time("empty", UNIX_EPOCH - Duration::new(86_400, 250_000_000));
    time("a/x", UNIX_EPOCH + Duration::from_secs(5));
    time("hollow", UNIX_EPOCH + Duration::new(7, 7));
    time(".", UNIX_EPOCH + Duration::new(9, 900_000_000));
    bench
}

#[test]
fn a_restored_folder_equals_its_source_in_everything() {
    let bench = everything();
    let shot = bench.shoot(&bench.engine(&[], &[]));
    assert!(shot.capture.unreadable.is_empty());
    assert_eq!(shot.capture.evidence.warnings, Vec::<String>::new());
    let place = bench.path("restored");
    let warnings = bench.restore(&shot.tar, Some(&shot.members), &place).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(picture(&place), picture(&bench.source()));
}

#[test]
fn stock_tar_and_b3sum_restore_and_prove_the_same() {
    let bench = everything();
    let shot = bench.shoot(&bench.engine(&[], &[]));
    let (tar, list, place) = (bench.path("x.tar"), bench.path("x.members"), bench.path("stock"));
    fs::write(&tar, &shot.tar).unwrap();
    // b3sum(1) reads names that are UTF-8 alone.
    let lines =
        shot.members.split_inclusive(|byte| *byte == b'\n').filter(|line| str::from_utf8(line).is_ok());
    fs::write(&list, lines.collect::<Vec<_>>().concat()).unwrap();
    fs::create_dir(&place).unwrap();
    let ran = Command::new("tar")
        .args(["--warning=no-timestamp", "-xpf"])
        .arg(&tar)
        .arg("-C")
        .arg(&place)
        .output()
        .unwrap();
    assert!(ran.status.success() && ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(picture(&place), picture(&bench.source()));
    let ran = Command::new("b3sum").arg("--check").arg(&list).current_dir(&place).output().unwrap();
    assert!(ran.status.success() && ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stdout).matches(": OK").count(), 15);
}

#[test]
fn the_same_folder_gives_the_same_bytes() {
    let bench = everything();
    let engine = bench.engine(&[], &[]);
    let (one, other) = (bench.shoot(&engine), bench.shoot(&engine));
    assert!(one.tar == other.tar && one.members == other.members);
}

#[test]
fn a_sound_archive_passes_integrity_and_a_rehearsed_restore() {
    let bench = everything();
    let shot = bench.shoot(&bench.engine(&[], &[]));
    for level in [Level::Integrity, Level::Restore] {
        let evidence = bench.examine(level, &shot.tar, Some(&shot.members));
        assert_eq!(evidence.integrity, Integrity::Sound, "{level}");
        assert_eq!(evidence.tables["files"].rows, 16);
    }
}

#[test]
fn any_flipped_byte_of_content_is_found() {
    let bench = Bench::new();
    bench.file("a", "first");
    bench.file("b", "second");
    let shot = bench.shoot(&bench.engine(&[], &[]));
    let at = shot.tar.windows(6).position(|part| part == b"second").unwrap();
    let mut flipped = shot.tar.clone();
    flipped[at + 2] ^= 1;
    for level in [Level::Integrity, Level::Restore] {
        let Integrity::Damaged(findings) = bench.examine(level, &flipped, Some(&shot.members)).integrity
        else {
            panic!("not found at {level}");
        };
        assert_eq!(findings, ["`b` has another digest than when it was captured"]);
    }
    let place = bench.path("restored");
    bench.restore(&flipped, Some(&shot.members), &place).unwrap_err();
    assert!(!place.exists(), "a restore that fails leaves nothing");
}

#[test]
fn missing_and_surplus_members_and_a_cut_archive_are_damage() {
    let bench = Bench::new();
    for name in ["a", "b", "c"] {
        bench.file(name, name);
    }
    let shot = bench.shoot(&bench.engine(&[], &[]));
    let lines: Vec<&[u8]> = shot.members.split_inclusive(|byte| *byte == b'\n').collect();
    let without_b = [lines[0], lines[2]].concat();
    let findings =
        |tar: &[u8], members: Option<&[u8]>| match bench.examine(Level::Integrity, tar, members).integrity {
            Integrity::Damaged(findings) => findings.join("; "),
            other => panic!("{other:?}"),
        };
    assert_eq!(findings(&shot.tar, Some(&without_b)), "`b` is not in the list of members");
    let two = bench.shoot(&bench.engine(&[], &["b"]));
    assert_eq!(
        findings(&two.tar, Some(&shot.members)),
        "`b` is in the list of members and not in the archive"
    );
    assert_eq!(findings(&shot.tar, None), "the list of members' digests is missing");
    for cut in [0, 1, 512, 1_000, shot.tar.len() - 1_024, shot.tar.len() - 1] {
        assert!(findings(&shot.tar[..cut], Some(&shot.members)).contains("before its end marker"), "{cut}");
    }
    assert!(
        findings(&[&shot.tar[..], b"x"].concat(), Some(&shot.members)).contains("follows its end marker")
    );
}

#[test]
fn globs_choose_and_folders_come_only_with_what_is_in_them() {
    let bench = Bench::new();
    for name in ["top.py", "sub/deep.py", "sub/readme.txt", "other/notes.txt", "node_modules/x/y.py"] {
        bench.file(name, name);
    }
    let engine = bench.engine(&["**/*.py"], &["**/node_modules"]);
    let shot = bench.shoot(&engine);
    let place = bench.path("restored");
    bench.restore(&shot.tar, Some(&shot.members), &place).unwrap();
    let names: Vec<_> = picture(&place).into_keys().map(|name| String::from_utf8(name).unwrap()).collect();
    assert_eq!(names, ["", "sub", "sub/deep.py", "top.py"]);
    assert_eq!(watched(|watch| engine.observe(watch)).unwrap().facts["files"], "2");
    assert_eq!(engine.survey(&bench.source(), None).unwrap()["files"].rows, 2);
}

#[test]
fn a_missing_empty_or_foreign_source_is_an_error_and_makes_nothing() {
    let bench = Bench::new();
    let engine = bench.engine(&[], &[]);
    let empty = bench.try_shoot(&engine, &Expect::default(), None).err().unwrap();
    assert_eq!(empty.to_string(), "the source has 0 files, expected at least 1 file");
    let expect =
        |least| Expect { min_files: Some(Spanned::new(least, Span::default())), ..Expect::default() };
    assert!(bench.try_shoot(&engine, &expect(0), None).is_ok());
    bench.file("one", "");
    let few = bench.try_shoot(&engine, &expect(40), None).err().unwrap();
    assert_eq!(few.to_string(), "the source has 1 file, expected at least 40 files");
    fs::remove_dir_all(bench.source()).unwrap();
    assert!(matches!(watched(|watch| engine.observe(watch)), Err(EngineError::Missing { .. })));
    assert!(matches!(bench.try_shoot(&engine, &expect(0), None), Err(EngineError::Missing { .. })));
    assert!(!bench.source().exists());
    fs::write(bench.source(), "a file").unwrap();
    assert!(matches!(watched(|watch| engine.observe(watch)), Err(EngineError::Foreign { .. })));
}

#[test]
fn a_folder_that_shrank_or_grew_too_much_fails_a_check() {
    let bench = Bench::new();
    bench.file("one", vec![7; 50_000]);
    let engine = bench.engine(&[], &[]);
    let percent = |text| Some(Spanned::new(Percent::parse(text).unwrap(), Span::default()));
    let expect = Expect { max_drop: percent("20%"), max_growth: percent("50%"), ..Expect::default() };
    let outcome = |bytes| {
        let previous = Previous { id: "p/j/t/x".to_owned(), bytes, ..Previous::default() };
        let checks = bench.try_shoot(&engine, &expect, Some(&previous)).unwrap().capture.evidence.checks;
        checks.into_iter().map(|check| (check.name, check.passed)).collect::<Vec<_>>()
    };
    let named = |drop, growth| vec![("max_drop".to_owned(), drop), ("max_growth".to_owned(), growth)];
    assert_eq!(outcome(50_000), named(true, true));
    assert_eq!(outcome(500_000), named(false, true));
    assert_eq!(outcome(5_000), named(true, false));
}

/// Something that happens to the source while its archive is written.
struct Meddling<F: FnMut(u64)> {
    tar: Vec<u8>,
    meddle: F,
}

impl<F: FnMut(u64)> crate::engines::Outlet for Meddling<F> {}

impl<F: FnMut(u64)> Write for Meddling<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tar.extend_from_slice(bytes);
        (self.meddle)(self.tar.len() as u64);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Captures while `meddle` works on the source.
fn meddled(bench: &Bench, meddle: impl FnMut(u64)) -> (crate::engines::Capture, Vec<u8>, Vec<u8>) {
    let scratch = bench.path("scratch");
    fs::create_dir(&scratch).unwrap();
    let request = crate::engines::CaptureRequest {
        compress: crate::policy::values::Compression::None,
        spec: &crate::engines::testing::spec(),
        caller: &crate::engines::testing::NoCaller,
        level: Level::Integrity,
        expect: &Expect::default(),
        checks: &[],
        tables: None,
        previous: None,
        now: chrono::DateTime::UNIX_EPOCH,
        scratch: &scratch,
    };
    let mut out = Meddling { tar: Vec::new(), meddle };
    let capture = watched(|watch| bench.engine(&[], &[]).capture(&request, &mut out, watch)).unwrap();
    let members = fs::read(&capture.side_files[0].1).unwrap();
    (capture, out.tar, members)
}

#[test]
fn a_large_file_that_changes_once_while_read_is_stored_as_it_is_after() {
    let bench = Bench::new();
    let large = bench.source().join("large");
    fs::write(&large, vec![b'a'; 4_000_000]).unwrap();
    let mut done = false;
    let (capture, tar, members) = meddled(&bench, |_| {
        if !std::mem::replace(&mut done, true) {
            fs::write(&large, vec![b'b'; 2_500_000]).unwrap();
        }
    });
    assert_eq!(capture.evidence.warnings, Vec::<String>::new());
    assert_eq!(members.split(|byte| *byte == b'\n').count(), 2, "one line for the file");
    assert_eq!(bench.examine(Level::Restore, &tar, Some(&members)).integrity, Integrity::Sound);
    let place = bench.path("restored");
    bench.restore(&tar, Some(&members), &place).unwrap();
    assert!(fs::read(place.join("large")).unwrap() == vec![b'b'; 2_500_000]);
    // Stock tar takes the later member too.
    let (file, stock) = (bench.path("x.tar"), bench.path("stock"));
    fs::write(&file, &tar).unwrap();
    fs::create_dir(&stock).unwrap();
    assert!(Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(&stock).status().unwrap().success());
    assert!(fs::read(stock.join("large")).unwrap() == vec![b'b'; 2_500_000]);
}

#[test]
fn a_file_that_keeps_changing_is_stored_and_told() {
    let bench = Bench::new();
    let large = bench.source().join("large");
    fs::write(&large, vec![b'a'; 4_000_000]).unwrap();
    let mut size = 4_000_000;
    let (capture, tar, members) = meddled(&bench, |_| {
        size += 1_000;
        File::options().write(true).open(&large).unwrap().set_len(size).unwrap();
    });
    let [warning] = capture.evidence.warnings.as_slice() else { panic!("{:?}", capture.evidence.warnings) };
    assert!(warning.starts_with("`large` changed each time it was read"), "{warning}");
    assert_eq!(bench.examine(Level::Restore, &tar, Some(&members)).integrity, Integrity::Sound);
}

#[test]
fn a_file_that_vanishes_is_told_and_a_root_that_vanishes_is_an_error() {
    let bench = Bench::new();
    bench.file("a-large", vec![0; 3_000_000]);
    bench.file("z", "gone soon");
    let gone = bench.source().join("z");
    let (capture, ..) = meddled(&bench, |_| drop(fs::remove_file(&gone)));
    assert_eq!(capture.evidence.warnings, ["`z` vanished while the folder was read"]);
    assert_eq!(capture.evidence.tables["files"].rows, 1);

    let scratch = bench.path("elsewhere");
    fs::create_dir(&scratch).unwrap();
    let request = crate::engines::CaptureRequest {
        compress: crate::policy::values::Compression::None,
        spec: &crate::engines::testing::spec(),
        caller: &crate::engines::testing::NoCaller,
        level: Level::Integrity,
        expect: &Expect::default(),
        checks: &[],
        tables: None,
        previous: None,
        now: chrono::DateTime::UNIX_EPOCH,
        scratch: &scratch,
    };
    let source = bench.source();
    let mut out = Meddling { tar: Vec::new(), meddle: |_| drop(fs::remove_dir_all(&source)) };
    let failed = watched(|watch| bench.engine(&[], &[]).capture(&request, &mut out, watch));
    assert!(matches!(failed, Err(EngineError::Missing { .. })), "{failed:?}");
}

#[test]
fn sockets_and_pipes_are_left_out_and_told() {
    let bench = Bench::new();
    bench.file("plain", "");
    let _socket = std::os::unix::net::UnixListener::bind(bench.source().join("socket")).unwrap();
    assert!(Command::new("mkfifo").arg(bench.source().join("pipe")).status().unwrap().success());
    let shot = bench.shoot(&bench.engine(&[], &[]));
    assert_eq!(
        shot.capture.evidence.warnings,
        ["`pipe` is a pipe and was left out", "`socket` is a socket and was left out"]
    );
    assert_eq!(shot.capture.evidence.tables["files"].rows, 1);
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_captured() {
    const CHILD: &str = "FOLDER_TEST_UNREADABLE";
    if let Some(root) = std::env::var_os(CHILD) {
        // In the child, which is not the superuser.
        let bench = Bench::new();
        let engine = super::Directory::new(root.into(), [], []).unwrap();
        let shot = bench.shoot(&engine);
        assert_eq!(shot.capture.unreadable, ["closed", "secret.txt"]);
        assert_eq!(shot.capture.evidence.tables["files"].rows, 1);
        assert_eq!(shot.capture.evidence.warnings.len(), 2);
        assert_eq!(bench.examine(Level::Restore, &shot.tar, Some(&shot.members)).integrity, Integrity::Sound);
        return;
    }
    let bench = Bench::new();
    bench.file("open.txt", "read me");
    bench.file("secret.txt", "not me");
    bench.file("closed/inside", "nor me");
    for (name, mode) in [("secret.txt", 0o000), ("closed", 0o000), (".", 0o755)] {
        fs::set_permissions(bench.source().join(name), Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(bench.dir.path(), Permissions::from_mode(0o755)).unwrap();
    let test = "engines::directory::tests::round_trip::what_cannot_be_read_is_named_and_the_rest_is_captured";
    let copy = bench.path("test-program");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let mut command = if fs::metadata(bench.source()).unwrap().uid() == 0 {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy);
        command
    } else {
        Command::new(&copy)
    };
    let ran = command
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, bench.source())
        .env("TMPDIR", "/tmp")
        .output();
    match ran {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            panic!("setpriv (util-linux) is needed where tests run as the superuser")
        }
        Ok(ran) => {
            let told =
                String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
            assert!(ran.status.success() && told.contains("1 passed"), "{told}");
        }
        Err(error) => panic!("{error}"),
    }
    fs::set_permissions(bench.source().join("closed"), Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn folders_deeper_than_the_open_handles_come_back() {
    let bench = Bench::new();
    let mut at = String::from("0");
    for depth in 1..150 {
        bench.file(&format!("{at}/a file"), depth.to_string());
        bench.file(&format!("{at}/z file"), depth.to_string());
        at = format!("{at}/{depth}");
    }
    let shot = bench.shoot(&bench.engine(&[], &[]));
    assert_eq!(bench.examine(Level::Restore, &shot.tar, Some(&shot.members)).integrity, Integrity::Sound);
    let place = bench.path("restored");
    bench.restore(&shot.tar, Some(&shot.members), &place).unwrap();
    assert_eq!(picture(&place), picture(&bench.source()));
}

#[test]
fn a_size_above_eight_gibibytes_is_read_by_stock_tar() {
    let bench = Bench::new();
    let member = archive::Member {
        path: b"huge".to_vec(),
        form: archive::Form::File,
        mode: 0o644,
        uid: 3_000_000,
        gid: 0,
        modified: Moment { secs: 1, nanos: 0 },
        size: 9 << 30,
    };
    let mut bytes = Vec::new();
    let mut archive = archive::Archive::new(&mut bytes);
    archive.header(&member).unwrap();
    archive.finish().unwrap();
    let tar = bench.path("x.tar");
    fs::write(&tar, &bytes).unwrap();
    let listed =
        Command::new("tar").args(["--numeric-owner", "-tvf"]).arg(&tar).env("TZ", "UTC").output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("3000000/0 9663676416 1970-01-01 00:00 ./huge"), "{listed}");
    let mut input = bytes.as_slice();
    let read = super::super::reader::Reader::new(&mut input).next().unwrap().unwrap();
    assert_eq!(read, member);
}

#[test]
fn a_restore_never_writes_into_something_that_exists() {
    let bench = Bench::new();
    bench.file("a", "new");
    let shot = bench.shoot(&bench.engine(&[], &[]));
    let place = bench.path("taken");
    write(&place.join("mine"), "old");
    bench.restore(&shot.tar, Some(&shot.members), &place).unwrap_err();
    assert_eq!(fs::read(place.join("mine")).unwrap(), b"old");
}

#[test]
fn a_request_to_stop_ends_a_capture_and_removes_a_begun_restore() {
    let bench = Bench::new();
    bench.file("a", "a");
    bench.file("b", "b");
    let shot = bench.shoot(&bench.engine(&[], &[]));
    let cancel = Cancel::default();
    let asked = cancel.clone();
    let tell = move |_: Progress| asked.cancel();
    let place = bench.path("restored");
    let mut main = shot.tar.as_slice();
    let stopped = stored(&mut main, Some(&shot.members), |stored| {
        bench.engine(&[], &[]).materialize(stored, &place, &Watch::new(&cancel, None, &tell))
    });
    assert!(matches!(stopped, Err(EngineError::Stopped(Stopped::Cancelled))), "{stopped:?}");
    assert!(!Path::new(&place).exists());
}
