//! What a dump holds, without a server: rows per table, whether it is whole, and what loading it needs.
//!
//! `pg_restore` turns an archive into the SQL text that a plain dump is, which decodes all of it; that text is read
//! as it comes. A flipped bit within a row is not seen here, and need not be: that is what digests are for.

use super::{
    access::apart,
    clients::Programs,
    scan::{Listener, Scanner},
    statement::{Ending, Needs, Relation, Statement, Token, as_text},
};
use crate::{
    exec::program::{ProgramError, feed, pour},
    watch::{Stopped, Watch},
};
use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    path::Path,
};

/// What a dump holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// Rows of each table that the dump has rows of, or would have were it not empty: tables whose data was left out
    /// are not in it, nor are views.
    pub rows: BTreeMap<Relation, u64>,
    /// The tables that are partitions, each with the one that it is a part of, which may be a partition itself.
    pub partitions: BTreeMap<Relation, Relation>,
    /// What it needs from a server.
    pub needs: Needs,
    /// The version of the server it was taken from: `15.18 (Debian 15.18-0+deb12u1)`.
    pub server_version: Option<String>,
    /// The version of the `pg_dump` that took it.
    pub dump_version: Option<String>,
}

impl Contents {
    /// The table that a table is a part of in the end, which is itself unless it is a partition.
    pub fn whole<'r>(&'r self, part: &'r Relation) -> &'r Relation {
        let mut whole = part;
        // No chain is longer than there are partitions: a dump that was tampered with may hold a circle.
        for _ in 0..=self.partitions.len() {
            match self.partitions.get(whole) {
                Some(above) => whole = above,
                None => break,
            }
        }
        whole
    }
}

