//! Builds the tree from the parser's events.

use super::{Entry, Kind, MAX_DEPTH, MAX_NODES, Node, Scalar, syntax};
use crate::policy::{
    Span, Spanned,
    problem::{Problem, Problems, within},
};
use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};
use std::collections::BTreeMap;

/// Reads one document into a tree; `None` when it cannot be read as YAML to its end.
pub fn read(text: &str) -> (Option<Node>, Vec<Problem>) {
    let (root, problems) = read_on(text);
    (root, problems.sorted())
}

/// As [`read`], for a reader that goes on to find more.
pub(in crate::policy) fn read_on(text: &str) -> (Option<Node>, Problems) {
    let mut tree = Tree { text, ..Tree::default() };
    let root = match tree.build() {
        Ok(()) => tree.root.take(),
        Err(problem) => {
            tree.problems.note(*problem);
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
    problems: Problems,
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
                self.problems.note_error(|| syntax::tag(text, tag));
            }
            let anchored = matches!(
                &event,
                Event::Scalar(_, _, 1.., _)
                    | Event::SequenceStart(_, 1.., _)
                    | Event::MappingStart(_, 1.., _)
            );
            if let Some(problem) = anchored.then(|| syntax::anchor(text, span.start)).flatten() {
                self.problems.note(problem);
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
                    if let Some((at, c)) = syntax::invisible(&scalar.text).filter(|_| plain) {
                        let place = within(text, span, &scalar.text, at);
                        self.problems.note(syntax::invisible_character(place, c));
                    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Each scalar, key and collection as the text at its place.
    fn places(text: &str) -> Vec<&str> {
        fn walk<'a>(node: &Node, text: &'a str, into: &mut Vec<&'a str>) {
            into.push(&text[node.span.start..node.span.end]);
            match &node.kind {
                Kind::Scalar(_) => {}
                Kind::List(items) => items.iter().for_each(|item| walk(item, text, into)),
                Kind::Map(entries) => entries.iter().for_each(|entry| {
                    into.push(&text[entry.key.span.start..entry.key.span.end]);
                    walk(&entry.value, text, into);
                }),
            }
        }
        let (root, problems) = read(text);
        assert_eq!(problems, [], "{text}");
        let mut into = Vec::new();
        walk(&root.unwrap(), text, &mut into);
        into
    }

    #[test]
    fn places_are_those_of_the_bytes_written() {
        assert_eq!(places("é: [ä, 'ö' ]  # x\n"), ["é: [ä, 'ö' ]", "é", "[ä, 'ö' ]", "ä", "'ö'"]);
        assert_eq!(
            places("a:\r\n  b: \"c\"\r\nd: e\r\n"),
            ["a:\r\n  b: \"c\"\r\nd: e", "a", "b: \"c\"", "b", "\"c\"", "d", "e"]
        );
        assert_eq!(places("a: |\n  x\n  y\nb: {}\n"), ["a: |\n  x\n  y\nb: {}", "a", "x\n  y", "b", "{}"]);
    }

    #[test]
    fn an_alias_stands_at_its_own_place() {
        assert_eq!(places("a: &x [b]\nc: *x\n"), ["a: &x [b]\nc: *x", "a", "[b]", "b", "c", "*x", "b"]);
    }

    #[test]
    fn what_can_be_stepped_over_does_not_hide_the_rest() {
        let (root, problems) = read("a: 1\na: 2\n<<: {b: 1}\n[c]: d\ne: !!str f\n");
        let codes: Vec<_> = problems.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!(
            codes,
            [
                "policy::yaml::duplicate_key",
                "policy::yaml::merge_key",
                "policy::yaml::key_not_text",
                "policy::yaml::quotes_needed"
            ]
        );
        let Kind::Map(entries) = root.unwrap().kind else { panic!("no mapping") };
        let keys: Vec<_> = entries.iter().map(|entry| entry.key.value.as_str()).collect();
        assert_eq!(keys, ["a", "e"]);
    }

    #[test]
    fn line_ends_of_block_texts_are_the_same() {
        let text = |written: &str| match read(written).0.unwrap().kind {
            Kind::Map(mut entries) => match entries.remove(0).value.kind {
                Kind::Scalar(scalar) => scalar.text,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        assert_eq!(text("a: |\n  x\n  y\n"), "x\ny\n");
        assert_eq!(text("a: |\r\n  x\r\n  y\r\n"), "x\ny\n");
    }
}
