//! Examining in a process of its own.
//!
//! `integrity_check` reads a database two to three times, page by page. Mapped into memory that costs half the time where
//! an index lies in random order, but a mapped file that somebody cuts short, or whose disk cannot be read, ends the
//! process that touches it: SIGBUS is no error that could be told. So the process that maps it is another one, which does
//! nothing else; what it dies of is told by this one. Where it cannot be started, this one reads without mapping.
//!
//! Its orders come on standard input, its answers go to standard output, a line each; see [`apart`].

use super::{
    super::{
        EngineError,
        apart::{self, say},
        tables::Rows,
    },
    open::Database,
};
use crate::{
    evidence::Integrity,
    platform::process::stand_back,
    watch::{Cancel, Watch},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    ffi::OsString,
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

/// The word under which this program examines a SQLite database; no command has such a name.
pub(in crate::engines) const EXAMINER: &str = "--examine-sqlite";

/// Begins a transaction.
const BEGIN: &str = "begin";
/// The answer to [`BEGIN`].
const BEGUN: &str = "begun";
/// Asks whether the structure is sound.
const STRUCTURE: &str = "structure";
/// Asks whether every foreign key finds its row.
const REFERENCES: &str = "references";
/// Asks for the rows of every table.
const ROWS: &str = "rows";

/// How long it may take to start or to begin a transaction.
const LONGEST_START: Duration = Duration::from_secs(3);

/// What kind of file is examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Somebody's live database; a transaction is begun before anything is asked.
    Live,
    /// A file of our own, which nothing writes.
    Still,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Still => "still",
        }
    }
}

/// Two of them: one for the structure, the longest of all, and one for everything else that reads whole tables.
pub(super) struct Examiners {
    structure: Examiner,
    tables: Examiner,
}

impl Examiners {
    /// Starts both; `None` where that cannot be done.
    pub(super) fn start(path: &Path, kind: Kind) -> Option<Self> {
        let structure = Examiner::start(path, kind)?;
        let tables = Examiner::start(path, kind)?;
        Some(Self { structure, tables })
    }

    /// Begins a transaction in each, in place of an earlier one.
    pub(super) fn begin(&mut self) -> bool {
        let both = [&mut self.structure, &mut self.tables];
        let asked = both.into_iter().all(|examiner| examiner.order(BEGIN));
        asked
            && [&self.structure, &self.tables]
                .iter()
                .all(|examiner| examiner.reply().as_deref() == Some(BEGUN))
    }

    /// Asks both; they work until they are heard, or dropped. What is gone does not answer.
    pub(super) fn ask(&mut self) {
        self.structure.order(STRUCTURE);
        self.tables.order(REFERENCES);
        self.tables.order(ROWS);
    }

    /// Whether the structure is sound and every foreign key finds its row; and the rows of the tables, or why they cannot
    /// be listed.
    ///
    /// # Errors
    /// When one of them could not tell, or it was asked to stop.
    pub(super) fn hear(mut self, watch: &Watch<'_>) -> Result<Heard, EngineError> {
        let Some(structure) = self.structure.answer(watch)? else { return Ok(self.structure.lost()) };
        let structure: Integrity = structure.map_err(|why| self.structure.failed(why))?;
        let Some(references) = self.tables.answer(watch)? else { return Ok(self.tables.lost()) };
        let integrity = match structure {
            Integrity::Sound => references.map_err(|why| self.tables.failed(why))?,
            unsound => unsound,
        };
        let Some(rows) = self.tables.answer(watch)? else { return Ok(self.tables.lost()) };
        Ok(Heard::All(integrity, rows))
    }
}

/// What examiners said.
pub(super) enum Heard {
    /// Soundness, and the tables' rows.
    All(Integrity, Result<Rows, String>),
    /// One of them ended without an answer: how.
    Lost(String),
}

struct Examiner {
    child: Child,
    orders: Option<ChildStdin>,
    answers: Receiver<String>,
    path: PathBuf,
}

