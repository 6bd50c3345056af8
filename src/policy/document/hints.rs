//! What to tell someone who writes a key that belongs elsewhere, comes from another tool, or from a later version.

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
        Kind::List(_) | Kind::Map(_) => return None,
    };
    match (key, text.to_ascii_lowercase().as_str()) {
        ("retention", "forever" | "never" | "none" | "all" | "infinite" | "keep") => {
            Some("to keep everything remove `retention`, and accept that: `allow: [policy::retention::none]`")
        }
        ("targets" | "stores", "all" | "*" | "any" | "each") => {
            Some("remove the key: without it all are meant")
        }
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
        DefaultsDocument, JobDocument, PolicyDocument, Read as _, StoreDocument, TargetDocument,
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
        ] {
            assert!(of_key("JobDocument", key).is_some(), "{key} in a job");
        }
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
        ] {
            for key in keys {
                assert_eq!(of_key(mapping, key), None, "{mapping}: {key}");
            }
        }
    }
}
