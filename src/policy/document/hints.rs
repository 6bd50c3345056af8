//! What to tell someone who writes a key that belongs elsewhere, comes from another tool, or from a later version.

mod schedulers;
mod words;

use crate::policy::{
    nearest::{listed, nearest},
    yaml::{Kind, Node},
};

/// The help for a key that a mapping does not have, and the label at it; the mapping goes by its document type's name.
pub(super) fn of_unknown_key(mapping: &str, key: &str, keys: &[&str]) -> (String, String) {
    let near = nearest(key, keys.iter().copied());
    let known = || listed(keys.iter().copied());
    let hint = of_key(mapping, key);
    let label = match near {
        Some(near) if hint.is_none_or(|hint| hint.contains(&format!("`{near}"))) => {
            format!("did you mean `{near}`?")
        }
        _ => "not known here".to_owned(),
    };
    let help = match (hint, near) {
        (Some(hint), _) => hint.to_owned(),
        (None, Some(near)) => format!("write `{near}`; known here are {}", known()),
        (None, None) => format!("remove it; known here are {}", known()),
    };
    (help, label)
}

/// Whether an unknown key of a mapping stands for a known one, as far as its spelling or its help says.
pub(super) fn stands_for(mapping: &str, written: &str, key: &str, keys: &[&str]) -> bool {
    let says = |hint: &str| hint.contains(&format!("`{key}`")) || hint.contains(&format!("`{key}: "));
    !keys.contains(&written)
        && (nearest(written, keys.iter().copied()) == Some(key) || of_key(mapping, written).is_some_and(says))
}

/// A key's help in a mapping, by the name of the mapping's document type.
fn of_key(mapping: &str, key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase().replace('-', "_");
    match mapping {
        "PolicyDocument" => words::of_policy(&key),
        "StoreDocument" => words::of_store(&key),
        "TargetDocument" => words::of_target(&key),
        "JobDocument" | "DefaultsDocument" => words::of_job(mapping, &key),
        "ScheduleDocument" => words::of_schedule(&key),
        "RetentionDocument" => words::of_retention(&key),
        "RetryDocument" => words::of_retry(&key),
        "SqliteDocument" => words::of_sqlite(&key),
        "PostgresDocument" => words::of_postgres(&key),
        "PostgresOptionsDocument" => words::of_postgres_options(&key),
        "SecretFromDocument" => words::of_secret(&key),
        "DirectoryDocument" => words::of_directory(&key),
        "ExpectDocument" => words::of_expect(&key),
        "TablesDocument" => words::of_tables(&key),
        "CheckDocument" => words::of_check(&key),
        "JobStoreOptions" => words::of_job_store(&key),
        "InstallDocument" => schedulers::of_install(&key),
        "KubernetesDocument" => schedulers::of_kubernetes(&key),
        "ClaimDocument" | "MountDocument" => schedulers::of_claim(mapping, &key),
        _ => None,
    }
}

