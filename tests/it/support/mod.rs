//! The sealed sandbox in which tests drive the real program: its own home, state, PATH and environment.

#![allow(dead_code, reason = "every file of tests takes what it needs")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a sandbox that cannot be built is a failed test"
)]

pub(crate) mod content;
#[cfg(unix)]
pub(crate) mod disk;
#[cfg(feature = "duckdb")]
pub(crate) mod duck;
#[cfg(target_os = "linux")]
pub(crate) mod faults;
#[cfg(target_os = "linux")]
pub(crate) mod host;
#[cfg(target_os = "linux")]
pub(crate) mod installing;
#[cfg(target_os = "linux")]
pub(crate) mod manager;
#[cfg(target_os = "linux")]
pub(crate) mod postgres;
#[cfg(target_os = "linux")]
mod preload;
#[cfg(target_os = "linux")]
pub(crate) mod served;
pub(crate) mod simple;

use serde_json::Value;
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a test waits for what must come: generous, because machines are slow and nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(90);

/// A folder of its own with `home`, `bin` (first on the PATH) and `work`, the working directory.
pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
    root: PathBuf,
    variables: Vec<(String, String)>,
    /// The process in whose mount namespace everything is called, if it is not that of the tests.
    within: Option<u32>,
}

/// What a call of the program came to.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The exit code; 128 and the signal's number when a signal ended it.
    pub(crate) exit: i32,
    root: String,
}

/// A call of the program under way; dropping it kills it.
pub(crate) struct Running {
    child: Option<Child>,
    root: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// A sandbox in a given folder, as on a file system of its own.
    pub(crate) fn below(base: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("policy-it-").tempdir_in(base).unwrap();
        let root = folder.path().canonicalize().unwrap();
        for part in ["home", "bin", "work"] {
            fs::create_dir(root.join(part)).unwrap();
        }
        Self { folder, root, variables: Vec::new(), within: None }
    }

    /// A sandbox whose working directory holds `policy.yaml` with this text.
    pub(crate) fn with_policy(text: &str) -> Self {
        let sandbox = Self::new();
        sandbox.write("policy.yaml", text);
        sandbox
    }

    /// Sets a variable of every later call.
    #[must_use]
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Where the program keeps its state here.
    pub(crate) fn state(&self) -> PathBuf {
        if cfg!(target_os = "macos") {
            self.home().join("Library/Application Support/policy")
        } else {
            self.home().join(".local/state/policy")
        }
    }

    /// A place below the working directory; an absolute one stands for itself.
    pub(crate) fn path(&self, place: &str) -> PathBuf {
        self.root.join("work").join(place)
    }

    /// Writes a file, and its folder first.
    pub(crate) fn write(&self, place: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn read(&self, place: &str) -> String {
        let path = self.path(place);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The text of a file, or nothing when it is not there.
    pub(crate) fn read_or_empty(&self, place: &str) -> String {
        fs::read_to_string(self.path(place)).unwrap_or_default()
    }

    /// Makes or changes a SQLite database.
    pub(crate) fn sql(&self, place: &str, sql: &str) -> PathBuf {
        let path = self.path(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        path
    }

    /// Asks a SQLite database; the first column of the first row, as text.
    pub(crate) fn ask(&self, place: &str, sql: &str) -> String {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let database = rusqlite::Connection::open_with_flags(self.path(place), flags).unwrap();
        let value: rusqlite::types::Value = database.query_row(sql, [], |row| row.get(0)).unwrap();
        match value {
            rusqlite::types::Value::Null => "NULL".to_owned(),
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Real(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Blob(bytes) => hex::encode(bytes),
        }
    }

    /// Puts a shell script on the sandbox's PATH.
    #[cfg(unix)]
    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.root.join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The program with its arguments, in a sealed environment; the caller may change it before it starts.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.prepare(Path::new(env!("CARGO_BIN_EXE_policy")), arguments)
    }

    /// Any program in the same sealed environment.
    pub(crate) fn prepare(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = match self.within {
            None => Command::new(program),
            Some(process) => host::command_within(process, &self.root.join("work"), program),
        };
        command
            .args(arguments)
            .current_dir(self.root.join("work"))
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", format!("{}:/usr/bin:/bin", self.root.join("bin").display()))
            .env("TZ", "UTC")
            .env("COLUMNS", "100")
            .env("POLICY_MACHINE_ID", "sandbox")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Calls the program and waits for its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        self.finish(self.command(arguments))
    }

    /// Calls the program with a text on its standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Answer {
        let given = self.root.join("stdin");
        fs::write(&given, input).unwrap();
        let mut command = self.command(arguments);
        command.stdin(fs::File::open(&given).unwrap());
        self.finish(command)
    }

    /// Runs a prepared command to its end.
    pub(crate) fn finish(&self, mut command: Command) -> Answer {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Answer::new(output, self.root_text())
    }

    /// Calls the program as a user to whom permissions are refused; `None` where that cannot be had.
    #[cfg(unix)]
    pub(crate) fn run_unprivileged(&self, arguments: &[&str]) -> Option<Answer> {
        if !is_root() {
            return Some(self.run(arguments));
        }
        // For root nothing is closed: the capability that opens everything is taken off.
        let program = Path::new("/usr/bin/setpriv");
        if !program.exists() {
            skip("no setpriv, and root may read everything");
            return None;
        }
        let bounds = "--bounding-set=-dac_override,-dac_read_search";
        let mut all = vec![bounds, "--inh-caps=-all", env!("CARGO_BIN_EXE_policy")];
        all.extend(arguments);
        Some(self.finish(self.prepare(program, &all)))
    }

    /// Starts the program and returns at once.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_prepared(self.command(arguments))
    }

    /// Starts a prepared command and returns at once.
    pub(crate) fn start_prepared(&self, mut command: Command) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Running { child: Some(child), root: self.root_text() }
    }

