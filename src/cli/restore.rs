//! `restore`: shows first, asks, then brings data back.
#![expect(clippy::disallowed_methods, reason = "looks at the places that are restored to")]

mod choose;
mod execute;
mod guard;
mod show;
mod undo;

use super::{
    args::Restore,
    backups::{self, Copy, Shelf, bound},
    caller::BackupCaller,
    error::CliError,
    output,
    session::Session,
    signals,
};
use crate::{
    engines::{
        Caller as _, EngineError,
        command::Dump,
        place,
        postgres::{Postgres, aside::is_asides, candidate::is_candidates},
    },
    evidence::CheckResult,
    observe::bind,
    policy::{
        Policy,
        model::{CommandSpec, EngineSpec, Target},
        values::Level,
    },
    restore::{self, DatabaseWay, LoadWay, Order, PathWay, Way},
    store::{BackupId, Store as _},
    watch::Watch,
};
use schemars::JsonSchema;
use serde::Serialize;
use std::{
    fs,
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

/// One restored target, as `restore --json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Restored {
    /// The target's name.
    target: String,
    /// The backup's id.
    backup: String,
    /// The place it was restored to.
    to: String,
    /// Seconds it took.
    seconds: f64,
    /// The level it was shown to have at its place.
    level: Level,
    /// Whether it was restored.
    passed: bool,
    /// The checks.
    checks: Vec<CheckResult>,
    /// What must be told about it.
    warnings: Vec<String>,
    /// Where what was there is kept: a path, or the name of a database.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_aside: Option<String>,
    /// Whether it is a database of a server.
    #[serde(skip)]
    is_database: bool,
}

impl Restored {
    /// Where what was there is kept, as the end of a sentence.
    fn kept(&self) -> String {
        let kept = |aside: &String| {
            let (what, end) = if self.is_database { ("the database ", "drop") } else { ("", "delete") };
            format!("; what was there is kept as {what}{aside} until you {end} it")
        };
        self.set_aside.as_ref().map(kept).unwrap_or_default()
    }
}

/// A target that was chosen, with everything that restoring it needs.
struct Choice<'a> {
    copy: &'a Copy,
    target: Target,
    way: Way,
    is_live: bool,
    level: Level,
}

pub(crate) fn restore(session: &Session, args: &Restore) -> Result<u8, CliError> {
    let policies = policies(session, args)?;
    // Before anything is looked at: even a look at a server has a pass file, which must not be left.
    let cancel = signals::watch()?;
    let watch = &Watch::new(&cancel, None, &|_| ());
    if let Some(name) = &args.undo {
        return undo::undo(session, args, &policies, name, watch);
    }
    let shelf = backups::collect(session, &policies, args.place.store.as_deref())?;
    let ids = choose::choose(session, args, &policies, &shelf)?;
    if args.to.is_some() && ids.len() != 1 {
        return Err(CliError::invalid("`--to` takes one target"));
    }
    let stores = guard::stores(session, &policies, &shelf)?;
    let mut choices = Vec::new();
    for id in &ids {
        choices.push(decide(session, args, (&policies, &shelf, &stores), id, watch)?);
    }
    apart(&choices)?;
    for Choice { copy, .. } in choices.iter().filter(|choice| !shelf.is_own(choice.copy)) {
        output::warn(&format!(
            "`{}` was made by another host or of another source: {}",
            copy.stored.id,
            output::printable(&copy.stored.manifest.source)
        ));
    }
    if !session.global.quiet {
        for choice in &choices {
            show::show(session, &shelf, choice, watch);
            watch.check().map_err(|_| CliError::interrupted())?;
        }
    }
    let racks: Vec<_> = choices.iter().map(|choice| &shelf.stores[choice.copy.rack]).collect();
    let openers: Vec<_> = choices
        .iter()
        .zip(&racks)
        .map(|(choice, rack)| move |file: &str| rack.store.open(&choice.copy.stored.id, file))
        .collect();
    let at_hand = |id: &BackupId| policies.iter().find(|policy| policy.name() == id.series.policy.as_str());
    let callers: Vec<_> = choices
        .iter()
        .zip(&racks)
        .map(|(Choice { copy, .. }, rack)| {
            let id = &copy.stored.id;
            BackupCaller::new(session, rack.policy.or_else(|| at_hand(id)), id, &rack.name)
        })
        .collect();
    // Before anything is shown or asked: a variable that is not set is told now, and not when the others have changed places.
    for (choice, caller) in choices.iter().zip(&callers) {
        if let EngineSpec::Command(spec) = &choice.target.engine {
            for command in spec.verify.iter().chain(&spec.restore) {
                let name = &choice.target.name.value;
                caller
                    .prepare(command, None)
                    .map_err(|why| CliError::invalid(format!("target `{name}`: {why}")))?;
            }
        }
    }
    let orders: Vec<Order<'_>> = choices
        .iter()
        .zip(&openers)
        .zip(&callers)
        .map(|((choice, open), caller)| Order {
            caller,
            target: &choice.target,
            way: &choice.way,
            stored: &choice.copy.stored,
            open,
            level: choice.level,
        })
        .collect();
    if args.dry_run {
        // What cannot be done is not promised.
        for order in &orders {
            if let Way::Database(way) = order.way {
                let looked = restore::look_ahead(order, way, watch);
                looked.map_err(|error| execute::restore_error(&shelf, order, error))?;
            }
        }
        let shown = show::steps(session, &orders);
        for order in &orders {
            guard::tell_hindrance(order.way, "restore", watch)?;
        }
        return shown;
    }
    // All of them before anything is asked or done: none is swapped for another's sake alone.
    for order in &orders {
        guard::hindrance(order.way, "restore", watch)?;
    }
    for choice in &choices {
        confirm(args, &choice.way, (choice.target.name.as_str(), choice.is_live), watch)?;
    }
    execute::execute(session, &shelf, &choices, &orders, watch)
}

