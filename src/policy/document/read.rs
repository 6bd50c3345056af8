//! The reader: takes a tree of nodes apart into document types and notes every problem on the way.
//!
//! A value that cannot be read is `None` in its document and never hides the next one.

use super::hints;
use crate::policy::{
    Span, Spanned,
    problem::{Code, Problem, Problems, masked, within},
    yaml::{Entry, Kind, Node, Scalar},
};
use std::ops::Range;

/// Something that can be read from a node.
pub(in crate::policy) trait Read: Sized {
    /// What it is, as in "must be a mapping".
    const WHAT: &'static str;
    /// How it is written, for the help of a value of the wrong kind.
    const EXAMPLE: &'static str;
    /// The keys that it has as a mapping.
    const KEYS: &'static [&'static str] = &[];

    /// How an entry of a mapping is written as an item of a list of these, where a mapping is a likely mistake.
    fn item_of(_: &Entry, _: &Reader<'_>) -> Option<String> {
        None
    }

    /// Reads it, or notes why not.
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;
}

/// What stands at a name of the author's choice.
pub(super) enum Named<T> {
    /// Its value, if it could be read.
    Value(Option<T>),
    /// A key in the place of a name, which was told.
    Misplaced,
}

/// Reads one text, and collects what is wrong with it.
pub(in crate::policy) struct Reader<'a> {
    text: &'a str,
    /// Everything found so far.
    pub(in crate::policy) problems: Problems,
    /// The keys that lead to the value being read.
    path: Vec<Spanned<String>>,
    /// Whether the command being read is one that is told where to write a copy.
    pub(super) is_owners: bool,
}

impl<'a> Reader<'a> {
    pub(in crate::policy) fn new(text: &'a str, problems: Problems) -> Self {
        Self { text, problems, path: Vec::new(), is_owners: false }
    }

    /// Notes a problem.
    pub(super) fn note(&mut self, problem: Problem) {
        self.problems.note(problem);
    }

    /// Keeps an error that is costly to word; see [`Problems::note_error`].
    pub(super) fn note_error(&mut self, word: impl FnOnce() -> Problem) {
        self.problems.note_error(word);
    }

    /// The text of a place.
    pub(super) fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// The part of a span that is on its first line: a drawing that underlines a whole mapping shows nothing.
    pub(super) fn first_line(&self, span: Span) -> Span {
        Span::new(span.start, span.start + self.slice(span).lines().next().map_or(0, str::len))
    }

    /// The place of a part of a scalar.
    pub(super) fn within(&self, scalar: Span, value: &str, part: Range<usize>) -> Span {
        within(self.text, scalar, value, part)
    }

    /// The key whose value is being read, in backticks; items of lists are "an item of" it.
    pub(super) fn subject(&self) -> String {
        match self.path.last() {
            None => "a policy".to_owned(),
            Some(key) if key.value.is_empty() => {
                let list = self.path.iter().rev().find(|key| !key.value.is_empty());
                format!("an item of `{}`", list.map_or("the list", |key| key.value.as_str()))
            }
            Some(key) => format!("`{}`", key.value),
        }
    }

    /// The key whose value is being read.
    pub(super) fn key(&self) -> Option<&Spanned<String>> {
        self.path.last()
    }

    /// Reads the value of a key.
    pub(super) fn value<T: Read>(&mut self, entry: &Entry) -> Option<T> {
        if entry.value.is_null() {
            let key = &entry.key.value;
            self.note(
                Problem::error(
                    Code::NullValue,
                    format!("`{key}` has no value"),
                    no_value_help(key, T::WHAT, T::EXAMPLE),
                )
                .label(entry.key.span, "nothing follows"),
            );
            return None;
        }
        self.path.push(entry.key.clone());
        let value = T::read(&entry.value, self);
        self.path.pop();
        value
    }

    /// Reads an item of a list.
    pub(super) fn item<T: Read>(&mut self, node: &Node) -> Option<T> {
        self.path.push(Spanned::new(String::new(), node.span));
        let item = if node.is_null() {
            let message = format!("{} has no value", self.subject());
            let help = format!("remove the item, or write {}", T::WHAT);
            self.note(Problem::error(Code::NullValue, message, help).label(node.span, "nothing here"));
            None
        } else {
            T::read(node, self)
        };
        self.path.pop();
        item
    }

