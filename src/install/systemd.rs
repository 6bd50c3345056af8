//! Timers of systemd: two files each, and a manager that must read and arm them.
//!
//! A timer is never restarted: systemd 252 then runs its service at once (systemd#31231). New files come into force by
//! `daemon-reload`, which arms a timer that is active by its new times; `enable --now` starts one that is not.
#![expect(clippy::disallowed_methods, reason = "looks at folders of systemd")]

mod properties;

use super::{InstallError, Installed, Scheduler, Settled, State, Tools, files, marker, tools};
use crate::{
    fault::{Fault, OnPath as _},
    platform,
    schedule::{
        entry::{Backend, EntryName, Scope},
        render::{File, Rendered},
    },
    watch::Watch,
};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

/// Where units lie, and where systemd keeps what it knows of them.
#[derive(Debug, Clone)]
pub struct Folders {
    /// The units of administrator or user: `/etc/systemd/system`, `~/.config/systemd/user`.
    pub units: PathBuf,
    /// When timers last fired: `/var/lib/systemd/timers`, `~/.local/share/systemd/timers`.
    pub stamps: PathBuf,
    /// The names of the users whose manager runs without a login: `/var/lib/systemd/linger`.
    pub lingering: PathBuf,
}

impl Folders {
    /// Those of the host (systemd.unit(5), systemd.timer(5)).
    pub fn system() -> Self {
        Self {
            units: "/etc/systemd/system".into(),
            stamps: "/var/lib/systemd/timers".into(),
            lingering: "/var/lib/systemd/linger".into(),
        }
    }

    /// Those of a user, by home and environment.
    pub fn user(home: &Path, environment: &BTreeMap<String, String>) -> Self {
        let base = |variable: &str, usual: &str| {
            let given = environment.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
            given.unwrap_or_else(|| home.join(usual))
        };
        Self {
            units: base("XDG_CONFIG_HOME", ".config").join("systemd/user"),
            stamps: base("XDG_DATA_HOME", ".local/share").join("systemd/timers"),
            ..Self::system()
        }
    }
}

/// The timers of one manager.
#[derive(Debug)]
pub struct Systemd {
    scope: Scope,
    folders: Folders,
    tools: Tools,
    put: Vec<(EntryName, Vec<File>)>,
    removed: Vec<EntryName>,
    warnings: Vec<String>,
}

impl Systemd {
    /// Those of the host, or of the user who runs this.
    pub fn new(scope: Scope, folders: Folders, tools: Tools) -> Self {
        let (put, removed, warnings) = (Vec::new(), Vec::new(), Vec::new());
        Self { scope, folders, tools, put, removed, warnings }
    }

    /// The same where the environment may lack what a session has: under su, sudo or cron a user's manager is found by the
    /// folder that it has on every host (`pam_systemd(8)`).
    #[must_use]
    pub fn within(mut self, environment: &BTreeMap<String, String>) -> Self {
        const RUNTIME: &str = "XDG_RUNTIME_DIR";
        let named = environment.get(RUNTIME).is_some_and(|folder| !folder.is_empty());
        if self.scope == Scope::User
            && !named
            && let Some(folder) = platform::process::runtime_folder()
        {
            self.tools = self.tools.variable(RUNTIME, folder);
        }
        self
    }

    /// Calls `systemctl` for this scope.
    fn systemctl(
        &self,
        what: &str,
        words: &[&dyn AsRef<OsStr>],
        watch: &Watch<'_>,
    ) -> Result<String, InstallError> {
        self.call(words, watch).map_err(|source| InstallError::program(what, source))
    }

