//! `echoroom`: REST without a prefix, and Socket.IO. Rooms are rooms; nothing else of an account is seen here.

mod show;
mod sockets;
mod tags;

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use parlour_store::rooms::slug;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cookie::REFRESH;
use super::inside::{Inside, Refused, part};
use super::live::with_sockets;
use super::pictures::with_pictures;
use super::public;
use super::request::{Asker, Gate, Here, Id, Object, Params, bad, device, limit, now_text, text};
use super::ui::{Ui, with_ui};
use crate::api::{Door, cursor_before};
use crate::runner::now_ms;

/// Messages of a page: what UIs get without asking, and the most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 200;

type Answer = Result<Json<Value>, Refused>;

pub(super) fn router(inside: Inside, door: Door, ui: Option<&Ui>) -> Router {
    let gate = Gate {
        inside: inside.clone(),
        door: door.clone(),
    };
    let wrong = async || Refused::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method");
    let calls = with_pictures(Router::new())
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

async fn user(asker: &Asker) -> Result<Value, Refused> {
    let profile = asker.get("/api/v1/me/profile").await?;
    user_with(asker, &profile).await
}

/// The same with a profile that is known.
async fn user_with(asker: &Asker, profile: &Value) -> Result<Value, Refused> {
    let me = asker.get("/api/v1/me").await?;
    let login = asker.get("/api/v1/me/login").await?;
    let picture = asker.address(&me["user_id"], profile);
    Ok(show::user(&me, &login, profile, &picture))
}

async fn with_members(asker: &Asker, room: &Value) -> Result<Value, Refused> {
    let id = room["id"].as_str().unwrap_or_default();
    let members = asker.get(&format!("/api/v1/rooms/{id}/members")).await?;
    Ok(show::room(room, &members))
}

/// Tells whoever has just logged in.
async fn told(gate: &Gate, (asker, made): (Asker, Value)) -> Result<Response, Refused> {
    let answer = json!({
        "user": user(&asker).await?,
        "accessToken": made["token"],
        "refreshToken": made["refresh_token"],
    });
    Ok(with_cookie(gate, &made, answer))
}

fn with_cookie(gate: &Gate, made: &Value, answer: Value) -> Response {
    let mut response = Json(answer).into_response();
    let refresh = made["refresh_token"].as_str().unwrap_or_default();
    REFRESH.set(&gate.door, refresh, &mut response);
    response
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
        "device": device(&headers, "echoroom"),
    });
    let begun = gate.begin(here, "/api/v1/session/register", &wish).await?;
    let mut answer = told(&gate, begun).await?;
    *answer.status_mut() = StatusCode::CREATED;
    Ok(answer)
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
        "device": device(&headers, "echoroom"),
    });
    let begun = gate.begin(here, "/api/v1/session/login", &wish).await?;
    told(&gate, begun).await
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
    let token = told
        .or_else(|| REFRESH.value(&gate.door, &headers))
        .ok_or_else(missing)?;
    let path = "/api/v1/session/refresh";
    let wish = json!({ "refresh_token": token });
    let made = gate
        .inside
        .ask(None, here.from, Method::POST, path, Some(&wish))
        .await?;
    let mut answer = json!({ "accessToken": made["token"] });
    // What came in a cookie that no script can read stays out of scripts' sight.
    if is_told {
        answer["refreshToken"] = made["refresh_token"].clone();
    }
    Ok(with_cookie(&gate, &made, answer))
}

async fn log_out(
    State(gate): State<Gate>,
    here: Here,
    asker: Result<Asker, Refused>,
    headers: HeaderMap,
    Object(body): Object,
) -> Result<Response, Refused> {
    // The access token has often ended by then, and the login goes on for days.
    let told = body["refreshToken"].as_str().map(ToOwned::to_owned);
    if let Some(refresh) = told.or_else(|| REFRESH.value(&gate.door, &headers)) {
        gate.inside.end_login(refresh, here.from).await?;
    }
    if let Some(asker) = asker.ok().filter(|asker| !asker.caller.is_over(now_ms())) {
        asker.post("/api/v1/session/logout", &json!({})).await?;
    }
    let mut response = Json(json!({ "message": "logged out" })).into_response();
    REFRESH.clear(&gate.door, &mut response);
    Ok(response)
}

async fn me(asker: Asker) -> Answer {
    user(&asker).await.map(Json)
}

async fn change_me(asker: Asker, Object(body): Object) -> Answer {
    let mut wish = json!({});
    if !body["displayName"].is_null() {
        wish["name"] = json!(text(&body, "displayName")?);
    }
    if let Some(address) = body.get("avatarUrl")
        && let Some(picture) = asker.named_picture(address).await?
    {
        wish["avatar"] = picture;
    }
    if wish == json!({}) {
        return user(&asker).await.map(Json);
    }
    // Both or neither.
    let profile = asker.change_profile(&wish).await?;
    user_with(&asker, &profile).await.map(Json)
}

