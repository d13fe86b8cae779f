//! Looking after a node's accounts: their roles, and who is kept out. For those who look after the node, and for the command line.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, patch};
use axum::{Extension, Json, Router};

use super::dto::{self, Time};
use super::tokens::on_disk;
use crate::api::auth::{Caller, Role, RoleChange, RoleError, Standing};
use crate::api::error::ApiError;
use crate::api::extract::{Body, Part};
use crate::api::state::{ApiState, Shared};
use crate::runner::now_ms;

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/node/accounts", get(list))
        .route("/node/accounts/{account}", patch(change).delete(remove))
}

fn shown(caller: &Caller, one: &Shared, standing: Standing) -> dto::NodeAccount {
    let facts = one.account.facts();
    let (since, reason, removed) = match standing.suspended {
        Some(suspension) => (Some(suspension.since), suspension.reason, suspension.removed),
        None => (None, String::new(), false),
    };
    dto::NodeAccount {
        account: facts.account.clone(),
        user_id: facts.own.user,
        name: one.account.name(),
        role: standing.role.name(),
        own: one
            .door
            .account(caller.account)
            .is_some_and(|own| std::ptr::eq(&*own, one)),
        suspended_at: since.map(Time),
        reason: Some(reason).filter(|reason| !reason.is_empty()),
        removed,
    }
}

async fn list(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<dto::List<dto::NodeAccount>>, ApiError> {
    let auth = state.door.guard.auth();
    auth.may_look_after_node(&caller)?;
    let all = state.all();
    let items = all.iter().map(|one| {
        let standing = auth.standing(&one.account.facts().account);
        shown(&caller, one, standing)
    });
    Ok(Json(dto::List { items: items.collect() }))
}

/// Does something with an account, and shows it.
async fn done(state: &ApiState, caller: Caller, account: String, change: RoleChange) -> Result<(), ApiError> {
    let auth = state.door.guard.auth().clone();
    on_disk(move || auth.change_standing(&caller, &account, &change, now_ms())).await
}

async fn change(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Part(account): Part,
    Body(wish): Body<dto::ChangeNodeAccount>,
) -> Result<Json<dto::NodeAccount>, ApiError> {
    let role = wish.role.as_deref().map(str::parse::<Role>).transpose();
    let role = role.map_err(|()| ApiError::bad_field("role", "a role is one of user, admin, owner"))?;
    let change = match (role, wish.suspended, wish.reason) {
        (Some(role), None, None) => RoleChange::Role(role),
        (None, Some(true), reason) => RoleChange::Suspend(reason.unwrap_or_default()),
        (None, Some(false), None) => RoleChange::Resume,
        (None, _, Some(_)) => return Err(ApiError::bad_field("reason", "a reason belongs to a suspension")),
        _ => return Err(ApiError::bad_field("role", "either role or suspended is given")),
    };
    done(&state, caller.clone(), account.clone(), change).await?;
    let all = state.all();
    let one = all.iter().find(|one| one.account.facts().account == account);
    let one = one.ok_or_else(|| ApiError::from(RoleError::Unknown(account.clone())))?;
    Ok(Json(shown(&caller, one, state.door.guard.auth().standing(&account))))
}

async fn remove(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Part(account): Part,
) -> Result<StatusCode, ApiError> {
    done(&state, caller, account, RoleChange::Remove).await?;
    Ok(StatusCode::NO_CONTENT)
}
