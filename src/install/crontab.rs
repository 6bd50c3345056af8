//! A user's crontab: blocks between other people's lines, changed through crontab(1) alone.
//!
//! All changes are made in one cycle: read, change, check, read again, write, read back; under a lock, so that of two of this
//! program one waits. `crontab -e` takes no lock, so what it writes between the last two steps would be lost; the text that
//! was there is kept.

mod daemon;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use super::{InstallError, Installed, Scheduler, Settled, State, Tools, marker, tools};
use crate::{
    exec::program::ProgramError,
    fault::OnPath as _,
    platform::{
        self,
        whole::{self, Readers},
    },
    schedule::{
        entry::{Backend, EntryName},
        render::{
            File, Rendered,
            crontab_text::{Block, find_blocks, with_block, without_block},
            hash_of,
        },
    },
    scratch::create_private_folder,
    watch::Watch,
};
use std::{
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

pub use daemon::Daemon;

/// Below the state folder: the text that the crontab had before it was last changed.
const BEFORE: &str = "crontab.before";
/// Below the state folder: held while the crontab is changed.
const LOCK: &str = "crontab.lock";
/// How long another one of this program may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often somebody else may write between reading and writing.
const TRIES: usize = 5;
/// What crontab(1) says, in English, of a user who has none. Only this means that there is none: whatever else fails, the
/// crontab may be there and would be lost.
const NONE: &str = "no crontab for";

/// How Debian's `crontab -l` prints a carriage return.
const CARRIAGE_RETURN: &[u8] = br"\r";

/// Whose crontab(1) it is, which tells what it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Debian's: `-n FILE` checks a file.
    Debian,
    /// Of cronie: `-T FILE` checks one, and `-n` would name the host of a cluster.
    Cronie,
    /// Of busybox, whose daemon reads lines in its own way.
    Busybox,
    /// Another one: nothing is known of it but crontab(1) of POSIX.
    Other,
}

/// A user's crontab.
#[derive(Debug)]
pub struct Crontab {
    tools: Tools,
    /// Another user's than that of this process.
    user: Option<String>,
    /// The private folder for the lock and the text before.
    state: PathBuf,
    daemon: Daemon,
    edits: Vec<Edit>,
}

#[derive(Debug)]
enum Edit {
    Put(EntryName, File),
    Remove(EntryName),
}

impl Crontab {
    /// The one of the user who runs this.
    pub fn new(state: PathBuf, tools: Tools) -> Self {
        Self { tools, user: None, state, daemon: Daemon::of_host(), edits: Vec::new() }
    }

    /// Another user's, which needs root.
    #[must_use]
    pub fn of_user(self, user: impl Into<String>) -> Self {
        Self { user: Some(user.into()), ..self }
    }

    /// The same with another place where running programs are looked for.
    #[must_use]
    pub fn with_daemon(self, daemon: Daemon) -> Self {
        Self { daemon, ..self }
    }

    /// Whose crontab(1) it is.
    ///
    /// # Errors
    /// When it is to stop, or cannot be started.
    pub fn dialect(&self, watch: &Watch<'_>) -> Result<Dialect, InstallError> {
        // Of the four only cronie's knows the word; the others complain, and say what they know.
        let (said, ended) = self.tools.listen("crontab", &[&"-V"], watch);
        match ended {
            Ok(()) if said.contains("cronie") => Ok(Dialect::Cronie),
            Err(error) if tools::status(&error).is_none() => {
                Err(InstallError::program("call crontab(1)", error))
            }
            Err(_) if said.contains("BusyBox") => Ok(Dialect::Busybox),
            Err(_) if said.contains("[-n]") => Ok(Dialect::Debian),
            Ok(()) | Err(_) => Ok(Dialect::Other),
        }
    }

    fn place(&self) -> String {
        self.user.as_ref().map_or_else(|| "the crontab".to_owned(), |user| format!("the crontab of {user}"))
    }

