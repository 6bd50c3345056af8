//! Takes dumps: the argument lists of `pg_dump` and `pg_dumpall`, and their runs.
//!
//! A dump that went to a writer is whole only when this returns `Ok`: a backend that ends in the middle leaves a
//! plausible file and status 1. A stream is compressed by the caller alone: zstd outside of `pg_dump` is smaller than its own
//! gzip and not slower. A folder is compressed by `pg_dump`, in each of its connections, and by nobody else.

use super::{
    access::{Access, apart},
    clients::{Programs, Version},
    statement::Relation,
};
use crate::{
    exec::program::{Ended, ProgramError, pour},
    policy::values::Compression,
    watch::Watch,
};
use std::{
    ffi::OsString,
    io,
    io::Write,
    num::NonZeroU16,
    path::{Path, PathBuf},
    time::Duration,
};

/// What a dump to one stream looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// PostgreSQL's own archive, uncompressed: `pg_restore` reads it from a file or from its standard input.
    Custom,
    /// SQL text for `psql`.
    Plain,
}

/// The first `pg_dump` that knows zstd (release-16.html).
const ZSTD_SINCE: u32 = 16;

/// What to dump, and how.
#[derive(Debug, Clone, Default)]
pub struct DumpRequest<'a> {
    /// The snapshot that another session exported and holds: the dump's moment. Without one it is its own.
    pub snapshot: Option<&'a str>,
    /// How long to wait for a lock on a table; without an end the dump, and everybody behind it, waits for an
    /// `ALTER TABLE` that never ends.
    pub lock_wait: Option<Duration>,
    /// Patterns of `psql(1)` for tables whose rows are left out; [`exact`] makes one that means one table.
    pub exclude_table_data: &'a [String],
    /// The encoding of its text; `None`: the database's own.
    pub encoding: Option<&'static str>,
    /// How each file of a folder is compressed, in `pg_dump`'s own words; see [`compress`].
    pub compress: Option<String>,
    /// What `\restrict` is to be given in SQL text: letters and digits, unknown to whoever owns the database, and the
    /// same each time for dumps that are to be the same. Only where the client knows the option; see
    /// [`knows_restrict_key`]. Without one it is random.
    pub restrict_key: Option<&'a str>,
}

/// The arguments of `pg_dump` for a dump to its standard output.
fn stream_arguments(format: Format, request: &DumpRequest<'_>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = match format {
        Format::Custom => vec!["--format=custom".into(), "--compress=0".into()],
        Format::Plain => vec!["--format=plain".into()],
    };
    if let (Format::Plain, Some(key)) = (format, request.restrict_key) {
        arguments.push(format!("--restrict-key={key}").into());
    }
    add_common(&mut arguments, request);
    arguments
}

/// The arguments of `pg_dump` for a dump into a folder, which must not exist or be empty.
fn folder_arguments(folder: &Path, jobs: NonZeroU16, request: &DumpRequest<'_>) -> Vec<OsString> {
    let mut file = OsString::from("--file=");
    file.push(folder);
    let jobs = format!("--jobs={jobs}").into();
    let compress = format!("--compress={}", request.compress.as_deref().unwrap_or("0")).into();
    // Its content is read once, into an archive that is made durable itself.
    let mut arguments = vec!["--format=directory".into(), compress, jobs, "--no-sync".into(), file];
    add_common(&mut arguments, request);
    arguments
}

/// A compression in the words of a `pg_dump`. Those before 16 know gzip alone, which then stands for zstd at its fastest: that
/// takes as long, and packs nearly as much.
pub fn compress(compression: Compression, pg_dump: &Version) -> String {
    const FASTEST_GZIP: &str = "1";
    match compression {
        Compression::None => "0".to_owned(),
        Compression::Gzip(level) => level.to_string(),
        Compression::Zstd(level) if pg_dump.major() >= ZSTD_SINCE => format!("zstd:{level}"),
        Compression::Zstd(_) => FASTEST_GZIP.to_owned(),
    }
}

