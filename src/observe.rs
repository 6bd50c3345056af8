//! Policy and host in, world out: every source and store resolved to a place of this host, or why it cannot be.
//! Reads, and makes nothing.
#![expect(clippy::disallowed_methods, reason = "env files are read from this host")]

pub mod bind;
pub mod site;

use crate::{
    engines::{Engine, EngineError, sqlite::syntax::Syntax},
    fault::Fault,
    host::Host,
    plan::{Action, Step},
    policy::{
        Policy, Source, env_file,
        model::{Command, EngineSpec, PathTemplate, Store, Target},
        paths::{self, Place, Resolved},
        problem::{Code, Problem},
        span::Spanned,
        values::Name,
        variables::{EnvFile, Variables},
    },
    store::local::LocalStore,
};
use bind::AtHand;
use std::{
    cell::LazyCell,
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// A policy's sources and stores on this host.
pub struct World<'a> {
    /// The host.
    pub host: &'a Host,
    /// The policy.
    pub policy: &'a Policy,
    /// Its variables.
    pub variables: Variables,
    /// Its targets by name.
    pub sources: BTreeMap<Name, Result<SourceView, Unknown>>,
    /// Its stores by name.
    pub stores: BTreeMap<Name, Result<StoreView, Unknown>>,
}

/// A target's source on this host.
pub struct SourceView {
    /// Its engine, bound to its place.
    pub engine: Box<dyn Engine>,
    /// Its place: a path, or what stands for it where it has none.
    pub path: PathBuf,
    /// Its place as written, followed by the variables' values and origins; for messages on this host.
    pub shown: String,
    /// The origin of its backups.
    pub origin: String,
    /// Where restores are tried, if the policy says.
    pub scratch: Option<PathBuf>,
}

/// A store on this host.
pub struct StoreView {
    /// The store.
    pub store: LocalStore,
    /// Its folder.
    pub path: PathBuf,
    /// Its place as written, followed by the variables' values and origins.
    pub shown: String,
}

/// Why something cannot be seen from here.
#[derive(Debug)]
pub enum Unknown {
    /// Its path cannot be resolved; each problem at its place.
    Unresolved(Vec<Problem>),
    /// The host cannot say who it is.
    Machine(Fault),
    /// The engine refuses what the policy says of it.
    Engine(EngineError),
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unresolved(problems) => {
                let messages: Vec<_> = problems.iter().map(|problem| problem.message.as_str()).collect();
                f.write_str(&messages.join("; "))
            }
            Self::Machine(fault) => fault.fmt(f),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

/// Reads a policy's dotenv files, those that are there, and joins them with the process environment.
///
/// # Errors
/// The problems of files that are there and cannot be used, each at its place.
pub fn variables(host: &Host, policy: &Policy) -> Result<Variables, Vec<Problem>> {
    // The files' own paths are told by the process environment alone: they cannot define where they lie.
    let process = Variables::new(host.environment.clone(), Vec::new());
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for written in policy.env_files() {
        let path = match resolve(host, policy, &process, written) {
            Ok(resolved) => resolved.path,
            Err(found) => {
                problems.extend(found);
                continue;
            }
        };
        let name = written.value.0.as_written();
        match read_env_file(&path) {
            Ok(text) => match env_file::parse(&text) {
                Ok(entries) => files.push(EnvFile { written: name.to_owned(), path, entries }),
                Err(bad) => {
                    let bad = bad.iter().map(|bad| bad.problem(name).label(written.span, "read here"));
                    problems.extend(bad);
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let message = format!("{name} cannot be read: {error}");
                let help = match error.kind() {
                    io::ErrorKind::PermissionDenied => {
                        "make it readable for the user who runs this, or take it out of `env_files`"
                    }
                    io::ErrorKind::InvalidData => "save it as UTF-8 text, or take it out of `env_files`",
                    _ => "name a file of `NAME=value` lines, or take it out of `env_files`",
                };
                problems
                    .push(Problem::error(Code::BadEnvFile, message, help).label(written.span, "read here"));
            }
        }
    }
    if problems.is_empty() { Ok(Variables::new(host.environment.clone(), files)) } else { Err(problems) }
}

/// Longest env file that is read.
const MOST_ENV_BYTES: u64 = 1 << 20;

/// Reads an env file; what is no file, or endless, is refused before it can hold anybody up.
fn read_env_file(path: &Path) -> io::Result<String> {
    let metadata = fs::metadata(path)?;
    let refused = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if !metadata.is_file() {
        return refused("it is no file");
    }
    if metadata.len() > MOST_ENV_BYTES {
        return refused("it is larger than 1 MiB");
    }
    let mut text = String::new();
    fs::File::open(path)?.take(MOST_ENV_BYTES).read_to_string(&mut text)?;
    if text.contains('\0') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "there is a NUL byte in it"));
    }
    Ok(text)
}

