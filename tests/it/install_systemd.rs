//! Timers in a real user manager of systemd: installed, fired, changed by hand, mended, and removed without a trace.

use crate::entries;
use crate::support::{
    Sandbox,
    installing::{holds, rendered, state_of, words_of},
    manager::Manager,
    postgres::with_watch,
};
use policy::{
    install::{Action, EntryState, InstallError, Scheduler as _, Tools, apply, decide, survey, systemd},
    schedule::{
        entry::{EntryName, Scope},
        render::NO_HASH,
    },
};
use std::{collections::BTreeMap, fs};

/// Seldom enough for the limit of starts that services have by default: five in ten seconds.
const OFTEN: &str = "*-*-* *:*:00/3";
const NEXT_YEAR: &str = "*-01-01 00:00:00 UTC";

#[test]
fn a_timer_is_installed_fires_is_seen_changed_is_mended_and_leaves_no_trace() {
    let Some(manager) = Manager::start() else { return };
    let wanted = BTreeMap::from([manager.entry("a", OFTEN), manager.entry("b", NEXT_YEAR)]);
    assert_eq!(manager.install(&wanted), [Action::Create, Action::Create]);
    holds("the service has run", || manager.path("a").exists());
    assert!(!manager.path("b").exists(), "a first installation makes up for nothing");
    let reloads = manager.systemctl(&["show", "--property=UnitsReloadFinishTimestampMonotonic"]);
    assert_eq!(manager.install(&wanted), [Action::Unchanged, Action::Unchanged]);
    assert_eq!(manager.systemctl(&["show", "--property=UnitsReloadFinishTimestampMonotonic"]), reloads);
    let b = EntryName::of("prod", "b");
    let state = state_of(&manager.systemd(), &b);
    assert_eq!((state.state, state.mendable), (EntryState::Installed, false), "{state:?}");
    assert_eq!(state.next.unwrap().format("%m-%d %H:%M:%S").to_string(), "01-01 00:00:00");
    assert!(words_of(&state).contains("lingering"), "{state:?}");

    // By hand: an edit, an end, a drop-in, a mask.
    let file = manager.units().join(format!("{b}.timer"));
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("01-01", "02-02")).unwrap();
    let state = state_of(&manager.systemd(), &b);
    assert_eq!((state.state, state.mendable), (EntryState::Altered, true));
    assert!(words_of(&state).contains("another hash") && words_of(&state).contains("NeedDaemonReload"));
    assert_eq!(manager.install(&wanted), [Action::Unchanged, Action::Update]);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert!(!manager.path("b").exists(), "an update starts nothing");
    manager.systemctl(&["stop", &format!("{b}.timer")]);
    assert_eq!(state_of(&manager.systemd(), &b).state, EntryState::Disabled);
    assert_eq!(manager.install(&wanted), [Action::Unchanged, Action::Update]);
    manager.systemctl(&["disable", &format!("{b}.timer")]);
    // Outside of the manager's namespace this is no host of systemd's, and systemctl leaves the reload to others.
    manager.systemctl(&["daemon-reload"]);
    assert_eq!(state_of(&manager.systemd(), &b).state, EntryState::Disabled);
    assert_eq!(manager.install(&wanted), [Action::Unchanged, Action::Update]);
    let drop_in = manager.units().join(format!("{b}.service.d"));
    fs::create_dir(&drop_in).unwrap();
    fs::write(drop_in.join("x.conf"), "[Service]\nNice=5\n").unwrap();
    manager.systemctl(&["daemon-reload"]);
    let state = state_of(&manager.systemd(), &b);
    assert_eq!((state.state, state.mendable), (EntryState::Altered, false), "{state:?}");
    assert_eq!(manager.install(&wanted), [Action::Unchanged, Action::Unchanged]);
    fs::remove_dir_all(&drop_in).unwrap();

    // Another schedule is an update of the same timer, and comes into force.
    let moved = BTreeMap::from([manager.entry("a", OFTEN), manager.entry("b", "*-03-03 00:00:00 UTC")]);
    assert_eq!(manager.install(&moved), [Action::Unchanged, Action::Update]);
    let next = state_of(&manager.systemd(), &b).next.unwrap();
    assert_eq!(next.format("%m-%d").to_string(), "03-03");
    assert!(!manager.path("b").exists());

    // One is dropped, then all.
    let one = BTreeMap::from([manager.entry("b", NEXT_YEAR)]);
    assert_eq!(manager.install(&one), [Action::Remove, Action::Update]);
    assert!(!manager.traces().iter().any(|path| path.contains("-a-")), "{:?}", manager.traces());
    assert_eq!(manager.install(&BTreeMap::new()), [Action::Remove]);
    assert_eq!(manager.traces(), [""; 0], "units, links and stamps");
    let listed = manager.systemctl(&["list-units", "--all", "--plain", "--no-legend", "policy-*"]);
    assert_eq!(listed, "");
    assert!(with_watch(|watch| manager.systemd().installed(watch)).unwrap().is_empty());
    with_watch(|watch| manager.systemd().remove(&b, watch)).unwrap();
}

