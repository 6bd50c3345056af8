//! The systems this replaces, driven end to end by their model policies on look-alikes of their data.

mod ai_backtest;
#[cfg(target_os = "linux")]
mod aitrapp;
#[cfg(feature = "duckdb")]
mod openquant;
#[cfg(unix)]
mod rrr;
