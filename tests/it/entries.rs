//! Entries for launchd, the Task Scheduler and Kubernetes, read back by readers that share nothing with their writers.

mod example;
pub(crate) mod hostile;
mod policies;
mod random;
mod read;
mod refused;

use chrono_tz::Tz;
use policy::{
    policy::values::Duration,
    schedule::{
        CatchUp, Schedule,
        calendar::Expression,
        entry::{Context, Entry, EntryName, Scope},
        render::kubernetes::{KubernetesSpec, Mount},
    },
};

/// The entry of a job `prod/nightly`.
pub(crate) fn entry(cron: &str, zone: Tz) -> Entry {
    Entry {
        name: EntryName::of("prod", "nightly"),
        policy: "prod".to_owned(),
        job: "nightly".to_owned(),
        file: "/srv/prod.yaml".to_owned(),
        argv: words(&["/usr/bin/policy", "--policy", "/srv/prod.yaml", "run", "prod/nightly", "--due"]),
        schedule: Schedule {
            cron: Expression::parse(cron).unwrap(),
            jitter: Duration::from_secs(0),
            catch_up: CatchUp::UntilNext,
        },
        zone,
        limit: None,
    }
}

/// An installation for a user of a host in this zone.
pub(crate) fn context(host_zone: Tz) -> Context {
    let path = ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned());
    Context {
        scope: Scope::User,
        user: None,
        host_zone,
        environment: [path].into(),
        log_folder: Some("/Users/ada/Library/Logs/policy".to_owned()),
        may_tick: false,
    }
}

/// A cluster in which everything is set.
pub(crate) fn cluster() -> KubernetesSpec {
    let mount = Mount { claim: "app-data".to_owned(), read_only: true };
    KubernetesSpec {
        namespace: Some("backups".to_owned()),
        image: "registry.example.org/policy:1".to_owned(),
        service_account: Some("policy".to_owned()),
        env_from: vec!["policy-env".to_owned()],
        state_claim: Some("policy-state".to_owned()),
        mounts: [("/srv/app".to_owned(), mount)].into(),
        policy_text: "name: prod\ntimezone: Europe/Berlin\n".to_owned(),
        policy_file_name: "prod.yaml".to_owned(),
        ..KubernetesSpec::default()
    }
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
