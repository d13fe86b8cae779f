//! `echoroom`: REST without a prefix, and Socket.IO. Rooms are rooms; nothing else of an account is seen here.

mod show;
mod sockets;

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRef, FromRequestParts, Path, Query, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::inside::{Inside, Refused, part};
use super::live::with_sockets;
use super::request::{Object, bad, now_text, text};
use super::ui::{Ui, with_ui};
use crate::api::{Caller, Connection, Door, cursor_before};
use crate::runner::now_ms;

/// Messages of a page: what UIs get without asking, and the most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 200;
/// Seconds of the cookie: seven days.
const COOKIE_S: u32 = 7 * 24 * 3600;

#[derive(Clone)]
struct Gate {
    inside: Inside,
    door: Door,
    /// Browsers share cookies between ports, so that the name says which port it is for.
    cookie: Arc<str>,
}

impl FromRef<Gate> for Door {
    fn from_ref(gate: &Gate) -> Self {
        gate.door.clone()
    }
}

pub(super) fn router(inside: Inside, door: Door, ui: Option<&Ui>) -> Router {
    let cookie = format!("refreshToken_{}", door.address.port()).into();
    let gate = Gate {
        inside: inside.clone(),
        door: door.clone(),
        cookie,
    };
    let wrong = async || Refused::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method");
    let calls = Router::new()
        .route("/health", get(health))
        .route("/auth/register", post(register))
        .route("/auth/login", post(log_in))
        .route("/auth/refresh", post(refresh))
        .route("/auth/logout", post(log_out))
        .route("/auth/me", get(me).put(change_me))
        .route("/rooms", get(rooms).post(make_room))
        .route("/rooms/{room}", get(room))
        .route("/rooms/{room}/join", post(join))
        .route("/rooms/{room}/leave", post(leave))
        .route("/rooms/{room}/messages", get(messages))
        .method_not_allowed_fallback(wrong)
        .with_state(gate);
    with_sockets::<sockets::EchoRoom>(with_ui(calls, ui, &door), &inside, &door)
}

type Here = Extension<Arc<Connection>>;
type Answer = Result<Json<Value>, Refused>;

impl Gate {
    fn caller(&self, headers: &HeaderMap, here: &Here) -> Result<Caller, Refused> {
        self.inside.caller(headers, here.from)
    }

    async fn get(&self, caller: &Caller, here: &Here, path: &str) -> Result<Value, Refused> {
        self.inside.ask(Some(caller), here.from, Method::GET, path, None).await
    }

    async fn post(&self, caller: &Caller, here: &Here, path: &str, body: &Value) -> Result<Value, Refused> {
        self.inside
            .ask(Some(caller), here.from, Method::POST, path, Some(body))
            .await
    }

    async fn user(&self, caller: &Caller, here: &Here) -> Result<Value, Refused> {
        let me = self.get(caller, here, "/api/v1/me").await?;
        let login = self.get(caller, here, "/api/v1/me/login").await?;
        Ok(show::user(&me, &login))
    }

    async fn room(&self, caller: &Caller, here: &Here, room: &Value) -> Result<Value, Refused> {
        let id = room["id"].as_str().unwrap_or_default();
        let members = self.get(caller, here, &format!("/api/v1/rooms/{id}/members")).await?;
        Ok(show::room(room, &members))
    }

    /// The refresh token of the cookie.
    fn cookie(&self, headers: &HeaderMap) -> Option<String> {
        let cookies = headers
            .get_all(COOKIE)
            .into_iter()
            .filter_map(|value| value.to_str().ok());
        let mut pairs = cookies
            .flat_map(|text| text.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == &*self.cookie)?;
        Some(value.to_owned())
    }

    /// Begins a login, by whatever call gives its tokens.
    async fn begin(&self, here: &Here, path: &str, wish: &Value) -> Result<Response, Refused> {
        let made = self.inside.ask(None, here.from, Method::POST, path, Some(wish)).await?;
        let token = made["token"].as_str().unwrap_or_default();
        let gone = || Refused::new(StatusCode::UNAUTHORIZED, "this login has ended");
        let caller = self.inside.accepts(token).ok_or_else(gone)?;
        let answer = json!({
            "user": self.user(&caller, here).await?,
            "accessToken": token,
            "refreshToken": made["refresh_token"],
        });
        let refresh = made["refresh_token"].as_str().unwrap_or_default();
        Ok(self.with_cookie(refresh, COOKIE_S, answer))
    }

