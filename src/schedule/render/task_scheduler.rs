//! Tasks of the Windows Task Scheduler, as XML (learn.microsoft.com/windows/win32/taskschd/task-scheduler-schema).
//!
//! Chosen, where the system leaves a choice:
//! - A task of the scope `user` logs on by S4U ("run whether user is logged on or not", without a stored password). Its rival,
//!   `InteractiveToken`, registers for everybody, and then does nothing while nobody is logged on, yet looks healthy. S4U fails
//!   when the task is registered, if the user lacks the right "Log on as a batch job": for backups the loud failure is the
//!   safer one. An S4U logon has no credentials of its own for network shares, and opens no EFS files.
//! - A task cannot be given variables; it has those of its user and of the system. `cmd /c "set … && policy …"` would need
//!   an escaping that `cmd` does not have, so they are left out, and a warning names them.
//! - What a run prints is kept nowhere by the scheduler.
//! - Every setting whose default would stop or hold back a backup is written out: by default a task neither starts nor goes on
//!   running on batteries, and ends after three days.

mod arguments;
mod triggers;

use super::{
    super::{
        CatchUp,
        entry::{Backend, Context, Entry, Scope, Tier},
    },
    File, NO_HASH, Refusal, Rendered,
    local::{Local, is_every_minute, skipped},
    marks::{self, file_mark},
    sealed, words,
    xml::Element,
};
use triggers::Triggers;

/// The schema's limit for a path.
const PATH_MAX: usize = 260;

/// What `CreateProcess` takes as command line, in UTF-16 units, the end included.
const COMMAND_LINE_MAX: usize = 32_767;

/// The local system account, whatever it is called in the language of the system.
const SYSTEM: &str = "S-1-5-18";

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\n";
const NAMESPACE: &str = "http://schemas.microsoft.com/windows/2004/02/mit/task";

/// The path of an entry's task.
pub fn path(entry: &Entry) -> String {
    format!("{}{}", marks::TASK_FOLDER, entry.name)
}

/// Writes the task of an entry.
pub fn render(entry: &Entry, context: &Context) -> Result<Rendered, Refusal> {
    let local = Local::of(&entry.schedule.cron, entry.zone, context.host_zone);
    let triggers = Triggers::of(&local, context.host_zone);
    let ticks = triggers.are_every_minute() && !is_every_minute(&entry.schedule.cron);
    if ticks && !context.may_tick {
        return Err(words::refusal(
            entry,
            Backend::TaskScheduler,
            "schedule",
            format!(
                "`{}` needs more than 48 triggers, and with fewer would be every minute",
                entry.schedule.cron
            ),
            "write `dispatcher: minute` in `install`, or name fewer minutes, such as `*/5`",
        ));
    }
    // The delay is documented for the start of a trigger, and not for its repetitions: there the runner waits.
    let (argv, delay) = if triggers.repeat() {
        (entry.argv_with_jitter(), 0)
    } else {
        (entry.argv.clone(), entry.schedule.jitter.as_secs())
    };
    let action = action(entry, &argv)?;
    if let Some(text) = &context.user {
        words::check(entry, Backend::TaskScheduler, "install.user", text)?;
    }
    let task = Element::of(
        "Task",
        vec![
            registration(entry),
            Element::of("Triggers", triggers.elements(delay)),
            Element::of("Principals", vec![principal(context)]),
            settings(entry, &argv),
            Element::of("Actions", vec![action]).with("Context", "Author"),
        ],
    );
    let task = task.with("version", "1.3").with("xmlns", NAMESPACE);
    let bytes = utf16(&format!("{HEAD}{}", task.lines(0)));
    let (files, hash) = sealed(vec![File { name: format!("{}.xml", entry.name), bytes }]);
    let tier = match (ticks, triggers.is_exact) {
        (true, _) => Tier::Tick,
        (false, true) => Tier::Exact,
        (false, false) => Tier::Superset,
    };
    Ok(Rendered { tier, files, hash, argv: vec![argv], warnings: warnings(entry, context) })
}

fn registration(entry: &Entry) -> Element {
    let schedule = &entry.schedule.cron;
    Element::of(
        "RegistrationInfo",
        vec![
            Element::text("Author", "policy"),
            Element::text(
                "Description",
                format!("policy:{} sha256={NO_HASH} {}", entry.name, file_mark(entry)),
            ),
            Element::text(
                "Documentation",
                format!("Job {}: {schedule} ({})", entry.shown(), entry.zone.name()),
            ),
            Element::text("URI", path(entry)),
        ],
    )
}

