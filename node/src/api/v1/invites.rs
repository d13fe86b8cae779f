//! Invites: made, listed, taken back.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use data_encoding::HEXLOWER;
use parlour_net::{Multiaddr, Scope};
use parlour_store::invites::{self, InviteRow};

use super::dto::{self, Time};
use crate::api::error::ApiError;
use crate::api::extract::{Body, Part};
use crate::api::state::ApiState;
use crate::engine::NewInvite;
use crate::runner::now_ms;

/// The longest life of an invite.
const MAX_SECONDS: u64 = 45 * 24 * 3600;
/// How often an invite may be used at most.
const MAX_USES: u32 = 1_000;

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/invites", get(list).post(create))
        .route("/invites/{token}", delete(revoke))
}

async fn list(State(state): State<ApiState>) -> Result<Json<dto::List<dto::Invite>>, ApiError> {
    let now = now_ms();
    let mut rows = invites::all(state.account.store())?;
    rows.sort_by_key(|row| (std::cmp::Reverse(row.created), row.token));
    Ok(Json(dto::List {
        items: rows.iter().map(|row| invite(row, now)).collect(),
    }))
}

fn invite(row: &InviteRow, now: u64) -> dto::Invite {
    let uses = row.used_by.len();
    let used_up = u32::try_from(uses).is_ok_and(|uses| uses >= row.max_uses);
    let state = match (row.revoked, used_up, row.expires <= now) {
        (true, _, _) => "revoked",
        (_, true, _) => "used",
        (_, _, true) => "expired",
        (false, false, false) => "open",
    };
    dto::Invite {
        token: HEXLOWER.encode(&row.token),
        created_at: Time(row.created),
        expires_at: Time(row.expires),
        max_uses: row.max_uses,
        uses,
        state,
    }
}

async fn create(
    State(state): State<ApiState>,
    Body(wish): Body<dto::MakeInvite>,
) -> Result<(StatusCode, Json<dto::NewInvite>), ApiError> {
    if !(1..=MAX_SECONDS).contains(&wish.expires_in_s) {
        return Err(ApiError::bad_field(
            "expires_in_s",
            format!("expires_in_s must be from 1 to {MAX_SECONDS}"),
        ));
    }
    if !(1..=MAX_USES).contains(&wish.max_uses) {
        return Err(ApiError::bad_field(
            "max_uses",
            format!("max_uses must be from 1 to {MAX_USES}"),
        ));
    }
    let new = NewInvite {
        valid_ms: wish.expires_in_s.saturating_mul(1000),
        max_uses: wish.max_uses,
    };
    let made = state.account.invite(new).await?;
    let (works, hint) = reach(&made.addresses);
    let invite = dto::NewInvite {
        link: made.link,
        token: HEXLOWER.encode(&made.token),
        expires_at: Time(made.expires),
        max_uses: wish.max_uses,
        addresses: made.addresses.iter().map(ToString::to_string).collect(),
        works,
        hint,
    };
    Ok((StatusCode::CREATED, Json(invite)))
}

/// From where an invite with these addresses can be used.
pub(crate) fn reach(addresses: &[Multiaddr]) -> (&'static str, &'static str) {
    match addresses.iter().map(parlour_net::scope).max() {
        Some(Scope::Internet) => ("anywhere", "both nodes must be running when it is opened"),
        Some(Scope::Lan) => (
            "this LAN",
            "both nodes must be running in the same network when it is opened",
        ),
        Some(Scope::Machine) | None => (
            "this machine",
            "start the node with a listen address other machines can reach, and make a new one",
        ),
    }
}

async fn revoke(State(state): State<ApiState>, Part(token): Part) -> Result<StatusCode, ApiError> {
    let bytes = HEXLOWER
        .decode(token.as_bytes())
        .ok()
        .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    let token =
        bytes.ok_or_else(|| ApiError::bad_request("bad_id", "an invite's token is 32 characters of 0-9 and a-f"))?;
    state.account.revoke_invite(token).await?;
    Ok(StatusCode::NO_CONTENT)
}