fn resolve(
    host: &Host,
    policy: &Policy,
    variables: &Variables,
    path: &Spanned<PathTemplate>,
) -> Result<Resolved, Vec<Problem>> {
    let (home, scope) = (host.home.as_deref(), policy.install().scope());
    paths::resolve(path, Place { source: policy.source(), variables, home, scope })
}

impl<'a> World<'a> {
    /// Resolves every source and store of a policy.
    ///
    /// # Errors
    /// The problems of the policy's env files.
    pub fn observe(host: &'a Host, policy: &'a Policy) -> Result<Self, Vec<Problem>> {
        let variables = variables(host, policy)?;
        let sources = policy
            .targets()
            .iter()
            .map(|(name, target)| (name.clone(), source_view(host, policy, &variables, target)))
            .collect();
        let stores = policy
            .stores()
            .iter()
            .map(|(name, store)| (name.clone(), store_view(host, policy, &variables, store)))
            .collect();
        Ok(Self { host, policy, variables, sources, stores })
    }

    /// Every problem that keeps a run from starting: unset variables, paths that cannot be resolved, for the targets
    /// and stores that a plan uses, and the words of the commands it calls.
    pub fn problems(&self, plan: &crate::plan::Plan) -> Vec<Problem> {
        let mut problems = Vec::new();
        let uses_target =
            |name: &Name| plan.steps.iter().any(|step| step.target.as_deref() == Some(name.as_str()));
        let uses_store =
            |name: &Name| plan.steps.iter().any(|step| step.store.as_deref() == Some(name.as_str()));
        let targets = self
            .sources
            .iter()
            .filter(|(name, _)| uses_target(name))
            .filter_map(|(_, view)| view.as_ref().err());
        let stores = self
            .stores
            .iter()
            .filter(|(name, _)| uses_store(name))
            .filter_map(|(_, view)| view.as_ref().err());
        for unknown in targets.chain(stores) {
            if let Unknown::Unresolved(found) = unknown {
                problems.extend(found.iter().cloned());
            }
        }
        for step in &plan.steps {
            for word in self.commands(step).iter().flat_map(|command| &command.argv) {
                problems.extend(paths::unset(self.policy.source(), word, &self.variables));
            }
        }
        problems.extend(self.stores_in_targets(false));
        problems.sort_by(Problem::order);
        problems.dedup();
        problems
    }

