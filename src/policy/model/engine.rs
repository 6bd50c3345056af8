//! What a target is: the kind of its source, where that lies, and how it is captured.

use super::{Command, PathTemplate};
use crate::policy::{
    Span, Spanned, urls,
    values::{Duration, Template, template::Reference},
};

/// The engine of a target and the place of its source.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineSpec {
    /// One SQLite database file.
    Sqlite {
        /// The file.
        path: Spanned<PathTemplate>,
    },
    /// One DuckDB database file.
    Duckdb {
        /// The file.
        path: Spanned<PathTemplate>,
        /// How it is captured.
        #[serde(flatten)]
        options: DuckdbOptions,
    },
    /// One database of a PostgreSQL server.
    Postgres(PostgresSpec),
    /// Anything that a command writes to its standard output.
    Command(CommandSpec),
    /// One folder.
    Directory {
        /// The folder.
        path: Spanned<PathTemplate>,
        /// Globs below it that are taken; empty: everything.
        include: Vec<Spanned<String>>,
        /// Globs below it that are left out, winning over `include`.
        exclude: Vec<Spanned<String>>,
    },
}

impl EngineSpec {
    /// The engine's key in the language.
    pub const fn keyword(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Duckdb { .. } => "duckdb",
            Self::Postgres(_) => "postgres",
            Self::Command(_) => "command",
            Self::Directory { .. } => "directory",
        }
    }

    /// Where its source lies, as written; `None` where only a server or a command knows.
    pub const fn path(&self) -> Option<&Spanned<PathTemplate>> {
        match self {
            Self::Sqlite { path } | Self::Duckdb { path, .. } | Self::Directory { path, .. } => Some(path),
            Self::Postgres(_) | Self::Command(_) => None,
        }
    }

    /// Every path of it: of the source, and of the file that holds a secret.
    pub fn paths(&self) -> impl Iterator<Item = &Spanned<PathTemplate>> {
        let secret = match self {
            Self::Postgres(PostgresSpec { password: Some(SecretSource::File(path)), .. }) => Some(path),
            _ => None,
        };
        self.path().into_iter().chain(secret)
    }

    /// Its source in one line, as written: the path, the URL without user and password, or the words of the command.
    pub fn source(&self) -> String {
        match self {
            Self::Postgres(spec) => urls::written(&spec.url.value),
            Self::Command(spec) => {
                spec.dump.argv.iter().map(|word| word.as_written()).collect::<Vec<_>>().join(" ")
            }
            Self::Sqlite { path } | Self::Duckdb { path, .. } | Self::Directory { path, .. } => {
                path.0.as_written().to_owned()
            }
        }
    }

    /// Where that stands.
    pub const fn span(&self) -> Span {
        match self {
            Self::Sqlite { path } | Self::Duckdb { path, .. } | Self::Directory { path, .. } => path.span,
            Self::Postgres(spec) => spec.url.span,
            Self::Command(spec) => spec.dump.span,
        }
    }

    /// Whether what captures it compresses by itself, so that nothing else does: `pg_dump` does so in each of its
    /// connections where it writes a folder.
    pub fn compresses_itself(&self) -> bool {
        matches!(self, Self::Postgres(spec) if spec.options.format == Some(PostgresFormat::Directory))
    }

    /// Whether its source is one database file, beside which side files may lie.
    pub const fn is_database_file(&self) -> bool {
        matches!(self, Self::Sqlite { .. } | Self::Duckdb { .. })
    }

    /// Whether its source has tables.
    pub const fn has_tables(&self) -> bool {
        matches!(self, Self::Sqlite { .. } | Self::Duckdb { .. } | Self::Postgres(_))
    }

    /// The commands that a capture of it may call.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        let (options, spec, password) = match self {
            Self::Duckdb { options, .. } => (Some(options), None, None),
            Self::Postgres(spec) => (None, None, spec.password.as_ref().and_then(SecretSource::command)),
            Self::Command(spec) => (None, Some(spec), None),
            Self::Sqlite { .. } | Self::Directory { .. } => (None, None, None),
        };
        let dump =
            spec.into_iter().flat_map(|spec| [Some(&spec.dump), spec.verify.as_ref(), spec.restore.as_ref()]);
        options.into_iter().flat_map(DuckdbOptions::commands).chain(dump.flatten()).chain(password)
    }
}

/// A database of a PostgreSQL server, and how it is dumped.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PostgresSpec {
    /// Where it is.
    pub url: Spanned<Template>,
    /// The password; `None`: the URL, a pass file or a service file has it, or none is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
    /// The database that restores are tried in, which is made for that and dropped; `None`: one with a name of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scratch: Option<Spanned<Template>>,
    /// How it is dumped.
    #[serde(flatten)]
    pub options: PostgresOptions,
}

impl PostgresSpec {
    /// Every text of it that may name variables, but for paths and the words of commands, with its place.
    pub fn templates(&self) -> Vec<(&Template, Span)> {
        let password = match &self.password {
            Some(SecretSource::Variable(text)) => Some((&text.value, text.span)),
            Some(SecretSource::File(_) | SecretSource::Command(_) | SecretSource::Credential(_)) | None => {
                None
            }
        };
        let scratch = self.scratch.as_ref().map(|scratch| (&scratch.value, scratch.span));
        [(&self.url.value, self.url.span)].into_iter().chain(password).chain(scratch).collect()
    }

