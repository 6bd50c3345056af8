//! The entries that a policy wants of a scheduler: its jobs that have a schedule, in the scheduler's own text. Pure.

use super::Platform;
use crate::{
    policy::{
        Policy,
        model::{BackendChoice, Dispatcher, Install, Job},
        values::Duration,
    },
    schedule::{
        CatchUp, Schedule,
        calendar::Expression,
        entry::{Backend, Context, Entry, EntryName},
        render::{self, Refusal, Rendered},
    },
};
use std::{collections::BTreeMap, path::Path};

/// How long a run may take beyond the tries of its captures: its locks, its `after`s, reading back what is stored.
const BEYOND: u64 = 6 * 3_600;

/// Where the program and a policy lie, as entries name them, and what holds for all of them.
#[derive(Debug, Clone)]
pub struct Site {
    /// The program.
    pub program: String,
    /// The policy's file.
    pub file: String,
    /// What holds for all entries.
    pub context: Context,
}

impl Site {
    /// A place that stands for every host: files and tiers are the same on all whose clock goes by the policy's zone.
    fn anywhere(policy: &Policy) -> Self {
        let install = policy.install();
        Self {
            program: "/usr/bin/policy".to_owned(),
            file: "/etc/policy/policy.yaml".to_owned(),
            context: Context {
                scope: install.scope(),
                user: install.user.as_ref().map(|user| user.value.clone()),
                host_zone: policy.timezone(),
                environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
                log_folder: Some("/var/log/policy".to_owned()),
                may_tick: may_tick(install),
            },
        }
    }
}

/// Whether a schedule that a scheduler cannot say may become a tick.
pub fn may_tick(install: &Install) -> bool {
    install.dispatcher == Dispatcher::Minute
}

/// The scheduler of a policy on a platform; `None` where it wants none. Of Linux this is systemd, unless the policy names
/// another: whether it runs there only the host knows.
pub fn backend(choice: BackendChoice, platform: Platform) -> Option<Backend> {
    match (choice, platform) {
        (BackendChoice::None, _) => None,
        (BackendChoice::One(backend), _) => Some(backend),
        (BackendChoice::Auto, Platform::Linux) => Some(Backend::Systemd),
        (BackendChoice::Auto, Platform::Macos) => Some(Backend::Launchd),
        (BackendChoice::Auto, Platform::Windows) => Some(Backend::TaskScheduler),
    }
}

/// What a scheduler is to be told for each job that has a schedule, by the entry's name.
pub fn entries(
    policy: &Policy,
    backend: Backend,
    site: &Site,
) -> BTreeMap<EntryName, Result<Rendered, Refusal>> {
    let scheduled = policy.jobs().values().filter_map(|job| Some((job, &job.schedule.as_ref()?.value)));
    scheduled
        .map(|(job, schedule)| {
            let entry = entry(policy, job, schedule, site);
            let rendered = render(policy, &entry, backend, site);
            (entry.name, rendered)
        })
        .collect()
}

/// An entry that writes a report of what it finds, in the next minute and every minute from then on.
///
/// # Errors
/// When the scheduler cannot say it.
pub fn probe_entry(
    policy: &Policy,
    backend: Backend,
    site: &Site,
    report: &Path,
) -> Result<(EntryName, Rendered), Refusal> {
    let name = EntryName::of_probe(policy.name().as_str());
    let report = report.to_string_lossy();
    let words = [&*site.program, "--policy", &site.file, "probe", &report];
    let cron = Expression::parse("* * * * *").unwrap_or_else(|_| unreachable!("every field is a star"));
    let jitter = Duration::from_secs(0);
    let entry = Entry {
        name,
        policy: policy.name().to_string(),
        job: "probe".to_owned(),
        file: site.file.clone(),
        argv: words.map(str::to_owned).to_vec(),
        schedule: Schedule { cron, jitter, catch_up: CatchUp::Never },
        zone: site.context.host_zone,
        limit: Some(Duration::from_secs(60)),
    };
    // Every minute is what is asked for here.
    let site = Site { context: Context { may_tick: true, ..site.context.clone() }, ..site.clone() };
    let rendered = render(policy, &entry, backend, &site)?;
    Ok((entry.name, rendered))
}

/// The name of each job's entry.
pub fn jobs_by_entry(policy: &Policy) -> BTreeMap<EntryName, String> {
    let name =
        |job: &Job| (EntryName::of(policy.name().as_str(), job.name.value.as_str()), job.name.to_string());
    policy.jobs().values().map(name).collect()
}

fn entry(policy: &Policy, job: &Job, schedule: &Schedule, site: &Site) -> Entry {
    let shown = format!("{}/{}", policy.name(), job.name.value);
    let words = [&*site.program, "--policy", &site.file, "run", &shown, "--due"];
    Entry {
        name: EntryName::of(policy.name().as_str(), job.name.value.as_str()),
        policy: policy.name().to_string(),
        job: job.name.to_string(),
        file: site.file.clone(),
        argv: words.map(str::to_owned).to_vec(),
        schedule: schedule.clone(),
        zone: policy.timezone(),
        limit: limit(job),
    }
}

