//! Exchanges databases by their names, and finds those that were set aside.
//!
//! Both renames are one transaction: whoever is killed, this process, `psql` or the server, the name leads to the old
//! database or to the new, whole. Renaming waits up to five seconds until nobody else is on the database, and holds a
//! lock on it from its beginning that lets no new session in (`CountOtherDBBackends`, `InitPostgres` in PostgreSQL's
//! source). So sessions that are to end are ended while the exchange waits: those that come back meanwhile wait at the
//! door, and are told after the commit that the database they looked up is gone. The next attempt finds the new one.
//! Nothing is set on the live database for that, which a kill could leave behind.
//!
//! Whoever owns both databases and may create databases (`CREATEDB`) may rename them. Sessions of other roles may be
//! ended by members of those roles and of `pg_signal_backend`, those of superusers by superusers.

use super::{
    candidate::{is_candidates, lock_key},
    server::{Server, Which, end_sessions, rename},
    session::{Session, SessionError},
    sql::literal,
};
use crate::watch::{Stopped, Watch};
use std::{fmt, io, thread, time::Duration};

/// How often the sessions that are to end are ended again, while an exchange waits.
const ROUND: Duration = Duration::from_millis(50);
/// Rounds in which whoever has just left may still be seen: a backend ends after its client.
const LEAVING_ROUNDS: u32 = 20;
/// How long an exchange may wait for a lock that others hold, in seconds.
const LOCK_WAIT_SECS: u32 = 10;
/// The server's code for a lock that was not to be had in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// The server's code for a database that others use (its manual, Appendix A).
const OBJECT_IN_USE: &str = "55006";

/// A session on a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOn {
    /// The process id of its backend, on the server's host; 0 for a prepared transaction.
    pub pid: u32,
    /// Its role.
    pub user: String,
    /// What it calls itself; empty where it does not.
    pub application: String,
    /// Where it comes from: an address, or nothing for a local socket.
    pub client: Option<String>,
    /// Whether this user may end it. A prepared transaction is ended by nobody but who commits it or takes it back.
    pub may_be_ended: bool,
}

impl fmt::Display for SessionOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.application.is_empty() { "a session" } else { &self.application };
        write!(f, "{name} ({}, {}", self.pid, self.user)?;
        if let Some(client) = &self.client {
            write!(f, ", from {client}")?;
        }
        f.write_str(")")
    }
}

/// The names in an exchange.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The name that the new database is to get.
    pub live: &'a str,
    /// The new database, whole and examined, with nobody on it.
    pub candidate: &'a str,
    /// What the old one is to be called; see [`aside_name`](super::aside::aside_name).
    pub aside: &'a str,
    /// Whether somebody was asked about the database that has the name now: one that came since is not replaced.
    pub may_replace: bool,
}

/// Why databases were not exchanged.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// Others are on the live database or on the new one.
    #[error("the database {database} is used by {}", named(sessions))]
    InUse {
        /// The database.
        database: String,
        /// Who uses it, as far as the server shows.
        sessions: Vec<SessionOn>,
    },
    /// Somebody is on the live database whom this user cannot disconnect.
    #[error(
        "the database {database} is used by {}, and this user cannot end that: have it ended (a superuser's session by a \
         superuser, a prepared transaction by COMMIT PREPARED or ROLLBACK PREPARED)",
        named(sessions)
    )]
    Kept {
        /// The database.
        database: String,
        /// Who uses it.
        sessions: Vec<SessionOn>,
    },
    /// The live database is another user's, who alone may give it another name.
    #[error("the database {database} belongs to {owner}, and only its owner may give it another name")]
    Owned {
        /// The database.
        database: String,
        /// Its owner.
        owner: String,
    },
    /// The name for the old database, or the new database itself, is not what it should be.
    #[error("there is {} database {name}", if *.is_there { "already a" } else { "no" })]
    Name {
        /// The name.
        name: String,
        /// Whether a database has it.
        is_there: bool,
    },
    /// A sweep would take it for a database that a killed restore left.
    #[error("no live database can be called {name}: databases that are being restored have such names")]
    Unfit {
        /// The name.
        name: String,
    },
    /// Others hold a lock on one of them.
    #[error(
        "somebody holds a lock on the database {live}, as one who copies it or sets something on it; it was waited for \
         {LOCK_WAIT_SECS} s"
    )]
    Locked {
        /// The name.
        live: String,
    },
    /// The server refused; everything is as before.
    #[error("cannot exchange the databases: {0}")]
    Session(#[source] SessionError),
    /// The connection was lost at the wrong moment: the name leads to the old database or to the new, whole.
    #[error("{source}; the database {live} is either the old one or the new one{}", kept(aside.as_deref()))]
    Unsettled {
        /// The name.
        live: String,
        /// What the old one is called if it is the new one.
        aside: Option<String>,
        /// What failed.
        source: SessionError,
    },
    /// It was asked to stop; everything is as before.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl From<SessionError> for SwapError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Stopped(stopped) => stopped.into(),
            other => Self::Session(other),
        }
    }
}

