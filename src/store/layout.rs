//! The layout of a store: names of folders and files, pure.
//!
//! Everything that becomes part of a path is read here, from the alphabets of the language alone: no text that parses
//! can name a place outside its own folder (no `/`, no `..`, no leading dot).

use crate::policy::values::{Compression, Name, name::Alphabet};
use chrono::{DateTime, Datelike as _, NaiveDate, Timelike as _, Utc};
use serde::{Deserialize, Serialize, de};
use std::{fmt, str::FromStr};

/// The store's id and format.
pub const STORE_FILE: &str = "policy-store.json";
/// How to get everything back with stock tools.
pub const README_FILE: &str = "README.txt";
/// The manifest of a backup: a folder without one is not a backup.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The digests of a backup's files, for `sha256sum -c`.
pub const SUMS_FILE: &str = "SHA256SUMS";
/// Below a policy: the texts its backups were made by.
pub const POLICIES_FOLDER: &str = "policies";
/// Below a series: later verifications, drills, restores and deletions.
pub const RECORDS_FOLDER: &str = ".records";
/// Below a series: the lock of its runs and readers.
pub const LOCK_FILE: &str = ".lock";
/// Within a folder that a run is filling: locked while that run lives.
pub const OWNER_FILE: &str = ".owner";
/// What a file bears before it is whole.
pub const TEMPORARY_PREFIX: &str = ".tmp-";

/// One line of backups: what retention and locks are decided by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The policy's name.
    pub policy: String,
    /// The job's name.
    pub job: String,
    /// The target's name.
    pub target: String,
}

impl Series {
    /// Makes the series of three names; `None` when one of them is no name of the language.
    pub fn new(policy: &str, job: &str, target: &str) -> Option<Self> {
        Some(Self {
            policy: Name::parse(policy, Alphabet::Plain)?.as_str().to_owned(),
            job: Name::parse(job, Alphabet::Plain)?.as_str().to_owned(),
            target: Name::parse(target, Alphabet::Target)?.as_str().to_owned(),
        })
    }

    /// Reads `<policy>/<job>/<target>`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let series = Self::new(parts.next()?, parts.next()?, parts.next()?)?;
        parts.next().is_none().then_some(series)
    }

    /// Whether its names are names of the language, so that its folder lies where it should.
    pub fn is_valid(&self) -> bool {
        Self::new(&self.policy, &self.job, &self.target).is_some()
    }

    /// The id of its backup of a run.
    pub fn backup(&self, stamp: Stamp) -> BackupId {
        BackupId { series: self.clone(), stamp }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.policy, self.job, self.target)
    }
}

/// A run's start in UTC, as `2026-01-05T070000Z`, with `-2` for the second run of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    time: DateTime<Utc>,
    nth: u32,
}

impl Stamp {
    /// The first second of the year 0 and the last of 9999, in POSIX time.
    const SPAN: [i64; 2] = [-62_167_219_200, 253_402_300_799];

    /// The stamp of the first run of a second. Years outside 0 to 9999, which RFC 3339 cannot say, are taken as the
    /// nearest that it can.
    pub fn first(time: DateTime<Utc>) -> Self {
        let [first, last] = Self::SPAN;
        // A leap second counts as the one before it, as in POSIX time: one second, one spelling.
        let seconds = DateTime::from_timestamp(time.timestamp().clamp(first, last), 0);
        Self { time: seconds.unwrap_or_default(), nth: 1 }
    }

