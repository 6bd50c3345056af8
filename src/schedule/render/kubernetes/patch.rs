//! JSON merge patches (RFC 7386) on YAML values.

use serde_yaml::{Mapping, Value};

/// The value with a patch merged into it: mappings are merged, `null` removes a key, and all else replaces what was there.
pub(super) fn merged(target: Value, patch: &Value) -> Value {
    let Value::Mapping(patch) = patch else { return patch.clone() };
    let mut target = match target {
        Value::Mapping(target) => target,
        _ => Mapping::new(),
    };
    for (key, value) in patch {
        if value.is_null() {
            target.shift_remove(key);
        } else if let Some(there) = target.get_mut(key) {
            *there = merged(std::mem::take(there), value);
        } else {
            target.insert(key.clone(), merged(Value::Null, value));
        }
    }
    Value::Mapping(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7386, appendix A.
    #[test]
    fn a_patch_does_what_the_examples_of_its_standard_do() {
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, r"{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let read = |text| serde_yaml::from_str::<Value>(text).unwrap();
            assert_eq!(merged(read(target), &read(patch)), read(result), "{target} with {patch}");
        }
    }
}
