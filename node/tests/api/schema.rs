//! As much of JSON Schema as the document of the API uses. What it uses beyond that is a failure.

use serde_json::{Map, Value};

/// The schemas of a document, by reference.
pub(crate) struct Schemas(Map<String, Value>);

impl Schemas {
    pub(crate) fn of(document: &Value) -> Self {
        Self(document["components"]["schemas"].as_object().unwrap().clone())
    }

    pub(crate) fn get(&self, reference: &str) -> &Value {
        let name = reference.strip_prefix("#/components/schemas/").unwrap();
        self.0.get(name).unwrap_or_else(|| panic!("no schema {name}"))
    }
}

/// Where and why a value is not of a schema.
pub(crate) fn mismatch(schemas: &Schemas, schema: &Value, value: &Value) -> Option<String> {
    for (key, rule) in schema.as_object().unwrap() {
        let wrong = match key.as_str() {
            "$ref" => mismatch(schemas, schemas.get(rule.as_str().unwrap()), value),
            "anyOf" => {
                let mut wrong: Vec<_> = Vec::new();
                for one in rule.as_array().unwrap() {
                    match mismatch(schemas, one, value) {
                        None => return None,
                        Some(text) => wrong.push(text),
                    }
                }
                Some(wrong.join(" or "))
            }
            "type" => {
                let kinds: Vec<&str> = match rule {
                    Value::String(kind) => vec![kind],
                    _ => rule
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|kind| kind.as_str().unwrap())
                        .collect(),
                };
                let fits = kinds.iter().any(|kind| is_of(kind, value));
                (!fits).then(|| format!("{value} is not of {kinds:?}"))
            }
            "enum" => (!rule.as_array().unwrap().contains(value)).then(|| format!("{value} is none of {rule}")),
            "minimum" => value
                .as_i64()
                .is_some_and(|value| value < rule.as_i64().unwrap())
                .then(|| format!("{value} is below {rule}")),
            "pattern" => pattern(rule.as_str().unwrap(), value),
            "format" => value
                .as_str()
                .is_some_and(|text| text.len() != 24 || !text.ends_with('Z'))
                .then(|| format!("{value} is no time")),
            "items" => {
                let mut items = value.as_array().into_iter().flatten();
                items.find_map(|item| mismatch(schemas, rule, item))
            }
            "properties" => value.as_object().and_then(|value| {
                let unknown = value.keys().find(|name| rule.get(name).is_none());
                let unknown = unknown.map(|name| format!("{name} is unknown"));
                unknown.or_else(|| {
                    value.iter().find_map(|(name, value)| {
                        mismatch(schemas, &rule[name], value).map(|text| format!("{name}: {text}"))
                    })
                })
            }),
            "required" => {
                let missing = rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|name| value.get(name.as_str().unwrap()).is_none());
                missing
                    .filter(|_| value.is_object())
                    .map(|name| format!("{name} is missing"))
            }
            "additionalProperties" => {
                assert_eq!(rule, false);
                None
            }
            "description" | "examples" => None,
            other => panic!("the document uses {other}"),
        };
        if wrong.is_some() {
            return wrong;
        }
    }
    None
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the document uses the type {other}"),
    }
}

/// Ids: `^user_[a-z2-7]{52}$`.
fn pattern(pattern: &str, value: &Value) -> Option<String> {
    let prefix = pattern
        .strip_prefix('^')
        .unwrap()
        .strip_suffix("[a-z2-7]{52}$")
        .unwrap();
    let text = value.as_str()?;
    let rest = text.strip_prefix(prefix);
    let fits = rest.is_some_and(|rest| rest.len() == 52 && rest.chars().all(|c| matches!(c, 'a'..='z' | '2'..='7')));
    (!fits).then(|| format!("{value} is not {pattern}"))
}

#[test]
fn what_is_wrong_is_found() {
    let document = serde_json::json!({ "components": { "schemas": { "A": {
        "type": "object",
        "properties": { "n": { "type": ["integer", "null"], "minimum": 0 }, "w": { "enum": ["x"], "type": "string" } },
        "required": ["n"],
        "additionalProperties": false,
    } } } });
    let schemas = Schemas::of(&document);
    let one = serde_json::json!({ "$ref": "#/components/schemas/A" });
    for right in ["{\"n\":1}", "{\"n\":null,\"w\":\"x\"}"] {
        assert_eq!(mismatch(&schemas, &one, &serde_json::from_str(right).unwrap()), None);
    }
    for wrong in [
        "{}",
        "{\"n\":-1}",
        "{\"n\":\"1\"}",
        "{\"n\":1,\"w\":\"y\"}",
        "{\"n\":1,\"z\":1}",
        "[]",
    ] {
        assert!(
            mismatch(&schemas, &one, &serde_json::from_str(wrong).unwrap()).is_some(),
            "{wrong}"
        );
    }
}
