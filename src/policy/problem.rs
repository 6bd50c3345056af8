//! Everything that can be wrong with a policy: stable codes, their severity, and one problem with its places.

pub mod draw;
mod found;
mod lines;
mod mask;
pub mod pages;
#[cfg(test)]
mod tests;

pub(super) use found::Problems;
pub use lines::Lines;
pub(super) use mask::{masked, secrets};

use super::{Source, Span};
use std::{cmp::Ordering, collections::BTreeSet, fmt};

/// How bad it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy is not valid.
    Error,
    /// It works, and is probably not what is meant; `allow` accepts it.
    Warning,
    /// Worth knowing.
    Note,
}

/// Makes the enum of codes, its spellings and the list of all from one table.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $path:literal, $severity:ident;)*) => {
        /// What kind of problem it is: a path that never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $name,)* }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The path, `policy::schedule::bad_cron`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $path,)* }
            }

            /// One line about it.
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc,)+).trim_ascii_start(),)* }
            }

            /// How bad problems of this code are.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    /// The file cannot be read.
    Unreadable = "policy::file::unreadable", Error;
    /// The file is larger than 1 MiB.
    YamlTooLarge = "policy::yaml::too_large", Error;
    /// The file is not UTF-8 text.
    YamlNotUtf8 = "policy::yaml::not_utf8", Error;
    /// The file has a NUL byte in it.
    YamlControlCharacter = "policy::yaml::nul_byte", Error;
    /// The file is not YAML.
    YamlSyntax = "policy::yaml::syntax", Error;
    /// A tab stands where YAML takes only spaces.
    YamlTab = "policy::yaml::tab", Error;
    /// Text begins with a character that means something in YAML.
    YamlQuotesNeeded = "policy::yaml::quotes_needed", Error;
    /// A space is missing after a colon.
    YamlSpaceNeeded = "policy::yaml::space_needed", Error;
    /// A character that cannot be seen, or a quote that is none, stands in the text.
    YamlInvisible = "policy::yaml::invisible_character", Error;
    /// A key is written twice.
    YamlDuplicateKey = "policy::yaml::duplicate_key", Error;
    /// A merge key (`<<`) is used.
    YamlMergeKey = "policy::yaml::merge_key", Error;
    /// A key is not text.
    YamlKeyNotText = "policy::yaml::key_not_text", Error;
    /// The file holds more than one document.
    YamlSeveralDocuments = "policy::yaml::several_documents", Error;
    /// An alias repeats itself.
    YamlAlias = "policy::yaml::alias", Error;
    /// The file has too many values.
    YamlTooMany = "policy::yaml::too_many_values", Error;
    /// Lists and mappings are nested too deep.
    YamlTooDeep = "policy::yaml::too_deep", Error;
    /// There are more problems than are shown.
    TooManyProblems = "policy::file::too_many_problems", Note;
    /// A key is unknown.
    UnknownKey = "policy::shape::unknown_key", Error;
    /// A required key is missing.
    MissingKey = "policy::shape::missing_key", Error;
    /// A key stands where a name is expected.
    MisplacedKey = "policy::shape::misplaced_key", Error;
    /// A key has no value.
    NullValue = "policy::shape::no_value", Error;
    /// A value is of another kind: text, number, list, mapping.
    WrongType = "policy::shape::wrong_type", Error;
    /// A list or mapping is empty where something is needed.
    Empty = "policy::shape::empty", Error;
    /// Several keys exclude each other.
    ExactlyOne = "policy::shape::exactly_one", Error;
    /// The language version is not one that this program reads.
    BadVersion = "policy::version::unsupported", Error;
    /// A name has a character that names do not have.
    BadName = "policy::name::invalid", Error;
    /// Two loaded policies have one name.
    RepeatedPolicy = "policy::name::repeated", Error;
    /// A duration is not a number and a unit.
    BadDuration = "policy::value::bad_duration", Error;
    /// A size is not a number and a unit.
    BadSize = "policy::value::bad_size", Error;
    /// A percentage is not a number and `%`.
    BadPercent = "policy::value::bad_percentage", Error;
    /// A number is not one that is allowed here.
    BadNumber = "policy::value::bad_number", Error;
    /// A word is none of those that are known here.
    UnknownWord = "policy::value::unknown_word", Error;
    /// A compression is unknown, or its level is.
    BadCompression = "policy::value::bad_compression", Error;
    /// A time zone is unknown.
    UnknownZone = "policy::timezone::unknown", Error;
    /// A schedule names an hour, and no time zone is written.
    ZoneNotWritten = "policy::timezone::not_written", Warning;
    /// A schedule is not a crontab(5) expression.
    BadCron = "policy::schedule::bad_cron", Error;
    /// A schedule names a time that a clock change of its zone skips or repeats.
    ClockChange = "policy::schedule::clock_change", Warning;
    /// Two jobs of one target start at the same minute.
    SameMinute = "policy::schedule::same_minute", Warning;
    /// A job may still run when its next start is due.
    Overlap = "policy::schedule::overlap", Warning;
    /// A schedule runs at other times than it seems to say.
    Surprising = "policy::schedule::surprising", Warning;
    /// The schedule pauses for longer than the rpo allows.
    RpoNotMet = "policy::schedule::rpo_not_met", Warning;
    /// `${…}` is not a variable.
    BadVariable = "policy::variable::malformed", Error;
    /// A variable stands where none may.
    VariableNotHere = "policy::variable::not_here", Error;
    /// A variable has no value on this machine.
    VariableUnset = "policy::variable::unset", Error;
    /// A path is not one that can be used.
    BadPath = "policy::path::invalid", Error;
    /// A path has something in it that looks as if it were filled in, and is not.
    TakenLiterally = "policy::path::taken_literally", Warning;
    /// A path that must be absolute is not.
    PathNotAbsolute = "policy::path::not_absolute", Error;
    /// A path begins with `~`, and there is no home folder.
    NoHome = "policy::path::no_home", Error;
    /// A path begins with `~`, and the entries are those of the host.
    HomeOfTheSystem = "policy::path::home_under_system", Error;
    /// An env file has a line that cannot be read.
    BadEnvFile = "policy::env_file::bad_line", Error;
    /// A store's URL is of a kind that is unknown.
    UnknownScheme = "policy::store::unknown_scheme", Error;
    /// Two stores are one folder.
    SameFolder = "policy::store::same_folder", Warning;
    /// A store lies inside a folder that is backed up into it.
    StoreInTarget = "policy::store::inside_target", Error;
    /// A store lies in the folder of the database that it keeps backups of.
    StoreBesideTarget = "policy::store::beside_target", Warning;
    /// A store lies inside the project that the policy belongs to.
    StoreInProject = "policy::store::inside_project", Warning;
    /// A store lies in a folder under version control.
    StoreInRepository = "policy::store::in_repository", Warning;
    /// A store or target is named that is not declared.
    UnknownReference = "policy::reference::unknown", Error;
    /// A store or target is named twice in one list.
    RepeatedReference = "policy::reference::repeated", Error;
    /// A store or target is declared that no job uses.
    Unused = "policy::reference::unused", Warning;
    /// A command is not a list of strings.
    BadCommand = "policy::command::not_a_list", Error;
    /// A `{placeholder}` is unknown.
    UnknownPlaceholder = "policy::command::unknown_placeholder", Error;
    /// A `{placeholder}` stands without quotes.
    UnquotedPlaceholder = "policy::command::unquoted_placeholder", Error;
    /// A command has something in it that only a shell understands.
    NeedsShell = "policy::command::needs_shell", Warning;
    /// A shell would run what a placeholder is filled in with.
    ShellRunsText = "policy::command::shell_runs_text", Warning;
    /// A key does not go with the target's engine.
    NotForEngine = "policy::target::not_for_engine", Error;
    /// A glob cannot be read.
    BadGlob = "policy::glob::invalid", Error;
    /// A glob is covered by a wider one.
    ShadowedGlob = "policy::glob::shadowed", Warning;
    /// The globs of a folder leave nothing to take.
    TakesNothing = "policy::glob::takes_nothing", Error;
    /// What is to be an extension of a file is none.
    BadExtension = "policy::value::bad_extension", Error;
    /// An engine that this program was built without.
    EngineAbsent = "policy::engine::absent", Error;
    /// A secret stands in the policy itself.
    LiteralSecret = "policy::secret::literal", Error;
    /// A secret is given twice.
    TwoSecrets = "policy::secret::twice", Error;
    /// A variable that holds a secret is a word of a command.
    SecretInArguments = "policy::secret::in_arguments", Error;
    /// A secret cannot be read on this machine.
    SecretUnreadable = "policy::secret::unreadable", Error;
    /// A text is no URL of a PostgreSQL database.
    BadUrl = "policy::postgres::bad_url", Error;
    /// An option of a URL is left out.
    OptionDropped = "policy::postgres::option_dropped", Warning;
    /// The database that restores are tried in cannot be that.
    BadScratch = "policy::postgres::bad_scratch", Error;
    /// The rows of an irreplaceable table are left out.
    LeavesOutIrreplaceable = "policy::postgres::leaves_out_irreplaceable", Error;
    /// A table is in two classes.
    TwoClasses = "policy::tables::two_classes", Error;
    /// An irreplaceable table is looked at by no check.
    NoCheck = "policy::tables::no_check", Warning;
    /// A check's expectation cannot be read.
    BadExpectation = "policy::check::bad_expectation", Error;
    /// A check's SQL is not one query that only reads.
    NotAQuery = "policy::check::not_a_query", Error;
    /// A check's expectation looks like a misspelt word of the language.
    NearKeyword = "policy::check::near_keyword", Warning;
    /// A check counts the rows of a table that looks like a misspelt one of the declared tables.
    NearTable = "policy::check::near_table", Warning;
    /// Two checks of one target have one name.
    RepeatedCheck = "policy::check::repeated_name", Error;
    /// A level is asked that a target cannot offer.
    NotOffered = "policy::verify::not_offered", Error;
    /// Less than the checks is asked where data is irreplaceable.
    BelowChecks = "policy::verify::below_checks", Warning;
    /// A job prunes nothing.
    NoRetention = "policy::retention::none", Warning;
    /// A retention rule keeps nothing.
    ZeroRetention = "policy::retention::zero", Error;
    /// A retention rule has shorter periods than the schedule has pauses.
    FinerThanSchedule = "policy::retention::finer_than_schedule", Warning;
    /// No retention rule keeps two backups that follow each other.
    LosesRhythm = "policy::retention::loses_rhythm", Warning;
    /// A user is named for entries that are not those of the host.
    UserWithoutSystem = "policy::install::user_without_system", Error;
    /// A text is not the name of an image.
    BadImage = "policy::install::bad_image", Error;
    /// A key of `install` has no effect with its scheduler.
    NotForBackend = "policy::install::not_for_backend", Warning;
    /// Pods keep nothing from one to the next.
    NoState = "policy::install::no_state", Warning;
    /// `allow` names a code that does not exist or cannot be accepted.
    BadAllowance = "policy::allow::unknown_code", Error;
    /// `allow` accepts a warning that does not occur.
    UnmatchedAllowance = "policy::allow::unmatched", Warning;
}

