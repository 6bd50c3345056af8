//! Whether the SQL of a check is one query that only reads, as far as its words tell whatever the engine.

use std::ops::Range;

/// Why a text is not a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAQuery {
    /// The bytes of the text that show it.
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// Words that begin a statement which is no query: a check is refused everything but reading.
const NO_QUERY: [&str; 25] = [
    "alter",
    "analyze",
    "attach",
    "begin",
    "call",
    "commit",
    "copy",
    "create",
    "delete",
    "detach",
    "drop",
    "end",
    "grant",
    "insert",
    "merge",
    "reindex",
    "release",
    "replace",
    "revoke",
    "rollback",
    "savepoint",
    "set",
    "truncate",
    "update",
    "vacuum",
];

/// Says why a text is not one query that only reads, if that can be told without the engine.
pub(super) fn not_a_query(sql: &str) -> Option<NotAQuery> {
    let start = skip_blank(sql, 0);
    let word = sql[start..].split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    if NO_QUERY.contains(&word.to_ascii_lowercase().as_str()) {
        return Some(NotAQuery {
            at: start..start + word.len(),
            message: format!("a check only reads, and `{word}` does not"),
            help: "ask with `SELECT`; what changes the database belongs in a `before` command",
        });
    }
    let mut at = start;
    while let Some(c) = sql[at..].chars().next() {
        match c {
            ';' => {
                let second = skip_blank(sql, at + 1);
                // Semicolons at the end change nothing.
                if second < sql.len() && !sql[second..].starts_with(';') {
                    return Some(NotAQuery {
                        at: second..sql.trim_end().len().max(second),
                        message: "a check is one query, and here a second statement begins".to_owned(),
                        help: "make a check of its own of it, or remove it",
                    });
                }
                at += 1;
            }
            '\'' | '"' | '`' => at = past(sql, at + 1, c),
            _ if skip_blank(sql, at) > at => at = skip_blank(sql, at),
            _ => at += c.len_utf8(),
        }
    }
    None
}

/// The offset after the next `quote`; a doubled one begins the quotation anew, which comes to the same.
fn past(sql: &str, from: usize, quote: char) -> usize {
    sql[from..].find(quote).map_or(sql.len(), |n| from + n + 1)
}

/// The offset after blanks and comments.
fn skip_blank(sql: &str, mut at: usize) -> usize {
    loop {
        let rest = &sql[at..];
        let ends = if rest.starts_with("--") {
            rest.find('\n').map_or(rest.len(), |n| n + 1)
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |n| n + 2)
        } else {
            rest.len() - rest.trim_start().len()
        };
        if ends == 0 {
            return at;
        }
        at += ends;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_that_reads_is_a_query() {
        for sql in [
            "SELECT 1",
            "  -- why\n /* and how */ WITH a AS (SELECT 1) SELECT * FROM a;",
            "SELECT ';' , \"a;b\", `c;d` FROM t -- ; no\n",
            "SELECT 'it''s; fine';;",
            "VALUES (1)",
            "selection",
            "",
            "SELECT '",
            "/* open",
            "é",
        ] {
            assert_eq!(not_a_query(sql), None, "{sql}");
        }
    }

    #[test]
    fn what_changes_something_or_goes_on_is_none() {
        let at = |sql: &str| not_a_query(sql).map(|wrong| sql[wrong.at].to_owned());
        assert_eq!(at("DELETE FROM t").as_deref(), Some("DELETE"));
        assert_eq!(at("/* x */ attach 'a' AS b").as_deref(), Some("attach"));
        assert_eq!(at("SELECT 1; SELECT 2 ").as_deref(), Some("SELECT 2"));
        assert_eq!(at("SELECT 1; ; DROP TABLE t;").as_deref(), Some("DROP TABLE t;"));
    }
}
