//! The words, by the mapping they are written in.
//!
//! Other tools' words are those of borgmatic, resticprofile, restic, rustic, gobackup, pgBackRest and litestream.

const RETENTION: &str = "write it in a job below `jobs`: `retention: {daily: 7, weekly: 12}`";
const HOOKS: &str = "write `before: [[…]]` and `after: [[…]]` in a job, or in a target around its capture; `after` runs on failure \
                     too, with `{error}` filled in";
const OF_WHOM: &str =
    "an entry is the user's who installs it, and with `install: {scope: system, user: backup}` the host's";
pub(super) const NO_PRIORITY: &str =
    "remove it: start a whole job by `nice` where it must yield; this program asks for no priority";
const NOT_YET: &str = "remove it: this version of the program does not have it yet";

pub(super) fn of_policy(key: &str) -> Option<&'static str> {
    Some(match key {
        "drills" | "notify" | "tests" => NOT_YET,
        "healthchecks" | "cronitor" | "cronhub" | "ntfy" | "pagerduty" | "pushover" | "apprise"
        | "zabbix" | "loki" | "uptime_kuma" | "sentry" | "notifiers" | "notifications" | "webhook"
        | "smtp" | "mail" => {
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
        "postgres" | "postgresql" | "pg" | "postgresql_databases" | "database_url" => {
            "write it in a target: `targets: {app: {postgres: \"${DATABASE_URL}\"}}`"
        }
        "mysql_databases" | "mariadb_databases" | "mongodb_databases" => {
            "write a target each, which a command dumps: `targets: {app: {command: {dump: [mysqldump, app]}}}`"
        }
        "duckdb" => "write it in a target: `targets: {app: {duckdb: ../app.duckdb}}`",
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
        | "run_before" | "run_after" | "run_after_fail" | "run_finally" | "before_script"
        | "after_script" | "before_everything" | "after_everything" | "before_actions" | "after_actions" => {
            HOOKS
        }
        "exclude_patterns" | "patterns" | "exclude" | "excludes" | "exclude_from" | "exclude_if_present"
        | "exclude_caches" | "patterns_from" | "iexclude" => {
            "write it in a target: `directory: {path: ../files, exclude: [\"*.tmp\"]}`"
        }
        "include" | "includes" => {
            "a policy is one file, and includes no other; what a folder's target takes stands in `directory: {path: …, \
             include: […]}`"
        }
        "compression" | "compress_with" => "write `compress: zstd` in a job, or in `defaults`",
        "encryption_passphrase"
        | "encryption_passcommand"
        | "encryption"
        | "password"
        | "password_file"
        | "password_command"
        | "encrypt"
        | "encrypt_with" => "remove it: this version of the program does not encrypt",
        "tz" | "time_zone" | "zone" => "write `timezone`",
        "env" | "environment" | "env_file" | "dotenv" => "write `env_files: [../.env]`, a list",
        "constants" | "vars" | "variables" => {
            "use `${NAME}`, from the environment or from a file of `env_files`"
        }
        "retries" | "retry_wait" => "write `retry: {attempts: 2, delay: 5m}` in a job, or in `defaults`",
        "lock" | "lock_wait" | "force_inactive_lock" => {
            "remove it: a run locks by itself, and a lock ends with its process"
        }
        "archive_name_format" | "match_archives" | "tag" | "tags" | "host" => {
            "remove it: backups are filed by policy, target and time, and bear this machine's id"
        }
        "check_last" | "check_repository" => "write `verify: checks` in a job: every backup is proven",
        "initialize" | "init" => "remove it: the first run makes a store",
        "working_directory" | "chdir" => "remove it: relative paths belong to the policy file's folder",
        "one_file_system"
        | "numeric_ids"
        | "atime"
        | "read_special"
        | "files_cache"
        | "umask"
        | "borg_base_directory"
        | "ssh_command"
        | "remote_path"
        | "local_path"
        | "upload_rate_limit"
        | "limit_upload"
        | "checkpoint_interval"
        | "extra_borg_options"
        | "split_with"
        | "web"
        | "progress"
        | "statistics"
        | "archive"
        | "zfs"
        | "btrfs"
        | "lvm" => {
            "remove it: this program has nothing to be set here; `policy schema policy` describes what it has"
        }
        "inherit" | "mixins" | "extends" => "write what jobs share in `defaults`; a policy is one file",
        "systemd" | "scheduler" | "backend" | "crontab" | "launchd" | "task_scheduler" | "windows"
        | "timer" => "write `install: {backend: systemd}`, or `cron`, `launchd`, `task-scheduler`",
        "kubernetes" | "k8s" => {
            "write `install: {backend: kubernetes, kubernetes: {image: \"registry.example.org/policy:1\"}}`"
        }
        "oncalendar" | "on_calendar" => {
            "write it in a job below `jobs`, five fields as in crontab: `schedule: \"30 3 * * *\"`"
        }
        "linger" | "enable_linger" | "cron_user" | "run_as" | "user" | "scope" | "schedule_permission" => {
            OF_WHOM
        }
        "log_dir" | "log_file" | "schedule_log" => "write `install: {log_dir: ~/log}`",
        "search_path" | "path" => "write `install: {search_path: [/opt/homebrew/bin]}`",
        "schedule_priority" | "nice" | "ionice" => NO_PRIORITY,
        "ignore" | "disable" | "disabled_checks" => {
            "write `allow: [CODE]`, with the code that the warning shows"
        }
        _ => return None,
    })
}

