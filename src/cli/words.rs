//! Words that people bring along from other programs are answered with ours.

use super::{error::CliError, output};
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Other programs' commands, and what to write instead.
const WORDS: [(&str, &str); 38] = [
    ("validate", "write `policy check`"),
    ("lint", "write `policy check`"),
    ("config", "write `policy check`, or `policy schema` for the language itself"),
    ("apply", "write `policy run`"),
    ("backup", "write `policy run`"),
    ("create", "write `policy run`"),
    ("start", "write `policy run`"),
    ("perform", "write `policy run`"),
    ("snapshots", "write `policy list`"),
    ("ls", "write `policy list`"),
    ("info", "write `policy list`, or `policy show BACKUP`"),
    ("forget", "write `policy prune`, or `policy delete BACKUP` for one"),
    ("undo", "write `policy restore --undo TARGET`"),
    ("extract", "write `policy restore TARGET`"),
    ("doctor", "write `policy check`"),
    ("unlock", "there is nothing to unlock: locks end with their process"),
    ("test", "write `policy check` for the policy, `policy verify` for its backups"),
    ("version", "write `policy --version`"),
    ("status", "write `policy list`, or `policy history`"),
    ("stats", "write `policy list`, or `policy show BACKUP`"),
    ("dump", "write `policy run`, or `policy restore TARGET --to FILE` to get a backup out"),
    (
        "init",
        "copy a policy to begin with, such as `policies/quickstart.yaml`; the first run makes the stores",
    ),
    ("schedule", "write `policy next`; have cron or systemd call `policy run JOB`"),
    ("unschedule", "take `policy run JOB` out of the scheduler that calls it"),
    ("cron", "write `policy next`; have cron or systemd call `policy run JOB`"),
    ("remove", "write `policy delete BACKUP`"),
    ("rm", "write `policy delete BACKUP`"),
    ("destroy", "write `policy delete BACKUP`; a store is removed with your own tools"),
    ("purge", "write `policy prune`, or `policy delete BACKUP` for one"),
    ("gc", "write `policy prune`"),
    ("compact", "write `policy prune`"),
    ("prune-all", "write `policy prune`"),
    ("mount", "write `policy restore TARGET --to PLACE`"),
    ("find", "write `policy list`"),
    ("logs", "write `policy log`"),
    ("recover", "write `policy restore TARGET`"),
    ("diff", "write `policy plan --check DIR`"),
    ("help", "write `policy --help`, or `policy COMMAND --help`"),
];

/// Prints a parse error and returns its exit code.
pub(crate) fn refuse(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        let _ = error.print();
        return 0;
    }
    let word = match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) => Some(word),
        _ => None,
    };
    let known = word.and_then(|word| WORDS.iter().find(|(theirs, _)| theirs == word));
    // Parsing failed, so whether `--json` was meant is read from the words themselves.
    let is_json = std::env::args_os().any(|word| word == "--json");
    if let Some((theirs, ours)) = known {
        let error = CliError::invalid(format!("there is no command `{theirs}`")).help(*ours);
        output::print_error(&error, is_json);
        return error.exit;
    }
    let _ = error.print();
    if is_json {
        let message = error.to_string();
        let message = message.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        output::print_error(&CliError::told(2, message), true);
    }
    2
}
