//! The manifest: what one backup is, how it was made, and what it was proven to be. Manifests and records are the
//! truth; everything else can be rebuilt from them.

use crate::{
    evidence::{CheckResult, CheckedOn, Rung, TableFact},
    policy::values::Level,
};
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The format this program writes and the newest it reads.
pub const FORMAT: u32 = 1;

/// The manifest of one backup in one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// The manifest's format.
    pub format: u32,
    /// The backup's id: its path below the store.
    pub id: String,
    /// The run that made it: `<policy>/<stamp>`.
    pub run: String,
    /// The policy's name.
    pub policy: String,
    /// The job's name.
    pub job: String,
    /// The target's name.
    pub target: String,
    /// The run's start by the calendar (`--now`), which the id's stamp shows.
    pub time: DateTime<Utc>,
    /// The slot of the schedule that it was made for; `null`: by hand.
    pub slot: Option<DateTime<Utc>>,
    /// When the captured content was the source's state, by the real clock.
    pub captured_at: DateTime<Utc>,
    /// When the manifest was written, by the real clock.
    pub finished_at: DateTime<Utc>,
    /// A digest of the machine and the resolved source; tells backups of two hosts in one store apart.
    pub origin: String,
    /// The policy as meant, SHA-256 in hex; its text lies in the store as `<policy>/policies/<digest>.yaml`.
    pub policy_digest: String,
    /// The version of the program.
    pub program: String,
    /// The engine's key in the language.
    pub engine: String,
    /// How the content was captured.
    pub method: String,
    /// The ways tried before it, each with why it did not serve.
    pub rungs: Vec<Rung>,
    /// Milliseconds for which the owner could not write, or not open the source; `null` where nobody was kept out.
    pub kept_out_ms: Option<u64>,
    /// The source as the policy writes it, variables unexpanded.
    pub source: String,
    /// The level the job asked.
    pub asked: Level,
    /// The highest level passed when it was made.
    pub level: Level,
    /// On what integrity and checks were shown; `null` when neither was asked.
    pub checked_on: Option<CheckedOn>,
    /// Whether members of the source could not be read; they stand in `unreadable`.
    pub partial: bool,
    /// Members that could not be read.
    pub unreadable: Vec<String>,
    /// The declared checks with expected and actual values.
    pub checks: Vec<CheckResult>,
    /// Classed tables with their rows at the moment of capture.
    pub tables: BTreeMap<String, TableFact>,
    /// Why it is not proven, one sentence each.
    pub failures: Vec<String>,
    /// What lowers nothing but was told.
    pub warnings: Vec<String>,
    /// The codec and its level: `none`, `gzip:6`, `zstd:3`.
    pub compression: String,
    /// Plain size of all its files in bytes.
    pub original_bytes: u64,
    /// Stored size of all its files in bytes.
    pub bytes: u64,
    /// Milliseconds from the start of the capture to the manifest; whole, so that the digest is of exact bytes.
    pub duration_ms: u64,
    /// Its files; the first is the content, the others lie beside it.
    pub files: Vec<StoredFile>,
    /// Facts of the engine: versions, page count, change counter.
    pub facts: BTreeMap<String, String>,
    /// SHA-256, in hex, of this manifest's bytes with this field empty.
    pub digest: String,
}

/// One stored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoredFile {
    /// Its name in the backup's folder.
    pub name: String,
    /// Its size as stored, in bytes.
    pub bytes: u64,
    /// SHA-256 of the stored bytes, in hex.
    pub sha256: String,
    /// Its size when decompressed, in bytes.
    pub plain_bytes: u64,
    /// BLAKE3 of the decompressed bytes, in hex.
    pub plain_blake3: String,
}

/// Why a manifest cannot be relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreliable {
    /// It is not the JSON of a manifest.
    #[error("the manifest cannot be read: {0}")]
    Malformed(String),
    /// A newer program wrote it.
    #[error("the manifest has format {0}, this program reads up to {FORMAT}: use a newer `policy`")]
    Newer(u32),
    /// Its digest is not that of its bytes.
    #[error("the manifest was changed after it was written")]
    Changed,
    /// It lies in another place than its id says.
    #[error("the manifest is that of `{0}`")]
    Misplaced(String),
}

impl Manifest {
    /// What `SHA256SUMS` beside it says, in the text form of sha256sum(1).
    pub fn sums(&self) -> String {
        self.files.iter().flat_map(|file| [file.sha256.as_str(), "  ", file.name.as_str(), "\n"]).collect()
    }

    /// Renders the manifest with its own digest filled in: what is stored.
    pub fn seal(mut self) -> (Self, String) {
        self.digest = String::new();
        let mut text = serde_json::to_string_pretty(&self).unwrap_or_default();
        text.push('\n');
        self.digest = digest_of([text.as_bytes()]);
        // The digest is the last field, and was empty.
        text.insert_str(text.len().saturating_sub(END.len()), &self.digest);
        (self, text)
    }

    /// Reads stored bytes back and checks format and digest.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreliable> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let manifest = serde_json::from_slice::<Self>(bytes);
        // A newer one may have other fields: that it is newer is what is told then.
        let format = match &manifest {
            Ok(manifest) => Some(manifest.format),
            Err(_) => serde_json::from_slice(bytes).ok().map(|head: Head| head.format),
        };
        if let Some(newer) = format.filter(|format| *format > FORMAT) {
            return Err(Unreliable::Newer(newer));
        }
        let manifest = manifest.map_err(|error| Unreliable::Malformed(error.to_string()))?;
        // Of the bytes, not of what was understood of them: a field this program does not know counts too.
        let sealed = bytes.strip_suffix(END).and_then(|rest| rest.strip_suffix(manifest.digest.as_bytes()));
        match sealed {
            Some(rest) if digest_of([rest, END]) == manifest.digest => Ok(manifest),
            _ => Err(Unreliable::Changed),
        }
    }
}

/// What stands behind the digest, the last field.
const END: &[u8] = b"\"\n}\n";

fn digest_of<const N: usize>(parts: [&[u8]; N]) -> String {
    use sha2::Digest;
    let mut digest = sha2::Sha256::new();
    for part in parts {
        digest.update(part);
    }
    hex::encode(digest.finalize())
}
