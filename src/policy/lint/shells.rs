//! Commands that only a shell would understand.

use super::Lint;
use crate::policy::{
    Spanned,
    model::Command,
    problem::{Code, Problem},
    values::Template,
};

const OPERATORS: [&str; 10] = ["|", ">", ">>", "<", "&&", "||", ";", "&", "2>&1", "2>/dev/null"];

/// Programs that take a shell's operators for themselves, or hand them to a shell.
const TAKE_OPERATORS: [&str; 14] =
    ["find", "fd", "ssh", "su", "test", "[", "expr", "awk", "grep", "sed", "jq", "perl", "psql", "make"];

pub(super) fn lint(lint: &mut Lint<'_>) {
    for command in lint.commands() {
        let Some((word, what, help)) = judged(command) else { continue };
        lint.note(
            Problem::new(Code::NeedsShell, what, help).label(word.span, "only a shell understands this"),
        );
    }
}

type Judgement<'c> = (&'c Spanned<Template>, String, String);

fn judged(command: &Command) -> Option<Judgement<'_>> {
    let words = || command.argv.iter().map(|word| word.as_written());
    let program = command.argv.first()?;
    let name = program.as_written();
    let to_shell = || format!("hand the whole line to a shell: `[sh, -c, \"{}\"]`", as_line(words()));
    if super::commands::is_shell(name) {
        let dash_c = words().position(|word| word == "-c")?;
        let script = command.argv.get(dash_c + 1);
        return match script {
            None => Some((
                program,
                format!("`{name} -c` has no script"),
                "write the script as the next word".to_owned(),
            )),
            Some(script) if command.argv.len() > dash_c + 2 && !script.as_written().contains([' ', '$']) => {
                let line = words().skip(dash_c + 1).collect::<Vec<_>>().join(" ");
                Some((
                    script,
                    format!(
                        "the script of `{name} -c` is `{}` alone; the words after it are its arguments",
                        script.as_written()
                    ),
                    format!("put the whole line in one word: \"{line}\""),
                ))
            }
            Some(_) => None,
        };
    }
    // A shell among the words, as behind `sudo` or `docker exec`, reads what follows it.
    let has_shell = words().any(super::commands::is_shell);
    let takes_operators = has_shell || TAKE_OPERATORS.contains(&super::commands::name(name));
    if let Some(word) = command.argv.iter().find(|word| OPERATORS.contains(&word.as_written()))
        && !takes_operators
    {
        return Some((word, format!("`{}` is handed to `{name}` as a word", word.as_written()), to_shell()));
    }
    if name == "cd" || name == "source" || name == "export" {
        let then = if words().any(|word| OPERATORS.contains(&word)) { "" } else { " && …" };
        let line = as_line(words()).replacen("source ", ". ", 1);
        let help =
            format!("hand the whole line, with what follows, to a shell: `[sh, -c, \"{line}{then}\"]`");
        return Some((program, format!("`{name}` is a word of the shell, and no program"), help));
    }
    if let Some((word, part)) = command.argv.iter().find_map(|word| Some((word, unfilled(word)?)))
        && !takes_operators
    {
        let message = format!("`{part}` is handed to `{name}` as it stands");
        return Some((
            word,
            message,
            "write `${NAME}` for a variable, or ask for a shell: `[sh, -c, \"…\"]`".to_owned(),
        ));
    }
    let assigns = name.split_once('=').is_some_and(|(variable, _)| {
        !variable.is_empty() && variable.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    if assigns {
        return Some((
            program,
            format!("`{name}` is looked for as a program"),
            format!("write `[env, \"{name}\", …]`"),
        ));
    }
    let is_line = name.contains(' ') && !name.contains(['/', '$', '{']);
    is_line.then(|| {
        let all: Vec<&str> = name.split_whitespace().chain(words().skip(1)).collect();
        (
            program,
            format!("no program is called `{name}`"),
            format!("make a word of each: `[{}]`", all.join(", ")),
        )
    })
}

/// The words as a line of shell, inside double quotes of YAML.
fn as_line<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let plain = |word: &str| {
        !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || "'\"\\*?[]{}()$`~#!".contains(c))
    };
    let quoted = |word: &str| {
        if OPERATORS.contains(&word) || plain(word) {
            word.to_owned()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    let line = words.map(quoted).collect::<Vec<_>>().join(" ");
    if line.contains(['"', '\\']) { "…".to_owned() } else { line }
}

/// A part of a word that a shell would fill in, and nobody does here.
fn unfilled(word: &Spanned<Template>) -> Option<String> {
    word.literals().find_map(|(_, text)| {
        let at = text.find('$')?;
        let rest = &text[at + 1..];
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
        if rest.starts_with('(') && text == word.as_written() {
            return Some(text.to_owned());
        }
        // `$1` and `$NF` are awk's, `$` at the end is a pattern's.
        let is_name = name.len() > 1 && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        is_name.then(|| format!("${name}"))
    })
}