/// The longest time of a run: that a scheduler ends what hangs, and never what works. A job without a timeout has none.
fn limit(job: &Job) -> Option<Duration> {
    let (attempts, pause) = (u64::from(job.retry.attempts), job.retry.delay.as_secs());
    let pairs = (job.targets.len() * job.stores.len().max(1)) as u64;
    let tries =
        attempts.saturating_mul(job.timeout?.as_secs()).saturating_add(attempts.saturating_mul(pause));
    let all = tries.saturating_mul(pairs).saturating_add(BEYOND);
    Some(Duration::from_secs(all.min(Duration::MAX_SECONDS)))
}

fn render(policy: &Policy, entry: &Entry, backend: Backend, site: &Site) -> Result<Rendered, Refusal> {
    match backend {
        Backend::Systemd => render::systemd::render(entry, &site.context),
        Backend::Cron => render::cron::render(entry, &site.context),
        Backend::Launchd => render::launchd::render(entry, &site.context),
        Backend::TaskScheduler => render::task_scheduler::render(entry, &site.context),
        Backend::Kubernetes => {
            let mut rendered = render::kubernetes::render(entry, &site.context, &cluster(policy, entry)?)?;
            rendered.warnings.extend(unmounted(policy, &entry.job));
            Ok(rendered)
        }
    }
}

/// The stores and sources of a job that lie on none of the volumes of its pods: a store would go with the pod, and a source is
/// not there. Of a path with a variable only the cluster knows.
fn unmounted(policy: &Policy, job: &str) -> Vec<String> {
    let Some(kubernetes) = &policy.install().kubernetes else { return Vec::new() };
    let is_outside = |path: &str| {
        path.starts_with('/') && !kubernetes.mounts.keys().any(|mount| Path::new(path).starts_with(mount))
    };
    let Some(job) = policy.jobs().values().find(|one| one.name.value.as_str() == job) else {
        return Vec::new();
    };
    let stores = job.stores.iter().filter_map(|store| policy.stores().get(store.store.as_str()));
    let stores = stores.map(|store| ("store", store.name.value.as_str(), store.path.value.0.as_written()));
    let targets = job.targets.iter().filter_map(|target| policy.targets().get(target.as_str()));
    let targets = targets.filter_map(|target| {
        Some(("target", target.name.value.as_str(), target.engine.path()?.value.0.as_written()))
    });
    let outside = stores.chain(targets).filter(|(.., path)| is_outside(path));
    outside
        .map(|(what, name, path)| {
            format!("{what} `{name}` at {path} lies on no volume of the pods: name one in `install.kubernetes.mounts`")
        })
        .collect()
}

/// What a policy says of its cluster, in the renderer's words.
fn cluster(policy: &Policy, entry: &Entry) -> Result<render::kubernetes::KubernetesSpec, Refusal> {
    let Some(kubernetes) = &policy.install().kubernetes else {
        return Err(Refusal {
            job: entry.shown(),
            backend: Backend::Kubernetes,
            field: "install.kubernetes",
            reason: "nothing says which image holds `policy`".to_owned(),
            help: "write `install: {kubernetes: {image: registry.example.org/policy:1}}`".to_owned(),
        });
    };
    let mount = |mount: &crate::policy::model::Mount| render::kubernetes::Mount {
        claim: mount.claim.value.clone(),
        read_only: mount.read_only,
    };
    let patch = serde_yaml::to_value(&kubernetes.patch).ok().and_then(|patch| patch.as_mapping().cloned());
    Ok(render::kubernetes::KubernetesSpec {
        namespace: kubernetes.namespace.as_ref().map(|name| name.value.clone()),
        image: kubernetes.image.value.clone(),
        service_account: kubernetes.service_account.as_ref().map(|name| name.value.clone()),
        env_from: kubernetes.env_from.iter().map(|name| name.value.clone()).collect(),
        state_claim: kubernetes.state.as_ref().map(|claim| claim.value.clone()),
        mounts: kubernetes.mounts.iter().map(|(path, at)| (path.clone(), mount(at))).collect(),
        patch: patch.unwrap_or_default(),
        policy_text: policy.source().text.to_string(),
        policy_file_name: format!("{}.yaml", policy.name()),
    })
}

/// The entries of a plan: the same on every host whose clock goes by the policy's zone. What a scheduler cannot say is left
/// out here, and refused by `check` and `install`.
pub(super) fn planned(policy: &Policy, jobs: &[String], platform: Platform) -> Vec<super::Entry> {
    let Some(backend) = backend(policy.install().backend, platform) else { return Vec::new() };
    let names = jobs_by_entry(policy);
    let planned = |(name, rendered): (EntryName, Result<Rendered, Refusal>)| {
        let (job, rendered) = (names.get(&name)?.clone(), rendered.ok()?);
        let file = rendered.files.first()?.name.clone();
        jobs.contains(&job).then(|| super::Entry {
            job,
            backend: backend.to_string(),
            tier: rendered.tier.as_str().to_owned(),
            file,
        })
    };
    entries(policy, backend, &Site::anywhere(policy)).into_iter().filter_map(planned).collect()
}

/// What the scheduler of a platform cannot say of a policy, wherever it is installed.
pub fn refusals(policy: &Policy, platform: Platform) -> Vec<Refusal> {
    let Some(backend) = backend(policy.install().backend, platform) else { return Vec::new() };
    entries(policy, backend, &Site::anywhere(policy)).into_values().filter_map(Result::err).collect()
}
