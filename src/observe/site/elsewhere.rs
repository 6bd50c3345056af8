//! Entries for another host: where program, policy and home lie there is said, and not looked for here.

use chrono_tz::Tz;
use std::collections::BTreeMap;

use crate::{
    host::Host,
    plan::Platform,
    policy::{
        Policy,
        problem::{Code, Problem},
    },
    schedule::entry::{Backend, Scope},
};

/// Where things lie on the host that entries are written for; what is `None` lies as on this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// The program.
    pub program: Option<String>,
    /// The policy's file, or the folder of the files of several policies.
    pub policy: Option<String>,
    /// Whether `policy` is the folder of several.
    pub is_folder: bool,
    /// The home of the entries' user.
    pub home: Option<String>,
    /// The zone by whose clock its scheduler counts.
    pub zone: Option<Tz>,
}

/// Program and policy by absolute paths.
pub(super) struct Paths {
    pub(super) program: String,
    pub(super) file: String,
}

impl Elsewhere {
    /// The other host, by whose home paths are resolved.
    pub(super) fn host(&self, here: &Host) -> Host {
        match &self.home {
            Some(home) => here.with_home(home.into()),
            None => here.with_environment(BTreeMap::new()),
        }
    }

    /// The folder that a policy names for logs, where that is one beside its file; by the file's place there.
    pub(super) fn log_folder(policy: &Policy, file: &str) -> Option<String> {
        let written = policy.install().log_dir.as_ref()?.value.0.as_written();
        let is_relative = !written.starts_with(['/', '~', '$']) && !is_absolute(written, true);
        let (folder, _) = file.rsplit_once(['/', '\\'])?;
        let below = written.trim_start_matches("./");
        is_relative.then(|| format!("{folder}/{below}"))
    }

    /// The zone of that host: said, or this one's, or that of the policy where it can only be another host.
    pub(super) fn zone(&self, policy: &Policy, backend: Backend, here: Tz, warnings: &mut Vec<String>) -> Tz {
        if let Some(zone) = self.zone {
            return zone;
        }
        let zone = if is_here(backend) { here } else { policy.timezone() };
        if matches!(backend, Backend::Cron | Backend::Launchd | Backend::TaskScheduler) {
            warnings.push(format!(
                "its entries are for a host whose clock goes by {zone}: `--for-timezone` names another"
            ));
        }
        zone
    }

    /// Where program and policy lie there. What is not said and cannot be as here is put where such a host would have it.
    pub(super) fn paths(
        &self,
        policy: &Policy,
        backend: Backend,
        here: Paths,
        warnings: &mut Vec<String>,
    ) -> Result<Paths, Vec<Problem>> {
        let is_windows = backend == Backend::TaskScheduler;
        let own = here.file.rsplit(['/', '\\']).next().unwrap_or_default();
        let given_policy = self.policy.as_ref().map(|path| match (self.is_folder, is_windows) {
            (false, _) => path.clone(),
            (true, true) => format!("{}\\{own}", path.trim_end_matches(['\\', '/'])),
            (true, false) => format!("{}/{own}", path.trim_end_matches('/')),
        });
        for (option, path) in
            [("--for-program", &self.program), ("--for-policy", &given_policy), ("--for-home", &self.home)]
        {
            if let Some(path) = path.as_ref().filter(|path| !is_absolute(path, is_windows)) {
                let message = format!("`{option} {path}` is no absolute path of a host of {backend}");
                let help = if is_windows {
                    "begin it with a drive, as in `C:\\policy`"
                } else {
                    "begin it with `/`"
                };
                return Err(vec![Problem::error(Code::BadPath, message, help)]);
            }
        }
        if let Some(path) = self.program.as_ref().filter(|path| path.ends_with(['/', '\\'])) {
            let message = format!("`--for-program {path}` is a folder");
            return Err(vec![Problem::error(Code::BadPath, message, "name the program in it")]);
        }
        let is_of_here = is_here(backend);
        let usual = match backend {
            Backend::TaskScheduler => Paths {
                program: r"C:\Program Files\policy\policy.exe".to_owned(),
                file: format!(r"C:\ProgramData\policy\{own}"),
            },
            _ => Paths { program: "/usr/local/bin/policy".to_owned(), file: here.file.clone() },
        };
        let paths = Paths {
            program: self.program.clone().unwrap_or(if is_of_here { here.program } else { usual.program }),
            file: given_policy.unwrap_or(if is_of_here { here.file } else { usual.file }),
        };
        if !is_of_here && backend != Backend::Kubernetes {
            let missing: Vec<&str> = [("--for-program", &self.program), ("--for-policy", &self.policy)]
                .into_iter()
                .filter_map(|(option, given)| given.is_none().then_some(option))
                .collect();
            if !missing.is_empty() {
                warnings.push(format!(
                    "its entries start {} with {}; say with {} where they are on that host",
                    paths.program,
                    paths.file,
                    missing.join(" and ")
                ));
            }
            let needs_home = policy.install().scope() == Scope::User
                && policy.install().log_dir.is_none()
                && matches!(backend, Backend::Cron | Backend::Launchd);
            if needs_home && self.home.is_none() {
                warnings.push(
                    "its log lies in the home of this host's user: `--for-home` says which it is on that host"
                        .to_owned(),
                );
            }
        }
        Ok(paths)
    }
}

/// Whether a scheduler is one of this platform.
fn is_here(backend: Backend) -> bool {
    match backend {
        Backend::Systemd => Platform::current() == Platform::Linux,
        Backend::Cron => Platform::current() != Platform::Windows,
        Backend::Launchd => Platform::current() == Platform::Macos,
        Backend::TaskScheduler => Platform::current() == Platform::Windows,
        Backend::Kubernetes => false,
    }
}

/// Whether a path is absolute on a host of that kind, whatever this one is.
fn is_absolute(path: &str, is_windows: bool) -> bool {
    if !is_windows {
        return path.starts_with('/');
    }
    let mut bytes = path.bytes();
    let is_drive = bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.next() == Some(b':')
        && matches!(bytes.next(), Some(b'\\' | b'/'));
    is_drive || path.starts_with(r"\\")
}
