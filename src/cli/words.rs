//! Words that people bring along from other programs are answered with ours.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Other programs' commands, and what to write instead.
const WORDS: [(&str, &str); 16] = [
    ("validate", "write `policy check`"),
    ("lint", "write `policy check`"),
    ("config", "write `policy check`, or `policy schema` for the language itself"),
    ("apply", "write `policy run`"),
    ("backup", "write `policy run`"),
    ("create", "write `policy run`"),
    ("perform", "write `policy run`"),
    ("snapshots", "write `policy list`"),
    ("ls", "write `policy list`"),
    ("info", "write `policy list`, or `policy show BACKUP`"),
    ("forget", "write `policy prune`, or `policy delete BACKUP` for one"),
    ("extract", "write `policy restore TARGET`"),
    ("doctor", "write `policy check`"),
    ("unlock", "there is nothing to unlock: locks end with their process"),
    ("diff", "write `policy plan --check DIR`"),
    ("help", "write `policy --help`, or `policy COMMAND --help`"),
];

/// Prints a parse error and returns its exit code.
pub(crate) fn refuse(error: &clap::Error) -> u8 {
    let _ = error.print();
    if !error.use_stderr() {
        return 0;
    }
    let answer = (error.kind() == ErrorKind::InvalidSubcommand)
        .then(|| match error.get(ContextKind::InvalidSubcommand) {
            Some(ContextValue::String(word)) => WORDS.iter().find(|(theirs, _)| theirs == word),
            _ => None,
        })
        .flatten();
    if let Some((_, ours)) = answer {
        super::output::tell(&format!("  help: {ours}"));
    }
    // Parsing failed, so whether `--json` was meant is read from the words themselves.
    if std::env::args_os().any(|word| word == "--json") {
        let message = error.to_string();
        let message = message.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        super::output::print_error(&super::error::CliError::told(2, message), true);
    }
    2
}
