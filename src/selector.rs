//! Naming backups on the command line, pure: a full id, or `[[POLICY/]JOB/]TARGET[@WHEN]`.
//!
//! WHEN counts backups, not copies: a backup in three stores is one.
//! - `latest`, `latest~N` and `oldest` choose by place among the *proven* backups that are not dated in the future:
//!   who names a backup by its place alone must get one that can be relied on. `latest~1` is the proven one before the
//!   newest proven. An unproven backup is named by its stamp.
//! - A prefix of the stamp, such as `2026-01` or `2026-01-05T07`, matches whatever bears it.
//!
//! Without JOB the jobs of one policy count together, since they save the same target; the same name in two policies
//! means two targets, and is ambiguous where one backup is wanted.

#[cfg(test)]
mod tests;

use crate::{
    policy::values::{Name, name::Alphabet},
    store::{BackupId, Series, Stamp},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

/// A backup, or several, as somebody names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// By its whole id.
    Id(BackupId),
    /// By target, with what narrows it down.
    Target {
        /// The policy; `None`: any.
        policy: Option<String>,
        /// The job; `None`: any.
        job: Option<String>,
        /// The target.
        target: String,
        /// Which of its backups; `None`: all of them where several may be meant, else the latest.
        when: Option<When>,
    },
}

/// Which of a target's backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// The newest proven one, or so many proven ones before it.
    Latest {
        /// How many back; 0 is the newest proven itself.
        back: usize,
    },
    /// The oldest proven one.
    Oldest,
    /// Those whose stamp begins so.
    Prefix(String),
}

/// A backup that there is. Its copies in several stores may be given one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: BackupId,
    /// Whether this copy is proven; one proven copy makes the backup proven.
    pub proven: bool,
    /// Whether it is dated in the future.
    pub future: bool,
}

/// A text that names no backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSelector {
    /// It has another shape.
    #[error("`{0}` is neither a backup's id nor [[POLICY/]JOB/]TARGET[@WHEN]")]
    Shape(String),
    /// What stands after `@` is no WHEN.
    #[error(
        "`{0}` is no WHEN: latest, latest~N, oldest, or the beginning of a UTC stamp such as 2026-01-05T07"
    )]
    When(String),
}

/// Why a selector does not name exactly one backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOne {
    /// No backup is named so.
    #[error("there is no backup `{selector}`")]
    None {
        /// What was asked for.
        selector: String,
    },
    /// There are backups of the target, but no proven one at that place.
    #[error("no backup `{selector}` is proven; the newest there is, unproven, is `{newest}`")]
    NoneProven {
        /// What was asked for.
        selector: String,
        /// The newest that is not dated in the future.
        newest: BackupId,
    },
    /// Several are; newest first.
    #[error("`{selector}` is ambiguous: {}", list(candidates))]
    Ambiguous {
        /// What was asked for.
        selector: String,
        /// Those it could mean, newest first.
        candidates: Vec<BackupId>,
    },
}

/// The first few of a list, and how many more there are.
fn list(ids: &[BackupId]) -> String {
    const SHOWN: usize = 5;
    let text = ids.iter().take(SHOWN).map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    match ids.len().saturating_sub(SHOWN) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

impl Selector {
    /// Reads a selector.
    pub fn parse(text: &str) -> Result<Self, BadSelector> {
        if let Some(id) = BackupId::parse(text) {
            return Ok(Self::Id(id));
        }
        let (path, when) = match text.split_once('@') {
            Some((path, when)) => {
                (path, Some(When::parse(when).ok_or_else(|| BadSelector::When(when.to_owned()))?))
            }
            None => (text, None),
        };
        let plain = |text: &str| Name::parse(text, Alphabet::Plain).map(|name| name.to_string());
        let read = || {
            let mut parts = path.rsplit('/');
            let target = Name::parse(parts.next()?, Alphabet::Target)?.to_string();
            let job = parts.next().map(|job| plain(job).ok_or(())).transpose().ok()?;
            let policy = parts.next().map(|policy| plain(policy).ok_or(())).transpose().ok()?;
            parts.next().is_none().then_some((policy, job, target))
        };
        let (policy, job, target) = read().ok_or_else(|| BadSelector::Shape(text.to_owned()))?;
        Ok(Self::Target { policy, job, target, when })
    }

    /// Every backup that it can mean, newest first: for `list` and `verify`. Without WHEN that is each of the target's,
    /// unproven and future ones included; a place (`latest`) is taken in each policy by itself.
    pub fn all(&self, known: &[Known]) -> Vec<BackupId> {
        let mut found: Vec<BackupId> = match self.when() {
            None => self.matching(known).into_iter().map(|known| known.id).collect(),
            Some(when) => self.by_policy(known).values().flat_map(|backups| when.choose(backups)).collect(),
        };
        sort(&mut found);
        found
    }

    /// The one backup that it means; without WHEN the latest.
    pub fn one(&self, known: &[Known]) -> Result<BackupId, NotOne> {
        const LATEST: When = When::Latest { back: 0 };
        let selector = || self.to_string();
        let (mut found, when) = match self {
            Self::Id(_) => (self.all(known), None),
            Self::Target { when, .. } => {
                let when = when.as_ref().unwrap_or(&LATEST);
                (
                    self.by_policy(known).values().flat_map(|backups| when.choose(backups)).collect(),
                    Some(when),
                )
            }
        };
        sort(&mut found);
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [_, ..] => Err(NotOne::Ambiguous { selector: selector(), candidates: found }),
            [] => {
                let by_place = matches!(when, Some(When::Latest { .. } | When::Oldest));
                let matching = self.matching(known);
                let newest = matching
                    .iter()
                    .filter(|known| !known.future)
                    .map(|known| &known.id)
                    .max_by_key(|id| id.stamp);
                match newest {
                    // With a proven one at hand, `latest~9` merely goes too far back.
                    Some(newest)
                        if by_place && !matching.iter().any(|known| known.proven && !known.future) =>
                    {
                        Err(NotOne::NoneProven { selector: selector(), newest: newest.clone() })
                    }
                    _ => Err(NotOne::None { selector: selector() }),
                }
            }
        }
    }

    fn when(&self) -> Option<&When> {
        match self {
            Self::Id(_) => None,
            Self::Target { when, .. } => when.as_ref(),
        }
    }

    /// Whether it can mean a backup of this series.
    pub fn takes(&self, series: &Series) -> bool {
        let fits =
            |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        match self {
            Self::Id(wanted) => wanted.series == *series,
            Self::Target { policy, job, target, .. } => {
                series.target == *target && fits(policy, &series.policy) && fits(job, &series.job)
            }
        }
    }

    fn is_of(&self, id: &BackupId) -> bool {
        match self {
            Self::Id(wanted) => id == wanted,
            Self::Target { .. } => self.takes(&id.series),
        }
    }

    /// The backups of the target, each once, in order of their ids.
    fn matching(&self, known: &[Known]) -> Vec<Known> {
        let mut backups: BTreeMap<&BackupId, Known> = BTreeMap::new();
        for copy in known.iter().filter(|copy| self.is_of(&copy.id)) {
            let backup = backups.entry(&copy.id).or_insert_with(|| copy.clone());
            backup.proven |= copy.proven;
            backup.future |= copy.future;
        }
        backups.into_values().collect()
    }

    fn by_policy(&self, known: &[Known]) -> BTreeMap<String, Vec<Known>> {
        let mut policies: BTreeMap<String, Vec<Known>> = BTreeMap::new();
        for backup in self.matching(known) {
            policies.entry(backup.id.series.policy.clone()).or_default().push(backup);
        }
        policies
    }
}

