//! Globs of which one says what another has said.

use super::{Lint, glob::covers};
use crate::policy::{
    Spanned,
    model::{EngineSpec, TableClass},
    problem::{Code, Problem},
};
use std::collections::BTreeMap;

pub(super) fn lint(lint: &mut Lint<'_>) {
    for target in lint.policy.targets().values() {
        if let Some(tables) = &target.tables {
            let classes = tables.classes().into_iter();
            let all = classes.flat_map(|(class, globs)| globs.iter().map(move |glob| (class, glob)));
            shadows(lint, &all.collect::<Vec<_>>());
        }
        if let EngineSpec::Directory { include, exclude, .. } = &target.engine {
            excluded(lint, include, exclude);
        }
    }
}

/// So many globs with wildcards are compared with the others: more of them only a hostile policy has.
const MOST_WILD: usize = 200;

/// Tables that are named by a glob of their own and by a wider one.
fn shadows(lint: &mut Lint<'_>, all: &[(TableClass, &Spanned<String>)]) {
    let is_wild = |glob: &Spanned<String>| glob.value.contains(['*', '?', '[', '{']);
    // SQLite compares the names of tables without regard to case.
    let folded = |glob: &Spanned<String>| glob.value.to_ascii_lowercase();
    let wild: Vec<_> = all.iter().filter(|(_, glob)| is_wild(glob)).take(MOST_WILD).collect();
    let wild: Vec<_> = wild.into_iter().map(|one| (one, folded(one.1))).collect();
    let mut first = BTreeMap::new();
    for (class, glob) in all {
        // Of two that are written alike in one class the second is the one too many; in two it is an error.
        let alike = first.get(&(*class, glob.value.as_str())).copied();
        first.entry((*class, glob.value.as_str())).or_insert(*glob);
        let name = folded(glob);
        let covering = || wild.iter().find(|(_, other)| *other != name && covers(other, &name));
        let wider =
            alike.map(|other| (*class, other)).or_else(|| covering().map(|((of, other), _)| (*of, *other)));
        let Some((other_class, other)) = wider else { continue };
        let (message, help) = if *class == other_class {
            (
                format!("`{}` says nothing that `{}` does not say", glob.value, other.value),
                format!("remove `{}`, or narrow the wider one", glob.value),
            )
        } else {
            (
                format!("`{}` is {class}, and `{}` makes it {other_class} too", glob.value, other.value),
                format!(
                    "a table should fall in one class: narrow `{}`; as it is, the more valuable counts",
                    other.value
                ),
            )
        };
        lint.note(
            Problem::new(Code::ShadowedGlob, message, help)
                .label(glob.span, class.to_string())
                .label(other.span, format!("{other_class}, and covers it")),
        );
    }
}

/// Files that are asked for and left out again.
fn excluded(lint: &mut Lint<'_>, include: &[Spanned<String>], exclude: &[Spanned<String>]) {
    for glob in include.iter().take(MOST_WILD) {
        let Some(by) = exclude.iter().take(MOST_WILD).find(|by| leaves_out(&by.value, &glob.value)) else {
            continue;
        };
        let message = format!("`{}` takes nothing: `{}` leaves it out again", glob.value, by.value);
        let help = "remove one of the two; `exclude` wins";
        lint.note(
            Problem::new(Code::ShadowedGlob, message, help)
                .label(glob.span, "asked for")
                .label(by.span, "left out"),
        );
    }
}

/// Whether an exclusion leaves out all that a glob takes: a glob without `/` matches names at any depth.
fn leaves_out(exclude: &str, include: &str) -> bool {
    let (exclude, include) = (of_folder(exclude), of_folder(include));
    let deep = format!("**/{exclude}");
    let is_left_out = |taken: &str| {
        let last = taken.rsplit('/').next().unwrap_or(taken);
        covers(exclude, taken)
            || !exclude.contains('/') && (covers(&deep, taken) || covers(exclude, last) && last != "**")
    };
    // What leaves out a folder leaves out what is below it.
    let parents = include.match_indices('/').map(|(at, _)| &include[..at]);
    is_left_out(include) || parents.filter(|parent| !parent.ends_with('*')).any(is_left_out)
}

/// A glob without what only says where it is anchored, or that a folder is meant.
fn of_folder(glob: &str) -> &str {
    let glob = glob.strip_prefix("./").unwrap_or(glob);
    glob.strip_suffix('/').unwrap_or(glob)
}
