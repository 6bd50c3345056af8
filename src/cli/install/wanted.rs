//! What policies want of the schedulers of this host.
#![expect(clippy::disallowed_methods, reason = "looks whether two policies are one file")]

use super::chosen;
use crate::{
    cli::{error::CliError, output, session::Session},
    install::Installed,
    observe::site::{Found, Purpose, site},
    plan::{
        Platform,
        entries::{backend as backend_of, entries, jobs_by_entry},
    },
    policy::Policy,
    schedule::{
        entry::{Backend, EntryName, Scope},
        render::{Refusal, Rendered},
    },
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// A policy whose entries are meant: its name, and its file, by which it is told from another one of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meant {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
}

impl Meant {
    /// A policy as it is loaded.
    pub(crate) fn of(session: &Session, policy: &Policy) -> Self {
        Self { name: policy.name().to_string(), file: session.host.absolute(&policy.source().name) }
    }

    /// Whether an entry is of this policy: of its name, or of its file under a name that it had before.
    pub(crate) fn has(&self, backend: Backend, installed: &Installed) -> bool {
        installed.is_of(&self.name) || installed.policy_file(backend).is_some_and(|file| self.is_same(&file))
    }

    /// Whether a path leads to this policy; one that is called by a link is the same.
    fn is_same(&self, file: &Path) -> bool {
        file.canonicalize().is_ok_and(|one| self.file.canonicalize().is_ok_and(|other| one == other))
    }

    /// The file of another policy of that name by which an entry runs, where that file still stands: the entry is not ours to
    /// change. One whose file is gone is that of a policy that was moved.
    pub(crate) fn rival(&self, backend: Backend, installed: &Installed) -> Option<PathBuf> {
        let file = installed.policy_file(backend)?;
        // One that cannot be looked at, as on a disk that is not mounted, is nobody's to take over.
        let is_gone =
            matches!(fs::symlink_metadata(&file), Err(error) if error.kind() == io::ErrorKind::NotFound);
        if is_gone {
            return None;
        }
        (!self.is_same(&file)).then_some(file)
    }
}

/// What a policy wants of one scheduler.
pub(crate) struct Wanted {
    pub(crate) meant: Meant,
    pub(crate) backend: Backend,
    pub(crate) scope: Scope,
    pub(crate) namespace: Option<String>,
    pub(crate) log_folder: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) entries: BTreeMap<EntryName, Rendered>,
}

/// What every policy wants here; everything that is in the way is told, and then nothing is.
pub(crate) fn wanted(
    session: &Session,
    policies: &[Policy],
    choice: &dyn Fn(&Policy) -> Option<Backend>,
    purpose: Purpose<'_>,
) -> Result<Vec<Wanted>, CliError> {
    let mut all = Vec::new();
    let mut is_refused = false;
    for policy in policies {
        let Some(backend) = choice(policy) else {
            if !session.global.quiet && purpose != Purpose::Compare {
                output::tell(&format!("{}: nothing is installed: `policy daemon` runs it", policy.name()));
            }
            continue;
        };
        let Found { site, warnings } = match site(&session.host, policy, backend, purpose) {
            Ok(found) => found,
            Err(problems) => {
                session.tell_problems(&problems, Some(policy.source()));
                is_refused = true;
                continue;
            }
        };
        let is_told = purpose != Purpose::Compare;
        for warning in warnings.iter().filter(|_| is_told) {
            output::warn(&format!("{}: {warning}", policy.name()));
        }
        let mut rendered = BTreeMap::new();
        for (name, entry) in entries(policy, backend, &site) {
            match entry {
                Ok(entry) => {
                    let shown = jobs_by_entry(policy).remove(&name).unwrap_or_default();
                    for warning in entry.warnings.iter().filter(|_| is_told) {
                        output::warn(&format!("{}/{shown}: {warning}", policy.name()));
                    }
                    rendered.insert(name, entry);
                }
                Err(refusal) => {
                    is_refused = true;
                    tell_refusal(&refusal);
                }
            }
        }
        let kubernetes = policy.install().kubernetes.as_ref();
        all.push(Wanted {
            meant: Meant::of(session, policy),
            backend,
            scope: site.context.scope,
            namespace: kubernetes.and_then(|of| of.namespace.as_ref()).map(|name| name.value.clone()),
            log_folder: site.context.log_folder.clone(),
            user: site.context.user.clone(),
            entries: rendered,
        });
    }
    if is_refused {
        let what = match purpose {
            Purpose::Compare => "not every entry that the policy wants can be told",
            Purpose::Install | Purpose::Emit(_) => "nothing was installed: not every entry can be",
        };
        return Err(CliError::told(2, what));
    }
    Ok(all)
}

/// The scheduler of a policy: the one that was named, else its own here.
pub(crate) fn here(named: Option<Backend>) -> impl Fn(&Policy) -> Option<Backend> {
    move |policy| named.or_else(|| chosen(policy))
}

/// The same on a host of this platform, of which nothing more is known.
pub(super) fn anywhere(named: Option<Backend>) -> impl Fn(&Policy) -> Option<Backend> {
    move |policy| named.or_else(|| backend_of(policy.install().backend, Platform::current()))
}

fn tell_refusal(refusal: &Refusal) {
    output::print_error(&CliError::invalid(refusal.to_string()).help(refusal.help.clone()), false);
}
