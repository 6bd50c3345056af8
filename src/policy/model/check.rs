//! What is known and asked of a database: the classes of its tables, and the checks of its content.

use crate::policy::{
    Span, Spanned,
    values::{Duration, Percent},
};
use std::borrow::Cow;
use std::fmt;

/// Data classes: globs over table names.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Tables {
    /// Data that cannot be made again.
    pub irreplaceable: Vec<Spanned<String>>,
    /// Data that a script can make again.
    pub recoverable: Vec<Spanned<String>>,
    /// Data that can be made again in part.
    pub partial: Vec<Spanned<String>>,
    /// What to do about a table in no class; it counts as irreplaceable either way.
    pub unclassed: OnFail,
    /// Whether tables have schemas, and names are compared letter for letter: in PostgreSQL.
    #[serde(skip)]
    pub has_schemas: bool,
}

/// The name or glob of a table of PostgreSQL with its schema: one without is of `public`.
pub fn with_schema(name: &str) -> Cow<'_, str> {
    if name.contains('.') { Cow::Borrowed(name) } else { Cow::Owned(format!("public.{name}")) }
}

/// The class of a table.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum TableClass {
    /// Cannot be made again.
    Irreplaceable,
    /// Can be made again by a script.
    Recoverable,
    /// Can be made again in part.
    Partial,
    /// In no declared class; counts as irreplaceable.
    Unclassed,
}

impl Tables {
    /// The classes and their globs, the most valuable first: that is what a table in several of them belongs to.
    pub fn classes(&self) -> [(TableClass, &[Spanned<String>]); 3] {
        [
            (TableClass::Irreplaceable, &self.irreplaceable),
            (TableClass::Partial, &self.partial),
            (TableClass::Recoverable, &self.recoverable),
        ]
    }

    /// Every glob, by class.
    pub fn globs(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.classes().into_iter().flat_map(|(_, globs)| globs)
    }
}

impl fmt::Display for TableClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Irreplaceable => "irreplaceable",
            Self::Recoverable => "recoverable",
            Self::Partial => "partial",
            Self::Unclassed => "unclassed",
        })
    }
}

/// What the failure of a check means.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum OnFail {
    /// The backup is not proven.
    #[default]
    Fail,
    /// It is recorded and told, and lowers nothing.
    Warn,
}

/// A verification query.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Check {
    /// Its name: as written, else made from the query.
    pub name: String,
    /// What is asked.
    pub query: Query,
    /// What the answer must be.
    pub expect: Expectation,
    /// What failing means.
    pub on_fail: OnFail,
    /// Where it stands.
    #[serde(skip)]
    pub span: Span,
    /// Where its query stands.
    #[serde(skip)]
    pub query_span: Span,
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Query {
    /// The number of rows of a table.
    Rows(String),
    /// A read-only SQL query; the first row counts, its first column unless the whole row is compared with the source.
    Sql(String),
}

/// What a check's answer must be. NULL or no row fails unless `Empty`.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// Equal to.
    Equal(Scalar),
    /// Not equal to.
    NotEqual(Scalar),
    /// At least.
    AtLeast(f64),
    /// More than.
    MoreThan(f64),
    /// At most.
    AtMost(f64),
    /// Less than.
    LessThan(f64),
    /// Between two numbers, both included.
    Between(f64, f64),
    /// A time no older than this at the moment of capture; without offset it is UTC.
    MaxAge(Duration),
    /// No more than this share below the newest proven backup's answer.
    MaxDrop(Percent),
    /// No more than this share above the newest proven backup's answer.
    MaxGrowth(Percent),
    /// The copy's answer equals the source's at the moment of capture.
    SameAsSource,
    /// No row, or one row of NULL.
    Empty,
    /// At least one row.
    NotEmpty,
}

/// A bare value that an answer is compared with.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Scalar {
    /// Compared as a number when the answer is one.
    Number(f64),
    /// Compared as text.
    Text(String),
}

impl fmt::Display for Expectation {
    /// As the language spells it, `>= 65`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal(value) => write!(f, "= {value}"),
            Self::NotEqual(value) => write!(f, "!= {value}"),
            Self::AtLeast(bound) => write!(f, ">= {bound}"),
            Self::MoreThan(bound) => write!(f, "> {bound}"),
            Self::AtMost(bound) => write!(f, "<= {bound}"),
            Self::LessThan(bound) => write!(f, "< {bound}"),
            Self::Between(low, high) => write!(f, "{low}..{high}"),
            Self::MaxAge(age) => write!(f, "max_age {age}"),
            Self::MaxDrop(share) => write!(f, "max_drop {share}"),
            Self::MaxGrowth(share) => write!(f, "max_growth {share}"),
            Self::SameAsSource => f.write_str("same_as_source"),
            Self::Empty => f.write_str("empty"),
            Self::NotEmpty => f.write_str("not_empty"),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}
