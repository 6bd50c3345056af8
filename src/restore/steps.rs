//! The steps of a restore, in words.
#![expect(clippy::disallowed_methods, reason = "looks at the places that are restored to")]

use super::{Order, Way};
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
    let is_loaded = |order: &&Order<'_>| matches!(order.way, Way::Load(_));
    for order in orders.iter().filter(is_loaded) {
        add(
            order,
            "lock",
            format!("{} in the store, shared, and what is live on this host", order.stored.id),
        );
        add(order, "verify", format!("digests and level {}", order.level));
    }
    let (loaded, orders): (Vec<_>, Vec<_>) = orders.iter().partition(is_loaded);
    for order in &orders {
        let place = order.way.place();
        add(order, "lock", format!("{} in the store, shared, and {place} on this host", order.stored.id));
    }
    for order in &orders {
        let files: Vec<_> = order.stored.manifest.files.iter().map(|file| file.name.as_str()).collect();
        add(order, "verify", format!("digests of {}", files.join(", ")));
        add(order, "restore", format!("{} beside {}", order.stored.id, order.way.place()));
        add(order, "check", format!("the restored content, to level {}", order.level));
    }
    for order in &orders {
        add(order, "swap", swap(order.way));
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

fn swap(way: &Way) -> String {
    let place = way.place();
    match way {
        Way::Path(way) if fs::symlink_metadata(&way.to).is_ok() => {
            format!("{place} to {}, then the restored content to its place", way.aside.display())
        }
        Way::Database(way) if way.standing.is_there => {
            format!("{place} to the name {}, then the restored content to its name", way.aside)
        }
        _ => format!("the restored content to {place}"),
    }
}
