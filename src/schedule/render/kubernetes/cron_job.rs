//! The `CronJob`.

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};

use super::{
    super::super::entry::Entry, KubernetesSpec, POLICY_FOLDER, STATE_FOLDER, checksum, labels, list, map,
    text, times::Times,
};

/// How many Jobs of each outcome are kept, and for how long: enough to look at a week's failures.
const HISTORY: u64 = 3;
const KEPT_SECS: u64 = 7 * 86_400;

/// The container's name.
pub(super) const CONTAINER: &str = "policy";

pub(super) fn cron_job(
    entry: &Entry,
    spec: &KubernetesSpec,
    times: &Times,
    argv: &[String],
    metadata: Value,
) -> Value {
    map([
        ("apiVersion", text("batch/v1")),
        ("kind", text("CronJob")),
        ("metadata", metadata),
        (
            "spec",
            map([
                ("schedule", text(&times.schedule)),
                ("timeZone", text(entry.zone.name())),
                ("concurrencyPolicy", text("Forbid")),
                ("startingDeadlineSeconds", number(times.deadline)),
                ("successfulJobsHistoryLimit", number(HISTORY)),
                ("failedJobsHistoryLimit", number(HISTORY)),
                (
                    "jobTemplate",
                    map([("metadata", map([("labels", labels(entry))])), ("spec", job(entry, spec, argv))]),
                ),
            ]),
        ),
    ])
}

/// The Job. A failed backup is not repeated here: the next slot is, or the job's own attempts.
fn job(entry: &Entry, spec: &KubernetesSpec, argv: &[String]) -> Value {
    let mut job = Mapping::new();
    job.insert(text("backoffLimit"), number(0));
    if let Some(limit) = entry.limit {
        // The limit is that of the run; the runner waits for the jitter before.
        let seconds = limit.as_secs() + entry.schedule.jitter.as_secs();
        job.insert(text("activeDeadlineSeconds"), number(seconds));
    }
    job.insert(text("ttlSecondsAfterFinished"), number(KEPT_SECS));
    let annotations = map([("policy.dev/policy-sha256", text(&checksum(spec)))]);
    let metadata = map([("labels", labels(entry)), ("annotations", annotations)]);
    job.insert(text("template"), map([("metadata", metadata), ("spec", pod(entry, spec, argv))]));
    Value::Mapping(job)
}

fn pod(entry: &Entry, spec: &KubernetesSpec, argv: &[String]) -> Value {
    let mut pod = Mapping::new();
    pod.insert(text("restartPolicy"), text("Never"));
    match &spec.service_account {
        Some(account) => pod.insert(text("serviceAccountName"), text(account)),
        None => pod.insert(text("automountServiceAccountToken"), Value::Bool(false)),
    };
    pod.insert(text("enableServiceLinks"), Value::Bool(false));
    let profile = map([("type", text("RuntimeDefault"))]);
    pod.insert(
        text("securityContext"),
        map([("runAsNonRoot", Value::Bool(true)), ("seccompProfile", profile)]),
    );
    let (volumes, mounts) = volumes(entry, spec);
    pod.insert(text("containers"), list([container(spec, argv, mounts)]));
    pod.insert(text("volumes"), volumes);
    Value::Mapping(pod)
}

fn container(spec: &KubernetesSpec, argv: &[String], mounts: Value) -> Value {
    let mut container = Mapping::new();
    container.insert(text("name"), text(CONTAINER));
    container.insert(text("image"), text(&spec.image));
    // A dollar sign stands for a variable, and two for one of it.
    container.insert(text("command"), list(argv.iter().map(|word| text(&word.replace('$', "$$")))));
    let state = map([("name", text("POLICY_STATE_DIR")), ("value", text(STATE_FOLDER))]);
    container.insert(text("env"), list([state]));
    if !spec.env_from.is_empty() {
        let secret = |name: &String| map([("secretRef", map([("name", text(name))]))]);
        container.insert(text("envFrom"), list(spec.env_from.iter().map(secret)));
    }
    container.insert(
        text("resources"),
        map([
            ("requests", map([("cpu", text("100m")), ("memory", text("256Mi"))])),
            ("limits", map([("memory", text("1Gi"))])),
        ]),
    );
    container.insert(
        text("securityContext"),
        map([
            ("allowPrivilegeEscalation", Value::Bool(false)),
            ("readOnlyRootFilesystem", Value::Bool(true)),
            ("capabilities", map([("drop", list([text("ALL")]))])),
        ]),
    );
    container.insert(text("volumeMounts"), mounts);
    Value::Mapping(container)
}

/// The volumes, one for each claim, and where they are mounted.
fn volumes(entry: &Entry, spec: &KubernetesSpec) -> (Value, Value) {
    let empty = || map([]);
    let mount = |name: &str, path: &str, read_only: bool| {
        let mut mount = Mapping::new();
        mount.insert(text("name"), text(name));
        mount.insert(text("mountPath"), text(path));
        if read_only {
            mount.insert(text("readOnly"), Value::Bool(true));
        }
        Value::Mapping(mount)
    };
    let claims = spec.mounts.values().map(|mount| &mount.claim).chain(&spec.state_claim);
    let mut names: BTreeMap<&str, String> = claims.map(|claim| (claim.as_str(), String::new())).collect();
    for (n, name) in names.values_mut().enumerate() {
        *name = format!("claim-{}", n + 1);
    }
    let name = |claim: &str| names.get(claim).map_or("", String::as_str);
    let config_map = map([("name", text(entry.name.as_str()))]);
    let policy = map([("name", text("policy")), ("configMap", config_map)]);
    let mut volumes = vec![policy, map([("name", text("tmp")), ("emptyDir", empty())])];
    let mut mounts = vec![mount("policy", POLICY_FOLDER, true), mount("tmp", "/tmp", false)];
    let state = spec.state_claim.as_deref().map_or("state", name);
    mounts.push(mount(state, STATE_FOLDER, false));
    if spec.state_claim.is_none() {
        volumes.push(map([("name", text(state)), ("emptyDir", empty())]));
    }
    volumes.extend(names.iter().map(|(claim, name)| {
        map([("name", text(name)), ("persistentVolumeClaim", map([("claimName", text(claim))]))])
    }));
    mounts.extend(spec.mounts.iter().map(|(path, of)| mount(name(&of.claim), path, of.read_only)));
    (list(volumes), list(mounts))
}

fn number(number: u64) -> Value {
    Value::Number(number.into())
}
