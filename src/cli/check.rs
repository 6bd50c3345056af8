//! `check`.

mod github;
mod report;
mod sarif;

use super::{
    args::{Check, Deny, Format},
    error::CliError,
    output::{self, ERROR, GOOD, WARNING, paint},
    session::Session,
};
use crate::{
    observe::{World, queries_never_answered},
    policy::{Code, Loaded, Problem, Severity, paths},
};
pub(crate) use report::Report;

pub(crate) fn check(session: &Session, args: &Check) -> Result<u8, CliError> {
    // Files named behind the command join those of `--policy`.
    let files =
        if args.files.is_empty() { Vec::new() } else { [&*session.global.policy, &*args.files].concat() };
    let mut loaded = session.load(&files)?;
    for one in &mut loaded {
        look_around(session, one);
    }
    let count =
        |severity| loaded.iter().flat_map(|one| &one.problems).filter(|p| p.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let denied = args.deny == Some(Deny::Warnings) && warnings > 0;
    let format = if session.global.json { Format::Json } else { args.format };
    match format {
        Format::Human => tell(session, &loaded, errors, warnings, denied)?,
        Format::Json => output::print_json(&Report::of(&loaded))?,
        Format::Github => output::print(&github::annotations(&Report::of(&loaded)))?,
        Format::Sarif => output::print_json(&sarif::log(&Report::of(&loaded)))?,
    };
    if errors > 0 {
        Err(CliError::told(2, format!("{} in {}", plural(errors, "error"), plural(loaded.len(), "policy"))))
    } else if denied {
        Err(CliError::told(2, format!("{}, and warnings are denied", plural(warnings, "warning"))))
    } else {
        Ok(0)
    }
}

/// What this machine adds: variables without a value here, stores inside what they keep or under version control. Env
/// files are read for the presence of names only.
fn look_around(session: &Session, one: &mut Loaded) {
    let mut found = queries_never_answered(&one.source, &one.queries);
    let Some(policy) = &one.policy else { return one.add(found) };
    match World::observe(&session.host, policy) {
        Ok(world) => {
            found.extend(paths::variable_notes(policy, &world.variables));
            found.extend(world.stores_in_targets(true));
            if !policy.allows(Code::StoreInRepository) {
                // What the text alone says about a store is said already.
                let said =
                    |problem: &Problem| one.problems.iter().any(|other| other.span() == problem.span());
                found.extend(world.stores_in_repositories().into_iter().filter(|problem| !said(problem)));
            }
        }
        Err(problems) => found.extend(problems.into_iter().map(|problem| {
            // A reviewer's machine may lack what an env file's path needs; the file itself must be readable.
            if problem.code == Code::BadEnvFile { problem } else { problem.with_severity(Severity::Note) }
        })),
    }
    one.add(found);
}

/// Draws the problems for people, and sums up.
fn tell(
    session: &Session,
    loaded: &[Loaded],
    errors: usize,
    warnings: usize,
    denied: bool,
) -> Result<u8, CliError> {
    for one in loaded {
        let mut problems = one.problems.clone();
        if session.global.quiet {
            // What makes the call fail is told all the same.
            let fails = |severity| severity == Severity::Error || denied && severity == Severity::Warning;
            problems.retain(|problem| fails(problem.severity));
        }
        session.tell_problems(&problems, Some(&one.source));
    }
    if session.global.quiet {
        return Ok(0);
    }
    let files = plural(loaded.len(), "policy");
    let warned = match warnings {
        0 => String::new(),
        _ if denied => format!(", {}, and warnings are denied", paint(WARNING, plural(warnings, "warning"))),
        _ => format!(", {}", paint(WARNING, plural(warnings, "warning"))),
    };
    let verdict = if errors > 0 { paint(ERROR, plural(errors, "error")) } else { paint(GOOD, "valid") };
    output::print(&format!("{files}: {verdict}{warned}\n"))
}

fn plural(count: usize, noun: &str) -> String {
    match (count, noun) {
        (1, _) => format!("1 {noun}"),
        (_, "policy") => format!("{count} policies"),
        _ => format!("{count} {noun}s"),
    }
}
