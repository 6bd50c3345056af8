//! Which members of a folder are taken: the globs of `include` and `exclude`.
//!
//! The rules are those of gitignore(5) and rsync(1), so that globs mean what people who know these tools expect:
//! `*` and `?` stay within one name, `**` crosses folders, names that begin with a dot are names like any other. A glob
//! without `/` matches a name at any depth, one with `/` is anchored at the folder; a trailing `/` matches folders only.
//! A glob that matches a folder speaks for everything below it. `exclude` wins; no `include` means everything.

use crate::{engines::EngineError, platform::files::path_of_bytes};
use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use std::borrow::Cow;

/// What the globs say about a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// It is left out, and everything below it.
    Excluded,
    /// Nothing speaks for it, though something below it may be taken.
    Undecided,
    /// It is taken, and everything below it that is not excluded.
    Included,
}

/// The globs of one target, compiled.
#[derive(Debug)]
pub(super) struct Selection {
    /// `None`: everything.
    include: Option<Globs>,
    exclude: Globs,
    /// The globs as written: of `include`, of `exclude`.
    written: [Vec<String>; 2],
}

/// The globs of `include` that nothing taken matched yet.
#[derive(Debug)]
pub(super) struct Idle(Vec<(String, Globs)>);

impl Idle {
    /// Strikes out the globs that match a member which is taken. One that lies below another's folder counts too.
    pub(super) fn see(&mut self, path: &[u8], is_folder: bool) {
        if !self.0.is_empty() {
            let path = path_of_bytes(path);
            let candidate = Candidate::new(&path);
            self.0.retain(|(_, globs)| !globs.matches(&candidate, is_folder));
        }
    }

    /// Those that are left, in the policy's order.
    pub(super) fn into_globs(self) -> impl Iterator<Item = String> {
        self.0.into_iter().map(|(written, _)| written)
    }
}

#[derive(Debug)]
struct Globs {
    any: GlobSet,
    folders: GlobSet,
}

impl Selection {
    /// Compiles globs; an invalid one is refused with its text.
    pub(super) fn new<'g>(
        include: impl IntoIterator<Item = &'g str>,
        exclude: impl IntoIterator<Item = &'g str>,
    ) -> Result<Self, EngineError> {
        let (include, exclude): (Vec<&str>, Vec<&str>) =
            (include.into_iter().collect(), exclude.into_iter().collect());
        let owned = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        let written = [owned(&include), owned(&exclude)];
        let include = if include.is_empty() { None } else { Some(Globs::new(include)?) };
        Ok(Self { include, exclude: Globs::new(exclude)?, written })
    }

    /// The globs of `include`, before anything was seen.
    pub(super) fn idle(&self) -> Idle {
        let [include, _] = &self.written;
        // They compiled before.
        let compiled =
            include.iter().filter_map(|glob| Some((glob.clone(), Globs::new([glob.as_str()]).ok()?)));
        Idle(compiled.collect())
    }

    /// The globs as the policy writes them, for a message; `None` where there are none.
    pub(super) fn shown(&self) -> Option<String> {
        let lists =
            ["include", "exclude"].into_iter().zip(&self.written).filter(|(_, globs)| !globs.is_empty());
        let lists = lists.map(|(key, globs)| {
            let globs: Vec<_> = globs.iter().map(|glob| format!("`{glob}`")).collect();
            format!("`{key}` [{}]", globs.join(", "))
        });
        let lists: Vec<_> = lists.collect();
        (!lists.is_empty()).then(|| lists.join(" and "))
    }

    /// Takes everything.
    pub(super) fn everything() -> Self {
        let none = || Globs { any: GlobSet::empty(), folders: GlobSet::empty() };
        Self { include: None, exclude: none(), written: [Vec::new(), Vec::new()] }
    }

    /// What holds for the folder itself.
    pub(super) fn of_root(&self) -> Choice {
        if self.include.is_none() { Choice::Included } else { Choice::Undecided }
    }

    /// What holds for the member at `path` (below the folder, `/` between names), given what holds for its parent.
    pub(super) fn of(&self, parent: Choice, path: &[u8], is_folder: bool) -> Choice {
        if parent == Choice::Excluded {
            return Choice::Excluded;
        }
        let path = path_of_bytes(path);
        let candidate = Candidate::new(&path);
        if self.exclude.matches(&candidate, is_folder) {
            return Choice::Excluded;
        }
        match &self.include {
            Some(globs) if parent != Choice::Included && !globs.matches(&candidate, is_folder) => {
                Choice::Undecided
            }
            _ => Choice::Included,
        }
    }
}

