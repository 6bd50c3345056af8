//! The entries of every policy that comes with the program, for every scheduler.

use super::{
    example::{are_objects, text},
    read::python,
};
use crate::support::skip;
use policy::{
    plan::entries::{Site, entries},
    policy::{Policy, load},
    schedule::{
        entry::{Backend, Context},
        render::File,
    },
};
use std::{collections::BTreeMap, path::Path};

/// Where they lie.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");

/// A policy of the checkout; one that names no image for Kubernetes is given one.
fn read(path: &Path, backend: Backend) -> Policy {
    let mut text = std::fs::read_to_string(path).unwrap();
    if backend == Backend::Kubernetes && !text.contains("  kubernetes:") {
        let image = "kubernetes: {image: \"registry.example.org/policy:1\"}";
        text = if let Some((before, after)) = text.split_once("\ninstall:\n") {
            format!("{before}\ninstall:\n  {image}\n{after}")
        } else if let Some((before, after)) = text.split_once("\ninstall: {") {
            format!("{before}\ninstall: {{{image}, {after}")
        } else {
            format!("{text}\ninstall: {{{image}}}\n")
        };
    }
    let loaded = load("policy.yaml", Path::new("/srv/app/policies"), text.as_bytes());
    loaded.policy.unwrap_or_else(|| panic!("{}: {:?}", path.display(), loaded.problems))
}

fn site(policy: &Policy, name: &str) -> Site {
    let install = policy.install();
    Site {
        program: "/usr/local/bin/policy".to_owned(),
        file: format!("/srv/app/policies/{name}.yaml"),
        context: Context {
            scope: install.scope(),
            user: install.user.as_ref().map(|user| user.value.clone()),
            host_zone: policy.timezone(),
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]),
            log_folder: Some("/home/ada/.local/state/policy/logs".to_owned()),
            may_tick: false,
        },
    }
}

fn files() -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(FOLDER).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

/// The files that a scheduler gets of every policy.
fn written(backend: Backend) -> Vec<File> {
    let mut all = Vec::new();
    for path in files() {
        let policy = read(&path, backend);
        let site = site(&policy, &path.file_stem().unwrap().to_string_lossy());
        let rendered = entries(&policy, backend, &site).into_values().map(Result::unwrap);
        all.extend(rendered.flat_map(|rendered| rendered.files));
    }
    assert!(all.len() > 5);
    all
}

/// Runs a checker of files in a folder that holds them; `None` where there is no such program.
fn checked(program: &str, words: &[&str], files: &[File]) -> Option<std::process::Output> {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        std::fs::write(folder.path().join(&file.name), &file.bytes).unwrap();
    }
    let mut command = std::process::Command::new(program);
    command.args(words).args(files.iter().map(|file| folder.path().join(&file.name)));
    let output = command.output().ok();
    if output.is_none() {
        skip(&format!("no {program}"));
    }
    output
}

#[test]
fn what_lies_on_no_volume_of_a_pod_is_told() {
    let text = "\
version: 1
name: app
timezone: UTC
stores: {disk: /data/backups, lost: /tmp/backups}
targets: {app: {sqlite: /srv/app/app.db}, other: {sqlite: /srv/apple/other.db}}
install:
  backend: kubernetes
  kubernetes: {image: 'registry.example.org/policy:1', mounts: {/data: {claim: data}, /srv/app: {claim: app}}}
jobs: {nightly: {schedule: '0 4 * * *', retention: {last: 3}}}
";
    let policy = load("policy.yaml", Path::new("/srv"), text.as_bytes()).policy.unwrap();
    let site = site(&policy, "app");
    let rendered = entries(&policy, Backend::Kubernetes, &site).into_values().next().unwrap().unwrap();
    let told: Vec<_> = rendered.warnings.iter().filter(|warning| warning.contains("no volume")).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("store `lost` at /tmp/backups"), "{told:?}");
    assert!(told[1].starts_with("target `other` at /srv/apple/other.db"), "{told:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn every_file_of_theirs_is_one_that_its_scheduler_takes() {
    let well = |output: Option<std::process::Output>| {
        let Some(output) = output else { return };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    };
    if let Some(output) = checked("systemd-analyze", &["verify"], &written(Backend::Systemd)) {
        // The program that they start is not on this machine; nothing else may be wrong.
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let wrong = said.lines().find(|line| !line.contains("/usr/local/bin/policy is not executable"));
        assert_eq!(wrong, None);
    }
    for file in written(Backend::Cron) {
        // A file of /etc/cron.d has a user in each line, which crontab(1) would take for a part of the command.
        well(checked("crontab", &["-n"], &[file]));
    }
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/task.xsd");
    well(checked("xmllint", &["--noout", "--schema", schema], &written(Backend::TaskScheduler)));
    if let Some(python) = python("plistlib") {
        let load = "import plistlib, sys; [plistlib.load(open(name, 'rb')) for name in sys.argv[1:]]";
        well(checked(python.to_str().unwrap(), &["-c", load], &written(Backend::Launchd)));
    }
    if let Some(python) = python("kubernetes_validate") {
        are_objects(&python, &written(Backend::Kubernetes));
    }
}

#[test]
fn the_policies_that_come_with_the_program_have_entries_for_every_scheduler() {
    let mut seen = 0;
    for path in files() {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        for backend in Backend::ALL {
            let policy = read(&path, backend);
            let site = site(&policy, &name);
            let mut shown = String::new();
            for (entry, rendered) in entries(&policy, backend, &site) {
                seen += 1;
                let rendered = rendered.unwrap_or_else(|refusal| panic!("{entry}: {refusal}"));
                shown += &text(&rendered);
                shown += "\n";
            }
            insta::assert_snapshot!(format!("{name}.{backend}"), shown);
        }
    }
    assert!(seen > 20);
}
