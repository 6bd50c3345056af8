//! Irreplaceable data that less is shown of than could be.

use super::{Lint, glob::covers};
use crate::policy::{
    Span,
    model::{Check, Query, Target},
    nearest::{listed, nearest},
    problem::{Code, Problem},
    values::Level,
};

use std::collections::BTreeSet;

pub(super) fn lint(lint: &mut Lint<'_>) {
    below_checks(lint);
    unchecked_tables(lint);
    near_tables(lint);
}

/// A level below `checks` leaves out what was declared for the data that cannot be made again.
fn below_checks(lint: &mut Lint<'_>) {
    let policy = lint.policy;
    for job in policy.jobs().values() {
        let Some(level) = job.verify.as_ref().filter(|level| level.value < Level::Checks) else { continue };
        let precious =
            |target: &&Target| target.tables.as_ref().is_some_and(|tables| !tables.irreplaceable.is_empty());
        let targets: Vec<&Target> =
            job.targets.iter().filter_map(|name| policy.targets().get(name)).filter(precious).collect();
        let Some(first) = targets.first() else { continue };
        let message = format!(
            "the job `{}` proves {} to `{}` only, whose tables are irreplaceable",
            job.name.value,
            listed(targets.iter().map(|target| target.name.value.as_str())),
            level.value
        );
        let help =
            "write `verify: checks`, or remove `verify`: each target is then proven as far as it can be";
        let mut problem = Problem::new(Code::BelowChecks, message, help).label(level.span, "no check runs");
        if let Some(glob) = first.tables.as_ref().and_then(|tables| tables.irreplaceable.first()) {
            problem = problem.label(glob.span, "irreplaceable");
        }
        lint.note(problem);
    }
}

/// At most so many tables are pointed at.
const MOST_LABELS: usize = 4;

/// So many globs and checks of a target are compared: more only a hostile policy has.
const MOST_GLOBS: usize = 500;

fn unchecked_tables(lint: &mut Lint<'_>) {
    for target in lint.policy.targets().values() {
        let Some(tables) = &target.tables else { continue };
        let asked: BTreeSet<String> = target.checks.iter().flat_map(names).collect();
        let unchecked: Vec<(&str, Span)> = tables
            .irreplaceable
            .iter()
            .take(MOST_GLOBS)
            .filter(|glob| !asked.iter().any(|name| is_of(&glob.value, name)))
            .map(|glob| (glob.value.as_str(), glob.span))
            .collect();
        let Some((table, _)) = unchecked.first() else { continue };
        let message = match unchecked.len() {
            1 => format!("no check looks at the irreplaceable table `{table}`"),
            n => format!("no check looks at {n} irreplaceable tables of `{}`", target.name.value),
        };
        let help = "add a check, as in `checks: [{rows: TABLE, expect: {max_drop: 0%}}]`; row counts alone are compared \
                    with the source in any case";
        let mut problem = Problem::new(Code::NoCheck, message, help);
        for (_, span) in unchecked.iter().take(MOST_LABELS) {
            problem = problem.label(*span, "no check");
        }
        lint.note(problem);
    }
}

/// A table that is in no class, and nearly one that is: the check would fail every night.
fn near_tables(lint: &mut Lint<'_>) {
    for target in lint.policy.targets().values() {
        let Some(tables) = &target.tables else { continue };
        let globs = || tables.globs().take(MOST_GLOBS);
        for check in target.checks.iter().take(MOST_GLOBS) {
            let Query::Rows(table) = &check.query else { continue };
            let name = table.to_ascii_lowercase();
            if globs().any(|glob| is_of(&glob.value, &name)) {
                continue;
            }
            let literal = globs().filter(|glob| !glob.value.contains(['*', '?', '[', '{']));
            let Some(near) = nearest(table, literal.map(|glob| glob.value.as_str())) else { continue };
            let message = format!("no class has a table `{table}`; is `{near}` meant?");
            let help = format!("write `{near}`, or put `{table}` in a class of `tables`");
            let mut problem = Problem::new(Code::NearTable, message, help)
                .label(check.query_span, format!("did you mean `{near}`?"));
            if let Some(declared) = globs().find(|glob| glob.value == near) {
                problem = problem.label(declared.span, "declared here");
            }
            lint.note(problem);
        }
    }
}

/// Whether a name, in lower case, belongs to what a glob stands for. PostgreSQL's `public` is the schema of what names none.
fn is_of(glob: &str, name: &str) -> bool {
    let plain = |name: &str| name.strip_prefix("public.").unwrap_or(name).to_owned();
    covers(&plain(&glob.to_ascii_lowercase()), &plain(name))
}

/// The words of a check that may be names of tables, in lower case.
fn names(check: &Check) -> Vec<String> {
    match &check.query {
        Query::Rows(table) => vec![table.to_ascii_lowercase()],
        Query::Sql(sql) => identifiers(&sql.to_ascii_lowercase()),
    }
}

/// The words and quoted names of a query, without its comments and texts; and two with a dot between as one.
fn identifiers(sql: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let mut found: Vec<String> = Vec::new();
    let mut rest = sql;
    // The schema before a dot.
    let mut schema: Option<String> = None;
    while let Some(c) = rest.chars().next() {
        let up_to =
            |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |n| from + n + end.len());
        let known = found.len();
        let taken = match c {
            '.' => {
                schema = found.last().cloned();
                1
            }
            '-' if rest.starts_with("--") => up_to("\n", 2),
            '/' if rest.starts_with("/*") => up_to("*/", 2),
            '\'' => up_to("'", 1),
            '"' | '`' | '[' => {
                let close = if c == '[' { "]" } else { &rest[..1] };
                let end = up_to(close, 1);
                found.push(rest[1..end].trim_end_matches(close).to_owned());
                end
            }
            c if is_word(c) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                found.push(rest[..end].to_owned());
                end
            }
            c => c.len_utf8(),
        };
        if let Some(schema) = schema.take_if(|_| c != '.')
            && let Some(table) = found.get(known).cloned()
        {
            found.push(format!("{schema}.{table}"));
        }
        rest = &rest[taken..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::identifiers;

    #[test]
    fn names_of_a_query_are_its_words_and_what_is_quoted_like_a_name() {
        for (sql, expected) in [
            ("select 1 from \"order-lines\"", &["select", "1", "from", "order-lines"][..]),
            ("select 'orders' -- orders\n from [a b]", &["select", "from", "a b"]),
            ("/* orders */ `x`", &["x"]),
            ("\"open", &["open"]),
            ("from audit.\"logs\" a", &["from", "audit", "logs", "audit.logs", "a"]),
        ] {
            assert_eq!(identifiers(sql), expected, "{sql}");
        }
    }
}
