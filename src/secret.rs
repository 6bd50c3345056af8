//! Reads secrets from where the policy says they are. Nothing here prints one, and no error holds a part of one.
#![expect(clippy::disallowed_methods, reason = "secrets lie in files of this host")]

use crate::{
    exec::{self, Invocation, program, redact::Redaction},
    host::Host,
    policy::{
        Policy, Span, Spanned,
        model::{Command, SecretSource},
        paths::{self, Place},
        problem::{Code, Problem},
        values::{connection::Secret, placeholder::Placeholder},
        variables::Variables,
    },
    watch::Watch,
};
use std::{
    borrow::Cow,
    fs,
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
};

/// Longest secret that is read, in bytes.
pub const MOST_BYTES: usize = 64 << 10;

/// What a secret is read with.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// The host.
    pub host: &'a Host,
    /// The policy that names the secret.
    pub policy: &'a Policy,
    /// Its variables.
    pub variables: &'a Variables,
    /// The target that the secret is of.
    pub target: &'a str,
}

/// Where a secret is, with everything filled in that the policy leaves to this host.
#[derive(Debug)]
pub enum Kept {
    /// In the environment.
    Text(Secret),
    /// In a file.
    File {
        /// Which.
        path: PathBuf,
        /// How it is spoken of.
        shown: String,
        /// Where the policy names it.
        span: Span,
    },
    /// With a command that prints it.
    Command {
        /// What is run.
        call: Invocation,
        /// Where the policy names it.
        span: Span,
    },
}

/// Finds out where a secret is, without reading it.
///
/// # Errors
/// A variable that is not set, or no credentials, at its place in the policy.
pub fn keep(source: &SecretSource, reading: Reading<'_>) -> Result<Kept, Vec<Problem>> {
    let (policy, variables) = (reading.policy.source(), reading.variables);
    match source {
        SecretSource::Variable(text) => match text.value.expand(variables) {
            Ok(expanded) => Ok(Kept::Text(Secret::new(expanded.text))),
            Err(_) => Err(paths::unset_secret(policy, text, variables)),
        },
        SecretSource::File(path) => {
            let (home, scope) = (reading.host.home.as_deref(), reading.policy.install().scope());
            let place = Place { source: policy, variables, home, scope };
            let resolved = paths::resolve(path, place)?;
            Ok(Kept::File { path: resolved.path, shown: resolved.shown, span: path.span })
        }
        SecretSource::Credential(name) => of_credential(name, reading.host),
        SecretSource::Command(command) => of_command(command, reading),
    }
}

impl Kept {
    /// Reads the secret. A file is read, and a command is run, each time. One line end at the end does not count.
    ///
    /// # Errors
    /// Why it cannot be had, at its place in the policy: a file that cannot be read, a command that fails; and a secret that
    /// is empty, longer than [`MOST_BYTES`], no UTF-8 or has a NUL in it.
    pub fn read(&self, watch: &Watch<'_>) -> Result<Secret, Vec<Problem>> {
        match self {
            Self::Text(secret) => Ok(secret.clone()),
            Self::File { path, shown, span } => of_file(path, shown, *span),
            Self::Command { call, span } => of_call(call, *span, watch),
        }
    }
}

fn unreadable(span: Span, message: impl Into<String>, help: impl Into<String>) -> Vec<Problem> {
    vec![Problem::error(Code::SecretUnreadable, message, help).label(span, "")]
}

fn of_file(path: &Path, shown: &str, span: Span) -> Result<Secret, Vec<Problem>> {
    let bytes = file(path).map_err(|error| {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "write the secret into it, or name the file that holds it",
            io::ErrorKind::PermissionDenied => "make it readable for the user who runs this",
            _ => "name a file that holds the secret and nothing else",
        };
        unreadable(span, format!("the secret cannot be read from {shown}: {error}"), help)
    })?;
    taken(bytes).map_err(|wrong| {
        let help = "a file of a secret holds that and nothing else";
        unreadable(span, format!("{shown} holds no secret: {wrong}"), help)
    })
}

/// Reads a file; what is none, or endless, is refused before it can hold anybody up.
fn file(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MOST_BYTES as u64 + LINE_END_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn of_credential(name: &Spanned<String>, host: &Host) -> Result<Kept, Vec<Problem>> {
    let folder = host.environment.get("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty());
    let Some(folder) = folder else {
        let message = format!("there is no credential `{}`: CREDENTIALS_DIRECTORY is not set", name.value);
        let help = format!(
            "run this as a service of systemd that has it: `LoadCredential={0}:/etc/credstore/{0}`",
            name.value
        );
        return Err(unreadable(name.span, message, help));
    };
    let (path, shown) = (Path::new(folder).join(&name.value), format!("the credential `{}`", name.value));
    Ok(Kept::File { path, shown, span: name.span })
}

fn of_command(command: &Command, reading: Reading<'_>) -> Result<Kept, Vec<Problem>> {
    let Reading { policy, variables, target, .. } = reading;
    let value = |placeholder: Placeholder| match placeholder {
        Placeholder::Policy => Some(Cow::Borrowed(policy.name().as_str())),
        Placeholder::Target => Some(Cow::Borrowed(target)),
        _ => None,
    };
    let call = exec::prepare(policy, variables, command, value).map_err(|_| {
        let words = command.argv.iter();
        words.flat_map(|word| paths::unset(policy.source(), word, variables)).collect::<Vec<_>>()
    })?;
    Ok(Kept::Command { call, span: command.span })
}

fn of_call(call: &Invocation, span: Span, watch: &Watch<'_>) -> Result<Secret, Vec<Problem>> {
    let mut output = Bounded(Vec::new());
    let ended = program::pour(&call.as_program(), &mut output, watch);
    let help =
        "run it by hand, as the user who runs this: it prints the secret and nothing else, and ends with 0";
    match ended {
        Ok(_) => taken(output.0).map_err(|wrong| {
            unreadable(span, format!("what `{}` prints is no secret: {wrong}", call.name()), help)
        }),
        Err(_) if output.0.len() > MOST_BYTES => {
            let message = format!("what `{}` prints is no secret: {}", call.name(), NoSecret::TooLong);
            Err(unreadable(span, message, help))
        }
        Err(error) => {
            // It may say on standard error what it printed.
            let printed = String::from_utf8_lossy(&output.0);
            let said = Redaction::new([("secret", printed.as_ref())]).apply(&error.to_string()).into_owned();
            Err(unreadable(span, format!("the secret cannot be read: {said}"), help))
        }
    }
}

/// Most bytes of a line end.
const LINE_END_BYTES: u64 = 2;

/// Takes no more than a secret may be long.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        if self.0.len() > MOST_BYTES + 2 {
            return Err(io::Error::other("it prints more than a secret may be long"));
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why bytes are no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum NoSecret {
    #[error("it is empty")]
    Empty,
    #[error("it is longer than 64 KiB")]
    TooLong,
    #[error("it is no UTF-8 text")]
    NoText,
    #[error("there is a NUL byte in it")]
    Nul,
}

/// The secret in what was read.
fn taken(bytes: Vec<u8>) -> Result<Secret, NoSecret> {
    let text = String::from_utf8(bytes).map_err(|_| NoSecret::NoText)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = if line.len() < text.len() { line.strip_suffix('\r').unwrap_or(line) } else { line };
    match line {
        "" => Err(NoSecret::Empty),
        line if line.len() > MOST_BYTES => Err(NoSecret::TooLong),
        line if line.contains('\0') => Err(NoSecret::Nul),
        line => Ok(Secret::new(line)),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
