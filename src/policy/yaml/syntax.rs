//! What is wrong with a text as YAML, said to someone who does not know YAML's grammar by heart.

mod around;

use crate::policy::{
    Span,
    problem::{Code, Problem, masked},
};
use around::{
    brace_in_word, char_at, in_line, last_open_bracket, lines_near, near, quoted_over_lines, unknown_escape,
};
use granit_parser::ErrorKind;

/// Words a parser error at a byte offset.
pub(super) fn problem(kind: &ErrorKind, text: &str, at: usize) -> Problem {
    use ErrorKind as K;
    if let Some(problem) = invisible_near(text, at).or_else(|| no_space_near(kind, text, at)) {
        return problem;
    }
    match kind {
        K::TabNotAllowed
        | K::TabInBlockIndentation
        | K::TabInIndentation
        | K::TabInPlainScalar
        | K::TabAtBlockScalarStart => tab(text, at),
        K::RecursionLimitExceeded => too_deep(char_at(text, at)),
        K::UnexpectedCharacter { character: character @ ('@' | '`' | '%' | '>' | '|') } => {
            quote(text, at, &format!("text cannot begin with `{character}` unless it is in quotes"))
        }
        K::MissingAnchorOrAliasName => match in_line(text, at, &['*', '&']) {
            Some(from) if text[from..].starts_with('&') => {
                quote(text, from, "text cannot begin with `&` unless it is in quotes")
            }
            _ => unknown_alias(text, char_at(text, at)),
        },
        K::InvalidBlockScalarHeader => {
            let from = in_line(text, at, &['>', '|']).unwrap_or(at);
            let character = &text[char_at(text, from).start..char_at(text, from).end];
            quote(text, from, &format!("text cannot begin with `{character}` unless it is in quotes"))
        }
        K::InvalidTagTerminator
        | K::UndeclaredTagHandle
        | K::MissingTagUri
        | K::InvalidGlobalTagCharacter => {
            let line = text[..at.min(text.len())].rfind('\n').map_or(0, |n| n + 1);
            let from = text[line..at.min(text.len())].rfind('!').map_or(at, |n| line + n);
            quote(text, from, "text cannot begin with `!` unless it is in quotes")
        }
        K::UnclosedQuotedScalar | K::InvalidQuotedScalarIndent | K::DocumentIndicatorInQuotedScalar => {
            let is_quote = |at: usize| text.get(at..).is_some_and(|rest| rest.starts_with(['"', '\'']));
            let before = || text[..at.min(text.len())].rfind(['"', '\'']).unwrap_or(at);
            let opened = if is_quote(at) { at } else { before() };
            syntax(text, opened, "a quote is opened and not closed", "close the quote on its own line")
        }
        K::InvalidTrailingDoubleQuotedScalar | K::InvalidTrailingSingleQuotedScalar
            if quoted_over_lines(text, at).is_some() =>
        {
            let (opened, closed) = quoted_over_lines(text, at).unwrap_or_default();
            syntax(
                text,
                opened,
                "a quote is opened and not closed on its line",
                "close the quote on its own line",
            )
            .label(char_at(text, closed), "what it opened ends here")
        }
        K::InvalidTrailingDoubleQuotedScalar | K::InvalidTrailingSingleQuotedScalar => syntax(
            text,
            at,
            "something follows a closing quote",
            "put the whole text in quotes, or, inside single quotes, write a quote twice: ''",
        ),
        K::UnknownQuotedScalarEscape
        | K::InvalidQuotedScalarHexEscape
        | K::InvalidLowSurrogateHexEscape
        | K::InvalidUnicodeEscape => syntax(
            text,
            unknown_escape(text, at),
            "in double quotes a backslash begins an escape, and this is none",
            r"write \\ for a backslash, or use single quotes, in which it is just a backslash",
        ),
        K::UnclosedFlowCollection { open } => {
            syntax(text, at, &format!("`{open}` is opened and never closed"), "close the bracket")
        }
        K::MismatchedFlowCollectionEnd { open, close } => syntax(
            text,
            at,
            &format!("`{open}` is closed by `{close}`"),
            "close each bracket with its own kind; `[ ]` is a list, `{ }` is a mapping",
        ),
        K::MisplacedFlowCollectionEnd => syntax(
            text,
            at,
            "this bracket closes nothing",
            "remove it, or open it where the list or mapping begins",
        ),
        K::ExpectedFlowMappingSeparator | K::ExpectedFlowSequenceSeparator
            if brace_in_word(text, at).is_some() =>
        {
            let word = brace_in_word(text, at).unwrap_or_default();
            let message = "inside brackets `{` begins a mapping, so text with `{` in it needs quotes";
            let shown = &text[word.start..word.end];
            let help = match masked(shown) {
                safe if safe == shown && !shown.contains(['"', '\\']) => {
                    format!("put it in quotes: \"{shown}\"")
                }
                _ => "put the text in quotes".to_owned(),
            };
            Problem::error(Code::YamlQuotesNeeded, message, help).label(word, "needs quotes")
        }
        K::ExpectedFlowMappingSeparator | K::ExpectedFlowSequenceSeparator => {
            let problem = syntax(
                text,
                at,
                "a bracket is still open, and neither a comma nor its end follows",
                "close the bracket, or put a comma between the items; text with `:`, `{` or `#` in it needs quotes",
            );
            match last_open_bracket(text, at) {
                Some(open) => problem.label(char_at(text, open), "opened here"),
                None => problem,
            }
        }
        K::InvalidColonPlacement | K::MappingValueNotAllowed | K::InvalidMappingValueWhitespace => syntax(
            text,
            at,
            "this `:` makes a mapping where none can stand",
            "put text that has `: ` in it in quotes, or move the key to a line of its own",
        ),
        K::InvalidIndentation
        | K::ExpectedBlockMappingKey
        | K::ExpectedBlockSequenceEntry
        | K::InvalidSimpleKey
        | K::SimpleKeyExpected
        | K::MappingKeyNotAllowed
        | K::BlockSequenceEntryNotAllowed
        | K::InvalidFlowScalarIndent
        | K::InvalidBlockScalarIndent => syntax(
            text,
            at,
            "this line does not fit the lines above it",
            "indent it as deep as its neighbours, and write keys as `key: value`, list items as `- item`",
        ),
        K::DirectiveDisallowed => {
            syntax(text, at, "lines that begin with `%` mean nothing in a policy", "remove the line")
        }
        K::UnexpectedEof
        | K::UnexpectedEofFlowSequence
        | K::UnexpectedEofFlowMapping
        | K::UnexpectedEofImplicitFlowMapping
        | K::UnexpectedEofBlockSequence
        | K::UnexpectedEofBlockMapping
            if text.get(at..).is_some_and(|rest| !rest.trim().is_empty()) =>
        {
            syntax(
                text,
                at,
                "nothing stands here, where a list or mapping goes on",
                "write what is missing between the two commas or brackets, or remove one of them",
            )
        }
        K::UnexpectedEof
        | K::UnexpectedEofFlowSequence
        | K::UnexpectedEofFlowMapping
        | K::UnexpectedEofImplicitFlowMapping
        | K::UnexpectedEofBlockSequence
        | K::UnexpectedEofBlockMapping => syntax(
            text,
            text.len(),
            "the file ends in the middle of a list or mapping",
            "close the bracket that is open, or look whether the file was cut off",
        ),
        other => syntax(
            text,
            at,
            &format!("this is not YAML: {other}"),
            "look at the line and the one above it: indentation, quotes and brackets are the usual causes",
        ),
    }
}

