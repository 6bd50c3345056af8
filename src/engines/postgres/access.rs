//! How a program of PostgreSQL gets to a database: its environment, and a pass file for as long as it runs.
//!
//! Nothing that the host's environment says about PostgreSQL reaches the program, and nothing that a policy may keep a
//! secret in: the connection is what the policy says. The password stands neither among the arguments, which every user may read, nor in the environment.

#![expect(clippy::disallowed_methods, reason = "removes the pass file")]

use crate::{
    exec::{
        group::{Call, keep_only},
        redact::Redaction,
    },
    fault::{Fault, OnPath as _},
    platform::files::new_private_file,
    policy::values::connection::{Connection, Unwritable},
};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

/// How long a server may take to answer when the URL does not say, in seconds.
const CONNECT_SECS: &str = "10";
/// The variables of this process that its programs are given: how they are loaded, and what the libraries of libpq read. All
/// others are kept from them, those of libpq itself, for the connection is the policy's, and whatever holds a password.
pub(super) const INHERITED: &[&str] = &[
    "PATH",
    "PATHEXT",
    "HOME",
    "USER",
    "USERNAME",
    "LOGNAME",
    "TMP",
    "TEMP",
    "TMPDIR",
    "TZ",
    "TZDIR",
    "LANG",
    "LC_*",
    "LOCPATH",
    "LD_*",
    "DYLD_*",
    "SSL_CERT_*",
    "OPENSSL_*",
    "KRB5*",
    "GSS_*",
    "LOCALDOMAIN",
    "RES_OPTIONS",
    "HOSTALIASES",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "COMSPEC",
    "ComSpec",
    "WINDIR",
    "windir",
    "SYSTEMROOT",
    "SystemRoot",
    "SYSTEMDRIVE",
    "SystemDrive",
];

/// The environment of a program that connects. The pass file is gone when the last one that shares it is dropped, so
/// that must outlive the programs' last connection.
#[derive(Debug, Clone)]
pub struct Access {
    connection: Connection,
    variables: BTreeMap<&'static str, OsString>,
    dbname: String,
    redaction: Redaction,
    pass_file: Option<Arc<PassFile>>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The password does not fit a pass file.
    #[error(transparent)]
    Password(#[from] Unwritable),
    /// The pass file could not be made.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Access {
    /// Prepares the environment for a connection.
    ///
    /// `settings` are parameters of the server for this connection alone; they come behind those that the URL gives in
    /// `options`, and win. A pooler that knows none (`PgBouncer`) refuses a connection with any. The pass file lies in
    /// `private_folder`, which only this user enters.
    pub fn new(
        connection: &Connection,
        settings: &[(&str, String)],
        private_folder: &Path,
    ) -> Result<Self, AccessError> {
        let line = connection.pass_line()?;
        let pass_file = line.map(|line| PassFile::write(private_folder, &line)).transpose()?;
        let mut variables: BTreeMap<&'static str, OsString> =
            connection.variables().into_iter().map(|(name, value)| (name, value.into())).collect();
        if let Some(pass_file) = &pass_file {
            variables.insert("PGPASSFILE", pass_file.path.clone().into());
        }
        // A service file wins over both.
        variables.entry("PGCONNECT_TIMEOUT").or_insert_with(|| CONNECT_SECS.into());
        variables.entry("PGAPPNAME").or_insert_with(|| "policy".into());
        if !settings.is_empty() {
            let mut options = vec![connection.parameter("options").unwrap_or_default().to_owned()];
            options.retain(|given| !given.is_empty());
            options.extend(settings.iter().map(|(name, value)| format!("-c {name}={}", escaped(value))));
            variables.insert("PGOPTIONS", options.join(" ").into());
        }
        // Messages in one language; numbers and names are the server's affair.
        variables.insert("LC_ALL", "C".into());
        let password = connection.password().map(|password| ("password", password.expose()));
        Ok(Self {
            connection: connection.clone(),
            variables,
            dbname: connection.conninfo(None),
            redaction: Redaction::new(password),
            pass_file: pass_file.map(Arc::new),
        })
    }

    /// The same server, another database, by the same pass file.
    #[must_use]
    pub fn on(&self, database: &str) -> Self {
        let mut other = self.clone();
        other.connection = self.connection.with_database(database);
        other.dbname = other.connection.conninfo(None);
        if let Some(variable) = other.variables.get_mut("PGDATABASE") {
            *variable = database.into();
        }
        other
    }

    /// A program with this environment: what is [`INHERITED`], and what the connection needs. The database is an argument of its own, `--dbname=` with [`Access::dbname`].
    pub(crate) fn call(&self, program: PathBuf, arguments: Vec<OsString>) -> Call<'_> {
        Call {
            environment: self.variables.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect(),
            redaction: Some(&self.redaction),
            ..apart(program, arguments)
        }
    }

