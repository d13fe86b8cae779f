//! The document as a page for people: plain HTML, made once, that needs nothing but itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::schema::Schema;
use crate::api::auth::Scope;
use crate::api::operations::{Needs, OPERATIONS, Operation};

const STYLE: &str = include_str!("page.css");

/// The page. It has no script and loads nothing.
pub(super) fn page(schemas: &BTreeMap<String, Schema>) -> String {
    let mut html = String::with_capacity(128 * 1024);
    html.push_str("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>parlour API</title>");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>");
    html.push_str(STYLE);
    html.push_str(
        "</style></head><body><main><h1>parlour API</h1><p>The local API of this node. Programs send the header <code>",
    );
    html.push_str(
        "Authorization: Bearer TOKEN</code>; <code>parlour token new</code> makes tokens. As a document for \
                   machines: <a href=\"/api/openapi.json\">openapi.json</a>.</p><h2>Operations</h2>",
    );
    for operation in OPERATIONS {
        show_operation(&mut html, operation, schemas);
    }
    html.push_str("<h2>Bodies and answers</h2>");
    for (name, schema) in schemas {
        show_schema(&mut html, name, schema, schemas);
    }
    html.push_str("</main></body></html>");
    html
}

fn show_operation(html: &mut String, operation: &Operation, all: &BTreeMap<String, Schema>) {
    let needs = match operation.needs {
        Needs::Nothing => "no token",
        Needs::Scope(Scope::Read) => "read",
        Needs::Scope(Scope::Send) => "send",
        Needs::Scope(Scope::Admin) => "admin",
        Needs::CommandLine => "the command line",
    };
    // Writing into a string cannot fail.
    let _ = write!(
        html,
        "<section><h3><code class=\"{method}\">{method}</code> <code>{path}</code></h3><p>{summary}. <em>{needs}</em></p>",
        method = operation.method,
        path = escaped(operation.path),
        summary = escaped(operation.summary),
    );
    if !operation.query.is_empty() {
        let names: Vec<&str> = operation.query.iter().map(|key| super::parameter_name(key)).collect();
        let _ = write!(html, "<p>Query: <code>{}</code></p>", names.join("</code>, <code>"));
    }
    if let Some(schema) = operation.takes {
        let _ = write!(html, "<p>Takes {}</p>", linked(schema, all));
    }
    let (status, schema) = operation.gives;
    let _ = match schema {
        Some(schema) => write!(html, "<p>Gives {status}, {}</p></section>", linked(schema, all)),
        None => write!(html, "<p>Gives {status}</p></section>"),
    };
}

fn show_schema(html: &mut String, name: &str, schema: &Schema, all: &BTreeMap<String, Schema>) {
    let _ = write!(html, "<section><h3 id=\"{name}\">{name}</h3><table>");
    for field in schema.fields(all) {
        let kind = field.kind.as_deref().unwrap_or_default();
        let bare = kind.trim_matches(['[', ']', '?']);
        let shown = if all.contains_key(bare) {
            kind.replace(bare, &linked(bare, all))
        } else {
            escaped(kind)
        };
        let absent = if field.optional { "may be absent" } else { "" };
        let _ = write!(
            html,
            "<tr><td><code>{}</code></td><td><code>{shown}</code></td><td>{absent}</td><td>{}</td></tr>",
            escaped(&field.name),
            escaped(&field.note),
        );
    }
    html.push_str("</table>");
    if let Some(example) = &schema.example {
        let _ = write!(html, "<pre>{}</pre>", escaped(&example.to_string()));
    }
    html.push_str("</section>");
}

fn linked(schema: &str, all: &BTreeMap<String, Schema>) -> String {
    if all.contains_key(schema) {
        format!("<a href=\"#{schema}\">{schema}</a>")
    } else {
        escaped(schema)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
