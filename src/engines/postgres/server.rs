//! A server that was reached: the programs that fit it, and sessions on its databases.

use super::{
    access::{Access, AccessError},
    clients::{Clients, ClientsError, Programs, Version},
    session::{Session, SessionError, SessionOptions},
    sql::{identifier, literal},
};
use crate::{policy::values::Connection, watch::Watch};
use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// The databases from which others are made, renamed and dropped, in the order in which they are tried.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];
/// The first server that ends a database's sessions when it is told to drop it.
const FORCE_SINCE: u32 = 130_000;

/// A server with the database of a policy, whether or not that is there.
#[derive(Debug, Clone)]
pub struct Server {
    programs: Programs,
    connection: Connection,
    private_folder: PathBuf,
    version_num: u32,
    maintenance: OnceLock<&'static str>,
}

/// Why a server was not reached, or is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// This host has no programs that fit it.
    #[error(transparent)]
    Clients(#[from] ClientsError),
    /// There is no connection.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Server {
    /// Connects to the database of a connection, learns the server's version, and chooses the programs for it. The session
    /// that told it is handed over: a connection may cost more than what is asked.
    ///
    /// Pass files lie in `private_folder`, which only this user enters, and only as long as they are needed.
    pub fn connect(
        clients: &Clients,
        connection: &Connection,
        options: &SessionOptions,
        private_folder: &Path,
        watch: &Watch<'_>,
    ) -> Result<(Self, Session), ServerError> {
        let newest = clients.any()?;
        let mut session = Session::open(newest, connection, options, private_folder, watch)?;
        let version_num = session.server_version_num();
        // A service file may be what says it.
        let database = session.scalar("SELECT pg_catalog.current_database()", watch)?.unwrap_or_default();
        let connection = connection.with_database(&database);
        let server = Self {
            programs: clients.for_server(version_num)?.clone(),
            connection,
            private_folder: private_folder.to_owned(),
            version_num,
            maintenance: OnceLock::new(),
        };
        Ok((server, session))
    }

    /// The same where that database need not be there: connects to the one from which databases are made.
    pub fn connect_beside(
        clients: &Clients,
        connection: &Connection,
        private_folder: &Path,
        watch: &Watch<'_>,
    ) -> Result<Self, ServerError> {
        let mut reached = Self {
            programs: clients.any()?.clone(),
            connection: connection.clone(),
            private_folder: private_folder.to_owned(),
            version_num: 0,
            maintenance: OnceLock::new(),
        };
        reached.version_num = reached.maintenance(watch)?.server_version_num();
        reached.programs = clients.for_server(reached.version_num)?.clone();
        Ok(reached)
    }

    /// The programs that fit it.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The connection that it was reached by.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The name of the database; nothing where the connection does not name one, and the server was reached beside it.
    pub fn database(&self) -> &str {
        self.connection.database().unwrap_or_default()
    }

    /// Its version.
    pub fn server_version(&self) -> Version {
        Version::of_server(self.version_num)
    }

    /// Its version as a number, such as 150018 for 15.18.
    pub fn version_num(&self) -> u32 {
        self.version_num
    }

    /// Opens a session on one of its databases.
    pub fn session(
        &self,
        database: &str,
        options: &SessionOptions,
        watch: &Watch<'_>,
    ) -> Result<Session, SessionError> {
        let connection = self.connection.with_database(database);
        Session::open(&self.programs, &connection, options, &self.private_folder, watch)
    }

    /// What a program needs for one of its databases, with a pass file of its own.
    pub fn access(&self, database: &str) -> Result<Access, AccessError> {
        Access::new(&self.connection.with_database(database), &[], &self.private_folder)
    }

    /// Opens a session on the database from which others are made, renamed and dropped, which no session on them
    /// themselves may do: `postgres`, or where that is not to be had, or is the policy's own, `template1`.
    ///
    /// # Errors
    /// When neither can be connected to; the error is that of the first.
    pub fn maintenance(&self, watch: &Watch<'_>) -> Result<Session, SessionError> {
        let open = |name: &str| self.session(name, &SessionOptions::default(), watch);
        if let Some(known) = self.maintenance.get() {
            return open(known);
        }
        let mut refused = None;
        for name in MAINTENANCE.into_iter().filter(|name| self.connection.database() != Some(name)) {
            match open(name) {
                Ok(session) => {
                    // Another thread may have found the same.
                    let _ = self.maintenance.set(name);
                    return Ok(session);
                }
                Err(error @ SessionError::Connect { .. }) => refused = refused.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        let nothing = || SessionError::Connect { message: "there is no database to do so from".to_owned() };
        Err(refused.unwrap_or_else(nothing))
    }

    /// Drops a database, whoever is on it, from a session on another; none is dropped where there is none.
    pub fn drop_database(
        &self,
        session: &mut Session,
        name: &str,
        watch: &Watch<'_>,
    ) -> Result<(), SessionError> {
        let mut force = " WITH (FORCE)";
        if self.version_num < FORCE_SINCE {
            force = "";
            session.rows(&end_sessions(Which::Named(name)), 1, watch)?;
        }
        session.execute(&format!("DROP DATABASE IF EXISTS {}{force}", identifier(name)), watch)
    }
}

/// Which database is meant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which<'a> {
    /// The one that has a name now.
    Named(&'a str),
    /// The one of a number, whatever it is called meanwhile.
    Numbered(u32),
}

/// The query that ends all sessions on a database but its own, and tells how many.
pub(super) fn end_sessions(which: Which<'_>) -> String {
    let is_it = match which {
        Which::Named(name) => format!("datname = {}", literal(name)),
        Which::Numbered(number) => format!("datid = {number}"),
    };
    format!(
        "SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity \
         WHERE {is_it} AND pid <> pg_catalog.pg_backend_pid() AND usesysid IS NOT NULL"
    )
}

/// The statement that gives a database another name.
pub(super) fn rename(from: &str, to: &str) -> String {
    format!("ALTER DATABASE {} RENAME TO {}", identifier(from), identifier(to))
}
