//! What a process finds where it was started.
#![expect(clippy::disallowed_methods, reason = "looks around")]

use crate::{
    cli::session::Session,
    observe::{StoreView, World, site::called},
    plan::{self, Platform, Selection},
    platform::{process, rights},
    policy::{Policy, Severity},
    store::Store as _,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// What a process finds. It holds no variable's value but those of PATH and HOME, which are no secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    user: String,
    home: String,
    path: String,
    folder: String,
    /// The programs that the policy calls by name, and where they were found.
    programs: BTreeMap<String, Option<String>>,
    /// What keeps the policy from running.
    problems: Vec<String>,
    /// The targets that lie at a path, and whether they can be read.
    targets: BTreeMap<String, Result<(), String>>,
    /// The stores, and the room in each.
    stores: BTreeMap<String, Result<u64, String>>,
    /// The names of the variables that it was started with.
    variables: Vec<String>,
}

impl Report {
    /// Looks around for a policy.
    pub(super) fn of(session: &Session, policy: &Policy) -> Self {
        let host = &session.host;
        let shown = |path: &Path| path.display().to_string();
        let search = host.path();
        let find = |name: &String| which::which_in(name, Some(&search), "/").ok().map(|path| shown(&path));
        let programs = called(policy).into_iter().map(|name| (name.clone(), find(&name))).collect();
        let (mut targets, mut stores) = (BTreeMap::new(), BTreeMap::new());
        let problems = match World::observe(host, policy) {
            Err(problems) => problems,
            Ok(world) => {
                for (name, source) in &world.sources {
                    let Ok(source) = source else { continue };
                    let Some(target) = policy.targets().get(name) else { continue };
                    if target.engine.path().is_some() {
                        targets.insert(name.to_string(), readable(&source.path));
                    }
                }
                for (name, store) in &world.stores {
                    let room = match store {
                        Ok(view) => room(view),
                        Err(why) => Err(why.to_string()),
                    };
                    stores.insert(name.to_string(), room);
                }
                let plan = plan::build(policy, &Selection::default(), Platform::current(), None);
                world.problems(&plan)
            }
        };
        let errors = problems.into_iter().filter(|problem| problem.severity == Severity::Error);
        Self {
            user: process::user_name(),
            home: host.home.as_deref().map(shown).unwrap_or_default(),
            path: search.to_string_lossy().into_owned(),
            folder: shown(&host.working_folder),
            programs,
            problems: errors.map(|problem| problem.message).collect(),
            targets,
            stores,
            variables: host.environment.keys().cloned().collect(),
        }
    }

    /// What would keep a job from running where this was made.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> + '_ {
        let programs = self.programs.iter().filter(|(_, found)| found.is_none());
        let targets = self.targets.iter().filter_map(|(name, found)| Some((name, found.as_ref().err()?)));
        let stores = self.stores.iter().filter_map(|(name, found)| Some((name, found.as_ref().err()?)));
        self.problems
            .iter()
            .cloned()
            .chain(programs.map(|(name, _)| format!("`{name}` is not found")))
            .chain(targets.map(|(name, why)| format!("target `{name}` cannot be read: {why}")))
            .chain(stores.map(|(name, why)| format!("store `{name}`: {why}")))
    }

    /// What it found, where that is not what was found here.
    pub(super) fn beside(&self, here: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let pairs = [
            ("user", &self.user, &here.user),
            ("home folder", &self.home, &here.home),
            ("PATH", &self.path, &here.path),
            ("working directory", &self.folder, &here.folder),
        ];
        for (what, there, here) in pairs {
            let beside = if there == here { ", as here".to_owned() } else { format!("; here {here}") };
            lines.push(format!("{what}: {there}{beside}"));
        }
        let word = |found: &Option<String>| found.clone().unwrap_or_else(|| "not found".to_owned());
        for (name, found) in &self.programs {
            let other = here.programs.get(name).cloned().flatten();
            let beside =
                if *found == other { ", as here".to_owned() } else { format!("; here {}", word(&other)) };
            lines.push(format!("`{name}`: {}{beside}", word(found)));
        }
        for (name, found) in &self.targets {
            lines.push(match found {
                Ok(()) => format!("target `{name}`: can be read"),
                Err(why) => format!("target `{name}`: {why}"),
            });
        }
        for (name, found) in &self.stores {
            lines.push(match found {
                Ok(bytes) => {
                    format!("store `{name}`: {} free", crate::policy::values::Size::from_bytes(*bytes))
                }
                Err(why) => format!("store `{name}`: {why}"),
            });
        }
        let only_here: Vec<&str> =
            here.variables.iter().filter(|name| !self.variables.contains(name)).map(String::as_str).collect();
        if !only_here.is_empty() {
            lines.push(format!("variables of this terminal alone: {}", only_here.join(", ")));
        }
        lines
    }
}

/// The room in a store that can be written to, or made.
fn room(view: &StoreView) -> Result<u64, String> {
    let there = view.path.ancestors().find(|folder| folder.exists()).unwrap_or(&view.path);
    rights::may_write_in(there).map_err(|error| format!("{}: {error}", there.display()))?;
    view.store.free_bytes().map_err(|error| error.to_string())
}

fn readable(path: &Path) -> Result<(), String> {
    // Not opened: to close a database's file would drop the locks of whoever has it open here.
    rights::may_read(path).map_err(|error| format!("{}: {error}", path.display()))
}
