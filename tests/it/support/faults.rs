//! The program under strace, which makes chosen system calls fail or kills it there.

use super::{Answer, Sandbox, skip};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Calls that make something durable.
pub(crate) const SYNCS: &str = "fsync,fdatasync";

/// Calls that change names.
pub(crate) const NAMES: &str = "rename,renameat,renameat2,link,linkat,unlink,unlinkat";

/// What the n-th call of a kind comes to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// It fails: the disk could not do it.
    Fails,
    /// It fails: there is no room left.
    Full,
    /// It fails: that is not permitted.
    Refused,
    /// The program is killed before it.
    Kills,
}

const STRACE: &str = "/usr/bin/strace";

impl Sandbox {
    /// Whether system calls can be meddled with here; says so where not.
    pub(crate) fn can_meddle(&self) -> bool {
        if !Path::new(STRACE).exists() {
            skip("no strace: faults at chosen system calls are not tried");
            return false;
        }
        let answer = self.traced("fsync", Fate::Kills, 60_000, &["--version"]);
        if answer.exit != 0 {
            skip(&format!("strace cannot trace here: {answer}"));
        }
        answer.exit == 0
    }

    /// Calls the program and meddles with its n-th system call of some kinds; `None` when it made fewer of them.
    pub(crate) fn meddled(&self, calls: &str, fate: Fate, n: usize, arguments: &[&str]) -> Option<Answer> {
        let answer = self.traced(calls, fate, n, arguments);
        let was_met = match fate {
            Fate::Fails | Fate::Full | Fate::Refused => {
                std::fs::read_to_string(self.log()).unwrap().contains("(INJECTED)")
            }
            Fate::Kills => answer.exit == 128 + 9,
        };
        was_met.then_some(answer)
    }

    /// How many system calls of some kinds a call of the program makes: the most that one of its threads or processes
    /// makes of one kind, for so strace counts.
    pub(crate) fn calls(&self, calls: &str, arguments: &[&str]) -> usize {
        self.traced(calls, Fate::Kills, 60_000, arguments).exits(0);
        let mut counts = BTreeMap::<String, usize>::new();
        for line in std::fs::read_to_string(self.log()).unwrap().lines() {
            if let Some((kind, _)) = line.split_once('(') {
                *counts.entry(kind.to_owned()).or_default() += 1;
            }
        }
        counts.into_values().max().unwrap_or_default()
    }

    /// The system calls of some kinds that a call of the program makes, each a line, with the paths of what is open.
    pub(crate) fn told(&self, calls: &str, arguments: &[&str]) -> Vec<String> {
        let (trace, log, program) = (format!("trace={calls}"), self.log(), env!("CARGO_BIN_EXE_policy"));
        let mut all =
            vec!["-f", "-qq", "-y", "-s", "4096", "-o", log.to_str().unwrap(), "-e", &trace, program];
        all.extend(arguments);
        self.finish(self.prepare(Path::new(STRACE), &all)).exits(0);
        std::fs::read_to_string(log).unwrap().lines().map(ToOwned::to_owned).collect()
    }

    fn log(&self) -> PathBuf {
        self.root().join("strace")
    }

    fn traced(&self, calls: &str, fate: Fate, n: usize, arguments: &[&str]) -> Answer {
        let fate = match fate {
            Fate::Fails => "error=EIO",
            Fate::Full => "error=ENOSPC",
            Fate::Refused => "error=EACCES",
            Fate::Kills => "signal=SIGKILL",
        };
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:{fate}:when={n}"));
        let (log, program) = (self.log(), env!("CARGO_BIN_EXE_policy"));
        let mut all = vec!["-f", "-qq", "-o", log.to_str().unwrap(), "-e", &trace, "-e", &inject, program];
        all.extend(arguments);
        self.finish(self.prepare(Path::new(STRACE), &all))
    }
}
