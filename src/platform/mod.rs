//! What the systems do differently: the only module with code that one of them alone compiles.
//!
//! Everything else computes with values that are the same everywhere. Linux is run and tested; macOS and Windows are
//! compiled and tested by the workflow in `.github`.

pub(crate) mod files;
pub(crate) mod folder;
pub(crate) mod locks;
pub(crate) mod process;
pub(crate) mod rights;
pub(crate) mod signals;
pub(crate) mod whole;
