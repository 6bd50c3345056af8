//! Paths and globs with something in them that looks as if it were filled in, or read as two.

use super::Lint;
use crate::policy::{
    Spanned,
    model::{EngineSpec, PathTemplate, Tables, Target},
    problem::{Code, Problem},
    values::placeholder,
};
use std::ops::Range;

pub(super) fn lint(lint: &mut Lint<'_>) {
    let policy = lint.policy;
    for path in policy.paths() {
        let Some((at, message, help)) = literal(path) else { continue };
        let place = policy.source().within(path.span, path.value.0.as_written(), at);
        lint.note(Problem::new(Code::TakenLiterally, message, help).label(place, "taken as it stands"));
    }
    let globs: Vec<&Spanned<String>> = policy.targets().values().flat_map(globs).collect();
    for glob in globs {
        let Some((message, help)) = literal_glob(&glob.value) else { continue };
        lint.note(Problem::new(Code::TakenLiterally, message, help).label(glob.span, "taken as it stands"));
    }
}

/// Every glob of a target.
fn globs(target: &Target) -> Vec<&Spanned<String>> {
    let of_files: [&[_]; 2] = match &target.engine {
        EngineSpec::Directory { include, exclude, .. } => [include, exclude],
        EngineSpec::Postgres(spec) => [spec.options.exclude_table_data.as_deref().unwrap_or_default(), &[]],
        _ => [&[], &[]],
    };
    let of_tables = target.tables.iter().flat_map(Tables::globs);
    of_files.into_iter().flatten().chain(of_tables).collect()
}

/// What a glob takes literally and is hardly meant to.
fn literal_glob(glob: &str) -> Option<(String, String)> {
    if glob.trim() != glob {
        let help = format!("write \"{}\"", glob.trim());
        return Some(("this glob begins or ends with a blank, and so must the names".to_owned(), help));
    }
    // A comma between braces separates alternatives.
    if glob.contains(',') && !glob.contains('{') {
        let parts: Vec<String> = glob.split(',').map(|part| format!("\"{}\"", part.trim())).collect();
        return Some((
            format!("`{glob}` is one glob, and a comma one of its characters"),
            format!("make an item of each: {}", parts.join(", ")),
        ));
    }
    None
}

/// Whether a path means something else than it says.
pub(super) fn is_literal(path: &Spanned<PathTemplate>) -> bool {
    literal(path).is_some()
}

/// The first part of a path that is taken literally and hardly meant so.
fn literal(path: &Spanned<PathTemplate>) -> Option<(Range<usize>, String, String)> {
    let template = &path.value.0;
    let written = template.as_written();
    if written.trim() != written {
        let at = written.trim_end().len().min(written.len().saturating_sub(1));
        return Some((
            at..written.len(),
            "this path begins or ends with a blank".to_owned(),
            "remove it".to_owned(),
        ));
    }
    let unfilled = template.literals().find_map(|(start, text)| {
        let dollar = text.find('$');
        if let Some(at) =
            dollar.filter(|at| text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
        {
            let name = text[at + 1..]
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .next()
                .unwrap_or_default();
            let at = start + at..start + at + 1 + name.len();
            return Some((at, format!("`${name}` is not filled in"), format!("write `${{{name}}}`")));
        }
        if let Some(at) = dollar.filter(|at| text[at + 1..].starts_with('(')) {
            let message = "no shell reads this path, so nothing is put in for `$(…)`".to_owned();
            return Some((
                start + at..start + at + 2,
                message,
                "set a variable, and write `${NAME}`".to_owned(),
            ));
        }
        if let Some(at) = text.find('`') {
            let message = "no shell reads this path, so nothing is put in for what is between backticks";
            let help = "set a variable, and write `${NAME}`".to_owned();
            return Some((start + at..start + at + 1, message.to_owned(), help));
        }
        if let Some(at) = text.find("{{") {
            let message = "nothing fills in what is between `{{` and `}}`".to_owned();
            return Some((
                start + at..start + at + 2,
                message,
                "set a variable, and write `${NAME}`".to_owned(),
            ));
        }
        if let Some((known, at)) = placeholder::known(text).into_iter().next() {
            let message = format!("`{{{}}}` is filled into commands, not into paths", known.as_str());
            let help =
                "write the path out; each target's backups get a folder of their own anyway".to_owned();
            return Some((start + at.start..start + at.end, message, help));
        }
        if let Some(at) = text.find(['*', '?']) {
            let message = format!("`{}` is a character of this path, and matches nothing", &text[at..=at]);
            let help =
                "write one path out; a folder's files are chosen by `directory: {path: …, include: […]}`";
            return Some((start + at..start + at + 1, message, help.to_owned()));
        }
        let percent = text.match_indices('%').find(|(at, _)| {
            let rest = &text[at + 1..];
            rest.starts_with(|c: char| c.is_ascii_alphabetic())
                && !rest[1..].starts_with(|c: char| c.is_ascii_alphanumeric())
        });
        percent.map(|(at, _)| {
            let message = format!("`{}` is not filled in", &text[at..at + 2]);
            let help = "write the path out; every backup gets a dated folder of its own below it".to_owned();
            (start + at..start + at + 2, message, help)
        })
    });
    unfilled.or_else(|| foreign(written))
}

/// A path of another host or system.
fn foreign(written: &str) -> Option<(Range<usize>, String, String)> {
    let (before, after) = written.split_once(':')?;
    if before.starts_with(['/', '.', '~']) && after.starts_with('/') {
        let message = format!("this is one path with a colon in it, and not `{before}` seen as `{after}`");
        let help = format!("write the path on this host alone: `{before}`");
        return Some((before.len()..before.len() + 1, message, help));
    }
    if before.contains(['/', '$', '{']) || before.is_empty() {
        return None;
    }
    if before.len() == 1 && after.starts_with(['\\', '/']) {
        // On Windows this is how an absolute path begins.
        return None;
    }
    let message = format!("this is a file or folder called `{written}`, and not one on the host `{before}`");
    let help = "mount the other host's folder, and write where it is mounted".to_owned();
    Some((0..before.len() + 1, message, help))
}
