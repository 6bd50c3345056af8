//! Lines of crontab(5), as Debian's cron and cronie read them.
//!
//! In a user's crontab they are a block between two marks, and everything they need stands on the line itself: a variable of
//! a crontab holds for all lines after it, and those are other people's. With scope `system` they are a file of /etc/cron.d.
//!
//! Neither cron can be told a zone by a line (Debian's accepts `CRON_TZ` and ignores it), so a schedule of another zone
//! is widened to the host's clock (`fields`). Neither makes up for a missed time: lines at the host's start and once an hour do.

mod fields;
mod quote;
#[cfg(test)]
mod tests;

use super::{
    super::{
        CatchUp,
        entry::{Backend, Context, Entry, Scope, Tier},
    },
    File, NO_HASH, Refusal, Rendered,
    crontab_text::{begin, end},
    lines::Refuser,
    marks::file_mark,
    sealed,
};
use quote::{is_plain, shell_word};

/// Bytes of a line. Debian's cron refuses a longer command, and with it the whole file.
const LINE: usize = 998;

/// Renders an entry.
///
/// # Errors
/// What no crontab can hold, and a schedule that on this host's clock would be a tick that was not asked for.
pub fn render(entry: &Entry, context: &Context) -> Result<Rendered, Refusal> {
    let refuser = Refuser { entry, backend: Backend::Cron };
    refuser.check(context)?;
    let times = fields::of(entry, context, refuser)?;
    let argv = entry.argv_with_jitter();
    let command = command(entry, context, &argv);
    let mut lines = vec![format!("{} {command}", times.text)];
    let mut tier = times.tier;
    if entry.schedule.catch_up != CatchUp::Never && tier != Tier::Tick {
        lines.push(format!("@reboot {command}"));
        if !times.every_hour {
            lines.push(format!("{} * * * * {command}", safety_minute(entry)));
        }
        tier = Tier::Superset;
    }
    if let Some(line) = lines.iter().find(|line| line.len() > LINE) {
        let reason = format!("its line would be {} bytes long, and cron reads {LINE}", line.len());
        let help = "shorten the paths of program, policy and `log_dir`, or `search_path`; or use systemd";
        return Err(refuser.refusal("install.backend", reason, help));
    }
    let file = match context.scope {
        Scope::User => File { name: format!("{}.crontab", entry.name), bytes: block(entry, "", &lines) },
        // cron skips a file of /etc/cron.d whose name has a dot.
        Scope::System => {
            let bytes = block(entry, &variables(context), &lines);
            File { name: entry.name.to_string(), bytes }
        }
    };
    let (files, hash) = sealed(vec![file]);
    let mut warnings = Vec::new();
    if context.log_folder.is_none() {
        warnings.push(
            "what it prints is mailed by cron, and lost where no mail is set up: set `log_dir`".to_owned(),
        );
    }
    let argv = lines.iter().map(|_| argv.clone()).collect();
    Ok(Rendered { tier, files, hash, argv, warnings })
}

/// Lines between the two marks.
fn block(entry: &Entry, variables: &str, lines: &[String]) -> Vec<u8> {
    let (begin, end) = (begin(&entry.name, NO_HASH), end(&entry.name));
    let about = format!(
        "# {} by {}; to change it, change the policy and install it again",
        entry.shown(),
        file_mark(entry)
    );
    format!("{begin}\n{about}\n{variables}{}\n{end}\n", lines.join("\n")).into_bytes()
}

/// The variables of our own file. Quotes mean different things to different crons, so a path that needs them stays on the
/// line, where only the shell reads it.
fn variables(context: &Context) -> String {
    let path = path_of_file(context).map(|path| format!("PATH={path}\n"));
    format!("SHELL=/bin/sh\n{}", path.unwrap_or_default())
}

fn path_of_file(context: &Context) -> Option<&str> {
    let path = context.environment.get("PATH").filter(|path| is_plain(path) && path.len() < LINE / 2);
    path.map(String::as_str).filter(|_| context.scope == Scope::System)
}

/// What stands after the fields.
fn command(entry: &Entry, context: &Context, argv: &[String]) -> String {
    let mut words = Vec::new();
    if context.scope == Scope::System {
        words.push(context.user.clone().unwrap_or_else(|| "root".to_owned()));
    }
    // What a backup writes is nobody else's to read, and so is the log, which the shell makes. A log is never worth a backup: where its folder is gone it is made again, and where it cannot be written cron mails
    // what would stand there. (`true` and not `:`, whose failed redirection would end the shell.)
    if let Some(folder) = &context.log_folder {
        let folder = folder.trim_end_matches('/');
        let path = shell_word(&format!("{folder}/{}.log", entry.name));
        words.push(format!(
            "umask 077; mkdir -p {}; true >>{path} && exec >>{path} 2>&1;",
            shell_word(folder)
        ));
    }
    let of_file = path_of_file(context).is_some();
    let of_line = context.environment.iter().filter(|(name, _)| !(of_file && *name == "PATH"));
    words.extend(of_line.map(|(name, value)| format!("{name}={}", shell_word(value))));
    words.extend(argv.iter().map(|word| shell_word(word)));
    words.join(" ")
}

/// The minute at which a missed time is made up for: any, but the same at each installation and spread over the jobs.
fn safety_minute(entry: &Entry) -> u32 {
    let digits = entry.name.as_str().rsplit_once('-').map_or("", |(_, digits)| digits);
    u32::from_str_radix(digits, 16).unwrap_or_default() % 60
}