    fn call(
        &self,
        words: &[&dyn AsRef<OsStr>],
        watch: &Watch<'_>,
    ) -> Result<String, crate::exec::program::ProgramError> {
        let mut all: Vec<&dyn AsRef<OsStr>> = Vec::new();
        if self.scope == Scope::User {
            all.push(&"--user");
        }
        // It asks nobody for a password: a refusal is told.
        all.push(&"--no-ask-password");
        all.extend(words);
        let out = self.tools.run("systemctl", &all, watch)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    /// Whether the manager answers; `Err` within says why not.
    fn answers(&self, watch: &Watch<'_>) -> Result<Result<(), InstallError>, InstallError> {
        if self.tools.find("systemctl").is_none() {
            return Ok(Err(InstallError::NoProgram { program: "systemctl", backend: Backend::Systemd }));
        }
        match self.call(&[&"show", &"--property=Version"], watch) {
            Ok(_) => Ok(Ok(())),
            Err(source) => match InstallError::program("", source) {
                InstallError::Program { source, .. } => {
                    Ok(Err(InstallError::NoManager { scope: self.scope, source }))
                }
                error => Err(error),
            },
        }
    }

    fn read(&self, name: &EntryName) -> Result<Option<Installed>, Fault> {
        let expected = units(name);
        let mut found = Vec::new();
        for name in &expected {
            if let Some(bytes) = files::read(&self.folders.units.join(name))? {
                found.push(File { name: name.clone(), bytes });
            }
        }
        Ok(marker::installed(Backend::Systemd, name, found, &expected))
    }

    /// Whether the user's manager runs while nobody is logged in; `None` where that is no question, or cannot be told.
    fn lingers(&self, watch: &Watch<'_>) -> Option<bool> {
        if self.scope == Scope::System {
            return None;
        }
        let user = self.tools.run("id", &[&"-un"], watch).ok()?;
        let user = String::from_utf8(user).ok()?;
        Some(fs::symlink_metadata(self.folders.lingering.join(user.trim())).is_ok())
    }

    /// Removes what `systemctl disable` and `clean` leave where they cannot work: without a manager, and without the unit.
    fn remove_traces(&self, name: &EntryName) -> Result<(), Fault> {
        let [timer, _] = units(name);
        let wants = self.folders.units.join("timers.target.wants");
        let link = wants.join(&timer);
        if fs::symlink_metadata(&link).is_ok_and(|seen| seen.is_symlink()) {
            files::remove(&link)?;
            // The last link leaves no folder behind, as with `systemctl disable`; one with others in it stays.
            let _ = fs::remove_dir(&wants);
        }
        // A stamp that is left would make the next timer of this name fire at once.
        files::remove(&self.folders.stamps.join(format!("stamp-{timer}"))).map(drop)
    }

    fn verify(&self, name: &EntryName, written: &[File], watch: &Watch<'_>) -> Result<(), InstallError> {
        files::read_back(&self.folders.units, written)?;
        let Some(installed) = self.read(name)? else {
            let place = self.folders.units.join(&units(name)[0]).display().to_string();
            return Err(InstallError::Unlike { place, kept: None });
        };
        let state = self.state(&installed, watch)?;
        // What installing cannot mend, as a drop-in, is told by `status`, and is no failure of this.
        if state.mendable {
            return Err(InstallError::NotArmed { name: name.clone(), why: state.facts.join("; ") });
        }
        Ok(())
    }
}

/// The units of an entry, in the order of the renderer: the timer, which names the times, then its service.
fn units(name: &EntryName) -> [String; 2] {
    [format!("{name}.timer"), format!("{name}.service")]
}

impl Scheduler for Systemd {
    fn backend(&self) -> Backend {
        Backend::Systemd
    }

    fn ready(&self, watch: &Watch<'_>) -> Result<(), InstallError> {
        self.answers(watch)?
    }

    fn installed(&self, _: &Watch<'_>) -> Result<Vec<Installed>, InstallError> {
        let names = files::names(&self.folders.units)?;
        let stems = names.iter().filter_map(|name| {
            name.strip_suffix(".timer").or_else(|| name.strip_suffix(".service")).and_then(EntryName::parse)
        });
        let mut stems: Vec<EntryName> = stems.collect();
        stems.sort();
        stems.dedup();
        stems.iter().filter_map(|name| self.read(name).map_err(Into::into).transpose()).collect()
    }

    fn state(&self, installed: &Installed, watch: &Watch<'_>) -> Result<State, InstallError> {
        let mut state = State::of(installed);
        if let Err(error) = self.answers(watch)? {
            // No mendable defect: it is armed as soon as the manager starts.
            state.find(super::EntryState::Disabled, false, error.to_string());
            return Ok(state);
        }
        let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"show", &properties::WANTED];
        let [timer, service] = units(&installed.name);
        words.extend([&timer as &dyn AsRef<OsStr>, &service]);
        let shown = self.systemctl("ask systemd about a timer", &words, watch)?;
        let [of_timer, of_service] = properties::read(&shown).ok_or_else(|| InstallError::Answer {
            program: "systemctl",
            why: "it does not show two units".to_owned(),
        })?;
        properties::judge(&of_timer, &of_service, &self.folders.units.join(timer), &mut state);
        if self.lingers(watch) == Some(false) {
            state.note(NO_LINGER);
        }
        Ok(state)
    }

    fn free(&self, name: &EntryName, _: &Watch<'_>) -> Result<(), InstallError> {
        units(name)
            .iter()
            .try_for_each(|unit| files::refuse_foreign(Backend::Systemd, &self.folders.units.join(unit)))
    }

