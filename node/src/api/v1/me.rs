//! Who this node speaks for.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use super::dto;
use crate::api::state::ApiState;

pub(crate) fn router() -> Router<ApiState> {
    Router::new().route("/me", get(me))
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
