//! Percentages such as `20%` and `300%`.

use std::fmt;

/// A whole number of hundredths, 0 to 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u32);

impl Percent {
    /// Reads `<digits>%`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_suffix('%')?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok().filter(|n| *n <= 1_000_000).map(Self)
    }

    /// Tells whether `actual` lies more than this share below `before`.
    pub fn dropped(self, before: f64, actual: f64) -> bool {
        // Hundredfold rather than by fractions: 70% below 10 is exactly 3, which 10 × (1 - 0.7) is not.
        actual * 100.0 < before * 100.0 - before.abs() * f64::from(self.0)
    }

    /// Tells whether `actual` lies more than this share above `before`.
    pub fn grew(self, before: f64, actual: f64) -> bool {
        actual * 100.0 > before * 100.0 + before.abs() * f64::from(self.0)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

super::scalar_schema! {
    Percent, "Percent", "A percentage: a whole number and %.", "^[0-9]{1,7}%$", ["0%", "20%", "300%"]
}
impl serde::Serialize for Percent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_needs_its_sign() {
        assert_eq!(Percent::parse("20%"), Some(Percent(20)));
        for bad in ["", "%", "20", "-1%", "1.5%", "20 %", "1000001%"] {
            assert_eq!(Percent::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_bound_itself_is_neither_drop_nor_growth() {
        let fifth = Percent(20);
        assert!(!fifth.dropped(100.0, 80.0) && fifth.dropped(100.0, 79.9));
        assert!(!fifth.grew(100.0, 120.0) && fifth.grew(100.0, 120.1));
    }
}
