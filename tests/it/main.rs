//! Behaviour, seen from outside.

#![expect(clippy::disallowed_methods, reason = "tests read their samples")]

mod check;
#[cfg(unix)]
mod checkout;
mod cli;
mod delete;
#[cfg(unix)]
mod examples;
mod history;
mod list;
mod load;
mod memory;
#[cfg(unix)]
mod plan;
mod prune;
#[cfg(unix)]
mod readme;
mod restore;
mod run;
#[cfg(unix)]
mod schema;
mod support;
mod systems;
#[cfg(unix)]
mod tidy;
mod verify;
