//! The scalars of the language as they are read from a node, each with its own words for what is wrong.

use super::read::{Read, Reader, TEXT};
use crate::{
    policy::{
        Spanned,
        model::{DuckdbFormat, OnFail, PathTemplate, PostgresFormat},
        nearest::{listed, nearest},
        problem::{Code, Problem},
        values::{
            Compression, Duration, Level, Percent, Size, Template, Zone, placeholder, template::Malformed,
        },
        yaml::{Kind, Node},
    },
    schedule::calendar::Expression,
};

/// Reads a scalar's text with `parse`, and words what does not parse.
pub(super) fn parsed<T>(
    node: &Node,
    reader: &mut Reader<'_>,
    what: &str,
    example: &str,
    parse: impl Fn(&str) -> Option<T>,
    problem: impl Fn(&str) -> Problem,
) -> Option<Spanned<T>> {
    let text = reader.text(node, what, example)?;
    let value = parse(text.value);
    if value.is_none() {
        reader.note(problem(text.value).label(node.span, ""));
    }
    value.map(|value| Spanned::new(value, node.span))
}

/// Makes a scalar readable that has a `parse` of its own.
macro_rules! leaf {
    ($type:ty, $what:literal, $example:literal, |$text:ident| $problem:expr) => {
        impl Read for Spanned<$type> {
            const WHAT: &'static str = $what;
            const EXAMPLE: &'static str = $example;

            fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
                parsed(node, reader, $what, $example, |text| <$type>::parse(text), |$text| $problem)
            }
        }
    };
}

leaf! { Duration, "a duration", "90m", |text| Problem::error(
    Code::BadDuration,
    format!("`{text}` is not a duration"),
    match Duration::meant(text) {
        Some(meant) => format!("write `{meant}`"),
        None => "write a whole number and one unit without a space: `90s`, `15m`, `36h`, `7d`, `2w`".to_owned(),
    },
) }
leaf! { Size, "a size", "10MiB", |text| Problem::error(
    Code::BadSize,
    format!("`{text}` is not a size"),
    match Size::meant(text) {
        Some(meant) => format!("write `{meant}`"),
        None => "write a whole number and a unit without a space: `512KiB`, `10MiB`, `5GB`".to_owned(),
    },
) }
leaf! { Percent, "a percentage", "20%", |text| Problem::error(
    Code::BadPercent,
    format!("`{text}` is not a percentage"),
    match text.trim_end_matches([' ', '%']).parse::<u32>() {
        Ok(number) => format!("write `{number}%`"),
        Err(_) => "write a whole number and `%` without a space: `20%`".to_owned(),
    },
) }
leaf! { Compression, "a compression", "zstd", |text| Problem::error(
    Code::BadCompression,
    format!("`{text}` is not a compression"),
    "write `none`, `gzip` or `zstd`, with a level as `gzip:9` (1 to 9) or `zstd:9` (1 to 19)",
) }
leaf! { Zone, "a time zone", "Europe/Berlin", |text| Problem::error(
    Code::UnknownZone,
    format!("`{text}` is not a time zone of the IANA database"),
    match Zone::meant(text) {
        Some(meant) if meant.starts_with("Etc/") => {
            format!("name a city of yours, whose zone knows the clock changes; or write `{meant}`: its sign is turned around")
        }
        Some(meant) => format!("write `{meant}`"),
        None => "write a name such as `Europe/Berlin`, `America/New_York` or `UTC`".to_owned(),
    },
) }
leaf! { Level, "a level of proof", "checks", |text| unknown_word(text, "a level of proof", Level::ASKABLE.map(Level::as_str)) }
leaf! { OnFail, "`fail` or `warn`", "warn", |text| unknown_word(text, "`fail` or `warn`", ["fail", "warn"]) }

leaf! { DuckdbFormat, "a format", "export", |text| unknown_word(text, "a format", ["file", "export"]) }

impl DuckdbFormat {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "file" => Some(Self::File),
            "export" => Some(Self::Export),
            _ => None,
        }
    }
}

leaf! { PostgresFormat, "a format", "custom", |text| unknown_word(text, "a format", ["plain", "custom", "directory"]) }

impl PostgresFormat {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "plain" => Some(Self::Plain),
            "custom" => Some(Self::Custom),
            "directory" => Some(Self::Directory),
            _ => None,
        }
    }
}

impl OnFail {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "fail" => Some(Self::Fail),
            "warn" => Some(Self::Warn),
            _ => None,
        }
    }
}

pub(super) fn unknown_word<const N: usize>(text: &str, what: &str, known: [&str; N]) -> Problem {
    let help = match nearest(text, known) {
        Some(near) => format!("write `{near}`; known are {}", listed(known)),
        None => format!("write one of {}", listed(known)),
    };
    Problem::error(Code::UnknownWord, format!("`{text}` is not {what}"), help)
}

