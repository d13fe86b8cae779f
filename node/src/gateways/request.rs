//! What the REST calls of all families are made of: a JSON object, and a refusal in which each finds its own field.

use axum::Json;
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::inside::{Refused, from_error};
use crate::api::{Door, read_body};

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
        let bytes = read_body(request, &Door::from_ref(state))
            .await
            .map_err(|error| from_error(&error))?;
        if bytes.is_empty() {
            return Ok(Self(json!({})));
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