/// Why a dump is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// The text ends before its end.
    #[error("the dump is not whole: it ends {0}")]
    Truncated(&'static str),
    /// It holds what no dump of a database holds.
    #[error("this is no dump of a database: it holds {0}")]
    Foreign(String),
    /// The program that decodes it failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The stored bytes could not be read.
    #[error("cannot read the dump: {0}")]
    In(#[source] io::Error),
    /// It was asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Takes the text of a dump, piece by piece.
#[derive(Debug, Default)]
pub struct Reader {
    scanner: Scanner,
    found: Found,
}

impl Reader {
    /// Reads the next piece of the text; `keep` is given all of it that is SQL or rows, without the commands to `psql`.
    ///
    /// # Errors
    /// [`ContentsError::Foreign`]; of this piece nothing may be used then.
    pub fn take(&mut self, piece: &[u8], keep: impl FnMut(&[u8])) -> Result<(), ContentsError> {
        self.scanner.feed(piece, &mut self.found, keep);
        match &self.found.foreign {
            Some(what) => Err(ContentsError::Foreign(what.clone())),
            None => Ok(()),
        }
    }

    /// What the dump held, now that its text has ended.
    ///
    /// # Errors
    /// [`ContentsError::Truncated`] when it cannot have ended here.
    pub fn end(self) -> Result<Contents, ContentsError> {
        if !self.found.is_complete {
            return Err(ContentsError::Truncated("without the line that says it is complete"));
        }
        let is_open = matches!(self.found.restriction, Restriction::On(_));
        if is_open || !self.scanner.may_end() {
            return Err(ContentsError::Truncated("amid its last lines"));
        }
        Ok(self.found.contents)
    }
}

impl Write for Reader {
    /// What it refuses ends the program whose output it is.
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.take(piece, |_| ()).map_err(io::Error::other)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether `psql` has been forbidden commands (`\restrict`), and by which key they are allowed again.
#[derive(Debug, Default, PartialEq, Eq)]
enum Restriction {
    #[default]
    Never,
    On(Vec<u8>),
    Off,
}

#[derive(Debug, Default)]
struct Found {
    contents: Contents,
    table: Option<Relation>,
    restriction: Restriction,
    is_complete: bool,
    foreign: Option<String>,
}

impl Listener for Found {
    fn token(&mut self, statement: &mut Statement, token: Token) {
        if self.is_complete || self.restriction == Restriction::Off {
            self.foreign("SQL after its end");
        }
        statement.take(token, &mut self.contents.needs);
    }

    fn end(&mut self, statement: Statement) -> Ending {
        self.contents.partitions.extend(statement.attached());
        let (ending, table) = statement.end(&mut self.contents.needs);
        match table {
            Ok(Some(table)) => {
                self.contents.rows.entry(table.clone()).or_default();
                self.table = Some(table);
            }
            Ok(None) => {}
            Err(what) => self.foreign(what),
        }
        ending
    }

    fn rows(&mut self, count: u64) {
        if let Some(rows) = self.table.as_ref().and_then(|table| self.contents.rows.get_mut(table)) {
            *rows = rows.saturating_add(count);
        }
    }

    fn comment(&mut self, text: &[u8]) {
        let after = |start: &str| text.strip_prefix(start.as_bytes()).map(as_text);
        if self.contents.server_version.is_none() {
            self.contents.server_version = after(" Dumped from database version ");
        }
        if self.contents.dump_version.is_none() {
            self.contents.dump_version = after(" Dumped by pg_dump version ");
        }
        let ends: [&[u8]; 2] =
            [b" PostgreSQL database dump complete", b" PostgreSQL database cluster dump complete"];
        self.is_complete |= ends.contains(&text);
    }

    fn command(&mut self, line: &[u8], amid: bool) {
        let key = |command: &str| {
            let key = line.strip_prefix(command.as_bytes())?;
            // More than one word could be another command: `\restrict a \! b`.
            (!key.is_empty() && key.iter().all(u8::is_ascii_alphanumeric)).then(|| key.to_vec())
        };
        self.restriction = match (&self.restriction, key("\\restrict "), key("\\unrestrict ")) {
            (Restriction::Never, Some(key), _) if !amid && !self.is_complete => Restriction::On(key),
            // `pg_dump` lifts it after its last words, `pg_dumpall` before; after that neither writes any SQL.
            (Restriction::On(on), _, Some(key)) if *on == key && !amid => Restriction::Off,
            _ => {
                let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
                let word: String = as_text(word).chars().filter(|c| !c.is_control()).take(40).collect();
                return self.foreign(&format!("the command `{word}` to psql"));
            }
        };
    }

    fn foreign(&mut self, what: &str) {
        if self.foreign.is_none() {
            self.foreign = Some(what.to_owned());
        }
    }
}

/// Reads an archive that `pg_dump` wrote to one stream. It is read to its end.
///
/// # Errors
/// When it is damaged as far as `pg_restore` sees, not whole, or no dump.
pub fn of_custom(
    programs: &Programs,
    archive: &mut dyn Read,
    watch: &Watch<'_>,
) -> Result<Contents, ContentsError> {
    let call = apart(programs.pg_restore(), vec!["--file=-".into()]);
    let mut reader = Reader::default();
    let done = feed(&call, archive, &mut reader, watch);
    conclude(reader, done.map(drop))
}

/// Reads a folder that `pg_dump` wrote.
///
/// # Errors
/// As of [`of_custom`].
pub fn of_folder(programs: &Programs, folder: &Path, watch: &Watch<'_>) -> Result<Contents, ContentsError> {
    let arguments = vec!["--file=-".into(), "--format=directory".into(), folder.into()];
    let mut reader = Reader::default();
    let done = pour(&apart(programs.pg_restore(), arguments), &mut reader, watch);
    conclude(reader, done.map(drop))
}

/// Reads the text of a plain dump, or of what belongs to no database (`pg_dumpall --globals-only`), to its end.
///
/// # Errors
/// When it is not whole, or no dump.
pub fn of_plain(text: &mut dyn Read, watch: &Watch<'_>) -> Result<Contents, ContentsError> {
    let mut reader = Reader::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        watch.check()?;
        match text.read(&mut buffer) {
            Ok(0) => return reader.end(),
            Ok(read) => reader.take(&buffer[..read], |_| ())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ContentsError::In(error)),
        }
    }
}

/// What was found outweighs that the program whose output it is was ended for it.
fn conclude(reader: Reader, done: Result<(), ProgramError>) -> Result<Contents, ContentsError> {
    match (done, &reader.found.foreign) {
        (Err(ProgramError::Out { .. }), Some(what)) => Err(ContentsError::Foreign(what.clone())),
        (Err(ProgramError::In { source, .. }), _) => Err(ContentsError::In(source)),
        (Err(ProgramError::Stopped(stopped)), _) => Err(stopped.into()),
        (Err(error), _) => Err(error.into()),
        (Ok(()), _) => reader.end(),
    }
}
