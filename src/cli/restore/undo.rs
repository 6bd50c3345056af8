//! `restore --undo`: the newest set-aside copy of a target goes back to its place.
#![expect(clippy::disallowed_methods, reason = "looks at the places that are restored to")]

use super::{
    super::{args::Restore, error::CliError, journal::Line, output, session::Session, signals},
    Restored, execute,
};
use crate::{
    engines::place,
    policy::{Policy, model::Target, values::Level},
    restore::{self, RestoreError},
    watch::{Cancel, Watch},
};
use std::fs;

/// Puts the newest set-aside copy back and sets aside what it replaces.
pub(super) fn undo(
    session: &Session,
    args: &Restore,
    policies: &[Policy],
    name: &str,
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
    let world = session.world(policy)?;
    let source = match world.sources.get(target.name.as_str()) {
        Some(Ok(source)) => source,
        Some(Err(why)) => return Err(CliError::invalid(format!("target `{name}`: {why}"))),
        None => return Err(CliError::invalid(format!("the place of `{name}` is unknown here"))),
    };
    if source.engine.is_loaded() {
        return Err(CliError::unknown(format!(
            "nothing is set aside of `{name}`: a command loads it over what is live"
        )));
    }
    let live = &super::behind_links(target, source.path.clone());
    let Some(old) = restore::newest_aside(live)? else {
        return Err(CliError::unknown(format!("nothing was set aside of {}", live.display())));
    };
    place::check(live, source.engine.shape())?;
    let aside = restore::aside_name(live, session.host.now())?;
    // Told before it is asked for: bytes are bytes, and what cannot be opened here may be mended elsewhere. Signals still
    // end the program at once, as nothing was begun.
    let (never, nobody) = (Cancel::default(), |_| ());
    let flaw = source.engine.flaw(&old, &Watch::new(&never, None, &nobody));
    let flaw = flaw.map_err(|error| CliError::failed(error.to_string()))?;
    let mut warnings: Vec<_> = flaw.into_iter().map(|flaw| format!("{} {flaw}", old.display())).collect();
    warnings.extend(restore::strays(live)?);
    for warning in &warnings {
        output::warn(&output::printable(warning));
    }
    if !session.global.quiet {
        output::tell(&format!("puts back {} as {}", old.display(), live.display()));
        if fs::symlink_metadata(live).is_ok() {
            output::tell(&format!("keeps what is there as {}", aside.display()));
        }
    }
    if args.dry_run {
        output::tell("nothing was changed");
        return Ok(0);
    }
    super::confirm(args, &*source.engine, live, target.name.as_str(), true)?;
    let cancel = signals::watch()?;
    let watch = Watch::new(&cancel, None, &|_| ());
    let _lock = execute::lock_place(session, live)?;
    restore::clear(live)?;
    let begun = std::time::Instant::now();
    let details = serde_json::json!({
        "undo": target.name.to_string(), "from": old.display().to_string(), "to": live.display().to_string(),
    });
    let history = Line::begin(session, "restore", policy.name().as_str(), policy.digest(), details);
    let swapped = restore::put_back(&*source.engine, &old, live, &aside, &watch).map_err(|source| {
        execute::swap_error(RestoreError::Swap { to: live.clone(), source, left: Vec::new() }, "undo")
    });
    history.end(session, swapped.as_ref().err());
    let swapped = swapped?;
    for warning in &swapped.warnings {
        output::warn(&output::printable(warning));
    }
    warnings.extend(swapped.warnings);
    let result = Restored {
        target: target.name.to_string(),
        backup: String::new(),
        to: live.display().to_string(),
        seconds: (begun.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0,
        level: Level::None,
        passed: true,
        checks: Vec::new(),
        warnings,
        set_aside: swapped.aside.map(|aside| aside.display().to_string()),
    };
    if session.global.json {
        return output::print_json(&[result]);
    }
    output::print(&format!("put back {}{}\n", live.display(), result.kept()))
}
