//! Engines for what a target is.

use crate::{
    engines::{AtPath, Engine, EngineError, command::Dump, directory::Directory, sqlite::Sqlite},
    policy::{model::EngineSpec, span::Spanned},
};
use std::path::PathBuf;

/// Binds an engine to a place; of what a command dumps there is none.
///
/// # Errors
/// A glob that this engine cannot read, or an engine that this program lacks.
pub fn engine(spec: &EngineSpec, path: PathBuf) -> Result<Box<dyn Engine>, EngineError> {
    match spec {
        EngineSpec::Command(spec) => Ok(Box::new(Dump::new(spec.clone()))),
        spec => Ok(at_path(spec, path)?),
    }
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
