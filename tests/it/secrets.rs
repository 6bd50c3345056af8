//! What is shown and kept of the values that a policy's commands are given.

#![cfg(unix)]

use crate::support::{Sandbox, simple::policy};
use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

const VALUE: &str = "tr0ub4dor";

/// One `before` of the target, and a file of variables.
fn sandbox(before: &str, variables: &str) -> Sandbox {
    let text = policy(&format!(", before: [{before}]"), "");
    let sandbox = Sandbox::with_policy(&text.replace("timezone: UTC", "timezone: UTC\nenv_files: [.env]"));
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    sandbox.write(".env", variables);
    sandbox
}

/// Every file and folder of the state folder, itself among them.
fn state(sandbox: &Sandbox) -> Vec<PathBuf> {
    let mut found = vec![sandbox.state()];
    let mut at = 0;
    while at < found.len() {
        for entry in fs::read_dir(&found[at]).into_iter().flatten() {
            found.push(entry.unwrap().path());
        }
        at += 1;
    }
    found
}

/// Fails where one of the state's files holds a text.
fn is_kept_nowhere(sandbox: &Sandbox, text: &str) {
    for file in state(sandbox).into_iter().filter(|path| path.is_file()) {
        let bytes = fs::read(&file).unwrap();
        let found = bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!found, "{} holds {text}", file.display());
    }
}

#[test]
fn what_a_command_prints_shows_the_name_of_a_variable_it_was_called_with() {
    let sandbox = sandbox("[ask, \"http://h/${PW}/x\"]", &format!("PW={VALUE}\n"));
    sandbox.program("ask", "echo \"asking $1\"; echo \"no answer from $1\" >&2; exit 1");
    let answer = sandbox.run(&["run", "-v", "--json"]).exits(1).hides(VALUE);
    assert!(answer.stderr.contains("| asking http://h/${PW}/x"), "{answer}");
    let message = answer.json()[0]["failures"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("no answer from http://h/${PW}/x"), "{message}");
    sandbox.run(&["log"]).exits(0).hides(VALUE).says("asking http://h/${PW}/x");
    sandbox.run(&["history", "--json"]).exits(0).hides(VALUE).says("${PW}");
    is_kept_nowhere(&sandbox, VALUE);
}

#[test]
fn a_program_named_by_a_variable_is_told_by_the_variables_name() {
    let sandbox = sandbox("[\"${TOOL}\"]", "TOOL=/opt/geheim-tool\n");
    sandbox.run(&["run"]).exits(1).says("cannot start `${TOOL}`").hides("geheim");
    is_kept_nowhere(&sandbox, "geheim");
    sandbox.program("geheim-tool", "exit 3");
    let tool = sandbox.root().join("bin/geheim-tool");
    sandbox.write(".env", format!("TOOL={}\n", tool.display()));
    sandbox.run(&["run"]).exits(1).says("`${TOOL}` ended with").hides("geheim");
    is_kept_nowhere(&sandbox, "geheim");
}

#[test]
fn of_two_values_one_within_the_other_neither_is_shown_and_short_ones_are_left() {
    let text = "[ask, \"${SHORT}\", \"${PART}\", \"${WHOLE}\", \"${LINES}\"]";
    let sandbox = sandbox(text, "SHORT=o\nPART=horse\nWHOLE=correcthorse\nLINES=\"alpha-one\\nbeta-two\"\n");
    sandbox.program("ask", "printf '%s\\n' \"told: $1 $2 $3\" \"$4\"");
    let answer = sandbox.run(&["run", "-v"]).exits(0).says("told: o ${PART} ${WHOLE}");
    answer.hides("correct").hides("horse").hides("alpha-one").hides("beta-two");
}

#[test]
fn a_secret_of_the_environment_is_hidden_in_what_a_command_prints() {
    let text = policy(", before: [[ask]]", "");
    let postgres = "}, db: {postgres: {url: \"${DB_URL}\", password: \"${DB_PASSWORD}\"}}}\njobs:";
    let sandbox = Sandbox::with_policy(&text.replace("}}\njobs:", postgres));
    sandbox.sql("app.db", "CREATE TABLE t(x)");
    sandbox.program("ask", "echo \"url: $DB_URL, password: $DB_PASSWORD\"");
    let mut command = sandbox.command(&["run", "--target", "app", "-v"]);
    command.env("DB_URL", "postgresql://me:correcthorse@db/app").env("DB_PASSWORD", VALUE);
    let answer = sandbox.finish(command).exits(0).says("url: ${DB_URL}, password: ${DB_PASSWORD}");
    answer.hides(VALUE).hides("correcthorse");
    is_kept_nowhere(&sandbox, VALUE);
    is_kept_nowhere(&sandbox, "correcthorse");
}

#[test]
fn the_state_is_its_owners_alone_also_where_it_was_not() {
    let sandbox = sandbox("[\"true\"]", "");
    let is_private = || {
        for path in state(&sandbox) {
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        }
    };
    sandbox.run(&["run"]).exits(0);
    sandbox.run(&["verify"]).exits(0);
    is_private();
    for suffix in ["", "-wal", "-shm"] {
        let path = sandbox.state().join(format!("catalog.db{suffix}"));
        if path.exists() {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
    sandbox.run(&["run"]).exits(0);
    is_private();
}

#[test]
fn a_value_across_the_pieces_of_a_long_line_is_hidden() {
    // Wherever it lies across the place where a line of 4 KiB is divided.
    for before in 4_080..=4_100 {
        let sandbox = sandbox("[long]", &format!("PW={VALUE}\n"));
        let dots = ".".repeat(before);
        sandbox
            .program("long", &format!("printf '%s%s%s\\n' {dots} \"$PW\" {dots} | tee /dev/stderr; exit 1"));
        let answer = sandbox.run(&["run", "-v", "--json"]).exits(1).hides(VALUE);
        let shown = format!("{}{}", answer.stdout, answer.stderr);
        for part in [&VALUE[..5], &VALUE[4..]] {
            assert!(!shown.contains(part), "{before}: {part}");
            is_kept_nowhere(&sandbox, part);
        }
        assert!(shown.contains("${PW}"), "{before}\n{answer}");
    }
}
