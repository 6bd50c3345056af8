//! The README is run: every `console` block, in one shell, in order, and what it prints is compared.
//!
//! In what a block says is printed, `…` stands for what differs from run to run; alone on a line, for any lines.

use crate::checkout::{Home, need, root, text};
use policy::policy::{Code, Severity, load};
use serde_json::Value;
use std::{collections::BTreeSet, fmt::Write as _, fs};

/// A command as the README shows it, and what it prints there.
#[derive(Debug)]
struct Shown {
    line: usize,
    command: String,
    output: Vec<String>,
}

fn shown(readme: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let mut is_console = false;
    for (line, text) in readme.lines().enumerate().map(|(n, text)| (n + 1, text)) {
        if let Some(info) = text.strip_prefix("```") {
            is_console = !is_console && info == "console";
        } else if is_console {
            match (text.strip_prefix("$ "), all.last_mut()) {
                (Some(command), _) => {
                    all.push(Shown { line, command: command.to_owned(), output: Vec::new() });
                }
                (None, Some(last)) => last.output.push(text.to_owned()),
                (None, None) => panic!("README.md:{line}: output before a command"),
            }
        }
    }
    all
}

/// Whether a line is as the README shows it.
fn is_like(shown: &str, printed: &str) -> bool {
    let mut parts = shown.trim_end().split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = printed.trim_end().strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

fn are_like(shown: &[String], printed: &[&str]) -> bool {
    match (shown.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((one, rest)), _) if one == "…" => {
            (0..=printed.len()).any(|skipped| are_like(rest, &printed[skipped..]))
        }
        (Some((one, rest)), Some((line, lines))) => is_like(one, line) && are_like(rest, lines),
        _ => false,
    }
}

#[test]
fn a_shown_line_stands_for_what_is_printed() {
    assert!(is_like("took …, 4%", "took 5 ms, 4%"));
    assert!(is_like("…", ""));
    assert!(!is_like("took …, 4%", "took 5 ms, 5%"));
    assert!(!is_like("took", "took 5 ms"));
    let lines = ["a".to_owned(), "…".to_owned(), "d".to_owned()];
    assert!(are_like(&lines, &["a", "b", "c", "d"]));
    assert!(!are_like(&lines, &["a", "b", "c"]));
}

#[cfg(target_os = "linux")]
#[test]
fn every_command_of_the_readme_prints_what_the_readme_says() {
    let tools = ["zstd", "gunzip", "tar", "sha256sum", "sqlite3"];
    if !tools.iter().all(|tool| need(tool)) {
        return;
    }
    let home = Home::new();
    let readme = text("README.md");
    let commands = shown(&readme);
    assert!(commands.len() >= 15, "only {} commands", commands.len());
    let mut script = String::from("exec 2>&1 < /dev/null\n");
    for one in &commands {
        writeln!(script, "{}\nprintf '\\001%s\\n' $?", one.command).unwrap();
    }
    let script = home.write("script.sh", &script);
    let output = home.command("sh", root()).arg(script).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut rest = printed.as_str();
    let mut wrong = String::new();
    for one in &commands {
        let (own, after) = rest.split_once('\u{1}').unwrap_or_else(|| panic!("the shell ended: {printed}"));
        let (status, after) = after.split_once('\n').unwrap();
        rest = after;
        let own: Vec<&str> = own.lines().collect();
        if !are_like(&one.output, &own) || status != "0" {
            let own = own.join("\n");
            write!(wrong, "README.md:{}: $ {}\n(exit {status})\n{own}\n\n", one.line, one.command).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Every name of a property anywhere in a schema.
fn keys(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                found.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| keys(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_the_language_has_its_row_and_no_row_is_of_another() {
    let mut known = BTreeSet::new();
    keys(&serde_json::from_str(&text("schemas/policy.schema.json")).unwrap(), &mut known);
    let readme = text("README.md");
    let (_, reference) = readme.split_once("\n## The language\n").expect("a reference");
    let (reference, _) = reference.split_once("\n## ").expect("a section after it");
    let mut rows = BTreeSet::new();
    for row in reference.lines().filter_map(|line| line.strip_prefix("| `")) {
        let first = row.split(" | ").next().unwrap_or_default();
        rows.extend(first.split(", ").map(|key| key.trim_end_matches(" *").trim_matches('`').to_owned()));
    }
    let levels_and_expectations = ["checksum", "same_as_source", "empty", "not_empty"];
    for key in &known {
        assert!(rows.contains(key), "`{key}` is not in the reference");
    }
    for row in &rows {
        let is_value = levels_and_expectations.contains(&row.as_str())
            || ["integrity", "checks", "restore"].contains(&row.as_str())
            || row.contains(|c: char| !c.is_ascii_lowercase() && c != '_');
        assert!(known.contains(row) || is_value, "`{row}` is no key of the language");
    }
}

#[test]
fn every_section_shown_in_yaml_is_valid_in_a_policy() {
    let (readme, policy) = (text("README.md"), text("tests/policies/valid/minimal.yaml"));
    let blocks: Vec<&str> =
        readme.split("\n```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
    assert!(!blocks.is_empty(), "no example");
    for block in blocks {
        let loaded = load("README.md", root(), format!("{policy}{block}\n").as_bytes());
        assert!(loaded.problems.is_empty(), "{block}\n{:#?}", loaded.problems);
    }
}

#[test]
fn every_warning_is_told_of() {
    let readme = text("README.md");
    let (_, table) = readme.split_once("| warning | |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let warnings = Code::ALL.iter().filter(|code| code.severity() == Severity::Warning);
    for code in warnings {
        let (_, last) = code.as_str().rsplit_once("::").unwrap();
        assert!(table.contains(&format!("`{last}`")) || table.contains(&format!("`{code}`")), "{code}");
    }
}

#[test]
fn every_command_and_schema_is_told_of() {
    let readme = text("README.md");
    let help = Home::new().policy(&["--help"]).good();
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    for command in commands.lines().take_while(|line| line.starts_with("  ")) {
        let name = command.split_whitespace().next().unwrap();
        assert!(readme.contains(&format!("| `{name}")), "`{name}` has no row");
    }
    for schema in crate::checkout::files("schemas", "json") {
        let name = schema.file_name().unwrap().to_str().unwrap().trim_end_matches(".schema.json");
        assert!(readme.contains(&format!("`{name}`")), "the schema {name} is not named");
    }
}

#[test]
fn the_two_commands_of_the_readme_are_those_that_ci_calls() {
    let readme = text("README.md");
    let ci = text(".ci/run");
    for command in
        ["cargo run --locked -- run --policy policies/quickstart.yaml", "cargo nextest run --locked"]
    {
        assert!(readme.lines().any(|line| line == command), "{command}");
        assert!(ci.contains(command), "{command} is not called in .ci/run");
    }
    assert!(fs::metadata(root().join("policies/quickstart.yaml")).is_ok());
}
