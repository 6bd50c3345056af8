//! Stores that what happens to the data would happen to as well.

use super::{Lint, paths::is_literal};
use crate::policy::{
    Source, Spanned,
    model::PathTemplate,
    paths::normalized,
    problem::{Code, Problem},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

pub(super) fn lint(lint: &mut Lint<'_>) {
    same_folder(lint);
    let mut databases = BTreeMap::new();
    for target in lint.policy.targets().values() {
        let Some(path) = target.engine.path().filter(|_| target.engine.is_database_file()) else { continue };
        let Some(file) = decided(lint.policy.source(), path) else { continue };
        if let Some(around) = file.parent().filter(|around| around.components().count() > 2) {
            databases.entry(around.to_owned()).or_insert((target, path));
        }
    }
    for store in lint.policy.stores().values() {
        if is_literal(&store.path) {
            continue;
        }
        let Some(folder) = decided(lint.policy.source(), &store.path) else { continue };
        let beside = folder.ancestors().find_map(|around| databases.get(around)).copied();
        if let Some((target, path)) = beside {
            let message = format!(
                "the store `{}` lies in the folder of the target `{}`",
                store.name.value, target.name.value
            );
            let help = "put it elsewhere, best on another disk: what happens to the folder happens to the backups too";
            let problem = Problem::new(Code::StoreBesideTarget, message, help)
                .label(store.path.span, "this store")
                .label(path.span, "lies in the folder of this database");
            lint.note(problem);
        } else if project(&lint.policy.source().folder).is_some_and(|project| folder.starts_with(project)) {
            let message = format!("the store `{}` lies inside the project", store.name.value);
            let help = "put it elsewhere, as in `~/Backups/app`: a project is cloned, cleaned and deleted as a whole";
            lint.note(
                Problem::new(Code::StoreInProject, message, help)
                    .label(store.path.span, "inside the project"),
            );
        }
    }
}

fn same_folder(lint: &mut Lint<'_>) {
    let mut stores: Vec<_> = lint.policy.stores().values().collect();
    stores.sort_by_key(|store| store.path.span);
    let mut folders = BTreeMap::new();
    for store in stores {
        let written = store.path.value.0.as_written();
        let folder = match written.strip_prefix("${HOME}") {
            Some(below) => format!("~{below}"),
            None => written.to_owned(),
        };
        let folder = normalized(&lint.policy.source().folder.join(folder));
        let Some(first) = folders.get(&folder) else {
            folders.insert(folder, &store.name);
            continue;
        };
        let message = format!("the stores `{}` and `{}` are the same folder", first.value, store.name.value);
        let help = "give each a folder of its own, best on another disk; two copies in one folder are one";
        lint.note(
            Problem::new(Code::SameFolder, message, help)
                .label(store.path.span, "the same folder")
                .label(first.span, "the other store"),
        );
    }
}

/// Where a path lies, if the policy's text and its file's place decide it: no variable, no home folder.
fn decided(source: &Source, path: &Spanned<PathTemplate>) -> Option<PathBuf> {
    let template = &path.value.0;
    let written = template.as_written();
    let open = written.starts_with('~') || template.references().next().is_some();
    (!open).then(|| normalized(&source.folder.join(written)))
}

/// The folder of the project that a policy belongs to: the one around `policies`, else the policy's own.
fn project(folder: &Path) -> Option<&Path> {
    let project = match folder.parent() {
        Some(around) if folder.ends_with("policies") => around,
        _ => folder,
    };
    // At the top of a file system lies everything, not a project.
    project.parent().is_some().then_some(project)
}
