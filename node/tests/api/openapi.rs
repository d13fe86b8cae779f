//! The document of the API, held against the program: paths, methods, fields, examples, answers, scopes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::schema::{Schemas, mismatch};
use super::support::{Program, Reply, TestApi, patient, read_head};

/// Paths that only a node without an account has.
const SETUP: [&str; 2] = ["setup.rs", "web.rs"];

struct Operation {
    method: String,
    path: String,
    what: Value,
}

async fn document(api: &TestApi) -> Value {
    let reply = api
        .send(&api.request("GET", "/api/openapi.json").without("Authorization"))
        .await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("application/json"))
    );
    reply.json()
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, what) in methods.as_object().unwrap() {
            all.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                what: what.clone(),
            });
        }
    }
    all
}

/// The paths of all routes, as the source has them.
fn routes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            routes(&path, found);
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.ends_with(".rs") || SETUP.contains(&name) {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let is_v1 = path.parent().unwrap().ends_with("v1");
        for rest in source.split(".route(").skip(1) {
            let route = rest.trim_start().strip_prefix('"').unwrap().split('"').next().unwrap();
            found.insert(if is_v1 {
                format!("/api/v1{route}")
            } else {
                route.to_owned()
            });
        }
    }
}

fn filled(path: &str) -> String {
    let parts = path
        .split('/')
        .map(|part| if part.starts_with('{') { "nothing-here" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods_are_those_of_the_router() {
    let api = TestApi::start().await;
    let document = document(&api).await;
    let mut documented: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for operation in operations(&document) {
        documented.entry(operation.path).or_default().insert(operation.method);
    }
    let mut routed = BTreeSet::new();
    routes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api"), &mut routed);
    assert!(routed.len() > 50, "{routed:?}");
    assert_eq!(documented.keys().cloned().collect::<BTreeSet<_>>(), routed);
    for (path, methods) in documented {
        let reply = api.send(&api.request("OPTIONS", &filled(&path))).await;
        assert_eq!(reply.status, 204, "{path}");
        let allowed = reply
            .header("allow")
            .unwrap()
            .split(',')
            .map(|method| method.trim().to_owned());
        let allowed: BTreeSet<_> = allowed.filter(|method| method != "HEAD").collect();
        assert_eq!(allowed, methods, "{path}");
    }
}

/// Sends to an operation without waiting for endless answers.
async fn call(program: &Program, operation: &Operation, body: Option<&Value>) -> Reply {
    let mut request = program.request(&operation.method, &filled(&operation.path));
    if let Some(body) = body {
        request = request.set("Content-Type", "application/json").body(&body.to_string());
    }
    if !operation.path.ends_with("/events") {
        return program.send(&request).await;
    }
    let mut stream = TcpStream::connect(program.address).await.unwrap();
    stream.write_all(&request.bytes()).await.unwrap();
    patient("a head", read_head(&mut stream)).await
}

fn code(reply: &Reply) -> String {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    body["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_held_to_the_scope_and_the_place_that_stand_in_the_document() {
    let api = TestApi::start().await;
    let all = operations(&document(&api).await);
    let token = async |wish: Value| {
        let made = api.post("/api/v1/tokens", &wish).await;
        Program {
            address: api.address,
            token: made.json()["token"].as_str().unwrap().to_owned(),
        }
    };
    let mut cases = 0;
    for (rank, scope) in ["read", "send", "admin"].into_iter().enumerate() {
        for one_place in [false, true] {
            for operation in &all {
                // The socket asks for its token later, and is tried by itself.
                if operation.path.ends_with("/ws") {
                    continue;
                }
                // A new one each time: how often one may ask is limited.
                let mut wish = json!({ "scope": scope, "expires_in_s": 600 });
                if one_place {
                    wish["conversation"] = json!(api.conversation);
                }
                if cases % 40 == 0 {
                    for old in api.get("/api/v1/tokens").await.json()["items"].as_array().unwrap() {
                        let path = format!("/api/v1/tokens/{}", old["id"].as_str().unwrap());
                        api.send(&api.request("DELETE", &path)).await;
                    }
                }
                let program = token(wish).await;
                let needs = operation.what["x-needs"].as_str().unwrap();
                let place = operation.what["x-place"].as_str().unwrap();
                let nonsense = json!(["nonsense"]);
                let body = (operation.method != "GET" && operation.method != "DELETE").then_some(&nonsense);
                let mut reply = call(&program, operation, body).await;
                if operation.path.ends_with("/avatar") && operation.method == "PUT" {
                    let picture = program.request("PUT", &operation.path).set("Content-Type", "image/png");
                    reply = program.send(&picture.body("no picture")).await;
                }
                let ranks = ["read", "send", "admin"];
                let enough =
                    needs == "nothing" || ranks.iter().position(|name| *name == needs).is_some_and(|n| n <= rank);
                let expected = match (enough, needs) {
                    (false, "command_line") => Some("not_for_pages"),
                    (false, _) => Some("scope"),
                    (true, "nothing") => None,
                    (true, _) if !one_place || place == "filtered" => None,
                    (true, _) if place == "message" => {
                        assert_eq!(reply.status, 400, "no id: {} {}", operation.method, operation.path);
                        None
                    }
                    (true, _) => Some("other_conversation"),
                };
                let refused = ["scope", "not_for_pages", "other_conversation"].contains(&code(&reply).as_str());
                let what = format!(
                    "{scope} {one_place} {} {}: {}",
                    operation.method,
                    operation.path,
                    reply.text()
                );
                assert_eq!(refused.then(|| code(&reply)).as_deref(), expected, "{what}");
                assert!(!refused || reply.status == 403, "{what}");
                cases += 1;
            }
        }
    }
    assert!(cases > 400, "{cases}");
}

/// What serde says it knows: `unknown field …, expected one of …`.
fn known_fields(detail: &str) -> BTreeSet<String> {
    let Some((_, expected)) = detail.split_once("expected ") else {
        assert!(detail.contains("there are no fields"), "{detail}");
        return BTreeSet::new();
    };
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_have_exactly_the_fields_of_the_document_and_its_examples_are_taken() {
    let api = TestApi::start().await;
    let document = document(&api).await;
    let schemas = Schemas::of(&document);
    let mut bodies = 0;
    for operation in operations(&document) {
        let Some(reference) = operation.what["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str()
        else {
            continue;
        };
        let what = format!("{} {}", operation.method, operation.path);
        // The pairing limits guesses, and none of these looks at its body before it has looked elsewhere.
        let late = ["/requests/{request}/block", "/accounts"]
            .iter()
            .any(|end| operation.path.ends_with(end));
        let schema = schemas.get(reference);
        let example = &schema["examples"][0];
        assert_eq!(mismatch(&schemas, schema, example), None, "{what}: the example");
        if late {
            continue;
        }
        let strange = call(&api, &operation, Some(&json!({ "\u{1}": 1 }))).await;
        let detail = strange.json()["detail"].as_str().unwrap().to_owned();
        let documented: BTreeSet<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(known_fields(&detail), documented, "{what}: {detail}");
        for body in [example.clone(), all_fields(&schemas, schema)] {
            let reply = call(&api, &operation, Some(&body)).await;
            let text = reply.text();
            for wrong in [
                "unknown field",
                "missing field",
                "invalid type",
                "bad_json",
                "unknown variant",
            ] {
                assert!(!text.contains(wrong), "{what}: {body}: {text}");
            }
        }
        bodies += 1;
    }
    assert!(bodies > 25, "{bodies}");
}

/// A body with every field that the schema has.
fn all_fields(schemas: &Schemas, schema: &Value) -> Value {
    let mut body = Map::new();
    for (name, field) in schema["properties"].as_object().unwrap() {
        body.insert(name.clone(), sample(schemas, field));
    }
    Value::Object(body)
}

fn sample(schemas: &Schemas, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return all_fields(schemas, schemas.get(reference));
    }
    if let Some(either) = schema["anyOf"].as_array() {
        return sample(schemas, &either[0]);
    }
    if let Some(words) = schema["enum"].as_array() {
        return words[0].clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(false),
        Some("array") => json!([]),
        _ if schema["pattern"]
            .as_str()
            .is_some_and(|pattern| pattern.contains("msg_")) =>
        {
            json!(parlour_crypto::EventId::from_bytes([9; 32]).to_string())
        }
        _ => json!("x"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_as_the_document_says() {
    let api = TestApi::start().await;
    let document = document(&api).await;
    let schemas = Schemas::of(&document);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let notes = text(&api.put("/api/v1/notes", &json!({})).await.json()["id"]);
    let first = text(&api.post_text("hello to all of the document").await["id"]);
    let path = format!("/api/v1/conversations/{}/messages", api.conversation);
    let reply = api
        .post(
            &path,
            &json!({ "text": "hello again", "reply_to": first, "expires_after_ms": 3_600_000 }),
        )
        .await;
    let reply = text(&reply.json()["id"]);
    let once = api
        .post(&path, &json!({ "text": "look once", "view_once": true }))
        .await;
    let once = text(&once.json()["id"]);
    api.invite(&json!({})).await;
    let room = api.post("/api/v1/rooms", &json!({ "name": "garden" })).await.json();
    let room = text(&room["id"]);
    api.post("/api/v1/tokens", &json!({ "scope": "read" })).await;
    let own = text(&api.get("/api/v1/me").await.json()["user_id"]);

    let mut calls: Vec<(&str, &str, String, Option<Value>)> = Vec::new();
    let mut get = |template: &'static str, path: String| calls.push(("get", template, path, None));
    for plain in [
        "/health/live",
        "/health/ready",
        "/api/v1/session",
        "/api/v1/tokens",
        "/api/v1/accounts",
        "/api/v1/me",
        "/api/v1/me/address",
        "/api/v1/me/presence",
        "/api/v1/me/settings",
        "/api/v1/me/profile",
        "/api/v1/stats",
        "/api/v1/doctor",
        "/api/v1/invites",
        "/api/v1/contacts",
        "/api/v1/requests",
        "/api/v1/conversations",
        "/api/v1/rooms",
    ] {
        get(plain, plain.to_owned());
    }
    get("/api/v1/contacts/{contact}", "/api/v1/contacts/bob".into());
    get(
        "/api/v1/contacts/{contact}/safety",
        "/api/v1/contacts/bob/safety".into(),
    );
    get(
        "/api/v1/conversations/{conversation}",
        format!("/api/v1/conversations/{notes}"),
    );
    get(
        "/api/v1/conversations/{conversation}/messages",
        format!("{path}?limit=2"),
    );
    get(
        "/api/v1/conversations/{conversation}/typing",
        "/api/v1/conversations/bob/typing".into(),
    );
    get(
        "/api/v1/conversations/{conversation}/timer",
        "/api/v1/conversations/bob/timer".into(),
    );
    get("/api/v1/messages/{id}", format!("/api/v1/messages/{reply}"));
    get(
        "/api/v1/messages/{id}/versions",
        format!("/api/v1/messages/{first}/versions"),
    );
    get("/api/v1/search", "/api/v1/search?q=hello".into());
    get("/api/v1/rooms/{room}", format!("/api/v1/rooms/{room}"));
    get("/api/v1/rooms/{room}/members", format!("/api/v1/rooms/{room}/members"));
    let mut write = |method, template, path: String, body| calls.push((method, template, path, Some(body)));
    write(
        "patch",
        "/api/v1/messages/{id}",
        format!("/api/v1/messages/{first}"),
        json!({ "text": "hello, edited" }),
    );
    write(
        "put",
        "/api/v1/messages/{id}/reactions/{emoji}",
        format!("/api/v1/messages/{first}/reactions/%F0%9F%91%8D"),
        json!({}),
    );
    write(
        "put",
        "/api/v1/messages/{id}/pin",
        format!("/api/v1/messages/{first}/pin"),
        json!({}),
    );
    write(
        "post",
        "/api/v1/messages/{id}/view",
        format!("/api/v1/messages/{once}/view"),
        json!({}),
    );
    write(
        "put",
        "/api/v1/conversations/{conversation}/timer",
        "/api/v1/conversations/bob/timer".into(),
        json!({ "expires_after_ms": 60_000 }),
    );
    write(
        "put",
        "/api/v1/conversations/{conversation}/read",
        "/api/v1/conversations/bob/read".into(),
        json!({}),
    );
    write(
        "patch",
        "/api/v1/conversations/{conversation}",
        "/api/v1/conversations/bob".into(),
        json!({ "muted_until": "forever", "draft": "more" }),
    );
    write(
        "patch",
        "/api/v1/contacts/{contact}",
        "/api/v1/contacts/bob".into(),
        json!({ "petname": "bo" }),
    );
    write(
        "patch",
        "/api/v1/me/profile",
        "/api/v1/me/profile".into(),
        json!({ "about": "gardener" }),
    );
    write(
        "put",
        "/api/v1/me/presence",
        "/api/v1/me/presence".into(),
        json!({ "presence": "online" }),
    );
    write(
        "patch",
        "/api/v1/me/settings",
        "/api/v1/me/settings".into(),
        json!({ "share_presence": true }),
    );
    write("post", "/api/v1/invites", "/api/v1/invites".into(), json!({}));
    write("post", "/api/v1/session/link", "/api/v1/session/link".into(), json!({}));
    write(
        "post",
        "/api/v1/tokens",
        "/api/v1/tokens".into(),
        json!({ "scope": "send", "label": "x" }),
    );
    write(
        "patch",
        "/api/v1/rooms/{room}",
        format!("/api/v1/rooms/{room}"),
        json!({ "topic": "beans" }),
    );
    write(
        "post",
        "/api/v1/rooms/{room}/links",
        format!("/api/v1/rooms/{room}/links"),
        json!({ "uses": 2 }),
    );
    // Not all of it, but all that comes of one node alone.
    write(
        "get",
        "/api/v1/conversations/{conversation}/pins",
        "/api/v1/conversations/bo/pins".into(),
        Value::Null,
    );
    write(
        "get",
        "/api/v1/messages/{id}",
        format!("/api/v1/messages/{first}"),
        Value::Null,
    );
    // Refusals are problems, whatever is refused.
    let problems = [
        (
            "get",
            "/api/v1/messages/{id}",
            "/api/v1/messages/msg_zzz".to_owned(),
            Value::Null,
        ),
        (
            "patch",
            "/api/v1/rooms/{room}/members/{user}",
            format!("/api/v1/rooms/{room}/members/{own}"),
            json!({ "role": "queen" }),
        ),
        (
            "post",
            "/api/v1/invites",
            "/api/v1/invites".to_owned(),
            json!({ "max_uses": "x" }),
        ),
    ];
    let problems = problems.map(|(method, template, path, body)| (method, template, path, Some(body)));
    for (method, template, path, body) in calls.into_iter().chain(problems) {
        let mut request = api.request(&method.to_uppercase(), &path);
        if let Some(body) = body.filter(|body| !body.is_null()) {
            request = request.set("Content-Type", "application/json").body(&body.to_string());
        }
        let reply = api.send(&request).await;
        let answers = &document["paths"][template][method]["responses"];
        let status = reply.status.to_string();
        let answer = answers.get(&status).unwrap_or(&answers["default"]);
        let kind = reply.header("content-type").unwrap_or_default();
        let is_problem = reply.status >= 400 && reply.status != 503;
        assert_eq!(
            kind == "application/problem+json",
            is_problem,
            "{method} {path}: {}",
            reply.text()
        );
        let schema = &answer["content"][kind]["schema"];
        assert!(
            schema.is_object(),
            "{method} {path} gives {status} {kind}: {}",
            reply.text()
        );
        assert_eq!(
            mismatch(&schemas, schema, &reply.json()),
            None,
            "{method} {path}: {}",
            reply.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_needs_nothing_but_itself() {
    let api = TestApi::start().await;
    let page = api
        .send(&api.request("GET", "/api/docs").without("Authorization"))
        .await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("script-src"),
        "{policy}"
    );
    // The address in an example is text.
    let html = page.text().replace("http://127.0.0.1:8000/hook", "");
    for foreign in ["http://", "https://", "<script", "@import", "url("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    for operation in operations(&document(&api).await) {
        assert!(html.contains(&operation.path), "{}", operation.path);
        assert!(html.contains(operation.what["summary"].as_str().unwrap().split('\'').next().unwrap()));
    }
    // Every link inside leads somewhere.
    for name in html
        .split("href=\"#")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
    {
        assert!(html.contains(&format!("id=\"{name}\"")), "{name}");
    }
}
