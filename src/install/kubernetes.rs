//! `CronJob` objects of a cluster, and the policies they mount: told to it, and asked of it, by `kubectl` alone.
//!
//! A cluster fills in defaults, and others may own fields of our objects. So what it has is compared with what it was last
//! told (`kubectl apply` keeps that in an annotation), field by field of ours.

#[cfg(test)]
#[cfg(unix)]
mod tests;

use super::{EntryState, InstallError, Installed, Scheduler, Settled, State, Tools};
use crate::{
    schedule::{
        entry::{Backend, EntryName},
        render::{File, Rendered, marks},
    },
    watch::Watch,
};
use serde_json::Value;
use std::{collections::BTreeMap, ffi::OsStr};

/// The kinds of object that make an entry.
const KINDS: &str = "cronjobs.batch,configmaps";
/// What `kubectl apply` was last given.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The entries of a namespace.
#[derive(Debug)]
pub struct Kubernetes {
    namespace: Option<String>,
    tools: Tools,
    put: Vec<(EntryName, String)>,
}

impl Kubernetes {
    /// Those of a namespace, or of the one that `kubectl` is set to.
    pub fn new(namespace: Option<String>, tools: Tools) -> Self {
        Self { namespace, tools, put: Vec::new() }
    }

    fn words<'a>(&'a self, words: &[&'a dyn AsRef<OsStr>]) -> Vec<&'a dyn AsRef<OsStr>> {
        let mut all: Vec<&dyn AsRef<OsStr>> = Vec::new();
        if let Some(namespace) = &self.namespace {
            all.extend([&"--namespace" as &dyn AsRef<OsStr>, namespace]);
        }
        all.extend(words);
        all
    }

    /// The objects that a call of `kubectl get` names: a list, one object, or nothing.
    fn get(&self, words: &[&dyn AsRef<OsStr>], watch: &Watch<'_>) -> Result<Vec<Value>, InstallError> {
        let answer = self.tools.run("kubectl", &self.words(words), watch);
        let answer =
            answer.map_err(|error| InstallError::program("read the objects of the cluster", error))?;
        if answer.trim_ascii().is_empty() {
            return Ok(Vec::new());
        }
        let mut answer: Value = serde_json::from_slice(&answer)
            .map_err(|error| InstallError::Answer { program: "kubectl", why: error.to_string() })?;
        match answer.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => Ok(items),
            _ => Ok(vec![answer]),
        }
    }

    /// The objects of a name; fails where one is not ours.
    fn ours(&self, name: &EntryName, watch: &Watch<'_>) -> Result<Vec<Value>, InstallError> {
        let name = name.as_str();
        let items = self.get(&[&"get", &KINDS, &name, &"--ignore-not-found", &"-o", &"json"], watch);
        let items = items?;
        match items.iter().find(|item| !is_ours(item)) {
            Some(item) => Err(InstallError::Foreign { place: format!("{} {name}", kind(item)) }),
            None => Ok(items),
        }
    }

    fn has_program(&self) -> bool {
        self.tools.find("kubectl").is_some()
    }

    fn verify(&self, name: &EntryName, hash: &str, watch: &Watch<'_>) -> Result<(), InstallError> {
        let unlike = || InstallError::Unlike { place: format!("{name} in the cluster"), kept: None };
        let installed = entry(name, &self.ours(name, watch)?).ok_or_else(unlike)?;
        if installed.stated != hash {
            return Err(unlike());
        }
        match installed.altered {
            Some(why) => Err(InstallError::NotArmed { name: name.clone(), why }),
            None => Ok(()),
        }
    }
}

fn is_ours(item: &Value) -> bool {
    item["metadata"]["labels"][marks::MANAGED_BY] == "policy"
}

fn kind(item: &Value) -> &str {
    item["kind"].as_str().unwrap_or("object")
}

/// An entry out of its objects; `None` where none states a hash.
fn entry(name: &EntryName, items: &[Value]) -> Option<Installed> {
    let hash =
        |item: &Value| item["metadata"]["annotations"][marks::HASH_ANNOTATION].as_str().map(str::to_owned);
    let stated = items.iter().find_map(hash)?;
    let missing =
        ["CronJob", "ConfigMap"].into_iter().find(|kind| !items.iter().any(|item| item["kind"] == *kind));
    let altered = missing.map(|kind| format!("its {kind} is missing"));
    let altered = altered.or_else(|| {
        let other = items.iter().find(|item| hash(item).as_ref() != Some(&stated))?;
        Some(format!("its {} states another hash", kind(other)))
    });
    let altered = altered.or_else(|| {
        items.iter().find_map(|item| {
            let told = item["metadata"]["annotations"][LAST_APPLIED].as_str()?;
            let told: Value = serde_json::from_str(told).ok()?;
            let field = difference(&told, item, "")?;
            Some(format!("its {} was changed after it was installed: `{}`", kind(item), &field[1..]))
        })
    });
    let file = |item: &Value| {
        let name = format!("{name}.{}.json", kind(item).to_lowercase());
        File { name, bytes: item.to_string().into_bytes() }
    };
    Some(Installed { name: name.clone(), files: items.iter().map(file).collect(), stated, altered })
}

