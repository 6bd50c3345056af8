//! Loads a dump into a new database.
//!
//! The new database is the transaction: whatever fails, it is dropped, and what is killed leaves one that the next
//! sweep drops. So nothing is loaded in a transaction of the server's as well, which would hold a lock for every
//! table and every large object of the dump, and fail where they are many ("out of shared memory").
//!
//! `psql` obeys commands of its own within a script (`\!` runs a program on this host), so a plain dump never reaches
//! it as it is. It is read as [`super::contents`] reads it; commands end the load before their line is passed on, and
//! its own `\restrict` and `\unrestrict`, which an older `psql` does not know, are left out. A `psql` that knows
//! `\restrict` is given one with a random key besides, which nothing in the dump can lift: should the two ever
//! disagree about where a string ends, `psql` still obeys nothing. What the SQL itself does on the server is another
//! matter: it runs with all the rights of whoever loads it, so a store must be written by nobody who may not have them.

use super::{
    access::{AccessError, apart},
    candidate::Candidate,
    contents::{Contents, ContentsError, Reader},
    properties::Properties,
    server::Server,
    session::{Session, SessionError},
    sql::literal,
    statement::Needs,
};
use crate::{
    exec::program::{ProgramError, feed, pour},
    watch::{Stopped, Watch},
};
use std::{
    collections::BTreeSet,
    io::{self, Read},
    num::NonZeroU16,
    path::Path,
};

/// A dump to load.
pub enum Dump<'a> {
    /// An archive, from a stream.
    Custom(&'a mut dyn Read),
    /// SQL text, from a stream.
    Plain(&'a mut dyn Read),
    /// A folder, and with how many connections it is to be loaded.
    Folder(&'a Path, NonZeroU16),
}

/// A database that was filled.
#[derive(Debug)]
pub struct Loaded {
    /// The database.
    pub candidate: Candidate,
    /// What must be told about it: what the server refused to set or grant.
    pub warnings: Vec<String>,
    /// Of a plain dump, what was read on the way.
    pub contents: Option<Contents>,
}

/// Why a dump could not be loaded. The new database is gone.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// What was set on the old database cannot be set on it.
    #[error("cannot set up the new database: {0}")]
    Session(#[source] SessionError),
    /// What the program that loads it needs to connect could not be prepared.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The dump is not what it should be.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// The program that loads it failed.
    #[error("cannot load the dump: {0}")]
    Program(#[source] ProgramError),
    /// The server was lost meanwhile, or the program that loads it did not come to its end: that says nothing of the dump.
    #[error("{0}")]
    Lost(String),
    /// It was asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl From<ProgramError> for LoadError {
    fn from(error: ProgramError) -> Self {
        match error {
            ProgramError::Stopped(stopped) => Self::Stopped(stopped),
            ProgramError::In { source, .. } => ContentsError::In(source).into(),
            other => Self::Program(other),
        }
    }
}

impl From<SessionError> for LoadError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Stopped(stopped) => stopped.into(),
            other => Self::Session(other),
        }
    }
}

/// Loads a dump into a new database, and gives that what was set and granted on the old one as a whole.
///
/// # Errors
/// On any error the new database is dropped again.
pub fn load(
    server: &Server,
    mut candidate: Candidate,
    dump: Dump<'_>,
    properties: &Properties,
    watch: &Watch<'_>,
) -> Result<Loaded, LoadError> {
    let filled = fill(server, &candidate, dump, watch)
        .and_then(|contents| Ok((contents, apply(server, &candidate, properties, watch)?)));
    match filled {
        Ok((contents, refused)) => {
            let warnings = candidate.warnings().iter().cloned().chain(refused).collect();
            Ok(Loaded { candidate, warnings, contents })
        }
        Err(error) => {
            let is_verdict = match &error {
                LoadError::Program(error) => is_verdict(error) && candidate.is_reached(watch),
                LoadError::Session(error) => {
                    matches!(error, SessionError::Server { .. } | SessionError::Statement(_))
                }
                LoadError::Access(_) => false,
                _ => true,
            };
            // The error that made it needless is the one to tell.
            drop(candidate.discard(server, watch));
            Err(if is_verdict { error } else { LoadError::Lost(error.to_string()) })
        }
    }
}

