//! What people write: one struct for each mapping of the language, with every value still optional and at its place.
//!
//! The doc comments are what an editor shows while hovering, so they are written for operators. What a value may be is
//! decided here; what values mean together is decided in [`lower`](super::lower).

mod compound;
mod expectation;
mod hints;
mod install;
mod leaf;
mod patch;
mod postgres;
mod read;
mod rungs;
mod secret;
mod shapes;

pub(super) use compound::{CatchUpDocument, Commands, JobStoreDocument, Words};
pub(super) use expectation::ExpectationDocument;
pub(super) use install::{InstallDocument, KubernetesDocument, MountDocument};
pub(super) use leaf::Cron;
pub(super) use postgres::{PostgresDocument, PostgresOptionsDocument};
pub(super) use read::{Read, Reader};
pub(super) use rungs::RungDocument;
pub(super) use secret::SecretDocument;
pub(super) use shapes::{Map, Short, Shorthand};

use super::{
    Span, Spanned,
    model::{DuckdbFormat, OnFail, PathTemplate},
    values::{Compression, Duration, Level, Percent, Size, Zone},
};
use shapes::document;

document! {
    /// A policy: what to protect, where the backups go, when, for how long they are kept, and how each is proven.
    PolicyDocument = "{version: 1, name: app, stores: {…}, targets: {…}, jobs: {…}}" {
        /// The version of the language. This is version 1.
        #[schemars(extend("enum" = [1]))]
        version [required = "version: 1"]: Spanned<u64>,
        /// The policy's name: lower-case letters, digits and `-`. Backups are filed under it, so it should not change.
        #[schemars(regex(pattern = "^[a-z0-9][a-z0-9-]{0,62}$"), extend("examples" = ["app", "prod"]))]
        name [required = "name: app"]: Spanned<String>,
        /// The time zone of schedules and of calendar days, weeks and months. Without it UTC is used, with a warning
        /// when a schedule names an hour.
        timezone: Spanned<Zone>,
        /// Files of `NAME=value` lines, read before each run. Their values win over the environment.
        #[schemars(extend("examples" = [["../.env"]]))]
        env_files: Vec<Spanned<PathTemplate>>,
        /// Where backups go, by name: a folder, or a mapping with `path`.
        #[schemars(extend("propertyNames" = { "pattern": "^[a-z0-9][a-z0-9-]{0,62}$" }))]
        stores [required = "stores: {local: ~/Backups/app}"]: Map<Short<StoreDocument>>,
        /// What is protected, by name: a database, a folder or what a command dumps.
        #[schemars(extend("propertyNames" = { "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$" }))]
        targets [required = "targets: {app: {sqlite: ../app.db}}"]: Map<TargetDocument>,
        /// When backups are made, to where, kept for how long and proven how, by name.
        #[schemars(extend("propertyNames" = { "pattern": "^[a-z0-9][a-z0-9-]{0,62}$" }))]
        jobs [required = "jobs: {nightly: {schedule: \"0 2 * * *\"}}"]: Map<JobDocument>,
        /// Settings for every job that does not set them itself.
        defaults: DefaultsDocument,
        /// How the schedules reach a host: which scheduler, whose entries, with what around them.
        install: Box<InstallDocument>,
        /// Codes of warnings that are accepted in this policy, such as `policy::retention::none`.
        allow: Vec<Spanned<String>>,
    }
}

document! {
    /// A folder that keeps backups.
    StoreDocument = "{path: ~/Backups/app}" {
        /// The folder. The first run makes it, readable by its owner only.
        path [required = "path: ~/Backups/app"]: Spanned<PathTemplate>,
        /// Room that must be free before a backup begins. Without it: 1.2 times the last backup, and before the first
        /// the size of the source.
        min_free: Spanned<Size>,
        /// Whether the folder must be a mount point, so that nothing is written while the disk is not there.
        #[schemars(extend("default" = false))]
        require_mount: Spanned<bool>,
    }
}

