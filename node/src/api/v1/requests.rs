//! Contact requests: listed, accepted, declined, and whoever asks blocked.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use parlour_store::requests::{self, RequestRow};

use super::contacts::add_link;
use super::dto::{self, Time};
use super::reader::Reader;
use crate::api::error::ApiError;
use crate::api::extract::{Body, Part};
use crate::api::state::ApiState;
use crate::engine::{Decision, is_open_request};
use crate::resolve;
use crate::runner::now_ms;
use crate::text;

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/requests", get(list))
        .route("/requests/{request}", get(one).delete(decline))
        .route("/requests/{request}/accept", post(accept))
        .route("/requests/{request}/block", post(block))
}

pub(crate) fn request(row: &RequestRow) -> dto::Request {
    dto::Request {
        user_id: row.user,
        name: text::name(&row.name),
        display: resolve::asking_name(row),
        note: text::lines(&row.note),
        received_at: Time(row.received),
        expires_at: Time(row.expires),
    }
}

async fn list(State(state): State<ApiState>) -> Result<Json<dto::List<dto::Request>>, ApiError> {
    let now = now_ms();
    let mut rows = requests::all(state.account.store())?;
    rows.retain(|row| is_open_request(row, now));
    rows.sort_by_key(|row| (std::cmp::Reverse(row.received), row.user));
    Ok(Json(dto::List {
        items: rows.iter().map(request).collect(),
    }))
}

async fn one(State(state): State<ApiState>, Part(who): Part) -> Result<Json<dto::Request>, ApiError> {
    let row = resolve::request(state.account.store(), &who, now_ms())?;
    Ok(Json(request(&row)))
}

async fn accept(
    State(state): State<ApiState>,
    Part(who): Part,
    Body(wish): Body<dto::AcceptRequest>,
) -> Result<(StatusCode, Json<dto::AddedContact>), ApiError> {
    let row = resolve::request(state.account.store(), &who, now_ms())?;
    add_link(&state, row.link, wish.petname, None).await
}

async fn decline(State(state): State<ApiState>, Part(who): Part) -> Result<StatusCode, ApiError> {
    let row = resolve::request(state.account.store(), &who, now_ms())?;
    state.account.decide(Decision::DeclineRequest(row.user)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn block(State(state): State<ApiState>, Part(who): Part) -> Result<Json<dto::Contact>, ApiError> {
    let row = resolve::request(state.account.store(), &who, now_ms())?;
    state.account.decide(Decision::BlockRequest(row.user)).await?;
    let blocked = resolve::contact(state.account.store(), &row.user.to_string())?;
    Ok(Json(Reader::new(&state.account).contact(&blocked)?))
}