    /// The entries of a mapping.
    pub(super) fn mapping<'n>(&mut self, node: &'n Node, what: &str, example: &str) -> Option<&'n [Entry]> {
        match &node.kind {
            Kind::Map(entries) => Some(entries),
            _ => self.wrong(node, what, example),
        }
    }

    /// Notes that a value is of the wrong kind, and how it is written.
    pub(super) fn wrong<T>(&mut self, node: &Node, what: &str, example: &str) -> Option<T> {
        let key = self.path.iter().rev().find(|key| !key.value.is_empty());
        let hint = key.and_then(|key| hints::of_value(&key.value, node));
        let help = hint.map_or_else(|| format!("write it as `{example}`"), str::to_owned);
        self.wrong_with(node, what, help)
    }

    /// Notes that a value is of the wrong kind.
    pub(super) fn wrong_with<T>(&mut self, node: &Node, what: &str, help: String) -> Option<T> {
        if let Some(problem) = self.no_space(node, what) {
            self.note(problem);
            return None;
        }
        let found = match &node.kind {
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
            Kind::Scalar(scalar) if scalar.is_null() => "nothing".to_owned(),
            Kind::Scalar(scalar) if scalar.is_number() => format!("the number {}", scalar.text),
            Kind::Scalar(scalar) if scalar.is_bool() => format!("the boolean {}", scalar.text),
            Kind::Scalar(_) => "text".to_owned(),
        };
        let message = format!("{} must be {what}, not {found}", self.subject());
        self.note(Problem::error(Code::WrongType, message, help).label(self.first_line(node.span), found));
        None
    }

    /// Text where a mapping is expected, and in it a key and its value without a space between.
    fn no_space(&self, node: &Node, what: &str) -> Option<Problem> {
        let Kind::Scalar(scalar) = &node.kind else { return None };
        let (name, value) =
            scalar.text.split_once(':').filter(|_| scalar.plain && what.starts_with("a mapping"))?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(is_word) || value.is_empty() {
            return None;
        }
        let colon = self.within(node.span, &scalar.text, name.len()..name.len() + 1);
        let message = format!("a space is missing after `{name}:`");
        let first = value.split_whitespace().next().unwrap_or_default();
        let help = format!("write `{name}: {}`", masked(first));
        Some(Problem::error(Code::YamlSpaceNeeded, message, help).label(colon, "no space follows"))
    }

    /// Reads the value of a name of the author's choice, below which `T` stands. A key of `T` in the place of a name is
    /// nearly always indented too little; then what is wrong with its value says nothing, and it is no name.
    pub(super) fn named<T: Read>(&mut self, entry: &Entry, before: Option<&Entry>) -> Named<T> {
        let mark = self.problems.mark();
        let value = self.value(entry);
        let key = &entry.key.value;
        // No name has an underscore where a key has one, but names of targets, whose keys have none.
        let holds_keys = matches!(&entry.value.kind, Kind::Map(inside)
            if inside.iter().any(|entry| T::KEYS.contains(&entry.key.value.as_str())));
        let is_no_name = !holds_keys && (key.contains('_') || self.problems.is_worse_than(mark));
        if T::KEYS.contains(&key.as_str()) && is_no_name {
            self.problems.back_to(mark);
            let list = self.subject();
            let message = format!("`{key}` stands where a name of {list} is expected");
            let help = match before {
                Some(before) => format!("indent it deeper, so that it belongs to `{}`", before.key.value),
                None => format!("write a name first, and `{key}` below it, indented deeper"),
            };
            let problem = Problem::error(Code::MisplacedKey, message, help)
                .label(entry.key.span, "indented too little?");
            self.note(match before {
                Some(before) => problem.label(before.key.span, "belongs here?"),
                None => problem,
            });
            return Named::Misplaced;
        }
        Named::Value(value)
    }

    /// Notes a key that the mapping does not have.
    pub(super) fn unknown_key(&mut self, mapping: &str, entry: &Entry, keys: &[&str]) {
        let key = &entry.key.value;
        if let Some(problem) = self.torn_text(entry, keys) {
            return self.note(problem);
        }
        let place = self.path.iter().rev().find(|key| !key.value.is_empty());
        self.problems.note_error(|| {
            let place =
                place.map_or("at the top of a policy".to_owned(), |key| format!("in `{}`", key.value));
            let (help, label) = hints::of_unknown_key(mapping, key, keys);
            let message = format!("there is no key `{key}` {place}");
            Problem::error(Code::UnknownKey, message, help).label(entry.key.span, label)
        });
    }

    /// A key that is none, but the rest of a text that a comma ended, or a key and its value without a space between.
    fn torn_text(&self, entry: &Entry, keys: &[&str]) -> Option<Problem> {
        let key = entry.key.value.as_str();
        if !entry.value.is_null() {
            return None;
        }
        if let Some((name, value)) = key.split_once(':').filter(|(name, _)| keys.contains(name)) {
            let message = format!("a space is missing after `{name}:`");
            let help = format!("write `{name}: {value}`");
            let colon = self.within(entry.key.span, key, name.len()..name.len() + 1);
            return Some(
                Problem::error(Code::YamlSpaceNeeded, message, help).label(colon, "no space follows"),
            );
        }
        if let Some((name, value)) =
            key.split_once([' ', '：']).filter(|(name, _)| keys.contains(&name.trim()))
        {
            let name = name.trim();
            let message = format!("a colon is missing after `{name}`");
            let help = format!("write `{name}: {}`", value.trim());
            let place = self.within(entry.key.span, key, 0..name.len());
            return Some(Problem::error(Code::YamlSyntax, message, help).label(place, "no colon follows"));
        }
        key.contains([' ', '(', ')', '*']).then(|| {
            let message = "a comma ended the text before it, and this stands where a key is expected";
            let help = "put the whole text in quotes: inside brackets a comma ends what has none";
            Problem::error(Code::YamlQuotesNeeded, message, help)
                .label(entry.key.span, "the rest of the text?")
        })
    }

    /// Notes a required key that is not there, unless one that is there is told to be it, misspelt.
    pub(super) fn require(
        &mut self,
        mapping: &str,
        entries: &[Entry],
        node: &Node,
        key: &str,
        example: &str,
        keys: &[&str],
    ) {
        let stands_for = |entry: &Entry| hints::stands_for(mapping, &entry.key.value, key, keys);
        // In a mapping of thousands of keys nobody looks for the one that is misspelt.
        let misspelt = entries.len() <= 100 && entries.iter().any(stands_for);
        // One without a space or colon behind it was told as that.
        let is_torn =
            |entry: &Entry| entry.value.is_null() && entry.key.value.split([':', ' ']).next() == Some(key);
        let misspelt = misspelt || entries.iter().any(is_torn);
        if misspelt || entries.iter().any(|entry| entry.key.value == key) {
            return;
        }
        let (subject, span) = match self.path.iter().rev().find(|key| !key.value.is_empty()) {
            Some(parent) if !self.path.last().is_some_and(|last| last.value.is_empty()) => {
                (format!("`{}`", parent.value), parent.span)
            }
            _ => (self.subject(), self.first_line(node.span)),
        };
        self.note(
            Problem::error(
                Code::MissingKey,
                format!("{subject} needs `{key}`"),
                format!("add `{key}`, as in `{example}`"),
            )
            .label(span, format!("has no `{key}`")),
        );
    }

    /// A scalar as text for a leaf of the language, without variables in it.
    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str, example: &str) -> Option<Spanned<&'n str>> {
        let text = self.text_with_variables(node, what, example)?;
        if let Some(start) = text.value.find("${") {
            let end = text.value[start..].find('}').map_or(text.value.len(), |n| start + n + 1);
            let message = format!("{} takes no variables", self.subject());
            let form = if what == TEXT { "it out".to_owned() } else { format!("{what} such as `{example}`") };
            let help =
                format!("write {form}; variables may stand in paths, URLs, secrets and words of commands");
            let place = self.within(node.span, text.value, start..end);
            self.note(Problem::error(Code::VariableNotHere, message, help).label(place, "a variable"));
            return None;
        }
        Some(text)
    }

    /// A scalar as text.
    pub(super) fn text_with_variables<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        example: &str,
    ) -> Option<Spanned<&'n str>> {
        match &node.kind {
            Kind::Scalar(scalar) if scalar.is_number() || scalar.is_bool() => {
                self.unquoted(node, scalar, what, example)
            }
            Kind::Scalar(scalar) => Some(Spanned::new(scalar.text.as_str(), node.span)),
            _ => self.wrong(node, what, example),
        }
    }

    /// A number or boolean where text is expected: right as soon as it stands in quotes, unless another shape is meant.
    fn unquoted<T>(&mut self, node: &Node, scalar: &Scalar, what: &str, example: &str) -> Option<T> {
        let units = match what {
            "a size" => Some(format!("add the unit: `{0}B` for bytes, or as in `10MiB`", scalar.text)),
            "a duration" => Some(format!("add the unit: `{0}s`, `{0}m`, `{0}h` or `{0}d`", scalar.text)),
            "a percentage" if scalar.text.contains('.') => {
                Some("write a whole percentage, such as `300%`".to_owned())
            }
            "a percentage" => Some(format!("add the sign: `{}%`", scalar.text)),
            TEXT => None,
            _ => return self.wrong(node, what, example),
        };
        if let Some(help) = units.filter(|_| scalar.is_number()) {
            let message = format!("{} must be {what}, and a number alone has no unit", self.subject());
            self.note(Problem::error(Code::WrongType, message, help).label(node.span, "no unit"));
            return None;
        }
        if what != TEXT {
            return self.wrong(node, what, example);
        }
        let kind = if scalar.is_bool() { "boolean" } else { "number" };
        let message =
            format!("{} must be text, and without quotes `{}` is a {kind}", self.subject(), scalar.text);
        let help = format!("write it in quotes: \"{}\"", scalar.text);
        self.note(Problem::error(Code::WrongType, message, help).label(node.span, format!("a {kind}")));
        None
    }
}

/// What leaves call themselves that are any text at all.
pub(super) const TEXT: &str = "text";

fn no_value_help(key: &str, what: &str, example: &str) -> String {
    if what == "a mapping" && matches!(example.chars().next(), Some('{')) {
        format!(
            "write `{key}: {example}`, or remove the key; lines that belong to it must be indented deeper"
        )
    } else {
        format!("give it {what}, as in `{key}: {example}`, or remove the key")
    }
}