    fn words<'a>(&'a self, words: &[&'a dyn AsRef<OsStr>]) -> Vec<&'a dyn AsRef<OsStr>> {
        let mut all: Vec<&dyn AsRef<OsStr>> = Vec::new();
        if let Some(user) = &self.user {
            all.extend([&"-u" as &dyn AsRef<OsStr>, user]);
        }
        all.extend(words);
        all
    }

    /// The text of the crontab; `None` where the user has none.
    fn read(&self, watch: &Watch<'_>) -> Result<Option<Vec<u8>>, InstallError> {
        match self.tools.run("crontab", &self.words(&[&"-l"]), watch) {
            Ok(text) if text.windows(2).any(|pair| pair == CARRIAGE_RETURN) => {
                self.read_exactly(&text, watch).map(Some)
            }
            Ok(text) => Ok(Some(text)),
            Err(ProgramError::Status { said, .. }) if said.iter().any(|line| line.contains(NONE)) => Ok(None),
            Err(error) => Err(InstallError::program(format!("read {}", self.place()), error)),
        }
    }

    /// The text of a crontab in whose listing carriage returns may be written as two characters: Debian's `crontab -l` does
    /// so, and what is then written back would be another text. `crontab -e` hands an editor the text itself; an editor that
    /// prints it changes nothing.
    fn read_exactly(&self, listed: &[u8], watch: &Watch<'_>) -> Result<Vec<u8>, InstallError> {
        let tools = self.tools.clone().variable("VISUAL", "cat").variable("EDITOR", "cat");
        let text = tools.run("crontab", &self.words(&[&"-e"]), watch);
        let text = text.map_err(|error| InstallError::program(format!("read {}", self.place()), error))?;
        let mut shown = Vec::new();
        for byte in &text {
            match byte {
                b'\r' => shown.extend_from_slice(CARRIAGE_RETURN),
                other => shown.push(*other),
            }
        }
        if text == listed || shown == listed {
            return Ok(text);
        }
        let why = "`crontab -l` and `crontab -e` show two different texts".to_owned();
        Err(InstallError::Answer { program: "crontab", why })
    }

    fn blocks(&self, text: &[u8]) -> Result<Vec<Block>, InstallError> {
        find_blocks(text).map_err(|defects| InstallError::Blocks { place: self.place(), defects })
    }

    fn edited(&self, text: &[u8], edits: &[Edit]) -> Result<Vec<u8>, InstallError> {
        let mut text = text.to_vec();
        for edit in edits {
            let edited = match edit {
                Edit::Put(_, file) => with_block(&text, &file.bytes),
                Edit::Remove(name) => without_block(&text, name),
            };
            text = edited.map_err(|defects| InstallError::Blocks { place: self.place(), defects })?;
        }
        Ok(text)
    }

    /// Asks crontab(1) about a text, where it can be asked.
    fn check(&self, dialect: Dialect, file: &Path, watch: &Watch<'_>) -> Result<(), InstallError> {
        let word = match dialect {
            Dialect::Debian => "-n",
            Dialect::Cronie => "-T",
            Dialect::Busybox | Dialect::Other => return Ok(()),
        };
        let (said, ended) = self.tools.listen("crontab", &[&word, &file], watch);
        match ended {
            Ok(()) => Ok(()),
            // One that does not know the word says nothing about the text.
            Err(error) if tools::status(&error).is_some() && said.contains("invalid option") => Ok(()),
            // What it says of a text ends so; a full disk is another matter.
            Err(error) if tools::status(&error).is_some() && said.contains("can't install") => {
                Err(InstallError::Refused { said: complaint(&said, file, dialect) })
            }
            Err(error) => {
                let said = said.trim().replace('\n', "; ");
                Err(InstallError::program(
                    format!("have crontab(1) look at the crontab, as it says `{said}`"),
                    error,
                ))
            }
        }
    }

    /// One cycle; `false` where somebody else wrote meanwhile, and nothing was written.
    fn cycle(
        &self,
        edits: &[Edit],
        dialect: Dialect,
        watch: &Watch<'_>,
    ) -> Result<Option<Vec<u8>>, InstallError> {
        let before = self.read(watch)?;
        let old = before.as_deref().unwrap_or_default();
        let mut new = self.edited(old, edits)?;
        if new == old {
            return Ok(Some(new));
        }
        let mut file = whole::temporary(&self.state)?;
        let place = file.path().to_owned();
        file.write_all(&new).on("write", &place)?;
        if let Err(error) = self.check(dialect, &place, watch) {
            // The last line of a text may have lost its end when its block was taken out; crontab(1) takes no such text, so
            // that only another program can have written it.
            if new.is_empty() || new.ends_with(b"\n") {
                return Err(error);
            }
            new.push(b'\n');
            file.write_all(b"\n").on("write", &place)?;
            self.check(dialect, &place, watch)?;
        }
        if let Some(old) = &before {
            // Before anything is lost: what is written next replaces the whole crontab.
            whole::replace(&self.before(), old, Readers::Owner)?;
        }
        if self.read(watch)? != before {
            return Ok(None);
        }
        // From here on a kill leaves the old crontab or the new one: crontab(1) renames it into place.
        let written = if new.is_empty() {
            // There was none before the first block came, or it said nothing.
            self.tools.run("crontab", &self.words(&[&"-r"]), watch)
        } else {
            self.tools.run("crontab", &self.words(&[&place]), watch)
        };
        written.map_err(|error| InstallError::program(format!("write {}", self.place()), error))?;
        if self.read(watch)?.unwrap_or_default() != new {
            let kept = before.is_some().then(|| self.before());
            return Err(InstallError::Unlike { place: self.place(), kept });
        }
        Ok(Some(new))
    }

    fn before(&self) -> PathBuf {
        match &self.user {
            Some(user) => self.state.join(format!("{BEFORE}.{user}")),
            None => self.state.join(BEFORE),
        }
    }

    /// Waits for another one of this program that changes a crontab.
    fn lock(&self, watch: &Watch<'_>) -> Result<std::fs::File, InstallError> {
        create_private_folder(&self.state)?;
        let path = self.state.join(LOCK);
        let file = platform::files::open_lock(&path).on("open", &path)?;
        let pause = Duration::from_millis(50);
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(std::fs::TryLockError::WouldBlock) if waited < PATIENCE => {}
                Err(std::fs::TryLockError::WouldBlock) => {
                    return Err(InstallError::Busy { place: self.place() });
                }
                Err(std::fs::TryLockError::Error(error)) => return Err(error).on("lock", &path)?,
            }
            watch.pause(pause)?;
            waited += pause;
        }
    }
}

