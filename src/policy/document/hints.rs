//! What to tell someone who writes a key that belongs elsewhere, comes from another tool, or from a later version.
//!
//! Other tools' words are those of borgmatic, resticprofile, restic, rustic, gobackup, pgBackRest and litestream.

use crate::policy::nearest::{listed, nearest};

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

/// A key's help in a mapping, by the name of the mapping's document type.
fn of_key(mapping: &str, key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase().replace('-', "_");
    match mapping {
        "PolicyDocument" => of_policy(&key),
        "StoreDocument" => of_store(&key),
        "TargetDocument" => of_target(&key),
        "JobDocument" | "DefaultsDocument" => of_job(mapping, &key),
        "ScheduleDocument" => of_schedule(&key),
        "RetentionDocument" => of_retention(&key),
        "RetryDocument" => of_retry(&key),
        "DirectoryDocument" => of_directory(&key),
        "ExpectDocument" => of_expect(&key),
        "TablesDocument" => of_tables(&key),
        "CheckDocument" => of_check(&key),
        "JobStoreOptions" => of_job_store(&key),
        _ => None,
    }
}

/// What a text means that stands where another kind of value is expected, by the key.
pub(super) fn of_value(key: &str, text: &str) -> Option<&'static str> {
    match (key, text.to_ascii_lowercase().as_str()) {
        ("retention", "forever" | "never" | "none" | "all" | "infinite" | "keep") => {
            Some("to keep everything remove `retention`, and accept that: `allow: [policy::retention::none]`")
        }
        (_, "forever" | "never" | "all" | "infinite" | "unlimited") => {
            Some("write a number, or remove the key")
        }
        _ => None,
    }
}

const RETENTION: &str = "write it in a job below `jobs`: `retention: {daily: 7, weekly: 12}`";
const HOOKS: &str = "write `before: [[…]]` and `after: [[…]]` in a job, or in a target around its capture; `after` runs on failure \
                     too, with `{error}` filled in";
const NOT_YET: &str = "remove it: this version of the program does not have it yet";

fn of_policy(key: &str) -> Option<&'static str> {
    Some(match key {
        "drills" | "notify" | "install" | "tests" => NOT_YET,
        "healthchecks" | "cronitor" | "ntfy" | "pagerduty" | "notifiers" | "notifications" | "webhook" => {
            "remove it: this version of the program notifies nobody by itself; call your program in `after`"
        }
        "retention" | "schedule" | "compress" | "verify" | "retry" | "timeout" | "rpo" | "before"
        | "after" => "move it into a job below `jobs`, or into `defaults` if every job shares it",
        "expect" | "tables" | "rto" | "scratch" => "move it into a target below `targets`",
        "checks" => "move it into a target below `targets`: `checks` ask what is backed up",
        "sources" | "source" | "databases" | "paths" | "dbs" | "location" | "backups" | "files" => {
            "what is protected stands below `targets`"
        }
        "source_directories" | "directories" | "folders" => {
            "write a target each: `targets: {files: {directory: ../files}}`"
        }
        "sqlite_databases" | "sqlite" => "write a target each: `targets: {app: {sqlite: ../app.db}}`",
        "postgresql_databases"
        | "mysql_databases"
        | "mariadb_databases"
        | "mongodb_databases"
        | "duckdb"
        | "postgres" => "remove it: this version of the program has the engines `sqlite` and `directory`",
        "directory" => "write it in a target: `targets: {files: {directory: ../files}}`",
        "repositories" | "repository" | "destinations" | "destination" | "repo" | "repos" | "storage"
        | "storages" | "replicas" | "store" => "where backups go stands below `stores`",
        "target" => "write `targets: {NAME: {sqlite: PATH}}`, with a name for each",
        "job" | "models" | "profiles" | "profile" | "groups" | "tasks" | "schedules" | "crons" => {
            "what runs when stands below `jobs`, a name each"
        }
        "backup" | "forget" | "prune" | "default" | "global" => {
            "what runs when stands below `jobs`, and what all jobs share in `defaults`"
        }
        "cron" | "interval" | "every" | "at" => "write it in a job below `jobs`: `schedule: \"30 3 * * *\"`",
        "keep" | "keep_daily" | "keep_weekly" | "keep_monthly" | "keep_yearly" | "keep_hourly"
        | "keep_last" | "keep_within" | "retention_days" => RETENTION,
        "on_error" | "on_failure" | "hooks" | "commands" | "before_backup" | "after_backup"
        | "run_before" | "run_after" | "before_script" | "after_script" | "before_everything"
        | "after_everything" => HOOKS,
        "exclude_patterns" | "patterns" | "exclude" | "excludes" => {
            "write it in a target: `directory: {path: ../files, exclude: [\"*.tmp\"]}`"
        }
        "include" | "includes" => {
            "a policy is one file, and includes no other; what a folder's target takes stands in `directory: {path: …, \
             include: […]}`"
        }
        "compression" | "compress_with" => "write `compress: zstd` in a job, or in `defaults`",
        "encryption_passphrase" | "encryption" | "password" | "password_file" | "encrypt" => {
            "remove it: this version of the program does not encrypt"
        }
        "tz" | "time_zone" | "zone" => "write `timezone`",
        "env" | "environment" | "env_file" | "dotenv" => "write `env_files: [../.env]`, a list",
        "constants" | "vars" | "variables" => {
            "use `${NAME}`, from the environment or from a file of `env_files`"
        }
        "ignore" | "disable" | "disabled_checks" => {
            "write `allow: [CODE]`, with the code that the warning shows"
        }
        _ => return None,
    })
}

