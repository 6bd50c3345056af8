//! A part of another system's document: any mapping, taken as YAML 1.2 reads it.

use super::read::{Read, Reader};
use crate::policy::{
    problem::{Code, Problem},
    yaml::{Kind, Node, Scalar},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Number, Value};
use std::{borrow::Cow, collections::BTreeMap};

/// A mapping as JSON, its keys sorted.
#[derive(Debug, Clone, Default)]
pub(in crate::policy) struct Patch(pub(in crate::policy) Map<String, Value>);

impl Read for Patch {
    const WHAT: &'static str = "a mapping";
    const EXAMPLE: &'static str = "{spec: {suspend: true}}";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.mapping(node, Self::WHAT, Self::EXAMPLE)?;
        match json(node, reader)? {
            Value::Object(map) => Some(Self(map)),
            _ => None,
        }
    }
}

/// A node as JSON; `None` where a part of it was told to be none.
fn json(node: &Node, reader: &mut Reader<'_>) -> Option<Value> {
    match &node.kind {
        Kind::Scalar(scalar) if scalar.is_null() => Some(Value::Null),
        Kind::Scalar(scalar) if scalar.is_bool() => Some(scalar.text.eq_ignore_ascii_case("true").into()),
        Kind::Scalar(scalar) if scalar.is_number() => {
            let number = number(scalar);
            if number.is_none() {
                let message = format!("`{}` is a number that JSON does not have", scalar.text);
                let help = format!("write another, or text: \"{}\"", scalar.text);
                reader.note(Problem::error(Code::BadNumber, message, help).label(node.span, ""));
            }
            number.map(Value::Number)
        }
        // Told where it names a variable: what travels holds no values, and nothing fills them in.
        Kind::Scalar(_) => {
            reader.text(node, super::read::TEXT, "text").map(|text| Value::String(text.value.to_owned()))
        }
        Kind::List(items) => {
            let items: Vec<_> = items.iter().map(|item| json(item, reader)).collect();
            items.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
        }
        Kind::Map(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|entry| Some((entry.key.value.clone(), json(&entry.value, reader)?)))
                .collect();
            let sorted: BTreeMap<_, _> = entries.into_iter().collect::<Option<_>>()?;
            Some(Value::Object(sorted.into_iter().collect()))
        }
    }
}

fn number(scalar: &Scalar) -> Option<Number> {
    let text = scalar.text.as_str();
    let based = |digits: &str, base| u64::from_str_radix(digits, base).ok().map(Number::from);
    match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(digits), _) => based(digits, 16),
        (_, Some(digits)) => based(digits, 8),
        _ => {
            let whole = text.strip_prefix('+').unwrap_or(text);
            let whole =
                whole.parse::<u64>().map(Number::from).or_else(|_| whole.parse::<i64>().map(Number::from));
            whole.ok().or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64))
        }
    }
}

impl JsonSchema for Patch {
    fn schema_name() -> Cow<'static, str> {
        "Patch".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Any part of a CronJob. Its texts take no variables.",
            "examples": [{ "spec": { "jobTemplate": { "spec": { "template": { "spec": { "priorityClassName": "low" } } } } } }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::yaml;

    fn patch(text: &str) -> Result<String, Vec<String>> {
        let (root, problems) = yaml::read_on(text);
        let mut reader = Reader::new(text, problems);
        let patch = Patch::read(&root.unwrap(), &mut reader);
        let said = reader.problems.sorted().iter().map(|problem| problem.message.clone()).collect();
        patch.map(|patch| Value::Object(patch.0).to_string()).ok_or(said)
    }

    #[test]
    fn a_patch_is_what_yaml_1_2_reads_with_sorted_keys() {
        let text = "{b: [1, -2, 0x1F, 0o17, +3, 1e3, 18446744073709551615], a: {z: null, y: ~, x: no, w: 'true', v: true}}";
        let json = r#"{"a":{"v":true,"w":"true","x":"no","y":null,"z":null},"b":[1,-2,31,15,3,1000.0,18446744073709551615]}"#;
        assert_eq!(patch(text), Ok(json.to_owned()));
        assert_eq!(patch("{}"), Ok("{}".to_owned()));
    }

    #[test]
    fn what_json_has_not_and_variables_are_refused() {
        for (text, said) in [
            ("{a: .inf}", "`.inf` is a number that JSON does not have"),
            ("{a: [b, \"x ${NAME}\"]}", "takes no variables"),
            ("[a]", "must be a mapping"),
        ] {
            let problems = patch(text).unwrap_err();
            assert!(problems.len() == 1 && problems[0].contains(said), "{text}: {problems:?}");
        }
    }
}
