//! Behaviour, seen from outside.

#![expect(clippy::disallowed_methods, reason = "tests read their samples")]

mod check;
mod crash;
mod hooks;
mod locks;
mod run;
mod support;
mod unproven;
mod variables;
