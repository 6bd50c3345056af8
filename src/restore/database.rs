//! Restoring a database of a server: a new one is loaded beside the live one, proven there, and the two exchange their
//! names.

use super::{Exchange, Failed, Order, RestoreError, Shown, Waiting, show, stored_error};
use crate::{
    engines::{
        EngineError,
        postgres::{
            Beside, Names, Postgres, Standing,
            aside::{aside_name, undone_name},
        },
    },
    run::{VerifyError, pour},
    scratch::Scratch,
    store::{Stamp, layout::free_stamp, manifest::Manifest},
    watch::Watch,
};
use chrono::{DateTime, Utc};
use std::path::PathBuf;

/// A database that is restored to.
pub struct DatabaseWay {
    /// The engine, bound to the server.
    pub engine: Postgres,
    /// The database's name.
    pub to: String,
    /// How it stands.
    pub standing: Standing,
    /// What it is to be called where it is there.
    pub aside: String,
    /// Below it private folders are made on this host.
    pub scratch: PathBuf,
}

impl DatabaseWay {
    /// Looks at a database of the server, and names what becomes of it.
    ///
    /// # Errors
    /// When the server is not reached, or refuses.
    pub fn look(
        engine: Postgres,
        to: String,
        scratch: PathBuf,
        now: DateTime<Utc>,
        watch: &Watch<'_>,
    ) -> Result<Self, EngineError> {
        let standing = engine.standing(&to, watch)?;
        let taken: Vec<Stamp> = standing.asides.iter().filter_map(|(stamp, _)| Stamp::parse(stamp)).collect();
        // A clock that was set back must not make an older one look like the newest.
        let time = taken.iter().map(Stamp::time).max().map_or(now, |newest| newest.max(now));
        let aside = aside_name(&to, &free_stamp(time, taken).to_string());
        Ok(Self { engine, to, standing, aside, scratch })
    }

    /// Where it is, in words for people.
    pub fn place(&self) -> String {
        self.engine.shown(&self.to)
    }

    /// The bytes that a restore needs on this host; what it needs on the server is not to be told, nor what is free there.
    pub fn room_needed(&self, manifest: &Manifest) -> u64 {
        if Postgres::unpacks(&manifest.facts) { manifest.original_bytes } else { 0 }
    }
}

fn room(order: &Order<'_>, way: &DatabaseWay, scratch: &Scratch) -> Result<(), RestoreError> {
    let needed = way.room_needed(&order.stored.manifest);
    let free = crate::store::free_bytes(scratch.path())?;
    if free < needed {
        return Err(RestoreError::NoRoom { place: way.scratch.clone(), free, needed, in_use: false });
    }
    Ok(())
}

/// A database beside the live one.
struct Waits<'a> {
    way: &'a DatabaseWay,
    beside: Beside,
}

fn nothing() -> RestoreError {
    RestoreError::Stored("it has no files".to_owned())
}

/// Reads all of the backup, and asks the server for what loading it needs, without changing anything there.
///
/// # Errors
/// Everything that a restore is known to fail at.
pub fn look_ahead(order: &Order<'_>, way: &DatabaseWay, watch: &Watch<'_>) -> Result<(), RestoreError> {
    let manifest = &order.stored.manifest;
    let scratch = Scratch::new(&way.scratch)?;
    room(order, way, &scratch)?;
    let from = (&manifest.facts, scratch.path());
    let contents = pour(&manifest.files, order.open, watch, |stored| way.engine.decode(stored, from, watch));
    let contents = contents.map_err(stored_error)?.ok_or_else(nothing)?;
    let lacking = way.engine.missing(&contents, watch).map_err(RestoreError::Engine)?;
    if lacking.is_empty() { Ok(()) } else { Err(RestoreError::Lacking { place: way.place(), lacking }) }
}

/// The stored bytes are read twice: once to see that they are whole and what they need, before the server is asked for
/// anything, and once to load them.
pub(super) fn prepare<'a>(
    order: &Order<'a>,
    way: &'a DatabaseWay,
    watch: &Watch<'_>,
) -> Result<(Box<dyn Waiting<'a> + 'a>, Shown), RestoreError> {
    look_ahead(order, way, watch)?;
    let manifest = &order.stored.manifest;
    let scratch = Scratch::new(&way.scratch)?;
    let from = (&manifest.facts, scratch.path());
    let beside = pour(&manifest.files, order.open, watch, |stored| way.engine.bring(stored, from, watch));
    let beside = beside.map_err(|error| match error {
        // The dump was decoded whole: what the server does not take is the server's affair.
        VerifyError::Engine(error) if !matches!(error, EngineError::Damaged(_) | EngineError::In(_)) => {
            RestoreError::Engine(error)
        }
        error => stored_error(error),
    });
    let mut beside = beside?.ok_or_else(nothing)?;
    let warnings = std::mem::take(&mut beside.warnings);
    let shown = show(order, scratch.path(), warnings, |request| beside.inspect(request, watch))?;
    Ok((Box::new(Waits { way, beside }), shown))
}

impl<'a> Waiting<'a> for Waits<'a> {
    fn swap(self: Box<Self>, watch: &Watch<'_>) -> Result<Exchange<'a>, Box<Failed<'a>>> {
        let Self { way, beside } = *self;
        match beside.exchange((&way.to, way.standing.is_there), &way.aside, watch) {
            Ok(exchanged) => Ok(exchange(way, exchanged.aside, exchanged.warnings)),
            Err(source) => {
                let done = match &source {
                    EngineError::Unsettled { aside, .. } => {
                        let old = aside.as_ref().map(|aside| aside.display().to_string());
                        Some(exchange(way, old, Vec::new()))
                    }
                    _ => None,
                };
                Err(Box::new(Failed { source, done }))
            }
        }
    }
}

fn exchange(way: &DatabaseWay, old: Option<String>, warnings: Vec<String>) -> Exchange<'_> {
    Exchange { aside: old.clone(), warnings, back: Box::new(move |watch| back(way, old.as_deref(), watch)) }
}

fn back(way: &DatabaseWay, old: Option<&str>, watch: &Watch<'_>) -> String {
    let place = way.place();
    let Some(old) = old else {
        return format!("{place}, where nothing was before, holds the restored content");
    };
    let undone = undone_name(old);
    let names = Names { live: &way.to, candidate: old, aside: &undone, may_replace: true };
    match way.engine.exchange(names, watch) {
        // An exchange whose end was not known did not take place.
        Err(EngineError::Missing { .. }) => format!("{place} is as it was"),
        Ok(_) => format!("{place} is as it was; what was restored there is kept as the database {undone}"),
        Err(error) => {
            format!("{place} could not be put back ({error}): its old content is the database {old}")
        }
    }
}
