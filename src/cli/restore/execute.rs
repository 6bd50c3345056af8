//! Doing a restore: locks, preparation, swap, record.

use super::{
    super::{backups::Shelf, error::CliError, journal::Line, output, session::Session, verify},
    Choice, Restored,
    guard::real,
};
use crate::{
    engines::EngineError,
    restore::{self, Order, RestoreError, Shown, Way},
    store::{
        Record, RecordKind, Store as _,
        lock::{self, Mode},
    },
    watch::Watch,
};
use sha2::{Digest as _, Sha256};

pub(super) fn execute(
    session: &Session,
    shelf: &Shelf<'_>,
    choices: &[Choice<'_>],
    orders: &[Order<'_>],
    watch: &Watch<'_>,
) -> Result<u8, CliError> {
    let mut locks = Vec::new();
    let mut place_locks = Vec::new();
    for choice in choices {
        locks.push(verify::lock(&shelf.stores[choice.copy.rack], &choice.copy.stored)?);
        place_locks.push(lock_place(session, &choice.way)?);
    }
    let history = begin_line(session, choices);
    let outcome = prepare_and_commit(session, shelf, orders, watch);
    history.end(session, outcome.as_ref().err());
    let restored = outcome?;
    for (choice, result) in choices.iter().zip(&restored) {
        record(session, shelf, choice, result);
    }
    if session.global.json {
        output::print_json(&restored)?;
    } else {
        for one in &restored {
            output::print(&format!(
                "restored {} to {} in {:.1} s, shown to level {}{}\n",
                one.backup,
                one.to,
                one.seconds,
                one.level,
                one.kept()
            ))?;
        }
    }
    for warning in restored.iter().flat_map(|one| &one.warnings) {
        output::warn(&output::printable(warning));
    }
    for (choice, result) in choices.iter().zip(&restored) {
        if let Some(rto) = choice.target.rto.filter(|rto| result.seconds > rto.as_std().as_secs_f64()) {
            let took = result.seconds;
            let name = &choice.target.name.value;
            output::warn(&format!("{name} took {took:.3} s, longer than its rto of {rto}"));
        }
    }
    drop((locks, place_locks));
    Ok(0)
}

fn prepare_and_commit(
    session: &Session,
    shelf: &Shelf<'_>,
    orders: &[Order<'_>],
    watch: &Watch<'_>,
) -> Result<Vec<Restored>, CliError> {
    let mut prepared = Vec::new();
    for order in orders {
        if session.global.verbose {
            output::tell(&format!("restoring {} to {}", order.stored.id, order.way.place()));
        }
        prepared.push(restore::prepare(order, watch).map_err(|error| restore_error(shelf, order, error))?);
    }
    let shown: Vec<Shown> = prepared.iter().map(|ready| ready.shown.clone()).collect();
    let done = restore::commit(orders, prepared, watch).map_err(|error| swap_error(error, "restore"))?;
    let restored = orders.iter().zip(shown).zip(done).map(|((order, shown), done)| Restored {
        target: order.target.name.to_string(),
        backup: order.stored.id.to_string(),
        to: order.way.place(),
        seconds: (done.seconds * 1_000.0).round() / 1_000.0,
        level: shown.level,
        passed: true,
        checks: shown.checks,
        warnings: shown.warnings.into_iter().chain(done.warnings).collect(),
        set_aside: done.aside,
        is_database: matches!(order.way, Way::Database(_)),
    });
    Ok(restored.collect())
}

pub(super) fn restore_error(shelf: &Shelf<'_>, order: &Order<'_>, error: RestoreError) -> CliError {
    let untouched = format!("{} was not touched", order.way.place());
    let id = &order.stored.id;
    match error {
        RestoreError::Stored(why) => {
            let error = CliError::unproven(format!("{id}: {why}; {untouched}"));
            let tried = shelf.copies.iter().find(|copy| std::ptr::eq(&raw const copy.stored, order.stored));
            let other = shelf
                .copies_of(id)
                .into_iter()
                .find(|copy| !copy.remembered && tried.is_some_and(|tried| tried.rack != copy.rack));
            error.help(match other {
                Some(copy) => format!(
                    "another copy lies in `{0}`: `--store {0}`; `policy verify` shows which copies stand",
                    shelf.stores[copy.rack].name
                ),
                None => "choose an earlier backup: `policy list`".to_owned(),
            })
        }
        RestoreError::Unproven { .. } => CliError::unproven(format!("{id}: {error}; {untouched}"))
            .help("choose an earlier backup: `policy list`"),
        RestoreError::Engine(EngineError::Stopped(_)) => CliError::interrupted(),
        RestoreError::NoRoom { in_use, .. } => {
            let help = match order.way {
                Way::Database(_) => "free some there, or set POLICY_STATE_DIR to a folder with more room",
                _ => "free some there, or restore to another place with `--to`",
            };
            let less = if in_use { "stop what has it open, then a third of that is enough; " } else { "" };
            CliError::failed(format!("{error}; {untouched}")).help(format!("{less}{help}"))
        }
        RestoreError::Lacking { .. } => CliError::refused(format!("{error}; {untouched}")).help(
            "make them first: `create role …`, or install the extension on the server; a backup with `globals: true` holds \
             the roles as SQL text in its file `….globals.sql`; what takes a superuser is restored as one",
        ),
        other => CliError::failed(format!("{other}; {untouched}")),
    }
}

/// Words the error of a swap; `verb` is what is to be done again, `restore` or `undo`.
pub(super) fn swap_error(error: RestoreError, verb: &str) -> CliError {
    let mut message = error.to_string();
    let RestoreError::Swap { source, left, .. } = error else { return CliError::failed(message) };
    for left in left {
        message.push_str("; ");
        message.push_str(&left);
    }
    match source {
        EngineError::Stopped(_) => CliError { message, ..CliError::interrupted() },
        EngineError::Busy { .. } | EngineError::InUse { .. } => {
            CliError::refused(message).help(format!("stop what has it open, then {verb} again"))
        }
        EngineError::Refused(_) => CliError::refused(message),
        EngineError::Obstacle(obstacle) => CliError { message, ..CliError::from(obstacle) },
        EngineError::Unsettled { aside: Some(_), .. } => CliError::failed(message)
            .help("look at what it holds before it is used; `policy restore --undo` puts back what is kept"),
        _ => CliError::failed(message),
    }
}

/// Two restores of one place exclude each other, whatever policy or store they come from and however it is spelled.
pub(super) fn lock_place(session: &Session, way: &Way) -> Result<lock::Lock, CliError> {
    let folder = session.host.state_folder("locks")?;
    let place = match way {
        Way::Path(way) => real(&way.to).into_os_string(),
        Way::Database(way) => way.engine.key(&way.to).into(),
        Way::Load(way) => way.dump.words().into(),
    };
    let name = hex::encode(&Sha256::digest(place.as_encoded_bytes())[..16]);
    lock::lock(&folder.join(name), Mode::Exclusive, &lock::HolderNote::own()).map_err(|error| match error {
        lock::LockError::Held(holder) => {
            CliError::locked(format!("{} is being restored: {holder}", way.place()))
                .help("locks end with their process: wait for it")
        }
        lock::LockError::Fault(fault) => fault.into(),
    })
}

/// Begins the line of a restore in the history.
fn begin_line(session: &Session, choices: &[Choice<'_>]) -> Line {
    let details: Vec<_> = choices
        .iter()
        .map(|choice| {
            let (id, to) = (choice.copy.stored.id.to_string(), choice.way.place());
            serde_json::json!({ "backup": id, "to": to })
        })
        .collect();
    let (policy, digest) = choices.first().map_or(("", ""), |choice| {
        let manifest = &choice.copy.stored.manifest;
        (manifest.policy.as_str(), manifest.policy_digest.as_str())
    });
    Line::begin(session, "restore", policy, digest, serde_json::json!({ "restores": details }))
}

fn record(session: &Session, shelf: &Shelf<'_>, choice: &Choice<'_>, result: &Restored) {
    let record = Record {
        kind: RecordKind::Restore,
        id: result.backup.clone(),
        at: session.host.real_now(),
        passed: result.passed,
        asked: choice.level,
        level: result.level,
        checks: result.checks.clone(),
        message: String::new(),
    };
    let rack = &shelf.stores[choice.copy.rack];
    // A store that is not the one last used is left as it is.
    if !rack.is_last {
        return;
    }
    if let Err(error) = rack.store.record(&choice.copy.stored.id.series, &record) {
        output::warn(&format!("the restore could not be recorded: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engines::{Holds, place::Obstacle},
        fault::Fault,
    };

    fn error(source: EngineError) -> CliError {
        swap_error(RestoreError::Swap { to: "/app.db".into(), source, left: Vec::new() }, "undo")
    }

    #[test]
    fn an_obstacle_is_the_same_error_before_a_restore_and_at_its_swap() {
        let denied = || Fault {
            verb: "write to",
            path: "/".into(),
            source: std::io::ErrorKind::PermissionDenied.into(),
        };
        let obstacles: [fn(Fault) -> Obstacle; 4] = [
            Obstacle::Unwritable,
            Obstacle::Fault,
            |_| Obstacle::NoFolder { path: "/a".into() },
            |_| Obstacle::MountPoint { place: "/a".into() },
        ];
        for obstacle in obstacles {
            let (before, at_swap) = (CliError::from(obstacle(denied())), error(obstacle(denied()).into()));
            assert_eq!((before.exit, before.code, before.help), (at_swap.exit, at_swap.code, at_swap.help));
        }
    }

    #[test]
    fn what_came_too_late_says_what_is_live_and_where_the_old_is() {
        let source = Box::new(EngineError::Refused("it failed".to_owned()));
        let (place, aside) = ("/app.db".into(), Some("/app.db.aside-1".into()));
        let late = error(EngineError::Unsettled { place, holds: Holds::Either, aside, source });
        assert_eq!(late.exit, 1);
        for part in ["it failed; /app.db holds either the old or the new content", "kept as /app.db.aside-1"]
        {
            assert!(late.message.contains(part), "{late:?}");
        }
        assert!(late.help.unwrap().contains("restore --undo"));
    }
}
