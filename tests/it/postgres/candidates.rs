//! New databases, scratch ones, and what is swept.

use super::*;
use policy::engines::postgres::{
    candidate::{Candidate, CandidateError, sweep},
    load::{Dump, load},
    properties::Properties,
};

fn names(cluster: &Cluster, pattern: &str) -> Vec<String> {
    let query = format!("SELECT datname FROM pg_database WHERE datname LIKE '{pattern}' ORDER BY 1");
    cluster.psql("template1", &query).lines().map(str::to_owned).collect()
}

fn scratch(server: &Server, name: &str) -> Result<Candidate, CandidateError> {
    with_watch(|w| Candidate::scratch(server, Some(name), &Properties::default(), w))
}

fn mark(cluster: &Cluster, name: &str) -> String {
    let query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = ";
    cluster.psql("postgres", &format!("{query}{}", literal(name)))
}

fn swept(server: &Server) -> Vec<String> {
    with_watch(|w| sweep(server, w)).unwrap()
}

#[test]
fn candidates_that_nobody_holds_are_swept_and_others_are_not() {
    // Its own, because it is not to be reached by way of `postgres` for a while.
    let Some(cluster) = Cluster::start() else { return };
    let server = cluster.server();
    let made = Properties::default();
    let ours = with_watch(|w| Candidate::create(&server, &made, w)).unwrap();
    let dead = with_watch(|w| Candidate::create(&server, &made, w)).unwrap().name().to_owned();
    cluster.psql("postgres", "CREATE DATABASE policy_restore_of_a_user TEMPLATE template0");
    // Somebody on it does not keep it: a program that a killed restore left, perhaps.
    let left = cluster.session(&dead);
    let mut found = Vec::new();
    crate::support::until("the dead one is swept", || {
        found.extend(swept(&server));
        !found.is_empty()
    });
    assert_eq!(found, [dead]);
    drop(left);
    // Also from another database no lock is passed over.
    cluster.psql("template1", "ALTER DATABASE postgres ALLOW_CONNECTIONS false");
    let elsewhere = cluster.server();
    let mut session = with_watch(|w| elsewhere.maintenance(w)).unwrap();
    assert_eq!(session.scalar_of("SELECT current_database()"), some("template1"));
    assert_eq!(swept(&elsewhere), [""; 0]);
    assert_eq!(names(&cluster, "policy%"), [ours.name(), "policy_restore_of_a_user"]);
    with_watch(|w| ours.discard(&elsewhere, w));
    assert_eq!(names(&cluster, "policy%"), ["policy_restore_of_a_user"]);
}

#[test]
fn a_scratch_database_has_its_name_and_a_mark_until_it_is_discarded() {
    let cluster = cluster!();
    let server = cluster.server_by(&cluster.url("not there"));
    let source = cluster.create_database("CREATE TABLE t AS SELECT 7 AS a");
    cluster.psql("postgres", &format!("COMMENT ON DATABASE {source} IS 'of the source'"));
    let open = |name: &str| with_watch(|w| server.session(name, &SessionOptions::default(), w)).unwrap();
    let properties = with_watch(|w| Properties::of(&mut open(&source), w)).unwrap();
    let archive = dumped(cluster, &server.access(&source).unwrap(), Format::Custom);
    let name = "Scratch \"of\" it's; --";
    let loaded = with_watch(|w| {
        let candidate = Candidate::scratch(&server, Some(name), &properties, w).unwrap();
        assert_eq!(candidate.name(), name);
        load(&server, candidate, Dump::Custom(&mut &archive[..]), &properties, w).unwrap()
    });
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(open(name).scalar_of("SELECT a FROM t"), some("7"));
    assert!(mark(cluster, name).starts_with("policy scratch policy_restore_"), "{}", mark(cluster, name));
    // Somebody on it does not keep it, and neither does a request to stop.
    let on_it = open(name);
    let cancel = Cancel::default();
    cancel.cancel();
    loaded.candidate.discard(&server, &Watch::new(&cancel, None, TELL));
    drop(on_it);
    assert_eq!(names(cluster, "Scratch%"), [""; 0]);
    // Without a name it is a candidate like others.
    let candidate = with_watch(|w| Candidate::scratch(&server, None, &properties, w)).unwrap();
    assert!(candidate.name().starts_with("policy_restore_") && mark(cluster, candidate.name()).is_empty());
    with_watch(|w| candidate.discard(&server, w));
}

#[test]
fn a_name_that_another_database_has_is_not_taken_from_it() {
    let Some(cluster) = &Cluster::start() else { return };
    let server = cluster.server();
    cluster.database("theirs", &["CREATE TABLE t AS SELECT 1 AS a"]);
    let foreign = [
        "",
        "policy scratch",
        "policy scratch policy_restore_x",
        "x policy scratch policy_restore_0123456789abcdef",
    ];
    for comment in foreign {
        cluster.psql("postgres", &format!("COMMENT ON DATABASE theirs IS '{comment}'"));
        let error = scratch(&server, "theirs").unwrap_err();
        assert!(error.to_string().starts_with("there is already a database theirs: drop it"), "{error}");
    }
    assert_eq!(cluster.psql("theirs", "SELECT a FROM t"), "1");
    assert_eq!(names(cluster, "policy\\_restore\\_%"), [""; 0], "nothing was begun");
    let at_work = scratch(&server, "worked on").unwrap();
    // Whoever else wants it waits, and is stopped by his own request alone.
    let cancel = Cancel::default();
    cancel.cancel();
    let stopped = Watch::new(&cancel, None, TELL);
    let error = Candidate::scratch(&server, Some("worked on"), &Properties::default(), &stopped).unwrap_err();
    assert!(matches!(error, CandidateError::Session(SessionError::Stopped(_))), "{error}");
    assert_eq!(swept(&server), [""; 0]);
    assert_eq!(names(cluster, "worked%"), ["worked on"]);
    with_watch(|w| at_work.discard(&server, w));
    for unfit in ["", "policy_restore_0123456789abcdef", &"ä".repeat(32), "a\0b"] {
        let error = scratch(&server, unfit).unwrap_err();
        assert!(matches!(error, CandidateError::Unfit { .. }), "{unfit}: {error}");
    }
}

