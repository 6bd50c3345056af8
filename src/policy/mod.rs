//! The language: text → document → policy, and everything that can be wrong with it.

pub mod span;
pub mod values;
pub mod yaml;

mod document;

pub mod model;

mod digest;
mod lint;
mod lower;

pub mod env_file;
pub mod nearest;
pub mod paths;
pub mod problem;
pub mod schema;
pub mod urls;
pub mod variables;

pub use model::Policy;
pub use problem::{Code, Problem, Severity};
pub use span::{Span, Spanned};

use problem::Problems;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The text of one policy file, for drawing.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file's path as the user named it; shown in messages.
    pub name: String,
    /// The folder that relative paths belong to, absolute.
    pub folder: PathBuf,
    /// The text, without BOM; spans are byte offsets into it.
    pub text: Arc<str>,
}

/// What became of a policy's text.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The text, for drawing the problems.
    pub source: Source,
    /// The policy, when nothing is wrong with it that makes it invalid.
    pub policy: Option<Policy>,
    /// Everything that was found, by place: errors and warnings.
    pub problems: Vec<Problem>,
    /// The SQL that SQLite databases are asked, also of a policy that is invalid otherwise.
    pub queries: Vec<Spanned<String>>,
}

impl Loaded {
    /// A file of which not even the bytes could be had; `why` is the system's reason.
    pub fn unreadable(name: &str, folder: &Path, why: &str) -> Self {
        let message = format!("cannot read this file: {why}");
        let help = "check the name; a folder stands for the `.yaml` and `.yml` files in it";
        let source = Source { name: name.to_owned(), folder: folder.to_owned(), text: "".into() };
        Self::invalid(source, vec![Problem::error(Code::Unreadable, message, help)])
    }

    /// A text that no policy came of.
    fn invalid(source: Source, problems: Vec<Problem>) -> Self {
        Self { source, policy: None, problems, queries: Vec::new() }
    }

    /// Adds what a look at the host found.
    pub fn add(&mut self, found: impl IntoIterator<Item = Problem>) {
        let mut problems = Problems::default();
        problems.extend(std::mem::take(&mut self.problems));
        problems.extend(found);
        self.problems = problems.sorted();
        self.hide_secrets();
    }

    /// What is masked in the drawing of the text stands in no words about it either.
    fn hide_secrets(&mut self) {
        if self.problems.is_empty() {
            return;
        }
        let secrets = problem::secrets(&self.source.text);
        if !secrets.is_empty() {
            self.problems.iter_mut().for_each(|problem| problem.hide(&secrets));
        }
    }
}

/// Reads a policy from the bytes of its file; pure, so the same bytes always load the same.
///
/// `name` is the file as the user named it, `folder` the absolute folder that it lies in.
pub fn load(name: &str, folder: &Path, bytes: &[u8]) -> Loaded {
    let mut loaded = read(name, folder, bytes);
    loaded.hide_secrets();
    loaded
}

fn read(name: &str, folder: &Path, bytes: &[u8]) -> Loaded {
    let source = |text: &str| Source { name: name.to_owned(), folder: folder.to_owned(), text: text.into() };
    let text = match yaml::decode(bytes) {
        Ok(text) => text,
        Err((shown, problem)) => {
            let (source, problems) = (source(&shown), vec![problem]);
            return Loaded::invalid(source, problems);
        }
    };
    let source = source(text);
    let (root, mut problems) = yaml::read_on(text);
    let Some(root) = root.filter(|root| !root.is_null()) else {
        if problems.len() == 0 {
            let help = "`policy explain missing_key` shows the smallest policy there is";
            problems.note(Problem::error(Code::MissingKey, "this file holds no policy", help));
        }
        return Loaded::invalid(source, problems.sorted());
    };
    let mut reader = document::Reader::new(text, problems);
    let document = <document::PolicyDocument as document::Read>::read(&root, &mut reader);
    // A large policy is not to be held three times over.
    drop(root);
    match document {
        Some(document) => lower::lower(&document, source, reader.problems),
        None => Loaded::invalid(source, reader.problems.sorted()),
    }
}

/// Policies that are loaded together must differ in name, because backups are filed under it.
///
/// Gives each policy whose name an earlier one has, by its place in the list, with the problem.
pub fn repeated_names(policies: &[&Policy]) -> Vec<(usize, Problem)> {
    let mut first: BTreeMap<&values::Name, String> = BTreeMap::new();
    let mut repeated = Vec::new();
    for (n, policy) in policies.iter().enumerate() {
        if let Some(other) = first.get(policy.name()) {
            let message = format!("the policy `{}` is also declared in {other}", policy.name());
            let help = "give one of them another name; backups are filed under it";
            repeated
                .push((n, Problem::error(Code::RepeatedPolicy, message, help).label(policy.name.span, "")));
        } else {
            first.insert(policy.name(), policy.source().place(policy.name.span));
        }
    }
    repeated
}