    /// Gives a command the same environment.
    pub(super) fn apply(&self, command: &mut Command) {
        keep_only(command, INHERITED);
        command.envs(&self.variables);
    }

    /// The conninfo string of the connection; it holds no secret.
    pub fn dbname(&self) -> &str {
        &self.dbname
    }

    /// The argument that names the database to a program.
    pub(super) fn dbname_argument(&self) -> OsString {
        format!("--dbname={}", self.dbname).into()
    }

    /// What is set beside this process's own environment.
    pub fn variables(&self) -> &BTreeMap<&'static str, OsString> {
        &self.variables
    }

    /// Where the pass file is, for as long as it is there.
    pub fn pass_file(&self) -> Option<&Path> {
        self.pass_file.as_ref().map(|file| file.path.as_path())
    }

    /// What hides the password in a text.
    pub(super) fn redaction(&self) -> &Redaction {
        &self.redaction
    }
}

/// A program that needs no server.
pub(super) fn apart<'a>(program: PathBuf, arguments: Vec<OsString>) -> Call<'a> {
    let name = program.file_stem().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let environment = vec![(OsStr::new("LC_ALL"), OsStr::new("C"))];
    Call { program, name, arguments, folder: None, only: Some(INHERITED), environment, redaction: None }
}

/// A value among the words of `PGOPTIONS`, which blanks divide (libpq-connect.html, `options`).
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace(' ', r"\ ")
}

/// A file with one password, there as long as this lives.
#[derive(Debug)]
struct PassFile {
    path: PathBuf,
}

impl PassFile {
    fn write(folder: &Path, line: &str) -> Result<Self, Fault> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::from).on("name a file in", folder)?;
        let path = folder.join(format!("pass-{}", hex::encode(random)));
        // It must not exist yet: what somebody else put there is not written to.
        let mut file = new_private_file().open(&path).on("create", &path)?;
        let made = Self { path };
        file.write_all(format!("{line}\n").as_bytes()).on("write", &made.path)?;
        Ok(made)
    }
}

impl Drop for PassFile {
    fn drop(&mut self) {
        // What cannot be removed here goes with its private folder.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::values::connection::Secret;

    #[test]
    fn the_pass_file_is_its_owners_and_goes_with_the_access() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::parse("postgresql://u@h/d").unwrap().with_password(Secret::new(r"a:\b"));
        let access = Access::new(&connection, &[], folder.path()).unwrap();
        let path = access.pass_file().unwrap().to_owned();
        assert_eq!(fs::read_to_string(&path).unwrap(), "*:*:*:*:a\\:\\\\b\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let other = access.on("it's");
        assert_eq!((other.dbname(), other.pass_file()), (r"dbname='it\'s'", Some(&*path)));
        assert_eq!(other.variables()["PGDATABASE"], "it's");
        drop(access);
        assert!(path.exists());
        drop(other);
        assert!(!path.exists());
    }

    #[test]
    fn settings_come_behind_what_the_url_says() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::parse("postgresql://h/d?options=-c%20a%3Db&connect_timeout=3").unwrap();
        let access = Access::new(&connection, &[("lock_timeout", "1 s".to_owned())], folder.path()).unwrap();
        let variable = |name: &str| access.variables().get(name).and_then(|value| value.to_str());
        assert_eq!(variable("PGOPTIONS"), Some(r"-c a=b -c lock_timeout=1\ s"));
        assert_eq!(variable("PGCONNECT_TIMEOUT"), Some("3"));
        assert_eq!(variable("PGPASSFILE"), None);
        assert_eq!(access.dbname(), "dbname='d'");
    }
}
