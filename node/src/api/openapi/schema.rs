//! The schemas of bodies and answers, from a short text: a name, its fields with their types, an example.
//!
//! ```text
//! Name: what it is
//!   field: type -- what it is        `?` behind the field: it may be absent; behind the type: it may be null
//!   field?: [Other]?                 a list; a capital letter begins the name of another schema; a|b|c: one of these words
//!   ...Other                         all fields of another one
//!   = {"field":1}                    an example
//! ```

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// A schema as it was written.
#[derive(Default)]
pub(super) struct Schema {
    description: String,
    fields: Vec<Field>,
    pub(super) example: Option<Value>,
}

/// A field, or (without a type) all fields of the schema of this name.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Option<String>,
    pub(super) optional: bool,
    pub(super) note: String,
}

/// Reads the text; what is no line of it is left out, which the test finds.
pub(super) fn read(text: &str) -> BTreeMap<String, Schema> {
    let mut schemas = BTreeMap::new();
    let mut current = (String::new(), Schema::default());
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("  ") {
            current.1.add(line);
        } else if !line.is_empty() {
            let (name, description) = line.split_once(": ").unwrap_or((line, ""));
            let next = Schema {
                description: description.to_owned(),
                ..Schema::default()
            };
            let (name, done) = std::mem::replace(&mut current, (name.to_owned(), next));
            schemas.insert(name, done);
        }
    }
    schemas.insert(current.0, current.1);
    schemas.remove("");
    schemas
}

impl Schema {
    fn add(&mut self, line: &str) {
        if let Some(example) = line.strip_prefix("= ") {
            self.example = serde_json::from_str(example).ok();
            return;
        }
        let (line, note) = line.split_once(" -- ").unwrap_or((line, ""));
        let (name, kind) = match line.split_once(": ") {
            Some((name, kind)) => (name, Some(kind.to_owned())),
            None => (line.trim_start_matches("..."), None),
        };
        self.fields.push(Field {
            name: name.trim_end_matches('?').to_owned(),
            kind,
            optional: name.ends_with('?'),
            note: note.to_owned(),
        });
    }

    /// Its fields with those it takes over.
    pub(super) fn fields(&self, all: &BTreeMap<String, Self>) -> Vec<Field> {
        let mut fields = Vec::new();
        for field in &self.fields {
            match (&field.kind, all.get(&field.name)) {
                (None, Some(other)) => fields.extend(other.fields(all)),
                _ => fields.push(field.clone()),
            }
        }
        fields
    }

    /// As JSON Schema 2020-12.
    pub(super) fn to_json(&self, all: &BTreeMap<String, Self>) -> Value {
        let fields = self.fields(all);
        let mut properties = Map::new();
        for field in &fields {
            let mut schema = type_of(field.kind.as_deref().unwrap_or_default());
            if let (Some(schema), false) = (schema.as_object_mut(), field.note.is_empty()) {
                schema.insert("description".to_owned(), json!(field.note));
            }
            properties.insert(field.name.clone(), schema);
        }
        let required: Vec<&str> = fields
            .iter()
            .filter(|field| !field.optional)
            .map(|field| field.name.as_str())
            .collect();
        let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if !self.description.is_empty() {
            schema["description"] = json!(self.description);
        }
        if let Some(example) = &self.example {
            schema["examples"] = json!([example]);
        }
        schema
    }
}

fn type_of(kind: &str) -> Value {
    if let Some(kind) = kind.strip_suffix('?') {
        let mut schema = type_of(kind);
        if schema.get("$ref").is_some() {
            return json!({ "anyOf": [schema, { "type": "null" }] });
        }
        if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            words.push(Value::Null);
        }
        schema["type"] = json!([schema["type"], "null"]);
        return schema;
    }
    if let Some(items) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
        return json!({ "type": "array", "items": type_of(items) });
    }
    let id = |prefix: &str| json!({ "type": "string", "pattern": format!("^{prefix}_[a-z2-7]{{52}}$") });
    match kind {
        "any" => json!({}),
        "string" | "boolean" | "number" => json!({ "type": kind }),
        "integer" => json!({ "type": "integer", "minimum": 0 }),
        "time" => json!({ "type": "string", "format": "date-time" }),
        "user" | "dev" | "conv" | "msg" => id(kind),
        name if name.starts_with(|c: char| c.is_ascii_uppercase()) => {
            json!({ "$ref": format!("#/components/schemas/{name}") })
        }
        words => json!({ "type": "string", "enum": words.split('|').collect::<Vec<_>>() }),
    }
}
