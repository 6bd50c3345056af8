//! Agents and daemons of launchd: a property list in a folder, and `launchctl` that loads it into a domain.
//!
//! What `launchctl print` prints is no interface, so only its status counts: whether a label is loaded. launchd does not tell
//! by which text it goes; it reads one when it is bootstrapped, which is why an update takes the old one out first.
#![expect(clippy::disallowed_methods, reason = "looks whether a file is there")]

#[cfg(test)]
#[cfg(unix)]
mod tests;

use super::{EntryState, InstallError, Installed, Scheduler, Settled, State, Tools, files, marker, tools};
use crate::{
    exec::program::ProgramError,
    fault::OnPath as _,
    platform,
    schedule::{
        entry::{Backend, EntryName},
        render::{File, Rendered, marks},
    },
    watch::Watch,
};
use std::{fs, path::PathBuf, time::Duration};

/// The status of `launchctl print` for a label that is not loaded.
const NOT_LOADED: i32 = 113;
/// How often launchd is asked again: it goes on with a service that was taken out for a moment, and refuses it meanwhile
/// ("Bootstrap failed: 5").
const TRIES: u32 = 6;

/// The entries of one domain.
#[derive(Debug)]
pub struct Launchd {
    /// `~/Library/LaunchAgents`, `/Library/LaunchDaemons`.
    folder: PathBuf,
    /// `gui/501`, `system`.
    domain: String,
    tools: Tools,
    /// The first pause between two tries; each further one is twice as long.
    pause: Duration,
    put: Vec<(EntryName, File)>,
}

impl Launchd {
    /// Those of a folder, which are loaded into a domain: `gui/UID` for a user's, `system` for the host's.
    pub fn new(folder: impl Into<PathBuf>, domain: impl Into<String>, tools: Tools) -> Self {
        let (folder, domain) = (folder.into(), domain.into());
        Self { folder, domain, tools, pause: Duration::from_millis(200), put: Vec::new() }
    }

    /// The same with another first pause between two tries.
    #[must_use]
    pub fn with_pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    fn file(name: &EntryName) -> String {
        format!("{}{name}.plist", marks::LABEL)
    }

    /// The service as launchctl names it. It always has a label: without one, `bootout` would end the whole domain.
    fn service(&self, name: &EntryName) -> String {
        format!("{}/{}{name}", self.domain, marks::LABEL)
    }

    fn is_loaded(&self, name: &EntryName, watch: &Watch<'_>) -> Result<bool, InstallError> {
        match self.tools.run("launchctl", &[&"print", &self.service(name)], watch) {
            Ok(_) => Ok(true),
            Err(error) if tools::status(&error) == Some(NOT_LOADED) => Ok(false),
            Err(error) => Err(InstallError::program("ask launchd about a service", error)),
        }
    }

    /// Takes a service out, and waits until it is.
    fn boot_out(&self, name: &EntryName, watch: &Watch<'_>) -> Result<(), InstallError> {
        if !self.is_loaded(name, watch)? {
            return Ok(());
        }
        let ended = self.tools.run("launchctl", &[&"bootout", &self.service(name)], watch);
        let mut pause = self.pause;
        for _ in 0..TRIES {
            if !self.is_loaded(name, watch)? {
                return Ok(());
            }
            watch.pause(pause)?;
            pause *= 2;
        }
        match ended {
            Err(error) => Err(InstallError::program("take the service out of launchd", error)),
            Ok(_) => Err(InstallError::Busy { place: self.service(name) }),
        }
    }

    fn bootstrap(&self, name: &EntryName, watch: &Watch<'_>) -> Result<(), InstallError> {
        let path = self.folder.join(Self::file(name));
        let mut pause = self.pause;
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match self.tools.run("launchctl", &[&"bootstrap", &self.domain, &path], watch) {
                Ok(_) => return Ok(()),
                Err(ProgramError::Status { .. }) if tries > 0 => {}
                Err(error) => return Err(InstallError::program("load the service into launchd", error)),
            }
            watch.pause(pause)?;
            pause *= 2;
        }
    }

    fn load(&self, name: &EntryName, file: &File, watch: &Watch<'_>) -> Result<(), InstallError> {
        // A run that is under way is asked to end by this, and cleans up; the guard makes up for it.
        self.boot_out(name, watch)?;
        self.bootstrap(name, watch)?;
        files::read_back(&self.folder, std::slice::from_ref(file))?;
        if !self.is_loaded(name, watch)? {
            let why = "launchd took it and does not have it".to_owned();
            return Err(InstallError::NotArmed { name: name.clone(), why });
        }
        Ok(())
    }

    fn has_program(&self) -> bool {
        self.tools.find("launchctl").is_some()
    }
}

