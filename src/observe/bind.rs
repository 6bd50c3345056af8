//! Engines for what a target is.

use crate::{
    engines::{
        AtPath, Engine, EngineError,
        command::Dump,
        directory::Directory,
        postgres::{Password, Postgres, Reach},
        sqlite::Sqlite,
    },
    host::Host,
    policy::{
        Policy,
        model::{EngineSpec, PostgresSpec},
        problem::Problem,
        span::Spanned,
        urls::{self, ResolvedUrl},
        variables::Variables,
    },
    secret::{self, Reading},
};
use std::path::PathBuf;

/// Where the content of a target is, as far as this host knows it.
pub enum Source {
    /// At a path.
    Path(PathBuf),
    /// On a server.
    Database(Box<Postgres>),
    /// Wherever its commands find it.
    Command,
}

/// Binds an engine to its source.
///
/// # Errors
/// A glob that this engine cannot read, an engine that this program lacks, or a source of another kind.
pub fn engine(spec: &EngineSpec, source: Source) -> Result<Box<dyn Engine>, EngineError> {
    match (spec, source) {
        (EngineSpec::Command(spec), _) => Ok(Box::new(Dump::new(spec.clone()))),
        (EngineSpec::Postgres(_), Source::Database(postgres)) => Ok(postgres),
        (spec, Source::Path(path)) => Ok(at_path(spec, path)?),
        (spec, _) => Err(EngineError::Refused(format!("a `{}` target lies at a path", spec.keyword()))),
    }
}

/// The policy at hand, by which a server is reached.
#[derive(Clone, Copy)]
pub struct AtHand<'a> {
    /// The host.
    pub host: &'a Host,
    /// The policy.
    pub policy: &'a Policy,
    /// Its variables.
    pub variables: &'a Variables,
}

/// Binds the engine of a PostgreSQL target to its server, which is not reached by that.
///
/// # Errors
/// Everything that keeps the URL, the password or the scratch database from being known, at its place.
pub fn postgres(
    spec: &PostgresSpec,
    target: &str,
    at_hand: AtHand<'_>,
) -> Result<(Postgres, ResolvedUrl), Vec<Problem>> {
    let AtHand { host, policy, variables } = at_hand;
    let url = urls::of_target(spec, policy.source(), variables)?;
    let scratch = urls::scratch(spec, &url.connection, policy.source(), variables)?;
    let kept = spec.password.as_ref();
    let kept =
        kept.map(|kept| secret::keep(kept, Reading { host, policy, variables, target })).transpose()?;
    let source = policy.source().clone();
    let password = kept.map(|kept| -> Password {
        Box::new(move |watch| {
            kept.read(watch).map_err(|problems| {
                let told = problems.iter().map(|problem| {
                    let place = problem.span().map(|span| format!("{}: ", source.place(span)));
                    format!("{}{}: {}", place.unwrap_or_default(), problem.message, problem.help)
                });
                told.collect::<Vec<_>>().join("; ")
            })
        })
    });
    let reach = Reach::new(url.connection.clone(), password, host.scratch());
    Ok((Postgres::new(host.path(), Ok(reach), scratch), url))
}

/// The same for stored content whose server nobody here knows how to reach, and why.
pub fn postgres_without_server(host: &Host, why: String) -> Postgres {
    Postgres::new(host.path(), Err(why), None)
}

/// Binds an engine whose content lies at a path.
///
/// # Errors
/// As of [`engine`], and for every other engine.
pub fn at_path(spec: &EngineSpec, path: PathBuf) -> Result<Box<dyn AtPath>, EngineError> {
    Ok(match spec {
        EngineSpec::Sqlite { .. } => Box::new(Sqlite::new(path)),
        #[cfg(feature = "duckdb")]
        EngineSpec::Duckdb { .. } => Box::new(crate::engines::duckdb::Duckdb::new(path)),
        #[cfg(not(feature = "duckdb"))]
        EngineSpec::Duckdb { .. } => {
            return Err(EngineError::Refused("this `policy` was built without `duckdb`".to_owned()));
        }
        EngineSpec::Directory { include, exclude, .. } => {
            let globs =
                |list: &'_ [Spanned<String>]| list.iter().map(|glob| glob.value.clone()).collect::<Vec<_>>();
            let (include, exclude) = (globs(include), globs(exclude));
            Box::new(Directory::new(
                path,
                include.iter().map(String::as_str),
                exclude.iter().map(String::as_str),
            )?)
        }
        EngineSpec::Postgres(_) | EngineSpec::Command(_) => {
            let what = format!("a `{}` target does not lie at a path", spec.keyword());
            return Err(EngineError::Refused(what));
        }
    })
}
