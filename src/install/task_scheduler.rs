//! Tasks of the Windows Task Scheduler, below `\policy\`.
//!
//! Windows keeps a task in its own words: it moves elements, adds some, and writes accounts as it knows them. So what was
//! installed is kept in the state folder, its hash is that of the entry, and what Windows has is compared with it by what it
//! says (`xml`).

#[cfg(test)]
#[cfg(unix)]
mod tests;
mod xml;

use super::{EntryState, InstallError, Installed, Scheduler, Settled, State, Tools, files, marker};
use crate::{
    schedule::{
        entry::{Backend, EntryName},
        render::{File, Rendered, hash_of, marks},
    },
    scratch::create_private_folder,
    watch::Watch,
};
use std::path::PathBuf;

/// Below the state folder: the texts of the tasks as they were installed.
const KEPT: &str = "tasks";

/// The tasks of this host.
#[derive(Debug)]
pub struct TaskScheduler {
    state: PathBuf,
    tools: Tools,
    put: Vec<(EntryName, File)>,
}

impl TaskScheduler {
    /// Those of this host; what is installed is kept below a state folder.
    pub fn new(state: PathBuf, tools: Tools) -> Self {
        Self { state, tools, put: Vec::new() }
    }

    fn task(name: &EntryName) -> String {
        format!("{}{name}", marks::TASK_FOLDER)
    }

    fn kept(&self, name: &EntryName) -> PathBuf {
        self.state.join(KEPT).join(format!("{name}.xml"))
    }

    fn has_program(&self) -> bool {
        self.tools.find("schtasks").is_some()
    }

    /// The names of all our tasks. In CSV the name comes first, in every language of Windows.
    fn names(&self, watch: &Watch<'_>) -> Result<Vec<EntryName>, InstallError> {
        let listed = self.tools.run("schtasks", &[&"/Query", &"/FO", &"CSV", &"/NH"], watch);
        let listed = listed.map_err(|error| InstallError::program("list the tasks of Windows", error))?;
        let listed = marker::text_of(&listed).into_owned();
        let first = |line: &str| Some(line.trim().strip_prefix('"')?.split_once('"')?.0.to_owned());
        let names = listed.lines().filter_map(first);
        let mut names: Vec<EntryName> =
            names.filter_map(|name| EntryName::parse(name.strip_prefix(marks::TASK_FOLDER)?)).collect();
        names.sort();
        // A task with several triggers has a line for each.
        names.dedup();
        Ok(names)
    }

    /// The text of a task as Windows has it.
    fn query(&self, name: &EntryName, watch: &Watch<'_>) -> Result<Vec<u8>, InstallError> {
        let answer = self.tools.run("schtasks", &[&"/Query", &"/TN", &Self::task(name), &"/XML"], watch);
        answer.map_err(|error| InstallError::program("read a task of Windows", error))
    }

    /// A task as an entry; `None` where it bears no mark of ours.
    fn read(&self, name: &EntryName, watch: &Watch<'_>) -> Result<Option<Installed>, InstallError> {
        let there = self.query(name, watch)?;
        let Some(stated) = marker::stated(Backend::TaskScheduler, &there) else { return Ok(None) };
        let of = |bytes| vec![File { name: format!("{name}.xml"), bytes }];
        let name = name.clone();
        let kept = files::read(&self.kept(&name))?.map(of).filter(|files| hash_of(files, &stated) == stated);
        Ok(Some(match kept {
            Some(files) => {
                let text = |bytes: &[u8]| marker::text_of(bytes).into_owned();
                let altered = xml::difference(&text(&files[0].bytes), &text(&there));
                Installed { name, files, stated, altered }
            }
            None => Installed { name, files: of(there), stated, altered: None },
        }))
    }

    /// Fails where a task of that name is there and not ours; whether one is there.
    fn refuse_foreign(&self, name: &EntryName, watch: &Watch<'_>) -> Result<bool, InstallError> {
        if !self.names(watch)?.contains(name) {
            return Ok(false);
        }
        match marker::stated(Backend::TaskScheduler, &self.query(name, watch)?) {
            Some(_) => Ok(true),
            None => Err(InstallError::Foreign { place: Self::task(name) }),
        }
    }

