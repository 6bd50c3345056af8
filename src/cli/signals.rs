//! SIGINT, SIGTERM and SIGHUP ask everything to stop; what was begun is cleaned up.

use super::error::CliError;
use crate::watch::Cancel;

/// Turns the signals into a request to stop, from now to the end of the process.
pub(crate) fn watch() -> Result<Cancel, CliError> {
    let cancel = Cancel::default();
    let failed =
        |error: &dyn std::fmt::Display| CliError::failed(format!("cannot watch for signals: {error}"));
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let mut signals =
            signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|e| failed(&e))?;
        let asked = cancel.clone();
        std::thread::spawn(move || {
            for _ in signals.forever() {
                asked.cancel();
            }
        });
    }
    #[cfg(windows)]
    {
        let asked = cancel.clone();
        ctrlc::set_handler(move || asked.cancel()).map_err(|e| failed(&e))?;
    }
    Ok(cancel)
}
