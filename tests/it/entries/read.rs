//! Entries as files, and what programs that are not ours say of them.

use std::{
    collections::BTreeSet,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::skip;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use policy::schedule::render::Rendered;
use serde_json::{Value, json};

/// A Python with modules; `POLICY_PYTHON` names one that has them.
pub(crate) fn python(modules: &str) -> Option<PathBuf> {
    let python = std::env::var_os("POLICY_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let import =
        Command::new(&python).args(["-c", &format!("import {modules}")]).stderr(Stdio::null()).status();
    if import.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    skip(&format!("no {} with {modules}", python.display()));
    None
}

/// What the Task Scheduler takes.
const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/task.xsd");

/// Entries in a folder of their own, to be read in one go.
pub(crate) struct Entries {
    folder: tempfile::TempDir,
    cases: Vec<Value>,
}

impl Entries {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), cases: Vec::new() }
    }

    /// Adds an entry, to be read by the clock of a zone, for a window of time.
    pub(crate) fn add(
        &mut self,
        kind: &str,
        rendered: &Rendered,
        zone: Tz,
        window: (DateTime<Utc>, DateTime<Utc>),
    ) {
        let file = self.folder.path().join(self.cases.len().to_string());
        std::fs::write(&file, &rendered.files[0].bytes).unwrap();
        let (start, end) = (window.0.timestamp(), window.1.timestamp());
        self.cases.push(json!({"kind": kind, "file": file, "zone": zone.name(), "start": start, "end": end}));
    }

    /// The files, in order.
    pub(crate) fn files(&self) -> Vec<&Path> {
        self.cases.iter().map(|case| Path::new(case["file"].as_str().unwrap())).collect()
    }

    /// What the reader says of each.
    pub(crate) fn read(&self, python: &Path) -> Vec<Value> {
        let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/entries/read.py");
        let mut command = Command::new(python);
        command.arg(reader).env("TZ", "UTC").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(json!(self.cases).to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let read: Vec<_> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(read.len(), self.cases.len());
        read
    }

    /// Holds the files against the schema of tasks.
    pub(crate) fn are_tasks(&self) {
        for files in self.files().chunks(500) {
            let output = Command::new("xmllint").args(["--noout", "--schema", SCHEMA]).args(files).output();
            let Ok(output) = output else { return skip("no xmllint") };
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// Whether a text is a task by the schema; `None` where nothing can tell.
pub(crate) fn is_task(text: &str) -> Option<bool> {
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--schema", SCHEMA, "-"]).stdin(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        skip("no xmllint");
        return None;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    Some(child.wait().unwrap().success())
}

/// The instants of a reading.
pub(crate) fn fires(read: &Value) -> BTreeSet<DateTime<Utc>> {
    let seconds = read["fires"].as_array().unwrap().iter().map(|at| at.as_i64().unwrap());
    seconds.map(|at| DateTime::from_timestamp(at, 0).unwrap()).collect()
}

/// The words of a reading.
pub(crate) fn argv(read: &Value) -> Vec<String> {
    serde_json::from_value(read["argv"].clone()).unwrap()
}