impl Code {
    /// Whether the policy's text alone decides if it occurs; the others also need a look at the host.
    pub const fn is_of_the_text(self) -> bool {
        !matches!(self, Self::StoreInRepository)
    }

    /// Finds a code by its path.
    pub fn parse(path: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == path)
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A place and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// A few words; may be empty.
    pub text: String,
}

/// One problem of one policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What kind it is.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a period.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// The places involved; the first is where it is.
    pub labels: Vec<Label>,
}

impl Problem {
    /// Makes a problem of its code's own severity.
    pub fn new(code: Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        let (message, help) = (tame(message.into()), tame(help.into()));
        Self { code, severity: code.severity(), message, help, labels: Vec::new() }
    }

    /// Makes an error.
    pub fn error(code: Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { severity: Severity::Error, ..Self::new(code, message, help) }
    }

    /// Adds a place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: tame(text.into()) });
        self
    }

    /// The same problem with another severity.
    #[must_use]
    pub fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// Takes out of all its words what must not be shown.
    pub(super) fn hide(&mut self, secrets: &BTreeSet<String>) {
        let words = self.labels.iter_mut().map(|label| &mut label.text);
        for text in [&mut self.message, &mut self.help].into_iter().chain(words) {
            if let Some(hidden) = mask::without(secrets, text) {
                *text = hidden;
            }
        }
    }

    /// Whether it makes the policy invalid.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Where it is.
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }

    /// The order in which problems are shown: by place, then the worse first, then by code and wording.
    pub fn order(&self, other: &Self) -> Ordering {
        let key = |p: &Self| (p.span().unwrap_or_default().start, p.severity, p.code);
        key(self).cmp(&key(other)).then_with(|| self.message.cmp(&other.message))
    }
}

