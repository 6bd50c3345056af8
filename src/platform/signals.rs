//! SIGINT, SIGTERM and SIGHUP, or what a system has in their place, become a request to stop.

use crate::watch::Cancel;
use std::io;

/// Turns the signals into a request to stop, from now to the end of the process.
///
/// # Errors
/// Fails when the system lets no handler be set.
pub(crate) fn cancel_on_signals(cancel: &Cancel) -> io::Result<()> {
    let cancel = cancel.clone();
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        std::thread::spawn(move || {
            for _ in signals.forever() {
                cancel.cancel();
            }
        });
    }
    #[cfg(windows)]
    ctrlc::set_handler(move || cancel.cancel()).map_err(io::Error::other)?;
    #[cfg(not(any(unix, windows)))]
    let _ = cancel;
    Ok(())
}