/// What crontab(1) says of a text, with the number of the line from 1.
fn complaint(said: &str, file: &Path, dialect: Dialect) -> String {
    let place = format!("\"{}\":", file.display());
    let line = |line: &str| {
        let placed = line.strip_prefix(&place).and_then(|rest| rest.split_once(':'));
        let number = placed.and_then(|(number, rest)| Some((number.parse::<u32>().ok()?, rest)));
        // Debian's counts the lines that came before.
        let before = u32::from(dialect == Dialect::Debian);
        number.map_or_else(|| line.to_owned(), |(number, rest)| format!("line {}:{rest}", number + before))
    };
    said.lines().map(line).collect::<Vec<_>>().join("; ")
}

impl Scheduler for Crontab {
    fn backend(&self) -> Backend {
        Backend::Cron
    }

    fn ready(&self, watch: &Watch<'_>) -> Result<(), InstallError> {
        if self.tools.find("crontab").is_none() {
            return Err(InstallError::NoProgram { program: "crontab", backend: Backend::Cron });
        }
        self.read(watch).and_then(|text| self.blocks(&text.unwrap_or_default())).map(drop)
    }

    fn installed(&self, watch: &Watch<'_>) -> Result<Vec<Installed>, InstallError> {
        if self.tools.find("crontab").is_none() {
            return Ok(Vec::new());
        }
        let text = self.read(watch)?.unwrap_or_default();
        let mut installed: Vec<_> = self.blocks(&text)?.iter().map(|block| entry(block, &text)).collect();
        installed.sort_by(|one: &Installed, other| one.name.cmp(&other.name));
        Ok(installed)
    }

