//! Lints: a policy that is valid, and probably not what is meant.
//!
//! Pure judgements of the text; what needs a look at this host is in [`observe`](crate::observe). They are made only of
//! policies without errors, because most of them argue from something's absence. Each has a code that `allow` accepts.

mod commands;
mod glob;
mod install;
mod keep;
mod names;
mod paths;
mod places;
mod postgres;
mod proof;
mod shells;
mod tables;
mod times;

pub(super) use glob::covers;

use super::{
    Policy, Problem, Span,
    document::{DefaultsDocument, JobDocument, PolicyDocument},
    model::Command,
    values::Name,
};
use std::collections::BTreeMap;

/// Everything that is worth a warning.
pub(super) fn lint(policy: &Policy, document: &PolicyDocument) -> Vec<Problem> {
    let jobs = document.jobs.iter().flat_map(|jobs| &jobs.entries);
    let none = DefaultsDocument::default();
    let mut lint = Lint {
        policy,
        document,
        jobs: jobs.filter_map(|(name, job)| Some((name.value.as_str(), job.as_ref()?))).collect(),
        defaults: document.defaults.as_ref().unwrap_or(&none),
        problems: Vec::new(),
    };
    names::lint(&mut lint);
    places::lint(&mut lint);
    tables::lint(&mut lint);
    paths::lint(&mut lint);
    commands::lint(&mut lint);
    shells::lint(&mut lint);
    times::lint(&mut lint);
    keep::lint(&mut lint);
    proof::lint(&mut lint);
    postgres::lint(&mut lint);
    install::lint(&mut lint);
    lint.problems
}

/// A policy under judgement, and the places of what it means.
struct Lint<'a> {
    policy: &'a Policy,
    document: &'a PolicyDocument,
    jobs: BTreeMap<&'a str, &'a JobDocument>,
    defaults: &'a DefaultsDocument,
    problems: Vec<Problem>,
}

impl<'a> Lint<'a> {
    /// Every command of the policy.
    fn commands(&self) -> Vec<&'a Command> {
        self.policy.commands().collect()
    }

    fn note(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Where a setting of a job stands: in the job, or in `defaults`.
    fn place(
        &self,
        job: &Name,
        setting: impl Fn(&JobDocument) -> Option<Span>,
        shared: Option<Span>,
    ) -> Option<Span> {
        self.jobs.get(job.as_str()).and_then(|job| setting(job)).or(shared)
    }
}
