//! Problems as they are found, and an end to them.

use super::{Code, Problem, Severity};
use crate::policy::Span;

/// So many problems of each severity are kept of one policy: more help nobody, and a hostile text must not be able to
/// cost time with a million of them.
const MOST: usize = 1_000;

/// What was found so far.
#[derive(Debug, Default)]
pub(in crate::policy) struct Problems {
    kept: Vec<Problem>,
    errors: usize,
    warnings: usize,
    dropped: bool,
}

/// A point in a list of problems.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy) struct Mark {
    length: usize,
    errors: usize,
    warnings: usize,
}

impl Problems {
    /// Keeps a problem, unless there are too many of its kind already.
    pub(in crate::policy) fn note(&mut self, problem: Problem) {
        if problem.code == Code::TooManyProblems {
            self.dropped = true;
            return;
        }
        let notes = self.kept.len() - self.errors - self.warnings;
        let (of_its_kind, count) = match problem.severity {
            Severity::Error => (self.errors, Some(&mut self.errors)),
            Severity::Warning => (self.warnings, Some(&mut self.warnings)),
            Severity::Note => (notes, None),
        };
        if of_its_kind == MOST {
            self.dropped = true;
            return;
        }
        if let Some(count) = count {
            *count += 1;
        }
        self.kept.push(problem);
    }

    /// Keeps an error as [`Problems::note`] does, and words it only if it is kept: the wording may be costly.
    pub(in crate::policy) fn note_error(&mut self, word: impl FnOnce() -> Problem) {
        if self.errors == MOST {
            self.dropped = true;
        } else {
            self.note(word());
        }
    }

    /// Whether nothing makes the policy invalid so far.
    pub(in crate::policy) const fn is_clean(&self) -> bool {
        self.errors == 0
    }

    pub(in crate::policy) const fn len(&self) -> usize {
        self.kept.len()
    }

    pub(in crate::policy) fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.kept.iter()
    }

    /// A point to come back to.
    pub(in crate::policy) const fn mark(&self) -> Mark {
        Mark { length: self.kept.len(), errors: self.errors, warnings: self.warnings }
    }

    /// Whether errors were found since a point.
    pub(in crate::policy) const fn is_worse_than(&self, mark: Mark) -> bool {
        self.errors > mark.errors
    }

    /// Forgets what was found since a point.
    pub(in crate::policy) fn back_to(&mut self, mark: Mark) {
        self.kept.truncate(mark.length);
        (self.errors, self.warnings) = (mark.errors, mark.warnings);
    }

    /// Drops the warnings of a code; says whether there were any.
    pub(in crate::policy) fn accept(&mut self, code: Code) -> bool {
        let before = self.kept.len();
        self.kept.retain(|problem| problem.code != code || problem.severity != Severity::Warning);
        self.warnings -= before - self.kept.len();
        before != self.kept.len()
    }

    fn of(&self, code: Code) -> impl Iterator<Item = &Problem> {
        self.kept.iter().filter(move |problem| problem.code == code)
    }

    /// All of them by place, each once.
    pub(in crate::policy) fn sorted(mut self) -> Vec<Problem> {
        // What an invisible character makes of a word says nothing beside it.
        let invisible: Vec<Span> = self.of(Code::YamlInvisible).filter_map(Problem::span).collect();
        let holds = |span: Span| invisible.iter().any(|at| span.start <= at.start && at.end <= span.end);
        self.kept.retain(|problem| problem.code == Code::YamlInvisible || !problem.span().is_some_and(holds));
        self.kept.sort_by(Problem::order);
        self.kept.dedup();
        if self.dropped {
            let message = format!("there are more problems than the first {MOST} of a kind, which are shown");
            let help = "mend those first; so many often have one cause, such as a file that is no policy";
            self.kept.push(Problem::new(Code::TooManyProblems, message, help));
        }
        self.kept
    }
}

impl Extend<Problem> for Problems {
    fn extend<T: IntoIterator<Item = Problem>>(&mut self, problems: T) {
        problems.into_iter().for_each(|problem| self.note(problem));
    }
}
