//! Document → policy: resolves names, applies defaults, and notes everything that does not hold together.
//!
//! What was unreadable is skipped, so that one run shows shape errors and errors of meaning alike. Warnings that argue
//! from something's absence are made only when everything could be read.

mod engine;
mod install;
mod job;
mod postgres;
mod query;
mod target;

use super::{
    Loaded, Source, Span, Spanned,
    document::{Map, PolicyDocument, Short, StoreDocument},
    lint::lint,
    model::{PathTemplate, Policy, Store},
    nearest::{listed, nearest},
    problem::{Code, Problem, Problems, Severity},
    values::{Name, name::Alphabet},
};
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet};

/// Collects problems while a document is lowered.
struct Lower<'a> {
    source: &'a Source,
    problems: Problems,
    /// How many names were compared to find the one that was meant.
    compared: usize,
    /// See [`Loaded::queries`].
    queries: Vec<Spanned<String>>,
    /// The targets and stores of the jobs that take all of them.
    pairs: usize,
    /// The globs of `defaults` in the jobs that they hold for.
    globs: usize,
}

/// So many targets and stores the jobs may have together that take all: what they cost is the product.
const MOST_PAIRS: usize = 100_000;

/// The names that are declared, with their places.
type Names<'d> = BTreeMap<&'d str, Span>;

/// So many names are compared for advice: ten thousand wrong ones among ten thousand would take minutes.
const MOST_COMPARED: usize = 100_000;

/// Lowers a document; `problems` are those of reading it, and come back with all others, sorted by place.
pub(super) fn lower(document: &PolicyDocument, source: Source, problems: Problems) -> Loaded {
    let mut lower = Lower { source: &source, problems, compared: 0, queries: Vec::new(), pairs: 0, globs: 0 };
    if let Some(version) = document.version.as_ref().filter(|version| version.value != 1) {
        let message =
            format!("this program reads version 1 of the language, and this is version {}", version.value);
        let help = "write `version: 1`, or use a program that knows this version";
        // Keys and values of another version would only be called unknown here.
        let problems = vec![Problem::error(Code::BadVersion, message, help).label(version.span, "")];
        return Loaded::invalid(source, problems);
    }
    let mut policy = lower.policy(document);
    if let Some(policy) = &policy {
        lower.postgres_as_a_whole(policy);
        lower.home_under_system(policy);
    }
    let allowed = lower.allowed(document);
    if let Some(policy) = policy.as_ref().filter(|_| lower.clean()) {
        lower.problems.extend(lint(policy, document));
    }
    lower.accept(&allowed);
    let valid = lower.clean();
    if let Some(policy) = &mut policy {
        policy.allow = allowed.into_iter().map(|(code, _)| code).collect();
    }
    let (problems, queries) = (lower.problems.sorted(), lower.queries);
    Loaded { policy: policy.filter(|_| valid).map(Policy::with_digest), problems, queries, source }
}

