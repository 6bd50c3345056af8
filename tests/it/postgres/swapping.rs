//! Databases change places in one moment, whoever is on them.

use super::*;
use policy::engines::postgres::{
    aside::{aside_name, asides},
    candidate::Candidate,
    load::{Dump, load},
    properties::Properties,
    swap::{Names, SwapError, swap},
};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

const STAMP: &str = "2026-11-28T115804Z";

fn pair(cluster: &Cluster, live: &str, candidate: &str) {
    cluster.database(live, &["CREATE TABLE which AS SELECT 'old' AS it"]);
    cluster.database(candidate, &["CREATE TABLE which AS SELECT 'new' AS it"]);
}

fn which(cluster: &Cluster, database: &str) -> String {
    cluster.psql(database, "SELECT it FROM which")
}

#[test]
fn databases_change_places_and_back() {
    let cluster = cluster!();
    pair(cluster, "Live \"db\"; --", "cand1");
    let server = cluster.server();
    let (live, aside) = ("Live \"db\"; --", aside_name("Live \"db\"; --", STAMP));
    let names = Names { live, candidate: "cand1", aside: &aside, may_replace: true };
    let done = with_watch(|w| swap(&server, names, false, w)).unwrap();
    assert_eq!(done.aside.as_deref(), Some(aside.as_str()));
    assert_eq!((which(cluster, live), which(cluster, &aside)), ("new".to_owned(), "old".to_owned()));
    let found = with_watch(|w| asides(&mut cluster.session("postgres"), live, w)).unwrap();
    assert_eq!(found, [(STAMP.to_owned(), aside.clone())]);

    let later = aside_name(live, "2026-11-28T115805Z");
    let names = Names { live, candidate: &aside, aside: &later, may_replace: true };
    with_watch(|w| swap(&server, names, false, w)).unwrap();
    assert_eq!((which(cluster, live), which(cluster, &later)), ("old".to_owned(), "new".to_owned()));

    let again = with_watch(|w| swap(&server, names, false, w)).unwrap_err();
    assert!(matches!(again, SwapError::Name { is_there: false, .. }), "{again}");
    cluster.database("cand2", &[]);
    let names = Names { live, candidate: "cand2", aside: &later, may_replace: true };
    let taken = with_watch(|w| swap(&server, names, false, w)).unwrap_err();
    assert!(matches!(taken, SwapError::Name { is_there: true, .. }), "{taken}");
    let names = Names { live: "nothing there", candidate: "cand2", aside: "x", may_replace: true };
    assert_eq!(with_watch(|w| swap(&server, names, false, w)).unwrap().aside, None);
}

#[test]
fn whoever_is_on_the_live_database_is_named_and_stays_unless_told_to_go() {
    let cluster = cluster!();
    pair(cluster, "busy", "cand3");
    let server = cluster.server();
    let mut other = cluster.session("busy");
    with_watch(|w| other.execute("SET application_name = 'shop'", w)).unwrap();
    let names = Names { live: "busy", candidate: "cand3", aside: "busy.aside", may_replace: true };
    let error = with_watch(|w| swap(&server, names, false, w)).unwrap_err();
    assert!(error.to_string().starts_with("the database busy is used by shop ("), "{error}");
    assert_eq!(other.scalar_of("SELECT it FROM which"), some("old"));
    cluster.psql("busy", "BEGIN; CREATE TABLE p (a int); PREPARE TRANSACTION 'two-phase'");
    let error = with_watch(|w| swap(&server, names, true, w)).unwrap_err();
    assert!(error.to_string().contains("prepared transaction two-phase"), "{error}");
    assert_eq!(which(cluster, "busy"), "old");
    cluster.psql("busy", "ROLLBACK PREPARED 'two-phase'");
    with_watch(|w| swap(&server, names, true, w)).unwrap();
    assert_eq!(which(cluster, "busy"), "new");
}

