//! What the API server would refuse, or take and never run; a schema does not tell.

use serde_yaml::Value;

use super::{
    super::{
        super::entry::{Backend, Entry},
        Refusal,
        marks::{HASH_ANNOTATION, MANAGED_BY},
        words,
    },
    KubernetesSpec, POLICY_FOLDER, STATE_FOLDER, cron_job,
};

/// The length of each part of a zone's name that the API server takes.
const ZONE_PART_MAX: usize = 14;
/// A `CronJob` adds eleven characters to its name for a Job's, which is a label of 63.
const NAME_MAX: usize = 52;
/// Bytes of a `ConfigMap`, which the server limits to 1 MiB with all around them.
const TEXT_MAX: usize = 1_000_000;
/// The longest key of a `ConfigMap`.
const KEY_MAX: usize = 253;

/// Refuses names that the objects cannot have, and places that are taken.
pub(super) fn check(entry: &Entry, spec: &KubernetesSpec) -> Result<(), Refusal> {
    let refuse = |field, reason: String, help: &str| {
        Err(words::refusal(entry, Backend::Kubernetes, field, reason, help))
    };
    let name = entry.name.as_str();
    if !is_label(name, NAME_MAX) {
        return refuse("name", format!("`{name}` is no name of a CronJob"), "use letters, digits and `-`");
    }
    let zone = entry.zone.name();
    if zone == "Local" || zone.split('/').any(|part| part.len() > ZONE_PART_MAX) {
        return refuse(
            "timezone",
            format!("the API server refuses `{zone}`"),
            "name the zone by a city, or `UTC`",
        );
    }
    if let Some(namespace) = spec.namespace.as_ref().filter(|name| !is_label(name, 63)) {
        let reason = format!("`{namespace}` is no name of a namespace");
        return refuse(
            "install.kubernetes.namespace",
            reason,
            "use at most 63 small letters, digits and `-`",
        );
    }
    if spec.image.is_empty() || spec.image.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let reason = format!("`{}` is no reference of an image", spec.image);
        return refuse(
            "install.kubernetes.image",
            reason,
            "write one such as `registry.example.org/policy:1`",
        );
    }
    let claims = spec.mounts.values().map(|mount| ("install.kubernetes.mounts", &mount.claim));
    let names = spec.service_account.iter().map(|name| ("install.kubernetes.service_account", name));
    let names = names.chain(spec.env_from.iter().map(|name| ("install.kubernetes.env_from", name)));
    let names =
        names.chain(spec.state_claim.iter().map(|name| ("install.kubernetes.state", name))).chain(claims);
    for (field, name) in names {
        if !is_subdomain(name) {
            let reason = format!("`{name}` is no name of an object");
            return refuse(
                field,
                reason,
                "use small letters, digits, `-` and `.`, with a letter or digit at both ends",
            );
        }
    }
    for path in spec.mounts.keys() {
        if let Some(reason) = wrong_place(path) {
            return refuse(
                "install.kubernetes.mounts",
                format!("`{path}` {reason}"),
                "mount it at a path of its own",
            );
        }
        words::check(entry, Backend::Kubernetes, "install.kubernetes.mounts", path)?;
    }
    let file = spec.policy_file_name.as_str();
    let in_key = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    if file.is_empty() || file.starts_with('.') || file.len() > KEY_MAX || !file.chars().all(in_key) {
        let reason = format!("`{file}` is no key of a ConfigMap");
        return refuse("name", reason, "name the policy's file with letters, digits, `-`, `_` and `.`");
    }
    if spec.policy_text.len() > TEXT_MAX {
        let reason =
            format!("the policy has {} bytes, and a ConfigMap takes {TEXT_MAX}", spec.policy_text.len());
        return refuse("install.kubernetes", reason, "split the policy");
    }
    words::check(entry, Backend::Kubernetes, "install.kubernetes", &spec.policy_text)
}

/// Refuses a patch that makes another entry of it.
///
/// What `plan` says of an entry must stay true: its times, its command, and the marks by which it is found again. The rest is
/// the operator's.
pub(super) fn check_patched(entry: &Entry, plain: &Value, patched: &Value) -> Result<(), Refusal> {
    let refuse = |reason: String, help: &str| {
        Err(words::refusal(entry, Backend::Kubernetes, "install.kubernetes.patch", reason, help))
    };
    let kept: [&[&str]; 8] = [
        &["apiVersion"],
        &["kind"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "labels", MANAGED_BY],
        &["metadata", "annotations", HASH_ANNOTATION],
        &["spec", "schedule"],
        &["spec", "timeZone"],
    ];
    for path in kept {
        if at(plain, path) != at(patched, path) {
            return refuse(format!("it changes `{}`", path.join(".")), "change the policy instead");
        }
    }
    let containers = ["spec", "jobTemplate", "spec", "template", "spec", "containers"];
    let containers =
        |object| at(object, &containers).and_then(Value::as_sequence).map_or(&[][..], Vec::as_slice);
    let command = |container: &Value| {
        let named = container.get("name").and_then(Value::as_str) == Some(cron_job::CONTAINER);
        let image = container.get("image").and_then(Value::as_str).is_some_and(|image| !image.is_empty());
        container.get("command").filter(|_| named && image && container.get("args").is_none()).cloned()
    };
    let wanted = containers(plain).first().and_then(command);
    if wanted.is_none() || !containers(patched).iter().any(|container| command(container) == wanted) {
        let reason = "it loses the container `policy` with its image and command: a merge patch replaces a list as a whole";
        return refuse(
            reason.to_owned(),
            "repeat the whole container in the patch, as `install --emit` shows it",
        );
    }
    Ok(())
}

fn at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |object, key| object.get(key))
}

/// A label of RFC 1123.
fn is_label(text: &str, most: usize) -> bool {
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= most
        && text.starts_with(ends)
        && text.ends_with(ends)
        && text.chars().all(|c| ends(c) || c == '-')
}

/// A name of RFC 1123: labels with dots between.
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|part| is_label(part, 253))
}

fn wrong_place(path: &str) -> Option<&'static str> {
    let parts = path.strip_prefix('/').map(|rest| rest.split('/'));
    let Some(mut parts) = parts else { return Some("is not absolute") };
    if parts.any(|part| part.is_empty() || part == "." || part == "..") || path.contains(':') {
        return Some("is no plain path: it is `/`, or has an empty part, `.`, `..` or `:`");
    }
    let taken = [POLICY_FOLDER, STATE_FOLDER, "/tmp"];
    taken.contains(&path).then_some("is taken by the entry itself")
}
