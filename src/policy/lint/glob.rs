//! Whether one glob covers another.

/// A piece of a glob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// One character, as it is.
    Is(char),
    /// `?`
    One,
    /// `*`
    Any,
    /// `**`: across folders.
    Deep,
}

/// Whether everything that `inner` matches is matched by `outer` too.
///
/// Globs with classes or alternatives (`[…]`, `{…}`) are covered only by what is written alike, or by `**` and `*`.
pub(in crate::policy) fn covers(outer: &str, inner: &str) -> bool {
    if outer == inner {
        return true;
    }
    // What stands before the first and behind the last wildcard must stand in both; that tells most pairs apart.
    let wild = |c: char| "*?[]{}\\".contains(c);
    let (before, after) = (outer.find(wild), outer.rfind(wild).map(|at| at + 1));
    if !inner.starts_with(&outer[..before.unwrap_or(outer.len())])
        || !inner.ends_with(&outer[after.unwrap_or(0)..])
    {
        return false;
    }
    let Some(outer) = pieces(outer) else {
        // A name is matched as it will be.
        let is_name = !inner.contains(wild);
        let glob = globset::GlobBuilder::new(outer).literal_separator(true).build();
        return is_name && glob.is_ok_and(|glob| glob.compile_matcher().is_match(inner));
    };
    let inner = pieces(&inner.replace(['[', ']', '{', '}'], "?*")).unwrap_or_default();
    matches(&outer, &inner)
}

/// Reads a glob; `None` when it has more in it than is compared here.
fn pieces(glob: &str) -> Option<Vec<Piece>> {
    if glob.contains(['[', ']', '{', '}', '\\']) {
        return None;
    }
    let mut pieces = Vec::new();
    for c in glob.chars() {
        match c {
            '*' if pieces.last() == Some(&Piece::Any) => {
                pieces.pop();
                pieces.push(Piece::Deep);
            }
            '*' => pieces.push(Piece::Any),
            '?' => pieces.push(Piece::One),
            c => pieces.push(Piece::Is(c)),
        }
    }
    Some(pieces)
}

/// Matches the text of a glob by a glob: its own wildcards are only swallowed by wider ones.
fn matches(outer: &[Piece], inner: &[Piece]) -> bool {
    // `reached[j]`: the outer pieces so far match the first j inner ones.
    let mut reached = vec![false; inner.len() + 1];
    reached[0] = true;
    for piece in outer {
        let mut next = vec![false; inner.len() + 1];
        for j in 0..=inner.len() {
            let swallows = |inner: Piece| match piece {
                Piece::Deep => true,
                Piece::Any => inner != Piece::Is('/') && inner != Piece::Deep,
                Piece::One => matches!(inner, Piece::Is(c) if c != '/') || inner == Piece::One,
                Piece::Is(_) => *piece == inner,
            };
            let repeats = matches!(piece, Piece::Any | Piece::Deep);
            next[j] = (repeats && reached[j])
                || j > 0 && swallows(inner[j - 1]) && (reached[j - 1] || repeats && next[j - 1]);
        }
        reached = next;
    }
    reached[inner.len()]
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_glob_covers_what_matches_no_more_than_it() {
        for (outer, inner) in [
            ("agent_*", "agent_log"),
            ("agent_*", "agent_log_*"),
            ("*", "agent_*"),
            ("**", "**/*.py"),
            ("**/*.py", "src/*.py"),
            ("*_cache", "page_*_cache"),
            ("a?c", "abc"),
            ("a*", "a[bc]"),
            ("a", "a"),
            ("a[bc]", "ab"),
            ("{a,b}_x", "b_x"),
        ] {
            assert!(covers(outer, inner), "{outer} covers {inner}");
        }
        for (outer, inner) in [
            ("agent_log", "agent_*"),
            ("*_cache", "order_*"),
            ("*.py", "src/a.py"),
            ("*", "**"),
            ("a?c", "a*c"),
            ("a[bc]", "ad"),
            ("a[bc]", "a*"),
            ("src/[ab]*.py", "src/a/b.py"),
            ("agent_*", "agents"),
        ] {
            assert!(!covers(outer, inner), "{outer} does not cover {inner}");
        }
    }
}
