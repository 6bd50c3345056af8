//! A signal asks everything to stop; what was begun is cleaned up.

use super::error::CliError;
use crate::{platform::signals::cancel_on_signals, watch::Cancel};

/// Watches for signals from now to the end of the process.
pub(crate) fn watch() -> Result<Cancel, CliError> {
    let cancel = Cancel::default();
    cancel_on_signals(&cancel)
        .map_err(|error| CliError::failed(format!("cannot watch for signals: {error}")))?;
    Ok(cancel)
}