fn of_store(key: &str) -> Option<&'static str> {
    Some(match key {
        "url" | "region" | "endpoint" | "access_key_id" | "secret_access_key" | "encrypt" | "bucket"
        | "prefix" => {
            "this version of the program keeps backups in folders only, and does not encrypt them: write `path`"
        }
        "password" | "password_file" | "passphrase" | "encryption" => {
            "remove it: this version of the program does not encrypt"
        }
        "folder" | "dir" | "directory" | "local" | "location" | "repository" => "write `path`",
        "type" | "kind" | "label" => "remove it: a store is a folder, known by its name here",
        "keep" | "keep_last" | "keep_daily" | "retention" => {
            "write it in a job: `stores: [{NAME: {retention: {weekly: 12}}}]`"
        }
        "require_mounted" | "mount" | "mounted" | "must_be_mounted" => "write `require_mount: true`",
        "free" | "min_space" | "reserve" => "write `min_free: 2GiB`",
        _ => return None,
    })
}

fn of_target(key: &str) -> Option<&'static str> {
    Some(match key {
        "rebuild" => NOT_YET,
        "duckdb" | "postgres" | "postgresql" | "mysql" | "redis" | "command" => {
            "this version of the program has the engines `sqlite` and `directory`"
        }
        "path" | "url" => "the path belongs to an engine: write `sqlite: PATH` or `directory: PATH`",
        "type" | "kind" | "engine" => {
            "remove it: the engine is the key that the path stands at, `sqlite` or `directory`"
        }
        "include" | "exclude" | "excludes" | "exclude_patterns" => {
            "write it inside `directory: {path: …, include: […]}`"
        }
        "file" | "db" | "database" | "sqlite3" => "write `sqlite: PATH`",
        "folder" | "dir" | "files" => "write `directory: PATH`",
        "min_size" | "min_tables" | "min_files" | "max_drop" | "max_growth" => {
            "write it inside `expect: {…}`"
        }
        "irreplaceable" | "recoverable" | "partial" => "write it inside `tables: {…}`",
        "retention" | "schedule" | "verify" | "compress" | "stores" | "timeout" | "retry" | "rpo" => {
            "it belongs to a job below `jobs`"
        }
        "check" | "queries" | "verification" => "write `checks: [{rows: TABLE, expect: \">= 1\"}]`",
        "on_error" | "hooks" | "run_before" | "run_after" | "before_backup" | "after_backup" => HOOKS,
        _ => return None,
    })
}

fn of_job(mapping: &str, key: &str) -> Option<&'static str> {
    Some(match key {
        "targets" | "schedule" if mapping == "DefaultsDocument" => {
            "every job has its own: write it in the job"
        }
        "mode" => "remove it: this version always makes full backups",
        "postgres" | "duckdb" => {
            "remove it: this version has the engines `sqlite` and `directory`, which have no capture options"
        }
        "cron" | "interval" | "every" | "at" | "schedules" | "when" if mapping == "JobDocument" => {
            "write `schedule: \"30 3 * * *\"`, five fields as in crontab"
        }
        "cron" | "interval" | "every" | "at" => {
            "every job has its own: write `schedule: \"30 3 * * *\"` in the job"
        }
        "jitter" | "catch_up" => "write it in the schedule: `schedule: {cron: \"30 3 * * *\", jitter: 10m}`",
        "keep" | "keep_daily" | "keep_weekly" | "keep_monthly" | "keep_yearly" | "keep_hourly"
        | "keep_last" | "keep_within" | "prune" | "forget" | "daily" | "weekly" | "monthly" | "last"
        | "retention_days" => "write `retention: {daily: 7, weekly: 12}`",
        "compression" | "compress_with" => "write `compress: zstd`",
        "encryption" | "encrypt_with" | "encrypt" => {
            "remove it: this version of the program does not encrypt"
        }
        "target" | "source" | "sources" | "database" | "databases" | "source_directories" => {
            "write `targets: [NAME]`, the names of what stands below `targets`"
        }
        "store" | "storage" | "storages" | "repository" | "repositories" | "destination" | "destinations"
        | "to" => "write `stores: [NAME]`, the names of what stands below `stores`",
        "on_error" | "on_failure" | "hooks" | "commands" | "before_backup" | "after_backup"
        | "run_before" | "run_after" | "run_after_fail" | "run_finally" | "before_script"
        | "after_script" | "pre" | "post" => {
            "write `before: [[…]]` and `after: [[…]]`; `after` runs on failure too, with `{error}` filled in"
        }
        "notify" | "notifiers" | "healthchecks" => {
            "remove it: this version of the program notifies nobody by itself; call your program in `after`"
        }
        "check" | "checks" => "write `verify: checks` here, and the `checks` in the target",
        "exclude" | "include" => "write it in the target: `directory: {path: …, exclude: […]}`",
        "retries" | "attempts" => "write `retry: {attempts: 2, delay: 5m}`",
        "timezone" | "tz" => "write `timezone` at the top of the policy: one zone holds for all its jobs",
        "enabled" | "disabled" => {
            "remove the job, or put `#` before its lines; without `schedule` it runs by hand alone"
        }
        "max_age" => "write `rpo: 26h`",
        _ => return None,
    })
}

