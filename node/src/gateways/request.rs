//! What the REST calls of all families are made of: who asks, a JSON object, and a refusal in which each finds its own field.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{HOST, RETRY_AFTER, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::inside::{Inside, Refused, from_error};
use crate::api::{Caller, Connection, Door, is_json, read_body};
use crate::runner::now_ms;

/// What the calls of a family are answered with.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) inside: Inside,
    pub(super) door: Door,
}

impl FromRef<Gate> for Door {
    fn from_ref(gate: &Gate) -> Self {
        gate.door.clone()
    }
}

impl FromRef<Gate> for Inside {
    fn from_ref(gate: &Gate) -> Self {
        gate.inside.clone()
    }
}

impl Gate {
    /// Begins a login, by whatever call gives its token: whose it is, and what was said.
    pub(super) async fn begin(&self, here: Here, path: &str, wish: &Value) -> Result<(Asker, Value), Refused> {
        let made = self.inside.ask(None, here.from, Method::POST, path, Some(wish)).await?;
        let token = made["token"].as_str().unwrap_or_default();
        let gone = || Refused::new(StatusCode::UNAUTHORIZED, "this login has ended");
        let asker = Asker {
            inside: self.inside.clone(),
            caller: self.inside.accepts(token).ok_or_else(gone)?,
            here,
        };
        Ok((asker, made))
    }
}

/// Who asks: whoever holds the token of a request or of a socket.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) inside: Inside,
    pub(super) caller: Caller,
    pub(super) here: Here,
}

impl Asker {
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Refused> {
        let from = self.here.from;
        self.inside.ask(Some(&self.caller), from, method, path, body).await
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Refused> {
        self.ask(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Refused> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Tells contacts whether the account's user is there.
    pub(super) async fn say_there(&self, there: bool) -> Result<(), Refused> {
        let wish = json!({ "presence": if there { "online" } else { "away" } });
        self.ask(Method::PUT, "/api/v1/me/presence", Some(&wish))
            .await
            .map(drop)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asker
where
    Inside: FromRef<S>,
{
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let inside = Inside::from_ref(state);
        let here = Here::from_request_parts(parts, state).await?;
        let caller = inside.caller(&parts.headers, here.from)?;
        Ok(Self { inside, caller, here })
    }
}

/// Between whom a request goes.
#[derive(Clone)]
pub(super) struct Here {
    /// The client's address.
    pub(super) from: IpAddr,
    /// What it calls this gateway: `HOST:PORT`, one of those that the guard lets in.
    pub(super) host: String,
}

impl Here {
    /// Of a request's head; `None`, if it has not come over a connection.
    pub(super) fn of(parts: &Parts) -> Option<Self> {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        Some(Self {
            from: parts.extensions.get::<Arc<Connection>>()?.from,
            host: host.unwrap_or_default().to_owned(),
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Here {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        Self::of(parts).ok_or_else(Refused::internal)
    }
}

/// A part of the path.
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id)).map_err(|_| bad("this id is not valid"))
    }
}

/// The query.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let query = Query::try_from_uri(&parts.uri);
        query
            .map(|Query(params)| Self(params))
            .map_err(|_| bad("the query is not valid"))
    }
}

/// What a client says of itself.
pub(super) fn device<'a>(headers: &'a HeaderMap, family: &'a str) -> &'a str {
    let device = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    device.unwrap_or(family)
}

/// A number of a query, `usual` if there is none.
pub(super) fn number(given: Option<&str>, usual: usize, field: &str) -> Result<usize, Refused> {
    let number = given.map_or(Ok(usual), str::parse);
    number.map_err(|_| bad(&format!("{field} must be a number")))
}

/// How many are wanted: `usual`, if that is not said, and no more than `most`.
pub(super) fn limit(given: Option<&str>, usual: usize, most: usize) -> Result<usize, Refused> {
    match number(given, usual, "limit")? {
        0 => Err(bad("limit must be a number from 1")),
        limit => Ok(limit.min(most)),
    }
}

/// This moment as it is told.
pub(super) fn now_text() -> Value {
    let now = i64::try_from(now_ms()).ok();
    let now = now.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    json!(now.map(|now| format!("{now:.3}")))
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = json!({ "success": false, "message": self.detail, "error": self.detail });
        let mut response = (self.status, Json(body)).into_response();
        let after = self.retry_after.and_then(|after| HeaderValue::from_str(&after).ok());
        response.headers_mut().extend(after.map(|after| (RETRY_AFTER, after)));
        response
    }
}

pub(super) fn bad(detail: &str) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, detail)
}

/// A body that is a JSON object; none is an empty one.
pub(super) struct Object(pub(super) Value);

impl<S: Send + Sync> FromRequest<S> for Object
where
    Door: FromRef<S>,
{
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let is_json = is_json(request.headers()).map_err(|error| from_error(&error))?;
        let bytes = read_body(request, &Door::from_ref(state))
            .await
            .map_err(|error| from_error(&error))?;
        if bytes.is_empty() {
            return Ok(Self(json!({})));
        }
        // Of what a form sends without asking, nothing is taken.
        if !is_json {
            let detail = "a body needs the header \"Content-Type: application/json\"";
            return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| bad("the body is not valid JSON"))?;
        let object = Some(value).filter(Value::is_object);
        object.map(Self).ok_or_else(|| bad("the body must be a JSON object"))
    }
}

/// A text that has to be there.
pub(super) fn text<'a>(body: &'a Value, field: &str) -> Result<&'a str, Refused> {
    body[field]
        .as_str()
        .ok_or_else(|| bad(&format!("{field} must be a text")))
}