    /// The variables whose values hold a password, or may: those of the password, and the one that the URL begins with.
    pub fn hidden_variables(&self) -> impl Iterator<Item = Reference<'_>> {
        let whole = self.url.value.references().filter(|reference| reference.at.start == 0);
        whole.chain(self.secret_variables().into_iter().map(|(reference, ..)| reference))
    }

    /// The variables that hold its password, each with its place within the scalar, whose place and value come with it.
    pub fn secret_variables(&self) -> Vec<(Reference<'_>, Span, &Template)> {
        let of_url = urls::secret_variables(&self.url.value).into_iter();
        let of_url = of_url.map(|reference| (reference, self.url.span, &self.url.value));
        let of_password = match &self.password {
            Some(SecretSource::Variable(text)) => Some(text),
            _ => None,
        };
        let of_password = of_password
            .into_iter()
            .flat_map(|text| text.value.references().map(|reference| (reference, text.span, &text.value)));
        of_url.chain(of_password).collect()
    }
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// The environment, perhaps with text around it.
    Variable(Spanned<Template>),
    /// A file that holds it.
    File(Spanned<PathTemplate>),
    /// A command that prints it.
    Command(Command),
    /// A credential of the service (systemd), by its name.
    Credential(Spanned<String>),
}

impl SecretSource {
    /// The command that it calls.
    pub const fn command(&self) -> Option<&Command> {
        match self {
            Self::Command(command) => Some(command),
            Self::Variable(_) | Self::File(_) | Self::Credential(_) => None,
        }
    }

    /// Where that stands.
    pub const fn span(&self) -> Span {
        match self {
            Self::Variable(text) => text.span,
            Self::File(path) => path.span,
            Self::Command(command) => command.span,
            Self::Credential(name) => name.span,
        }
    }
}

/// How a PostgreSQL database is dumped; what is not written is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct PostgresOptions {
    /// What the backup is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<PostgresFormat>,
    /// Whether roles and tablespaces are dumped too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub globals: Option<bool>,
    /// Globs of tables whose rows are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude_table_data: Option<Vec<Spanned<String>>>,
}

/// What a backup of a PostgreSQL database is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PostgresFormat {
    /// SQL text.
    Plain,
    /// `pg_dump`'s archive in one file.
    #[default]
    Custom,
    /// `pg_dump`'s archive as a folder, dumped by several connections at once, kept as one tar.
    Directory,
}

impl PostgresOptions {
    /// These, where they say nothing those, and so on.
    fn or(&self, other: &Self) -> Self {
        Self {
            format: self.format.or(other.format),
            globals: self.globals.or(other.globals),
            exclude_table_data: self.exclude_table_data.clone().or_else(|| other.exclude_table_data.clone()),
        }
    }
}

impl Layers<PostgresOptions> {
    /// The tables of a target whose rows are left out with these around it.
    pub(in crate::policy) fn left_out<'a>(&'a self, target: &'a PostgresOptions) -> &'a [Spanned<String>] {
        let layers = [&self.job, target, &self.defaults];
        layers.into_iter().find_map(|layer| layer.exclude_table_data.as_deref()).unwrap_or_default()
    }

    /// A target's options with these around them.
    pub(super) fn around(&self, target: &PostgresOptions) -> PostgresOptions {
        self.job.or(target).or(&self.defaults)
    }
}

/// A source that commands dump, prove and load.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CommandSpec {
    /// Its standard output is the backup.
    pub dump: Command,
    /// Gets the backup on standard input, and fails where it is not sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Command>,
    /// Gets the backup on standard input, and loads it over what is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<Command>,
    /// The extension of the stored file.
    pub extension: String,
}

/// How a DuckDB database is captured; what is not written is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct DuckdbOptions {
    /// What is tried, in order, where its writer keeps it open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_locked: Option<Vec<WhenLocked>>,
    /// What the backup is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<DuckdbFormat>,
}

/// What a backup of a DuckDB database is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DuckdbFormat {
    /// The database file with its log, byte for byte.
    #[default]
    File,
    /// Parquet files with the statements that make the schema: readable by other programs and releases.
    Export,
}

impl DuckdbOptions {
    /// The commands that it calls.
    fn commands(&self) -> impl Iterator<Item = &Command> {
        self.when_locked.iter().flatten().filter_map(WhenLocked::command)
    }

    /// The rungs that hold where none are written: the writer is waited for.
    pub fn rungs(&self) -> Vec<WhenLocked> {
        const PATIENCE: Duration = Duration::from_secs(30);
        self.when_locked.clone().unwrap_or_else(|| vec![WhenLocked::Wait(PATIENCE)])
    }
}

/// What is tried where a DuckDB database is kept open by its writer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenLocked {
    /// Waiting until the writer closes it, for at most so long.
    Wait(Duration),
    /// A command of the owner's that writes a copy to `{copy}`.
    Owner(Command),
    /// A copy under the writer's hands, which counts only if it is found whole.
    HotCopy,
}

impl WhenLocked {
    /// The command that it calls.
    pub const fn command(&self) -> Option<&Command> {
        match self {
            Self::Owner(command) => Some(command),
            Self::Wait(_) | Self::HotCopy => None,
        }
    }
}

/// Options as a job and `defaults` write them; a target's own stand between the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Layers<T> {
    /// What the job says.
    pub job: T,
    /// What `defaults` says.
    pub defaults: T,
}

impl<T: Default + PartialEq> Layers<T> {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Layers<DuckdbOptions> {
    /// The commands that they call.
    pub(super) fn commands(&self) -> impl Iterator<Item = &Command> {
        self.job.commands().chain(self.defaults.commands())
    }

    /// A target's options with these around them.
    pub(super) fn around(&self, target: &DuckdbOptions) -> DuckdbOptions {
        let layers = [&self.job, target, &self.defaults];
        DuckdbOptions {
            when_locked: layers.into_iter().find_map(|layer| layer.when_locked.clone()),
            format: layers.into_iter().find_map(|layer| layer.format),
        }
    }
}
