//! `plan`: shows, stores and compares plans.
#![expect(clippy::disallowed_methods, reason = "snapshots are read and written where the command line says")]

use super::{
    args::PlanArgs,
    error::CliError,
    output,
    session::{Session, select},
};
use crate::{
    fault::OnPath,
    observe,
    plan::{
        self, Plan, Platform,
        entries::refusals,
        render,
        snapshot::{self, Drift},
    },
    policy::{Policy, paths},
};
use std::{collections::BTreeMap, fs, path::Path};

pub(crate) fn plan(session: &Session, args: &PlanArgs) -> Result<u8, CliError> {
    if (args.write.is_some() || args.check.is_some()) && !args.jobs.is_empty() {
        return Err(CliError::invalid("stored plans are those of whole policies")
            .help("leave the jobs out, or choose policies with `--policy FILE`"));
    }
    let policies = session.policies()?;
    let selected = select(&policies, &args.jobs)?;
    tell_notes(session, &policies);
    let stores_all = (args.write.is_some() || args.check.is_some()) && args.platform.is_none();
    let platforms =
        if stores_all { Platform::ALL.to_vec() } else { vec![args.platform.unwrap_or(Platform::current())] };
    for (policy, platform) in
        selected.iter().flat_map(|(policy, _)| platforms.iter().map(move |on| (policy, *on)))
    {
        for refusal in refusals(policy, platform) {
            output::warn(&format!("{refusal}; {}", refusal.help));
        }
    }
    let at = session.host.given_now();
    let plans: Vec<Plan> = selected
        .iter()
        .flat_map(|(policy, selection)| {
            platforms.iter().map(move |platform| plan::build(policy, selection, *platform, at))
        })
        .collect();
    if let Some(folder) = &args.write {
        return write(session, &session.host.working_folder.join(folder), &platforms, &plans);
    }
    if let Some(folder) = &args.check {
        return check(session, folder, &platforms, &plans);
    }
    if session.global.json {
        return output::print_json(&plans);
    }
    let texts: Vec<String> = plans.iter().map(render::text).collect();
    output::print(&texts.join("\n"))
}

/// Variables that have no value here: worth knowing in review, and no part of the plan.
fn tell_notes(session: &Session, policies: &[Policy]) {
    if session.global.quiet {
        return;
    }
    for policy in policies {
        if let Ok(variables) = observe::variables(&session.host, policy) {
            session.tell_problems(&paths::variable_notes(policy, &variables), Some(policy.source()));
        }
    }
}

/// Writes the snapshots that differ, and takes away those that no policy stands behind any more.
fn write(session: &Session, folder: &Path, platforms: &[Platform], plans: &[Plan]) -> Result<u8, CliError> {
    fs::create_dir_all(folder).on("create the folder", folder)?;
    let planned = snapshot::files(plans);
    let stored = read(session, folder, platforms, &planned)?;
    for (name, text) in &planned {
        if stored.get(name) != Some(text) {
            let path = folder.join(name);
            fs::write(&path, text).on("write", &path)?;
            note(session, &format!("wrote {}", path.display()));
        }
    }
    for name in stored.keys().filter(|name| !planned.contains_key(*name)) {
        let path = folder.join(name);
        fs::remove_file(&path).on("remove", &path)?;
        note(session, &format!("removed {}: no policy stands behind it", path.display()));
    }
    Ok(0)
}

fn note(session: &Session, line: &str) {
    if !session.global.quiet {
        output::tell(line);
    }
}

fn check(session: &Session, folder: &Path, platforms: &[Platform], plans: &[Plan]) -> Result<u8, CliError> {
    let place = session.host.working_folder.join(folder);
    if !place.is_dir() {
        return Err(CliError::drift(format!("{} holds no stored plans", folder.display()))
            .help(format!("store them with `policy plan --write {}`", folder.display())));
    }
    let planned = snapshot::files(plans);
    let drift = snapshot::compare(&read(session, &place, platforms, &planned)?, &planned);
    if session.global.json {
        let files: Vec<_> = drift
            .iter()
            .map(|drift| match drift {
                Drift::Changed { file, diff } => {
                    serde_json::json!({"file": file, "drift": "changed", "diff": diff})
                }
                Drift::Missing(file) => serde_json::json!({"file": file, "drift": "missing"}),
                Drift::Surplus(file) => serde_json::json!({"file": file, "drift": "surplus"}),
            })
            .collect();
        output::print_json(&files)?;
    } else {
        for one in &drift {
            output::print(&match one {
                Drift::Changed { diff, .. } => diff.clone(),
                Drift::Missing(file) => format!("{file}: planned, and not stored\n"),
                Drift::Surplus(file) => format!("{file}: stored, and no policy stands behind it\n"),
            })?;
        }
    }
    if drift.is_empty() {
        return Ok(0);
    }
    let count = drift.len();
    let plans = if count == 1 { "plan differs" } else { "plans differ" };
    Err(CliError::drift(format!("{count} {plans} from {}", folder.display()))
        .help(format!("if the change is meant: `policy plan --write {}`", folder.display())))
}

/// The snapshots that are stored for these platforms; those of other policies too, unless single files are named.
fn read(
    session: &Session,
    folder: &Path,
    platforms: &[Platform],
    planned: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, CliError> {
    let mut stored = BTreeMap::new();
    let is_partial = session.is_partial();
    let is_meant = |name: &str| !is_partial || planned.contains_key(name);
    // Of a name without a known platform nobody can say that it is not meant.
    let is_of = |name: &str, platform: Platform| name.ends_with(&format!(".{}.plan", platform.as_str()));
    let is_other = |name: &str| Platform::ALL.into_iter().any(|p| is_of(name, p) && !platforms.contains(&p));
    for entry in fs::read_dir(folder).on("read the folder", folder)? {
        let path = entry.on("read the folder", folder)?.path();
        if path.extension().is_some_and(|ext| ext == "plan")
            && let Some(name) = path.file_name().and_then(|name| name.to_str())
            && !is_other(name)
            && is_meant(name)
        {
            // Bytes that are no text are a difference like any other.
            let bytes = fs::read(&path).on("read", &path)?;
            stored.insert(name.to_owned(), String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(stored)
}
