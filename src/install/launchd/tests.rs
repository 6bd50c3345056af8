//! The order of calls, with a stand-in for `launchctl` that is as slow and as strict as the real one.

use super::*;
use crate::install::{
    Action, apply, decide, survey,
    tests::{name, rendered, stand_in, tools, with_watch},
};
use std::{collections::BTreeMap, path::Path};

/// Keeps a file for each loaded label, notes each call, refuses the first bootstrap after a bootout, and what is loaded.
const LAUNCHCTL: &str = r#"
here=$(dirname "$0"); echo "$*" >>"$here/calls"
case $1 in
print) test -e "$here/loaded.${2##*/}" || exit 113 ;;
bootout) rm "$here/loaded.${2##*/}" && touch "$here/busy" ;;
bootstrap) test -e "$here/busy" && { rm "$here/busy"; echo 'Bootstrap failed: 5: Input/output error' >&2; exit 5; }
    label=$(basename "$3" .plist); test -e "$here/loaded.$label" && exit 37; cp "$3" "$here/loaded.$label" ;;
esac"#;

fn entry(job: &str, minute: u32) -> (EntryName, Rendered) {
    let name = name(job);
    let text = format!(
        "<plist><dict><key>Minute</key><integer>{minute}</integer><key>POLICY_HASH</key><string>{}</string></dict></plist>\n",
        crate::schedule::render::NO_HASH
    );
    let rendered = rendered(&[(&Launchd::file(&name), &text)]);
    (name, rendered)
}

fn calls(folder: &Path) -> Vec<String> {
    let calls = fs::read_to_string(folder.join("calls")).unwrap_or_default();
    let _ = fs::remove_file(folder.join("calls"));
    calls.lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn an_agent_is_loaded_updated_found_changed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    stand_in(folder.path(), "launchctl", LAUNCHCTL);
    let agents = folder.path().join("LaunchAgents");
    let new = || Launchd::new(&agents, "gui/501", tools(folder.path())).with_pause(Duration::from_millis(1));
    let install = |wanted: &BTreeMap<_, _>| {
        with_watch(|watch| {
            let mut launchd = new();
            let changes = decide(wanted, &survey(&launchd, watch).unwrap());
            calls(folder.path());
            let applied = apply(&mut launchd, &changes, wanted, watch).unwrap();
            assert!(applied.failed.is_empty(), "{applied:?}");
            changes.into_iter().map(|change| change.action).collect::<Vec<_>>()
        })
    };
    let state = || {
        with_watch(|watch| {
            let seen = survey(&new(), watch).unwrap();
            (seen[0].state.state, seen[0].state.mendable)
        })
    };
    assert_eq!(install(&BTreeMap::from([entry("a", 1)])), [Action::Create]);
    assert_eq!(calls(folder.path()), ["print", "bootstrap", "print"]);
    assert_eq!(install(&BTreeMap::from([entry("a", 1)])), [Action::Unchanged]);
    assert_eq!(calls(folder.path()), [""; 0]);
    assert_eq!(install(&BTreeMap::from([entry("a", 2)])), [Action::Update]);
    let update = ["print", "bootout", "print", "bootstrap", "bootstrap", "print"];
    assert_eq!(calls(folder.path()), update, "out before in, and in again where launchd is not ready yet");
    assert_eq!(state(), (EntryState::Installed, false));
    let label = format!("loaded.dev.policy.{}", name("a"));
    assert!(fs::read_to_string(folder.path().join(&label)).unwrap().contains("<integer>2<"));
    fs::remove_file(folder.path().join(&label)).unwrap();
    assert_eq!(state(), (EntryState::Disabled, true));
    assert_eq!(install(&BTreeMap::from([entry("a", 2)])), [Action::Update]);
    let file = agents.join(Launchd::file(&name("a")));
    fs::write(&file, fs::read_to_string(&file).unwrap().replace(">2<", ">3<")).unwrap();
    assert_eq!(state(), (EntryState::Altered, true));
    assert_eq!(install(&BTreeMap::new()), [Action::Remove]);
    assert_eq!(calls(folder.path()), ["print", "bootout", "print"]);
    assert!(!file.exists() && !folder.path().join(label).exists());
    with_watch(|watch| new().remove(&name("a"), watch)).unwrap();
}

#[test]
fn what_is_not_ours_is_neither_overwritten_nor_removed() {
    let folder = tempfile::tempdir().unwrap();
    stand_in(folder.path(), "launchctl", LAUNCHCTL);
    let (name, rendered) = entry("a", 1);
    let file = folder.path().join(Launchd::file(&name));
    fs::write(&file, "<plist/>").unwrap();
    let mut launchd = Launchd::new(folder.path(), "system", tools(folder.path()));
    with_watch(|watch| {
        assert!(launchd.installed(watch).unwrap().is_empty());
        assert!(launchd.put(&name, &rendered, watch).unwrap_err().is_refusal());
        assert!(launchd.remove(&name, watch).unwrap_err().is_refusal());
    });
    assert_eq!(fs::read_to_string(&file).unwrap(), "<plist/>");
    assert_eq!(calls(folder.path()), [""; 0]);
}

#[test]
fn without_launchctl_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (name, rendered) = entry("a", 1);
    let mut launchd = Launchd::new(folder.path(), "gui/501", tools(folder.path()).only());
    let wanted = BTreeMap::from([(name, rendered)]);
    let changes = decide(&wanted, &[]);
    let refused = with_watch(|watch| apply(&mut launchd, &changes, &wanted, watch)).unwrap_err();
    assert!(matches!(refused, InstallError::NoProgram { program: "launchctl", .. }), "{refused}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
