//! What to tell someone who writes a key that belongs elsewhere, comes from another tool, or from a later version.

/// A key's help in a mapping, by the name of the mapping's document type.
pub(super) fn of_key(mapping: &str, key: &str) -> Option<&'static str> {
    let hint = match (mapping, key) {
        ("PolicyDocument", "drills" | "notify" | "install" | "tests") | ("TargetDocument", "rebuild") => {
            "remove it: this version of the program does not have it yet"
        }
        (
            "PolicyDocument",
            "retention" | "schedule" | "compress" | "verify" | "retry" | "timeout" | "rpo",
        ) => "move it into a job below `jobs`, or into `defaults` if every job shares it",
        ("PolicyDocument", "sources" | "source" | "databases" | "paths") => {
            "what is protected stands below `targets`"
        }
        ("PolicyDocument", "repositories" | "repository" | "destinations" | "destination" | "repo") => {
            "where backups go stands below `stores`"
        }
        ("PolicyDocument", "tz" | "time_zone" | "zone") => "write `timezone`",
        ("PolicyDocument", "env_file") => "write `env_files: [../.env]`, a list",
        ("DefaultsDocument", "targets" | "schedule") => "every job has its own: write it in the job",
        ("TargetDocument", "duckdb" | "postgres" | "command") => {
            "this version of the program has the engines `sqlite` and `directory`"
        }
        ("TargetDocument", "path") => {
            "the path belongs to an engine: write `sqlite: PATH` or `directory: PATH`"
        }
        ("TargetDocument", "include" | "exclude") => "write it inside `directory: {path: …, include: […]}`",
        ("TargetDocument", "file" | "db" | "database") => "write `sqlite: PATH`",
        ("TargetDocument", "folder" | "dir") => "write `directory: PATH`",
        ("TargetDocument", "min_size" | "min_tables" | "min_files" | "max_drop" | "max_growth") => {
            "write it inside `expect: {…}`"
        }
        ("TargetDocument", "retention" | "schedule" | "verify" | "compress") => {
            "it belongs to a job below `jobs`"
        }
        (
            "StoreDocument",
            "url" | "region" | "endpoint" | "access_key_id" | "secret_access_key" | "encrypt",
        ) => {
            "this version of the program keeps backups in folders only, and does not encrypt them: write `path`"
        }
        ("JobDocument" | "DefaultsDocument", "mode") => "remove it: this version always makes full backups",
        ("JobDocument" | "DefaultsDocument", "postgres" | "duckdb") => {
            "remove it: this version has the engines `sqlite` and `directory`, which have no capture options"
        }
        ("JobDocument", "cron") => "write `schedule: \"0 2 * * *\"`",
        ("JobDocument" | "DefaultsDocument", "keep" | "keep_daily" | "prune") => {
            "write `retention: {daily: 7, weekly: 12}`"
        }
        ("JobDocument" | "DefaultsDocument", "compression") => "write `compress`",
        (
            "RetentionDocument",
            "keep_daily" | "keep_weekly" | "keep_monthly" | "keep_yearly" | "keep_hourly" | "keep_last",
        ) => "leave `keep_` out: `last`, `hourly`, `daily`, `weekly`, `monthly` and `yearly`",
        (
            "RetentionDocument",
            "days" | "weeks" | "months" | "years" | "hours" | "age" | "max_age" | "keep_within",
        ) => "write `daily: 7` for the last seven days that have a backup, or `within: 30d` for an age",
        ("ExpectDocument", "rows") => {
            "a count of rows is a check: `checks: [{rows: TABLE, expect: \">= 1\"}]`"
        }
        ("CheckDocument", "query") => "write `sql`",
        ("CheckDocument", "table") => "write `rows: TABLE`",
        _ => return None,
    };
    Some(hint)
}