fn named(sessions: &[SessionOn]) -> String {
    if sessions.is_empty() {
        return "another session".to_owned();
    }
    sessions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn kept(aside: Option<&str>) -> String {
    aside.map(|aside| format!(", and then the old one is {aside}")).unwrap_or_default()
}

/// How databases were exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanged {
    /// What the old database is called now; `None` when there was none.
    pub aside: Option<String>,
    /// What is tied to the old database itself, and went with it.
    pub warnings: Vec<String>,
}

/// The query for who is on a database: sessions of clients, and transactions prepared there.
fn sessions_query(database: &str) -> String {
    let name = literal(database);
    // By the rules of pg_terminate_backend (func.sgml; `pg_signal_backend` in signalfuncs.c).
    let may_end = "coalesce((SELECT me.rolsuper OR NOT theirs.rolsuper AND \
         (pg_catalog.pg_has_role(me.oid, theirs.oid, 'USAGE') OR EXISTS (SELECT 1 FROM pg_catalog.pg_roles signals \
         WHERE rolname = 'pg_signal_backend' AND pg_catalog.pg_has_role(me.oid, signals.oid, 'USAGE'))) \
         FROM pg_catalog.pg_roles me, pg_catalog.pg_roles theirs \
         WHERE me.rolname = current_user AND theirs.oid = usesysid), true)::text";
    format!(
        "SELECT pid::text, coalesce(usename::text, ''), coalesce(application_name, ''), \
         coalesce(nullif(client_hostname, ''), pg_catalog.host(client_addr)), {may_end} FROM pg_catalog.pg_stat_activity \
         WHERE datname = {name} AND pid <> pg_catalog.pg_backend_pid() AND usesysid IS NOT NULL \
         UNION ALL SELECT '0', owner::text, 'prepared transaction ' || gid, NULL, 'false' \
         FROM pg_catalog.pg_prepared_xacts WHERE database = {name} ORDER BY 1"
    )
}

/// What is known to keep a live database from being exchanged: that it is another user's, and who is on it and cannot be
/// disconnected. Whoever has just left may still be seen, and is waited for a moment.
///
/// # Errors
/// When the server refuses, or there is such a hindrance.
pub fn hindrance(session: &mut Session, live: &str, watch: &Watch<'_>) -> Result<(), SwapError> {
    let owner = format!(
        "SELECT pg_catalog.pg_get_userbyid(datdba)::text FROM pg_catalog.pg_database WHERE datname = {} \
         AND NOT pg_catalog.pg_has_role(current_user, datdba, 'USAGE')",
        literal(live)
    );
    if let Some(owner) = session.scalar(&owner, watch)? {
        return Err(SwapError::Owned { database: live.to_owned(), owner });
    }
    for round in 0..=LEAVING_ROUNDS {
        let mut found = sessions(session, live, watch)?;
        found.retain(|on| !on.may_be_ended);
        if found.is_empty() {
            break;
        }
        if round == LEAVING_ROUNDS {
            return Err(SwapError::Kept { database: live.to_owned(), sessions: found });
        }
        watch.pause(ROUND)?;
    }
    Ok(())
}

/// The query for what is tied to a database itself, and keeps to it under its new name.
fn tied_query(database: &str) -> String {
    let name = literal(database);
    format!(
        "SELECT 'the replication slot ' || slot_name FROM pg_catalog.pg_replication_slots WHERE database = {name} \
         UNION ALL SELECT 'the subscription ' || subname FROM pg_catalog.pg_subscription s \
         JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE d.datname = {name} ORDER BY 1"
    )
}

