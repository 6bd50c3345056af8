//! Reads YAML into one tree of nodes, each with its place; the only module that names the YAML parser.
//!
//! The parser yields events one at a time and the tree is built on a stack of our own, so neither nesting nor aliases
//! can cost more than the bounds below. What is wrong but can be stepped over (a key written twice, a tag, a merge key)
//! is noted and reading goes on, so that one run shows all of it.

mod syntax;

use super::{
    Span, Spanned,
    problem::{Code, Problem},
};
use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};
use std::{borrow::Cow, collections::BTreeMap};

/// Largest text in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting of lists and mappings.
pub const MAX_DEPTH: usize = 32;
/// Most nodes of one text, those that aliases repeat included.
pub const MAX_NODES: usize = 100_000;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// From its first byte (a quote, a bracket) to its last.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// The three things a value can be.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Text, and what looks like a number, a boolean or null.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order written; no key twice.
    Map(Vec<Entry>),
}

/// A scalar as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text, with quotes and escapes resolved.
    pub text: String,
    /// Whether it stands without quotes; only then it can be a number, a boolean or null.
    pub plain: bool,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Spanned<String>,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Whether nothing is written here, or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(scalar) if scalar.is_null())
    }
}

impl Scalar {
    /// Whether YAML 1.2 reads it as null.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// The boolean it is: `true` or `false`, unquoted, and nothing else.
    pub fn as_bool(&self) -> Option<bool> {
        match self.text.as_str() {
            "true" if self.plain => Some(true),
            "false" if self.plain => Some(false),
            _ => None,
        }
    }

    /// Whether YAML 1.2 reads it as a boolean.
    pub fn is_bool(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
    }

    /// Whether YAML 1.2 reads it as a number.
    pub fn is_number(&self) -> bool {
        self.plain && is_number(&self.text)
    }
}

/// The core schema's integers and floats.
fn is_number(text: &str) -> bool {
    let all = |text: &str, good: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|b| good(&b));
    if let Some(octal) = text.strip_prefix("0o") {
        return all(octal, |b| (b'0'..=b'7').contains(b));
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return all(hex, u8::is_ascii_hexdigit);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    (!whole.is_empty() || !fraction.is_empty())
        && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
        && exponent.is_none_or(|digits| all(digits, u8::is_ascii_digit))
}

/// Turns a file's bytes into text: at most 1 MiB of UTF-8, one leading byte order mark dropped.
///
/// On failure the text comes along as far as it can be shown.
pub fn decode(bytes: &[u8]) -> Result<&str, (Cow<'_, str>, Problem)> {
    if bytes.len() > MAX_BYTES {
        let problem = Problem::error(
            Code::YamlTooLarge,
            format!("the file has {} bytes; a policy has at most 1 MiB (1,048,576)", bytes.len()),
            "check that this is a policy and not, say, a database; a large policy can be cut into several files",
        );
        return Err((Cow::Borrowed(""), problem));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        let problem =
            Problem::error(Code::YamlNotUtf8, "this file is UTF-16, not UTF-8", "save the file as UTF-8");
        return Err((Cow::Borrowed(""), problem));
    }
    match std::str::from_utf8(bytes) {
        Err(error) => {
            let at = error.valid_up_to();
            let message = "this byte is not UTF-8 text";
            let problem = Problem::error(Code::YamlNotUtf8, message, "save the file as UTF-8")
                .label(Span::new(at, at + '\u{FFFD}'.len_utf8()), "here");
            Err((String::from_utf8_lossy(bytes), problem))
        }
        Ok(text) => match text.find('\0') {
            Some(at) => {
                let problem = Problem::error(
                    Code::YamlControlCharacter,
                    "there is a NUL byte in this file",
                    "remove the byte; if the file is full of them it was cut off or is not text at all",
                )
                .label(Span::new(at, at + 1), "here");
                Err((Cow::Borrowed(text), problem))
            }
            None => Ok(text),
        },
    }
}

/// Reads one document into a tree; `None` when it cannot be read as YAML to its end.
pub fn read(text: &str) -> (Option<Node>, Vec<Problem>) {
    let mut tree = Tree { text, ..Tree::default() };
    let root = match tree.build() {
        Ok(()) => tree.root.take(),
        Err(problem) => {
            tree.problems.push(*problem);
            None
        }
    };
    (root, tree.problems)
}

/// A list or mapping that is not finished yet.
struct Open {
    start: Span,
    flow: bool,
    anchor: usize,
    /// Nesting below it, itself not counted.
    depth: usize,
    nodes: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<Key>, seen: BTreeMap<String, Span> },
}

/// A key that waits for its value.
enum Key {
    Good(Spanned<String>),
    /// Reported already; its value is read and dropped.
    Bad,
}

/// A finished value: the node, the depth below it and the nodes in it.
#[derive(Clone)]
struct Finished {
    node: Node,
    depth: usize,
    nodes: usize,
}

#[derive(Default)]
struct Tree<'a> {
    text: &'a str,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Finished>,
    nodes: usize,
    root: Option<Node>,
    documents: usize,
    problems: Vec<Problem>,
}

/// Reading cannot go on.
type Stop = Box<Problem>;

