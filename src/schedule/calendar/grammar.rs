//! The text of an expression: fields, macros, and what every scheduler must be able to agree on.

mod item;

use super::{
    Invalid,
    sets::{Set, Sets, Unit},
};
use item::Word;

/// The macros of crontab(5) that name times, and the fields they stand for.
const MACROS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

const ORDER: &str = "minute, hour, day of the month, month and weekday";

/// Reads five fields or a macro into sets.
pub(super) fn parse(text: &str) -> Result<Sets, Vec<Invalid>> {
    if let Some((at, bad)) = text.char_indices().find(|(_, c)| c.is_control() && *c != '\t') {
        return Err(vec![Invalid {
            at: at..at + bad.len_utf8(),
            message: "a schedule is one line".to_owned(),
            help: "write the five fields on one line, without a line break or control character".to_owned(),
        }]);
    }
    let words = Word::whole(text).split(&[' ', '\t']);
    let words: Vec<_> = words.into_iter().filter(|word| !word.text.is_empty()).collect();
    match words.as_slice() {
        [first, ..] if first.text.starts_with('@') => from_macro(text, *first, words.len()),
        [minute, hour, day, month, weekday] => from_fields([*minute, *hour, *day, *month, *weekday]),
        words => Err(vec![wrong_count(text, words)]),
    }
}

fn from_macro(text: &str, word: Word<'_>, words: usize) -> Result<Sets, Vec<Invalid>> {
    let known = |name: &str| MACROS.iter().find(|(known, _)| *known == name);
    if words == 1
        && let Some((_, fields)) = known(word.text)
    {
        return parse(fields);
    }
    let lower = word.text.to_ascii_lowercase();
    let (at, message, help) = match (known(&lower), lower.as_str()) {
        (Some((name, _)), _) if words == 1 => {
            (word.range(), format!("`{}` is not in lower case", word.text), format!("write `{name}`"))
        }
        (Some((name, _)), _) => (
            word.range().end..text.trim_end().len(),
            format!("text follows `{}`", word.text),
            format!("write `{name}` alone; a job's command and its options have their own keys"),
        ),
        (None, "@reboot") => (
            word.range(),
            "`@reboot` names no time".to_owned(),
            "write times, such as `@daily`; with `catch_up` a slot missed while the host was off runs after it starts"
                .to_owned(),
        ),
        (None, "@every") => (
            word.range().start..text.trim_end().len(),
            "`@every` counts from a start that no scheduler shares".to_owned(),
            "write times of the clock, such as `*/15 * * * *` or `0 */6 * * *`".to_owned(),
        ),
        (None, _) => {
            let names: Vec<_> = MACROS.iter().map(|(name, _)| *name).collect();
            let near = nearest(&lower, &names);
            let help = near
                .map_or_else(|| format!("write one of {}", names.join(", ")), |name| format!("write `{name}`"));
            (word.range(), format!("`{}` is not a macro of crontab(5)", word.text), help)
        }
    };
    Err(vec![Invalid { at, message, help }])
}

fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let distances = names.iter().map(|known| (strsim::damerau_levenshtein(name, known), *known));
    distances.filter(|(distance, _)| *distance <= 2).min().map(|(_, known)| known)
}

fn from_fields(words: [Word<'_>; 5]) -> Result<Sets, Vec<Invalid>> {
    let mut wrong = Vec::new();
    let mut set = |unit, word: Word<'_>| match item::field(unit, word) {
        Ok(numbers) => Some(Set::new(unit, numbers, word.text)),
        Err(invalid) => {
            wrong.push(invalid);
            None
        }
    };
    let [minute, hour, day, month, weekday] = words;
    let read = (
        set(Unit::Minute, minute),
        set(Unit::Hour, hour),
        set(Unit::Day, day),
        set(Unit::Month, month),
        set(Unit::Weekday, weekday),
    );
    let (Some(minutes), Some(hours), Some(days), Some(months), Some(weekdays)) = read else {
        return Err(wrong);
    };
    let sets = Sets { minute: minutes, hour: hours, day: days, month: months, weekday: weekdays };
    for (starred, set, other) in [(day, &sets.day, weekday), (weekday, &sets.weekday, day)] {
        if set.is_starred() && starred.text != "*" && other.text != "*" {
            return Err(vec![ambiguous_days(words, starred, set, other)]);
        }
    }
    if !sets.has_any_date() {
        return Err(vec![Invalid {
            at: day.range().start..month.range().end,
            message: format!("no such date: day `{}` of month `{}`", day.text, month.text),
            help: "write a day that these months have; 29 February comes in leap years".to_owned(),
        }]);
    }
    Ok(sets)
}

