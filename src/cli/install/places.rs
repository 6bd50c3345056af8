//! The schedulers of this host, in which entries may lie.
#![expect(clippy::disallowed_methods, reason = "remembers clusters and tools in the state folder")]

use super::Wanted;
use crate::{
    cli::session::Session,
    fault::Fault,
    host::Host,
    install::{
        Scheduler, Tools,
        cron_folder::CronFolder,
        crontab::Crontab,
        kubernetes::Kubernetes,
        launchd::Launchd,
        systemd::{Folders, Systemd},
        task_scheduler::TaskScheduler,
    },
    observe::site::{TOOLS, tools},
    plan::{Platform, entries::backend},
    platform::{
        self,
        whole::{self, Readers},
    },
    policy::{Policy, model::BackendChoice},
    schedule::entry::{Backend, Scope},
    scratch::create_private_folder,
};
use std::{collections::BTreeSet, fs};

/// A scheduler and whose entries in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    backend: Backend,
    scope: Scope,
    namespace: Option<String>,
}

impl Place {
    /// Whether a policy wants its entries here.
    pub(crate) fn is_of(&self, wanted: &Wanted) -> bool {
        *self == Self::of(wanted)
    }

    fn of(wanted: &Wanted) -> Self {
        let scope = match wanted.backend {
            // Their entries are those of the host, or of the cluster, whoever asks.
            Backend::TaskScheduler | Backend::Kubernetes => Scope::User,
            _ => wanted.scope,
        };
        Self { backend: wanted.backend, scope, namespace: wanted.namespace.clone() }
    }
}

/// The places of a call.
pub(crate) struct Places<'s> {
    session: &'s Session,
    places: Vec<Place>,
}

impl<'s> Places<'s> {
    /// Those of this host, and those that policies want beside them.
    pub(crate) fn of(session: &'s Session, wanted: &[Wanted]) -> Self {
        let at = |backend, scope| Place { backend, scope, namespace: None };
        let mut places = match Platform::current() {
            Platform::Linux => vec![
                at(Backend::Systemd, Scope::User),
                at(Backend::Systemd, Scope::System),
                at(Backend::Cron, Scope::User),
                at(Backend::Cron, Scope::System),
            ],
            Platform::Macos => vec![
                at(Backend::Launchd, Scope::User),
                at(Backend::Launchd, Scope::System),
                at(Backend::Cron, Scope::User),
            ],
            Platform::Windows => vec![at(Backend::TaskScheduler, Scope::User)],
        };
        let clusters = remembered(&session.host).into_iter();
        let clusters = clusters.map(|namespace| Place { namespace, ..at(Backend::Kubernetes, Scope::User) });
        for place in clusters.chain(wanted.iter().map(Place::of)) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Self { session, places }
    }

    /// Each with its scheduler.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Place, Box<dyn Scheduler>)> + '_ {
        self.places.iter().map(|place| (place.clone(), scheduler(&self.session.host, place)))
    }
}

/// Below the state folder: the namespaces of clusters in which there have been entries, one a line; an empty line is the
/// one that `kubectl` is set to. What was installed there is found again when no policy names it any more.
const CLUSTERS: &str = "clusters";

fn remembered(host: &Host) -> BTreeSet<Option<String>> {
    let text = fs::read_to_string(host.state.join(CLUSTERS)).unwrap_or_default();
    text.lines().map(|line| Some(line.to_owned()).filter(|name| !name.is_empty())).collect()
}

/// Remembers the clusters in which entries are about to be made, and where their tools are.
pub(super) fn remember(session: &Session, policies: &[Policy], wanted: &[Wanted]) -> Result<(), Fault> {
    let of = |one: &Wanted| policies.iter().find(|policy| policy.name().as_str() == one.meant.name);
    // A pod's tools are those of its image.
    let here = wanted.iter().filter(|one| one.backend != Backend::Kubernetes);
    let here: Vec<_> = here.filter_map(|one| Some((of(one)?, one.backend))).collect();
    if let Some(lines) = tools(&session.host, &here) {
        keep(&session.host, TOOLS, &lines)?;
    }
    let mut known = remembered(&session.host);
    let before = known.len();
    let in_clusters = wanted.iter().filter(|one| one.backend == Backend::Kubernetes);
    known.extend(in_clusters.map(|one| one.namespace.clone()));
    if known.len() == before {
        return Ok(());
    }
    let lines = known.into_iter().map(Option::unwrap_or_default).collect();
    keep(&session.host, CLUSTERS, &lines)
}

/// Keeps lines in a file of the state folder.
fn keep(host: &Host, name: &str, lines: &BTreeSet<String>) -> Result<(), Fault> {
    let text = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
    create_private_folder(&host.state)?;
    whole::replace(&host.state.join(name), text.as_bytes(), Readers::Owner)
}

fn scheduler(host: &Host, place: &Place) -> Box<dyn Scheduler> {
    let tools = || Tools::new(host.path());
    let home = host.home.clone().unwrap_or_default();
    match (place.backend, place.scope) {
        (Backend::Systemd, scope @ Scope::User) => Box::new(
            Systemd::new(scope, Folders::user(&home, &host.environment), tools()).within(&host.environment),
        ),
        (Backend::Systemd, scope @ Scope::System) => {
            Box::new(Systemd::new(scope, Folders::system(), tools()))
        }
        (Backend::Cron, Scope::User) => Box::new(Crontab::new(host.state.join("crontab"), tools())),
        (Backend::Cron, Scope::System) => Box::new(CronFolder::of_host()),
        (Backend::Launchd, Scope::User) => {
            let domain = format!("gui/{}", platform::process::user_id());
            Box::new(Launchd::new(home.join("Library/LaunchAgents"), domain, tools()))
        }
        (Backend::Launchd, Scope::System) => {
            Box::new(Launchd::new("/Library/LaunchDaemons", "system", tools()))
        }
        (Backend::TaskScheduler, _) => Box::new(TaskScheduler::new(host.state.clone(), tools())),
        (Backend::Kubernetes, _) => Box::new(Kubernetes::new(place.namespace.clone(), tools())),
    }
}

/// The scheduler of a policy on this host: `auto` on Linux is systemd where it runs (`sd_booted(3)`), else cron.
pub(crate) fn chosen(policy: &Policy) -> Option<Backend> {
    let platform = Platform::current();
    match (policy.install().backend, platform) {
        (BackendChoice::Auto, Platform::Linux) if !platform::process::is_run_by_systemd() => {
            Some(Backend::Cron)
        }
        (choice, platform) => backend(choice, platform),
    }
}
