//! Processes apart: this program under a word of its own.
//!
//! What examines foreign files may die of them: a mapped file that is cut short ends whoever touches it, a library may
//! abort on damage. So that work is done by another process, which does nothing else; what it dies of is told by this one.

#![expect(clippy::disallowed_methods, reason = "starts this program itself, with no word of anybody else")]

use super::sqlite;
use crate::platform::process::own_group;
use std::{
    env,
    ffi::OsString,
    io, process,
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
};

/// Whether this program answers to such words: one that only links this library, as the tests' harness does, must not be
/// started in the belief that it does.
static SERVES: AtomicBool = AtomicBool::new(false);

/// Starts this program under a word, with pipes to its input and from its output; `None` where that cannot be done.
pub(super) fn start(word: &str, argument: Option<&str>) -> Option<Child> {
    if !SERVES.load(Ordering::Relaxed) {
        return None;
    }
    let mut command = Command::new(env::current_exe().ok()?);
    command.arg(word).args(argument).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    // What a terminal sends to the whole group is for this process to answer.
    own_group(&mut command);
    command.spawn().ok()
}

/// Does the work that the arguments ask for under one of these words, and returns the exit code. Called first by every
/// program that is to start itself.
pub fn serve(arguments: &[OsString]) -> Option<u8> {
    SERVES.store(true, Ordering::Relaxed);
    let [_, word, rest @ ..] = arguments else { return None };
    let done = match word.to_str()? {
        sqlite::EXAMINER => sqlite::attend(rest)?,
        #[cfg(feature = "duckdb")]
        super::duckdb::READER => super::duckdb::attend(),
        _ => return None,
    };
    Some(u8::from(done.is_err()))
}

/// The lines that come on standard input. Its end, as with the death of whoever started this process, ends this process,
/// whatever it is at.
pub(super) fn orders() -> Receiver<String> {
    let (hand, orders) = mpsc::channel();
    thread::spawn(move || {
        for order in io::stdin().lines().map_while(Result::ok) {
            drop(hand.send(order));
        }
        process::exit(0);
    });
    orders
}

/// Says one line on standard output.
pub(super) fn say(line: &str) -> io::Result<()> {
    io::Write::write_all(&mut io::stdout(), format!("{line}\n").as_bytes())
}
