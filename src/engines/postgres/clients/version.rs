//! Versions of PostgreSQL: two numbers since 10, three before (support/versioning).

use std::{cmp::Ordering, fmt};

/// A version of a program or a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The first number.
    major: u32,
    /// The second: before 10 a part of the branch.
    minor: u32,
    /// The third, before 10.
    patch: u32,
    /// Nothing for a release, else such as `beta1`.
    stage: String,
}

impl Version {
    /// Reads what a program says of itself: `pg_dump (PostgreSQL) 15.18 (Debian …)`, `… 17rc1`, `… 9.6.24`.
    pub(super) fn of_program(line: &str) -> Option<Self> {
        let (_, behind) = line.split_once("(PostgreSQL) ")?;
        let word = behind.split_whitespace().next()?;
        let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
        let (numbers, stage) = word.split_at_checked(end)?;
        let mut numbers = numbers.split('.').map(str::parse::<u32>);
        let major = numbers.next()?.ok()?;
        let minor = numbers.next().transpose().ok()?.unwrap_or(0);
        let patch = numbers.next().transpose().ok()?.unwrap_or(0);
        Some(Self { major, minor, patch, stage: stage.to_owned() })
    }

    /// Reads a server's `server_version_num`: 150018 is 15.18, 90624 is 9.6.24.
    pub fn of_server(number: u32) -> Self {
        let (major, rest) = (number / 10_000, number % 10_000);
        let (minor, patch) = if major >= 10 { (rest, 0) } else { (rest / 100, rest % 100) };
        Self { major, minor, patch, stage: String::new() }
    }

    /// The first number.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// What all releases that keep the same formats share: one number since 10, two before.
    pub(super) fn branch(&self) -> (u32, u32) {
        (self.major, if self.major >= 10 { 0 } else { self.minor })
    }

    /// The branch as packages are named by it.
    pub(super) fn branch_name(&self) -> String {
        match self.branch() {
            (major @ 10.., _) => major.to_string(),
            (major, minor) => format!("{major}.{minor}"),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { major, minor, patch, stage } = self;
        if *major < 10 {
            write!(f, "{major}.{minor}.{patch}")
        } else if stage.is_empty() {
            write!(f, "{major}.{minor}")
        } else {
            write!(f, "{major}{stage}")
        }
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        // What is not released yet comes before its release: `16beta1` and `16rc1` before `16.0`.
        let key = |version: &Self| (version.major, version.minor, version.patch, version.stage.is_empty());
        key(self).cmp(&key(other)).then_with(|| self.stage.cmp(&other.stage))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