impl Scheduler for Launchd {
    fn backend(&self) -> Backend {
        Backend::Launchd
    }

    fn ready(&self, _: &Watch<'_>) -> Result<(), InstallError> {
        if self.has_program() {
            return Ok(());
        }
        Err(InstallError::NoProgram { program: "launchctl", backend: Backend::Launchd })
    }

    fn installed(&self, _: &Watch<'_>) -> Result<Vec<Installed>, InstallError> {
        let mut found = Vec::new();
        for file in files::names(&self.folder)? {
            let label = file.strip_suffix(".plist").and_then(|stem| stem.strip_prefix(marks::LABEL));
            let Some(name) = label.and_then(EntryName::parse) else { continue };
            let Some(bytes) = files::read(&self.folder.join(&file))? else { continue };
            let files = vec![File { name: file, bytes }];
            found.extend(marker::installed(Backend::Launchd, &name, files, &[]));
        }
        Ok(found)
    }

    fn state(&self, installed: &Installed, watch: &Watch<'_>) -> Result<State, InstallError> {
        let mut state = State::of(installed);
        let path = self.folder.join(Self::file(&installed.name));
        if let Some((mode, _)) = platform::files::mode_and_owner(&path).on("look at", &path)?
            && mode & 0o022 != 0
        {
            let fact = format!("launchd refuses {}: others may write it (mode {mode:04o})", path.display());
            state.find(EntryState::NeverFires, true, fact);
        }
        if !self.has_program() {
            state.find(EntryState::Disabled, false, "there is no launchctl on the PATH to ask");
        } else if !self.is_loaded(&installed.name, watch)? {
            let fact = format!("launchd has not loaded it into {}", self.domain);
            state.find(EntryState::Disabled, true, fact);
        }
        Ok(state)
    }

    fn free(&self, name: &EntryName, _: &Watch<'_>) -> Result<(), InstallError> {
        files::refuse_foreign(Backend::Launchd, &self.folder.join(Self::file(name)))
    }

    fn put(&mut self, name: &EntryName, rendered: &Rendered, _: &Watch<'_>) -> Result<(), InstallError> {
        let [file] = &rendered.files[..] else {
            let why = "it is not one property list".to_owned();
            return Err(InstallError::Unfit { name: name.clone(), backend: Backend::Launchd, why });
        };
        if file.name != Self::file(name) {
            let why = format!("its file is {}", file.name);
            return Err(InstallError::Unfit { name: name.clone(), backend: Backend::Launchd, why });
        }
        let path = self.folder.join(&file.name);
        files::refuse_foreign(Backend::Launchd, &path)?;
        // The file before the service: should this be killed between the two, launchd reads it at the next login.
        files::write(&path, &file.bytes)?;
        self.put.push((name.clone(), file.clone()));
        Ok(())
    }

    fn remove(&mut self, name: &EntryName, watch: &Watch<'_>) -> Result<(), InstallError> {
        let path = self.folder.join(Self::file(name));
        files::refuse_foreign(Backend::Launchd, &path)?;
        if fs::symlink_metadata(&path).is_err() {
            return Ok(());
        }
        if self.has_program() {
            // Out first: a service whose file is gone stays loaded, and fires until the next login.
            self.boot_out(name, watch)?;
        }
        files::remove(&path)?;
        Ok(())
    }

    fn settle(&mut self, watch: &Watch<'_>) -> Result<Settled, InstallError> {
        let mut settled = Settled::default();
        for (name, file) in std::mem::take(&mut self.put) {
            match self.load(&name, &file, watch) {
                Err(error) if error.is_stop() => return Err(error),
                Err(error) => settled.failed.push((name, error)),
                Ok(()) => {}
            }
        }
        Ok(settled)
    }
}
