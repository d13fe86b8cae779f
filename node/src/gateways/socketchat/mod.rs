//! `socketchat`: REST under `/api`, and Socket.IO. Rooms go by lower-case names; one that is not there is made at first use.

mod messages;
mod room;
mod show;
mod sockets;
mod users;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{any, get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::inside::{Inside, Refused};
use super::live::with_sockets;
use super::pictures::with_pictures;
use super::request::{Asker, Gate, Here, Object, device, now_text, text};
use super::ui::{Ui, with_ui};
use crate::api::Door;

/// Characters of a message.
const MAX_CONTENT: usize = 1000;
/// Characters of a user's name.
const USERNAME: std::ops::RangeInclusive<usize> = 3..=30;

type Answer = Result<Json<Value>, Refused>;
type Made = Result<(StatusCode, Json<Value>), Refused>;

pub(super) fn router(inside: Inside, door: Door, ui: Option<&Ui>) -> Router {
    let gate = Gate {
        inside: inside.clone(),
        door: door.clone(),
    };
    let wrong = async || Refused::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method");
    let no_files = async || Refused::new(StatusCode::NOT_IMPLEMENTED, "files cannot be sent yet");
    let nothing = async || Refused::new(StatusCode::NOT_FOUND, "there is nothing at this path");
    let calls = with_pictures(Router::new())
        .route("/health", get(health))
        .route("/api/auth/register", post(register))
        .route("/api/auth/login", post(log_in))
        .route("/api/auth/logout", post(log_out))
        .route("/api/auth/me", get(users::me))
        .route("/api/messages", get(messages::page).post(messages::write))
        .route("/api/messages/{id}", put(messages::edit).delete(messages::delete))
        .route("/api/messages/{id}/read", post(messages::read))
        .route("/api/messages/{id}/react", post(messages::react))
        .route("/api/users/online", get(users::online))
        .route("/api/users/profile", get(users::me).put(users::rename))
        .route("/api/users/avatar", post(users::set_avatar))
        .route("/api/users/search", get(users::search))
        .route("/api/users/status", post(users::set_status))
        .route("/api/users/{user}", get(users::one))
        .route("/api/files/{*rest}", any(no_files))
        .route("/api/{*rest}", any(nothing))
        .method_not_allowed_fallback(wrong)
        .with_state(gate);
    with_sockets::<sockets::SocketChat>(with_ui(calls, ui, &door), &inside, &door)
}

/// What this family wraps its answers in.
fn done(message: &str, data: Value) -> Json<Value> {
    let mut answer = json!({ "success": true, "message": message });
    if !data.is_null() {
        answer["data"] = data;
    }
    Json(answer)
}

/// A message's text as this family takes it.
fn content(body: &Value) -> Result<&str, Refused> {
    let content = text(body, "content")?.trim();
    let length = content.chars().count();
    if length == 0 || length > MAX_CONTENT {
        let detail = format!("content must have 1 to {MAX_CONTENT} characters");
        return Err(Refused::new(StatusCode::BAD_REQUEST, detail));
    }
    match body["messageType"].as_str() {
        None if body["messageType"].is_null() => Ok(content),
        Some("text") => Ok(content),
        _ => Err(Refused::new(StatusCode::BAD_REQUEST, "messageType must be text")),
    }
}

async fn health() -> Json<Value> {
    Json(json!({
        "success": true,
        "message": "the node runs",
        "timestamp": now_text(),
        "environment": "production",
        "database": "connected",
    }))
}

async fn register(State(gate): State<Gate>, here: Here, headers: HeaderMap, Object(body): Object) -> Made {
    let wish = json!({
        "name": users::checked_name(text(&body, "username")?)?,
        "email": text(&body, "email")?,
        "password": text(&body, "password")?,
        "code": body["code"].as_str(),
        "device": device(&headers, "socketchat"),
        "one_token": true,
    });
    let begun = gate.begin(here, "/api/v1/session/register", &wish).await;
    let begun = begun.map_err(Refused::without_conflict)?;
    Ok((StatusCode::CREATED, done("registered", told(begun).await?)))
}

async fn log_in(State(gate): State<Gate>, here: Here, headers: HeaderMap, Object(body): Object) -> Answer {
    let wish = json!({
        "name": text(&body, "email")?,
        "password": text(&body, "password")?,
        "device": device(&headers, "socketchat"),
        // The family has no call by which a token is renewed.
        "one_token": true,
    });
    let begun = gate.begin(here, "/api/v1/session/login", &wish).await?;
    Ok(done("logged in", told(begun).await?))
}

/// What this family tells whoever has just logged in.
async fn told((asker, made): (Asker, Value)) -> Result<Value, Refused> {
    Ok(json!({ "user": users::own(&asker).await?, "token": made["token"] }))
}

async fn log_out(asker: Asker, Object(_): Object) -> Answer {
    asker.post("/api/v1/session/logout", &json!({})).await?;
    Ok(done("logged out", Value::Null))
}
