//! Engines for stored content: what a backup was made of says which, and the policy at hand how its server is reached. A
//! policy's text in a store is data: whoever may write to a store must not choose where passwords are sent.

use super::super::session::Session;
use crate::{
    engines::{Engine, EngineError, postgres::Postgres},
    observe::{
        self,
        bind::{self, AtHand, Source},
    },
    policy::{
        Policy,
        model::{EngineSpec, Target},
        problem::Problem,
    },
};
use std::path::Path;

/// An engine for content that has no source here, for examining it at a place of its own.
pub(crate) fn engine(
    session: &Session,
    policy: Option<&Policy>,
    target: &Target,
    place: &Path,
) -> Result<Box<dyn Engine>, EngineError> {
    let source = match &target.engine {
        EngineSpec::Postgres(_) => Source::Database(Box::new(
            postgres(session, policy, target.name.as_str())
                .unwrap_or_else(|why| bind::postgres_without_server(&session.host, why)),
        )),
        EngineSpec::Command(_) => Source::Command,
        _ => Source::Path(place.to_owned()),
    };
    bind::engine(&target.engine, source)
}

/// The engine of a PostgreSQL target, as the policy at hand reaches its server.
///
/// # Errors
/// Why it cannot, in words for people.
pub(crate) fn postgres(session: &Session, policy: Option<&Policy>, target: &str) -> Result<Postgres, String> {
    let joined = |problems: Vec<Problem>| {
        problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")
    };
    let policy = policy.ok_or("no policy at hand says how its server is reached")?;
    let engine = policy.targets().get(target).map(|target| &target.engine);
    let Some(EngineSpec::Postgres(spec)) = engine else {
        return Err(format!("`{target}` is no PostgreSQL target of the policy at hand"));
    };
    let variables = observe::variables(&session.host, policy).map_err(joined)?;
    let at_hand = AtHand { host: &session.host, policy, variables: &variables };
    bind::postgres(spec, target, at_hand).map(|(postgres, _)| postgres).map_err(joined)
}