/// The lock that an exchange holds until its transaction has ended, whichever way.
fn exchange_lock(live: &str) -> String {
    format!("SELECT pg_catalog.pg_advisory_xact_lock({})", lock_key(&format!("exchange {live}")))
}

/// Exchanges the names. The session is not used any more: whatever failed, its end takes the transaction back.
fn exchange(
    mut session: Session,
    names: Names<'_>,
    is_live_there: bool,
    watch: &Watch<'_>,
) -> Result<(), SessionError> {
    session.begin_writing(watch)?;
    // Renaming waits five seconds for sessions, and for ever for a lock on the database itself, as of one that copies it;
    // meanwhile nobody gets in.
    session.execute(&format!("SET LOCAL lock_timeout = '{LOCK_WAIT_SECS}s'"), watch)?;
    session.scalar(&exchange_lock(names.live), watch)?;
    if is_live_there {
        session.execute(&rename(names.live, names.aside), watch)?;
    }
    session.execute(&rename(names.candidate, names.live), watch)?;
    session.commit(watch)
}

/// Who is on a database.
///
/// # Errors
/// When the server refuses.
pub fn sessions(
    session: &mut Session,
    database: &str,
    watch: &Watch<'_>,
) -> Result<Vec<SessionOn>, SessionError> {
    let described = |row: Vec<Option<String>>| {
        let mut fields = row.into_iter();
        let mut field = || fields.next().flatten();
        SessionOn {
            pid: field().and_then(|pid| pid.parse().ok()).unwrap_or_default(),
            user: field().unwrap_or_default(),
            application: field().unwrap_or_default(),
            client: field(),
            may_be_ended: field().as_deref() != Some("false"),
        }
    };
    let rows = session.rows(&sessions_query(database), usize::MAX, watch)?.rows;
    Ok(rows.into_iter().map(described).collect())
}

/// Whether there is a database of a name.
///
/// # Errors
/// When the server refuses.
pub fn is_there(session: &mut Session, name: &str, watch: &Watch<'_>) -> Result<bool, SessionError> {
    Ok(identity(session, name, watch)?.is_some())
}

/// The bytes that a database takes, where there is one and this user may know.
///
/// # Errors
/// When the server refuses.
pub fn bytes(session: &mut Session, name: &str, watch: &Watch<'_>) -> Result<Option<u64>, SessionError> {
    let query = format!(
        "SELECT pg_catalog.pg_database_size(oid)::text FROM pg_catalog.pg_database WHERE datname = {} \
         AND pg_catalog.has_database_privilege(oid, 'CONNECT')",
        literal(name)
    );
    Ok(session.scalar(&query, watch)?.and_then(|bytes| bytes.parse().ok()))
}

/// The number of the database that has a name, which stays the same when it is renamed.
fn identity(session: &mut Session, name: &str, watch: &Watch<'_>) -> Result<Option<u32>, SessionError> {
    let query = format!("SELECT oid::text FROM pg_catalog.pg_database WHERE datname = {}", literal(name));
    Ok(session.scalar(&query, watch)?.and_then(|number| number.parse().ok()))
}