/// Longest message, in characters: a message may quote the policy, and the policy may be hostile.
const LONGEST_MESSAGE: usize = 500;

/// A text that is safe to show: on one line, without characters that a terminal obeys, of bounded length.
fn tame(text: String) -> String {
    if text.len() <= LONGEST_MESSAGE && !text.contains(mask::is_harmful) {
        return text;
    }
    let visible = |c: char| if mask::is_harmful(c) { ' ' } else { c };
    let mut tamed: String = text.chars().take(LONGEST_MESSAGE).map(visible).collect();
    if tamed.chars().count() == LONGEST_MESSAGE {
        tamed.push('…');
    }
    tamed
}

impl Source {
    /// A place in words, `policies/prod.yaml:12:5`.
    pub fn place(&self, span: Span) -> String {
        let (line, column) = Lines::new(&self.text).position(span.start);
        format!("{}:{line}:{column}", self.name)
    }

    /// The place of a part of a scalar, given the scalar's place and its value: exact when the text stands there
    /// letter for letter, plain or in quotes; else the whole scalar.
    pub fn within(&self, scalar: Span, value: &str, part: std::ops::Range<usize>) -> Span {
        within(&self.text, scalar, value, part)
    }
}

/// See [`Source::within`].
pub(super) fn within(text: &str, scalar: Span, value: &str, part: std::ops::Range<usize>) -> Span {
    let written = text.get(scalar.start..scalar.end).unwrap_or_default();
    let quoted = |quote: char| written.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let skip = if written == value {
        0
    } else if quoted('"') == Some(value) || quoted('\'') == Some(value) {
        1
    } else {
        return within_block(written, scalar, value, &part).unwrap_or(scalar);
    };
    Span::new(scalar.start + skip + part.start, scalar.start + skip + part.end)
}

/// The same in a text of several lines, each of them indented (`|`); a part that goes over a line's end is shown as far as
/// that.
fn within_block(written: &str, scalar: Span, value: &str, part: &std::ops::Range<usize>) -> Option<Span> {
    let before = value.get(..part.start)?;
    let line = before.matches('\n').count();
    let column = before.len() - before.rfind('\n').map_or(0, |n| n + 1);
    let text = value.split('\n').nth(line)?;
    let mut starts = scalar.start;
    for (n, (raw, plain)) in written.split_inclusive('\n').zip(value.split('\n')).enumerate() {
        let content = raw.trim_end_matches(['\n', '\r']);
        let indented = content.len().checked_sub(plain.len()).filter(|_| content.ends_with(plain))?;
        if n == line {
            let start = starts + indented + column;
            let end = start + (part.end - part.start).min(text.len() - column);
            return Some(Span::new(start, end));
        }
        starts += raw.len();
    }
    None
}