#[test]
fn two_runs_that_try_their_restores_in_one_database_wait_for_each_other() {
    let Some(cluster) = Cluster::start() else { return };
    let shop = crate::support::served::Served::new(
        &cluster,
        "CREATE TABLE orders AS SELECT n FROM generate_series(1, 1000) n",
        ("", "scratch: both", ""),
    );
    let jobs = ["a", "b", "c"];
    let declared: String =
        jobs.map(|job| format!("  {job}: {{retention: {{last: 30}}, verify: restore}}\n")).concat();
    let policy = shop.read("policy.yaml");
    let (before, after) = policy.split_once("jobs:").unwrap();
    let allowed = after.split_once('\n').unwrap().1;
    shop.write("policy.yaml", format!("{before}jobs:\n{declared}{allowed}"));
    for _ in 0..3 {
        let running = jobs.map(|job| shop.start(&["run", job]));
        for one in running {
            one.wait().exits(0);
        }
    }
    shop.is_clean("after all");
}

#[test]
fn what_a_killed_run_left_under_a_given_name_is_cleared_away() {
    let Some(cluster) = &Cluster::start() else { return };
    let server = cluster.server();
    let left = || {
        // As of a process that is gone: the session with the lock ends.
        drop(scratch(&server, "given").unwrap());
        let number = cluster.psql("postgres", "SELECT oid FROM pg_database WHERE datname = 'given'");
        let on_it = cluster.session("given");
        crate::support::until("the lock is gone", || {
            cluster.psql("postgres", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0"
        });
        (number, on_it)
    };
    let (number, _on_it) = left();
    let next = scratch(&server, "given").unwrap();
    let now = cluster.psql("postgres", "SELECT oid FROM pg_database WHERE datname = 'given'");
    assert!(now != number && !now.is_empty(), "{now}");
    with_watch(|w| next.discard(&server, w));
    let (_, _on_it) = left();
    assert_eq!(swept(&server), ["given"]);
    assert_eq!(names(cluster, "given"), [""; 0]);
    assert_eq!(names(cluster, "policy\\_restore\\_%"), [""; 0]);
    // Another's is not touched, and does not keep the others.
    drop(scratch(&server, "another's").unwrap());
    let ordinary = cluster.server_by(&cluster.url("not there"));
    drop(scratch(&ordinary, "his own").unwrap());
    let mut found = Vec::new();
    crate::support::until("his own is swept", || {
        found.extend(swept(&ordinary));
        !found.is_empty()
    });
    assert_eq!(found, ["his own"]);
    assert_eq!(names(cluster, "another%"), ["another's"]);
    assert_eq!(swept(&server), ["another's"]);
}

#[test]
fn a_restore_that_holds_its_lock_by_way_of_template1_is_not_swept_by_way_of_postgres() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.psql("postgres", "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
    let theirs = cluster.server_by(&cluster.url("not there"));
    let mut session = with_watch(|w| theirs.maintenance(w)).unwrap();
    assert_eq!(session.scalar_of("SELECT current_database()"), some("template1"));
    let candidate = with_watch(|w| Candidate::create(&theirs, &Properties::default(), w)).unwrap();
    assert_eq!(swept(&cluster.server()), [""; 0]);
    assert_eq!(names(&cluster, "policy%"), [candidate.name()]);
    with_watch(|w| candidate.discard(&theirs, w));
}

#[test]
fn a_mark_counts_only_under_the_name_that_it_says() {
    let Some(cluster) = Cluster::start() else { return };
    let server = cluster.server_by(&cluster.url("live"));
    let marked = "policy scratch policy_restore_0123456789abcdef as tried";
    for name in ["tried", "kept", "live"] {
        cluster.psql("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE}"));
        cluster.psql("postgres", &format!("COMMENT ON DATABASE {name} IS '{marked}'"));
    }
    cluster.psql(
        "postgres",
        "COMMENT ON DATABASE live IS 'policy scratch policy_restore_0123456789abcdef as live'",
    );
    assert_eq!(swept(&server), ["tried"]);
    assert_eq!(names(&cluster, "%"), ["kept", "live", "postgres", "template0", "template1"]);
    // It is handed on by no backup.
    let mut session = with_watch(|w| server.session("live", &SessionOptions::default(), w)).unwrap();
    let properties = with_watch(|w| Properties::of(&mut session, w)).unwrap();
    assert!(!properties.to_facts().contains_key("comment"));
    let forged = [("comment".to_owned(), marked.to_owned())].into();
    let statements = Properties::from_facts(&forged).apply("tried", true);
    assert!(!statements.iter().any(|statement| statement.contains("COMMENT")), "{statements:?}");
}
