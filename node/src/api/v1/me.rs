//! Who this node speaks for.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use parlour_crypto::{ContactAddress, MAX_INVITE_ADDRESSES};
use parlour_store::registers;

use super::dto;
use super::invites::reach;
use super::passing::presence_name;
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::state::ApiState;
use crate::engine::{Decision, MakeInviteError, best_first};
use crate::runner::now_ms;

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/me", get(me))
        .route("/me/address", get(address))
        .route("/me/presence", get(presence).put(set_presence))
        .route("/me/settings", get(settings).patch(change_settings))
}

async fn me(State(state): State<ApiState>) -> Json<dto::Me> {
    let facts = state.account.facts();
    Json(dto::Me {
        user_id: facts.own.user,
        name: state.account.name(),
        device_id: facts.device,
        peer_id: parlour_net::peer_to_text(&facts.peer),
        account: facts.account.clone(),
        listen: state.account.live().listening.iter().map(ToString::to_string).collect(),
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Where this account can be asked, for anybody who wants to become a contact.
async fn address(State(state): State<ApiState>) -> Result<Json<dto::ContactAddress>, ApiError> {
    let facts = state.account.facts();
    let addresses = best_first(&state.account.live().listening, MAX_INVITE_ADDRESSES);
    if addresses.is_empty() {
        return Err(MakeInviteError::NoAddress.into());
    }
    let address = ContactAddress {
        user: facts.own.user,
        peer: facts.peer.to_bytes(),
        addresses: addresses.iter().map(|address| address.to_vec()).collect(),
        name: Some(state.account.name()).filter(|name| !name.is_empty()),
    };
    let (works, hint) = reach(&addresses);
    Ok(Json(dto::ContactAddress {
        link: address.to_link(),
        addresses: addresses.iter().map(ToString::to_string).collect(),
        works,
        hint,
    }))
}

async fn settings(State(state): State<ApiState>) -> Result<Json<dto::Settings>, ApiError> {
    let settings = registers::settings(state.account.store())?;
    Ok(Json(settings.into()))
}

async fn change_settings(
    State(state): State<ApiState>,
    Body(wish): Body<dto::ChangeSettings>,
) -> Result<Json<dto::Settings>, ApiError> {
    let change = Decision::Settings {
        read_receipts: wish.read_receipts,
        presence: wish.share_presence,
    };
    state.account.decide(change).await?;
    settings(State(state)).await
}

async fn presence(State(state): State<ApiState>) -> Result<Json<dto::OwnPresence>, ApiError> {
    let shared = registers::settings(state.account.store())?.presence;
    // What was said last may be over by now.
    let until = Some(state.account.ephemera().borrow().online_until).filter(|until| *until > now_ms());
    let until = until.unwrap_or(0);
    Ok(Json(dto::OwnPresence {
        presence: presence_name(until > 0),
        until: dto::Time::unless_never(until),
        shared,
    }))
}

async fn set_presence(
    State(state): State<ApiState>,
    Body(wish): Body<dto::SetPresence>,
) -> Result<Json<dto::OwnPresence>, ApiError> {
    if !(10..=86_400).contains(&wish.for_s) {
        return Err(ApiError::bad_field("for_s", "for_s must be from 10 to 86400 seconds"));
    }
    let ms = match wish.presence {
        dto::PresenceName::Online => wish.for_s.saturating_mul(1_000),
        dto::PresenceName::Away => 0,
    };
    state.account.decide(Decision::Online(ms)).await?;
    presence(State(state)).await
}
