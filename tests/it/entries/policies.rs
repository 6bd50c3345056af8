//! The entries of every policy that comes with the program, for every scheduler.

use super::example::text;
use policy::{
    plan::entries::{Site, entries},
    policy::{Policy, load},
    schedule::entry::{Backend, Context},
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

#[test]
fn the_policies_that_come_with_the_program_have_entries_for_every_scheduler() {
    let mut seen = 0;
    let mut files: Vec<_> = std::fs::read_dir(FOLDER).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    for path in files {
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
