//! What is asked about a copy of a database and what is answered: said between this process and the one that opens it.

use super::super::{
    EngineError,
    examination::Examination,
    expectation::{Answer, Value},
    tables::Rows,
};
use crate::{
    evidence::{Evidence, Integrity},
    policy::{model::Query, values::Level},
};
use serde::{Deserialize, Serialize};

/// What the other process is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    /// Examine a copy.
    Examine(Order),
    /// Write what a copy holds into a new folder, as Parquet.
    Export {
        /// The main file of the copy.
        path: String,
        /// The folder.
        to: String,
    },
    /// Make a new database of what was exported.
    Import {
        /// The folder.
        from: String,
        /// The main file of the database.
        to: String,
        /// The storage version that it is to have.
        storage: Option<String>,
    },
}

impl Task {
    /// The file that it is about, for messages.
    pub(super) fn path(&self) -> &str {
        match self {
            Self::Examine(order) => &order.path,
            Self::Export { path, .. } => path,
            Self::Import { to, .. } => to,
        }
    }
}

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The main file of the copy; it and its side files are only read.
    pub(super) path: String,
    /// A folder for what does not fit into memory; without one it must fit.
    pub(super) scratch: Option<String>,
    /// Whether every block of every table is read; else rows are only counted.
    pub(super) scan: bool,
    /// Whether the tables are asked for at all.
    pub(super) tables: bool,
    /// Questions, in order.
    pub(super) questions: Vec<Question>,
}

/// A declared check's question.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Question {
    /// The number of rows of a table, by its name as it is shown, or as `schema.table`.
    Rows(String),
    /// A query.
    Sql(String),
}

/// What is answered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Report {
    /// The folder of the copy, which no words show.
    #[serde(skip)]
    pub(super) folder: String,
    /// The library that opened it.
    pub(super) library: String,
    /// The oldest DuckDB that can read the file, as `v1.2.0+`.
    pub(super) storage: Option<String>,
    /// The tables with their rows, or why they cannot be counted; the outer error is why they cannot be listed.
    pub(super) tables: Option<Result<Rows, String>>,
    /// What was found damaged.
    pub(super) damage: Vec<String>,
    /// What could not be judged, as for want of an extension.
    pub(super) unverifiable: Vec<String>,
    /// The answers, in the order of the questions.
    pub(super) answers: Vec<Result<Row, String>>,
}

/// The answer to one question: the first row, its values as text, and whether there is a second one.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) values: Option<Vec<Option<String>>>,
    pub(super) more: bool,
}

impl Order {
    /// What an examination of a copy asks.
    pub(super) fn of(asked: &Examination<'_>, path: String, scratch: String) -> Self {
        let question = |query: &Query| match query {
            Query::Rows(table) => Question::Rows(table.clone()),
            Query::Sql(sql) => Question::Sql(sql.clone()),
        };
        let checks = if asked.level >= Level::Checks { asked.checks } else { &[] };
        let scan = asked.level >= Level::Integrity;
        let tables = scan || asked.tables.is_some();
        let questions = checks.iter().map(|check| question(&check.query)).collect();
        Self { path, scratch: Some(scratch), scan, tables, questions }
    }

    /// Asks for the number of rows of every table.
    pub(super) const fn to_count(path: String) -> Self {
        Self { path, scratch: None, scan: false, tables: true, questions: Vec::new() }
    }
}

impl Report {
    /// A report of something that could not be looked at.
    pub(super) fn unverifiable(why: String) -> Self {
        Self { unverifiable: vec![why], ..Self::default() }
    }

    /// Whether every block was read and found whole.
    pub(super) const fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.unverifiable.is_empty()
    }

    /// The first thing that went wrong.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.damage.iter().chain(&self.unverifiable).next().map(String::as_str)
    }

    /// What it comes to under an examination.
    pub(super) fn judged(self, asked: &Examination<'_>) -> Result<Evidence, EngineError> {
        let unopened = self.tables.is_none() && !self.is_sound();
        let why = self.trouble().unwrap_or_default().to_owned();
        let integrity = if asked.level < Level::Integrity {
            Integrity::Skipped
        } else if !self.damage.is_empty() {
            super::super::examination::damaged(self.damage)
        } else if !self.unverifiable.is_empty() {
            Integrity::Unverifiable(self.unverifiable)
        } else {
            Integrity::Sound
        };
        let mut answers = self.answers.into_iter();
        let checks = if asked.level >= Level::Checks { asked.checks } else { &[] };
        let checks = checks
            .iter()
            .map(|check| {
                let answer = answers.next().unwrap_or_else(|| Err(why.clone()));
                asked.judge(check, answer.map(Row::into_answer))
            })
            .collect();
        let rows = if unopened { None } else { self.tables };
        asked.found(integrity, checks, rows)
    }
}

impl Row {
    /// Texts of numbers are compared as numbers: see [`Value`].
    fn into_answer(self) -> Answer {
        let value = |text: Option<String>| text.map_or(Value::Null, Value::Text);
        Answer { row: self.values.map(|row| row.into_iter().map(value).collect()), more: self.more }
    }
}
