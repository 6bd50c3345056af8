//! What becomes of the programs when this process, or the server, is killed.

use super::*;
use policy::engines::postgres::{
    candidate::{Candidate, sweep},
    contents,
    load::{Dump, load},
    properties::Properties,
    swap::{Names, swap},
};
use std::{
    io::{self, Read, Write},
    num::NonZeroU16,
    process::{Child, Stdio},
};

/// Takes bytes slower than they come.
struct Slow;
impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_millis(100));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives an archive's beginning, and then nothing for a long time.
struct Stuck<'a>(&'a [u8]);
impl Read for Stuck<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            thread::sleep(Duration::from_secs(30));
        }
        self.0.read(buffer)
    }
}

/// The work of a process that is to be killed, by the name in `POLICY_PG_WORK`; nothing in an ordinary test run.
#[test]
fn work_of_a_process_that_is_killed() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let (work, folder) = (variable("POLICY_PG_WORK"), variable("WORK_FOLDER"));
    if work.is_empty() {
        return;
    }
    let server = reached(&variable("WORK_URL"), Path::new("/nowhere"));
    let (database, programs) = (server.connection().database().unwrap(), server.programs());
    let access = server.access(database).unwrap();
    let request = DumpRequest::default();
    let archive = || fs::read(&folder).unwrap();
    with_watch(|w| match work.as_str() {
        "stream" => drop(dump::to_writer(programs, &access, (Format::Custom, &request), &mut Slow, w)),
        "folder" => {
            let jobs = NonZeroU16::new(2).unwrap();
            drop(dump::to_folder(programs, &access, (folder.as_ref(), jobs, &request), w));
        }
        "load" | "scratch" => {
            let (archive, properties) = (archive(), Properties::default());
            let mut half = Stuck(&archive[..archive.len() / 2]);
            let name = (work == "scratch").then_some("given to one that is killed");
            let candidate = Candidate::scratch(&server, name, &properties, w).unwrap();
            drop(load(&server, candidate, Dump::Custom(&mut half), &properties, w));
        }
        "contents" => {
            let archive = archive();
            drop(contents::of_custom(programs, &mut Stuck(&archive[..archive.len() / 2]), w));
        }
        "swap" => {
            let (candidate, aside) = (variable("WORK_CANDIDATE"), variable("WORK_ASIDE"));
            let names = Names { live: database, candidate: &candidate, aside: &aside, may_replace: true };
            swap(&server, names, true, w).unwrap();
        }
        "idle" | "busy" => {
            let mut session = server.session(database, &SessionOptions::default(), w).unwrap();
            session.begin_writing(w).unwrap();
            session.execute("INSERT INTO seen VALUES (1)", w).unwrap();
            if work == "busy" {
                session.execute("SELECT pg_sleep(3)", w).unwrap();
            }
            thread::sleep(Duration::from_mins(1));
        }
        _ => unreachable!(),
    });
}

fn members(mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let status = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if environment.windows(mark.len()).any(|w| w == mark.as_bytes()) && !status.contains(") Z ") {
            found.push(fs::read_to_string(entry.path().join("comm")).unwrap_or_default().trim().to_owned());
        }
    }
    found
}

/// Starts such a process.
fn begun(cluster: &Cluster, work: &str, database: &str, variables: &[(&str, &str)]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "postgres::ending::work_of_a_process_that_is_killed", "--nocapture"]);
    command
        .env("POLICY_PG_WORK", work)
        // One of the few variables that programs are given marks them.
        .env("LC_WORK", work)
        .env("WORK_URL", cluster.admin_url(database) + "?application_name=killed");
    command.envs(variables.iter().copied());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Kills such a process when it is at work, and waits for the end of the programs that it had started: less than the
