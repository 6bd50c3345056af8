//! One open connection, held by a `psql` process: a transaction that others share by its snapshot, and questions.
//!
//! `psql` reads commands of its own between statements (`\!` starts a program), so no text of a policy is ever read by
//! it: each goes as a string between dollars with an unpredictable tag, which the server gives back, and which
//! `\gexec` then sends as it is (app-psql.html). Rows come by COPY, whose text format tells NULL from an empty value.
//! Behind each statement `psql` prints an unpredictable line on both its outputs: what stands before them is the
//! answer.

#![expect(clippy::disallowed_methods, reason = "starts psql, which holds the connection")]

mod complaint;
mod copy;
mod process;
mod query;

pub use copy::Rows;
pub use query::StatementError;

use super::{
    access::{Access, AccessError},
    clients::Programs,
};
use crate::{
    exec::redact::Redaction,
    policy::values::Connection,
    watch::{Stopped, Watch},
};
use complaint::Stderr;
use copy::{Answer, Format};
use process::{Psql, ROUND, Said};
use std::{fmt::Write as _, io, path::Path, process::Command, time::Duration};

/// The first major version whose `\warn` prints on standard error (release-13.html).
const WARN: u32 = 13;
/// Rounds that standard error may take to end behind standard output.
const LAST_ROUNDS: u32 = 40;
/// The name under which guarded queries begin.
const GUARD: &str = "policy_guard";

/// What holds for every statement of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionOptions {
    /// Nothing may be written, unless a statement says otherwise.
    pub read_only: bool,
    /// How long a statement may wait for a lock; `None` is for ever, or until the watch ends it.
    pub lock_timeout: Option<Duration>,
    /// How long a statement may take; `None` as above.
    pub statement_timeout: Option<Duration>,
}

/// An open connection. Dropping it ends it, and cancels what the server still does for it.
#[derive(Debug)]
pub struct Session {
    psql: Psql,
    stderr: Stderr,
    /// How a line on standard error is asked for.
    warn: &'static str,
    redaction: Redaction,
    /// Only while connecting: then the password is not needed any more.
    access: Option<Access>,
    server_version_num: u32,
}

/// Why a session did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// `psql` could not be started.
    #[error("cannot start psql: {0}")]
    Start(#[source] io::Error),
    /// What it needs to connect could not be prepared.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// There is no connection.
    #[error("cannot connect: {message}")]
    Connect {
        /// What `psql` said.
        message: String,
    },
    /// The connection was lost; the session has ended.
    #[error("the connection was lost: {message}")]
    Lost {
        /// What `psql` or the server said last.
        message: String,
    },
    /// The server answered with an error; the session goes on.
    #[error("{message}")]
    Server {
        /// The code (errcodes-appendix.html); empty where `psql` itself could not do it.
        sqlstate: String,
        /// What it said.
        message: String,
    },
    /// The text is not one statement, and was not sent; the session goes on.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// It was to stop; the session has ended.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl SessionError {
    /// The server's five-character code (errcodes-appendix.html), where it answered with an error.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Server { sqlstate, .. } if !sqlstate.is_empty() => Some(sqlstate),
            _ => None,
        }
    }
}

impl Session {
    /// Connects, and sets what makes answers alike on every server: dates as ISO, times in UTC, numbers with all
    /// digits.
    ///
    /// The pass file lies in `private_folder` until the connection stands.
    pub fn open(
        programs: &Programs,
        connection: &Connection,
        options: &SessionOptions,
        private_folder: &Path,
        watch: &Watch<'_>,
    ) -> Result<Self, SessionError> {
        watch.check()?;
        // Settings go by SET, not by the environment: a service file would win over that, and poolers refuse it.
        let access = Access::new(connection, &[], private_folder)?;
        let mut command = Command::new(programs.psql());
        // No start-up file, no notices, no alignment, no headings, no question for a password.
        command.args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=0", "-v", "VERBOSITY=verbose"]);
        command.arg(access.dbname_argument());
        access.apply(&mut command);
        command.env("PGCLIENTENCODING", "UTF8");
        let psql = Psql::start(&mut command).map_err(SessionError::Start)?;
        let mut session = Self {
            psql,
            stderr: Stderr::default(),
            // An older one complains of a command that it does not know. Not of the bare tag: whatever begins with `\d`
            // lists something.
            warn: if programs.version().major() >= WARN { r"\warn " } else { r"\policy_" },
            redaction: access.redaction().clone(),
            access: Some(access),
            server_version_num: 0,
        };
        session.prepare(options, watch)?;
        Ok(session)
    }

    /// The server's version as a number, such as 150018 for 15.18.
    pub fn server_version_num(&self) -> u32 {
        self.server_version_num
    }

