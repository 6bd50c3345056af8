//! Examining stored dumps: decoded without a server, or loaded into a scratch database.

use super::{
    Postgres,
    candidate::{Candidate, CandidateError, INSUFFICIENT_PRIVILEGE, sweep},
    capture::jobs,
    contents::ContentsError,
    decode::{self, differences, format, unpacked},
    load::{self, Dump, LoadError},
    look::{self, failed},
    properties::Properties,
    reach::Reached,
    tables::Excluded,
};
use crate::{
    engines::{
        EngineError, ExamineRequest, StoredContent,
        examination::{Examination, damaged},
        flat,
    },
    evidence::{Evidence, Integrity},
    policy::{model::PostgresFormat, values::Level},
    watch::Watch,
};
use std::{collections::BTreeMap, path::Path};

/// Examines a stored dump. Up to `integrity` it is decoded, and its rows are compared with those that were counted in its
/// snapshot; above that it is loaded into a scratch database, which is dropped afterwards.
pub(super) fn examine(
    engine: &Postgres,
    stored: &mut StoredContent<'_>,
    request: &ExamineRequest<'_>,
    watch: &Watch<'_>,
) -> Result<Evidence, EngineError> {
    if request.level < Level::Checks {
        let decoded = decode::stored(engine, stored, (request.facts, request.scratch), watch)?;
        let integrity = decode::compare(decoded, &request.recorded.tables);
        return Ok(Evidence { integrity, ..Evidence::default() });
    }
    let reached = engine.connect_beside(watch)?;
    let swept = swept(&reached, watch)?;
    let properties = Properties::from_facts(request.facts);
    let candidate =
        Candidate::scratch(&reached, engine.scratch.as_deref(), &properties, watch).map_err(unmade)?;
    match bring(&reached, candidate, stored, (request.facts, request.scratch), watch) {
        Ok((candidate, warnings)) => {
            let seen = inspect(&reached, candidate.name(), &Examination::of_stored(request), watch);
            let left = candidate.discard(&reached, watch);
            let mut evidence = seen?;
            evidence.warnings.splice(0..0, swept.into_iter().chain(warnings).chain(left));
            Ok(evidence)
        }
        // What the server said of it may be the dump's fault or the server's own.
        Err(Unloaded::Refused(why)) => {
            Ok(Evidence { integrity: Integrity::Unverifiable(vec![why]), ..Evidence::default() })
        }
        Err(Unloaded::Damaged(why)) => Ok(Evidence { integrity: damaged(vec![why]), ..Evidence::default() }),
        Err(Unloaded::Engine(error)) => Err(error),
    }
}

/// Drops what killed runs left, and tells of each.
pub(super) fn swept(reached: &Reached, watch: &Watch<'_>) -> Result<Vec<String>, EngineError> {
    let names = sweep(reached, watch).map_err(failed)?;
    let tell = |name| format!("the database {name}, which a killed run left, was dropped");
    Ok(names.into_iter().map(tell).collect())
}

/// Why a dump was not loaded.
pub(super) enum Unloaded {
    /// The server, or the program that loads it, refused something of it.
    Refused(String),
    /// It is not what it should be.
    Damaged(String),
    /// Anything else.
    Engine(EngineError),
}

/// Loads a dump into a new database; the warnings say what could not be carried over.
pub(super) fn bring(
    reached: &Reached,
    candidate: Candidate,
    stored: &mut StoredContent<'_>,
    (facts, scratch): (&BTreeMap<String, String>, &Path),
    watch: &Watch<'_>,
) -> Result<(Candidate, Vec<String>), Unloaded> {
    let properties = Properties::from_facts(facts);
    let loaded = match format(facts) {
        PostgresFormat::Plain => load::load(reached, candidate, Dump::Plain(stored.main), &properties, watch),
        PostgresFormat::Custom => {
            load::load(reached, candidate, Dump::Custom(stored.main), &properties, watch)
        }
        PostgresFormat::Directory => {
            let folder = match unpacked(stored.main, scratch, watch) {
                Ok(folder) => folder,
                Err(error) => {
                    drop(candidate.discard(reached, watch));
                    return Err(Unloaded::Engine(error));
                }
            };
            let loaded = load::load(reached, candidate, Dump::Folder(&folder, jobs()), &properties, watch);
            // What cannot be removed now goes with the scratch folder.
            drop(flat::remove(&folder));
            loaded
        }
    };
    let loaded = loaded.map_err(|error| match error {
        LoadError::Stopped(stopped) => Unloaded::Engine(stopped.into()),
        LoadError::Contents(ContentsError::In(error)) => Unloaded::Engine(EngineError::In(error)),
        LoadError::Contents(error @ (ContentsError::Truncated(_) | ContentsError::Foreign(_))) => {
            Unloaded::Damaged(error.to_string())
        }
        LoadError::Lost(why) => {
            Unloaded::Engine(EngineError::Unreachable { place: reached.connection().shown(), why })
        }
        other => Unloaded::Refused(other.to_string()),
    })?;
    let mut warnings = loaded.warnings;
    // Without statistics the first queries, the checks among them, would be planned blindly.
    let analyzed = reached
        .session(loaded.candidate.name(), &super::WRITING, watch)
        .and_then(|mut session| session.execute("ANALYZE", watch));
    match analyzed {
        Err(super::session::SessionError::Stopped(stopped)) => {
            drop(loaded.candidate.discard(reached, watch));
            return Err(Unloaded::Engine(stopped.into()));
        }
        Err(error) => warnings.push(format!("its statistics could not be made: {error}")),
        Ok(()) => {}
    }
    Ok((loaded.candidate, warnings))
}

/// Asks a database that was loaded what an examination wants to know.
pub(super) fn inspect(
    reached: &Reached,
    database: &str,
    asked: &Examination<'_>,
    watch: &Watch<'_>,
) -> Result<Evidence, EngineError> {
    let (mut session, tables) = look::open(reached, database, watch)?;
    let seen = look::ask(&mut session, &tables, &Excluded::default(), asked, watch).map_err(failed)?;
    // Those of every table, whatever its class: as `integrity` compares them in the dump.
    let found = seen.rows().map(|(name, rows)| (name.to_owned(), rows)).collect();
    let integrity = asked.source.map_or(Integrity::Sound, |source| differences(&found, &source.tables));
    seen.judged(asked, integrity)
}

/// Words why there is no new database.
pub(super) fn unmade(error: CandidateError) -> EngineError {
    let may_not =
        matches!(&error, CandidateError::Session(error) if error.sqlstate() == Some(INSUFFICIENT_PRIVILEGE));
    match error {
        CandidateError::Session(error) => match failed(error) {
            EngineError::Program(why) => {
                let mend = if may_not {
                    ": give the user of the URL the right to (ALTER ROLE … CREATEDB)"
                } else {
                    ""
                };
                EngineError::Refused(format!("cannot make a new database: {why}{mend}"))
            }
            other => other,
        },
        other => EngineError::Refused(other.to_string()),
    }
}
