//! What `check` found, as plain data: printed as JSON, and what the other formats are made of.

use crate::policy::{Code, Loaded, Severity, problem::Lines};
use schemars::JsonSchema;
use serde::Serialize;

/// What `check --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    /// The policy files read.
    policies: Vec<String>,
    /// What was found, by file and place.
    pub(super) problems: Vec<Found>,
}

/// A problem at its place; lines and columns count from 1, columns in Unicode scalar values.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// The problem's code.
    #[schemars(with = "String")]
    pub(super) code: Code,
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) help: String,
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) end_line: usize,
    pub(super) end_column: usize,
    pub(super) related: Vec<Related>,
}

/// Another place that a problem is about.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Related {
    pub(super) message: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Report {
    /// Folds what was loaded, in the order of the files.
    pub(super) fn of(loaded: &[Loaded]) -> Self {
        let mut problems = Vec::new();
        for one in loaded {
            let lines = Lines::new(&one.source.text);
            for problem in &one.problems {
                let span = problem.span().unwrap_or_default();
                let (line, column) = lines.position(span.start);
                let (end_line, end_column) = lines.position(span.end);
                let related = problem.labels.iter().skip(1).map(|label| {
                    let (line, column) = lines.position(label.span.start);
                    Related { message: label.text.clone(), line, column }
                });
                problems.push(Found {
                    code: problem.code,
                    severity: problem.severity,
                    message: problem.message.clone(),
                    help: problem.help.clone(),
                    file: one.source.name.clone(),
                    line,
                    column,
                    end_line,
                    end_column,
                    related: related.collect(),
                });
            }
        }
        Self { policies: loaded.iter().map(|one| one.source.name.clone()).collect(), problems }
    }
}
