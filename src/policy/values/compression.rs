//! How a backup is compressed: `none`, `gzip`, `zstd`, with a level as `zstd:9`.

use std::fmt;

/// A codec and its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Stored as it is.
    None,
    /// RFC 1952, levels 1 to 9, 6 unless told.
    Gzip(u8),
    /// RFC 8878, levels 1 to 19, 3 unless told.
    Zstd(u8),
}

impl Default for Compression {
    fn default() -> Self {
        Self::Zstd(3)
    }
}

impl Compression {
    /// Reads a codec with an optional level.
    pub fn parse(text: &str) -> Option<Self> {
        let (codec, level) = match text.split_once(':') {
            Some((codec, level)) if level.bytes().all(|b| b.is_ascii_digit()) => {
                (codec, Some(level.parse::<u8>().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        match (codec, level) {
            ("none", None) => Some(Self::None),
            ("gzip", level) => Some(level.unwrap_or(6)).filter(|n| (1..=9).contains(n)).map(Self::Gzip),
            ("zstd", level) => Some(level.unwrap_or(3)).filter(|n| (1..=19).contains(n)).map(Self::Zstd),
            _ => None,
        }
    }

    /// What is added to a stored file's name: `.zst`, `.gz` or nothing.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip(_) => ".gz",
            Self::Zstd(_) => ".zst",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gzip(level) => write!(f, "gzip:{level}"),
            Self::Zstd(level) => write!(f, "zstd:{level}"),
        }
    }
}

super::scalar_schema! {
    Compression, "Compression",
    "How backups are compressed: none, gzip or zstd, with a level as zstd:9 (gzip 1 to 9, zstd 1 to 19).",
    "^(none|gzip(:[1-9])?|zstd(:([1-9]|1[0-9]))?)$", ["zstd", "gzip", "none", "zstd:9"]
}

impl serde::Serialize for Compression {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_may_carry_a_level() {
        assert_eq!(Compression::parse("zstd"), Some(Compression::Zstd(3)));
        assert_eq!(Compression::parse("zstd:9"), Some(Compression::Zstd(9)));
        assert_eq!(Compression::parse("gzip"), Some(Compression::Gzip(6)));
        assert_eq!(Compression::parse("none"), Some(Compression::None));
        for bad in ["", "zstd:", "zstd:0", "zstd:20", "gzip:10", "none:1", "lz4", "zstd:+3", "zstd:999"] {
            assert_eq!(Compression::parse(bad), None, "{bad}");
        }
    }
}
