//! Tokens for programs: made, listed, taken back. And what the token that asks allows.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Extension, Json, Router};

use super::dto::{self, Time};
use crate::api::auth::{Caller, NewToken, TokenRow};
use crate::api::error::ApiError;
use crate::api::extract::{Body, Part};
use crate::api::state::{ApiState, Shared};
use crate::resolve;
use crate::runner::now_ms;

/// Ten years and some days.
const MAX_LIFE_S: u64 = 3_660 * 86_400;

pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/session", get(session))
        .route("/tokens", get(list).post(make))
        .route("/tokens/{token}", delete(revoke))
}

async fn session(State(state): State<ApiState>, Extension(caller): Extension<Caller>) -> Json<dto::Session> {
    Json(dto::Session {
        user_id: state.account.facts().own.user,
        name: state.account.name(),
        program: caller.program.name(),
        scope: caller.scope.name(),
        conversation: caller.conversation,
        expires_at: caller.until.map(Time),
    })
}

async fn list(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<dto::List<dto::Token>>, ApiError> {
    let rows = state.door.guard.auth().tokens(caller.account, now_ms())?;
    let items = rows.into_iter().map(show).collect();
    Ok(Json(dto::List { items }))
}

async fn make(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(wish): Body<dto::MakeToken>,
) -> Result<(StatusCode, Json<dto::MadeToken>), ApiError> {
    let now = now_ms();
    let new = new_token(&state, wish, now)?;
    let (guard, account) = (state.door.guard.clone(), caller.account);
    let made = on_disk(move || guard.auth().make_token(account, new, now)).await?;
    let made = dto::MadeToken {
        secret: made.0.as_str().to_owned(),
        token: show(made.1),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

fn new_token(state: &Shared, wish: dto::MakeToken, now: u64) -> Result<NewToken, ApiError> {
    let scope = wish
        .scope
        .parse()
        .map_err(|()| ApiError::bad_field("scope", "scope must be read, send or admin"))?;
    let conversation = wish
        .conversation
        .map(|text| resolve::conversation(state.account.store(), state.account.facts().own, &text))
        .transpose()
        .map_err(|error| ApiError::from(error).at("conversation"))?;
    let until = match wish.expires_in_s {
        None => None,
        Some(seconds) if (1..=MAX_LIFE_S).contains(&seconds) => Some(now.saturating_add(seconds.saturating_mul(1_000))),
        Some(_) => {
            let detail = format!("expires_in_s must be from 1 to {MAX_LIFE_S}");
            return Err(ApiError::bad_field("expires_in_s", detail));
        }
    };
    Ok(NewToken {
        label: wish.label.unwrap_or_default(),
        scope,
        conversation: conversation.map(|(_, row)| row.id),
        until,
    })
}

async fn revoke(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Part(id): Part,
) -> Result<StatusCode, ApiError> {
    let (guard, account) = (state.door.guard.clone(), caller.account);
    on_disk(move || guard.auth().revoke_token(account, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Does what waits for the disk where waiting harms nobody.
pub(super) async fn on_disk<T: Send + 'static, E: Into<ApiError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a change of tokens did not end");
        ApiError::internal()
    })?;
    done.map_err(Into::into)
}

fn show(row: TokenRow) -> dto::Token {
    dto::Token {
        id: row.id,
        label: row.label,
        scope: row.scope.name(),
        conversation: row.conversation,
        created_at: Time(row.created),
        expires_at: row.until.map(Time),
        last_used_at: Time::unless_never(row.used),
    }
}
