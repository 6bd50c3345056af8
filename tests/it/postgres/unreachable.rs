//! Sources that cannot be had: each has one clear error with its mend, and leaves nothing.

use crate::support::{
    Answer,
    postgres::Cluster,
    served::{SERIES, Served},
};
use std::{net::TcpListener, os::unix::fs::symlink, path::Path, time::Instant};

const SHOP: &str = "CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)";

/// A run with another URL, which fails.
#[track_caller]
fn fails(shop: &Served<'_>, url: &str, told: &[&str]) -> Answer {
    let mut command = shop.command(&["run"]);
    command.env("DATABASE_URL", url);
    let mut answer = shop.finish(command).exits(1);
    for told in told {
        answer = answer.says(told);
    }
    assert_eq!(answer.stderr.matches("cannot reach").count().max(1), 1, "one error: {answer}");
    assert!(shop.backups(SERIES).is_empty(), "{answer}");
    answer
}

#[test]
fn a_server_that_is_not_reached_is_told_with_its_place_and_leaves_nothing() {
    let Some(cluster) = Cluster::start() else { return };
    let shop = Served::new(&cluster, SHOP, ("", "", ""));
    fails(&shop, &cluster.url("none_such"), &["none_such", "does not exist"]);
    fails(&shop, &cluster.url_with("app", "wrong-kanarie", &shop.database), &["password"]).hides("kanarie");
    fails(&shop, &cluster.url_with("nobody_such", "x", &shop.database), &["password"]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    fails(&shop, &format!("postgresql://app:kanarie@127.0.0.1:{port}/x"), &["refused"]).hides("kanarie");
    fails(&shop, "postgresql://app:kanarie@no-such-host.invalid/x", &["no-such-host.invalid"])
        .hides("kanarie");
    fails(&shop, "postgresql://app@/x?host=/nowhere", &["/nowhere"]);
    let tls = format!("{}?sslmode=require", cluster.url(&shop.database));
    fails(&shop, &tls, &["SSL"]);
    let plain = format!("{}?sslmode=disable", cluster.url(&shop.database));
    shop.is_clean("nothing was begun");
    let mut command = shop.command(&["run"]);
    shop.finish({
        command.env("DATABASE_URL", plain);
        command
    })
    .exits(0);
}

#[test]
fn a_host_that_never_answers_is_given_up() {
    let Some(cluster) = Cluster::start() else { return };
    let shop = Served::new(&cluster, SHOP, ("", "", ""));
    // It takes the connection, and then says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let begun = Instant::now();
    fails(&shop, &format!("postgresql://app:x@127.0.0.1:{port}/x?connect_timeout=2"), &["timeout"]);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    // It holds nobody longer than the job may take.
    shop.becomes(("", "", ", timeout: 2s"));
    let begun = Instant::now();
    fails(&shop, &format!("postgresql://app:x@127.0.0.1:{port}/x"), &[]);
    assert!(begun.elapsed().as_secs() < 9, "{:?}", begun.elapsed());
    shop.is_clean("given up");
}

#[test]
fn who_may_make_no_database_is_told_so_and_the_dump_is_kept_unproven() {
    let Some(cluster) = Cluster::start() else { return };
    let shop = Served::new(&cluster, SHOP, ("", "scratch: not_mine", ", verify: restore"));
    cluster.psql("postgres", "ALTER ROLE app NOCREATEDB");
    let answer = shop.run(&["run"]);
    assert!([1, 4].contains(&answer.exit), "{answer}");
    let answer = answer.says("permission denied to create database");
    assert!(
        answer.stdout.contains("CREATEDB") || answer.stderr.contains("CREATEDB"),
        "how to mend it: {answer}"
    );
    shop.is_clean("refused");
    cluster.psql("postgres", "ALTER ROLE app CREATEDB");
    shop.run(&["run"]).exits(0);
    cluster.psql("postgres", "ALTER ROLE app NOCREATEDB");
    // Not promised either.
    shop.run(&["restore", "app", "-n"]).exits(5).says("CREATEDB");
    shop.run(&["restore", "app", "--yes"]).exits(5).says("CREATEDB");
    assert!(shop.asides().is_empty());
    shop.is_clean("refused");
}

const PROGRAMS: [&str; 4] = ["psql", "pg_dump", "pg_restore", "pg_dumpall"];

/// Stand-ins for a whole set of another version, in a folder of their own.
fn set(shop: &Served<'_>, folder: &str, version: &str, does: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    for name in PROGRAMS {
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && {{ echo '{name} (PostgreSQL) {version}'; exit; }}\n{does}\n"
        );
        let path = shop.write(&format!("../{folder}/{name}"), script);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    shop.path(&format!("../{folder}")).to_str().unwrap().to_owned()
}

