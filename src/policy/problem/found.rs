//! Problems as they are found, and an end to them.

use super::{Code, Problem, Severity};
use crate::policy::Span;

/// So many errors are kept of one policy, and so many warnings: more help nobody, and a hostile text must not be able to
/// cost time with a million of them.
const MOST: usize = 1_000;

/// What was found so far.
#[derive(Debug, Default)]
pub(in crate::policy) struct Problems {
    kept: Vec<Problem>,
    errors: usize,
    dropped: bool,
}

impl Problems {
    /// Keeps a problem, unless there are too many of its kind already.
    pub(in crate::policy) fn note(&mut self, problem: Problem) {
        let of_its_kind = if problem.is_error() { self.errors } else { self.kept.len() - self.errors };
        if of_its_kind == MOST {
            self.dropped = true;
            return;
        }
        self.errors += usize::from(problem.is_error());
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
    pub(in crate::policy) const fn mark(&self) -> (usize, usize) {
        (self.kept.len(), self.errors)
    }

    /// Whether errors were found since a point.
    pub(in crate::policy) const fn is_worse_than(&self, mark: (usize, usize)) -> bool {
        self.errors > mark.1
    }

    /// Forgets what was found since a point.
    pub(in crate::policy) fn back_to(&mut self, (length, errors): (usize, usize)) {
        self.kept.truncate(length);
        self.errors = errors;
    }

    /// Drops the warnings of a code; says whether there were any.
    pub(in crate::policy) fn accept(&mut self, code: Code) -> bool {
        let before = self.kept.len();
        self.kept.retain(|problem| problem.code != code || problem.severity != Severity::Warning);
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
