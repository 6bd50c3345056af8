//! Targets: one engine each, guards, data classes and checks.

use super::{Lower, engine::keyword, query::not_a_query};
use crate::policy::{
    Span, Spanned,
    document::{CheckDocument, Map, TablesDocument, TargetDocument},
    model::{
        Check, Command, Expect, Expectation, OnFail, Query, Scalar, TableClass, Tables, Target, with_schema,
    },
    problem::{Code, Problem},
    values::{Duration, Name, name::Alphabet},
};
use std::collections::BTreeMap;

impl Lower<'_> {
    pub(super) fn targets(
        &mut self,
        document: Option<&Map<TargetDocument>>,
    ) -> BTreeMap<Spanned<Name>, Option<Target>> {
        let mut targets = BTreeMap::new();
        for (key, document) in document.iter().flat_map(|map| &map.entries) {
            let name = self.name(key, "target", Alphabet::Target);
            let lowered = document.as_ref().map(|document| self.target(key, name.clone(), document));
            if let Some(name) = name {
                targets.insert(name, lowered.flatten());
            }
        }
        targets
    }

    fn target(
        &mut self,
        key: &Spanned<String>,
        name: Option<Spanned<Name>>,
        document: &TargetDocument,
    ) -> Option<Target> {
        let engine = self.engine(key, document);
        if let Some(keyword) = keyword(document) {
            self.for_engine(document, keyword);
        }
        let expect = document.expect.clone().unwrap_or_default();
        let is_postgres = keyword(document) == Some("postgres");
        let tables = document.tables.as_ref().map(|tables| self.tables(tables, is_postgres));
        let checks = self.checks(document.checks.as_deref().unwrap_or_default());
        if keyword(document) == Some("sqlite") {
            let sql = |check: &Check| match &check.query {
                Query::Sql(sql) => Some(Spanned::new(sql.clone(), check.query_span)),
                Query::Rows(_) => None,
            };
            self.queries.extend(checks.iter().filter_map(sql));
        }
        // That of a server is a database of it, and stands in the engine.
        let scratch = document.scratch.as_ref().filter(|_| !is_postgres);
        if let Some(scratch) = scratch {
            self.no_url(scratch, "a scratch folder");
        }
        let rto = self.longer_than_nothing(document.rto.as_ref(), "rto");
        Some(Target {
            name: name?,
            engine: engine?,
            expect: Expect {
                min_size: expect.min_size,
                min_tables: expect.min_tables,
                min_files: expect.min_files,
                max_drop: expect.max_drop,
                max_growth: expect.max_growth,
            },
            tables,
            checks,
            before: commands(document.before.as_ref()),
            after: commands(document.after.as_ref()),
            scratch: scratch.cloned(),
            rto,
        })
    }

    /// Keys that only one of the engines knows.
    fn for_engine(&mut self, document: &TargetDocument, keyword: &'static str) {
        let expect = document.expect.as_ref();
        let guard = |key: &str| expect.and_then(|expect| expect.keys.get(key));
        let (tables, checks) = (document.keys.get("tables"), document.keys.get("checks"));
        let (min_tables, min_files) = (guard("min_tables"), guard("min_files"));
        let of_databases = [("tables", tables), ("checks", checks), ("min_tables", min_tables)];
        let of_folders = [("min_files", min_files)];
        let of_both =
            [("tables", tables), ("checks", checks), ("min_tables", min_tables), ("min_files", min_files)];
        let (foreign, has): (&[_], _) = match keyword {
            "directory" => (&of_databases, "tables"),
            "command" => (&of_both, "tables and files that are known here"),
            _ => (&of_folders, "files"),
        };
        for (key, place) in foreign {
            let Some(place) = *place else { continue };
            let message = format!("`{key}` does not go with `{keyword}`, which has no {has}");
            let mut problem =
                Problem::error(Code::NotForEngine, message, "remove it").label(place, "not for this engine");
            if let Some(engine) = document.keys.get(keyword) {
                problem = problem.label(engine, "the engine");
            }
            self.note(problem);
        }
    }

    /// Checks that a glob can be read, and that something could match it.
    pub(super) fn glob(&mut self, glob: &Spanned<String>, paths: bool) {
        let written = &glob.value;
        let made = globset::GlobBuilder::new(written).literal_separator(paths).build();
        let (message, help) = if written.trim().is_empty() {
            ("a glob must not be empty".to_owned(), form(paths).to_owned())
        } else if let Err(error) = made {
            (format!("`{written}` is not a glob: {}", error.kind()), form(paths).to_owned())
        } else if !paths {
            return;
        } else if written.starts_with(['/', '~']) {
            let inside = written.trim_start_matches(['/', '~']);
            let help = format!(
                "globs are relative to the folder: `./{inside}` is at its top, and a name without `/` is found at any \
                 depth"
            );
            (format!("`{written}` begins outside the folder"), help)
        } else if let Some(kept) = written.strip_prefix('!') {
            let help = format!(
                "`exclude` leaves out and `include` takes, and neither takes back: write the globs so that they say \
                 it; a name that begins with `!` is written '\\!{kept}'"
            );
            ("`!` has no meaning here".to_owned(), help)
        } else if written.split('/').any(|name| name == "..") {
            let help =
                "write the glob from the target's folder on; what lies elsewhere needs a target of its own";
            (format!("`{written}` leads out of the folder, and nothing there is taken"), help.to_owned())
        } else {
            return;
        };
        self.note(Problem::error(Code::BadGlob, message, help).label(glob.span, ""));
    }

    fn tables(&mut self, document: &TablesDocument, is_postgres: bool) -> Tables {
        let tables = Tables {
            irreplaceable: document.irreplaceable.clone().unwrap_or_default(),
            recoverable: document.recoverable.clone().unwrap_or_default(),
            partial: document.partial.clone().unwrap_or_default(),
            unclassed: document.unclassed.as_ref().map_or(OnFail::Warn, |unclassed| unclassed.value),
            has_schemas: is_postgres,
        };
        // SQLite compares the names of tables without regard to case; PostgreSQL has those without a schema in `public`.
        let known_as = |glob: &str| {
            if is_postgres { with_schema(glob).into_owned() } else { glob.to_ascii_lowercase() }
        };
        let mut first: BTreeMap<String, (TableClass, &Spanned<String>)> = BTreeMap::new();
        for (class, globs) in tables.classes() {
            for glob in globs {
                self.glob(glob, false);
                let Some((other, place)) =
                    first.insert(known_as(glob), (class, glob)).filter(|(other, _)| *other != class)
                else {
                    continue;
                };
                let message = format!("`{}` is in two classes, {other} and {class}", glob.value);
                let help = "keep it in one; if in doubt, in the more valuable";
                self.note(
                    Problem::error(Code::TwoClasses, message, help)
                        .label(glob.span, class.to_string())
                        .label(place.span, other.to_string()),
                );
            }
        }
        tables
    }

    fn checks(&mut self, documents: &[CheckDocument]) -> Vec<Check> {
        let mut checks: Vec<Check> = Vec::new();
        let mut named: BTreeMap<String, Span> = BTreeMap::new();
        for document in documents {
            let Some(check) = self.check(document) else { continue };
            if let Some(other) = named.get(&check.name) {
                let message = format!("two checks of this target are named `{}`", check.name);
                let help = "give one of them another `name`, or remove it if they are the same";
                let problem = Problem::error(Code::RepeatedCheck, message, help)
                    .label(self.first_line(check.span), "the second")
                    .label(self.first_line(*other), "the first");
                self.note(problem);
            } else {
                named.insert(check.name.clone(), check.span);
            }
            checks.push(check);
        }
        checks
    }

    fn check(&mut self, document: &CheckDocument) -> Option<Check> {
        let query = match (&document.rows, &document.sql) {
            (Some(rows), None) => Some(Query::Rows(rows.value.clone())),
            (None, Some(sql)) => Some(Query::Sql(sql.value.trim().to_owned())),
            (Some(rows), Some(sql)) => {
                let message = "a check asks for `rows` or for `sql`, not for both";
                let problem = Problem::error(Code::ExactlyOne, message, "make two checks of it");
                self.note(problem.label(sql.span, "the second").label(rows.span, "the first"));
                None
            }
            (None, None) => {
                if document.keys.get("rows").or(document.keys.get("sql")).is_none() {
                    let message = "this check asks nothing: it has neither `rows` nor `sql`";
                    let help = "add `rows: TABLE` to count a table's rows, or `sql: SELECT …`";
                    let place = self.first_line(document.span);
                    self.note(Problem::error(Code::ExactlyOne, message, help).label(place, "asks nothing"));
                }
                None
            }
        };
        if let Some(empty) = [&document.rows, &document.sql, &document.name]
            .into_iter()
            .flatten()
            .find(|text| text.trim().is_empty())
        {
            let problem = Problem::error(Code::Empty, "this text is empty", "write it, or remove the key");
            self.note(problem.label(empty.span, "empty"));
            return None;
        }
        if let Some(sql) = &document.sql
            && let Some(wrong) = not_a_query(&sql.value)
        {
            let place = self.source.within(sql.span, &sql.value, wrong.at);
            let problem = Problem::error(Code::NotAQuery, wrong.message, wrong.help);
            self.note(problem.label(self.first_line(place), ""));
            return None;
        }
        if let Some(rows) = &document.rows
            && (rows.value.contains(['*', '?'])
                || rows.value.split_whitespace().any(|word| word.eq_ignore_ascii_case("where")))
        {
            let message = "`rows` counts the rows of one table, by its name";
            let help = if rows.value.trim_start().to_ascii_lowercase().starts_with("select ") {
                format!("ask with `sql: \"{}\"`", rows.value.trim())
            } else {
                let asked = if rows.value.contains(' ') { rows.value.as_str() } else { "… WHERE …" };
                format!("name the table alone, or ask with `sql: SELECT count(*) FROM {asked}`")
            };
            self.note(Problem::error(Code::NotAQuery, message, help).label(rows.span, "not a table's name"));
            return None;
        }
        let expect = &document.expect.as_ref()?.0;
        let query = query?;
        if matches!(query, Query::Rows(_)) {
            self.fits_a_count(expect);
        }
        let name = match &document.name {
            Some(name) => name.value.clone(),
            None => named(&query, &expect.value),
        };
        Some(Check {
            name,
            query,
            expect: expect.value.clone(),
            on_fail: document.on_fail.as_ref().map_or(OnFail::Fail, |on_fail| on_fail.value),
            span: document.span,
            query_span: document
                .sql
                .as_ref()
                .or(document.rows.as_ref())
                .map_or(document.span, |query| query.span),
        })
    }

    /// A number of rows is one number: never empty, never a time, never a text.
    fn fits_a_count(&mut self, expect: &Spanned<Expectation>) {
        let never = match &expect.value {
            Expectation::Equal(Scalar::Number(n)) | Expectation::AtMost(n) | Expectation::Between(_, n) => {
                *n < 0.0
            }
            Expectation::LessThan(n) => *n <= 0.0,
            _ => false,
        };
        if never {
            let message = format!("no number of rows is ever `{}`", expect.value);
            let help = "a table has 0 rows or more: write `0`, or as in `\">= 65\"`";
            self.note(Problem::error(Code::BadExpectation, message, help).label(expect.span, "never true"));
            return;
        }
        let always = match &expect.value {
            Expectation::AtLeast(n) => *n <= 0.0,
            Expectation::MoreThan(n) | Expectation::NotEqual(Scalar::Number(n)) => *n < 0.0,
            _ => false,
        };
        if always {
            let message = format!("every number of rows is `{}`", expect.value);
            let help = "a table has 0 rows or more: write how many are needed, as in `\">= 65\"`";
            self.note(Problem::error(Code::BadExpectation, message, help).label(expect.span, "always true"));
            return;
        }
        let (what, help) = match &expect.value {
            Expectation::Empty => ("empty", "to ask for an empty table write `expect: 0`"),
            Expectation::NotEmpty => ("not empty", "to ask for at least one row write `expect: \">= 1\"`"),
            Expectation::MaxAge(_) => ("a time", "ask for a time with `sql: SELECT max(column) FROM table`"),
            Expectation::Equal(Scalar::Text(_)) | Expectation::NotEqual(Scalar::Text(_)) => {
                ("a text", "compare with a number, as in `expect: \">= 65\"`")
            }
            _ => return,
        };
        let message = format!("`rows` answers with a number, which is never compared as {what}");
        self.note(Problem::error(Code::BadExpectation, message, help).label(expect.span, ""));
    }

    pub(super) fn longer_than_nothing(
        &mut self,
        duration: Option<&Spanned<Duration>>,
        key: &str,
    ) -> Option<Duration> {
        let duration = duration?;
        if duration.value.as_secs() == 0 {
            let message = format!("`{key}` must be longer than nothing");
            let help = "write a longer duration, or remove the key";
            self.note(Problem::error(Code::BadDuration, message, help).label(duration.span, ""));
        }
        Some(duration.value)
    }

    pub(super) fn first_line(&self, span: Span) -> Span {
        let written = self.source.text.get(span.start..span.end).unwrap_or_default();
        Span::new(span.start, span.start + written.lines().next().map_or(0, str::len))
    }
}

pub(super) fn commands(document: Option<&crate::policy::document::Commands>) -> Vec<Command> {
    document.map(|commands| commands.0.clone()).unwrap_or_default()
}

/// What a glob may hold.
const fn form(paths: bool) -> &'static str {
    if paths {
        "`*` is any name, `**` any depth, `[a-z]` one of these: `**/*.py`"
    } else {
        "`*` is any text, `?` one character, `[a-z]` one of these: `agent_*`"
    }
}

/// A name for a check that has none: what it asks and what it expects, on one line.
fn named(query: &Query, expect: &Expectation) -> String {
    match query {
        Query::Rows(table) => format!("rows of {table}: {expect}"),
        Query::Sql(sql) => format!("{}: {expect}", sql.split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}
