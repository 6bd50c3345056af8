//! `policy`: backups declared in YAML, checked, planned, proven and restored.

pub mod engines;
pub mod evidence;
pub mod fault;
pub mod policy;
pub mod retention;
pub mod schedule;
pub mod selector;
pub mod store;
pub mod watch;
