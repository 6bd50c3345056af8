//! How the engine gets to its server: by the connection of the policy at hand, with the password from where it is kept.

use super::{
    clients::{Clients, Installed},
    look::READING,
    server::{Server, ServerError},
    session::{Session, SessionError},
};
use crate::{
    engines::EngineError,
    policy::values::{Connection, connection::Secret},
    scratch::Scratch,
    watch::Watch,
};
use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// Reads a password where it is kept, at the moment when it is needed; the error is in words for people.
pub type Password = Box<dyn Fn(&Watch<'_>) -> Result<Secret, String> + Send + Sync>;

/// The way to a server.
pub struct Reach {
    /// The connection, without a password that is kept elsewhere.
    pub connection: Connection,
    /// Reads the password that is kept elsewhere.
    password: Option<Password>,
    /// The password, once it was read.
    read: OnceLock<Secret>,
    /// Below it private folders are made, for pass files.
    scratch: PathBuf,
}

impl std::fmt::Debug for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reach").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// A server with the private folder of its pass files.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) server: Server,
    // After the server: nothing of it may outlive its pass files.
    _folder: Scratch,
}

impl std::ops::Deref for Reached {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Reach {
    /// Takes a connection, what reads a password that is kept elsewhere, and where private folders may be made.
    pub const fn new(connection: Connection, password: Option<Password>, scratch: PathBuf) -> Self {
        Self { connection, password, read: OnceLock::new(), scratch }
    }

    /// Connects to the database itself, with a session that reads.
    pub(super) fn connect(
        &self,
        installed: &Installed,
        watch: &Watch<'_>,
    ) -> Result<(Reached, Session), EngineError> {
        self.by(installed, watch, |clients, connection, folder| {
            Server::connect(clients, connection, &READING, folder, watch)
        })
    }

    /// Connects to the server, whether or not the database is there.
    pub(super) fn connect_beside(
        &self,
        installed: &Installed,
        watch: &Watch<'_>,
    ) -> Result<Reached, EngineError> {
        let connect = |clients: &_, connection: &_, folder: &_| {
            Server::connect_beside(clients, connection, folder, watch).map(|server| (server, ()))
        };
        Ok(self.by(installed, watch, connect)?.0)
    }

    fn by<T>(
        &self,
        installed: &Installed,
        watch: &Watch<'_>,
        connect: impl FnOnce(&Clients, &Connection, &Path) -> Result<(Server, T), ServerError>,
    ) -> Result<(Reached, T), EngineError> {
        let clients = installed.clients(watch)?;
        let mut connection = self.connection.clone();
        if let Some(password) = &self.password {
            let unread = |why| EngineError::Unreachable { place: self.connection.shown(), why };
            // A command that prints it may ask somebody: once is enough.
            let secret = if let Some(secret) = self.read.get() {
                secret.clone()
            } else {
                let secret = password(watch).map_err(unread)?;
                self.read.get_or_init(|| secret).clone()
            };
            connection = connection.with_password(secret);
        }
        let folder = Scratch::new(&self.scratch)?;
        let (server, with) =
            connect(clients, &connection, folder.path()).map_err(|error| self.refused(error))?;
        Ok((Reached { server, _folder: folder }, with))
    }

    fn refused(&self, error: ServerError) -> EngineError {
        match error {
            ServerError::Session(SessionError::Stopped(stopped)) => stopped.into(),
            ServerError::Session(SessionError::Connect { message: why }) => {
                EngineError::Unreachable { place: self.connection.shown(), why }
            }
            other => EngineError::Program(other.to_string()),
        }
    }
}
