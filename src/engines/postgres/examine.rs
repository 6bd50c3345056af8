//! Examining stored dumps: decoded without a server, or loaded into a scratch database.

use super::{
    Postgres,
    candidate::{Candidate, CandidateError, INSUFFICIENT_PRIVILEGE, sweep},
    capture::{FORMAT, jobs, named, told},
    clients::Clients,
    contents::{self, Contents, ContentsError},
    load::{self, Dump, LoadError},
    look::{self, READING, failed},
    properties::Properties,
    reach::{Reached, clients},
    tables::{Excluded, Tables, shown},
};
use crate::{
    engines::{
        EngineError, ExamineRequest, StoredContent,
        examination::{Examination, damaged},
        flat,
    },
    evidence::{Evidence, Integrity, TableFact},
    fault::OnPath,
    platform::files::make_private_folder,
    policy::{model::PostgresFormat, values::Level},
    watch::Watch,
};
use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

/// Examines a stored dump. Up to `integrity` it is decoded, and its rows are compared with those that were counted in its
/// snapshot; above that it is loaded into a scratch database, which is dropped afterwards.
pub(super) fn examine(
    engine: &Postgres,
    stored: &mut StoredContent<'_>,
    request: &ExamineRequest<'_>,
    watch: &Watch<'_>,
) -> Result<Evidence, EngineError> {
    if request.level < Level::Checks {
        let integrity = match decode(engine, stored, (request.facts, request.scratch), watch)? {
            Ok(contents) => compare(&contents, &request.recorded.tables),
            Err(why) => damaged(vec![why]),
        };
        return Ok(Evidence { integrity, ..Evidence::default() });
    }
    let reached = engine.reach()?.connect_beside(watch)?;
    sweep(&reached, watch).map_err(failed)?;
    let properties = Properties::from_facts(request.facts);
    let candidate =
        Candidate::scratch(&reached, engine.scratch.as_deref(), &properties, watch).map_err(unmade)?;
    match bring(&reached, candidate, stored, (request.facts, request.scratch), watch) {
        Ok((candidate, warnings)) => {
            let seen = inspect(&reached, candidate.name(), &Examination::of_stored(request), watch);
            candidate.discard(&reached, watch);
            let mut evidence = seen?;
            evidence.warnings.splice(0..0, warnings);
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
                    candidate.discard(reached, watch);
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
        other => Unloaded::Refused(other.to_string()),
    })?;
    let mut warnings = loaded.warnings;
    // Without statistics the first queries, the checks among them, would be planned blindly.
    let analyzed = reached
        .session(loaded.candidate.name(), &super::WRITING, watch)
        .and_then(|mut session| session.execute("ANALYZE", watch));
    match analyzed {
        Err(super::session::SessionError::Stopped(stopped)) => {
            loaded.candidate.discard(reached, watch);
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
    let mut session = reached.session(database, &READING, watch).map_err(failed)?;
    look::begin(&mut session, watch).map_err(failed)?;
    let tables = Tables::of(&mut session, watch).map_err(failed)?;
    let never = AtomicBool::new(false);
    let seen =
        look::ask(&mut session, &tables, &Excluded::default(), asked, &never, watch).map_err(failed)?;
    seen.judged(asked, Integrity::Sound)
}

/// Decodes all of a dump; the inner error is what is wrong with it.
pub(super) fn decode(
    engine: &Postgres,
    stored: &mut StoredContent<'_>,
    (facts, scratch): (&BTreeMap<String, String>, &Path),
    watch: &Watch<'_>,
) -> Result<Result<Contents, String>, EngineError> {
    let found: Clients;
    let newest = |found: &Clients| match found.any() {
        Ok(programs) => Ok(programs.clone()),
        Err(error) => Err(EngineError::Program(error.to_string())),
    };
    let decoded = match format(facts) {
        PostgresFormat::Plain => contents::of_plain(stored.main, watch),
        PostgresFormat::Custom => {
            found = clients(&engine.path, watch)?;
            contents::of_custom(&newest(&found)?, stored.main, watch)
        }
        PostgresFormat::Directory => {
            found = clients(&engine.path, watch)?;
            let folder = unpacked(stored.main, scratch, watch)?;
            let decoded = contents::of_folder(&newest(&found)?, &folder, watch);
            flat::remove(&folder)?;
            decoded
        }
    };
    match decoded {
        Ok(contents) => Ok(Ok(contents)),
        Err(ContentsError::Stopped(stopped)) => Err(stopped.into()),
        Err(ContentsError::In(error)) => Err(EngineError::In(error)),
        Err(error @ (ContentsError::Truncated(_) | ContentsError::Foreign(_))) => Ok(Err(error.to_string())),
        Err(ContentsError::Program(error)) => match told(error) {
            // It ran, and does not find the dump sound.
            EngineError::Program(why) => Ok(Err(why)),
            other => Err(other),
        },
    }
}

/// The format of the stored file, as its capture noted it.
pub(super) fn format(facts: &BTreeMap<String, String>) -> PostgresFormat {
    let noted = facts.get(FORMAT).map(String::as_str).unwrap_or_default();
    let all = [PostgresFormat::Plain, PostgresFormat::Directory];
    all.into_iter().find(|format| named(*format) == noted).unwrap_or_default()
}

fn unpacked(archive: &mut dyn Read, scratch: &Path, watch: &Watch<'_>) -> Result<PathBuf, EngineError> {
    let folder = scratch.join("unpacked");
    make_private_folder(&folder).on("create the folder", &folder)?;
    flat::unpack(archive, &folder, "", watch)?;
    Ok(folder)
}

/// Holds the rows of a dump against those that were counted in its snapshot. What was left out is in no dump, and was
/// counted as nothing.
fn compare(contents: &Contents, counted: &BTreeMap<String, TableFact>) -> Integrity {
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    for (relation, found) in &contents.rows {
        *rows.entry(shown(contents.whole(relation))).or_default() += found;
    }
    let differs = |(name, fact): (&String, &TableFact)| {
        let found = rows.get(name).copied().unwrap_or(0);
        (found != fact.rows)
            .then(|| format!("the dump holds {found} rows of `{name}`, and its snapshot has {}", fact.rows))
    };
    let findings: Vec<String> = counted.iter().filter_map(differs).collect();
    if findings.is_empty() { Integrity::Sound } else { damaged(findings) }
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
