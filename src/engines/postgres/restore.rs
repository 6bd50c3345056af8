//! Restores: a dump is loaded into a new database beside the live one, asked there, and the two exchange their names.

use super::{
    Postgres, aside,
    candidate::Candidate,
    contents::Contents,
    decode,
    examine::{Unloaded, bring, inspect, swept, unmade},
    load,
    look::{self, failed},
    properties::Properties,
    reach::Reached,
    swap::{self, Exchanged, Names, SessionOn, SwapError},
    tables::Excluded,
};
use crate::{
    engines::{EngineError, ExamineRequest, Holds, StoredContent, examination::Examination, tables::Facts},
    evidence::{Evidence, TableFact},
    policy::model::{PostgresFormat, Tables as Declared},
    watch::{Cancel, Watch},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// A database that is to be restored to, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether there is one of its name.
    pub is_there: bool,
    /// The bytes that it takes on the server, where there is one and this user may know.
    pub bytes: Option<u64>,
    /// Who is on it.
    pub sessions: Vec<SessionOn>,
    /// The stamps and names of those that were set aside from it, the newest first.
    pub asides: Vec<(String, String)>,
}

/// A database that was loaded and waits beside the live one. Dropped, it goes.
pub struct Beside {
    reached: Reached,
    candidate: Option<Candidate>,
    /// The request to stop, which a third time stops the way back as well.
    cancel: Cancel,
    /// What could not be carried over.
    pub warnings: Vec<String>,
}

impl Postgres {
    /// The name of the target's own database.
    ///
    /// # Errors
    /// Where only a service file says it and the server is not reached.
    pub fn database(&self, watch: &Watch<'_>) -> Result<String, EngineError> {
        let reach = self.reach()?;
        match reach.connection.database() {
            Some(database) => Ok(database.to_owned()),
            None => Ok(self.connect(watch)?.0.database().to_owned()),
        }
    }

    /// A database of the server, in words for people on this host.
    pub fn shown(&self, database: &str) -> String {
        self.reach
            .as_ref()
            .map_or_else(|_| database.to_owned(), |reach| reach.connection.with_database(database).shown())
    }

    /// A text that is the same for every spelling of one database.
    pub fn key(&self, database: &str) -> String {
        self.reach
            .as_ref()
            .map_or_else(|_| database.to_owned(), |reach| reach.connection.with_database(database).key())
    }

    /// Looks at a database of the server.
    ///
    /// # Errors
    /// When the server is not reached, or refuses.
    pub fn standing(&self, database: &str, watch: &Watch<'_>) -> Result<Standing, EngineError> {
        let reached = self.connect_beside(watch)?;
        let mut session = reached.maintenance(watch).map_err(failed)?;
        Ok(Standing {
            is_there: swap::is_there(&mut session, database, watch).map_err(failed)?,
            bytes: swap::bytes(&mut session, database, watch).map_err(failed)?,
            sessions: swap::sessions(&mut session, database, watch).map_err(failed)?,
            asides: aside::asides(&mut session, database, watch).map_err(failed)?,
        })
    }

    /// What is known to keep a database of the server from being replaced as it stands now.
    ///
    /// # Errors
    /// When there is such a hindrance, the server is not reached, or refuses.
    pub fn hindrance(&self, database: &str, watch: &Watch<'_>) -> Result<(), EngineError> {
        let reached = self.connect_beside(watch)?;
        let mut session = reached.maintenance(watch).map_err(failed)?;
        swap::hindrance(&mut session, database, watch).map_err(|error| match error {
            SwapError::Stopped(stopped) => stopped.into(),
            SwapError::Session(error) => failed(error),
            other => EngineError::Refused(other.to_string()),
        })
    }

    /// Counts the rows of a live database, for a person who waits.
    ///
    /// # Errors
    /// When that takes long, or the server refuses.
    pub fn survey(
        &self,
        database: &str,
        declared: Option<&Declared>,
        cancel: &Cancel,
    ) -> Result<BTreeMap<String, TableFact>, EngineError> {
        const LONGEST: Duration = Duration::from_secs(10);
        #[expect(clippy::disallowed_methods, reason = "deadlines are measured on the monotonic clock")]
        let watch = &Watch::new(cancel, Some(Instant::now() + LONGEST), &|_| ());
        let count = || {
            let reached = self.connect_beside(watch)?;
            let (mut session, tables) = look::open(&reached, database, watch)?;
            let rows = tables.count(&mut session, &Excluded::default(), watch).map_err(failed)?;
            Ok(Facts::new(rows, declared)?.counted)
        };
        count().map_err(|error| match error {
            EngineError::Stopped(_) => {
                EngineError::Refused(format!("it would take longer than {} s", LONGEST.as_secs()))
            }
            other => other,
        })
    }

    /// Whether a stored dump is unpacked on this host before anything is done with it.
    pub fn unpacks(facts: &BTreeMap<String, String>) -> bool {
        decode::format(facts) == PostgresFormat::Directory
    }

