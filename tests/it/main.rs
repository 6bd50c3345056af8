//! Behaviour, seen from outside.

#![expect(clippy::disallowed_methods, reason = "tests read their samples")]

mod check;
mod cli;
mod delete;
mod history;
mod list;
mod prune;
mod restore;
mod run;
mod support;
mod verify;
