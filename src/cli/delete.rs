//! `delete`: removes named backups, but never the newest proven one.

use super::{args::Delete, backups, error::CliError, list, output, session::Session};
use crate::{
    catalog::Catalog,
    policy::values::Level,
    store::{Record, RecordKind, Store as _, lock::Mode},
};

pub(crate) fn delete(session: &Session, args: &Delete) -> Result<u8, CliError> {
    if args.reason.trim().is_empty() {
        return Err(CliError::invalid("`--reason` is empty").help("say why: it is recorded in the store"));
    }
    let store = args.store.as_deref();
    let policies = list::policies_for(session, store)?;
    let shelf = backups::collect(session, &policies, store)?;
    let mut ids = Vec::new();
    for text in &args.backups {
        ids.push(shelf.one(text)?);
    }
    ids.sort();
    ids.dedup();
    let doomed: Vec<_> =
        shelf.copies.iter().filter(|copy| ids.contains(&copy.stored.id) && !copy.remembered).collect();
    // All are judged before the first goes.
    for copy in &doomed {
        let series = &copy.stored.id.series;
        let newest_proven = shelf
            .copies
            .iter()
            .filter(|other| {
                other.rack == copy.rack && other.stored.id.series == *series && other.stored.proven()
            })
            .map(|other| &other.stored.id)
            .max();
        if newest_proven == Some(&copy.stored.id) {
            let name = &shelf.stores[copy.rack].name;
            return Err(CliError::refused(format!(
                "`{}` is the newest proven backup of {series} in {name}",
                copy.stored.id
            ))
            .help("make a newer one first: `policy run`"));
        }
    }
    if session.host.is_ahead() {
        return Err(CliError::refused("`--now` lies later than the clock: nothing is deleted"));
    }
    for copy in &doomed {
        let rack = &shelf.stores[copy.rack];
        let id = &copy.stored.id;
        if args.dry_run {
            output::tell(&format!("would delete {id} from {}", rack.name));
            continue;
        }
        let _lock = rack.store.lock(&id.series, Mode::Exclusive)?;
        let record = Record {
            kind: RecordKind::Delete,
            id: id.to_string(),
            at: session.host.real_now(),
            passed: true,
            asked: Level::None,
            level: Level::None,
            checks: Vec::new(),
            message: args.reason.clone(),
        };
        // The reason stands in the store before the backup goes: a deletion without a record cannot be.
        rack.store.record(&id.series, &record)?;
        rack.store.remove(id)?;
        Catalog::open(&session.host.state)?.remove_backup(&id.series.policy, &rack.name, &id.to_string())?;
        output::tell(&format!("deleted {id} from {}", rack.name));
    }
    if session.global.json {
        let gone: Vec<_> = doomed
            .iter()
            .map(|copy| serde_json::json!({"id": copy.stored.id.to_string(), "store": shelf.stores[copy.rack].name}))
            .collect();
        output::print_json(&gone)?;
    }
    Ok(0)
}