    fn with_cookie(&self, token: &str, seconds: u32, body: Value) -> Response {
        let cookie = format!(
            "{}={token}; Path=/auth; HttpOnly; SameSite=Strict; Max-Age={seconds}",
            self.cookie
        );
        let mut response = Json(body).into_response();
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }
}

/// A room's slug or id.
struct Room(String);

impl FromRequestParts<Gate> for Room {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, gate: &Gate) -> Result<Self, Refused> {
        let room = Path::<String>::from_request_parts(parts, gate).await;
        room.map(|Path(room)| Self(room))
            .map_err(|_| bad("this id is not valid"))
    }
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok", "timestamp": now_text() }))
}

async fn register(
    State(gate): State<Gate>,
    here: Here,
    headers: HeaderMap,
    Object(body): Object,
) -> Result<Response, Refused> {
    let wish = json!({
        "name": text(&body, "displayName")?,
        "email": text(&body, "email")?,
        "password": text(&body, "password")?,
        "code": body["code"].as_str(),
        "device": device(&headers),
    });
    let mut answer = gate.begin(&here, "/api/v1/session/register", &wish).await?;
    *answer.status_mut() = StatusCode::CREATED;
    Ok(answer)
}

fn device(headers: &HeaderMap) -> &str {
    let device = headers.get("user-agent").and_then(|value| value.to_str().ok());
    device.unwrap_or("echoroom")
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
        "device": device(&headers),
    });
    gate.begin(&here, "/api/v1/session/login", &wish).await
}

async fn refresh(
    State(gate): State<Gate>,
    here: Here,
    headers: HeaderMap,
    Object(body): Object,
) -> Result<Response, Refused> {
    let missing = || Refused::new(StatusCode::UNAUTHORIZED, "there is no refresh token");
    let told = body["refreshToken"].as_str().map(ToOwned::to_owned);
    let is_told = told.is_some();
    let token = told.or_else(|| gate.cookie(&headers)).ok_or_else(missing)?;
    let path = "/api/v1/session/refresh";
    let wish = json!({ "refresh_token": token });
    let made = gate
        .inside
        .ask(None, here.from, Method::POST, path, Some(&wish))
        .await?;
    let refresh = made["refresh_token"].as_str().unwrap_or_default();
    let mut answer = json!({ "accessToken": made["token"] });
    // What came in a cookie that no script can read stays out of scripts' sight.
    if is_told {
        answer["refreshToken"] = json!(refresh);
    }
    Ok(gate.with_cookie(refresh, COOKIE_S, answer))
}

async fn log_out(
    State(gate): State<Gate>,
    here: Here,
    headers: HeaderMap,
    Object(body): Object,
) -> Result<Response, Refused> {
    let caller = gate.caller(&headers, &here).ok();
    // The access token has often ended by then, and the login goes on for days.
    let told = body["refreshToken"].as_str().map(ToOwned::to_owned);
    if let Some(refresh) = told.or_else(|| gate.cookie(&headers)) {
        gate.inside.end_login(refresh, here.from).await?;
    }
    if let Some(caller) = caller.filter(|caller| !caller.is_over(now_ms())) {
        gate.post(&caller, &here, "/api/v1/session/logout", &json!({})).await?;
    }
    Ok(gate.with_cookie("", 0, json!({ "message": "logged out" })))
}

async fn me(State(gate): State<Gate>, here: Here, headers: HeaderMap) -> Answer {
    let caller = gate.caller(&headers, &here)?;
    gate.user(&caller, &here).await.map(Json)
}

async fn change_me(State(gate): State<Gate>, here: Here, headers: HeaderMap, Object(body): Object) -> Answer {
    let caller = gate.caller(&headers, &here)?;
    if !body["displayName"].is_null() {
        let wish = json!({ "name": text(&body, "displayName")? });
        let path = "/api/v1/me/profile";
        gate.inside
            .ask(Some(&caller), here.from, Method::PATCH, path, Some(&wish))
            .await?;
    }
    gate.user(&caller, &here).await.map(Json)
}