/// The first field of ours that the cluster has otherwise.
fn difference(told: &Value, there: &Value, path: &str) -> Option<String> {
    match (told, there) {
        (Value::Object(told), Value::Object(there)) => told.iter().find_map(|(key, value)| {
            let path = format!("{path}.{key}");
            match there.get(key) {
                Some(other) => difference(value, other, &path),
                // What is nothing need not be there.
                None => (!is_nothing(value)).then_some(path),
            }
        }),
        (Value::Array(told), Value::Array(there)) if told.len() == there.len() => {
            let mut pairs = told.iter().zip(there).enumerate();
            pairs.find_map(|(n, (one, other))| difference(one, other, &format!("{path}[{n}]")))
        }
        (told, there) => (told != there).then(|| path.to_owned()),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_nothing),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

impl Scheduler for Kubernetes {
    fn backend(&self) -> Backend {
        Backend::Kubernetes
    }

    fn ready(&self, watch: &Watch<'_>) -> Result<(), InstallError> {
        if !self.has_program() {
            return Err(InstallError::NoProgram { program: "kubectl", backend: Backend::Kubernetes });
        }
        self.installed(watch).map(drop)
    }

    fn installed(&self, watch: &Watch<'_>) -> Result<Vec<Installed>, InstallError> {
        if !self.has_program() {
            return Ok(Vec::new());
        }
        let label = format!("{}=policy", marks::MANAGED_BY);
        let mut by_name: BTreeMap<EntryName, Vec<Value>> = BTreeMap::new();
        for item in self.get(&[&"get", &KINDS, &"-l", &label, &"-o", &"json"], watch)? {
            let name = item["metadata"]["name"].as_str().and_then(EntryName::parse);
            if let Some(name) = name.filter(|_| is_ours(&item)) {
                by_name.entry(name).or_default().push(item);
            }
        }
        Ok(by_name.iter().filter_map(|(name, items)| entry(name, items)).collect())
    }

    fn state(&self, installed: &Installed, _: &Watch<'_>) -> Result<State, InstallError> {
        let mut state = State::of(installed);
        let items =
            installed.files.iter().filter_map(|file| serde_json::from_slice::<Value>(&file.bytes).ok());
        for item in items.filter(|item| item["kind"] == "CronJob") {
            if item["spec"]["suspend"] == true {
                // `kubectl apply` does not take back a field that it never set.
                let fact = "the CronJob is suspended: `kubectl patch` its `spec.suspend` to resume it";
                state.find(EntryState::Disabled, false, fact);
            }
            if let Some(last) = item["status"]["lastScheduleTime"].as_str() {
                state.note(format!("it last fired at {last}"));
            }
        }
        Ok(state)
    }

    fn free(&self, name: &EntryName, watch: &Watch<'_>) -> Result<(), InstallError> {
        self.ours(name, watch).map(drop)
    }

    fn put(&mut self, name: &EntryName, rendered: &Rendered, watch: &Watch<'_>) -> Result<(), InstallError> {
        self.ours(name, watch)?;
        for file in &rendered.files {
            let applied =
                self.tools.feed("kubectl", &self.words(&[&"apply", &"-f", &"-"]), &file.bytes, watch);
            applied.map_err(|error| InstallError::program(format!("apply {}", file.name), error))?;
        }
        self.put.push((name.clone(), rendered.hash.clone()));
        Ok(())
    }

    fn remove(&mut self, name: &EntryName, watch: &Watch<'_>) -> Result<(), InstallError> {
        if !self.has_program() || self.ours(name, watch)?.is_empty() {
            return Ok(());
        }
        // By both labels, so that what is not ours is not deleted, should it take the name meanwhile.
        let labels = format!("{}=policy,app.kubernetes.io/instance={name}", marks::MANAGED_BY);
        let removed = self.tools.run("kubectl", &self.words(&[&"delete", &KINDS, &"-l", &labels]), watch);
        removed.map_err(|error| InstallError::program(format!("delete {name}"), error))?;
        if self.ours(name, watch)?.is_empty() {
            return Ok(());
        }
        Err(InstallError::Unlike { place: format!("{name} in the cluster"), kept: None })
    }

    fn settle(&mut self, watch: &Watch<'_>) -> Result<Settled, InstallError> {
        let mut settled = Settled::default();
        for (name, hash) in std::mem::take(&mut self.put) {
            match self.verify(&name, &hash, watch) {
                Err(error) if error.is_stop() => return Err(error),
                Err(error) => settled.failed.push((name, error)),
                Ok(()) => {}
            }
        }
        Ok(settled)
    }
}
