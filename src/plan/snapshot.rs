//! Snapshots: stored plans, and what has changed since they were stored. Pure; the command line reads and writes.

use super::{Plan, render};
use similar::TextDiff;
use std::collections::BTreeMap;

/// The name of a plan's snapshot.
pub fn file_name(plan: &Plan) -> String {
    format!("{}.{}.plan", plan.policy, plan.platform.as_str())
}

/// The snapshots of plans, by file name.
pub fn files<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> BTreeMap<String, String> {
    plans.into_iter().map(|plan| (file_name(plan), render::text(plan))).collect()
}

/// A difference between what was stored and what is planned now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// The stored plan is another one; the difference as a unified diff.
    Changed {
        /// The snapshot's name.
        file: String,
        /// The diff, stored to planned.
        diff: String,
    },
    /// A plan has no snapshot.
    Missing(String),
    /// A snapshot has no plan.
    Surplus(String),
}

/// Compares snapshots as stored with those of the plans now.
pub fn compare(stored: &BTreeMap<String, String>, planned: &BTreeMap<String, String>) -> Vec<Drift> {
    let mut drift = Vec::new();
    for (file, now) in planned {
        match stored.get(file) {
            None => drift.push(Drift::Missing(file.clone())),
            Some(then) if then != now => drift.push(Drift::Changed {
                file: file.clone(),
                diff: TextDiff::from_lines(then, now)
                    .unified_diff()
                    .context_radius(2)
                    .header(&format!("stored/{file}"), &format!("planned/{file}"))
                    .to_string(),
            }),
            Some(_) => {}
        }
    }
    drift.extend(stored.keys().filter(|file| !planned.contains_key(*file)).cloned().map(Drift::Surplus));
    drift
}