async fn rooms(asker: Asker) -> Answer {
    let listed = asker.get("/api/v1/rooms").await?;
    let mut rooms = Vec::new();
    for room in listed["items"].as_array().into_iter().flatten() {
        if room["standing"] == "member" || room["standing"] == "invited" {
            rooms.push(with_members(&asker, room).await?);
        }
    }
    rooms.extend(public::listed(&asker).await?.iter().map(show::public_room));
    Ok(Json(Value::Array(rooms)))
}

/// The room of a slug or an id.
async fn find(asker: &Asker, room: &str) -> Result<Value, Refused> {
    asker.get(&format!("/api/v1/rooms/{}", part(room))).await
}

async fn room(asker: Asker, Id(name): Id) -> Answer {
    match find(&asker, &name).await {
        Ok(room) => with_members(&asker, &room).await.map(Json),
        Err(refused) if refused.status == StatusCode::NOT_FOUND => {
            let room = public::find(&asker, &name).await?.ok_or(refused)?;
            Ok(Json(show::public_room(&room)))
        }
        Err(refused) => Err(refused),
    }
}

/// Whether a room of this account or a public one of this node would be meant by `slug`. Those of other nodes are others' to name.
async fn is_taken(asker: &Asker, wanted: &str) -> Result<bool, Refused> {
    let own = asker.get("/api/v1/rooms").await?;
    let mut own = own["items"].as_array().into_iter().flatten();
    if own.any(|room| room["slug"] == wanted || room["name"].as_str().is_some_and(|name| slug(name) == wanted)) {
        return Ok(true);
    }
    let public = public::listed(asker).await?;
    Ok(public.iter().any(|room| room["here"] == true && room["slug"] == wanted))
}

async fn make_room(asker: Asker, Object(body): Object) -> Result<(StatusCode, Json<Value>), Refused> {
    let name = text(&body, "name")?;
    if is_taken(&asker, &slug(name)).await? {
        return Err(Refused::new(
            StatusCode::CONFLICT,
            "there is a room of this name already",
        ));
    }
    let mut wish = json!({ "name": name });
    if asker.inside.are_neighbours() {
        // Whoever makes a room here means all who are here; where one person is, it would only be shown to strangers.
        wish["policy"] = json!({ "join": "public", "history": "all" });
    }
    let description = match &body["description"] {
        Value::Null => "",
        _ => text(&body, "description")?,
    };
    if let Some(topic) = tags::together(description, &body["tags"])? {
        wish["topic"] = json!(topic);
    }
    let made = asker.post("/api/v1/rooms", &wish).await?;
    let room = with_members(&asker, &made).await?;
    Ok((StatusCode::CREATED, Json(room)))
}

async fn join(asker: Asker, Id(room): Id) -> Answer {
    let path = format!("/api/v1/rooms/{}/join", part(&room));
    match asker.post(&path, &json!({})).await {
        // UIs join again each time they show a room.
        Err(refused) if refused.status == StatusCode::NOT_FOUND => {
            let room = public::find(&asker, &room).await?.ok_or(refused)?;
            public::enter(&asker, &room).await?;
            Ok(Json(json!({ "message": "joined" })))
        }
        Err(refused) if refused.code != "already_member" => Err(refused),
        _ => Ok(Json(json!({ "message": "joined" }))),
    }
}

async fn leave(asker: Asker, Id(room): Id) -> Answer {
    let path = format!("/api/v1/rooms/{}/leave", part(&room));
    asker.post(&path, &json!({})).await?;
    Ok(Json(json!({ "message": "left" })))
}

#[derive(Deserialize)]
struct PageParams {
    limit: Option<String>,
    before: Option<String>,
}

async fn messages(asker: Asker, Id(room): Id, Params(params): Params<PageParams>) -> Answer {
    let limit = limit(params.limit.as_deref(), PAGE, MAX_PAGE)?;
    let room = find(&asker, &room).await?;
    let id = room["id"].as_str().unwrap_or_default();
    let mut path = format!("/api/v1/conversations/{id}/messages?limit={limit}");
    if let Some(before) = &params.before {
        let message = asker.get(&format!("/api/v1/messages/{}", part(before))).await?;
        let cursor = cursor_before(&message).filter(|_| message["conversation"] == room["id"]);
        let cursor = cursor.ok_or_else(|| bad("before must be a message of this room"))?;
        path.push_str(&format!("&before={cursor}"));
    }
    let page = asker.get(&path).await?;
    let faces = asker.faces(page["items"].as_array().into_iter().flatten()).await;
    Ok(Json(Value::Array(show::messages(&page, id, &faces))))
}
