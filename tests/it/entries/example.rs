//! One job, whole: on the 13th and on Fridays, at half past two in Berlin, within ten minutes.

use crate::support::skip;
use std::process::Command;

use chrono_tz::Tz;
use policy::{
    policy::values::Duration,
    schedule::{
        CatchUp,
        entry::{Context, Entry, Scope},
        render::{File, Rendered, kubernetes, launchd, task_scheduler},
    },
};

use super::{
    cluster, context, entry,
    read::{is_task, python},
    words,
};

fn nightly() -> Entry {
    let mut entry = entry("30 2 13 * 5", Tz::Europe__Berlin);
    entry.schedule.jitter = Duration::from_secs(600);
    entry.limit = Some(Duration::from_secs(4 * 3600));
    entry
}

/// The text of every file, without the digits of its hash.
pub(crate) fn text(rendered: &Rendered) -> String {
    let warnings: Vec<_> = rendered.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
    let tier = rendered.tier.as_str();
    let file = |file: &File| {
        let text = text_of(&file.bytes).replace(&rendered.hash, "HASH");
        format!("{}, {tier}\n{}\n{text}", file.name, warnings.concat())
    };
    rendered.files.iter().map(file).collect::<Vec<_>>().join("\n")
}

fn text_of(bytes: &[u8]) -> String {
    if bytes.starts_with(&[0xff, 0xfe]) {
        let units: Vec<_> = bytes[2..].chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        String::from_utf16(&units).unwrap().replace("\r\n", "\n")
    } else {
        String::from_utf8(bytes.to_vec()).unwrap()
    }
}

#[test]
fn a_property_list() {
    let rendered = launchd::render(&nightly(), &context(Tz::Europe__Berlin)).unwrap();
    insta::assert_snapshot!("launchd", text(&rendered));
}

#[test]
fn a_task() {
    let mut entry = nightly();
    entry.argv[0] = r"C:\Program Files\policy\policy.exe".to_owned();
    entry.argv[2] = r"C:\ProgramData\policy\prod.yaml".to_owned();
    let context = Context { scope: Scope::System, log_folder: None, ..context(Tz::Europe__Berlin) };
    insta::assert_snapshot!("task_scheduler", text(&task_scheduler::render(&entry, &context).unwrap()));
}

#[test]
fn the_schema_of_tasks_refuses_what_windows_would() {
    let rendered = task_scheduler::render(&nightly(), &context(Tz::Europe__Berlin)).unwrap();
    let all = text(&rendered);
    let task = &all[all.find("<?xml").unwrap()..];
    let weekly = &task[task.rfind("<CalendarTrigger>").unwrap()..task.find("</Triggers>").unwrap()];
    let delay = "<RandomDelay>PT10M</RandomDelay>";
    let moved = weekly.replace(delay, "").replace("</ScheduleByWeek>", &format!("</ScheduleByWeek>{delay}"));
    let repeated = "<Repetition><Interval>PT30S</Interval></Repetition><RandomDelay>";
    for (wrong, is_refused) in [
        (task.to_owned(), false),
        (task.replacen(weekly, &weekly.repeat(47), 1), false),
        (task.replacen(weekly, &weekly.repeat(48), 1), true),
        (task.replace(weekly, &moved), true),
        (task.replace("<RandomDelay>", repeated), true),
        (task.replace("<RandomDelay>", &repeated.replace("PT30S", "P31D")), false),
        (task.replace("<RandomDelay>", &repeated.replace("PT30S", "P32D")), true),
        (task.replace("T02:30:00<", "T02:30:00Z<"), true),
        (task.replace("<Friday/>", "<Fri/>"), true),
        (task.replace("<Day>13<", "<Day>32<"), true),
        (task.replace("/usr/bin/policy", &"x".repeat(261)), true),
        (task.replace("Context=\"Author\"", "Context=\"Other\""), true),
        (task.replace(">IgnoreNew<", ">Ignore<"), true),
        (task.replace(">7</Priority>", ">11</Priority>"), true),
    ] {
        let Some(taken) = is_task(&wrong.replace("UTF-16", "UTF-8")) else { return };
        assert_eq!(taken, !is_refused, "{wrong}");
    }
}

#[test]
fn a_cron_job() {
    let rendered = kubernetes::render(&nightly(), &context(Tz::UTC), &cluster()).unwrap();
    assert_eq!(
        rendered.argv,
        [words(&[
            "policy",
            "--policy",
            "/etc/policy/prod.yaml",
            "run",
            "prod/nightly",
            "--due",
            "--jitter",
            "600s"
        ])]
    );
    insta::assert_snapshot!("kubernetes", text(&rendered));
}

#[test]
fn a_cron_job_is_one_by_the_newest_schema() {
    let Some(python) = python("kubernetes_validate") else { return };
    let mut spare = cluster();
    (spare.namespace, spare.service_account, spare.state_claim) = (None, None, None);
    spare.env_from.clear();
    spare.mounts.clear();
    let mut patched = cluster();
    patched.patch =
        serde_yaml::from_str("spec: {suspend: true, jobTemplate: {spec: {parallelism: 1}}}").unwrap();
    let mut never = nightly();
    (never.schedule.catch_up, never.limit) = (CatchUp::Never, None);
    let cases = [(nightly(), cluster()), (nightly(), spare), (nightly(), patched), (never, cluster())];
    let rendered =
        cases.iter().map(|(entry, spec)| kubernetes::render(entry, &context(Tz::UTC), spec).unwrap());
    are_objects(&python, &rendered.flat_map(|rendered| rendered.files).collect::<Vec<_>>());
}

/// Demands that files hold objects that Kubernetes' own schema takes.
pub(crate) fn are_objects(python: &std::path::Path, files: &[File]) {
    let folder = tempfile::tempdir().unwrap();
    let written = files.iter().enumerate().map(|(n, file)| {
        let path = folder.path().join(format!("{n}.yaml"));
        std::fs::write(&path, &file.bytes).unwrap();
        path
    });
    let program = python.with_file_name("kubernetes-validate");
    let mut command = Command::new(&program);
    let Ok(output) = command.args(["--strict", "-k", "1.37.0"]).args(written).output() else {
        return skip("no kubernetes-validate");
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