    fn put(&mut self, name: &EntryName, rendered: &Rendered, _: &Watch<'_>) -> Result<(), InstallError> {
        let names: Vec<&str> = rendered.files.iter().map(|file| file.name.as_str()).collect();
        if names != units(name) {
            let why = format!("its files are {names:?}");
            return Err(InstallError::Unfit { name: name.clone(), backend: Backend::Systemd, why });
        }
        for file in &rendered.files {
            files::refuse_foreign(Backend::Systemd, &self.folders.units.join(&file.name))?;
        }
        // The service first: a timer that is read between the two has what it starts. And the manager reads neither before
        // it is told to.
        for file in rendered.files.iter().rev() {
            files::write(&self.folders.units.join(&file.name), &file.bytes)?;
        }
        self.put.push((name.clone(), rendered.files.clone()));
        Ok(())
    }

    fn remove(&mut self, name: &EntryName, watch: &Watch<'_>) -> Result<(), InstallError> {
        let [timer, service] = units(name);
        let mut there = Vec::new();
        for unit in [&timer, &service] {
            let path = self.folders.units.join(unit);
            // Nothing is stopped before both are known to be ours.
            files::refuse_foreign(Backend::Systemd, &path)?;
            if fs::symlink_metadata(&path).is_ok() {
                there.push(path);
            }
        }
        match self.answers(watch)? {
            Ok(()) if there.iter().any(|path| path.ends_with(&timer)) => {
                // Stopped first, so that it does not fire while its files go. A manager that has never read the unit takes
                // away its link all the same.
                self.systemctl("take the timer out of force", &[&"disable", &"--now", &timer], watch)?;
                // While the unit is there, for systemd finds the stamp by it. A manager older than 243 does not know the
                // word: the file is removed below.
                match self.call(&[&"clean", &"--what=state", &timer], watch) {
                    Err(error) if tools::status(&error).is_none() => {
                        return Err(InstallError::program("remove the stamp of the timer", error));
                    }
                    _ => {}
                }
            }
            // Its file is gone already, and what is loaded of it may go on. It fails where nothing is loaded.
            Ok(()) => drop(self.call(&[&"stop", &timer], watch)),
            Err(error) => {
                self.warnings
                    .push(format!("{name} is removed, but a manager that runs keeps it until then: {error}"));
            }
        }
        for path in &there {
            files::remove(path)?;
        }
        self.remove_traces(name)?;
        if !there.is_empty() {
            self.removed.push(name.clone());
        }
        Ok(())
    }

    fn settle(&mut self, watch: &Watch<'_>) -> Result<Settled, InstallError> {
        let (put, removed) = (std::mem::take(&mut self.put), std::mem::take(&mut self.removed));
        let mut settled = Settled { warnings: std::mem::take(&mut self.warnings), ..Settled::default() };
        if put.is_empty() && removed.is_empty() {
            return Ok(settled);
        }
        match self.answers(watch)? {
            Ok(()) => {}
            // Nothing runs that has them loaded.
            Err(_) if put.is_empty() => return Ok(settled),
            Err(error) => return Err(error),
        }
        // Once for all of them: each reload reads every unit of the host.
        self.systemctl("have systemd read its units again", &[&"daemon-reload"], watch)?;
        for (name, written) in put {
            let [timer, _] = units(&name);
            let enabled = self.systemctl("arm the timer", &[&"enable", &"--now", &timer], watch);
            match enabled.and_then(|_| self.verify(&name, &written, watch)) {
                Err(error) if error.is_stop() => return Err(error),
                Err(error) => settled.failed.push((name, error)),
                Ok(()) => {}
            }
        }
        for name in removed {
            for unit in units(&name) {
                // It fails where there is nothing to forget, which is what is wanted.
                let _ = self.call(&[&"reset-failed", &unit], watch);
                let left = self.folders.units.join(&unit);
                let seen = fs::symlink_metadata(&left);
                if !matches!(&seen, Err(error) if error.kind() == io::ErrorKind::NotFound) {
                    seen.on("look at", &left)?;
                    let place = left.display().to_string();
                    settled.failed.push((name.clone(), InstallError::Unlike { place, kept: None }));
                }
            }
        }
        if self.lingers(watch) == Some(false) {
            settled.warnings.push(NO_LINGER.to_owned());
        }
        Ok(settled)
    }
}

/// What holds for a user's timers without lingering.
const NO_LINGER: &str = "the timers run only while this user is logged in, because lingering is not enabled: \
                         `loginctl enable-linger` makes them run always";
