//! The JSON Schema of the language, for editors: hover text, completion and squiggles.

use super::document::PolicyDocument;
use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::SchemaSettings,
    transform::{Transform, transform_subschemas},
};
use serde_json::Value;

/// The schema of a policy, JSON Schema draft-07, which all editors read.
pub fn policy_schema() -> Value {
    let settings = SchemaSettings::draft07().with_transform(WithoutNull);
    let mut generator = SchemaGenerator::new(settings);
    let mut schema = generator.root_schema_for::<Root>().to_value();
    if let Value::Object(schema) = &mut schema {
        schema.insert("title".into(), "A policy: backups declared, version 1".into());
    }
    schema
}

/// Gives the root its public name.
struct Root;

impl JsonSchema for Root {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "policy".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        PolicyDocument::json_schema(generator)
    }
}

/// Takes `null` away again: a key may be left out, and may not be empty.
#[derive(Debug, Clone)]
struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                object.insert("type".into(), only);
            }
        }
        if let Some(Value::Array(mut any)) = object.remove("anyOf") {
            any.retain(|one| one.get("type") != Some(&Value::from("null")));
            match any.as_slice() {
                [Value::Object(only)] => {
                    for (key, value) in only {
                        object.entry(key.clone()).or_insert_with(|| value.clone());
                    }
                }
                _ => {
                    object.insert("anyOf".into(), any.into());
                }
            }
        }
        if let Some(Value::Array(words)) = object.get_mut("enum") {
            words.retain(|word| !word.is_null());
        }
    }
}