    /// Reads exactly what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        // Digits alone: a number reads signs too, and a folder has one spelling.
        let number = |text: &str| -> Option<u32> {
            if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
        };
        let (time, rest) = text.split_once('Z')?;
        let (date, clock) = time.split_once('T')?;
        let field = |text: &str, at: usize, len: usize| number(text.get(at..at + len)?);
        if date.len() != 10 || clock.len() != 6 || date.get(4..5)? != "-" || date.get(7..8)? != "-" {
            return None;
        }
        let date = NaiveDate::from_ymd_opt(
            field(date, 0, 4)?.try_into().ok()?,
            field(date, 5, 2)?,
            field(date, 8, 2)?,
        )?;
        let time = date.and_hms_opt(field(clock, 0, 2)?, field(clock, 2, 2)?, field(clock, 4, 2)?)?;
        let nth = match rest.strip_prefix('-') {
            None if rest.is_empty() => 1,
            None => return None,
            Some(digits) if digits.starts_with('0') => return None,
            Some(digits) => number(digits).filter(|nth| *nth >= 2)?,
        };
        Some(Self { time: time.and_utc(), nth })
    }

    /// The run's start, in whole seconds.
    pub fn time(&self) -> DateTime<Utc> {
        self.time
    }

    /// Which run of its second it is, from 1.
    pub fn nth(&self) -> u32 {
        self.nth
    }
}

/// The stamp of a run that starts at `time`, behind all those of the same second that are `taken`.
///
/// Numbers that were pruned meanwhile are not used again below a higher one, so that later runs stay later in order.
pub fn free_stamp(time: DateTime<Utc>, taken: impl IntoIterator<Item = Stamp>) -> Stamp {
    let first = Stamp::first(time);
    let highest = taken.into_iter().filter(|stamp| stamp.time == first.time).map(|stamp| stamp.nth).max();
    Stamp { nth: highest.map_or(1, |nth| nth.saturating_add(1)), ..first }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.time.date_naive(), self.time.time());
        write!(f, "{:04}-{:02}-{:02}T", date.year(), date.month(), date.day())?;
        write!(f, "{:02}{:02}{:02}Z", time.hour(), time.minute(), time.second())?;
        if self.nth > 1 { write!(f, "-{}", self.nth) } else { Ok(()) }
    }
}

/// A backup's id: `<policy>/<job>/<target>/<stamp>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupId {
    /// Its series.
    pub series: Series,
    /// Its stamp.
    pub stamp: Stamp,
}

impl BackupId {
    /// Reads `<policy>/<job>/<target>/<stamp>`.
    pub fn parse(text: &str) -> Option<Self> {
        let (series, stamp) = text.rsplit_once('/')?;
        Some(Self { series: Series::parse(series)?, stamp: Stamp::parse(stamp)? })
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.series, self.stamp)
    }
}

/// A text that is no stamp, series or id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not {1}")]
pub struct NotAName(String, &'static str);

/// Reads and writes a type as the one string that its `parse` and `Display` agree on.
macro_rules! as_string {
    ($type:ty, $what:literal) => {
        impl FromStr for $type {
            type Err = NotAName;
            fn from_str(text: &str) -> Result<Self, NotAName> {
                Self::parse(text).ok_or_else(|| NotAName(text.to_owned(), $what))
            }
        }
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}
as_string!(Stamp, "a stamp such as `2026-01-05T070000Z`");
as_string!(Series, "a series `<policy>/<job>/<target>`");
as_string!(BackupId, "a backup's id such as `prod/nightly/app/2026-01-05T070000Z`");

/// The name of a stored file: `<target>.<extension>[.<codec>]`.
pub fn stored_name(target: &str, extension: &str, compression: Compression) -> String {
    format!("{target}.{extension}{}", compression.suffix())
}

/// Whether a name may be that of a data file in a backup's folder: letters, digits, `.`, `-` and `_`, not starting with
/// a dot, and none of the names that the store itself uses.
pub fn is_data_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 200
        && !name.starts_with(['.', '-'])
        && !name.eq_ignore_ascii_case(MANIFEST_FILE)
        && !name.eq_ignore_ascii_case(SUMS_FILE)
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// Whether a text is a SHA-256 digest in lower-case hex.
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// A folder that is not a backup: not yet, or no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passing {
    /// A run is filling it.
    Staging,
    /// It is being removed.
    Pruning,
}

impl Passing {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Staging => ".staging-",
            Self::Pruning => ".pruning-",
        }
    }

    /// Names such a folder: `.staging-<stamp>-<pid>-<16 hex digits>`.
    pub fn name(self, stamp: Stamp, pid: u32, random: u64) -> String {
        format!("{}{stamp}-{pid}-{random:016x}", self.prefix())
    }

    /// Reads the name of such a folder; `None` for anything that this program would not have written itself.
    pub fn parse(name: &str) -> Option<(Self, Stamp)> {
        let (kind, rest) = [Self::Staging, Self::Pruning]
            .into_iter()
            .find_map(|kind| Some((kind, name.strip_prefix(kind.prefix())?)))?;
        let (rest, random) = rest.rsplit_once('-')?;
        let (stamp, pid) = rest.rsplit_once('-')?;
        let random = (random.len() == 16).then(|| u64::from_str_radix(random, 16).ok())??;
        let (stamp, pid) = (Stamp::parse(stamp)?, pid.parse::<u32>().ok()?);
        // One spelling: signs, capitals and leading zeros are somebody else's.
        (kind.name(stamp, pid, random) == name).then_some((kind, stamp))
    }
}

