//! From a path as written to the place on this host, without touching it.

use super::{
    Policy, Source, Span, Spanned,
    model::{Command, EngineSpec, PathTemplate},
    problem::{Code, Problem, Severity, masked},
    values::{
        Template,
        template::{Expanded, Unset},
    },
    variables::Variables,
};
use crate::schedule::entry::Scope;
use std::path::{Component, Path, PathBuf};

/// A path on this host, and how it is spoken of there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The place: absolute, without `.` and `..`.
    pub path: PathBuf,
    /// `${DATABASE_PATH} = /srv/app/x.db (../.env:3)`; the path as written where no variable is in it. For messages on
    /// the host only: what travels shows the variable alone.
    pub shown: String,
}

/// What a path is resolved against.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The policy's text: relative paths start at its folder.
    pub source: &'a Source,
    /// The variables as this host sees them.
    pub variables: &'a Variables,
    /// The home folder, if there is one.
    pub home: Option<&'a Path>,
    /// Whose entries the policy is installed as: those of the host have no home folder.
    pub scope: Scope,
}

/// Resolves a path, or tells every reason why it cannot be, at its place in the policy.
///
/// A relative path starts at the policy's folder, never at the working directory; one that begins with a variable must
/// come out absolute or begin with `~`. `..` is taken away by name, without asking whether a folder is a link.
pub fn resolve(path: &Spanned<PathTemplate>, place: Place<'_>) -> Result<Resolved, Vec<Problem>> {
    let template = &path.value.0;
    let Expanded { text, used } = template.expand(place.variables).map_err(|unset| {
        unset
            .iter()
            .map(|unset| unset_problem(place.source, path.span, template, (unset, false)))
            .collect::<Vec<_>>()
    })?;
    let one = |problem: Problem| vec![problem.label(path.span, "")];
    let joined = match text.strip_prefix('~') {
        Some(rest) if (rest.is_empty() || rest.starts_with('/')) && place.scope == Scope::System => {
            let shown = used.first().map_or(template.as_written().to_owned(), |(name, value, origin)| {
                format!("`${{{name}}}` is `{value}` ({origin})")
            });
            let message = format!("with `scope: system` no path may begin with `~`: {shown}");
            let help = "give the variable an absolute path, so that it means the same whoever runs it";
            return Err(one(Problem::error(Code::HomeOfTheSystem, message, help)));
        }
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let home = place.home.ok_or_else(|| {
                let message = "`~` is the home folder, and here there is none";
                one(Problem::error(Code::NoHome, message, "set HOME, or write an absolute path"))
            })?;
            home.join(rest.trim_start_matches('/'))
        }
        _ if template.begins_with_variable() && !Path::new(&text).is_absolute() => {
            let shown = used.first().map_or(template.as_written().to_owned(), |(name, value, origin)| {
                format!("`${{{name}}}` is `{value}` ({origin})")
            });
            let message = format!("a path that begins with a variable must be absolute: {shown}");
            let help = "give the variable an absolute path, so that it means the same wherever it is read";
            return Err(one(Problem::error(Code::PathNotAbsolute, message, help)));
        }
        _ => place.source.folder.join(&text),
    };
    let path = normalized(&joined);
    let origins: Vec<String> = used.iter().map(|(_, _, origin)| origin.to_string()).collect();
    let shown = if used.is_empty() {
        template.as_written().to_owned()
    } else {
        format!("{} = {} ({})", template.as_written(), path.display(), origins.join(", "))
    };
    Ok(Resolved { path, shown })
}