/// Characters that look like a blank or like nothing, and typographic quotes, which YAML takes for letters.
const INVISIBLE: [char; 9] =
    ['\u{a0}', '\u{ad}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{202f}', '\u{2060}', '\u{3000}', '\u{feff}'];
const TYPOGRAPHIC: [char; 6] = ['‘', '’', '“', '”', '„', '«'];

/// A character in a text without quotes that cannot be meant; the range is its place in it.
pub(super) fn invisible(text: &str) -> Option<(std::ops::Range<usize>, char)> {
    let opens = text.chars().next().filter(|c| TYPOGRAPHIC.contains(c)).map(|c| (0, c));
    let found = opens.or_else(|| text.char_indices().find(|(_, c)| INVISIBLE.contains(c)));
    found.map(|(at, c)| (at..at + c.len_utf8(), c))
}

/// Words such a character.
pub(super) fn invisible_character(span: Span, c: char) -> Problem {
    let (message, help) = if TYPOGRAPHIC.contains(&c) {
        (
            format!("`{c}` is no quote of YAML, but a letter of the text"),
            "write straight quotes: \"…\"".to_owned(),
        )
    } else {
        (
            format!("there is an invisible character here (U+{:04X})", u32::from(c)),
            "type the line anew: such characters come along with text copied from elsewhere".to_owned(),
        )
    };
    Problem::error(Code::YamlInvisible, message, help).label(span, "here")
}

