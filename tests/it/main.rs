//! Behaviour, seen from outside.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test touches the world, and ends where it goes wrong"
)]

#[cfg(all(target_os = "linux", feature = "duckdb"))]
mod by_hand;
mod canary;
mod check;
#[cfg(unix)]
mod check_host;
#[cfg(unix)]
mod check_secrets;
#[cfg(unix)]
mod check_shapes;
#[cfg(unix)]
mod checkout;
mod cli;
mod clocks;
#[cfg(target_os = "linux")]
mod command;
mod conformance;
mod crash;
mod crowd;
mod daemon;
mod damage;
mod delete;
#[cfg(all(unix, feature = "duckdb"))]
mod duckdb;
#[cfg(all(unix, feature = "duckdb"))]
mod duckdb_stored;
mod due;
mod due_state;
#[cfg(unix)]
mod entries;
mod examiner;
#[cfg(unix)]
mod examples;
#[cfg(target_os = "linux")]
mod faults;
mod fires;
mod globs;
mod guard;
mod history;
mod hooks;
mod install;
#[cfg(target_os = "linux")]
mod install_apart;
mod install_cron;
#[cfg(target_os = "linux")]
mod install_foreign;
#[cfg(target_os = "linux")]
mod install_full;
#[cfg(target_os = "linux")]
mod install_killed;
#[cfg(target_os = "linux")]
mod install_moves;
#[cfg(target_os = "linux")]
mod install_promises;
#[cfg(target_os = "linux")]
mod install_system;
#[cfg(target_os = "linux")]
mod install_systemd;
mod list;
#[cfg(unix)]
mod load;
mod locks;
mod losses;
#[cfg(target_os = "linux")]
mod meddling;
mod memory;
mod order;
#[cfg(unix)]
mod places;
#[cfg(unix)]
mod plan;
#[cfg(target_os = "linux")]
mod postgres;
mod prune;
mod read_back;
#[cfg(unix)]
mod readme;
mod real_cron;
mod restore;
#[cfg(unix)]
mod room;
mod run;
#[cfg(unix)]
mod schema;
mod secrets;
mod short;
mod sources;
mod store_id;
mod stores;
mod support;
#[cfg(unix)]
mod systems;
#[cfg(unix)]
mod tidy;
mod torn_away;
mod undo;
mod unproven;
mod unreached;
mod variables;
mod verify;
#[cfg(unix)]
mod writers;
