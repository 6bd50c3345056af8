//! What the entries of a policy are started with on this host: program, policy, `PATH`, log; and what they will see.
//!
//! An entry does not see the shell that installs it. So everything is resolved as the entry's user will resolve it, from its
//! own environment, and a variable that only the shell has is refused.
#![expect(clippy::disallowed_methods, reason = "looks for this program")]

mod elsewhere;
mod search_path;

pub use elsewhere::Elsewhere;
pub use search_path::{TOOLS, called, tools};

use super::{World, resolve, variables};
use crate::{
    host::Host,
    plan::{
        self, Platform, Selection,
        entries::{Site, may_tick},
    },
    platform::process,
    policy::{
        Policy, Severity,
        problem::{Code, Problem},
        variables::Variables,
    },
    schedule::entry::{Backend, Context, Scope},
};
use chrono_tz::Tz;
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::{Path, PathBuf},
};

/// Where the state of the host's own entries lies: `/var/lib/policy`, or of those that run as another user than root a folder
/// of that user's own, `/var/lib/policy-USER`. Each is private to its user.
pub fn state_of_the_host(user: Option<&str>) -> String {
    of_user("/var/lib/policy", user)
}

fn of_user(folder: &str, user: Option<&str>) -> String {
    match user {
        None | Some("root") => folder.to_owned(),
        Some(user) => format!("{folder}-{user}"),
    }
}

/// Variables of this program that an entry is given as the shell has them.
const OWN: [&str; 2] = ["POLICY_STATE_DIR", "POLICY_MACHINE_ID"];

/// The place that entries are installed from, and what a person should know.
#[derive(Debug)]
pub struct Found {
    /// The place.
    pub site: Site,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// What entries are looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// They are installed here, and must be able to run.
    Install,
    /// They are written for another host, which is not measured by this one.
    Emit(&'a Elsewhere),
    /// They are compared with what is installed here.
    Compare,
}

/// Looks at this host as the entries of a policy will.
///
/// # Errors
/// Everything that keeps the entries from running, each at its place.
pub fn site(
    host: &Host,
    policy: &Policy,
    backend: Backend,
    purpose: Purpose<'_>,
) -> Result<Found, Vec<Problem>> {
    let mut warnings = Vec::new();
    let file = host.absolute(&policy.source().name);
    let host_zone = zone().unwrap_or_else(|| {
        warnings.push("this host does not say its time zone: its clock is taken for UTC".to_owned());
        Tz::UTC
    });
    let host_zone = match purpose {
        Purpose::Emit(elsewhere) => elsewhere.zone(policy, backend, host_zone, &mut warnings),
        Purpose::Install | Purpose::Compare => host_zone,
    };
    let install = policy.install();
    let program = program(host).unwrap_or_else(|| PathBuf::from("/usr/local/bin/policy"));
    for (what, path) in [("this program", &program), ("the policy", &file)] {
        if purpose == Purpose::Install && path.starts_with(env::temp_dir()) {
            warnings.push(format!("{what} lies in {}, which is cleared at times", env::temp_dir().display()));
        }
    }
    // The name of a policy is kept as text, in which what is none was replaced.
    if file.to_string_lossy().contains(char::REPLACEMENT_CHARACTER) && !file.exists() {
        return Err(no_utf8(&file));
    }
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| no_utf8(path));
    let here = elsewhere::Paths { program: text(&program)?, file: text(&file)? };
    let (paths, environment, log_folder) = match purpose {
        Purpose::Emit(elsewhere) => {
            let there = elsewhere.host(host);
            let paths = elsewhere.paths(policy, backend, here, &mut warnings)?;
            let log_folder = match Elsewhere::log_folder(policy, &paths.file) {
                Some(folder) => Some(folder),
                None => log_folder(&there, policy, backend)?,
            };
            (paths, environment_elsewhere(&there, policy, backend, elsewhere)?, log_folder)
        }
        Purpose::Install | Purpose::Compare => {
            let bare = bare(host);
            let environment =
                of_the_shell(host, &bare, |seen| environment((host, seen), policy, backend, &mut warnings))?;
            (here, environment, of_the_shell(host, &bare, |seen| log_folder(seen, policy, backend))?)
        }
    };
    let site = Site {
        program: paths.program,
        file: paths.file,
        context: Context {
            scope: install.scope(),
            user: user_of(policy).map(str::to_owned),
            host_zone,
            environment,
            log_folder,
            may_tick: may_tick(install),
        },
    };
    if purpose == Purpose::Install && backend != Backend::Kubernetes {
        let problems = unseen(host, policy, &site);
        if !problems.is_empty() {
            return Err(problems);
        }
    }
    Ok(Found { site, warnings })
}

