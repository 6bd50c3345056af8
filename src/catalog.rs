//! The catalog: an index of backups and the history of runs on this host, in SQLite. Losing it loses no backup.
//!
//! Stores are the truth. The catalog answers what they cannot: which store was last used, what was run here and how it
//! ended, and what a store held when it was last seen.

mod open;

use crate::store::Manifest;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;

/// An open catalog.
pub struct Catalog {
    connection: Connection,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HistoryEntry {
    /// The run's id: `<policy>/<stamp>`.
    pub run: String,
    /// The policy's name.
    pub policy: String,
    /// The digest of the policy as meant.
    pub digest: String,
    /// What was done: `run`, `prune`, `restore`, `verify`, `delete`.
    pub kind: String,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended; `null` while it runs or when it was killed.
    pub finished: Option<DateTime<Utc>>,
    /// `done`, `incomplete`, `failed`, `interrupted`, or `open` while there is no end.
    pub outcome: String,
    /// What it worked on and what failed.
    pub details: serde_json::Value,
}

/// Why the catalog cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// SQLite refused.
    #[error("the catalog {}: {source}", path.display())]
    Sqlite {
        /// The catalog's file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Its folder cannot be made.
    #[error(transparent)]
    Fault(#[from] crate::fault::Fault),
}

impl Catalog {
    fn err(&self, source: rusqlite::Error) -> CatalogError {
        CatalogError::Sqlite { path: self.connection.path().map(PathBuf::from).unwrap_or_default(), source }
    }

    /// The id of the store last used under a name by a policy.
    pub fn last_store(&self, policy: &str, store: &str) -> Result<Option<String>, CatalogError> {
        let sql = "SELECT id FROM stores WHERE policy = ?1 AND store = ?2";
        self.connection.query_row(sql, [policy, store], |row| row.get(0)).optional().map_err(|e| self.err(e))
    }

    /// Remembers the store that a policy uses under a name. What was known of another one of that name is forgotten: it
    /// says nothing about this one, and `catalog rebuild` finds it again when that one is back.
    pub fn remember_store(
        &self,
        policy: &str,
        store: &str,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let forget = "DELETE FROM backups WHERE policy = ?1 AND store = ?2
                      AND EXISTS (SELECT 1 FROM stores WHERE policy = ?1 AND store = ?2 AND id <> ?3)";
        let remember = "INSERT INTO stores VALUES (?1, ?2, ?3, ?4)
                        ON CONFLICT DO UPDATE SET id = excluded.id, used = excluded.used";
        let write = || -> rusqlite::Result<()> {
            let transaction = self.connection.unchecked_transaction()?;
            transaction.execute(forget, [policy, store, id])?;
            transaction.execute(remember, params![policy, store, id, now.to_rfc3339()])?;
            transaction.commit()
        };
        write().map_err(|e| self.err(e))
    }

    /// Enters a line of the history: one that begins, or one that only the stores remember. `false` when the run's id is
    /// taken; the line that is there stays as it is.
    pub fn enter(&self, entry: &HistoryEntry) -> Result<bool, CatalogError> {
        let sql = "INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
        let values = params![
            entry.run,
            entry.policy,
            entry.digest,
            entry.kind,
            entry.started.to_rfc3339(),
            entry.finished.map(|time| time.to_rfc3339()),
            entry.outcome,
            entry.details.to_string()
        ];
        self.connection.execute(sql, values).map(|n| n == 1).map_err(|e| self.err(e))
    }

    /// Ends a line of the history.
    pub fn finish(
        &self,
        run: &str,
        finished: DateTime<Utc>,
        outcome: &str,
        details: &serde_json::Value,
    ) -> Result<(), CatalogError> {
        let sql = "UPDATE runs SET finished = ?2, outcome = ?3, details = ?4 WHERE run = ?1";
        let values = params![run, finished.to_rfc3339(), outcome, details.to_string()];
        self.connection.execute(sql, values).map(drop).map_err(|e| self.err(e))
    }

    /// The history, newest first.
    pub fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, CatalogError> {
        let sql = "SELECT run, policy, digest, kind, started, finished, outcome, details FROM runs
                   ORDER BY started DESC, run DESC LIMIT ?1";
        let read = || -> rusqlite::Result<Vec<HistoryEntry>> {
            let mut statement = self.connection.prepare(sql)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = statement.query_map([limit], |row| {
                Ok(HistoryEntry {
                    run: row.get(0)?,
                    policy: row.get(1)?,
                    digest: row.get(2)?,
                    kind: row.get(3)?,
                    started: time(&row.get::<_, String>(4)?),
                    finished: row.get::<_, Option<String>>(5)?.map(|text| time(&text)),
                    outcome: row.get(6)?,
                    details: serde_json::from_str(&row.get::<_, String>(7)?).unwrap_or_default(),
                })
            })?;
            rows.collect()
        };
        read().map_err(|e| self.err(e))
    }

    /// Enters a backup into the index.
    pub fn add_backup(
        &self,
        policy: &str,
        store: &str,
        manifest: &Manifest,
        proven: bool,
    ) -> Result<(), CatalogError> {
        let text = serde_json::to_string(manifest).unwrap_or_default();
        let sql = "INSERT OR REPLACE INTO backups VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let values = params![manifest.id, policy, store, manifest.time.to_rfc3339(), proven, text];
        self.connection.execute(sql, values).map(drop).map_err(|e| self.err(e))
    }

    /// Takes a backup out of the index.
    pub fn remove_backup(&self, policy: &str, store: &str, id: &str) -> Result<(), CatalogError> {
        let sql = "DELETE FROM backups WHERE policy = ?1 AND store = ?2 AND id = ?3";
        self.connection.execute(sql, [policy, store, id]).map(drop).map_err(|e| self.err(e))
    }

    /// What a store held when it was last seen, in no order: manifest and whether it was proven.
    pub fn backups(&self, policy: &str, store: &str) -> Result<Vec<(Manifest, bool)>, CatalogError> {
        let sql = "SELECT manifest, proven FROM backups WHERE policy = ?1 AND store = ?2";
        let read = || -> rusqlite::Result<Vec<(String, bool)>> {
            let mut statement = self.connection.prepare(sql)?;
            statement.query_map([policy, store], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let rows = read().map_err(|e| self.err(e))?;
        let parse = |(text, proven): (String, bool)| Some((serde_json::from_str(&text).ok()?, proven));
        Ok(rows.into_iter().filter_map(parse).collect())
    }

    /// The ids of what a store held when it was last seen, in no order.
    pub fn backup_ids(&self, policy: &str, store: &str) -> Result<Vec<String>, CatalogError> {
        let sql = "SELECT id FROM backups WHERE policy = ?1 AND store = ?2";
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare(sql)?;
            statement.query_map([policy, store], |row| row.get(0))?.collect()
        };
        read().map_err(|e| self.err(e))
    }

    /// Replaces the index of one store by what it holds now, at once or not at all.
    pub fn replace_backups(
        &mut self,
        policy: &str,
        store: &str,
        backups: &[(Manifest, bool)],
    ) -> Result<(), CatalogError> {
        let replace = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM backups WHERE policy = ?1 AND store = ?2", [policy, store])?;
            {
                let mut insert =
                    transaction.prepare("INSERT OR REPLACE INTO backups VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
                for (manifest, proven) in backups {
                    let text = serde_json::to_string(manifest).unwrap_or_default();
                    insert.execute(params![
                        manifest.id,
                        policy,
                        store,
                        manifest.time.to_rfc3339(),
                        proven,
                        text
                    ])?;
                }
            }
            transaction.commit()
        };
        replace(&mut self.connection).map_err(|e| self.err(e))
    }
}

fn time(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).unwrap_or_default()
}