/// A place that stands in for a policy needs none; one that is at hand still tells where targets lie.
fn policies(session: &Session, args: &Restore) -> Result<Vec<Policy>, CliError> {
    let is_place = args.place.store.as_deref().is_some_and(backups::is_place);
    if is_place && args.to.is_some() && session.global.policy.is_empty() {
        return Ok(Vec::new());
    }
    session.policies().map_err(|error| {
        if is_place { error.help("without a policy, `--to PLACE` says where to restore") } else { error }
    })
}

/// Decides everything about one backup: which copy, as which target, to which place.
fn decide<'a>(
    session: &Session,
    args: &Restore,
    (policies, shelf, stores): (&[Policy], &'a Shelf<'_>, &[guard::Guarded]),
    id: &BackupId,
    watch: &Watch<'_>,
) -> Result<Choice<'a>, CliError> {
    let copies = shelf.copies_of(id);
    // The first store in order among those with a proven copy.
    let best = copies
        .iter()
        .filter(|copy| !copy.remembered)
        .max_by_key(|copy| (copy.stored.proven(), std::cmp::Reverse(copy.rack)));
    let copy = *best.ok_or_else(|| shelf.nothing_of(id))?;
    let rack = &shelf.stores[copy.rack];
    let at_hand = policies.iter().find(|policy| policy.name() == id.series.policy.as_str());
    let mut target = backups::target_of(rack, &copy.stored).ok_or_else(|| {
        CliError::failed(format!("`{id}`: the policy it was made by is not in the store"))
            .help("README.txt in the store tells how to get it back with stock tools")
    })?;
    if rack.policy.is_none() {
        backups::with_commands_of(&mut target, at_hand);
    }
    // What was proven once must be shown again; what never was is restored as it is, with a warning.
    let proven = copy.stored.proven();
    let level = if proven { copy.stored.manifest.level.min(Level::Checks) } else { Level::Checksum };
    let way = match &target.engine {
        EngineSpec::Command(spec) => to_load(args, &target, spec)?,
        EngineSpec::Postgres(_) => to_database(session, args, rack.policy.or(at_hand), id, watch)?,
        _ => to_path(session, args, policies, stores, (id, &target))?,
    };
    let is_live = args.to.is_none();
    Ok(Choice { copy, target, way, is_live, level })
}

/// The place that content is brought beside, and where what is there is kept.
fn to_path(
    session: &Session,
    args: &Restore,
    policies: &[Policy],
    stores: &[guard::Guarded],
    (id, target): (&BackupId, &Target),
) -> Result<Way, CliError> {
    let to = match &args.to {
        Some(to) if restore::is_asides(to) => return Err(guard::set_aside(to)),
        Some(to) => session.host.absolute(to),
        None => live_place(session, policies, id, target)?,
    };
    let to = behind_links(target, to);
    let engine = bind::at_path(&target.engine, to.clone());
    let engine = engine.map_err(|error| CliError::failed(error.to_string()))?;
    guard::refuse_what_holds_backups(stores, &to, &*engine)?;
    // Before anything is shown: what cannot be done is not promised either, by a dry run or a question.
    place::check(&to, engine.shape())?;
    let aside = restore::aside_name(&to, session.host.now())?;
    Ok(Way::Path(PathWay { engine, to, aside }))
}

