//! What the engines' tests share.

use super::Caller;
use crate::exec::Invocation;
use crate::policy::{
    Span, Spanned,
    model::{Command, DuckdbOptions, EngineSpec, PathTemplate, WhenLocked},
    values::Template,
};
use std::path::Path;

/// A target of no consequence.
pub(super) fn spec() -> EngineSpec {
    duckdb(Vec::new())
}

/// A DuckDB target with these rungs.
pub(super) fn duckdb(rungs: Vec<WhenLocked>) -> EngineSpec {
    let path = Spanned::new(PathTemplate(Template::parse("x").unwrap()), Span::default());
    EngineSpec::Duckdb { path, options: DuckdbOptions { when_locked: Some(rungs), format: None } }
}

/// Refuses to run any command.
pub(super) struct NoCaller;

impl Caller for NoCaller {
    fn prepare(&self, _: &Command, _: Option<&Path>) -> Result<Invocation, String> {
        Err("no command runs here".to_owned())
    }
    fn heard(&self, _: String) {}
}
