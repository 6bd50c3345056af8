//! `policy`: backups declared in YAML, checked, planned, proven and restored.

pub mod policy;
pub mod schedule;
