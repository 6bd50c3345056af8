//! How the engine gets to its server: by the connection of the policy at hand, with the password from where it is kept.

use super::{
    clients::{Clients, Installed},
    server::{Server, ServerError},
    session::SessionError,
};
use crate::{
    engines::EngineError,
    policy::values::{Connection, connection::Secret},
    scratch::Scratch,
    watch::Watch,
};
use std::path::PathBuf;

/// Reads a password where it is kept, at the moment when it is needed; the error is in words for people.
pub type Password = Box<dyn Fn(&Watch<'_>) -> Result<Secret, String> + Send + Sync>;

/// The way to a server.
pub struct Reach {
    /// The connection, without a password that is kept elsewhere.
    pub connection: Connection,
    /// Reads the password that is kept elsewhere.
    pub password: Option<Password>,
    /// Below it private folders are made, for pass files.
    pub scratch: PathBuf,
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
    /// Connects to the database itself.
    pub(super) fn connect(&self, installed: &Installed, watch: &Watch<'_>) -> Result<Reached, EngineError> {
        self.by(installed, watch, Server::connect)
    }

    /// Connects to the server, whether or not the database is there.
    pub(super) fn connect_beside(
        &self,
        installed: &Installed,
        watch: &Watch<'_>,
    ) -> Result<Reached, EngineError> {
        self.by(installed, watch, Server::connect_beside)
    }

    fn by(&self, installed: &Installed, watch: &Watch<'_>, connect: Connect) -> Result<Reached, EngineError> {
        let clients = installed.clients(watch)?;
        let mut connection = self.connection.clone();
        if let Some(password) = &self.password {
            let unread = |why| EngineError::Unreachable { place: self.connection.shown(), why };
            connection = connection.with_password(password(watch).map_err(unread)?);
        }
        let folder = Scratch::new(&self.scratch)?;
        let server =
            connect(clients, &connection, folder.path(), watch).map_err(|error| self.refused(error))?;
        Ok(Reached { server, _folder: folder })
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

type Connect = fn(&Clients, &Connection, &std::path::Path, &Watch<'_>) -> Result<Server, ServerError>;
