//! Whether a text is one statement, by PostgreSQL's lexical rules (sql-syntax-lexical.html).
//!
//! A query is put between parentheses; one that closed them itself could go on with anything. The server would see
//! nothing wrong in that, so it is seen here.

use std::{iter::Peekable, str::CharIndices};

/// Why a text is not one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Nothing but blanks and comments.
    #[error("there is no statement")]
    Empty,
    /// Something follows a semicolon.
    #[error("it is more than one statement")]
    Several,
    /// A parenthesis that closes nothing, or is not closed.
    #[error("its parentheses do not match")]
    Unbalanced,
    /// A string, a quoted name or a comment that does not end.
    #[error("a string, a quoted name or a comment in it does not end")]
    Unclosed,
    /// A NUL, which no text in PostgreSQL holds.
    #[error("it holds a NUL")]
    Nul,
    /// `COPY` would read or write what passes between this program and `psql`.
    #[error("it begins with COPY")]
    Copy,
}

/// The one statement of a text, without what follows it: semicolons and comments.
pub(super) fn single(sql: &str) -> Result<&str, StatementError> {
    if sql.contains('\0') {
        return Err(StatementError::Nul);
    }
    let mut lexer = Lexer { sql, rest: sql.char_indices().peekable(), before: ' ' };
    let (mut depth, mut is_empty, mut end) = (0_usize, true, None);
    while let Some(token) = lexer.next()? {
        match token {
            Token::Blank => continue,
            Token::Semicolon(at) if depth == 0 => {
                end.get_or_insert(at);
                continue;
            }
            _ if end.is_some() => return Err(StatementError::Several),
            Token::Semicolon(_) => return Err(StatementError::Unbalanced),
            Token::Open => depth += 1,
            Token::Close => depth = depth.checked_sub(1).ok_or(StatementError::Unbalanced)?,
            Token::Other => {}
        }
        is_empty = false;
    }
    match (is_empty, depth) {
        (true, _) => Err(StatementError::Empty),
        (_, 1..) => Err(StatementError::Unbalanced),
        _ => Ok(end.and_then(|end| sql.get(..end)).unwrap_or(sql)),
    }
}

/// The same for a statement of its own, not one between parentheses.
pub(super) fn single_command(sql: &str) -> Result<&str, StatementError> {
    let statement = single(sql)?;
    let mut lexer = Lexer { sql: statement, rest: statement.char_indices().peekable(), before: ' ' };
    let first = loop {
        let start = lexer.offset();
        match lexer.next()? {
            None => break "",
            Some(Token::Blank) => {}
            Some(_) => break statement.get(start..).unwrap_or_default(),
        }
    };
    let word: String = first.chars().take_while(char::is_ascii_alphabetic).collect();
    if word.eq_ignore_ascii_case("copy") { Err(StatementError::Copy) } else { Ok(statement) }
}

enum Token {
    /// Blanks or a comment.
    Blank,
    Semicolon(usize),
    Open,
    Close,
    /// A string, a quoted name, or one character of anything else.
    Other,
}

