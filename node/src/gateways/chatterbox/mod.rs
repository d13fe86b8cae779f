//! `chatterbox`: REST under `/api`, and nothing else. Contacts and rooms are conversations alike. Its UIs keep the id of whoever
//! is logged in and send it with each call; who they are says a cookie, and the id has to be theirs.

mod conversations;
mod messages;
mod show;
mod users;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::cookie::SESSION;
use super::inside::{Inside, Refused};
use super::request::{Asker, Gate, Here, Object, bad, device, number, text};
use super::ui::{Ui, with_ui};
use crate::api::Door;

/// Things on a page at most.
const MAX_PAGE: usize = 100;

type Answer = Result<Json<Value>, Refused>;

pub(super) fn router(inside: Inside, door: Door, ui: Option<&Ui>) -> Router {
    let gate = Gate {
        inside,
        door: door.clone(),
    };
    let wrong = async || Refused::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method");
    let nothing = async || Refused::new(StatusCode::NOT_FOUND, "there is nothing at this path");
    let calls = Router::new()
        .route("/api/auth/register", post(register))
        .route("/api/auth/login", post(log_in))
        .route("/api/conversations", get(conversations::list))
        .route("/api/messages/conversation", get(messages::page))
        .route("/api/messages/send", post(messages::send))
        .route("/api/users/search", get(users::search))
        .route("/api/users/{user}/avatar", get(users::avatar))
        .route("/api/{*rest}", any(nothing))
        .method_not_allowed_fallback(wrong)
        .with_state(gate);
    with_ui(calls, ui, &door)
}

/// What this family wraps its answers in. UIs read a thing under a name of its own, the family's documents promise it as `data`.
fn done(message: &str, name: &str, thing: &Value) -> Value {
    let mut answer = json!({ "success": true, "message": message, "data": thing });
    answer[name] = thing.clone();
    answer
}

/// The same for one page of many things.
fn paged(name: &str, things: &Value, page: &Page, total: usize) -> Json<Value> {
    let mut answer = done("", name, things);
    answer["pagination"] = json!({
        "page": page.number,
        "limit": page.limit,
        "total": total,
        "pages": total.div_ceil(page.limit),
    });
    Json(answer)
}

/// Which page is wanted, and of how many things.
struct Page {
    /// From 1.
    number: usize,
    limit: usize,
}

impl Page {
    fn of(page: Option<&str>, limit: Option<&str>, usual: usize) -> Result<Self, Refused> {
        let page = match number(page, 1, "page")? {
            0 => return Err(bad("page must be a number from 1")),
            number => number,
        };
        let limit = super::request::limit(limit, usual, MAX_PAGE)?;
        Ok(Self { number: page, limit })
    }

    /// How many things are on the pages before.
    fn skip(&self) -> usize {
        self.number.saturating_sub(1).saturating_mul(self.limit)
    }
}

/// A parameter that has to be there.
fn needed<'a>(given: Option<&'a str>, name: &str) -> Result<&'a str, Refused> {
    given.ok_or_else(|| bad(&format!("{name} is missing")))
}

/// Whoever holds the cookie.
struct Session(Asker);

impl FromRequestParts<Gate> for Session {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, gate: &Gate) -> Result<Self, Refused> {
        let here = Here::from_request_parts(parts, gate).await?;
        let token = SESSION.value(&gate.door, &parts.headers);
        let caller = gate.inside.caller_of_cookie(token.as_deref(), here.from)?;
        let inside = gate.inside.clone();
        Ok(Self(Asker { inside, caller, here }))
    }
}

impl Session {
    /// The session of the user of this id, and nobody else's.
    async fn of(self, user: &str) -> Result<Asker, Refused> {
        let Self(asker) = self;
        let session = asker.get("/api/v1/session").await?;
        match session["user_id"] == user {
            true => Ok(asker),
            false => Err(Refused::new(StatusCode::FORBIDDEN, "somebody else is logged in")),
        }
    }
}

async fn register(
    State(gate): State<Gate>,
    here: Here,
    headers: HeaderMap,
    Object(body): Object,
) -> Result<Response, Refused> {
    let wish = json!({
        "name": text(&body, "fullName")?,
        "account": text(&body, "username")?,
        "email": text(&body, "email")?,
        "password": text(&body, "password")?,
        "code": body["code"].as_str(),
        "device": device(&headers, "chatterbox"),
        "one_token": true,
    });
    let begun = gate.begin(here, "/api/v1/session/register", &wish).await;
    let begun = begun.map_err(Refused::without_conflict)?;
    Ok((StatusCode::CREATED, told(&gate, "registered", begun).await?).into_response())
}

async fn log_in(
    State(gate): State<Gate>,
    here: Here,
    headers: HeaderMap,
    Object(body): Object,
) -> Result<Response, Refused> {
    let wish = json!({
        "name": text(&body, "email")?,
        "password": text(&body, "password")?,
        "device": device(&headers, "chatterbox"),
        // The family has no call by which a token is renewed.
        "one_token": true,
    });
    let begun = gate.begin(here.clone(), "/api/v1/session/login", &wish).await?;
    // Nobody will hold the token of the session before.
    if let Some(token) = SESSION.value(&gate.door, &headers) {
        end(&gate, &token, here).await;
    }
    told(&gate, "logged in", begun).await
}

/// Ends a session, if it goes on.
async fn end(gate: &Gate, token: &str, here: Here) {
    if let Some(caller) = gate.inside.accepts(token) {
        let inside = gate.inside.clone();
        let asker = Asker { inside, caller, here };
        // One that is no session stays what it is.
        let _ = asker.post("/api/v1/session/logout", &json!({})).await;
    }
}

/// Tells whoever has just logged in; the token is in the cookie alone.
async fn told(gate: &Gate, message: &str, (asker, made): (Asker, Value)) -> Result<Response, Refused> {
    users::is_there(&asker).await;
    let mut user = users::own(&asker).await?;
    // What was just said may not be seen yet.
    user["isOnline"] = json!(true);
    let mut response = Json(done(message, "user", &user)).into_response();
    let token = made["token"].as_str().unwrap_or_default();
    SESSION.set(&gate.door, token, &mut response);
    Ok(response)
}
