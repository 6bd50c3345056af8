//! Objects as YAML that every reader of Kubernetes takes alike.
//!
//! `serde_yaml` writes YAML 1.2, in which `no` is a text; kubectl reads YAML 1.1, in which it is a truth value, and `1_000` a
//! number. Such texts are put between quotes, by way of stand-ins that need none.

use serde_yaml::{Error, Value};
use sha2::{Digest as _, Sha256};

/// Writes an object.
pub(super) fn written(object: &Value) -> Result<String, Error> {
    let mark = hex::encode(Sha256::digest(serde_yaml::to_string(object)?));
    let mut texts = Vec::new();
    let text = serde_yaml::to_string(&with_stand_ins(object, &mark, &mut texts))?;
    Ok(texts
        .iter()
        .enumerate()
        .fold(text, |all, (n, text)| all.replace(&stand_in(n, &mark), &format!("\"{text}\""))))
}

fn stand_in(n: usize, mark: &str) -> String {
    format!("text-{n}-{mark}")
}

fn with_stand_ins(value: &Value, mark: &str, texts: &mut Vec<String>) -> Value {
    match value {
        Value::String(text) if is_other_in_yaml_1_1(text) => {
            texts.push(text.clone());
            Value::String(stand_in(texts.len() - 1, mark))
        }
        Value::Sequence(items) => items.iter().map(|item| with_stand_ins(item, mark, texts)).collect(),
        Value::Mapping(entries) => {
            let mut entry =
                |(key, value)| (with_stand_ins(key, mark, texts), with_stand_ins(value, mark, texts));
            Value::Mapping(entries.iter().map(&mut entry).collect())
        }
        other => other.clone(),
    }
}

/// Whether a text without quotes may be a truth value, a number or a time (yaml.org/type). It has no character that would
/// need an escape.
fn is_other_in_yaml_1_1(text: &str) -> bool {
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "=", "<<"];
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || ['+', '-', '.'].contains(&c));
    let in_number = |c: char| c.is_ascii_alphanumeric() || ['+', '-', '.', '_', ':', ' '].contains(&c);
    words.contains(&text.to_ascii_lowercase().as_str()) || begins && text.chars().all(in_number)
}