struct Lexer<'s> {
    sql: &'s str,
    rest: Peekable<CharIndices<'s>>,
    /// The character before the next one, where it may belong to a name; else a blank.
    before: char,
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<Option<Token>, StatementError> {
        let Some((at, character)) = self.rest.next() else { return Ok(None) };
        let before = std::mem::replace(&mut self.before, ' ');
        let token = match character {
            ';' => Token::Semicolon(at),
            '(' => Token::Open,
            ')' => Token::Close,
            '-' if self.take('-') => {
                while self.rest.next_if(|(_, c)| !is_break(*c)).is_some() {}
                Token::Blank
            }
            '/' if self.take('*') => {
                self.comment()?;
                Token::Blank
            }
            '\'' => {
                self.quoted('\'', false)?;
                Token::Other
            }
            '"' => {
                self.quoted('"', false)?;
                Token::Other
            }
            'e' | 'E' if !is_of_name(before) && self.take('\'') => {
                self.escape_string()?;
                Token::Other
            }
            '$' if !is_of_name(before) => {
                self.dollar(at)?;
                Token::Other
            }
            blank if is_blank(blank) => Token::Blank,
            other => {
                self.before = other;
                Token::Other
            }
        };
        Ok(Some(token))
    }

    /// Where the next token begins.
    fn offset(&mut self) -> usize {
        self.rest.peek().map_or(self.sql.len(), |(at, _)| *at)
    }

    fn take(&mut self, wanted: char) -> bool {
        self.rest.next_if(|(_, character)| *character == wanted).is_some()
    }

    /// To the end of a comment, which may hold others.
    fn comment(&mut self) -> Result<(), StatementError> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.rest.next() {
                Some((_, '*')) if self.take('/') => depth -= 1,
                Some((_, '/')) if self.take('*') => depth += 1,
                Some(_) => {}
                None => return Err(StatementError::Unclosed),
            }
        }
        Ok(())
    }

    /// To the closing quote; a doubled one is none.
    fn quoted(&mut self, quote: char, has_escapes: bool) -> Result<(), StatementError> {
        loop {
            match self.rest.next() {
                Some((_, '\\')) if has_escapes => drop(self.rest.next()),
                Some((_, character)) if character == quote && !self.take(quote) => return Ok(()),
                Some(_) => {}
                None => return Err(StatementError::Unclosed),
            }
        }
    }

    /// A string with escapes. A further one that stands on a line below is a part of it, and has escapes as well
    /// without an `E`.
    fn escape_string(&mut self) -> Result<(), StatementError> {
        loop {
            self.quoted('\'', true)?;
            let mut ahead = self.rest.clone();
            let mut is_below = false;
            loop {
                match ahead.next() {
                    Some((_, blank)) if is_blank(blank) => is_below |= is_break(blank),
                    Some((_, '-')) if ahead.next_if(|(_, c)| *c == '-').is_some() => {
                        while ahead.next_if(|(_, c)| !is_break(*c)).is_some() {}
                    }
                    Some((_, '\'')) if is_below => break,
                    _ => return Ok(()),
                }
            }
            self.rest = ahead;
        }
    }

    /// To the end of a dollar-quoted string, if one begins here; else nothing is passed over.
    fn dollar(&mut self, at: usize) -> Result<(), StatementError> {
        let behind = self.sql.get(at + 1..).unwrap_or_default();
        let Some((tag, text)) = behind.split_once('$') else { return Ok(()) };
        let is_tag = !tag.starts_with(|c: char| c.is_ascii_digit()) && tag.chars().all(is_of_tag);
        if !is_tag {
            return Ok(());
        }
        let quote = format!("${tag}$");
        let length = text.find(&quote).ok_or(StatementError::Unclosed)?;
        let end = self.sql.len() - text.len() + length + quote.len();
        while self.rest.next_if(|(at, _)| *at < end).is_some() {}
        Ok(())
    }
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\x0c' | '\x0b')
}

fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\r')
}

fn is_of_tag(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || !character.is_ascii()
}

fn is_of_name(character: char) -> bool {
    is_of_tag(character) || character == '$'
}

#[cfg(test)]
mod tests {
    use super::{StatementError::*, *};

    #[test]
    fn what_follows_one_statement_is_left_out() {
        for (sql, expected) in [
            ("SELECT 1", "SELECT 1"),
            (" SELECT 1 ; ; -- done;\n /* ; /* x */ ; */ ", " SELECT 1 "),
            ("SELECT 1 -- no; more", "SELECT 1 -- no; more"),
            ("SELECT ';)', \";(\", $$;)$$, $a$;$$)$a$", "SELECT ';)', \";(\", $$;)$$, $a$;$$)$a$"),
            (r"SELECT E'\';', '\';", r"SELECT E'\';', '\'"),
            ("SELECT E'a'\n'\\';';", "SELECT E'a'\n'\\';'"),
            ("SELECT E'a' -- c\n -- d\n'\\';';", "SELECT E'a' -- c\n -- d\n'\\';'"),
            ("SELECT 'it''s;', some$a$ FROM b$a$;", "SELECT 'it''s;', some$a$ FROM b$a$"),
            ("SELECT $1;", "SELECT $1"),
            ("(VALUES (1), (2))", "(VALUES (1), (2))"),
        ] {
            assert_eq!(single(sql), Ok(expected), "{sql}");
        }
    }

    #[test]
    fn what_is_not_one_statement_is_refused() {
        for (sql, expected) in [
            ("", Empty),
            (" ;; -- x", Empty),
            ("SELECT 1; SELECT 2", Several),
            ("SELECT 1; ;x", Several),
            ("SELECT 1) TO STDOUT; DROP TABLE t; --", Unbalanced),
            ("SELECT (1", Unbalanced),
            ("SELECT (1; 2)", Unbalanced),
            ("SELECT 'a", Unclosed),
            ("SELECT \"a", Unclosed),
            ("SELECT $a$ $A$", Unclosed),
            ("SELECT /* /* */", Unclosed),
            (r"SELECT E'\'", Unclosed),
            ("SELECT e'a'\n'\\'", Unclosed),
            (r"SELECT nameE'\'; DROP TABLE t; --'", Several),
            ("SELECT 1\0", Nul),
        ] {
            assert_eq!(single(sql), Err(expected), "{sql}");
        }
        assert_eq!(single_command("/* x */ copy t FROM STDIN"), Err(Copy));
        assert_eq!(single_command("-- x\nCOPYRIGHT"), Ok("-- x\nCOPYRIGHT"));
    }
}
