//! With a stand-in for `kubectl` that keeps what it is told, and fills in defaults as a cluster does.
#![expect(clippy::disallowed_methods, reason = "tests look at files")]

use super::*;
use crate::{
    install::{
        Action, apply, decide, survey,
        tests::{name, rendered, stand_in, tools, with_watch},
    },
    schedule::render::NO_HASH,
};
use serde_json::json;
use std::{fs, path::Path};

/// `apply` keeps the manifest, which here is the very list that `get` prints; `get` prints it, `delete` removes it.
const KUBECTL: &str = r#"
here=$(dirname "$0"); echo "$*" >>"$here/calls"
case "$*" in
*apply*) cat >"$here/list" ;;
*delete*) rm "$here/list" ;;
*get*) test -e "$here/list" && cat "$here/list"; exit 0 ;;
esac"#;

/// The objects of an entry as a cluster has them: what was told, defaults, and the annotation of `kubectl apply`.
fn entry(minute: u32) -> (EntryName, Rendered) {
    let name = name("a");
    let object = |kind: &str, spec: &Value| {
        let labels = json!({marks::MANAGED_BY: "policy"});
        let metadata =
            |annotations| json!({"name": name.as_str(), "labels": labels, "annotations": annotations});
        let told = json!({"kind": kind, "metadata": metadata(json!({marks::HASH_ANNOTATION: NO_HASH})), "spec": spec});
        let mut there = told.clone();
        there["metadata"]["annotations"][LAST_APPLIED] = told.to_string().into();
        there["spec"]["successfulJobsHistoryLimit"] = 3.into();
        there
    };
    let schedule = json!({"schedule": format!("{minute} * * * *"), "args": ["run", "prod/a"], "nothing": {}});
    let list =
        json!({"kind": "List", "items": [object("CronJob", &schedule), object("ConfigMap", &json!({}))]});
    (name.clone(), rendered(&[(&format!("{name}.yaml"), &list.to_string())]))
}

fn calls(folder: &Path, verb: &str) -> usize {
    let calls = fs::read_to_string(folder.join("calls")).unwrap_or_default();
    calls.lines().filter(|call| call.contains(verb)).count()
}

#[test]
fn objects_are_applied_compared_field_by_field_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    stand_in(folder.path(), "kubectl", KUBECTL);
    let new = || Kubernetes::new(Some("backups".to_owned()), tools(folder.path()));
    let install = |wanted: &BTreeMap<_, _>| {
        with_watch(|watch| {
            let mut cluster = new();
            let changes = decide(wanted, &survey(&cluster, watch).unwrap());
            let applied = apply(&mut cluster, &changes, wanted, watch).unwrap();
            assert!(applied.failed.is_empty(), "{applied:?}");
            changes.into_iter().map(|change| change.action).collect::<Vec<_>>()
        })
    };
    let state = || with_watch(|watch| survey(&new(), watch).unwrap()[0].state.clone());
    assert_eq!(install(&BTreeMap::from([entry(1)])), [Action::Create]);
    assert_eq!(install(&BTreeMap::from([entry(1)])), [Action::Unchanged]);
    assert_eq!(calls(folder.path(), "--namespace backups apply -f -"), 1);
    assert_eq!(install(&BTreeMap::from([entry(2)])), [Action::Update]);
    assert_eq!(state().state, EntryState::Installed);
    let list = folder.path().join("list");
    let text = fs::read_to_string(&list).unwrap();
    let mut changed: Value = serde_json::from_str(&text).unwrap();
    changed["items"][0]["spec"]["schedule"] = "9 * * * *".into();
    fs::write(&list, changed.to_string()).unwrap();
    assert_eq!((state().state, state().mendable), (EntryState::Altered, true));
    assert!(state().facts[0].contains("spec.schedule"), "{:?}", state().facts);
    let mut suspended: Value = serde_json::from_str(&text).unwrap();
    suspended["items"][0]["spec"]["suspend"] = true.into();
    fs::write(&list, suspended.to_string()).unwrap();
    assert_eq!((state().state, state().mendable), (EntryState::Disabled, false));
    let mut alone: Value = serde_json::from_str(&text).unwrap();
    alone["items"].as_array_mut().unwrap().truncate(1);
    fs::write(&list, alone.to_string()).unwrap();
    assert!(state().facts[0].contains("ConfigMap is missing"));
    assert_eq!(install(&BTreeMap::new()), [Action::Remove]);
    assert!(!list.exists());
}

#[test]
fn objects_of_somebody_else_stay() {
    let folder = tempfile::tempdir().unwrap();
    stand_in(folder.path(), "kubectl", KUBECTL);
    let (name, rendered) = entry(1);
    let list = folder.path().join("list");
    fs::write(&list, json!({"kind": "CronJob", "metadata": {"name": name.as_str()}}).to_string()).unwrap();
    let mut cluster = Kubernetes::new(None, tools(folder.path()));
    with_watch(|watch| {
        assert!(cluster.put(&name, &rendered, watch).unwrap_err().is_refusal());
        assert!(cluster.remove(&name, watch).unwrap_err().is_refusal());
    });
    assert_eq!(calls(folder.path(), "apply") + calls(folder.path(), "delete"), 0);
}