/// Whether a program came to its end by itself, and does not say that it lost the server on the way (libpq, fe-exec.c and
/// fe-misc.c).
fn is_verdict(error: &ProgramError) -> bool {
    const LOST: [&str; 6] = [
        "server closed the connection",
        "terminating connection",
        "connection to server",
        "no connection to the server",
        "could not receive data from server",
        "could not send data to server",
    ];
    let ProgramError::Status { status, said, .. } = error else { return false };
    status.code().is_some() && !said.iter().any(|line| LOST.iter().any(|lost| line.contains(lost)))
}

/// Sets and grants on a new database what its properties say; what the server refuses is told and stops nothing.
fn apply(
    server: &Server,
    candidate: &Candidate,
    properties: &Properties,
    watch: &Watch<'_>,
) -> Result<Vec<String>, SessionError> {
    // Not by the session with the lock, which has been idle for as long as the load took.
    let mut session = server.maintenance(watch)?;
    let mut refused = Vec::new();
    for statement in properties.apply(candidate.name(), !candidate.is_marked()) {
        match session.execute(&statement, watch) {
            Ok(()) => {}
            Err(error @ (SessionError::Server { .. } | SessionError::Statement(_))) => {
                // A setting's value may be a secret, and the server repeats what it refuses.
                refused.push(match statement.split_once(" SET ") {
                    Some((_, set)) => {
                        let name = set.split(" TO ").next().unwrap_or_default();
                        format!(
                            "not carried over: the setting {name} ({})",
                            error.sqlstate().unwrap_or("refused")
                        )
                    }
                    None => format!("not carried over: {statement}: {error}"),
                });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(refused)
}

/// What a dump needs that the server has not, each as the subject of a sentence: what loading it would fail at, soon or
/// after hours.
pub fn missing(session: &mut Session, needs: &Needs, watch: &Watch<'_>) -> Result<Vec<String>, SessionError> {
    let missing = |what: &str, names: &BTreeSet<String>, place: &str| {
        let rows: Vec<String> = names.iter().map(|name| format!("({})", literal(name))).collect();
        if rows.is_empty() {
            return None;
        }
        let (rows, not) = (rows.join(", "), "WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.");
        Some(format!("SELECT 'the {what} ' || n FROM (VALUES {rows}) v (n) {not}{place}::text = n)"))
    };
    let parts = [
        missing("role", &needs.roles, "pg_roles WHERE rolname"),
        missing("extension", &needs.extensions, "pg_available_extensions WHERE name"),
        missing("tablespace", &needs.tablespaces, "pg_tablespace WHERE spcname"),
        untrusted(session.server_version_num(), &needs.extensions),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let rows = session.rows(&parts.join(" UNION ALL "), usize::MAX, watch)?.rows;
    Ok(rows.into_iter().flatten().flatten().collect())
}

/// The query for extensions that this user may not create: those that take a superuser, but for those that every owner of
/// a database is trusted with (since PostgreSQL 13). A dump creates an extension in its default version.
fn untrusted(server_version_num: u32, extensions: &BTreeSet<String>) -> Option<String> {
    if extensions.is_empty() {
        return None;
    }
    let names: Vec<String> = extensions.iter().map(|name| literal(name)).collect();
    let distrusted = if server_version_num >= 130_000 { "AND NOT trusted" } else { "" };
    Some(format!(
        "SELECT 'the right of this user to create the extension ' || name || ', which takes a superuser' \
         FROM pg_catalog.pg_available_extension_versions v JOIN pg_catalog.pg_available_extensions e USING (name) \
         WHERE v.version = e.default_version AND superuser {distrusted} AND name::text IN ({}) \
         AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)",
        names.join(", ")
    ))
}

fn fill(
    server: &Server,
    candidate: &Candidate,
    dump: Dump<'_>,
    watch: &Watch<'_>,
) -> Result<Option<Contents>, LoadError> {
    let (access, programs) = (server.access(candidate.name())?, server.programs());
    let mut arguments = vec!["--exit-on-error".into(), "--no-password".into(), access.dbname_argument()];
    match dump {
        Dump::Custom(archive) => {
            arguments.push("--format=custom".into());
            feed(&access.call(programs.pg_restore(), arguments), archive, &mut io::sink(), watch)?;
            Ok(None)
        }
        Dump::Folder(folder, jobs) => {
            arguments.extend(["--format=directory".into(), format!("--jobs={jobs}").into(), folder.into()]);
            pour(&access.call(programs.pg_restore(), arguments), &mut io::sink(), watch)?;
            Ok(None)
        }
        Dump::Plain(text) => {
            let arguments = ["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-"].map(Into::into);
            let arguments = arguments.into_iter().chain([access.dbname_argument()]).collect();
            let call = access.call(programs.psql(), arguments);
            let mut script = Script::new(text, knows_restrict(server, watch)?)?;
            let done = feed(&call, &mut script, &mut io::sink(), watch);
            match (script.failure.take(), done) {
                (None, Ok(_)) => Ok(script.contents),
                (Some(failure), Ok(_) | Err(ProgramError::In { .. })) => Err(failure.into()),
                (_, Err(error)) => Err(error.into()),
            }
        }
    }
}

/// Whether the `psql` knows `\restrict` (since August 2025).
fn knows_restrict(server: &Server, watch: &Watch<'_>) -> Result<bool, ProgramError> {
    let mut help = Vec::new();
    pour(&apart(server.programs().psql(), vec!["--help=commands".into()]), &mut help, watch)?;
    Ok(String::from_utf8_lossy(&help).contains("\\restrict"))
}

/// The script that `psql` is given for a plain dump.
struct Script<'a> {
    text: &'a mut dyn Read,
    /// `None` once the text has ended.
    reader: Option<Reader>,
    contents: Option<Contents>,
    failure: Option<ContentsError>,
    piece: Vec<u8>,
    ready: Vec<u8>,
    given: usize,
}

impl<'a> Script<'a> {
    fn new(text: &'a mut dyn Read, restrict: bool) -> Result<Self, ProgramError> {
        // The new database is of no worth before it is whole, and the exchange's commit makes all of it durable.
        let mut ready = b"SET synchronous_commit = off;\n".to_vec();
        if restrict {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(|error| ProgramError::In {
                program: "psql".to_owned(),
                source: io::Error::other(error),
            })?;
            ready.extend_from_slice(format!("\\restrict {}\n", hex::encode(key)).as_bytes());
        }
        let reader = Some(Reader::default());
        Ok(Self { text, reader, contents: None, failure: None, piece: vec![0; 64 << 10], ready, given: 0 })
    }

    fn fail(&mut self, error: ContentsError) -> io::Error {
        self.failure = Some(error);
        io::Error::other("the dump is not what it should be")
    }

    /// Reads more of the dump. Its end is passed on only where it may end: before, that of its input would make
    /// `psql` end well.
    fn more(&mut self) -> io::Result<()> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let read = self.text.read(&mut self.piece)?;
        if read > 0 {
            let ready = &mut self.ready;
            let taken = reader.take(&self.piece[..read], |kept| ready.extend_from_slice(kept));
            return taken.map_err(|error| self.fail(error));
        }
        match self.reader.take().unwrap_or_default().end() {
            Ok(contents) => {
                self.contents = Some(contents);
                Ok(())
            }
            Err(error) => Err(self.fail(error)),
        }
    }
}

impl Read for Script<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() && self.reader.is_some() {
            self.ready.clear();
            self.given = 0;
            self.more()?;
        }
        let rest = &self.ready[self.given..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.given += count;
        Ok(count)
    }
}