impl Shorthand for StoreDocument {
    type Alone = Spanned<PathTemplate>;
    const ALONE: &'static str = "~/Backups/app";

    fn alone(path: Self::Alone, span: Span) -> Self {
        Self { path: Some(path), span, ..Self::default() }
    }
}

document! {
    /// Something to protect: exactly one of `sqlite`, `duckdb`, `postgres`, `command` and `directory`, and what must hold for it.
    #[schemars(extend("oneOf" = [
        { "required": ["sqlite"] }, { "required": ["duckdb"] }, { "required": ["postgres"] },
        { "required": ["command"] }, { "required": ["directory"] }
    ]))]
    #[schemars(extend("allOf" = [
        {
            "if": { "anyOf": [{ "required": ["directory"] }, { "required": ["command"] }] },
            "then": {
                "properties": {
                    "tables": false, "checks": false, "expect": { "not": { "required": ["min_tables"] } }
                }
            }
        },
        {
            "if": { "not": { "required": ["directory"] } },
            "then": { "properties": { "expect": { "not": { "required": ["min_files"] } } } }
        }
    ]))]
    TargetDocument = "{sqlite: ../app.db}" {
        /// A SQLite database file. It is captured whole while it is in use.
        sqlite: Short<SqliteDocument>,
        /// A DuckDB database file. It is captured while no writer has it open, or as `when_locked` says.
        duckdb: Box<Short<DuckdbDocument>>,
        /// A database of a PostgreSQL server. It is dumped as of one moment while it is in use.
        postgres: Box<Short<PostgresDocument>>,
        /// Anything that a command writes to its standard output.
        command: Box<CommandDocument>,
        /// A folder with all that is in it.
        directory: Box<Short<DirectoryDocument>>,
        /// What the source must look like before a backup of it counts.
        expect: Box<ExpectDocument>,
        /// The classes of the database's tables: which of them could be made again.
        tables: Box<TablesDocument>,
        /// Queries whose answers must be right in every backup.
        #[schemars(extend("examples" = [[{ "rows": "orders", "expect": ">= 1" }]]))]
        checks: Vec<CheckDocument>,
        /// Commands before the capture of this target: a list of lists of words, run without a shell.
        before: Commands,
        /// Commands after the capture of this target. They run whenever a `before` began, whatever came of it.
        after: Commands,
        /// The folder in which restores are tried; of a PostgreSQL target the name of a database that is made for that
        /// and dropped.
        scratch: Spanned<PathTemplate>,
        /// A restore is to take no longer than this.
        rto: Spanned<Duration>,
    }
}

document! {
    /// A SQLite database file.
    SqliteDocument = "{path: ../app.db}" {
        /// The database file.
        path [required = "path: ../app.db"]: Spanned<PathTemplate>,
    }
}

impl Shorthand for SqliteDocument {
    type Alone = Spanned<PathTemplate>;
    const ALONE: &'static str = "../app.db";

    fn alone(path: Self::Alone, span: Span) -> Self {
        Self { path: Some(path), span, ..Self::default() }
    }
}

document! {
    /// A DuckDB database file.
    DuckdbDocument = "{path: ../app.duckdb}" {
        /// The database file.
        path [required = "path: ../app.duckdb"]: Spanned<PathTemplate>,
        /// What is tried, in order, while a writer keeps the database open.
        #[schemars(length(min = 1))]
        #[schemars(extend("examples" = [[{ "wait": "30s" }, "hot_copy"]]))]
        when_locked: Vec<RungDocument>,
        /// What the backup is: `file`, the database file byte for byte, or `export`, Parquet files with the statements that
        /// make the schema, which other programs and releases can read.
        #[schemars(extend("default" = "file"))]
        format: Spanned<DuckdbFormat>,
    }
}