/// What a value means that stands where another kind of value is expected, by the key.
pub(super) fn of_value(key: &str, node: &Node) -> Option<&'static str> {
    let text = match &node.kind {
        Kind::Scalar(scalar) => scalar.text.as_str(),
        Kind::List(_) if matches!(key, "schedule" | "cron") => {
            return Some(
                "a job has one schedule: join the times, as in `0 2,14 * * *`, or write a job for each",
            );
        }
        Kind::Map(_) if key == "env_from" => {
            return Some("write the names of Secrets alone: `env_from: [policy-env]`");
        }
        Kind::List(_) | Kind::Map(_) => return None,
    };
    match (key, text.to_ascii_lowercase().as_str()) {
        ("retention", "forever" | "never" | "none" | "all" | "infinite" | "keep") => {
            Some("to keep everything remove `retention`, and accept that: `allow: [policy::retention::none]`")
        }
        ("targets" | "stores", "all" | "*" | "any" | "each") => {
            Some("remove the key: without it all are meant")
        }
        ("install", "true" | "auto") => {
            Some("write `install: {backend: auto}`, or remove the key: that is what holds without it")
        }
        ("install", "false" | "none" | "no" | "off" | "never" | "manual") => {
            Some("write `install: {backend: none}`")
        }
        ("install", "user") => Some("write `install: {scope: user}`"),
        ("install", "system") => Some("write `install: {scope: system}`"),
        ("install", "systemd") => Some("write `install: {backend: systemd}`"),
        ("install", "cron" | "crontab") => Some("write `install: {backend: cron}`"),
        ("install", "launchd") => Some("write `install: {backend: launchd}`"),
        ("install", "task-scheduler") => Some("write `install: {backend: task-scheduler}`"),
        ("install", "kubernetes" | "k8s") => Some(
            "write `install: {backend: kubernetes, kubernetes: {image: \"registry.example.org/policy:1\"}}`",
        ),
        ("state", _) => Some("write the name of a claim: `state: {claim: policy-state}`"),
        ("allow", "all" | "*") => {
            Some("name each warning that is accepted, as in `[policy::retention::none]`")
        }
        (_, "forever" | "never" | "all" | "infinite" | "unlimited") => {
            Some("write a number, or remove the key")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::document::{
        DefaultsDocument, InstallDocument, JobDocument, KubernetesDocument, MountDocument, PolicyDocument,
        Read as _, StoreDocument, TargetDocument,
    };

    #[test]
    fn words_of_other_tools_are_answered_wherever_they_are_likely_to_stand() {
        for key in [
            "source_directories",
            "repositories",
            "keep_daily",
            "keep-daily",
            "postgresql_databases",
            "sqlite_databases",
            "on_error",
            "cron",
            "interval",
            "include",
            "exclude_patterns",
            "healthchecks",
            "models",
            "profiles",
            "dbs",
            "storages",
            "encryption_passcommand",
            "exclude_if_present",
            "archive_name_format",
            "check_last",
            "retry_wait",
            "working_directory",
            "run-finally",
            "one-file-system",
            "exclude-caches",
            "encrypt_with",
            "split_with",
            "inherit",
            "schedule-permission",
            "linger",
            "cron_user",
            "OnCalendar",
            "systemd",
            "crontab",
            "launchd",
            "scheduler",
            "log_dir",
            "k8s",
        ] {
            assert!(of_key("PolicyDocument", key).is_some(), "{key} at the top");
        }
        for key in [
            "keep_daily",
            "repositories",
            "source_directories",
            "on_error",
            "cron",
            "interval",
            "every",
            "at",
            "include",
            "compress_with",
            "before_script",
            "run-after-fail",
            "databases",
            "retries",
            "enabled",
            "lock-wait",
            "retention_policy",
            "randomized_delay",
            "OnCalendar",
            "cron_user",
            "linger",
            "install",
        ] {
            assert!(of_key("JobDocument", key).is_some(), "{key} in a job");
        }
        for key in [
            "systemd",
            "cron",
            "linger",
            "enable-linger",
            "cron_user",
            "OnCalendar",
            "schedule",
            "RandomizedDelaySec",
            "Persistent",
            "WakeToRun",
            "StartCalendarInterval",
            "RunAtLoad",
            "StandardOutPath",
            "EnvironmentFile",
            "path",
            "env",
            "MAILTO",
            "namespace",
            "image",
            "run_as",
            "schedule-permission",
            "nice",
        ] {
            assert!(of_key("InstallDocument", key).is_some(), "{key} in install");
        }
        for key in [
            "serviceAccountName",
            "envFrom",
            "volumes",
            "resources",
            "imagePullPolicy",
            "schedule",
            "timeZone",
        ] {
            assert!(of_key("KubernetesDocument", key).is_some(), "{key} in kubernetes");
        }
        assert!(of_key("MountDocument", "readOnly").is_some_and(|help| help.contains("read_only: true")));
        assert!(of_key("RetentionDocument", "keep_within").is_some_and(|help| help.contains("within: 30d")));
    }

    #[test]
    fn no_answer_takes_the_place_of_a_key_that_is_known() {
        for (mapping, keys) in [
            ("PolicyDocument", PolicyDocument::KEYS),
            ("StoreDocument", StoreDocument::KEYS),
            ("TargetDocument", TargetDocument::KEYS),
            ("JobDocument", JobDocument::KEYS),
            ("DefaultsDocument", DefaultsDocument::KEYS),
            ("InstallDocument", InstallDocument::KEYS),
            ("KubernetesDocument", KubernetesDocument::KEYS),
            ("MountDocument", MountDocument::KEYS),
        ] {
            for key in keys {
                assert_eq!(of_key(mapping, key), None, "{mapping}: {key}");
            }
        }
    }
}
