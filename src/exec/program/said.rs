//! What a program says on standard error, as far as it is worth keeping.

use crate::exec::redact::Redaction;
use std::{
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, Read},
    sync::Mutex,
};

/// Most lines kept of standard error.
const LINES_MAX: usize = 20;
/// Most bytes kept of standard error.
const SAID_MAX_BYTES: usize = 4 << 10;
/// Most bytes kept of one line of it.
const LINE_MAX_BYTES: u64 = 1 << 10;

/// Keeps the last lines of a program's standard error, with nothing in them that would move a cursor.
pub(super) fn listen(stderr: impl Read, said: &Mutex<VecDeque<String>>, redaction: &Redaction) {
    // So far a line is read that no value which begins in what is kept of it is cut.
    let reach = LINE_MAX_BYTES + redaction.longest() as u64;
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    let mut is_rest = false;
    loop {
        line.clear();
        match stderr.by_ref().take(reach).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        }
        let was_rest = std::mem::replace(&mut is_rest, !line.ends_with(b"\n"));
        let text = harmless(&line);
        let mut text = redaction.apply(&text).into_owned();
        let most = usize::try_from(LINE_MAX_BYTES).unwrap_or(usize::MAX);
        text.truncate(text.floor_char_boundary(most));
        // Of a line that is longer its beginning says what it is about.
        if was_rest || text.is_empty() {
            continue;
        }
        let Ok(mut said) = said.lock() else { return };
        said.push_back(text);
        while said.len() > LINES_MAX || said.iter().map(String::len).sum::<usize>() > SAID_MAX_BYTES {
            said.pop_front();
        }
    }
}

/// A line without the blanks around it and without control characters.
fn harmless(line: &[u8]) -> String {
    let replace = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
    String::from_utf8_lossy(line).trim().chars().map(replace).collect()
}

/// Of what a program said before it failed, the part that says why: from its last error on, else its last line.
pub(super) fn reasons(mut said: Vec<String>) -> Vec<String> {
    // What `pg_dump` says of its workers after one of them has said why.
    const AFTERMATH: &str = "worker process died";
    let is_error = |line: &String| {
        let says = ["error:", "ERROR:", "FATAL:", "PANIC:"].iter().any(|word| line.contains(word));
        // A detail belongs to the error before it, also where it quotes one of the server's.
        says && !line.contains(AFTERMATH) && !line.contains(": detail:")
    };
    let from = said.iter().rposition(is_error).unwrap_or(said.len().saturating_sub(1));
    said.split_off(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_said_is_bounded_and_moves_no_cursor() {
        let said = Mutex::new(VecDeque::new());
        let mut text = b"\x1b[2Jred\rgreen\tblue\n\n".to_vec();
        listen(&text[..], &said, &Redaction::default());
        assert_eq!(*said.lock().unwrap(), ["\u{fffd}[2Jred\u{fffd}green\tblue"]);
        text.extend((0..1000).flat_map(|n| format!("line {n}\n").into_bytes()));
        text.extend(std::iter::repeat_n(b'x', 100_000));
        listen(&text[..], &said, &Redaction::default());
        let said = said.lock().unwrap();
        assert_eq!(said.len(), 20);
        assert_eq!(said.back().unwrap().len(), 1024);
        assert_eq!(said[18], "line 999");
    }

    #[test]
    fn the_reason_begins_with_the_last_error() {
        let lines = |text: &[&str]| text.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let said = lines(&["pg_dump: error: a", "pg_dump: error: b", "pg_dump: detail: c"]);
        assert_eq!(reasons(said), lines(&["pg_dump: error: b", "pg_dump: detail: c"]));
        let quoting =
            lines(&["pg_dump: error: a failed", "pg_dump: detail: Error message from server: FATAL:  b"]);
        assert_eq!(reasons(quoting.clone()), quoting);
        assert_eq!(reasons(lines(&["a", "b"])), lines(&["b"]));
        assert_eq!(reasons(Vec::new()), lines(&[]));
    }
}
