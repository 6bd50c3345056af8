//! Examining in a process of its own.
//!
//! `integrity_check` reads a database two to three times, page by page. Mapped into memory that costs half the time where
//! an index lies in random order, but a mapped file that somebody cuts short, or whose disk cannot be read, ends the
//! process that touches it: SIGBUS is no error that could be told. So the process that maps it is another one, which does
//! nothing else; what it dies of is told by this one. Where it cannot be started, this one reads without mapping.
//!
//! It is this program under a word of its own. Its orders come on standard input, its answers go to standard output, a
//! line each; when its input ends, as with the death of whoever started it, it ends.

#![expect(clippy::disallowed_methods, reason = "starts this program itself, with no word of anybody else")]

use super::{super::EngineError, open::Database, tables::Rows};
use crate::{
    evidence::Integrity,
    platform::process::stand_back,
    watch::{Cancel, Watch},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    env,
    ffi::OsString,
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

/// The first argument; no command has such a name.
const WORD: &str = "--examine-sqlite";

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
const LONGEST_START: Duration = Duration::from_secs(10);

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
        self.structure.begin() && self.tables.begin()
    }

    /// Asks both; they work until they are heard, or dropped.
    ///
    /// # Errors
    /// When one of them is gone.
    pub(super) fn ask(&mut self, watch: &Watch<'_>) -> Result<(), EngineError> {
        if !self.structure.order(STRUCTURE) {
            return Err(self.structure.lost(watch));
        }
        if !(self.tables.order(REFERENCES) && self.tables.order(ROWS)) {
            return Err(self.tables.lost(watch));
        }
        Ok(())
    }

    /// Whether the structure is sound and every foreign key finds its row; and the rows of the tables, or why they cannot
    /// be listed.
    ///
    /// # Errors
    /// When one of them could not tell, or ended before it did.
    pub(super) fn hear(
        mut self,
        watch: &Watch<'_>,
    ) -> Result<(Integrity, Result<Rows, String>), EngineError> {
        let structure: Integrity = self.structure.answer(watch)?.map_err(|why| self.structure.failed(why))?;
        let references = self.tables.answer(watch)?;
        let integrity = match structure {
            Integrity::Sound => references.map_err(|why| self.tables.failed(why))?,
            unsound => unsound,
        };
        Ok((integrity, self.tables.answer(watch)?))
    }
}

struct Examiner {
    child: Child,
    orders: Option<ChildStdin>,
    answers: Receiver<String>,
    path: PathBuf,
}

impl Examiner {
    fn start(path: &Path, kind: Kind) -> Option<Self> {
        // The harness of the unit tests is not this program.
        if cfg!(test) {
            return None;
        }
        let name = serde_json::to_string(path.to_str()?).ok()?;
        let mut child = Command::new(env::current_exe().ok()?)
            .args([WORD, kind.word()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (orders, said) = (child.stdin.take(), child.stdout.take()?);
        let (heard, answers) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(said).lines().map_while(Result::ok).try_for_each(|line| heard.send(line))
        });
        let mut started = Self { child, orders, answers, path: path.to_owned() };
        // Not as an argument, which every user of the host may read: a path may hold the value of a variable.
        let is_told = started.order(&name);
        (is_told && started.reply().as_deref() == Some(env!("CARGO_PKG_VERSION"))).then_some(started)
    }

    fn order(&mut self, word: &str) -> bool {
        self.orders.as_mut().is_some_and(|orders| writeln!(orders, "{word}").is_ok())
    }

    fn begin(&mut self) -> bool {
        self.order(BEGIN) && self.reply().as_deref() == Some(BEGUN)
    }

    fn reply(&self) -> Option<String> {
        self.answers.recv_timeout(LONGEST_START).ok()
    }

    /// The next answer; the inner error is what it said instead of one.
    fn answer<T: DeserializeOwned>(&mut self, watch: &Watch<'_>) -> Result<Result<T, String>, EngineError> {
        let answer = loop {
            match self.answers.recv_timeout(Duration::from_millis(25)) {
                Ok(answer) => break answer,
                Err(RecvTimeoutError::Timeout) => watch.check()?,
                Err(RecvTimeoutError::Disconnected) => return Err(self.lost(watch)),
            }
        };
        serde_json::from_str(&answer).map_err(|error| self.failed(error.to_string()))
    }

    /// It is gone, and did not answer.
    fn lost(&mut self, watch: &Watch<'_>) -> EngineError {
        // A signal to the whole group, as from a terminal, ends it too; then that is the reason.
        if let Err(stopped) = watch.check() {
            return stopped.into();
        }
        self.orders = None;
        let how = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        self.failed(format!(
            "the process that read it ended with {how}: by SIGBUS where the file is cut short or its disk cannot be \
             read, by SIGKILL where the system is out of memory; run again, and look at the disk where it is the former"
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

/// Does the work of an examiner where the arguments ask for it, and returns the exit code.
pub fn serve(arguments: &[OsString]) -> Option<u8> {
    let [_, word, kind] = arguments else { return None };
    if word != WORD {
        return None;
    }
    let kind = if kind == Kind::Live.word() { Kind::Live } else { Kind::Still };
    Some(u8::from(attend(kind).is_err()))
}

fn attend(kind: Kind) -> Result<(), Box<dyn std::error::Error>> {
    let orders = orders();
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

/// What comes on standard input. Its end ends this process, whatever it is at.
fn orders() -> Receiver<String> {
    let (hand, orders) = mpsc::channel();
    thread::spawn(move || {
        for order in io::stdin().lines().map_while(Result::ok) {
            drop(hand.send(order));
        }
        std::process::exit(0);
    });
    orders
}

fn say(line: &str) -> io::Result<()> {
    io::stdout().write_all(format!("{line}\n").as_bytes())
}

fn reply<T: Serialize>(answer: Result<T, EngineError>) -> io::Result<()> {
    let answer = answer.map_err(|error| match error {
        EngineError::Library { message, .. } => message,
        other => other.to_string(),
    });
    say(&serde_json::to_string(&answer)?)
}
