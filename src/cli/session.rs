//! One call of the program: the host, the options, and the policies it works on.
#![expect(clippy::disallowed_methods, reason = "policy files are read from this host")]

use super::{
    args::{Color, Global},
    error::CliError,
    output,
};
use crate::{
    catalog::Catalog,
    fault::OnPath,
    host::Host,
    observe::World,
    plan::Selection,
    policy::{
        self, Loaded, Policy, Problem, Severity, Source,
        problem::draw::{Drawer, Look},
    },
};
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

/// One call of the program.
pub(crate) struct Session {
    pub(crate) host: Host,
    pub(crate) global: Global,
}

impl Session {
    /// Reads the host and settles colour.
    pub(crate) fn begin(global: Global) -> Result<Self, CliError> {
        match global.color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        let host = Host::read(global.now.and_then(|now| now.0))?;
        Ok(Self { host, global })
    }

    /// The policy files meant: those given, else `$POLICY_FILE`, else `./policies`, else `./policy.yaml`.
    fn files(&self, given: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
        let named = self.host.environment.get("POLICY_FILE").filter(|file| !file.is_empty());
        let mut files = Vec::new();
        if !given.is_empty() {
            for path in given {
                // A folder without policies is told beside what is wrong with the others.
                files.extend(self.expand(path)?.unwrap_or_else(|| vec![path.clone()]));
            }
        } else if let Some(file) = named {
            files = self.expand(Path::new(file))?.unwrap_or_else(|| vec![file.into()]);
        } else {
            if self.host.working_folder.join("policies").is_dir() {
                files = self.expand(Path::new("policies"))?.unwrap_or_default();
            }
            if files.is_empty() {
                let single = ["policy.yaml", "policy.yml"].map(PathBuf::from);
                files.extend(single.into_iter().find(|file| self.host.working_folder.join(file).is_file()));
            }
        }
        if files.is_empty() {
            return Err(CliError::invalid(
                "there is no policy here: neither ./policies/*.yaml nor ./policy.yaml",
            )
            .help("name one with `--policy FILE`, or set POLICY_FILE"));
        }
        // One file may be named in two ways, or lie in a folder that is named too.
        let mut seen = BTreeSet::new();
        files.retain(|file| seen.insert(self.host.absolute(file)));
        Ok(files)
    }

    /// Whether single files are named, so that other policies may well stand beside these.
    pub(crate) fn is_partial(&self) -> bool {
        let named = self.host.environment.get("POLICY_FILE").filter(|file| !file.is_empty());
        let given: Vec<&Path> = match self.global.policy.as_slice() {
            [] => named.into_iter().map(Path::new).collect(),
            given => given.iter().map(PathBuf::as_path).collect(),
        };
        given.iter().any(|path| !self.host.working_folder.join(path).is_dir())
    }

