//! `policy`: backups declared in YAML, checked, planned, proven and restored.

pub mod policy;

pub mod retention;
pub mod schedule;
pub mod selector;

pub mod plan;

pub mod catalog;
pub mod engines;
pub mod evidence;
pub mod fault;
pub mod host;
pub mod listing;
pub mod observe;
pub mod pipe;
pub mod restore;
pub mod run;
pub mod store;
pub mod watch;

pub mod cli;
