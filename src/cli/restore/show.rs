//! Everything a person should know before saying yes.
#![expect(clippy::disallowed_methods, reason = "looks at the places that are restored to")]

use super::{
    super::{
        backups::Shelf,
        error::CliError,
        list,
        output::{self, BOLD, DIM, ERROR, WARNING, paint},
        session::Session,
    },
    Choice,
};
use crate::{
    engines::EngineError,
    evidence::TableFact,
    policy::{model::TableClass, values::Size},
    restore::{self, DatabaseWay, Order, PathWay, Way},
    store::{self, Stored},
    watch::Watch,
};
use std::{collections::BTreeMap, fs, path::Path};

pub(super) fn show(session: &Session, shelf: &Shelf<'_>, choice: &Choice<'_>, watch: &Watch<'_>) {
    let now = session.host.now();
    let stored = &choice.copy.stored;
    let element = shelf.element(choice.copy);
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |key: &str, text: String| rows.push(vec![format!("  {key}"), text]);
    row("backup", format!("{}, {} old", element.id, list::age(now, element.time)));
    let level = if element.proven {
        format!("{}, proven", element.level)
    } else {
        let asked = format!("{} of {} asked", element.level, element.asked);
        format!("{asked}, {}", paint(ERROR, "NOT PROVEN: it is restored as it is"))
    };
    row("level", level);
    row("store", element.store.clone());
    if let Some(damage) = &stored.damage {
        row("damage", paint(WARNING, output::printable(damage)));
    }
    for failure in &stored.manifest.failures {
        row("failure", paint(WARNING, output::printable(failure)));
    }
    if let Some(partial) = list::partial(&stored.manifest) {
        row(
            "partial",
            paint(WARNING, format!("{partial}: what is live of it is kept only in what is set aside")),
        );
    }
    for name in &stored.manifest.unreadable {
        row("unread", paint(WARNING, output::printable(name)));
    }
    for newer in
        shelf.at_hand().iter().filter(|entry| entry.id.series == stored.id.series && entry.id > stored.id)
    {
        let damage = shelf.damaged.iter().find(|damaged| damaged.id == newer.id);
        let why = match damage {
            _ if newer.future => "dated in the future".to_owned(),
            _ if newer.proven => "not the one asked for".to_owned(),
            None if shelf.copies_of(&newer.id).iter().all(|copy| copy.remembered) => {
                "its store cannot be reached".to_owned()
            }
            Some(damage) => damage.why.clone(),
            None => shelf
                .copies_of(&newer.id)
                .iter()
                .find_map(|copy| copy.stored.damage.clone())
                .unwrap_or_else(|| "not proven".to_owned()),
        };
        row("passed over", format!("{}: {why}", newer.id));
    }
    let name = &choice.target.name.value;
    let title = match &choice.way {
        Way::Load(way) => {
            row("dumped by", output::printable(&way.dump.words()));
            row(
                "loaded",
                paint(WARNING, "over what is live, by the target's `restore` command: nothing is set aside"),
            );
            format!("restore {name}")
        }
        Way::Database(way) => {
            for session in &way.standing.sessions {
                let ends = session.may_be_ended;
                let session = output::printable(&session.to_string());
                let end = if ends { "is disconnected" } else { "this user cannot disconnect it" };
                row("in use", paint(WARNING, format!("{session}: {end}")));
            }
            row("room", room_of_database(way, stored));
            let kept = || format!("kept as the database {}", output::printable(&way.aside));
            row("there now", if way.standing.is_there { kept() } else { paint(DIM, "nothing") });
            format!("restore {name} to {}", way.place())
        }
        Way::Path(way) => {
            place(way, stored.manifest.original_bytes, &mut row);
            format!("restore {name} to {}", way.to.display())
        }
    };
    output::tell(&paint(BOLD, title));
    output::tell(output::table(&rows).trim_end());
    match &choice.way {
        Way::Path(way) if fs::symlink_metadata(&way.to).is_ok() => {
            compare(choice, way.engine.survey(&way.to, choice.target.tables.as_ref()));
        }
        Way::Database(way) if way.standing.is_there => {
            compare(choice, way.engine.survey(&way.to, choice.target.tables.as_ref(), watch.cancel()));
        }
        _ => {}
    }
}

/// Who uses a path, the room beside it, and what becomes of what is there.
fn place(way: &PathWay, bytes: u64, row: &mut impl FnMut(&str, String)) {
    for holder in way.engine.holders(&way.to) {
        let name = output::printable(&holder.name);
        row("in use", paint(WARNING, format!("process {} ({name}) has it open", holder.pid)));
    }
    row("room", room(way, bytes));
    let is_there = fs::symlink_metadata(&way.to).is_ok();
    let kept = || format!("kept as {}", way.aside.display());
    row("there now", if is_there { kept() } else { paint(DIM, "nothing") });
    for left in way.engine.remains(&way.to) {
        let text = format!("{}, left by a database that is gone, is set aside", left.display());
        row("left", paint(WARNING, text));
    }
}

