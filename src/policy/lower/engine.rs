//! The engine of a target: exactly one, and how it is captured.

use super::Lower;
use crate::policy::{
    Span, Spanned,
    document::{
        CommandDocument, DirectoryDocument, DuckdbDocument, RungDocument, SqliteDocument, TargetDocument,
        Words,
    },
    model::{CommandSpec, DuckdbFormat, DuckdbOptions, EngineSpec},
    problem::{Code, Problem},
};

impl Lower<'_> {
    pub(super) fn engine(&mut self, key: &Spanned<String>, document: &TargetDocument) -> Option<EngineSpec> {
        let mut written = written(document);
        match (written.next(), written.next()) {
            (Some((_, first)), Some((_, second))) => {
                let message = format!("the target `{}` has two engines", key.value);
                let help = "keep one, and make a target of its own of the other";
                self.note(
                    Problem::error(Code::ExactlyOne, message, help)
                        .label(first.max(second), "the second")
                        .label(first.min(second), "the first"),
                );
                None
            }
            (None, _) => {
                // An unknown engine was reported as the unknown key it is.
                if !self.has_unread_key(document.span) {
                    let message = format!("the target `{}` does not say what it protects", key.value);
                    let help = "add `sqlite: PATH`, `duckdb: PATH`, `postgres: URL`, `command: {dump: […]}` or `directory: PATH`";
                    self.note(
                        Problem::error(Code::ExactlyOne, message, help).label(key.span, "has no engine"),
                    );
                }
                None
            }
            (Some(("sqlite", _)), None) => {
                let SqliteDocument { path, .. } = &document.sqlite.as_ref()?.0;
                let path = path.clone()?;
                self.no_url(&path, "a SQLite database").then_some(EngineSpec::Sqlite { path })
            }
            (Some(("duckdb", place)), None) => {
                if !cfg!(feature = "duckdb") {
                    self.absent("duckdb", place);
                }
                let DuckdbDocument { path, when_locked, format, keys, .. } = &document.duckdb.as_ref()?.0;
                let options = self.duckdb(when_locked.as_ref(), keys.get("when_locked"), format.as_ref());
                let path = path.clone()?;
                self.no_url(&path, "a DuckDB database").then_some(EngineSpec::Duckdb { path, options })
            }
            (Some(("postgres", _)), None) => {
                let spec = self.postgres(&document.postgres.as_ref()?.0, document.scratch.as_ref());
                spec.map(EngineSpec::Postgres)
            }
            (Some(("command", _)), None) => self.command(document.command.as_ref()?).map(EngineSpec::Command),
            (Some(_), None) => {
                let DirectoryDocument { path, include, exclude, .. } = document.directory.as_ref()?.0.clone();
                let (include, exclude) = (include.unwrap_or_default(), exclude.unwrap_or_default());
                for glob in include.iter().chain(&exclude) {
                    self.glob(glob, true);
                }
                self.takes_something(&document.directory.as_ref()?.0);
                let path = path?;
                self.no_url(&path, "a folder").then_some(EngineSpec::Directory { path, include, exclude })
            }
        }
    }

    /// An engine that this build of the program lacks.
    fn absent(&mut self, keyword: &str, place: Span) {
        let message = format!("this `policy` was built without `{keyword}`");
        let help = format!(
            "use a program that was built with it: `cargo install policy --features {keyword}-bundled`"
        );
        self.note(Problem::error(Code::EngineAbsent, message, help).label(place, "not in this program"));
    }

    fn command(&mut self, document: &CommandDocument) -> Option<CommandSpec> {
        const LONGEST: usize = 32;
        let extension = document.extension.as_ref();
        if let Some(extension) = extension {
            let is_plain = |part: &str| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            };
            let written = extension.value.as_str();
            if written.len() > LONGEST || !written.split('.').all(is_plain) {
                let meant = written.trim_start_matches(['*', '.']).to_ascii_lowercase();
                let help = if meant.split('.').all(is_plain) && meant.len() <= LONGEST {
                    format!("write `{meant}`")
                } else {
                    format!("write lower-case letters and digits, at most {LONGEST}, as in `rdb` or `sql`")
                };
                let message = format!("`{written}` is no extension of a file");
                self.note(Problem::error(Code::BadExtension, message, help).label(extension.span, ""));
            }
        }
        let command = |words: &Option<Words>| words.as_ref().map(|words| words.0.clone());
        Some(CommandSpec {
            dump: command(&document.dump)?,
            verify: command(&document.verify),
            restore: command(&document.restore),
            extension: extension.map_or_else(|| "dump".to_owned(), |extension| extension.value.clone()),
        })
    }

    /// How a DuckDB target is captured; `key` is where `when_locked` stands.
    pub(super) fn duckdb(
        &mut self,
        when_locked: Option<&Vec<RungDocument>>,
        key: Option<Span>,
        format: Option<&Spanned<DuckdbFormat>>,
    ) -> DuckdbOptions {
        let format = format.map(|format| format.value);
        let (Some(written), Some(key)) = (when_locked, key) else {
            return DuckdbOptions { format, when_locked: None };
        };
        if written.is_empty() && self.clean() {
            let help = "name what is tried, as in `[{wait: 30s}, hot_copy]`, or remove the key: then its writer is waited for";
            let problem = Problem::error(Code::Empty, "`when_locked` names nothing", help);
            self.note(problem.label(key, "tries nothing"));
        }
        let rungs = written.iter().filter_map(|rung| rung.0.clone()).collect();
        DuckdbOptions { when_locked: Some(rungs), format }
    }

    /// Whether a key in a mapping was told to be none, so that what is missing may be what it was meant to be.
    pub(super) fn has_unread_key(&self, mapping: Span) -> bool {
        self.problems.iter().any(|problem| {
            let inside = |at: usize| mapping.start <= at && at < mapping.end;
            matches!(problem.code, Code::UnknownKey | Code::YamlSyntax | Code::YamlSpaceNeeded)
                && problem.span().is_some_and(|span| inside(span.start))
        })
    }

    /// A folder whose globs leave nothing could only ever fail.
    fn takes_something(&mut self, document: &DirectoryDocument) {
        if let (Some([]), Some(key)) = (document.include.as_deref(), document.keys.get("include")) {
            let help =
                "name what is taken, as in `include: [\"**/*.py\"]`, or remove `include` to take everything";
            self.note(
                Problem::error(Code::Empty, "`include` names nothing", help).label(key, "takes nothing"),
            );
        }
        let everything = |glob: &&Spanned<String>| {
            let written = glob.strip_prefix("./").unwrap_or(glob);
            matches!(written, "*" | "**" | "**/*" | "**/**" | "?*" | "**/")
        };
        if let Some(glob) = document.exclude.iter().flatten().find(everything) {
            let message = format!("`{}` leaves out everything, so nothing is left to take", glob.value);
            let help = "narrow it, or remove it; `exclude` wins over `include`";
            self.note(
                Problem::error(Code::TakesNothing, message, help).label(glob.span, "leaves out everything"),
            );
        }
    }
}

/// The engines that are written, with their places.
fn written(document: &TargetDocument) -> impl Iterator<Item = (&'static str, Span)> {
    ENGINES.into_iter().filter_map(|keyword| Some((keyword, document.keys.get(keyword)?)))
}

/// The engine that is written, if only one is.
pub(super) fn keyword(document: &TargetDocument) -> Option<&'static str> {
    let mut written = written(document);
    written.next().filter(|_| written.next().is_none()).map(|(keyword, _)| keyword)
}

/// The keys that name an engine.
const ENGINES: [&str; 5] = ["sqlite", "duckdb", "postgres", "command", "directory"];
