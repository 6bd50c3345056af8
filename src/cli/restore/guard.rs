//! What keeps a restore from a place: stores, over or into which none goes, for it would set the backups themselves aside; and
//! what stands in the way there now.
#![expect(clippy::disallowed_methods, reason = "looks at the places that are restored to")]

use super::{
    super::{backups::Shelf, error::CliError, output, session::Session},
    execute,
};
use crate::{
    engines::AtPath,
    policy::Policy,
    restore::{self, RestoreError, Way},
    store::layout::STORE_FILE,
    watch::Watch,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A store that must not be written over.
pub(super) struct Guarded {
    name: String,
    place: PathBuf,
}

/// Every store that is known here: those read from, and all of every policy at hand. That `--store` names one to read
/// from opens no other.
pub(super) fn stores(
    session: &Session,
    policies: &[Policy],
    shelf: &Shelf<'_>,
) -> Result<Vec<Guarded>, CliError> {
    let read = shelf.stores.iter();
    let mut stores: Vec<Guarded> =
        read.map(|rack| Guarded { name: rack.name.clone(), place: rack.store.root().to_owned() }).collect();
    let mut add = |policy: &Policy| -> Result<(), CliError> {
        for (name, view) in session.world(policy)?.stores {
            // One whose place is not known here cannot be compared; its id file still guards what lies in it.
            stores.extend(view.ok().map(|view| Guarded { name: name.to_string(), place: view.path }));
        }
        Ok(())
    };
    for policy in policies {
        add(policy)?;
    }
    if policies.is_empty() {
        // A place stands in for a policy: one that lies here is asked all the same, and need not be there or be valid.
        for policy in session.load(&[]).unwrap_or_default().into_iter().filter_map(|one| one.policy) {
            add(&policy)?;
        }
    }
    Ok(stores)
}

/// Refuses a place that is, holds or lies in a store. One over a folder that holds a store must be of a target that
/// leaves it out, and then carries it over.
pub(super) fn refuse_what_holds_backups(
    stores: &[Guarded],
    to: &Path,
    engine: &dyn AtPath,
) -> Result<(), CliError> {
    // SQLite would take it for the log of that database, play it back or delete it.
    for suffix in ["-wal", "-shm", "-journal"] {
        let database = to.to_str().and_then(|to| to.strip_suffix(suffix)).map(Path::new);
        if let Some(database) = database.filter(|database| database.is_file()) {
            return refused(to, &format!("has the name of the log of {}", database.display()));
        }
    }
    // By name and by what links lead to: neither way may end in it.
    let real_to = real(to);
    for store in stores {
        let (place, real_place) = (&store.place, real(&store.place));
        let inside = real_place.strip_prefix(&real_to).map(|below| to.join(below));
        let is_taken = engine.reads(place) || inside.is_ok_and(|place| engine.reads(&place));
        if to.starts_with(place) || real_to.starts_with(real_place) || is_taken {
            return refused(to, &format!("is, holds or lies in the store `{}`", store.name));
        }
    }
    // A store that no policy at hand names, another host's say, is known by its id file.
    for above in to.ancestors().chain(real_to.ancestors()) {
        let id_file = above.join(STORE_FILE);
        match fs::symlink_metadata(&id_file) {
            Ok(_) => return refused(to, &format!("lies in the store at {}", above.display())),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(CliError::failed(format!("look at {}: {error}", id_file.display())));
            }
            Err(_) => {}
        }
    }
    Ok(())
}

fn refused(to: &Path, what: &str) -> Result<(), CliError> {
    Err(CliError::refused(format!("{} {what}", to.display())).help("name another place with `--to`"))
}

/// What a path leads to; of one that is not there yet, the nearest folder above it that is.
pub(super) fn real(path: &Path) -> PathBuf {
    let found = path.ancestors().find_map(|above| {
        let below = path.strip_prefix(above).ok()?;
        let real = fs::canonicalize(above).ok()?;
        Some(if below.as_os_str().is_empty() { real } else { real.join(below) })
    });
    found.unwrap_or_else(|| path.to_owned())
}

/// Refuses a place which is known to take nothing as it stands now; `verb` is what is to be done again.
pub(super) fn hindrance(way: &Way, verb: &str, watch: &Watch<'_>) -> Result<(), CliError> {
    restore::hindrance(way, watch).map_err(|source| {
        let error = RestoreError::Swap { to: way.place(), source, left: Vec::new() };
        execute::swap_error(error, verb)
    })
}

/// The same where nothing is to be done: it may be over by then, and is told.
pub(super) fn tell_hindrance(way: &Way, verb: &str, watch: &Watch<'_>) -> Result<(), CliError> {
    let Err(error) = hindrance(way, verb, watch) else { return Ok(()) };
    if error.exit == 130 {
        return Err(error);
    }
    let help = error.help.map(|help| format!(": {help}")).unwrap_or_default();
    output::warn(&output::printable(&format!("as it stands it would be refused: {}{help}", error.message)));
    Ok(())
}

/// Refuses the name of a set-aside copy: what bears it would be put back by an undo.
pub(super) fn set_aside(to: &Path) -> CliError {
    CliError::invalid(format!("`--to {}` is the name of a copy that was set aside", to.display()))
        .help("name another place; `policy restore --undo TARGET` puts back what was set aside")
}
