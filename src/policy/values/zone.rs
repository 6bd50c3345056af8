//! Time zones by their IANA name.

use crate::policy::nearest::nearest;
use chrono_tz::{TZ_VARIANTS, Tz};

/// A zone of the IANA time zone database, as compiled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(pub Tz);

impl Zone {
    /// Reads a zone's name, letter for letter.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    /// The name that was probably meant: another case, spaces for `_`, a city without its continent, or a slip.
    pub fn meant(text: &str) -> Option<&'static str> {
        let wanted = text.trim().replace(' ', "_");
        let names = || TZ_VARIANTS.iter().map(|zone| zone.name());
        let city = |name: &'static str| name.rsplit('/').next().unwrap_or(name);
        let last = wanted.rsplit('/').next().unwrap_or_default();
        let abbreviation = match wanted.to_ascii_uppercase().as_str() {
            "CET" | "CEST" | "MEZ" | "MESZ" => Some("Europe/Berlin"),
            "BST" => Some("Europe/London"),
            "EDT" => Some("America/New_York"),
            "CDT" => Some("America/Chicago"),
            "MDT" => Some("America/Denver"),
            "PST" | "PDT" => Some("America/Los_Angeles"),
            "AEST" | "AEDT" => Some("Australia/Sydney"),
            "JST" => Some("Asia/Tokyo"),
            "Z" | "ZULU" => Some("UTC"),
            _ => None,
        };
        abbreviation
            .or_else(|| names().find(|name| name.eq_ignore_ascii_case(&wanted)))
            .or_else(|| names().find(|name| city(name).eq_ignore_ascii_case(last)))
            .or_else(|| nearest(&wanted, names()))
            .or_else(|| {
                nearest(last, names().map(city)).and_then(|near| names().find(|name| city(name) == near))
            })
    }
}

super::scalar_schema! {
    Zone, "Zone",
    "An IANA time zone such as Europe/Berlin. The calendar's days, and the hours of schedules, are those of this zone.",
    "^[A-Za-z][A-Za-z0-9_+/-]*$", ["UTC", "Europe/Berlin", "America/New_York"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_that_is_nearly_right_is_named() {
        assert!(Zone::parse("Europe/Berlin").is_some() && Zone::parse("UTC").is_some());
        for (written, meant) in [
            ("europe/berlin", "Europe/Berlin"),
            ("Europe/Brelin", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("America/New York", "America/New_York"),
            ("Zürich", "Europe/Zurich"),
        ] {
            assert!(Zone::parse(written).is_none());
            assert_eq!(Zone::meant(written), Some(meant), "{written}");
        }
        assert_eq!(Zone::meant("Gondor/Minas_Tirith"), None);
    }
}
