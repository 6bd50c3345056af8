//! Sizes such as `512KiB`, `10MiB`, `5GB`.

use std::fmt;

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// The units: binary first, so that showing prefers them.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl Size {
    /// Makes a size of so many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Reads `<digits><unit>`; `None` for anything else or for more than 2^63 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let digits_end = text.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, unit) = text.split_at(digits_end);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit || (unit == "kB" && *name == "KB"))?;
        let bytes = digits.parse::<u64>().ok()?.checked_mul(*factor)?;
        i64::try_from(bytes).ok().map(|_| Self(bytes))
    }

    /// The spelling that was probably meant: `2 GiB`, `10mb`, `5G`.
    pub fn meant(text: &str) -> Option<String> {
        let text = text.trim();
        let (digits, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        let unit = unit.trim();
        let short =
            |name: &str| name.trim_end_matches('B').eq_ignore_ascii_case(unit) && name.ends_with("iB");
        let (name, _) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).or_else(|| {
            UNITS.iter().find(|(name, _)| {
                short(name) || name.strip_suffix("iB").is_some_and(|k| k.eq_ignore_ascii_case(unit))
            })
        })?;
        let written = format!("{digits}{name}");
        Self::parse(&written).map(|_| written)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    /// Whole when it is whole in a unit, else with one decimal in the nearest binary unit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0 B");
        }
        for (name, factor) in UNITS {
            if self.0 >= factor && self.0.is_multiple_of(factor) && self.0 / factor < 1_024 {
                return write!(f, "{} {name}", self.0 / factor);
            }
        }
        let (name, factor) = UNITS[..4].iter().find(|(_, factor)| self.0 >= *factor).unwrap_or(&UNITS[8]);
        let tenths = u128::from(self.0) * 10 / u128::from(*factor);
        write!(f, "{}.{} {name}", tenths / 10, tenths % 10)
    }
}

impl serde::Serialize for Size {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

super::scalar_schema! {
    Size, "Size", "A size: a number and one of B, KB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (powers of 1024).",
    "^[0-9]+([kKMGT]B|[KMGT]iB|B)$", ["512KiB", "10MiB", "5GB"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_and_a_unit() {
        for (text, bytes) in
            [("512KiB", 524_288), ("10MiB", 10_485_760), ("5GB", 5_000_000_000), ("7B", 7), ("1kB", 1_000)]
        {
            assert_eq!(Size::parse(text).map(Size::bytes), Some(bytes), "{text}");
        }
        for bad in ["", "5", "MiB", "1.5GiB", "-1B", "1 MiB", "1mib", "99999999999TiB"] {
            assert_eq!(Size::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_size_reads_well() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1_536, "1.5 KiB"), (1 << 30, "1 GiB"), (45_000_001, "42.9 MiB")]
        {
            assert_eq!(Size::from_bytes(bytes).to_string(), text);
        }
    }
}