/// An invisible character in the line of an error or the one before it.
fn invisible_near(text: &str, at: usize) -> Option<Problem> {
    let (begins, near) = lines_near(text, at);
    let (n, c) = near.char_indices().find(|(_, c)| INVISIBLE.contains(c))?;
    Some(invisible_character(Span::new(begins + n, begins + n + c.len_utf8()), c))
}

/// A key without a space after its colon, in the line of an error or the one before it: YAML reads on into the next line
/// and stumbles there.
fn no_space_near(kind: &ErrorKind, text: &str, at: usize) -> Option<Problem> {
    use ErrorKind as K;
    if !matches!(
        kind,
        K::MappingValueNotAllowed
            | K::InvalidColonPlacement
            | K::SimpleKeyExpected
            | K::InvalidSimpleKey
            | K::InvalidIndentation
    ) {
        return None;
    }
    let (mut begins, near) = lines_near(text, at);
    for line in near.split_inclusive('\n') {
        let key = line.trim_start();
        let indented = line.len() - key.len();
        let length =
            key.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')).count();
        let value = key[length..].strip_prefix(':').map(str::trim_end);
        if let Some(value) = value.filter(|value| {
            length > 0 && !value.is_empty() && !value.starts_with([' ', '\t']) && !value.starts_with("//")
        }) {
            let name = &key[..length];
            let colon = begins + indented + length;
            let help = format!("write `{name}: {}`", masked(value));
            let problem =
                Problem::error(Code::YamlSpaceNeeded, format!("a space is missing after `{name}:`"), help);
            return Some(problem.label(Span::new(colon, colon + 1), "no space follows"));
        }
        begins += line.len();
    }
    None
}

fn syntax(text: &str, at: usize, message: &str, help: &str) -> Problem {
    Problem::error(Code::YamlSyntax, message, help).label(char_at(text, at), "here")
}

/// A tab where only spaces may stand; the place is the first tab of the line.
fn tab(text: &str, at: usize) -> Problem {
    let line = text[..at.min(text.len())].rfind('\n').map_or(0, |n| n + 1);
    let place = text[line..].find('\t').map_or(at, |n| line + n);
    Problem::error(Code::YamlTab, "there is a tab where YAML takes only spaces", "indent with spaces")
        .label(char_at(text, place), "a tab")
}

/// Text whose first character means something in YAML.
fn quote(text: &str, at: usize, message: &str) -> Problem {
    let from = char_at(text, at).start;
    // So much of a line is looked at: a hostile one has many of these.
    let near = near(text, from);
    let rest = text[from..near.end].lines().next().unwrap_or_default();
    let rest = rest.split_once(" #").map_or(rest, |(before, _)| before).trim_end();
    // Inside brackets a text without quotes ends at the first comma or bracket.
    let ends = if last_open_bracket(text, from).is_some() { rest.find([',', ']', '}']) } else { None };
    let rest = rest[..ends.unwrap_or(rest.len())].trim_end();
    let line = text[near.start..from].rfind('\n').map_or(near.start, |n| near.start + n + 1);
    let line = text[line..near.end].lines().next().unwrap_or_default();
    let help = if rest.contains(['"', '\\']) || rest.is_empty() || masked(line) != line {
        "put the text in quotes".to_owned()
    } else {
        format!("put it in quotes: \"{rest}\"")
    };
    Problem::error(Code::YamlQuotesNeeded, message, help)
        .label(Span::new(from, from + rest.len().max(1)), "here")
}

