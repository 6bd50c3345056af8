//! `install --emit`: the files of entries, for whatever host, and nothing is armed.

use super::{
    EntryElement, InstallElement, named, show, told,
    wanted::{anywhere, wanted},
};
use crate::{
    cli::{args::Install, error::CliError, session::Session},
    install::{self, Action},
    observe::site::{Elsewhere, Purpose},
    policy::Policy,
    scratch::create_private_folder,
};
use std::path::Path;

/// Writes the files of entries and arms nothing.
pub(super) fn emit(
    session: &Session,
    args: &Install,
    policies: &[Policy],
    folder: &Path,
) -> Result<u8, CliError> {
    let elsewhere = Elsewhere {
        program: args.for_program.clone(),
        policy: args.for_policy.clone(),
        is_folder: policies.len() > 1
            || args.for_policy.as_ref().is_some_and(|path| path.ends_with(['/', '\\'])),
        home: args.for_home.clone(),
        zone: args.for_timezone,
    };
    let wanted = wanted(session, policies, &anywhere(named(args)), Purpose::Emit(&elsewhere))?;
    let folder = session.host.working_folder.join(folder);
    let mut elements = Vec::new();
    for one in &wanted {
        let entries =
            one.entries.iter().map(|(name, rendered)| EntryElement::of(name, rendered, Action::Create));
        elements.push(InstallElement {
            policy: one.meant.name.clone(),
            backend: one.backend,
            entries: entries.collect(),
        });
    }
    if !args.dry_run {
        create_private_folder(&folder)?;
        for one in &wanted {
            install::emit(one.backend, &folder, &one.entries).map_err(|error| told(&error))?;
        }
    }
    show::changes(session, &elements, args.dry_run)
}