impl Tree<'_> {
    fn build(&mut self) -> Result<(), Stop> {
        let text = self.text;
        let mut options = granit_parser::options! {
            emit_unresolved_aliases: true,
            disallow_directives: true,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        options.set_emit_comments(false);
        for next in Parser::new_from_str_with_options(text, options) {
            let (event, at) = next.map_err(|error| {
                let at = error.marker().byte_offset().unwrap_or(text.len());
                Box::new(syntax::problem(error.kind(), text, at))
            })?;
            let span =
                at.byte_range().map_or(Span::new(text.len(), text.len()), |r| Span::new(r.start, r.end));
            if let Some(tag) = at.tag_start.and_then(|mark| mark.byte_offset()) {
                self.problems.push(syntax::tag(text, tag));
            }
            match event {
                Event::DocumentStart(..) => {
                    self.documents += 1;
                    if self.documents > 1 {
                        return Err(Box::new(syntax::several_documents(span)));
                    }
                }
                Event::Scalar(value, style, anchor, _) => {
                    let plain = style == ScalarStyle::Plain;
                    let scalar = Scalar { text: value.into_owned(), plain };
                    let span = if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                        self.trimmed(span)
                    } else {
                        span
                    };
                    self.charge(1, span)?;
                    self.finish(
                        Finished { node: Node { span, kind: Kind::Scalar(scalar) }, depth: 0, nodes: 1 },
                        anchor,
                    )?;
                }
                Event::SequenceStart(style, anchor, _) => {
                    self.begin(span, style, anchor, Inside::List(Vec::new()))?;
                }
                Event::MappingStart(style, anchor, _) => {
                    let inside = Inside::Map { entries: Vec::new(), key: None, seen: BTreeMap::new() };
                    self.begin(span, style, anchor, inside)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(span)?,
                Event::Alias(id) => {
                    let Some(target) = self.anchors.get(&id) else {
                        return Err(Box::new(syntax::alias_in_itself(span)));
                    };
                    let (nodes, too_deep) = (target.nodes, target.depth + self.open.len() > MAX_DEPTH);
                    self.charge(nodes, span)?;
                    if too_deep {
                        return Err(Box::new(syntax::too_deep(span)));
                    }
                    if let Some(mut target) = self.anchors.get(&id).cloned() {
                        target.node.span = span;
                        self.finish(target, 0)?;
                    }
                }
                Event::UnresolvedAlias(_) => return Err(Box::new(syntax::unknown_alias(text, span))),
                _ => {}
            }
        }
        Ok(())
    }

    /// Counts nodes against the budget before they are made.
    fn charge(&mut self, nodes: usize, span: Span) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES { Err(Box::new(syntax::too_many_nodes(span))) } else { Ok(()) }
    }

    fn begin(
        &mut self,
        start: Span,
        style: StructureStyle,
        anchor: usize,
        inside: Inside,
    ) -> Result<(), Stop> {
        self.charge(1, start)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(Box::new(syntax::too_deep(start)));
        }
        let flow = style == StructureStyle::Flow;
        self.open.push(Open { start, flow, anchor, depth: 0, nodes: 1, inside });
        Ok(())
    }

    fn end(&mut self, end: Span) -> Result<(), Stop> {
        let Some(Open { start, flow, anchor, depth, nodes, inside }) = self.open.pop() else { return Ok(()) };
        let (kind, last) = match inside {
            Inside::List(list) => {
                let last = list.last().map(|node| node.span.end);
                (Kind::List(list), last)
            }
            Inside::Map { entries, .. } => {
                let last = entries.last().map(|entry| entry.value.span.end.max(entry.key.span.end));
                (Kind::Map(entries), last)
            }
        };
        // The end of a block collection is where the next token stands, lines below: its last value is its end.
        let end = if flow { end.end } else { last.unwrap_or(start.end) };
        let span = Span::new(start.start, end.max(start.end));
        self.finish(Finished { node: Node { span, kind }, depth: depth + 1, nodes }, anchor)
    }

    /// Puts a finished value where it belongs: a list, a mapping as key or value, or the root.
    fn finish(&mut self, done: Finished, anchor: usize) -> Result<(), Stop> {
        if anchor != 0 {
            self.charge(done.nodes, done.node.span)?;
            self.anchors.insert(anchor, done.clone());
        }
        let Finished { node, depth, nodes } = done;
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        open.depth = open.depth.max(depth);
        open.nodes += nodes;
        match &mut open.inside {
            Inside::List(list) => list.push(node),
            Inside::Map { entries, key, seen } => match key.take() {
                Some(Key::Good(key)) => entries.push(Entry { key, value: node }),
                Some(Key::Bad) => {}
                None => {
                    let (next, problem) = key_of(node, seen);
                    *key = Some(next);
                    self.problems.extend(problem);
                }
            },
        }
        Ok(())
    }

    /// A block scalar's span without the line ends after it.
    fn trimmed(&self, span: Span) -> Span {
        let written = self.text.get(span.start..span.end).unwrap_or_default();
        Span::new(span.start, span.start + written.trim_end().len())
    }
}

/// Makes a key of a node, or says why it is none.
fn key_of(node: Node, seen: &mut BTreeMap<String, Span>) -> (Key, Option<Problem>) {
    match node.kind {
        Kind::Scalar(scalar) if scalar.plain && scalar.text == "<<" => {
            (Key::Bad, Some(syntax::merge_key(node.span)))
        }
        Kind::Scalar(scalar) if !scalar.is_null() => match seen.get(&scalar.text) {
            Some(first) => (Key::Bad, Some(syntax::duplicate_key(&scalar.text, *first, node.span))),
            None => {
                seen.insert(scalar.text.clone(), node.span);
                (Key::Good(Spanned::new(scalar.text, node.span)), None)
            }
        },
        _ => (Key::Bad, Some(syntax::key_not_text(node.span))),
    }
}