/// A crontab(5) expression.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Cron(pub(in crate::policy) Expression);

impl schemars::JsonSchema for Cron {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cron".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "When it runs, as in crontab(5): minute, hour, day of month, month, day of week (0 or 7 is \
                Sunday); or @hourly, @daily, @weekly, @monthly, @yearly. Hours are those of the policy's time zone.",
            "pattern": r"^\s*(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|[0-9A-Za-z*,/-]+(\s+[0-9A-Za-z*,/-]+){4})\s*$",
            "examples": ["0 2 * * *", "*/15 * * * *", "30 3 * * 0", "@daily"],
        })
    }
}

impl Read for Spanned<Cron> {
    const WHAT: &'static str = "a schedule";
    const EXAMPLE: &'static str = "\"0 2 * * *\"";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text(node, Self::WHAT, Self::EXAMPLE)?;
        match Expression::parse(text.value) {
            Ok(expression) => Some(Spanned::new(Cron(expression), node.span)),
            Err(wrong) => {
                for invalid in wrong {
                    let place = reader.within(node.span, text.value, invalid.at);
                    let problem = Problem::error(Code::BadCron, invalid.message, invalid.help);
                    reader.note(problem.label(place, ""));
                }
                None
            }
        }
    }
}

/// Text with variables in it.
pub(super) fn template(node: &Node, reader: &mut Reader<'_>, what: &str, example: &str) -> Option<Template> {
    let text = reader.text_with_variables(node, what, example)?;
    if text.value.contains('\0') {
        let message =
            format!("{} has a NUL character in it, which no path and no word can have", reader.subject());
        let problem = Problem::error(
            Code::YamlControlCharacter,
            message,
            "write it without `\\0`, `\\x00` or `\\u0000`",
        );
        reader.note(problem.label(reader.first_line(node.span), ""));
        return None;
    }
    match Template::parse(text.value) {
        Ok(template) => Some(template),
        Err(malformed) => {
            let form = "write `${NAME}` or `${NAME:-default}`; names have letters, digits and `_`, and no digit first";
            let (range, message, help) = match malformed {
                Malformed::Unclosed(range) => (range, "`${` has no closing `}`", form),
                Malformed::BadName(range) => (range, "this is not the name of a variable", form),
                Malformed::Nested(range) => (
                    range,
                    "a default is plain text, and this one names a variable",
                    "write the default out, as in `${NAME:-/srv/app}`, or set the variable in one of `env_files`",
                ),
            };
            let place = reader.within(node.span, text.value, range);
            reader.note(Problem::error(Code::BadVariable, message, help).label(place, ""));
            None
        }
    }
}

impl Read for Spanned<PathTemplate> {
    const WHAT: &'static str = "a path";
    const EXAMPLE: &'static str = "../app.db";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let path = template(node, reader, Self::WHAT, Self::EXAMPLE)?;
        let written = path.as_written();
        let problem = if written.trim().is_empty() {
            Some(("a path must not be empty", "write a path such as `../app.db` or `~/Backups/app`"))
        } else if written.starts_with('~') && written != "~" && !written.starts_with("~/") {
            Some((
                "`~` stands for your own home folder only",
                "write the other user's folder as an absolute path",
            ))
        } else {
            None
        };
        if let Some((message, help)) = problem {
            reader.note(Problem::error(Code::BadPath, message, help).label(node.span, ""));
            return None;
        }
        Some(Spanned::new(PathTemplate(path), node.span))
    }
}

impl schemars::JsonSchema for PathTemplate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Path".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A path. A relative one starts at the policy file's folder; `~` is the home folder; \
                `${NAME}` and `${NAME:-default}` are environment variables.",
            "pattern": r"^(?!~[^/])(?!.*://).*\S",
            "examples": ["../app.db", "~/Backups/app", "${DATABASE_PATH}"],
        })
    }
}

/// A word of a command.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Word(pub(in crate::policy) Template);

