//! Databases on their way: new ones that a restore fills, scratch ones, and those that killed runs left.
//!
//! A candidate is called `policy_restore_` and 16 random digits. As long as its run lives, a session holds an advisory
//! lock of that name; the lock ends with the session, and the session with this process, however that ends. So what
//! bears such a name and is locked by nobody is nobody's, and goes.
//!
//! A scratch database may be given another name, by which others find it. It is made as a candidate all the same, and
//! its comment says which: `policy scratch policy_restore_… as …`. The lock stays that of the candidate's name, and whoever
//! clears it away gives it that name back first, in a transaction that sees whether it is still the same database: one
//! that somebody else made under the given name meanwhile is never taken for it.
//!
//! The lock is taken before the database is made, and a sweep takes it before it drops: no moment in between is open.
//! The pooler of a connection that gives each transaction another session would break this, as it breaks snapshots.

use super::{
    properties::{Properties, keep_out},
    server::{Server, Which, end_sessions, rename},
    session::{Session, SessionError, unpredictable},
    sql::{identifier, literal},
};
use crate::watch::Watch;
use std::time::{Duration, Instant};

/// What the names of candidates begin with.
const PREFIX: &str = "policy_restore_";
/// How many digits follow.
const DIGITS: usize = 16;
/// What the comment of a scratch database says before its candidate's name.
const MARK: &str = "policy scratch ";
/// What stands between that and the name that it was given.
const AS: &str = " as ";
/// How long another run's scratch database is waited for.
const PATIENCE: Duration = Duration::from_mins(10);
/// How often it is looked at meanwhile.
const ROUND: Duration = Duration::from_millis(500);
/// Most bytes of a name (`NAMEDATALEN` less one); the server cuts longer ones without an error.
pub(super) const NAME_MAX_BYTES: usize = 63;
/// The server's code for a database that is there already (errcodes-appendix.html).
const DUPLICATE_DATABASE: &str = "42P04";
/// The same where another transaction gives the name at this moment: the server has looked, and its index refuses.
const UNIQUE_VIOLATION: &str = "23505";
/// The server's code for what this user may not do.
pub(super) const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// The key of a name's advisory lock: FNV-1a, 64 bits, which every version of this program must compute alike.
pub(super) fn lock_key(name: &str) -> i64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = name.bytes().fold(BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    i64::from_ne_bytes(hash.to_ne_bytes())
}

fn try_lock(name: &str) -> String {
    format!("SELECT pg_catalog.pg_try_advisory_lock({})", lock_key(name))
}

fn unlock(name: &str) -> String {
    format!("SELECT pg_catalog.pg_advisory_unlock({})", lock_key(name))
}

/// The query whether anybody holds a name's lock, from whichever database: the lock itself belongs to one of them.
fn is_locked(name: &str) -> String {
    format!(
        "SELECT count(*) > 0 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted \
         AND (classid::bigint << 32) | objid::bigint = {}",
        lock_key(name)
    )
}

/// The query for the names that candidates have, or had when they were made, each with the name of now.
///
/// A mark counts only under the name that it says: whoever renamed a database has made it his own. Nor does it on the
/// database that the connection itself names.
fn candidates(own: &str) -> String {
    let name = format!("{PREFIX}[0-9a-f]{{{DIGITS}}}");
    let comment = "pg_catalog.shobj_description(oid, 'pg_database')";
    let origin = format!("substr({comment}, {}, {})", MARK.len() + 1, PREFIX.len() + DIGITS);
    format!(
        "SELECT datname::text, datname::text FROM pg_catalog.pg_database WHERE datname ~ '^{name}$' \
         UNION SELECT {origin}, datname::text FROM pg_catalog.pg_database WHERE {origin} ~ '^{name}$' \
         AND {comment} = '{MARK}' || {origin} || '{AS}' || datname::text AND datname <> {} ORDER BY 1, 2",
        literal(own)
    )
}

/// The comment of a scratch database that has a given name.
fn mark(origin: &str, name: &str) -> String {
    format!("{MARK}{origin}{AS}{name}")
}

/// Whether a comment marks a scratch database: such a one is taken over from no database and given to none that stays.
pub(super) fn is_mark(comment: &str) -> bool {
    comment.starts_with(MARK)
}