fn of_schedule(key: &str) -> Option<&'static str> {
    Some(match key {
        "expression" | "at" | "time" | "when" => "write `cron: \"30 3 * * *\"`",
        "every" | "interval" => "write `cron: \"*/15 * * * *\"`, five fields as in crontab",
        "timezone" | "tz" | "zone" => {
            "write `timezone` at the top of the policy: one zone holds for all its jobs"
        }
        "random_delay" | "randomized_delay" | "splay" => "write `jitter: 10m`",
        "persistent" | "missed" | "catchup" => "write `catch_up: true`",
        _ => return None,
    })
}

fn of_retention(key: &str) -> Option<&'static str> {
    Some(match key {
        "keep_daily" | "keep_weekly" | "keep_monthly" | "keep_yearly" | "keep_hourly" | "keep_last" => {
            "leave `keep_` out: `last`, `hourly`, `daily`, `weekly`, `monthly` and `yearly`"
        }
        "days" | "weeks" | "months" | "years" | "hours" | "age" | "max_age" | "keep_within"
        | "keep_within_daily" | "retention" | "ttl" => {
            "write `daily: 7` for the last seven days that have a backup, or `within: 30d` for an age"
        }
        "keep" | "count" | "max" | "keep_n" => "write `last: 7` for the newest seven",
        "minutely" | "keep_minutely" | "secondly" | "keep_secondly" => {
            "the finest rule is `hourly`; or write `last: 96`"
        }
        "quarterly" | "keep_quarterly_13weekly" | "keep_half_yearly" => "write `monthly` or `yearly`",
        "keep_tags" | "tags" => "remove it: backups have no tags; give them a job of their own",
        _ => return None,
    })
}

fn of_retry(key: &str) -> Option<&'static str> {
    Some(match key {
        "count" | "times" | "retries" | "max" => "write `attempts: 2`; the first try counts",
        "wait" | "sleep" | "backoff" | "pause" => "write `delay: 5m`",
        _ => return None,
    })
}

fn of_directory(key: &str) -> Option<&'static str> {
    Some(match key {
        "exclude_patterns" | "excludes" | "ignore" => "write `exclude: [\"*.tmp\"]`",
        "includes" | "patterns" => "write `include: [\"**/*.py\"]`",
        "min_files" | "min_size" => "write it in the target, beside `directory`: `expect: {min_files: 40}`",
        _ => return None,
    })
}

fn of_expect(key: &str) -> Option<&'static str> {
    Some(match key {
        "rows" => "a count of rows is a check: `checks: [{rows: TABLE, expect: \">= 1\"}]`",
        "size" | "minimum_size" => "write `min_size: 1MiB`",
        "tables" | "min_table" => "write `min_tables: 12`",
        "files" => "write `min_files: 40`",
        "max_age" => {
            "how old data may be is a check: `checks: [{sql: SELECT max(at) FROM t, expect: {max_age: 3d}}]`"
        }
        _ => return None,
    })
}

fn of_tables(key: &str) -> Option<&'static str> {
    Some(match key {
        "critical" | "precious" | "important" | "required" => "write `irreplaceable`",
        "rebuildable" | "cache" | "derived" | "regenerable" => "write `recoverable`",
        "default" | "unknown" | "other" | "others" => "write `unclassed: warn` or `unclassed: fail`",
        "exclude" | "skip" | "ignore" => {
            "every table is backed up; one that a script can make again is `recoverable`"
        }
        _ => return None,
    })
}

fn of_check(key: &str) -> Option<&'static str> {
    Some(match key {
        "query" | "select" | "statement" => "write `sql`",
        "table" | "count" => "write `rows: TABLE`",
        "expected" | "equals" | "min" | "max" | "result" | "value" => "write `expect: \">= 65\"`",
        "max_age" | "max_drop" | "max_growth" => "write it inside `expect: {…}`",
        "severity" | "level" | "warn" => "write `on_fail: warn`",
        _ => return None,
    })
}

fn of_job_store(key: &str) -> Option<&'static str> {
    Some(match key {
        "keep" | "keep_daily" | "daily" | "weekly" | "monthly" | "last" | "within" => {
            "write `{NAME: {retention: {weekly: 12}}}`"
        }
        "path" | "url" => "the store itself stands below `stores`; here its name is enough",
        _ => return None,
    })
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
