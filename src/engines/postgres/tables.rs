//! The tables of a database as they are counted: partitions as one with the table that they make up.
//!
//! A table of the schema `public` is called by its name alone, any other as `schema.table`. Tables of extensions are not
//! among them, of which `pg_dump` takes some rows at most, nor foreign ones, of which it takes none.

use super::{
    session::{Session, SessionError},
    sql::identifier,
    statement::Relation,
};
use crate::{
    engines::{
        EngineError,
        tables::{self, Classes, Rows},
    },
    policy::{
        Spanned,
        model::{TableClass, Tables as Declared, with_schema},
    },
    watch::Watch,
};
use std::collections::{BTreeMap, BTreeSet};

const LIST: &str = "SELECT n.nspname::text, c.relname::text, c.oid::text FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' \
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
    AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1, 2";

/// Every table that holds rows, with the one that it makes up.
const PARTS: &str = "WITH RECURSIVE t (root, oid, kind) AS (\
    SELECT c.oid, c.oid, c.relkind FROM pg_catalog.pg_class c WHERE c.relkind = 'p' AND NOT c.relispartition \
    UNION ALL SELECT t.root, i.inhrelid, c.relkind FROM t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid \
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE t.kind = 'p') \
    SELECT t.root::text, n.nspname::text, c.relname::text FROM t JOIN pg_catalog.pg_class c ON c.oid = t.oid \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE t.kind = 'r' ORDER BY 1, 2, 3";

/// A table, and where its rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) relation: Relation,
    /// Itself, or its partitions.
    pub(super) parts: Vec<Relation>,
}

/// What a schema's name would make that of a table one of several by.
const AMBIGUOUS: [char; 2] = ['.', '"'];

/// What a table is called in a policy.
pub(super) fn shown(relation: &Relation) -> String {
    match relation.schema.as_str() {
        // Its dot would be taken for the one between the two, which else is the first.
        schema if schema.contains(AMBIGUOUS) => quoted(relation),
        "public" | "" if !relation.name.contains('.') => relation.name.clone(),
        schema => format!("{schema}.{}", relation.name),
    }
}

fn quoted(relation: &Relation) -> String {
    format!("{}.{}", identifier(&relation.schema), identifier(&relation.name))
}

/// The tables of the database that a session is on, by what they are called.
#[derive(Debug, Default)]
pub(super) struct Tables(pub(super) BTreeMap<String, Table>);

impl Tables {
    pub(super) fn of(session: &mut Session, watch: &Watch<'_>) -> Result<Self, SessionError> {
        let texts = |row: Vec<Option<String>>| -> Vec<String> { row.into_iter().flatten().collect() };
        let mut parts: BTreeMap<String, Vec<Relation>> = BTreeMap::new();
        for row in session.rows(PARTS, usize::MAX, watch)?.rows {
            if let Ok([root, schema, name]) = <[String; 3]>::try_from(texts(row)) {
                parts.entry(root).or_default().push(Relation { schema, name });
            }
        }
        let mut tables = BTreeMap::new();
        for row in session.rows(LIST, usize::MAX, watch)?.rows {
            if let Ok([schema, name, oid]) = <[String; 3]>::try_from(texts(row)) {
                let relation = Relation { schema, name };
                let parts = parts.remove(&oid).unwrap_or_else(|| vec![relation.clone()]);
                tables.insert(shown(&relation), Table { relation, parts });
            }
        }
        Ok(Self(tables))
    }

    /// The parts of the tables whose rows are left out, and what must be told about the globs.
    ///
    /// # Errors
    /// When one of them cannot be made again.
    pub(super) fn excluded(
        &self,
        globs: &[Spanned<String>],
        declared: Option<&Declared>,
    ) -> Result<Excluded, EngineError> {
        let classes = declared.map(Classes::new).transpose()?;
        let mut excluded = Excluded::default();
        for glob in globs {
            let compiled = tables::glob(glob, true);
            let compiled = compiled
                .map_err(|error| EngineError::Refused(format!("`{}` is no glob: {error}", glob.value)))?;
            let matcher = compiled.compile_matcher();
            let is_match = |relation: &Relation| matcher.is_match(&*with_schema(&shown(relation)));
            let mut is_idle = true;
            for (name, table) in &self.0 {
                let is_part = |part: &&Relation| **part != table.relation && is_match(part);
                let parts: Vec<&Relation> = if is_match(&table.relation) {
                    table.parts.iter().collect()
                } else {
                    table.parts.iter().filter(is_part).collect()
                };
                if parts.is_empty() {
                    continue;
                }
                is_idle = false;
                let why = match classes.as_ref().map(|classes| classes.class(name)) {
                    Some(TableClass::Irreplaceable) => Some("which cannot be made again"),
                    Some(TableClass::Unclassed) => {
                        Some("which is in no class and so counts as irreplaceable: declare it `recoverable`")
                    }
                    _ => None,
                };
                if let Some(why) = why {
                    return Err(EngineError::Refused(format!(
                        "`exclude_table_data: {}` would leave out the rows of `{name}`, {why}",
                        glob.value
                    )));
                }
                excluded.parts.extend(parts.into_iter().cloned());
                excluded.tables.insert(name.clone());
            }
            if is_idle {
                excluded.warnings.push(format!("no table matches `{}` of `exclude_table_data`", glob.value));
            }
        }
        Ok(excluded)
    }

    /// Counts the rows of each, without those that are left out.
    pub(super) fn count(
        &self,
        session: &mut Session,
        excluded: &Excluded,
        watch: &Watch<'_>,
    ) -> Result<Rows, SessionError> {
        let mut rows = Rows::new();
        for (name, table) in &self.0 {
            let mut sum: Result<u64, String> = Ok(0);
            for part in table.parts.iter().filter(|part| !excluded.parts.contains(*part)) {
                let counted = count(session, part, watch)?;
                sum = sum.and_then(|sum| Ok(sum.saturating_add(counted?)));
            }
            rows.insert(name.clone(), sum);
        }
        Ok(rows)
    }

    /// How a table that somebody wrote is named in SQL: as one that is there, else by its parts.
    pub(super) fn named(&self, written: &str) -> String {
        let is_meant = |(name, _): &(&String, &Table)| with_schema(name) == with_schema(written);
        let found = self.0.iter().find(is_meant);
        found.map_or_else(
            || written.split('.').map(identifier).collect::<Vec<_>>().join("."),
            |(_, table)| quoted(&table.relation),
        )
    }
}

/// The rows of one table that holds some; the inner error is the server's.
fn count(
    session: &mut Session,
    part: &Relation,
    watch: &Watch<'_>,
) -> Result<Result<u64, String>, SessionError> {
    let query = format!("SELECT pg_catalog.count(*) FROM ONLY {}", quoted(part));
    match session.guarded_rows(&query, 1, watch) {
        Ok(found) => {
            let number = found.rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok());
            Ok(number.ok_or_else(|| "it has no number of rows".to_owned()))
        }
        Err(SessionError::Server { message, .. }) => Ok(Err(message)),
        Err(error) => Err(error),
    }
}

/// What a dump leaves out.
#[derive(Debug, Default)]
pub(super) struct Excluded {
    pub(super) parts: BTreeSet<Relation>,
    /// The tables that they make up, by what they are called.
    pub(super) tables: BTreeSet<String>,
    pub(super) warnings: Vec<String>,
}

impl Excluded {
    /// Whether the rows of a table that somebody wrote are left out, or those of a part of it.
    pub(super) fn holds(&self, written: &str) -> bool {
        let named = with_schema(written);
        self.tables.iter().any(|table| with_schema(table) == named)
    }
}
