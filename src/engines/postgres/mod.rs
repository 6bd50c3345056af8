//! PostgreSQL databases, through PostgreSQL's own programs.
//!
//! A capture is a dump of one snapshot (`capture`), proven by decoding the stored bytes and, at the level `restore`, by
//! loading them into a scratch database (`examine`). A restore loads into a new database beside the live one, asks it there,
//! and then the two exchange their names in one transaction (`restore`). Everything is done by `psql`, `pg_dump`,
//! `pg_restore` and `pg_dumpall`, chosen to fit the server (`clients`): so the rules of libpq for services, pass files,
//! sockets and encryption hold alike everywhere. Servers from version 10 on are known.

pub mod access;
pub mod aside;
pub mod candidate;
mod capture;
pub mod clients;
pub mod contents;
mod decode;
pub mod dump;
mod examine;
pub mod load;
mod look;
pub mod properties;
mod reach;
mod restore;
mod scan;
pub mod server;
pub mod session;
mod sql;
pub mod statement;
pub mod swap;
mod tables;

use super::{
    Capture, CaptureRequest, Engine, EngineError, ExamineRequest, Outlet, SourceFacts, StoredContent,
};
use crate::{evidence::Evidence, watch::Watch};
use clients::Installed;
use look::failed;
use reach::Reached;
pub use reach::{Password, Reach};
pub use restore::{Beside, Standing};
use session::{Session, SessionError, SessionOptions};
use std::{collections::BTreeMap, ffi::OsString, path::Path};
pub use swap::Names;

/// What a session that writes is made with.
const WRITING: SessionOptions =
    SessionOptions { read_only: false, lock_timeout: Some(look::LOCK_WAIT), statement_timeout: None };

/// One database of a server.
#[derive(Debug)]
pub struct Postgres {
    /// The programs of this host.
    installed: Installed,
    /// The way to the server, or why there is none: stored dumps can be decoded without.
    reach: Result<Reach, String>,
    /// The database that restores are tried in.
    scratch: Option<String>,
}

impl Postgres {
    /// Binds the engine to a database.
    ///
    /// Programs are looked for in `path`, a list as of the variable `PATH`, and where they usually are.
    pub const fn new(path: OsString, reach: Result<Reach, String>, scratch: Option<String>) -> Self {
        Self { installed: Installed::new(path), reach, scratch }
    }

    /// The way to the server.
    fn reach(&self) -> Result<&Reach, EngineError> {
        self.reach.as_ref().map_err(|why| EngineError::Refused(why.clone()))
    }

    /// Connects to the database itself, with a session that reads.
    fn connect(&self, watch: &Watch<'_>) -> Result<(Reached, Session), EngineError> {
        self.reach()?.connect(&self.installed, watch)
    }

    /// Connects to the server, whether or not the database is there.
    fn connect_beside(&self, watch: &Watch<'_>) -> Result<Reached, EngineError> {
        self.reach()?.connect_beside(&self.installed, watch)
    }
}

impl Engine for Postgres {
    fn observe(&self, watch: &Watch<'_>) -> Result<SourceFacts, EngineError> {
        let (reached, mut session) = self.connect(watch)?;
        let bytes = size(&mut session, watch).map_err(failed)?;
        let facts = BTreeMap::from([("server_version".to_owned(), reached.server_version().to_string())]);
        Ok(SourceFacts { bytes, facts })
    }

    fn reads(&self, _place: &Path) -> bool {
        false
    }

    fn capture(
        &self,
        request: &CaptureRequest<'_>,
        out: &mut dyn Outlet,
        watch: &Watch<'_>,
    ) -> Result<Capture, EngineError> {
        capture::capture(self, request, out, watch)
    }

    fn examine(
        &self,
        stored: &mut StoredContent<'_>,
        request: &ExamineRequest<'_>,
        watch: &Watch<'_>,
    ) -> Result<Evidence, EngineError> {
        examine::examine(self, stored, request, watch)
    }
}

/// The bytes of the database that a session is on.
fn size(session: &mut Session, watch: &Watch<'_>) -> Result<u64, SessionError> {
    let bytes = session.scalar("SELECT pg_catalog.pg_database_size(pg_catalog.current_database())", watch)?;
    Ok(bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or(0))
}
