//! `check` and `explain`.

use super::{
    args::{Check, Deny, Explain, Format},
    error::CliError,
    output::{self, ERROR, GOOD, WARNING, paint},
    session::Session,
};
use crate::{
    observe::{self, World},
    policy::{Code, Loaded, Problem, Severity, nearest, paths, problem::pages},
};
use schemars::JsonSchema;
use serde::Serialize;

/// What `check --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    /// The policy files read.
    policies: Vec<String>,
    /// What was found, by file and place.
    problems: Vec<Found>,
}

/// A problem at its place; lines and columns count from 1, columns in Unicode scalar values.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    code: String,
    severity: Severity,
    message: String,
    help: String,
    file: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    related: Vec<Related>,
}

/// Another place that a problem is about.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Related {
    message: String,
    line: usize,
    column: usize,
}

pub(crate) fn check(session: &Session, args: &Check) -> Result<u8, CliError> {
    let mut loaded = session.load(&args.files)?;
    for one in &mut loaded {
        add_notes(session, one);
    }
    let count =
        |severity| loaded.iter().flat_map(|one| &one.problems).filter(|p| p.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if session.global.json || args.format == Format::Json {
        output::print_json(&report(&loaded))?;
    } else {
        for one in &loaded {
            let mut problems = one.problems.clone();
            if session.global.quiet {
                problems.retain(|problem| problem.severity == Severity::Error);
            }
            session.tell_problems(&problems, Some(&one.source));
        }
        if !session.global.quiet {
            output::print(&summary(&loaded, errors, warnings))?;
        }
    }
    let denied = args.deny == Some(Deny::Warnings) && warnings > 0;
    if errors > 0 {
        Err(CliError::told(2, format!("{} in {}", plural(errors, "error"), plural(loaded.len(), "policy"))))
    } else if denied {
        Err(CliError::told(2, format!("{}, and warnings are denied", plural(warnings, "warning"))))
    } else {
        Ok(0)
    }
}

/// What this machine adds: variables that have no value here. Env files are read for the presence of names only.
fn add_notes(session: &Session, one: &mut Loaded) {
    let Some(policy) = &one.policy else { return };
    match observe::variables(&session.host, policy) {
        Ok(variables) => one.problems.extend(paths::variable_notes(policy, &variables)),
        Err(found) => one.problems.extend(found.into_iter().map(|problem| {
            // A reviewer's machine may lack what an env file's path needs; the file itself must be readable.
            if problem.code == Code::BadEnvFile { problem } else { problem.with_severity(Severity::Note) }
        })),
    }
    if let Ok(world) = World::observe(&session.host, policy) {
        one.problems.extend(world.stores_in_targets(true));
    }
    one.problems.sort_by(Problem::order);
    one.problems.dedup();
}

fn summary(loaded: &[Loaded], errors: usize, warnings: usize) -> String {
    let files = plural(loaded.len(), "policy");
    let warned = if warnings > 0 {
        format!(", {}", paint(WARNING, plural(warnings, "warning")))
    } else {
        String::new()
    };
    if errors > 0 {
        format!("{files}: {}{warned}\n", paint(ERROR, plural(errors, "error")))
    } else {
        format!("{files}: {}{warned}\n", paint(GOOD, "valid"))
    }
}

fn plural(count: usize, noun: &str) -> String {
    match (count, noun) {
        (1, _) => format!("1 {noun}"),
        (_, "policy") => format!("{count} policies"),
        _ => format!("{count} {noun}s"),
    }
}

fn report(loaded: &[Loaded]) -> Report {
    let mut problems = Vec::new();
    for one in loaded {
        for problem in &one.problems {
            let span = problem.span().unwrap_or_default();
            let (line, column) = one.source.position(span.start);
            let (end_line, end_column) = one.source.position(span.end);
            let related = problem.labels.iter().skip(1).map(|label| {
                let (line, column) = one.source.position(label.span.start);
                Related { message: label.text.clone(), line, column }
            });
            problems.push(Found {
                code: problem.code.as_str().to_owned(),
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
    Report { policies: loaded.iter().map(|one| one.source.name.clone()).collect(), problems }
}

pub(crate) fn explain(session: &Session, args: &Explain) -> Result<u8, CliError> {
    let Some(wanted) = &args.code else {
        if session.global.json {
            let codes: Vec<_> = Code::ALL
                .iter()
                .map(|code| serde_json::json!({"code": code.as_str(), "summary": code.summary(), "severity": code.severity()}))
                .collect();
            return output::print_json(&codes);
        }
        let rows: Vec<_> =
            Code::ALL.iter().map(|code| vec![code.as_str().to_owned(), code.summary().to_owned()]).collect();
        return output::print(&output::table(&rows));
    };
    let Some(code) = Code::ALL
        .iter()
        .find(|code| code.as_str() == wanted || code.as_str().ends_with(&format!("::{wanted}")))
    else {
        let near = nearest::nearest(wanted, Code::ALL.iter().map(|code| code.as_str()));
        let help = near.map_or_else(
            || "`policy explain` lists them".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(CliError::unknown(format!("there is no code `{wanted}`")).help(help));
    };
    if session.global.json {
        return output::print_json(
            &serde_json::json!({"code": code.as_str(), "page": pages::page(code.as_str()).unwrap_or_default()}),
        );
    }
    output::print(&format!("{}\n", pages::page(code.as_str()).unwrap_or_default()))
}
