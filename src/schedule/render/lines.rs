//! What holds for every scheduler that reads lines: nothing of an entry may end one.

use super::{
    super::entry::{Backend, Context, Entry},
    NO_HASH, Refusal, words,
};

/// What is no key of the policy, and can be in the way all the same.
pub(super) const PROGRAM: &str = "the path of the program";
const FILE: &str = "the path of the policy";

/// Makes the refusals of one entry by one scheduler.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refuser<'a> {
    pub(super) entry: &'a Entry,
    pub(super) backend: Backend,
}

impl Refuser<'_> {
    /// A refusal.
    pub(super) fn refusal(self, field: &'static str, reason: impl Into<String>, help: &str) -> Refusal {
        words::refusal(self.entry, self.backend, field, reason, help)
    }

    /// Refuses what would end a line early or make another one, and what a shell or systemd takes for something else.
    pub(super) fn check(self, context: &Context) -> Result<(), Refusal> {
        for text in [&self.entry.policy, &self.entry.job] {
            self.one_line("name", text)?;
        }
        for (n, word) in self.entry.argv.iter().enumerate() {
            self.one_line(if n == 0 { PROGRAM } else { FILE }, word)?;
        }
        if !self.entry.argv.first().is_some_and(|program| program.starts_with('/')) {
            let reason =
                "the program's path is not absolute, and a scheduler has no search path to find it by";
            return Err(self.refusal(PROGRAM, reason, "install the program, and call it by its full path"));
        }
        for (name, value) in &context.environment {
            self.one_line("install.search_path", value)?;
            if !is_variable(name) {
                let reason = format!("`{}` is no name of a variable", name.escape_default());
                return Err(self.refusal(
                    "install.search_path",
                    reason,
                    "name it with letters, digits and `_`",
                ));
            }
        }
        if let Some(folder) = &context.log_folder {
            self.one_line("install.log_dir", folder)?;
            if !folder.starts_with('/') {
                let reason = format!("`{folder}` is not absolute");
                return Err(self.refusal("install.log_dir", reason, "write the folder's full path"));
            }
        }
        if let Some(user) = &context.user {
            self.one_line("install.user", user)?;
            if user.is_empty() || user.contains([' ', ':', '/']) || user.starts_with(['-', '#']) {
                let reason = format!("`{user}` is no user's name");
                return Err(self.refusal("install.user", reason, "write the name of a user of this host"));
            }
        }
        Ok(())
    }

    fn one_line(self, field: &'static str, text: &str) -> Result<(), Refusal> {
        if text.chars().any(char::is_control) {
            let reason = format!("`{}` holds a line break or another control character", text.escape_debug());
            return Err(self.refusal(field, reason, "leave the character out"));
        }
        if text.contains(NO_HASH) {
            let reason = "it holds 64 zeros in a row, which is how an entry marks the place of its hash";
            return Err(self.refusal(field, reason, "write it otherwise"));
        }
        Ok(())
    }
}

/// Whether a text can name a variable in a shell.
fn is_variable(name: &str) -> bool {
    let word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    word && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}
