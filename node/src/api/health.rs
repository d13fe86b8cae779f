//! Whether the node lives and whether it can write.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::state::ApiState;
use crate::handle::Health;

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
}

pub(crate) async fn live() -> impl IntoResponse {
    Json(json!({ "status": "ok" }))
}

async fn ready(State(state): State<ApiState>) -> Response {
    let read_only = state.all().iter().find_map(|state| match state.account.health() {
        Health::Ready => None,
        Health::ReadOnly(why) => Some(why),
    });
    match read_only {
        None => Json(json!({ "status": "ok" })).into_response(),
        Some(why) => {
            let body = json!({ "status": "read_only", "detail": why.to_string() });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}