/// The name of a file that is not whole yet: `.tmp-<pid>-<16 hex digits>`.
pub fn temporary_name(pid: u32, random: u64) -> String {
    format!("{TEMPORARY_PREFIX}{pid}-{random:016x}")
}

/// Whether a name is one that [`temporary_name`] gives.
pub fn is_temporary(name: &str) -> bool {
    let parts = name.strip_prefix(TEMPORARY_PREFIX).and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(pid, random)| {
        matches!((pid.parse(), u64::from_str_radix(random, 16)),
            (Ok(pid), Ok(random)) if temporary_name(pid, random) == name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_stamp_is_the_runs_start_in_utc() {
        let stamp = Stamp::first(time("2026-01-05T08:00:00.9+01:00"));
        assert_eq!(stamp.to_string(), "2026-01-05T070000Z");
        assert_eq!(Stamp::parse("2026-01-05T070000Z"), Some(stamp));
        assert_eq!(serde_json::to_string(&stamp).unwrap(), "\"2026-01-05T070000Z\"");
        assert_eq!(serde_json::from_str::<Stamp>("\"2026-01-05T070000Z\"").unwrap(), stamp);
    }

    #[test]
    fn the_second_run_of_a_second_is_numbered_and_later() {
        let now = time("2026-01-05T07:00:00Z");
        let mut taken = vec![Stamp::first(time("2026-01-05T06:59:59Z"))];
        for wanted in ["2026-01-05T070000Z", "2026-01-05T070000Z-2", "2026-01-05T070000Z-3"] {
            let stamp = free_stamp(now, taken.iter().copied());
            assert_eq!(stamp.to_string(), wanted);
            assert_eq!(Stamp::parse(wanted), Some(stamp));
            assert!(taken.iter().all(|before| *before < stamp));
            taken.push(stamp);
        }
        taken.remove(2);
        assert_eq!(free_stamp(now, taken).to_string(), "2026-01-05T070000Z-4");
    }

    #[rstest]
    #[case("")]
    #[case("2026-01-05")]
    #[case("2026-01-05T070000")]
    #[case("2026-01-05T07:00:00Z")]
    #[case("2026-01-05T070000z")]
    #[case("2026-1-5T070000Z")]
    #[case("+2026-01-05T070000Z")]
    #[case("2026-02-30T070000Z")]
    #[case("2026-01-05T070060Z")]
    #[case("2026-01-05T070000Z-")]
    #[case("2026-01-05T070000Z-0")]
    #[case("2026-01-05T070000Z-1")]
    #[case("2026-01-05T070000Z-02")]
    #[case("2026-01-05T070000Z-+2")]
    #[case("2026-01-05T070000Z-99999999999")]
    #[case("2026-01-05T070000Z/..")]
    #[case(" 2026-01-05T070000Z")]
    #[case("2026-01-05T070000Z\n")]
    fn what_no_run_writes_is_no_stamp(#[case] text: &str) {
        assert_eq!(Stamp::parse(text), None);
    }

    #[test]
    fn an_id_is_a_path_of_four_names() {
        let text = "prod/nightly/trading_db/2026-01-05T070000Z-2";
        let id = BackupId::parse(text).unwrap();
        assert_eq!(id.to_string(), text);
        for bad in [
            "prod/nightly/trading",
            "prod/nightly/trading/x",
            "../nightly/trading/2026-01-05T070000Z",
            "prod/../trading/2026-01-05T070000Z",
            "prod/nightly/../2026-01-05T070000Z",
            "/prod/nightly/trading/2026-01-05T070000Z",
            "a/prod/nightly/trading/2026-01-05T070000Z",
            "prod//trading/2026-01-05T070000Z",
            "prod/night_ly/trading/2026-01-05T070000Z",
            "prod\\nightly/x/trading/2026-01-05T070000Z",
        ] {
            assert_eq!(BackupId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn data_names_stay_in_their_folder() {
        for good in ["trading.db.zst", "a_b.tar", "globals.sql", "x"] {
            assert!(is_data_name(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            ".owner",
            "-rf",
            "manifest.json",
            "Manifest.JSON",
            "SHA256SUMS",
            "a b",
        ] {
            assert!(!is_data_name(bad), "{bad}");
        }
        assert_eq!(stored_name("trading", "db", Compression::Zstd(3)), "trading.db.zst");
        assert_eq!(stored_name("scripts", "tar", Compression::None), "scripts.tar");
    }

    #[test]
    fn only_names_of_its_own_making_are_passing() {
        let stamp = Stamp::parse("2026-01-05T070000Z-2").unwrap();
        for kind in [Passing::Staging, Passing::Pruning] {
            assert_eq!(Passing::parse(&kind.name(stamp, 42, 7)), Some((kind, stamp)));
        }
        for bad in [
            ".staging-",
            ".staging-mine",
            "2026-01-05T070000Z",
            ".staging-2026-01-05T070000Z-42",
            ".staging-2026-01-05T070000Z-42-7",
            ".staging-2026-01-05T070000Z-042-0000000000000007",
            ".staging-2026-01-05T070000Z-42-000000000000000A",
            ".pruned-2026-01-05T070000Z-42-0000000000000007",
        ] {
            assert_eq!(Passing::parse(bad), None, "{bad}");
        }
        assert!(is_temporary(&temporary_name(42, 7)));
        assert!(!is_temporary(".tmp-notes"));
        assert!(!is_temporary(".tmp-42-7"));
    }

    proptest! {
        #[test]
        fn what_parses_is_written_the_same(text in "[-0-9TZ]{15,22}|\\PC{0,40}") {
            if let Some(stamp) = Stamp::parse(&text) {
                prop_assert_eq!(stamp.to_string(), text);
            }
        }

        #[test]
        fn every_time_has_a_stamp_that_reads_back(seconds in i64::MIN / 2_000_000..i64::MAX / 2_000_000, nanos in 0_u32..2_000_000_000) {
            if let Some(time) = DateTime::from_timestamp(seconds, nanos) {
                let stamp = Stamp::first(time);
                prop_assert_eq!(Stamp::parse(&stamp.to_string()), Some(stamp));
            }
        }

        #[test]
        fn stamps_of_four_digit_years_sort_as_text(a in 0_i64..4_000_000_000, b in 0_i64..4_000_000_000) {
            let stamp = |seconds| Stamp::first(DateTime::from_timestamp(seconds, 0).unwrap());
            let (a, b) = (stamp(a), stamp(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }
    }
}
