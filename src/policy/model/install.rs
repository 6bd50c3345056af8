//! How the schedules reach a host.

use super::PathTemplate;
use crate::{
    policy::Spanned,
    schedule::entry::{Backend, Scope},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::{borrow::Cow, collections::BTreeMap};

/// How the schedules reach a host. What is not written is left out of the digest, and so is what equals its default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Install {
    /// Which scheduler.
    #[serde(skip_serializing_if = "is_default")]
    pub backend: BackendChoice,
    /// Whose entries they are.
    #[serde(skip_serializing_if = "is_default")]
    pub scope: ScopeOf,
    /// The user that entries of the host run as; `None`: root, or SYSTEM on Windows. Only with the scope `system`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Spanned<String>>,
    /// Folders that are added to the `PATH` of the entries, in order: absolute, below the home folder, or by variable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search_path: Vec<Spanned<PathTemplate>>,
    /// The folder for what entries print; `None`: the scheduler's own journal, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_dir: Option<Spanned<PathTemplate>>,
    /// What is done where a scheduler cannot say a schedule.
    #[serde(skip_serializing_if = "is_default")]
    pub dispatcher: Dispatcher,
    /// How the entries of a Kubernetes cluster are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes>,
}

impl Install {
    /// Whose entries they are.
    pub const fn scope(&self) -> Scope {
        self.scope.0
    }

    /// Whether nothing in it differs from what holds without it.
    pub fn is_default(&self) -> bool {
        is_default(self)
    }

    /// Every path of it.
    pub fn paths(&self) -> impl Iterator<Item = &Spanned<PathTemplate>> {
        self.search_path.iter().chain(&self.log_dir)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Which scheduler a policy asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum BackendChoice {
    /// The platform's own: launchd on macOS, the Task Scheduler on Windows, elsewhere systemd where it runs, else cron.
    #[default]
    Auto,
    /// None: `policy daemon` runs the schedules, or somebody by hand.
    None,
    /// This one.
    One(Backend),
}

impl BackendChoice {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 7] = [
        Self::Auto,
        Self::One(Backend::Systemd),
        Self::One(Backend::Cron),
        Self::One(Backend::Launchd),
        Self::One(Backend::TaskScheduler),
        Self::One(Backend::Kubernetes),
        Self::None,
    ];

    /// Its name in the language.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::One(backend) => backend.as_str(),
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.as_str() == text)
    }
}

impl Serialize for BackendChoice {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl JsonSchema for BackendChoice {
    fn schema_name() -> Cow<'static, str> {
        "Backend".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A scheduler. `auto` is launchd on macOS, the Task Scheduler on Windows, and on Linux systemd where it \
                runs, else cron; `none`, nothing is installed.",
            "enum": Self::ALL.map(Self::as_str),
        })
    }
}

/// Whose entries a policy asks for; those of the user, unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct ScopeOf(pub Scope);

impl ScopeOf {
    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "user" => Some(Self(Scope::User)),
            "system" => Some(Self(Scope::System)),
            _ => None,
        }
    }
}

impl Default for ScopeOf {
    fn default() -> Self {
        Self(Scope::User)
    }
}

/// What is done where a scheduler cannot say a schedule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dispatcher {
    /// The entry starts at more times than the schedule names, and does nothing at those.
    #[default]
    Native,
    /// The entry starts every minute, and does nothing where nothing is due.
    Minute,
}

impl Dispatcher {
    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "native" => Some(Self::Native),
            "minute" => Some(Self::Minute),
            _ => None,
        }
    }
}

/// How the entries of a Kubernetes cluster are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kubernetes {
    /// The namespace; `None`: that of the caller's context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Spanned<String>>,
    /// The image that holds this program.
    pub image: Spanned<String>,
    /// The service account of the pods; `None`: the namespace's `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<Spanned<String>>,
    /// Secrets whose entries are environment variables of the pods, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<Spanned<String>>,
    /// The claim of the volume that keeps the state folder; `None`: each pod begins with an empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Spanned<String>>,
    /// What is mounted into the pods, by absolute path without a slash at its end.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mounts: BTreeMap<String, Mount>,
    /// What is merged into each `CronJob`, as RFC 7386 says; its keys are sorted.
    #[serde(skip_serializing_if = "Map::is_empty", serialize_with = "as_text")]
    pub patch: Map<String, Value>,
}

/// A volume that is mounted into a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// The name of its claim.
    pub claim: Spanned<String>,
    /// Whether nothing may be written to it.
    pub read_only: bool,
}

/// As one text: in a patch `null` and `false` mean something, which the digest leaves out everywhere else.
fn as_text<S: Serializer>(patch: &Map<String, Value>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&Value::Object(patch.clone()).to_string())
}
