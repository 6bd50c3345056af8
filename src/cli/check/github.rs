//! Annotations as GitHub's runners read them from standard output: "Workflow commands for GitHub Actions", setting an
//! error, warning or notice message.

use super::report::{Found, Report};
use crate::policy::Severity;
use std::fmt::Write as _;

/// One line a problem.
pub(super) fn annotations(report: &Report) -> String {
    report.problems.iter().fold(String::new(), |mut text, found| {
        let Found { file, line, column, end_line, end_column, code, message, help, .. } = found;
        let level = match found.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        // The runner takes `endColumn` as the last column, and ours is the one after; it ignores both over several lines.
        let last = if line == end_line { (*end_column).max(column + 1) - 1 } else { *end_column };
        let _ = writeln!(
            text,
            "::{level} file={},line={line},endLine={end_line},col={column},endColumn={last},title={}::{}",
            property(file),
            property(code.as_str()),
            data(&format!("{message}\nhelp: {help}")),
        );
        text
    })
}

/// Escapes a message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
