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
    let is_wild = |glob: &Spanned<String>| glob.value.contains(['*', '?']);
    let wild: Vec<_> = all.iter().filter(|(_, glob)| is_wild(glob)).take(MOST_WILD).collect();
    let mut first = BTreeMap::new();
    for (class, glob) in all {
        // Of two that are written alike in one class the second is the one too many; in two it is an error.
        let alike = first.get(&(*class, glob.value.as_str())).copied();
        first.entry((*class, glob.value.as_str())).or_insert(*glob);
        let covering =
            || wild.iter().find(|(_, other)| other.value != glob.value && covers(&other.value, &glob.value));
        let wider =
            alike.map(|other| (*class, other)).or_else(|| covering().map(|(of, other)| (*of, *other)));
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
    for glob in include {
        let Some(by) = exclude.iter().find(|by| leaves_out(&by.value, &glob.value)) else { continue };
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
    let deep = format!("**/{exclude}");
    let last = include.rsplit('/').next().unwrap_or(include);
    covers(exclude, include)
        || !exclude.contains('/') && (covers(&deep, include) || covers(exclude, last) && last != "**")
}
