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

    /// The name that was probably meant: another case, spaces for `_`, a city without its continent, a slip, or an
    /// offset in whole hours, whose sign IANA's names turn around (`UTC+2` is `Etc/GMT-2`).
    pub fn meant(text: &str) -> Option<&'static str> {
        let wanted = text.trim().replace(' ', "_");
        if let Some(hours) = offset(&wanted) {
            let name = if hours == 0 { "UTC".to_owned() } else { format!("Etc/GMT{:+}", -hours) };
            return TZ_VARIANTS.iter().map(|zone| zone.name()).find(|known| *known == name);
        }
        if wanted.contains(['+', ':']) || ["local", "localtime", "system", "host"].contains(&wanted.as_str())
        {
            return None;
        }
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

/// Hours east of UTC, of a text such as `UTC+2`, `GMT-5` or `+02:00`.
fn offset(text: &str) -> Option<i8> {
    let upper = text.to_ascii_uppercase();
    let number = upper.strip_prefix("UTC").or_else(|| upper.strip_prefix("GMT")).unwrap_or(&upper);
    let digits = number.strip_prefix(['+', '-'])?;
    let hours =
        digits.strip_suffix(":00").or_else(|| digits.strip_suffix("00").filter(|hours| hours.len() == 2));
    let hours: i8 = hours.unwrap_or(digits).parse().ok().filter(|hours| (0..=14).contains(hours))?;
    Some(if number.starts_with('-') { -hours } else { hours })
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
        for none in ["Gondor/Minas_Tirith", "local", "UTC+5:30", "UTC+99", "+"] {
            assert_eq!(Zone::meant(none), None, "{none}");
        }
    }

    #[test]
    fn an_offset_is_answered_with_the_zone_of_the_same_clock() {
        use chrono::{NaiveDateTime, Offset as _, TimeZone as _};
        for (written, hours) in [
            ("UTC+2", 2),
            ("GMT+1", 1),
            ("utc-5", -5),
            ("+02:00", 2),
            ("+0200", 2),
            ("-11", -11),
            ("UTC+0", 0),
        ] {
            let Zone(zone) = Zone::parse(Zone::meant(written).unwrap()).unwrap();
            let offset = zone.offset_from_utc_datetime(&NaiveDateTime::default()).fix().local_minus_utc();
            assert_eq!(offset, hours * 3_600, "{written}");
        }
    }
}