fn no_utf8(path: &Path) -> Vec<Problem> {
    let message = format!("{} is no UTF-8, and an entry would name another path", path.display());
    vec![Problem::error(Code::BadPath, message, "rename the folder or the file")]
}

/// The host without the variables of this shell, but for those of this program, which entries are given.
fn bare(host: &Host) -> Host {
    let own = OWN.into_iter().filter_map(|name| Some((name.to_owned(), host.environment.get(name)?.clone())));
    host.with_environment(own.collect())
}

/// Resolves something as an entry will; where only this shell's variables can, that is said.
fn of_the_shell<T>(
    host: &Host,
    bare: &Host,
    mut resolve: impl FnMut(&Host) -> Result<T, Vec<Problem>>,
) -> Result<T, Vec<Problem>> {
    resolve(bare).map_err(|problems| {
        let is_here = resolve(host).is_ok();
        problems.into_iter().map(|problem| if is_here { of_this_shell(problem) } else { problem }).collect()
    })
}

/// Adds to a problem that only an entry has it.
fn of_this_shell(mut problem: Problem) -> Problem {
    problem.message = format!("{}; it is in this shell alone, which an entry does not see", problem.message);
    "write it into a file that `env_files` names".clone_into(&mut problem.help);
    problem
}

/// The host as an entry sees it: no variable of this shell but those it is started with.
pub fn as_an_entry(host: &Host, site: &Site) -> Host {
    let mut environment = site.context.environment.clone();
    let home = host.home.as_ref().map(|home| ("HOME".to_owned(), home.to_string_lossy().into_owned()));
    environment.extend(home);
    host.with_environment(environment)
}

/// What keeps a run from starting in an entry. Of a variable that this shell alone has, that is said.
fn unseen(host: &Host, policy: &Policy, site: &Site) -> Vec<Problem> {
    let problems = |host: &Host| {
        let plan = plan::build(policy, &Selection::default(), Platform::current(), None);
        match World::observe(host, policy) {
            Ok(world) => world.problems(&plan),
            Err(problems) => problems,
        }
    };
    let errors = |problems: Vec<Problem>| -> Vec<Problem> {
        problems.into_iter().filter(|problem| problem.severity == Severity::Error).collect()
    };
    let found = errors(problems(&as_an_entry(host, site)));
    if found.is_empty() {
        return found;
    }
    let here: BTreeSet<String> = errors(problems(host)).into_iter().map(|problem| problem.message).collect();
    let told = |problem: Problem| {
        if here.contains(&problem.message) { problem } else { of_this_shell(problem) }
    };
    found.into_iter().map(told).collect()
}

/// What an entry of another host is started with: nothing of this shell, and no tool is looked for.
fn environment_elsewhere(
    there: &Host,
    policy: &Policy,
    backend: Backend,
    elsewhere: &Elsewhere,
) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    let mut environment = BTreeMap::new();
    if backend == Backend::TaskScheduler {
        return Ok(environment);
    }
    let folders = search_path::folders(there, policy, backend)?;
    environment.insert("PATH".to_owned(), search_path::joined(&folders)?);
    match (policy.install().scope(), &elsewhere.home) {
        (Scope::User, Some(home)) => {
            environment.insert("HOME".to_owned(), home.clone());
        }
        (Scope::User, None) => {}
        (Scope::System, _) => {
            environment.insert("POLICY_STATE_DIR".to_owned(), state_of_the_host(user_of(policy)));
        }
    }
    Ok(environment)
}

