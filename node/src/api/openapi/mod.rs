//! The API as an OpenAPI 3.1 document and as a page, both made from the table of operations and the list of schemas, and both
//! whole by themselves: nothing is loaded from anywhere.

mod page;
mod schema;

use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::auth::Scope;
use super::operations::{Needs, OPERATIONS, Operation, Place};

const SCHEMAS: &str = include_str!("schemas.txt");
/// The page has its style inside, and nothing else.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Parameters of queries: key, name, type, what it is.
const PARAMETERS: &[(&str, &str, &str, &str)] = &[
    ("limit", "limit", "integer", "items of a page, 1 to 200; 50 without"),
    ("before", "before", "string", "a cursor: what is older than it"),
    ("after", "after", "string", "a cursor: what is newer than it"),
    ("around", "around", "string", "a message: it and its neighbours"),
    (
        "after_room_seq",
        "after_seq",
        "integer",
        "a message's seq: what came here after it, in the order in which it came",
    ),
    ("thread", "thread", "string", "a message: only what is under it"),
    (
        "after_seq",
        "after",
        "integer",
        "the last event seen; without: from now on",
    ),
    ("ephemeral", "ephemeral", "boolean", "typing and presence, too"),
    ("history", "history", "boolean", "also erase what was written"),
    ("for", "for", "string", "all or me"),
    ("q", "q", "string", "words, \"a phrase\", begin*"),
    ("conversation", "conversation", "string", "only there: a name or an id"),
    ("author", "author", "string", "only by them: a name or an id"),
    ("after_time", "after", "string", "only after this time"),
    ("before_time", "before", "string", "only before this time"),
    ("order", "order", "string", "newest or ranked"),
];

struct Made {
    document: Bytes,
    page: Bytes,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let schemas = schema::read(SCHEMAS);
    Made {
        document: Bytes::from(document(&schemas).to_string()),
        page: Bytes::from(page::page(&schemas)),
    }
});

pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let document = || async { ([(CONTENT_TYPE, "application/json")], MADE.document.clone()) };
    let page = || async {
        let headers = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_SECURITY_POLICY, POLICY),
        ];
        (headers, MADE.page.clone()).into_response()
    };
    Router::new()
        .route("/api/openapi.json", get(document))
        .route("/api/docs", get(page))
}

fn document(schemas: &std::collections::BTreeMap<String, schema::Schema>) -> Value {
    let mut paths = Map::new();
    for one in OPERATIONS {
        let path = paths.entry(one.path).or_insert_with(|| json!({}));
        path[one.method.to_lowercase()] = operation(one);
    }
    let schemas: Map<String, Value> = schemas
        .iter()
        .map(|(name, schema)| (name.clone(), schema.to_json(schemas)))
        .collect();
    let parameters: Map<String, Value> = PARAMETERS
        .iter()
        .map(|(key, name, kind, about)| {
            let parameter = json!({ "name": name, "in": "query", "description": about, "schema": { "type": kind } });
            ((*key).to_owned(), parameter)
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "parlour",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The local API of a parlour node.",
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": parameters,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(one: &Operation) -> Value {
    let mut out = json!({
        "operationId": format!("{} {}", one.method, one.path),
        "summary": one.summary,
        "parameters": parameters(one),
        "responses": responses(one),
        "x-needs": needs(one.needs),
        "x-place": place(one.place),
    });
    if one.needs == Needs::Nothing {
        out["security"] = json!([]);
    }
    if let Some(name) = one.takes {
        let content = if name == "Image" {
            images()
        } else {
            json!({ "application/json": { "schema": reference(name) } })
        };
        out["requestBody"] = json!({ "required": true, "content": content });
    }
    out
}

fn parameters(one: &Operation) -> Vec<Value> {
    let parts = one
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parts =
        parts.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let query = one
        .query
        .iter()
        .map(|key| json!({ "$ref": format!("#/components/parameters/{key}") }));
    parts.chain(query).collect()
}

fn responses(one: &Operation) -> Value {
    let problem = json!({
        "description": "A problem",
        "content": { "application/problem+json": { "schema": reference("Problem") } },
    });
    let mut responses = json!({ "default": problem });
    let (status, schema) = one.gives;
    let content = schema.map(|name| match name {
        "Image" => images(),
        "Svg" => json!({ "image/svg+xml": {} }),
        "Html" => json!({ "text/html": {} }),
        "Figures" => json!({ "text/plain": {} }),
        "Document" => json!({ "application/json": {} }),
        "EventStream" => json!({ "text/event-stream": {} }),
        name => json!({ "application/json": { "schema": reference(name) } }),
    });
    let mut answer = json!({ "description": "Done" });
    if let Some(content) = content {
        answer["content"] = content;
    }
    for status in [Some(status), one.or].into_iter().flatten() {
        responses[status.to_string()] = answer.clone();
    }
    responses
}

fn images() -> Value {
    json!({ "image/png": {}, "image/jpeg": {}, "image/gif": {}, "image/webp": {} })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn needs(needs: Needs) -> &'static str {
    match needs {
        Needs::Nothing => "nothing",
        Needs::Scope(Scope::Read) => "read",
        Needs::Scope(Scope::Send) => "send",
        Needs::Scope(Scope::Admin) => "admin",
        Needs::CommandLine => "command_line",
    }
}

fn place(place: Place) -> &'static str {
    match place {
        Place::Account => "account",
        Place::Conversation => "conversation",
        Place::Message => "message",
        Place::Query => "query",
        Place::Filtered => "filtered",
    }
}

/// What the parameter of this key is called in a query.
fn parameter_name(key: &str) -> &str {
    let known = PARAMETERS.iter().find(|(known, ..)| *known == key);
    known.map_or(key, |(_, name, ..)| name)
}
