//! A timer and a service of systemd.
//!
//! Every schedule is native here, zone included. What systemd (252) does with a clock change is not what a backup needs: a
//! time that the clock skips is skipped (systemd#5595), and the second pass of a repeated hour is lost (systemd#8647). Both
//! get lines of their own, dated and in UTC, for ten years. Where it would do worse, the lines are in UTC (`times`).

mod quote;
#[cfg(test)]
mod tests;
mod times;

use super::{
    super::{
        CatchUp,
        entry::{Backend, Context, Entry, Scope},
    },
    FORMAT, File, NO_HASH, Refusal, Rendered,
    lines::{PROGRAM, Refuser},
    marks::{self, file_mark},
    sealed,
};
use quote::{specifiers, word};

/// How long a run may last beyond its own limit: the ten minutes for which it waits for a lock, and time to end by itself and
/// say why.
const GRACE_SECS: u64 = 900;

/// Renders an entry.
///
/// # Errors
/// What no unit file can hold.
pub fn render(entry: &Entry, context: &Context) -> Result<Rendered, Refusal> {
    let refuser = Refuser { entry, backend: Backend::Systemd };
    refuser.check(context)?;
    let times = times::of(&entry.schedule.cron, entry.zone);
    let (files, hash) = sealed(vec![timer(entry, &times.lines), service(entry, context, refuser)?]);
    let mut warnings = Vec::new();
    if context.scope == Scope::User {
        warnings.push("runs only while the user is logged in, or after `loginctl enable-linger`".to_owned());
    }
    Ok(Rendered { tier: times.tier, files, hash, argv: vec![entry.argv.clone()], warnings })
}

fn timer(entry: &Entry, times: &[String]) -> File {
    let mut unit = Unit::default();
    unit.section("Unit");
    unit.line("Description", &format!("times of {}", specifiers(&entry.shown())));
    unit.section("Timer");
    for time in times {
        unit.line("OnCalendar", time);
    }
    // The default is a minute, within which systemd may choose.
    unit.line("AccuracySec", "1s");
    let jitter = entry.schedule.jitter.as_secs();
    if jitter > 0 {
        unit.line("RandomizedDelaySec", &format!("{jitter}s"));
        // Drawn anew at each start, the delay could let two fires come close.
        unit.line("FixedRandomDelay", "true");
    }
    if entry.schedule.catch_up != CatchUp::Never {
        unit.line("Persistent", "true");
    }
    unit.section("Install");
    unit.line("WantedBy", "timers.target");
    unit.finish(entry, "timer")
}

fn service(entry: &Entry, context: &Context, refuser: Refuser<'_>) -> Result<File, Refusal> {
    let mut unit = Unit::default();
    unit.section("Unit");
    unit.line("Description", &format!("backup {}", specifiers(&entry.shown())));
    if context.scope == Scope::System {
        // Managers of users do not have it.
        unit.line("Wants", "network-online.target");
        unit.line("After", "network-online.target");
    }
    unit.section("Service");
    // A time that comes while it runs is dropped; the guard makes up for it. There is no `Restart=`: attempts are the
    // program's own, and before systemd 244 a oneshot unit with any is refused.
    unit.line("Type", "oneshot");
    unit.line("ExecStart", &command(entry, refuser)?);
    // Of a oneshot service this is the whole run; `RuntimeMaxSec=` has no effect.
    let limit = entry.limit.map(|limit| format!("{}s", limit.as_secs().saturating_add(GRACE_SECS)));
    unit.line("TimeoutStartSec", limit.as_deref().unwrap_or("infinity"));
    if let (Scope::System, Some(user)) = (context.scope, &context.user) {
        unit.line("User", &specifiers(user));
    }
    if context.scope == Scope::System
        && let Some(folder) =
            context.environment.get("POLICY_STATE_DIR").and_then(|path| path.strip_prefix("/var/lib/"))
        && !folder.is_empty()
        && folder.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    {
        // Made again, and the user's, whatever becomes of it.
        unit.line("StateDirectory", folder);
        unit.line("StateDirectoryMode", "0700");
    }
    for (name, value) in &context.environment {
        unit.line("Environment", &word(&format!("{name}={value}")));
    }
    if let Some(folder) = &context.log_folder {
        // The whole rest of the line is the path: no quotes, and only `%` is special (systemd.exec(5)).
        let path = format!("{}/{}.log", folder.trim_end_matches('/'), entry.name);
        unit.line("StandardOutput", &format!("append:{}", specifiers(&path)));
        unit.line("StandardError", "inherit");
    }
    unit.line("Nice", "10");
    unit.line("IOSchedulingClass", "best-effort");
    unit.line("IOSchedulingPriority", "7");
    // The only fence: what a backup writes is nobody else's to read. Stores and sources may lie anywhere, so `ProtectSystem=`
    // and `ProtectHome=` would break some, and `PrivateTmp=` hides the sockets and databases in /tmp. `NoNewPrivileges=`,
    // which in user managers every filter of system calls brings along, breaks sudo in a hook and a store on FUSE.
    unit.line("UMask", "0077");
    Ok(unit.finish(entry, "service"))
}

fn command(entry: &Entry, refuser: Refuser<'_>) -> Result<String, Refusal> {
    let mut words = Vec::new();
    for (n, text) in entry.argv.iter().enumerate() {
        if n == 0 {
            // The path is looked for as written: systemd takes no `$` in it for a variable, and no quotes or backslashes.
            if text.contains(['"', '\'', '\\']) {
                let reason =
                    format!("systemd starts no program whose path holds quotes or backslashes, as `{text}`");
                return Err(refuser.refusal(PROGRAM, reason, "install the program below another folder"));
            }
            words.push(word(text));
        } else {
            words.push(word(&text.replace('$', "$$")));
        }
    }
    Ok(words.join(" "))
}

/// The lines of a unit.
#[derive(Debug, Default)]
struct Unit(Vec<String>);

impl Unit {
    fn section(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.push(String::new());
        }
        self.0.push(format!("[{name}]"));
    }

    fn line(&mut self, key: &str, value: &str) {
        self.0.push(format!("{key}={value}"));
    }

    /// Adds what tells our units from others, and names the file. systemd ignores sections that begin with `X-`.
    fn finish(mut self, entry: &Entry, kind: &str) -> File {
        self.section(marks::SECTION);
        self.line("Policy", &entry.policy);
        self.line("Job", &entry.job);
        self.line("File", &file_mark(entry));
        self.line("Format", &FORMAT.to_string());
        self.line("Hash", NO_HASH);
        File { name: format!("{}.{kind}", entry.name), bytes: (self.0.join("\n") + "\n").into_bytes() }
    }
}
