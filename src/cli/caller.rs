//! The policy's commands for what reads backups outside of a run: a verification, a restore.

use super::session::Session;
use crate::{
    engines::Caller,
    exec::{self, Invocation},
    observe,
    policy::{Policy, model::Command, values::placeholder::Placeholder, variables::Variables},
    store::BackupId,
};
use std::{borrow::Cow, path::Path};

/// Fills in commands for one backup in one store.
pub(crate) struct BackupCaller<'a> {
    /// The policy at hand with its variables, or why they are not known.
    policy: Result<(&'a Policy, Variables), String>,
    id: &'a BackupId,
    store: &'a str,
}

impl<'a> BackupCaller<'a> {
    /// Takes the variables of the policy at hand, if there is one.
    pub(crate) fn new(
        session: &Session,
        policy: Option<&'a Policy>,
        id: &'a BackupId,
        store: &'a str,
    ) -> Self {
        let policy = match policy {
            None => Err(format!(
                "no policy at hand is `{}`, and its commands need its variables",
                id.series.policy
            )),
            Some(policy) => observe::variables(&session.host, policy)
                .map(|variables| (policy, variables))
                .map_err(|problems| {
                    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")
                }),
        };
        Self { policy, id, store }
    }
}

impl Caller for BackupCaller<'_> {
    fn prepare(&self, command: &Command, copy: Option<&Path>) -> Result<Invocation, String> {
        let (policy, variables) = self.policy.as_ref().map_err(Clone::clone)?;
        let series = &self.id.series;
        let run = format!("{}/{}", series.policy, self.id.stamp);
        let value = |placeholder| -> Option<Cow<'_, str>> {
            match placeholder {
                Placeholder::Policy => Some(series.policy.as_str().into()),
                Placeholder::Job => Some(series.job.as_str().into()),
                Placeholder::Target => Some(series.target.as_str().into()),
                Placeholder::Store => Some(self.store.into()),
                Placeholder::Run => Some(run.as_str().into()),
                Placeholder::Copy => copy.map(Path::to_string_lossy),
                Placeholder::Error | Placeholder::Summary => None,
            }
        };
        exec::prepare(policy, variables, command, value)
            .map_err(|unset| format!("{} is not set", unset.join(", ")))
    }

    fn heard(&self, line: String) {
        super::output::tell(&line);
    }
}