#[test]
fn a_policys_timer_runs_its_job_and_a_probe_tells_what_it_finds_there() {
    let Some(manager) = Manager::start() else { return };
    let text = "\
version: 1
name: prod
timezone: UTC
stores: {local: ./store}
targets: {app: {sqlite: \"my app's 100% $HOME.db\"}}
install: {backend: systemd}
jobs: {nightly: {schedule: \"* * * * *\", retention: {last: 3}, before: [[quiesce]]}}
";
    let sandbox = Sandbox::with_policy(text);
    sandbox.sql("my app's 100% $HOME.db", "CREATE TABLE t(x)");
    sandbox.program("quiesce", "echo \"$PATH\" > path");
    let run = |arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        command.env("HOME", manager.home.path()).env("XDG_RUNTIME_DIR", manager.path("run"));
        sandbox.finish(command)
    };
    let answer = run(&["install", "--probe"]).exits(0);
    let answer = answer.says("store `local`: ").says("target `app`: can be read").says("`quiesce`: ");
    let answer = answer.says("variables of this terminal alone: ");
    let home = manager.home.path().display().to_string();
    assert!(answer.stdout.contains(&format!("home folder: {home}, as here")), "{answer}");
    holds("the job has run", || !sandbox.backups("store/prod/nightly/app").is_empty());
    assert!(sandbox.read("path").contains("/usr/bin"));
    let status = run(&["status", "--json"]).exits(0);
    let entry = &status.json()["entries"][0];
    assert_eq!((&entry["state"], &entry["job"]), (&"installed".into(), &"nightly".into()), "{status}");
    assert!(entry["next"].as_str().unwrap().ends_with(":00Z"));
    // A job that is no more takes its timer along, and what is left goes without a trace.
    sandbox.write("policy.yaml", text.replace("nightly", "daily"));
    run(&["status"]).exits(6).says("orphaned").says("missing");
    run(&["install"]).exits(0);
    fs::remove_file(sandbox.path("policy.yaml")).unwrap();
    run(&["uninstall"]).exits(0);
    let left: Vec<_> = manager.traces();
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_unit_that_is_not_ours_stays_and_one_that_systemd_cannot_use_is_told() {
    let Some(manager) = Manager::start() else { return };
    let (a, of_a) = manager.entry("a", NEXT_YEAR);
    fs::create_dir_all(manager.units()).unwrap();
    let file = manager.units().join(format!("{a}.service"));
    fs::write(&file, "[Service]\nExecStart=/bin/true\n").unwrap();
    let (b, of_b) = manager.entry("b", "every other tuesday");
    let (c, of_c) = manager.entry("c", NEXT_YEAR);
    let mut wanted = BTreeMap::from([(a.clone(), of_a), (b.clone(), of_b), (c.clone(), of_c)]);
    let mut systemd = manager.systemd();
    let mut applied = |wanted: &BTreeMap<_, _>| {
        with_watch(|watch| {
            let seen = survey(&systemd, watch).unwrap();
            assert!(seen.is_empty(), "{seen:?}");
            apply(&mut systemd, &decide(wanted, &seen), wanted, watch)
        })
    };
    assert!(applied(&wanted).unwrap_err().is_refusal());
    assert_eq!(fs::read_dir(manager.units()).unwrap().count(), 1, "nothing is written where one may not be");
    wanted.remove(&a);
    let applied = applied(&wanted).unwrap();
    let failed: Vec<_> =
        applied.failed.iter().map(|(name, error)| (name.clone(), error.is_refusal())).collect();
    assert_eq!(failed, [(b.clone(), false)], "{applied:?}");
    assert_eq!(state_of(&systemd, &c).state, EntryState::Installed, "one that fails keeps no other one back");
    assert!(with_watch(|watch| systemd.remove(&a, watch)).unwrap_err().is_refusal());
    assert_eq!(fs::read_to_string(&file).unwrap(), "[Service]\nExecStart=/bin/true\n");
    let state = state_of(&systemd, &b);
    assert_eq!(state.state, EntryState::NeverFires, "{state:?}");
}

#[test]
fn without_a_manager_nothing_is_written_and_what_is_there_can_be_removed() {
    let home = tempfile::tempdir().unwrap();
    let folders = systemd::Folders::user(home.path(), &BTreeMap::new());
    let tools = Tools::new("/usr/bin:/bin")
        .variable("XDG_RUNTIME_DIR", home.path())
        .variable("DBUS_SESSION_BUS_ADDRESS", "");
    let mut systemd = systemd::Systemd::new(Scope::User, folders.clone(), tools);
    let name = EntryName::of("prod", "a");
    let mark = format!("[X-Policy]\nHash={NO_HASH}\n");
    let timer = format!("[Timer]\nOnCalendar=daily\n{mark}");
    let entry = rendered(&[(format!("{name}.timer"), timer), (format!("{name}.service"), mark)]);
    let wanted = BTreeMap::from([(name.clone(), entry.clone())]);
    let refused = with_watch(|watch| apply(&mut systemd, &decide(&wanted, &[]), &wanted, watch)).unwrap_err();
    match refused {
        InstallError::NoManager { .. } => assert!(refused.help().contains("enable-linger")),
        InstallError::NoProgram { .. } => {}
        other => panic!("{other}"),
    }
    assert!(!folders.units.exists());
    policy::install::emit(policy::schedule::entry::Backend::Systemd, &folders.units, &wanted).unwrap();
    let wants = folders.units.join("timers.target.wants");
    fs::create_dir(&wants).unwrap();
    std::os::unix::fs::symlink(
        folders.units.join(format!("{name}.timer")),
        wants.join(format!("{name}.timer")),
    )
    .unwrap();
    fs::create_dir_all(&folders.stamps).unwrap();
    fs::write(folders.stamps.join(format!("stamp-{name}.timer")), "").unwrap();
    let state = state_of(&systemd, &name);
    assert_eq!((state.state, state.mendable), (EntryState::Disabled, false), "{state:?}");
    let applied = with_watch(|watch| {
        let seen = survey(&systemd, watch).unwrap();
        apply(&mut systemd, &decide(&BTreeMap::new(), &seen), &BTreeMap::new(), watch).unwrap()
    });
    assert!(applied.failed.is_empty() && applied.warnings.len() == 1, "{applied:?}");
    assert_eq!(fs::read_dir(&folders.units).unwrap().count(), 0);
    assert_eq!(fs::read_dir(&folders.stamps).unwrap().count(), 0);
}

#[test]
fn what_was_asked_to_run_is_what_the_manager_runs() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(manager) = Manager::start() else { return };
    let folder = manager.path("a b 100% $HOME %h ünï; #");
    fs::create_dir(&folder).unwrap();
    let (program, heard) = (folder.join("prog ram"), manager.path("heard"));
    let script = format!("#!/bin/sh\nprintf '%s\\0' \"$VALUE\" \"$@\" >'{}'\n", heard.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut entry = entries::entry("0 0 1 1 *", chrono_tz::Tz::UTC);
    entry.argv = vec![program.to_str().unwrap().to_owned(), "prod/nightly".to_owned()];
    entry.argv.extend(entries::hostile::hostile());
    let value = entries::hostile::hostile().concat();
    let mut context = entries::context(chrono_tz::Tz::UTC);
    context.environment.insert("VALUE".to_owned(), value.clone());
    context.log_folder = None;
    let rendered = policy::schedule::render::systemd::render(&entry, &context).unwrap();
    assert_eq!(rendered.argv[0], entry.argv);
    let service = format!("{}.service", entry.name);
    manager.install(&BTreeMap::from([(entry.name.clone(), rendered)]));
    // Not waited for, so that what became of it is told.
    manager.systemctl(&["start", "--no-block", &service]);
    let ended = || manager.systemctl(&["show", "--property=ExecMainCode,ExecMainStatus,Result", &service]);
    holds("it has ended", || !ended().contains("ExecMainCode=0"));
    assert!(ended().contains("ExecMainStatus=0"), "{}", ended());
    let heard = fs::read_to_string(heard).unwrap();
    let heard: Vec<&str> = heard.split_terminator('\0').collect();
    assert_eq!(heard[0], value);
    assert_eq!(heard[1..], entry.argv[1..]);
}
