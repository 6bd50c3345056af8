//! `policy`: backups of databases and folders, declared in YAML; checked, planned, proven and restored.
//!
//! These pages are the architecture. The language is described in the README's reference, and so are the commands.
//!
//! # The sentence
//!
//! `policy.yaml` —read→ [Document](policy) (as written, every value with its place) —lower→ [`Policy`](policy::Policy) (as
//! meant; its invariants hold) + [`World`](observe::World) (observed, read only) + `now` —plan→ [`Plan`](plan::Plan) (steps)
//! —run→ [events](run::Event) → stores, [catalog](catalog::Catalog) and reports.
//!
//! Each arrow makes another type, and only that arrow makes it: what was not checked cannot be planned, what was not
//! planned cannot be run. There is no `dry_run: bool` below the command line; a dry run prints the value that a run
//! would execute.
//!
//! # The map
//!
//! In reading order; a module uses those above it, and [`fault`], [`watch`] and [`evidence`], which all may use. The first
//! two are one layer: [`policy`] reads schedules, and [`schedule`] counts in the language's durations.
//!
//! | module | what it holds | touches the world |
//! |---|---|---|
//! | [`policy`] | the language: YAML to spanned nodes (`yaml`), nodes to `document`, document to `model` (`lower`), and everything that can be wrong with it (`problem`) | no |
//! | [`schedule`] | the five-field grammar, its sets, the instants they name in a zone, which of them is due, and what a host must run | no |
//! | [`retention`] | which backups stay, with reasons | no |
//! | [`selector`] | how backups are named on the command line | no |
//! | [`plan`] | steps, their order, their text, stored snapshots of it | no |
//! | [`evidence`] | what was found when a backup was captured and verified | no |
//! | [`pipe`] | compress and digest in one streaming pass, and back | no |
//! | [`fault`], [`watch`] | I/O errors with verb and path; deadlines, requests to stop, progress | clock |
//! | `platform` | what Linux, macOS and Windows do differently: the only code that one of them alone compiles; small files that are replaced as a whole | yes |
//! | [`exec`] | the policy's commands, and PostgreSQL's programs: started, stopped, their words shown without the variables' values | yes |
//! | [`scratch`] | private folders that disappear with their process, or with the next one | yes |
//! | [`engines`] | `trait Engine`: SQLite, DuckDB, PostgreSQL, commands and folders; capture, examine, restore, swap | yes |
//! | [`store`] | `trait Store`: layout, manifest, records, locks, publish, removal | yes |
//! | [`secret`] | secrets, from where a policy says they are | reads, runs commands |
//! | [`host`], [`observe`] | environment, home, machine; sources and stores resolved on this host | reads |
//! | [`catalog`] | index and history of this host, in SQLite | yes |
//! | [`run`] | the interpreter of plans: hooks, captures, proofs, publishing, pruning | yes |
//! | [`restore`] | restore beside, check, swap, roll back | yes |
//! | [`install`] | entries of the host's schedulers: compared, changed, read back | yes |
//! | [`listing`] | how a backup is shown | no |
//! | [`cli`] | words, printing, exit codes; one small file a command | yes |
//!
//! # Invariants
//!
//! - **Purity is fenced.** `.clippy.toml` refuses files, environment, programs and clocks; a module that needs them opens
//!   with an `expect` that says why, so `grep -l disallowed_methods` lists all of them.
//! - **A backup exists when its manifest stands in its folder.** The folder is renamed into place as a whole, after its
//!   bytes were read back from the disk and proven ([`store`]).
//! - **Bytes that are not those captured are never published; content that fails is, as unproven**: it may be the last
//!   there is ([`run`]).
//! - **Nothing is removed that the newest proven backup does not make needless**, whatever the rules say
//!   ([`retention`]), and the manifest goes before the data ([`store`]).
//! - **A restore touches nothing before its replacement was verified beside it**, and keeps what it replaces
//!   ([`restore`]).
//! - **Order is argued where it is dangerous**: every destructive step has a comment that says what a kill at that point
//!   leaves behind.
//! - **Secrets stay out** of argv, logs, plans, manifests and error texts: what travels shows `${NAME}`, never a value.
//! - **Memory is flat.** Content is streamed; nothing is proportional to the size of a database.
//! - **Events are told once** and folded several times: human text, progress bars, the run's log, the history.
//!
//! # Decisions that differ from what one would expect
//!
//! - The YAML is read through the event parser `granit-parser` into our own tree, not through serde: serde stops at the
//!   first error and hides the places of keys; a tree lets one call report every problem at its exact characters.
//!   `yaml_serde`, the maintained successor of `serde_yaml`, is the second opinion in the tests.
//! - Dotenv files are read by `policy::env_file`: the libraries fill `$NAME` in values from the process environment, and
//!   then the terminal and the schedule would no longer see the same.
//! - What reads all of a SQLite database to examine it are processes of their own, this program under another word: they
//!   map the file, which halves the time, and a mapped file that is cut short ends whoever reads it. DuckDB is only ever
//!   opened by such a process: it may end of what is damaged, and its memory is its own.
//! - PostgreSQL is reached by its own programs and no client library: what connects to examine then follows the same rules of
//!   libpq as what dumps, and the client that fits the server is chosen once for all of it.
//! - Stored bytes are read back in the capture step where the engine still examines the content; what came of it is told
//!   by the verify step, in its place.
//! - A restore has steps of its own ([`restore::Step`]) instead of new actions in [`plan::Action`]: a run's interpreter
//!   then has no arm that a run can never reach.

pub mod fault;
pub mod watch;

mod platform;

pub mod policy;
pub mod schedule;

pub mod evidence;
pub mod retention;
pub mod selector;

pub mod plan;

pub mod pipe;

pub mod exec;
pub mod scratch;

pub mod engines;
pub mod store;

pub mod catalog;
pub mod host;
pub mod observe;
pub mod secret;

mod removal;
pub mod run;

pub mod listing;
pub mod restore;

pub mod install;

pub mod cli;
