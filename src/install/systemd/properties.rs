//! What `systemctl show` tells of a timer and its service. Pure.

use super::super::{EntryState, State};
use chrono::{DateTime, NaiveDateTime, Utc};
use std::{collections::BTreeMap, path::Path};

/// The properties that are read (org.freedesktop.systemd1(5)).
pub(super) const WANTED: &str = "--property=LoadState,ActiveState,SubState,UnitFileState,FragmentPath,DropInPaths,\
                                 NeedDaemonReload,NextElapseUSecRealtime,LastTriggerUSec,Result";

/// The properties of one unit.
pub(super) type Properties<'a> = BTreeMap<&'a str, &'a str>;

/// Reads two units, which an empty line divides.
pub(super) fn read(shown: &str) -> Option<[Properties<'_>; 2]> {
    let unit = |text| str::lines(text).filter_map(|line| line.split_once('=')).collect::<Properties<'_>>();
    let units: Vec<_> = shown.trim().split("\n\n").map(unit).collect();
    units.try_into().ok()
}

/// Adds what the properties of a timer and its service tell.
pub(super) fn judge(timer: &Properties<'_>, service: &Properties<'_>, file: &Path, state: &mut State) {
    let of = |unit: &Properties<'_>, name: &str| unit.get(name).map_or("", |value| *value).to_owned();
    let timer_is = |name: &str| of(timer, name);
    let units = [("timer", timer), ("service", service)];
    for (kind, unit) in units {
        match of(unit, "LoadState").as_str() {
            "loaded" => {}
            "masked" => state.find(EntryState::Disabled, false, format!("the {kind} is masked")),
            "not-found" => {
                state.find(EntryState::Disabled, true, format!("systemd has not read the {kind} yet"));
            }
            other => {
                let fact = format!("systemd cannot use the {kind}: its load state is `{other}`");
                state.find(EntryState::NeverFires, true, fact);
            }
        }
        if of(unit, "NeedDaemonReload") == "yes" {
            let fact = format!(
                "systemd still goes by an older text of the {kind}: its files were changed since it read them \
                 (NeedDaemonReload=yes)"
            );
            state.find(EntryState::Altered, true, fact);
        }
        let drop_ins = of(unit, "DropInPaths");
        if !drop_ins.is_empty() {
            // They are somebody's own, and are not ours to remove.
            state.find(EntryState::Altered, false, format!("the {kind} is changed by drop-ins: {drop_ins}"));
        }
    }
    let loaded = timer_is("FragmentPath");
    if !loaded.is_empty() && Path::new(&loaded) != file {
        let fact = format!("systemd goes by {loaded}, which stands before {}", file.display());
        state.find(EntryState::Altered, false, fact);
    }
    let enabled = timer_is("UnitFileState");
    if enabled != "enabled" && timer_is("LoadState") == "loaded" {
        let fact = format!("the timer is {}, so that it is not armed after the next start", shown(&enabled));
        state.find(EntryState::Disabled, enabled != "masked", fact);
    }
    let active = timer_is("ActiveState");
    if active != "active" {
        state.find(EntryState::Disabled, true, format!("the timer is not armed: it is {}", shown(&active)));
    } else if let Some(next) = time(&timer_is("NextElapseUSecRealtime")) {
        state.next = Some(next);
    } else if timer_is("SubState") != "running" {
        // While its service runs a timer has no next time.
        state.find(EntryState::NeverFires, true, "the timer is armed, and has no next time");
    }
    let result = of(service, "Result");
    if !matches!(result.as_str(), "" | "success") {
        state.note(format!("the last start of the service ended with `{result}`"));
    }
    if let Some(last) = time(&timer_is("LastTriggerUSec")) {
        state.note(format!("it last fired at {}", last.format("%Y-%m-%dT%H:%M:%SZ")));
    }
}

fn shown(word: &str) -> &str {
    if word.is_empty() { "unknown to systemd" } else { word }
}

/// A time as systemd prints it in UTC: `Sat 2026-11-28 18:45:50 UTC`.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let (_, text) = text.split_once(' ')?;
    let text = text.strip_suffix(" UTC")?;
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok().map(|naive| naive.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "/etc/systemd/system/x.timer";

    /// Properties that are not as they should be.
    type Changed<'a> = &'a [(&'a str, &'a str)];

    fn judged(timer: Changed<'_>, service: Changed<'_>) -> State {
        let good = [
            ("LoadState", "loaded"),
            ("ActiveState", "active"),
            ("SubState", "waiting"),
            ("UnitFileState", "enabled"),
            ("FragmentPath", FILE),
            ("DropInPaths", ""),
            ("NeedDaemonReload", "no"),
            ("NextElapseUSecRealtime", "Sat 2026-11-28 18:45:52 UTC"),
            ("LastTriggerUSec", ""),
            ("Result", "success"),
        ];
        let with = |changed: Changed<'_>| {
            let lines = good.iter().map(|(name, value)| {
                let value =
                    changed.iter().find(|(other, _)| other == name).map_or(*value, |(_, value)| value);
                format!("{name}={value}\n")
            });
            lines.collect::<String>()
        };
        let text = format!("{}\n{}", with(timer), with(service));
        let [timer, service] = read(&text).unwrap();
        let mut state =
            State { state: EntryState::Installed, facts: Vec::new(), next: None, mendable: false };
        judge(&timer, &service, Path::new(FILE), &mut state);
        state
    }

    #[test]
    fn each_way_in_which_a_timer_does_not_fire_has_a_word() {
        use EntryState::{Altered, Disabled, Installed, NeverFires};
        let cases: [(Changed<'_>, Changed<'_>, EntryState, bool); 11] = [
            (&[], &[], Installed, false),
            (&[("NeedDaemonReload", "yes")], &[], Altered, true),
            (&[], &[("NeedDaemonReload", "yes")], Altered, true),
            (&[], &[("DropInPaths", "/x.conf")], Altered, false),
            (&[("FragmentPath", "/run/x.timer")], &[], Altered, false),
            (&[("UnitFileState", "disabled")], &[], Disabled, true),
            (&[("ActiveState", "inactive")], &[], Disabled, true),
            (&[("LoadState", "masked"), ("UnitFileState", "masked")], &[], Disabled, false),
            (&[("LoadState", "bad-setting")], &[], NeverFires, true),
            (&[("NextElapseUSecRealtime", "")], &[], NeverFires, true),
            (&[("NextElapseUSecRealtime", ""), ("SubState", "running")], &[], Installed, false),
        ];
        for (timer, service, expected, mendable) in cases {
            let state = judged(timer, service);
            assert_eq!(
                (state.state, state.mendable),
                (expected, mendable),
                "{timer:?} {service:?}: {state:?}"
            );
            assert_eq!(state.facts.is_empty(), expected == Installed, "{state:?}");
        }
        let next = judged(&[], &[]).next.unwrap();
        assert_eq!(next.to_rfc3339(), "2026-11-28T18:45:52+00:00");
        assert_eq!(judged(&[], &[("Result", "exit-code")]).facts.len(), 1);
    }
}
