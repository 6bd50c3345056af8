//! Secrets: where one comes from, for it never stands in a policy.

use super::{
    Words,
    leaf::template,
    read::{Read, Reader},
    shapes::document,
};
use crate::policy::{
    Spanned,
    model::{PathTemplate, SecretSource},
    problem::{Code, Problem},
    values::Template,
    yaml::{Kind, Node},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

document! {
    /// Where a secret comes from: exactly one of `file`, `command` and `credential`.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
    SecretFromDocument = "{file: /run/secrets/pg}" {
        /// A file that holds nothing else. One line end at its end does not count.
        file: Spanned<PathTemplate>,
        /// A command that prints it: a list of words, run without a shell. One line end at its end does not count.
        #[schemars(extend("examples" = [["pass", "show", "pg"]]))]
        command: Words,
        /// The name of a credential that systemd hands to the service (`LoadCredential=`).
        #[schemars(length(min = 1, max = 255), regex(pattern = r"^(?!\.{1,2}$)[^/]+$"), extend("examples" = ["pg"]))]
        credential: Spanned<String>,
    }
}

/// A secret; `None` where it could not be read.
#[derive(Debug, Clone)]
pub(in crate::policy) struct SecretDocument(pub(in crate::policy) Option<SecretSource>);

/// How a secret is given, for helps.
const FORMS: &str = "write `{file: PATH}`, `{command: [PROGRAM, …]}`, `{credential: NAME}` or `${NAME}`, the name of a variable";

impl Read for SecretDocument {
    const WHAT: &'static str = "where a secret comes from";
    const EXAMPLE: &'static str = "{file: /run/secrets/pg}";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let source = match &node.kind {
            // Not as text: what is wrong with that is told with the value.
            Kind::Scalar(scalar) if scalar.is_number() || scalar.is_bool() => literal(node, reader),
            Kind::Scalar(_) => template(node, reader, Self::WHAT, Self::EXAMPLE).and_then(|text| {
                if is_literal(&text) {
                    return literal(node, reader);
                }
                Some(SecretSource::Variable(Spanned::new(text, node.span)))
            }),
            Kind::Map(_) => from(node, reader),
            Kind::List(_) => {
                let message =
                    format!("{} must say where the secret comes from, and is a list", reader.subject());
                let place = reader.first_line(node.span);
                reader.note(Problem::error(Code::WrongType, message, FORMS).label(place, "a list"));
                None
            }
        };
        Some(Self(source))
    }
}

/// Whether a text holds a secret by itself: it names no variable, or only such as have a default.
fn is_literal(text: &Template) -> bool {
    let is_unknown = |default: Option<&str>| default.is_none_or(str::is_empty);
    !text.references().any(|reference| is_unknown(reference.default))
}

fn literal<T>(node: &Node, reader: &mut Reader<'_>) -> Option<T> {
    let message = format!("{} stands in the policy for all to read", reader.subject());
    let place = reader.first_line(node.span);
    reader.note(Problem::error(Code::LiteralSecret, message, FORMS).label(place, ""));
    None
}

fn from(node: &Node, reader: &mut Reader<'_>) -> Option<SecretSource> {
    let document = SecretFromDocument::read(node, reader)?;
    match document.keys.0.as_slice() {
        [_] => {}
        [] => {
            if matches!(&node.kind, Kind::Map(entries) if entries.is_empty()) {
                let message = format!("{} does not say where the secret comes from", reader.subject());
                reader.note(Problem::error(Code::ExactlyOne, message, FORMS).label(node.span, "empty"));
            }
            return None;
        }
        [(_, first), (_, second), ..] => {
            let message = format!("{} comes from two places", reader.subject());
            let problem = Problem::error(Code::ExactlyOne, message, "keep one of the two");
            reader.note(problem.label(*second, "the second").label(*first, "the first"));
            return None;
        }
    }
    let SecretFromDocument { file, command, credential, .. } = document;
    if let Some(name) = &credential
        && (name.value.is_empty()
            || name.value.len() > 255
            || name.value.contains(['/', '\0'])
            || matches!(name.value.as_str(), "." | ".."))
    {
        let message = "a credential has the name of a file";
        let help = "write the name alone, as it stands before the colon in `LoadCredential=pg:/etc/pg`";
        reader.note(Problem::error(Code::BadName, message, help).label(name.span, "no such name"));
        return None;
    }
    file.map(SecretSource::File)
        .or(command.map(|words| SecretSource::Command(words.0)))
        .or(credential.map(SecretSource::Credential))
}

impl JsonSchema for SecretDocument {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where a secret comes from: `${NAME}`, a variable; or a file, a command that prints it, or a \
                credential of the service. It never stands in the policy itself.",
            "anyOf": [
                { "type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-)?\}" },
                generator.subschema_for::<SecretFromDocument>(),
            ],
            "examples": ["${PGPASSWORD}", { "file": "/run/secrets/pg" }, { "command": ["pass", "show", "pg"] }, { "credential": "pg" }],
        })
    }
}