/// A path without `.` and `..`, by name alone.
pub fn normalized(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            // Above the root is the root.
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// Every variable of the policy that has no value here, at each of its places: notes for `check` and `plan`.
///
/// What is about to be done on this host needs them, and says the same as errors:
/// `problem.with_severity(Severity::Error)`.
pub fn variable_notes(policy: &Policy, variables: &Variables) -> Vec<Problem> {
    let specs = policy.targets().values().filter_map(|target| match &target.engine {
        EngineSpec::Postgres(spec) => Some(spec.secret_variables()),
        _ => None,
    });
    let secrets: Vec<_> = specs.flatten().map(|(reference, span, _)| (span, reference.at)).collect();
    let of = |(template, span): (&Template, Span)| {
        let unset = template.expand(variables).err().unwrap_or_default();
        let told = |unset: &Unset| {
            let is_secret = secrets.contains(&(span, unset.at.clone()));
            unset_problem(policy.source(), span, template, (unset, is_secret))
        };
        unset.iter().map(told).collect::<Vec<_>>()
    };
    let mut notes: Vec<Problem> = templates(policy)
        .into_iter()
        .flat_map(of)
        .map(|problem| problem.with_severity(Severity::Note))
        .collect();
    notes.sort_by(Problem::order);
    notes.dedup();
    notes
}

/// The variables of one word of a command that have no value here, each at its place.
pub fn unset(source: &Source, word: &Spanned<Template>, variables: &Variables) -> Vec<Problem> {
    unset_as(source, word, variables, false)
}

/// The same of a secret, for which no default may stand in.
pub fn unset_secret(source: &Source, word: &Spanned<Template>, variables: &Variables) -> Vec<Problem> {
    unset_as(source, word, variables, true)
}

fn unset_as(
    source: &Source,
    word: &Spanned<Template>,
    variables: &Variables,
    is_secret: bool,
) -> Vec<Problem> {
    let unset = word.expand(variables).err().unwrap_or_default();
    unset.iter().map(|unset| unset_problem(source, word.span, word, (unset, is_secret))).collect()
}

/// Every text of a policy that may name variables, with its place.
pub fn templates(policy: &Policy) -> Vec<(&Template, Span)> {
    let targets = policy.targets().values();
    let paths = policy.paths().map(|path| (&path.value.0, path.span));
    let servers = targets.filter_map(|target| match &target.engine {
        EngineSpec::Postgres(spec) => Some(spec.templates()),
        _ => None,
    });
    let words =
        policy.commands().flat_map(|Command { argv, .. }| argv.iter().map(|word| (&word.value, word.span)));
    paths.chain(servers.flatten()).chain(words).collect()
}

/// A variable without value; for a secret no default may stand in.
pub(super) fn unset_problem(
    source: &Source,
    span: Span,
    template: &Template,
    (unset, is_secret): (&Unset, bool),
) -> Problem {
    let name = &unset.name;
    let message = format!("the variable `{name}` is not set here");
    let mut help = "set it in the environment or in one of `env_files`".to_owned();
    // No default keeps a secret.
    if !is_secret && !masked(&format!("{name}: x")).ends_with('*') {
        help = format!("{help}, or write `${{{name}:-default}}`");
    }
    Problem::error(Code::VariableUnset, message, help)
        .label(source.within(span, template.as_written(), unset.at.clone()), "not set")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::policy::variables::EnvFile;

    fn at_home(written: &str, home: Option<&str>) -> Result<Resolved, Vec<Problem>> {
        of_scope(written, home, Scope::User)
    }

    fn of_scope(written: &str, home: Option<&str>, scope: Scope) -> Result<Resolved, Vec<Problem>> {
        let source =
            Source { name: "p.yaml".into(), folder: "/srv/app/policies".into(), text: written.into() };
        let entries =
            [("DB".to_owned(), ("/srv/app/x.db".to_owned(), 3)), ("REL".to_owned(), ("x.db".to_owned(), 4))];
        let file =
            EnvFile { written: "../.env".into(), path: "/srv/app/.env".into(), entries: entries.into() };
        let process = [("DIR".into(), "/data".into()), ("HIS".into(), "~/b".into())];
        let variables = Variables::new(process.into(), vec![file]);
        let path = PathTemplate(Template::parse(written).unwrap());
        let path = Spanned::new(path, Span::new(0, written.len()));
        resolve(&path, Place { source: &source, variables: &variables, home: home.map(Path::new), scope })
    }

    fn resolved(written: &str) -> String {
        let resolved = at_home(written, Some("/home/u")).unwrap();
        format!("{} | {}", resolved.path.display(), resolved.shown)
    }

    #[test]
    fn relative_paths_start_at_the_policy_and_home_is_expanded() {
        assert_eq!(resolved("../app.db"), "/srv/app/app.db | ../app.db");
        assert_eq!(resolved("./a/../b"), "/srv/app/policies/b | ./a/../b");
        assert_eq!(resolved("/../../x"), "/x | /../../x");
        assert_eq!(resolved("~/x"), "/home/u/x | ~/x");
        assert_eq!(resolved("~"), "/home/u | ~");
        assert_eq!(resolved("files/${NO:-a}/b"), "/srv/app/policies/files/a/b | files/${NO:-a}/b");
    }

    #[test]
    fn a_variable_is_shown_with_value_and_origin() {
        assert_eq!(resolved("${DB}"), "/srv/app/x.db | ${DB} = /srv/app/x.db (../.env:3)");
        assert_eq!(resolved("${DIR}/y"), "/data/y | ${DIR}/y = /data/y (environment)");
    }

    #[test]
    fn what_cannot_be_resolved_is_told_at_its_place() {
        let code = |written: &str| {
            let problems = at_home(written, None).unwrap_err();
            problems.iter().map(|p| (p.code, p.span().unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(code("${REL}"), [(Code::PathNotAbsolute, Span::new(0, 6))]);
        assert_eq!(code("~/x"), [(Code::NoHome, Span::new(0, 3))]);
        assert_eq!(resolved("${HIS}"), "/home/u/b | ${HIS} = /home/u/b (environment)");
        let problems = of_scope("${HIS}", Some("/home/u"), Scope::System).unwrap_err();
        assert_eq!(problems[0].code, Code::HomeOfTheSystem);
        assert!(problems[0].message.ends_with("`${HIS}` is `~/b` (environment)"), "{problems:?}");
        assert_eq!(
            code("a/${X}${Y}"),
            [(Code::VariableUnset, Span::new(2, 6)), (Code::VariableUnset, Span::new(6, 10))]
        );
    }
}
