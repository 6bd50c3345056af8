//! Two things at once about one content: while it streams into the compressor, it is examined on another thread.

use super::EngineError;
use crate::watch::{Cancel, Watch};
use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

/// Streams on this thread, and examines on another. A stream that fails, or a request to stop, ends both; an examination
/// that fails is told when the stream is at its end.
pub(super) fn at_once<S, E: Send>(
    watch: &Watch<'_>,
    examine: impl FnOnce(&Watch<'_>) -> Result<E, EngineError> + Send,
    stream: impl FnOnce() -> Result<S, EngineError>,
) -> Result<(S, E), EngineError> {
    let stop = Cancel::default();
    let quiet = Watch::new(&stop, watch.deadline(), &|_| ());
    thread::scope(|scope| {
        let (ends, ended) = mpsc::channel::<()>();
        let examined = scope.spawn(|| {
            let examined = examine(&quiet);
            drop(ends);
            examined
        });
        let streamed = stream();
        if streamed.is_err() {
            stop.cancel();
        }
        while ended.recv_timeout(Duration::from_millis(25)) == Err(RecvTimeoutError::Timeout) {
            if watch.check().is_err() {
                stop.cancel();
            }
        }
        let examined = examined.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // Why this thread ended counts: the other one was only told to.
        let streamed = streamed?;
        watch.check()?;
        Ok((streamed, examined?))
    })
}
