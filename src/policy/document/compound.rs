//! Values with a shape of their own: commands, a job's stores, what happens to a missed start.

use super::{
    JobStoreOptions,
    leaf::Word,
    read::{Read, Reader},
};
use crate::{
    policy::{
        Spanned,
        model::Command,
        problem::{Code, Problem, masked},
        values::Duration,
        yaml::{Entry, Kind, Node},
    },
    schedule::CatchUp,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// Commands, each a list of words.
#[derive(Debug, Clone, Default)]
pub(in crate::policy) struct Commands(pub(in crate::policy) Vec<Command>);

impl Read for Commands {
    const WHAT: &'static str = "a list of commands";
    const EXAMPLE: &'static str = "[[systemctl, stop, writer]]";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Kind::List(items) = &node.kind else {
            let help = match &node.kind {
                Kind::Scalar(scalar) => shell(&scalar.text, true),
                _ => format!("write it as `{}`", Self::EXAMPLE),
            };
            let place = reader.first_line(node.span);
            reader.note(
                Problem::error(
                    Code::BadCommand,
                    "commands are a list of lists of words; no shell runs them",
                    help,
                )
                .label(place, "not a list"),
            );
            return None;
        };
        let all_words = !items.is_empty() && items.iter().all(|item| matches!(item.kind, Kind::Scalar(_)));
        if all_words && items.len() > 1 {
            let words: Vec<&str> = items.iter().map(|item| reader.slice(item.span)).collect();
            let message = "this is a list of words where a list of commands is expected";
            let help = format!("put the command in a list of its own: `[[{}]]`", words.join(", "));
            reader.note(
                Problem::error(Code::BadCommand, message, help)
                    .label(reader.first_line(node.span), "one command, or several?"),
            );
            return None;
        }
        Some(Self(items.iter().filter_map(|item| reader.item(item)).collect()))
    }
}

/// How to say a line of shell as a command.
fn shell(line: &str, several: bool) -> String {
    let escaped = line.trim().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let (open, close) = if several { ("[[", "]]") } else { ("[", "]") };
    format!("write the words as a list, or ask for a shell: `{open}sh, -c, \"{escaped}\"{close}`")
}

impl Read for Command {
    const WHAT: &'static str = "a command";
    const EXAMPLE: &'static str = "[systemctl, stop, writer]";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.kind {
            Kind::List(words) if words.is_empty() => {
                let problem = Problem::error(
                    Code::Empty,
                    "this command has no words",
                    "write the program's name first",
                );
                reader.note(problem.label(node.span, "empty"));
                None
            }
            Kind::List(words) => {
                let argv: Vec<Spanned<_>> = words
                    .iter()
                    .filter_map(|word| reader.item::<Spanned<Word>>(word))
                    .map(|word| word.map(|word| word.0))
                    .collect();
                if argv.first().is_some_and(|program| program.as_written().is_empty()) {
                    let problem = Problem::error(
                        Code::Empty,
                        "the program's name is empty",
                        "write the program's name",
                    );
                    reader.note(problem.label(argv[0].span, "empty"));
                    return None;
                }
                (argv.len() == words.len()).then_some(Self { argv, span: node.span })
            }
            Kind::Scalar(scalar) => {
                let problem = Problem::error(
                    Code::BadCommand,
                    "a command is a list of words; no shell runs it",
                    shell(&scalar.text, false),
                );
                reader.note(problem.label(reader.first_line(node.span), "one text"));
                None
            }
            Kind::Map(_) => reader.wrong(node, Self::WHAT, Self::EXAMPLE),
        }
    }
}

/// One command.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Words(pub(in crate::policy) Command);

impl Read for Words {
    const WHAT: &'static str = <Command as Read>::WHAT;
    const EXAMPLE: &'static str = <Command as Read>::EXAMPLE;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Command::read(node, reader).map(Self)
    }
}

impl JsonSchema for Words {
    fn schema_name() -> Cow<'static, str> {
        "Words".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "description": "A command: a list of words, run without a shell.",
            "minItems": 1,
            "items": [{ "type": "string", "minLength": 1 }],
            "additionalItems": { "type": "string" },
            "examples": [["redis-cli", "--rdb", "-"]],
        })
    }
}