impl Read for Spanned<Word> {
    const WHAT: &'static str = TEXT;
    const EXAMPLE: &'static str = "\"{job}\"";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if matches!(node.kind, Kind::Map(_)) {
            let written = reader.slice(node.span);
            let message = format!("without quotes `{written}` is a mapping and not a word of the command");
            let help = format!("write it in quotes: \"{written}\"");
            reader.note(
                Problem::error(Code::UnquotedPlaceholder, message, help).label(node.span, "needs quotes"),
            );
            return None;
        }
        let word = template(node, reader, Self::WHAT, Self::EXAMPLE)?;
        let mut good = true;
        for (start, literal) in word.literals() {
            for found in placeholder::unknown(literal) {
                good = false;
                let place =
                    reader.within(node.span, word.as_written(), start + found.at.start..start + found.at.end);
                reader.note_error(|| {
                    let known = placeholder::Placeholder::ALL.into_iter();
                    let known = known
                        .filter(|known| *known != placeholder::Placeholder::Copy)
                        .map(placeholder::Placeholder::as_str);
                    let known: Vec<_> = known.collect();
                    let help = match nearest(&found.name, known.iter().copied()) {
                        Some(near) => format!("write `{{{near}}}`; for a brace itself write `{{{{`"),
                        None => format!(
                            "for a brace itself write two, as in `{{{}`; filled in are {}",
                            &literal[found.at.clone()],
                            listed(known)
                        ),
                    };
                    let message = format!("nothing is filled in for `{}`", &literal[found.at.clone()]);
                    Problem::error(Code::UnknownPlaceholder, message, help).label(place, "")
                });
            }
        }
        let is_told = reader.is_owners;
        for (start, literal) in word.literals().filter(|_| !is_told) {
            let copies = placeholder::known(literal)
                .into_iter()
                .filter(|(known, _)| *known == placeholder::Placeholder::Copy);
            for (_, at) in copies {
                good = false;
                let place = reader.within(node.span, word.as_written(), start + at.start..start + at.end);
                reader.note_error(|| {
                    let help = "it is where an owner's command writes its copy: `when_locked: [{owner: [./dump.sh, \
                                \"{copy}\"]}]`; for a brace itself write two, as in `{{copy}`";
                    let message = "nothing is filled in for `{copy}` in this command";
                    Problem::error(Code::UnknownPlaceholder, message, help).label(place, "")
                });
            }
        }
        good.then(|| Spanned::new(Word(word), node.span))
    }
}

/// Any text without variables.
impl Read for Spanned<String> {
    const WHAT: &'static str = TEXT;
    const EXAMPLE: &'static str = "text";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.text(node, Self::WHAT, Self::EXAMPLE).map(|text| text.map(str::to_owned))
    }
}

/// A whole number.
impl Read for Spanned<u64> {
    const WHAT: &'static str = "a whole number";
    const EXAMPLE: &'static str = "5";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Kind::Scalar(scalar) = &node.kind else { return reader.wrong(node, Self::WHAT, Self::EXAMPLE) };
        if !scalar.is_number() {
            let text = reader.text(node, Self::WHAT, Self::EXAMPLE)?;
            let digits: String =
                text.value.chars().filter(|c| *c != '_').take_while(char::is_ascii_digit).collect();
            return reader.wrong(node, Self::WHAT, if digits.is_empty() { Self::EXAMPLE } else { &digits });
        }
        let digits = scalar.text.bytes().all(|b| b.is_ascii_digit());
        match scalar.text.parse() {
            Ok(number) if digits => Some(Spanned::new(number, node.span)),
            _ => {
                let (message, help) = match scalar.text.split_once('.') {
                    _ if digits => (
                        format!("`{}` is more than is possible here", scalar.text),
                        "write a smaller number".to_owned(),
                    ),
                    Some((whole, zeros))
                        if zeros.bytes().all(|b| b == b'0') && whole.parse::<u64>().is_ok() =>
                    {
                        (format!("`{}` is not a whole number", scalar.text), format!("write `{whole}`"))
                    }
                    _ => (
                        format!("`{}` is not a whole number, 0 or more", scalar.text),
                        "write digits only, as in `30`".to_owned(),
                    ),
                };
                reader.note(Problem::error(Code::BadNumber, message, help).label(node.span, ""));
                None
            }
        }
    }
}

/// A whole number from 1 on: how many are kept, how often something is tried.
impl Read for Spanned<u32> {
    const WHAT: &'static str = "a whole number";
    const EXAMPLE: &'static str = "7";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let number = <Spanned<u64> as Read>::read(node, reader)?;
        let small = u32::try_from(number.value).ok();
        if small.is_none() {
            let message = format!("`{}` is more than is possible here", number.value);
            reader.note(
                Problem::error(Code::BadNumber, message, "write a smaller number").label(node.span, ""),
            );
        }
        small.map(|number| Spanned::new(number, node.span))
    }
}

impl Read for Spanned<bool> {
    const WHAT: &'static str = "`true` or `false`";
    const EXAMPLE: &'static str = "true";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Kind::Scalar(scalar) = &node.kind else { return reader.wrong(node, Self::WHAT, Self::EXAMPLE) };
        if let Some(value) = scalar.as_bool() {
            return Some(Spanned::new(value, node.span));
        }
        let meant = match scalar.text.to_ascii_lowercase().as_str() {
            "yes" | "on" | "true" | "y" | "1" => "true",
            "no" | "off" | "false" | "n" | "0" => "false",
            _ => return reader.wrong(node, Self::WHAT, Self::EXAMPLE),
        };
        let message = format!("`{}` is not `true` or `false`", reader.slice(node.span));
        reader.note(
            Problem::error(Code::WrongType, message, format!("write `{meant}`, without quotes"))
                .label(node.span, ""),
        );
        None
    }
}