pub(super) fn of_store(key: &str) -> Option<&'static str> {
    Some(match key {
        "url" | "region" | "endpoint" | "access_key_id" | "secret_access_key" | "encrypt" | "bucket"
        | "prefix" => {
            "this version of the program keeps backups in folders only, and does not encrypt them: write `path`"
        }
        "password" | "password_file" | "passphrase" | "encryption" | "encryption_passphrase" => {
            "remove it: this version of the program does not encrypt"
        }
        "append_only" | "storage_quota" | "make_parent_dirs" | "quota" => {
            "remove it: a store is a folder; `min_free: 2GiB` keeps room beside it"
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

pub(super) fn of_target(key: &str) -> Option<&'static str> {
    Some(match key {
        "rebuild" => NOT_YET,
        "postgresql" | "pg" | "postgresql_databases" | "database_url" | "dsn" => {
            "write `postgres: ${DATABASE_URL}`, or a mapping: `postgres: {url: …, password: {file: …}}`"
        }
        "format" | "globals" | "exclude_table_data" => "write it inside `postgres: {url: …}`",
        "mysql" | "redis" | "mysql_databases" | "mariadb_databases" | "mongodb_databases" => {
            "this version of the program has no such engine: dump it by a command, as in `command: {dump: [mysqldump, app]}`"
        }
        "path" => "the path belongs to an engine: write `sqlite: PATH` or `directory: PATH`",
        "url" => "the URL belongs to an engine: write `postgres: URL`",
        "sqlite_databases" => "write a target each: `NAME: {sqlite: PATH}`",
        "password" => "a server's database has one: write it as `postgres: {url: …, password: {file: …}}`",
        "username" | "user" | "hostname" | "host" | "port" => {
            "a server's database has it in its URL: write `postgres: postgresql://USER@HOST:PORT/DATABASE`"
        }
        "exclude_tables" | "skip_tables" | "ignore_tables" => {
            "every table is backed up; one that a script can make again is `tables: {recoverable: [TABLE]}`"
        }
        "type" | "kind" | "engine" => {
            "remove it: the engine is the key that the path or URL stands at, as `sqlite` or `postgres`"
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

pub(super) fn of_job(mapping: &str, key: &str) -> Option<&'static str> {
    Some(match key {
        "targets" | "schedule" if mapping == "DefaultsDocument" => {
            "every job has its own: write it in the job"
        }
        "mode" => "remove it: this version always makes full backups",
        "postgresql" | "pg" => "write `postgres: {format: plain}`",
        "format" | "globals" | "exclude_table_data" => "write it inside `postgres: {…}`",
        "cron" | "interval" | "every" | "at" | "schedules" | "when" | "oncalendar" | "on_calendar"
            if mapping == "JobDocument" =>
        {
            "write `schedule: \"30 3 * * *\"`, five fields as in crontab"
        }
        "cron" | "interval" | "every" | "at" => {
            "every job has its own: write `schedule: \"30 3 * * *\"` in the job"
        }
        "jitter" | "catch_up" | "randomized_delay" | "random_delay" | "splay" => {
            "write it in the schedule: `schedule: {cron: \"30 3 * * *\", jitter: 10m}`"
        }
        "keep" | "keep_daily" | "keep_weekly" | "keep_monthly" | "keep_yearly" | "keep_hourly"
        | "keep_last" | "keep_within" | "prune" | "forget" | "daily" | "weekly" | "monthly" | "last"
        | "retention_days" | "retention_policy" | "keep_policy" => {
            "write `retention: {daily: 7, weekly: 12}`"
        }
        "lock_wait" | "lock" => "remove it: a run locks by itself, and a lock ends with its process",
        "install"
        | "schedule_permission"
        | "schedule_log"
        | "cron_user"
        | "linger"
        | "run_as"
        | "user"
        | "log_dir"
        | "systemd" => {
            "one `install` at the top of the policy holds for all its jobs: `install: {scope: system, user: backup, log_dir: /var/log}`"
        }
        "schedule_priority" | "nice" | "ionice" => NO_PRIORITY,
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

pub(super) fn of_schedule(key: &str) -> Option<&'static str> {
    Some(match key {
        "expression" | "at" | "time" | "when" | "oncalendar" | "on_calendar" => {
            "write `cron: \"30 3 * * *\"`"
        }
        "every" | "interval" => "write `cron: \"*/15 * * * *\"`, five fields as in crontab",
        "timezone" | "tz" | "zone" => {
            "write `timezone` at the top of the policy: one zone holds for all its jobs"
        }
        "random_delay" | "randomized_delay" | "randomizeddelaysec" | "splay" => "write `jitter: 10m`",
        "persistent" | "missed" | "catchup" => "write `catch_up: true`",
        _ => return None,
    })
}

pub(super) fn of_retention(key: &str) -> Option<&'static str> {
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

pub(super) fn of_sqlite(key: &str) -> Option<&'static str> {
    Some(match key {
        "checks" | "tables" | "expect" | "scratch" | "rto" | "before" | "after" => {
            "move it out of `sqlite`, to stand beside it in the target"
        }
        "file" | "db" | "database" | "url" | "name" => "write `path`",
        _ => return None,
    })
}

pub(super) fn of_postgres(key: &str) -> Option<&'static str> {
    Some(match key {
        "checks" | "tables" | "expect" | "scratch" | "rto" | "before" | "after" => {
            "move it out of `postgres`, to stand beside it in the target"
        }
        "host" | "hostname" | "port" | "database" | "dbname" | "name" | "user" | "username" | "path"
        | "uri" | "dsn" | "database_url" | "connection" | "sslmode" | "ssl" | "service" => {
            "write it in the URL: `url: postgresql://USER@HOST:PORT/DATABASE?sslmode=require`"
        }
        "pass" | "passwd" | "pgpassword" => "write `password: {file: PATH}` or `password: ${PGPASSWORD}`",
        "password_file" | "passfile" => "write `password: {file: PATH}`",
        "password_command" => "write `password: {command: [PROGRAM, …]}`",
        "exclude_table" | "exclude_tables" | "exclude_data" | "skip_tables" => {
            "write `exclude_table_data: [\"ohlcv_*\"]`: every table is dumped, and those come back empty"
        }
        "roles" | "include_globals" | "global" => "write `globals: true`",
        "compress" | "compression" => "write it in the job: `compress: zstd`",
        "pg_dump_command" | "psql_command" | "pg_restore_command" | "options" | "args" => {
            "remove it: the programs are found by the PATH, and called as the keys here say"
        }
        "type" | "dump_format" => "write `format: custom`",
        _ => return None,
    })
}

pub(super) fn of_postgres_options(key: &str) -> Option<&'static str> {
    match key {
        "url" | "password" => Some("it belongs to a target below `targets`: `postgres: {url: …}`"),
        "compress" | "compression" => Some("write it beside `postgres`: `compress: zstd`"),
        "exclude_table" | "exclude_tables" | "exclude_data" | "roles" | "include_globals" => of_postgres(key),
        _ => None,
    }
}

pub(super) fn of_secret(key: &str) -> Option<&'static str> {
    Some(match key {
        "value" | "password" | "secret" | "text" => {
            "no secret stands in a policy: write `{file: PATH}`, `{command: [PROGRAM, …]}` or `{credential: NAME}`"
        }
        "path" => "write `file: PATH`",
        "env" | "variable" | "var" | "name" => "write `${NAME}` in place of the mapping",
        "cmd" | "run" | "exec" | "program" => "write `command: [PROGRAM, …]`",
        _ => return None,
    })
}

pub(super) fn of_retry(key: &str) -> Option<&'static str> {
    Some(match key {
        "count" | "times" | "retries" | "max" => "write `attempts: 2`; the first try counts",
        "wait" | "sleep" | "backoff" | "pause" => "write `delay: 5m`",
        _ => return None,
    })
}

pub(super) fn of_directory(key: &str) -> Option<&'static str> {
    Some(match key {
        "exclude_patterns" | "excludes" | "ignore" => "write `exclude: [\"*.tmp\"]`",
        "includes" | "patterns" => "write `include: [\"**/*.py\"]`",
        "min_files" | "min_size" => "write it in the target, beside `directory`: `expect: {min_files: 40}`",
        "expect" | "scratch" | "rto" | "before" | "after" => {
            "move it out of `directory`, to stand beside it in the target"
        }
        _ => return None,
    })
}

pub(super) fn of_expect(key: &str) -> Option<&'static str> {
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

pub(super) fn of_tables(key: &str) -> Option<&'static str> {
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

pub(super) fn of_check(key: &str) -> Option<&'static str> {
    Some(match key {
        "query" | "select" | "statement" => "write `sql`",
        "table" | "count" => "write `rows: TABLE`",
        "expected" | "equals" | "min" | "max" | "result" | "value" => "write `expect: \">= 65\"`",
        "max_age" | "max_drop" | "max_growth" => "write it inside `expect: {…}`",
        "severity" | "level" | "warn" => "write `on_fail: warn`",
        _ => return None,
    })
}

pub(super) fn of_job_store(key: &str) -> Option<&'static str> {
    Some(match key {
        "keep" | "keep_daily" | "daily" | "weekly" | "monthly" | "last" | "within" => {
            "write `{NAME: {retention: {weekly: 12}}}`"
        }
        "path" | "url" => "the store itself stands below `stores`; here its name is enough",
        _ => return None,
    })
}
