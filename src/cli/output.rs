//! Printing: data to standard output, everything else to standard error.

use super::error::CliError;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write};

/// Bold red.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// Bold yellow.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Green.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Dimmed.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Bold.
pub(crate) const BOLD: Style = Style::new().bold();

/// Text in a style; `anstream` takes it off where colour is not wanted.
pub(crate) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Writes data to standard output as it is. A reader that went away, as `head` does, is no error.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<u8, CliError> {
    written(io::stdout().lock().write_all(bytes))
}

/// Writes text to standard output, with its colours where they are wanted.
pub(crate) fn print(text: &str) -> Result<u8, CliError> {
    match anstream::AutoStream::choice(&io::stdout()) {
        // At once: `anstream` would write each piece between two colours by itself, a line a call.
        anstream::ColorChoice::Never => {
            print_bytes(&anstream::adapter::strip_bytes(text.as_bytes()).into_vec())
        }
        _ => written(anstream::stdout().write_all(text.as_bytes())),
    }
}

fn written(outcome: io::Result<()>) -> Result<u8, CliError> {
    match outcome.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::failed(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(0),
    }
}

/// Writes one JSON value to standard output.
pub(crate) fn print_json(value: &impl Serialize) -> Result<u8, CliError> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|error| CliError::failed(error.to_string()))?;
    text.push('\n');
    print_bytes(text.as_bytes())
}

/// Writes a line to standard error. A reader that went away must not end a run in the middle of its work.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// Tells a warning.
pub(crate) fn warn(message: &str) {
    tell(&format!("{} {message}", paint(WARNING, "warning:")));
}

/// Tells an error; with `--json`, its last line is the object of the contract.
pub(crate) fn print_error(error: &CliError, is_json: bool) {
    if !error.told {
        tell(&format!("{} {}", paint(ERROR, "error:"), error.message));
    }
    if let Some(help) = &error.help {
        tell(&format!("  {} {help}", paint(BOLD, "help:")));
    }
    if is_json {
        let object = serde_json::json!({
            "error": { "code": error.code, "message": error.message, "exit": error.exit }
        });
        let _ = writeln!(io::stderr().lock(), "{object}");
    }
}

/// Whether standard error is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Lays rows out in columns, left-aligned, two blanks apart; the last column is not padded.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    // Styles take no room.
    let length = |cell: &str| anstream::adapter::strip_str(cell).to_string().chars().count();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| length(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if column + 1 < row.len() {
                let padding = widths[column].saturating_sub(length(cell)) + 2;
                line.extend(std::iter::repeat_n(' ', padding));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Makes control characters visible: names from archives and stores are shown, never obeyed.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