#[test]
fn of_several_versions_the_one_that_fits_the_server_is_taken() {
    let Some(cluster) = Cluster::start() else { return };
    let shop = Served::new(&cluster, SHOP, ("", "", ""));
    let real = cluster.programs().folder().to_str().unwrap().to_owned();
    let used = shop.path("used");
    // Newer and older ones stand before it; each can start a session and decode, as the newest can, and none may dump.
    let does = format!(
        "case \"$0\" in */psql | */pg_restore) exec {real}/${{0##*/}} \"$@\" ;; esac\necho \"$0\" >>{}; exit 7",
        used.display()
    );
    let path: Vec<String> = ["13.1", "14.22", "17.4", "18.0"]
        .iter()
        .map(|version| set(&shop, &format!("v{version}"), version, &does))
        .collect();
    let mut command = shop.command(&["run", "-v"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", path.join(":")));
    shop.finish(command).exits(0);
    assert!(!used.exists(), "{}", shop.read("used"));
    assert!(shop.newest()["facts"]["pg_dump"].as_str().unwrap().starts_with("15."));
}

#[test]
fn programs_that_are_older_than_the_server_or_not_there_are_told_with_what_to_install() {
    let Some(cluster) = Cluster::start() else { return };
    // Where the usual folders have a real set nothing else can be tried.
    let shop = Served::new(&cluster, SHOP, ("", "", ""));
    let real = cluster.programs().folder().to_str().unwrap().to_owned();
    let hidden = ["/usr/lib/postgresql", "/usr/pgsql-15"].iter().filter(|place| Path::new(place).exists());
    if hidden.count() > 0 && !crate::support::is_root() {
        return crate::support::skip("PostgreSQL's programs can be hidden by root alone");
    }
    let Some(unshared) = unshared() else { return };
    let real_copy = shop.path("../real");
    std::fs::create_dir_all(&real_copy).unwrap();
    for name in PROGRAMS {
        std::fs::copy(Path::new(&real).join(name), real_copy.join(name)).unwrap();
    }
    let does = format!("case \"$0\" in */psql) exec {}/psql \"$@\" ;; esac; exit 7", real_copy.display());
    let old = set(&shop, "old", "14.2", &does);
    let none = shop.path("../tools");
    std::fs::create_dir_all(&none).unwrap();
    for name in ["sh", "mount"] {
        symlink(Path::new("/usr/bin").join(name), none.join(name)).unwrap();
    }
    let none = none.to_str().unwrap().to_owned();
    for (path, told) in [
        (none.clone(), "install postgresql-client"),
        (format!("{old}:{none}"), "install postgresql-client-15"),
    ] {
        let words = ["-m", "sh", "-c", "mount -t tmpfs none /usr/lib/postgresql && exec \"$@\"", "sh"];
        let arguments: Vec<&str> = words.into_iter().chain([env!("CARGO_BIN_EXE_policy"), "run"]).collect();
        let mut command = shop.prepare(Path::new(unshared), &arguments);
        command.env("PATH", path);
        shop.finish(command).exits(1).says(told);
        assert!(shop.backups(SERIES).is_empty());
        shop.is_clean(told);
    }
}

/// The program that gives others a view of their own of what is mounted.
fn unshared() -> Option<&'static str> {
    let program = "/usr/bin/unshare";
    let tried = std::process::Command::new(program).args(["-m", "true"]).output();
    if tried.is_ok_and(|tried| tried.status.success()) {
        return Some(program);
    }
    crate::support::skip("nothing can be hidden here");
    None
}