#[test]
fn sessions_that_come_back_all_the_time_do_not_keep_it_from_being_exchanged() {
    let cluster = cluster!();
    pair(cluster, "stormy", "cand4");
    let server = cluster.server();
    let (stop, old, new) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    let seen = |counter: &AtomicU32| {
        let since = Instant::now();
        while counter.load(Ordering::Relaxed) < 5 && since.elapsed() < Duration::from_secs(30) {
            thread::sleep(Duration::from_millis(20));
        }
        counter.load(Ordering::Relaxed)
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let query = "SELECT it, pg_sleep(0.05) FROM which";
                    // An error is a session that was ended, or that came while the name was nobody's.
                    let asked = with_watch(|w| {
                        let options = SessionOptions::default();
                        server.session("stormy", &options, w)?.rows(query, 1, w)
                    });
                    match asked {
                        Ok(answer) if answer.rows[0][0].as_deref() == Some("old") => {
                            old.fetch_add(1, Ordering::Relaxed)
                        }
                        Ok(_) => new.fetch_add(1, Ordering::Relaxed),
                        Err(_) => 0,
                    };
                }
            });
        }
        let before = seen(&old);
        let names = Names { live: "stormy", candidate: "cand4", aside: "stormy.aside", may_replace: true };
        let done = with_watch(|w| swap(&server, names, true, w));
        let after = seen(&new);
        stop.store(true, Ordering::Relaxed);
        done.unwrap();
        assert!(before > 0 && after > 0);
    });
}

#[test]
fn an_ordinary_owner_who_may_create_databases_exchanges_his_own() {
    let cluster = cluster!();
    let his = cluster.create_database("CREATE TABLE t AS SELECT 1 AS one");
    cluster.psql("postgres", "CREATE DATABASE not_his TEMPLATE template0");
    let server = cluster.server_by(&cluster.url(&his));
    let open = |server: &Server| with_watch(|w| server.session(&his, &SessionOptions::default(), w)).unwrap();
    let properties = with_watch(|w| Properties::of(&mut open(&server), w)).unwrap();
    let archive = dumped(cluster, &server.access(&his).unwrap(), Format::Custom);
    let loaded = with_watch(|w| {
        let candidate = Candidate::create(&server, &properties, w).unwrap();
        load(&server, candidate, Dump::Custom(&mut &archive[..]), &properties, w)
    });
    let loaded = loaded.unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let candidate = loaded.candidate;
    let aside = format!("{his}.aside");
    let names = Names { live: &his, candidate: candidate.name(), aside: &aside, may_replace: true };
    let superuser = cluster.session(&his);
    let error = with_watch(|w| swap(&server, names, true, w)).unwrap_err();
    assert!(matches!(error, SwapError::Session(_)), "{error}");
    drop(superuser);
    let _own = open(&server);
    with_watch(|w| swap(&server, names, true, w)).unwrap();
    let names = Names { live: "not_his", candidate: &aside, aside: "not_his.aside", may_replace: true };
    let error = with_watch(|w| swap(&server, names, false, w)).unwrap_err();
    assert!(error.to_string().contains("must be owner of database not_his"), "{error}");
}

#[test]
fn an_exchange_whose_session_is_ended_is_taken_back() {
    let cluster = cluster!();
    pair(cluster, "lost", "cand6");
    let server = cluster.server();
    // It waits for five seconds, in which nobody else is let in.
    cluster.psql("lost", "BEGIN; CREATE TABLE p (a int); PREPARE TRANSACTION 'in the way'");
    let names = Names { live: "lost", candidate: "cand6", aside: "lost.aside", may_replace: true };
    let error = thread::scope(|scope| {
        let swapping = scope.spawn(|| with_watch(|w| swap(&server, names, true, w)));
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE state = 'active' AND query LIKE 'ALTER DATABASE \"lost\" RENAME%'";
        crate::support::until("it waits", || cluster.psql("postgres", end) == "1");
        swapping.join().unwrap().unwrap_err()
    });
    assert!(matches!(&error, SwapError::Session(SessionError::Lost { .. })), "{error:?}");
    cluster.psql("lost", "ROLLBACK PREPARED 'in the way'");
    assert_eq!((which(cluster, "lost"), which(cluster, "cand6")), ("old".into(), "new".into()));
    with_watch(|w| swap(&server, names, false, w)).unwrap();
    assert_eq!((which(cluster, "lost"), which(cluster, "lost.aside")), ("new".into(), "old".into()));
}

#[test]
fn a_database_that_is_called_postgres_is_exchanged_like_any_other() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.psql("postgres", "CREATE TABLE which AS SELECT 'old' AS it");
    cluster.database("cand", &["CREATE TABLE which AS SELECT 'new' AS it"]);
    let server = cluster.server_by(&cluster.admin_url("postgres"));
    let names = Names { live: "postgres", candidate: "cand", aside: "postgres.aside", may_replace: true };
    with_watch(|w| swap(&server, names, false, w)).unwrap();
    assert_eq!(
        (which(&cluster, "postgres"), which(&cluster, "postgres.aside")),
        ("new".into(), "old".into())
    );
}