/// Whether a name is one that candidates have.
pub fn is_candidates(name: &str) -> bool {
    let digits = name.strip_prefix(PREFIX);
    digits.is_some_and(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn has_tablespace(name: &str) -> String {
    format!("SELECT 1 FROM pg_catalog.pg_tablespace WHERE spcname = {}", literal(name))
}

/// A database that is being filled, nobody else's as long as this lives. It is not dropped with this:
/// [`Candidate::discard`] does that, and else the next [`sweep`].
#[derive(Debug)]
pub struct Candidate {
    /// What it was made as, whose lock is held.
    origin: String,
    /// What a scratch database is called.
    given: Option<String>,
    /// Holds the lock.
    lock: Session,
    /// What could not be made as it was.
    warnings: Vec<String>,
}

/// Why there is no new database.
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    /// The server refused, or was lost.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// There is one of its name, which was left as it is.
    #[error(
        "there is already a database {name}{}",
        if *.is_at_work { ", which another run works on" } else { ": drop it, or name another one with `scratch`" }
    )]
    Taken {
        /// The name.
        name: String,
        /// Whether it is a scratch database of a run that goes on.
        is_at_work: bool,
    },
    /// A name that no scratch database may have.
    #[error("a scratch database cannot be called {name}: {why}")]
    Unfit {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Candidate {
    /// Makes a new, empty database that only its owner and superusers can connect to.
    ///
    /// # Errors
    /// When this user may make none, or the server lacks the encoding or locale; nothing is left then.
    pub fn create(
        server: &Server,
        properties: &Properties,
        watch: &Watch<'_>,
    ) -> Result<Self, CandidateError> {
        let random = unpredictable()?;
        let origin = format!("{PREFIX}{}", random.get(..DIGITS).unwrap_or(&random));
        let mut lock = server.maintenance(watch)?;
        if !is_yes(&mut lock, &try_lock(&origin), watch)? {
            return Err(CandidateError::Taken { name: origin, is_at_work: true });
        }
        let mut warnings = Vec::new();
        let tablespace = properties.facts.get("tablespace").filter(|tablespace| *tablespace != "pg_default");
        let with_tablespace = match tablespace {
            None => false,
            Some(tablespace) => {
                let is_there = lock.scalar(&has_tablespace(tablespace), watch)?.is_some();
                if !is_there {
                    warnings.push(format!(
                        "the tablespace {tablespace} is not on this server: the default is used"
                    ));
                }
                is_there
            }
        };
        let create = properties.create(&origin, server.version_num(), with_tablespace);
        let mut candidate = Self { origin, given: None, lock, warnings };
        let made = candidate.lock.execute(&create, watch);
        match made.and_then(|()| candidate.lock.execute(&keep_out(&candidate.origin), watch)) {
            Ok(()) => Ok(candidate),
            // A request to stop may come when the server has made it already.
            Err(error) => {
                drop(candidate.discard(server, watch));
                Err(error.into())
            }
        }
    }

    /// Makes the same as a scratch database, under a given name where there is one. A database of that name which a
    /// killed run left is dropped before. A scratch database never takes the place of a live one: its comment is its
    /// mark.
    ///
    /// # Errors
    /// As of [`Candidate::create`], and when another database has the name, which then is not touched.
    pub fn scratch(
        server: &Server,
        name: Option<&str>,
        properties: &Properties,
        watch: &Watch<'_>,
    ) -> Result<Self, CandidateError> {
        let Some(name) = name else { return Self::create(server, properties, watch) };
        let unfit = |why| Err(CandidateError::Unfit { name: name.to_owned(), why });
        match name {
            "" => return unfit("it is empty"),
            _ if name.len() > NAME_MAX_BYTES => return unfit("it has more than 63 bytes"),
            _ if name.contains('\0') => return unfit("it holds a NUL"),
            // A sweep would look for the lock of this name.
            _ if is_candidates(name) => return unfit("databases that are being restored have such names"),
            _ => {}
        }
        // Another run that tries a restore in it is no reason to call a backup unproven.
        #[expect(clippy::disallowed_methods, reason = "waiting is measured on the monotonic clock")]
        let since = Instant::now();
        loop {
            let error = match Self::try_scratch(server, name, properties, watch) {
                Ok(candidate) => return Ok(candidate),
                Err(error @ CandidateError::Taken { is_at_work: true, .. }) => error,
                Err(error) => return Err(error),
            };
            if since.elapsed() > PATIENCE {
                return Err(error);
            }
            watch.pause(ROUND).map_err(SessionError::Stopped)?;
        }
    }

    /// Tries it once. Whoever else takes the name meanwhile is looked at by the next try.
    fn try_scratch(
        server: &Server,
        name: &str,
        properties: &Properties,
        watch: &Watch<'_>,
    ) -> Result<Self, CandidateError> {
        make_room(server, name, watch)?;
        let mut candidate = Self::create(server, properties, watch)?;
        match candidate.give_name(name, watch) {
            Ok(()) => Ok(candidate),
            Err(error) => {
                drop(candidate.discard(server, watch));
                Err(match error.sqlstate() {
                    Some(DUPLICATE_DATABASE | UNIQUE_VIOLATION) => {
                        CandidateError::Taken { name: name.to_owned(), is_at_work: true }
                    }
                    _ => error.into(),
                })
            }
        }
    }

    fn give_name(&mut self, name: &str, watch: &Watch<'_>) -> Result<(), SessionError> {
        // First the mark: without it a name that was given would hide what a killed run leaves.
        let comment = format!(
            "COMMENT ON DATABASE {} IS {}",
            identifier(&self.origin),
            literal(&mark(&self.origin, name))
        );
        self.lock.execute(&comment, watch)?;
        self.lock.execute(&rename(&self.origin, name), watch)?;
        self.given = Some(name.to_owned());
        Ok(())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.given.as_ref().unwrap_or(&self.origin)
    }

    /// Whether its comment is the mark of a scratch database, which must stay.
    pub(super) fn is_marked(&self) -> bool {
        self.given.is_some()
    }

    /// What must be told about how it was made.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether its server still is the one that made it: a crash ends every session.
    pub(super) fn is_reached(&mut self, watch: &Watch<'_>) -> bool {
        self.lock.scalar("SELECT 1", watch).is_ok()
    }

    /// Drops it, also after a request to stop: that is what is left to do then. What fails here is left to the next
    /// [`sweep`], and is told in words for people.
    pub fn discard(self, server: &Server, watch: &Watch<'_>) -> Option<String> {
        // Nobody waits for a server that does not answer any more.
        const LONGEST: Duration = Duration::from_mins(1);
        let insisted = watch.cancel().insisted();
        #[expect(clippy::disallowed_methods, reason = "deadlines are measured on the monotonic clock")]
        let watch = &Watch::new(&insisted, Some(Instant::now() + LONGEST), &|_| ());
        // The session that holds the lock may have been stopped.
        let cleared = server
            .maintenance(watch)
            .and_then(|mut session| clear(server, &mut session, (&self.origin, self.name()), watch));
        let name = self.name();
        cleared.err().map(|error| format!("the database {name} is left, for the next run to drop: {error}"))
    }
}

fn is_yes(session: &mut Session, query: &str, watch: &Watch<'_>) -> Result<bool, SessionError> {
    Ok(session.scalar(query, watch)?.as_deref() == Some("t"))
}

/// Takes the lock of a candidate that nobody is at work on.
fn take_lock(session: &mut Session, origin: &str, watch: &Watch<'_>) -> Result<bool, SessionError> {
    Ok(!is_yes(session, &is_locked(origin), watch)? && is_yes(session, &try_lock(origin), watch)?)
}

/// Drops what was made as a candidate, by the name that it has, or was given. Whoever calls this has its lock, or had it.
fn clear(
    server: &Server,
    session: &mut Session,
    (origin, name): (&str, &str),
    watch: &Watch<'_>,
) -> Result<(), SessionError> {
    let marked = format!(
        "SELECT oid::text FROM pg_catalog.pg_database WHERE datname = {} AND datname <> {} \
         AND pg_catalog.shobj_description(oid, 'pg_database') = {}",
        literal(name),
        literal(origin),
        literal(&mark(origin, name))
    );
    if let Some(number) = session.scalar(&marked, watch)?.and_then(|number| number.parse().ok()) {
        // Renaming waits up to five seconds until nobody is on it.
        session.rows(&end_sessions(Which::Numbered(number)), 1, watch)?;
        if let Err(error) = take_back(session, number, name, origin, watch) {
            session.rollback(watch)?;
            return Err(error);
        }
    }
    server.drop_database(session, origin, watch)
}

/// Gives a database its candidate's name back, if it is still the one of that number.
fn take_back(
    session: &mut Session,
    number: u32,
    name: &str,
    origin: &str,
    watch: &Watch<'_>,
) -> Result<(), SessionError> {
    session.begin_writing(watch)?;
    session.execute(&rename(name, origin), watch)?;
    let is_it =
        format!("SELECT oid = {number} FROM pg_catalog.pg_database WHERE datname = {}", literal(origin));
    if is_yes(session, &is_it, watch)? { session.commit(watch) } else { session.rollback(watch) }
}

/// Sees to it that no database has a name, if the one that has it is a killed run's.
fn make_room(server: &Server, name: &str, watch: &Watch<'_>) -> Result<(), CandidateError> {
    let taken = |is_at_work| CandidateError::Taken { name: name.to_owned(), is_at_work };
    let query = format!(
        "SELECT coalesce(pg_catalog.shobj_description(oid, 'pg_database'), '') FROM pg_catalog.pg_database \
         WHERE datname = {}",
        literal(name)
    );
    let mut session = server.maintenance(watch)?;
    let Some(comment) = session.scalar(&query, watch)? else { return Ok(()) };
    let origin = comment.strip_prefix(MARK).and_then(|rest| rest.strip_suffix(name)?.strip_suffix(AS));
    let origin = origin.filter(|origin| is_candidates(origin));
    let origin = origin.ok_or_else(|| taken(false))?;
    if !take_lock(&mut session, origin, watch)? {
        return Err(taken(true));
    }
    Ok(clear(server, &mut session, (origin, name), watch)?)
}

/// Whether somebody is on a database.
fn is_used(session: &mut Session, name: &str, watch: &Watch<'_>) -> Result<bool, SessionError> {
    let query = format!(
        "SELECT count(*) > 0 FROM pg_catalog.pg_stat_activity WHERE datname = {} AND application_name <> 'policy' \
         AND usesysid IS NOT NULL",
        literal(name)
    );
    is_yes(session, &query, watch)
}

/// Drops the candidates and scratch databases that killed runs left, and names them. Those that cannot be dropped stay.
///
/// # Errors
/// When the server refuses; those it did not come to stay.
pub fn sweep(server: &Server, watch: &Watch<'_>) -> Result<Vec<String>, SessionError> {
    let mut swept = Vec::new();
    let mut session = server.maintenance(watch)?;
    for row in session.rows(&candidates(server.database()), usize::MAX, watch)?.rows {
        let [Some(origin), Some(name)] = &row[..] else { continue };
        // Whoever looks into what a killed restore left is not thrown out.
        if is_used(&mut session, name, watch)? || !take_lock(&mut session, origin, watch)? {
            continue;
        }
        let cleared = clear(server, &mut session, (origin, name), watch);
        session.scalar(&unlock(origin), watch)?;
        match cleared {
            Ok(()) => swept.push(name.clone()),
            // What stands in the way of one, as that it is another user's, or has a replication slot, is no reason to keep
            // anybody from a restore.
            Err(SessionError::Server { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_names_key_is_the_same_in_every_version() {
        assert_eq!(lock_key(""), -3_750_763_034_362_895_579);
        assert_eq!(lock_key("policy_restore_0000000000000000"), lock_key("policy_restore_0000000000000000"));
        assert!(is_candidates("policy_restore_0123456789abcdef"));
        for not in ["policy_restore_", "policy_restore_0123456789abcdeF", "policy_restore_0123456789abcdef0"]
        {
            assert!(!is_candidates(not), "{not}");
        }
        assert_ne!(lock_key("policy_restore_0000000000000001"), lock_key("policy_restore_0000000000000000"));
    }
}
