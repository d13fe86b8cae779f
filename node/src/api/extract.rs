//! What a handler takes from a request: a JSON body, a query, path parts. Every refusal says what is wrong and where.

use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::door::Door;
use super::error::ApiError;
use super::state::ApiState;

/// A JSON body, strictly of the form of `T`.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T>
where
    Door: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = read_body(request, &Door::from_ref(state)).await?;
        parse_json(&body).map(Self)
    }
}

/// A body as it is.
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for Raw
where
    Door: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = read_body(request, &Door::from_ref(state)).await?;
        Ok(Self(body.to_vec()))
    }
}

/// A request's body, bounded in size and time.
pub(crate) async fn read_body(request: Request, door: &Door) -> Result<Bytes, ApiError> {
    let limits = &door.limits;
    let max = limits.body_bytes;
    let read = Limited::new(request.into_body(), max).collect();
    match tokio::time::timeout(limits.body_timeout, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::too_large(max)),
        Ok(Err(_)) => Err(ApiError::bad_request("cut_short", "the request body ended too early")),
        Err(_) => {
            let detail = format!(
                "the request body did not come within {} s",
                limits.body_timeout.as_secs()
            );
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail))
        }
    }
}

/// Reads `T` from JSON text, saying which field is wrong and where.
pub(crate) fn parse_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    if text.is_empty() {
        return Err(ApiError::bad_request("bad_json", "the request needs a JSON body"));
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = error.path().to_string();
        json_error(error.inner(), Some(field.as_str()).filter(|field| *field != "."))
    })?;
    reader.end().map_err(|error| json_error(&error, None))?;
    Ok(value)
}

fn json_error(error: &serde_json::Error, field: Option<&str>) -> ApiError {
    match (error.classify(), field) {
        (Category::Data, Some(field)) => ApiError::bad_request("bad_field", format!("{field}: {error}")).at(field),
        (Category::Data, None) => ApiError::bad_request("bad_field", error.to_string()),
        (Category::Syntax | Category::Eof | Category::Io, _) => {
            ApiError::bad_request("bad_json", format!("the body is not valid JSON: {error}"))
        }
    }
}

/// A query string, strictly of the form of `T`.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<ApiState> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let text = rejection.body_text();
                let detail = text
                    .rsplit_once("query string: ")
                    .map_or(text.as_str(), |(_, detail)| detail);
                Err(ApiError::bad_request(
                    "bad_query",
                    format!("the query string is not valid: {detail}"),
                ))
            }
        }
    }
}

/// One part of the path, percent-decoded.
pub(crate) struct Part(pub(crate) String);

impl FromRequestParts<ApiState> for Part {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let part: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        part.map(|Path(text)| Self(text))
            .map_err(|_| ApiError::bad_request("bad_path", "a part of the path is not valid percent-encoded UTF-8"))
    }
}

/// Two parts of the path, percent-decoded.
pub(crate) struct TwoParts(pub(crate) String, pub(crate) String);

impl FromRequestParts<ApiState> for TwoParts {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let both: Result<Path<(String, String)>, PathRejection> = Path::from_request_parts(parts, state).await;
        both.map(|Path((one, two))| Self(one, two))
            .map_err(|_| ApiError::bad_request("bad_path", "a part of the path is not valid percent-encoded UTF-8"))
    }
}

/// Reads one value of a query string.
pub(crate) fn field<T: FromStr>(name: &str, text: Option<&str>, expected: &str) -> Result<Option<T>, ApiError> {
    text.map(|text| {
        text.parse()
            .map_err(|_| ApiError::bad_field(name, format!("{name} must be {expected}")))
    })
    .transpose()
}

/// Most items of a page.
pub(crate) const MAX_PAGE: usize = 200;
/// Items of a page unless asked otherwise.
const PAGE: usize = 50;

/// Reads a page size.
pub(crate) fn limit(text: Option<&str>) -> Result<usize, ApiError> {
    let bad = || ApiError::bad_field("limit", format!("limit must be a number from 1 to {MAX_PAGE}"));
    let limit = text.map_or(Ok(PAGE), |text| text.parse().map_err(|_| bad()))?;
    if (1..=MAX_PAGE).contains(&limit) {
        Ok(limit)
    } else {
        Err(bad())
    }
}

/// Reads a time as milliseconds since 1970.
pub(crate) fn time(name: &str, text: Option<&str>) -> Result<Option<u64>, ApiError> {
    let time: Option<jiff::Timestamp> = field(name, text, "a time such as 2026-11-20T12:00:00Z")?;
    Ok(time.map(|time| u64::try_from(time.as_millisecond()).unwrap_or(0)))
}