    /// Decodes all of a stored dump.
    ///
    /// # Errors
    /// [`EngineError::Damaged`] where it is not what it should be.
    pub fn decode(
        &self,
        stored: &mut StoredContent<'_>,
        from: (&BTreeMap<String, String>, &Path),
        watch: &Watch<'_>,
    ) -> Result<Contents, EngineError> {
        decode::stored(self, stored, from, watch)?.map_err(EngineError::Damaged)
    }

    /// What a dump needs that the server lacks, each as the subject of a sentence.
    ///
    /// # Errors
    /// When the server is not reached, or refuses.
    pub fn missing(&self, contents: &Contents, watch: &Watch<'_>) -> Result<Vec<String>, EngineError> {
        let reached = self.connect_beside(watch)?;
        let mut session = reached.maintenance(watch).map_err(failed)?;
        let mut missing = load::missing(&mut session, &contents.needs, watch).map_err(failed)?;
        let may_create =
            "SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";
        if session.scalar(may_create, watch).map_err(failed)?.as_deref() != Some("t") {
            missing.push("the right of this user to make databases (ALTER ROLE … CREATEDB)".to_owned());
        }
        Ok(missing)
    }

    /// Loads a stored dump into a new database, after those that killed restores left were dropped.
    ///
    /// # Errors
    /// Nothing of it is left then.
    pub fn bring(
        &self,
        stored: &mut StoredContent<'_>,
        from: (&BTreeMap<String, String>, &Path),
        watch: &Watch<'_>,
    ) -> Result<Beside, EngineError> {
        let reached = self.connect_beside(watch)?;
        let swept = swept(&reached, watch)?;
        let properties = Properties::from_facts(from.0);
        let candidate = Candidate::create(&reached, &properties, watch).map_err(unmade)?;
        match bring(&reached, candidate, stored, from, watch) {
            Ok((candidate, mut warnings)) => {
                warnings.splice(0..0, swept);
                let (candidate, cancel) = (Some(candidate), watch.cancel().clone());
                Ok(Beside { reached, candidate, cancel, warnings })
            }
            Err(Unloaded::Refused(why)) => Err(EngineError::Program(why)),
            Err(Unloaded::Damaged(why)) => Err(EngineError::Damaged(why)),
            Err(Unloaded::Engine(error)) => Err(error),
        }
    }

    /// Puts one database of the server in the place of another, whose sessions are ended, and keeps that under a third
    /// name.
    ///
    /// # Errors
    /// Everything is as before then; only [`EngineError::Unsettled`] says that it may not be.
    pub fn exchange(&self, names: Names<'_>, watch: &Watch<'_>) -> Result<Exchanged, EngineError> {
        let reached = self.connect_beside(watch)?;
        swap::swap(&reached, names, true, watch).map_err(|error| unsettled(error, names))
    }
}

impl Beside {
    /// Asks it what an examination wants to know.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn inspect(&self, request: &ExamineRequest<'_>, watch: &Watch<'_>) -> Result<Evidence, EngineError> {
        inspect(&self.reached, self.name(), &Examination::of_stored(request), watch)
    }

    fn name(&self) -> &str {
        self.candidate.as_ref().map(Candidate::name).unwrap_or_default()
    }

    /// Puts it in the place of a live database; see [`Postgres::exchange`].
    ///
    /// # Errors
    /// As of that.
    pub fn exchange(
        mut self,
        (live, may_replace): (&str, bool),
        aside: &str,
        watch: &Watch<'_>,
    ) -> Result<Exchanged, EngineError> {
        let names = Names { live, candidate: self.name(), aside, may_replace };
        let exchanged = swap::swap(&self.reached, names, true, watch);
        let is_settled = !matches!(exchanged, Err(SwapError::Unsettled { .. }));
        let exchanged = exchanged.map_err(|error| unsettled(error, names));
        if exchanged.is_ok() || !is_settled {
            // It is live now, or may be: no more to be dropped.
            self.candidate = None;
        }
        exchanged
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(candidate) = self.candidate.take() {
            // What is left is dropped by the next restore.
            drop(candidate.discard(&self.reached, &Watch::new(&self.cancel, None, &|_| ())));
        }
    }
}

fn unsettled(error: SwapError, names: Names<'_>) -> EngineError {
    match error {
        SwapError::Stopped(stopped) => stopped.into(),
        SwapError::Session(error) => failed(error),
        SwapError::Unsettled { source, aside, .. } => EngineError::Unsettled {
            place: PathBuf::from(names.live),
            holds: Holds::Either,
            aside: aside.map(PathBuf::from),
            source: Box::new(failed(source)),
        },
        SwapError::Name { name, is_there: false } => EngineError::Missing { path: PathBuf::from(name) },
        other => EngineError::Refused(other.to_string()),
    }
}
