//! The levels of proof: what a verification has shown to be true.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A level of proof; each includes the ones before it. What each shows stands in the README's reference.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing was shown.
    #[default]
    None,
    /// The stored bytes, read back, have the recorded digest and decompress whole.
    Checksum,
    /// And the captured content is sound by its engine's own test.
    Integrity,
    /// And every declared check holds on exactly the captured content.
    Checks,
    /// And the stored backup itself was restored to a scratch place, opened, and checked there.
    Restore,
}

impl Level {
    /// The levels a policy can ask for, lowest first.
    pub const ASKABLE: [Self; 4] = [Self::Checksum, Self::Integrity, Self::Checks, Self::Restore];

    /// The spelling in policies, manifests and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Checksum => "checksum",
            Self::Integrity => "integrity",
            Self::Checks => "checks",
            Self::Restore => "restore",
        }
    }

    /// Reads a level that a policy can ask for.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ASKABLE.into_iter().find(|level| level.as_str() == text)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