    /// Begins a transaction that only reads, and in which all statements see one state: that of a snapshot which
    /// another session exported, or of now.
    pub fn begin(&mut self, snapshot: Option<&str>, watch: &Watch<'_>) -> Result<(), SessionError> {
        let mut sql = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;\n".to_owned();
        if let Some(snapshot) = snapshot {
            // It is the server's own word, and yet it may come by way of a file.
            if !snapshot.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
                let message = "this is no name of a snapshot".to_owned();
                return Err(SessionError::Server { sqlstate: "22023".to_owned(), message });
            }
            sql.push_str("SET TRANSACTION SNAPSHOT '");
            sql.push_str(snapshot);
            sql.push_str("';\n");
        }
        self.ask(&sql, Format::Plain, 0, watch).map(drop)
    }

    /// Begins a transaction that may write. What a session that ends has not committed is taken back.
    pub fn begin_writing(&mut self, watch: &Watch<'_>) -> Result<(), SessionError> {
        let begin = "BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE;\n";
        self.ask(begin, Format::Plain, 0, watch).map(drop)
    }

    /// Exports the snapshot of the transaction that has begun: others may take it up until that ends.
    pub fn export_snapshot(&mut self, watch: &Watch<'_>) -> Result<String, SessionError> {
        Ok(self.scalar("SELECT pg_export_snapshot()", watch)?.unwrap_or_default())
    }

    /// Ends a transaction and keeps what it did. One in which a statement failed is taken back, without an error.
    pub fn commit(&mut self, watch: &Watch<'_>) -> Result<(), SessionError> {
        self.ask("COMMIT;\n", Format::Plain, 0, watch).map(drop)
    }

    /// Ends a transaction and takes back what it did, also after an error.
    pub fn rollback(&mut self, watch: &Watch<'_>) -> Result<(), SessionError> {
        self.ask("ROLLBACK;\n", Format::Plain, 0, watch).map(drop)
    }

    /// Executes one statement. What it answers is not kept.
    ///
    /// A transaction in which a statement failed takes none but [`Session::rollback`].
    pub fn execute(&mut self, sql: &str, watch: &Watch<'_>) -> Result<(), SessionError> {
        let sql = query::single_command(sql)?;
        let order = sent(sql)?;
        self.ask(&order, Format::Plain, 0, watch).map(drop)
    }

    /// Asks a query (SELECT, VALUES, TABLE, WITH) and keeps the first `limit` rows.
    pub fn rows(&mut self, sql: &str, limit: usize, watch: &Watch<'_>) -> Result<Rows, SessionError> {
        let sql = query::single(sql)?;
        // The line break ends a comment.
        let order = sent(&format!("COPY ({sql}\n) TO STDOUT"))?;
        self.ask(&order, Format::Copy, limit, watch)
    }

    /// The same within a transaction, which goes on when the query fails.
    pub fn guarded_rows(&mut self, sql: &str, limit: usize, watch: &Watch<'_>) -> Result<Rows, SessionError> {
        self.ask(&format!("SAVEPOINT {GUARD};\n"), Format::Plain, 0, watch)?;
        let rows = self.rows(sql, limit, watch);
        let back = match &rows {
            Ok(_) => String::new(),
            Err(SessionError::Server { .. } | SessionError::Statement(_)) => {
                format!("ROLLBACK TO SAVEPOINT {GUARD};\n")
            }
            Err(_) => return rows,
        };
        self.ask(&format!("{back}RELEASE SAVEPOINT {GUARD};\n"), Format::Plain, 0, watch)?;
        rows
    }

    /// The first value of the first row; `None` is NULL as well as no row.
    pub fn scalar(&mut self, sql: &str, watch: &Watch<'_>) -> Result<Option<String>, SessionError> {
        let rows = self.rows(sql, 1, watch)?.rows;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }

    /// Waits for the connection, and makes the session's settings.
    fn prepare(&mut self, options: &SessionOptions, watch: &Watch<'_>) -> Result<(), SessionError> {
        let hello = "\\echo :SERVER_VERSION_NUM\nSELECT current_setting('server_encoding');\n";
        let hello = self.ask(hello, Format::Plain, 2, watch)?.rows;
        // The connection stands: nobody needs the pass file any more.
        self.access = None;
        let mut words = hello.into_iter().map(|row| row.into_iter().next().flatten().unwrap_or_default());
        self.server_version_num = words.next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let mut settings = vec![
            // What only warns would be looked at as an error might be.
            "client_min_messages = error",
            // The rule by which statements were read here (query.rs); it was another once.
            "standard_conforming_strings = on",
            // As pg_dump sets them (pg_dump.c, `setup_connection`), and the same zone everywhere.
            "DateStyle = ISO",
            "IntervalStyle = postgres",
            "extra_float_digits = 3",
            "bytea_output = hex",
            "TimeZone = 'UTC'",
            // A session that holds a snapshot is idle for as long as the dump takes.
            "idle_in_transaction_session_timeout = 0",
        ];
        if self.server_version_num >= 140_000 {
            settings.push("idle_session_timeout = 0");
        }
        if self.server_version_num >= 170_000 {
            settings.push("transaction_timeout = 0");
        }
        if options.read_only {
            settings.push("default_transaction_read_only = on");
        }
        if words.next().as_deref() == Some("SQL_ASCII") {
            // Its texts are bytes of any encoding; as UTF-8 the server would refuse to send them.
            settings.push("client_encoding = SQL_ASCII");
        }
        let mut sql = String::new();
        for setting in settings {
            // Writing into a string does not fail.
            let _ = writeln!(sql, "SET {setting};");
        }
        for (name, length) in
            [("lock_timeout", options.lock_timeout), ("statement_timeout", options.statement_timeout)]
        {
            let _ = writeln!(sql, "SET {name} = {};", length.map_or(0, milliseconds));
        }
        self.ask(&sql, Format::Plain, 0, watch).map(drop)
    }

    /// Lets `psql` read lines, all of them this program's own words but for [`sent`], and hears what comes of them.
    fn ask(
        &mut self,
        lines: &str,
        format: Format,
        limit: usize,
        watch: &Watch<'_>,
    ) -> Result<Rows, SessionError> {
        if let Err(stopped) = watch.check() {
            self.psql.end();
            return Err(stopped.into());
        }
        let tag = unpredictable()?;
        self.stderr.begin(&tag);
        // A COPY that fails after its first row leaves `ERROR` as it was (seen with psql 15): only a `false` that came
        // after this is one.
        let order =
            format!("\\set ERROR unknown\n{lines}\\echo {tag} :ERROR\n{warn}{tag}\n", warn = self.warn);
        self.psql.is_busy = true;
        self.psql.order(order);
        let mut answer = Answer::new(&tag, format, limit);
        while answer.end().is_none() || !self.stderr.is_ended() {
            if let Err(stopped) = watch.check() {
                self.psql.end();
                return Err(stopped.into());
            }
            match self.psql.hear() {
                Some(Said::Out(bytes)) => answer.feed(&bytes),
                Some(Said::Err(bytes)) => self.stderr.feed(&bytes),
                Some(Said::OutEnd) => return Err(self.lost()),
                Some(Said::ErrEnd) | None => {}
            }
        }
        self.psql.is_busy = false;
        if let Some(complaint) = self.stderr.complaint() {
            let (sqlstate, message) = (complaint.sqlstate.clone(), complaint.text());
            return Err(SessionError::Server { sqlstate, message: self.safe(&message) });
        }
        if answer.end() == Some("false") {
            return Ok(answer.into_rows());
        }
        let mut message = self.stderr.last_lines();
        if message.is_empty() {
            "psql does not say that it was done".clone_into(&mut message);
        }
        Err(SessionError::Server { sqlstate: String::new(), message: self.safe(&message) })
    }

    /// What to say when `psql` has ended by itself.
    fn lost(&mut self) -> SessionError {
        for _ in 0..LAST_ROUNDS {
            match self.psql.hear() {
                Some(Said::Err(bytes)) => self.stderr.feed(&bytes),
                Some(Said::ErrEnd) => break,
                Some(Said::OutEnd) => std::thread::sleep(ROUND / 5),
                Some(Said::Out(_)) | None => {}
            }
        }
        let said = self.stderr.last_lines();
        let ending = self.psql.ending();
        let message = if said.is_empty() { format!("psql ended with {ending}") } else { self.safe(&said) };
        match self.access {
            Some(_) => SessionError::Connect { message },
            None => SessionError::Lost { message },
        }
    }

    /// A message without the password, and without the name of a file that is not there any more.
    fn safe(&self, message: &str) -> String {
        let mut shown = message.replace("psql: error: ", "");
        if let Some(file) = self.access.as_ref().and_then(Access::pass_file) {
            // libpq says where it read a password that was refused.
            shown = shown.replace(&format!(" password retrieved from file \"{}\"", file.display()), "");
        }
        self.redaction.apply(&shown).into_owned()
    }
}

/// Lines that make `psql` send a text as it is.
fn sent(sql: &str) -> Result<String, SessionError> {
    // A tag begins with a letter.
    let tag = loop {
        let tag = format!("t{}", unpredictable()?);
        if !sql.contains(&tag) {
            break tag;
        }
    };
    Ok(format!("SELECT ${tag}${sql}${tag}$ \\gexec\n"))
}

/// 128 bits that nobody knows before.
pub(super) fn unpredictable() -> Result<String, SessionError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| SessionError::Start(error.into()))?;
    Ok(hex::encode(random))
}

/// As the server takes it: whole milliseconds, of which 0 would be for ever.
fn milliseconds(length: Duration) -> i32 {
    i32::try_from(length.as_millis()).unwrap_or(i32::MAX).max(1)
}
