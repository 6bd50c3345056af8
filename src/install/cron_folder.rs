//! `/etc/cron.d`: one file for each entry.
//!
//! Debian's cron reads a file there only when its name has no dot, its owner is root, nobody else may write it, it is no link,
//! and its last line has an end; one bad line makes it skip the whole file. It says so in the system's log alone.

use super::{EntryState, InstallError, Installed, Scheduler, Settled, State, crontab::Daemon, files, marker};
use crate::{
    fault::OnPath as _,
    platform,
    schedule::{
        entry::{Backend, EntryName},
        render::{File, Rendered},
    },
    watch::Watch,
};
use std::path::PathBuf;

/// The entries of a folder of crontabs.
#[derive(Debug)]
pub struct CronFolder {
    folder: PathBuf,
    /// Who must own its files: root's id is 0.
    owner: u32,
    daemon: Daemon,
    put: Vec<(EntryName, File)>,
    removed: bool,
}

impl CronFolder {
    /// Those of the host.
    pub fn of_host() -> Self {
        Self::new("/etc/cron.d", 0, Daemon::of_host())
    }

    /// Those of a folder whose files must have a certain owner.
    pub fn new(folder: impl Into<PathBuf>, owner: u32, daemon: Daemon) -> Self {
        Self { folder: folder.into(), owner, daemon, put: Vec::new(), removed: false }
    }

    fn read(&self, name: &EntryName) -> Result<Option<Installed>, InstallError> {
        let Some(bytes) = files::read(&self.folder.join(name.as_str()))? else { return Ok(None) };
        let files = vec![File { name: name.to_string(), bytes }];
        Ok(marker::installed(Backend::Cron, name, files, &[]))
    }
}

impl Scheduler for CronFolder {
    fn backend(&self) -> Backend {
        Backend::Cron
    }

    fn ready(&self, _: &Watch<'_>) -> Result<(), InstallError> {
        // A cron that is not installed has no folder, and ours would be read by nobody.
        platform::rights::may_write_in(&self.folder).on("write into", &self.folder).map_err(Into::into)
    }

    fn installed(&self, _: &Watch<'_>) -> Result<Vec<Installed>, InstallError> {
        let names = files::names(&self.folder)?;
        let names = names.iter().filter_map(|name| EntryName::parse(name));
        names.filter_map(|name| self.read(&name).transpose()).collect()
    }

    fn state(&self, installed: &Installed, _: &Watch<'_>) -> Result<State, InstallError> {
        let mut state = State::of(installed);
        let path = self.folder.join(installed.name.as_str());
        if let Some((mode, owner)) = platform::files::mode_and_owner(&path).on("look at", &path)? {
            if owner != self.owner {
                let fact =
                    format!("cron skips {}: its owner is {owner}, and not {}", path.display(), self.owner);
                state.find(EntryState::NeverFires, true, fact);
            }
            if mode & 0o022 != 0 {
                let fact = format!("cron skips {}: others may write it (mode {mode:04o})", path.display());
                state.find(EntryState::NeverFires, true, fact);
            }
        }
        if installed.files.iter().any(|file| !file.bytes.ends_with(b"\n")) {
            let fact = format!("cron skips {}: its last line has no end", path.display());
            state.find(EntryState::NeverFires, true, fact);
        }
        self.daemon.judge(&mut state);
        Ok(state)
    }

    fn free(&self, name: &EntryName, _: &Watch<'_>) -> Result<(), InstallError> {
        files::refuse_foreign(Backend::Cron, &self.folder.join(name.as_str()))
    }

    fn put(&mut self, name: &EntryName, rendered: &Rendered, _: &Watch<'_>) -> Result<(), InstallError> {
        let unfit = |why: &str| InstallError::Unfit {
            name: name.clone(),
            backend: Backend::Cron,
            why: why.to_owned(),
        };
        let [file] = &rendered.files[..] else { return Err(unfit("it is not one file")) };
        if file.name != name.as_str() || !file.bytes.ends_with(b"\n") {
            return Err(unfit("it is not a file of its name whose last line has an end"));
        }
        let path = self.folder.join(&file.name);
        files::refuse_foreign(Backend::Cron, &path)?;
        // In one step: cron looks every minute, and must not see half of it.
        files::write(&path, &file.bytes)?;
        self.put.push((name.clone(), file.clone()));
        Ok(())
    }

    fn remove(&mut self, name: &EntryName, _: &Watch<'_>) -> Result<(), InstallError> {
        let path = self.folder.join(name.as_str());
        files::refuse_foreign(Backend::Cron, &path)?;
        self.removed |= files::remove(&path)?;
        Ok(())
    }

    fn settle(&mut self, watch: &Watch<'_>) -> Result<Settled, InstallError> {
        let mut settled = Settled::default();
        for (name, file) in std::mem::take(&mut self.put) {
            let read_back = files::read_back(&self.folder, std::slice::from_ref(&file));
            let judged = read_back.and_then(|()| match self.read(&name)? {
                Some(installed) => self.state(&installed, watch).map(Some),
                None => Ok(None),
            });
            match judged {
                Err(error) if error.is_stop() => return Err(error),
                Err(error) => settled.failed.push((name, error)),
                Ok(Some(state)) if state.mendable => {
                    settled
                        .failed
                        .push((name.clone(), InstallError::NotArmed { name, why: state.facts.join("; ") }));
                }
                Ok(_) => {}
            }
        }
        settled.warnings.extend(self.daemon.trouble());
        Ok(settled)
    }
}
