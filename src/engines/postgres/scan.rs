//! Reads the SQL text of a dump as it streams by: words, strings, comments, and the rows of `COPY`.
//!
//! Divides the text where `psql` does (its `psqlscan.l`), so that nothing which lies within data, function bodies,
//! strings, names or comments is taken for SQL. Lines may be of any length; no more of anything is held than a name may
//! be long. Server encodings hold no ASCII byte within another character, which makes bytes enough.

use super::statement::{Ending, Statement, Token};

/// Most bytes held of one word, string or comment. Names are shorter; what is longer is data, whose text is not asked.
const HELD_MAX: usize = 1 << 10;

/// What the scanner tells of beside statements.
pub(super) trait Listener {
    /// A word, string or sign of the statement at hand.
    fn token(&mut self, statement: &mut Statement, token: Token);
    /// A statement's semicolon.
    fn end(&mut self, statement: Statement) -> Ending;
    /// As many more rows of the table whose `COPY` began last.
    fn rows(&mut self, count: u64);
    /// A line comment's beginning, without its dashes.
    fn comment(&mut self, text: &[u8]);
    /// A command to `psql` itself, with its backslash; whether a statement was begun before it.
    fn command(&mut self, line: &[u8], amid: bool);
    /// Something that no dump has.
    fn foreign(&mut self, what: &str);
}

/// Where in the text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Blank,
    Word,
    Number,
    /// In a quoted name; whether its last byte was a quote.
    Name(bool),
    Text {
        escapes: bool,
        quote: bool,
        escaped: bool,
    },
    /// After a dollar sign that may open a quote.
    Tag,
    /// In a dollar quote; how much of its end has been matched.
    Dollar(usize),
    Dash,
    Comment,
    Slash,
    /// In a block comment: how deep, and the byte before.
    Block(u32, u8),
    Command,
    /// Between the semicolon of a `COPY` and its data.
    BeforeRows,
    Rows(Line),
}

/// Where in a line of `COPY` data it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Start,
    Backslash,
    Dot,
    /// After `\.` and a carriage return, which `psql` takes as its end too.
    Return,
    Within,
}

/// The reader of one dump's text.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    /// The word, string, comment, command or dollar tag at hand.
    held: Vec<u8>,
    depth: u32,
    statement: Statement,
    /// What backslashes in plain strings are: text, unless the dump says otherwise.
    pub(super) plain_escapes: bool,
    last: [u8; 2],
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            state: State::Blank,
            held: Vec::new(),
            depth: 0,
            statement: Statement::default(),
            plain_escapes: false,
            last: [0; 2],
        }
    }
}

impl Scanner {
    /// Reads a piece of the text, and passes on all of it but the commands to `psql`.
    pub(super) fn feed(&mut self, bytes: &[u8], to: &mut impl Listener, mut keep: impl FnMut(&[u8])) {
        let (mut at, mut kept) = (0, 0);
        while at < bytes.len() {
            let was_command = self.state == State::Command;
            match self.state {
                State::Rows(line) => at = self.rows(bytes, at, line, to),
                State::Text { escapes, quote: false, escaped: false } => {
                    let special = |byte: &u8| *byte == b'\'' || (escapes && *byte == b'\\');
                    let plain = bytes[at..].iter().position(special).unwrap_or(bytes.len() - at);
                    self.hold_all(&bytes[at..at + plain]);
                    at += plain;
                    if at < bytes.len() {
                        self.step(bytes[at], to);
                        at += 1;
                    }
                }
                State::Dollar(0) => {
                    at += bytes[at..].iter().position(|byte| *byte == b'$').unwrap_or(bytes.len() - at);
                    if at < bytes.len() {
                        self.step(bytes[at], to);
                        at += 1;
                    }
                }
                _ => at += usize::from(self.step(bytes[at], to)),
            }
            match (was_command, self.state == State::Command) {
                (false, true) => keep(&bytes[kept..at - 1]),
                (true, false) => kept = at,
                _ => {}
            }
        }
        if self.state != State::Command {
            keep(&bytes[kept..]);
        }
        for byte in &bytes[bytes.len().saturating_sub(2)..] {
            self.last = [self.last[1], *byte];
        }
    }

    /// Whether the text may end here: between statements, after the empty line that every dump ends with.
    pub(super) fn may_end(&self) -> bool {
        self.state == State::Blank && self.statement.is_empty() && self.last == *b"\n\n"
    }

    fn hold(&mut self, byte: u8) {
        if self.held.len() <= HELD_MAX {
            self.held.push(byte);
        }
    }

