//! The steps of a plan: one closed set, shown and interpreted.

use crate::policy::{
    model::{Command, Retention},
    values::{Compression, Level},
};
use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use std::borrow::Cow;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its place in the plan, from 1.
    pub n: usize,
    /// The job it belongs to.
    pub job: String,
    /// The target it works on.
    pub target: Option<String>,
    /// The store it works on.
    pub store: Option<String>,
    /// What is done.
    pub action: Action,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Takes the lock of a target in a store, and clears what dead runs left there.
    Lock,
    /// Runs a command of the policy.
    Hook {
        /// When.
        moment: Moment,
        /// The command.
        command: Command,
    },
    /// Looks at a store: is it the one last used, is there room; when room is short, retention makes some first.
    ObserveStore {
        /// The store's folder as written.
        place: String,
        /// What retention counted without the new backup no longer keeps may go when room is short.
        retention: Option<Retention>,
    },
    /// Looks at a source: is it there, of its kind, and as `expect` says.
    ObserveSource {
        /// The engine's key.
        engine: &'static str,
        /// The source as written.
        source: String,
    },
    /// Streams the source's content at one moment.
    Capture {
        /// The engine's key.
        engine: &'static str,
        /// The level whose proof the capture itself contributes.
        level: Level,
        /// Names of the checks asked on the captured content.
        checks: Vec<String>,
    },
    /// Compresses and digests the stream, once for all stores.
    Compress {
        /// Codec and level.
        codec: Compression,
        /// The names of the stored files, the content's first.
        files: Vec<String>,
        /// The stores it goes to.
        stores: Vec<String>,
    },
    /// Reads the stored bytes back and shows the level asked.
    Verify {
        /// The level asked.
        level: Level,
    },
    /// Renames the backup into place with its manifest.
    Publish,
    /// Removes what retention no longer keeps, if this run's backup is proven.
    Prune {
        /// The rules.
        retention: Retention,
    },
    /// Writes the run into the host's history.
    Record,
    /// Lets the job's locks go.
    Unlock,
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before the whole job.
    JobBefore,
    /// Before a target's capture.
    TargetBefore,
    /// After a target's capture, whatever became of it.
    TargetAfter,
    /// After the whole job, whatever became of it.
    JobAfter,
}

impl Moment {
    /// How it is written in the policy: `before` or `after`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::JobBefore | Self::TargetBefore => "before",
            Self::JobAfter | Self::TargetAfter => "after",
        }
    }
}

impl Step {
    /// Its kind, as JSON names it.
    pub const fn kind(&self) -> &'static str {
        match &self.action {
            Action::Lock => "lock",
            Action::Hook { .. } => "hook",
            Action::ObserveStore { .. } | Action::ObserveSource { .. } => "observe",
            Action::Capture { .. } => "capture",
            Action::Compress { .. } => "compress",
            Action::Verify { .. } => "verify",
            Action::Publish => "publish",
            Action::Prune { .. } => "prune",
            Action::Record => "record",
            Action::Unlock => "unlock",
        }
    }

    /// What it does, in one line without its kind.
    pub fn summary(&self) -> String {
        let target = self.target.as_deref().unwrap_or_default();
        let store = self.store.as_deref().unwrap_or_default();
        match &self.action {
            Action::Lock => format!("{target} in {store}"),
            Action::Hook { moment, command } => {
                let of = self.target.as_deref().unwrap_or(&self.job);
                format!("{} {of}: {}", moment.key(), show_argv(&argv(command)))
            }
            Action::ObserveStore { place, retention } => {
                let room = if retention.is_some() { "room, else prune first" } else { "room" };
                format!("store {store} at {place}: the one last used, {room}")
            }
            Action::ObserveSource { engine, source } => format!("{target}: {engine} {source}, as expected"),
            Action::Capture { engine, checks, .. } => {
                let asked = match checks.as_slice() {
                    [] => String::new(),
                    names => format!(", checks: {}", names.join("; ")),
                };
                format!("{target}: one moment of the {engine} content{asked}")
            }
            Action::Compress { codec, files, stores } => {
                let files = files.join(" and ");
                let codec = if *codec == Compression::None { String::new() } else { format!("{codec} and ") };
                format!("{target}: {codec}SHA-256 into {files} for {}", stores.join(", "))
            }
            Action::Verify { level } => format!("{target} in {store}: read back, to level {level}"),
            Action::Publish => format!("{target} in {store}: manifest, then rename into place"),
            Action::Prune { retention } => format!("{target} in {store}: keep {}", describe(*retention)),
            Action::Record => "the run's outcome in the history".to_owned(),
            Action::Unlock => "all locks of the job".to_owned(),
        }
    }

    /// The command line, where a program is called; variables and run-time values as written.
    pub fn argv(&self) -> Option<Vec<String>> {
        match &self.action {
            Action::Hook { command, .. } => Some(argv(command)),
            _ => None,
        }
    }

    /// Names of what it reads, for following the data through a plan.
    pub fn inputs(&self) -> Vec<String> {
        let target = self.target.as_deref().unwrap_or_default();
        let store = self.store.as_deref().unwrap_or_default();
        match &self.action {
            Action::Capture { .. } => vec![format!("source:{target}")],
            Action::Compress { .. } => vec![format!("snapshot:{target}")],
            Action::Verify { .. } => vec![format!("staged:{target}@{store}")],
            Action::Publish => vec![format!("staged:{target}@{store}"), format!("proof:{target}@{store}")],
            Action::Prune { .. } => vec![format!("backup:{target}@{store}")],
            _ => Vec::new(),
        }
    }

    /// Names of what it makes.
    pub fn outputs(&self) -> Vec<String> {
        let target = self.target.as_deref().unwrap_or_default();
        let store = self.store.as_deref().unwrap_or_default();
        match &self.action {
            Action::Capture { .. } => vec![format!("snapshot:{target}")],
            Action::Compress { stores, .. } => {
                stores.iter().map(|s| format!("staged:{target}@{s}")).collect()
            }
            Action::Verify { .. } => vec![format!("proof:{target}@{store}")],
            Action::Publish => vec![format!("backup:{target}@{store}")],
            _ => Vec::new(),
        }
    }
}