async fn rooms(State(gate): State<Gate>, here: Here, headers: HeaderMap) -> Answer {
    let caller = gate.caller(&headers, &here)?;
    let listed = gate.get(&caller, &here, "/api/v1/rooms").await?;
    let mut rooms = Vec::new();
    for room in listed["items"].as_array().into_iter().flatten() {
        if room["standing"] == "member" || room["standing"] == "invited" {
            rooms.push(gate.room(&caller, &here, room).await?);
        }
    }
    Ok(Json(Value::Array(rooms)))
}

async fn room(State(gate): State<Gate>, here: Here, headers: HeaderMap, Room(room): Room) -> Answer {
    let caller = gate.caller(&headers, &here)?;
    let room = gate
        .get(&caller, &here, &format!("/api/v1/rooms/{}", part(&room)))
        .await?;
    gate.room(&caller, &here, &room).await.map(Json)
}

async fn make_room(
    State(gate): State<Gate>,
    here: Here,
    headers: HeaderMap,
    Object(body): Object,
) -> Result<(StatusCode, Json<Value>), Refused> {
    let caller = gate.caller(&headers, &here)?;
    let name = text(&body, "name")?;
    let listed = gate.get(&caller, &here, "/api/v1/rooms").await?;
    let mut rooms = listed["items"].as_array().into_iter().flatten();
    if rooms.any(|room| {
        room["name"]
            .as_str()
            .is_some_and(|known| known.eq_ignore_ascii_case(name.trim()))
    }) {
        return Err(Refused::new(
            StatusCode::CONFLICT,
            "there is a room of this name already",
        ));
    }
    let mut wish = json!({ "name": name });
    if !body["description"].is_null() {
        wish["topic"] = json!(text(&body, "description")?);
    }
    let made = gate.post(&caller, &here, "/api/v1/rooms", &wish).await?;
    let room = gate.room(&caller, &here, &made).await?;
    Ok((StatusCode::CREATED, Json(room)))
}

async fn join(State(gate): State<Gate>, here: Here, headers: HeaderMap, Room(room): Room) -> Answer {
    let caller = gate.caller(&headers, &here)?;
    let path = format!("/api/v1/rooms/{}/join", part(&room));
    match gate.post(&caller, &here, &path, &json!({})).await {
        // UIs join again each time they show a room.
        Err(refused) if refused.code != "already_member" => Err(refused),
        _ => Ok(Json(json!({ "message": "joined" }))),
    }
}

async fn leave(State(gate): State<Gate>, here: Here, headers: HeaderMap, Room(room): Room) -> Answer {
    let caller = gate.caller(&headers, &here)?;
    let path = format!("/api/v1/rooms/{}/leave", part(&room));
    gate.post(&caller, &here, &path, &json!({})).await?;
    Ok(Json(json!({ "message": "left" })))
}

#[derive(Deserialize)]
struct PageParams {
    limit: Option<String>,
    before: Option<String>,
}

async fn messages(
    State(gate): State<Gate>,
    here: Here,
    headers: HeaderMap,
    Room(room): Room,
    params: Result<Query<PageParams>, QueryRejection>,
) -> Answer {
    let Query(params) = params.map_err(|_| bad("the query is not valid"))?;
    let caller = gate.caller(&headers, &here)?;
    let limit = match params.limit.as_deref().map(str::parse::<usize>) {
        None => PAGE,
        Some(Ok(limit)) if limit > 0 => limit.min(MAX_PAGE),
        Some(_) => return Err(bad("limit must be a number from 1")),
    };
    let room = gate
        .get(&caller, &here, &format!("/api/v1/rooms/{}", part(&room)))
        .await?;
    let id = room["id"].as_str().unwrap_or_default();
    let mut path = format!("/api/v1/conversations/{id}/messages?limit={limit}");
    if let Some(before) = &params.before {
        let message = gate
            .get(&caller, &here, &format!("/api/v1/messages/{}", part(before)))
            .await?;
        let cursor = cursor_before(&message).filter(|_| message["conversation"] == room["id"]);
        let cursor = cursor.ok_or_else(|| bad("before must be a message of this room"))?;
        path.push_str(&format!("&before={cursor}"));
    }
    let page = gate.get(&caller, &here, &path).await?;
    Ok(Json(Value::Array(show::messages(&page, id))))
}