    /// The commands that a step calls, or may call.
    fn commands(&self, step: &Step) -> Vec<Command> {
        match &step.action {
            Action::Hook { command, .. } => vec![command.clone()],
            Action::Capture { .. } => {
                let job = self.policy.jobs().get(step.job.as_str());
                let target = step.target.as_deref().and_then(|name| self.policy.targets().get(name));
                let engine = job.zip(target).map(|(job, target)| job.engine(target));
                engine.iter().flat_map(EngineSpec::commands).cloned().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The stores that lie inside what a target's capture reads; with `written_only`, those alone that the policy's text
    /// decides, without a variable.
    pub fn stores_in_targets(&self, written_only: bool) -> Vec<Problem> {
        let is_text = |path: &Spanned<PathTemplate>| path.value.0.references().next().is_none();
        let mut by_place: BTreeMap<&Path, Vec<(&Name, &Target, &SourceView)>> = BTreeMap::new();
        for (name, target) in self.policy.targets() {
            if let Some(Ok(source)) = self.sources.get(name) {
                by_place.entry(&source.path).or_default().push((name, target, source));
            }
        }
        let mut problems = Vec::new();
        for (store_name, store) in self.policy.stores() {
            let Some(Ok(view)) = self.stores.get(store_name) else { continue };
            let around = view.path.ancestors().filter_map(|place| by_place.get(place));
            for (target_name, target, source) in around.flatten() {
                let decided =
                    !written_only || is_text(&store.path) && target.engine.path().is_some_and(is_text);
                if decided && source.engine.reads(&view.path) {
                    let message = format!("the store `{store_name}` lies inside the target `{target_name}`");
                    let help = "put the store elsewhere, or leave it out with the target's `exclude`: every backup would \
                                hold all the earlier ones";
                    let problem = Problem::error(Code::StoreInTarget, message, help)
                        .label(store.path.span, "this store")
                        .label(target.engine.span(), "lies in this folder");
                    problems.push(problem);
                }
            }
        }
        problems
    }

    /// The stores that lie in a folder under version control.
    pub fn stores_in_repositories(&self) -> Vec<Problem> {
        const MARKS: [&str; 4] = [".git", ".hg", ".jj", ".svn"];
        let is_versioned = |folder: &Path| {
            folder.ancestors().any(|around| MARKS.iter().any(|mark| around.join(mark).exists()))
        };
        let mut problems = Vec::new();
        for (name, store) in self.policy.stores() {
            let Some(Ok(view)) = self.stores.get(name) else { continue };
            if is_versioned(&view.path) {
                let message = format!("the store `{name}` lies in a folder under version control");
                let help = "put it elsewhere, as in `~/Backups/app`: backups do not belong into commits, and a clean-up of the \
                            repository would delete them";
                problems.push(
                    Problem::new(Code::StoreInRepository, message, help)
                        .label(store.path.span, "inside a repository"),
                );
            }
        }
        problems
    }

    /// A source's place in the policy: file, line and column, from 1.
    pub fn place_of_source(&self, target: &str) -> String {
        let source = self.policy.source();
        match self.policy.targets().get(target) {
            Some(target) => source.place(target.engine.span()),
            None => source.name.clone(),
        }
    }
}

/// Words with the source as it is written and resolved, which they may name already.
pub fn with_source(said: &str, shown: &str) -> String {
    // `${DATABASE_PATH} = /srv/app/x.db (../.env:3)`, or the place as it is written.
    let resolved = shown.split_once(" = ").and_then(|(_, rest)| Some(rest.rsplit_once(" (")?.0));
    match resolved {
        Some(value) if said.contains(value) => said.replacen(value, shown, 1),
        None if said.contains(shown.trim_start_matches("./").trim_start_matches("../")) => said.to_owned(),
        _ => format!("{said} [{shown}]"),
    }
}

/// The queries that SQLite could never answer, whatever the tables.
pub fn queries_never_answered(source: &Source, queries: &[Spanned<String>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    // Opened for the first query: most policies have none, and `check` is called all day.
    let syntax = LazyCell::new(Syntax::new);
    for Spanned { value: sql, span } in queries {
        let Some(never) = syntax.as_ref().and_then(|syntax| syntax.never_answered(sql)) else { continue };
        let place = match never.at {
            Some(at) => {
                let word =
                    sql[at..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(sql.len() - at);
                source.within(*span, sql, at..at + word.max(1).min(sql.len() - at))
            }
            None => *span,
        };
        let message = format!("SQLite cannot read this query: {}", never.message);
        let help =
            "correct the SQL; a check is one query that only reads, as in `SELECT count(*) FROM orders`";
        problems.push(Problem::error(Code::NotAQuery, message, help).label(place, ""));
    }
    problems
}

fn source_view(
    host: &Host,
    policy: &Policy,
    variables: &Variables,
    target: &Target,
) -> Result<SourceView, Unknown> {
    let at_hand = AtHand { host, policy, variables };
    let (place, shown, source) = match (&target.engine, target.engine.path()) {
        (_, Some(path)) => {
            let resolved = resolve(host, policy, variables, path).map_err(Unknown::Unresolved)?;
            (resolved.path.clone(), resolved.shown, bind::Source::Path(resolved.path))
        }
        // A database of a server is known by what two spellings of its URL have in common.
        (EngineSpec::Postgres(spec), None) => {
            let bound = bind::postgres(spec, target.name.as_str(), at_hand).map_err(Unknown::Unresolved)?;
            let (postgres, url) = bound;
            (PathBuf::from(url.connection.key()), url.shown, bind::Source::Database(Box::new(postgres)))
        }
        // A command has no place; it is known by its words.
        (engine, None) => (PathBuf::from(engine.source()), engine.source(), bind::Source::Command),
    };
    let scratch = match &target.scratch {
        Some(written) => Some(resolve(host, policy, variables, written).map_err(Unknown::Unresolved)?.path),
        None => None,
    };
    let origin = host.origin(&place).map_err(Unknown::Machine)?;
    let engine = bind::engine(&target.engine, source).map_err(Unknown::Engine)?;
    Ok(SourceView { engine, path: place, shown, origin, scratch })
}

fn store_view(
    host: &Host,
    policy: &Policy,
    variables: &Variables,
    store: &Store,
) -> Result<StoreView, Unknown> {
    let resolved = resolve(host, policy, variables, &store.path).map_err(Unknown::Unresolved)?;
    let opened = LocalStore::new(store.name.as_str(), resolved.path.clone(), store.require_mount);
    Ok(StoreView { store: opened, path: resolved.path, shown: resolved.shown })
}

#[cfg(test)]
mod tests {
    use super::with_source;

    #[test]
    fn a_source_is_named_once() {
        let shown = "${DB} = /srv/x.db (../.env:3)";
        assert_eq!(
            with_source("/srv/x.db does not exist", shown),
            "${DB} = /srv/x.db (../.env:3) does not exist"
        );
        assert_eq!(with_source("it is empty", shown), "it is empty [${DB} = /srv/x.db (../.env:3)]");
        assert_eq!(with_source("/srv/x.db does not exist", "../x.db"), "/srv/x.db does not exist");
        assert_eq!(with_source("permission denied", "x.db"), "permission denied [x.db]");
        let url = "postgresql://h/d";
        assert_eq!(
            with_source("cannot reach postgresql://h/d: no", url),
            "cannot reach postgresql://h/d: no"
        );
    }
}