/// Puts the new database in the place of the live one, and keeps that under another name. To undo it, exchange again,
/// with what was set aside as the new one.
///
/// Sessions on the live database are ended where `end` says so, and else stand in its way.
///
/// # Errors
/// On any error everything is as before; only [`SwapError::Unsettled`] says that this is not known.
pub fn swap(server: &Server, names: Names<'_>, end: bool, watch: &Watch<'_>) -> Result<Exchanged, SwapError> {
    if is_candidates(names.live) {
        return Err(SwapError::Unfit { name: names.live.to_owned() });
    }
    let mut session = server.maintenance(watch)?;
    let Some(candidate) = identity(&mut session, names.candidate, watch)? else {
        return Err(SwapError::Name { name: names.candidate.to_owned(), is_there: false });
    };
    let live = identity(&mut session, names.live, watch)?;
    let is_live_there = live.is_some();
    if is_live_there && !names.may_replace {
        return Err(SwapError::Name { name: names.live.to_owned(), is_there: true });
    }
    if is_live_there && identity(&mut session, names.aside, watch)?.is_some() {
        return Err(SwapError::Name { name: names.aside.to_owned(), is_there: true });
    }
    let tied = if is_live_there {
        session.rows(&tied_query(names.live), usize::MAX, watch)?.rows
    } else {
        Vec::new()
    };
    must_be_free(&mut session, names.candidate, watch)?;
    if !end {
        must_be_free(&mut session, names.live, watch)?;
    }
    watch.check()?;
    // From here on a request to stop would not stop the server, which ends what it was told whoever has left: it takes
    // a few seconds, and is waited for.
    let (insisted, tell) = (watch.cancel().insisted(), |_| ());
    let watch = &Watch::new(&insisted, None, &tell);
    let done = match live {
        Some(live) if end => exchange_and_end(server, session, (live, names), watch),
        _ => exchange(session, names, is_live_there, watch),
    };
    let Err(error) = done else { return Ok(exchanged(names, is_live_there, tied)) };
    // An answer that was lost may have been a yes, or be one yet: whoever has the lock of the exchange sees it ended.
    let settled = server.maintenance(watch).and_then(|mut session| {
        session.scalar(&exchange_lock(names.live), watch)?;
        let now = identity(&mut session, names.live, watch)?;
        Ok((session, now))
    });
    match settled {
        Ok((_, now)) if now == Some(candidate) => Ok(exchanged(names, is_live_there, tied)),
        Ok((mut session, _)) => Err(refused(&mut session, names, error, watch)),
        Err(_) => Err(SwapError::Unsettled {
            live: names.live.to_owned(),
            aside: is_live_there.then(|| names.aside.to_owned()),
            source: error,
        }),
    }
}

fn exchanged(names: Names<'_>, is_live_there: bool, tied: Vec<Vec<Option<String>>>) -> Exchanged {
    let tell = |what: String| format!("{what} stays with the old database, which is now {}", names.aside);
    Exchanged {
        aside: is_live_there.then(|| names.aside.to_owned()),
        warnings: tied.into_iter().flatten().flatten().map(tell).collect(),
    }
}

fn must_be_free(session: &mut Session, database: &str, watch: &Watch<'_>) -> Result<(), SwapError> {
    let mut found = sessions(session, database, watch)?;
    for _ in 0..LEAVING_ROUNDS {
        if found.is_empty() {
            return Ok(());
        }
        watch.pause(ROUND)?;
        found = sessions(session, database, watch)?;
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(SwapError::InUse { database: database.to_owned(), sessions: found })
    }
}

/// Runs an exchange, and ends the sessions on the live database while it waits for that. That database is told by its
/// number: its name may already be the new one's, whose sessions are to stay.
fn exchange_and_end(
    server: &Server,
    mut session: Session,
    (live, names): (u32, Names<'_>),
    watch: &Watch<'_>,
) -> Result<(), SessionError> {
    let exchanging = server.maintenance(watch)?;
    // Once before as well: what cannot be ended is told without anybody having been kept out.
    let end = end_sessions(Which::Numbered(live));
    session.rows(&end, 1, watch)?;
    thread::scope(|scope| {
        let exchange = scope.spawn(|| exchange(exchanging, names, true, watch));
        while !exchange.is_finished() {
            // What fails here makes the exchange fail, which tells why.
            let _ = session.rows(&end, 1, watch);
            thread::park_timeout(ROUND);
        }
        let failed = || io::Error::other("the thread that exchanges failed");
        exchange.join().unwrap_or_else(|_| Err(SessionError::Start(failed())))
    })
}

/// Words a refusal, with those who were in the way if that was the reason.
fn refused(session: &mut Session, names: Names<'_>, error: SessionError, watch: &Watch<'_>) -> SwapError {
    match error.sqlstate() {
        Some(OBJECT_IN_USE) => {}
        Some(LOCK_NOT_AVAILABLE) => return SwapError::Locked { live: names.live.to_owned() },
        _ => return error.into(),
    }
    let mut on = |name: &str| sessions(session, name, watch).unwrap_or_default();
    let (database, sessions) = match on(names.live) {
        none if none.is_empty() => (names.candidate, on(names.candidate)),
        sessions => (names.live, sessions),
    };
    SwapError::InUse { database: database.to_owned(), sessions }
}
