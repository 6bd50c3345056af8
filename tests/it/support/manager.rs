//! A real user manager of systemd for a test, with a home of its own.

use super::{
    installing::{holds, installed, rendered},
    postgres::with_watch,
    skip,
};
use policy::{
    install::{Action, Scheduler as _, Tools, systemd},
    schedule::{
        entry::{EntryName, Scope},
        render::{NO_HASH, Rendered},
    },
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Holds the manager: it ends with the pipe from this process, however that ends. It wants to be on a host of systemd's, so
/// where systemd has not started this one it gets such a folder, in a mount namespace of its own.
const HOLDER: &str = r#"
if test ! -d /run/systemd/system; then
    mkdir -p /run/systemd && mount -t tmpfs policy-test /run/systemd && mkdir /run/systemd/system || exit 1
fi
/lib/systemd/systemd --user </dev/null >"$HOME/log" 2>&1 & manager=$!
cat >/dev/null
kill "$manager"; wait "$manager""#;

/// A home with a running manager.
pub(crate) struct Manager {
    pub(crate) home: tempfile::TempDir,
    holder: Child,
}

impl Manager {
    /// `None`, told loudly, where there is no systemd to run.
    pub(crate) fn start() -> Option<Self> {
        Self::with_home(|_| ())
    }

    /// The same, with something done to its home before it starts: what is mounted later it does not see.
    pub(crate) fn with_home(prepare: impl FnOnce(&Path)) -> Option<Self> {
        let is_root = super::is_root();
        let booted = Path::new("/run/systemd/system").is_dir();
        if !Path::new("/lib/systemd/systemd").is_file() || !(booted || is_root) {
            skip("a user manager of systemd (no /lib/systemd/systemd, or neither its host nor root)");
            return None;
        }
        let home = tempfile::Builder::new().prefix("policy-sd-").tempdir().unwrap();
        fs::create_dir(home.path().join("run")).unwrap();
        prepare(home.path());
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(home.path().join("run"), mode).unwrap();
        let mut command = if booted { Command::new("sh") } else { Command::new("unshare") };
        if !booted {
            command.args(["-m", "sh"]);
        }
        command.args(["-c", HOLDER]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", home.path()).env("XDG_RUNTIME_DIR", home.path().join("run"));
        let holder = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let manager = Self { home, holder };
        holds("the manager answers", || manager.systemd().ready_now());
        Some(manager)
    }

    pub(crate) fn path(&self, place: &str) -> PathBuf {
        self.home.path().join(place)
    }

    pub(crate) fn units(&self) -> PathBuf {
        self.path(".config/systemd/user")
    }

    pub(crate) fn systemd(&self) -> systemd::Systemd {
        let tools = Tools::new("/usr/bin:/bin")
            .variable("HOME", self.home.path())
            .variable("XDG_RUNTIME_DIR", self.path("run"))
            .variable("DBUS_SESSION_BUS_ADDRESS", "");
        systemd::Systemd::new(Scope::User, self.folders(), tools)
    }

    pub(crate) fn folders(&self) -> systemd::Folders {
        let mut folders = systemd::Folders::user(self.home.path(), &BTreeMap::new());
        folders.lingering = self.path("linger");
        folders
    }

    pub(crate) fn systemctl(&self, words: &[&str]) -> String {
        let mut command = Command::new("systemctl");
        command.arg("--user").args(words).env("HOME", self.home.path());
        command.env("XDG_RUNTIME_DIR", self.path("run")).env_remove("DBUS_SESSION_BUS_ADDRESS");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Everything below the home that has our name in its own.
    pub(crate) fn traces(&self) -> Vec<String> {
        let found =
            Command::new("find").arg(self.home.path()).args(["-name", "*policy-prod*"]).output().unwrap();
        String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// An entry whose service adds a line to a file.
    pub(crate) fn entry(&self, job: &str, calendar: &str) -> (EntryName, Rendered) {
        let name = EntryName::of("prod", job);
        let mark = format!("[X-Policy]\nHash={NO_HASH}\n");
        let timer = format!(
            "[Timer]\nOnCalendar={calendar}\nAccuracySec=1ms\nPersistent=true\n[Install]\nWantedBy=timers.target\n{mark}"
        );
        let fired = self.path(job);
        let service = format!(
            "[Service]\nType=oneshot\nExecStart=/bin/sh -c \"echo run prod/{job} --due >>{}\"\n{mark}",
            fired.display()
        );
        let files = [(format!("{name}.timer"), timer), (format!("{name}.service"), service)];
        (name, rendered(&files))
    }

    pub(crate) fn install(&self, wanted: &BTreeMap<EntryName, Rendered>) -> Vec<Action> {
        installed(&mut self.systemd(), wanted)
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

trait Ready {
    fn ready_now(&self) -> bool;
}

impl Ready for systemd::Systemd {
    fn ready_now(&self) -> bool {
        with_watch(|watch| self.ready(watch).is_ok())
    }
}