impl Shorthand for DuckdbDocument {
    type Alone = Spanned<PathTemplate>;
    const ALONE: &'static str = "../app.duckdb";

    fn alone(path: Self::Alone, span: Span) -> Self {
        Self { path: Some(path), span, ..Self::default() }
    }
}

document! {
    /// How a job's DuckDB targets are captured, in place of what each of them says.
    DuckdbOptionsDocument = "{when_locked: [{wait: 30s}]}" {
        /// What is tried, in order, while a writer keeps the database open.
        #[schemars(length(min = 1))]
        #[schemars(extend("examples" = [[{ "wait": "5m" }, "hot_copy"]]))]
        when_locked: Vec<RungDocument>,
        /// What the backup is: `file`, the database file byte for byte, or `export`, Parquet files with the statements that
        /// make the schema, which other programs and releases can read.
        #[schemars(extend("default" = "file"))]
        format: Spanned<DuckdbFormat>,
    }
}

document! {
    /// A source that commands dump, prove and load.
    CommandDocument = "{dump: [redis-cli, --rdb, \"-\"]}" {
        /// Its standard output is the backup: whole if it ends with 0 and wrote something.
        #[schemars(extend("examples" = [["redis-cli", "--rdb", "-"]]))]
        dump [required = "dump: [redis-cli, --rdb, \"-\"]"]: Words,
        /// Gets the backup on its standard input, and ends with 0 if it is sound. It must not touch the live system.
        #[schemars(extend("examples" = [["rdb-check", "-"]]))]
        verify: Words,
        /// Gets the backup on its standard input, and loads it over what is live. Only `policy restore` calls it.
        #[schemars(extend("examples" = [["my-loader"]]))]
        restore: Words,
        /// The extension of the stored file.
        #[schemars(regex(pattern = "^[a-z0-9]+(\\.[a-z0-9]+)*$"), length(max = 32))]
        #[schemars(extend("default" = "dump", "examples" = ["rdb"]))]
        extension: Spanned<String>,
    }
}

document! {
    /// A folder, or part of it.
    DirectoryDocument = "{path: ../files}" {
        /// The folder.
        path [required = "path: ../files"]: Spanned<PathTemplate>,
        /// Globs of what is taken, relative to the folder, such as `**/*.py`. Without it everything is.
        #[schemars(length(min = 1))]
        #[schemars(inner(length(min = 1), regex(pattern = r"^(?![/~!])(?!(.*/)?\.\.(/|$))")))]
        #[schemars(extend("examples" = [["**/*.py"]]))]
        include: Vec<Spanned<String>>,
        /// Globs of what is left out, relative to the folder. They win over `include`.
        #[schemars(inner(length(min = 1), regex(pattern = r"^(?![/~!])(?!(.*/)?\.\.(/|$))")))]
        #[schemars(extend("examples" = [["**/node_modules", ".cache/", "*.tmp"]]))]
        exclude: Vec<Spanned<String>>,
    }
}

impl Shorthand for DirectoryDocument {
    type Alone = Spanned<PathTemplate>;
    const ALONE: &'static str = "../files";

    fn alone(path: Self::Alone, span: Span) -> Self {
        Self { path: Some(path), span, ..Self::default() }
    }
}

document! {
    /// What a source must look like before a backup of it counts.
    ExpectDocument = "{min_size: 1MiB}" {
        /// The source has at least this size.
        min_size: Spanned<Size>,
        /// The database has at least so many tables.
        #[schemars(extend("examples" = [12]))]
        min_tables: Spanned<u64>,
        /// The folder has at least so many files. 1 unless written.
        #[schemars(extend("default" = 1))]
        #[schemars(extend("examples" = [40]))]
        min_files: Spanned<u64>,
        /// It is at most so much smaller than the newest proven backup.
        max_drop: Spanned<Percent>,
        /// It is at most so much larger than the newest proven backup.
        max_growth: Spanned<Percent>,
    }
}

