//! Names and paths that a shell, XML, YAML or a command line would take for something else.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use policy::{
    policy::values::Duration,
    schedule::{
        entry::{Entry, Scope},
        render::{hash_of, kubernetes, launchd, marks::marked_file, task_scheduler},
    },
};

use super::{
    cluster, context, entry,
    read::{Entries, argv, python},
    words,
};

fn windows() -> (DateTime<Utc>, DateTime<Utc>) {
    (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH)
}

pub(crate) fn hostile() -> Vec<String> {
    let long = "ö".repeat(200);
    let paths = [
        "/srv/with blank/p.yaml",
        "/srv/two  blanks and one at the end ",
        "/srv/it's/\"quoted\"/p.yaml",
        "/srv/a&b<c>d;e|f^g!h/`id`/$HOME/${HOME}/p.yaml",
        "/srv/100%/p.yaml",
        "/srv/]]>/<!--/-->/&amp;/p.yaml",
        "/srv/Ünïcödé/日本語/🎉/\u{a0}/\u{2028}/\u{85}x/p.yaml",
        r"C:\with blank\",
        r#"C:\back\\slashes\\"and quotes\\\"#,
        r#""""#,
        "\\",
        "",
        "*",
        "- yes",
        "#",
        &long,
    ];
    // U+0085 is a control character, which no entry holds.
    paths.iter().map(|path| path.replace('\u{85}', "")).collect()
}

fn hostile_entry() -> Entry {
    let mut entry = entry("30 2 * * *", Tz::UTC);
    entry.argv.extend(hostile());
    entry.file = hostile().concat();
    entry
}

#[test]
fn the_words_of_a_property_list_and_of_a_task_are_read_back_as_they_were() {
    let Some(python) = python("plistlib, zoneinfo") else { return };
    let entry = hostile_entry();
    let mut context = context(Tz::UTC);
    context.scope = Scope::System;
    context.user = Some("Jürgen <&> \"Ω\"".to_owned());
    context.environment.insert("WITH <&>".to_owned(), "a \"b\" & <c> %d% $e".to_owned());
    context.log_folder = Some("/Library/Logs/<&> ü/".to_owned());
    let mut entries = Entries::new();
    let plist = launchd::render(&entry, &context).unwrap();
    let task = task_scheduler::render(&entry, &context).unwrap();
    entries.add("launchd", &plist, Tz::UTC, windows());
    entries.add("task", &task, Tz::UTC, windows());
    let read = entries.read(&python);
    for read in &read {
        assert_eq!(argv(read), entry.argv);
    }
    let xml = String::from_utf8(plist.files[0].bytes.clone()).unwrap();
    assert_eq!(marked_file(&xml), Some(hostile().concat()));
    let keys = &read[0]["plist"];
    assert_eq!(keys["UserName"], "Jürgen <&> \"Ω\"");
    assert_eq!(keys["EnvironmentVariables"]["WITH <&>"], "a \"b\" & <c> %d% $e");
    let mark = keys["EnvironmentVariables"]["POLICY_HASH"].as_str().unwrap();
    assert_eq!(mark.split(' ').next(), Some(plist.hash.as_str()));
    assert_eq!(keys["StandardOutPath"], format!("/Library/Logs/<&> ü/{}.log", entry.name));
    assert_eq!(keys["Umask"], 0o077);
}

#[test]
fn a_policy_of_any_text_is_read_back_from_its_config_map() {
    let Some(python) = python("yaml, cronsim, zoneinfo") else { return };
    let texts = [
        "name: prod\n",
        "",
        "no line end",
        "\n\n  leading: blanks\n\n\n",
        "windows: line\r\nends: yes\r\n",
        "tabs:\there\t\ntrailing: blanks  \n",
        "---\n...\n--- |\n",
        "# 日本語 🎉\u{feff}\u{a0}\u{2028}\n",
        "yes",
        "0x10",
        "| >",
    ];
    let mut entries = Entries::new();
    let entry = entry("30 2 * * *", Tz::UTC);
    for text in texts {
        let mut spec = cluster();
        spec.policy_text = text.to_owned();
        // Words that YAML 1.1 takes for truth values and numbers.
        spec.namespace = Some("1".to_owned());
        spec.service_account = Some("no".to_owned());
        spec.env_from = words(&["on", "y", "1e3", "0x1f"]);
        spec.policy_file_name = "1.5".to_owned();
        entries.add(
            "kubernetes",
            &kubernetes::render(&entry, &context(Tz::UTC), &spec).unwrap(),
            Tz::UTC,
            windows(),
        );
    }
    for (text, read) in texts.iter().zip(entries.read(&python)) {
        assert_eq!(read["config_map"]["data"]["1.5"], *text);
        assert_eq!(read["config_map"]["metadata"], read["cron_job"]["metadata"]);
        assert_eq!(read["config_map"]["metadata"]["namespace"], "1");
        let pod = &read["cron_job"]["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        assert_eq!(pod["serviceAccountName"], "no");
        assert_eq!(pod["containers"][0]["envFrom"][1]["secretRef"]["name"], "y");
        assert_eq!(pod["containers"][0]["envFrom"][2]["secretRef"]["name"], "1e3");
        assert_eq!(
            argv(&read),
            words(&["policy", "--policy", "/etc/policy/1.5", "run", "prod/nightly", "--due"])
        );
    }
}

#[test]
fn the_hash_of_an_entry_as_written_is_the_one_that_stands_in_it() {
    let (entry, context) = (hostile_entry(), context(Tz::UTC));
    for rendered in [
        launchd::render(&entry, &context).unwrap(),
        task_scheduler::render(&entry, &context).unwrap(),
        kubernetes::render(&entry, &context, &cluster()).unwrap(),
    ] {
        assert_eq!(hash_of(&rendered.files, &rendered.hash), rendered.hash);
        let mut altered = rendered.files.clone();
        let last = altered[0].bytes.len() - 4;
        altered[0].bytes[last] ^= 1;
        assert_ne!(hash_of(&altered, &rendered.hash), rendered.hash);
    }
}

#[test]
fn the_runner_waits_for_the_jitter_where_the_scheduler_does_not() {
    let Some(python) = python("plistlib, zoneinfo") else { return };
    let mut entries = Entries::new();
    for (cron, seconds) in [("30 2 * * *", 600), ("30 2 * * *", 90), ("30 2 * * *", 0), ("*/20 * * * *", 240)]
    {
        let mut entry = entry(cron, Tz::UTC);
        entry.schedule.jitter = Duration::from_secs(seconds);
        entry.limit = Some(Duration::from_secs(3600));
        let rendered = task_scheduler::render(&entry, &context(Tz::UTC)).unwrap();
        entries.add("task", &rendered, Tz::UTC, windows());
    }
    entries.are_tasks();
    let shown = entries.read(&python).into_iter().map(|read| {
        let jitter =
            argv(&read).iter().skip_while(|word| *word != "--jitter").nth(1).cloned().unwrap_or_default();
        format!("{} {jitter} {}", read["delays"], read["settings"]["ExecutionTimeLimit"])
    });
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [r#"["PT10M"]  "PT60M""#, r#"["PT90S"]  "PT60M""#, r#"[""]  "PT60M""#, r#"[""] 240s "PT64M""#]
    );
}