    /// A file stands for itself, a folder for the `.yaml` and `.yml` files in it that are not hidden, by name; `None`
    /// where there are none.
    fn expand(&self, path: &Path) -> Result<Option<Vec<PathBuf>>, CliError> {
        let place = self.host.working_folder.join(path);
        if !place.is_dir() {
            return Ok(Some(vec![path.to_owned()]));
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(&place).on("read the folder", &place)? {
            let name = entry.on("read the folder", &place)?.file_name();
            let extension = Path::new(&name).extension().map(OsStr::to_ascii_lowercase);
            let is_policy = extension.is_some_and(|extension| extension == "yaml" || extension == "yml");
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            // A link that leads nowhere is a policy that is missing, and told as unreadable.
            let is_file = || fs::metadata(place.join(&name)).map_or(true, |metadata| metadata.is_file());
            if is_policy && !is_hidden && is_file() {
                files.push(path.join(name));
            }
        }
        files.sort();
        Ok((!files.is_empty()).then_some(files))
    }

    /// Resolves a policy's sources and stores on this host.
    pub(crate) fn world<'a>(&'a self, policy: &'a Policy) -> Result<World<'a>, CliError> {
        World::observe(&self.host, policy).map_err(|problems| {
            self.tell_problems(&problems, Some(policy.source()));
            CliError::told(2, "the policy cannot be used here")
        })
    }

    /// The catalog, to be kept up. It is only an index: that it cannot be opened is told and stops nothing.
    pub(crate) fn catalog(&self) -> Option<Catalog> {
        Catalog::open(&self.host.state).map_err(|error| output::warn(&error.to_string())).ok()
    }

    /// Loads policy files, valid or not.
    pub(crate) fn load(&self, given: &[PathBuf]) -> Result<Vec<Loaded>, CliError> {
        let given = if given.is_empty() { &self.global.policy } else { given };
        let mut loaded = Vec::new();
        for file in self.files(given)? {
            loaded.push(self.load_one(&file));
        }
        let valid: Vec<(usize, &Policy)> =
            loaded.iter().enumerate().filter_map(|(n, one)| Some((n, one.policy.as_ref()?))).collect();
        let policies: Vec<&Policy> = valid.iter().map(|(_, policy)| *policy).collect();
        let repeated: Vec<(usize, Problem)> =
            policy::repeated_names(&policies).into_iter().map(|(n, problem)| (valid[n].0, problem)).collect();
        for (index, problem) in repeated {
            loaded[index].add([problem]);
            loaded[index].policy = None;
        }
        Ok(loaded)
    }

    fn load_one(&self, file: &Path) -> Loaded {
        let place = self.host.absolute(file);
        let (name, folder) = (file.display().to_string(), place.parent().unwrap_or(&place));
        if place.is_dir() {
            return Loaded::unreadable(&name, folder, "it is a folder that holds no .yaml or .yml file");
        }
        match read_bounded(&place) {
            Ok(bytes) => policy::load(&name, folder, &bytes),
            // One of several files that cannot be read does not hide what the others have to say.
            Err(error) => Loaded::unreadable(&name, folder, &error.to_string()),
        }
    }

    /// Loads the policies meant, which must all be valid.
    pub(crate) fn policies(&self) -> Result<Vec<Policy>, CliError> {
        let loaded = self.load(&[])?;
        let mut policies = Vec::new();
        let mut invalid = 0;
        for one in loaded {
            if let Some(policy) = one.policy {
                policies.push(policy);
                continue;
            }
            invalid += 1;
            let errors: Vec<_> = one.problems.into_iter().filter(|p| p.severity == Severity::Error).collect();
            self.tell_problems(&errors, Some(&one.source));
        }
        if invalid > 0 {
            return Err(CliError::told(2, "the policy is not valid"));
        }
        Ok(policies)
    }

    /// Draws problems to standard error in their order: a hundred, which is more than anybody reads, the worst of them.
    pub(crate) fn tell_problems(&self, problems: &[Problem], source: Option<&Source>) {
        const MOST: usize = 100;
        let mut shown: Vec<usize> = (0..problems.len()).collect();
        if problems.len() > MOST {
            shown.sort_by_key(|n| problems[*n].severity);
            shown.truncate(MOST);
            shown.sort_unstable();
        }
        let drawer = Drawer::new(source);
        for n in shown {
            output::tell(&drawer.draw(&problems[n], self.look()));
        }
        if let Some(more) = problems.len().checked_sub(MOST).filter(|more| *more > 0) {
            let file = source.map_or("", |source| source.name.as_str());
            output::tell(&format!("and {more} more problems in {file}; `policy check --json` lists them"));
        }
    }

    /// How drawings look here: colours are taken off again where they are not wanted.
    pub(crate) fn look(&self) -> Look {
        let width = self.host.environment.get("COLUMNS").and_then(|columns| columns.parse().ok());
        Look { color: self.has_color(), width: width.unwrap_or(80).min(120) }
    }

    fn has_color(&self) -> bool {
        match self.global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => output::is_terminal() && !self.host.environment.contains_key("NO_COLOR"),
        }
    }
}

/// Finds the jobs named on the command line: `nightly`, or `prod/nightly` where several policies have one.
pub(crate) fn select<'p>(
    policies: &'p [Policy],
    jobs: &[String],
) -> Result<Vec<(&'p Policy, Selection)>, CliError> {
    if jobs.is_empty() {
        return Ok(policies.iter().map(|policy| (policy, Selection::default())).collect());
    }
    let mut selected: Vec<(&Policy, Selection)> = Vec::new();
    for name in jobs {
        let (policy_name, job) = match name.split_once('/') {
            Some((policy, job)) => (Some(policy), job),
            None => (None, name.as_str()),
        };
        let has_job = |policy: &&Policy| {
            policy_name.is_none_or(|wanted| policy.name() == wanted) && policy.jobs().contains_key(job)
        };
        let found: Vec<&Policy> = policies.iter().filter(has_job).collect();
        let policy = match found.as_slice() {
            [policy] => *policy,
            [] => return Err(unknown_job(policies, name)),
            several => {
                let names: Vec<_> =
                    several.iter().map(|policy| format!("`{}/{job}`", policy.name())).collect();
                return Err(CliError::ambiguous(format!("several policies have a job `{job}`"))
                    .help(format!("write {}", names.join(" or "))));
            }
        };
        if let Some((_, selection)) = selected.iter_mut().find(|(known, _)| known.name() == policy.name()) {
            selection.jobs.push(job.to_owned());
        } else {
            let selection = Selection { jobs: vec![job.to_owned()], ..Selection::default() };
            selected.push((policy, selection));
        }
    }
    Ok(selected)
}

fn unknown_job(policies: &[Policy], name: &str) -> CliError {
    let known: Vec<String> =
        policies.iter().flat_map(|policy| policy.jobs().keys().map(ToString::to_string)).collect();
    let bare = name.rsplit('/').next().unwrap_or(name);
    let help = match policy::nearest::nearest(bare, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the jobs are {}", known.join(", ")),
    };
    CliError::unknown(format!("there is no job `{name}`")).help(help)
}

/// Reads a file, but no more than the language takes: what is larger is refused by its reader.
fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(policy::yaml::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
