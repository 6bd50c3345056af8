//! Behaviour, seen from outside.

#![expect(clippy::disallowed_methods, reason = "tests read their samples")]

mod check;
mod load;
mod memory;
mod run;
mod support;
mod systems;