/// Vixie cron requires both day fields when one begins with `*`; Kubernetes and most libraries then take either.
fn ambiguous_days(words: [Word<'_>; 5], starred: Word<'_>, set: &Set, other: Word<'_>) -> Invalid {
    let unit = set.unit();
    let spelled = match starred.text.strip_prefix("*/") {
        Some(step) if !step.contains(',') => format!("{}-{}/{step}", unit.min(), unit.max()),
        _ => set.list(),
    };
    let with =
        |from: Word<'_>, to: &str| words.map(|word| if word == from { to } else { word.text }).join(" ");
    let alone = if set.is_full() { with(starred, "*") } else { with(other, "*") };
    Invalid {
        at: starred.range(),
        message: format!(
            "schedulers disagree whether `{}` and `{}` must both match the day or only one of them",
            starred.text, other.text
        ),
        help: format!(
            "write `{}` to run on days that match either, or `{alone}` to leave the choice to one field",
            with(starred, &spelled)
        ),
    }
}

/// What a macro without `@`, or a time of the day, was meant to be.
fn meant(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    if let Some((name, _)) = MACROS.iter().find(|(name, _)| name.strip_prefix('@') == Some(lower.as_str())) {
        return Some((*name).to_owned());
    }
    let (clock, afternoon) = match lower.strip_suffix("am").or(lower.strip_suffix("pm")) {
        Some(clock) => (clock.trim_end(), Some(lower.ends_with("pm"))),
        None => (lower.strip_suffix('h').unwrap_or(&lower), None),
    };
    let (hour, minute) = match clock.split_once([':', '.']) {
        Some((hour, rest)) => (hour, rest.split(':').next().unwrap_or_default()),
        // A number alone may be anything.
        None if clock == lower => return None,
        None => (clock, "0"),
    };
    let number = |text: &str, most: u32| text.parse::<u32>().ok().filter(|n| *n <= most);
    let hour = match afternoon {
        None => number(hour, 23)?,
        Some(afternoon) => number(hour, 12).filter(|hour| *hour > 0)? % 12 + if afternoon { 12 } else { 0 },
    };
    Some(format!("{} {hour} * * *", number(minute, 59)?))
}

/// Words a text of too few or too many fields.
fn wrong_count(text: &str, words: &[Word<'_>]) -> Invalid {
    // `?` is how Quartz says that a field is left to the other one.
    let plain = |word: &Word<'_>| if word.text == "?" { "*".to_owned() } else { word.text.to_owned() };
    let joined = |words: &[Word<'_>]| words.iter().map(plain).collect::<Vec<_>>().join(" ");
    let reads = |words: Option<&[Word<'_>]>| words.map(joined).filter(|fields| parse(fields).is_ok());
    let end = words.last().map_or(text.len(), |word| word.range().end);
    let count = words.len();
    if let [first, rest @ ..] = words
        && let Some((name, zone)) = first.text.split_once('=')
    {
        let zone = if name.ends_with("TZ") { zone } else { "Europe/Berlin" };
        return Invalid {
            at: first.range(),
            message: format!("`{}` is no field", first.text),
            help: format!(
                "write `{}`, and the zone at the top of the policy: `timezone: {zone}`",
                joined(rest)
            ),
        };
    }
    if let [first, hour, star, ..] = words
        && let (Some(one), Some(two)) = (reads(words.get(1..6)), reads(words.get(..5)))
        && count == 6
        && star.text == "*"
        && !hour.text.starts_with('*')
    {
        return Invalid {
            at: first.range().start..end,
            message: "6 fields; crontab(5) has 5, and none for seconds or years".to_owned(),
            help: format!("write `{two}`; or, if the first counted seconds, `{one}`"),
        };
    }
    // Quartz and the libraries like it put seconds first, and perhaps a year last.
    if let (6 | 7, [first, ..]) = (count, words)
        && item::field(Unit::Minute, *first).is_ok()
        && let Some(fields) = reads(words.get(1..6))
    {
        return Invalid {
            at: if count == 6 { first.range() } else { first.range().start..end },
            message: format!("{count} fields; crontab(5) has 5, and none for seconds"),
            help: format!("write `{fields}`; a schedule counts in minutes"),
        };
    }
    if let Some(fields) = reads(words.get(..5)) {
        let start = words.get(5).map_or(end, |word| word.range().start);
        return Invalid {
            at: start..end,
            message: format!("{count} fields; crontab(5) has 5"),
            help: format!("write `{fields}`; a user or command has its own key"),
        };
    }
    if let Some(meant) = meant(text.trim()) {
        return Invalid {
            at: words.first().map_or(0..text.len(), |word| word.range().start..end),
            message: format!("`{}` is not a crontab(5) expression", text.trim()),
            // Without quotes YAML has another use for `@`.
            help: if meant.starts_with('@') {
                format!("write \"{meant}\"")
            } else {
                format!("write `{meant}`")
            },
        };
    }
    let message = match count {
        0 => "the schedule is empty".to_owned(),
        1 => "1 field; crontab(5) has 5".to_owned(),
        _ => format!("{count} fields; crontab(5) has 5"),
    };
    let at = words.first().map_or(0..text.len(), |word| word.range().start..end);
    Invalid { at, message, help: format!("write {ORDER}, such as `0 2 * * *`, or a macro such as `@daily`") }
}