impl JsonSchema for Commands {
    fn schema_name() -> Cow<'static, str> {
        "Commands".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "description": "Commands, each a list of words, run without a shell. `${NAME}` is an environment variable; \
                {policy} {job} {target} {store} {run} {error} {summary} are filled in; `{{` is a brace.",
            "items": {
                "type": "array",
                "minItems": 1,
                "items": [{ "type": "string", "minLength": 1 }],
                "additionalItems": { "type": "string" },
            },
            "examples": [[["systemctl", "stop", "writer"]], [["sh", "-c", "echo \"{job}\""]]],
        })
    }
}

/// A store of a job: its name, or a mapping of its name to what holds there.
#[derive(Debug, Clone)]
pub(in crate::policy) struct JobStoreDocument {
    pub(in crate::policy) store: Spanned<String>,
    pub(in crate::policy) options: JobStoreOptions,
}

impl Read for JobStoreDocument {
    const WHAT: &'static str = "the name of a store";
    const EXAMPLE: &'static str = "local, {offsite: {retention: {weekly: 12}}}";

    fn item_of(entry: &Entry, reader: &Reader<'_>) -> Option<String> {
        let (name, options) = (&entry.key.value, masked(reader.slice(entry.value.span)));
        if entry.value.is_null() || options == "{}" {
            return Some(name.clone());
        }
        (!options.contains('\n')).then(|| format!("{{{name}: {options}}}"))
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            let store = reader.text(node, Self::WHAT, Self::EXAMPLE)?.map(str::to_owned);
            return Some(Self { store, options: JobStoreOptions::default() });
        };
        if let [entry] = entries.as_slice() {
            let options = reader.value(entry).unwrap_or_default();
            return Some(Self { store: entry.key.clone(), options });
        }
        let problem = Problem::error(
            Code::ExactlyOne,
            format!("an item of `stores` names one store, and this one names {}", entries.len()),
            "write one item for each store: `[local, {offsite: {retention: {weekly: 12}}}]`",
        );
        reader.note(problem.label(reader.first_line(node.span), ""));
        None
    }
}

impl JsonSchema for JobStoreDocument {
    fn schema_name() -> Cow<'static, str> {
        "JobStore".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The name of a store, or a mapping of it to what holds there.",
            "anyOf": [
                { "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$" },
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": generator.subschema_for::<JobStoreOptions>(),
                },
            ],
            "examples": ["local", { "offsite": { "retention": { "weekly": 12 } } }],
        })
    }
}

/// What happens to a missed start.
#[derive(Debug, Clone)]
pub(in crate::policy) struct CatchUpDocument(pub(in crate::policy) CatchUp);

impl Read for CatchUpDocument {
    const WHAT: &'static str = "`true`, `false` or a duration";
    const EXAMPLE: &'static str = "6h";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Kind::Scalar(scalar) = &node.kind else { return reader.wrong(node, Self::WHAT, Self::EXAMPLE) };
        let catch_up = match scalar.as_bool() {
            Some(true) => CatchUp::UntilNext,
            Some(false) => CatchUp::Never,
            None if scalar.is_bool() || matches!(scalar.text.as_str(), "yes" | "no" | "on" | "off") => {
                return <Spanned<bool> as Read>::read(node, reader).map(|_| Self(CatchUp::UntilNext));
            }
            None if scalar.text.starts_with(|c: char| c.is_ascii_digit()) => {
                CatchUp::Within(<Spanned<Duration> as Read>::read(node, reader)?.value)
            }
            None => return reader.wrong(node, Self::WHAT, Self::EXAMPLE),
        };
        Some(Self(catch_up))
    }
}

impl JsonSchema for CatchUpDocument {
    fn schema_name() -> Cow<'static, str> {
        "CatchUp".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "true: a missed start is made up for until the next one is due; false: never; a duration: \
                within it.",
            "anyOf": [{ "type": "boolean" }, generator.subschema_for::<Duration>()],
            "default": true,
        })
    }
}