fn principal(context: &Context) -> Element {
    let user = |name: &str| vec![Element::text("UserId", name), Element::text("LogonType", "S4U")];
    let mut who = match (context.scope, &context.user) {
        (_, Some(name)) => user(name),
        (Scope::System, None) => vec![Element::text("UserId", SYSTEM)],
        (Scope::User, None) => vec![Element::text("LogonType", "S4U")],
    };
    who.push(Element::text("RunLevel", "LeastPrivilege"));
    Element::of("Principal", who).with("id", "Author")
}

fn settings(entry: &Entry, argv: &[String]) -> Element {
    let flag = |name, value: bool| Element::text(name, value.to_string());
    // The limit is that of the run; what the runner waits before is no part of it.
    let waits = if argv == entry.argv.as_slice() { 0 } else { entry.schedule.jitter.as_secs() };
    let limit = entry.limit.map_or(0, |limit| limit.as_secs() + waits);
    Element::of(
        "Settings",
        vec![
            Element::text("MultipleInstancesPolicy", "IgnoreNew"),
            flag("DisallowStartIfOnBatteries", false),
            flag("StopIfGoingOnBatteries", false),
            flag("AllowHardTerminate", true),
            flag("StartWhenAvailable", entry.schedule.catch_up != CatchUp::Never),
            flag("RunOnlyIfNetworkAvailable", false),
            Element::of("IdleSettings", vec![flag("StopOnIdleEnd", false), flag("RestartOnIdle", false)]),
            flag("AllowStartOnDemand", true),
            flag("Enabled", true),
            flag("Hidden", false),
            flag("RunOnlyIfIdle", false),
            flag("WakeToRun", false),
            Element::text("ExecutionTimeLimit", triggers::duration(limit)),
            Element::text("Priority", "7"),
        ],
    )
}

/// What is started. The scheduler replaces `%NAME%` and `$(…)` in it and knows no way to write them as they are.
fn action(entry: &Entry, argv: &[String]) -> Result<Element, Refusal> {
    let refuse = |reason: String, help: &str| {
        Err(words::refusal(entry, Backend::TaskScheduler, "install", reason, help))
    };
    for word in argv {
        words::check(entry, Backend::TaskScheduler, "install", word)?;
        if word.matches('%').count() > 1 || word.contains("$(") {
            let reason =
                format!("the scheduler would replace a part of `{word}`, for it holds `%…%` or `$(`");
            return refuse(reason, "use a path without them");
        }
    }
    let (command, rest) = argv.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
    let arguments = rest.iter().map(|word| arguments::quoted(word)).collect::<Vec<_>>().join(" ");
    let length = |text: &str| text.encode_utf16().count();
    if command.is_empty() || command.contains('"') {
        return refuse(format!("`{command}` is no path of a program"), "use a path without quotes");
    }
    if length(command) > PATH_MAX {
        let reason =
            format!("the program's path has {} characters, and may have {PATH_MAX}", length(command));
        return refuse(reason, "install the program under a shorter path");
    }
    // The command is put between quotes, with a blank after.
    if length(command) + length(&arguments) + 4 > COMMAND_LINE_MAX {
        return refuse("the command line is longer than Windows takes".to_owned(), "use shorter paths");
    }
    let parts = vec![Element::text("Command", command), Element::text("Arguments", arguments)];
    Ok(Element::of("Exec", parts))
}

fn warnings(entry: &Entry, context: &Context) -> Vec<String> {
    let mut warnings = Vec::new();
    let by_s4u = context.scope == Scope::User || context.user.is_some();
    if by_s4u {
        warnings.push(
            "its user needs the right `Log on as a batch job`, else the task is refused with `Access is denied`; it \
             reaches no network share that asks for a password, and no EFS file"
                .to_owned(),
        );
    }
    if by_s4u && context.user.is_none() {
        warnings
            .push("the task names no user: register it with `schtasks /create … /ru USER /np`".to_owned());
    }
    if !context.environment.is_empty() {
        let names: Vec<_> = context.environment.keys().map(String::as_str).collect();
        warnings.push(format!(
            "a task has the variables of its user and of the system; these cannot be given to it: {}",
            names.join(", ")
        ));
    }
    if context.log_folder.is_some() {
        warnings.push("`log_dir` has no effect: what a task prints is kept nowhere".to_owned());
    }
    if let Some(at) = skipped(entry, context.host_zone) {
        warnings.push(format!(
            "the clock of {} skips {at}: Windows says that it then runs the job right after",
            entry.zone
        ));
    }
    warnings
}

/// The text in UTF-16, little end first, with its mark and with the line ends of Windows.
fn utf16(text: &str) -> Vec<u8> {
    let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
