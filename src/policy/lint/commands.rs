//! Commands that hand text from outside to something that runs it.

use super::Lint;
use crate::policy::{
    Spanned,
    model::Command,
    problem::{Code, Problem},
    values::{
        Template,
        placeholder::{self, Placeholder},
    },
};

const SHELLS: [&str; 8] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "fish", "su"];
const INTERPRETERS: [&str; 6] = ["python", "python3", "perl", "ruby", "node", "php"];

pub(super) fn lint(lint: &mut Lint<'_>) {
    let policy = lint.policy;
    for (script, runner) in lint.commands().into_iter().flat_map(scripts) {
        let texts = script.literals().flat_map(|(start, literal)| {
            placeholder::known(literal)
                .into_iter()
                .map(move |(known, at)| (known, start + at.start..start + at.end))
        });
        for (placeholder, at) in texts.filter(|(known, _)| is_any_text(*known)) {
            let written = &script.as_written()[at.clone()];
            let (message, help) = runner.words(written, placeholder);
            let place = policy.source().within(script.span, script.as_written(), at);
            lint.note(
                Problem::new(Code::ShellRunsText, message, help).label(place, "becomes part of what is run"),
            );
        }
    }
}

/// Whether a placeholder stands for text from outside, such as the names of files in an error; the others are names.
const fn is_any_text(placeholder: Placeholder) -> bool {
    matches!(placeholder, Placeholder::Error | Placeholder::Summary)
}

/// What runs a word.
#[derive(Debug, Clone, Copy)]
enum Runner {
    Shell,
    Interpreter,
    RemoteShell,
}

impl Runner {
    fn words(self, written: &str, placeholder: Placeholder) -> (String, String) {
        let variable = placeholder.variable();
        match self {
            Self::Shell => (
                format!("a shell runs what `{written}` is filled in with, and that may be any text"),
                format!(
                    "write `${variable}` in its place, in double quotes: the environment holds the same text, and the \
                     shell does not run it"
                ),
            ),
            Self::Interpreter => (
                format!("a program is made of what `{written}` is filled in with, and that may be any text"),
                format!("read `{variable}` from the environment in the script, or make it a word of its own"),
            ),
            Self::RemoteShell => (
                format!(
                    "the other host's shell runs what `{written}` is filled in with, and that may be any text"
                ),
                "leave it out, or send it on standard input: `ssh` hands its words to a shell".to_owned(),
            ),
        }
    }
}

/// The last part of a path, which is how a program is known.
pub(super) fn name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Whether a word names a shell.
pub(super) fn is_shell(word: &str) -> bool {
    SHELLS.contains(&name(word)) && name(word) != "su"
}

/// The words of a command that something runs: the one after `-c` or `-e`, wherever the shell or interpreter stands
/// (`sudo sh -c …`), and what follows the host of `ssh`.
fn scripts(command: &Command) -> Vec<(&Spanned<Template>, Runner)> {
    let argv = &command.argv;
    let program = argv.first().map_or("", |word| name(word.as_written()));
    if program == "ssh" {
        return argv.iter().skip(2).map(|word| (word, Runner::RemoteShell)).collect();
    }
    let runner = |word: &Spanned<Template>| match name(word.as_written()) {
        known if SHELLS.contains(&known) => Some((Runner::Shell, 'c')),
        known if INTERPRETERS.contains(&known) => {
            Some((Runner::Interpreter, if known.starts_with("python") { 'c' } else { 'e' }))
        }
        _ => None,
    };
    let Some((at, (runner, letter))) = argv.iter().enumerate().find_map(|(n, word)| Some((n, runner(word)?)))
    else {
        return Vec::new();
    };
    let takes_script = |word: &str| word.starts_with('-') && !word.starts_with("--") && word.contains(letter);
    let option = argv.iter().skip(at + 1).position(|word| takes_script(word.as_written()));
    let script = option.and_then(|option| argv.get(at + 1 + option + 1));
    script.map(|script| (script, runner)).into_iter().collect()
}