/// The database beside which a new one is loaded: the target's own, or another one of its server.
fn to_database(
    session: &Session,
    args: &Restore,
    policy: Option<&Policy>,
    id: &BackupId,
    watch: &Watch<'_>,
) -> Result<Way, CliError> {
    let name = id.series.target.as_str();
    let help = "the policy at hand says how the server is reached: `--policy FILE`";
    let engine = bound::postgres(session, policy, name)
        .map_err(|why| CliError::invalid(format!("target `{name}`: {why}")).help(help))?;
    let to = match &args.to {
        Some(to) => named(to, &engine, watch)?,
        None => engine.database(watch).map_err(unseen)?,
    };
    beside_database(session, engine, to, watch)
}

/// Looks at a database of a server, beside which another one is to be loaded, or was.
fn beside_database(
    session: &Session,
    engine: Postgres,
    to: String,
    watch: &Watch<'_>,
) -> Result<Way, CliError> {
    let scratch = session.host.scratch();
    let way = DatabaseWay::look(engine, to, scratch, session.host.now(), watch).map_err(unseen)?;
    Ok(Way::Database(Box::new(way)))
}

/// Words why what is to be replaced cannot be looked at.
fn unseen(error: EngineError) -> CliError {
    match error {
        EngineError::Stopped(_) => CliError::interrupted(),
        error => CliError::failed(error.to_string()),
    }
}

/// The name of a database of the target's server.
fn named(to: &Path, engine: &Postgres, watch: &Watch<'_>) -> Result<String, CliError> {
    // What the server would cut without an error.
    const LONGEST: usize = 63;
    let name = to.to_str().filter(|name| !name.is_empty() && name.len() <= LONGEST);
    let name = name.filter(|name| !name.contains('/') && !name.contains(char::is_control));
    let name = name.ok_or_else(|| {
        // A URL may hold a password.
        let shown = to.to_str().filter(|to| !to.contains("://")).unwrap_or("…");
        CliError::invalid(format!("`--to {shown}` is no name of a database"))
            .help("a PostgreSQL target is restored to a database of its own server: name one, as in `--to app_before`")
    })?;
    if is_asides(name) {
        return Err(guard::set_aside(to));
    }
    // Every server is made with them, and `postgres` may be the target's own.
    let is_servers = matches!(name, "template0" | "template1")
        || name == "postgres" && engine.database(watch).map_err(unseen)? != name;
    if is_servers || is_candidates(name) {
        let why = if is_servers { "belongs to the server" } else { "has a name of databases on their way" };
        return Err(CliError::refused(format!("`{name}` {why}")).help("name another database with `--to`"));
    }
    Ok(name.to_owned())
}

/// What a command loads has no place, and nothing of it is set aside.
fn to_load(args: &Restore, target: &Target, spec: &CommandSpec) -> Result<Way, CliError> {
    let name = &target.name.value;
    if args.to.is_some() {
        return Err(CliError::invalid(format!("`{name}` has no place: its own `restore` command loads it"))
            .help("leave `--to` out; README.txt in the store tells how to get the file with stock tools"));
    }
    if spec.restore.is_none() {
        return Err(CliError::refused(format!("`{name}` has no `restore` command that could load it")).help(
            "add one to the target's `command`; README.txt in the store tells how to get the file by hand",
        ));
    }
    Ok(Way::Load(LoadWay { name: name.to_string(), dump: Dump::new(spec.clone()) }))
}