fn argv(command: &Command) -> Vec<String> {
    command.argv.iter().map(|word| word.as_written().to_owned()).collect()
}

/// Joins words so that a reader sees where each begins and ends.
pub fn show_argv(words: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,{}$~".contains(c);
    let quoted = words.iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            Cow::Borrowed(word.as_str())
        } else {
            Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Words a retention as plans and messages show it: `daily 7, weekly 12`.
pub fn describe(retention: Retention) -> String {
    let counts = [
        ("last", retention.last),
        ("hourly", retention.hourly),
        ("daily", retention.daily),
        ("weekly", retention.weekly),
        ("monthly", retention.monthly),
        ("yearly", retention.yearly),
    ];
    let counts = counts.into_iter().filter_map(|(name, count)| Some(format!("{name} {}", count?)));
    counts.chain(retention.within.map(|span| format!("within {span}"))).collect::<Vec<_>>().join(", ")
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Step", 9)?;
        fields.serialize_field("n", &self.n)?;
        fields.serialize_field("job", &self.job)?;
        match &self.target {
            Some(target) => fields.serialize_field("target", target)?,
            None => fields.skip_field("target")?,
        }
        match &self.store {
            Some(store) => fields.serialize_field("store", store)?,
            None => fields.skip_field("store")?,
        }
        fields.serialize_field("kind", self.kind())?;
        fields.serialize_field("summary", &self.summary())?;
        match self.argv() {
            Some(argv) => fields.serialize_field("argv", &argv)?,
            None => fields.skip_field("argv")?,
        }
        fields.serialize_field("inputs", &self.inputs())?;
        fields.serialize_field("outputs", &self.outputs())?;
        fields.end()
    }
}

/// The shape of a serialized step, for the schema alone.
#[derive(JsonSchema)]
#[schemars(rename = "Step")]
#[expect(dead_code, reason = "only its schema is used")]
struct StepShape {
    /// Its place in the plan, from 1.
    n: usize,
    /// The job it belongs to.
    job: String,
    /// The target it works on.
    #[schemars(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// The store it works on.
    #[schemars(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    /// What kind of step it is.
    kind: KindShape,
    /// What it does, in one line.
    summary: String,
    /// The command line, where a program is called.
    #[schemars(skip_serializing_if = "Option::is_none")]
    argv: Option<Vec<String>>,
    /// Names of what it reads.
    inputs: Vec<String>,
    /// Names of what it makes.
    outputs: Vec<String>,
}

#[derive(JsonSchema)]
#[schemars(rename = "Kind", rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum KindShape {
    Lock,
    Hook,
    Observe,
    Capture,
    Compress,
    Verify,
    Publish,
    Prune,
    Record,
    Unlock,
}

impl JsonSchema for Step {
    fn schema_name() -> Cow<'static, str> {
        StepShape::schema_name()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        StepShape::json_schema(generator)
    }
}