/// What an entry is started with. `seen` is the host as it sees it.
fn environment(
    (host, seen): (&Host, &Host),
    policy: &Policy,
    backend: Backend,
    warnings: &mut Vec<String>,
) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    let mut environment = BTreeMap::new();
    match backend {
        // A task of Windows has the variables of its user, and can be given none; a pod has those of its image.
        Backend::TaskScheduler | Backend::Kubernetes => return Ok(environment),
        Backend::Systemd | Backend::Cron | Backend::Launchd => {}
    }
    environment.insert("PATH".to_owned(), search_path::of((host, seen), policy, backend, warnings)?);
    // A scheduler gives an entry the home that the system knows: where the shell has another, `~` would be another place. In
    // a crontab somebody else's `HOME=` may stand above our lines.
    let system = process::home_of_user();
    if policy.install().scope() == Scope::User
        && let Some(home) =
            host.home.as_ref().filter(|home| backend == Backend::Cron || system.as_ref() != Some(home))
    {
        let home = home.to_str().ok_or_else(|| no_utf8(home))?;
        environment.insert("HOME".to_owned(), home.to_owned());
    }
    for name in OWN {
        if let Some(value) = host.environment.get(name).filter(|value| !value.is_empty()) {
            let is_folder = name == "POLICY_STATE_DIR";
            let value = if is_folder { host.state.to_string_lossy().into_owned() } else { value.clone() };
            environment.insert(name.to_owned(), value);
        }
    }
    // Of a state folder that follows from a variable of this shell the entry would know nothing.
    if policy.install().scope() == Scope::User && host.environment.contains_key("XDG_STATE_HOME") {
        environment.insert("POLICY_STATE_DIR".to_owned(), host.state.to_string_lossy().into_owned());
    }
    if policy.install().scope() == Scope::System {
        let state = || state_of_the_host(user_of(policy));
        environment.entry("POLICY_STATE_DIR".to_owned()).or_insert_with(state);
    }
    Ok(environment)
}

/// The user that the host's entries of a policy run as; `None`: root.
pub fn user_of(policy: &Policy) -> Option<&str> {
    policy.install().user.as_ref().map(|user| user.value.as_str())
}

/// The folder for what entries print; `None`: their scheduler has a journal.
///
/// # Errors
/// When the folder that the policy names cannot be resolved here.
pub fn log_folder(host: &Host, policy: &Policy, backend: Backend) -> Result<Option<String>, Vec<Problem>> {
    let text = |path: PathBuf| Some(path.to_string_lossy().into_owned());
    if let Some(written) = &policy.install().log_dir {
        let known: Variables = variables(host, policy)?;
        return Ok(text(resolve(host, policy, &known, written)?.path));
    }
    let system = policy.install().scope() == Scope::System;
    Ok(match (backend, &host.home) {
        // Their journal, or that of the cluster, keeps what is printed.
        (Backend::Systemd | Backend::Kubernetes | Backend::TaskScheduler, _) => None,
        (Backend::Cron, _) if system => Some(of_user("/var/log/policy", user_of(policy))),
        (Backend::Cron, _) => text(host.state.join("logs")),
        (Backend::Launchd, Some(home)) if !system => text(home.join("Library/Logs/policy")),
        (Backend::Launchd, _) => Some(of_user("/Library/Logs/policy", user_of(policy))),
    })
}

/// The zone by whose clock this host's schedulers count.
fn zone() -> Option<Tz> {
    iana_time_zone::get_timezone().ok()?.parse().ok()
}

/// Where this program lies: by the name on the PATH that leads to it, where there is one, first by that which entries were
/// installed with. A package manager moves the file behind that name with each version.
fn program(host: &Host) -> Option<PathBuf> {
    let own = env::current_exe().ok()?;
    let canonical = own.canonicalize().ok()?;
    let name = own.file_name()?;
    let search = host.path();
    let known = search_path::remembered(host).remove(&*name.to_string_lossy());
    let folders = known.into_iter().chain(env::split_paths(&search));
    let named = folders.filter(|folder| folder.is_absolute()).map(|folder| folder.join(name));
    let mut same = named.filter(|path| path.canonicalize().is_ok_and(|found| found == canonical));
    Some(same.next().unwrap_or(canonical))
}