/// Newest first; in one second by name.
fn sort(ids: &mut [BackupId]) {
    ids.sort_by(|a, b| b.stamp.cmp(&a.stamp).then_with(|| a.cmp(b)));
}

impl When {
    /// Reads a WHEN.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "latest" => Some(Self::Latest { back: 0 }),
            "oldest" => Some(Self::Oldest),
            _ => match text.strip_prefix("latest~") {
                Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                    Some(Self::Latest { back: digits.parse().ok()? })
                }
                Some(_) => None,
                None => is_stamp_prefix(text).then(|| Self::Prefix(text.to_owned())),
            },
        }
    }

    /// Chooses among the backups of one target.
    fn choose(&self, backups: &[Known]) -> Vec<BackupId> {
        match self {
            Self::Latest { back } => by_place(backups).into_iter().rev().nth(*back).into_iter().collect(),
            Self::Oldest => by_place(backups).into_iter().take(1).collect(),
            Self::Prefix(prefix) => {
                // A whole stamp means itself, also where `…Z-2` begins so too.
                let exact =
                    Stamp::parse(prefix).filter(|stamp| backups.iter().any(|known| known.id.stamp == *stamp));
                let bears = |id: &BackupId| match exact {
                    Some(stamp) => id.stamp == stamp,
                    None => id.stamp.to_string().starts_with(prefix.as_str()),
                };
                backups.iter().filter(|known| bears(&known.id)).map(|known| known.id.clone()).collect()
            }
        }
    }
}

/// What can be named by its place, oldest first. Two jobs that ran in one second are told apart by name, so that the
/// same words always mean the same backup.
fn by_place(backups: &[Known]) -> Vec<BackupId> {
    let usable = backups.iter().filter(|known| known.proven && !known.future);
    let ids: BTreeSet<(Stamp, &BackupId)> = usable.map(|known| (known.id.stamp, &known.id)).collect();
    ids.into_iter().map(|(_, id)| id.clone()).collect()
}

/// Whether a stamp can begin so.
fn is_stamp_prefix(text: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T000000Z-";
    let fits = |(at, b): (usize, u8)| match SHAPE.get(at) {
        Some(b'0') | None => b.is_ascii_digit(),
        Some(fixed) => b == *fixed,
    };
    !text.is_empty() && text.bytes().enumerate().all(fits)
}

impl FromStr for Selector {
    type Err = BadSelector;
    fn from_str(text: &str) -> Result<Self, BadSelector> {
        Self::parse(text)
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest { back: 0 } => f.write_str("latest"),
            Self::Latest { back } => write!(f, "latest~{back}"),
            Self::Oldest => f.write_str("oldest"),
            Self::Prefix(prefix) => f.write_str(prefix),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Target { policy, job, target, when } => {
                for part in [policy, job].into_iter().flatten() {
                    write!(f, "{part}/")?;
                }
                f.write_str(target)?;
                when.as_ref().map_or(Ok(()), |when| write!(f, "@{when}"))
            }
        }
    }
}
