//! The steps of a restore, in words.
#![expect(clippy::disallowed_methods, reason = "looks at the places that are restored to")]

use super::Order;
use schemars::JsonSchema;
use serde::Serialize;
use std::fs;

/// A step of a restore, as it is shown before anything is done; [`prepare`](super::prepare) and
/// [`commit`](super::commit) do them in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Step {
    /// Its place, from 1.
    pub n: usize,
    /// The target.
    pub target: String,
    /// `lock`, `verify`, `restore`, `check`, `swap` or `record`.
    pub kind: &'static str,
    /// What it does, in one line.
    pub summary: String,
}

/// The steps of a restore of several targets: all are prepared before the first is swapped.
pub fn steps(orders: &[Order<'_>]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut add = |order: &Order<'_>, kind, summary: String| {
        steps.push(Step { n: steps.len() + 1, target: order.target.name.to_string(), kind, summary });
    };
    for order in orders.iter().filter(|order| order.engine.is_loaded()) {
        add(order, "lock", format!("{} in the store, shared", order.stored.id));
        add(order, "verify", format!("digests and level {}", order.level));
    }
    let (loaded, orders): (Vec<_>, Vec<_>) = orders.iter().partition(|order| order.engine.is_loaded());
    for order in &orders {
        add(
            order,
            "lock",
            format!("{} in the store, shared, and {} on this host", order.stored.id, order.to.display()),
        );
    }
    for order in &orders {
        let files: Vec<_> = order.stored.manifest.files.iter().map(|file| file.name.as_str()).collect();
        add(order, "verify", format!("digests of {}", files.join(", ")));
        add(order, "restore", format!("{} beside {}", order.stored.id, order.to.display()));
        add(order, "check", format!("the restored content, to level {}", order.level));
    }
    for order in &orders {
        let what = if fs::symlink_metadata(order.to).is_ok() {
            format!(
                "{} to {}, then the restored content to its place",
                order.to.display(),
                order.aside.display()
            )
        } else {
            format!("the restored content to {}", order.to.display())
        };
        add(order, "swap", what);
    }
    for order in &loaded {
        let what = format!("{} by its own command, over what is live; nothing is set aside", order.stored.id);
        add(order, "restore", what);
    }
    for order in loaded.iter().chain(&orders) {
        add(order, "record", format!("the restore of {}", order.stored.id));
    }
    steps
}
