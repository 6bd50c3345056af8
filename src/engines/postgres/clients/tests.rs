//! Which sets are found and chosen; programs are small scripts that say a version.
#![cfg(unix)]

use super::*;
use crate::watch::Cancel;
use std::os::unix::fs::{PermissionsExt as _, symlink};

fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Not written and run by one process, which may meet "text file busy" beside a fork of another test.
    let written = Command::new("sh")
        .args(["-c", r#"printf '%s\n' "$1" > "$2""#, "sh", text])
        .arg(path)
        .status()
        .unwrap();
    assert!(written.success());
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A folder of programs that say a version.
fn set(folder: &Path, version: &str) {
    for name in PROGRAMS {
        script(&folder.join(name), &format!("#!/bin/sh\necho '{name} (PostgreSQL) {version}'"));
    }
}

fn find(path: &[PathBuf], usual: &[PathBuf]) -> Clients {
    let cancel = Cancel::default();
    Clients::find(&env::join_paths(path).unwrap(), usual, &Watch::new(&cancel, None, &|_| ())).unwrap()
}

fn version(text: &str) -> Version {
    Version::of_program(&format!("pg_dump (PostgreSQL) {text}\n")).unwrap()
}

#[test]
fn versions_are_read_and_ordered() {
    assert_eq!(version("15.18 (Debian 15.18-0+deb12u1)").to_string(), "15.18");
    let ordered = ["9.6.24", "10.23", "16beta1", "16beta2", "16rc1", "16.0", "16.4", "17devel"];
    assert!(ordered.windows(2).all(|pair| version(pair[0]) < version(pair[1])));
    assert_eq!(version("17rc1").to_string(), "17rc1");
    assert_eq!(version("9.6.24").branch(), Version::of_server(90_603).branch());
    assert_eq!(version("15.1").branch(), Version::of_server(150_018).branch());
    for line in [
        "",
        "pg_dump 15",
        "pg_dump (PostgreSQL) ",
        "pg_dump (PostgreSQL) x",
        "pg_dump (PostgreSQL) 99999999999.1",
    ] {
        assert_eq!(Version::of_program(line), None, "{line}");
    }
}

#[test]
fn a_server_gets_its_own_version_else_the_lowest_newer_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(format!("lib/{name}/bin"));
    for (name, version) in
        [("9.6", "9.6.24"), ("13", "13.1"), ("15", "15.18"), ("15b", "15.3"), ("17", "17rc1")]
    {
        set(&at(name), version);
    }
    let clients = find(&[], &[folder.path().join("lib/*/bin"), folder.path().join("absent*/bin")]);
    let chosen = |server: u32| clients.for_server(server).map(|set| set.version().to_string());
    assert_eq!(chosen(150_002), Ok("15.18".to_owned()));
    assert_eq!(chosen(140_000), Ok("15.18".to_owned()));
    assert_eq!(chosen(160_004), Ok("17rc1".to_owned()));
    assert_eq!(chosen(130_000), Ok("13.1".to_owned()));
    // Its own programs are too old to hold a session.
    assert_eq!(chosen(90_600), Ok("13.1".to_owned()));
    assert_eq!(clients.any().unwrap().psql(), at("17").canonicalize().unwrap().join("psql"));
    let error = chosen(180_001).unwrap_err();
    assert_eq!(error, ClientsError::Older { newest_found: version("17rc1"), server: "18".to_owned() });
    assert!(
        error.to_string().contains("postgresql-client-18") && error.to_string().contains("postgresql@18")
    );
}

#[test]
fn a_wrapper_serves_only_where_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let (bin, own) = (root.join("bin"), root.join("lib/15/bin"));
    script(&root.join("pg_wrapper"), "#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.18 (Debian)'");
    fs::create_dir(&bin).unwrap();
    for name in PROGRAMS {
        symlink(root.join("pg_wrapper"), bin.join(name)).unwrap();
    }
    let usual = [root.join("lib/*/bin")];
    assert_eq!(find(std::slice::from_ref(&bin), &usual).any().unwrap().folder(), bin);
    set(&own, "15.18");
    let clients = find(&[bin], &usual);
    assert_eq!(clients.sets(), [Programs::new(own.clone(), version("15.18"))]);
    // Links to programs of the same names lead to where these are.
    let linked = root.join("linked");
    fs::create_dir(&linked).unwrap();
    for name in PROGRAMS {
        symlink(own.join(name), linked.join(name)).unwrap();
    }
    assert_eq!(find(&[linked], &usual).sets().len(), 1);
}

#[test]
fn what_is_not_whole_or_does_not_work_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let (partial, broken) = (root.join("partial"), root.join("broken"));
    script(&partial.join("psql"), "#!/bin/sh");
    for name in PROGRAMS {
        script(&broken.join(name), "#!/bin/sh\nexit 127");
    }
    let error =
        find(&[partial.clone(), broken.clone(), "relative".into()], &[] as &[PathBuf]).any().unwrap_err();
    let ClientsError::Absent { looked, .. } = &error else { panic!("{error}") };
    assert_eq!(*looked, [partial, broken.clone()]);
    assert!(error.to_string().contains(&format!("those in {} do not work", broken.display())), "{error}");
    set(&root.join("old"), "10.23");
    let error = find(&[root.join("old")], &[] as &[PathBuf]).for_server(90_000).unwrap_err();
    assert_eq!(error, ClientsError::Outdated { found: version("10.23") });
}

#[test]
fn a_program_that_never_answers_is_stopped_with_the_search() {
    let folder = tempfile::tempdir().unwrap();
    for name in PROGRAMS {
        script(&folder.path().join(name), "#!/bin/sh\nsleep 60");
    }
    let cancel = Cancel::default();
    let watch = Watch::new(&cancel, Some(Instant::now() + Duration::from_millis(100)), &|_| ());
    let path = folder.path().as_os_str();
    assert_eq!(Clients::find(path, &[] as &[PathBuf], &watch).unwrap_err(), Stopped::TimedOut);
}

#[test]
fn the_real_ones_are_found() {
    let usual: Vec<&Path> = USUAL.iter().map(Path::new).collect();
    let cancel = Cancel::default();
    let path = env::var_os("PATH").unwrap_or_default();
    let clients = Clients::find(&path, &usual, &Watch::new(&cancel, None, &|_| ())).unwrap();
    // Where none is installed there is nothing to find; that it is told is shown above.
    for set in clients.sets() {
        assert!(set.version().major() > 8 && set.psql().is_file(), "{set:?}");
        assert_ne!(set.folder(), Path::new("/usr/bin"), "a wrapper beside the real ones");
    }
}