fn room(PathWay { engine, to, .. }: &PathWay, bytes: u64) -> String {
    let needed = Size::from_bytes(restore::beside::room_needed(&**engine, to, bytes));
    room_at(needed, to.ancestors().skip(1))
}

/// The room on this host for a dump that is unpacked here, and on the server as far as that tells.
fn room_of_database(way: &DatabaseWay, stored: &Stored) -> String {
    let on_server = way.standing.bytes.map_or_else(
        || "unknown what the server has free".to_owned(),
        |bytes| {
            let bytes = Size::from_bytes(bytes);
            format!("the live one takes {bytes} on the server, unknown what is free there")
        },
    );
    match way.room_needed(&stored.manifest) {
        0 => on_server,
        needed => {
            let here = room_at(Size::from_bytes(needed), way.scratch.ancestors());
            format!("{here} in {}; {on_server}", way.scratch.display())
        }
    }
}

/// What is needed, and what is free in the first of these folders that is there.
fn room_at<'p>(needed: Size, folders: impl Iterator<Item = &'p Path>) -> String {
    // A new place may lie in folders that do not exist yet.
    let mut folders = folders;
    match folders.find(|folder| folder.is_dir()).map(store::free_bytes) {
        Some(Ok(free)) => format!("{needed} needed, {} free", Size::from_bytes(free)),
        Some(Err(error)) => format!("{needed} needed, unknown what is free: {error}"),
        None => format!("{needed} needed"),
    }
}

/// What the live target has and the backup has not, and the reverse, by class; what cannot be made again first.
fn compare(choice: &Choice<'_>, live: Result<BTreeMap<String, TableFact>, EngineError>) {
    let live = match live {
        Ok(live) => live,
        Err(error) => {
            output::tell(&format!("  live cannot be compared with the backup: {error}"));
            return;
        }
    };
    let manifest = &choice.copy.stored.manifest;
    let unit = list::unit(manifest);
    let rows = differences(&live, &manifest.tables, unit);
    if rows.is_empty() {
        output::tell(&match unit {
            "file" => "  live has as many files as the backup".to_owned(),
            _ => "  live has the same counts as the backup".to_owned(),
        });
    } else {
        output::tell("  live differs from the backup:");
        output::tell(output::table(&rows).trim_end());
    }
}

fn differences(
    live: &BTreeMap<String, TableFact>,
    backup: &BTreeMap<String, TableFact>,
    unit: &str,
) -> Vec<Vec<String>> {
    let names: std::collections::BTreeSet<&String> = live.keys().chain(backup.keys()).collect();
    let mut found: Vec<(TableClass, &String, Option<u64>, Option<u64>)> = names
        .into_iter()
        .filter_map(|name| {
            let (here, there) = (live.get(name), backup.get(name));
            let class = here.or(there)?.class;
            Some((class, name, here.map(|fact| fact.rows), there.map(|fact| fact.rows)))
        })
        .filter(|(_, _, here, there)| here != there)
        .collect();
    found.sort_by_key(|(class, name, ..)| (*class != TableClass::Irreplaceable, class.to_string(), *name));
    let count = |rows: Option<u64>| rows.map_or_else(|| "absent".to_owned(), |rows| rows.to_string());
    found
        .into_iter()
        .map(|(class, name, here, there)| {
            // An unclassed table counts as irreplaceable.
            let is_loss = !matches!(class, TableClass::Recoverable) && here > there;
            let loss = match (here, there) {
                (Some(here), Some(there)) if is_loss => {
                    format!("{} would go", list::counted(here - there, unit))
                }
                (Some(_), None) if is_loss => "the whole table would go".to_owned(),
                _ => String::new(),
            };
            // A folder's files have no class, and one line tells of all.
            let class = if unit == "file" { "   ".to_owned() } else { format!("    {class}") };
            vec![
                class,
                output::printable(name),
                format!("live {}", count(here)),
                format!("backup {}", count(there)),
                paint(WARNING, loss),
            ]
        })
        .collect()
}

/// The steps that a restore would take, in place of taking them.
pub(super) fn steps(session: &Session, orders: &[Order<'_>]) -> Result<u8, CliError> {
    let steps = restore::steps(orders);
    if session.global.json {
        return output::print_json(&steps);
    }
    let rows: Vec<_> = steps
        .iter()
        .map(|step| {
            vec![format!("{:>4}", step.n), step.kind.to_owned(), step.target.clone(), step.summary.clone()]
        })
        .collect();
    output::print(&output::table(&rows))?;
    output::tell("nothing was changed");
    Ok(0)
}
