//! PostgreSQL: databases on a server, reached by PostgreSQL's own programs alone.
//!
//! No client library is linked: `psql`, `pg_dump`, `pg_restore` and `pg_dumpall` all connect by libpq, so its rules
//! (TLS modes, service and pass files, GSS, sockets, several hosts) hold alike for what examines and for what dumps.

pub mod access;
pub mod candidate;
pub mod clients;
pub mod contents;
pub mod dump;
pub mod load;
pub mod properties;
mod scan;
pub mod server;
pub mod session;
mod sql;
pub mod statement;
pub mod swap;