    fn verify(&self, name: &EntryName, file: &File, watch: &Watch<'_>) -> Result<(), InstallError> {
        let unlike = || InstallError::Unlike { place: Self::task(name), kept: None };
        let installed = self.read(name, watch)?.ok_or_else(unlike)?;
        if installed.files != std::slice::from_ref(file) {
            return Err(unlike());
        }
        let state = self.state(&installed, watch)?;
        if state.mendable {
            return Err(InstallError::NotArmed { name: name.clone(), why: state.facts.join("; ") });
        }
        Ok(())
    }
}

impl Scheduler for TaskScheduler {
    fn backend(&self) -> Backend {
        Backend::TaskScheduler
    }

    fn ready(&self, _: &Watch<'_>) -> Result<(), InstallError> {
        if self.has_program() {
            return Ok(());
        }
        Err(InstallError::NoProgram { program: "schtasks", backend: Backend::TaskScheduler })
    }

    fn installed(&self, watch: &Watch<'_>) -> Result<Vec<Installed>, InstallError> {
        if !self.has_program() {
            return Ok(Vec::new());
        }
        self.names(watch)?.iter().filter_map(|name| self.read(name, watch).transpose()).collect()
    }

    fn state(&self, installed: &Installed, watch: &Watch<'_>) -> Result<State, InstallError> {
        let mut state = State::of(installed);
        let there = self.query(&installed.name, watch)?;
        if xml::is_disabled(&marker::text_of(&there)) {
            state.find(EntryState::Disabled, true, "the task is disabled");
        }
        let kept = files::read(&self.kept(&installed.name))?;
        if kept.is_none_or(|kept| installed.files.iter().any(|file| file.bytes != kept)) {
            state.note(
                "what was installed is not kept here any more, so that changes of the task are not seen",
            );
        }
        if xml::needs_login(&marker::text_of(&there)) {
            state.note("it runs only while its user is logged in, and looks healthy otherwise as well");
        }
        Ok(state)
    }

    fn free(&self, name: &EntryName, watch: &Watch<'_>) -> Result<(), InstallError> {
        self.refuse_foreign(name, watch).map(drop)
    }

    fn put(&mut self, name: &EntryName, rendered: &Rendered, watch: &Watch<'_>) -> Result<(), InstallError> {
        let [file] = &rendered.files[..] else {
            let why = "it is not one task".to_owned();
            return Err(InstallError::Unfit { name: name.clone(), backend: Backend::TaskScheduler, why });
        };
        self.refuse_foreign(name, watch)?;
        create_private_folder(&self.state)?;
        let kept = self.kept(name);
        // Kept first: a task that is there and was not kept could not be compared. The hash of what is kept tells whether it
        // is what Windows was given.
        files::write(&kept, &file.bytes)?;
        // One step, which replaces the task of that name.
        let words: [&dyn AsRef<std::ffi::OsStr>; 6] =
            [&"/Create", &"/TN", &Self::task(name), &"/XML", &kept, &"/F"];
        let made = self.tools.run("schtasks", &words, watch);
        made.map_err(|error| InstallError::program(format!("make the task {}", Self::task(name)), error))?;
        self.put.push((name.clone(), File { name: format!("{name}.xml"), bytes: file.bytes.clone() }));
        Ok(())
    }

    fn remove(&mut self, name: &EntryName, watch: &Watch<'_>) -> Result<(), InstallError> {
        if self.has_program() && self.refuse_foreign(name, watch)? {
            let removed = self.tools.run("schtasks", &[&"/Delete", &"/TN", &Self::task(name), &"/F"], watch);
            removed.map_err(|error| {
                InstallError::program(format!("remove the task {}", Self::task(name)), error)
            })?;
        }
        files::remove(&self.kept(name))?;
        Ok(())
    }

    fn settle(&mut self, watch: &Watch<'_>) -> Result<Settled, InstallError> {
        let mut settled = Settled::default();
        for (name, file) in std::mem::take(&mut self.put) {
            match self.verify(&name, &file, watch) {
                Err(error) if error.is_stop() => return Err(error),
                Err(error) => settled.failed.push((name, error)),
                Ok(()) => {}
            }
        }
        Ok(settled)
    }
}
