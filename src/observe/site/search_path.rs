//! The `PATH` of entries: the policy's own folders, those of every host, and where the tools that a policy calls were found.
#![expect(clippy::disallowed_methods, reason = "looks for the programs that a policy calls")]

use super::super::{resolve, variables};
use crate::{
    engines::postgres::clients::{Clients, USUAL},
    host::Host,
    policy::{
        Policy,
        model::EngineSpec,
        problem::{Code, Problem},
    },
    schedule::entry::Backend,
    watch::{Cancel, Watch},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

/// Below the state folder: this program, and tools that are in no usual folder, and where they were when entries were
/// installed, as `NAME<tab>FOLDER`, one a line. They are looked for there first, so that it does not matter from which shell entries are
/// installed again or looked at.
pub const TOOLS: &str = "tools";
/// The programs of PostgreSQL, which are found where they usually are as well.
const POSTGRES: [&str; 2] = ["pg_dump", "psql"];

/// The folders of a policy and those of every host, in order.
pub(super) fn folders(host: &Host, policy: &Policy, backend: Backend) -> Result<Vec<PathBuf>, Vec<Problem>> {
    let known = variables(host, policy)?;
    let own = policy.install().search_path.iter();
    let mut folders: Vec<PathBuf> =
        own.map(|written| Ok(resolve(host, policy, &known, written)?.path)).collect::<Result<_, Vec<_>>>()?;
    folders.extend(usual(backend).iter().map(PathBuf::from));
    Ok(folders)
}

/// The same as one text.
pub(super) fn joined(folders: &[PathBuf]) -> Result<String, Vec<Problem>> {
    let joined = env::join_paths(folders).map_err(|error| {
        let message = format!("a folder of `search_path` cannot be part of a PATH: {error}");
        vec![Problem::error(Code::BadPath, message, "take the separator out of the name of the folder")]
    })?;
    Ok(joined.to_string_lossy().into_owned())
}

/// The `PATH` of the entries of this host.
pub(super) fn of(
    (host, seen): (&Host, &Host),
    policy: &Policy,
    backend: Backend,
    warnings: &mut Vec<String>,
) -> Result<String, Vec<Problem>> {
    let mut folders = folders(seen, policy, backend)?;
    for (name, folder) in elsewhere(host, policy, &folders) {
        match folder {
            Some(folder) => {
                warnings.push(format!(
                    "`{name}` is found in {}, which is added to the PATH of the entries",
                    folder.display()
                ));
                if !folders.contains(&folder) {
                    folders.push(folder);
                }
            }
            None => warnings.push(format!(
                "`{name}`, which this policy calls, is on no PATH here: name its folder in `install.search_path`"
            )),
        }
    }
    joined(&folders)
}

/// Where this program is, and where the tools of these policies are that the usual folders do not have: with what is known
/// already, as lines that are to be kept in [`TOOLS`]; `None` where there is nothing new.
pub fn tools(host: &Host, policies: &[(&Policy, Backend)]) -> Option<BTreeSet<String>> {
    let before = remembered(host);
    let mut known = before.clone();
    if let Some(program) = super::program(host)
        && let (Some(name), Some(folder)) = (program.file_name(), program.parent())
    {
        known.insert(name.to_string_lossy().into_owned(), folder.to_owned());
    }
    let bare = super::bare(host);
    for (policy, backend) in policies {
        // What is wrong with its folders was told.
        let Ok(folders) = folders(&bare, policy, *backend) else { continue };
        let found = elsewhere(host, policy, &folders).into_iter();
        known.extend(found.filter_map(|(name, folder)| Some((name, folder?))));
    }
    let lines = || known.iter().map(|(name, folder)| format!("{name}\t{}", folder.display())).collect();
    (known != before).then(lines)
}

pub(super) fn remembered(host: &Host) -> BTreeMap<String, PathBuf> {
    let text = fs::read_to_string(host.state.join(TOOLS)).unwrap_or_default();
    let pair = |line: &str| line.split_once('\t').map(|(name, folder)| (name.to_owned(), folder.into()));
    text.lines().filter_map(pair).collect()
}

/// The tools of a policy that none of these folders has, and where they are: where they were, else where this shell finds them.
fn elsewhere(host: &Host, policy: &Policy, folders: &[PathBuf]) -> Vec<(String, Option<PathBuf>)> {
    let remembered = remembered(host);
    let on_path = || env::split_paths(&host.path()).collect::<Vec<_>>();
    let is_there = |name: &String| {
        folders.iter().any(|folder| is_in(folder, name))
            || POSTGRES.contains(&name.as_str()) && has_clients(folders)
    };
    let place = |name: String| {
        let mut places = remembered.get(&name).cloned().into_iter().chain(on_path());
        let folder = places.find(|folder| folder.is_absolute() && is_in(folder, &name));
        (name, folder)
    };
    called(policy).into_iter().filter(|name| !is_there(name)).map(place).collect()
}

/// Whether PostgreSQL's programs are found as an entry finds them.
fn has_clients(folders: &[PathBuf]) -> bool {
    let Ok(path) = env::join_paths(folders) else { return false };
    let cancel = Cancel::default();
    Clients::find(&path, USUAL, &Watch::new(&cancel, None, &|_| ()))
        .is_ok_and(|found| !found.sets().is_empty())
}

fn is_in(folder: &Path, name: &str) -> bool {
    which::which_in_global(name, Some(folder)).is_ok_and(|mut all| all.next().is_some())
}

/// The folders of programs that every host of a scheduler has.
const fn usual(backend: Backend) -> &'static [&'static str] {
    match backend {
        Backend::Systemd | Backend::Cron | Backend::Kubernetes | Backend::TaskScheduler => {
            &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        }
        Backend::Launchd => &["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"],
    }
}

/// The programs that a policy calls by name.
pub fn called(policy: &Policy) -> BTreeSet<String> {
    let words = policy.commands().filter_map(|command| Some(command.argv.first()?.value.as_written()));
    let is_name = |word: &&str| !word.contains(['/', '\\', '$', '{']);
    let mut names: BTreeSet<String> = words.filter(is_name).map(str::to_owned).collect();
    if policy.targets().values().any(|target| matches!(target.engine, EngineSpec::Postgres(_))) {
        names.extend(POSTGRES.map(str::to_owned));
    }
    names
}
