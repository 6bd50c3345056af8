//! What is tried where a DuckDB database is kept open by its writer: `{wait: 30s}`, `{owner: […]}` or `hot_copy`.

use super::read::{Read, Reader};
use crate::policy::{
    Spanned,
    model::{Command, WhenLocked},
    nearest::{listed, nearest},
    problem::{Code, Problem},
    values::Duration,
    yaml::{Kind, Node},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// One rung; `None` where it could not be read.
#[derive(Debug, Clone)]
pub(in crate::policy) struct RungDocument(pub(in crate::policy) Option<WhenLocked>);

const RUNGS: [&str; 3] = ["wait", "owner", "hot_copy"];

impl Read for RungDocument {
    const WHAT: &'static str = "what is tried while it is locked";
    const EXAMPLE: &'static str = "{wait: 30s}, hot_copy";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let rung = match &node.kind {
            Kind::Scalar(scalar) if scalar.text == "hot_copy" => Some(WhenLocked::HotCopy),
            Kind::Scalar(scalar) => {
                let text = scalar.text.clone();
                let help = match nearest(&text, RUNGS) {
                    Some("wait") => "write `{wait: 30s}`".to_owned(),
                    Some("owner") => "write `{owner: [./dump.sh, \"{copy}\"]}`".to_owned(),
                    Some(near) => format!("write `{near}`"),
                    None => {
                        "write `{wait: 30s}`, `{owner: [./dump.sh, \"{copy}\"]}` or `hot_copy`".to_owned()
                    }
                };
                let message = format!("`{text}` is nothing that can be tried");
                reader.note(Problem::error(Code::UnknownWord, message, help).label(node.span, ""));
                None
            }
            Kind::Map(entries) => match entries.as_slice() {
                [entry] if entry.key.value == "wait" => {
                    <Spanned<Duration> as Read>::read(&entry.value, reader)
                        .map(|wait| WhenLocked::Wait(wait.value))
                }
                [entry] if entry.key.value == "owner" => {
                    reader.is_owners = true;
                    let command = <Command as Read>::read(&entry.value, reader);
                    reader.is_owners = false;
                    command.map(WhenLocked::Owner)
                }
                [entry] => {
                    let key = &entry.key.value;
                    let help = format!("known are {}", listed(RUNGS));
                    let message = format!("`{key}` is nothing that can be tried");
                    reader.note(Problem::error(Code::UnknownKey, message, help).label(entry.key.span, ""));
                    None
                }
                _ => {
                    let problem = Problem::error(
                        Code::ExactlyOne,
                        format!(
                            "an item of `when_locked` says one thing, and this one says {}",
                            entries.len()
                        ),
                        "write one item for each, in order: `[{wait: 30s}, hot_copy]`",
                    );
                    reader.note(problem.label(reader.first_line(node.span), ""));
                    None
                }
            },
            Kind::List(_) => return reader.wrong(node, Self::WHAT, Self::EXAMPLE),
        };
        Some(Self(rung))
    }
}

impl JsonSchema for RungDocument {
    fn schema_name() -> Cow<'static, str> {
        "WhenLocked".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = |key: &str, value: Schema| {
            json_schema!({
                "type": "object", "properties": { key: value }, "required": [key], "additionalProperties": false
            })
        };
        let wait = one("wait", generator.subschema_for::<Duration>());
        let owner = one(
            "owner",
            json_schema!({
                "type": "array", "minItems": 1, "items": { "type": "string" },
                "description": "A command of the owner's that writes a copy of the database to {copy}.",
            }),
        );
        json_schema!({
            "description": "What is tried while a writer keeps the database open: waiting, a command of the owner's, or a \
                copy under the writer's hands that counts only if it is found whole.",
            "anyOf": [wait, owner, { "const": "hot_copy" }],
            "examples": [{ "wait": "30s" }, { "owner": ["./dump.sh", "{copy}"] }, "hot_copy"],
        })
    }
}
