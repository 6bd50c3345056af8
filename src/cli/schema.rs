//! `schema`: the JSON Schemas of everything that is read and printed.
#![expect(clippy::disallowed_methods, reason = "schemas are read and written where the command line says")]

use super::{
    args::Schema, check, dry_run, error::CliError, install, list, next, output, prune, restore, run,
    session::Session, status, verify,
};
use crate::{catalog::HistoryEntry, fault::OnPath, listing::Element, plan::Plan, policy, store::Manifest};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;
use std::{collections::BTreeMap, fs};

/// Draft-07: the one that YAML language servers know best.
fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft07().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}

/// All schemas by name.
pub(crate) fn all() -> BTreeMap<&'static str, Value> {
    [
        ("policy", policy::schema::policy_schema()),
        ("plan", of::<Vec<Plan>>()),
        ("manifest", of::<Manifest>()),
        ("list", of::<Vec<Element>>()),
        ("show", of::<list::Shown<'_>>()),
        ("check", of::<check::Report>()),
        ("run", of::<Vec<run::RunElement>>()),
        ("dry-run", of::<Vec<dry_run::DryRunElement<'_>>>()),
        ("prune", of::<Vec<prune::Verdict>>()),
        ("verify", of::<Vec<verify::Verified>>()),
        ("restore", of::<Vec<restore::Restored>>()),
        ("next", of::<Vec<next::Fire>>()),
        ("history", of::<Vec<HistoryEntry>>()),
        ("install", of::<Vec<install::InstallElement>>()),
        ("status", of::<status::StatusDocument>()),
    ]
    .into()
}

fn text(schema: &Value) -> String {
    serde_json::to_string_pretty(schema).unwrap_or_default() + "\n"
}

pub(crate) fn schema(session: &Session, args: &Schema) -> Result<u8, CliError> {
    let all = all();
    let file = |name: &str| format!("{name}.schema.json");
    if let Some(folder) = &args.write {
        let folder = session.host.working_folder.join(folder);
        fs::create_dir_all(&folder).on("create the folder", &folder)?;
        for (name, schema) in &all {
            let path = folder.join(file(name));
            fs::write(&path, text(schema)).on("write", &path)?;
        }
        return Ok(0);
    }
    if let Some(folder) = &args.check {
        let place = session.host.working_folder.join(folder);
        let differs = |name: &str, schema: &Value| {
            fs::read_to_string(place.join(file(name))).ok().as_deref() != Some(text(schema).as_str())
        };
        let stale: Vec<_> =
            all.iter().filter(|(name, schema)| differs(name, schema)).map(|(name, _)| file(name)).collect();
        if stale.is_empty() {
            return Ok(0);
        }
        return Err(CliError::drift(format!("{} differ from the program's", stale.join(", ")))
            .help(format!("write them anew: `policy schema --write {}`", folder.display())));
    }
    let Some(name) = &args.name else {
        let names: Vec<_> = all.keys().collect();
        if session.global.json {
            return output::print_json(&names);
        }
        let rows: Vec<_> = names.iter().map(|name| vec![(**name).to_owned()]).collect();
        return output::print(&output::table(&rows));
    };
    let Some(schema) = all.get(name.as_str()) else {
        let names: Vec<_> = all.keys().copied().collect();
        return Err(CliError::unknown(format!("there is no schema `{name}`"))
            .help(format!("there are {}", names.join(", "))));
    };
    output::print(&text(schema))
}
