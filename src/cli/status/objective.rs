//! What a job promises, and whether it holds. Pure.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

/// Whether what is promised holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Objective {
    /// It holds, or nothing is promised.
    Met,
    /// It does not.
    Breached,
    /// Nobody can tell from here.
    Unknown,
}

impl Objective {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Breached => "breached",
            Self::Unknown => "unknown",
        }
    }
}

/// Judges a series whose store could be read, or not.
pub(super) fn judge(
    rpo: Option<u64>,
    is_readable: bool,
    newest: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Objective {
    let Some(rpo) = rpo else { return Objective::Met };
    match newest {
        _ if !is_readable => Objective::Unknown,
        Some(at) if now.signed_duration_since(at).num_seconds() <= i64::try_from(rpo).unwrap_or(i64::MAX) => {
            Objective::Met
        }
        _ => Objective::Breached,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objective_is_met_breached_or_unknown() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let now = at("2026-01-05T12:00:00Z");
        let hour = Some(at("2026-01-05T11:00:00Z"));
        assert_eq!(judge(Some(3600), true, hour, now), Objective::Met);
        assert_eq!(judge(Some(3599), true, hour, now), Objective::Breached);
        assert_eq!(judge(Some(3600), true, None, now), Objective::Breached);
        assert_eq!(judge(Some(3600), false, None, now), Objective::Unknown);
        assert_eq!(judge(None, false, None, now), Objective::Met);
    }
}