    fn hold_all(&mut self, bytes: &[u8]) {
        let room = (HELD_MAX + 1).saturating_sub(self.held.len());
        self.held.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Takes what is held, unless it was too long to be.
    fn held(&mut self) -> Option<Vec<u8>> {
        let held = std::mem::take(&mut self.held);
        (held.len() <= HELD_MAX).then_some(held)
    }

    fn begin(&mut self, state: State) {
        self.held.clear();
        self.state = state;
    }

    fn tell(&mut self, token: Token, to: &mut impl Listener) {
        to.token(&mut self.statement, token);
    }

    /// Goes on by one byte; `false` when the byte ended what was before it and is still to be read.
    fn step(&mut self, byte: u8, to: &mut impl Listener) -> bool {
        match self.state {
            State::Blank => self.blank(byte, to),
            State::Word => match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'$' | 0x80.. => self.hold(byte),
                b'\'' if self.held.eq_ignore_ascii_case(b"e") => self.begin(text(true)),
                _ => {
                    let word = self.held().map_or(Token::Other, Token::bare);
                    self.state = State::Blank;
                    self.tell(word, to);
                    return false;
                }
            },
            State::Number => {
                if !(byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.') {
                    self.state = State::Blank;
                    self.tell(Token::Other, to);
                    return false;
                }
            }
            State::Name(quote) => match (quote, byte) {
                (false, b'"') => self.state = State::Name(true),
                (true, b'"') | (false, _) => {
                    self.hold(byte);
                    self.state = State::Name(false);
                }
                (true, _) => {
                    let name = self.held().map_or(Token::Other, Token::Quoted);
                    self.state = State::Blank;
                    self.tell(name, to);
                    return false;
                }
            },
            State::Text { escapes, quote, escaped } => match byte {
                _ if escaped => {
                    self.hold(byte);
                    self.state = text(escapes);
                }
                b'\\' if escapes && !quote => {
                    self.state = State::Text { escapes, quote: false, escaped: true };
                }
                b'\'' if !quote => self.state = State::Text { escapes, quote: true, escaped: false },
                b'\'' => {
                    self.hold(byte);
                    self.state = text(escapes);
                }
                _ if quote => {
                    let string = self.held().map_or(Token::Other, Token::Text);
                    self.state = State::Blank;
                    self.tell(string, to);
                    return false;
                }
                _ => self.hold(byte),
            },
            State::Tag => match byte {
                b'$' => {
                    self.hold(byte);
                    if self.held.len() > HELD_MAX {
                        to.foreign("a dollar quote with a very long tag");
                    }
                    self.state = State::Dollar(0);
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => self.hold(byte),
                b'0'..=b'9' if self.held.len() > 1 => self.hold(byte),
                _ => {
                    self.state = State::Blank;
                    self.tell(Token::Other, to);
                    return false;
                }
            },
            // A tag holds dollar signs at its two ends alone, so a match that fails can begin anew with this byte only.
            State::Dollar(matched) => {
                let wanted = self.held.get(matched).copied();
                self.state = match (wanted == Some(byte), byte) {
                    (true, _) if matched + 1 == self.held.len() => State::Blank,
                    (true, _) => State::Dollar(matched + 1),
                    (false, b'$') => State::Dollar(1),
                    (false, _) => State::Dollar(0),
                };
                if self.state == State::Blank {
                    self.tell(Token::Other, to);
                }
            }
            State::Dash if byte == b'-' => self.begin(State::Comment),
            State::Slash if byte == b'*' => self.state = State::Block(1, 0),
            State::Dash | State::Slash => {
                self.state = State::Blank;
                self.tell(Token::Other, to);
                return false;
            }
            State::Comment if byte == b'\n' => {
                self.state = State::Blank;
                self.held.truncate(HELD_MAX);
                to.comment(&self.held);
            }
            State::Block(depth, before) => {
                self.state = match (before, byte) {
                    (b'*', b'/') if depth == 1 => State::Blank,
                    (b'*', b'/') => State::Block(depth - 1, 0),
                    (b'/', b'*') => State::Block(depth.saturating_add(1), 0),
                    _ => State::Block(depth, byte),
                }
            }
            State::Command if byte == b'\n' => {
                self.state = State::Blank;
                to.command(&self.held, !self.statement.is_empty());
            }
            State::Comment | State::Command => self.hold(byte),
            State::BeforeRows => match byte {
                b'\n' => self.state = State::Rows(Line::Start),
                b'\r' => {}
                _ => {
                    to.foreign("more in the line of a COPY");
                    self.state = State::Blank;
                    return false;
                }
            },
            State::Rows(_) => {}
        }
        true
    }

    /// Between words; it always takes the byte.
    fn blank(&mut self, byte: u8, to: &mut impl Listener) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {}
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => {
                self.begin(State::Word);
                self.hold(byte);
            }
            b'0'..=b'9' => self.state = State::Number,
            b'"' => self.begin(State::Name(false)),
            b'\'' => self.begin(text(self.plain_escapes)),
            b'$' => {
                self.begin(State::Tag);
                self.hold(byte);
            }
            b'-' => self.state = State::Dash,
            b'/' => self.state = State::Slash,
            b'\\' => {
                self.begin(State::Command);
                self.hold(byte);
            }
            // Within parentheses it ends no statement: `CREATE RULE … DO (…; …)`.
            b';' if self.depth == 0 => match to.end(std::mem::take(&mut self.statement)) {
                Ending::Rows => self.state = State::BeforeRows,
                Ending::Escapes(on) => self.plain_escapes = on,
                Ending::Plain => {}
            },
            0 => to.foreign("a zero byte"),
            _ => {
                match byte {
                    b'(' => self.depth = self.depth.saturating_add(1),
                    b')' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                self.tell(Token::Sign(byte), to);
            }
        }
    }

    /// Reads on in `COPY` data, as far as the piece or the data goes.
    fn rows(&mut self, bytes: &[u8], mut at: usize, mut line: Line, to: &mut impl Listener) -> usize {
        let mut count = 0;
        while let Some(byte) = bytes.get(at) {
            at += 1;
            line = match (line, byte) {
                (Line::Dot | Line::Return, b'\n') => {
                    to.rows(count);
                    self.state = State::Blank;
                    return at;
                }
                (_, b'\n') => {
                    count += 1;
                    Line::Start
                }
                (Line::Start, b'\\') => Line::Backslash,
                (Line::Backslash, b'.') => Line::Dot,
                (Line::Dot, b'\r') => Line::Return,
                _ => {
                    let rest = &bytes[at..];
                    at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                    Line::Within
                }
            };
        }
        to.rows(count);
        self.state = State::Rows(line);
        at
    }
}

const fn text(escapes: bool) -> State {
    State::Text { escapes, quote: false, escaped: false }
}
