//! How the schedules reach a host: what goes together, and what names and paths may be.

use super::Lower;
use crate::policy::{
    Policy, Span, Spanned,
    document::{InstallDocument, KubernetesDocument, Map, MountDocument},
    model::{BackendChoice, Install, Kubernetes, Mount, PathTemplate, ScopeOf},
    problem::{Code, Problem},
};
use crate::schedule::entry::{Backend, Scope};
use std::{collections::BTreeMap, ops::Range};

/// Longest name of a DNS label and of a DNS subdomain (RFC 1123), in bytes.
const LABEL: usize = 63;
const SUBDOMAIN: usize = 253;

impl Lower<'_> {
    pub(super) fn install(&mut self, document: Option<&InstallDocument>) -> Install {
        let Some(document) = document else { return Install::default() };
        let InstallDocument { backend, scope, user, search_path, log_dir, dispatcher, kubernetes, .. } =
            document;
        let install = Install {
            backend: backend.as_ref().map(|backend| backend.value).unwrap_or_default(),
            scope: scope.as_ref().map(|scope| scope.value).unwrap_or_default(),
            user: user.clone(),
            search_path: search_path.clone().unwrap_or_default(),
            log_dir: log_dir.clone(),
            dispatcher: dispatcher.as_ref().map(|dispatcher| dispatcher.value).unwrap_or_default(),
            kubernetes: kubernetes.as_ref().and_then(|kubernetes| self.kubernetes(kubernetes)),
        };
        // What could not be read may have been right.
        let is_read = document.keys.get("scope").is_some() == scope.is_some();
        if let Some(user) = user.as_ref().filter(|_| is_read) {
            self.user(user, document);
        }
        let key = document.keys.get("search_path");
        if let Some(key) = key.filter(|_| search_path.as_ref().is_some_and(Vec::is_empty) && self.clean()) {
            let help = "name a folder, as in `[/opt/homebrew/bin]`, or remove the key";
            self.note(Problem::error(Code::Empty, "`search_path` names none", help).label(key, "empty"));
        }
        for folder in &install.search_path {
            self.search_folder(folder);
        }
        if let Some(log_dir) = log_dir {
            let is_url = log_dir.value.0.as_written().contains("://");
            if is_url {
                let message = "the folder of logs is given by its path, not by a URL";
                let help = "write the path of a folder, such as `~/log` or `/var/log/policy`";
                self.note(Problem::error(Code::BadPath, message, help).label(log_dir.span, "a URL"));
            }
        }
        if let Some(backend) = backend.as_ref().filter(|backend| {
            backend.value == BackendChoice::One(Backend::Kubernetes)
                && document.keys.get("kubernetes").is_none()
                && !self.has_unread_key(document.span)
        }) {
            let help = "add `kubernetes: {image: \"registry.example.org/policy:1\"}`, with an image that holds this program";
            let message = "`backend: kubernetes` needs to know the image that is started";
            self.note(Problem::error(Code::MissingKey, message, help).label(backend.span, "of which image?"));
        }
        install
    }

    fn user(&mut self, user: &Spanned<String>, document: &InstallDocument) {
        let is_system =
            |scope: &Spanned<ScopeOf>| *scope == Spanned::new(ScopeOf(Scope::System), Span::default());
        if !document.scope.as_ref().is_some_and(is_system) {
            let message = "entries of a user run as that user: `user` goes with `scope: system` alone";
            let help = "add `scope: system`, and install as root; or remove `user`, and install as that user";
            let place = document.keys.get("user").unwrap_or(user.span);
            let mut problem =
                Problem::error(Code::UserWithoutSystem, message, help).label(place, "of another user");
            if let Some(scope) = &document.scope {
                problem = problem.label(scope.span, "not of the system");
            }
            self.note(problem);
            return;
        }
        let is_foreign = |c: char| c.is_control() || ":/".contains(c);
        let message = if user.value.is_empty() {
            "the name of a user must not be empty".to_owned()
        } else if user.value.starts_with('-') {
            "the name of a user does not begin with `-`".to_owned()
        } else if user.value.contains(char::is_whitespace) {
            "the name of a user has no blanks".to_owned()
        } else if let Some(bad) = user.value.chars().find(|c| is_foreign(*c)) {
            format!("the name of a user has no `{bad}`")
        } else {
            return;
        };
        let help = "write one user of the host, such as `backup`";
        self.note(Problem::error(Code::BadName, message, help).label(user.span, ""));
    }

    /// A folder of a PATH means the same from wherever a program is started.
    fn search_folder(&mut self, folder: &Spanned<PathTemplate>) {
        let template = &folder.value.0;
        let written = template.as_written();
        if let Some(path) = template.references().find(|reference| reference.name == "PATH") {
            let place = self.source.within(folder.span, written, path.at);
            let help = "remove it; write the folders that are missing on the short PATH of a scheduler, an item each";
            let message = "`PATH` is no folder but a list of them, and the entry has one already";
            self.note(Problem::error(Code::BadPath, message, help).label(place, "not a folder"));
            return;
        }
        let of_windows = is_of_windows(written);
        let colon = if of_windows { written.find(';') } else { separator(template.literals()) };
        if let Some(at) = colon {
            let place = self.source.within(folder.span, written, at..at + 1);
            let parts: Vec<String> =
                written.split(&written[at..=at]).map(|part| format!("\"{}\"", part.trim())).collect();
            let message = "an item of `search_path` is one folder";
            let help = format!("make an item of each: [{}]", parts.join(", "));
            self.note(Problem::error(Code::BadPath, message, help).label(place, "divides two folders?"));
            return;
        }
        if of_windows || written.starts_with(['/', '~']) || template.begins_with_variable() {
            return;
        }
        let message =
            format!("a folder that programs are searched in must be absolute, and `{written}` is not");
        let help = "write it out, as in `/opt/homebrew/bin` or `~/.local/bin`";
        self.note(Problem::error(Code::PathNotAbsolute, message, help).label(folder.span, "relative"));
    }

    fn kubernetes(&mut self, document: &KubernetesDocument) -> Option<Kubernetes> {
        let KubernetesDocument { namespace, image, service_account, env_from, state, mounts, patch, .. } =
            document;
        if let Some(namespace) = namespace {
            self.dns_name(namespace, "a namespace", LABEL);
        }
        if let Some(account) = service_account {
            self.dns_name(account, "a service account", SUBDOMAIN);
        }
        for secret in env_from.iter().flatten() {
            self.dns_name(secret, "a Secret", SUBDOMAIN);
        }
        let key = document.keys.get("env_from");
        if let Some(key) = key.filter(|_| env_from.as_ref().is_some_and(Vec::is_empty) && self.clean()) {
            let help = "name a Secret, as in `[policy-env]`, or remove the key";
            self.note(Problem::error(Code::Empty, "`env_from` names none", help).label(key, "empty"));
        }
        let state = state.as_ref().and_then(|state| state.claim.clone());
        if let Some(claim) = &state {
            self.dns_name(claim, "a claim", SUBDOMAIN);
        }
        if let Some(image) = image {
            self.image(image);
        }
        Some(Kubernetes {
            mounts: self.mounts(mounts.as_ref()),
            namespace: namespace.clone(),
            image: image.clone()?,
            service_account: service_account.clone(),
            env_from: env_from.clone().unwrap_or_default(),
            state,
            patch: patch.as_ref().map(|patch| patch.0.clone()).unwrap_or_default(),
        })
    }

    /// A name that Kubernetes takes: a DNS label, or where `longest` allows for them several with dots between.
    fn dns_name(&mut self, name: &Spanned<String>, what: &str, longest: usize) {
        let dots = longest > LABEL;
        let written = name.value.as_str();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || (dots && c == '.');
        let is_part = |part: &str| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-');
        let is_name = |text: &str| {
            text.len() <= longest
                && text.chars().all(fits)
                && if dots { text.split('.').all(is_part) } else { is_part(text) }
        };
        if is_name(written) {
            return;
        }
        let message = match written.chars().find(|c| !fits(*c)) {
            _ if written.is_empty() => format!("the name of {what} must not be empty"),
            Some(bad) => format!("the name of {what} has lower-case letters, digits and `-`, and no `{bad}`"),
            None if written.len() > longest => {
                format!("the name of {what} has at most {longest} characters, and this has {}", written.len())
            }
            None => format!("the name of {what} begins and ends with a letter or digit"),
        };
        let meant: String =
            written.to_lowercase().chars().map(|c| if fits(c) { c } else { '-' }).take(longest).collect();
        let meant = meant.trim_matches(['-', '.']);
        let help = if is_name(meant) {
            format!("write `{meant}`, if that is what it is called in the cluster")
        } else {
            "write it as the cluster has it, such as `policy`".to_owned()
        };
        self.note(Problem::error(Code::BadName, message, help).label(name.span, ""));
    }

    fn image(&mut self, image: &Spanned<String>) {
        let written = image.value.as_str();
        let is_good = |c: char| c.is_ascii_alphanumeric() || "._/:@-".contains(c);
        let begins = written.starts_with(|c: char| c.is_ascii_alphanumeric());
        let (message, help) = if let Some((scheme, rest)) = written.split_once("://") {
            (
                format!("an image is named without `{scheme}://`"),
                format!("write `{}`", rest.trim_end_matches('/')),
            )
        } else if written.is_empty() || !begins || !written.chars().all(is_good) {
            let help = "write registry, name and version, as in `registry.example.org/policy:1`";
            (format!("`{written}` is not the name of an image"), help.to_owned())
        } else {
            return;
        };
        self.note(Problem::error(Code::BadImage, message, help).label(image.span, ""));
    }

    fn mounts(&mut self, document: Option<&Map<MountDocument>>) -> BTreeMap<String, Mount> {
        let mut mounts = BTreeMap::new();
        let mut seen: BTreeMap<String, &Spanned<String>> = BTreeMap::new();
        for (path, mount) in document.iter().flat_map(|map| &map.entries) {
            let claim = mount.as_ref().and_then(|mount| mount.claim.clone());
            if let Some(claim) = &claim {
                self.dns_name(claim, "a claim", SUBDOMAIN);
            }
            let Some(place) = self.mount_path(path) else { continue };
            if let Some(first) = seen.get(&place) {
                let message = format!("two volumes are mounted at `{place}`");
                let problem = Problem::error(Code::RepeatedReference, message, "remove one of the two")
                    .label(path.span, "the second")
                    .label(first.span, "the first");
                self.note(problem);
                continue;
            }
            seen.insert(place.clone(), path);
            let read_only =
                mount.as_ref().and_then(|mount| mount.read_only.as_ref()).is_some_and(|only| only.value);
            if let Some(claim) = claim {
                mounts.insert(place, Mount { claim, read_only });
            }
        }
        mounts
    }

    /// The place of a mount in the pods; a path is written there as Linux has it, whatever this host runs.
    fn mount_path(&mut self, path: &Spanned<String>) -> Option<String> {
        let written = path.value.as_str();
        let place: Vec<&str> = written.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
        let (code, message, help) = if written.contains("${") {
            (
                Code::VariableNotHere,
                "a key of `mounts` takes no variables".to_owned(),
                "write the path out, as it is in the pods".to_owned(),
            )
        } else if !written.starts_with('/') {
            (
                Code::PathNotAbsolute,
                format!("a volume is mounted at an absolute path, and `{written}` is not"),
                format!(
                    "write the path as it is in the pods: `/{}`",
                    written.trim_start_matches(['~', '.', '/'])
                ),
            )
        } else if place.contains(&"..") || written.contains([':', '\0']) {
            (
                Code::BadPath,
                format!("no volume can be mounted at `{written}`"),
                "write the path without `..` and `:`, as in `/srv/app`".to_owned(),
            )
        } else if place.is_empty() {
            (
                Code::BadPath,
                "a volume at `/` would hide the whole image, this program with it".to_owned(),
                "mount it at a folder, as in `/srv/app`".to_owned(),
            )
        } else {
            return Some(format!("/{}", place.join("/")));
        };
        self.note(Problem::error(code, message, help).label(path.span, ""));
        None
    }

    /// Entries of the host run as whoever the host says: `~` would be another folder for each.
    pub(super) fn home_under_system(&mut self, policy: &Policy) {
        if policy.install().scope() != Scope::System {
            return;
        }
        for path in policy.paths() {
            let Some(at) = home(path) else { continue };
            let place = self.source.within(path.span, path.value.0.as_written(), at);
            let message = "with `scope: system` the entries run as root or as `user`, and `~` is another folder for each";
            let help = "write the path out, as in `/var/backups/app`; or remove `scope: system`";
            self.note(
                Problem::error(Code::HomeOfTheSystem, message, help).label(place, "whose home folder?"),
            );
        }
    }
}

/// Where a path begins with the home folder, as far as its text tells.
fn home(path: &Spanned<PathTemplate>) -> Option<Range<usize>> {
    let is_home = |text: &str| text == "~" || text.starts_with("~/");
    let template = &path.value.0;
    match template.parts().next()? {
        (at, None) if template.as_written()[at.clone()].starts_with('~') => Some(0..1),
        (at, Some(reference)) if reference.default.is_some_and(is_home) => Some(at),
        _ => None,
    }
}

/// Whether a path begins as an absolute one does on Windows.
fn is_of_windows(written: &str) -> bool {
    let bytes = written.as_bytes();
    let drive = matches!(bytes, [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    drive || written.starts_with(r"\\")
}

/// Where a colon stands in the text itself.
fn separator<'t>(mut literals: impl Iterator<Item = (usize, &'t str)>) -> Option<usize> {
    literals.find_map(|(start, text)| Some(start + text.find(':')?))
}
