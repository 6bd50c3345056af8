//! Libraries of C that are loaded before the system's, so that its calls do something else.

use super::{Sandbox, skip};
use std::process::Command;

impl Sandbox {
    /// The sandbox with a library of `tests/it/support` loaded into whatever it calls; `None` where it cannot be built.
    pub(crate) fn preload(self, source: &str) -> Option<Self> {
        let library = self.root().join(format!("{source}.so"));
        let source = format!("{}/tests/it/support/{source}", env!("CARGO_MANIFEST_DIR"));
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).output();
        match built {
            Ok(built) if built.status.success() => {
                Some(self.variable("LD_PRELOAD", library.to_str().unwrap()))
            }
            other => {
                skip(&format!("{source} cannot be built: {other:?}"));
                None
            }
        }
    }
}
