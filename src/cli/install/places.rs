//! The schedulers of this host, in which entries may lie.

use super::Wanted;
use crate::{
    cli::session::Session,
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
    plan::{Platform, entries::backend},
    platform,
    policy::{Policy, model::BackendChoice},
    schedule::entry::{Backend, Scope},
};

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
        for place in wanted.iter().map(Place::of) {
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