    /// The stamps of a series in a store's folder, oldest first: folders that hold a manifest.
    pub(crate) fn backups(&self, series: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(series)) else { return Vec::new() };
        let mut stamps: Vec<String> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().join("manifest.json").is_file())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        // The tenth run of a second is newer than its ninth.
        let nth = |stamp: &str| stamp.split_once("Z-").map_or(1, |(_, nth)| nth.parse().unwrap_or(0_u32));
        stamps.sort_by_key(|stamp| (stamp.split('Z').next().unwrap_or_default().to_owned(), nth(stamp)));
        stamps
    }

    /// The manifest of a backup, by the path of its folder.
    pub(crate) fn manifest(&self, backup: &str) -> Value {
        serde_json::from_str(&self.read(&format!("{backup}/manifest.json"))).unwrap()
    }

    /// Every file and folder below a place, as paths below it, sorted.
    pub(crate) fn tree(&self, place: &str) -> Vec<String> {
        let base = self.path(place);
        let mut found = Vec::new();
        let mut open = vec![base.clone()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                found.push(path.strip_prefix(&base).unwrap().to_string_lossy().into_owned());
                if entry.file_type().unwrap().is_dir() {
                    open.push(path);
                }
            }
        }
        found.sort();
        found
    }

    fn root_text(&self) -> String {
        self.root.to_string_lossy().into_owned()
    }
}

impl Answer {
    fn new(output: std::process::Output, root: String) -> Self {
        #[cfg(unix)]
        let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        #[cfg(not(unix))]
        let signal: Option<i32> = None;
        let exit = output.status.code().unwrap_or_else(|| 128 + signal.unwrap_or_default());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { stdout: text(output.stdout), stderr: text(output.stderr), exit, root }
    }

    /// Fails the test, showing everything, when the exit code is another one.
    #[track_caller]
    pub(crate) fn exits(self, exit: i32) -> Self {
        assert!(self.exit == exit, "expected exit {exit}\n{self}");
        self
    }

    /// Fails the test when neither output has this text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let said = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(said, "expected to be told: {text}\n{self}");
        self
    }

    /// Fails the test when one of the outputs has this text.
    #[track_caller]
    pub(crate) fn hides(self, text: &str) -> Self {
        let said = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!said, "expected not to be told: {text}\n{self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON: {error}\n{self}"))
    }

    /// The error that `--json` leaves as the last line of standard error.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let line = self.stderr.lines().last().unwrap_or_default();
        let value: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {error}\n{self}"));
        value["error"].clone()
    }
}

/// Standard output, standard error and status as one text, the sandbox's folder shown as `[sandbox]`.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}--- standard error\n{}--- exit {}\n", self.stdout, self.stderr, self.exit);
        f.write_str(&text.replace(&self.root, "[sandbox]"))
    }
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Sends a signal by its name, as `TERM`.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("/bin/kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(status.unwrap().success(), "no signal {name} for {}", self.id());
    }

    /// Kills it, as a power failure would.
    pub(crate) fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    /// Waits for its end, and fails the test when that does not come.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Answer {
        let child = self.child.take().unwrap();
        let root = self.root.clone();
        let id = child.id();
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || send.send(child.wait_with_output()));
        let Ok(output) = receive.recv_timeout(PATIENCE) else {
            let _ = Command::new("/bin/kill").args(["-KILL", &id.to_string()]).status();
            panic!("it does not end");
        };
        Answer::new(output.unwrap(), root)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until something is so, and fails the test when that does not come.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Says loudly that a test cannot be made here; where `CI` is set, that is a failure.
#[track_caller]
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci.is_empty()), "this must not be skipped in CI: {why}");
    eprintln!("SKIPPED: {why}");
}

/// Whether the tests run as root, for whom no permission is refused.
#[cfg(unix)]
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
