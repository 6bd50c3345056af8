//! Builds the tree from the parser's events.

use super::{Entry, Kind, MAX_DEPTH, MAX_NODES, Node, Scalar, syntax};
use crate::policy::{Span, Spanned, problem::Problem};
use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};
use std::collections::BTreeMap;

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
                    let (repeated, beyond) = (target.nodes, target.depth + self.open.len() > MAX_DEPTH);
                    self.charge(repeated, span)?;
                    if beyond {
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
            Inside::List(items) => {
                let last = items.last().map(|node| node.span.end);
                (Kind::List(items), last)
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
        Kind::Scalar(scalar) if !scalar.is_null() => {
            if let Some(first) = seen.get(&scalar.text) {
                return (Key::Bad, Some(syntax::duplicate_key(&scalar.text, *first, node.span)));
            }
            seen.insert(scalar.text.clone(), node.span);
            (Key::Good(Spanned::new(scalar.text, node.span)), None)
        }
        _ => (Key::Bad, Some(syntax::key_not_text(node.span))),
    }
}
