//! A small tree of XML, and its text.

/// An element: with a text, with elements, or with neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, &'static str)>,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Empty,
    Text(String),
    Elements(Vec<Element>),
}

impl Element {
    /// An element without content.
    pub(super) const fn empty(name: &'static str) -> Self {
        Self { name, attributes: Vec::new(), content: Content::Empty }
    }

    /// An element that holds a text.
    pub(super) fn text(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, attributes: Vec::new(), content: Content::Text(text.into()) }
    }

    /// An element that holds others.
    pub(super) fn of(name: &'static str, elements: Vec<Self>) -> Self {
        let content = if elements.is_empty() { Content::Empty } else { Content::Elements(elements) };
        Self { name, attributes: Vec::new(), content }
    }

    /// The element with another attribute.
    pub(super) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.attributes.push((name, value));
        self
    }

    /// Its lines, indented so deep.
    pub(super) fn lines(&self, depth: usize) -> String {
        let mut out = String::new();
        self.write(depth, &mut out);
        out
    }

    fn write(&self, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth);
        let mut tag = self.name.to_owned();
        for (name, value) in &self.attributes {
            tag.extend([" ", name, "=\"", &escaped(value), "\""]);
        }
        match &self.content {
            Content::Empty => out.extend([&indent, "<", &tag, "/>\n"]),
            Content::Text(text) => {
                out.extend([&indent, "<", &tag, ">", &escaped(text), "</", self.name, ">\n"]);
            }
            Content::Elements(elements) => {
                out.extend([&indent, "<", &tag, ">\n"]);
                for element in elements {
                    element.write(depth + 1, out);
                }
                out.extend([&indent, "</", self.name, ">\n"]);
            }
        }
    }
}

/// A text as content or value of an attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c => out.push(c),
        }
    }
    out
}
