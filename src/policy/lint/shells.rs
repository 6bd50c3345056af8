//! Commands that only a shell would understand.

use super::Lint;
use crate::policy::{
    Spanned,
    model::Command,
    problem::{Code, Problem},
    values::Template,
};

const OPERATORS: [&str; 9] = ["|", ">", ">>", "<", "&&", "||", ";", "&", "2>&1"];

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
    let line = words().collect::<Vec<_>>().join(" ");
    let quoted = if line.contains(['"', '\\']) { "…".to_owned() } else { line };
    let to_shell = format!("hand the whole line to a shell: `[sh, -c, \"{quoted}\"]`");
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
    if let Some(word) = command.argv.iter().find(|word| OPERATORS.contains(&word.as_written())) {
        return Some((word, format!("`{}` is handed to `{name}` as a word", word.as_written()), to_shell));
    }
    if name == "cd" || name == "source" || name == "export" {
        return Some((program, format!("`{name}` is a word of the shell, and no program"), to_shell));
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
    let is_line = name.contains(' ') && !name.contains('/') && !name.contains('$');
    is_line.then(|| {
        let words: Vec<&str> = name.split_whitespace().collect();
        (
            program,
            format!("no program is called `{name}`"),
            format!("make a word of each: `[{}]`", words.join(", ")),
        )
    })
}