impl Examiner {
    fn start(path: &Path, kind: Kind) -> Option<Self> {
        let name = serde_json::to_string(path.to_str()?).ok()?;
        let mut child = apart::start(EXAMINER, Some(kind.word()))?;
        let (orders, said) = (child.stdin.take(), child.stdout.take()?);
        let (heard, answers) = mpsc::channel();
        let mut started = Self { child, orders, answers, path: path.to_owned() };
        let listen =
            move || BufReader::new(said).lines().map_while(Result::ok).try_for_each(|line| heard.send(line));
        thread::Builder::new().spawn(listen).ok()?;
        // Not as an argument, which every user of the host may read: a path may hold the value of a variable.
        let is_told = started.order(&name);
        (is_told && started.reply().as_deref() == Some(env!("CARGO_PKG_VERSION"))).then_some(started)
    }

    /// Hands an order over. One that cannot be has no answer, which nobody is to wait for: its end of the pipe goes, and
    /// with that the examiner.
    fn order(&mut self, word: &str) -> bool {
        let line = format!("{word}\n");
        let is_told = self.orders.as_mut().is_some_and(|orders| orders.write_all(line.as_bytes()).is_ok());
        if !is_told {
            self.orders = None;
        }
        is_told
    }

    fn reply(&self) -> Option<String> {
        self.answers.recv_timeout(LONGEST_START).ok()
    }

    /// The next answer; the inner error is what it said instead of one, and `None` is given when it is gone.
    fn answer<T: DeserializeOwned>(
        &mut self,
        watch: &Watch<'_>,
    ) -> Result<Option<Result<T, String>>, EngineError> {
        let answer = loop {
            match self.answers.recv_timeout(Duration::from_millis(25)) {
                Ok(answer) => break answer,
                Err(RecvTimeoutError::Timeout) => watch.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    watch.check()?;
                    return Ok(None);
                }
            }
        };
        serde_json::from_str(&answer).map(Some).map_err(|error| self.failed(error.to_string()))
    }

    /// How it ended, which it did.
    fn lost(&mut self) -> Heard {
        self.orders = None;
        let how = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        Heard::Lost(format!(
            "the process that examined it ended with {how} (by SIGBUS where a file is cut short or a disk cannot be read, \
             by SIGKILL where memory is short): it was examined without that"
        ))
    }

    fn failed(&self, message: String) -> EngineError {
        EngineError::Library { verb: "check", path: self.path.clone(), message }
    }
}

impl Drop for Examiner {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Does the work of an examiner; the argument says which kind of file is meant, `None` that it is none.
pub(in crate::engines) fn attend(arguments: &[OsString]) -> Option<Result<(), Box<dyn std::error::Error>>> {
    let [kind] = arguments else { return None };
    let kind = [Kind::Live, Kind::Still].into_iter().find(|known| kind == known.word())?;
    Some(work(kind))
}

fn work(kind: Kind) -> Result<(), Box<dyn std::error::Error>> {
    let orders = apart::orders();
    let path: PathBuf = serde_json::from_str(&orders.recv()?)?;
    let mut database = match kind {
        Kind::Live => Database::live(&path)?,
        Kind::Still => Database::still(&path)?,
    };
    database.map()?;
    say(env!("CARGO_PKG_VERSION"))?;
    let cancel = Cancel::default();
    let watch = Watch::new(&cancel, None, &|_| ());
    for order in orders {
        match order.as_str() {
            BEGIN => {
                if !database.connection.is_autocommit() {
                    database.connection.execute_batch("ROLLBACK")?;
                }
                database.begin()?;
                say(BEGUN)?;
            }
            STRUCTURE => reply(database.structure(&watch))?,
            REFERENCES => {
                // What takes longest is not to be the last to go on, alone: this is the shorter part.
                stand_back();
                reply(database.references(&watch))?;
            }
            ROWS => reply(database.rows())?,
            _ => break,
        }
    }
    Ok(())
}

fn reply<T: Serialize>(answer: Result<T, EngineError>) -> io::Result<()> {
    let answer = answer.map_err(|error| match error {
        EngineError::Library { message, .. } => message,
        other => other.to_string(),
    });
    say(&serde_json::to_string(&answer)?)
}
