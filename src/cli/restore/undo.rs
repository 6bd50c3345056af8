//! `restore --undo`: the newest set-aside copy of a target goes back to its place.
#![expect(clippy::disallowed_methods, reason = "looks at the places that are restored to")]

use super::{
    super::{args::Restore, backups::bound, error::CliError, journal::Line, output, session::Session},
    Restored, execute,
};
use crate::{
    engines::{EngineError, command::Dump, place, postgres::Names},
    observe::bind,
    policy::{
        Policy,
        model::{EngineSpec, Target},
        values::Level,
    },
    restore::{self, DatabaseWay, LoadWay, PathWay, RestoreError, Way},
    watch::Watch,
};
use std::fs;

/// Puts the newest set-aside copy back and sets aside what it replaces.
pub(super) fn undo(
    session: &Session,
    args: &Restore,
    policies: &[Policy],
    name: &str,
    watch: &Watch<'_>,
) -> Result<u8, CliError> {
    let found: Vec<(&Policy, &Target)> = policies
        .iter()
        .filter_map(|policy| Some((policy, policy.targets().get(name.rsplit('/').next()?)?)))
        .filter(|(policy, _)| !name.contains('/') || name.starts_with(&format!("{}/", policy.name())))
        .collect();
    let (policy, target) = match found.as_slice() {
        [one] => *one,
        [] => return Err(CliError::unknown(format!("there is no target `{name}`"))),
        _ => {
            return Err(CliError::ambiguous(format!("several policies have a target `{name}`"))
                .help("write POLICY/TARGET"));
        }
    };
    let way = way(session, policy, target, watch)?;
    let old = match &way {
        Way::Path(way) => of_path(way, watch)?,
        Way::Database(way) => of_database(way)?,
        Way::Load(_) => {
            return Err(CliError::unknown(format!(
                "nothing is set aside of `{name}`: a command loads it over what is live"
            )));
        }
    };
    for warning in &old.warnings {
        output::warn(&output::printable(warning));
    }
    if !session.global.quiet {
        output::tell(&output::printable(&format!("puts back {} as {}", old.name, way.place())));
        if let Some(aside) = &old.replaces {
            output::tell(&output::printable(&format!("keeps what is there as {aside}")));
        }
    }
    if args.dry_run {
        output::tell("nothing was changed");
        super::guard::tell_hindrance(&way, "undo", watch)?;
        return Ok(0);
    }
    super::guard::hindrance(&way, "undo", watch)?;
    super::confirm(args, &way, (target.name.as_str(), true), watch)?;
    let _lock = execute::lock_place(session, &way)?;
    let begun = std::time::Instant::now();
    let details = serde_json::json!({ "undo": target.name.to_string(), "from": old.name, "to": way.place() });
    let history = Line::begin(session, "restore", policy.name().as_str(), policy.digest(), details);
    let back = (old.put_back)(watch).map_err(|source| {
        execute::swap_error(RestoreError::Swap { to: way.place(), source, left: Vec::new() }, "undo")
    });
    history.end(session, back.as_ref().err());
    let back = back?;
    for warning in &back.warnings {
        output::warn(&output::printable(warning));
    }
    let result = Restored {
        target: target.name.to_string(),
        backup: String::new(),
        to: way.place(),
        seconds: (begun.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0,
        level: Level::None,
        passed: true,
        checks: Vec::new(),
        warnings: old.warnings.into_iter().chain(back.warnings).collect(),
        set_aside: back.aside,
        is_database: matches!(way, Way::Database(_)),
    };
    if session.global.json {
        return output::print_json(&[result]);
    }
    output::print(&format!("put back {}{}\n", result.to, result.kept()))
}

/// What was set aside of a place, and the way back.
struct Old<'w> {
    /// What it is called.
    name: String,
    /// What the present content is to be called; `None` where there is none.
    replaces: Option<String>,
    /// What must be told before.
    warnings: Vec<String>,
    put_back: Box<PutBack<'w>>,
}

type PutBack<'w> = dyn FnOnce(&Watch<'_>) -> Result<Back, EngineError> + 'w;

/// What came of it.
struct Back {
    aside: Option<String>,
    warnings: Vec<String>,
}

/// The target as the policy at hand has it: its way back.
fn way(session: &Session, policy: &Policy, target: &Target, watch: &Watch<'_>) -> Result<Way, CliError> {
    let name = target.name.as_str();
    if let EngineSpec::Command(spec) = &target.engine {
        return Ok(Way::Load(LoadWay { name: name.to_owned(), dump: Dump::new(spec.clone()) }));
    }
    if let EngineSpec::Postgres(_) = &target.engine {
        let engine = bound::postgres(session, Some(policy), name);
        let engine = engine.map_err(|why| CliError::invalid(format!("target `{name}`: {why}")))?;
        let to = engine.database(watch).map_err(super::unseen)?;
        return super::beside_database(session, engine, to, watch);
    }
    let world = session.world(policy)?;
    let path = match world.sources.get(name) {
        Some(Ok(source)) => source.path.clone(),
        Some(Err(why)) => return Err(CliError::invalid(format!("target `{name}`: {why}"))),
        None => return Err(CliError::invalid(format!("the place of `{name}` is unknown here"))),
    };
    let to = super::behind_links(target, path);
    let engine = bind::at_path(&target.engine, to.clone());
    let engine = engine.map_err(|error| CliError::failed(error.to_string()))?;
    let aside = restore::aside_name(&to, session.host.now())?;
    Ok(Way::Path(PathWay { engine, to, aside }))
}

fn of_database(way: &DatabaseWay) -> Result<Old<'_>, CliError> {
    let Some((_, old)) = way.standing.asides.first().cloned() else {
        return Err(CliError::unknown(format!("nothing was set aside of {}", way.place())));
    };
    let replaces = way.standing.is_there.then(|| format!("the database {}", way.aside));
    let name = format!("the database {old}");
    let put_back = move |watch: &Watch<'_>| {
        let may_replace = way.standing.is_there;
        let names = Names { live: &way.to, candidate: &old, aside: &way.aside, may_replace };
        let exchanged = way.engine.exchange(names, watch)?;
        Ok(Back { aside: exchanged.aside, warnings: exchanged.warnings })
    };
    Ok(Old { name, replaces, warnings: Vec::new(), put_back: Box::new(put_back) })
}

fn of_path<'w>(way: &'w PathWay, watch: &Watch<'_>) -> Result<Old<'w>, CliError> {
    let PathWay { engine, to, aside } = way;
    let Some(old) = restore::newest_aside(to)? else {
        return Err(CliError::unknown(format!("nothing was set aside of {}", to.display())));
    };
    place::check(to, engine.shape())?;
    // Told before it is asked for: bytes are bytes, and what cannot be opened here may be mended elsewhere.
    let flaw = engine.flaw(&old, watch).map_err(super::unseen)?;
    let mut warnings: Vec<_> = flaw.into_iter().map(|flaw| format!("{} {flaw}", old.display())).collect();
    warnings.extend(restore::strays(to)?);
    let replaces = fs::symlink_metadata(to).is_ok().then(|| aside.display().to_string());
    let name = old.display().to_string();
    let put_back = move |watch: &Watch<'_>| {
        restore::clear(to)?;
        let swapped = restore::put_back(&**engine, &old, to, aside, watch)?;
        let aside = swapped.aside.map(|aside| aside.display().to_string());
        Ok(Back { aside, warnings: swapped.warnings })
    };
    Ok(Old { name, replaces, warnings, put_back: Box::new(put_back) })
}
