//! Tables of a database, whatever the engine: their classes and their rows.

use super::EngineError;
use crate::{
    evidence::TableFact,
    policy::model::{TableClass, Tables, with_schema},
};
use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use std::{borrow::Cow, collections::BTreeMap};

/// The declared classes, ready to be asked.
pub(super) struct Classes {
    sets: Vec<(TableClass, GlobSet)>,
    has_schemas: bool,
}

impl Classes {
    /// Compiles the globs.
    pub(super) fn new(tables: &Tables) -> Result<Self, EngineError> {
        let set = |globs: &[crate::policy::Spanned<String>]| -> Result<GlobSet, globset::Error> {
            let mut set = GlobSetBuilder::new();
            for written in globs {
                set.add(glob(written, tables.has_schemas)?);
            }
            set.build()
        };
        let refused =
            |error: globset::Error| EngineError::Refused(format!("a table class is no glob: {error}"));
        // The class that protects most comes first: a table in two of them falls in that one.
        let sets = tables.classes().into_iter().map(|(class, globs)| Ok((class, set(globs)?)));
        let sets = sets.collect::<Result<_, _>>().map_err(refused)?;
        Ok(Self { sets, has_schemas: tables.has_schemas })
    }

    /// The globs of tables that cannot be made again which match none of these tables: a name misspelt, perhaps.
    pub(super) fn idle<'t>(tables: &'t Tables, present: &BTreeMap<&str, TableClass>) -> Vec<&'t str> {
        let has_schemas = tables.has_schemas;
        let is_idle = |written: &&str| {
            let matcher = glob(written, has_schemas).map(|glob| glob.compile_matcher());
            matcher.is_ok_and(|matcher| {
                !present.keys().any(|table| matcher.is_match(&*named(table, has_schemas)))
            })
        };
        tables.irreplaceable.iter().map(|glob| glob.value.as_str()).filter(is_idle).collect()
    }

    /// The class of a table.
    pub(super) fn class(&self, table: &str) -> TableClass {
        self.all(table).next().unwrap_or(TableClass::Unclassed)
    }

    /// Every class that a table is declared in.
    pub(super) fn all<'a>(&'a self, table: &'a str) -> impl Iterator<Item = TableClass> + 'a {
        let table = named(table, self.has_schemas);
        self.sets.iter().filter(move |(_, set)| set.is_match(&*table)).map(|(class, _)| *class)
    }
}

/// A glob over names of tables: without regard to case, as SQLite and DuckDB compare them, or letter for letter with
/// their schema.
pub(super) fn glob(written: &str, has_schemas: bool) -> Result<Glob, globset::Error> {
    GlobBuilder::new(&named(written, has_schemas)).case_insensitive(!has_schemas).build()
}

/// What stands for a table, or for a glob, where names are compared.
pub(super) fn named(table: &str, has_schemas: bool) -> Cow<'_, str> {
    if has_schemas { with_schema(table) } else { Cow::Borrowed(table) }
}

/// Whether losing a table of this class loses data for good.
pub(super) fn counts_as_irreplaceable(class: TableClass) -> bool {
    matches!(class, TableClass::Irreplaceable | TableClass::Unclassed)
}

/// Quotes an identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The rows of every user table by its name, or why they cannot be counted.
pub(super) type Rows = BTreeMap<String, Result<u64, String>>;

/// What is known of the user's tables.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Those that could be counted.
    pub(super) counted: BTreeMap<String, TableFact>,
    /// Those that could not, with their class and why.
    pub(super) uncounted: BTreeMap<String, (TableClass, String)>,
}

impl Facts {
    /// Gives each table its class.
    pub(super) fn new(rows: Rows, tables: Option<&Tables>) -> Result<Self, EngineError> {
        let classes = tables.map(Classes::new).transpose()?;
        let mut facts = Self::default();
        for (table, counted) in rows {
            let class = classes.as_ref().map_or(TableClass::Unclassed, |classes| classes.class(&table));
            match counted {
                Ok(rows) => drop(facts.counted.insert(table, TableFact { class, rows })),
                Err(why) => drop(facts.uncounted.insert(table, (class, why))),
            }
        }
        Ok(facts)
    }

    /// Every table's class.
    pub(super) fn classes(&self) -> BTreeMap<&str, TableClass> {
        let counted = self.counted.iter().map(|(name, fact)| (name.as_str(), fact.class));
        let uncounted = self.uncounted.iter().map(|(name, (class, _))| (name.as_str(), *class));
        counted.chain(uncounted).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Span, Spanned};

    #[test]
    fn a_table_in_globs_of_several_classes_is_of_the_most_valuable() {
        let globs =
            |list: &[&str]| list.iter().map(|g| Spanned::new((*g).to_owned(), Span::default())).collect();
        let classes = Classes::new(&Tables {
            irreplaceable: globs(&["agent_orders"]),
            recoverable: globs(&["agent_*", "prices"]),
            partial: globs(&["price?"]),
            ..Tables::default()
        });
        let classes = classes.unwrap();
        for (table, class) in [
            ("agent_orders", TableClass::Irreplaceable),
            ("AGENT_runs", TableClass::Recoverable),
            ("prices", TableClass::Partial),
            ("users", TableClass::Unclassed),
        ] {
            assert_eq!(classes.class(table), class, "{table}");
        }
    }
}
