//! The accounts of this node: the one that runs. Another is made before a node starts, or by a node that has none.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};

use super::dto;
use crate::api::error::ApiError;
use crate::api::state::ApiState;

pub(crate) fn router() -> Router<ApiState> {
    Router::new().route("/accounts", get(list).post(create))
}

async fn list(State(state): State<ApiState>) -> Json<dto::List<dto::Account>> {
    let facts = state.account.facts();
    let account = dto::Account {
        account: facts.account.clone(),
        user_id: facts.own.user,
        name: state.account.name(),
    };
    Json(dto::List { items: vec![account] })
}

async fn create() -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "account_exists",
        "this node has an account already",
    )
}
