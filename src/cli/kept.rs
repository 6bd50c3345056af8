//! The last valid text of each policy that an entry named: what runs when the file is gone or has become invalid. A typing
//! error of an evening must not cost the night's backup.
#![expect(clippy::disallowed_methods, reason = "kept texts are files of the state folder")]

use super::{error::CliError, output, session::Session};
use crate::{
    fault::Fault,
    plan::rfc3339,
    platform::whole::{self, Readers},
    policy::{self, Policy, Severity},
    scratch::create_private_folder,
};
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Below the state folder.
const FOLDER: &str = "policies";

/// The policies that a guarded run works on.
pub(super) struct Kept {
    /// Each valid, as it stands or as it was kept.
    pub(super) policies: Vec<Policy>,
    /// Whether one of them is not as it stands, or could not be had at all.
    pub(super) is_stale: bool,
}

/// Loads the policies meant; of one that is missing or invalid, what is wrong is told, and its last valid text stands in.
///
/// # Errors
/// When of none there is a valid text.
pub(super) fn load(session: &Session, keep: bool) -> Result<Kept, CliError> {
    let mut kept = Kept { policies: Vec::new(), is_stale: false };
    for one in session.load(&[])? {
        let place = session.host.absolute(&one.source.name);
        let file = file_of(&session.host.state, &place);
        if let Some(policy) = one.policy {
            // Kept for another time: this run has what it needs.
            if keep && let Err(fault) = self::keep(&session.host.state, &place, &policy.source().text) {
                output::warn(&format!(
                    "this policy's text cannot be kept for a time when it is invalid: {fault}"
                ));
            }
            kept.policies.push(policy);
            continue;
        }
        kept.is_stale = true;
        let errors: Vec<_> = one.problems.into_iter().filter(|p| p.severity == Severity::Error).collect();
        session.tell_problems(&errors, Some(&one.source));
        if let Some((policy, since)) = read(&file, &one.source.name, &place) {
            output::warn(&format!(
                "`{}` cannot be used: its last valid text runs, kept on {}",
                one.source.name,
                rfc3339(since)
            ));
            kept.policies.push(policy);
        } else {
            output::warn(&format!("`{}` cannot be used, and no valid text of it was kept", one.source.name));
        }
    }
    if kept.policies.is_empty() {
        return Err(CliError::told(2, "the policy is not valid, and no valid text of it was kept"));
    }
    Ok(kept)
}

fn file_of(state: &Path, place: &Path) -> PathBuf {
    let digest = hex::encode(Sha256::digest(place.as_os_str().as_encoded_bytes()));
    state.join(FOLDER).join(format!("{}.yaml", &digest[..32]))
}

/// Keeps the text of the policy of a place below a state folder; nothing is written where it is kept already.
pub(super) fn keep(state: &Path, place: &Path, text: &str) -> Result<(), Fault> {
    let file = file_of(state, place);
    if fs::read_to_string(&file).is_ok_and(|kept| kept == text) {
        return Ok(());
    }
    create_private_folder(state)?;
    create_private_folder(&state.join(FOLDER))?;
    whole::replace(&file, text.as_bytes(), Readers::Owner)
}

/// A kept policy, read as if its text stood where it stood, and since when it is kept.
fn read(file: &Path, name: &str, place: &Path) -> Option<(Policy, DateTime<Utc>)> {
    let bytes = fs::read(file).ok()?;
    let since = fs::metadata(file).and_then(|metadata| metadata.modified()).ok()?;
    let policy = policy::load(name, place.parent().unwrap_or(place), &bytes).policy?;
    Some((policy, since.into()))
}