impl Lower<'_> {
    fn note(&mut self, problem: Problem) {
        self.problems.note(problem);
    }

    /// Whether everything so far could be read and understood.
    fn clean(&self) -> bool {
        self.problems.is_clean()
    }

    fn policy(&mut self, document: &PolicyDocument) -> Option<Policy> {
        let name = document.name.as_ref().and_then(|name| self.name(name, "policy", Alphabet::Plain));
        let stores = self.stores(document.stores.as_ref());
        let targets = self.targets(document.targets.as_ref());
        let jobs = self.jobs(document, &targets);
        let install = self.install(document.install.as_deref());
        let policy = Policy {
            source: self.source.clone(),
            digest: String::new(),
            name: name?,
            timezone: document.timezone.as_ref().map_or(Tz::UTC, |zone| zone.value.0),
            env_files: document.env_files.clone().unwrap_or_default(),
            stores: stores
                .into_iter()
                .map(|(name, store)| Some((name.value, store?)))
                .collect::<Option<_>>()?,
            targets: targets
                .into_iter()
                .map(|(name, target)| Some((name.value, target?)))
                .collect::<Option<_>>()?,
            jobs,
            install,
            allow: BTreeSet::new(),
        };
        Some(policy)
    }

    /// Reads a name, or says how it could be spelt.
    fn name(&mut self, written: &Spanned<String>, kind: &str, alphabet: Alphabet) -> Option<Spanned<Name>> {
        if let Some(name) = Name::parse(&written.value, alphabet) {
            return Some(Spanned::new(name, written.span));
        }
        let fits = |c: char| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || (c == '_' && alphabet == Alphabet::Target)
        };
        let lower = written.value.to_lowercase();
        let suggestion: String = lower.chars().map(|c| if fits(c) { c } else { '-' }).collect();
        let suggestion: String = suggestion.trim_matches(['-', '_']).chars().take(Name::MAX).collect();
        let rule = match alphabet {
            Alphabet::Plain => "lower-case letters, digits and `-`",
            Alphabet::Target => "lower-case letters, digits, `-` and `_`",
        };
        let message = match written.value.chars().find(|c| !fits(*c) && *c != '-') {
            _ if written.value.is_empty() => format!("the name of a {kind} must not be empty"),
            _ if written.value.len() > Name::MAX => {
                format!(
                    "the name of a {kind} has at most {} characters, and this has {}",
                    Name::MAX,
                    written.value.len()
                )
            }
            Some(bad) => format!("the name of a {kind} has {rule}, and no `{bad}`"),
            None => format!("the name of a {kind} begins with a letter or digit"),
        };
        let help = match Name::parse(&suggestion, alphabet) {
            Some(name) => format!("write `{name}`"),
            None => format!("write a name of {rule}, such as `app`"),
        };
        self.note(Problem::error(Code::BadName, message, help).label(written.span, ""));
        None
    }

    fn stores(
        &mut self,
        document: Option<&Map<Short<StoreDocument>>>,
    ) -> BTreeMap<Spanned<Name>, Option<Store>> {
        let mut stores = BTreeMap::new();
        for (key, store) in document.iter().flat_map(|map| &map.entries) {
            let Some(name) = self.name(key, "store", Alphabet::Plain) else { continue };
            let lowered = store.as_ref().and_then(|store| self.store(&name, &store.0));
            stores.insert(name, lowered);
        }
        stores
    }

    fn store(&mut self, name: &Spanned<Name>, document: &StoreDocument) -> Option<Store> {
        let path = document.path.clone()?;
        if let Some((scheme, _)) = path.value.0.as_written().split_once("://") {
            let known = matches!(scheme, "s3" | "gs" | "az" | "file");
            let message = if known {
                format!("this version of the program does not keep backups behind `{scheme}://` yet")
            } else {
                format!("there is no kind of store `{scheme}://`")
            };
            let help = "write the path of a folder, such as `~/Backups/app`; a mounted network share is a folder too";
            self.note(Problem::error(Code::UnknownScheme, message, help).label(path.span, "a URL"));
            return None;
        }
        Some(Store {
            name: name.clone(),
            path,
            min_free: document.min_free.as_ref().map(|size| size.value),
            require_mount: document.require_mount.as_ref().is_some_and(|mount| mount.value),
        })
    }

    /// A path that must not be a URL.
    fn no_url(&mut self, path: &Spanned<PathTemplate>, what: &str) -> bool {
        let url = path.value.0.as_written().contains("://");
        if url {
            let message = format!("{what} is given by its path, not by a URL");
            let help = "write the path alone, such as `../app.db` or `/srv/app/app.db`";
            self.note(Problem::error(Code::BadPath, message, help).label(path.span, "a URL"));
        }
        !url
    }

    /// Finds a declared name, or says which is the nearest.
    ///
    /// Where the declarations themselves could not be read, nothing is said about names.
    fn reference(
        &mut self,
        kind: &str,
        written: &Spanned<String>,
        known: Option<&Names<'_>>,
    ) -> Option<Name> {
        let known = known?;
        if known.contains_key(written.value.as_str()) {
            return Name::parse(&written.value, Alphabet::Target);
        }
        let compared = &mut self.compared;
        self.problems.note_error(|| {
            let names = || known.keys().copied();
            *compared += known.len();
            let near = if *compared < MOST_COMPARED { nearest(&written.value, names()) } else { None };
            let help = match near {
                Some(near) => format!("write `{near}`, or declare `{}` below `{kind}s`", written.value),
                None => format!("declare it below `{kind}s`; declared are {}", listed(names())),
            };
            let message = format!("there is no {kind} `{}`", written.value);
            let label = near.map_or("not declared".to_owned(), |near| format!("did you mean `{near}`?"));
            let problem = Problem::error(Code::UnknownReference, message, help).label(written.span, label);
            match near.and_then(|near| known.get(near)) {
                Some(declared) => problem.label(*declared, "declared here"),
                None => problem,
            }
        });
        None
    }

    /// The warnings that the policy accepts; notes what cannot be accepted.
    fn allowed<'d>(&mut self, document: &'d PolicyDocument) -> Vec<(Code, &'d Spanned<String>)> {
        let mut accepted: Vec<(Code, &Spanned<String>)> = Vec::new();
        for written in document.allow.iter().flatten() {
            match Code::parse(&written.value) {
                Some(code) if code.severity() == Severity::Warning && code != Code::UnmatchedAllowance => {
                    accepted.push((code, written));
                }
                Some(code) => {
                    let message = format!("`{code}` cannot be accepted");
                    let help = "remove it; only warnings can be accepted, and errors have to be mended";
                    self.note(
                        Problem::error(Code::BadAllowance, message, help)
                            .label(written.span, "not a warning"),
                    );
                }
                None => self.problems.note_error(|| {
                    let warnings = Code::ALL.iter().filter(|code| code.severity() == Severity::Warning);
                    let help = match nearest(&written.value, warnings.map(|code| code.as_str())) {
                        Some(near) => format!("write `{near}`"),
                        None => {
                            "write the code as the warning shows it; `policy explain` lists all".to_owned()
                        }
                    };
                    let message = format!("there is no code `{}`", written.value);
                    Problem::error(Code::BadAllowance, message, help).label(written.span, "unknown")
                }),
            }
        }
        accepted
    }

    /// Drops the warnings that the policy accepts, and tells which of them do not occur.
    fn accept(&mut self, accepted: &[(Code, &Spanned<String>)]) {
        let clean = self.clean();
        let mut seen = BTreeSet::new();
        for &(code, written) in accepted {
            if !seen.insert(code) {
                let problem = Problem::new(
                    Code::UnmatchedAllowance,
                    format!("`{code}` is accepted twice"),
                    "remove one of the two",
                );
                self.note(problem.label(written.span, "the second"));
                continue;
            }
            let occurs = self.problems.accept(code);
            if !occurs && clean && code.is_of_the_text() {
                let message = format!("`{code}` does not occur in this policy");
                let help = "remove it from `allow`, so that it cannot hide a later mistake";
                self.note(
                    Problem::new(Code::UnmatchedAllowance, message, help)
                        .label(written.span, "accepts nothing"),
                );
            }
        }
    }
}
