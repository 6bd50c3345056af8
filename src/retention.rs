//! Which backups stay: a pure function with reasons.
