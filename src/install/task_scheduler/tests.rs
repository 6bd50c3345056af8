//! The order of calls, with a stand-in for `schtasks` that keeps tasks in words of its own, as Windows does.
#![expect(clippy::disallowed_methods, reason = "tests look at files")]

use super::*;
use crate::{
    install::{
        Action, apply, decide, survey,
        tests::{name, rendered, stand_in, tools, with_watch},
    },
    schedule::render::NO_HASH,
};
use std::{collections::BTreeMap, fs, path::Path};

/// Keeps a file for each task of our folder, beside a task of Windows itself.
const SCHTASKS: &str = r#"
here=$(dirname "$0"); echo "$1" >>"$here/calls"
case $1 in
/Query) if [ "$2" = /FO ]; then
        printf '"\\Microsoft\\Windows\\Defrag","N/A","Pr\303\252t"\r\n'
        for task in "$here"/task.*; do test -e "$task" && printf '"\\policy\\%s","N/A","Pr\303\252t"\r\n' "${task##*/task.}"; done; exit 0
    else cat "$here/task.${3##*\\}"; fi ;;
/Create) sed 's/<Triggers>/<Triggers> /; s/<Settings>/<Settings><Hidden>false<\/Hidden>/' "$5" >"$here/task.${3##*\\}" ;;
/Delete) rm "$here/task.${3##*\\}" ;;
esac"#;

fn entry(job: &str, minute: u32) -> (EntryName, Rendered) {
    let name = name(job);
    let text = format!(
        "<Task><RegistrationInfo><Description>policy:{name} sha256={NO_HASH}</Description></RegistrationInfo>\
         <Triggers><StartBoundary>2000-01-01T00:0{minute}:00</StartBoundary></Triggers><Settings><Priority>7</Priority></Settings></Task>"
    );
    (name.clone(), rendered(&[(&format!("{name}.xml"), &text)]))
}

fn calls(folder: &Path) -> Vec<String> {
    let calls = fs::read_to_string(folder.join("calls")).unwrap_or_default();
    let _ = fs::remove_file(folder.join("calls"));
    calls.lines().filter(|call| *call != "/Query").map(str::to_owned).collect()
}

#[test]
fn a_task_is_made_compared_by_what_it_says_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    stand_in(folder.path(), "schtasks", SCHTASKS);
    let state = folder.path().join("state");
    let new = || TaskScheduler::new(state.clone(), tools(folder.path()));
    let install = |wanted: &BTreeMap<_, _>| {
        with_watch(|watch| {
            let mut tasks = new();
            let changes = decide(wanted, &survey(&tasks, watch).unwrap());
            let applied = apply(&mut tasks, &changes, wanted, watch).unwrap();
            assert!(applied.failed.is_empty(), "{applied:?}");
            changes.into_iter().map(|change| change.action).collect::<Vec<_>>()
        })
    };
    let seen = || with_watch(|watch| survey(&new(), watch).unwrap());
    assert_eq!(install(&BTreeMap::from([entry("a", 1)])), [Action::Create]);
    assert_eq!(calls(folder.path()), ["/Create"]);
    assert_eq!(install(&BTreeMap::from([entry("a", 1)])), [Action::Unchanged]);
    assert_eq!(calls(folder.path()), [""; 0]);
    assert_eq!(seen()[0].state.state, EntryState::Installed);
    assert_eq!(install(&BTreeMap::from([entry("a", 2)])), [Action::Update]);
    let task = folder.path().join(format!("task.{}", name("a")));
    let text = fs::read_to_string(&task).unwrap();
    fs::write(&task, text.replace(":02:", ":05:")).unwrap();
    let state = &seen()[0].state;
    assert_eq!((state.state, state.mendable), (EntryState::Altered, true), "{state:?}");
    fs::write(&task, text.replace("<Settings>", "<Settings><Enabled>false</Enabled>")).unwrap();
    assert_eq!(seen()[0].state.state, EntryState::Disabled);
    assert_eq!(install(&BTreeMap::new()), [Action::Remove]);
    assert!(!task.exists() && seen().is_empty());
    assert_eq!(fs::read_dir(folder.path().join("state/tasks")).unwrap().count(), 0);
}

#[test]
fn a_task_of_somebody_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    stand_in(folder.path(), "schtasks", SCHTASKS);
    let (name, rendered) = entry("a", 1);
    let task = folder.path().join(format!("task.{name}"));
    fs::write(&task, "<Task/>").unwrap();
    let mut tasks = TaskScheduler::new(folder.path().join("state"), tools(folder.path()));
    with_watch(|watch| {
        assert!(tasks.installed(watch).unwrap().is_empty());
        assert!(tasks.put(&name, &rendered, watch).unwrap_err().is_refusal());
        assert!(tasks.remove(&name, watch).unwrap_err().is_refusal());
    });
    assert_eq!(fs::read_to_string(&task).unwrap(), "<Task/>");
}
