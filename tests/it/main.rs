//! Behaviour, seen from outside.

#![expect(clippy::disallowed_methods, reason = "tests read their samples")]

mod check;
#[cfg(unix)]
mod checkout;
#[cfg(unix)]
mod examples;
#[cfg(unix)]
mod load;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(unix)]
mod plan;
#[cfg(unix)]
mod readme;
mod run;
#[cfg(unix)]
mod schema;
mod support;
#[cfg(unix)]
mod systems;
#[cfg(unix)]
mod tidy;
