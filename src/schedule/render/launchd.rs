//! Property lists of launchd.plist(5).
//!
//! launchd counts by the host's clock alone, so another zone's schedule is widened to it. It loses what falls into a power-off,
//! which `RunAtLoad` and the guard make good. Its tier is never better than a superset: the last public source (launchd-842)
//! ignores `Month` beside `Weekday`, and lets day 31 of a short month fall on the 1st. Both fire too often, never too seldom.
//!
//! An agent of the scope `user` runs only while its user is logged in. launchd has no limit for the time of a run; the runner
//! keeps it.

mod intervals;

use std::collections::BTreeMap;

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
use intervals::Intervals;

/// Modes that an entry's files are made with: `0077`, in decimal as a property list has it.
const UMASK: u32 = 0o077;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n";

/// The label of an entry in launchd.
pub fn label(entry: &Entry) -> String {
    format!("{}{}", marks::LABEL, entry.name)
}

/// Writes the property list of an entry.
pub fn render(entry: &Entry, context: &Context) -> Result<Rendered, Refusal> {
    let argv = entry.argv_with_jitter();
    let variables = context.environment.iter().flat_map(|(name, value)| [name, value]);
    let texts = argv.iter().chain(variables).chain(&context.log_folder).chain(&context.user);
    for text in texts {
        words::check(entry, Backend::Launchd, "install", text)?;
    }
    let local = Local::of(&entry.schedule.cron, entry.zone, context.host_zone);
    let intervals = Intervals::of(&local);
    let ticks = intervals.are_every_minute() && !is_every_minute(&entry.schedule.cron);
    if ticks && !context.may_tick {
        return Err(words::refusal(
            entry,
            Backend::Launchd,
            "schedule",
            format!("by the clock of {} `{}` is every minute", context.host_zone, entry.schedule.cron),
            "write `dispatcher: minute` in `install`, or name fewer minutes, such as `*/5`",
        ));
    }
    let mut keys = Keys::default();
    keys.add("Label", string(label(entry)));
    keys.add("ProgramArguments", array(argv.iter().map(|word| string(word.as_str()))));
    keys.add("StartCalendarInterval", array(intervals.dicts().map(dict)));
    keys.add("RunAtLoad", boolean(entry.schedule.catch_up != CatchUp::Never));
    keys.add("ProcessType", string("Background"));
    keys.add("LowPriorityIO", boolean(true));
    keys.add("AbandonProcessGroup", boolean(false));
    keys.add("Umask", integer(UMASK));
    if let (Scope::System, Some(user)) = (context.scope, &context.user) {
        keys.add("UserName", string(user.as_str()));
    }
    keys.add("EnvironmentVariables", environment(entry, context));
    if let Some(folder) = &context.log_folder {
        let folder = folder.trim_end_matches('/');
        keys.add("StandardOutPath", string(format!("{folder}/{}.log", entry.name)));
        keys.add("StandardErrorPath", string(format!("{folder}/{}.error.log", entry.name)));
    }
    let plist = Element::of("plist", vec![Element::of("dict", keys.0)]).with("version", "1.0");
    let bytes = format!("{HEAD}{}", plist.lines(0)).into_bytes();
    let (files, hash) = sealed(vec![File { name: format!("{}.plist", label(entry)), bytes }]);
    let tier = if ticks { Tier::Tick } else { Tier::Superset };
    Ok(Rendered { tier, files, hash, argv: vec![argv], warnings: warnings(entry, context) })
}

fn warnings(entry: &Entry, context: &Context) -> Vec<String> {
    let mut warnings = Vec::new();
    if context.scope == Scope::User {
        warnings.push(
            "an agent runs only while its user is logged in; with `scope: system` it always does".to_owned(),
        );
    }
    if context.log_folder.is_none() {
        warnings.push(
            "what the entry prints is kept nowhere, for launchd has no journal: set `log_dir`".to_owned(),
        );
    }
    if let Some(at) = skipped(entry, context.host_zone) {
        let late = match entry.schedule.catch_up {
            CatchUp::Never => "and `catch_up: false` lets no late one count",
            CatchUp::UntilNext | CatchUp::Within(_) => "or not at all",
        };
        warnings.push(format!(
            "the clock of {} skips {at}: launchd may run the job up to an hour after, {late}",
            entry.zone
        ));
    }
    warnings
}

fn environment(entry: &Entry, context: &Context) -> Element {
    let mut variables: BTreeMap<_, _> =
        context.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mark = format!("{NO_HASH} {}", file_mark(entry));
    variables.insert(marks::HASH_VARIABLE, &mark);
    let mut keys = Keys::default();
    for (name, value) in variables {
        keys.add(name, string(value));
    }
    Element::of("dict", keys.0)
}

/// Keys of a dictionary, each before its value.
#[derive(Debug, Default)]
struct Keys(Vec<Element>);

impl Keys {
    fn add(&mut self, key: &str, value: Element) {
        self.0.extend([Element::text("key", key), value]);
    }
}

fn dict(numbers: Vec<(&'static str, u32)>) -> Element {
    let mut keys = Keys::default();
    for (key, number) in numbers {
        keys.add(key, integer(number));
    }
    Element::of("dict", keys.0)
}

fn array(items: impl Iterator<Item = Element>) -> Element {
    Element::of("array", items.collect())
}

fn string(text: impl Into<String>) -> Element {
    Element::text("string", text)
}

fn integer(number: u32) -> Element {
    Element::text("integer", number.to_string())
}

const fn boolean(value: bool) -> Element {
    Element::empty(if value { "true" } else { "false" })
}
