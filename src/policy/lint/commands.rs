//! Commands that hand text to a shell.

use super::Lint;
use crate::policy::{
    model::Command,
    problem::{Code, Problem},
    values::placeholder::{self, Placeholder},
};

const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "fish"];

pub(super) fn lint(lint: &mut Lint<'_>) {
    let policy = lint.policy;
    let targets = policy.targets().values().flat_map(|target| target.before.iter().chain(&target.after));
    let jobs = policy.jobs().values().flat_map(|job| job.before.iter().chain(&job.after));
    for command in targets.chain(jobs) {
        let Some(script) = script(command) else { continue };
        for (start, literal) in script.literals() {
            for (placeholder, at) in
                placeholder::known(literal).into_iter().filter(|(known, _)| is_any_text(*known))
            {
                let place = policy.source().within(
                    script.span,
                    script.as_written(),
                    start + at.start..start + at.end,
                );
                let written = &literal[at];
                let message =
                    format!("a shell runs what `{written}` is filled in with, and that may be any text");
                let help = format!(
                    "write `${}` in its place, in double quotes: the environment holds the same text, and the shell \
                     does not run it",
                    placeholder.variable()
                );
                lint.note(
                    Problem::new(Code::ShellRunsText, message, help)
                        .label(place, "becomes part of the script"),
                );
            }
        }
    }
}

/// Whether a placeholder stands for text from outside, such as the names of files in an error; the others are names.
const fn is_any_text(placeholder: Placeholder) -> bool {
    matches!(placeholder, Placeholder::Error | Placeholder::Summary | Placeholder::Copy)
}

/// The word that a shell takes as its script: the one after `-c`, wherever the shell stands (`sudo sh -c …`).
fn script(command: &Command) -> Option<&crate::policy::Spanned<crate::policy::values::Template>> {
    let is_shell = |word: &str| SHELLS.contains(&word.rsplit('/').next().unwrap_or(word));
    let shell = command.argv.iter().position(|word| is_shell(word.as_written()))?;
    let is_option = |word: &str| word.starts_with('-') && !word.starts_with("--");
    let options =
        command.argv[shell + 1..].iter().take_while(|word| word.as_written().starts_with('-')).count();
    let has_c = |word: &str| is_option(word) && word.contains('c');
    let given = &command.argv[shell + 1..shell + 1 + options];
    given.iter().any(|word| has_c(word.as_written())).then(|| command.argv.get(shell + 1 + options)).flatten()
}
