//! The JSON Schema of the language, for editors: hover text, completion and squiggles.

use super::{Code, Severity, document::PolicyDocument};
use schemars::{
    Schema,
    generate::SchemaSettings,
    transform::{Transform, transform_subschemas},
};
use serde_json::{Map, Value, json};

/// The schema of a policy, JSON Schema draft-07, which all editors read.
pub fn policy_schema() -> Value {
    let settings = SchemaSettings::draft07().with_transform(Tidy);
    let mut schema = settings.into_generator().into_root_schema_for::<PolicyDocument>().to_value();
    schema["title"] = "A policy: backups declared, version 1".into();
    let is_accepted =
        |code: &&Code| code.severity() == Severity::Warning && **code != Code::UnmatchedAllowance;
    let warnings = Code::ALL.iter().filter(is_accepted);
    schema["properties"]["allow"]["items"]["enum"] = warnings.map(|code| code.as_str()).collect();
    // Completion of a zone's name is worth the length of the list.
    schema["definitions"]["Zone"]["enum"] = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
    if let Some(Value::Object(definitions)) = schema.get_mut("definitions") {
        let renamed =
            std::mem::take(definitions).into_iter().map(|(name, one)| (public(&name).to_owned(), one));
        *definitions = renamed.collect::<Map<_, _>>();
    }
    schema
}

/// A document's name as operators read it: `Store`, not `StoreDocument`.
fn public(name: &str) -> &str {
    name.strip_suffix("Document").unwrap_or(name)
}

/// Makes of what is derived what is meant.
///
/// A key may be left out and may not be empty, so `null` goes; draft-07 ignores what stands beside `$ref`, so it is
/// wrapped; doc comments are broken into lines where the source is, which hover text should not be.
#[derive(Debug, Clone)]
struct Tidy;

impl Transform for Tidy {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        object.remove("format");
        if let Some(Value::String(text)) = object.get_mut("description") {
            *text = text.replace('\n', " ");
        }
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                object.insert("type".into(), only);
            }
        }
        if let Some(Value::Array(words)) = object.get_mut("enum") {
            words.retain(|word| !word.is_null());
        }
        if let Some(Value::Array(mut any)) = object.remove("anyOf") {
            any.retain(|one| one.get("type") != Some(&Value::from("null")));
            match any.as_slice() {
                [Value::Object(only)] => only.iter().for_each(|(key, value)| {
                    object.entry(key.clone()).or_insert_with(|| value.clone());
                }),
                _ => {
                    object.insert("anyOf".into(), any.into());
                }
            }
        }
        if let Some(Value::String(reference)) = object.get_mut("$ref") {
            *reference = public(reference).to_owned();
            let reference = object.remove("$ref");
            if object.is_empty() {
                object.extend(reference.map(|reference| ("$ref".to_owned(), reference)));
            } else {
                object.insert("allOf".into(), json!([{ "$ref": reference }]));
            }
        }
    }
}
