//! What is read of this host once, before anything else: environment, home, state folder, machine, clock.
#![expect(clippy::disallowed_methods, reason = "reading the host is what this module is for")]

use crate::{
    fault::{Fault, OnPath},
    platform::process,
    policy::paths::normalized,
    schedule::due::Moment,
    scratch::create_private_folder,
};
use chrono::{DateTime, SubsecRound, Utc};
use etcetera::BaseStrategy;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// Below the state folder: what tells this machine apart where the system does not.
const MACHINE_ID: &str = "machine-id";

/// The host as this process sees it.
#[derive(Debug)]
pub struct Host {
    /// The process environment; names and values that are not Unicode are left out.
    pub environment: BTreeMap<String, String>,
    /// The home folder, where there is one.
    pub home: Option<PathBuf>,
    /// The working directory: command-line arguments belong to it, nothing in a policy does.
    pub working_folder: PathBuf,
    /// `$POLICY_STATE_DIR`, else the platform's state folder.
    pub state: PathBuf,
    given_now: Option<DateTime<Utc>>,
    /// Tells this machine apart while nothing else does, until [`Host::keep_machine_id`] keeps it.
    passing_id: OnceLock<String>,
}

/// Why the host cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No home folder and no `$POLICY_STATE_DIR`.
    #[error("there is no home folder, and POLICY_STATE_DIR is not set")]
    NoState,
    /// A path could not be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Host {
    /// Reads the host.
    ///
    /// # Errors
    /// Fails when neither a home folder nor `POLICY_STATE_DIR` tells where state belongs.
    pub fn read(now: Option<DateTime<Utc>>) -> Result<Self, HostError> {
        let environment: BTreeMap<String, String> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let home = etcetera::home_dir().ok().filter(|home| home.is_absolute());
        let working_folder = env::current_dir().on("read the name of the working directory", ".")?;
        let state = match environment.get("POLICY_STATE_DIR").filter(|dir| !dir.is_empty()) {
            Some(dir) => working_folder.join(dir),
            None => platform_state_folder().ok_or(HostError::NoState)?,
        };
        Ok(Self { environment, home, working_folder, state, given_now: now, passing_id: OnceLock::new() })
    }

    /// The same host with another environment, and the home and state folders that follow from it.
    #[must_use]
    pub fn with_environment(&self, environment: BTreeMap<String, String>) -> Self {
        let given = environment.get("POLICY_STATE_DIR").filter(|dir| !dir.is_empty());
        let state = given.map_or_else(|| self.state.clone(), |dir| self.working_folder.join(dir));
        Self {
            environment,
            home: self.home.clone(),
            working_folder: self.working_folder.clone(),
            state,
            given_now: self.given_now,
            passing_id: self.passing_id.clone(),
        }
    }

    /// A path as a command line names it: by itself, or from the working directory; without `.` and `..`.
    pub fn absolute(&self, path: impl AsRef<Path>) -> PathBuf {
        normalized(&self.working_folder.join(path))
    }

    /// The same host as a user with that home sees it, whose state lies where it usually does.
    #[must_use]
    pub fn with_home(&self, home: PathBuf) -> Self {
        let state = home.join(".local/state/policy");
        Self { home: Some(home), state, ..self.with_environment(self.environment.clone()) }
    }

    /// The calendar's time in whole seconds: the one given by `--now`, which stands still, else the real one.
    pub fn now(&self) -> DateTime<Utc> {
        self.given_now.unwrap_or_else(Utc::now).trunc_subsecs(0)
    }

    /// The time given by `--now`, as it was given.
    pub fn given_now(&self) -> Option<DateTime<Utc>> {
        self.given_now
    }

    /// The real clock.
    pub fn real_now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    /// The real clock, and the time since the host's start.
    pub fn moment(&self) -> Moment {
        let (boot, up) = process::since_boot().unzip();
        let up = up.map_or(0, |up| i64::try_from(up.as_secs()).unwrap_or(i64::MAX));
        Moment { at: self.real_now(), boot, up_secs: up }
    }

    /// Whether `--now` lies later than the real clock: then nothing is deleted.
    pub fn is_ahead(&self) -> bool {
        self.given_now.is_some_and(|given| given > Utc::now())
    }

    /// What tells this machine apart: `POLICY_MACHINE_ID`, else the system's own id, else the one kept in the state
    /// folder. Where there is none yet it is a random one, of which no backup can be. Makes nothing.
    ///
    /// # Errors
    /// Fails when there is none and the system has no random bytes.
    pub fn machine_id(&self) -> Result<String, Fault> {
        if let Some(id) = self.known_machine_id() {
            return Ok(id);
        }
        if let Some(id) = self.passing_id.get() {
            return Ok(id.clone());
        }
        let id = random_id()?;
        Ok(self.passing_id.get_or_init(|| id).clone())
    }

    /// Keeps the id that [`Host::machine_id`] made up, if it did: before the first backup is made under it.
    ///
    /// # Errors
    /// Fails when the state folder cannot keep it, or another process kept another one meanwhile.
    pub fn keep_machine_id(&self) -> Result<(), Fault> {
        let Some(id) = self.passing_id.get() else { return Ok(()) };
        let path = self.state.join(MACHINE_ID);
        if self.known_machine_id().is_none() {
            create_private_folder(&self.state)?;
            let mut file =
                tempfile::NamedTempFile::new_in(&self.state).on("create a file in", &self.state)?;
            file.write_all(id.as_bytes()).on("write", &path)?;
            file.as_file().sync_all().on("write", &path)?;
            // One without content is no id.
            let kept = if path.exists() { file.persist(&path) } else { file.persist_noclobber(&path) };
            match kept {
                Err(lost) if lost.error.kind() == std::io::ErrorKind::AlreadyExists => {}
                kept => drop(kept.map_err(|lost| lost.error).on("write", &path)?),
            }
        }
        if self.known_machine_id().as_ref() == Some(id) {
            return Ok(());
        }
        let source = std::io::Error::other("another process has just done so: run again");
        Err(Fault { verb: "keep this machine's id in", path, source })
    }

    fn known_machine_id(&self) -> Option<String> {
        let named = |id: &String| !id.trim().is_empty();
        let given = self.environment.get("POLICY_MACHINE_ID").filter(|id| !id.is_empty()).cloned();
        // Compared byte by byte in origins: the environment's id counts as it was given.
        let found = || machine_uid::get().ok().filter(named);
        let kept = || fs::read_to_string(self.state.join(MACHINE_ID)).ok().filter(named);
        given.or_else(|| found().or_else(kept).map(|id| id.trim().to_owned()))
    }

    /// The origin of a backup: a digest of machine and resolved source, which tells two hosts in one store apart.
    ///
    /// # Errors
    /// See [`Host::machine_id`].
    pub fn origin(&self, source: &Path) -> Result<String, Fault> {
        let mut hash = Sha256::new();
        hash.update(self.machine_id()?.as_bytes());
        hash.update([0]);
        hash.update(source.as_os_str().as_encoded_bytes());
        Ok(hex::encode(&hash.finalize()[..16]))
    }

    /// Where programs are looked for: the variable `PATH`.
    pub fn path(&self) -> OsString {
        self.environment.get("PATH").map(OsString::from).unwrap_or_default()
    }

    /// Where private folders for temporary copies are made, unless the policy says otherwise.
    pub fn scratch(&self) -> PathBuf {
        self.state.join("scratch")
    }

    /// A private folder below the state folder, made when it is not there.
    ///
    /// # Errors
    /// Fails when it cannot be made.
    pub fn state_folder(&self, name: &str) -> Result<PathBuf, Fault> {
        create_private_folder(&self.state)?;
        let folder = self.state.join(name);
        create_private_folder(&folder)?;
        Ok(folder)
    }
}

fn platform_state_folder() -> Option<PathBuf> {
    let strategy = etcetera::base_strategy::choose_native_strategy().ok()?;
    // `etcetera` has no state folder for macOS and Windows: there data and cache folders are the platform's custom.
    let folder = strategy
        .state_dir()
        .unwrap_or_else(|| if cfg!(windows) { strategy.cache_dir() } else { strategy.data_dir() });
    Some(folder.join("policy"))
}

/// Sixteen random bytes in hex.
fn random_id() -> Result<String, Fault> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).on("ask the system for random bytes, wanted for", "machine-id")?;
    Ok(hex::encode(bytes))
}