    fn state(&self, installed: &Installed, watch: &Watch<'_>) -> Result<State, InstallError> {
        let mut state = State::of(installed);
        let text = self.read(watch)?.unwrap_or_default();
        if let Some(block) = self.blocks(&text)?.iter().find(|block| block.name == installed.name) {
            for setting in settings_above(&text[..block.bytes.start]) {
                state.note(format!("`{setting}` stands above it in the crontab, and holds for it too"));
            }
        }
        self.daemon.judge(&mut state);
        Ok(state)
    }

    fn free(&self, _: &EntryName, _: &Watch<'_>) -> Result<(), InstallError> {
        // What lies between other people's lines is told by its marks, which were read.
        Ok(())
    }

    fn put(&mut self, name: &EntryName, rendered: &Rendered, _: &Watch<'_>) -> Result<(), InstallError> {
        let unfit = |why: &str| {
            Err(InstallError::Unfit { name: name.clone(), backend: Backend::Cron, why: why.to_owned() })
        };
        let [file] = &rendered.files[..] else { return unfit("it is not one block") };
        match find_blocks(&file.bytes).as_deref() {
            Ok([block]) if block.name == *name && block.bytes == (0..file.bytes.len()) => {}
            _ => return unfit("it is not one block of its name"),
        }
        self.edits.push(Edit::Put(name.clone(), file.clone()));
        Ok(())
    }

    fn remove(&mut self, name: &EntryName, _: &Watch<'_>) -> Result<(), InstallError> {
        self.edits.push(Edit::Remove(name.clone()));
        Ok(())
    }

    fn settle(&mut self, watch: &Watch<'_>) -> Result<Settled, InstallError> {
        let edits = std::mem::take(&mut self.edits);
        let mut settled = Settled::default();
        if edits.is_empty() || self.tools.find("crontab").is_none() {
            return Ok(settled);
        }
        let _held = self.lock(watch)?;
        let dialect = self.dialect(watch)?;
        let mut tries = 0..TRIES;
        let text = loop {
            if tries.next().is_none() {
                return Err(InstallError::Busy { place: self.place() });
            }
            if let Some(text) = self.cycle(&edits, dialect, watch)? {
                break text;
            }
        };
        let there = self.blocks(&text)?;
        for edit in &edits {
            let Edit::Put(name, file) = edit else { continue };
            let block = there.iter().find(|block| block.name == *name);
            if block.map(|block| block.file(&text)).as_ref() != Some(file) {
                settled.failed.push((name.clone(), InstallError::Unlike { place: self.place(), kept: None }));
            }
            let above = block.map_or(&[][..], |block| &text[..block.bytes.start]);
            for setting in settings_above(above) {
                let warning = format!("`{setting}` stands above {name} in the crontab, and holds for it too");
                settled.warnings.push(warning);
            }
        }
        settled.warnings.extend(self.daemon.trouble());
        Ok(settled)
    }
}

/// A block as an entry.
fn entry(block: &Block, text: &[u8]) -> Installed {
    let files = vec![block.file(text)];
    let altered = (hash_of(&files, &block.hash) != block.hash).then(|| marker::CHANGED.to_owned());
    Installed { name: block.name.clone(), files, stated: block.hash.clone(), altered }
}

/// The settings in a crontab that change when, or in what shell, the lines after them run (crontab(5)).
fn settings_above(text: &[u8]) -> Vec<String> {
    let is_one = |line: &str| {
        let name = line.split('=').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        line.contains('=') && ["CRON_TZ", "SHELL", "RANDOM_DELAY"].contains(&name)
    };
    let text = String::from_utf8_lossy(text);
    text.lines().map(str::trim).filter(|line| is_one(line)).map(str::to_owned).collect()
}