document! {
    /// The classes of a database's tables, by name or glob. A table should fall in exactly one.
    TablesDocument = "{irreplaceable: [orders], recoverable: [\"cache_*\"]}" {
        /// Tables whose data cannot be made again. Their row counts must equal the source's in every backup.
        #[schemars(inner(length(min = 1)), extend("examples" = [["orders", "order_*"]]))]
        irreplaceable: Vec<Spanned<String>>,
        /// Tables whose data a script can make again.
        #[schemars(inner(length(min = 1)), extend("examples" = [["*_cache"]]))]
        recoverable: Vec<Spanned<String>>,
        /// Tables whose data can be made again in part.
        #[schemars(inner(length(min = 1)), extend("examples" = [["sessions"]]))]
        partial: Vec<Spanned<String>>,
        /// What a table in no class means; it counts as irreplaceable either way.
        #[schemars(extend("default" = "warn"))]
        unclassed: Spanned<OnFail>,
    }
}

document! {
    /// A query whose answer must be right in every backup: `rows` or `sql`, and what is expected.
    #[schemars(extend("oneOf" = [{ "required": ["rows"] }, { "required": ["sql"] }]))]
    CheckDocument = "{rows: orders, expect: \">= 1\"}" {
        /// The check's name in reports. Without it one is made from the query.
        #[schemars(extend("examples" = ["no payment lost on the way"]))]
        name: Spanned<String>,
        /// A table whose rows are counted.
        #[schemars(length(min = 1), regex(pattern = r"^[^*?]+$"), extend("examples" = ["orders"]))]
        rows: Spanned<String>,
        /// A query that only reads. The first column of its first row is the answer.
        #[schemars(length(min = 1), extend("examples" = ["SELECT max(placed) FROM orders"]))]
        sql: Spanned<String>,
        /// What the answer must be.
        expect [required = "expect: \">= 1\""]: ExpectationDocument,
        /// What failing means: `fail`, the backup is not proven; `warn`, it is told and nothing else.
        #[schemars(extend("default" = "fail"))]
        on_fail: Spanned<OnFail>,
    }
}

document! {
    /// When a job runs, in full.
    ScheduleDocument = "{cron: \"0 2 * * *\"}" {
        /// The times, as in crontab(5).
        cron [required = "cron: \"0 2 * * *\""]: Spanned<Cron>,
        /// The longest random delay before a start, so that many machines do not begin at once.
        jitter: Spanned<Duration>,
        /// Whether a missed start is made up for: `true`, until the next one; `false`, never; or within a duration.
        catch_up: CatchUpDocument,
    }
}

impl Shorthand for ScheduleDocument {
    type Alone = Spanned<Cron>;
    const ALONE: &'static str = "\"0 2 * * *\"";

    fn alone(cron: Self::Alone, span: Span) -> Self {
        Self { cron: Some(cron), span, ..Self::default() }
    }
}

document! {
    /// How long backups are kept: a backup stays while any of these rules keeps it.
    #[schemars(extend("minProperties" = 1))]
    RetentionDocument = "{daily: 7, weekly: 12}" {
        /// The newest N proven backups.
        #[schemars(range(min = 1, max = 4_294_967_295_u32))]
        #[schemars(extend("examples" = [5]))]
        last: Spanned<u32>,
        /// The newest backup of each of the last N hours that have one.
        #[schemars(range(min = 1, max = 4_294_967_295_u32))]
        #[schemars(extend("examples" = [24]))]
        hourly: Spanned<u32>,
        /// The newest backup of each of the last N days that have one.
        #[schemars(range(min = 1, max = 4_294_967_295_u32))]
        #[schemars(extend("examples" = [7]))]
        daily: Spanned<u32>,
        /// The newest backup of each of the last N ISO weeks that have one.
        #[schemars(range(min = 1, max = 4_294_967_295_u32))]
        #[schemars(extend("examples" = [12]))]
        weekly: Spanned<u32>,
        /// The newest backup of each of the last N months that have one.
        #[schemars(range(min = 1, max = 4_294_967_295_u32))]
        #[schemars(extend("examples" = [12]))]
        monthly: Spanned<u32>,
        /// The newest backup of each of the last N years that have one.
        #[schemars(range(min = 1, max = 4_294_967_295_u32))]
        #[schemars(extend("examples" = [5]))]
        yearly: Spanned<u32>,
        /// All backups younger than this, counted back from the newest proven one.
        within: Spanned<Duration>,
    }
}

