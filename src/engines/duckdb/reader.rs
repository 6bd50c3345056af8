//! The process that opens copies of databases, from the side of the one that asks it.
//!
//! DuckDB may end the process that opens a damaged file, and takes memory of its own: so it runs apart (see
//! [`apart`]), one process a task. Where that cannot be started the work is done here.

use super::{
    super::{EngineError, apart},
    report::{Order, Report, Task},
    work,
};
use crate::watch::Watch;
use std::{
    io::{Read as _, Write as _},
    path::Path,
    process::Child,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

/// The word under which this program reads a copy of a DuckDB database; no command has such a name.
pub(in crate::engines) const READER: &str = "--read-duckdb";

/// The longest answer that is read, in bytes: a line for each of a hundred thousand tables is a tenth of it.
const LONGEST_ANSWER: u64 = 64 << 20;

/// A file's name without its folder, for what is kept with a backup.
pub(super) fn name_of(path: &Path) -> std::path::PathBuf {
    path.file_name().unwrap_or(path.as_os_str()).into()
}

/// Ends the process with whoever waits for it.
struct Reader(Child);

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Has a copy examined.
///
/// # Errors
/// When it was asked to stop. What the copy is unfit for stands in the report.
pub(super) fn ask(order: Order, watch: &Watch<'_>) -> Result<Report, EngineError> {
    have_done(&Task::Examine(order), watch)
}

/// Has something done.
///
/// # Errors
/// As of [`ask`].
pub(super) fn have_done(task: &Task, watch: &Watch<'_>) -> Result<Report, EngineError> {
    watch.check()?;
    let Some(child) = apart::start(READER, None) else { return Ok(work::work(task)) };
    let mut reader = Reader(child);
    let failed = |message: String| EngineError::Library {
        verb: "examine",
        path: name_of(task.path().as_ref()),
        message,
    };
    let text = serde_json::to_string(task).map_err(|error| failed(error.to_string()))?;
    // Not as an argument, which every user of the host may read: a path may hold the value of a variable. The pipe stays
    // open, as its end would end the other process.
    let mut orders = reader.0.stdin.take();
    let told = orders.as_mut().map(|orders| orders.write_all(format!("{text}\n").as_bytes()));
    let Some(said) = reader.0.stdout.take() else { return Ok(work::work(task)) };
    let (hand, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut answer = String::new();
        let read = said.take(LONGEST_ANSWER).read_to_string(&mut answer).map(|_| answer);
        drop(hand.send(read));
    });
    let answer = loop {
        match heard.recv_timeout(Duration::from_millis(25)) {
            Ok(answer) => break answer.unwrap_or_default(),
            Err(RecvTimeoutError::Timeout) => watch.check()?,
            Err(RecvTimeoutError::Disconnected) => break String::new(),
        }
    };
    watch.check()?;
    if let Ok(report) = serde_json::from_str(&answer) {
        return Ok(report);
    }
    drop(orders);
    let how = reader.0.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
    let untold = told.and_then(Result::err).map(|error| format!(" ({error})")).unwrap_or_default();
    // Damage may be the reason, or a want of memory, or an error of the library: it was not judged.
    Ok(Report::unverifiable(format!(
        "the process that read it ended with {how} before it had an answer{untold}"
    )))
}

/// Does the work of a reader: one task, one answer.
pub(in crate::engines) fn attend() -> Result<(), Box<dyn std::error::Error>> {
    let orders = apart::orders();
    let task: Task = serde_json::from_str(&orders.recv()?)?;
    apart::say(&serde_json::to_string(&work::work(&task))?)?;
    Ok(())
}

/// A path as the reader is told it.
pub(super) fn told(path: &Path) -> Result<String, EngineError> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        EngineError::Refused(format!(
            "{} is not UTF-8, and DuckDB opens no such path: set the target's `scratch` to another folder",
            path.display()
        ))
    })
}
