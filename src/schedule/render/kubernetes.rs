//! A `CronJob` of Kubernetes, and a `ConfigMap` with the policy that it runs.
//!
//! The controller knows zones and takes either of two day fields, so a schedule is said exactly. But it skips what a clock
//! change skips: where that concerns a fixed time, the first instant after is added. And it starts a repeated hour's times
//! twice (kubernetes/kubernetes#121594), and none or two Jobs now and then ("about once"). The guard refuses what is too
//! much. Nothing of the host is in the objects: program, policy and state have their places in the pod.
//!
//! `patch` is a JSON merge patch (RFC 7386), put onto the `CronJob` last. Such a patch replaces lists as a whole; one that
//! loses the command, the schedule or the marks of the entry is refused.

mod checks;
mod cron_job;
mod patch;
mod times;
mod yaml;

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};
use sha2::{Digest as _, Sha256};

use super::{
    super::{
        CatchUp,
        entry::{Backend, Context, Entry},
    },
    File, NO_HASH, Refusal, Rendered,
    marks::{HASH_ANNOTATION, MANAGED_BY},
    sealed, words,
};
use times::Times;

/// Where the policy lies in the pod.
const POLICY_FOLDER: &str = "/etc/policy";
/// Where the state lies in the pod.
const STATE_FOLDER: &str = "/var/lib/policy";

/// What a policy says of its cluster.
#[derive(Debug, Clone, Default)]
pub struct KubernetesSpec {
    /// The namespace; `None`: that of whoever applies the objects.
    pub namespace: Option<String>,
    /// The image, in which `policy` is on the PATH.
    pub image: String,
    /// The service account; `None`: the default one, without its token.
    pub service_account: Option<String>,
    /// Secrets whose keys become variables.
    pub env_from: Vec<String>,
    /// The claim for the state; `None`: it is lost with each pod.
    pub state_claim: Option<String>,
    /// Claims by the absolute path at which they are mounted.
    pub mounts: BTreeMap<String, Mount>,
    /// What is merged into the `CronJob` last.
    pub patch: Mapping,
    /// The policy as it stands in its file.
    pub policy_text: String,
    /// The name of that file, without folders.
    pub policy_file_name: String,
}

/// A claim in the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The claim's name.
    pub claim: String,
    /// Whether the pod may only read it.
    pub read_only: bool,
}

/// Writes the objects of an entry. Of the context nothing is needed: the cluster is told the zone, and what is the host's has no
/// place in a pod.
pub fn render(entry: &Entry, _: &Context, spec: &KubernetesSpec) -> Result<Rendered, Refusal> {
    checks::check(entry, spec)?;
    let times = Times::of(entry);
    let argv = argv(entry, spec);
    let metadata = metadata(entry, spec);
    let config_map = map([
        ("apiVersion", text("v1")),
        ("kind", text("ConfigMap")),
        ("metadata", metadata.clone()),
        ("immutable", Value::Bool(false)),
        ("data", map([(spec.policy_file_name.as_str(), text(&spec.policy_text))])),
    ]);
    let plain = cron_job::cron_job(entry, spec, &times, &argv, metadata);
    let cron_job = patch::merged(plain.clone(), &Value::Mapping(spec.patch.clone()));
    checks::check_patched(entry, &plain, &cron_job)?;
    let bytes = format!("{}---\n{}", written(entry, &config_map)?, written(entry, &cron_job)?).into_bytes();
    let (files, hash) = sealed(vec![File { name: format!("{}.yaml", entry.name), bytes }]);
    let warnings = warnings(entry, spec, &times);
    Ok(Rendered { tier: times.tier, files, hash, argv: vec![argv], warnings })
}

/// What the container runs. Its host's paths are not the pod's.
fn argv(entry: &Entry, spec: &KubernetesSpec) -> Vec<String> {
    let file = format!("{POLICY_FOLDER}/{}", spec.policy_file_name);
    let words = ["policy", "--policy", &file, "run", &entry.shown(), "--due"].map(ToOwned::to_owned).to_vec();
    Entry { argv: words, ..entry.clone() }.argv_with_jitter()
}

fn metadata(entry: &Entry, spec: &KubernetesSpec) -> Value {
    let mut metadata = Mapping::new();
    metadata.insert(text("name"), text(entry.name.as_str()));
    if let Some(namespace) = &spec.namespace {
        metadata.insert(text("namespace"), text(namespace));
    }
    metadata.insert(text("labels"), labels(entry));
    let annotations = [("policy.dev/job", text(&entry.shown())), (HASH_ANNOTATION, text(NO_HASH))];
    metadata.insert(text("annotations"), map(annotations));
    Value::Mapping(metadata)
}

fn labels(entry: &Entry) -> Value {
    map([
        ("app.kubernetes.io/name", text("policy")),
        ("app.kubernetes.io/instance", text(entry.name.as_str())),
        (MANAGED_BY, text("policy")),
    ])
}

/// SHA-256 of the policy's text, by which a pod shows what it ran.
fn checksum(spec: &KubernetesSpec) -> String {
    hex::encode(Sha256::digest(format!("{}\0{}", spec.policy_file_name, spec.policy_text)))
}

fn warnings(entry: &Entry, spec: &KubernetesSpec, times: &Times) -> Vec<String> {
    let mut warnings = Vec::new();
    if spec.state_claim.is_none() {
        warnings.push(
            "without `state` the state is lost with each pod: which slots are taken is then known by the stores alone"
                .to_owned(),
        );
    }
    if let CatchUp::Within(window) = entry.schedule.catch_up
        && window.as_secs() > times.deadline
    {
        warnings.push(format!(
            "`catch_up: {window}` holds 100 slots or more, at which the controller gives up: it starts no Job later than \
             {} seconds",
            times.deadline
        ));
    }
    warnings
}

fn written(entry: &Entry, object: &Value) -> Result<String, Refusal> {
    yaml::written(object).map_err(|error| {
        let reason = format!("the object has no YAML: {error}");
        words::refusal(entry, Backend::Kubernetes, "install.kubernetes.patch", reason, "use texts as keys")
    })
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Mapping(entries.into_iter().map(|(key, value)| (text(key), value)).collect())
}

fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::Sequence(items.into_iter().collect())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}