/// The place of a target as the policy at hand says it, which must still mean the same kind of thing.
fn live_place(
    session: &Session,
    policies: &[Policy],
    id: &BackupId,
    then: &Target,
) -> Result<PathBuf, CliError> {
    const HELP: &str = "name a place with `--to PLACE`";
    let name = id.series.target.as_str();
    let policy =
        policies.iter().find(|policy| policy.name() == id.series.policy.as_str()).ok_or_else(|| {
            CliError::invalid(format!("no policy at hand is `{}`", id.series.policy)).help(HELP)
        })?;
    let now = policy
        .targets()
        .get(name)
        .ok_or_else(|| CliError::unknown(format!("the policy has no target `{name}`")).help(HELP))?;
    let (was, is) = (then.engine.keyword(), now.engine.keyword());
    if was != is {
        let what = format!("`{id}` is of a {was} target, and `{name}` is a {is} target now");
        return Err(CliError::refused(what).help(HELP));
    }
    match session.world(policy)?.sources.get(name) {
        Some(Ok(source)) => Ok(source.path.clone()),
        Some(Err(why)) => Err(CliError::invalid(format!("target `{name}`: {why}")).help(HELP)),
        None => Err(CliError::unknown(format!("the policy has no target `{name}`")).help(HELP)),
    }
}

/// The place that a restore swaps: of a database behind a link the file itself, for its side files lie beside
/// that one, and only what lies on its filesystem can be renamed into its place. A folder's link is left to be refused.
fn behind_links(target: &Target, to: PathBuf) -> PathBuf {
    let is_link = fs::symlink_metadata(&to).is_ok_and(|seen| seen.is_symlink());
    if is_link && target.engine.is_database_file() { fs::canonicalize(&to).unwrap_or(to) } else { to }
}

/// Refuses places within each other: swapping the outer one would take the inner one's restored content with it.
fn apart(choices: &[Choice<'_>]) -> Result<(), CliError> {
    for (n, one) in choices.iter().enumerate() {
        let is_inside = |other: &&Choice<'_>| match (&one.way, &other.way) {
            (Way::Path(one), Way::Path(other)) => {
                one.to.starts_with(&other.to) || other.to.starts_with(&one.to)
            }
            (Way::Database(one), Way::Database(other)) => {
                one.engine.key(&one.to) == other.engine.key(&other.to)
            }
            // Two commands may dump alike and load elsewhere.
            _ => false,
        };
        if let Some(other) = choices.iter().skip(n + 1).find(is_inside) {
            let [one, other] = [one, other].map(|choice| format!("`{}`", choice.target.name.value));
            return Err(CliError::invalid(format!("{one} and {other} lie in one place"))
                .help("restore them one after the other, the outer one first"));
        }
    }
    Ok(())
}

/// Over something that is there, the target's name is asked for, or `--yes`.
fn confirm(
    args: &Restore,
    way: &Way,
    (name, is_live): (&str, bool),
    watch: &Watch<'_>,
) -> Result<(), CliError> {
    let there = match way {
        Way::Load(_) => Some(format!("what is live of `{name}`")),
        Way::Database(way) => way.standing.is_there.then(|| way.place()),
        Way::Path(way) if fs::symlink_metadata(&way.to).is_ok() => Some(way.to.display().to_string()),
        // A log without its database may hold commits that are nowhere else.
        Way::Path(way) => way.engine.remains(&way.to).first().map(|path| path.display().to_string()),
    };
    let Some(there) = there.filter(|_| !args.yes) else { return Ok(()) };
    let outcome = match way {
        Way::Load(_) => "it is loaded over, and nothing is set aside",
        Way::Path(_) => "it is set aside and replaced",
        Way::Database(_) => "it is set aside and replaced, and who is on it is disconnected",
    };
    let refused = |why: &str| {
        Err(CliError::refused(format!("{there} is there: {why}")).help(format!("with `--yes` {outcome}")))
    };
    if !is_live {
        return refused("`--to` something that exists needs `--yes`");
    }
    if !std::io::stdin().is_terminal() {
        return refused("nobody can be asked here");
    }
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "Type the target's name, {name}, to replace it: ").and_then(|()| err.flush());
    if line(watch)?.trim() == name { Ok(()) } else { refused("its name was not given") }
}

/// What somebody types, until they interrupt it.
fn line(watch: &Watch<'_>) -> Result<String, CliError> {
    const LOOK: Duration = Duration::from_millis(50);
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        // Where it was interrupted nobody waits for it.
        let _ = send.send(read.map_or_else(|_| String::new(), |_| answer));
    });
    loop {
        match receive.recv_timeout(LOOK) {
            Err(mpsc::RecvTimeoutError::Timeout) => watch.check().map_err(|_| CliError::interrupted())?,
            answered => return Ok(answered.unwrap_or_default()),
        }
    }
}
