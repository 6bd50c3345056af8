//! What one SQL statement of a dump says about what the dump holds and needs, from a few of its words.
//!
//! Statements may be of any length: only what tells their kind is remembered, and a name that stands where a role is
//! named is taken on the way. Key words that decide here (`TO`, `FROM`, `COPY` at the start) are reserved or stand
//! first: `pg_dump` quotes every name that looks like one.

use std::{collections::BTreeSet, fmt};

/// A table, by its names as they are, without quotes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation {
    /// Its schema; empty in dumps of a `pg_dump` before 2018.
    pub schema: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// What a dump needs from the server that it is loaded into.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Roles that own something or may do something, and those that policies and default privileges name.
    pub roles: BTreeSet<String>,
    /// Extensions.
    pub extensions: BTreeSet<String>,
    /// Tablespaces beside the default one.
    pub tablespaces: BTreeSet<String>,
    /// The encoding that its text is in, as the server calls it.
    pub encoding: Option<String>,
    /// How many large objects have content.
    pub large_objects: u64,
}

/// A word of a statement. Names are bytes in the encoding of the dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word without quotes, in lower case as the server takes it.
    Bare(Vec<u8>),
    /// A quoted name, without its quotes.
    Quoted(Vec<u8>),
    /// A string's content.
    Text(Vec<u8>),
    /// Any other byte.
    Sign(u8),
    /// Numbers, operators, dollar-quoted text, and what is too long to be asked for.
    Other,
}

impl Token {
    pub(super) fn bare(mut word: Vec<u8>) -> Self {
        word.make_ascii_lowercase();
        Self::Bare(word)
    }

    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Bare(bytes) if bytes == word.as_bytes())
    }

    fn name(&self) -> Option<String> {
        match self {
            Self::Bare(name) | Self::Quoted(name) | Self::Text(name) => Some(as_text(name)),
            Self::Sign(_) | Self::Other => None,
        }
    }
}

/// Bytes as text; what is no UTF-8 is told byte by byte, so that different names stay different.
pub fn as_text(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}"); // a String takes everything
        }
    }
    text
}

/// What a statement's end means for the reader of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// More SQL follows.
    Plain,
    /// The rows of a table follow.
    Rows,
    /// From here on, whether backslashes in plain strings are escapes.
    Escapes(bool),
}

/// What the next word is to be taken as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Role,
    Extension,
}

/// How far a `COPY` is that a dump would write: `COPY schema.table (columns) FROM stdin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copy {
    Name,
    AfterName,
    Columns(u32),
    From,
    Whole,
    Other,
}

/// A statement as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Statement {
    count: usize,
    /// The first three words, as far as they are without quotes.
    head: [Vec<u8>; 3],
    before: Option<Token>,
    next: Option<Next>,
    /// The word before was a role, and a comma would bring another.
    in_roles: bool,
    copy: Option<Copy>,
    names: Vec<String>,
    /// The value that a `SET` sets.
    value: Option<String>,
    /// What follows `ALTER TABLE ONLY`, as far as it may say of what table another is a partition.
    altered: Vec<Token>,
}

/// Most words of `schema.table ATTACH PARTITION schema.table`.
const ATTACH_WORDS: usize = 8;

impl Statement {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes the next word.
    pub(super) fn take(&mut self, token: Token, needs: &mut Needs) {
        let index = self.count;
        self.count = index.saturating_add(1);
        if let (Some(place), Token::Bare(word)) = (self.head.get_mut(index), &token) {
            place.clone_from(word);
        }
        if index == 0 {
            self.copy = token.is("copy").then_some(Copy::Name);
        } else if let Some(stage) = self.copy {
            self.copy = Some(self.copy(stage, &token));
        } else {
            self.look(index, &token, needs);
        }
        self.before = Some(token);
    }

    fn copy(&mut self, stage: Copy, token: &Token) -> Copy {
        match (stage, token) {
            (Copy::Name, Token::Bare(_) | Token::Quoted(_)) => {
                self.names.extend(token.name());
                Copy::AfterName
            }
            (Copy::AfterName, Token::Sign(b'.')) if self.names.len() == 1 => Copy::Name,
            (Copy::AfterName, Token::Sign(b'(')) => Copy::Columns(1),
            (Copy::Columns(depth), Token::Sign(b'(')) => Copy::Columns(depth.saturating_add(1)),
            (Copy::Columns(1), Token::Sign(b')')) => Copy::From,
            (Copy::Columns(depth), Token::Sign(b')')) => Copy::Columns(depth - 1),
            (Copy::Columns(depth), _) => Copy::Columns(depth),
            (Copy::AfterName | Copy::From, _) if token.is("from") => Copy::From,
            (Copy::From, _) if token.is("stdin") && self.before.as_ref().is_some_and(|t| t.is("from")) => {
                Copy::Whole
            }
            _ => Copy::Other,
        }
    }

