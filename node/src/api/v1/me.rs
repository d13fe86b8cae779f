//! Who this node speaks for.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use parlour_store::registers;

use super::dto;
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::state::ApiState;
use crate::engine::Change;

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/me", get(me))
        .route("/me/settings", get(settings).patch(change_settings))
}

async fn me(State(state): State<ApiState>) -> Json<dto::Me> {
    let facts = state.account.facts();
    Json(dto::Me {
        user_id: facts.own.user,
        name: facts.name.clone(),
        device_id: facts.device,
        peer_id: parlour_net::peer_to_text(&facts.peer),
        account: facts.account.clone(),
        listen: state.account.live().listening.iter().map(ToString::to_string).collect(),
        version: env!("CARGO_PKG_VERSION"),
    })
}

async fn settings(State(state): State<ApiState>) -> Result<Json<dto::Settings>, ApiError> {
    let settings = registers::settings(state.account.store())?;
    Ok(Json(dto::Settings {
        read_receipts: settings.read_receipts,
        presence: settings.presence,
    }))
}

async fn change_settings(
    State(state): State<ApiState>,
    Body(wish): Body<dto::ChangeSettings>,
) -> Result<Json<dto::Settings>, ApiError> {
    let change = Change::Settings {
        read_receipts: wish.read_receipts,
        presence: wish.presence,
    };
    state.account.change(change).await?;
    settings(State(state)).await
}