/// `*` without a matching `&`: nearly always an unquoted cron expression or glob.
pub(super) fn unknown_alias(text: &str, span: Span) -> Problem {
    let from = text[..span.end.min(text.len())].rfind('*').unwrap_or(span.start);
    let name: String =
        text[from + 1..].chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).collect();
    let after = text[from + 1 + name.len()..].chars().next();
    let is_alias =
        !name.is_empty() && after.is_none_or(|c| c.is_whitespace() || matches!(c, ',' | ']' | '}'));
    let problem = quote(text, from, "text cannot begin with `*` unless it is in quotes");
    if is_alias {
        let help = format!(
            "{}; if the value of an anchor is meant, write `&{name}` before that value first",
            problem.help
        );
        return Problem { help, ..problem };
    }
    problem
}

/// An anchor whose name nobody would choose, as in `[stop, && start]`; `at` is where its value begins.
pub(super) fn anchor(text: &str, at: usize) -> Option<Problem> {
    let near = near(text, at);
    let line = text[near.start..at].rfind('\n').map_or(near.start, |n| near.start + n + 1);
    let before = text[line..at].trim_end();
    let from = line + before.rfind('&')?;
    let from = from - text[line..from].bytes().rev().take_while(|b| *b == b'&').count();
    let name = &text[from + 1..line + before.len()];
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    let is_one = !name.contains([' ', '\t', '"', '\'', ',', '[', '{']);
    (is_one && !is_name).then(|| quote(text, from, "text cannot begin with `&` unless it is in quotes"))
}

/// An explicit tag such as `!!str`, or `!= 0` without quotes.
pub(super) fn tag(text: &str, at: usize) -> Problem {
    let rest = text.get(at..).unwrap_or_default();
    let name = rest.split([' ', '\t', '\r', '\n', ',', ']', '}']).next().unwrap_or_default();
    if name.starts_with("!!") || name.starts_with("!<") || name.len() > 1 && !rest.starts_with("!=") {
        let message = format!("the tag `{name}` means nothing in a policy");
        let help = "remove it; text that looks like a number goes into quotes";
        return Problem::error(Code::YamlQuotesNeeded, message, help)
            .label(Span::new(at, at + name.len()), "a tag of YAML");
    }
    quote(text, at, "text cannot begin with `!` unless it is in quotes")
}

/// A second document in the file.
pub(super) fn several_documents(span: Span) -> Problem {
    Problem::error(
        Code::YamlSeveralDocuments,
        "a second document begins here; one file is one policy",
        "remove this `---` line, or move what follows to a file of its own",
    )
    .label(span, "the second document")
}

/// `<<: *x`.
pub(super) fn merge_key(span: Span) -> Problem {
    Problem::error(
        Code::YamlMergeKey,
        "merge keys (`<<`) are not part of the language",
        "write the keys out, or put what jobs share in `defaults`",
    )
    .label(span, "merges another mapping")
}

/// The same key twice in a mapping.
pub(super) fn duplicate_key(key: &str, first: Span, second: Span) -> Problem {
    let message = format!("`{key}` is written twice in the same mapping");
    Problem::error(Code::YamlDuplicateKey, message, "keep one of the two")
        .label(second, "the second")
        .label(first, "the first")
}

/// A key that is a list, a mapping or nothing.
pub(super) fn key_not_text(span: Span) -> Problem {
    Problem::error(
        Code::YamlKeyNotText,
        "a key must be text",
        "write `key: value`; text that begins with `{`, `[` or `:` must be in quotes",
    )
    .label(span, "not a key")
}

/// An alias inside the value that its anchor names.
pub(super) fn alias_in_itself(span: Span) -> Problem {
    Problem::error(Code::YamlAlias, "this alias stands inside the value it repeats", "write the value out")
        .label(span, "would repeat itself forever")
}

/// More nodes than a policy can need.
pub(super) fn too_many_nodes(span: Span) -> Problem {
    Problem::error(
        Code::YamlTooMany,
        "this policy has more than 200,000 values, those that aliases repeat included",
        "write the values out, and check that the file is a policy",
    )
    .label(span, "reading stopped here")
}

/// Deeper nesting than the language has.
pub(super) fn too_deep(span: Span) -> Problem {
    Problem::error(
        Code::YamlTooDeep,
        "lists and mappings are nested more than 32 deep",
        "check the brackets and the indentation: nothing in a policy is nested deeper than 8",
    )
    .label(span, "reading stopped here")
}