/// thirty seconds in which those with an input would find that nothing comes.
fn killed(cluster: &Cluster, work: &str, database: &str, folder: &str) {
    let mut child = begun(cluster, work, database, &[("WORK_FOLDER", folder)]);
    let mark = format!("LC_WORK={work}\0");
    // Itself, and the programs it started: the keeper's environment is empty.
    crate::support::until(work, || {
        members(&mark).iter().any(|name| name == "pg_dump" || name == "pg_restore")
    });
    thread::sleep(Duration::from_millis(400));
    assert!(members(&mark).len() >= 2, "{work}: {:?}", members(&mark));
    child.kill().unwrap();
    child.wait().unwrap();
    let since = Instant::now();
    while !members(&mark).is_empty() {
        assert!(since.elapsed() < Duration::from_secs(25), "{work}: {:?} live on", members(&mark));
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn nothing_goes_on_when_this_process_is_killed() {
    // Its own, as for all tests that look at what a sweep finds.
    let Some(cluster) = &Cluster::start() else { return };
    let access = big(cluster, "survivors");
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    fs::write(&archive, dumped(cluster, &access, Format::Custom)).unwrap();
    for work in ["stream", "load", "scratch", "contents"] {
        killed(cluster, work, "survivors", archive.to_str().unwrap());
    }
    // Waiting for a lock it neither reads nor writes.
    let _other = locked(cluster, "survivors", "big");
    killed(cluster, "folder", "survivors", folder.path().join("d").to_str().unwrap());
    let server = cluster.server();
    let mut swept = Vec::new();
    crate::support::until("what killed loads left is swept", || {
        swept.extend(with_watch(|w| sweep(&server, w)).unwrap());
        swept.len() == 2
    });
    assert!(swept.contains(&"given to one that is killed".to_owned()), "{swept:?}");
    let left = "SELECT datname FROM pg_database WHERE datname LIKE 'policy%' OR datname LIKE 'given%'";
    assert_eq!(cluster.psql("postgres", left), "");
}

#[test]
fn sessions_end_with_the_process_and_take_back_what_is_not_committed() {
    let cluster = cluster!();
    cluster.database("held", &["CREATE TABLE seen (a int)"]);
    let sessions =
        || cluster.psql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = 'held'");
    let state = "SELECT state, query FROM pg_stat_activity WHERE datname = 'held'";
    for (work, at_work) in [("idle", "idle in transaction|INSERT"), ("busy", "active|SELECT pg_sleep(3)")] {
        let mut child = begun(cluster, work, "held", &[]);
        crate::support::until(work, || cluster.psql("postgres", state).starts_with(at_work));
        child.kill().unwrap();
        child.wait().unwrap();
        let since = Instant::now();
        crate::support::until("its session ends", || sessions() == "0");
        let took = since.elapsed();
        // One that works on a statement ends with that.
        assert!(took < Duration::from_secs(if work == "busy" { 8 } else { 2 }), "{work}: {took:?}");
        assert_eq!(cluster.psql("held", "SELECT count(*) FROM seen"), "0");
    }
}

#[test]
fn a_process_killed_in_an_exchange_leaves_the_old_or_the_new() {
    let cluster = cluster!();
    cluster.database("killed", &["CREATE TABLE which AS SELECT 'old' AS it"]);
    cluster.database("killed.new", &["CREATE TABLE which AS SELECT 'new' AS it"]);
    let mut outcomes = [0, 0];
    // The first one is left to its end, which tells how long one takes.
    let mut whole = Duration::ZERO;
    for round in 0..20_u32 {
        let other = "SELECT datname FROM pg_database WHERE datname LIKE 'killed.%'";
        let (candidate, aside) = (cluster.psql("postgres", other), format!("killed.aside{round}"));
        let before = cluster.psql("killed", "SELECT it FROM which");
        let variables = [("WORK_CANDIDATE", &*candidate), ("WORK_ASIDE", &*aside)];
        let since = Instant::now();
        let mut child = begun(cluster, "swap", "killed", &variables);
        if round == 0 {
            assert!(child.wait().unwrap().success());
            whole = since.elapsed();
        } else {
            thread::sleep(whole * (5 + round) / 25);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        crate::support::until("its sessions end", || {
            let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'killed'";
            cluster.psql("postgres", sessions) == "0"
        });
        let is_moved = cluster.psql("postgres", other) == aside;
        let now = cluster.psql("killed", "SELECT it FROM which");
        assert_eq!(now != before, is_moved, "{before} {now}");
        outcomes[usize::from(is_moved)] += 1;
    }
    assert!(outcomes[0] > 0 && outcomes[1] > 0, "{outcomes:?}");
}

/// Kills the server when the first bytes come.
struct Kills<'a>(&'a Cluster, bool);
impl Write for Kills<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !std::mem::replace(&mut self.1, true) {
            self.0.kill();
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_server_that_is_killed_in_the_middle_is_an_error() {
    let Some(cluster) = Cluster::start() else { return };
    let access = big(&cluster, "mid");
    let request = (Format::Plain, &DumpRequest::default());
    let mut out = Kills(&cluster, false);
    let error = with_watch(|w| dump::to_writer(cluster.programs(), &access, request, &mut out, w));
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("`pg_dump` ended with exit status: 1: pg_dump: error:"), "{error}");
}