impl Globs {
    fn new<'g>(globs: impl IntoIterator<Item = &'g str>) -> Result<Self, EngineError> {
        let (mut any, mut folders) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for written in globs {
            let refused = |why: &dyn std::fmt::Display| {
                EngineError::Refused(format!("the glob `{written}` is not valid: {why}"))
            };
            let (glob, only_folders) = match written.strip_suffix('/') {
                Some(glob) => (glob, true),
                None => (written, false),
            };
            let anchored = glob.contains('/');
            let glob = glob.strip_prefix("./").unwrap_or(glob).trim_start_matches('/');
            if glob.is_empty() {
                return Err(refused(&"it matches nothing"));
            }
            // Quietly taking `!` for a plain character would turn "keep this" into "leave this out".
            if glob.starts_with('!') {
                return Err(refused(&"`!` has no meaning here"));
            }
            let glob = if anchored { Cow::Borrowed(glob) } else { Cow::Owned(format!("**/{glob}")) };
            let compiled = GlobBuilder::new(&glob)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| refused(error.kind()))?;
            if only_folders {
                folders.add(compiled)
            } else {
                any.add(compiled)
            };
        }
        let build = |set: &GlobSetBuilder| {
            set.build().map_err(|error| EngineError::Refused(format!("the globs are not valid: {error}")))
        };
        Ok(Self { any: build(&any)?, folders: build(&folders)? })
    }

    fn matches(&self, candidate: &Candidate<'_>, is_folder: bool) -> bool {
        self.any.is_match_candidate(candidate) || (is_folder && self.folders.is_match_candidate(candidate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What holds for a path once all its parents were asked.
    fn choice(selection: &Selection, path: &str) -> Choice {
        let mut choice = selection.of_root();
        for (end, _) in path.match_indices('/') {
            choice = selection.of(choice, &path.as_bytes()[..end], true);
        }
        selection.of(choice, path.as_bytes(), false)
    }

    fn taken(include: &[&str], exclude: &[&str], path: &str) -> bool {
        let selection = Selection::new(include.iter().copied(), exclude.iter().copied()).unwrap();
        choice(&selection, path) == Choice::Included
    }

    #[test]
    fn globs_mean_what_gitignore_means() {
        for (include, path, expected) in [
            ("**/*.py", "a.py", true),
            ("**/*.py", "x/y/a.py", true),
            ("**/*.py", "a.txt", false),
            ("*.py", "x/y/a.py", true),
            ("/*.py", "a.py", true),
            ("/*.py", "x/a.py", false),
            ("src/*.py", "src/a.py", true),
            ("src/*.py", "src/x/a.py", false),
            ("src/**", "src/x/a.py", true),
            ("src", "src/x/a.py", true),
            ("src/", "src/x/a.py", true),
            ("src/", "x/src", false),
            ("*", ".hidden", true),
            ("*.{py,sh}", "x/run.sh", true),
            ("?.py", "ab.py", false),
        ] {
            assert_eq!(taken(&[include], &[], path), expected, "{include} on {path}");
        }
    }

    #[test]
    fn exclude_wins_and_prunes_whole_folders() {
        assert!(!taken(&["**/*.py"], &["**/node_modules"], "a/node_modules/b/c.py"));
        assert!(!taken(&[], &["node_modules/"], "a/node_modules/b/c.py"));
        assert!(!taken(&[], &["build/**"], "build/x"));
        assert!(taken(&[], &["build/**"], "x/build/x"));
        assert!(taken(&[], &["*.tmp"], "a.tmpl"));
    }

    #[test]
    fn a_glob_that_cannot_mean_anything_is_refused() {
        for bad in ["[", "!keep", "", "/", "a{b"] {
            let refused = Selection::new([bad], []).unwrap_err().to_string();
            assert!(refused.contains(&format!("`{bad}`")), "{refused}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_are_matched_as_bytes() {
        let selection = Selection::new(["*.py"], []).unwrap();
        assert_eq!(selection.of(Choice::Undecided, b"caf\xe9.py", false), Choice::Included);
        assert_eq!(selection.of(Choice::Undecided, b"caf\xe9.txt", false), Choice::Undecided);
    }
}
