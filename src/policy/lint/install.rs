//! What of `install` has no effect where the schedules go, or is missing there.

use super::Lint;
use crate::policy::{
    model::BackendChoice,
    problem::{Code, Problem},
};
use crate::schedule::entry::Backend;

/// The key, and why it has no effect.
type Idle = (&'static str, &'static str);

/// Keys that mean nothing to a cluster.
const IN_PODS: [Idle; 3] = [
    ("user", "whom a pod runs as stands in `kubernetes: {patch: …}`, as `runAsUser`"),
    ("log_dir", "what a pod prints is kept by the cluster"),
    ("dispatcher", "a CronJob can say every schedule"),
];

/// Keys that mean nothing where nothing is installed.
const NOWHERE: [Idle; 4] = [
    ("user", "nothing is installed"),
    ("search_path", "nothing is installed"),
    ("log_dir", "nothing is installed"),
    ("dispatcher", "nothing is installed"),
];

pub(super) fn lint(lint: &mut Lint<'_>) {
    let Some(document) = lint.document.install.as_deref() else { return };
    let install = lint.policy.install();
    let in_cluster = install.backend == BackendChoice::One(Backend::Kubernetes);
    let idle: &[Idle] = match install.backend {
        BackendChoice::One(Backend::Kubernetes) => &IN_PODS,
        BackendChoice::None => &NOWHERE,
        BackendChoice::Auto | BackendChoice::One(_) => &[],
    };
    for (key, why) in idle {
        let Some(place) = document.keys.get(key) else { continue };
        let message = format!("`{key}` has no effect with `backend: {}`: {why}", install.backend.as_str());
        let mut problem =
            Problem::new(Code::NotForBackend, message, "remove it").label(place, "has no effect");
        if let Some(backend) = &document.backend {
            problem = problem.label(backend.span, "with this");
        }
        lint.note(problem);
    }
    let kubernetes = document.keys.get("kubernetes");
    if let Some(place) = kubernetes.filter(|_| !in_cluster) {
        let name = install.backend.as_str();
        let message = format!("`kubernetes` has no effect with `backend: {name}`");
        let help = "write `backend: kubernetes`, or remove `kubernetes`";
        let mut problem = Problem::new(Code::NotForBackend, message, help).label(place, "has no effect");
        if let Some(backend) = &document.backend {
            problem = problem.label(backend.span, "with this");
        }
        lint.note(problem);
    }
    let has_no_state = install.kubernetes.as_ref().is_some_and(|kubernetes| kubernetes.state.is_none());
    if let Some(place) = kubernetes.filter(|_| in_cluster && has_no_state) {
        let message = "without `state` every pod forgets what the one before it did";
        let help = "add `state: {claim: policy-state}`, a volume for what a host keeps: which slots were run, which store was \
                    last used, the history";
        lint.note(Problem::new(Code::NoState, message, help).label(place, "has no `state`"));
    }
}
