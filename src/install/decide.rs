//! What is wanted and what is there become changes, and a word for each entry. Pure.

use super::{EntryState, Installed, Seen, State};
use crate::schedule::{
    entry::{Backend, EntryName},
    render::{File, Rendered},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::{collections::BTreeMap, path::PathBuf};

/// What happens to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is made.
    Create,
    /// It is written anew and armed again.
    Update,
    /// It stays as it is, and the scheduler is not told.
    Unchanged,
    /// It is removed.
    Remove,
}

impl Action {
    /// Its name on the command line and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Unchanged => "unchanged",
            Self::Remove => "remove",
        }
    }

    /// Whether the entry is written.
    pub const fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Update)
    }
}

/// A change of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub name: EntryName,
    /// What happens to it.
    pub action: Action,
}

/// How one entry stands, measured by what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub name: EntryName,
    /// What is found.
    pub state: State,
}

/// What to do so that what is there becomes what is wanted, by name. Everything in `seen` that is not wanted goes: entries of
/// policies that are not asked about must be left out of it, as [`Installed::is_of`] tells.
pub fn decide(wanted: &BTreeMap<EntryName, Rendered>, seen: &[Seen]) -> Vec<Change> {
    let change = |name: &EntryName, action| Change { name: name.clone(), action };
    let mut changes: Vec<Change> = wanted
        .iter()
        .map(|(name, rendered)| {
            let there = seen.iter().find(|seen| seen.installed.name == *name);
            let action = match there {
                None => Action::Create,
                Some(seen) if seen.installed.stated != rendered.hash || seen.state.mendable => Action::Update,
                Some(_) => Action::Unchanged,
            };
            change(name, action)
        })
        .collect();
    let surplus = seen.iter().map(|seen| &seen.installed.name).filter(|name| !wanted.contains_key(*name));
    changes.extend(surplus.map(|name| change(name, Action::Remove)));
    changes.sort_by(|one, other| one.name.cmp(&other.name));
    changes
}

/// How every entry stands, by name: what is wanted, and what is there without being wanted.
pub fn standings(wanted: &BTreeMap<EntryName, Rendered>, seen: &[Seen]) -> Vec<Standing> {
    let missing = wanted.keys().filter(|name| !seen.iter().any(|seen| seen.installed.name == **name));
    let missing = missing.map(|name| {
        let facts = vec!["it was never installed here, or somebody has removed it".to_owned()];
        let state = State { state: EntryState::Missing, facts, next: None, mendable: true };
        Standing { name: name.clone(), state }
    });
    let there = seen.iter().map(|seen| {
        let mut state = seen.state.clone();
        match wanted.get(&seen.installed.name) {
            None => {
                // It names the state, whatever else was found: it should not be there at all.
                state.state = EntryState::Orphaned;
                state.facts.insert(0, "no policy wants it any more".to_owned());
            }
            Some(rendered) if rendered.hash != seen.installed.stated => {
                state.find(EntryState::Altered, true, "it is not what would be installed now: the policy has changed, or its place, or what its entries are started with");
            }
            Some(_) => {}
        }
        Standing { name: seen.installed.name.clone(), state }
    });
    let mut standings: Vec<_> = missing.chain(there).collect();
    standings.sort_by(|one, other| one.name.cmp(&other.name));
    standings
}

impl Installed {
    /// The job of a policy that it runs; `None` where it runs one of another policy.
    ///
    /// It is found in the text and proven by the entry's name, which is made of both names: a policy `a` with a job `b-c` is
    /// never taken for a policy `a-b` with a job `c`.
    pub fn job_of(&self, policy: &str) -> Option<String> {
        let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let beginning = format!("{policy}/");
        self.files.iter().find_map(|file| {
            let text = super::marker::text_of(&file.bytes);
            text.match_indices(&beginning).find_map(|(at, _)| {
                let rest = &text[at + beginning.len()..];
                let job = &rest[..rest.find(|c| !is_of_name(c)).unwrap_or(rest.len())];
                (EntryName::of(policy, job) == self.name).then(|| job.to_owned())
            })
        })
    }

    /// The file of the policy that it runs, by its absolute path; `None` where it names none, as in a cluster.
    pub fn policy_file(&self, backend: Backend) -> Option<PathBuf> {
        let marked = |file: &File| super::marker::policy_file(backend, &file.bytes);
        self.files.iter().find_map(marked).map(PathBuf::from)
    }

    /// Whether it runs a job of a policy, or is the probe of one that was killed.
    pub fn is_of(&self, policy: &str) -> bool {
        self.name == EntryName::of_probe(policy) || self.job_of(policy).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::entry::Tier;

    fn rendered(hash: &str) -> Rendered {
        let (files, argv, warnings) = (Vec::new(), Vec::new(), Vec::new());
        Rendered { tier: Tier::Exact, files, hash: hash.to_owned(), argv, warnings }
    }

    fn seen(job: &str, stated: &str, finding: Option<(EntryState, bool)>) -> Seen {
        let name = EntryName::of("prod", job);
        let bytes = format!("ExecStart=/usr/bin/policy run prod/{job} --due\n").into_bytes();
        let files = vec![File { name: "x".to_owned(), bytes }];
        let installed = Installed { name, files, stated: stated.to_owned(), altered: None };
        let mut state = State::of(&installed);
        if let Some((found, mendable)) = finding {
            state.find(found, mendable, "it was found so");
        }
        Seen { installed, state }
    }

    fn wanted(jobs: &[(&str, &str)]) -> BTreeMap<EntryName, Rendered> {
        jobs.iter().map(|(job, hash)| (EntryName::of("prod", job), rendered(hash))).collect()
    }

    #[test]
    fn what_is_wanted_is_made_mended_or_left_and_the_rest_goes() {
        let wanted = wanted(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("e", "1"), ("f", "1")]);
        let seen = [
            seen("b", "1", None),
            seen("c", "0", None),
            seen("d", "1", Some((EntryState::Disabled, true))),
            seen("e", "1", Some((EntryState::NeverFires, false))),
            seen("f", "1", Some((EntryState::Altered, true))),
            seen("g", "1", None),
        ];
        let actions: Vec<_> = decide(&wanted, &seen).into_iter().map(|change| change.action).collect();
        let words: Vec<_> = actions.into_iter().map(Action::as_str).collect();
        let expected = ["create", "unchanged", "update", "update", "unchanged", "update", "remove"];
        assert_eq!(words, expected);
        assert_eq!(decide(&BTreeMap::new(), &[]), []);
        let states: Vec<_> =
            standings(&wanted, &seen).into_iter().map(|standing| standing.state.state.as_str()).collect();
        let expected = ["missing", "installed", "altered", "disabled", "never_fires", "altered", "orphaned"];
        assert_eq!(states, expected);
    }

    #[test]
    fn the_policy_of_an_entry_is_proven_by_its_name() {
        let entry = seen("nightly", "1", None).installed;
        assert_eq!(entry.job_of("prod").as_deref(), Some("nightly"));
        assert!(!entry.is_of("pro") && !entry.is_of("rod") && !entry.is_of("prod-nightly"));
        let mut renamed = entry.clone();
        renamed.name = EntryName::of("prod", "weekly");
        assert!(!renamed.is_of("prod"), "another name's entry");
        let mut wide = entry;
        let text = String::from_utf8(wide.files.remove(0).bytes).unwrap();
        let bytes = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        wide.files.push(File { name: "x.xml".to_owned(), bytes });
        assert!(wide.is_of("prod"), "also where the text is UTF-16");
    }
}
