//! A log of the Static Analysis Results Interchange Format, 2.1.0 (docs.oasis-open.org/sarif/sarif/v2.1.0), as code
//! hosts and editors read it.

use super::report::{Found, Report};
use crate::policy::{Code, Severity, problem::pages};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The log of one call.
pub(super) fn log(report: &Report) -> Value {
    let mut rules: BTreeMap<Code, usize> = report.problems.iter().map(|found| (found.code, 0)).collect();
    for (n, index) in rules.values_mut().enumerate() {
        *index = n;
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "policy",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.keys().map(|code| rule(*code)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": report.problems.iter().map(|found| result(found, &rules)).collect::<Vec<_>>(),
        }],
    })
}

fn rule(code: Code) -> Value {
    let page = pages::page(code.as_str()).unwrap_or_default();
    json!({
        "id": code.as_str(),
        "shortDescription": { "text": code.summary() },
        "help": { "text": page, "markdown": page },
        "defaultConfiguration": { "level": level(code.severity()) },
    })
}

fn result(found: &Found, rules: &BTreeMap<Code, usize>) -> Value {
    let artifact = artifact(&found.file);
    let related = found.related.iter().enumerate().map(|(n, other)| {
        json!({
            "id": n + 1,
            "message": { "text": if other.message.is_empty() { "the other place" } else { &other.message } },
            "physicalLocation": {
                "artifactLocation": artifact,
                "region": { "startLine": other.line, "startColumn": other.column },
            },
        })
    });
    json!({
        "ruleId": found.code.as_str(),
        "ruleIndex": rules.get(&found.code),
        "level": level(found.severity),
        "message": { "text": format!("{}\nhelp: {}", found.message, found.help) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": artifact,
            "region": {
                "startLine": found.line,
                "startColumn": found.column,
                "endLine": found.end_line,
                "endColumn": found.end_column,
            },
        } }],
        "relatedLocations": related.collect::<Vec<_>>(),
    })
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// A file as a reference: relative ones belong to the root of what is checked out.
fn artifact(file: &str) -> Value {
    let path = file.replace('\\', "/");
    let path = path.strip_prefix("./").unwrap_or(&path);
    let uri: String = path.bytes().fold(String::new(), |mut uri, byte| {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            let _ = write!(uri, "%{byte:02X}");
        }
        uri
    });
    if path.starts_with('/') {
        json!({ "uri": format!("file://{uri}") })
    } else {
        json!({ "uri": uri, "uriBaseId": "%SRCROOT%" })
    }
}
