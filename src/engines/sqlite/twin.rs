//! A second look at the moment that is captured: what streams into the compressor is examined at the same time.

use super::{
    super::EngineError,
    examiner::{Examiners, Kind},
    open::{self, Database, LONGEST_WAIT, patiently},
};
use crate::watch::Watch;
use std::path::Path;

/// How often the transactions are begun anew until they stand on one moment. A try takes less than a millisecond, or a
/// few where examiners take part, which they do in the first half of the tries. Where somebody commits in every one of
/// them, the examination waits until the content was streamed.
const TRIES: usize = 50;

/// Whoever else looks at the moment that is captured.
pub(super) struct Twin {
    pub(super) database: Database,
    /// For what reads all of it; `None` where they cannot be had, or nobody asks.
    pub(super) examiners: Option<Examiners>,
}

/// Opens a second connection to a live database in write-ahead mode, and starts examiners where its whole is asked for,
/// and begins all their transactions so that they stand on one moment; `None` where that cannot be had.
///
/// `PRAGMA data_version` asked twice on one connection differs when another connection committed in between
/// (`sqlite.org/pragma.html`, `data_version`). All other transactions begin between the two askings, and that of the
/// connection that is asked with the later one: where both are alike, nothing was committed from before the first to
/// after the last.
pub(super) fn twin(
    first: &Database,
    path: &Path,
    whole: bool,
    watch: &Watch<'_>,
) -> Result<Option<Twin>, EngineError> {
    let mut examiners = if whole { Examiners::start(path, Kind::Live) } else { None };
    let mut begun = || -> rusqlite::Result<Option<Database>> {
        let second = Database::live(path)?;
        let version =
            || second.connection.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0));
        for nth in 0..TRIES {
            if nth == TRIES / 2 {
                examiners = None;
            }
            let before = version()?;
            first.connection.execute_batch("ROLLBACK")?;
            first.begin()?;
            if examiners.as_mut().is_some_and(|examiners| !examiners.begin()) {
                examiners = None;
            }
            second.begin()?;
            if version()? == before {
                return Ok(Some(second));
            }
            second.connection.execute_batch("ROLLBACK")?;
        }
        Ok(None)
    };
    watch.check()?;
    let second = begun().unwrap_or(None);
    if first.connection.is_autocommit() {
        // Somebody was in the way in the middle of a try; without its transaction nothing can be captured.
        let again = patiently(LONGEST_WAIT, watch, || first.begin())?;
        again.map_err(|error| open::library("begin to read", path, &error))?;
        return Ok(None);
    }
    Ok(second.map(|database| Twin { database, examiners }))
}