fn add_common(arguments: &mut Vec<OsString>, request: &DumpRequest<'_>) {
    arguments.push("--no-password".into());
    if let Some(wait) = request.lock_wait {
        // 0 would mean for ever.
        arguments.push(format!("--lock-wait-timeout={}", wait.as_millis().clamp(1, 2_147_483_647)).into());
    }
    if let Some(encoding) = request.encoding {
        arguments.push(format!("--encoding={encoding}").into());
    }
    if let Some(snapshot) = request.snapshot {
        arguments.push(format!("--snapshot={snapshot}").into());
    }
    for pattern in request.exclude_table_data {
        arguments.push(format!("--exclude-table-data={pattern}").into());
    }
}

/// The pattern that means exactly one table, whatever its name holds.
pub fn exact(table: &Relation) -> String {
    // Within quotes nothing but a quote is special (psql(1), Patterns).
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    format!("{}.{}", quoted(&table.schema), quoted(&table.name))
}

/// Dumps a database into a writer.
///
/// # Errors
/// When the program cannot be started, ends with another status than 0 or is stopped, and when `out` fails; what was
/// written is then no dump.
pub fn to_writer(
    programs: &Programs,
    access: &Access,
    (format, request): (Format, &DumpRequest<'_>),
    out: &mut dyn Write,
    watch: &Watch<'_>,
) -> Result<Ended, ProgramError> {
    let mut arguments = stream_arguments(format, request);
    arguments.push(access.dbname_argument());
    pour(&access.call(programs.pg_dump(), arguments), out, watch)
}

/// Dumps a database into a new folder, with several connections at once. Nothing in it is durable yet.
///
/// # Errors
/// As of [`to_writer`]; what is in the folder is then no dump.
pub fn to_folder(
    programs: &Programs,
    access: &Access,
    (folder, jobs, request): (&Path, NonZeroU16, &DumpRequest<'_>),
    watch: &Watch<'_>,
) -> Result<Ended, ProgramError> {
    let mut arguments = folder_arguments(folder, jobs, request);
    arguments.push(access.dbname_argument());
    pour(&access.call(programs.pg_dump(), arguments), &mut io::sink(), watch)
}

/// Whether a `pg_dump`, or a `pg_dumpall`, lets the caller choose the key of `\restrict` (since August 2025).
pub fn knows_restrict_key(program: PathBuf, watch: &Watch<'_>) -> Result<bool, ProgramError> {
    let mut help = Vec::new();
    pour(&apart(program, vec!["--help".into()]), &mut help, watch)?;
    Ok(String::from_utf8_lossy(&help).contains("--restrict-key"))
}

/// What a cluster holds beside its databases, as SQL text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Globals {
    /// Roles, memberships, tablespaces, and settings of roles.
    pub text: Vec<u8>,
    /// Whether the roles' password hashes are among it, which this user may not read where they are not.
    pub has_passwords: bool,
    /// What `pg_dumpall` said about it.
    pub warnings: Vec<String>,
}

/// The arguments of `pg_dumpall` for what belongs to no database.
fn globals_arguments(with_passwords: bool, restrict_key: Option<&str>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--globals-only".into(), "--no-password".into()];
    if !with_passwords {
        arguments.push("--no-role-passwords".into());
    }
    if let Some(key) = restrict_key {
        arguments.push(format!("--restrict-key={key}").into());
    }
    arguments
}

/// Dumps what belongs to no database: with the roles' passwords where this user may read them, else without.
///
/// # Errors
/// As of [`to_writer`].
pub fn globals(
    programs: &Programs,
    access: &Access,
    restrict_key: Option<&str>,
    watch: &Watch<'_>,
) -> Result<Globals, ProgramError> {
    let dump = |has_passwords: bool| {
        let mut text = Vec::new();
        let mut arguments = globals_arguments(has_passwords, restrict_key);
        // The database in it is not used: `pg_dumpall` connects to `postgres`, else to `template1`.
        arguments.push(access.dbname_argument());
        let ended = pour(&access.call(programs.pg_dumpall(), arguments), &mut text, watch)?;
        Ok(Globals { text, has_passwords, warnings: ended.warnings })
    };
    match dump(true) {
        Err(ProgramError::Status { said, .. }) if said.iter().any(|line| is_about_passwords(line)) => {
            dump(false)
        }
        done => done,
    }
}

/// Whether the server refused the catalog that holds the password hashes. `LC_ALL=C` makes messages of the program
/// English but not the server's, so the catalog's name is looked for: the server says it in every language.
fn is_about_passwords(line: &str) -> bool {
    line.contains("pg_authid")
}
