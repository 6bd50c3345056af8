//! What is asked of one content of a database, and what its answers come to: shared by every engine that has tables.

use super::{
    CaptureRequest, EngineError, ExamineRequest, Previous,
    expectation::{self, Against, Answer},
    implied,
    tables::{Facts, Rows},
};
use crate::{
    evidence::{CheckResult, Evidence, Integrity},
    policy::{
        model::{Check, Tables},
        values::Level,
    },
};
use chrono::{DateTime, Utc};

/// Most lines of findings that are recorded.
pub(super) const MOST_FINDINGS: usize = 20;

/// What is to be shown, and against what.
pub(super) struct Examination<'a> {
    pub(super) level: Level,
    pub(super) checks: &'a [Check],
    pub(super) tables: Option<&'a Tables>,
    /// The source's answers and rows at the moment of capture; `None`: the content examined is the source itself.
    pub(super) source: Option<&'a Previous>,
    pub(super) previous: Option<&'a Previous>,
    pub(super) captured_at: DateTime<Utc>,
}

impl<'a> Examination<'a> {
    /// What a capture asks of the source itself.
    pub(super) const fn of_source(request: &CaptureRequest<'a>) -> Self {
        Self {
            level: request.level,
            checks: request.checks,
            tables: request.tables,
            source: None,
            previous: request.previous,
            captured_at: request.now,
        }
    }

    /// What is asked of stored content, which is compared with what was recorded of its source.
    pub(super) const fn of_stored(request: &ExamineRequest<'a>) -> Self {
        Self {
            level: request.level,
            checks: request.checks,
            tables: request.tables,
            source: Some(request.recorded),
            previous: request.previous,
            captured_at: request.captured_at,
        }
    }

    /// Judges the answer to a check; one that could not be had is a failure with its reason.
    pub(super) fn judge(&self, check: &Check, answer: Result<Answer, String>) -> CheckResult {
        let result = |passed, expected, actual| CheckResult {
            name: check.name.clone(),
            passed,
            expected,
            actual,
            on_fail: check.on_fail,
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => {
                let actual = expectation::shortened(&why);
                return result(false, expectation::wording(&check.expect), Some(actual));
            }
        };
        let own = answer.whole();
        let against = Against {
            captured_at: self.captured_at,
            source: match self.source {
                None => own.as_deref(),
                Some(source) => source.answers.get(&check.name).map(String::as_str),
            },
            previous: self
                .previous
                .and_then(|previous| previous.answers.get(&check.name))
                .map(String::as_str),
        };
        let judged = expectation::judge(&check.expect, &answer, &against);
        result(judged.passed, judged.expected, judged.actual)
    }

    /// Everything that was found, with what the tables imply; `rows` is `None` where they were not asked for.
    pub(super) fn found(
        &self,
        integrity: Integrity,
        checks: Vec<CheckResult>,
        rows: Option<Result<Rows, String>>,
    ) -> Result<Evidence, EngineError> {
        let mut evidence = Evidence { integrity, checks, ..Evidence::default() };
        match rows {
            None => {}
            Some(Ok(rows)) => implied::judge_tables(&Facts::new(rows, self.tables)?, self, &mut evidence)?,
            // A schema that cannot be read is damage, which integrity has reported; there is nothing to count then.
            Some(Err(message)) => {
                let why = format!("the tables cannot be listed: {message}");
                if evidence.integrity == Integrity::Sound {
                    evidence.integrity = Integrity::Unverifiable(vec![why]);
                } else {
                    evidence.warnings.push(why);
                }
            }
        }
        Ok(evidence)
    }
}

/// What was found to be damaged, cut to what is recorded.
pub(super) fn damaged(mut lines: Vec<String>) -> Integrity {
    if lines.len() > MOST_FINDINGS {
        lines.truncate(MOST_FINDINGS - 1);
        lines.push("and more".to_owned());
    }
    Integrity::Damaged(lines)
}