document! {
    /// How often a target and store are tried before the run gives them up.
    RetryDocument = "{attempts: 2, delay: 5m}" {
        /// Tries in all; the first one counts.
        #[schemars(range(min = 1, max = 4_294_967_295_u32))]
        #[schemars(extend("examples" = [2]))]
        attempts [required = "attempts: 2"]: Spanned<u32>,
        /// The pause between two tries.
        delay: Spanned<Duration>,
    }
}

document! {
    /// What holds for a job in one of its stores.
    JobStoreOptions = "{retention: {weekly: 12}}" {
        /// How long this job's backups are kept in this store.
        retention: RetentionDocument,
    }
}

/// Adds to a mapping's own keys those that a job and `defaults` share.
macro_rules! job_settings {
    ($(#[$meta:meta])* $name:ident = $example:literal { $($own:tt)* }) => {
        document! {
            $(#[$meta])*
            $name = $example {
                $($own)*
                /// Where the backups go: names of stores, each with its own retention if need be. All unless written.
                #[schemars(length(min = 1), extend("uniqueItems" = true))]
                #[schemars(extend("examples" = [["local", { "offsite": { "retention": { "weekly": 12 } } }]]))]
                stores: Vec<JobStoreDocument>,
                /// How backups are compressed: none, gzip or zstd, with a level as zstd:9.
                #[schemars(extend("default" = "zstd"))]
                compress: Spanned<Compression>,
                /// How long backups are kept. Without it nothing is ever removed, with a warning.
                retention: RetentionDocument,
                /// What must be shown of each backup: checksum, the bytes are whole; integrity, and the content is
                /// sound; checks, and every check holds; restore, and it was restored to a scratch place. Without it:
                /// the highest up to `checks` that the target offers.
                #[schemars(extend("enum" = ["checksum", "integrity", "checks", "restore"]))]
                verify: Spanned<Level>,
                /// Commands before the whole job: a list of lists of words, run without a shell.
                before: Commands,
                /// Commands after the whole job. They run whenever a `before` began, whatever came of it.
                after: Commands,
                /// The longest time of one attempt, without its `after`.
                timeout: Spanned<Duration>,
                /// How often a target and store are tried.
                retry: RetryDocument,
                /// The greatest age that the newest proven backup may reach.
                rpo: Spanned<Duration>,
                /// How its DuckDB targets are captured; a job's word comes before a target's, and that before `defaults`.
                duckdb: Box<DuckdbOptionsDocument>,
                /// How its PostgreSQL targets are dumped; a job's word comes before a target's, and that before `defaults`.
                postgres: Box<PostgresOptionsDocument>,
            }
        }
    };
}

job_settings! {
    /// When backups are made, to where, kept for how long and proven how.
    JobDocument = "{schedule: \"0 2 * * *\", retention: {daily: 7}}" {
        /// Names of targets. All unless written.
        #[schemars(length(min = 1), extend("uniqueItems" = true))]
        #[schemars(extend("examples" = [["app", "uploads"]]))]
        targets: Vec<Spanned<String>>,
        /// When it runs, as in crontab(5), or a mapping with `cron`. Without it the job runs by hand.
        schedule: Short<ScheduleDocument>,
    }
}

job_settings! {
    /// Settings for every job that does not set them itself.
    DefaultsDocument = "{retention: {daily: 7}}" {}
}
