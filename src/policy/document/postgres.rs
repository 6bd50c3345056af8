//! PostgreSQL databases: where one is, and how it is dumped.

use super::{
    SecretDocument,
    leaf::template,
    read::{Read, Reader},
    shapes::{Shorthand, document},
};
use crate::policy::{
    Span, Spanned,
    model::PostgresFormat,
    problem::{Code, Problem},
    urls,
    values::Template,
    yaml::Node,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

document! {
    /// A database of a PostgreSQL server.
    PostgresDocument = "{url: \"${DATABASE_URL}\"}" {
        /// Where it is: postgresql://HOST:PORT/DATABASE.
        url [required = "url: ${DATABASE_URL}"]: Spanned<Url>,
        /// The user's password, where neither the URL nor a pass file or service file has it.
        password: SecretDocument,
        /// What the backup is: `plain`, SQL text; `custom`, `pg_dump`'s archive in one file; `directory`, the same dumped by
        /// several connections at once and kept as one tar.
        #[schemars(extend("default" = "custom"))]
        format: Spanned<PostgresFormat>,
        /// Whether the server's roles and tablespaces are dumped too, into a file beside it.
        #[schemars(extend("default" = false))]
        globals: Spanned<bool>,
        /// Tables, by name or glob, whose rows are left out; they come back empty. No irreplaceable table may be among
        /// them.
        #[schemars(inner(length(min = 1)), extend("examples" = [["ohlcv_*", "audit.debug_*"]]))]
        exclude_table_data: Vec<Spanned<String>>,
    }
}

impl Shorthand for PostgresDocument {
    type Alone = Spanned<Url>;
    const ALONE: &'static str = "\"${DATABASE_URL}\"";

    fn alone(url: Self::Alone, span: Span) -> Self {
        Self { url: Some(url), span, ..Self::default() }
    }
}

document! {
    /// How a job's PostgreSQL targets are dumped, in place of what each of them says.
    PostgresOptionsDocument = "{format: plain}" {
        /// What the backup is: `plain`, SQL text; `custom`, `pg_dump`'s archive in one file; `directory`, the same dumped by
        /// several connections at once and kept as one tar.
        #[schemars(extend("default" = "custom"))]
        format: Spanned<PostgresFormat>,
        /// Whether the server's roles and tablespaces are dumped too, into a file beside it.
        #[schemars(extend("default" = false))]
        globals: Spanned<bool>,
        /// Tables, by name or glob, whose rows are left out; they come back empty. No irreplaceable table may be among
        /// them.
        #[schemars(inner(length(min = 1)), extend("examples" = [["ohlcv_*", "audit.debug_*"]]))]
        exclude_table_data: Vec<Spanned<String>>,
    }
}

/// The URL of a database.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Url(pub(in crate::policy) Template);

impl Read for Spanned<Url> {
    const WHAT: &'static str = "the URL of a database";
    const EXAMPLE: &'static str = "postgresql://localhost:5432/app";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let url = template(node, reader, Self::WHAT, Self::EXAMPLE)?;
        if url.as_written().trim().is_empty() {
            let help = "write it as in `postgresql://localhost:5432/app` or `${DATABASE_URL}`";
            let problem = Problem::error(Code::BadUrl, "the URL of a database must not be empty", help);
            reader.note(problem.label(node.span, ""));
            return None;
        }
        let wrong = urls::wrong(&url);
        for wrong in &wrong {
            let place = reader.within(node.span, url.as_written(), wrong.at.clone());
            let problem = Problem::error(wrong.code, wrong.words.message.as_str(), wrong.words.help.as_str());
            reader.note(problem.label(reader.first_line(place), ""));
        }
        wrong.is_empty().then(|| Spanned::new(Url(url), node.span))
    }
}

impl JsonSchema for Url {
    fn schema_name() -> Cow<'static, str> {
        "PostgresUrl".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "The URL of a PostgreSQL database: postgresql://, postgres:// or SQLAlchemy's \
                postgresql+driver://. `${NAME}` is an environment variable; no password stands in it otherwise.",
            "pattern": r"^(\$\{|[Pp][Oo][Ss][Tt][Gg][Rr][Ee][Ss]([Qq][Ll])?(\+[A-Za-z0-9_-]+)?://)",
            "examples": ["${DATABASE_URL}", "postgresql://app@localhost:5432/app", "postgresql:///app?service=app"],
        })
    }
}