    fn look(&mut self, index: usize, token: &Token, needs: &mut Needs) {
        let was_in_roles = std::mem::take(&mut self.in_roles);
        match self.next.take() {
            Some(Next::Role) => {
                // Reserved words: no role can be called so.
                if !(token.is("public") || token.is("default")) {
                    needs.roles.extend(token.name());
                }
                self.in_roles = true;
                return;
            }
            Some(Next::Extension) if ["if", "not", "exists"].iter().any(|word| token.is(word)) => {
                self.next = Some(Next::Extension);
                return;
            }
            Some(Next::Extension) => {
                needs.extensions.extend(token.name());
                return;
            }
            None => {}
        }
        if was_in_roles && *token == Token::Sign(b',') {
            self.next = Some(Next::Role);
            return;
        }
        let head = |at: usize| self.head[at].as_slice();
        let is_default = head(0) == b"alter" && head(1) == b"default";
        let follows = |word: &str| self.before.as_ref().is_some_and(|before| before.is(word));
        let brings_role = match token {
            Token::Bare(word) => match word.as_slice() {
                b"to" => {
                    head(0) == b"grant"
                        || is_default
                        || (head(0) == b"alter" && follows("owner"))
                        || (head(0) == b"create" && head(1) == b"policy")
                }
                b"from" => head(0) == b"revoke" || is_default,
                b"authorization" => {
                    (head(0) == b"set" && head(1) == b"session")
                        || (head(0) == b"create" && head(1) == b"schema")
                }
                b"role" => is_default && follows("for"),
                b"for" => head(0) == b"create" && head(1) == b"user" && head(2) == b"mapping",
                _ => false,
            },
            _ => false,
        };
        if index > 2
            && self.altered.len() < ATTACH_WORDS
            && [head(0), head(1), head(2)] == [&b"alter"[..], b"table", b"only"]
        {
            self.altered.push(token.clone());
        }
        if brings_role {
            self.next = Some(Next::Role);
        } else if index == 1 && head(0) == b"create" && token.is("extension") {
            self.next = Some(Next::Extension);
        } else if index == 3 && head(0) == b"set" {
            self.value = token.name();
        } else if index == 3 && head(0) == b"select" && head(1) == b"pg_catalog" && token.is("lo_open") {
            needs.large_objects = needs.large_objects.saturating_add(1);
        }
    }

    /// The table that becomes a partition by it, and the table that it then is a part of.
    pub(super) fn attached(&self) -> Option<(Relation, Relation)> {
        let [schema, Token::Sign(b'.'), name, attach, partition, part_schema, Token::Sign(b'.'), part] =
            self.altered.as_slice()
        else {
            return None;
        };
        let relation =
            |schema: &Token, name: &Token| Some(Relation { schema: schema.name()?, name: name.name()? });
        let is_attached = attach.is("attach") && partition.is("partition");
        is_attached.then_some(())?;
        Some((relation(part_schema, part)?, relation(schema, name)?))
    }

    /// What the whole of it means; a table whose rows follow.
    pub(super) fn end(self, needs: &mut Needs) -> (Ending, Result<Option<Relation>, &'static str>) {
        match self.copy {
            Some(Copy::Whole) => {
                let mut names = self.names.into_iter().rev();
                let name = names.next().unwrap_or_default();
                let schema = names.next().unwrap_or_default();
                return (Ending::Rows, Ok(Some(Relation { schema, name })));
            }
            Some(_) => return (Ending::Plain, Err("a COPY that does not read what follows it")),
            None => {}
        }
        let mut ending = Ending::Plain;
        if let ([set, name, _], Some(value)) = (&self.head, self.value) {
            match (set.as_slice(), name.as_slice()) {
                (b"set", b"client_encoding") => needs.encoding = Some(value),
                (b"set", b"default_tablespace") if !value.is_empty() => {
                    needs.tablespaces.insert(value);
                }
                (b"set", b"standard_conforming_strings") => ending = Ending::Escapes(value == "off"),
                _ => {}
            }
        }
        (ending, Ok(None))
    }
}
